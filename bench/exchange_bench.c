// SPDX-License-Identifier: GPL-2.0-only
/*
 * exchange_bench - what the worker pays for one exchange of the item `requests`: from the kernel half's events to metrics
 * and the summary of the interval, the whole user half but the reading of the ring.
 *
 * A tape of events as the ring would hold them (two for each write of requests: read, answered; 64 connections in turn) is
 * played again and again with new positions and times. Nobody watches: records are made for examples only. CPU
 * seconds of this process; medians of rounds. Exits with 1 when a mix is above the promise.
 *
 *	exchange_bench [MIX [ROUNDS]]	one mix, many rounds: for perf and callgrind
 */
#include "items/app/requests/inside.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "record/stream.h"

enum { ROUNDS = 11, EXCHANGES = 200000, CONNECTIONS = 64, EVENT_BYTES = 1 << 15 };
#define LIMIT_NS 1000.0 /* the promise for an exchange */

/* ---- what the registry would be ---- */

static struct stream *stream;
static struct resolver resolver;

const char *item_name(const struct item *item)
{
	return "requests";
}

struct stream *item_stream(struct item *item)
{
	return stream;
}

const struct resolver *item_resolver(struct item *item)
{
	return &resolver;
}

bool item_where_requires(const struct item *item, const char *const *columns,
			 struct span *ret_value)
{
	return false;
}

void item_count(struct item *item, const char *stage, const char *reason, uint64_t amount)
{
	fprintf(stderr, "%s %s: %llu\n", stage, reason, (unsigned long long)amount);
}

void item_publish(struct item *item, const struct record *record)
{
}
void item_forget_series(struct item *item, size_t metric, const struct label *labels, size_t count)
{
}
void figures_forget(void *ctx, const struct total_operation *operation)
{
}

static bool who_of_pid(void *ctx, uint32_t pid, uint64_t ktime_ns, struct who *ret_who)
{
	*ret_who = (struct who){.pid = pid,
				.process = span_of("nginx"),
				.container = span_of("shop-web-1"),
				.service = span_of("shop")};
	return true;
}

static struct span name_of_peer(void *ctx, const uint8_t addr[16], uint16_t port)
{
	return span_of("browser");
}

/* ---- the tape ---- */

struct mix {
	const char *name;
	unsigned at_once; /* requests in a write */
	const char *request, *response;
	size_t request_len, response_len;
};

static const char get[] = "GET /api/v1/users/123/orders?limit=20 HTTP/1.1\r\nHost: shop.example\r\n"
			  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Firefox/115.0\r\n"
			  "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n"
			  "Connection: keep-alive\r\n\r\n";
static const char wrk[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
static const char ok[] = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n"
			 "Date: Sat, 01 Aug 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n"
			 "Content-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, world!";
static const char redis_get[] = "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n";
static const char redis_value[] = "$3\r\nxxx\r\n";
static const char query[] =
	"Q\0\0\0\102SELECT name, price FROM products WHERE shop = 7 AND id < 9182\0";
#define ROW                                                                                        \
	"D\0\0\0\31\0\2\0\0\0\5apple\0\0\0\6"                                                      \
	"123.45"
static const char result[] = "T\0\0\0\65\0\2name\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"
			     "price\0\0\0\0\0\0\0\0\0\6\244\377\377\377\377\377\377\0\0" ROW ROW
			     "C\0\0\0\15SELECT 2\0Z\0\0\0\5I";

#define MIX(name, at_once, request, response)                                                      \
	{                                                                                          \
		name, at_once, request, response, sizeof(request) - 1, sizeof(response) - 1        \
	}

static const struct mix mixes[] = {
	MIX("http, tiny", 1, wrk, ok),
	MIX("http, a browser's", 1, get, ok),
	MIX("http, 16 at once", 16, wrk, ok),
	MIX("redis, one by one", 1, redis_get, redis_value),
	MIX("redis, 100 at once", 100, redis_get, redis_value),
	MIX("postgresql", 1, query, result),
};

static union {
	struct requests_data data;
	uint8_t bytes[EVENT_BYTES];
} event[2];

static void make_event(unsigned direction, const char *text, size_t len, unsigned times)
{
	struct requests_data *data = &event[direction].data;

	*data = (struct requests_data){
		.head = {REQUESTS_DATA, 0, 0, 0},
		.pid = 4711,
		.tid = 4711,
		.moved = (uint32_t)(len * times),
		.srtt_us = 50,
		.first = (uint16_t)(len * times),
		.direction = (uint8_t)direction,
	};
	for (unsigned i = 0; i < times; i++)
		memcpy(data->bytes + i * len, text, len);
	data->head.size = (uint16_t)(sizeof(*data) + len * times);
}

static void open_connection(struct requests *requests, uint64_t cookie)
{
	struct requests_open open = {
		.head = {REQUESTS_OPEN, sizeof(open), 0, 1},
		.cookie = cookie,
		.is_accepted = 1,
		.transport = IPPROTO_TCP,
		.local_port = 80,
		.remote_port = (uint16_t)(1024 + cookie),
		.local_addr = {[10] = 0xff, 0xff, 10, 0, 0, 1},
		.remote_addr = {[10] = 0xff, 0xff, 10, 0, 0, 2},
	};

	talks_event(&requests->talks, &open.head, sizeof(open));
}

/* One write of requests on one connection, read and answered. */
static void play(struct requests *requests, uint64_t cookie, uint64_t position[2], uint64_t now_ns)
{
	for (unsigned direction = 0; direction < 2; direction++) {
		struct requests_data *data = &event[direction].data;

		data->cookie = cookie;
		data->position = position[direction];
		data->head.ktime_ns = now_ns + 30000 * direction;
		data->arrived_ns = direction ? 0 : now_ns - 5000;
		data->arrived_last_ns = data->arrived_ns;
		talks_event(&requests->talks, &data->head, data->head.size);
		position[direction] += data->moved;
	}
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool begin(struct requests *requests)
{
	*requests = (struct requests){.via = "sock_send_length"};
	arena_init(&requests->arena, 64 * 1024);
	buf_init(&requests->json, 16 * 1024);
	map_init(&requests->edges, sizeof(uint64_t), sizeof(struct edge_total), EDGES);
	talks_init(&requests->talks, 8192, account_exchange, requests);
	requests->aggregate = aggregate_new(NULL, account_whose, requests);
	return requests->aggregate && !totals_init(&requests->totals, 1) &&
	       shapes_init(&requests->shapes, 8192);
}

static void end(struct requests *requests)
{
	talks_done(&requests->talks);
	totals_done(&requests->totals);
	aggregate_free(requests->aggregate);
	map_done(&requests->edges);
	buf_done(&requests->json);
	shapes_done(&requests->shapes);
	arena_done(&requests->arena);
}

/* Seconds of CPU for EXCHANGES. */
static double round_of(struct requests *requests, const struct mix *mix, uint64_t position[][2],
		       uint64_t *now_ns)
{
	double start = cpu_seconds();

	for (unsigned i = 0; i < EXCHANGES / mix->at_once; i++) {
		unsigned connection = i % CONNECTIONS;

		*now_ns += 20000;
		play(requests, connection + 1, position[connection], *now_ns);
	}
	return cpu_seconds() - start;
}

static int compare(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static bool measure(const struct mix *mix, int rounds)
{
	static double seconds[1000];
	uint64_t position[CONNECTIONS][2] = {}, now_ns = 1000000000, told = 0, asked;
	struct requests requests;
	double ns;

	if (rounds > 1000 || !begin(&requests))
		return false;
	make_event(0, mix->request, mix->request_len, mix->at_once);
	make_event(1, mix->response, mix->response_len, mix->at_once);
	for (uint64_t i = 0; i < CONNECTIONS; i++)
		open_connection(&requests, i + 1);
	for (int i = 0; i < rounds; i++)
		seconds[i] = round_of(&requests, mix, position, &now_ns);
	for (uint32_t i = 0; i < requests.totals.operations; i++)
		told += requests.totals.operation[i].count;
	asked = (uint64_t)(EXCHANGES / mix->at_once) * mix->at_once * (uint64_t)rounds;
	qsort(seconds, (size_t)rounds, sizeof(*seconds), compare);
	ns = seconds[rounds / 2] * 1e9 / EXCHANGES;
	printf("%-20s %6.0f ns an exchange of %zu bytes, %llu of %llu told\n", mix->name, ns,
	       mix->request_len + mix->response_len, (unsigned long long)told,
	       (unsigned long long)asked);
	end(&requests);
	return ns <= LIMIT_NS && told == asked;
}

/* ---- exchanges that the kernel half measures ---- */

static struct usual_settings settings;
static struct usual_known known[USUAL_KNOWN];
static struct usual_slot slots[USUAL_SLOTS];

static uint32_t number_of_known(void)
{
	for (size_t i = 0; i < USUAL_KNOWN; i++)
		if (known[i].hash)
			return known[i].number;
	return 0;
}

/* USUAL_BATCH of them on one connection. */
static void play_usual(struct requests *requests, uint64_t cookie, uint64_t position[2],
		       uint64_t now_ns, uint32_t number)
{
	struct usual_event usual = {
		.head = {REQUESTS_USUAL, sizeof(usual), 0, now_ns},
		.cookie = cookie,
		.position = {position[0], position[1]},
		.pid = 4711,
		.tid = 4711,
		.srtt_us = 50,
		.count = USUAL_BATCH,
	};

	for (unsigned i = 0; i < USUAL_BATCH; i++)
		usual.exchange[i] = (struct usual_exchange){
			.asked_ns = now_ns + i * 20000,
			.waited_ns = 5000,
			.answered_ns = 30000,
			.response_bytes = sizeof(ok) - 1,
			.number = number,
		};
	talks_event(&requests->talks, &usual.head, sizeof(usual));
	position[0] += USUAL_BATCH * (sizeof(wrk) - 1);
	position[1] += USUAL_BATCH * (sizeof(ok) - 1);
}

static bool measure_usual(int rounds)
{
	static double seconds[1000];
	uint64_t position[CONNECTIONS][2] = {}, now_ns = 1000000000, told = 0, asked;
	struct requests requests;
	uint32_t number;
	double ns;

	if (rounds > 1000 || !begin(&requests))
		return false;
	usual_follow(&requests.talks, &settings, known, slots);
	make_event(0, wrk, sizeof(wrk) - 1, 1);
	make_event(1, ok, sizeof(ok) - 1, 1);
	for (uint64_t i = 0; i < CONNECTIONS; i++)
		open_connection(&requests, i + 1);
	for (unsigned i = 0; i < 8 * CONNECTIONS; i++)
		play(&requests, i % CONNECTIONS + 1, position[i % CONNECTIONS], now_ns += 20000);
	number = number_of_known();
	for (int round = 0; round < rounds; round++) {
		double start = cpu_seconds();

		for (unsigned i = 0; i < EXCHANGES / USUAL_BATCH; i++)
			play_usual(&requests, i % CONNECTIONS + 1, position[i % CONNECTIONS],
				   now_ns += 20000 * USUAL_BATCH, number);
		seconds[round] = cpu_seconds() - start;
	}
	for (uint32_t i = 0; i < requests.totals.operations; i++)
		told += requests.totals.operation[i].count;
	asked = 8 * CONNECTIONS + (uint64_t)EXCHANGES * (uint64_t)rounds;
	qsort(seconds, (size_t)rounds, sizeof(*seconds), compare);
	ns = seconds[rounds / 2] * 1e9 / EXCHANGES;
	printf("%-20s %6.0f ns an exchange, measured by the kernel half; %llu of %llu told\n",
	       "http, usual", ns, (unsigned long long)told, (unsigned long long)asked);
	end(&requests);
	return ns <= LIMIT_NS && told == asked;
}

int main(int argc, char **argv)
{
	bool is_right = true;

	stream = stream_new();
	resolver = (struct resolver){.pid = who_of_pid, .peer = name_of_peer};
	if (!stream || tell_prepare(NULL))
		return 1;
	for (size_t i = 0; i < sizeof(mixes) / sizeof(*mixes); i++)
		if (argc < 2 || strstr(mixes[i].name, argv[1]))
			is_right &= measure(&mixes[i], argc > 2 ? atoi(argv[2]) : ROUNDS);
	if (argc < 2 || strstr("http, usual", argv[1]))
		is_right &= measure_usual(argc > 2 ? atoi(argv[2]) : ROUNDS);
	stream_free(stream);
	return !is_right;
}
