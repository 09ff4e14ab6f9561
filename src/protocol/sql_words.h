/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sql_words - the words of SQL that are never data.
 *
 * Only words that can hardly be the name of a column or a table are here, of both dialects: those
 * that PostgreSQL 15 (appendix C) and MySQL 8.0 (chapter 9.3) reserve, and verbs where a statement
 * begins. A word that is missing is merely left in the case in which it was written.
 */
#pragma once

#include "base/span.h"

/* The words that mean something to the normaliser. */
enum sql_word_what {
	SQL_WORD_PLAIN,
	SQL_WORD_WITH,
	SQL_WORD_FROM, /* a table follows, unless it is EXTRACT(year FROM x) or DISTINCT FROM */
	SQL_WORD_INTO, /* a table follows */
	SQL_WORD_TABLE, /* so it does */
	SQL_WORD_ON, /* so it does, in CREATE INDEX ... ON */
	SQL_WORD_SKIP, /* may stand between such a word and the table */
	SQL_WORD_IN, /* a list follows */
	SQL_WORD_VALUES, /* rows follow */
	SQL_WORD_VALUE, /* NULL, TRUE ...: a literal, where a value is due */
	SQL_WORD_DISTINCT,
	SQL_WORD_BEFORE_KEY, /* PRIMARY, DUPLICATE, DO: makes KEY and NOTHING keywords */
	SQL_WORD_KEY,
};

enum {
	SQL_VERB = 1, /* where a statement begins it is its operation */
	SQL_FIRST = 2, /* a keyword only there */
	SQL_WEAK = 4, /* of several statements joined by ; a later verb says more */
	SQL_QUERY = 8, /* ( and this word: a statement in parentheses */
	SQL_MAIN = 16, /* may be the verb behind WITH */
	SQL_NAMES = 32, /* as a verb: a table follows at once */
	SQL_ON = 64, /* as a verb: the table comes after ON */
};

struct sql_word {
	char text[16]; /* upper case, padded with 0 */
	uint8_t what; /* enum sql_word_what */
	uint8_t flags;
};

/* NULL: not a keyword. Reads 16 bytes at once where `end` allows it. */
const struct sql_word *sql_word_find(const uint8_t *at, size_t len, const uint8_t *end);
