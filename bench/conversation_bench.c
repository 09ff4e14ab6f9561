// SPDX-License-Identifier: GPL-2.0-only
/*
 * conversation_bench - what the user half pays for one exchange: two events put, parsed and paired.
 *
 * Connections that live long, without losses: HTTP as a browser would ask nginx, kept alive and 16 at a time;
 * Redis one by one and 1000 at a time; PostgreSQL, a simple query with ten rows. In all of them requests and
 * responses are captured whole. Baseline of the same run: copying the same bytes. CPU seconds of this
 * process; rounds alternate; medians are printed.
 */
#include "protocol/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 11, EXCHANGES = 200000, BYTES = 1 << 16 };
#define LIMIT_NS 1000.0 /* the promise for an exchange, all of the agent */

struct mix {
	const char *name;
	unsigned at_once; /* requests in a write */
	size_t request_len, response_len;
	const char *request, *response;
};

static const char get[] = "GET /api/v1/users/123/orders?limit=20 HTTP/1.1\r\nHost: shop.example\r\n"
			  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Firefox/115.0\r\n"
			  "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n"
			  "Connection: keep-alive\r\n\r\n";
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
#define ROWS ROW ROW ROW ROW ROW
static const char result[] = "T\0\0\0\65\0\2name\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"
			     "price\0\0\0\0\0\0\0\0\0\6\244\377\377\377\377\377\377\0\0" ROWS ROWS
			     "C\0\0\0\16SELECT 10\0Z\0\0\0\5I";

#define MIX(name, at_once, request, response)                                                      \
	{                                                                                          \
		name, at_once, sizeof(request) - 1, sizeof(response) - 1, request, response        \
	}

static const struct mix mixes[] = {
	MIX("http, one by one", 1, get, ok),
	MIX("http, 16 at once", 16, get, ok),
	MIX("redis, one by one", 1, redis_get, redis_value),
	MIX("redis, 1000 at once", 1000, redis_get, redis_value),
	MIX("postgresql, 10 rows", 1, query, result),
};

static uint8_t *events[2], *copied;

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void fill(uint8_t *to, const char *from, size_t len, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		memcpy(to + i * len, from, len);
}

static double copy_all(const size_t len[2], unsigned writes)
{
	double start = cpu_seconds();

	for (unsigned i = 0; i < writes; i++)
		for (unsigned direction = 0; direction < 2; direction++) {
			memcpy(copied, events[direction], len[direction]);
			__asm__ volatile("" : : "r"(copied) : "memory");
		}
	return cpu_seconds() - start;
}

static double talk_all(const size_t len[2], unsigned writes, uint64_t *ret_exchanges)
{
	double start = cpu_seconds();
	uint64_t position[2] = {}, exchanges = 0;
	struct conversation c;
	struct exchange exchange;

	conversation_init(&c, false, SIDE_CLIENT, true);
	for (unsigned i = 0; i < writes; i++)
		for (unsigned direction = 0; direction < 2; direction++) {
			conversation_put(&c, direction, position[direction],
					 (struct span){events[direction], len[direction]},
					 len[direction], 2 * i + direction + 1);
			position[direction] += len[direction];
			while (conversation_take(&c, &exchange))
				exchanges += exchange.has_response;
		}
	conversation_done(&c);
	*ret_exchanges = exchanges;
	return cpu_seconds() - start;
}

static int compare(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static double median(double *seconds)
{
	qsort(seconds, ROUNDS, sizeof(*seconds), compare);
	return seconds[ROUNDS / 2];
}

static bool measure(const struct mix *mix)
{
	const size_t len[2] = {mix->request_len * mix->at_once, mix->response_len * mix->at_once};
	unsigned writes = EXCHANGES / mix->at_once;
	double copy[ROUNDS], talk[ROUNDS], ns, copy_ns;
	uint64_t exchanges = 0;

	fill(events[0], mix->request, mix->request_len, mix->at_once);
	fill(events[1], mix->response, mix->response_len, mix->at_once);
	for (int round = 0; round < ROUNDS; round++) {
		copy[round] = copy_all(len, writes);
		talk[round] = talk_all(len, writes, &exchanges);
	}
	ns = median(talk) * 1e9 / EXCHANGES;
	copy_ns = median(copy) * 1e9 / EXCHANGES;
	printf("%-20s %6.0f ns an exchange of %zu bytes (copying them: %.0f ns), %llu of %u told\n",
	       mix->name, ns, mix->request_len + mix->response_len, copy_ns,
	       (unsigned long long)exchanges, writes * mix->at_once);
	return ns < LIMIT_NS && exchanges == writes * mix->at_once;
}

int main(void)
{
	bool is_kept = true;

	events[0] = malloc(BYTES);
	events[1] = malloc(BYTES);
	copied = malloc(BYTES);
	if (!events[0] || !events[1] || !copied)
		return 1;
	for (size_t i = 0; i < sizeof(mixes) / sizeof(*mixes); i++)
		is_kept &= measure(&mixes[i]);
	printf("promise: below %.0f ns, and all of them: %s\n", LIMIT_NS,
	       is_kept ? "kept" : "BROKEN");
	free(events[0]);
	free(events[1]);
	free(copied);
	return !is_kept;
}
