// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's own parser as the judge (libpg_query: PostgreSQL 15's, as a library; tests only).
 *
 * Random statements are written twice: the same structure with other literals, lists of other lengths,
 * other spaces, comments and case. PostgreSQL's parser says which of them are statements at all, which
 * have the same tree (its fingerprint) and what is a literal in them (its normaliser). Then
 *
 *	same fingerprint	our hashes are equal
 *	other fingerprint	our hashes differ
 *	its $1, $2 for literals	our shape of that text is our shape of the statement
 */
#include "protocol/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include <pg_query.h>

enum { ROUNDS = 5000, TEXT_MAX = 8192 };

/* The structure follows from one sequence of random numbers, the data and the taste from the other. */
struct writer {
	unsigned structure, data;
	char *at, *end;
};

static unsigned pick(unsigned *seed, unsigned count)
{
	return (unsigned)rand_r(seed) / 7 % count;
}

static void say(struct writer *writer, const char *text)
{
	int written = snprintf(writer->at, (size_t)(writer->end - writer->at), "%s", text);

	writer->at += written;
	assert_true(writer->at < writer->end);
}

static void gap(struct writer *writer)
{
	static const char *const gaps[] = {
		" ", " ", " ", "  ", "\n", "\t ", " /* it's a 'gap' */ ", " -- \"$1\n"};

	say(writer, gaps[pick(&writer->data, 8)]);
}

static void word(struct writer *writer, const char *text)
{
	char copy[64];
	size_t len = strlen(text);

	for (size_t i = 0; i <= len; i++)
		copy[i] = text[i] >= 'a' && text[i] <= 'z' && !pick(&writer->data, 4)
				  ? (char)(text[i] - 32)
				  : text[i];
	gap(writer);
	say(writer, copy);
	gap(writer);
}

static void name(struct writer *writer)
{
	static const char *const names[] = {
		"a",   "b1",   "\"Wide name\"", "\"q\"\"q\"",        "c$d",   "_e",
		"t.f", "t.g2", "\"it's\"",      "\xc3\xa9t\xc3\xa9", "s.t.h", "value"};

	say(writer, names[pick(&writer->structure, 12)]);
}

static void table(struct writer *writer)
{
	static const char *const names[] = {"t", "s.t", "\"T\"", "users", "public.\"Order\""};

	say(writer, names[pick(&writer->structure, 5)]);
}

static void literal(struct writer *writer)
{
	static const char *const literals[] = {"1",
					       "-1",
					       "3.14",
					       ".5",
					       "1e10",
					       "2.5E-3",
					       "'x'",
					       "''",
					       "'it''s'",
					       "'a\\'",
					       "E'a\\'b'",
					       "E'\\\\'",
					       "$$a'b$$",
					       "$t$ $$ $t$",
					       "B'01'",
					       "x'1F'",
					       "'-- no comment'",
					       "'/* nor this'",
					       "'\"'",
					       "'a;b'",
					       "12345678901234567890",
					       "U&'\\0041'"};

	say(writer, literals[pick(&writer->data, 22)]);
}

static void list(struct writer *writer)
{
	for (unsigned i = 0, count = 1 + pick(&writer->data, 5); i < count; i++) {
		say(writer, i ? "," : "");
		literal(writer);
	}
}

static void expression(struct writer *writer, unsigned depth);

static void condition(struct writer *writer, unsigned depth)
{
	static const char *const operators[] = {" =", " <>", ">=",  " < ", " LIKE ",
						"~",  "@>",  "->>", "||"};

	switch (pick(&writer->structure, depth > 2 ? 4 : 6)) {
	case 0:
		name(writer);
		say(writer, operators[pick(&writer->structure, 9)]);
		gap(writer);
		literal(writer);
		break;
	case 1:
		name(writer);
		word(writer, "in");
		say(writer, "(");
		list(writer);
		say(writer, ")");
		break;
	case 2:
		name(writer);
		word(writer, "is not null");
		break;
	case 3:
		name(writer);
		word(writer, "between");
		literal(writer);
		word(writer, "and");
		literal(writer);
		break;
	case 4:
		say(writer, "(");
		condition(writer, depth + 1);
		word(writer, pick(&writer->structure, 2) ? "and" : "or");
		condition(writer, depth + 1);
		say(writer, ")");
		break;
	case 5:
		expression(writer, depth + 1);
		say(writer, " = ");
		expression(writer, depth + 1);
		break;
	}
}

static void expression(struct writer *writer, unsigned depth)
{
	switch (pick(&writer->structure, depth > 2 ? 3 : 8)) {
	case 0: name(writer); break;
	case 1: literal(writer); break;
	case 2:
		literal(writer);
		say(writer, "::text");
		break;
	case 3:
		say(writer, "f(");
		expression(writer, depth + 1);
		say(writer, " , ");
		expression(writer, depth + 1);
		say(writer, ")");
		break;
	case 4:
		name(writer);
		say(writer, " - ");
		expression(writer, depth + 1);
		break;
	case 5:
		word(writer, "case when");
		condition(writer, depth + 1);
		word(writer, "then");
		expression(writer, depth + 1);
		word(writer, "end");
		break;
	case 6:
		say(writer, "(SELECT max(");
		name(writer);
		say(writer, ")");
		word(writer, "from");
		table(writer);
		say(writer, ")");
		break;
	case 7:
		word(writer, "array");
		say(writer, "[");
		list(writer);
		say(writer, "]");
		break;
	}
}

static void insert(struct writer *writer)
{
	unsigned columns = 1 + pick(&writer->structure, 3);

	word(writer, "insert into");
	table(writer);
	word(writer, "values");
	for (unsigned row = 0, rows = 1 + pick(&writer->data, 4); row < rows; row++) {
		say(writer, row ? ", (" : "(");
		for (unsigned column = 0; column < columns; column++) {
			say(writer, column ? "," : "");
			literal(writer);
		}
		say(writer, ")");
	}
}

static void update(struct writer *writer)
{
	word(writer, "update");
	table(writer);
	word(writer, "set");
	say(writer, "a");
	say(writer, "=");
	expression(writer, 1);
	word(writer, "where");
	condition(writer, 0);
}

static void select_statement(struct writer *writer)
{
	if (!pick(&writer->structure, 4))
		say(writer, "WITH c(x) AS (SELECT 1) ");
	word(writer, "select");
	for (unsigned i = 0, count = 1 + pick(&writer->structure, 4); i < count; i++) {
		say(writer, i ? " , " : "");
		expression(writer, 0);
	}
	word(writer, "from");
	table(writer);
	if (pick(&writer->structure, 2)) {
		word(writer, "where");
		condition(writer, 0);
	}
	if (!pick(&writer->structure, 4)) {
		word(writer, "order by");
		name(writer);
		word(writer, "limit");
		say(writer, pick(&writer->data, 2) ? "10" : "200");
	}
	say(writer, pick(&writer->data, 2) ? ";" : "");
}

static void statement(unsigned structure, unsigned data, char *to)
{
	struct writer writer = {structure, data, to, to + TEXT_MAX};

	switch (pick(&writer.structure, 5)) {
	case 0: insert(&writer); break;
	case 1: update(&writer); break;
	case 2:
		word(&writer, "delete from");
		table(&writer);
		word(&writer, "where");
		condition(&writer, 0);
		break;
	default: select_statement(&writer); break;
	}
}

static struct sql_shape shape_of(const char *text)
{
	struct sql_shape shape;

	sql_shape(span_of(text), (struct sql_how){.dialect = SQL_POSTGRES}, &shape);
	return shape;
}

/* False: not a statement. */
static bool fingerprint(const char *text, uint64_t *ret_fingerprint)
{
	PgQueryFingerprintResult result = pg_query_fingerprint(text);
	bool is_statement = !result.error;

	*ret_fingerprint = result.fingerprint;
	pg_query_free_fingerprint_result(result);
	return is_statement;
}

static unsigned seed_of_run(void)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	return seed;
}

static void equal_trees_have_equal_shapes(void **state)
{
	unsigned seed = seed_of_run(), valid = 0;
	static char a[TEXT_MAX], b[TEXT_MAX];

	for (int round = 0; round < ROUNDS; round++) {
		unsigned structure = (unsigned)rand_r(&seed);
		uint64_t tree_a, tree_b;
		struct sql_shape shape_a, shape_b;

		statement(structure, (unsigned)rand_r(&seed), a);
		statement(structure, (unsigned)rand_r(&seed), b);
		if (!fingerprint(a, &tree_a) || !fingerprint(b, &tree_b) || tree_a != tree_b)
			continue;
		valid++;
		shape_a = shape_of(a);
		shape_b = shape_of(b);
		if (shape_a.hash != shape_b.hash)
			fail_msg("%s\n%s\n%s\n%s", a, b, shape_a.text, shape_b.text);
	}
	print_message("%u of %u pairs were statements with one tree\n", valid, ROUNDS);
	assert_true(valid > ROUNDS / 2);
}

static void other_trees_have_other_shapes(void **state)
{
	unsigned seed = seed_of_run(), valid = 0;
	static char a[TEXT_MAX], b[TEXT_MAX];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t tree_a, tree_b;
		struct sql_shape shape_a, shape_b;

		statement((unsigned)rand_r(&seed), 1, a);
		statement((unsigned)rand_r(&seed), 1, b);
		if (!fingerprint(a, &tree_a) || !fingerprint(b, &tree_b) || tree_a == tree_b)
			continue;
		valid++;
		shape_a = shape_of(a);
		shape_b = shape_of(b);
		if (shape_a.hash == shape_b.hash)
			fail_msg("%s\n%s\n%s\n%s", a, b, shape_a.text, shape_b.text);
	}
	print_message("%u of %u pairs were statements with two trees\n", valid, ROUNDS);
	assert_true(valid > ROUNDS / 2);
}

static void literals_are_what_the_server_takes_for_literals(void **state)
{
	unsigned seed = seed_of_run(), valid = 0;
	static char text[TEXT_MAX];

	for (int round = 0; round < ROUNDS; round++) {
		PgQueryNormalizeResult normal;
		struct sql_shape ours, theirs;

		statement((unsigned)rand_r(&seed), (unsigned)rand_r(&seed), text);
		normal = pg_query_normalize(text);
		if (!normal.error) {
			valid++;
			ours = shape_of(text);
			theirs = shape_of(normal.normalized_query);
			if (strcmp(ours.text, theirs.text))
				fail_msg("%s\n%s\n%s\n%s", text, normal.normalized_query, ours.text,
					 theirs.text);
		}
		pg_query_free_normalize_result(normal);
	}
	print_message("%u of %u were statements\n", valid, ROUNDS);
	assert_true(valid > ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_trees_have_equal_shapes),
		cmocka_unit_test(other_trees_have_other_shapes),
		cmocka_unit_test(literals_are_what_the_server_takes_for_literals),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	pg_query_exit();
	return failed;
}
