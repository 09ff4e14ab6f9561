// SPDX-License-Identifier: GPL-2.0-only
/* Every conversation is fed whole, then cut at every byte: what comes out must not change. */
#include "protocol/drive_test.h"
#include "protocol/memcached.h"

#define GET_K    "get k\r\n"
#define IS_GET_K "> request op=get target=get *** key=k bytes=7\n"
#define IS_MISS  "< response status=END bytes=5\n"

/* magic, opcode, key length, extras length; then status, body length, opaque: as in the head */
#define BINARY(magic, opcode, key, extras, status, body, opaque)                                   \
	magic opcode "\0" key extras "\0\0" status "\0\0\0" body "\0\0\0" opaque "\0\0\0\0\0\0\0"  \
		     "\0"
#define REQUEST(opcode, key, extras, body, opaque)                                                 \
	BINARY("\x80", opcode, key, extras, "\0", body, opaque)
#define RESPONSE(opcode, extras, status, body, opaque)                                             \
	BINARY("\x81", opcode, "\0", extras, status, body, opaque)

static const struct drive_case cases[] = {
	{"hit and miss",
	 {C(GET_K GET_K), S("VALUE k 0 5\r\nhello\r\nEND\r\nEND\r\n")},
	 IS_GET_K IS_GET_K "< response status=VALUE bytes=25 items=1\n" IS_MISS},
	{"several keys, and values with lines in them",
	 {C("gets a b c\r\n"), S("VALUE a 0 5 1\r\nEND\r\n\r\nVALUE c 0 0 2\r\n\r\nEND\r\n")},
	 "> request op=gets target=gets *** *** *** key=a bytes=12\n< response status=VALUE "
	 "bytes=44 items=2\n"},
	{"store, with and without an answer",
	 {C("set user:7 0 0 6\r\nsecret\r\nadd k 0 0 1 noreply\r\nx\r\ncas k 0 0 1 9\r\ny\r\n"),
	  S("STORED\r\nEXISTS\r\n")},
	 "> request op=set target=set *** *** *** *** key=user:7 bytes=26\n"
	 "> request error-answer op=add target=add *** *** *** *** *** key=k bytes=24\n"
	 "> request op=cas target=cas *** *** *** *** *** key=k bytes=18\n"
	 "< response status=STORED bytes=8\n< response status=EXISTS bytes=8\n"},
	{"a key called noreply",
	 {C("get noreply\r\ndelete noreply\r\ndelete k noreply\r\n")},
	 "> request op=get target=get *** key=noreply bytes=13\n"
	 "> request op=delete target=delete *** key=noreply bytes=16\n"
	 "> request error-answer op=delete target=delete *** *** key=k bytes=18\n"},
	{"numbers and errors",
	 {C("incr n 1\r\nincr s 1\r\nquit\r\n"), S("7\r\nCLIENT_ERROR cannot increment\r\n")},
	 "> request op=incr target=incr *** *** key=n bytes=10\n> request op=incr target=incr *** "
	 "*** key=s bytes=10\n"
	 "> request no-answer op=quit target=quit bytes=6\n"
	 "< response status=OK bytes=3\n< response status=CLIENT_ERROR reason=cannot increment "
	 "bytes=31 error\n"},
	{"get and touch",
	 {C("gat 10 a b\r\n")},
	 "> request op=gat target=gat *** *** *** key=a bytes=12\n"},
	{"statistics",
	 {C("stats\r\n"), S("STAT pid 1\r\nSTAT version 1.6\r\nEND\r\n")},
	 "> request op=stats target=stats bytes=7\n< response status=STAT bytes=35 items=2\n"},
	{"meta commands; quiet ones, opaque and key",
	 {C("ms k 2 Oa\r\nhi\r\nmg k v Ob q\r\nmg k v k\r\nmn\r\n"),
	  S("HD Oa\r\nVA 2 Ob\r\nhi\r\nEN\r\nMN\r\n")},
	 "> request op=ms target=ms *** *** *** key=k bytes=15 id=8bb3\n"
	 "> request maybe-answer op=mg target=mg *** *** *** *** key=k bytes=13 id=869a\n"
	 "> request op=mg target=mg *** *** *** key=k bytes=10 id=b7df\n> request op=mn target=mn "
	 "bytes=4 id=1\n"
	 "< response status=HD bytes=7 id=8bb3\n< response status=VA bytes=13 id=869a\n"
	 "< response status=EN bytes=4\n< response status=MN bytes=4 id=1\n"},
	{"a command that memcached does not know",
	 {C(GET_K "bogus secret\r\n"), S("END\r\nERROR\r\n")},
	 IS_GET_K "> request op=unknown target=unknown bytes=14\n" IS_MISS
		  "< response status=ERROR bytes=7 error\n"},
	{"watch makes it a log",
	 {C("watch fetchers\r\n")},
	 "> request op=watch target=watch *** bytes=16 then=unknown\n"},
	{"gaps in values",
	 {C("set k 0 0 5000\r\nabc"), C_GAP(4990), C("1234567\r\n" GET_K),
	  S("STORED\r\nVALUE k 0 5000\r\nabc"), S_GAP(4999), S("END\r\n")},
	 "> request op=set target=set *** *** *** *** key=k bytes=5018\n" IS_GET_K
	 "< response status=STORED bytes=8\n< response status=VALUE bytes=5023 items=1\n"},
	{"a gap over the end of a value",
	 {C("set k 0 0 50\r\nabc"), C_GAP(100), C("c\r\n" GET_K), S("VALUE k 0 50\r\nabc"),
	  S_GAP(60), S("END\r\n")},
	 "> request op=set target=set *** *** *** *** key=k bytes=66\n> bad\n" IS_GET_K
	 "< response status=VALUE bytes=66 items=1 incomplete\n< bad\n" IS_MISS},
	{"a gap to the LF behind a value",
	 {C("set k 0 0 50\r\nabc"), C_GAP(48), C("\n" GET_K)},
	 "> request op=set target=set *** *** *** *** key=k bytes=17 incomplete\n> bad\n" IS_GET_K},
	{"the end inside a value",
	 {C("set k 0 0 50\r\nabc"), C_CLOSE},
	 "> request op=set target=set *** *** *** *** key=k bytes=17 incomplete last\n"},
	{"binary: get and an error",
	 {C(REQUEST("\0", "\1", "\0", "\1", "\7") "k" REQUEST("\0", "\1", "\0", "\1", "\x8") "k"),
	  S(RESPONSE("\0", "\4", "\0", "\6", "\7") "\0\0\0\0hi" RESPONSE("\0", "\0", "\1", "\2",
									 "\x8") "No")},
	 "> request op=get target=get *** key=k bytes=25 id=7\n> request op=get target=get *** "
	 "key=k bytes=25 id=8\n"
	 "< response status=OK bytes=30 items=1 id=7\n< response status=KEY_NOT_FOUND bytes=26 "
	 "id=8\n"},
	{"binary: quiet, and what an error says",
	 {C(REQUEST("\x9", "\1", "\0", "\1", "\1") "a" REQUEST(
		  "\x11", "\1", "\x8", "\xa", "\2") "\0\0\0\0\0\0\0\0bv" REQUEST("\xa", "\0", "\0",
										 "\0", "\3")),
	  S(RESPONSE("\x11", "\0", "\3", "\4", "\2") "Huge" RESPONSE("\xa", "\0", "\0", "\0",
								     "\3"))},
	 "> request maybe-answer op=getq target=getq *** key=a bytes=25 id=1\n"
	 "> request maybe-answer op=setq target=setq *** *** key=b bytes=34 id=2\n"
	 "> request op=noop target=noop bytes=24 id=3\n"
	 "< response status=VALUE_TOO_LARGE reason=Huge bytes=28 id=2 error\n< response status=OK "
	 "bytes=24 id=3\n"},
	{"binary: a gap in key and value",
	 {C(REQUEST("\1", "\4", "\x8", "\x20", "\1") "\0\0\0\0\0\0\0\0us"), C_GAP(22),
	  C(REQUEST("\xa", "\0", "\0", "\0", "\2"))},
	 "> request op=set target=set *** *** key=us bytes=56 id=1 incomplete\n> request op=noop "
	 "target=noop bytes=24 id=2\n"},
};

static void cuts_alike_wherever_the_stream_breaks(void **state)
{
	check_cases(&memcached, cases, COUNT(cases));
}

static const struct {
	enum side from;
	const char *bytes, *why;
} wrong[] = {
	{SIDE_CLIENT, "GET / HTTP/1.1\r\n", "not a command of memcached"},
	{SIDE_CLIENT, "set k 0 0 x\r\n", "flags or length of a value are not numbers"},
	{SIDE_CLIENT, "set k 0 0 1073741825\r\n", "flags or length of a value are not numbers"},
	{SIDE_CLIENT, "get\r\n", "key missing, above 250 bytes, or with control bytes"},
	{SIDE_CLIENT, "\x16\x03\x01", "line with control bytes"},
	{SIDE_CLIENT, "set k 0 0 2\r\nabc\r\n", "value does not end where its length says"},
	{SIDE_CLIENT, "\x81\x01", "not the magic byte of that side"},
	{SIDE_CLIENT, "\x80\xff", "unknown opcode"},
	{SIDE_SERVER, "+OK\r\n", "not a response of memcached"},
	{SIDE_SERVER, "VALUE k 0\r\n", "length of a value is not a number"},
};

static void says_what_is_wrong(void **state)
{
	for (size_t i = 0; i < COUNT(wrong); i++)
		check_wrong(&memcached, wrong[i].from, wrong[i].bytes, strlen(wrong[i].bytes),
			    wrong[i].why);
	check_wrong(&memcached, SIDE_CLIENT, "\x80\0\0\1\0\0\0\0\0\0\0\0", 12,
		    "body shorter than its parts, or above 1 GiB");
	check_wrong(&memcached, SIDE_CLIENT, "\x80\0\1\0", 4, "key above 250 bytes");
}

/* Joined in the middle of a value: the first byte says nothing about the dialect. */
static void finds_the_dialect_after_joining_late(void **state)
{
	struct drive drive;

	drive_init(&drive, &memcached);
	drive_bytes(&drive, SIDE_CLIENT, span_of("\xff\xfe of a value\r\n" GET_K GET_K));
	assert_int_equal(drive.bad, 1);
	assert_int_equal(drive.messages, 2);
	drive_done(&drive);
}

static void tells_what_need_not_be_copied(void **state)
{
	struct drive drive;

	drive_init(&drive, &memcached);
	drive_bytes(&drive, SIDE_CLIENT, span_of("set k 0 0 5000\r\nabc"));
	assert_int_equal(memcached.passes(drive.state, SIDE_CLIENT), 4997);
	assert_int_equal(memcached.passes(drive.state, SIDE_SERVER), 0);
	drive_done(&drive);
}

static void classifies_first_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum verdict verdict;
		enum side from;
	} guesses[] = {
#define GUESS(bytes, verdict, from) {bytes, sizeof(bytes) - 1, verdict, from}
		GUESS(GET_K, VERDICT_YES, SIDE_CLIENT),
		GUESS("set k 0 0 2\r\nhi\r\n", VERDICT_YES, SIDE_CLIENT),
		GUESS("set k 0 0 2\r\nhello\r\n", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("get a very long line that is not ended", VERDICT_MAYBE, SIDE_CLIENT),
		GUESS("get me out of here\n", VERDICT_MAYBE, SIDE_CLIENT),
		GUESS("STORED\r\n", VERDICT_YES, SIDE_SERVER),
		GUESS("VALUE k 0 2\r\nhi\r\nEND\r\n", VERDICT_YES, SIDE_SERVER),
		GUESS("END\r\n", VERDICT_MAYBE, SIDE_SERVER),
		GUESS("6\r\n", VERDICT_MAYBE, SIDE_SERVER),
		GUESS("OK\n", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("GET k\r\n", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("220 mail ESMTP\r\n", VERDICT_NO, SIDE_UNKNOWN),
		GUESS(REQUEST("\xa", "\0", "\0", "\0", "\3"), VERDICT_YES, SIDE_CLIENT),
		GUESS(REQUEST("\xa", "\0", "\0", "\0", "\3") "x", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("\x80\1", VERDICT_MAYBE, SIDE_CLIENT),
		GUESS("\x81\x85\x37\xfa\x21", VERDICT_NO, SIDE_UNKNOWN), /* a frame of WebSocket */
	};

	for (size_t i = 0; i < COUNT(guesses); i++) {
		struct span in = {(const uint8_t *)guesses[i].bytes, guesses[i].len};
		struct guess guess = memcached.classify(in);

		if (guess.verdict != guesses[i].verdict || guess.from != guesses[i].from)
			fail_msg("'%s' (%zu) is %d from %d", guesses[i].bytes, i, guess.verdict,
				 guess.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_alike_wherever_the_stream_breaks),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(finds_the_dialect_after_joining_late),
		cmocka_unit_test(tells_what_need_not_be_copied),
		cmocka_unit_test(classifies_first_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
