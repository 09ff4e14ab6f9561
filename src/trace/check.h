/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check - gives every expression its type.
 *
 * Maps are shared by all probes and variables grow with what is stored in them ($x = 1; $x = 1000),
 * so one walk is not enough: all bodies are walked again and again, quietly, until nothing widens
 * any more; then once more, with complaints. Types only ever widen, so it ends.
 */
#pragma once

#include "trace/function.h"
#include "trace/probe.h"
#include "trace/script.h"

struct scope {
	struct scope *outer;
	struct variable *variables; /* linked by `in_scope` */
};

struct binding {
	struct binding *next;
	struct variable *variable;
	uint32_t depth;
};

struct checker {
	struct script *script;
	struct probe *probe; /* whose body is being walked */
	struct body *body;
	struct binding *bindings; /* variables that can be seen, innermost first */
	uint32_t depth, loop_depth, callback_depth;
	const struct expr
		*assigned; /* what a map is given right now: count() and kin may stand there */
	const struct stmt *branch_of; /* the if whose branch is walked, when `depth` is this: */
	uint32_t branch_depth;
	bool is_in_else;
	bool is_changed; /* something became wider in this walk */
	bool is_final; /* complaints are wanted: types stand still */
	bool is_measuring; /* sizeof(): the expression itself is never run */
};

const struct type *check_expr(struct checker *checker, struct expr *expr);
void check_stmts(struct checker *checker, struct stmt *stmts);
/* `place` is blamed: the whole statement. */
/* if comptime, and the condition is known: which branch is meant. */
bool check_is_decided(const struct expr *condition, bool *ret_truth);
void check_condition(struct checker *checker, struct expr *expr, struct place place);

/* One that scripts of before 0.22 assign in both branches of an if and use after it; NULL: it is no
 * such. */
struct variable *check_hoist(struct checker *checker, const char *name);
/* A variable that a function writes to (find): it becomes at least this wide. */
void check_written(struct checker *checker, struct expr *variable, const struct type *type);

/* Written to: the map's key and value become at least this wide. */
void check_map_key(struct checker *checker, struct expr *map);
void check_map_value(struct checker *checker, struct map_decl *map, const struct type *type,
		     struct place place);
/* What is read of count() and its kin is an integer. */
const struct type *check_plain(const struct type *type);
/* The type of a map's key in an access, joined into the map's; `keys` may be a call's argument. */
const struct type *check_key_type(struct checker *checker, struct expr *keys, uint32_t count);
void check_join_key(struct checker *checker, struct map_decl *map, const struct type *key,
		    struct place place);

const struct type *check_type_spec(struct checker *checker, struct type_spec *spec,
				   const struct type *for_array);
const struct type *check_binary(struct checker *checker, struct expr *expr);
/* container == "name": checks it and returns true; false: it is no such comparison. */
bool check_group_compare(struct checker *checker, struct expr *expr);

void check_error(struct checker *checker, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *check_text(struct checker *checker, const struct type *type);
/* Without its size: "int", "string". */
const char *check_short(struct checker *checker, const struct type *type);

/* The record with the field, through BTF where it is from there. NULL: no such field. */
const struct field *script_field(struct script *script, const struct type *record,
				 const char *name);
/* The record with all its fields, for printing. */
const struct type *script_fill(struct script *script, const struct type *record);
