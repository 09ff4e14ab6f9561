// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversations in a notation of their own, and recorded ones (conv_test.h).
 *
 *	"> Qselect 1~ | S"	the client sends two messages: type, payload; lengths are put in
 *	"< Z`I"			a server's; ~ is a byte 0, #n is n bytes of data, %n a 32-bit number
 *	"> gap 100"		bytes that were not captured
 *	"> raw ..."		bytes as they stand
 */
#include "protocol/conv_test.h"
#include "protocol/pgsql.h"

/* ---- the notation ---- */

static size_t put_u32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 24);
	to[1] = (uint8_t)(value >> 16);
	to[2] = (uint8_t)(value >> 8);
	to[3] = (uint8_t)value;
	return 4;
}

static size_t build_payload(uint8_t *to, const char *from, const char *end)
{
	size_t len = 0;

	while (from < end) {
		char c = *from++;
		char *behind;

		if (c == '~') {
			to[len++] = 0;
		} else if (c == '#' || c == '%') {
			uint32_t number = (uint32_t)strtoul(from, &behind, 10);

			from = behind;
			if (c == '%')
				len += put_u32(to + len, number);
			for (; c == '#' && number; number--)
				to[len++] = 'd';
		} else {
			to[len++] = (uint8_t)c;
		}
	}
	return len;
}

/* One line of a script without its mark: messages separated by " | ". */
static size_t build_line(uint8_t *to, const char *line, const char *end)
{
	size_t len = 0;

	if (!strncmp(line, "raw ", 4))
		return build_payload(to, line + 4, end);
	while (line < end) {
		const char *bar = memmem(line, (size_t)(end - line), " | ", 3);
		const char *stop = bar ? bar : end;
		bool has_type = *line != '0';
		size_t payload = build_payload(to + len + has_type + 4, line + 1, stop);

		to[len] = (uint8_t)*line;
		put_u32(to + len + has_type, (uint32_t)payload + 4);
		len += has_type + 4 + payload;
		line = bar ? bar + 3 : end;
	}
	return len;
}

static void build(const char *script, struct drive_case *c, uint8_t *room)
{
	size_t n = 0;

	memset(c->steps, 0, sizeof(c->steps));
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
#define START "> 0~\3~~user~bob~database~shop~application_name~app~~\n< R%0 | Sserver_version~15.18~ | K%1%2 | ZI\n"
#define STARTED "> request op=CONNECT agent=app user=***@shop bytes=53 id=1\n< response status=OK bytes=54 id=1\n"

static const struct { const char *what, *script, *out; } cases[] = {
	{"start of a session", START, STARTED},
	{"simple query",
	 "> Qselect * from t where a = 'zq'~\n< T#20 | D#30 | D#30 | CSELECT 2~ | ZI",
	 "> request op=SELECT resource=t target=SELECT * FROM t WHERE a = ? bytes=36 id=1\n"
	 "< response status=OK bytes=115 items=2 id=1\n"},
	{"several statements in one query",
	 "> Qbegin; update t set a = 1; commit~\n< CBEGIN~ | CUPDATE 3~ | CCOMMIT~ | ZI\n> Qselect 1~\n< T#9 | D#9 | CSELECT 1~ | ZI",
	 "> request op=UPDATE resource=t target=BEGIN; UPDATE t SET a = ?; COMMIT bytes=39 id=1\n"
	 "< response status=OK bytes=43 items=3 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=48 items=1 id=2\n"},
	{"an empty query", "> Q~\n< I | ZI", "> request op=QUERY bytes=6 id=1\n< response status=OK bytes=11 id=1\n"},
	{"error, with what it quotes masked",
	 "> Qselect 1/0~\n< ESERROR~VERROR~C22012~Mbad value: \"zq\" here~Fint.c~~ | ZI",
	 "> request op=SELECT target=SELECT ? / ? bytes=16 id=1\n"
	 "< response status=22012 reason=bad value: ? here bytes=62 id=1 error\n"},
	{"extended, unnamed",
	 "> P~select a from t where b = $1~~~ | B~~#6 | DP~ | E~%0 | S\n< 1 | 2 | T#10 | D#10 | CSELECT 1~ | ZI",
	 "> request op=SELECT resource=t target=SELECT a FROM t WHERE b = ? bytes=67 id=1\n"
	 "< response status=OK bytes=60 items=1 id=1\n"},
	{"prepared by name, executed by name; the text is known by its hash only when another came between",
	 "> Ps1~select a from t~~~ | S\n< 1 | ZI\n> Qselect 2~\n< T#9 | D#9 | CSELECT 1~ | ZI\n"
	 "> B~s1~#6 | E~%0 | S\n< 2 | CSELECT 0~ | ZI\n> B~s2~#6 | E~%0 | S\n< 2 | CSELECT 0~ | ZI",
	 "> request op=PREPARE resource=t target=SELECT a FROM t bytes=31 id=1\n< response status=OK bytes=11 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=48 items=1 id=2\n"
	 "> request bytes=25 id=3\n< response status=OK bytes=25 id=3\n"
	 "> request op=EXECUTE target=stmt:s2 bytes=25 id=4\n< response status=OK bytes=25 id=4\n"},
	{"a statement that was closed is unknown again",
	 "> Ps1~select a from t~~~ | CSs1~ | S\n< 1 | 3 | ZI\n> B~s1~#6 | E~%0 | S\n< 2 | CSELECT 0~ | ZI",
	 "> request op=PREPARE resource=t target=SELECT a FROM t bytes=40 id=1\n< response status=OK bytes=16 id=1\n"
	 "> request op=EXECUTE target=stmt:s1 bytes=25 id=2\n< response status=OK bytes=25 id=2\n"},
	{"a name that is taken keeps its statement",
	 "> Ps1~select a from t~~~ | S\n< 1 | ZI\n> Ps1~select b from u~~~ | S\n< ESERROR~C42P05~~ | ZI\n> Ps2~select a from t~~~ | B~s1~#6 | E~%0 | S\n< 1 | 2 | CSELECT 0~ | ZI",
	 "> request op=PREPARE resource=t target=SELECT a FROM t bytes=31 id=1\n< response status=OK bytes=11 id=1\n"
	 "> request op=PREPARE resource=u target=SELECT b FROM u bytes=31 id=2\n< response status=42P05 bytes=26 id=2 error\n"
	 "> request op=SELECT resource=t target=SELECT a FROM t bytes=51 id=3\n< response status=OK bytes=30 id=3\n"},
	{"pipeline in one batch: a response for each",
	 "> P~insert into t values ($1)~~~ | B~~#6 | E~%0 | B~~#6 | E~%0 | B~~#6 | E~%0 | S\n"
	 "< 1 | 2 | CINSERT 0 1~ | 2 | CINSERT 0 1~ | 2 | CINSERT 0 1~ | ZI",
	 "> request op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=57 id=1\n"
	 "> request maybe-answer op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=23 id=1\n"
	 "> request maybe-answer op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=23 id=1\n"
	 "< response status=OK bytes=26 items=1 id=1\n< response status=OK bytes=21 items=1 id=1\n< response status=OK bytes=27 items=1 id=1\n"},
	{"an error in a batch: the rest is passed over",
	 "> P~insert into t values ($1)~~~ | B~~#6 | E~%0 | B~~#6 | E~%0 | B~~#6 | E~%0 | S\n"
	 "< 1 | 2 | CINSERT 0 1~ | 2 | ESERROR~C23505~Mtwice~~ | ZI\n> Qselect 1~\n< T#9 | CSELECT 1~ | ZI",
	 "> request op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=57 id=1\n"
	 "> request maybe-answer op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=23 id=1\n"
	 "> request maybe-answer op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=23 id=1\n"
	 "< response status=OK bytes=26 items=1 id=1\n< response status=23505 reason=twice bytes=32 id=1 error\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=34 items=1 id=2\n"},
	{"an error at the commit belongs to the last statement",
	 "> P~insert into t values ($1)~~~ | B~~#6 | E~%0 | S\n< 1 | 2 | CINSERT 0 1~\n< ESERROR~C23503~Mno parent~~ | ZI",
	 "> request op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=57 id=1\n"
	 "< response status=23503 reason=no parent bytes=63 items=1 id=1 error\n"},
	{"syntax error in Parse belongs to the Execute",
	 "> P~selec 1~~~ | B~~#6 | DP~ | E~%0 | S\n< ESERROR~C42601~Msyntax~~ | ZI",
	 "> request op=QUERY target=selec ? bytes=46 id=1\n< response status=42601 reason=syntax bytes=28 id=1 error\n"},
	{"pipeline of batches",
	 "> P~select 1~~~ | B~~#6 | E~%0 | S | P~select 2~~~ | B~~#6 | E~%0 | S\n< 1 | 2 | CSELECT 1~ | ZI | 1 | 2 | CSELECT 1~ | ZI",
	 "> request op=SELECT target=SELECT ? bytes=40 id=1\n> request op=SELECT target=SELECT ? bytes=40 id=2\n"
	 "< response status=OK bytes=30 items=1 id=1\n< response status=OK bytes=30 items=1 id=2\n"},
	{"what is flushed before an Execute is a round trip of its own",
	 "> Ps1~select a from t~~~ | DSs1~ | H\n< 1 | t~~ | T#10\n> B~s1~#6 | E~%0 | S\n< 2 | CSELECT 4~ | ZI",
	 "> request op=PREPARE resource=t target=SELECT a FROM t bytes=40 id=1\n< response status=OK bytes=27 id=1\n"
	 "> request maybe-answer op=SELECT resource=t target=SELECT a FROM t bytes=25 id=1\n< response status=OK bytes=25 items=4 id=1\n"},
	{"and so is its error", "> Ps1~selec~~~ | DSs1~ | H\n< ESERROR~C42601~~\n> S\n< ZI\n> Qselect 1~\n< CSELECT 1~ | ZI",
	 "> request op=PREPARE target=selec bytes=30 id=1\n< response status=42601 bytes=20 id=1 error\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=20 items=1 id=2\n"},
	{"a query ends a batch that was only flushed (asyncpg)",
	 "> Ps1~select a from t~~~ | H\n< 1\n> Qselect 1~\n< T#9 | CSELECT 1~ | ZI\n> Qselect 2~\n< CSELECT 1~ | ZI",
	 "> request op=PREPARE resource=t target=SELECT a FROM t bytes=31 id=1\n< response status=OK bytes=5 id=1\n"
	 "> request maybe-answer op=SELECT target=SELECT ? bytes=14 id=1\n< response status=OK bytes=34 items=1 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=20 items=1 id=2\n"},
	{"rows in portions",
	 "> P~select a from t~~~ | Bp~~#6 | Ep~%5 | S\n< 1 | 2 | D#9 | s | ZT\n> Ep~%5 | S\n< D#9 | CSELECT 3~ | ZT",
	 "> request op=SELECT resource=t target=SELECT a FROM t bytes=49 id=1\n< response status=OK bytes=35 id=1\n"
	 "> request op=FETCH resource=t target=SELECT a FROM t bytes=11 id=2\n< response status=OK bytes=34 items=3 id=2\n"},
	{"COPY out", "> Qcopy t to stdout~\n< H#7 | d#50 | d#50 | c | CCOPY 2~ | ZI",
	 "> request op=COPY resource=t target=COPY t TO stdout bytes=22 id=1\n< response status=OK bytes=145 items=2 id=1\n"},
	{"COPY in",
	 "> Qcopy t from stdin~\n< G#7\n> d#50 | d#50 | c\n< CCOPY 2~ | ZI\n> Qselect 1~\n< CSELECT 1~ | ZI",
	 "> request op=COPY resource=t target=COPY t FROM stdin bytes=23 id=1\n< response status=OK bytes=30 items=2 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=20 items=1 id=2\n"},
	{"COPY in by the extended protocol: its Sync is passed over by the server",
	 "> P~copy t from stdin~~~ | B~~#6 | E~%0 | S\n< 1 | 2 | G#7\n> d#50 | c | S\n< CCOPY 1~ | ZI\n> Qselect 1~\n< CSELECT 1~ | ZI",
	 "> request op=COPY resource=t target=COPY t FROM stdin bytes=49 id=1\n< response status=OK bytes=40 items=1 id=1\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=20 items=1 id=2\n"},
	{"notice, parameter and notification in a response",
	 "> Qselect 1~\n< NSNOTICE~~ | Sa~b~ | A%7ch~zq~ | CSELECT 1~ | A%7ch~zq~ | ZI\n< A%7ch~~",
	 "> request op=SELECT target=SELECT ? bytes=14 id=1\n< push op=NOTIFY resource=ch bytes=15\n< push op=NOTIFY resource=ch bytes=15\n"
	 "< response status=OK bytes=35 items=1 id=1\n< push op=NOTIFY resource=ch bytes=13\n"},
	{"backslashes escape when the server says so",
	 START "< Sstandard_conforming_strings~off~\n> Qselect 'a\\', secret, '~\n< CSELECT 1~ | ZI",
	 STARTED "> request op=SELECT target=SELECT ? bytes=28 id=2\n< response status=OK bytes=20 items=1 id=2\n"},
	{"encrypted from here on", "> 0\4\322\26/\n< raw S\n", "< push op=STARTTLS bytes=1 last then=tls\n"},
	{"not encrypted", "> 0\4\322\26/\n< raw N\n" START, STARTED},
	{"GSS, then TLS, both refused", "> 0\4\322\0260\n< raw N\n> 0\4\322\26/\n< raw N\n" START, STARTED},
	{"cancel", "> 0\4\322\26.%1%2\n> close\n< close", "> request no-answer op=CANCEL bytes=16 last\n"},
	{"password refused",
	 "> 0~\3~~user~bob~~\n< R%5zzzz\n> pmd5zq~\n< ESFATAL~VFATAL~C28P01~Mfailed for user \"bob\"~~\n< close",
	 "> request op=CONNECT user=***@ bytes=18 id=1\n< response status=28P01 reason=failed for user ? bytes=63 id=1 error last\n"},
	{"terminated while idle", START "< ESFATAL~C57P01~Mbye~~\n> X",
	 STARTED "< push status=57P01 bytes=25 error\n> request no-answer op=QUIT bytes=5 last\n"},
	{"replication",
	 "> 0~\3~~user~bob~replication~database~~\n< R%0 | ZI\n> QSTART_REPLICATION SLOT s LOGICAL 0/0~\n< W#3",
	 "> request op=CONNECT target=replication user=***@ bytes=39 id=1\n< response status=OK bytes=15 id=1\n"
	 "> request op=QUERY target=START_REPLICATION SLOT s LOGICAL ? / ? bytes=42 id=2\n"
	 "< response status=OK bytes=8 id=2 last then=replication\n"},
	{"function call", "> F~~~Z#10\n< V#4 | ZI",
	 "> request op=CALL target=function 90 bytes=19 id=1\n< response status=OK bytes=15 id=1\n"},
	{"a trace in a comment",
	 "> Qselect 1 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/~\n< CSELECT 1~ | ZI",
	 "> request op=SELECT target=SELECT ? traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 bytes=88 id=1\n"
	 "< response status=OK bytes=20 items=1 id=1\n"},

	{"joined in the middle of a response", "< D#9 | D#9 | CSELECT 2~ | ZI\n> Qselect 1~\n< CSELECT 1~ | ZI",
	 "< response status=OK bytes=48 items=2 id=1 unasked\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=1\n< response status=OK bytes=20 items=1 id=1\n"},
	{"joined in a pipeline: what does not fit is not paired",
	 "> Qinsert into t values (1)~\n< CSELECT 1~ | ZI | CINSERT 0 1~ | ZI",
	 "> request op=INSERT resource=t target=INSERT INTO t VALUES (?) bytes=30 id=1\n"
	 "< response status=OK bytes=20 items=1 id=3 incomplete unasked\n< response status=OK bytes=22 items=1 id=3 unasked\n"},
	{"a gap in a statement", "> raw Q~~\1~select a from t where b = 'z\n> gap 224\n< CSELECT 1~ | ZI",
	 "> request op=SELECT resource=t target=SELECT a FROM t WHERE b = ? ... bytes=257 id=1 incomplete\n"
	 "< response status=OK bytes=20 items=1 id=1\n"},
	{"a gap in a row", "> Qselect 1~\n< T#9\n< raw D~~\1~dddd\n< gap 248\n< CSELECT 1~ | ZI",
	 "> request op=SELECT target=SELECT ? bytes=14 id=1\n< response status=OK bytes=291 items=1 id=1\n"},
	{"a gap over several rows, and the end is found again",
	 "> Qselect 1~\n< T#9 | D#40\n< gap 500\n< raw dddd\n< CSELECT 9~ | ZI\n> Qselect 2~\n< CSELECT 1~ | ZI",
	 "> request op=SELECT target=SELECT ? bytes=14 id=1\n< bad\n< response status=OK bytes=20 items=9 id=1 incomplete\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=20 items=1 id=2\n"},
	{"a gap over the end: the next request says that it came",
	 "> Qselect 1~\n< T#9 | D#40\n< gap 500\n> Qselect 2~\n< T#9 | D#3 | CSELECT 1~ | ZI",
	 "> request op=SELECT target=SELECT ? bytes=14 id=1\n< bad\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=42 items=1 id=2\n"},
	{"a gap over requests: nothing is paired until the client waits",
	 "> gap 30\n< CSELECT 1~ | ZI\n> Qselect 2~\n< CSELECT 2~ | ZI",
	 "> bad\n< response status=OK bytes=20 items=1 id=2 unasked\n"
	 "> request op=SELECT target=SELECT ? bytes=14 id=2\n< response status=OK bytes=20 items=2 id=2\n"},
	{"hung up in a response", "> Qselect 1~\n< T#9 | D#40\n< close",
	 "> request op=SELECT target=SELECT ? bytes=14 id=1\n< response status=OK bytes=59 id=1 incomplete last\n"},
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
	check_cases(&pgsql, built, COUNT(cases));
}

/* ---- recorded ---- */

static const char *const recorded[] = {
	"pgsql-simple",
	"pgsql-prefer",
	"pgsql-copy",
	"pgsql-rows",
	"pgsql-password",
	"pgsql-denied",
	"pgsql-replication",
	"pgsql-pgbench-simple",
	"pgsql-pgbench-extended",
	"pgsql-pgbench-prepared",
	"pgsql-pipeline",
	"pgsql-asyncpg",
	"pgsql-psycopg2",
};

static void recorded_conversations(void **state)
{
	for (size_t i = 0; i < COUNT(recorded); i++)
		conv_check_cuts(&pgsql, recorded[i]);
}

static void a_capture_limit_makes_no_wrong_pairs(void **state)
{
	conv_check_capture_limits(&pgsql, recorded, COUNT(recorded));
}

static void losses_make_no_wrong_pairs(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	for (size_t i = 0; i < COUNT(recorded); i++)
		conv_check_losses(&pgsql, recorded[i], &seed);
}

static void joining_late_makes_no_wrong_pairs(void **state)
{
	for (size_t i = 0; i < COUNT(recorded); i++)
		conv_check_joins(&pgsql, recorded[i]);
}

/* ---- the rest ---- */

static void executions_are_known_by_hash(void **state)
{
	static const char bytes[] = "P\0\0\0\x19s1\0select a from t\0\0\0S\0\0\0\4"
				    "B\0\0\0\x0e\0s1\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4";
	struct pgsql_state *connection = calloc(1, sizeof(*connection));
	struct span in = {(const uint8_t *)bytes, sizeof(bytes) - 1};
	struct message prepare, execute;
	struct sql_shape shape;
	const char *why;
	size_t used;

	assert_int_equal(pgsql.cut(connection, SIDE_CLIENT, in, &prepare, &used, &why),
			 CUT_MESSAGE);
	in = span_from(in, used);
	sql_shape(span_of("SELECT a FROM t"), (struct sql_how){.dialect = SQL_POSTGRES}, &shape);
	assert_int_equal(prepare.shape, shape.hash);
	assert_int_equal(pgsql.cut(connection, SIDE_CLIENT, in, &execute, &used, &why),
			 CUT_MESSAGE);
	assert_int_equal(execute.shape, shape.hash);
	free(connection);
}

static void no_password_and_no_literal_is_kept(void **state)
{
	static const char *const names[] = {"pgsql-password", "pgsql-denied",   "pgsql-simple",
					    "pgsql-copy",     "pgsql-pipeline", "pgsql-asyncpg",
					    "pgsql-psycopg2"};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct capture capture = conv_load(names[i]);
		struct drive drive;

		drive_init(&drive, &pgsql);
		for (size_t step = 0; step < capture.n; step++) {
			drive_steps(&drive, &capture.steps[step], 1, SIZE_MAX, 0, 0);
			assert_null(memmem(drive.state, pgsql.state_size, "zq", 2));
			assert_null(memmem(drive.state, pgsql.state_size, "canary", 6));
			assert_null(memmem(drive.state, pgsql.state_size, "SCRAM", 5));
		}
		assert_null(memmem(buf_text(&drive.out), drive.out.len, "zq", 2));
		drive_done(&drive);
		capture_done(&capture);
	}
}

static void says_what_is_wrong(void **state)
{
	check_wrong(&pgsql, SIDE_CLIENT, "GET / HTTP/1.1\r\n", 16, "unknown message type");
	check_wrong(&pgsql, SIDE_SERVER, "Z\0\0\0\7III", 8,
		    "length that this type of message never has");
	check_wrong(&pgsql, SIDE_CLIENT, "\0\0\0\x08\1\2\3\4", 8, "not the start of a session");
	check_wrong(&pgsql, SIDE_SERVER, "\xff\0\0\0\x08", 5, "unknown message type");
}

static void guess(const char *bytes, size_t len, enum verdict verdict, enum side from)
{
	struct guess got = pgsql.classify((struct span){(const uint8_t *)bytes, len});

	if (got.verdict != verdict || got.from != from)
		fail_msg("'%s': %d %d instead of %d %d", bytes, got.verdict, got.from, verdict,
			 from);
}

static void classifies_writes(void **state)
{
	guess("Q\0\0\0\x0dselect 1\0", 14, VERDICT_YES, SIDE_CLIENT);
	guess("Q\0\0\1\0select a from", 18, VERDICT_YES, SIDE_CLIENT);
	guess("P\0\0\1\0s1\0select a from", 21, VERDICT_YES, SIDE_CLIENT);
	guess("\0\0\0\x08\4\322\26/", 8, VERDICT_YES, SIDE_CLIENT);
	guess("\0\0\0\x20\0\3\0\0user\0", 13, VERDICT_YES, SIDE_CLIENT);
	guess("Z\0\0\0\5I", 6, VERDICT_YES, SIDE_SERVER);
	guess("C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I", 20, VERDICT_YES, SIDE_SERVER);
	guess("S\0\0\0\4", 5, VERDICT_YES, SIDE_CLIENT);
	guess("Z\0\0", 3, VERDICT_MAYBE, SIDE_SERVER);
	guess("GET / HTTP/1.1\r\n", 16, VERDICT_NO, SIDE_UNKNOWN);
	guess("HTTP/1.1 200 OK\r\n", 17, VERDICT_NO, SIDE_UNKNOWN);
	guess("*1\r\n$4\r\nPING\r\n", 14, VERDICT_NO, SIDE_UNKNOWN);
	guess("\x16\3\1\2\0\1\0\1\xfc", 9, VERDICT_NO, SIDE_UNKNOWN);
	guess("SSH-2.0-OpenSSH_9.2\r\n", 21, VERDICT_NO, SIDE_UNKNOWN);
}

static void nothing_else_is_taken_for_it(void **state)
{
	size_t sure, all;

	conv_check_guesses(&pgsql, "pgsql", &sure, &all);
	assert_true(sure > all / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations),
		cmocka_unit_test(recorded_conversations),
		cmocka_unit_test(a_capture_limit_makes_no_wrong_pairs),
		cmocka_unit_test(losses_make_no_wrong_pairs),
		cmocka_unit_test(joining_late_makes_no_wrong_pairs),
		cmocka_unit_test(executions_are_known_by_hash),
		cmocka_unit_test(no_password_and_no_literal_is_kept),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(classifies_writes),
		cmocka_unit_test(nothing_else_is_taken_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
