// SPDX-License-Identifier: GPL-2.0-only
/* What a request says is read as the RFCs mean it, wherever its bytes break; what could be read in two ways is refused. */
#include "serve/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "serve/multipart.h"
#include "serve/query.h"

#define HOST "Host: a\r\n"

static const struct {
	const char *head;
	enum http_method method;
	const char *path, *query, *host;
	bool keep_alive;
	uint64_t length;
} good[] = {
	{"GET / HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/", "", "a", true, 0},
	{"GET /a?b=c&d HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/a", "b=c&d", "a", true, 0},
	{"GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/", "", "", false, 0},
	{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, "/", "", "", true, 0},
	{"GET / HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n", HTTP_GET, "/", "", "a", false,
	 0},
	{"GET / HTTP/1.3\r\n" HOST "\r\n", HTTP_GET, "/", "", "a", true, 0},
	{"GET http://b:80/x?y HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/x", "y", "b:80", true, 0},
	{"GET HTTP://b HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/", "", "b", true, 0},
	{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", HTTP_OPTIONS, "*", "", "a", true, 0},
	{"POST / HTTP/1.1\r\nhOST:\t a \r\ncontent-length: 17\r\n\r\n", HTTP_POST, "/", "", "a",
	 true, 17},
	{"PATCH /v1/items/x HTTP/1.1\r\n" HOST "X: \xc3\xa9\r\n\r\n", HTTP_PATCH, "/v1/items/x", "",
	 "a", true, 0},
};

static void requests_are_read_as_they_were_meant(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct http_request request;
		const char *why = "";

		if (http_parse(span_of(good[i].head), &request, &why))
			fail_msg("%s: %s", good[i].head, why);
		assert_int_equal(request.method, good[i].method);
		assert_true(span_is(request.path, good[i].path));
		assert_true(span_is(request.query, good[i].query));
		assert_true(span_is(request.host, good[i].host));
		assert_int_equal(request.keep_alive, good[i].keep_alive);
		assert_int_equal(request.length, good[i].length);
	}
}

static const struct {
	const char *head;
	int status;
} bad[] = {
	{"\r\n", 400},
	{"GET\r\n\r\n", 400},
	{"GET /\r\n\r\n", 400},
	{"GET / HTTP/1.1\n\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
	{"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
	{"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
	{"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
	{"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
	{"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
	{"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400},
	{"GET x HTTP/1.1\r\n" HOST "\r\n", 400},
	{"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
	{"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 501},
	{"BREW /pot HTTP/1.1\r\n" HOST "\r\n", 501},
	{"get / HTTP/1.1\r\n" HOST "\r\n", 501},
	{"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
	{"\x16\x03\x01\x02 / HTTP/1.1\r\n\r\n", 400}, /* TLS */
	{"PRI * HTTP/2.0\r\n\r\n", 505},
	{"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
	{"GET / HTTP/1.x\r\n" HOST "\r\n", 400},
	{"GET / HTTQ/1.1\r\n" HOST "\r\n", 400},
	{"GET / HTTP/1.1\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST " X: y\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST
	 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	 400},
	{"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	{"POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n" HOST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
	 400},
};

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct http_request request;
		const char *why = NULL;

		if (http_parse(span_of(bad[i].head), &request, &why) != bad[i].status || !why)
			fail_msg("%s: %s", bad[i].head, why ? why : "taken");
	}
}

static void a_zero_byte_never_cuts_a_field(void **state)
{
	static const char head[] =
		"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\0y\r\n\r\n";
	struct http_request request;
	const char *why;

	assert_int_equal(
		http_parse((struct span){(const uint8_t *)head, sizeof(head) - 1}, &request, &why),
		400);
}

static void too_many_fields_are_refused(void **state)
{
	struct http_request request;
	const char *why;
	char head[4096];
	size_t len = (size_t)snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n");

	for (int i = 1; i < HTTP_FIELDS; i++)
		len += (size_t)snprintf(head + len, sizeof(head) - len, "X%d: y\r\n", i);
	snprintf(head + len, sizeof(head) - len, "\r\n");
	assert_int_equal(http_parse(span_of(head), &request, &why), 0);
	snprintf(head + len, sizeof(head) - len, "Z: y\r\n\r\n");
	assert_int_equal(http_parse(span_of(head), &request, &why), 431);
}

/* Fed byte by byte, the end is found where it is, and each byte is looked at a few times at most. */
static void the_end_of_a_head_is_found_byte_by_byte(void **state)
{
	static const char *const heads[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
					    "GET / HTTP/1.0\n\n", "a\r\n\n", "a\n\r\n"};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		size_t scanned = 0, len = strlen(heads[i]);

		for (size_t have = 0; have < len; have++) {
			assert_int_equal(
				http_head_end(span_first(span_of(heads[i]), have), &scanned), 0);
			assert_in_range(scanned + 2, have, have + 2);
		}
		assert_int_equal(http_head_end(span_of(heads[i]), &scanned), len);
	}
}

static const struct {
	const char *chunks, *body;
	enum http_cut end;
} bodies[] = {
	{"0\r\n\r\n", "", HTTP_END},
	{"3\r\nabc\r\n0\r\n\r\n", "abc", HTTP_END},
	{"3;x=y\r\nabc\r\n00A\r\n0123456789\r\n000\r\nTrailer: x\r\nAnother: y\r\n\r\n",
	 "abc0123456789", HTTP_END},
	{"3 \r\nabc\r\n0\r\n\r\n", "abc", HTTP_END},
	{"3\r\nabcd\r\n0\r\n\r\n", "abc", HTTP_BAD},
	{"3\nabc\r\n0\r\n\r\n", "", HTTP_BAD},
	{"g\r\n", "", HTTP_BAD},
	{"\r\n", "", HTTP_BAD},
	{"-1\r\n", "", HTTP_BAD},
	{"0x3\r\n", "", HTTP_BAD},
	{"ffffffffffffffff0\r\n", "", HTTP_BAD},
	{"1\r\na\r\n0\r\nX: y\n\r\n", "a", HTTP_BAD},
	{"1\r\na\r\n0\r\n\rx", "a", HTTP_BAD},
	{"5\r\nabc", "abc", HTTP_MORE},
};

static enum http_cut feed_chunks(struct span in, size_t piece, char *body, size_t *ret_used)
{
	struct http_chunks chunks = {};
	size_t from = 0, to = 0, len = 0;
	enum http_cut cut = HTTP_MORE;

	while (to < in.len && cut != HTTP_END && cut != HTTP_BAD) {
		to = to + piece < in.len ? to + piece : in.len;
		do {
			struct span data;
			const char *why;
			size_t used = 0;

			cut = http_chunks_cut(&chunks, (struct span){in.at + from, to - from},
					      &used, &data, &why);
			from += used;
			if (cut == HTTP_PIECE) {
				memcpy(body + len, data.at, data.len);
				len += data.len;
			}
		} while (cut == HTTP_PIECE);
	}
	body[len] = 0;
	*ret_used = from;
	return cut;
}

static void chunks_are_the_same_in_pieces_of_any_size(void **state)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		for (size_t piece = 1; piece <= strlen(bodies[i].chunks); piece++) {
			char body[128];
			size_t used;

			assert_int_equal(feed_chunks(span_of(bodies[i].chunks), piece, body, &used),
					 bodies[i].end);
			assert_string_equal(body, bodies[i].body);
			if (bodies[i].end == HTTP_END)
				assert_int_equal(used, strlen(bodies[i].chunks));
		}
}

static void what_a_client_wants_is_weighed(void **state)
{
	assert_int_equal(http_wants(span_of("gzip, deflate"), "gzip"), 1000);
	assert_int_equal(http_wants(span_of("deflate;q=1, gzip;q=0.25"), "gzip"), 250);
	assert_int_equal(http_wants(span_of("gzip;q=0"), "gzip"), 0);
	assert_int_equal(http_wants(span_of("identity, *;q=0.1"), "gzip"), 100);
	assert_int_equal(http_wants(span_of(""), "gzip"), 0);
	assert_int_equal(http_wants(span_of("x-gzip"), "gzip"), 0);
	/* what Prometheus 2.42 sends */
	assert_true(http_wants_openmetrics(
		span_of("application/openmetrics-text;version=1.0.0,application/"
			"openmetrics-text;version=0.0.1;q=0.75,"
			"text/plain;version=0.0.4;q=0.5,*/*;q=0.1")));
	assert_false(http_wants_openmetrics(span_of("*/*")));
	assert_false(http_wants_openmetrics(span_of("text/plain")));
	assert_false(http_wants_openmetrics(span_of("application/openmetrics-text;version=2.0.0")));
	assert_false(
		http_wants_openmetrics(span_of("text/plain, application/openmetrics-text;q=0.5")));
	assert_false(http_wants_openmetrics(span_of("")));
}

static void queries_are_decoded_or_refused(void **state)
{
	static const char *const broken[] = {"a=%",   "a=%1",  "a=%zz", "%00=b", "a=%00",
					     "a=%1b", "a=%ff", "a=%c3", "a=%7f"};
	struct query query;
	struct arena arena;

	arena_init(&arena, 64 * 1024);
	assert_null(query_parse(span_of("a=b+c&d=%c3%A9%2B&e&=f&&g=h=i&tab=%09"), &arena, &query));
	assert_int_equal(query.count, 6);
	assert_string_equal(query.param[0].value, "b c");
	assert_string_equal(query.param[1].value, "\u00e9+");
	assert_string_equal(query.param[2].value, "");
	assert_string_equal(query.param[3].name, "");
	assert_string_equal(query.param[4].value, "h=i");
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		assert_non_null(query_parse(span_of(broken[i]), &arena, &query));
	assert_non_null(query_parse(
		span_of("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&1&2&3&4&5&6&7"),
		&arena, &query));
	arena_done(&arena);
}

static void files_of_a_form_are_found(void **state)
{
	static const char body[] =
		"--B\r\nContent-Disposition: form-data; name=\"x\"; filename=\"a.bpf.o\"\r\n"
		"Content-Type: application/octet-stream\r\n\r\n\r\n--b\0\r\n\r\n--B\r\n"
		"content-disposition: form-data; name=b.yaml\r\n\r\n\r\n--B--\r\n";
	struct span whole = {(const uint8_t *)body, sizeof(body) - 1};
	struct multipart multipart;
	struct part part;

	assert_true(multipart_begin(
		&multipart, span_of("Multipart/Form-Data; charset=x; boundary=\"B\""), whole));
	assert_int_equal(multipart_next(&multipart, &part), 1);
	assert_true(span_is(part.name, "a.bpf.o"));
	assert_int_equal(part.bytes.len, 8);
	assert_int_equal(multipart_next(&multipart, &part), 1);
	assert_true(span_is(part.name, "b.yaml"));
	assert_int_equal(part.bytes.len, 0);
	assert_int_equal(multipart_next(&multipart, &part), 0);
	assert_false(multipart_begin(&multipart, span_of("text/plain; boundary=B"), whole));
	assert_false(multipart_begin(&multipart, span_of("multipart/form-data; boundary="), whole));
	/* cut anywhere, there is no last delimiter: never more parts than there were, and an error at the end */
	for (size_t len = 0; len < sizeof(body) - 6; len++) {
		int more;

		if (!multipart_begin(&multipart, span_of("multipart/form-data; boundary=B"),
				     span_first(whole, len)))
			continue;
		while ((more = multipart_next(&multipart, &part)) > 0)
			;
		assert_int_not_equal(more, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_read_as_they_were_meant),
		cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
		cmocka_unit_test(a_zero_byte_never_cuts_a_field),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(the_end_of_a_head_is_found_byte_by_byte),
		cmocka_unit_test(chunks_are_the_same_in_pieces_of_any_size),
		cmocka_unit_test(what_a_client_wants_is_weighed),
		cmocka_unit_test(queries_are_decoded_or_refused),
		cmocka_unit_test(files_of_a_form_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
