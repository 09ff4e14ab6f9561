/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run - a compiled script at work: maps are made, programs loaded and attached, events read and
 * acted upon, maps printed at the end.
 */
#pragma once

#include "trace/lower.h"
#include "trace/output.h"
#include "trace/symbol.h"

/* When a script is ended; 0: never. */
struct run_limits {
	double cost; /* percent of a CPU that its programs take */
	uint64_t time_ns;
	uint64_t events; /* that it sends: lines, prints and the like */
};

enum { EXIT_LIMIT = 3 }; /* the script cost more than it may */

struct guard {
	int stats; /* the kernel counts the time of programs while this is open; -1 */
	uint64_t begun_ns, seen_ns; /* CLOCK_MONOTONIC */
	uint64_t seen_cost_ns;
};

struct run_options {
	bool is_quiet; /* no "Attached N probes" */
	bool has_warnings; /* runtime warnings are shown */
	bool is_verbose;
	bool is_dry; /* load nothing: --dry-run still checks that the kernel takes it */
	int child_go; /* pipe to write to when all is attached: -c; -1 */
	int child; /* ends the run when it ends; 0: none */
	bool is_child_ours;
	struct run_limits limits;
	int control; /* -1, or a socket over which an agent asks (box.h) */
};

struct ring {
	int fd, epoll;
	uint64_t *consumer, *producer;
	const uint8_t *data;
	uint64_t mask;
	size_t page;
};

struct run {
	struct script *script;
	struct compiled *compiled;
	struct loader *loader;
	struct output *out;
	struct symbols *symbols;
	struct owners *owners; /* owned; NULL: not asked for yet */
	const struct run_options *options;
	struct ring ring;
	int epoll, signals;
	int exit_code;
	bool is_ending;
	bool is_exit_called; /* by the script: what comes after it is not shown */
	uint32_t errors; /* said by the script, or about it while it runs */
	uint64_t events; /* read */
	struct guard guard;
	uint32_t refusals_said; /* updates that maps refused, shown one by one */
};

/* Runs to the end. Returns the exit code, or -errno (why). */
int run_script(struct run *run, struct err *why);

/* Text that a function says: as it is, or as {"type": type, "data": text}. */
void run_say(struct run *run, const char *type, const char *text);

/* What printf and its kin make of their bytes. */
void run_format(struct run *run, const struct expr *call, const uint8_t *data, struct buf *out);

struct map_use *run_map(struct run *run, const struct map_decl *decl);
int run_clear(struct run *run, struct map_use *map);
int run_zero(struct run *run, struct map_use *map);
