// SPDX-License-Identifier: GPL-2.0-only
/* Messages byte by byte; streams cut at every byte; pointers that would never end. */
#include "protocol/drive_test.h"
#include "protocol/dns.h"

#define NAME                                   "\3www\7example\3com\0"
#define MIXED                                  "\3wWw\7exAmple\3COM\0"
#define COUNTS(questions, answers, additional) "\0" questions "\0" answers "\0\0\0" additional
#define QUERY_A                                "\x12\x34\1\0" COUNTS("\1", "\0", "\0") MIXED "\0\1\0\1"
#define TO_NAME                                "\xc0\x0c"
#define ANSWER_A                               TO_NAME "\0\1\0\1\0\0\1\x2c\0\4\x0a\0\0\7"
#define REPLY_A                                "\x12\x34\x81\x80" COUNTS("\1", "\2", "\0") NAME "\0\1\0\1" ANSWER_A ANSWER_A
#define NXDOMAIN                               "\x12\x34\x81\x83" COUNTS("\1", "\0", "\0") NAME "\0\1\0\1"
#define BADVERS                                                                                    \
	"\x12\x34\x81\0" COUNTS("\1", "\0", "\1") NAME "\0\1\0\1"                                  \
						       "\0\0\x29\4\xd0\1\0\0\0\0\0"
#define QUERY_65                                                                                   \
	"\0\7\1\0" COUNTS("\1", "\0", "\1") "\0\0\x41\0\1"                                         \
					    "\0\0\x29\4\xd0\0\0\0\0\0\0"
#define QUERY_9 "\0\7\1\0" COUNTS("\1", "\0", "\0") "\1x\0\xff\x9c\0\1"

#define ID " id=1234"

static const struct drive_case datagrams[] = {
	{"question and answers",
	 {C(QUERY_A), S(REPLY_A)},
	 "> request op=A resource=www.example.com target=www.example.com bytes=33" ID "\n"
	 "< response status=NOERROR bytes=65 items=2" ID "\n"},
	{"an error", {S(NXDOMAIN)}, "< response status=NXDOMAIN bytes=33" ID " error\n"},
	{"an error whose upper bits are in EDNS",
	 {S(BADVERS)},
	 "< response status=BADVERS bytes=44" ID " error\n"},
	{"the root, a type with a name, EDNS",
	 {C(QUERY_65)},
	 "> request op=HTTPS resource=. target=. bytes=28 id=7\n"},
	{"a type without a name",
	 {C(QUERY_9)},
	 "> request op=TYPE65436 resource=x target=x bytes=19 id=7\n"},
	{"a label with a dot and a control byte in it",
	 {C("\0\1\0\0" COUNTS("\1", "\0", "\0") "\4a.\1b\0\0\1\0\1")},
	 "> request op=A resource=a??b target=a??b bytes=22 id=1\n"},
	{"an update",
	 {C("\0\1\x28\0" COUNTS("\1", "\0", "\0") "\1x\0\0\6\0\1")},
	 "> request op=UPDATE resource=x target=x bytes=19 id=1\n"},
	{"truncated",
	 {S("\0\1\x82\0" COUNTS("\1", "\0", "\0") "\1x\0\0\6\0\1")},
	 "< response status=NOERROR reason=truncated bytes=19 id=1\n"},
	{"a multicast announcement",
	 {S("\0\0\x84\0" COUNTS("\0", "\1", "\0") "\1x\0\0\1\x80\1\0\0\0\1\0\4\1\2\3\4")},
	 "< push op=announce bytes=29 items=1 id=0\n"},
	{"a multicast question wanting a unicast answer",
	 {C("\0\0\0\0" COUNTS("\1", "\0", "\0") "\1x\0\0\xc\x80\1")},
	 "> request op=PTR resource=x target=x bytes=19 id=0\n"},
};

static const struct drive_case streams[] = {
	{"two messages, one answer",
	 {C("\0\x21" QUERY_A "\0\x1c" QUERY_65), S("\0\x41" REPLY_A)},
	 "> request op=A resource=www.example.com target=www.example.com bytes=35" ID "\n"
	 "> request op=HTTPS resource=. target=. bytes=30 id=7\n"
	 "< response status=NOERROR bytes=67 items=2" ID "\n"},
	{"a gap in the answers",
	 {S("\0\x41" NXDOMAIN), S_GAP(32), S("\0\x21" NXDOMAIN)},
	 "< response status=NXDOMAIN bytes=67" ID " error\n< response status=NXDOMAIN bytes=35" ID
	 " error\n"},
	{"a gap over the end",
	 {S("\0\x41" NXDOMAIN), S_GAP(100), S("\0\x21" NXDOMAIN)},
	 "< response status=NXDOMAIN bytes=67" ID
	 " error\n< bad\n< response status=NXDOMAIN bytes=35" ID " error\n"},
	{"the end inside a message",
	 {S("\0\x41" NXDOMAIN), S_CLOSE},
	 "< response status=NXDOMAIN bytes=35" ID " error incomplete last\n"},
};

static void reads_datagrams(void **state)
{
	check_cases(&dns, datagrams, COUNT(datagrams));
}

static void cuts_streams_alike_wherever_they_break(void **state)
{
	check_cases(&dns_stream, streams, COUNT(streams));
}

/* 0x20: the response may bring the name in another case than the question. */
static void response_has_the_identity_of_its_question(void **state)
{
	struct dns_state *question = calloc(1, sizeof(*question));
	struct message asked, answered;
	const char *why;
	size_t used;

	dns.cut(question, SIDE_CLIENT, (struct span){(const uint8_t *)QUERY_A, sizeof(QUERY_A) - 1},
		&asked, &used, &why);
	dns.cut(question, SIDE_SERVER, (struct span){(const uint8_t *)REPLY_A, sizeof(REPLY_A) - 1},
		&answered, &used, &why);
	assert_int_equal(asked.id, answered.id);
	dns.cut(question, SIDE_CLIENT, (struct span){(const uint8_t *)QUERY_9, sizeof(QUERY_9) - 1},
		&asked, &used, &why);
	assert_int_not_equal(asked.id, answered.id);
	free(question);
}

#define WRONG(from, bytes, why)                                                                    \
	{                                                                                          \
		from, bytes, sizeof(bytes) - 1, why                                                \
	}

static const struct {
	enum side from;
	const char *bytes;
	size_t len;
	const char *why;
} wrong[] = {
	WRONG(SIDE_CLIENT, "\0\1\0", "datagram ends before its question does"),
	WRONG(SIDE_CLIENT, "\0\1\0\0" COUNTS("\1", "\0", "\0") "\3www",
	      "datagram ends before its question does"),
	WRONG(SIDE_CLIENT, "\0\1\0\0" COUNTS("\1", "\0", "\0") "\xc0\x0c\0\1\0\1",
	      "question is not a name, a type and a class"),
	WRONG(SIDE_CLIENT, "\0\1\0\0" COUNTS("\1", "\0", "\0") "\1x\0\0\1\0\7",
	      "question is not a name, a type and a class"),
	WRONG(SIDE_CLIENT, "\0\1\0\0" COUNTS("\1", "\0", "\0") "\x41",
	      "question is not a name, a type and a class"),
	WRONG(SIDE_CLIENT, "\0\1\0\3" COUNTS("\1", "\0", "\0") "\1x\0\0\1\0\1",
	      "a question with a response code"),
	WRONG(SIDE_CLIENT, "\0\1\0\x40" COUNTS("\1", "\0", "\0") "\1x\0\0\1\0\1",
	      "flags that no message has"),
	WRONG(SIDE_CLIENT, "\0\1\0\0" COUNTS("\0", "\0", "\0"), "no question, or too many"),
	WRONG(SIDE_CLIENT, "GET / HTTP/1.1\r\n\r\n", "flags that no message has"),
};

static void says_what_is_wrong(void **state)
{
	for (size_t i = 0; i < COUNT(wrong); i++)
		check_wrong(&dns, wrong[i].from, wrong[i].bytes, wrong[i].len, wrong[i].why);
}

static void walks_answers(void **state)
{
	struct dns_answer answer;
	struct dns_walk walk;
	size_t n = 0;

	assert_true(dns_walk_start(&walk,
				   (struct span){(const uint8_t *)REPLY_A, sizeof(REPLY_A) - 1}));
	while (dns_walk_next(&walk, &answer)) {
		assert_true(span_is(answer.name, "www.example.com"));
		assert_int_equal(answer.type, 1);
		assert_int_equal(answer.ttl, 300);
		assert_memory_equal(answer.data.at, "\x0a\0\0\7", 4);
		n++;
	}
	assert_int_equal(n, 2);
}

/* Pointers to themselves, to each other and forward: each walk must come to its end. */
static void pointers_never_loop(void **state)
{
#define HEAD "\0\1\x81\x80" COUNTS("\1", "\1", "\0") "\1x\0\0\1\0\1"
	static const struct {
		const char *bytes;
		size_t len;
	} loops[] = {
#define LOOP(bytes) {HEAD bytes, sizeof(HEAD bytes) - 1}
		LOOP("\xc0\x13\0\1\0\1\0\0\0\0\0\0"), /* to itself */
		LOOP("\xc0\x15\xc0\x13\0\1\0\1\0\0\0\0\0\0"), /* forward and back */
		LOOP("\1a\xc0\x13\0\1\0\1\0\0\0\0\0\0"), /* to the label before it */
		LOOP("\xc0\x0b\0\1\0\1\0\0\0\0\0\0"), /* into the head */
	};

	for (size_t i = 0; i < COUNT(loops); i++) {
		struct dns_answer answer;
		struct dns_walk walk;

		assert_true(dns_walk_start(
			&walk, (struct span){(const uint8_t *)loops[i].bytes, loops[i].len}));
		assert_false(dns_walk_next(&walk, &answer));
	}
}

static void classifies_first_bytes(void **state)
{
#define GUESS(bytes, verdict, from)                                                                \
	{                                                                                          \
		bytes, sizeof(bytes) - 1, verdict, from                                            \
	}
	static const struct {
		const char *bytes;
		size_t len;
		enum verdict verdict;
		enum side from;
	} guesses[] = {
		GUESS(QUERY_A, VERDICT_YES, SIDE_CLIENT),
		GUESS(REPLY_A, VERDICT_YES, SIDE_SERVER),
		GUESS(QUERY_65, VERDICT_YES, SIDE_CLIENT),
		GUESS(REPLY_A "more", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("\x23\0\6\xec\0\0\0\0\0\0\0\0\0\0\0\0", VERDICT_NO, SIDE_UNKNOWN), /* NTP */
		GUESS("\x16\3\1\2\0\1\0\1\xfc\3\3", VERDICT_NO, SIDE_UNKNOWN),
		GUESS("GET / HTTP/1.1\r\nHost: x\r\n\r\n", VERDICT_NO, SIDE_UNKNOWN),
	};

	for (size_t i = 0; i < COUNT(guesses); i++) {
		struct span in = {(const uint8_t *)guesses[i].bytes, guesses[i].len};
		struct guess guess = dns.classify(in);

		if (guess.verdict != guesses[i].verdict || guess.from != guesses[i].from)
			fail_msg("guess %zu is %d from %d", i, guess.verdict, guess.from);
	}
	assert_int_equal(
		dns_stream.classify((struct span){(const uint8_t *)"\0\x21" QUERY_A, 35}).verdict,
		VERDICT_YES);
	assert_int_equal(dns_stream.classify((struct span){(const uint8_t *)"\0\x21", 2}).verdict,
			 VERDICT_MAYBE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_datagrams),
		cmocka_unit_test(cuts_streams_alike_wherever_they_break),
		cmocka_unit_test(response_has_the_identity_of_its_question),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(walks_answers),
		cmocka_unit_test(pointers_never_loop),
		cmocka_unit_test(classifies_first_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
