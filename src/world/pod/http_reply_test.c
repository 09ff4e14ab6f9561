// SPDX-License-Identifier: GPL-2.0-only
/* Every reply is fed whole, then in two pieces broken at every place: body and end must not change. */
#include "world/pod/http_reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"

static const struct {
	const char *what, *bytes, *body;
	int status, result;
} replies[] = {
	{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 1},
	{"empty", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", 200, 1},
	{"until the end", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello", "hello", 200, 0},
	{"chunks",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	 "chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
	 "hello", 200, 1},
	{"trailers",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nA: "
	 "b\r\n\r\n",
	 "0123456789", 200, 1},
	{"chunks beat length",
	 "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: "
	 "Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
	 "x", 200, 1},
	{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "", 204, 1},
	{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 410 Gone\r\nContent-Length: 1\r\n\r\nx",
	 "x", 410, 1},
	{"cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "hello", 200, 0},
	{"bare lines", "HTTP/1.1 403 Forbidden\nContent-Length: 2\n\nno", "no", 403, 1},
	{"no reply", "SSH-2.0-OpenSSH_9\r\n", "", 0, -EPROTO},
	{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "", 200, -EPROTO},
	{"bad header", "HTTP/1.1 200 OK\r\nnonsense\r\n", "", 200, -EPROTO},
	{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "", 200,
	 -EPROTO},
	{"chunk too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "a",
	 200, -EPROTO},
	{"coding unknown", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "", 200, -EPROTO},
	{"length endless", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "",
	 200, -EPROTO},
};

static void take(void *ctx, struct span piece)
{
	buf_span(ctx, piece);
}

static void a_reply_is_the_same_wherever_it_breaks(void **state)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		struct span bytes = span_of(replies[i].bytes);

		for (size_t at = 0; at <= bytes.len; at++) {
			struct http_reply reply = {};
			struct buf body;
			int result;

			buf_init(&body, 1000);
			result = http_reply_feed(&reply, span_first(bytes, at), take, &body);
			if (!result)
				result = http_reply_feed(&reply, span_from(bytes, at), take, &body);
			if (result != replies[i].result || reply.status != replies[i].status ||
			    strcmp(buf_text(&body), replies[i].body) != 0)
				fail_msg("%s at %zu: %d, status %d, '%s'", replies[i].what, at,
					 result, reply.status, buf_text(&body));
			buf_done(&body);
		}
	}
}

static void only_a_body_without_length_may_end_with_the_connection(void **state)
{
	struct http_reply reply = {};
	struct buf body;

	buf_init(&body, 1000);
	assert_false(http_reply_may_end(&reply));
	http_reply_feed(&reply, span_of(replies[2].bytes), take, &body);
	assert_true(http_reply_may_end(&reply));
	reply = (struct http_reply){};
	http_reply_feed(&reply, span_of(replies[8].bytes), take, &body);
	assert_false(http_reply_may_end(&reply));
	buf_done(&body);
}

static void endless_lines_are_refused(void **state)
{
	struct http_reply reply = {};
	int result = 0;

	for (int i = 0; i < REPLY_LINE_BYTES + 1 && !result; i++)
		result = http_reply_feed(&reply, span_of("x"), take, NULL);
	assert_int_equal(result, -EPROTO);
	reply = (struct http_reply){};
	result = http_reply_feed(&reply, span_of("HTTP/1.1 200 OK\r\n"), take, NULL);
	for (int i = 0; i < 1000 && !result; i++)
		result = http_reply_feed(&reply, span_of("A: b\r\n"), take, NULL);
	assert_int_equal(result, -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_the_same_wherever_it_breaks),
		cmocka_unit_test(only_a_body_without_length_may_end_with_the_connection),
		cmocka_unit_test(endless_lines_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
