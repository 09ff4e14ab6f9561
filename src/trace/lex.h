/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lex - cuts a script into tokens, one at a time.
 *
 * The lexer is a position in the text: to look ahead, copy it. Probe names are not made of tokens
 * ("uprobe:/bin/a:b*"): the parser takes them by lex_probe.
 */
#pragma once

#include "trace/diag.h"

enum token_kind {
	TOKEN_END,
	TOKEN_BAD, /* said to diag already */
	TOKEN_NAME, /* text */
	TOKEN_NUMBER, /* number */
	TOKEN_STRING, /* text: escapes resolved, in the arena */
	TOKEN_VARIABLE, /* $x: text is "x" */
	TOKEN_MAP, /* @x: text is "x", may be empty */
	TOKEN_POSITIONAL, /* $1: number */
	TOKEN_PARAM_COUNT, /* $# */
	/* punctuation: its own code, characters packed: PUNCT('<','<','=') */
	TOKEN_PUNCT,
};

#define PUNCT1(a)       ((uint32_t)(a))
#define PUNCT2(a, b)    ((uint32_t)(a) | (uint32_t)(b) << 8)
#define PUNCT3(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)

struct token {
	enum token_kind kind;
	struct place place;
	struct span text;
	uint64_t number;
	uint32_t punct;
	bool is_at_line_start; /* nothing but blanks before it on its line */
	bool has_newline_before;
};

struct lexer {
	struct span text;
	uint32_t at; /* byte of the next character */
	struct diag *diag; /* borrowed */
	struct arena *arena; /* borrowed */
};

struct token lex_next(struct lexer *lexer);

/*
 * Takes one attach point from where the lexer stands: up to white space, ',' or '{', and up to a
 * '/' unless that belongs to a path. Quoted parts may hold anything. Empty span: there is none.
 */
struct span lex_probe(struct lexer *lexer, struct place *ret_place);

/* White space and comments. Returns whether a line ended. */
bool lex_skip_blanks(struct lexer *lexer);

/* A number as the language writes it, whole span: 0x1f, 017, 1_000, 2e3, 5ms, 7ULL. */
bool lex_number(struct span text, uint64_t *ret_number, const char **ret_why);
