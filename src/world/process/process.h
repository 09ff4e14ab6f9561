/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process - the table of processes: those that live, and those that died within the last minute.
 *
 * Pure bookkeeping: whoever holds it feeds events and rows, and asks. A pid that is used again is another
 * process; both are kept apart by their start time, and who held a pid at a moment can be asked.
 */
#pragma once

#include "base/map.h"
#include "world/process/process_event.h"

/* What runs in a process since its last exec; shared with its forks. */
struct program {
	uint32_t refs;
	uint16_t path_bytes, args_bytes;
	char text[]; /* path, then arguments separated by 0 */
};

struct process {
	uint32_t pid, ppid;
	uint32_t uid;
	uint32_t netns; /* inode number, 0 = unknown */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t exit_ns; /* CLOCK_MONOTONIC; 0 = lives */
	uint64_t cgroup;
	uint64_t seen_ns; /* newest fact about it */
	char comm[WORLD_COMM_BYTES]; /* ended by 0 */
	struct program *program; /* owned reference, NULL = not known */
	uint32_t exit_code; /* as wait(2) gives it */
	uint32_t self; /* own index; private from here on */
	uint32_t older; /* the holder of this pid before; index, NO_PROCESS = none */
	uint32_t next; /* in the queue of the dead, or of the free */
	bool asked; /* path and arguments were looked for in /proc */
};

enum { NO_PROCESS = UINT32_MAX, PROCESS_CHUNK = 1024 };

struct processes {
	struct map newest; /* pid -> index */
	struct process **chunk; /* owned: PROCESS_CHUNK each, so that processes never move */
	uint32_t chunks, cap;
	uint32_t len, dead_len; /* entries; of these dead */
	uint32_t free; /* index of the first free one */
	uint32_t dead_first, dead_last; /* in the order of their exit */
	uint64_t keep_ns; /* the dead are kept this long */
	size_t program_bytes, program_cap;
	uint64_t refused; /* processes that found the table full of living ones */
	uint64_t evicted; /* dead ones that went before their time */
	uint64_t programs_refused; /* paths and arguments that found no room */
	uint64_t sweep_ns; /* a sweep is under way since; 0 = none */
};

int processes_init(struct processes *processes, uint32_t cap, size_t program_cap, uint64_t keep_ns);
void processes_done(struct processes *processes);

/* Events, in the order in which they came. */
void processes_forked(struct processes *processes, const struct process_forked *event);
void processes_executed(struct processes *processes, const struct process_executed *event);
void processes_exited(struct processes *processes, const struct process_changed *event);
void processes_renamed(struct processes *processes, const struct process_changed *event);
void processes_moved(struct processes *processes, const struct process_changed *event);

/*
 * A sweep: begin, every process that lives now, end. Puts right what events missed; living ones that were
 * not seen and not heard of since the beginning are dead.
 */
void processes_sweep(struct processes *processes, uint64_t now_ns);
struct process *processes_seen(struct processes *processes, const struct process_facts *facts);
void processes_swept(struct processes *processes, uint64_t now_ns);

/* Forgets the dead whose time is over. */
void processes_expire(struct processes *processes, uint64_t now_ns);

/* Who held the pid at that moment (0 = the last one known); NULL when nobody is known who did. */
struct process *processes_at(const struct processes *processes, uint32_t pid, uint64_t ktime_ns);
struct process *processes_find(const struct processes *processes, uint32_t pid, uint64_t start_ns);

/* Every process: `uint32_t at = 0; while ((process = processes_next(&processes, &at)))`. */
struct process *processes_next(const struct processes *processes, uint32_t *at);

/* What was found in /proc for a process whose exec was not seen. */
void process_set_program(struct processes *processes, struct process *process, struct span path,
			 struct span args);

static inline struct span process_path(const struct process *process)
{
	return process->program ? (struct span){(const uint8_t *)process->program->text,
						process->program->path_bytes}
				: (struct span){};
}

static inline struct span process_args(const struct process *process)
{
	return process->program ? (struct span){(const uint8_t *)process->program->text +
							process->program->path_bytes,
						process->program->args_bytes}
				: (struct span){};
}

static inline struct span process_comm(const struct process *process)
{
	return span_of(process->comm);
}

size_t processes_bytes(const struct processes *processes);

/* Turns "dash\0bin\0usr\0" into "/usr/bin/dash". Bytes written, 0 when it does not fit or is no such list. */
size_t path_from_names(struct span names, char *out, size_t room);
