// SPDX-License-Identifier: GPL-2.0-only
/* Every conversation is fed whole, then cut at every byte: what comes out must not change. */
#include "protocol/drive_test.h"
#include "protocol/http1.h"

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

static const struct drive_case cases[] = {
	{"request and response",
	 {C("GET /users/7?token=x HTTP/1.1\r\nHost: shop\r\nUser-Agent: curl/8\r\nx-request-id: "
	    "r1\r\n\r\n"),
	  S(OK5 "hello")},
	 "> request op=GET resource=/users/7 target=/users/7?token=x host=shop request-id=r1 "
	 "agent=curl/8 "
	 "bytes=83 head=83\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"error with its words",
	 {C("POST /a HTTP/1.1\r\ncontent-LENGTH:3\r\n\r\nabc"),
	  S("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")},
	 "> request op=POST resource=/a target=/a bytes=41 head=38\n"
	 "< response status=503 reason=Service Unavailable bytes=55 head=55 error\n"},
	{"pipeline",
	 {C("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"),
	  S(OK5 "11111" OK5 "22222" OK5 "33333")},
	 "> request op=GET resource=/1 target=/1 bytes=19 head=19\n"
	 "> request op=GET resource=/2 target=/2 bytes=19 head=19\n"
	 "> request op=GET resource=/3 target=/3 bytes=19 head=19\n"
	 "< response status=200 bytes=43 head=38\n"
	 "< response status=200 bytes=43 head=38\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"response to HEAD has no body, in a pipeline",
	 {C("HEAD /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"), S(OK5 OK5 "22222")},
	 "> request op=HEAD resource=/1 target=/1 bytes=20 head=20\n"
	 "> request op=GET resource=/2 target=/2 bytes=19 head=19\n"
	 "< response status=200 bytes=38 head=38\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"chunks, extensions and trailers",
	 {C("GET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
	    "5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX: \r\n\r\n"
	    "HTTP/1.1 204 No\r\n\r\n")},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=200 bytes=102 head=53\n"
	 "< response status=204 bytes=19 head=19 unasked\n"},
	{"chunked request",
	 {C("PUT /f HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /g "
	    "HTTP/1.1\r\n\r\n")},
	 "> request op=PUT resource=/f target=/f bytes=60 head=47\n"
	 "> request op=GET resource=/g target=/g bytes=19 head=19\n"},
	{"interim responses",
	 {C("GET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK5
	    "hello")},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< interim status=100 bytes=25 head=25\n"
	 "< interim status=103 bytes=37 head=37\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"304 has no body, whatever its length says",
	 {C("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n" OK5 "hello")},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=304 bytes=49 head=49\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"body until close",
	 {C("GET / HTTP/1.0\r\n\r\n"), S("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\nsome"),
	  S("more"), S_GAP(1000), S("end"), S_CLOSE},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=200 type=text/html bytes=1055 head=44 last\n"},
	{"websocket",
	 {C("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
	  S("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n")},
	 "> request op=GET resource=/chat target=/chat bytes=63 head=63\n"
	 "< response status=101 bytes=56 head=56 last then=websocket\n"},
	{"CONNECT opens a tunnel",
	 {C("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n")},
	 "> request op=CONNECT resource=a.example:443 target=a.example:443 host=a.example:443 "
	 "bytes=55 head=55\n"
	 "< response status=200 bytes=19 head=19 last then=unknown\n"},
	{"CONNECT refused leaves the connection as it was",
	 {C("CONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx" OK5 "hello")},
	 "> request op=CONNECT resource=a:1 target=a:1 bytes=24 head=24\n"
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=403 reason=No bytes=39 head=38 error\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"absolute target with user and query",
	 {C("GET http://u:p@shop.example:80/x?y=http://z HTTP/1.1\r\nHost: other\r\n\r\n")},
	 "> request op=GET resource=/x target=http://u:p@shop.example:80/x?y=http://z "
	 "host=shop.example:80 "
	 "bytes=69 head=69\n"},
	{"a made-up method, bare LF, empty lines before",
	 {C("\r\n\r\nBREW /pot HTTP/1.1\nHost: h\n\n")},
	 "> request op=BREW resource=/pot target=/pot host=h bytes=28 head=28\n"},
	{"a gap inside a body",
	 {C("POST /a HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc"), C_GAP(990),
	  C("1234567GET /b HTTP/1.1\r\n\r\n")},
	 "> request op=POST resource=/a target=/a bytes=1042 head=42\n"
	 "> request op=GET resource=/b target=/b bytes=19 head=19\n"},
	{"a gap to the end of a body",
	 {C("POST /a HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc"), C_GAP(997),
	  C("GET /b HTTP/1.1\r\n\r\n")},
	 "> request op=POST resource=/a target=/a bytes=1042 head=42\n"
	 "> request op=GET resource=/b target=/b bytes=19 head=19\n"},
	{"a gap over the end of a body",
	 {C("POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"), C_GAP(1000),
	  C("of something\r\nGET /b HTTP/1.1\r\n\r\n")},
	 "> request op=POST resource=/a target=/a bytes=50 head=40\n"
	 "> bad\n"
	 "> request op=GET resource=/b target=/b bytes=19 head=19\n"},
	{"a gap inside a chunk, one to its end, one over the last chunk",
	 {C("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc"), S_GAP(90),
	  S("1234567\r\n64\r\nabc"), S_GAP(99), S("64\r\nabc"), S_GAP(104), S(OK5 "hello")},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=200 bytes=370 head=47\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"a gap over several chunks: how many messages were in it, nobody knows",
	 {C("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc"), S_GAP(500),
	  S("whatever\r\n0\r\n\r\n" OK5 "hello")},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=200 bytes=151 head=47 incomplete\n"
	 "< bad\n"
	 "< response status=200 bytes=43 head=38 unasked\n"},
	{"a gap in the last chunk, wherever it begins",
	 {C("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r"), S_GAP(3),
	  S(OK5 "hello")},
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "> request op=GET resource=/ target=/ bytes=18 head=18\n"
	 "< response status=200 bytes=60 head=47\n"
	 "< response status=200 bytes=43 head=38\n"},
	{"a head cut short is told as far as it is known",
	 {C("GET /long HTTP/1.1\r\nHost: h\r\nCookie: abcabcabc"), C_GAP(3000),
	  C("GET /b HTTP/1.1\r\n\r\n")},
	 "> request op=GET resource=/long target=/long host=h bytes=46 head=46 incomplete\n"
	 "> bad\n"
	 "> request op=GET resource=/b target=/b bytes=19 head=19\n"},
	{"joined late: a body, then a response to a HEAD we did not see",
	 {S("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
	    "5\r\n\r\nhello")},
	 "< response status=200 bytes=39 head=39 unasked\n"
	 "< response status=200 bytes=43 head=38 unasked\n"},
	{"Expect: 100-continue, and the body is never sent",
	 {C("PUT /f HTTP/1.1\r\nContent-Length: 9999\r\nExpect: 100-Continue\r\n\r\n"),
	  S("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
	  C("GET /g HTTP/1.1\r\nHost: h\r\n\r\n")},
	 "< response status=401 reason=No bytes=38 head=38 error\n"
	 "> request op=PUT resource=/f target=/f bytes=63 head=63\n"
	 "> request op=GET resource=/g target=/g host=h bytes=28 head=28\n"},
	{"Expect: 100-continue, and the body is sent in spite of an error",
	 {C("PUT /f HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"),
	  S("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
	  C("GET!GET /g HTTP/1.1\r\nHost: h\r\n\r\n")},
	 "< response status=401 reason=No bytes=38 head=38 error\n"
	 "> request op=PUT resource=/f target=/f bytes=64 head=60\n"
	 "> request op=GET resource=/g target=/g host=h bytes=28 head=28\n"},
	{"the end inside a body",
	 {C("PUT /f HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), C_CLOSE},
	 "> request op=PUT resource=/f target=/f bytes=40 head=38 incomplete last\n"},
	{"after something wrong the next head is found",
	 {C("GET /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd\nGET /b "
	    "HTTP/1.1\r\n\r\n")},
	 "> bad\n"
	 "> request op=GET resource=/b target=/b bytes=19 head=19\n"},
};

static void cuts_alike_wherever_the_stream_breaks(void **state)
{
	check_cases(&http1, cases, COUNT(cases));
}

static const struct {
	enum side from;
	const char *bytes, *why;
} wrong[] = {
	{SIDE_CLIENT, "*1\r\n$4\r\nPING\r\n", "request does not begin with a method"},
	{SIDE_CLIENT, "GET  / HTTP/1.1\r\n\r\n",
	 "request without a target, or one with blanks in it"},
	{SIDE_CLIENT, "GET / HTTP/1.1 \r\n\r\n", "not HTTP/1.0 or HTTP/1.1"},
	{SIDE_CLIENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not HTTP/1.0 or HTTP/1.1"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nA : b\r\n\r\n", "header name not followed by a colon"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "folded header line"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\n: b\r\n\r\n", "header without a name"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "lone CR or NUL in a header"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	 "both Content-Length and Transfer-Encoding"},
	{SIDE_CLIENT, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	 "Transfer-Encoding in HTTP/1.0"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
	 "a transfer coding behind chunked"},
	{SIDE_CLIENT,
	 "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	 "a transfer coding behind chunked"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
	 "request body whose last transfer coding is not chunked"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
	 "Content-Length is not a number below 10^18"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nContent-Length:\r\n\r\n",
	 "Content-Length is not a number below 10^18"},
	{SIDE_CLIENT, "GET / HTTP/1.1\r\nContent-Length: 3, 4\r\n\r\n",
	 "two Content-Lengths that differ"},
	{SIDE_CLIENT, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello",
	 "chunk line does not end with CR LF"},
	{SIDE_CLIENT, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello",
	 "chunk does not begin with its length"},
	{SIDE_CLIENT, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
	 "chunk length is not below 2^60"},
	{SIDE_CLIENT, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello",
	 "chunk does not end where its length says"},
	{SIDE_SERVER, "SSH-2.0-OpenSSH_9.2", "response does not begin with HTTP/1.x"},
	{SIDE_SERVER, "HTTP/1.1 2OO OK\r\n\r\n", "status is not three digits"},
	{SIDE_SERVER, "HTTP/1.1 020 OK\r\n\r\n", "status below 100"},
};

static void says_what_is_wrong(void **state)
{
	for (size_t i = 0; i < COUNT(wrong); i++)
		check_wrong(&http1, wrong[i].from, wrong[i].bytes, strlen(wrong[i].bytes),
			    wrong[i].why);
}

static void refuses_a_head_that_never_ends(void **state)
{
	struct drive drive;
	char line[1024] = "GET / HTTP/1.1\r\n";

	drive_init(&drive, &http1);
	drive_bytes(&drive, SIDE_CLIENT, span_of(line));
	memset(line, 'a', sizeof(line));
	line[1] = ':';
	line[sizeof(line) - 1] = '\n';
	for (size_t i = 0; i < 66 && !drive.bad; i++)
		drive_bytes(&drive, SIDE_CLIENT, (struct span){(uint8_t *)line, sizeof(line)});
	assert_int_equal(drive.bad, 1);
	assert_string_equal(drive.why, "head above 64 KiB");
	drive_done(&drive);
}

/* Requests beyond the ring of shapes are only counted: their responses are taken as usual ones. */
static void counts_requests_that_do_not_fit(void **state)
{
	struct drive drive;

	drive_init(&drive, &http1);
	for (size_t i = 0; i < HTTP_REQUESTS + 3; i++)
		drive_bytes(&drive, SIDE_CLIENT, span_of("HEAD / HTTP/1.1\r\n\r\n"));
	assert_int_equal(((struct http_state *)drive.state)->shapes_missing, 3);
	for (size_t i = 0; i < HTTP_REQUESTS + 3; i++)
		drive_bytes(&drive, SIDE_SERVER, span_of(OK5));
	drive_bytes(&drive, SIDE_SERVER, span_of("HTTP/1.1 204 No\r\n\r\n"));
	assert_int_equal(drive.messages, 2 * (HTTP_REQUESTS + 3) + 1);
	assert_int_equal(drive.bad, 0);
	drive_done(&drive);
}

static void tells_what_need_not_be_copied(void **state)
{
	struct drive drive;

	drive_init(&drive, &http1);
	assert_int_equal(http1.passes(drive.state, SIDE_CLIENT), 0);
	drive_bytes(&drive, SIDE_CLIENT,
		    span_of("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc"));
	assert_int_equal(http1.passes(drive.state, SIDE_CLIENT), 997);
	drive_bytes(&drive, SIDE_SERVER, span_of("HTTP/1.0 200 OK\r\n\r\n"));
	assert_int_equal(http1.passes(drive.state, SIDE_SERVER), UINT64_MAX);
	drive_done(&drive);
}

static void classifies_first_bytes(void **state)
{
	static const struct {
		const char *bytes;
		enum verdict verdict;
		enum side from;
	} guesses[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", VERDICT_YES, SIDE_CLIENT},
		{"HTTP/1.1 200 OK\r\n", VERDICT_MAYBE, SIDE_SERVER},
		{"HTTP/1.1 200 OK\r\nDate: ", VERDICT_YES, SIDE_SERVER},
		{"PROPFIND /dav HTTP/1.1\r\nA:", VERDICT_YES, SIDE_CLIENT},
		{"GET /a/long/path?that=goes", VERDICT_MAYBE, SIDE_CLIENT},
		{"HTT", VERDICT_MAYBE, SIDE_SERVER},
		{"GET /a\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"GET / HTTP/1.1\r\n\x01\x02", VERDICT_NO, SIDE_UNKNOWN},
		{"get a b c\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"SSH-2.0-OpenSSH\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"\x16\x03\x01\x02", VERDICT_NO, SIDE_UNKNOWN},
	};

	for (size_t i = 0; i < COUNT(guesses); i++) {
		struct guess guess = http1.classify(span_of(guesses[i].bytes));

		if (guess.verdict != guesses[i].verdict || guess.from != guesses[i].from)
			fail_msg("'%s' is %d from %d", guesses[i].bytes, guess.verdict, guess.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_alike_wherever_the_stream_breaks),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_a_head_that_never_ends),
		cmocka_unit_test(counts_requests_that_do_not_fit),
		cmocka_unit_test(tells_what_need_not_be_copied),
		cmocka_unit_test(classifies_first_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
