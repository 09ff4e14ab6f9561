// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pipelines of three databases and of HTTP: whichever CPU tells first, the same comes out; and when events are
 * lost, nothing wrong.
 */
#include "protocol/tape.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipelines_are_the_same_whichever_cpu_tells_first),
		cmocka_unit_test(a_thousand_requests_of_redis_in_one_write),
		cmocka_unit_test(nothing_wrong_in_pipelines_when_events_are_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
