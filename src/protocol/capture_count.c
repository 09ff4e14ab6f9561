// SPDX-License-Identifier: GPL-2.0-only
/*
 * capture_count - what was said in captures, counted. A tool of the tests (tests/sql_counts.py).
 *
 *	capture_count PROTOCOL FILE...		(as tests/record_captures.py writes them, of any size)
 *	capture_count --shape PROTOCOL		statements on standard input, separated by 0
 *
 * Prints a line for each operation and target: requests, answers, errors, rows, operation, target,
 * separated by tabs; or a line for each statement, its shape. Requests and answers are paired by id.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "protocol/protocols.h"
#include "protocol/shapes.h"
#include "protocol/sql.h"

struct kind {
	uint64_t requests, answers, errors, rows;
	char name[1200]; /* operation, tab, target */
};

struct counts {
	struct map kinds; /* hash of the name -> struct kind */
	struct map open; /* id -> hash of the name */
	struct shapes shapes;
	uint64_t bad, unpaired;
};

static void note_request(struct counts *counts, struct message *message)
{
	char name[1200];
	uint64_t hash;
	struct kind *kind;
	uint64_t *open;

	shapes_resolve(&counts->shapes, message);
	snprintf(name, sizeof(name), "%.*s\t%.*s", (int)message->operation.len,
		 message->operation.at, (int)message->target.len, message->target.at);
	hash = hash_bytes(name, strlen(name), 0);
	kind = map_put(&counts->kinds, &hash, NULL);
	if (!kind)
		exit(1);
	memcpy(kind->name, name, sizeof(name));
	kind->requests++;
	if (message->answer == ANSWER_NONE)
		return;
	open = map_put(&counts->open, &message->id, NULL);
	if (open)
		*open = hash;
}

static void note_response(struct counts *counts, const struct message *message)
{
	uint64_t *open = message->is_unasked ? NULL : map_get(&counts->open, &message->id);
	struct kind *kind = open ? map_get(&counts->kinds, open) : NULL;

	if (!kind) {
		counts->unpaired++;
		return;
	}
	kind->answers++;
	kind->errors += message->is_error;
	kind->rows += message->items;
	map_del(&counts->open, &message->id);
}

static void feed(struct counts *counts, const struct protocol *protocol, void *state,
		 enum side from, struct buf *bytes)
{
	size_t at = 0;

	for (;;) {
		struct message message;
		const char *why;
		size_t used;
		enum cut cut = protocol->cut(state, from, span_from(buf_as_span(bytes), at),
					     &message, &used, &why);

		at += used;
		counts->bad += cut == CUT_BAD;
		if (cut != CUT_MESSAGE)
			break;
		if (message.kind == MESSAGE_REQUEST)
			note_request(counts, &message);
		else if (message.kind == MESSAGE_RESPONSE)
			note_response(counts, &message);
	}
	buf_drop(bytes, at);
}

static bool count_file(struct counts *counts, const struct protocol *protocol, const char *path)
{
	FILE *file = fopen(path, "rb");
	void *state = calloc(1, protocol->state_size);
	struct buf bytes[2];
	uint8_t head[5];

	if (!file || !state)
		return false;
	buf_init(&bytes[0], 1 << 26);
	buf_init(&bytes[1], 1 << 26);
	map_init(&counts->open, sizeof(uint64_t), sizeof(uint64_t), 1 << 20);
	while (fread(head, 1, sizeof(head), file) == sizeof(head)) {
		enum side from = head[0] == '>' ? SIDE_CLIENT : SIDE_SERVER;
		size_t len = (size_t)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4];
		char *room = buf_reserve(&bytes[from], len);

		if (!room || fread(room, 1, len, file) != len)
			break;
		buf_commit(&bytes[from], len);
		feed(counts, protocol, state, from, &bytes[from]);
	}
	map_done(&counts->open);
	buf_done(&bytes[0]);
	buf_done(&bytes[1]);
	free(state);
	fclose(file);
	return true;
}

static int print_shapes(const char *protocol)
{
	bool is_mysql = !strcmp(protocol, "mysql");
	struct sql_how how = {.dialect = is_mysql ? SQL_MYSQL : SQL_POSTGRES};
	char *statement = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getdelim(&statement, &room, '\0', stdin)) >= 0) {
		struct sql_shape shape;

		sql_shape(span_of(statement), how, &shape);
		puts(shape.text);
	}
	free(statement);
	return 0;
}

int main(int argc, char **argv)
{
	const struct protocol *protocol = argc > 2 ? protocol_named(argv[1], false) : NULL;
	struct counts counts = {};
	const void *key;
	void *value;
	size_t i = 0;

	if (argc == 3 && !strcmp(argv[1], "--shape"))
		return print_shapes(argv[2]);
	if (!protocol || !shapes_init(&counts.shapes, 4096)) {
		fprintf(stderr, "usage: capture_count PROTOCOL FILE...\n");
		return 2;
	}
	map_init(&counts.kinds, sizeof(uint64_t), sizeof(struct kind), 1 << 16);
	for (int arg = 2; arg < argc; arg++)
		if (!count_file(&counts, protocol, argv[arg])) {
			fprintf(stderr, "cannot read '%s'\n", argv[arg]);
			return 1;
		}
	while (map_next(&counts.kinds, &i, &key, &value)) {
		const struct kind *kind = value;

		printf("%llu\t%llu\t%llu\t%llu\t%s\n", (unsigned long long)kind->requests,
		       (unsigned long long)kind->answers, (unsigned long long)kind->errors,
		       (unsigned long long)kind->rows, kind->name);
	}
	fprintf(stderr, "bad %llu, unpaired %llu, shapes forgotten %llu, unknown %llu\n",
		(unsigned long long)counts.bad, (unsigned long long)counts.unpaired,
		(unsigned long long)counts.shapes.forgotten,
		(unsigned long long)counts.shapes.unknown);
	map_done(&counts.kinds);
	shapes_done(&counts.shapes);
	return 0;
}
