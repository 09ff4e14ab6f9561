/* SPDX-License-Identifier: GPL-2.0-only */
/* sql_lexer - what sql.c (which reads the tokens) and sql_put.c (which writes them) share. */
#pragma once

#include "protocol/sql.h"
#include "protocol/sql_words.h"

/* What a token is to the one behind it. */
enum sql_kind { START, NAME, WORD, LITERAL, OP, OPEN, CLOSE, ROW, COMMA, DOT, CAST, END };

#define BIT(kind) (1u << (kind))

enum {
	MARK_LEN = 4, /* " ..." */
	CTES_MAX = 8,
};

struct sql_lexer {
	const uint8_t *at, *end; /* what is left of the input */
	struct sql_shape *shape;
	bool is_mysql, is_cut, escapes;

	char *out; /* shape->text, then, when that is full, `spill`: written only to be hashed */
	size_t out_len, out_room;
	bool is_spilling;

	enum sql_kind last;
	const struct sql_word *last_word; /* if last is WORD */
	bool is_first; /* no verb yet in this statement */
	bool is_weak; /* shape->operation is to be replaced by a later verb */
	bool is_after_with; /* the main verb is still to come */
	bool has_end; /* ; held back, as it may be the last token */
	bool has_comma; /* , held back, and what stood before it: */
	enum sql_kind before_comma;
	bool in_executable; /* inside of a MySQL comment whose text is executed */
	unsigned depth; /* open parentheses and brackets */
	unsigned muted; /* nothing is written until this depth closes; 0: not muted */
	uint64_t lists, rows, queries; /* a bit for each depth, see above */

	bool wants_table; /* the next name is one */
	bool is_naming; /* and we are in it */
	unsigned name_depth, table_depth;
	size_t name_len;
	unsigned ctes;

	bool has_string; /* a string was written, at: */
	size_t first_string; /* in shape->text */
	bool has_backslash; /* in a string: so the rule about it matters */
	bool is_suspect; /* strings do not pair up */

	/* from here on nothing is zeroed: it would take longer than many a statement */
	struct span cte[CTES_MAX]; /* names that WITH gave: no tables */
	char name[SQL_TABLE_MAX];
	char spill[256];
};

/* Writes a token and the space in front of it, if there is to be one. */
void sql_put(struct sql_lexer *lexer, enum sql_kind kind, const void *bytes, size_t len);

/* Writes ?, unless one stands there already that this literal may share. */
void sql_put_literal(struct sql_lexer *lexer, bool is_string);

/* A name is about to be written: it may be that of a table. `at`, `len`: without its quotes. */
void sql_note_name(struct sql_lexer *lexer, const uint8_t *at, size_t len);

/* The name of the table is whole. */
void sql_finish_name(struct sql_lexer *lexer);
