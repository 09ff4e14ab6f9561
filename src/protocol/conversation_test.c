// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection of HTTP whose requests and responses are numbered, told in events as the kernel would: out
 * of order, cut, lost. What comes out must be true, and what does not come out must be accounted for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/map.h"
#include "protocol/capture.h"
#include "protocol/conversation.h"

#include <stdio.h>
#include <time.h>

enum { EVENTS = 4096, STATUSES = 250 };

struct event {
	unsigned direction;
	uint64_t position, moved, ns;
	size_t captured;
	char *bytes;
	bool is_lost;
};

struct tape {
	struct event events[EVENTS];
	size_t n;
	uint64_t position[2];
	uint64_t ns;
};

static unsigned seed_of_today(void)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	return seed;
}

static void add(struct tape *tape, unsigned direction, const char *bytes, size_t moved,
		size_t limit)
{
	size_t captured = limit && limit < moved ? limit : moved;
	struct event *event = &tape->events[tape->n++];

	assert_true(tape->n < EVENTS);
	*event = (struct event){.direction = direction,
				.position = tape->position[direction],
				.moved = moved,
				.ns = ++tape->ns,
				.captured = captured,
				.bytes = malloc(captured + !captured)};
	memcpy(event->bytes, bytes, captured);
	tape->position[direction] += moved;
}

static void tape_done(struct tape *tape)
{
	for (size_t i = 0; i < tape->n; i++)
		free(tape->events[i].bytes);
}

/* Request n is GET /n, its response has the status 400 + n % STATUSES and a body of any length. */
static void ask(struct tape *tape, uint64_t n, size_t limit)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "GET /%llu HTTP/1.1\r\nHost: shop.example\r\n\r\n",
			   (unsigned long long)n);

	add(tape, 0, text, (size_t)len, limit);
}

static void answer(struct tape *tape, uint64_t n, size_t limit)
{
	static char text[40000];
	size_t body = rand() % 4 ? (size_t)rand() % 100 : (size_t)rand() % 30000;
	bool in_chunks = rand() % 4 == 0 && body;
	unsigned status = 400 + (unsigned)(n % STATUSES);
	size_t len = (size_t)(in_chunks ? snprintf(text, sizeof(text),
						   "HTTP/1.1 %u x\r\nTransfer-Encoding: "
						   "chunked\r\n\r\n%zx\r\n",
						   status, body)
					: snprintf(text, sizeof(text),
						   "HTTP/1.1 %u x\r\nContent-Length: %zu\r\n\r\n",
						   status, body));

	memset(text + len, 'b', body);
	len += body;
	if (in_chunks) {
		memcpy(text + len, "\r\n0\r\n\r\n", 7);
		len += 7;
	}
	add(tape, 1, text, len, limit);
}

static void make_tape(struct tape *tape, unsigned depth, size_t requests, size_t limit)
{
	uint64_t asked = 0, answered = 0;

	*tape = (struct tape){};
	while (answered < requests) {
		if (asked < requests && asked - answered < depth &&
		    (asked == answered || rand() % 2))
			ask(tape, ++asked, limit);
		else
			answer(tape, ++answered, limit);
	}
}

/* Within blocks, so that causes stay near their effects; the times stay true. */
static void shuffle(struct tape *tape, size_t block)
{
	for (size_t i = 0; i < tape->n; i++) {
		size_t j = i / block * block + (size_t)rand() % block;
		struct event other = tape->events[i];

		if (j < tape->n && i >= 2 && j >= 2) {
			tape->events[i] = tape->events[j];
			tape->events[j] = other;
		}
	}
}

struct result {
	uint64_t digest; /* of all exchanges, in their order, with all that is told of them */
	size_t right, wrong, wrong_assumed, assumed, without;
	size_t nameless; /* it does not say which request it was */
	struct conversation_counts counts;
	struct pair_counts pairs;
	uint64_t lost;
};

static void mix(uint64_t *digest, const void *bytes, size_t len)
{
	*digest = hash_bytes(bytes, len, *digest * 31 + len);
}

static void mix_exchange(uint64_t *digest, const struct exchange *exchange)
{
	const struct span texts[] = {exchange->request.operation, exchange->request.resource,
				     exchange->request.key, exchange->request.target,
				     exchange->response.status};
	const uint64_t numbers[] = {
		exchange->request.bytes,  exchange->response.bytes,    exchange->response.items,
		exchange->asked.first,    exchange->asked.last,        exchange->asked.position,
		exchange->answered.first, exchange->answered.last,     exchange->answered.position,
		exchange->has_response,   exchange->is_given_up,       exchange->interims,
		exchange->proof,          exchange->response.is_error,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		mix(digest, texts[i].at, texts[i].len);
	mix(digest, numbers, sizeof(numbers));
}

static void check(struct result *result, const struct exchange *exchange)
{
	char path[32] = "", status[8] = "";
	unsigned long long n = 0;

	if (!exchange->has_response) {
		result->without++;
		return;
	}
	memcpy(path, exchange->request.resource.at, exchange->request.resource.len);
	memcpy(status, exchange->response.status.at, exchange->response.status.len);
	assert_int_equal(sscanf(path, "/%llu", &n), 1);
	assert_true(exchange->asked.first && exchange->asked.first <= exchange->asked.last);
	if ((unsigned)atoi(status) == 400 + (unsigned)(n % STATUSES)) {
		assert_true(exchange->asked.first < exchange->answered.last);
		result->right++;
		result->assumed += exchange->proof == PROOF_ASSUMED;
	} else if (exchange->proof == PROOF_ASSUMED) {
		result->wrong_assumed++;
	} else {
		result->wrong++;
	}
}

/* How events are told: in what order, and up to when they are known to be there. */
struct telling {
	const size_t *order; /* NULL: as they happened */
	const uint64_t *until; /* after each */
	void (*check)(struct result *, const struct exchange *);
};

static void take_all(struct conversation *c, struct result *result, const struct telling *telling)
{
	struct exchange exchange;

	while (conversation_take(c, &exchange)) {
		telling->check(result, &exchange);
		mix_exchange(&result->digest, &exchange);
	}
}

static struct result tell(const struct tape *tape, bool from_start, struct telling telling)
{
	struct result result = {};
	struct conversation c;

	conversation_init(&c, false, SIDE_CLIENT, from_start);
	for (unsigned i = 0; from_start && i < 2; i++)
		conversation_begin(&c, i, 0);
	for (size_t i = 0; i < tape->n; i++) {
		const struct event *event = &tape->events[telling.order ? telling.order[i] : i];
		char *bytes;

		if (event->is_lost)
			continue;
		bytes = malloc(event->captured + !event->captured);
		memcpy(bytes, event->bytes, event->captured);
		assert_int_equal(conversation_put(&c, event->direction, event->position,
						  (struct span){(uint8_t *)bytes, event->captured},
						  event->moved, event->ns),
				 0);
		if (telling.until)
			conversation_until(&c, telling.until[i]);
		take_all(&c, &result, &telling);
		free(bytes); /* borrowed no longer */
	}
	for (unsigned i = 0; i < 2; i++)
		conversation_close(&c, i, tape->ns + 1);
	take_all(&c, &result, &telling);
	assert_true(pair_is_even(&c.pair));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(stream_is_even(&c.streams[i]));
		assert_int_equal(stream_missing(&c.streams[i]), 0);
		result.lost += c.streams[i].lost;
	}
	result.counts = c.counts;
	result.pairs = c.pair.counts;
	conversation_done(&c);
	return result;
}

static struct result play(const struct tape *tape, bool from_start)
{
	return tell(tape, from_start, (struct telling){.check = check});
}

static void tells_every_exchange_when_all_is_seen(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 32, 200, 0);
		result = play(&tape, true);
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad +
					 result.counts.unread,
				 0);
		tape_done(&tape);
	}
}

/* As the capture does it: heads are copied, bodies counted. */
static void needs_no_more_than_heads(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 32, 200, 128);
		result = play(&tape, true);
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad, 0);
		tape_done(&tape);
	}
}

static void events_in_any_order_give_the_same(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 8, 200, rand() % 2 ? 128 : 0);
		shuffle(&tape, 2 + (size_t)rand() % 8);
		result = play(&tape, true);
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad, 0);
		tape_done(&tape);
	}
}

/* Pipelines: request n of Redis gets n % 97 bytes, one of PostgreSQL inserts n rows into table tn. */

static void add_text(struct tape *tape, unsigned direction, struct buf *text)
{
	add(tape, direction, text->at, text->len, 0);
	buf_clear(text);
}

static void ask_redis(struct buf *text, uint64_t n)
{
	char key[32];
	int len = snprintf(key, sizeof(key), "key%llu", (unsigned long long)n);

	buf_f(text, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len, key);
}

static void answer_redis(struct buf *text, uint64_t n)
{
	static const char value[97];
	int len = (int)(n % 97);

	buf_f(text, "$%d\r\n", len);
	buf_span(text, (struct span){(const uint8_t *)value, (size_t)len});
	buf_str(text, "\r\n");
}

static void put_message(struct buf *text, char type, const void *payload, size_t len)
{
	const uint8_t head[5] = {(uint8_t)type, (uint8_t)((len + 4) >> 24),
				 (uint8_t)((len + 4) >> 16), (uint8_t)((len + 4) >> 8),
				 (uint8_t)(len + 4)};

	buf_span(text, (struct span){head, sizeof(head)});
	buf_span(text, (struct span){payload, len});
}

static void ask_pgsql(struct buf *text, uint64_t n)
{
	char parse[128];
	int len = snprintf(parse + 1, sizeof(parse) - 1, "INSERT INTO t%llu VALUES ($1)",
			   (unsigned long long)n);

	parse[0] = '\0'; /* the unnamed statement */
	memset(parse + len + 2, 0, 2); /* no types */
	put_message(text, 'P', parse, (size_t)len + 4);
	put_message(text, 'B', "\0\0\0\0\0\0\0\0", 8);
	put_message(text, 'D', "P\0", 2);
	put_message(text, 'E', "\0\0\0\0\0", 5);
	put_message(text, 'S', "", 0);
}

static void answer_pgsql(struct buf *text, uint64_t n)
{
	char tag[32];
	int len = snprintf(tag, sizeof(tag), "INSERT 0 %llu", (unsigned long long)n);

	put_message(text, '1', "", 0);
	put_message(text, '2', "", 0);
	put_message(text, 'n', "", 0);
	put_message(text, 'C', tag, (size_t)len + 1);
	put_message(text, 'Z', "I", 1);
}

/* `is_right`: the response is that of the request. */
static void judge(struct result *result, const struct exchange *exchange, bool is_right)
{
	if (!exchange->has_response) {
		result->without++;
		return;
	}
	result->assumed += exchange->proof == PROOF_ASSUMED;
	if (is_right)
		result->right++;
	else
		*(exchange->proof == PROOF_ASSUMED ? &result->wrong_assumed : &result->wrong) += 1;
}

static void check_redis(struct result *result, const struct exchange *exchange)
{
	unsigned long long n = 0;
	char key[32] = "", head[32];

	memcpy(key, exchange->request.key.at, exchange->request.key.len);
	assert_int_equal(sscanf(key, "key%llu", &n), 1);
	judge(result, exchange,
	      exchange->response.bytes ==
		      n % 97 + 2 + (size_t)snprintf(head, sizeof(head), "$%llu\r\n", n % 97));
}

static void check_pgsql(struct result *result, const struct exchange *exchange)
{
	unsigned long long n = 0;
	char table[32] = "";

	/* of a torn batch only the execution may be known */
	if (!exchange->request.resource.len) {
		result->nameless++;
		return;
	}
	memcpy(table, exchange->request.resource.at, exchange->request.resource.len);
	assert_int_equal(sscanf(table, "t%llu", &n), 1);
	judge(result, exchange, exchange->response.items == n || !exchange->response.is_complete);
}

static void ask_mysql(struct buf *text, uint64_t n)
{
	char packet[128];
	int len = snprintf(packet + 5, sizeof(packet) - 5, "INSERT INTO t%llu VALUES (1)",
			   (unsigned long long)n);
	const uint8_t head[5] = {(uint8_t)(len + 1), 0, 0, 0, 3};

	memcpy(packet, head, sizeof(head));
	buf_add(text, packet, (size_t)len + 5);
}

static void answer_mysql(struct buf *text, uint64_t n)
{
	const uint8_t ok[] = {7, 0, 0, 1, 0, (uint8_t)(n % 250), 0, 2, 0, 0, 0};

	buf_add(text, ok, sizeof(ok));
}

static void check_mysql(struct result *result, const struct exchange *exchange)
{
	unsigned long long n = 0;
	char table[32] = "";

	memcpy(table, exchange->request.resource.at, exchange->request.resource.len);
	assert_int_equal(sscanf(table, "t%llu", &n), 1);
	judge(result, exchange, exchange->response.items == n % 250);
}

static const struct dialect {
	const char *name;
	unsigned depth; /* requests open at once, at most */
	void (*ask)(struct buf *, uint64_t), (*answer)(struct buf *, uint64_t);
	void (*check)(struct result *, const struct exchange *);
} dialects[] = {
	{"redis", 1000, ask_redis, answer_redis, check_redis},
	{"postgresql", 60, ask_pgsql, answer_pgsql, check_pgsql},
	{"mysql", 1, ask_mysql, answer_mysql, check_mysql}, /* whose clients do not pipeline */
};

/* Bursts of requests, in as many writes as it happens; then the answers, likewise. */
static void make_pipeline(struct tape *tape, const struct dialect *dialect, size_t requests)
{
	uint64_t asked = 0, answered = 0;
	struct buf text;

	*tape = (struct tape){};
	buf_init(&text, 1 << 22);
	while (answered < requests) {
		bool is_full = asked == requests || asked - answered >= dialect->depth;
		bool asks = !is_full && (asked == answered || rand() % 3);
		uint64_t n = 1 + (uint64_t)rand() % 20;

		for (; n && asks && asked < requests && asked - answered < dialect->depth; n--)
			dialect->ask(&text, ++asked);
		for (; n && !asks && answered < asked; n--)
			dialect->answer(&text, ++answered);
		add_text(tape, !asks, &text);
	}
	buf_done(&text);
}

/*
 * Each event is told by some CPU, each CPU tells its own in order, and nobody is more than `lag` events
 * behind. What is told as the time up to which all is there is just before the oldest one missing.
 */
static void mix_cpus(const struct tape *tape, size_t lag, size_t *order, uint64_t *until)
{
	enum { CPUS = 6 };
	static uint8_t cpu[EVENTS];
	static bool is_told[EVENTS];
	size_t oldest = 0;

	for (size_t i = 0; i < tape->n; i++) {
		cpu[i] = (uint8_t)(rand() % CPUS);
		is_told[i] = false;
	}
	for (size_t told = 0; told < tape->n;) {
		uint8_t of = (uint8_t)(rand() % CPUS);
		size_t i = oldest;

		while (i < tape->n && i < oldest + lag && (is_told[i] || cpu[i] != of))
			i++;
		if (i == tape->n || i == oldest + lag)
			continue;
		is_told[i] = true;
		order[told] = i;
		while (oldest < tape->n && is_told[oldest])
			oldest++;
		until[told++] = oldest < tape->n ? tape->events[oldest].ns - 1 : UINT64_MAX;
	}
}

static void check_every_order(const struct tape *tape, size_t requests, const char *name,
			      void (*check_one)(struct result *, const struct exchange *))
{
	static size_t order[EVENTS];
	static uint64_t until[EVENTS];
	struct result in_order = tell(tape, true, (struct telling){.check = check_one});

	assert_int_equal(in_order.right, requests);
	assert_int_equal(in_order.wrong + in_order.assumed + in_order.without + in_order.counts.bad,
			 0);
	for (int round = 0; round < 10; round++) {
		struct result mixed;

		mix_cpus(tape, 2 + (size_t)rand() % 20, order, until);
		mixed = tell(tape, true, (struct telling){order, until, check_one});
		if (mixed.digest != in_order.digest)
			fail_msg("%s: %zu of %zu exchanges, other than in order", name, mixed.right,
				 requests);
	}
}

static void pipelines_are_the_same_whichever_cpu_tells_first(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 5; round++) {
		struct tape tape;

		for (size_t i = 0; i < sizeof(dialects) / sizeof(*dialects); i++) {
			size_t requests = dialects[i].depth > 1 ? 3000 : 1000;

			make_pipeline(&tape, &dialects[i], requests);
			check_every_order(&tape, requests, dialects[i].name, dialects[i].check);
			tape_done(&tape);
		}
		make_tape(&tape, 32, 300, round % 2 ? 128 : 1024);
		check_every_order(&tape, 300, "http", check);
		tape_done(&tape);
	}
}

/* A whole pipeline in one write: the most there can be at once. */
static void a_thousand_requests_of_redis_in_one_write(void **state)
{
	struct tape tape = {};
	struct result result;
	struct buf text;

	buf_init(&text, 1 << 22);
	for (size_t round = 0; round < 10; round++) {
		for (uint64_t n = 1; n <= 1000; n++)
			ask_redis(&text, n);
		add_text(&tape, 0, &text);
		for (uint64_t n = 1; n <= 1000; n++)
			answer_redis(&text, n);
		add_text(&tape, 1, &text);
	}
	result = tell(&tape, true, (struct telling){.check = check_redis});
	assert_int_equal(result.right, 10000);
	assert_int_equal(result.pairs.overflows, 0);
	buf_done(&text);
	tape_done(&tape);
}

static void lose_some(struct tape *tape, int percent)
{
	for (size_t i = 0; i < tape->n; i++)
		tape->events[i].is_lost = rand() % 100 < percent;
}

static void nothing_wrong_when_events_are_lost(void **state)
{
	size_t right = 0, all = 0, assumed = 0;

	seed_of_today();
	for (size_t round = 0; round < 200; round++) {
		unsigned depth = round % 2 ? 1 : 2 + (unsigned)rand() % 16;
		struct tape tape;
		struct result result;

		make_tape(&tape, depth, 200, rand() % 2 ? 128 : 0);
		lose_some(&tape, 1 + rand() % 4);
		result = play(&tape, true);
		assert_int_equal(result.wrong, 0);
		if (depth == 1) {
			assert_int_equal(result.wrong_assumed, 0);
			right += result.right;
			assumed += result.assumed;
			all += 200;
		}
		tape_done(&tape);
	}
	print_message("clients that wait: %zu of %zu told, %zu of them assumed\n", right, all,
		      assumed);
	assert_true(right > all * 80 / 100);
}

/* Pipelines, and clients that wait, in protocols that check the order by themselves. */
static void nothing_wrong_in_pipelines_when_events_are_lost(void **state)
{
	seed_of_today();
	for (size_t i = 0; i < sizeof(dialects) / sizeof(*dialects); i++) {
		size_t right[2] = {}, all[2] = {}, assumed = 0;

		for (size_t round = 0; round < 60; round++) {
			struct dialect dialect = dialects[i];
			bool waits = round % 2 || dialect.depth == 1;
			struct tape tape;
			struct result result;

			dialect.depth = waits        ? 1
					: rand() % 2 ? 2 + (unsigned)rand() % 3
						     : 4 + (unsigned)rand() % dialect.depth;
			make_pipeline(&tape, &dialect, 300);
			lose_some(&tape, 1 + rand() % 4);
			result = tell(&tape, true, (struct telling){.check = dialect.check});
			if (result.wrong || (waits && result.wrong_assumed))
				fail_msg("%s: %zu and %zu wrong", dialect.name, result.wrong,
					 result.wrong_assumed);
			right[waits] += result.right;
			assumed += result.wrong_assumed;
			all[waits] += 300;
			tape_done(&tape);
		}
		print_message("%s: pipelines: %zu of %zu told, %zu assumed wrong; clients that "
			      "wait: %zu of %zu\n",
			      dialects[i].name, right[0], all[0], assumed, right[1], all[1]);
		assert_true(right[1] > all[1] * 70 / 100);
	}
}

static void joins_late(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 100; round++) {
		struct tape tape;
		struct result result;
		size_t first;

		make_tape(&tape, 1, 60, rand() % 2 ? 128 : 0);
		first = (size_t)rand() % (tape.n / 2);
		for (size_t i = 0; i < first; i++)
			tape.events[i].is_lost = true;
		result = play(&tape, false);
		assert_int_equal(result.wrong + result.wrong_assumed, 0);
		/* the first two or three messages are spent on learning what it is, and who waits for whom */
		assert_true(result.right + 2 >= (tape.n - first) / 2);
		tape_done(&tape);
	}
}

/* First and last byte of request and response, where they stand, how long they are. */
static void times_and_places_are_those_of_the_bytes(void **state)
{
	struct conversation c;
	struct exchange exchange;
	static const struct {
		unsigned direction;
		const char *bytes;
		uint64_t moved, ns;
	} events[] = {
		{0, "POST /x HTTP/1.1\r\nConte", 0, 10},
		{0, "nt-Length: 10\r\n\r\nabc", 0, 20},
		{0, "", 4, 30},
		{0, "xyz", 0, 40},
		{1, "HTTP/1.1 200 OK\r\n", 0, 100},
		{1, "Content-Length: 5\r\n\r\nh", 0, 110},
		{1, "", 4, 120},
	};
	uint64_t position[2] = {1000, 5000};

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct span bytes = span_of(events[i].bytes);
		uint64_t moved = events[i].moved ? events[i].moved : bytes.len;

		conversation_put(&c, events[i].direction, position[events[i].direction], bytes,
				 moved, events[i].ns);
		position[events[i].direction] += moved;
		assert_int_equal(conversation_take(&c, &exchange), i == 6);
	}
	assert_int_equal(exchange.asked.first, 10);
	assert_int_equal(exchange.asked.last, 40);
	assert_int_equal(exchange.asked.position, 1000);
	assert_int_equal(exchange.request.bytes, position[0] - 1000);
	assert_int_equal(exchange.answered.first, 100);
	assert_int_equal(exchange.answered.last, 120);
	assert_int_equal(exchange.answered.position, 5000);
	assert_int_equal(exchange.response.bytes, position[1] - 5000);
	assert_false(conversation_take(&c, &exchange));
	conversation_done(&c);
}

/* A head in two writes, each gone when it was taken. */
static void keeps_what_the_parser_left_over(void **state)
{
	static const char *const writes[] = {"GET / HT", "TP/1.1\r\nHost: shop.example\r\n\r\n"};
	struct conversation c;
	struct exchange exchange;

	conversation_init(&c, false, SIDE_CLIENT, true);
	for (uint64_t round = 0; round < 4; round++) {
		for (size_t i = 0; i < 3; i++) {
			char *bytes = strdup(i < 2 ? writes[i] : "HTTP/1.1 204 x\r\n\r\n");
			struct stream *stream = &c.streams[i == 2];
			size_t len = strlen(bytes);

			conversation_put(&c, i == 2, stream->end,
					 (struct span){(uint8_t *)bytes, len}, len,
					 1 + round * 10 + i);
			assert_int_equal(conversation_take(&c, &exchange), i == 2);
			assert_false(i == 2 && conversation_take(&c, &exchange));
			free(bytes);
		}
	}
	assert_int_equal(c.counts.bad, 0);
	conversation_done(&c);
}

static void lets_go_of_what_nobody_reads(void **state)
{
	struct conversation c;
	struct exchange exchange;
	uint64_t position = 0;

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < 200; i++) {
		conversation_put(&c, 0, position, span_of("some other protocol"), 100000, i);
		position += 100000;
		assert_false(conversation_take(&c, &exchange));
		assert_true(c.streams[0].ahead_len <= CONVERSATION_HELD);
	}
	assert_true(infer_is_hopeless(&c.infer));
	assert_int_equal(conversation_passes(&c, 0), UINT64_MAX);
	assert_int_equal(c.streams[0].ahead_len, 0);
	assert_int_equal(c.counts.unread, position);
	conversation_done(&c);
}

/* A verdict is taken back when the stream does not bear it out; the next may be another. */
static void a_verdict_can_be_taken_back(void **state)
{
	struct conversation c;
	struct exchange exchange;
	uint64_t position[2] = {};
	size_t exchanges = 0;
	static const struct {
		unsigned direction;
		const char *bytes;
	} events[] = {
		{0, "get k\r\n"},
		{1, "END\r\n"}, /* memcached, by the looks of it */
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	};

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct span bytes = span_of(events[i].bytes);

		conversation_put(&c, events[i].direction, position[events[i].direction], bytes,
				 bytes.len, i + 1);
		position[events[i].direction] += bytes.len;
		while (conversation_take(&c, &exchange))
			exchanges++;
		if (i == 1)
			assert_string_equal(c.protocol->name, "memcached");
	}
	assert_string_equal(c.protocol->name, "http");
	assert_int_equal(c.infer.unsettled, 1);
	assert_true(exchanges >= 2);
	conversation_done(&c);
}

static void datagrams_are_paired_too(void **state)
{
	static const char query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\4shop\7example\0\0\1\0\1";
	char reply[200];
	struct conversation c;
	struct exchange exchange;

	memcpy(reply, query, sizeof(query));
	reply[2] = (char)0x81;
	conversation_init(&c, true, SIDE_UNKNOWN, true);
	conversation_put(&c, 1, 0, (struct span){(const uint8_t *)query, sizeof(query) - 1},
			 sizeof(query) - 1, 1);
	assert_false(conversation_take(&c, &exchange));
	conversation_put(&c, 0, 0, (struct span){(const uint8_t *)reply, sizeof(query) - 1}, 500,
			 2);
	assert_true(conversation_take(&c, &exchange));
	assert_int_equal(exchange.proof, PROOF_ID);
	assert_true(span_is(exchange.request.resource, "shop.example"));
	assert_int_equal(exchange.asked.first, 1);
	assert_int_equal(exchange.answered.last, 2);
	assert_int_equal(exchange.response.bytes, 500);
	assert_int_equal(c.infer.side_of[1], SIDE_CLIENT);
	conversation_done(&c);
}

/* Bytes of one direction, all captured, as the next event. */
static size_t say(struct conversation *c, unsigned direction, const char *bytes, size_t len)
{
	struct exchange exchange;
	struct stream *stream = &c->streams[direction];
	size_t exchanges = 0;

	assert_int_equal(conversation_put(c, direction, stream->end,
					  (struct span){(const uint8_t *)bytes, len}, len,
					  c->streams[0].end + c->streams[1].end + 1),
			 0);
	while (conversation_take(c, &exchange)) {
		assert_true(exchange.has_response);
		exchanges++;
	}
	return exchanges;
}
#define SAY(c, direction, bytes) say(c, direction, bytes, sizeof(bytes) - 1)

/* Over TCP: the length may come in a write of its own, several questions may be open, and answers come in
 * any order (RFC 7766 6.2.1.1, 8). */
static void dns_over_tcp_is_paired_by_id(void **state)
{
#define QUERY(id, flags, name) id flags "\0\1\0\0\0\0\0\0\4" name "\0\0\1\0\1"
#define ASKED                  "\1\0"
#define GIVEN                  "\x81\x80"
	struct conversation c;

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	assert_int_equal(SAY(&c, 0, "\0\26"), 0);
	assert_int_equal(SAY(&c, 0, QUERY("\0\1", ASKED, "shop")), 0);
	assert_int_equal(SAY(&c, 1, "\0\26" QUERY("\0\1", GIVEN, "shop")), 1);
	assert_string_equal(c.protocol->name, "dns");
	assert_int_equal(
		SAY(&c, 0,
		    "\0\26" QUERY("\0\2", ASKED, "cart") "\0\26" QUERY("\0\3", ASKED, "news")),
		0);
	assert_int_equal(SAY(&c, 1, "\0\26" QUERY("\0\3", GIVEN, "news")), 1);
	assert_int_equal(SAY(&c, 1, "\0\26"), 0);
	assert_int_equal(SAY(&c, 1, QUERY("\0\2", GIVEN, "cart")), 1);
	assert_int_equal(c.counts.bad, 0);
	conversation_done(&c);
}

static void a_compressed_session_is_marked(void **state)
{
	struct conversation c;
	struct capture capture;
	size_t exchanges = 0;

	assert_true(capture_load(&capture, TESTDATA, "mysql-compressed"));
	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < capture.n; i++)
		exchanges +=
			say(&c, capture.steps[i].from == SIDE_SERVER,
			    (const char *)capture.steps[i].bytes.at, capture.steps[i].bytes.len);
	assert_int_equal(exchanges, 1); /* the login */
	assert_string_equal(c.became, "mysql-compressed");
	assert_int_equal(c.counts.bad, 0);
	assert_int_equal(conversation_passes(&c, 0), UINT64_MAX);
	conversation_done(&c);
	capture_done(&capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_every_exchange_when_all_is_seen),
		cmocka_unit_test(needs_no_more_than_heads),
		cmocka_unit_test(events_in_any_order_give_the_same),
		cmocka_unit_test(pipelines_are_the_same_whichever_cpu_tells_first),
		cmocka_unit_test(a_thousand_requests_of_redis_in_one_write),
		cmocka_unit_test(nothing_wrong_when_events_are_lost),
		cmocka_unit_test(nothing_wrong_in_pipelines_when_events_are_lost),
		cmocka_unit_test(joins_late),
		cmocka_unit_test(times_and_places_are_those_of_the_bytes),
		cmocka_unit_test(keeps_what_the_parser_left_over),
		cmocka_unit_test(lets_go_of_what_nobody_reads),
		cmocka_unit_test(a_verdict_can_be_taken_back),
		cmocka_unit_test(datagrams_are_paired_too),
		cmocka_unit_test(dns_over_tcp_is_paired_by_id),
		cmocka_unit_test(a_compressed_session_is_marked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
