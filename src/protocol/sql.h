/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sql - the shape of a statement: what is left of it when all data of users is taken out.
 *
 *	select * from "Users" where id in (7, 8) -- alice
 *	SELECT * FROM "Users" WHERE id IN (?)
 *
 * Literals and placeholders become ?, lists and rows of them become (?), comments go, keywords are
 * upper case, identifiers stay, and the spaces are always the same: statements that differ only in
 * their data or in the taste of their writer have one shape and one hash.
 */
#pragma once

#include "base/span.h"

enum sql_dialect {
	SQL_MYSQL, /* "..." is a string, \ escapes, # begins a comment, `...` is an identifier */
	SQL_POSTGRES, /* "..." is an identifier, \ escapes in E'...' only, $$...$$ is a string */
};

enum {
	SQL_TEXT_MAX = 1024, /* bytes of a shape; both servers' own digests are cut there too */
	SQL_TABLE_MAX = 128, /* schema.table: two names of 63 bytes */
};

/* What the session says about its strings, where that is not the dialect's default. */
enum sql_backslash {
	SQL_BACKSLASH_DEFAULT,
	SQL_BACKSLASH_ESCAPES, /* PostgreSQL: standard_conforming_strings = off */
	SQL_BACKSLASH_PLAIN, /* MySQL: sql_mode NO_BACKSLASH_ESCAPES */
};

struct sql_how {
	enum sql_dialect dialect;
	enum sql_backslash backslash;
	bool is_cut; /* the statement went on, but only its beginning is here */
};

struct sql_shape {
	uint64_t hash; /* of the whole shape, also of what text has no room for */
	const char *
		operation; /* its verb in upper case, static: SELECT, INSERT ...; NULL: none known */
	struct span
		traceparent; /* in a comment, as sqlcommenter writes it; points into the input */
	uint16_t statements; /* more than one where they are joined by ; */
	uint16_t text_len; /* bytes, the ending 0 not counted */
	uint16_t table_len; /* 0: it works on no table, or none was recognised */
	bool is_cut; /* the end of the statement is missing; text ends in " ..." */
	bool is_full; /* the shape goes on beyond text, which ends in " ..." */
	bool is_broken; /* quotes do not pair up: text ends before the first string, lest one leaks */
	char table[SQL_TABLE_MAX]; /* what it mainly works on, without quotes */
	char text[SQL_TEXT_MAX]; /* 0-ended */
};

/* One pass, no allocation, any bytes. */
void sql_shape(struct span statement, struct sql_how how, struct sql_shape *ret_shape);

/* What a server says about an error, what it quotes replaced by ?: the length of it. */
size_t sql_reason(struct span words, bool is_cut, char *to, size_t room);

static inline struct span sql_text(const struct sql_shape *shape)
{
	return (struct span){(const uint8_t *)shape->text, shape->text_len};
}

static inline struct span sql_table(const struct sql_shape *shape)
{
	return (struct span){(const uint8_t *)shape->table, shape->table_len};
}
