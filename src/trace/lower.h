/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lower - from the typed tree to IR.
 *
 * An expression becomes a `struct value`: a constant, a register, a place in our own memory, or a
 * place in memory of the kernel or a process that is read only when the value is needed ("far").
 * So `$task.mm.owner.comm` reads one pointer per arrow and nothing else.
 *
 * Memory values are written straight to where they are wanted (a map key, an event) by lower_into.
 */
#pragma once

#include "trace/check.h"
#include "trace/emit.h"
#include "trace/ir.h"
#include "trace/loader.h"

/* A place in our own memory. */
struct memory {
	struct operand base; /* slot or register */
	int32_t offset;
};

enum value_kind { VALUE_NONE, VALUE_IMM, VALUE_REG, VALUE_MEMORY, VALUE_FAR, VALUE_TEXT };

struct value {
	enum value_kind kind;
	const struct type *type;
	int64_t imm;
	int reg;
	struct memory at; /* memory: there; far: base is the address, in a register or context */
	enum space space; /* far */
	struct span text; /* a constant string */
	uint16_t bit_offset, bit_size; /* far, memory: a bit field */
	struct place place; /* far: what is to blame when it cannot be read */
};

/* Maps that every script has, before its own. */
enum { MAP_RING, MAP_LOST, MAP_CONTROL, MAP_FRAME, MAP_FIRST_FREE };

/* What the lost map counts, per CPU. */
enum lost { LOST_RING, LOST_FRAME, LOST_MAP_FULL, LOST_KINDS };

enum { STACK_MAPS_MAX = 8, EVENT_HEAD = 8, GROUP_NAMES_MAX = 32 };

struct program {
	struct program *next;
	struct probe *probe; /* the first one it is for */
	enum program_type type;
	char name[16];
	struct code code;
	int fd;
	int fallback; /* loaded once more as the kind's other type, and kept by the loader; 0: not yet */
};

struct map_use {
	struct map_spec spec;
	struct map_decl *decl; /* NULL: one of ours */
	int fd;
	bool is_zeroed; /* user space: zero() was called, and no clear() since */
	const char *(*text)(uint32_t index); /* filled with these before the script runs; NULL */
};

struct compiled {
	struct map_use *maps;
	uint32_t map_count, map_room;
	struct event_spec **events; /* by id */
	uint32_t event_count, event_room;
	struct program *programs, *last_program;
	struct {
		uint32_t depth;
		bool has_build_ids;
		int map;
	} stacks[STACK_MAPS_MAX];
	uint32_t stack_count;
	int group_map; /* names of containers and pods that are compared with; 0: none */
	struct {
		int part; /* enum group_part */
		uint32_t text; /* its number in the script's texts */
	} wanted[GROUP_NAMES_MAX];
	uint32_t wanted_count;
	uint32_t frame_size;
	struct target target;
};

struct loop {
	struct loop *outer;
	int again, end; /* labels */
	bool is_callback; /* leaving it is returning: 0 goes on, 1 ends */
};

struct lowering {
	struct script *script;
	struct compiled *compiled;
	struct probe *probe;
	struct ir *ir; /* what is being written: the program, or a callback of it */
	struct ir *main; /* the program */
	struct loop *loop;
	struct err *why;
	int exit_label; /* end of the program */
	int result; /* register of what it returns, -1: always 0 */
	bool is_failed;
};

/* Compiles all probes of a checked script. 0 or -errno (diag or why say what). */
int script_lower(struct script *script, const struct target *target, struct err *why);

/* --- values --- */
struct value value_none(void);
struct value value_imm(const struct type *type, int64_t imm);
struct value value_reg(const struct type *type, int reg);
struct value value_memory(const struct type *type, struct memory at);
struct value value_text(const struct type *type, struct span text);
struct value value_far(const struct type *type, struct operand base, int32_t offset,
		       enum space space);

/* A scalar as an operand: an immediate, or a register with the value extended to 64 bits. */
struct operand lower_scalar(struct lowering *l, struct value value);
/* The same, always in a register of its own that may be written. */
int lower_register(struct lowering *l, struct value value);
/* The value in our own memory (copied there if it is elsewhere). */
struct memory lower_memory(struct lowering *l, struct value value);
/* The address of a memory as an operand for a helper. */
struct operand lower_address(struct lowering *l, struct memory memory);

/* The address of a far value as an operand. */
struct operand lower_far_address(struct lowering *l, struct value value);

struct memory lower_slot(struct lowering *l, uint32_t size);
/* An argument that the caller left on its stack. */
struct value lower_from_stack(struct lowering *l, const struct field *field);

/* Bytes that may be taken at once at this place: the stack is read and written aligned only. */
static inline uint32_t memory_step(struct memory memory, uint32_t at, uint32_t left)
{
	uint64_t place = (uint64_t)memory.offset + at +
			 (memory.base.kind == OPERAND_SLOT ? (uint64_t)memory.base.imm : 0);
	uint32_t step = 8;

	while (step > left || place % step)
		step /= 2;
	return step;
}

static inline uint32_t memory_step2(struct memory a, struct memory b, uint32_t at, uint32_t left)
{
	uint32_t x = memory_step(a, at, left), y = memory_step(b, at, left);

	return x < y ? x : y;
}
struct memory memory_at(struct memory memory, int64_t offset);

struct value lower_expr(struct lowering *l, struct expr *expr);
/* Writes the value as type `as` (as wide or wider than its own). */
void lower_into(struct lowering *l, struct expr *expr, struct memory to, const struct type *as);
void lower_store(struct lowering *l, struct value value, struct memory to, const struct type *as);
/* Jumps to `label` when the condition is (not) true. */
void lower_condition(struct lowering *l, struct expr *expr, bool jump_if, int label);
void lower_stmts(struct lowering *l, struct stmt *stmts);
struct value lower_binary(struct lowering *l, struct expr *expr);
struct operand lower_arith(struct lowering *l, enum op op, struct operand a, struct operand b,
			   const struct type *type, struct place place);

void lower_zero(struct lowering *l, struct memory to, uint32_t size);
void lower_copy(struct lowering *l, struct memory to, struct memory from, uint32_t size);
/* Reads `size` bytes of far memory; on a fault the bytes are zero. */
void lower_read(struct lowering *l, struct memory to, uint32_t size, struct operand address,
		enum space space);

/* --- maps (lower_map.c) --- */
/* The key of an access, complete in memory. */
struct memory lower_key(struct lowering *l, const struct map_decl *map, struct expr *keys,
			uint32_t count);
struct value lower_map_read(struct lowering *l, struct expr *expr);
void lower_map_write(struct lowering *l, struct expr *target, struct expr *value);
void lower_map_compound(struct lowering *l, struct stmt *stmt);
struct value lower_map_step(struct lowering *l, struct expr *expr);
/* Address of the value in a register, made (zeroed) when it is new; the label is where to go when
 * the map is full. */
int lower_map_slot(struct lowering *l, struct expr *map, int full_label);
/* The same for the bucket of that number: hist(), lhist(), tseries(). */
int lower_bucket(struct lowering *l, struct expr *map, int bucket, int full_label);
int lower_map_lookup(struct lowering *l, const struct map_decl *map, struct memory key);
/* Sum over all CPUs of the 8 bytes at `offset` of an aggregate. */
struct operand lower_percpu_sum(struct lowering *l, const struct map_decl *map, struct memory key,
				int32_t offset);
struct value lower_aggregate(struct lowering *l, const struct map_decl *map, struct memory key);
bool map_is_array(const struct map_decl *map);

/* --- strings (lower_string.c) --- */
struct value lower_string_compare(struct lowering *l, struct expr *expr, bool is_equal);
/* The first `limit` bytes. */
struct value lower_text_compare(struct lowering *l, struct value a, struct value b, uint32_t limit,
				bool is_equal);
/* -1, 0, 1 in a register: which of both comes first in their first `size` bytes. */
int lower_order(struct lowering *l, struct value a, struct value b, uint32_t size,
		bool ends_at_zero);
struct value lower_text_order(struct lowering *l, struct expr *expr, enum ir_cond cond);
struct value lower_memory_compare(struct lowering *l, struct expr *expr, bool is_equal);

/* --- container, pod (functions/container.c) --- */
struct value lower_group_compare(struct lowering *l, struct expr *expr);

/* --- what the kernel refuses while a program runs (functions/helper_error.c) --- */
void lower_say_refused(struct lowering *l, int code); /* an update: always told, and counted */
/* With -k: the result of a helper that reads, by its name; a look-up that found nothing. */
void lower_check_read(struct lowering *l, int code, const char *helper);
void lower_say_no_key(struct lowering *l);

/* --- events --- */
/* A record of a function's call: head written, the rest (layout) at +EVENT_HEAD. */
struct memory lower_event(struct lowering *l, const struct expr *call, const struct type *layout);
void lower_send(struct lowering *l, struct memory event, const struct type *layout);
void lower_lost(struct lowering *l, enum lost kind);

/* Calls a function of its own for every element; `body` writes it. Returns how many were visited.
 * The body gets the key as OPERAND_ARGUMENT 0, the value as 1, and returns 1 to end. */
int lower_for_each(struct lowering *l, const struct map_decl *map,
		   void (*body)(struct lowering *l, void *context), void *context);

int lower_new_map(struct lowering *l, struct map_spec spec, struct map_decl *decl);
struct map_decl *lower_decl(struct lowering *l, const struct expr *map);
