// SPDX-License-Identifier: GPL-2.0-only
/* Every conversation is fed whole, then cut at every byte: what comes out must not change. */
#include "protocol/drive_test.h"
#include "protocol/redis.h"

#define PING     "*1\r\n$4\r\nPING\r\n"
#define GET_K    "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define SUB_A_B  "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"
#define IS_PING  "> request op=PING target=PING bytes=14\n"
#define IS_GET_K "> request op=GET target=GET *** key=k bytes=20\n"
#define IS_OK    "< response status=OK bytes=5\n"

static const struct drive_case cases[] = {
	{"get and a value",
	 {C(GET_K), S("$5\r\nhello\r\n")},
	 IS_GET_K "< response status=OK bytes=11\n"},
	{"null",
	 {C(GET_K GET_K), S("$-1\r\n_\r\n")},
	 IS_GET_K IS_GET_K "< response status=nil bytes=5\n< response status=nil bytes=3\n"},
	{"pipeline in lower case",
	 {C("*3\r\n$3\r\nset\r\n$6\r\nuser:7\r\n$3\r\nx\r\n\r\n" PING PING),
	  S("+OK\r\n+PONG\r\n+PONG\r\n")},
	 "> request op=SET target=SET *** *** key=user:7 bytes=34\n" IS_PING IS_PING
	 "< response status=OK bytes=5\n< response status=OK bytes=7\n< response status=OK "
	 "bytes=7\n"},
	{"error",
	 {C(GET_K GET_K), S("-WRONGTYPE Operation against\r\n!21\r\nSYNTAX invalid syntax\r\n")},
	 IS_GET_K IS_GET_K "< response status=WRONGTYPE reason=Operation against bytes=30 error\n"
			   "< response status=SYNTAX reason=invalid syntax bytes=28 error\n"},
	{"passwords are not shown",
	 {C("*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$6\r\nsecret\r\n"
	    "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$6\r\nsecret\r\nAUTH "
	    "secret\r\n")},
	 "> request op=AUTH target=AUTH *** *** bytes=36\n"
	 "> request op=HELLO target=HELLO *** *** *** *** bytes=54\n"
	 "> request op=AUTH target=AUTH *** bytes=13\n"},
	{"subcommands and keys that are not the first word",
	 {C("*4\r\n$6\r\nconfig\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nb\r\n"
	    "*3\r\n$6\r\nOBJECT\r\n$4\r\nfreq\r\n$1\r\nk\r\n"
	    "*5\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n$3\r\nkey\r\n$1\r\nv\r\n")},
	 "> request op=CONFIG SET target=CONFIG SET *** *** bytes=39\n"
	 "> request op=OBJECT FREQ target=OBJECT FREQ *** key=k bytes=33\n"
	 "> request op=EVAL target=EVAL *** *** *** *** key=key bytes=51\n"},
	{"many arguments, and a command of a module",
	 {C("*11\r\n$4\r\nMGET\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$"
	    "1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n"
	    "$1\r\n9\r\n$1\r\n0\r\n*2\r\n$9\r\nft.search\r\n$1\r\nk\r\n")},
	 "> request op=MGET target=MGET *** *** *** *** *** *** *** *** ... key=1 bytes=85\n"
	 "> request op=FT.SEARCH target=FT.SEARCH *** key=k bytes=26\n"},
	{"a command that is no word is not shown",
	 {C("*1\r\n$6\r\na b\x01"
	    "cd\r\n")},
	 "> request op=? target=? bytes=16\n"},
	{"arrays, nested and empty; maps; sets",
	 {C(GET_K GET_K GET_K GET_K), S("*2\r\n*1\r\n:1\r\n$1\r\nx\r\n*0\r\n%1\r\n+a\r\n*2\r\n:"
					"1\r\n#t\r\n~1\r\n(12345678901234567890\r\n")},
	 IS_GET_K IS_GET_K IS_GET_K IS_GET_K
	 "< response status=OK bytes=19 items=2\n< response status=OK bytes=4\n"
	 "< response status=OK bytes=20 items=1\n< response status=OK bytes=27 items=1\n"},
	{"an attribute belongs to the value behind it",
	 {C(GET_K GET_K),
	  S("|1\r\n+ttl\r\n:5\r\n$-1\r\n|1\r\n+a\r\n|1\r\n+b\r\n:1\r\n:2\r\n-ERR x\r\n")},
	 IS_GET_K IS_GET_K "< response status=nil bytes=19\n"
			   "< response status=ERR reason=x bytes=32 error\n"},
	{"transaction",
	 {C("*1\r\n$5\r\nMULTI\r\n" GET_K "*1\r\n$4\r\nEXEC\r\n"),
	  S("+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n")},
	 "> request op=MULTI target=MULTI bytes=15\n" IS_GET_K
	 "> request op=EXEC target=EXEC bytes=14\n" IS_OK
	 "< response status=QUEUED bytes=9\n< response status=OK bytes=9 items=1\n"},
	{"a push between responses",
	 {C(GET_K), S(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n$1\r\nv\r\n")},
	 IS_GET_K "< push op=invalidate key=k bytes=32\n< response status=OK bytes=7\n"},
	{"RESP2: two channels, one response, then messages nobody asked for",
	 {C(SUB_A_B PING), S("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$"
			     "1\r\nb\r\n:2\r\n+PONG\r\n"
			     "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n")},
	 "> request op=SUBSCRIBE target=SUBSCRIBE *** *** key=a bytes=33\n" IS_PING
	 "< response status=OK bytes=30 items=3\n< push op=subscribe key=b bytes=30\n"
	 "< response status=OK bytes=7\n< push op=message key=a bytes=32\n"},
	{"RESP3: a confirmation is a push, and still the response",
	 {C(SUB_A_B GET_K),
	  S(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
	    ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n$1\r\nv\r\n")},
	 "> request op=SUBSCRIBE target=SUBSCRIBE *** *** key=a bytes=33\n" IS_GET_K
	 "< response status=OK bytes=30\n< push op=subscribe key=b bytes=30\n"
	 "< push op=message key=a bytes=32\n< response status=OK bytes=7\n"},
	{"UNSUBSCRIBE from all there is",
	 {C(SUB_A_B "*1\r\n$11\r\nUNSUBSCRIBE\r\n" PING),
	  S("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
	    "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:"
	    "0\r\n+PONG\r\n")},
	 "> request op=SUBSCRIBE target=SUBSCRIBE *** *** key=a bytes=33\n"
	 "> request op=UNSUBSCRIBE target=UNSUBSCRIBE bytes=22\n" IS_PING
	 "< response status=OK bytes=30 items=3\n< push op=subscribe key=b bytes=30\n"
	 "< response status=OK bytes=33 items=3\n< push op=unsubscribe key=b bytes=33\n"
	 "< response status=OK bytes=7\n"},
	{"SUBSCRIBE refused, then granted",
	 {C(SUB_A_B SUB_A_B), S("-NOPERM "
				"no\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$"
				"9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n")},
	 "> request op=SUBSCRIBE target=SUBSCRIBE *** *** key=a bytes=33\n"
	 "> request op=SUBSCRIBE target=SUBSCRIBE *** *** key=a bytes=33\n"
	 "< response status=NOPERM reason=no bytes=12 error\n"
	 "< response status=OK bytes=30 items=3\n< push op=subscribe key=b bytes=30\n"},
	{"MONITOR",
	 {C("*1\r\n$7\r\nMONITOR\r\n"),
	  S("+OK\r\n+1700000000.123456 [0 127.0.0.1:6] \"GET\" \"secret\"\r\n")},
	 "> request op=MONITOR target=MONITOR bytes=17\n" IS_OK "< push op=push bytes=51\n"},
	{"CLIENT REPLY SKIP and OFF",
	 {C("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n" PING PING
	    "*3\r\n$6\r\nCLIENT\r\n$5\r\nreply\r\n$3\r\noff\r\n" PING
	    "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"),
	  S("+PONG\r\n+OK\r\n")},
	 "> request no-answer op=CLIENT REPLY target=CLIENT REPLY *** bytes=37\n"
	 "> request no-answer op=PING target=PING bytes=14\n" IS_PING
	 "> request no-answer op=CLIENT REPLY target=CLIENT REPLY *** bytes=36\n"
	 "> request no-answer op=PING target=PING bytes=14\n"
	 "> request op=CLIENT REPLY target=CLIENT REPLY *** bytes=35\n"
	 "< response status=OK bytes=7\n" IS_OK},
	{"inline requests and empty lines",
	 {C("PING\r\n\r\n*0\r\nset  user:7 some value\n"), S("+PONG\r\n+OK\r\n")},
	 "> request op=PING target=PING bytes=6\n"
	 "> request op=SET target=SET *** *** *** key=user:7 bytes=23\n"
	 "< response status=OK bytes=7\n" IS_OK},
	{"a replica",
	 {C("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n")},
	 "> request no-answer op=PSYNC target=PSYNC *** *** bytes=30 last then=unknown\n"},
	{"gaps inside payloads",
	 {C("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\nabc"), C_GAP(4990), C("1234567\r\n" PING),
	  S("$5000\r\nabc"), S_GAP(4999), S("+PONG\r\n")},
	 "> request op=SET target=SET *** *** key=k bytes=5029\n" IS_PING
	 "< response status=OK bytes=5009\n< response status=OK bytes=7\n"},
	{"a gap in the key",
	 {C("*2\r\n$3\r\nGET\r\n$10\r\nuser"), C_GAP(8), C(PING)},
	 "> request op=GET target=GET *** key=user bytes=30 incomplete\n" IS_PING},
	{"a gap to the end of an array's element, and the array goes on",
	 {S("*2\r\n$5000\r\nabc"), S_GAP(4999), S("$1\r\nx\r\n")},
	 "< response status=OK bytes=5020 items=2\n"},
	{"a gap over the end of a message",
	 {C("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50\r\nabc"), C_GAP(100), C("c\r\n" PING)},
	 "> request op=SET target=SET *** *** key=k bytes=77\n> bad\n" IS_PING},
	{"a gap between messages",
	 {S("+OK\r\n"), S_GAP(7), S("$2\r\nhi\r\n")},
	 IS_OK "< bad\n< response status=OK bytes=8\n"},
	{"the end inside a message",
	 {C("*2\r\n$3\r\nGET\r\n$10\r\nus"), C_CLOSE},
	 "> request op=GET target=GET *** key=us bytes=20 incomplete last\n"},
};

static void cuts_alike_wherever_the_stream_breaks(void **state)
{
	check_cases(&redis, cases, COUNT(cases));
}

static const struct {
	enum side from;
	const char *bytes, *why;
} wrong[] = {
	{SIDE_CLIENT, "GET / HTTP/1.1\r\n", "line is a request of HTTP"},
	{SIDE_CLIENT, "EHLO mail.example\r\n", "line does not begin with a command"},
	{SIDE_CLIENT, "\x16\x03\x01", "request is neither an array nor a line of text"},
	{SIDE_CLIENT, "*1\r\n:1\r\n", "request holds something else than strings"},
	{SIDE_CLIENT, "*1048577\r\n", "array length is not a number within the limit"},
	{SIDE_CLIENT, "*1\r\n$536870913\r\n", "bulk length is not a number up to 512 MiB"},
	{SIDE_SERVER, "HTTP/1.1 200 OK\r\n", "unknown type byte"},
	{SIDE_SERVER, "$-2\r\n", "bulk length is not a number up to 512 MiB"},
	{SIDE_SERVER, "$\r\n", "bulk length is not a number up to 512 MiB"},
	{SIDE_SERVER, "$?\r\n", "bulk length is not a number up to 512 MiB"},
	{SIDE_SERVER, "%-1\r\n", "map length is not a number within the limit"},
	{SIDE_SERVER, "*1\rx", "line does not end with CR LF"},
	{SIDE_SERVER, "+a\n", "line does not end with CR LF"},
};

static void says_what_is_wrong(void **state)
{
	for (size_t i = 0; i < COUNT(wrong); i++)
		check_wrong(&redis, wrong[i].from, wrong[i].bytes, strlen(wrong[i].bytes),
			    wrong[i].why);
}

/* A stack, or a count in 32 bits, would not survive this. */
static void takes_any_depth(void **state)
{
	struct drive drive;

	drive_init(&drive, &redis);
	for (size_t i = 0; i < 100000; i++)
		drive_bytes(&drive, SIDE_SERVER, span_of("*2\r\n:1\r\n"));
	drive_bytes(&drive, SIDE_SERVER, span_of("*4294967296\r\n"));
	assert_int_equal(drive.bad, 0);
	assert_int_equal(drive.messages, 0);
	assert_int_equal(((struct redis_state *)drive.state)->half[SIDE_SERVER].due, 4294967296);
	drive_done(&drive);
}

/* More subscribes than are remembered: none of their confirmations may be taken for another's response. */
static void pairs_nothing_wrong_when_subscribes_do_not_fit(void **state)
{
	size_t answered = 0, responses = 0;
	struct drive drive;

	drive_init(&drive, &redis);
	for (size_t i = 0; i < REDIS_SUBSCRIBES + 5; i++)
		drive_bytes(&drive, SIDE_CLIENT, span_of("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"));
	for (size_t i = 0; i < REDIS_SUBSCRIBES + 5; i++)
		drive_bytes(&drive, SIDE_SERVER,
			    span_of("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"));
	for (const char *at = drive.out.at; (at = strstr(at, "> request op")); at++)
		answered++;
	for (const char *at = drive.out.at; (at = strstr(at, "< response")); at++)
		responses++;
	assert_int_equal(answered, REDIS_SUBSCRIBES);
	assert_int_equal(responses, answered);
	drive_done(&drive);
}

static void tells_what_need_not_be_copied(void **state)
{
	struct drive drive;

	drive_init(&drive, &redis);
	drive_bytes(&drive, SIDE_CLIENT, span_of("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\nabc"));
	assert_int_equal(redis.passes(drive.state, SIDE_CLIENT), 4999);
	drive_bytes(&drive, SIDE_SERVER, span_of("$5000\r\nabc"));
	assert_int_equal(redis.passes(drive.state, SIDE_SERVER), 4999);
	drive_done(&drive);
}

static void classifies_first_bytes(void **state)
{
	static const struct {
		const char *bytes;
		enum verdict verdict;
		enum side from;
	} guesses[] = {
		{GET_K, VERDICT_YES, SIDE_CLIENT},
		{"*2\r\n$3\r\nGE", VERDICT_YES, SIDE_UNKNOWN},
		{"*2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n", VERDICT_YES, SIDE_UNKNOWN},
		{"*2\r\n$3\r\nfoo\r\n:1\r\n", VERDICT_YES, SIDE_SERVER},
		{"$5\r\nhello\r\n+OK\r\n", VERDICT_YES, SIDE_SERVER},
		{"+OK\r\n", VERDICT_MAYBE, SIDE_SERVER},
		{"-ERR no\r\n", VERDICT_MAYBE, SIDE_SERVER},
		{"ping\r\n", VERDICT_MAYBE, SIDE_CLIENT},
		{"hello world, this is text\r\n", VERDICT_MAYBE, SIDE_CLIENT},
		{"$5\r\nhello!\n", VERDICT_YES, SIDE_SERVER},
		{"$5\r\nhello\r\nGET / HTTP/1.1\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"GET / HTTP/1.1\r\n\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"220 mail ESMTP\r\n", VERDICT_NO, SIDE_UNKNOWN},
		{"SSH-2.0-OpenSSH\r\n", VERDICT_NO, SIDE_UNKNOWN},
	};

	for (size_t i = 0; i < COUNT(guesses); i++) {
		struct guess guess = redis.classify(span_of(guesses[i].bytes));

		if (guess.verdict != guesses[i].verdict || guess.from != guesses[i].from)
			fail_msg("'%s' is %d from %d", guesses[i].bytes, guess.verdict, guess.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_alike_wherever_the_stream_breaks),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(takes_any_depth),
		cmocka_unit_test(pairs_nothing_wrong_when_subscribes_do_not_fit),
		cmocka_unit_test(tells_what_need_not_be_copied),
		cmocka_unit_test(classifies_first_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
