// SPDX-License-Identifier: GPL-2.0-only
/*
 * From bytes to summaries: a thousand statements that differ in their data, a thousand paths that differ in
 * their ids, are one row of a thousand each; and none of that data is in the row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocol/conversation.h"
#include "protocol/route.h"
#include "protocol/shapes.h"
#include "record/aggregate.h"

#include <stdio.h>

enum { STATEMENTS = 1000 };

static struct row {
	char operation[32], resource[300], target[1100];
	uint64_t count, errors;
} rows[64];
static size_t rows_len;

static void copy(char *to, size_t room, struct span from)
{
	snprintf(to, room, "%.*s", (int)from.len, from.len ? (const char *)from.at : "");
}

static void keep(void *ctx, const struct summary *summary)
{
	struct row *row = &rows[rows_len++];

	assert_true(rows_len < sizeof(rows) / sizeof(*rows));
	copy(row->operation, sizeof(row->operation), summary->operation);
	copy(row->resource, sizeof(row->resource), summary->resource);
	copy(row->target, sizeof(row->target), summary->target);
	row->count = summary->count;
	row->errors = summary->errors;
}

struct talk {
	struct conversation conversation;
	struct shapes shapes;
	struct aggregate *aggregate;
	uint64_t position[2], ns;
};

static void talk_init(struct talk *talk)
{
	*talk = (struct talk){.aggregate = aggregate_new(NULL, NULL, NULL)};
	conversation_init(&talk->conversation, false, SIDE_UNKNOWN, true);
	for (unsigned i = 0; i < 2; i++)
		conversation_begin(&talk->conversation, i, 0);
	assert_true(shapes_init(&talk->shapes, 64));
	assert_non_null(talk->aggregate);
}

static void talk_done(struct talk *talk)
{
	const struct aggregate_receiver receiver = {.row = keep};

	rows_len = 0;
	aggregate_close(talk->aggregate, &receiver);
	aggregate_free(talk->aggregate);
	shapes_done(&talk->shapes);
	conversation_done(&talk->conversation);
}

static void count(struct talk *talk, struct exchange *exchange)
{
	struct message *request = &exchange->request;
	char route[ROUTE_MAX];

	shapes_resolve(&talk->shapes, request);
	if (request->target_mask == TARGET_URL) {
		size_t len = route_of_path(request->resource, route, sizeof(route));

		request->resource = (struct span){(const uint8_t *)route, len};
	}
	aggregate_add(talk->aggregate,
		      &(struct finished){
			      .protocol = span_of("any"),
			      .operation = request->operation,
			      .resource = request->resource,
			      .shape = request->shape,
			      .target = request->target,
			      .status = exchange->response.status,
			      .is_error = exchange->response.is_error,
			      .duration_ns = exchange->answered.last - exchange->asked.first,
		      });
}

static void say(struct talk *talk, unsigned direction, const void *bytes, size_t len)
{
	struct exchange exchange;

	assert_int_equal(conversation_put(&talk->conversation, direction, talk->position[direction],
					  (struct span){bytes, len}, len, ++talk->ns),
			 0);
	talk->position[direction] += len;
	while (conversation_take(&talk->conversation, &exchange))
		count(talk, &exchange);
}

/* One statement, written by four hands, with other data each time. */
static int write_statement(char *to, size_t room, unsigned n)
{
	static const char *const styles[] = {
		"select name from users where id = %u and mail = 'user%u@secret.example'",
		"SELECT name FROM users WHERE id=%u AND mail='%u'",
		"Select name\n\tFrom users\n\tWhere id = -%u -- %u\n\tAnd mail = 'o''brien'",
		"select /* %u */ name from users where id = %u and mail = ''",
	};

	return snprintf(to, room, styles[n % 4], n, n * 7919);
}

static void say_pgsql(struct talk *talk, unsigned n)
{
	char message[300] = "Q\0\0\0";
	int len = write_statement(message + 5, sizeof(message) - 5, n) + 1;

	message[3] = (char)((len + 4) >> 8);
	message[4] = (char)(len + 4);
	say(talk, 0, message, (size_t)len + 5);
	say(talk, 1, "T\0\0\0\6\0\0C\0\0\0\15SELECT 1\0Z\0\0\0\5I", 7 + 14 + 6);
}

static void say_mysql(struct talk *talk, unsigned n)
{
	char packet[300] = "\0\0\0\0\3";
	int len = write_statement(packet + 5, sizeof(packet) - 5, n) + 1;

	packet[0] = (char)len;
	packet[1] = (char)(len >> 8);
	say(talk, 0, packet, (size_t)len + 4);
	say(talk, 1, "\7\0\0\1\0\0\0\2\0\0\0", 11);
}

static void say_http(struct talk *talk, unsigned n)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	char text[300];
	int len = snprintf(text, sizeof(text),
			   "GET /users/%u/orders/550e8400-e29b-41d4-a716-%012u?q=%u HTTP/1.1\r\n"
			   "Host: shop.example\r\n\r\n",
			   n, n, n);

	say(talk, 0, text, (size_t)len);
	say(talk, 1, ok, sizeof(ok) - 1);
}

static void check_one_row(void (*say_one)(struct talk *, unsigned), const char *operation,
			  const char *resource, const char *target)
{
	struct talk talk;

	talk_init(&talk);
	for (unsigned n = 1; n <= STATEMENTS; n++)
		say_one(&talk, n);
	talk_done(&talk);
	assert_int_equal(rows_len, 1);
	assert_int_equal(rows[0].count, STATEMENTS);
	assert_int_equal(rows[0].errors, 0);
	assert_string_equal(rows[0].operation, operation);
	assert_string_equal(rows[0].resource, resource);
	assert_string_equal(rows[0].target, target);
}

static void a_thousand_statements_are_one_row(void **state)
{
	static const char shape[] = "SELECT name FROM users WHERE id = ? AND mail = ?";

	check_one_row(say_pgsql, "SELECT", "users", shape);
	check_one_row(say_mysql, "SELECT", "users", shape);
}

static void a_thousand_paths_are_one_row(void **state)
{
	check_one_row(say_http, "GET", "/users/:id/orders/:uuid", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_statements_are_one_row),
		cmocka_unit_test(a_thousand_paths_are_one_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
