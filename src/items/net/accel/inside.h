/* SPDX-License-Identifier: GPL-2.0-only */
/* inside - what the files of the item share with each other, and with nobody else. */
#pragma once

#include "base/map.h"
#include "items/item.h"
#include "items/net/accel/accel.h"
#include "kernel/kernel.h"
#include "record/filter.h"
#include "world/world.h"

/* ---- form.c: what this kernel does with sockets in a sockhash ---- */

enum form_check {
	FORM_LOADS,
	FORM_FIONREAD,
	FORM_REDIRECTED,
	FORM_COPIED_SEQ,
	FORM_WAKES,
	FORM_ORDER,
	FORM_CHECKS
};

extern const char *const form_check_name[FORM_CHECKS];

struct form {
	bool has_verdict;
	bool passed[FORM_CHECKS];
	char reason[200]; /* the first that failed; "" */
};

/* Tries one form in a network namespace of its own. Takes some 10 ms. */
void form_try(struct kernel *kernel, bool has_verdict, struct form *ret_form);
/* May connections be accelerated in this form? (FIONREAD of redirected bytes may be missing: then who uses it is left alone.) */
bool form_is_right(const struct form *form);

/* ---- policy.c: what the configuration says ---- */

enum { RULE_PORTS = 16, RULE_LABELS = 16 };

/* One value that a label may have: one of those with the same `name` must be there. */
struct rule_label {
	char *text; /* owned: ",app=web," */
	uint32_t name; /* which label it is, from 0 */
};

struct rule {
	struct filter *select; /* owned; NULL = everybody */
	struct rule_label label[RULE_LABELS];
	uint32_t labels;
	uint16_t port[RULE_PORTS]; /* either end; none = any */
	uint32_t ports;
	bool across, trust;
	bool forced; /* between namespaces also where a CNI enforces policies */
};

struct policy {
	struct rule rule[ACCEL_RULES];
	uint32_t rules;
	uint64_t version; /* changes with each change */
};

/* A list of rules as it stands in the configuration. `policy` is filled on success. */
int policy_read(const struct json_node *list, struct policy *policy, struct err *why);
void policy_done(struct policy *policy);
/* The layout that selects are asked over. */
const struct layout *policy_layout(void);
/* Which rules choose this process. */
uint64_t policy_select(const struct policy *policy, const struct who *who, struct arena *arena);

/* ---- verdicts.c: what is known of executables ---- */

/* What was known of an executable when this agent began to watch it. */
struct verdict_before {
	uint64_t calls, connections, watched_ns;
};

struct verdict {
	struct accel_identity exe; /* without control group */
	struct accel_seen seen;
	struct verdict_before before;
	uint64_t since_ns; /* watched since; 0 = not now */
	uint64_t bytes; /* of the file; 0 = not known which one it is */
	int64_t changed_ns; /* of the file, since 1970 */
	bool is_written; /* recall.c */
	uint8_t tries; /* to find out which file it is */
	char path[256];
};

struct accel;

void verdicts_update(struct accel *accel, uint64_t now_ns);
bool verdict_is_safe(const struct accel *accel, const struct accel_identity *identity);
uint64_t verdict_calls(const struct verdict *verdict);
uint64_t verdict_connections(const struct verdict *verdict);
uint64_t verdict_watched_ns(const struct verdict *verdict, uint64_t now_ns);
int verdicts_tell(struct item *item, void *state, int argc, char **argv, struct buf *out,
		  struct err *why);

/* ---- recall.c: verdicts over restarts ---- */

void recall_load(struct accel *accel);
void recall_save(struct accel *accel);
/* The executable that this process runs gets its path, and what is remembered of it. */
void recall_name(struct accel *accel, struct verdict *verdict, const struct process *process);
/* Is what is remembered that of an executable that was met again? */
bool recall_is_known(const struct accel *accel, const struct verdict *old);
/* An identity that is new to us: is its executable remembered? */
void recall_meet(struct accel *accel, const struct accel_identity *identity,
		 const struct process *process);

/* ---- cluster.c: who else has a say between pods ---- */

/* Rules that hold between namespaces, of those in `across`: all, or less where a CNI enforces policies. */
uint64_t cluster_tick(struct accel *accel, uint64_t across, uint64_t now_ns);
void cluster_look(struct accel *accel); /* ten times a second */
/* One sentence: why nothing is redirected between namespaces, or that it is. */
const char *cluster_state(const struct accel *accel);

/* ---- filters.c: packet filters between namespaces ---- */

enum { FILTER_PLACES = 256 };

struct filters {
	struct map places; /* u32 inode of a network namespace -> struct place */
	uint64_t across; /* rules that hold between namespaces */
	uint64_t compared_ns;
	bool is_blind; /* a filter cannot be watched: nothing is redirected between namespaces */
};

void filters_init(struct filters *filters);
void filters_done(struct filters *filters);
/* A process, and the rules that select it. */
void filters_meet(struct accel *accel, const struct accel_process *process, uint64_t selected);
void filters_look(struct accel *accel); /* ten times a second */
void filters_tick(struct accel *accel, uint64_t across, uint64_t now_ns);
/* Something changed in what may pass between namespaces: by TCP for a while. */
void filters_hold(struct accel *accel, const char *what);

/* ---- join.c: connections that were parked come in ---- */

enum { JOINS = 64 };

/* A network namespace that is to be walked. */
struct join {
	uint32_t netns, pid; /* inode of it, and a process in it */
	uint32_t rounds; /* still to come; 0 = none */
};

void join_want(struct accel *accel, uint32_t netns, uint32_t pid);
void join_look(struct accel *accel); /* when something was wanted, and ten times a second */

/* ---- leave.c: the way back to TCP ---- */

/* Nothing is redirected any more; sockets leave the sockhash. Takes up to a second. */
void leave_all(struct accel *accel);

/* ---- accel.c ---- */

/* What is known of an identity that has a number. */
struct known {
	uint32_t number, pid;
	bool is_met; /* recall_meet() was asked */
	uint64_t seen_ns;
	struct accel_grant grant;
};

struct accel {
	struct item *item; /* borrowed */
	struct object *object; /* borrowed; whose maps are mapped */
	struct accel_settings *settings; /* mapped, as the two below */
	struct accel_grant *grants;
	uint64_t *ports;
	struct map known; /* struct accel_identity -> struct known */
	struct map verdicts; /* executable -> struct verdict */
	struct filters filters;
	struct cluster {
		char cni[64]; /* who enforces policies; "" = nobody was seen */
		int64_t policies; /* changes so far, or -errno: not watched */
		int64_t policies_seen; /* that were obeyed; -1 = none were told of */
		bool wants_policies; /* some rule holds between pods */
		uint64_t refused; /* rules that do not hold between namespaces because of it */
		char state[400];
	} cluster;
	struct verdict *memory; /* owned: of runs before; ACCEL_NUMBERS at most */
	size_t remembered;
	uint64_t saved_ns,
		saved_calls; /* when verdicts were written, and calls that were known then */
	uint64_t pod_changes; /* that were judged */
	struct join join[JOINS];
	uint64_t join_ns; /* not before is a namespace walked again */
	uint32_t next_number; /* those from here on were never given */
	struct freed { /* numbers of programs that nobody runs any more, in the order they were freed */
		uint32_t number[ACCEL_NUMBERS];
		uint64_t ns[ACCEL_NUMBERS];
		uint32_t first, count;
	} freed;
	uint64_t policy_version; /* that was pushed */
	uint64_t walk_ns, walked_ns; /* how long the last walk took, and when */
	struct arena arena;
};

extern struct policy accel_policy; /* of the one item of this process; set also while it is off */
extern struct form accel_forms[2]; /* without and with the verdict program */
extern const struct form *accel_form; /* the one that is used; NULL = not tried or none is right */

/* For walks that make no rows. */
static inline bool pass_over(void *ctx, const void *row)
{
	return true;
}

void accel_evaluate(struct accel *accel);
/* Are its maps those of the programs that run? (Maps them if another version runs.) */
bool accel_is_mapped(struct accel *accel);
