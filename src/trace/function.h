/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * function - a builtin or a function of the language: one struct with its own passes.
 *
 * To add one: write its passes in functions/, and name it in the table of function.c. A function
 * that does something in user space (printf, clear ...) sends an event: its lowering makes a struct
 * event_spec, and `happen` is called with the bytes that the program sent.
 */
#pragma once

#include "trace/ast.h"

struct checker;
struct lowering;
struct run;
struct memory;

enum function_flags {
	FUNCTION_BUILTIN = 1, /* stands without brackets: pid */
	FUNCTION_UNSAFE = 2, /* wants --unsafe */
	FUNCTION_NO_VALUE = 4, /* a statement */
	FUNCTION_AGGREGATE = 8, /* only as @x = f() */
	FUNCTION_MAP_ARG =
		16, /* the first argument is a map, not its value: the function checks it */
	FUNCTION_RAW_ARGS = 32, /* the function checks all its arguments */
	FUNCTION_NAME_ARG = 64, /* the first argument may be a bare word: kstack(perf) */
};

struct value;

struct function {
	const char *name;
	uint8_t min_args, max_args;
	uint8_t flags;
	/* Types of the arguments are known (or none); returns the type of the call. */
	const struct type *(*check)(struct checker *checker, struct expr *call);
	struct value (*lower)(struct lowering *lowering, struct expr *call);
	/* Writes the value to memory as `as`, sparing a copy; optional. */
	void (*lower_into)(struct lowering *lowering, struct expr *call, struct memory to,
			   const struct type *as);
	/* Aggregates: @map[key] = f(...). */
	void (*lower_update)(struct lowering *lowering, struct expr *map, struct expr *call);
	/* User space: an event of this function arrived; `data` are the call's bytes. */
	void (*happen)(struct run *run, const struct expr *call, const uint8_t *data, size_t len);
};

/* NULL: there is no such function. */
const struct function *function_by_name(const char *name);
/* All of them, by index; NULL at the end. */
const struct function *function_by_index(size_t index);

/* One event: what user space must know to act on its bytes. Fields are the type's. */
struct event_spec {
	struct event_spec *next;
	const struct function *function;
	const struct expr *call;
	const struct type *layout; /* tuple of the arguments; NULL: none */
	uint32_t id;
};

/* The n-th argument, NULL. */
static inline struct expr *function_nth(const struct expr *call, uint32_t n)
{
	struct expr *arg = call->args;

	while (arg && n--)
		arg = arg->next;
	return arg;
}
