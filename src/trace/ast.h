/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ast - a script as a tree. Nodes live in the program's arena and know their place in the source.
 *
 * A body (predicate and action) is kept as text until it is known what it will be attached to: it
 * is parsed once for every attach point whose arguments it uses, so that each copy has its own
 * types, and once for all others together. Nothing is ever cloned.
 */
#pragma once

#include "trace/diag.h"
#include "trace/type.h"

struct function;
struct probe;

enum op {
	OP_NONE,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_SHL,
	OP_SHR,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_GT,
	OP_LE,
	OP_GE,
	OP_LOGIC_AND,
	OP_LOGIC_OR,
	/* unary */
	OP_NOT,
	OP_INVERT,
	OP_NEGATE,
	OP_DEREF,
	OP_ADDRESS,
};

/* A type as it is written: resolved by the checker. */
struct type_spec {
	struct place place;
	const char *name; /* NULL: typeof(expression) */
	enum { TAG_NONE, TAG_STRUCT, TAG_UNION, TAG_ENUM } tag;
	uint32_t pointers; /* stars */
	bool is_array;
	uint32_t array_count; /* 0: taken from what is cast */
	uint32_t size; /* string[N], buffer[N] */
	struct expr *of_expr;
	struct c_record *record; /* defined on the spot (fields of C structs) */
};

enum expr_kind {
	EXPR_INT,
	EXPR_BOOL,
	EXPR_STRING,
	EXPR_NAME,
	EXPR_POSITIONAL,
	EXPR_PARAM_COUNT,
	EXPR_VARIABLE,
	EXPR_MAP,
	EXPR_UNARY,
	EXPR_BINARY,
	EXPR_TERNARY,
	EXPR_CAST,
	EXPR_FIELD,
	EXPR_INDEX,
	EXPR_TUPLE,
	EXPR_CALL,
	EXPR_BLOCK,
	EXPR_SIZEOF,
	EXPR_OFFSETOF,
	EXPR_STEP,
	EXPR_IF,
	EXPR_TYPE, /* a macro's argument that is a type: `spec` */
};

struct expr {
	enum expr_kind kind;
	struct place place;
	uint32_t text_from; /* where its text begins, brackets included */
	struct expr *next; /* in a list: arguments, elements, keys */
	const struct type *type; /* checker */
	const char *name; /* name, variable, map, field, call; element of a record */
	struct span text; /* string */
	uint64_t number; /* int, bool, positional; after checking: value of a constant */
	bool is_negative; /* int: the constant is below 0 */
	bool is_constant; /* checker: `number` (integers) or `text` (strings) is the value */
	enum op op;
	bool is_postfix; /* step: x++ */
	bool is_discarded; /* its value is not used */
	bool is_text_wanted; /* positional: str($1) */
	bool is_part_wanted; /* args: one field of it, not the whole */
	bool is_call_syntax; /* name() rather than name */
	bool is_comptime; /* if comptime: a branch that is never taken is not looked into */
	struct expr *a, *b, *c; /* operands */
	struct expr *args; /* call: arguments; map: keys; tuple: elements */
	uint32_t arg_count;
	struct stmt *body; /* block: statements before the value `a` (may be NULL) */
	struct type_spec *spec; /* cast, sizeof, offsetof */
	struct variable *variable; /* checker */
	struct map_decl *map; /* checker */
	const struct function *function; /* checker */
	const struct field *field; /* checker: field access */
	void *data; /* checker: what the function's own passes keep (arena) */
};

enum stmt_kind {
	STMT_EXPR,
	STMT_ASSIGN,
	STMT_LET,
	STMT_IF,
	STMT_WHILE,
	STMT_FOR_RANGE,
	STMT_FOR_MAP,
	STMT_UNROLL,
	STMT_BREAK,
	STMT_CONTINUE,
	STMT_RETURN,
	STMT_BLOCK,
};

struct stmt {
	enum stmt_kind kind;
	struct place place;
	struct stmt *next;
	struct expr *target; /* assign, let, for: what is written */
	struct expr *value; /* assign, let, expr, return, condition, start of range, count */
	struct expr *end; /* end of range */
	enum op op; /* assign: += and its kin */
	struct place op_place; /* from the operator to the end of the value */
	struct type_spec *spec; /* let $x: type */
	struct stmt *body, *otherwise;
	bool is_comptime; /* if comptime */
	struct variable *variable; /* checker: declared here */
	struct type *declared; /* checker */
	void *data;
};

/* A scratch variable of one body. */
struct variable {
	struct variable *next;
	const char *name;
	struct place place;
	const struct type *type;
	bool has_fixed_type; /* let $x: type */
	bool is_shared; /* with a callback (for over a map): lives in the frame */
	uint32_t callback_depth; /* of its declaration */
	bool is_hoisted; /* assigned in both branches of an if, used after it */
	const struct stmt *branch_of; /* the if in one of whose branches it is declared, NULL */
	bool is_in_else;
	bool is_addressed; /* &$x: lives in memory */
	bool is_in_loop; /* written in a loop, or shared with a callback: lives in memory */
	uint32_t loop_depth; /* of its declaration */
	/* lowering */
	int reg, slot;
	uint32_t epoch;
};

struct map_decl {
	struct map_decl *next;
	const char *name; /* with its @ */
	struct place place; /* declaration, or first use */
	struct place used; /* where it is first read or written: its name */
	const struct type *key; /* NULL: not known yet; type_none: it has no key */
	const struct type *value;
	const struct type *natural; /* value: what was stored, before widening; for complaints */
	const char *declared_as; /* "lruhash" ... or NULL */
	uint32_t max_entries;
	bool is_written;
	bool is_key_fixed;
	int index; /* in the compiled script */
};

/* #include, or --include. */
struct include {
	struct include *next;
	const char *name;
	bool is_quoted, is_done;
	struct place place;
};

struct define {
	struct define *next;
	const char *name;
	struct place text; /* of the source */
	bool is_in_use; /* being expanded: a definition in terms of itself ends there */
};

struct macro {
	struct macro *next;
	const char *name;
	struct place place;
	uint32_t body_from; /* byte of its '{' */
	struct expr *params; /* variable, map or name */
	uint32_t param_count;
	uint32_t depth;
};

struct c_field {
	struct c_field *next;
	struct type_spec spec;
	const char *name;
	uint32_t bits; /* 0: no bit field */
	uint32_t dims[4];
	uint32_t dim_count;
	struct place place;
};

struct c_record {
	struct c_record *next;
	const char *name;
	bool is_union, is_typedef;
	bool is_packed;
	struct c_field *fields;
	const struct type *type;
	bool is_being_laid_out;
	struct place place;
};

struct c_enumerator {
	struct c_enumerator *next;
	const char *name, *enum_name;
	int64_t value;
};

struct c_typedef {
	struct c_typedef *next;
	const char *name;
	struct type_spec spec;
};

struct setting {
	struct setting *next;
	const char *name, *value;
	struct place place;
	bool is_string;
};

/* One attach point as written. */
struct probe_spec {
	struct probe_spec *next;
	struct place place;
	const char *text;
};

struct action {
	struct action *next;
	struct place place;
	struct probe_spec *specs;
	uint32_t body_from; /* byte of its '/' or '{' */
	bool is_of_other_mode; /* test or bench, without --test or --bench */
	bool is_per_probe; /* uses args, probe, func ...: each attach point has its own tree */
};

/* A parsed predicate and action. */
struct body {
	struct expr *predicate; /* may be NULL */
	struct stmt *stmts;
	struct expr *value; /* last expression without semicolon, its value unused */
	struct variable *variables; /* checker: all of them */
	bool has_loop;
};

const char *op_text(enum op op);
/* The tree in lines, as `-d ast` shows it. */
void ast_dump(const struct body *body, struct buf *out);
