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
	[PUT_TABLE] = "insert or replace into tables (name, facts) values (?, ?)",
	[TABLES] = "select facts from tables order by name",
	[PUT_SEGMENT] = "insert or replace into segments (number, facts) values (?, ?)",
	[DROP_SEGMENT] = "delete from segments where number = ?",
	[DROP_SEGMENTS] = "delete from segments",
	[SEGMENTS] = "select facts from segments order by number",
	[COUNT_NOTES] = "select count(*) from notes where kind = ?",
	[PUT_NOTE] = "insert or replace into notes (kind, name, facts) values (?, ?, ?)",
	[DROP_NOTE] = "delete from notes where kind = ? and name = ?",
	[NOTE] = "select facts from notes where kind = ? and name = ?",
	[NOTES] = "select facts, name from notes where kind = ? order by name",
};

static const char schema[] =
	"create table if not exists tables (name text primary key, facts blob not null);"
	"create table if not exists segments (number integer primary key, facts blob not null);"
	"create table if not exists notes (kind text not null, name blob not null,"
	" facts blob not null, primary key (kind, name)) without rowid;"
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

/* Bytes with their check sum in front. */
static int bind_facts(sqlite3_stmt *statement, int at, const struct buf *facts)
{
	uint32_t sum = crc32c(0, buf_text(facts), facts->len);
	struct buf sealed;

	buf_init(&sealed, facts->len + sizeof(sum));
	buf_half(&sealed, sum);
	buf_span(&sealed, buf_as_span(facts));
	if (!sealed.full && !facts->full)
		sqlite3_bind_blob64(statement, at, sealed.at, sealed.len, SQLITE_TRANSIENT);
	buf_done(&sealed);
	return sealed.full || facts->full ? -ENOMEM : 0;
}

static bool read_facts(sqlite3_stmt *statement, int at, struct reader *ret_facts)
{
	uint32_t sum;

	*ret_facts = reader_of(column_span(statement, at));
	sum = get_u32(ret_facts);
	return !ret_facts->bad && crc32c(0, ret_facts->at, reader_left(ret_facts)) == sum;
}

int catalogue_put_table(struct catalogue *catalogue, const struct store_table *table,
			uint64_t next_row)
{
	sqlite3_stmt *statement = fresh(catalogue, PUT_TABLE);
	struct buf facts;
	int error;

	buf_init(&facts, TABLE_BYTES_MAX);
	buf_varint(&facts, next_row);
	store_table_write(table, &facts);
	sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
	error = bind_facts(statement, 2, &facts);
	if (!error)
		error = finish(statement);
	buf_done(&facts);
	return error;
}

int catalogue_tables(struct catalogue *catalogue,
		     int (*each)(void *ctx, const struct store_table *table, uint64_t next_row),
		     void *ctx)
{
	sqlite3_stmt *statement = fresh(catalogue, TABLES);
	struct store_table table;
	struct reader facts;
	int code, error = 0;

	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		uint64_t next_row;

		if (!read_facts(statement, 0, &facts))
			continue;
		next_row = get_varint(&facts);
		if (!store_table_read(&table, &facts))
			error = each(ctx, &table, next_row);
	}
	if (!error)
		error = errno_of(code);
	sqlite3_reset(statement);
	return error;
}

static void write_listed(struct buf *facts, const struct listed *segment)
{
	buf_varint(facts, segment->number);
	buf_text_span(facts, span_of(segment->table));
	buf_varint(facts, segment->kind);
	buf_varint(facts, segment->first_row);
	buf_varint(facts, segment->next_row);
	buf_varint(facts, segment->rows);
	buf_varint(facts, segment->bytes);
	buf_varint(facts, zigzag(segment->time_min));
	buf_varint(facts, zigzag(segment->time_max));
	buf_varint(facts, zigzag(segment->seen_ns));
	buf_varint(facts, segment->replaced);
}

static bool read_listed(struct reader *facts, struct listed *segment)
{
	struct span table;

	segment->number = get_varint(facts);
	table = get_text(facts);
	segment->kind = (uint32_t)get_varint(facts);
	segment->first_row = get_varint(facts);
	segment->next_row = get_varint(facts);
	segment->rows = get_varint(facts);
	segment->bytes = get_varint(facts);
	segment->time_min = unzigzag(get_varint(facts));
	segment->time_max = unzigzag(get_varint(facts));
	segment->seen_ns = unzigzag(get_varint(facts));
	segment->replaced = get_varint(facts) != 0;
	if (facts->bad || table.len >= STORE_NAME_BYTES)
		return false;
	memset(segment->table, 0, sizeof(segment->table));
	memcpy(segment->table, table.at, table.len);
	return true;
}

int catalogue_put_segment(struct catalogue *catalogue, const struct listed *segment)
{
	sqlite3_stmt *statement = fresh(catalogue, PUT_SEGMENT);
	struct buf facts;
	int error;

	buf_init(&facts, 1024);
	write_listed(&facts, segment);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)segment->number);
	error = bind_facts(statement, 2, &facts);
	if (!error)
		error = finish(statement);
	buf_done(&facts);
	return error;
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
	struct listed listed;
	struct reader facts;
	int code, error = 0;

	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW)
		if (read_facts(statement, 0, &facts) && read_listed(&facts, &listed))
			error = each(ctx, &listed);
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
	struct buf facts;
	bool is_new;
	int error = 0;

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
	buf_init(&facts, NOTE_BYTES_MAX + VARINT_BYTES_MAX);
	buf_varint(&facts, zigzag(now_ns));
	buf_span(&facts, value);
	error = bind_facts(statement, 3, &facts);
	if (!error)
		error = finish(statement);
	buf_done(&facts);
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

/* What follows the time of its change. */
static bool read_note(sqlite3_stmt *statement, struct span *ret_value, int64_t *ret_changed_ns)
{
	struct reader facts;

	if (!read_facts(statement, 0, &facts))
		return false;
	*ret_changed_ns = unzigzag(get_varint(&facts));
	*ret_value = get_bytes(&facts, reader_left(&facts));
	return !facts.bad;
}

int catalogue_note(struct catalogue *catalogue, const char *kind, struct span key,
		   struct buf *ret_value)
{
	int code = step_to_note(catalogue, kind, key), error;
	struct span value;
	int64_t changed;

	if (code == SQLITE_ROW)
		error = read_note(catalogue->statement[NOTE], &value, &changed)
				? buf_span(ret_value, value)
				: -EBADMSG;
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
	struct span value;
	int64_t changed;
	int code, error = 0;

	sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW)
		if (read_note(statement, &value, &changed))
			error = each(ctx, column_span(statement, 1), value, changed);
	if (!error)
		error = errno_of(code);
	sqlite3_reset(statement);
	return error;
}
