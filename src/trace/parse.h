/* SPDX-License-Identifier: GPL-2.0-only */
/* parse - what the parts of the parser share: parse.c, parse_expr.c, parse_c.c. */
#pragma once

#include "trace/lex.h"
#include "trace/script.h"

enum { NESTING_MAX = 200 }; /* levels of expressions and blocks: deeper is an attack */

/* A macro being expanded: what its parameters stand for. */
struct expansion {
	const struct expansion *outer;
	const struct macro *macro;
	const struct expr *args; /* as parsed at the call */
	uint32_t serial; /* its own scratch variables are called name#serial */
};

struct parser {
	struct script *script;
	struct lexer lexer;
	struct token token; /* the one being looked at */
	uint32_t end_of_last; /* byte after the token before it */
	uint32_t nesting;
	const struct expansion *expansion; /* NULL: not in a macro */
	const struct place *fixed_place; /* in a macro or define: where it was used */
	bool is_failed;
	bool uses_probe; /* args, probe, func and others that differ from attach point to attach point */
};

void parser_start(struct parser *parser, struct script *script, uint32_t at);
void parser_advance(struct parser *parser);
bool parser_is(const struct parser *parser, uint32_t punct);
bool parser_take(struct parser *parser, uint32_t punct);
bool parser_expect(struct parser *parser, uint32_t punct);
bool parser_is_word(const struct parser *parser, const char *word);
bool parser_take_word(struct parser *parser, const char *word);
/* Says `text` at the token being looked at; the first failure only. */
void parser_fail(struct parser *parser, const char *text);
bool parser_enter(struct parser *parser);
void parser_leave(struct parser *parser);
const char *
parser_name(struct parser *parser); /* takes a name, NULL (and failed) if there is none */
void *parser_new(struct parser *parser, size_t bytes);
struct place parser_since(const struct parser *parser, uint32_t from);

/* A new node from the byte `from` to where the parser is; NULL: out of memory (said). */
struct expr *parser_expr(struct parser *parser, enum expr_kind kind, uint32_t from);

/* parse_macro.c */
const struct expr *macro_argument(const struct expansion *expansion, enum expr_kind kind,
				  struct span name);
struct macro *macro_find(const struct parser *parser, const char *name);
/* Of several of that name the one whose parameters fit the call best; the nearest, where none fits. */
struct macro *macro_fitting(const struct parser *parser, const struct expr *call);
/* In a macro: the type that its parameter of that name stands for, NULL: none. */
const struct type_spec *macro_type(const struct parser *parser, struct span name);
struct define *define_find(const struct parser *parser, const char *name);
struct expr *macro_expand(struct parser *parser, struct macro *macro, struct expr *call);
struct expr *macro_expand_argument(struct parser *parser, const struct expr *arg);
/* Parses the text of a macro or a definition as it stands elsewhere, as if it stood here. */
struct expr *parse_elsewhere(struct parser *parser, uint32_t at, const struct expansion *expansion,
			     struct place place, bool is_block);

struct expr *parse_expr(struct parser *parser);
struct expr *parse_unary(struct parser *parser);
struct expr *parse_postfix(struct parser *parser, struct expr *base);
struct expr *parse_binary_rest(struct parser *parser, struct expr *left);
struct expr *parse_map(struct parser *parser);
struct expr *parse_variable(struct parser *parser);
struct expr *parse_block_expr(struct parser *parser);

/* Statements up to '}' (not taken) or the end; ret_value: a last expression without ';'.
 * wants_value: a last `if` is an expression too. */
struct stmt *parse_stmts(struct parser *parser, struct expr **ret_value, bool wants_value);
struct stmt *parse_block(struct parser *parser); /* { ... }, its last value discarded */

bool parse_type(struct parser *parser, struct type_spec *spec);
bool parse_looks_like_type(const struct parser *parser);
bool parse_c_definition(struct parser *parser); /* struct, union, enum, typedef at top level */
struct c_record *parse_c_record(struct parser *parser, const char *name, bool is_union);

/* parse_import.c: import "x" at the top of a script; the headers that it and the command line include. */
void parse_import(struct parser *parser);
void import_headers(struct script *script);
/* Preamble, macros and actions between those bytes. */
void parse_text(struct script *script, uint32_t from, uint32_t to);

/* Preprocessor lines: blanked in the text (a part of the script's), definitions and includes kept. */
void preprocess(struct script *script, uint8_t *text, size_t len);
