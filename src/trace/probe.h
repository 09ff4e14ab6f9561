/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe - where a script looks: each kind of probe is one struct with its own passes.
 *
 * To add a kind: write it in probes/, and name it in the table of probe.c.
 */
#pragma once

#include "base/err.h"
#include "trace/ast.h"

struct script;
struct loader;
struct lowering;
struct value;
struct probe;

enum { PROBE_PARTS_MAX = 64 };

/* "uprobe:/bin/bash:readline+4" cut at ':' */
struct probe_parts {
	const char *part[PROBE_PARTS_MAX]; /* part[0] is the kind */
	uint32_t count;
};

/* What kind of program the kernel must be told it is: numbers of enum bpf_prog_type. */
enum program_type {
	PROGRAM_KPROBE = 2,
	PROGRAM_TRACEPOINT = 5,
	PROGRAM_PERF_EVENT = 7,
	PROGRAM_RAW_TRACEPOINT = 17,
	PROGRAM_TRACING = 26,
};

struct probe_kind {
	const char *name;
	const char *aliases[4]; /* short and old names */
	enum program_type program;
	uint32_t attach_type; /* of PROGRAM_TRACING: enum bpf_attach_type */
	enum space space; /* where integers and unmarked pointers point */
	bool is_special; /* begin, end and others: run by hand */
	bool has_result; /* `return N` is handed on */
	bool has_regs; /* context is struct pt_regs (or begins with one) */
	/* Adds the probes that exist to the script; complains itself. */
	void (*expand)(struct script *script, struct action *action, const struct probe_spec *spec,
		       const struct probe_parts *parts);
	/* The record behind `args`, lying in the context; NULL: none. Optional. */
	const struct type *(*args)(struct script *script, struct probe *probe);
	/* Offset in the context of argN and retval (8 bytes each); < 0: there is none. Optional. */
	int (*arg_offset)(struct script *script, const struct probe *probe, uint32_t n);
	/* Instead of arg_offset, where arguments are not in one place: the type of argN, NULL: there
	 * is none; and the code that finds it. */
	const struct type *(*arg_type)(struct script *script, const struct probe *probe,
				       uint32_t n);
	struct value (*lower_arg)(struct lowering *l, uint32_t n);
	int (*retval_offset)(struct script *script, const struct probe *probe);
	const struct type *(*retval_type)(struct script *script, const struct probe *probe);
	/* A cheaper kind that does the same for this probe, NULL: none. Optional. */
	const struct probe_kind *(*choose)(struct script *script, const struct probe *probe);
	/* Where the chosen kind could not be attached (-ENOENT), this one is. */
	const struct probe_kind *fallback;
	int (*attach)(struct loader *loader, struct probe *probe, int program, struct err *why);
	/* Calls `found` with the full name of every probe of this kind that matches. Optional. */
	void (*list)(struct script *script, const char *pattern,
		     void (*found)(void *context, const char *name), void *context);
};

struct probe {
	struct probe *next;
	const struct probe_kind *kind;
	struct action *action;
	struct body *body;
	struct place place;
	const char *name; /* "tracepoint:sched:sched_switch", as `probe` gives it */
	const char *target; /* subsystem, path, module; may be NULL */
	const char *function; /* event, symbol; may be NULL */
	uint64_t number; /* offset, count, frequency, address */
	uint32_t unit; /* timers: see there */
	uint64_t semaphore; /* usdt: its offset in the file, 0: none */
	const void *data; /* what the kind keeps of it (arena) */
	const char *doubt; /* why it must not be attached (arena), NULL: it may */
	bool is_go; /* arguments lie where Go puts them */
	bool is_more_of_last; /* another place of the probe before it: not counted */
	uint32_t btf_id; /* of PROGRAM_TRACING: the function */
	const struct type *args;
	bool is_args_known;
	bool uses_args; /* the context is read: no cheaper equivalent will do */
	bool uses_stack;
	/* filled by lowering */
	struct program *program;
	int index;
	/* filled by attaching: which of the loader's links are this one's */
	uint32_t first_link, end_link;
};

const struct probe_kind *probe_kind_find(const char *name);
const struct probe_kind *probe_kind_at(size_t index);

/* Cuts at ':'; strings in the arena. False: too many parts. */
bool probe_cut(struct arena *arena, const char *text, struct probe_parts *ret_parts);

/* A new probe at the end of the script's list; NULL: too many (said) or out of memory. */
struct probe *probe_add(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_kind *kind, const char *name);

/* `*` matches anything, `?` one character, [a-z] a class. */
bool probe_glob(const char *pattern, const char *text);
bool probe_has_wildcard(const char *text);

/* "No matches for ...", or as the setting missing_probes says. */
void probe_missing(struct script *script, const struct probe_spec *spec, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

const struct type *probe_args(struct script *script, struct probe *probe);

/* Where tracefs is mounted, NULL: nowhere. */
const char *tracefs_path(void);
