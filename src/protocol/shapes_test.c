// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "protocol/shapes.h"
#include "protocol/sql.h"

static struct message prepared(const char *operation, const char *text, struct sql_shape *shape)
{
	sql_shape(span_of(text), (struct sql_how){.dialect = SQL_MYSQL}, shape);
	return (struct message){.shape = shape->hash,
				.operation = span_of(operation),
				.resource = sql_table(shape),
				.target = sql_text(shape)};
}

static void an_execution_gets_the_text_that_was_prepared(void **state)
{
	struct sql_shape shape;
	struct shapes shapes;
	struct message prepare = prepared("PREPARE", "update `t` set a = 1", &shape);
	struct message execute = {.shape = shape.hash}, fetch = {.shape = shape.hash};

	assert_true(shapes_init(&shapes, 4));
	assert_true(shapes_resolve(&shapes, &prepare));
	memset(&shape, 'x', sizeof(shape)); /* the parser goes on: nothing points there */
	assert_true(shapes_resolve(&shapes, &execute));
	assert_true(span_is(execute.operation, "UPDATE"));
	assert_true(span_is(execute.resource, "t"));
	assert_true(span_is(execute.target, "UPDATE `t` SET a = ?"));
	fetch.operation = span_of("FETCH");
	assert_true(shapes_resolve(&shapes, &fetch));
	assert_true(span_is(fetch.operation, "FETCH"));
	shapes_done(&shapes);
}

static void an_unknown_statement_has_an_opaque_name(void **state)
{
	struct message execute = {.shape = 0xabc};
	struct shapes shapes;

	assert_true(shapes_init(&shapes, 4));
	assert_false(shapes_resolve(&shapes, &execute));
	assert_true(span_is(execute.target, "stmt:0000000000000abc"));
	assert_true(span_is(execute.operation, "EXECUTE"));
	assert_int_equal(shapes.unknown, 1);
	shapes_done(&shapes);
}

static void what_is_in_use_stays_when_the_table_is_full(void **state)
{
	struct sql_shape shape, kept;
	struct shapes shapes;
	struct message message = prepared("SELECT", "select kept from t", &kept);

	assert_true(shapes_init(&shapes, 16));
	shapes_resolve(&shapes, &message);
	for (int i = 0; i < 1000; i++) {
		char text[64];

		snprintf(text, sizeof(text), "select column_%d from t", i);
		message = prepared("SELECT", text, &shape);
		shapes_resolve(&shapes, &message);
		message = (struct message){.shape = kept.hash};
		assert_true(shapes_resolve(&shapes, &message));
		assert_true(span_is(message.target, "SELECT kept FROM t"));
	}
	assert_int_equal(shapes.len, 16);
	assert_int_equal(shapes.forgotten, 1001 - 16);
	assert_int_equal(shapes.places.refused, 0);
	assert_true(shapes_bytes(&shapes) < 16 * 256);
	shapes_done(&shapes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_execution_gets_the_text_that_was_prepared),
		cmocka_unit_test(an_unknown_statement_has_an_opaque_name),
		cmocka_unit_test(what_is_in_use_stays_when_the_table_is_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
