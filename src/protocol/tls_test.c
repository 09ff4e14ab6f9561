// SPDX-License-Identifier: GPL-2.0-only
/* Recorded handshakes, cut at every byte; hellos whose end was not captured; streams that are not TLS. */
#include "protocol/drive_test.h"
#include "protocol/capture.h"
#include "protocol/tls.h"

static const struct {
	const char *capture, *out;
} handshakes[] = {
	{"tls13", "> request op=ClientHello resource=shop.example target=shop.example "
		  "host=shop.example type=h2 bytes=517 "
		  "head=517\n< response status=TLS1.3 bytes=127 head=127\n"},
	{"tls12", "> request op=ClientHello resource=shop.example target=shop.example "
		  "host=shop.example type=h2 bytes=223 "
		  "head=223\n< response status=TLS1.2 type=h2 bytes=111 head=111\n"},
	{"tls-refused", "> request op=ClientHello resource=shop.example target=shop.example "
			"host=shop.example bytes=157 "
			"head=157\n< response status=handshake_failure bytes=7 error\n"},
	{"tls-untrusted",
	 "> request op=ClientHello resource=shop.example target=shop.example host=shop.example "
	 "type=h2 "
	 "bytes=223 head=223\n< response status=TLS1.2 type=h2 bytes=111 head=111\n"
	 "> push op=alert status=unknown_ca bytes=7 error\n"},
	{"tls-retry", "> request op=ClientHello resource=shop.example target=shop.example "
		      "host=shop.example type=h2 "
		      "bytes=320 head=320\n< interim status=HelloRetryRequest bytes=93 head=93\n"
		      "< response status=TLS1.3 bytes=160 head=160\n"},
};

static void reads_handshakes_wherever_they_are_cut(void **state)
{
	for (size_t i = 0; i < COUNT(handshakes); i++) {
		struct capture capture;

		assert_true(capture_load(&capture, TESTDATA, handshakes[i].capture));
		assert_true(check_steps(&tls, capture.name, capture.steps, capture.n,
					handshakes[i].out));
		capture_done(&capture);
	}
}

/* The first hello of a capture, cut off at every byte, the rest a gap; the next record must be found. */
static void tells_what_is_known_of_a_torn_hello(void **state)
{
	struct capture capture;
	struct span hello;
	size_t named = 0;

	assert_true(capture_load(&capture, TESTDATA, "tls13"));
	hello = capture.steps[0].bytes;
	for (size_t at = 5; at < hello.len; at++) {
		struct drive drive;

		drive_init(&drive, &tls);
		drive_bytes(&drive, SIDE_CLIENT, span_first(hello, at));
		drive_gap(&drive, SIDE_CLIENT, hello.len - at);
		assert_int_equal(drive.bad, 0);
		assert_int_equal(drive.messages, at > 5);
		assert_true(at == 5 || strstr(drive.out.at, "op=ClientHello"));
		assert_true(at == 5 || strstr(drive.out.at, "bytes=517 head=517 incomplete"));
		named += at > 5 && strstr(drive.out.at, "host=shop.example");
		drive_bytes(&drive, SIDE_CLIENT, span_of("\x14\3\3\1\1"));
		drive_bytes(&drive, SIDE_CLIENT,
			    (struct span){(const uint8_t *)"\x14\3\3\0\1\1", 6});
		drive_done(&drive);
	}
	assert_true(named > 300); /* the name stands in the first half */
	capture_done(&capture);
}

#define RECORD(type, length) type "\3\3" length

static const struct drive_case cases[] = {
	{"joined late: only ciphertext",
	 {C(RECORD("\x17", "\0\3") "abc"), S(RECORD("\x17", "\0\2") "xy"), S_GAP(1000), S("any")},
	 ""},
	{"a gap between records",
	 {S(RECORD("\x16", "\0\2") "\xb\0"), S_GAP(3), S("any")},
	 "< bad\n"},
	{"a gap inside a record",
	 {S(RECORD("\x16", "\0\7") "\xb\0"), S_GAP(5), S(RECORD("\x15", "\0\2") "\2\x28")},
	 "< response status=handshake_failure bytes=7 error\n"},
	{"a gap over a record's end",
	 {S(RECORD("\x16", "\0\7") "\xb\0"), S_GAP(6), S("any")},
	 "< bad\n"},
	{"the end inside a hello",
	 {C("\x16\3\1\1\0\1\0\0\xfc\3\3"), C_CLOSE},
	 "> request op=ClientHello bytes=11 head=11 incomplete last\n"},
	{"a warning after the hellos",
	 {S(RECORD("\x15", "\0\2") "\1\x70"), S(RECORD("\x15", "\0\2") "\1\0")},
	 "< response status=unrecognized_name bytes=7 error\n< push op=alert status=close_notify "
	 "bytes=7\n"},
};

static void passes_the_rest_by_its_length(void **state)
{
	check_cases(&tls, cases, COUNT(cases));
}

static void says_what_is_wrong(void **state)
{
	check_wrong(&tls, SIDE_CLIENT, "GET / HTTP/1.1\r\n", 16, "not a type of record");
	check_wrong(&tls, SIDE_CLIENT, "\x16\2\1\0\1\1", 6, "not a version of TLS");
	check_wrong(&tls, SIDE_CLIENT, "\x16\3\1\0\0\1", 6, "record empty or above 18 KiB");
	check_wrong(&tls, SIDE_CLIENT, "\x16\3\1\x70\0\1", 6, "record empty or above 18 KiB");
}

static void wants_no_ciphertext_copied(void **state)
{
	struct drive drive;

	drive_init(&drive, &tls);
	drive_bytes(&drive, SIDE_SERVER, (struct span){(const uint8_t *)"\x17\3\3\x10\0xx", 7});
	assert_int_equal(tls.passes(drive.state, SIDE_SERVER), UINT64_MAX);
	assert_int_equal(tls.passes(drive.state, SIDE_CLIENT), 0);
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
		GUESS("\x16\3\1\2\0\1\0\1\xfc\3\3", VERDICT_YES, SIDE_CLIENT),
		GUESS("\x16\3\3\0\x7a\2\0\0\x76\3\3", VERDICT_YES, SIDE_SERVER),
		GUESS("\x16\3\1\2\0\1\1\1\xfc\3\3", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("\x17\3\3\0\3abc", VERDICT_YES, SIDE_UNKNOWN),
		GUESS("\x17\3\3\0\3ab", VERDICT_MAYBE, SIDE_UNKNOWN),
		GUESS("\x17\3\3\0\3abc\x17\3\3\0\1", VERDICT_YES, SIDE_UNKNOWN),
		GUESS("\x17\3\3\0\3abcx", VERDICT_NO,
		      SIDE_UNKNOWN), /* one byte alone would have locked us in */
		GUESS("\x17", VERDICT_MAYBE, SIDE_UNKNOWN),
		GUESS("SSH-2.0-x\r\n", VERDICT_NO, SIDE_UNKNOWN),
	};

	for (size_t i = 0; i < COUNT(guesses); i++) {
		struct guess guess = tls.classify(
			(struct span){(const uint8_t *)guesses[i].bytes, guesses[i].len});

		if (guess.verdict != guesses[i].verdict || guess.from != guesses[i].from)
			fail_msg("guess %zu is %d from %d", i, guess.verdict, guess.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_handshakes_wherever_they_are_cut),
		cmocka_unit_test(tells_what_is_known_of_a_torn_hello),
		cmocka_unit_test(passes_the_rest_by_its_length),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(wants_no_ciphertext_copied),
		cmocka_unit_test(classifies_first_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
