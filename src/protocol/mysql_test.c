// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversations in a notation of their own, and recorded ones (conv_test.h).
 *
 *	"> 0 \3select 1"	the client sends a packet: sequence number, payload; the length is put in
 *	"< 1 \1 | 2 ..."	the server sends two; ~ is a byte 0, ^ a newline, &n n bytes of data
 *	"> gap 100"		bytes that were not captured
 *	"> raw ..."		bytes as they stand
 */
#include "protocol/conv_test.h"
#include "protocol/mysql.h"

/* ---- the notation ---- */

static size_t build_payload(uint8_t *to, const char *from, const char *end)
{
	size_t len = 0;

	while (from < end) {
		char c = *from++;
		char *behind;

		if (c == '~') {
			to[len++] = 0;
		} else if (c == '^') {
			to[len++] = '\n';
		} else if (c == '&') {
			unsigned long count = strtoul(from, &behind, 10);

			for (from = behind; count; count--)
				to[len++] = 'd';
		} else {
			to[len++] = (uint8_t)c;
		}
	}
	return len;
}

static size_t build_line(uint8_t *to, const char *line, const char *end)
{
	size_t len = 0;

	if (!strncmp(line, "raw ", 4))
		return build_payload(to, line + 4, end);
	while (line < end) {
		const char *bar = memmem(line, (size_t)(end - line), " | ", 3);
		const char *stop = bar ? bar : end;
		char *behind;
		unsigned long sequence = strtoul(line, &behind, 10);
		size_t payload = behind < stop ? build_payload(to + len + 4, behind + 1, stop) : 0;

		to[len] = (uint8_t)payload;
		to[len + 1] = (uint8_t)(payload >> 8);
		to[len + 2] = (uint8_t)(payload >> 16);
		to[len + 3] = (uint8_t)sequence;
		len += 4 + payload;
		line = bar ? bar + 3 : end;
	}
	return len;
}

static void build(const char *script, struct drive_case *c, uint8_t *room)
{
	size_t n = 0;

	while (*script) {
		const char *end = strchr(script, '\n');
		struct drive_step *step = &c->steps[n++];

		end = end ? end : script + strlen(script);
		assert_true(n <= COUNT(c->steps));
		step->from = script[0] == '>' ? SIDE_CLIENT : SIDE_SERVER;
		if (!strncmp(script + 2, "gap ", 4)) {
			step->what = '~';
			step->gap = strtoull(script + 6, NULL, 10);
		} else if (!strncmp(script + 2, "close", 5)) {
			step->what = '|';
		} else {
			step->what = 'b';
			step->bytes = (struct span){room, build_line(room, script + 2, end)};
			room += step->bytes.len;
		}
		script = *end ? end + 1 : end;
	}
}

/* clang-format off */
#define GREETING "< 0 ^8.0.36~&4&8~&2!\2~&2\25&10&12~"
#define OK	 "~~~\2~~~"		/* no rows, status 2 */
#define OK1	 "~\1~\2~~~"		/* one row */
#define MORE	 "~~~^~~~"		/* more results follow */
#define COLUMN	 "\3def&20"
#define EOF_	 "\xfe~~\2~"
#define EOF_MORE "\xfe~~^~"
#define EOF_CURSOR "\xfe~~B~"
#define END_OK	 "\xfe~~\2~~~"		/* an end where EOF is deprecated */

static const struct { const char *what, *script, *out; } cases[] = {
	{"query with rows",
	 "> 0 \3select * from t where a = 'zq'\n< 1 \2 | 2 " COLUMN " | 3 " COLUMN " | 4 " EOF_ " | 5 &9 | 6 &9 | 7 " EOF_,
	 "> request op=SELECT resource=t target=SELECT * FROM t WHERE a = ? bytes=35 id=1\n"
	 "< response status=OK bytes=105 items=2 id=1\n"},
	{"rows where EOF is deprecated",
	 "> 0 \3select 1\n< 1 \1 | 2 " COLUMN " | 3 &9 | 4 " END_OK "\n> 0 \3select 1\n< 1 \1 | 2 " COLUMN " | 3 " END_OK,
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=OK bytes=57 items=1 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=13 id=2\n< response status=OK bytes=44 id=2\n"},
	{"no rows", "> 0 \3select 1\n< 1 \1 | 2 " COLUMN " | 3 " EOF_ " | 4 " EOF_,
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=OK bytes=51 id=1\n"},
	{"OK and error",
	 "> 0 \3update t set a = 1\n< 1 " OK1 "\n> 0 \3selec\n< 1 \xff(\4#42000near 'zq' at line 1",
	 "> request op=UPDATE resource=t target=UPDATE t SET a = ? bytes=23 id=1\n< response status=OK bytes=11 items=1 id=1\n"
	 "> request op=QUERY target=selec bytes=10 id=2\n"
	 "< response status=1064 (42000) reason=near ? at line 1 bytes=32 id=2 error\n"},
	{"error in the middle of rows", "> 0 \3select 1\n< 1 \1 | 2 " COLUMN " | 3 " EOF_ " | 4 &9 | 5 \xff%\5#70100gone",
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=1317 (70100) reason=gone bytes=72 items=1 id=1 error\n"},
	{"several results: rows, OK, rows",
	 "> 0 \3call p()\n< 1 \1 | 2 " COLUMN " | 3 " EOF_MORE " | 4 &9 | 5 " EOF_MORE " | 6 " MORE " | 7 \1 | 8 " COLUMN " | 9 " EOF_MORE " | 10 " EOF_MORE " | 11 " OK,
	 "> request op=CALL resource=p target=CALL p() bytes=13 id=1\n< response status=OK bytes=137 items=1 id=1\n"},
	{"prepare, execute, fetch, reset, close",
	 "> 0 \26select a from t where b = ?\n< 1 ~\7~~~\1~\1~~~~ | 2 " COLUMN " | 3 " EOF_ " | 4 " COLUMN " | 5 " EOF_ "\n"
	 "> 0 \27\7~~~\1\1~~~~\1\3~&4\n< 1 \1 | 2 " COLUMN " | 3 " EOF_CURSOR "\n> 0 \34\7~~~\5~~~\n< 1 ~&9 | 2 ~&9 | 3 " EOF_ "\n"
	 "> 0 \32\7~~~\n< 1 " OK "\n> 0 \31\7~~~\n> 0 \27\7~~~~\1~~~\n< 1 " OK,
	 "> request op=PREPARE resource=t target=SELECT a FROM t WHERE b = ? bytes=32 id=1\n< response status=OK bytes=81 id=1\n"
	 "> request op=SELECT resource=t target=SELECT a FROM t WHERE b = ? bytes=22 id=2\n< response status=OK bytes=42 id=2\n"
	 "> request op=FETCH resource=t target=SELECT a FROM t WHERE b = ? bytes=13 id=3\n< response status=OK bytes=37 items=2 id=3\n"
	 "> request op=RESET resource=t target=SELECT a FROM t WHERE b = ? bytes=9 id=4\n< response status=OK bytes=11 id=4\n"
	 "> request no-answer op=CLOSE resource=t target=SELECT a FROM t WHERE b = ? bytes=9\n"
	 "> request op=EXECUTE target=stmt:7 bytes=14 id=5\n< response status=OK bytes=11 id=5\n"},
	{"prepare where EOF is deprecated",
	 GREETING "\n> 1 \5\242\37\1~~~\1!&23bob~~\n< 2 " OK "\n> 0 \26select ?\n< 1 ~\7~~~\1~\1~~~~ | 2 " COLUMN " | 3 " COLUMN
	 "\n> 0 \27\7~~~~\1~~~\n< 1 \1 | 2 " COLUMN " | 3 ~&9 | 4 " END_OK,
	 "< push op=GREETING agent=8.0.36 bytes=56\n> request op=CONNECT user=***@ bytes=41 id=1\n< response status=OK bytes=11 id=1\n"
	 "> request op=PREPARE target=SELECT ? bytes=13 id=2\n< response status=OK bytes=72 id=2\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=3\n< response status=OK bytes=58 items=1 id=3\n"},
	{"a statement prepared last, by -1 (MariaDB)",
	 "> 0 \26insert into t values (?) | 0 \27\377\377\377\377~\1~~~\n< 1 ~\7~~~~~~~~~~ | 1 " OK1,
	 "> request op=PREPARE resource=t target=INSERT INTO t VALUES (?) bytes=29 id=1\n"
	 "> request op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=14 id=2\n"
	 "< response status=OK bytes=16 id=1\n< response status=OK bytes=11 items=1 id=2\n"},
	{"the text is known by its hash only when another came between",
	 "> 0 \26delete from t\n< 1 ~\7~~~~~~~~~~\n> 0 \3select 1\n< 1 " OK "\n> 0 \27\7~~~~\1~~~\n< 1 " OK1,
	 "> request op=PREPARE resource=t target=DELETE FROM t bytes=18 id=1\n< response status=OK bytes=16 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=13 id=2\n< response status=OK bytes=11 id=2\n"
	 "> request bytes=14 id=3\n< response status=OK bytes=11 items=1 id=3\n"},
	{"a file of the client, with progress reports (MariaDB)",
	 "> 0 \3load data local infile 'x' into table t\n< 1 \373/zq\n> 2 &200\n> 3 &100\n> 4\n< 5 \377\377\377\1\1\1&3\4Load | 6 " OK1 "\n> 0 \16\n< 1 " OK,
	 "> request op=LOAD resource=t target=LOAD data local infile ? INTO TABLE t bytes=44 id=1\n"
	 "< response status=OK bytes=37 items=1 id=1\n> request op=PING bytes=5 id=2\n< response status=OK bytes=11 id=2\n"},
	{"the other commands",
	 "> 0 \2shop\n< 1 " OK "\n> 0 \4t~zq%\n< 1 " COLUMN " | 2 " EOF_ "\n> 0 \11\n< 1 Uptime: 1\n> 0 \33~~\n< 1 " EOF_ "\n> 0 \37\n< 1 " OK "\n> 0 \1",
	 "> request op=USE resource=shop bytes=9 id=1\n< response status=OK bytes=11 id=1\n"
	 "> request op=FIELD_LIST resource=t bytes=10 id=2\n< response status=OK bytes=37 items=1 id=2\n"
	 "> request op=STATISTICS bytes=5 id=3\n< response status=OK bytes=13 id=3\n"
	 "> request op=SET_OPTION bytes=7 id=4\n< response status=OK bytes=9 id=4\n"
	 "> request op=RESET_CONNECTION bytes=5 id=5\n< response status=OK bytes=11 id=5\n> request no-answer op=QUIT bytes=5 last\n"},
	{"change of user: proofs go to and fro",
	 "> 0 \21bob~&20shop~\n< 1 \xfemethod~&20\n> 2 &20\n< 3 \1\4\n> 4 zq\n< 5 " OK,
	 "> request op=CHANGE_USER bytes=34 id=1\n< response status=OK bytes=49 id=1\n"},
	{"login, with attributes; another method is asked for",
	 GREETING "\n> 1 \215\242\73~~~~\1!&23bob~\4zqzqshop~method~\26\14program_name\10sonde__!\n< 2 \xfemethod~&20\n> 3 zq\n< 4 " OK,
	 "< push op=GREETING agent=8.0.36 bytes=56\n> request op=CONNECT agent=sonde__! user=***@shop bytes=80 id=1\n"
	 "< response status=OK bytes=43 id=1\n"},
	{"refused", GREETING "\n> 1 \5\242\37~~~~\1!&23bob~~\n< 2 \377\25\4#28000for user 'bob'",
	 "< push op=GREETING agent=8.0.36 bytes=56\n> request op=CONNECT user=***@ bytes=41 id=1\n"
	 "< response status=1045 (28000) reason=for user ? bytes=27 id=1 error\n"},
	{"too many connections", "< 0 \377\20\4Too many\n", "< response status=1040 reason=Too many bytes=15 id=1 error unasked\n"},
	{"encrypted from here on", GREETING "\n> 1 \205\256\17~~~~\1!&23\n",
	 "< push op=GREETING agent=8.0.36 bytes=56\n> push op=STARTTLS bytes=36 last then=tls\n"},
	{"compressed from here on", GREETING "\n> 1 \245\242\37~~~~\1!&23bob~~\n< 2 " OK,
	 "< push op=GREETING agent=8.0.36 bytes=56\n> request op=CONNECT user=***@ bytes=41 id=1\n"
	 "< response status=OK bytes=11 id=1 last then=mysql-compressed\n"},
	{"no query attributes, of a client we have not seen log in", "> 0 \3~\1select 1\n< 1 " OK,
	 "> request op=SELECT target=SELECT ? bytes=15 id=1\n< response status=OK bytes=11 id=1\n"},
	{"query attributes",
	 GREETING "\n> 1 \5\242\37\10~~~\1!&23bob~~\n< 2 " OK "\n"
	 "> 0 \3\2\1~\1\3~\1n\376~\13traceparent\1~~~7" "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01select 'zq'\n< 1 " OK,
	 "< push op=GREETING agent=8.0.36 bytes=56\n> request op=CONNECT user=***@ bytes=41 id=1\n< response status=OK bytes=11 id=1\n"
	 "> request op=SELECT target=SELECT ? traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 bytes=98 id=2\n"
	 "< response status=OK bytes=11 id=2\n"},
	{"backslashes do not escape when the server says so",
	 "> 0 \3set sql_mode = 'x'\n< 1 ~~~\2\2~~\n> 0 \3select 'a\\', b, 'zq'\n< 1 " OK,
	 "> request op=SET target=SET sql_mode = ? bytes=23 id=1\n< response status=OK bytes=11 id=1\n"
	 "> request op=SELECT target=SELECT ?, b, ? bytes=25 id=2\n< response status=OK bytes=11 id=2\n"},
	{"replication", "> 0 \22&10\n< 1 ~&20", "> request op=BINLOG_DUMP bytes=15 id=1\n< response status=OK bytes=25 id=1 last then=replication\n"},
	{"definitions that the client has cached are left out (MariaDB)",
	 "> 0 \3select 1\n< 1 \1~ | 2 " EOF_ " | 3 &9 | 4 " EOF_,
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=OK bytes=37 items=1 id=1\n"},

	{"joined in the middle of a response", "< 7 &9 | 8 " EOF_ "\n> 0 \3select 1\n< 1 " OK,
	 "< response status=OK bytes=22 items=1 id=1 incomplete unasked\n"
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=OK bytes=11 id=1\n"},
	{"a gap in a statement", "> raw \376~~~\3select a from t where b = 'z\n> gap 225\n< 1 " OK,
	 "> request op=SELECT resource=t target=SELECT a FROM t WHERE b = ? ... bytes=258 id=1 incomplete\n"
	 "< response status=OK bytes=11 id=1\n"},
	{"a gap in a row", "> 0 \3select 1\n< 1 \1 | 2 " COLUMN " | 3 " EOF_ "\n< raw \376~~\4&50\n< gap 204\n< 5 " EOF_,
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=OK bytes=309 items=1 id=1\n"},
	{"a gap over several rows, and the end is found again",
	 "> 0 \3select 1\n< 1 \1 | 2 " COLUMN " | 3 " EOF_ " | 4 &9\n< gap 300\n< raw dddd\n< 9 &9 | 10 " EOF_ "\n> 0 \16\n< 1 " OK,
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< bad\n< response status=OK bytes=22 items=2 id=1 incomplete\n"
	 "> request op=PING bytes=5 id=2\n< response status=OK bytes=11 id=2\n"},
	{"a gap over the end: the next command says that it came",
	 "> 0 \3select 1\n< 1 \1 | 2 " COLUMN "\n< gap 300\n> 0 \3select 2\n< 1 " OK1,
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< bad\n> request op=SELECT target=SELECT ? bytes=13 id=2\n"
	 "< response status=OK bytes=11 items=1 id=2\n"},
	{"a gap over commands: nothing is paired until the next one",
	 "> gap 30\n< 1 " OK "\n> 0 \16\n< 1 " OK1,
	 "> bad\n< response status=OK bytes=11 id=2 unasked\n> request op=PING bytes=5 id=2\n< response status=OK bytes=11 items=1 id=2\n"},
	{"hung up in a response", "> 0 \3select 1\n< 1 \1\n< close",
	 "> request op=SELECT target=SELECT ? bytes=13 id=1\n< response status=OK bytes=5 id=1 incomplete last\n"},
};
/* clang-format on */

static void conversations(void **state)
{
	static uint8_t room[COUNT(cases)][2048];
	static struct drive_case built[COUNT(cases)];

	for (size_t i = 0; i < COUNT(cases); i++) {
		built[i] = (struct drive_case){.what = cases[i].what, .out = cases[i].out};
		build(cases[i].script, &built[i], room[i]);
	}
	check_cases(&mysql, built, COUNT(cases));
}

/* A statement above 16 MiB is one command of two packets, a row of that size one row. */
static void payloads_go_on_in_the_next_packet(void **state)
{
	static const char text[] = "\3insert into t values ('";
	struct drive drive;
	uint8_t header[4] = {0xff, 0xff, 0xff, 0};
	uint8_t rest[4] = {5, 0, 0, 1};

	drive_init(&drive, &mysql);
	drive_bytes(&drive, SIDE_CLIENT, (struct span){header, 4});
	drive_bytes(&drive, SIDE_CLIENT, (struct span){(const uint8_t *)text, sizeof(text) - 1});
	drive_gap(&drive, SIDE_CLIENT, 0xffffff - (sizeof(text) - 1));
	drive_bytes(&drive, SIDE_CLIENT, (struct span){rest, 4});
	drive_bytes(&drive, SIDE_CLIENT, span_of("zq'),"));
	drive_bytes(&drive, SIDE_SERVER,
		    (struct span){(const uint8_t *)"\7\0\0\2\0\1\0\2\0\0\0", 11});
	assert_string_equal(buf_text(&drive.out),
			    "> request op=INSERT resource=t target=INSERT INTO t VALUES (? ... "
			    "bytes=16777228 id=1 incomplete\n"
			    "< response status=OK bytes=11 items=1 id=1\n");
	drive_done(&drive);
}

/* ---- recorded ---- */

static const char *const recorded[] = {
	"mysql-simple",     "mysql-multi", "mysql-rows",     "mysql-infile",  "mysql-denied",
	"mysql-compressed", "mysql-tls",   "mysql-prepared", "mysql-pymysql",
};

static void recorded_conversations(void **state)
{
	for (size_t i = 0; i < COUNT(recorded); i++)
		conv_check_cuts(&mysql, recorded[i]);
}

static void a_capture_limit_makes_no_wrong_pairs(void **state)
{
	conv_check_capture_limits(&mysql, recorded, COUNT(recorded));
}

static void losses_make_no_wrong_pairs(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	for (size_t i = 0; i < COUNT(recorded); i++)
		conv_check_losses(&mysql, recorded[i], &seed);
}

static void joining_late_makes_no_wrong_pairs(void **state)
{
	for (size_t i = 0; i < COUNT(recorded); i++)
		conv_check_joins(&mysql, recorded[i]);
}

/* ---- the rest ---- */

static void no_password_and_no_literal_is_kept(void **state)
{
	static const char *const names[] = {"mysql-simple", "mysql-multi", "mysql-infile",
					    "mysql-denied", "mysql-pymysql"};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct capture capture = conv_load(names[i]);
		struct drive drive;

		drive_init(&drive, &mysql);
		for (size_t step = 0; step < capture.n; step++) {
			drive_steps(&drive, &capture.steps[step], 1, SIZE_MAX, 0, 0);
			assert_null(memmem(drive.state, mysql.state_size, "zq", 2));
			assert_null(memmem(drive.state, mysql.state_size, "canary", 6));
		}
		assert_null(memmem(buf_text(&drive.out), drive.out.len, "zq", 2));
		drive_done(&drive);
		capture_done(&capture);
	}
}

static void says_what_is_wrong(void **state)
{
	check_wrong(&mysql, SIDE_CLIENT, "\1\0\0\0\x77", 5, "unknown command");
	check_wrong(&mysql, SIDE_CLIENT, "\0\0\0\0", 4, "empty command");
	check_wrong(&mysql, SIDE_SERVER, "\1\0\0\1\1\5\0\0\3ddddd", 14,
		    "sequence number that does not follow the one before");
}

static void guess(const char *bytes, size_t len, enum verdict verdict, enum side from)
{
	struct guess got = mysql.classify((struct span){(const uint8_t *)bytes, len});

	if (got.verdict != verdict || got.from != from)
		fail_msg("'%s': %d %d instead of %d %d", bytes, got.verdict, got.from, verdict,
			 from);
}

static void classifies_writes(void **state)
{
	struct capture capture = conv_load("mysql-simple");

	for (size_t i = 0; i < 3; i++) {
		struct span bytes = capture.steps[i].bytes;

		guess((const char *)bytes.at, bytes.len, i < 2 ? VERDICT_YES : VERDICT_MAYBE,
		      capture.steps[i].from);
	}
	capture_done(&capture);
	guess("\x09\0\0\0\3select 1", 13, VERDICT_YES, SIDE_CLIENT);
	guess("\0\1\0\0\3select a from t", 20, VERDICT_MAYBE, SIDE_CLIENT);
	guess("Q\0\0\0\x16select a, b from\0", 23, VERDICT_MAYBE, SIDE_CLIENT); /* PostgreSQL */
	guess("C\0\0\0\nBEGIN\0Z\0\0\0\5T", 17, VERDICT_NO, SIDE_UNKNOWN); /* PostgreSQL */
	guess("\x0a\0\0\0\x17\7\0\0\0\0\1\0\0\0", 14, VERDICT_YES, SIDE_CLIENT);
	guess("\1\0\0\0\x0e", 5, VERDICT_MAYBE, SIDE_CLIENT);
	guess("\x0d\0\0\1\xff(\4#42000text", 17, VERDICT_YES, SIDE_SERVER);
	guess("\1\0\0\1\1\x17\0\0\2\3def", 13, VERDICT_YES, SIDE_SERVER);
	guess("GET / HTTP/1.1\r\n", 16, VERDICT_NO, SIDE_UNKNOWN);
	guess("HTTP/1.1 200 OK\r\n", 17, VERDICT_NO, SIDE_UNKNOWN);
	guess("*1\r\n$4\r\nPING\r\n", 14, VERDICT_NO, SIDE_UNKNOWN);
	guess("\x16\3\1\2\0\1\0\1\xfc", 9, VERDICT_MAYBE, SIDE_UNKNOWN);
	guess("SSH-2.0-OpenSSH_9.2\r\n", 21, VERDICT_NO, SIDE_UNKNOWN);
}

static void nothing_else_is_taken_for_it(void **state)
{
	size_t sure, all;

	conv_check_guesses(&mysql, "mysql", &sure, &all);
	assert_true(sure > all / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations),
		cmocka_unit_test(payloads_go_on_in_the_next_packet),
		cmocka_unit_test(recorded_conversations),
		cmocka_unit_test(a_capture_limit_makes_no_wrong_pairs),
		cmocka_unit_test(losses_make_no_wrong_pairs),
		cmocka_unit_test(joining_late_makes_no_wrong_pairs),
		cmocka_unit_test(no_password_and_no_literal_is_kept),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(classifies_writes),
		cmocka_unit_test(nothing_else_is_taken_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
