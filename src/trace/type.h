/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * type - what a value is: its kind, size, sign and address space.
 *
 * Types are immutable and live in the program's arena; they are the schema too: the runner prints a
 * value of an event or a map by walking its type over the bytes. How each kind lies in memory:
 *
 *	bool, int, enum	`size` bytes, little endian
 *	pointer, ksym	8 bytes
 *	string[N]	N bytes, the text, then zeroes up to the end (so equal strings are equal bytes)
 *	buffer[N]	4 bytes of length, then N bytes
 *	array, record	as in C
 *	tuple		its fields, each aligned to its size; gaps are zero
 *	kstack, ustack	8 bytes id in the stack map, 4 bytes pid, 4 bytes tid
 *	usym		8 bytes address, 4 bytes pid, 4 bytes 0
 *	inet		8 bytes length of the address (4 or 16), 16 bytes address
 *	mac		6 bytes of address, 2 bytes 0
 *	timestamp	8 bytes time, 4 bytes which clock, 4 bytes number of the format
 *	cgroup_path	8 bytes id, 8 bytes number of the filter + 1
 *	container, pod	8 bytes id of the control group
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

enum type_kind {
	TYPE_NONE, /* not known (yet), or nothing */
	TYPE_VOID,
	TYPE_BOOL,
	TYPE_INT,
	TYPE_ENUM,
	TYPE_STRING,
	TYPE_BUFFER,
	TYPE_POINTER,
	TYPE_ARRAY,
	TYPE_RECORD,
	TYPE_TUPLE,
	TYPE_KSTACK,
	TYPE_USTACK,
	TYPE_KSYM,
	TYPE_USYM,
	TYPE_INET,
	TYPE_MAC,
	TYPE_TIMESTAMP,
	TYPE_CGROUP_PATH,
	TYPE_USERNAME,
	TYPE_CONTAINER,
	TYPE_POD,
	/* values of maps that count */
	TYPE_COUNT,
	TYPE_SUM,
	TYPE_MIN,
	TYPE_MAX,
	TYPE_AVG,
	TYPE_STATS,
	TYPE_HIST,
	TYPE_LHIST,
	TYPE_TSERIES,
};

/* How the numbers of one interval of tseries() become one. */
enum { TSERIES_LAST, TSERIES_AVG, TSERIES_MAX, TSERIES_MIN, TSERIES_SUM, TSERIES_BUCKET = 24 };

enum space {
	SPACE_NONE, /* not a pointer, or nobody knows: read as kernel memory */
	SPACE_KERNEL, /* read with bpf_probe_read_kernel */
	SPACE_USER, /* read with bpf_probe_read_user */
	SPACE_BPF, /* our own memory: loads are direct */
	SPACE_CONTEXT, /* the program's context: scalars are loaded directly, the rest is read */
};

enum stack_mode { STACK_BPFTRACE, STACK_PERF, STACK_RAW, STACK_BUILD_ID };

struct type;

struct field {
	const char *name; /* NULL in plain tuples and for anonymous members */
	const struct type *type;
	uint32_t offset; /* bytes from the start */
	uint16_t bit_offset; /* bit fields: from `offset` */
	uint16_t bit_size; /* 0: not a bit field */
	const char
		*shown; /* tracepoints: "char prev_comm[16]", as the kernel writes it; else NULL */
	uint32_t
		btf_id; /* parameters of the kernel's functions: its type, for showing it; else 0 */
	bool is_data_loc; /* tracepoints: 4 bytes: offset and length of what is meant */
	bool is_on_stack; /* arguments: at that offset from the stack pointer, not in a register */
};

struct type {
	enum type_kind kind;
	bool is_signed;
	uint32_t size; /* bytes in memory */
	uint32_t align;
	enum space space; /* pointers: where they point; arrays and records: where they lie */
	const struct type *of; /* pointer, array: of what */
	uint32_t count; /* array: elements; string: bytes; buffer: bytes without length */
	const char *name; /* record, enum: "task_struct" */
	bool is_union;
	const struct field *fields; /* record, tuple */
	uint32_t field_count;
	uint32_t btf_id; /* record, enum out of BTF: fields are read when asked for; else 0 */
	enum stack_mode mode; /* stacks */
	uint32_t depth; /* stacks: frames at most */
	bool is_literal; /* integers: a constant, whose sign fits in with its neighbour's */
	/* hist: step bits of precision; lhist: see there; tseries: min intervals of step ns, put
	 * together as max says */
	int64_t min, max, step;
};

extern const struct type type_none, type_void, type_bool, type_ksym, type_usym, type_inet, type_mac,
	type_timestamp, type_cgroup_path, type_username, type_container, type_pod, type_count,
	type_sum, type_min, type_max, type_avg, type_stats;
extern const struct type type_int8, type_int16, type_int32, type_int64, type_uint8, type_uint16,
	type_uint32, type_uint64;

const struct type *type_int(uint32_t size, bool is_signed);
/* The smallest type of a literal, as bpftrace has it: signed unless it needs the 64th bit. */
const struct type *type_of_literal(uint64_t value, bool is_negative);
const struct type *type_string(struct arena *arena, uint32_t bytes);
const struct type *type_buffer(struct arena *arena, uint32_t bytes);
const struct type *type_pointer(struct arena *arena, const struct type *of, enum space space);
const struct type *type_array(struct arena *arena, const struct type *of, uint32_t count);
const struct type *type_stack(struct arena *arena, bool is_user, enum stack_mode mode,
			      uint32_t depth);
/* Lays the fields out; `fields` (name and type filled) must live as long as the type. */
const struct type *type_tuple(struct arena *arena, struct field *fields, uint32_t count);
/* The same type, lying in `space`. */
const struct type *type_in_space(struct arena *arena, const struct type *type, enum space space);

bool type_same(const struct type *a, const struct type *b);

/*
 * The type that both fit into: wider integers and strings, tuples field by field. NULL: there is
 * none. TYPE_NONE fits with everything.
 */
const struct type *type_join(struct arena *arena, const struct type *a, const struct type *b);

/* "int8", "string[16]", "struct task_struct *", "(int8,string[4])" */
void type_name(const struct type *type, struct buf *out);
/* The same, in the arena. */
const char *type_text(struct arena *arena, const struct type *type);

bool type_is_integer(const struct type *type); /* int, bool, enum */
bool type_is_scalar(const struct type *type); /* lives in a register */
bool type_is_aggregate(const struct type *type); /* count() ... tseries() */
/* hist, lhist, tseries: a key stands once for every bucket */
bool type_has_buckets(const struct type *type);
uint32_t type_bucket_count(const struct type *type);
/* container, pod */
bool type_is_group(const struct type *type);
/* count, sum, min, max, avg: may stand where an integer is wanted */
bool type_is_castable_aggregate(const struct type *type);

/* The field of a tuple that goes with the i-th one of another: by its name, or else by its place. NULL: none. */
const struct field *type_partner(const struct type *type, const struct field *field, uint32_t i);
const struct field *type_field(const struct type *type, const char *name);
