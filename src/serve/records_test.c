// SPDX-License-Identifier: GPL-2.0-only
/* Records, whole and live: none is left out, repeated or lost without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "serve/test_server.h"

/* ---- records ---- */

/* Numbers (pid) of the records of an answer, in order. Returns how many; ret_next = the cursor or "". */
static size_t pids_of(const struct reply *reply, uint64_t *pids, size_t most, char ret_next[64])
{
	struct arena arena;
	const struct json_node *root = reply_json(reply, &arena);
	size_t count = 0;

	for (const struct json_node *at = json_get(root, "records")->child; at; at = at->next) {
		assert_true(count < most);
		assert_true(json_node_u64(json_get(at, "pid"), &pids[count++]));
	}
	snprintf(ret_next, 64, "%s",
		 json_get_text(root, "next") ? json_get_text(root, "next") : "");
	arena_done(&arena);
	return count;
}

/* All answers one after the other by their cursors. */
static size_t walk(const struct server *server, const char *query, uint64_t *pids, size_t most)
{
	char target[512], next[64] = "";
	size_t count = 0, rounds = 0;

	do {
		struct reply reply;

		snprintf(target, sizeof(target), "/v1/records/%s%s%s", query,
			 next[0] ? "&cursor=" : "", next);
		ask_ok(server, "GET", target, NULL, 200, &reply);
		count += pids_of(&reply, pids + count, most - count, next);
		reply_done(&reply);
		assert_true(++rounds < 1000);
	} while (next[0]);
	return count;
}

static void records_are_paged_without_gap_or_repeat(void **state)
{
	static const char *const limits[] = {"1", "7", "25", "49", "50", "51", "1000"};
	struct server server;
	uint64_t pids[200];

	server_start(&server, NULL);
	tell(&server, "publish", "50");
	tell(&server, "rows", "20");
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		char query[128];

		snprintf(query, sizeof(query), "exec?limit=%s", limits[i]);
		assert_int_equal(walk(&server, query, pids, 200), 50);
		for (uint64_t n = 0; n < 50; n++)
			assert_int_equal(pids[n], n + 1);
		snprintf(query, sizeof(query), "exec?order=desc&limit=%s", limits[i]);
		assert_int_equal(walk(&server, query, pids, 200), 50);
		for (uint64_t n = 0; n < 50; n++)
			assert_int_equal(pids[n], 50 - n);
		snprintf(query, sizeof(query), "runqlat?limit=%s", limits[i]);
		assert_int_equal(walk(&server, query, pids, 200), 20);
		for (uint64_t n = 0; n < 20; n++)
			assert_int_equal(pids[n], n + 1);
	}
	server_stop(&server);
}

static void records_are_filtered_and_cut_by_time(void **state)
{
	struct server server;
	uint64_t pids[200], between_ns;
	char query[256], time[TIME_TEXT];
	struct reply reply;

	server_start(&server, NULL);
	tell(&server, "publish", "10");
	between_ns = clock_wall_ns();
	tell(&server, "publish", "10");
	time_print(between_ns, 9, time);
	snprintf(query, sizeof(query), "exec?from=%s", time);
	assert_int_equal(walk(&server, query, pids, 200), 10);
	assert_int_equal(pids[0], 11);
	snprintf(query, sizeof(query), "exec?to=%s", time);
	assert_int_equal(walk(&server, query, pids, 200), 10);
	assert_int_equal(pids[9], 10);
	assert_int_equal(walk(&server, "exec?from=now-1h&to=now", pids, 200), 20);
	assert_int_equal(walk(&server, "exec?from=now%2B1h", pids, 200) + 0, 0);
	assert_int_equal(
		walk(&server, "exec?limit=3&filter=process+%3D+odd+and+pid+%3E+4", pids, 200), 8);
	assert_int_equal(pids[0], 5);
	assert_int_equal(walk(&server, "runqlat?source=recent", pids, 200), 0);
	assert_int_equal(walk(&server, "runqlat?to=now-1h", pids, 200), 0);
	/* what a process is called reaches the client as valid JSON, without its escapes */
	ask_ok(&server, "GET", "/v1/records/exec?filter=pid+%3D+2", NULL, 200, &reply);
	assert_non_null(strstr(reply.body.at, "\"process\":\"even\\\"\\n\\u001b[2J\\ufffd\""));
	assert_non_null(strstr(reply.body.at, "\"oldest\":\"20"));
	reply_done(&reply);
	server_stop(&server);
}

static void what_happens_often_does_not_push_out_the_rest(void **state)
{
	const struct serve_options small = {.version = "test", .recent_bytes = 64 * 1024};
	struct server server;
	static uint64_t pids[10000];
	size_t count;

	server_start(&server, &small);
	tell(&server, "publish", "5000");
	count = walk(&server, "exec?limit=10000", pids, 10000);
	assert_in_range(count, 50, 1000);
	for (size_t i = 0; i < count; i++) /* the last ones, none missing */
		assert_int_equal(pids[i], 5000 - count + 1 + i);
	server_stop(&server);
}

/* ---- live streams ---- */

struct sse {
	int fd;
	struct buf text;
};

static void sse_open(struct sse *sse, const struct server *server, unsigned port, const char *query)
{
	char request[512], piece[4096];
	ssize_t got;

	buf_init(&sse->text, 64 << 20);
	sse->fd = port ? connect_tcp(port) : connect_unix(server);
	snprintf(request, sizeof(request), "GET /v1/stream?%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		 query);
	send_text(sse->fd, request);
	while (!strstr(buf_text(&sse->text), "retry: 2000\n\n")) {
		got = read(sse->fd, piece, sizeof(piece));
		if (got <= 0 || buf_add(&sse->text, piece, (size_t)got))
			fail_msg("no stream: %s", buf_text(&sse->text));
	}
	assert_non_null(strstr(sse->text.at, "HTTP/1.1 200 OK\r\n"));
	buf_drop(&sse->text, (size_t)(strstr(sse->text.at, "retry: 2000\n\n") - sse->text.at) + 13);
}

static void sse_close(struct sse *sse)
{
	close(sse->fd);
	buf_done(&sse->text);
}

/* The next event; false at the end of the stream. */
static bool sse_next(struct sse *sse, char event[64], char *data, size_t room)
{
	char piece[65536], *end;

	for (;;) {
		ssize_t got;

		end = sse->text.len ? strstr(sse->text.at, "\n\n") : NULL;
		if (end && sse->text.at[0] == ':') {
			buf_drop(&sse->text, (size_t)(end - sse->text.at) + 2);
			continue;
		}
		if (end)
			break;
		got = read(sse->fd, piece, sizeof(piece));
		if (got <= 0)
			return false;
		assert_int_equal(buf_add(&sse->text, piece, (size_t)got), 0);
	}
	*end = 0;
	assert_int_equal(sscanf(sse->text.at, "event: %63[a-z_]\n", event), 1);
	snprintf(data, room, "%s", strstr(sse->text.at, "\ndata: ") + 7);
	assert_null(strchr(data, '\n'));
	buf_drop(&sse->text, (size_t)(end - sse->text.at) + 2);
	return true;
}

static uint64_t number_in(const char *data, const char *key)
{
	const char *at = strstr(data, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

static void a_stream_carries_each_record_once_and_in_order(void **state)
{
	struct server server;
	struct sse all, odd;
	char event[64], data[4096];

	server_start(&server, NULL);
	sse_open(&all, &server, VIA_UNIX, "item=exec,runqlat&interval=1h");
	sse_open(&odd, &server, server.port, "item=exec&filter=process+%3D+odd");
	tell(&server, "publish", "100");
	for (uint64_t n = 1; n <= 100;) {
		assert_true(sse_next(&all, event, data, sizeof(data)));
		if (strcmp(event, "exec"))
			continue;
		assert_int_equal(number_in(data, "\"pid\":"), n++);
	}
	for (uint64_t n = 1; n <= 100; n += 2) {
		assert_true(sse_next(&odd, event, data, sizeof(data)));
		assert_string_equal(event, "exec");
		assert_int_equal(number_in(data, "\"pid\":"), n);
	}
	assert_int_equal(metric_value(&server, "sonde_api_streams"), 2);
	sse_close(&all);
	sse_close(&odd);
	while (metric_value(&server, "sonde_api_streams") > 0)
		;
	server_stop(&server);
}

/* published = received + lost, though the client does not read for a while. */
static void a_slow_client_is_told_how_much_it_lost(void **state)
{
	struct server server;
	uint64_t received = 0, lost = 0, last = 0, number;
	char event[64], data[4096];
	struct sse slow;

	server_start(&server, NULL);
	sse_open(&slow, &server, VIA_UNIX, "item=exec");
	for (int i = 0; i < 20; i++)
		tell(&server, "publish", "1000");
	assert_true(metric_value(&server, "sonde_api_refused_total{reason=\"slow\"}") > 1000);
	while (received + lost < 20000) {
		assert_true(sse_next(&slow, event, data, sizeof(data)));
		if (!strcmp(event, "lost")) {
			lost += number_in(data, "\"lost\":");
			continue;
		}
		number = number_in(data, "\"pid\":");
		assert_int_equal(
			number,
			received + lost +
				1); /* also in the middle: what is lost is said where it is */
		assert_true(number > last);
		last = number;
		received++;
	}
	assert_int_equal(received + lost, 20000);
	assert_true(lost > 0 && received > 100);
	sse_close(&slow);
	server_stop(&server);
}

static void rows_come_as_whole_pictures(void **state)
{
	struct server server;
	char event[64], data[4096];
	struct sse rows;

	server_start(&server, NULL);
	tell(&server, "rows", "5000"); /* larger than one slice */
	sse_open(&rows, &server, VIA_UNIX, "item=runqlat&interval=100ms");
	for (int picture = 0; picture < 3; picture++) {
		for (uint64_t n = 1; n <= 5000; n++) {
			assert_true(sse_next(&rows, event, data, sizeof(data)));
			assert_string_equal(event, "runqlat");
			assert_int_equal(number_in(data, "\"pid\":"), n);
		}
		assert_true(sse_next(&rows, event, data, sizeof(data)));
		assert_string_equal(event, "rows");
		assert_int_equal(number_in(data, "\"rows\":"), 5000);
	}
	sse_close(&rows);
	sse_open(&rows, &server, VIA_UNIX, "item=runqlat&by=pod&interval=100ms");
	assert_true(sse_next(&rows, event, data, sizeof(data)));
	assert_string_equal(event, "error");
	assert_non_null(strstr(data, "this item knows no pods"));
	sse_close(&rows);
	server_stop(&server);
}

static void an_item_may_be_on_for_as_long_as_it_is_watched(void **state)
{
	struct server server;
	struct reply reply;
	struct sse sse;

	server_start(&server, NULL);
	ask(&server, server.port, "GET", "/v1/stream?item=quiet&on=1", NULL, NULL, &reply);
	assert_int_equal(reply.status, 401);
	reply_done(&reply);
	sse_open(&sse, &server, VIA_UNIX, "item=quiet,exec&on=1");
	assert_int_equal(status_number(&server, "held"), 1);
	sse_close(&sse);
	while (status_number(&server, "held"))
		;
	server_stop(&server);
}

static void streams_have_a_limit_and_end_when_the_agent_does(void **state)
{
	const struct serve_options two = {.version = "test", .streams = 2};
	char event[64], data[4096];
	struct server server;
	struct sse first, second;
	struct reply reply;

	server_start(&server, &two);
	sse_open(&first, &server, VIA_UNIX, "item=exec");
	sse_open(&second, &server, VIA_UNIX, "item=exec");
	ask_ok(&server, "GET", "/v1/stream?item=exec", NULL, 503, &reply);
	assert_non_null(strstr(reply.body.at, "\"error\":\"too many live streams\""));
	reply_done(&reply);
	sse_close(&second);
	while (metric_value(&server, "sonde_api_streams") > 1)
		;
	sse_open(&second, &server, VIA_UNIX, "item=exec");
	server_stop(&server);
	assert_true(sse_next(&first, event, data, sizeof(data)));
	assert_string_equal(event, "end");
	assert_false(sse_next(&first, event, data, sizeof(data)));
	sse_close(&first);
	sse_close(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_paged_without_gap_or_repeat),
		cmocka_unit_test(records_are_filtered_and_cut_by_time),
		cmocka_unit_test(what_happens_often_does_not_push_out_the_rest),
		cmocka_unit_test(a_stream_carries_each_record_once_and_in_order),
		cmocka_unit_test(a_slow_client_is_told_how_much_it_lost),
		cmocka_unit_test(rows_come_as_whole_pictures),
		cmocka_unit_test(an_item_may_be_on_for_as_long_as_it_is_watched),
		cmocka_unit_test(streams_have_a_limit_and_end_when_the_agent_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
