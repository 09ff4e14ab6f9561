// SPDX-License-Identifier: GPL-2.0-only
/*
 * catalogue - what the store remembers beside its data: tables, the list of segments, notes
 * (SQLite).
 *
 * SQLite runs with a write-ahead log in exclusive mode (one process has the store; no shared memory
 * file is needed then) and syncs every commit: there is one per segment, not per row.
 */
#include "store/catalogue.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SCHEMA_VERSION = 1,
	TABLE_BYTES_MAX = 16384,
	KINDS_MAX = 16, /* of notes */
};

enum statement {
	PUT_TABLE,
	TABLES,
	PUT_SEGMENT,
	DROP_SEGMENT,
	DROP_SEGMENTS,
	SEGMENTS,
	COUNT_NOTES,
	PUT_NOTE,
	DROP_NOTE,
	NOTE,
	NOTES,
	STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
	[PUT_TABLE] = "insert or replace into tables (name, columns, next_row) values (?, ?, ?)",
	[TABLES] = "select name, columns, next_row from tables order by name",
	[PUT_SEGMENT] =
		"insert or replace into segments (number, tab, kind, first_row, next_row, rows, "
		"bytes, "
		"time_min, time_max, seen, replaced) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[DROP_SEGMENT] = "delete from segments where number = ?",
	[DROP_SEGMENTS] = "delete from segments",
	[SEGMENTS] = "select number, tab, kind, first_row, next_row, rows, bytes, time_min, "
		     "time_max, seen, "
		     "replaced from segments order by number",
	[COUNT_NOTES] = "select count(*) from notes where kind = ?",
	[PUT_NOTE] =
		"insert or replace into notes (kind, name, value, changed) values (?, ?, ?, ?)",
	[DROP_NOTE] = "delete from notes where kind = ? and name = ?",
	[NOTE] = "select value from notes where kind = ? and name = ?",
	[NOTES] = "select name, value, changed from notes where kind = ? order by name",
};

static const char schema[] =
	"create table if not exists tables (name text primary key, columns blob not null,"
	" next_row integer not null);"
	"create table if not exists segments (number integer primary key, tab text not null,"
	" kind integer not null, first_row integer not null, next_row integer not null,"
	" rows integer not null, bytes integer not null, time_min integer not null,"
	" time_max integer not null, seen integer not null, replaced integer not null);"
	"create table if not exists notes (kind text not null, name blob not null, value blob not "
	"null,"
	" changed integer not null, primary key (kind, name)) without rowid;"
	"pragma user_version = 1;";

/* How many notes of a kind there are: counted once, then kept. */
struct kind {
	char name[NOTE_KIND_BYTES];
	int64_t notes;
};

struct catalogue {
	sqlite3 *db;
	sqlite3_stmt *statement[STATEMENTS];
	struct kind kind[KINDS_MAX];
	unsigned kinds;
};

static int errno_of(int code)
{
	switch (code & 255) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return 0;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_CANTOPEN: return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return -EBADMSG;
	case SQLITE_TOOBIG: return -E2BIG;
	default: return -EIO;
	}
}

static int run(struct catalogue *catalogue, const char *text)
{
	return errno_of(sqlite3_exec(catalogue->db, text, NULL, NULL, NULL));
}

static int user_version(struct catalogue *catalogue, int *ret_version)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(catalogue->db, "pragma user_version", -1, &statement, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
		*ret_version = sqlite3_column_int(statement, 0);
	}
	sqlite3_finalize(statement);
	return errno_of(code);
}

/* "ok" is one row that says so; anything else is a description of the damage. */
static int check(struct catalogue *catalogue)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(catalogue->db, "pragma quick_check(1)", -1, &statement, NULL);
	int error;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	error = errno_of(code);
	if (!error && (code != SQLITE_ROW ||
		       strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0))
		error = -EBADMSG;
	sqlite3_finalize(statement);
	return error;
}

static int prepare(struct catalogue *catalogue)
{
	for (int i = 0; i < STATEMENTS; i++) {
		int code = sqlite3_prepare_v3(catalogue->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					      &catalogue->statement[i], NULL);

		if (code != SQLITE_OK)
			return errno_of(code) == -EIO
				       ? -EBADMSG
				       : errno_of(code); /* SQLITE_ERROR: other columns */
	}
	return 0;
}

static int open_once(const char *path, const char *vfs, struct catalogue *catalogue,
		     struct err *why)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, version = 0;
	int error = errno_of(sqlite3_open_v2(path, &catalogue->db, flags, vfs));

	if (!error)
		error = run(catalogue,
			    "pragma locking_mode = exclusive; pragma journal_mode = wal;"
			    "pragma synchronous = full; pragma cache_size = -512;"
			    "pragma temp_store = memory; pragma trusted_schema = off;"
			    "pragma wal_autocheckpoint = 64; pragma journal_size_limit = 262144");
	if (!error)
		error = check(catalogue);
	if (!error)
		error = user_version(catalogue, &version);
	if (!error && version > SCHEMA_VERSION)
		return err_set(why, -EPROTO, "catalogue '%s' was written by a newer version", path);
	if (!error)
		error = run(catalogue, schema);
	if (!error)
		error = prepare(catalogue);
	if (error)
		err_set(why, error, "cannot open catalogue '%s': %s", path,
			catalogue->db ? sqlite3_errmsg(catalogue->db) : err_name(error));
	return error;
}

static void close_once(struct catalogue *catalogue)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(catalogue->statement[i]);
		catalogue->statement[i] = NULL;
	}
	sqlite3_close(catalogue->db);
	catalogue->db = NULL;
}

/* The database and what SQLite keeps beside it, out of the way: the log of a damaged one must not
 * be replayed into the new one. */
static void set_aside(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-journal"};

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		char from[4200], to[4210];

		snprintf(from, sizeof(from), "%s%s", path, endings[i]);
		snprintf(to, sizeof(to), "%s.bad", from);
		if (rename(from, to))
			unlink(from);
	}
}

int catalogue_open(const char *path, const char *vfs, bool memory, struct catalogue **ret_catalogue,
		   bool *ret_renewed, struct err *why)
{
	struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
	int error;

	if (!catalogue)
		return err_set(why, -ENOMEM, "no memory for the catalogue");
	*ret_renewed = false;
	error = open_once(memory ? ":memory:" : path, memory ? NULL : vfs, catalogue, why);
	if (error == -EBADMSG && !memory) {
		close_once(catalogue);
		set_aside(path);
		*ret_renewed = true;
		error = open_once(path, vfs, catalogue, why);
	}
	if (error) {
		close_once(catalogue);
		free(catalogue);
		return error;
	}
	*ret_catalogue = catalogue;
	return 0;
}

void catalogue_close(struct catalogue *catalogue)
{
	if (!catalogue)
		return;
	close_once(catalogue);
	free(catalogue);
}

int catalogue_begin(struct catalogue *catalogue)
{
	return run(catalogue, "begin immediate");
}

int catalogue_end(struct catalogue *catalogue, bool keep)
{
	int error = run(catalogue, keep ? "commit" : "rollback");

	if (error && keep)
		run(catalogue, "rollback");
	return error;
}

static sqlite3_stmt *fresh(struct catalogue *catalogue, enum statement which)
{
	sqlite3_reset(catalogue->statement[which]);
	return catalogue->statement[which];
}

/* Runs a statement that gives no rows. */
static int finish(sqlite3_stmt *statement)
{
	int error = errno_of(sqlite3_step(statement));

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return error;
}

/* A NULL pointer would be bound as NULL: empty is not absent. */
static void bind_span(sqlite3_stmt *statement, int at, struct span span)
{
	sqlite3_bind_blob64(statement, at, span.len ? (const void *)span.at : "", span.len,
			    SQLITE_STATIC);
}

static struct span column_span(sqlite3_stmt *statement, int at)
{
	const void *bytes = sqlite3_column_blob(statement, at);

	return (struct span){bytes, (size_t)sqlite3_column_bytes(statement, at)};
}

int catalogue_put_table(struct catalogue *catalogue, const struct store_table *table,
			uint64_t next_row)
{
	sqlite3_stmt *statement = fresh(catalogue, PUT_TABLE);
	struct buf columns;
	int error;

	buf_init(&columns, TABLE_BYTES_MAX);
	store_table_write(table, &columns);
	sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
	bind_span(statement, 2, buf_as_span(&columns));
	sqlite3_bind_int64(statement, 3, (sqlite3_int64)next_row);
	error = columns.full ? -ENOMEM : finish(statement);
	buf_done(&columns);
	return error;
}

int catalogue_tables(struct catalogue *catalogue,
		     int (*each)(void *ctx, const struct store_table *table, uint64_t next_row),
		     void *ctx)
{
	sqlite3_stmt *statement = fresh(catalogue, TABLES);
	struct store_table table;
	int code, error = 0;

	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct reader columns = reader_of(column_span(statement, 1));

		if (!store_table_read(&table, &columns))
			error = each(ctx, &table, (uint64_t)sqlite3_column_int64(statement, 2));
	}
	if (!error)
		error = errno_of(code);
	sqlite3_reset(statement);
	return error;
}

int catalogue_put_segment(struct catalogue *catalogue, const struct listed *segment)
{
	sqlite3_stmt *statement = fresh(catalogue, PUT_SEGMENT);

	sqlite3_bind_int64(statement, 1, (sqlite3_int64)segment->number);
	sqlite3_bind_text(statement, 2, segment->table, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 3, (int)segment->kind);
	sqlite3_bind_int64(statement, 4, (sqlite3_int64)segment->first_row);
	sqlite3_bind_int64(statement, 5, (sqlite3_int64)segment->next_row);
	sqlite3_bind_int64(statement, 6, (sqlite3_int64)segment->rows);
	sqlite3_bind_int64(statement, 7, (sqlite3_int64)segment->bytes);
	sqlite3_bind_int64(statement, 8, segment->time_min);
	sqlite3_bind_int64(statement, 9, segment->time_max);
	sqlite3_bind_int64(statement, 10, segment->seen_ns);
	sqlite3_bind_int(statement, 11, segment->replaced);
	return finish(statement);
}

int catalogue_drop_segment(struct catalogue *catalogue, uint64_t number)
{
	sqlite3_stmt *statement = fresh(catalogue, DROP_SEGMENT);

	sqlite3_bind_int64(statement, 1, (sqlite3_int64)number);
	return finish(statement);
}

int catalogue_drop_segments(struct catalogue *catalogue)
{
	return finish(fresh(catalogue, DROP_SEGMENTS));
}

int catalogue_segments(struct catalogue *catalogue,
		       int (*each)(void *ctx, const struct listed *segment), void *ctx)
{
	sqlite3_stmt *statement = fresh(catalogue, SEGMENTS);
	int code, error = 0;

	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct listed listed = {
			.number = (uint64_t)sqlite3_column_int64(statement, 0),
			.kind = (uint32_t)sqlite3_column_int(statement, 2),
			.first_row = (uint64_t)sqlite3_column_int64(statement, 3),
			.next_row = (uint64_t)sqlite3_column_int64(statement, 4),
			.rows = (uint64_t)sqlite3_column_int64(statement, 5),
			.bytes = (uint64_t)sqlite3_column_int64(statement, 6),
			.time_min = sqlite3_column_int64(statement, 7),
			.time_max = sqlite3_column_int64(statement, 8),
			.seen_ns = sqlite3_column_int64(statement, 9),
			.replaced = sqlite3_column_int(statement, 10) != 0,
		};

		snprintf(listed.table, sizeof(listed.table), "%s",
			 (const char *)sqlite3_column_text(statement, 1));
		error = each(ctx, &listed);
	}
	if (!error)
		error = errno_of(code);
	sqlite3_reset(statement);
	return error;
}

/* The kind's entry, NULL (and *ret_error) when there are too many kinds or they can't be
 * counted. */
static struct kind *kind_of(struct catalogue *catalogue, const char *name, int *ret_error)
{
	struct kind *kind = catalogue->kind;
	sqlite3_stmt *statement;
	int code;

	for (; kind < catalogue->kind + catalogue->kinds; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	*ret_error = -ENOSPC;
	if (catalogue->kinds == KINDS_MAX || strlen(name) >= NOTE_KIND_BYTES)
		return NULL;
	statement = fresh(catalogue, COUNT_NOTES);
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	code = sqlite3_step(statement);
	*ret_error = errno_of(code);
	if (code == SQLITE_ROW) {
		snprintf(kind->name, sizeof(kind->name), "%s", name);
		kind->notes = sqlite3_column_int64(statement, 0);
		catalogue->kinds++;
	}
	sqlite3_reset(statement);
	return code == SQLITE_ROW ? kind : NULL;
}

static int step_to_note(struct catalogue *catalogue, const char *kind, struct span key)
{
	sqlite3_stmt *statement = fresh(catalogue, NOTE);

	sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
	bind_span(statement, 2, key);
	return sqlite3_step(statement);
}

int catalogue_put_note(struct catalogue *catalogue, const char *kind_name, struct span key,
		       struct span value, int64_t now_ns)
{
	sqlite3_stmt *statement;
	struct kind *kind;
	bool is_new;
	int error;

	if (key.len > NOTE_KEY_BYTES_MAX || value.len > NOTE_BYTES_MAX)
		return -ENOSPC;
	kind = kind_of(catalogue, kind_name, &error);
	if (!kind)
		return error;
	is_new = step_to_note(catalogue, kind_name, key) == SQLITE_DONE;
	fresh(catalogue, NOTE);
	if (is_new && kind->notes >= NOTES_MAX)
		return -ENOSPC;
	statement = fresh(catalogue, PUT_NOTE);
	sqlite3_bind_text(statement, 1, kind_name, -1, SQLITE_STATIC);
	bind_span(statement, 2, key);
	bind_span(statement, 3, value);
	sqlite3_bind_int64(statement, 4, now_ns);
	error = finish(statement);
	kind->notes += !error && is_new;
	return error;
}

int catalogue_drop_note(struct catalogue *catalogue, const char *kind, struct span key)
{
	sqlite3_stmt *statement = fresh(catalogue, DROP_NOTE);
	int error;

	sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
	bind_span(statement, 2, key);
	error = finish(statement);
	if (error || !sqlite3_changes(catalogue->db))
		return error ? error : -ENOENT;
	catalogue->kinds = 0; /* counted anew when needed */
	return 0;
}

int catalogue_note(struct catalogue *catalogue, const char *kind, struct span key,
		   struct buf *ret_value)
{
	int code = step_to_note(catalogue, kind, key), error;

	if (code == SQLITE_ROW)
		error = buf_span(ret_value, column_span(catalogue->statement[NOTE], 0));
	else
		error = code == SQLITE_DONE ? -ENOENT : errno_of(code);
	fresh(catalogue, NOTE);
	return error;
}

int catalogue_notes(struct catalogue *catalogue, const char *kind,
		    int (*each)(void *ctx, struct span key, struct span value, int64_t changed_ns),
		    void *ctx)
{
	sqlite3_stmt *statement = fresh(catalogue, NOTES);
	int code, error = 0;

	sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW)
		error = each(ctx, column_span(statement, 0), column_span(statement, 1),
			     sqlite3_column_int64(statement, 2));
	if (!error)
		error = errno_of(code);
	sqlite3_reset(statement);
	return error;
}
