// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every statement is normalised whole, then cut at every byte: what is left must be the beginning of
 * the whole shape. Then its literals are replaced by random ones: the shape must not change, and the
 * random ones must not be found in it.
 */
#include "protocol/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define MY SQL_MYSQL
#define PG SQL_POSTGRES

/* clang-format off */
static const struct {
	enum sql_dialect dialect;
	const char *in, *text, *operation, *table;
} cases[] = {
	{PG, "select 1", "SELECT ?", "SELECT", ""},
	{PG, "select * from \"Users\" where id in (7, 8) -- alice", "SELECT * FROM \"Users\" WHERE id IN (?)", "SELECT", "Users"},
	{PG, "SELECT a,b FROM public.t WHERE x='it''s' AND y=-1.5e-3;", "SELECT a, b FROM public.t WHERE x = ? AND y = ?", "SELECT", "public.t"},
	{PG, "select E'it\\'s', B'01', x'1F', N'n', U&'\\0041' from t", "SELECT ?, ?, ?, ?, ? FROM t", "SELECT", "t"},
	{PG, "select U&\"n\" from t", "SELECT \"n\" FROM t", "SELECT", "t"},
	{PG, "select $$it's$$, $q$ $$ $q$, $1 from t", "SELECT ?, ?, ? FROM t", "SELECT", "t"},
	{PG, "select 'a' 'b'\n'c'", "SELECT ?", "SELECT", ""},
	{PG, "insert into t(a,b) values(1,'x'),(2,null),(3,default) returning id", "INSERT INTO t(a, b) VALUES (?) RETURNING id", "INSERT", "t"},
	{PG, "insert into t values (1, now(), 2), (3, now(), 4) on conflict do nothing", "INSERT INTO t VALUES (?, now(), ?) ON CONFLICT DO NOTHING", "INSERT", "t"},
	{PG, "select a from t where (a,b) in ((1,2),(3,4)) and c = any(array[1,2,3])", "SELECT a FROM t WHERE (a, b) IN ((?)) AND c = ANY (ARRAY[?])", "SELECT", "t"},
	{PG, "select a[1], b[2:3] from t", "SELECT a[?], b[? : ?] FROM t", "SELECT", "t"},
	{PG, "select '2020-01-01'::date, date '2020-01-01', interval '1 day'", "SELECT ?::date, date ?, INTERVAL ?", "SELECT", ""},
	{PG, "select extract(year from born) from people where a is distinct from b", "SELECT extract(year FROM born) FROM people WHERE a IS DISTINCT FROM b", "SELECT", "people"},
	{PG, "select x from (select y from inside) q join outside on true", "SELECT x FROM (SELECT y FROM inside) q JOIN outside ON TRUE", "SELECT", "inside"},
	{PG, "select (select max(x) from u) from t", "SELECT (SELECT max(x) FROM u) FROM t", "SELECT", "t"},
	{PG, "with c as (select * from a) select * from c", "WITH c AS (SELECT * FROM a) SELECT * FROM c", "SELECT", "a"},
	{PG, "with c as (select 1 from a), d(x) as (select 2) update t set x = null from c", "WITH c AS (SELECT ? FROM a), d(x) AS (SELECT ?) UPDATE t SET x = ? FROM c", "UPDATE", "t"},
	{PG, "(select a from t) union (select b from u) limit 10", "(SELECT a FROM t) UNION (SELECT b FROM u) LIMIT ?", "SELECT", "t"},
	{PG, "begin; update only s.t set a=a-1, b = b - 1 where c between -1 and +2; commit;", "BEGIN; UPDATE ONLY s.t SET a = a - ?, b = b - ? WHERE c BETWEEN ? AND ?; COMMIT", "UPDATE", "s.t"},
	{PG, "delete from t where a is not null /* a /* nested */ comment */ and b", "DELETE FROM t WHERE a IS NOT NULL AND b", "DELETE", "t"},
	{PG, "select j->>'k', j #> '{a}', j @> '{}', j ? 'k', a<->b from t", "SELECT j ->> ?, j #> ?, j @> ?, j ? ?, a <-> b FROM t", "SELECT", "t"},
	{PG, "copy t (a, b) from stdin", "COPY t(a, b) FROM stdin", "COPY", "t"},
	{PG, "copy (select a from u) to stdout", "COPY (SELECT a FROM u) TO stdout", "COPY", "u"},
	{PG, "create unique index concurrently i on t (a)", "CREATE UNIQUE index CONCURRENTLY i ON t(a)", "CREATE", "t"},
	{PG, "create table if not exists t (a varchar(20) primary key)", "CREATE TABLE IF NOT EXISTS t(a varchar(?) PRIMARY KEY)", "CREATE", "t"},
	{PG, "alter role bob password 'secret'", "ALTER role bob password ?", "ALTER", ""},
	{PG, "explain analyze select key, comment, value, close from t", "EXPLAIN ANALYZE SELECT key, comment, value, close FROM t", "EXPLAIN", "t"},
	{PG, "truncate table a, b", "TRUNCATE TABLE a, b", "TRUNCATE", "a"},
	{PG, "select t.select, t.* from t", "SELECT t.select, t.* FROM t", "SELECT", "t"},
	{PG, "select case when a then 1 else -1 end, count(*), sum( x ) from t", "SELECT CASE WHEN a THEN ? ELSE ? END, count(*), sum(x) FROM t", "SELECT", "t"},
	{PG, "select 123abc, 0x1F, 1_000, .5, 1., 1.e5", "SELECT ?, ?, ?, ?, ?, ?", "SELECT", ""},
	{PG, "  -- nothing\n ; ", "", NULL, ""},
	{PG, "select f(null, 1, true)", "SELECT f(?, ?, ?)", "SELECT", ""},
	{PG, "call work(1)", "CALL work(?)", "CALL", "work"},
	{PG, "select 1 from t for update of t", "SELECT ? FROM t FOR UPDATE of t", "SELECT", "t"},
	{MY, "select \"a\", 'b', `c` from `my db`.`t` where d = @x and e := 5", "SELECT ?, ?, `c` FROM `my db`.`t` WHERE d = @x AND e := ?", "SELECT", "my db.t"},
	{MY, "select 'it\\'s', \"say \\\"no\\\"\" # comment 'x\nfrom t", "SELECT ?, ? FROM t", "SELECT", "t"},
	{MY, "select a--1 from t -- end", "SELECT a - ? FROM t", "SELECT", "t"},
	{MY, "insert ignore t set a=1, b=b'01', c=_utf8mb4'x' on duplicate key update a=values(a), b=values(b)", "INSERT IGNORE t SET a = ?, b = ?, c = _utf8mb4 ? ON DUPLICATE KEY UPDATE a = VALUES (a), b = VALUES (b)", "INSERT", "t"},
	{MY, "insert into t values (?, ?, ?), (?, ?, ?)", "INSERT INTO t VALUES (?)", "INSERT", "t"},
	{MY, "select * from 2024_sales where id = 9f8a and h = 0xFF", "SELECT * FROM 2024_sales WHERE id = ? AND h = ?", "SELECT", "2024_sales"},
	{MY, "/*!40101 set names utf8 */; select /*+ hint */ 1", "SET names utf8; SELECT ?", "SELECT", ""},
	{MY, "select @@session.autocommit, @@version limit 1, 2", "SELECT @@session.autocommit, @@version LIMIT ?, ?", "SELECT", ""},
	{MY, "load data infile '/x' into table t", "LOAD data infile ? INTO TABLE t", "LOAD", "t"},
	{MY, "set password for 'bob'@'%' = 'secret'", "SET password FOR ? @ ? = ?", "SET", ""},
	{MY, "replace into t select * from u", "REPLACE INTO t SELECT * FROM u", "REPLACE", "t"},
	{MY, "show columns from t from d", "SHOW columns FROM t FROM d", "SHOW", "t"},
	{MY, "use `shop`", "USE `shop`", "USE", "shop"},
	{MY, "select a$b, $c from t", "SELECT a$b, $c FROM t", "SELECT", "t"},
	{MY, "delete t1 from t1 join t2 on t1.a = t2.a", "DELETE t1 FROM t1 JOIN t2 ON t1.a = t2.a", "DELETE", "t1"},
	{MY, "lock tables t write", "LOCK TABLES t write", "LOCK", "t"},
};

/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The statement stands at the end of a block of its own, so that a byte read too much is found. */
static struct sql_shape shape_of(enum sql_dialect dialect, const char *in, size_t len, bool is_cut)
{
	struct sql_shape shape;
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, in, len);
	sql_shape((struct span){copy, len}, (struct sql_how){.dialect = dialect, .is_cut = is_cut},
		  &shape);
	free(copy);
	return shape;
}

static void has_the_expected_shape(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sql_shape shape =
			shape_of(cases[i].dialect, cases[i].in, strlen(cases[i].in), false);
		char table[SQL_TABLE_MAX + 1] = "";

		assert_string_equal(shape.text, cases[i].text);
		assert_int_equal(shape.text_len, strlen(shape.text));
		if (cases[i].operation)
			assert_string_equal(shape.operation, cases[i].operation);
		else
			assert_null(shape.operation);
		memcpy(table, shape.table, shape.table_len);
		assert_string_equal(table, cases[i].table);
		assert_false(shape.is_cut || shape.is_full || shape.is_broken);
	}
}

static void a_shape_is_the_shape_of_itself(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sql_shape again;

		if (cases[i].dialect == PG && strchr(cases[i].text, '?'))
			continue; /* ? is an operator there */
		if (strchr(cases[i].text, '@'))
			continue;
		again = shape_of(cases[i].dialect, cases[i].text, strlen(cases[i].text), false);
		assert_string_equal(again.text, cases[i].text);
	}
}

static void a_cut_statement_has_the_beginning_of_the_shape(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t len = 0; len <= strlen(cases[i].in); len++) {
			struct sql_shape shape = shape_of(cases[i].dialect, cases[i].in, len, true);
			size_t text_len = shape.text_len - 4u;

			assert_true(shape.is_cut);
			assert_string_equal(shape.text + text_len, " ...");
			if (strncmp(shape.text, cases[i].text, text_len))
				fail_msg("'%.*s' -> '%s'", (int)len, cases[i].in, shape.text);
			if (shape.operation && cases[i].operation &&
			    strcmp(cases[i].operation, "UPDATE") && strcmp(cases[i].in, "/*!"))
				assert_non_null(strstr(cases[i].text, shape.operation));
		}
}

static void a_cut_shape_is_another_than_the_whole(void **state)
{
	struct sql_shape whole = shape_of(PG, "select a from t ", 16, false);
	struct sql_shape cut = shape_of(PG, "select a from t ", 16, true);

	assert_int_not_equal(whole.hash, cut.hash);
}

static void counts_statements(void **state)
{
	assert_int_equal(shape_of(PG, "", 0, false).statements, 0);
	assert_int_equal(shape_of(PG, ";", 1, false).statements, 0);
	assert_int_equal(shape_of(PG, "select 1;", 9, false).statements, 1);
	assert_int_equal(shape_of(PG, "a;b;;c;", 7, false).statements, 3);
}

static void finds_the_trace_in_a_comment(void **state)
{
	static const char in[] =
		"select 1 /*route='x',traceparent='00-0af7651916cd43dd8448eb211c80319c-"
		"b7ad6b7169203331-01'*/";
	struct sql_shape shape;

	sql_shape(span_of(in), (struct sql_how){.dialect = PG}, &shape);
	assert_int_equal(shape.traceparent.len, 55);
	assert_memory_equal(shape.traceparent.at, "00-0af76519", 11);
	assert_string_equal(shape.text, "SELECT ?");
}

static void long_shapes_are_cut_in_text_but_not_in_hash(void **state)
{
	char in[8192];
	size_t len = 0;
	struct sql_shape a, b, c;

	for (int i = 0; i < 500; i++)
		len += (size_t)snprintf(in + len, sizeof(in) - len, "%s column_%d",
					i ? "," : "select", i);
	a = shape_of(PG, in, len, false);
	b = shape_of(PG, in, len, false);
	in[len - 1] = 'x';
	c = shape_of(PG, in, len, false);
	assert_true(a.is_full);
	assert_true(a.text_len < SQL_TEXT_MAX);
	assert_string_equal(a.text + a.text_len - 4, " ...");
	assert_int_equal(a.hash, b.hash);
	assert_string_equal(a.text, c.text);
	assert_int_not_equal(a.hash, c.hash);
	memset(in, 'n', sizeof(in)); /* one name longer than any page */
	c = shape_of(PG, in, sizeof(in), false);
	assert_true(c.is_full);
}

/* Sessions may change the rule about \, and we may not have seen it. */
static void doubtful_strings_do_not_leak(void **state)
{
	static const struct {
		enum sql_dialect dialect;
		const char *in, *text;
		bool is_broken;
	} doubtful[] = {
		{PG, "select 'it\\'s', 'x' from t", "SELECT ?, ? FROM t", false},
		{PG, "select 'C:\\dir\\' from t", "SELECT ? FROM t", false},
		{MY, "select 'C:\\dir\\' from t", "SELECT ? FROM t", false},
		{PG, "select a, 'secret", "SELECT a, ...", true},
		{PG, "select a from t where b = 'x' and c = 'secret' more'",
		 "SELECT a FROM t WHERE b = ...", true},
		{PG, "select a, \"x, 'secret'", "SELECT a, ...", true},
		{PG, "select $a$ secret", "SELECT ...", true},
		{MY, "select `a", "SELECT ...", true},
	};

	for (size_t i = 0; i < COUNT(doubtful); i++) {
		struct sql_shape shape = shape_of(doubtful[i].dialect, doubtful[i].in,
						  strlen(doubtful[i].in), false);

		assert_string_equal(shape.text, doubtful[i].text);
		assert_int_equal(shape.is_broken, doubtful[i].is_broken);
	}
}

static void obeys_the_session_about_backslashes(void **state)
{
	struct sql_shape shape;

	sql_shape(span_of("select 'a\\', b, 'c'"),
		  (struct sql_how){.dialect = MY, .backslash = SQL_BACKSLASH_PLAIN}, &shape);
	assert_string_equal(shape.text, "SELECT ?, b, ?");
	sql_shape(span_of("select 'a\\', secret, '"),
		  (struct sql_how){.dialect = PG, .backslash = SQL_BACKSLASH_ESCAPES}, &shape);
	assert_string_equal(shape.text, "SELECT ?");
}

static const char canary_word[] = "zq";

/* A random literal with the canary in it, in one of the ways to write one. */
static size_t random_literal(enum sql_dialect dialect, char *to, size_t room)
{
	static const char *const common[] = {
		"'%s%d'",  "'%s''%d'",   "'a b;%s -- %d'", "'/*%s*/%d'", "'(%s,%d)'",
		"x'%s%d'", "'\n%s\t%d'", "'%s\"%d'",       "'%s`%d'",    "'$$%s%d'"};
	static const char *const mysql[] = {"\"%s%d\"",   "'%s\\'%d'", "\"%s\\\"%d\"",
					    "'%s\\\\%d'", "\"%s'%d\"", "0x%s%d"};
	static const char *const postgres[] = {"E'%s\\'%d'",          "$$%s%d$$",
					       "$t$%s'%d$t$",         "E'%s\\\\%d'",
					       "$_1$ $$%s$t$%d $_1$", "e'\\\\%s\\'''%d'"};
	size_t i = (size_t)rand() % (COUNT(common) + COUNT(mysql));
	const char *format = i < COUNT(common) ? common[i]
			     : dialect == MY   ? mysql[i - COUNT(common)]
					       : postgres[i - COUNT(common)];

	return (size_t)snprintf(to, room, format, canary_word, rand() % 1000000);
}

static void literals_never_survive(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		size_t which = (size_t)rand() % COUNT(cases), len = 0;
		const char *text = cases[which].text;
		char in[4096];
		struct sql_shape shape;

		if (strstr(text, " ? ?") || strstr(text, "@ ?") || strstr(text, "b[? :"))
			continue; /* ? the operator of PostgreSQL; '?'@'?' */
		for (; *text; text++)
			if (*text == '?')
				len += random_literal(cases[which].dialect, in + len,
						      sizeof(in) - len);
			else
				in[len++] = *text;
		shape = shape_of(cases[which].dialect, in, len, false);
		if (strcmp(shape.text, cases[which].text))
			fail_msg("'%.*s' -> '%s'", (int)len, in, shape.text);
		for (int cuts = 0; cuts < 10; cuts++) {
			shape = shape_of(cases[which].dialect, in, (size_t)rand() % (len + 1),
					 true);
			assert_null(strstr(shape.text, canary_word));
			assert_null(memmem(shape.table, shape.table_len, canary_word, 2));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_expected_shape),
		cmocka_unit_test(a_shape_is_the_shape_of_itself),
		cmocka_unit_test(a_cut_statement_has_the_beginning_of_the_shape),
		cmocka_unit_test(a_cut_shape_is_another_than_the_whole),
		cmocka_unit_test(counts_statements),
		cmocka_unit_test(finds_the_trace_in_a_comment),
		cmocka_unit_test(long_shapes_are_cut_in_text_but_not_in_hash),
		cmocka_unit_test(doubtful_strings_do_not_leak),
		cmocka_unit_test(obeys_the_session_about_backslashes),
		cmocka_unit_test(literals_never_survive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
