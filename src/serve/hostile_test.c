// SPDX-License-Identifier: GPL-2.0-only
/* Clients that are slow, greedy, mad or malicious: each gets what it deserves, and nobody else notices. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "serve/http.h"
#include "serve/test_server.h"

enum { CROWD = 1000 };

#define HOST "Host: localhost\r\n"

static void assert_refused(const struct server *server, const void *bytes, size_t len, int status)
{
	int fd = connect_unix(server);
	struct reply reply;
	struct arena arena;

	send_bytes(fd, bytes, len);
	read_reply(fd, &reply);
	if (reply.status != status)
		fail_msg("%.60s: %d %s", (const char *)bytes, reply.status, buf_text(&reply.body));
	assert_non_null(json_get_text(reply_json(&reply, &arena), "error"));
	assert_true(reply_has(&reply, "Connection: close\r\n"));
	arena_done(&arena);
	reply_done(&reply);
	assert_true(is_closed_within(fd, 5000));
	close(fd);
}

static void refused_text(const struct server *server, const char *text, int status)
{
	assert_refused(server, text, strlen(text), status);
}

static void what_is_no_request_is_refused_and_the_connection_closed(void **state)
{
	static const char zero[] = "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n";
	struct server server;
	char *big = calloc(1, 300000);

	server_start(&server, NULL);
	assert_refused(&server, zero, sizeof(zero) - 1, 400);
	refused_text(&server, "GET / HTTP/1.1\n\n", 400);
	refused_text(&server, "hello\r\n\r\n", 400);
	refused_text(&server, "BREW / HTTP/1.1\r\n" HOST "\r\n", 501);
	refused_text(&server, "GET / HTTP/3.0\r\n" HOST "\r\n", 505);
	refused_text(&server, "GET / HTTP/1.1\r\n\r\n", 400);
	refused_text(&server,
		     "POST /v1/items?name=x HTTP/1.1\r\n" HOST
		     "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		     400);
	refused_text(&server,
		     "POST /v1/items?name=x HTTP/1.1\r\n" HOST
		     "Content-Length: 99999999999\r\n\r\n",
		     413);
	refused_text(&server,
		     "PATCH /v1/items/exec HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n{",
		     413);
	/* head and target just above their limits, and far above */
	memset(big, 'a', 299999);
	memcpy(big, "GET /", 5);
	assert_refused(&server, big, HTTP_HEAD_BYTES + 1, 431);
	assert_refused(&server, big, 299999, 431);
	memcpy(big + 5 + HTTP_TARGET_BYTES, " HTTP/1.1\r\n" HOST "\r\n",
	       strlen(" HTTP/1.1\r\n" HOST "\r\n") + 1);
	refused_text(&server, big, 414);
	assert_true(metric_value(&server, "sonde_api_refused_total{reason=\"bad\"}") >= 6);
	assert_true(metric_value(&server, "sonde_api_refused_total{reason=\"limit\"}") >= 5);
	free(big);
	server_stop(&server);
}

/* A body in chunks without end is cut off at the path's limit. */
static void a_body_without_end_is_cut_off(void **state)
{
	const struct serve_options small = {.version = "test", .upload_bytes = 100000};
	static char chunk[8 + 4096] = "1000\r\n";
	struct server server;
	struct reply reply;
	int fd;

	server_start(&server, &small);
	memset(chunk + 6, 'x', 4096);
	fd = connect_unix(&server);
	send_text(fd,
		  "POST /v1/items?name=x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 30; i++) {
		send_bytes(fd, chunk, 6 + 4096);
		send_text(fd, "\r\n");
	}
	read_reply(fd, &reply);
	assert_int_equal(reply.status, 413);
	reply_done(&reply);
	close(fd);
	server_stop(&server);
}

static void requests_in_one_piece_are_answered_in_order(void **state)
{
	struct server server;
	struct buf text;
	int fd;

	server_start(&server, NULL);
	fd = connect_tcp(server.port);
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 300; i++)
		buf_f(&text, "%sGET /%s HTTP/1.1\r\n" HOST "%s\r\n", i % 5 ? "" : "\r\n",
		      i % 3 ? "healthz" : "nothing", i == 299 ? "Connection: close\r\n" : "");
	send_bytes(fd, text.at, text.len);
	for (int i = 0; i < 300; i++) {
		struct reply reply;

		read_reply(fd, &reply);
		assert_int_equal(reply.status, i % 3 ? 200 : 404);
		reply_done(&reply);
	}
	assert_true(is_closed_within(fd, 5000));
	close(fd);
	buf_done(&text);
	server_stop(&server);
}

/* Asks for more and more and reads nothing: the server holds one answer for it, not all. */
static void who_asks_without_reading_waits(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n" HOST "\r\n";
	struct server server;
	int fd;

	server_start(&server, NULL);
	tell(&server, "metrics", "5000");
	fd = connect_tcp(server.port);
	for (int i = 0; i < 1000; i++)
		send_text(fd, request);
	assert_in_range((uint64_t)metric_value(&server, "sonde_api_queued_bytes"), 1, 2 << 20);
	close(fd);
	while (metric_value(&server, "sonde_api_queued_bytes") > 0)
		;
	server_stop(&server);
}

static void a_request_byte_by_byte_is_understood(void **state)
{
	static const char request[] =
		"PATCH /v1/items/quiet HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
		"3\r\n{\"o\r\n8;x=y\r\nn\":true}\r\n0\r\nTrailer: x\r\n\r\n";
	struct server server;
	struct reply reply;
	int fd;

	server_start(&server, NULL);
	fd = connect_unix(&server);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		struct reply other;

		send_bytes(fd, request + i, 1);
		if (i % 16)
			continue;
		ask_ok(&server, "GET", "/healthz", NULL, 200,
		       &other); /* so the byte was looked at alone */
		reply_done(&other);
	}
	read_reply(fd, &reply);
	assert_int_equal(reply.status, 200);
	reply_done(&reply);
	close(fd);
	server_stop(&server);
}

static void a_client_that_shuts_its_side_still_gets_its_answer(void **state)
{
	struct server server;
	struct reply reply;
	int fd;

	server_start(&server, NULL);
	tell(&server, "metrics", "20000");
	fd = connect_tcp(server.port);
	send_text(fd, "GET /metrics HTTP/1.0\r\n\r\n");
	shutdown(fd, SHUT_WR);
	read_reply(fd, &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body.at, "process-19999"));
	reply_done(&reply);
	close(fd);
	server_stop(&server);
}

static void who_takes_too_long_is_dropped(void **state)
{
	const struct serve_options hasty = {
		.version = "test", .head_ms = 300, .body_ms = 300, .idle_ms = 300, .stall_ms = 300};
	struct server server;
	struct reply reply;
	int head, body, idle, silent, small = 4096;
	uint64_t from;

	server_start(&server, &hasty);
	tell(&server, "metrics", "50000");
	silent = connect_tcp(server.port);
	head = connect_tcp(server.port);
	send_text(head, "GET / HTTP/1.1\r\nX-");
	body = connect_unix(&server);
	send_text(body, "PATCH /v1/items/exec HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n{");
	idle = connect_tcp(server.port);
	send_text(idle, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
	read_reply(idle, &reply);
	reply_done(&reply);
	/* a byte now and then does not help: the head as a whole has its time */
	from = now_ms();
	while (!is_closed_within(head, 50)) {
		send_text(head, "a");
		assert_true(now_ms() - from < 5000);
	}
	assert_true(now_ms() - from >= 200);
	assert_true(is_closed_within(body, 5000));
	assert_true(is_closed_within(idle, 5000));
	assert_true(is_closed_within(silent, 5000));
	close(head);
	head = connect_tcp(server.port);
	setsockopt(head, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	send_text(head, "GET /metrics HTTP/1.1\r\n" HOST "\r\n");
	while (metric_value(&server, "sonde_api_refused_total{reason=\"stalled\"}") < 1)
		assert_true(now_ms() - from < 20000);
	close(head);
	close(body);
	close(idle);
	close(silent);
	server_stop(&server);
}

static uint64_t ms_of_scrape(const struct server *server)
{
	uint64_t from = now_ms();
	struct reply reply;

	ask(server, server->port, "GET", "/metrics", NULL, NULL, &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body.at, "process-4999"));
	reply_done(&reply);
	return now_ms() - from;
}

/* A thousand clients ask for all metrics and never read; another thousand send half a request. A scrape does not wait. */
static void a_crowd_of_slow_clients_does_not_delay_a_scrape(void **state)
{
	static int fds[2 * CROWD];
	struct rlimit files = {8192, 8192};
	struct server server;
	uint64_t alone, worst = 0;
	int small = 4096;

	setrlimit(RLIMIT_NOFILE, &files);
	server_start(&server, NULL);
	tell(&server, "metrics", "5000");
	alone = ms_of_scrape(&server);
	for (int i = 0; i < 2 * CROWD; i++) {
		fds[i] = connect_tcp(server.port);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		send_text(fds[i], i % 2 ? "GET /metrics HTTP/1.1\r\n" HOST "\r\n"
					: "GET /metrics HTTP/1.1\r\nX-");
	}
	for (int i = 0; i < 20; i++) {
		uint64_t took = ms_of_scrape(&server);

		worst = took > worst ? took : worst;
	}
	print_message("scrape alone %llu ms, worst of 20 among %d slow clients %llu ms\n",
		      (unsigned long long)alone, 2 * CROWD, (unsigned long long)worst);
	assert_true(worst < 1000);
	assert_true(metric_value(&server, "sonde_api_refused_total{reason=\"evicted\"}") +
			    metric_value(&server, "sonde_api_refused_total{reason=\"full\"}") >
		    CROWD);
	assert_true(metric_value(&server, "sonde_api_queued_bytes") <= 16 << 20);
	for (int i = 0; i < 2 * CROWD; i++)
		close(fds[i]);
	server_stop(&server);
}

/* Unpacks; the answer must be what it is without packing. */
static void packed_answers_are_the_same(void **state)
{
	static const char *const sizes[] = {"1", "100", "20000", "200000"};
	struct server server;

	server_start(&server, NULL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		static uint8_t out[ANSWER_BODY];
		z_stream gzip = {.next_out = out, .avail_out = sizeof(out)};
		struct reply packed;

		tell(&server, "metrics", sizes[i]);
		ask(&server, server.port, "GET", "/metrics", "Accept-Encoding: br, gzip;q=0.5\r\n",
		    NULL, &packed);
		assert_int_equal(packed.status, 200);
		assert_true(reply_has(&packed, "Content-Encoding: gzip\r\n"));
		gzip.next_in = (uint8_t *)packed.body.at;
		gzip.avail_in = (unsigned)packed.body.len;
		assert_int_equal(inflateInit2(&gzip, 15 + 16), Z_OK);
		assert_int_equal(inflate(&gzip, Z_FINISH), Z_STREAM_END);
		assert_int_equal(gzip.avail_in, 0);
		assert_memory_equal(out, "# HELP ", 7);
		assert_int_equal(out[gzip.total_out - 1], '\n');
		inflateEnd(&gzip);
		reply_done(&packed);
		ask(&server, server.port, "GET", "/metrics", "Accept-Encoding: gzip;q=0\r\n", NULL,
		    &packed);
		assert_false(reply_has(&packed, "Content-Encoding"));
		/* counters of the server itself moved on: the length is nearly the same */
		assert_in_range(packed.body.len, gzip.total_out - 200, gzip.total_out + 200);
		reply_done(&packed);
	}
	server_stop(&server);
}

/* Bytes of no sense, and requests with a byte changed: the server lives, closes all, and still answers. */
static void noise_does_no_harm(void **state)
{
	static const char request[] =
		"PATCH /v1/items/quiet?a=%41 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n"
		"Accept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n{\"on\":true}";
	unsigned seed = (unsigned)time(NULL), before;
	struct server server;
	struct reply reply;

	print_message("seed %u\n", seed);
	srand(seed);
	server_start(&server, NULL);
	ask_ok(&server, "GET", "/healthz", NULL, 200, &reply);
	reply_done(&reply);
	before = server_fds(&server);
	for (int round = 0; round < 600; round++) {
		int fd = round % 2 ? connect_unix(&server) : connect_tcp(server.port);
		char bytes[512];
		size_t len = sizeof(request) - 1;

		memcpy(bytes, request, len);
		if (round % 3)
			bytes[(size_t)rand() % len] = (char)rand();
		else
			for (size_t i = 0; i < len; i++)
				bytes[i] = (char)rand();
		send_bytes(fd, bytes, round % 5 ? len : (size_t)rand() % len);
		if (round % 7 == 0)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	ask_ok(&server, "GET", "/healthz", NULL, 200, &reply);
	reply_done(&reply);
	for (uint64_t from = now_ms(); server_fds(&server) > before;)
		assert_true(now_ms() - from < 10000);
	server_stop(&server);
}

static void without_descriptors_it_waits_and_goes_on(void **state)
{
	static int fds[400];
	const struct serve_options many = {.version = "test", .connections = 100000};
	struct rlimit few = {60, 60}, files = {8192, 8192};
	struct server server;
	struct reply reply;

	setrlimit(RLIMIT_NOFILE, &files);
	server_start(&server, &many);
	ask_ok(&server, "GET", "/healthz", NULL, 200, &reply);
	reply_done(&reply);
	assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &few, NULL), 0);
	for (size_t i = 0; i < 400; i++)
		fds[i] = connect_tcp(server.port);
	for (int i = 0; i < 5; i++) {
		ask(&server, server.port, "GET", "/healthz", NULL, NULL, &reply);
		assert_int_equal(reply.status, 200);
		reply_done(&reply);
	}
	for (size_t i = 0; i < 400; i++)
		close(fds[i]);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_request_is_refused_and_the_connection_closed),
		cmocka_unit_test(a_body_without_end_is_cut_off),
		cmocka_unit_test(requests_in_one_piece_are_answered_in_order),
		cmocka_unit_test(who_asks_without_reading_waits),
		cmocka_unit_test(a_request_byte_by_byte_is_understood),
		cmocka_unit_test(a_client_that_shuts_its_side_still_gets_its_answer),
		cmocka_unit_test(who_takes_too_long_is_dropped),
		cmocka_unit_test(a_crowd_of_slow_clients_does_not_delay_a_scrape),
		cmocka_unit_test(packed_answers_are_the_same),
		cmocka_unit_test(noise_does_no_harm),
		cmocka_unit_test(without_descriptors_it_waits_and_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
