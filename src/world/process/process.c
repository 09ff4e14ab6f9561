// SPDX-License-Identifier: GPL-2.0-only
/*
 * process - the table of processes.
 *
 * Entries lie in chunks that never move. All that ever held a pid hang in a list, the newest first; the map leads
 * to the newest. The dead also stand in a queue in the order of their exit: the front is the next to be
 * forgotten, be it that its minute is over or that the table is full.
 *
 * Events and sweeps may tell the same thing twice and in any order, so everything is keyed by (pid, start)
 * and told as a fact, never as a difference. Two rules keep late news from doing harm: the dead stay
 * dead, and a sweep kills only who was last heard of before it began.
 */
#include "world/process/process.h"

#include <errno.h>
#include <stdlib.h>

static struct process *at_index(const struct processes *processes, uint32_t index)
{
	if (index == NO_PROCESS)
		return NULL;
	return &processes->chunk[index / PROCESS_CHUNK][index % PROCESS_CHUNK];
}

int processes_init(struct processes *processes, uint32_t cap, size_t program_cap, uint64_t keep_ns)
{
	uint32_t chunks = (cap + PROCESS_CHUNK - 1) / PROCESS_CHUNK;

	*processes = (struct processes){
		.cap = cap,
		.free = NO_PROCESS,
		.dead_first = NO_PROCESS,
		.dead_last = NO_PROCESS,
		.keep_ns = keep_ns,
		.program_cap = program_cap,
	};
	map_init(&processes->newest, sizeof(uint32_t), sizeof(uint32_t), cap);
	processes->chunk = calloc(chunks ? chunks : 1, sizeof(*processes->chunk));
	return processes->chunk ? 0 : -ENOMEM;
}

static void program_unref(struct processes *processes, struct program *program)
{
	if (!program || --program->refs)
		return;
	processes->program_bytes -= sizeof(*program) + program->path_bytes + program->args_bytes;
	free(program);
}

static struct program *program_new(struct processes *processes, struct span path, struct span args)
{
	size_t bytes = sizeof(struct program) + path.len + args.len;
	struct program *program = NULL;

	if (path.len > UINT16_MAX || args.len > UINT16_MAX)
		return NULL;
	if (processes->program_bytes + bytes <= processes->program_cap)
		program = malloc(bytes);
	if (!program) {
		processes->programs_refused++;
		return NULL;
	}
	processes->program_bytes += bytes;
	program->refs = 1;
	program->path_bytes = (uint16_t)path.len;
	program->args_bytes = (uint16_t)args.len;
	if (path.len)
		memcpy(program->text, path.at, path.len);
	if (args.len)
		memcpy(program->text + path.len, args.at, args.len);
	return program;
}

void processes_done(struct processes *processes)
{
	struct process *process;
	uint32_t at = 0;

	while (processes->chunk && (process = processes_next(processes, &at)))
		program_unref(processes, process->program);
	for (uint32_t i = 0; i < processes->chunks; i++)
		free(processes->chunk[i]);
	free(processes->chunk);
	map_done(&processes->newest);
	*processes = (struct processes){};
}

/* Makes a chunk and puts its entries on the free list, the first one first. */
static bool add_chunk(struct processes *processes)
{
	uint32_t first = processes->chunks * PROCESS_CHUNK, count = PROCESS_CHUNK;
	struct process *chunk;

	if (first >= processes->cap)
		return false;
	if (count > processes->cap - first)
		count = processes->cap - first;
	chunk = calloc(PROCESS_CHUNK, sizeof(*chunk));
	if (!chunk)
		return false;
	processes->chunk[processes->chunks++] = chunk;
	for (uint32_t i = count; i-- > 0;) {
		chunk[i].self = NO_PROCESS;
		chunk[i].next = processes->free;
		processes->free = first + i;
	}
	for (uint32_t i = count; i < PROCESS_CHUNK; i++)
		chunk[i].self = NO_PROCESS;
	return true;
}

/* Takes an entry out of the list of those that held its pid. */
static void unchain(struct processes *processes, const struct process *process)
{
	uint32_t *link = map_get(&processes->newest, &process->pid);

	if (!link)
		return;
	if (*link == process->self && process->older == NO_PROCESS) {
		map_del(&processes->newest, &process->pid);
		return;
	}
	while (*link != process->self)
		link = &at_index(processes, *link)->older;
	*link = process->older;
}

static void forget_first_dead(struct processes *processes)
{
	struct process *process = at_index(processes, processes->dead_first);
	uint32_t index = process->self;

	processes->dead_first = process->next;
	if (processes->dead_first == NO_PROCESS)
		processes->dead_last = NO_PROCESS;
	unchain(processes, process);
	program_unref(processes, process->program);
	*process = (struct process){.self = NO_PROCESS, .next = processes->free};
	processes->free = index;
	processes->len--;
	processes->dead_len--;
}

static uint32_t take_free(struct processes *processes)
{
	uint32_t index;

	if (processes->free == NO_PROCESS && !add_chunk(processes) && processes->dead_len) {
		forget_first_dead(processes);
		processes->evicted++;
	}
	index = processes->free;
	if (index != NO_PROCESS)
		processes->free = at_index(processes, index)->next;
	return index;
}

struct process *processes_find(const struct processes *processes, uint32_t pid, uint64_t start_ns)
{
	const uint32_t *newest = map_get(&processes->newest, &pid);
	struct process *process = newest ? at_index(processes, *newest) : NULL;

	while (process && process->start_ns > start_ns)
		process = at_index(processes, process->older);
	return process && process->start_ns == start_ns ? process : NULL;
}

struct process *processes_at(const struct processes *processes, uint32_t pid, uint64_t ktime_ns)
{
	const uint32_t *newest = map_get(&processes->newest, &pid);
	struct process *process = newest ? at_index(processes, *newest) : NULL;

	/* What a process causes while it dies comes after its exit: it holds the pid until the next one. */
	while (process && ktime_ns && process->start_ns > ktime_ns)
		process = at_index(processes, process->older);
	return process;
}

struct process *processes_next(const struct processes *processes, uint32_t *at)
{
	while (*at < processes->chunks * PROCESS_CHUNK) {
		struct process *process = at_index(processes, (*at)++);

		if (process->self != NO_PROCESS)
			return process;
	}
	return NULL;
}

static void mark_dead(struct processes *processes, struct process *process, uint64_t exit_ns)
{
	if (process->exit_ns)
		return;
	process->exit_ns = exit_ns ? exit_ns : 1;
	process->next = NO_PROCESS;
	if (processes->dead_last == NO_PROCESS)
		processes->dead_first = process->self;
	else
		at_index(processes, processes->dead_last)->next = process->self;
	processes->dead_last = process->self;
	processes->dead_len++;
}

/* Puts a new entry into the list of its pid, which is in the order of start times. */
static bool chain(struct processes *processes, struct process *process)
{
	uint32_t *link;
	bool is_new;

	link = map_put(&processes->newest, &process->pid, &is_new);
	if (!link)
		return false;
	if (is_new)
		*link = NO_PROCESS;
	while (*link != NO_PROCESS && at_index(processes, *link)->start_ns > process->start_ns)
		link = &at_index(processes, *link)->older;
	process->older = *link;
	*link = process->self;
	return true;
}

/* A living process under a pid that a later one holds has died without our hearing of it. */
static void bury_older(struct processes *processes, const struct process *process)
{
	struct process *older = at_index(processes, process->older);

	for (; older; older = at_index(processes, older->older))
		mark_dead(processes, older, process->start_ns);
}

static struct process *find_or_add(struct processes *processes, uint32_t pid, uint64_t start_ns)
{
	struct process *process = processes_find(processes, pid, start_ns);
	uint32_t index;

	if (process)
		return process;
	index = take_free(processes);
	if (index == NO_PROCESS) {
		processes->refused++;
		return NULL;
	}
	process = at_index(processes, index);
	*process = (struct process){
		.self = index,
		.pid = pid,
		.start_ns = start_ns,
		.next = NO_PROCESS,
	};
	if (!chain(processes, process)) {
		*process = (struct process){.self = NO_PROCESS, .next = processes->free};
		processes->free = index;
		processes->refused++;
		return NULL;
	}
	processes->len++;
	bury_older(processes, process);
	return process;
}

static void set_comm(struct process *process, const char comm[WORLD_COMM_BYTES])
{
	memcpy(process->comm, comm, WORLD_COMM_BYTES);
	process->comm[WORLD_COMM_BYTES - 1] = 0;
}

static struct process *note_facts(struct processes *processes, const struct process_facts *facts,
				  uint64_t ktime_ns)
{
	struct process *process = find_or_add(processes, facts->pid, facts->start_ns);

	if (!process || process->seen_ns > ktime_ns)
		return process; /* newer is known */
	process->seen_ns = ktime_ns;
	process->ppid = facts->ppid;
	process->uid = facts->uid;
	process->cgroup = facts->cgroup;
	if (facts->netns) /* a dying task has left its namespaces */
		process->netns = facts->netns;
	set_comm(process, facts->comm);
	return process;
}

void processes_forked(struct processes *processes, const struct process_forked *event)
{
	struct process *child = note_facts(processes, &event->child, event->head.ktime_ns), *parent;

	if (!child || child->program)
		return;
	parent = processes_find(processes, event->parent_pid, event->parent_start_ns);
	if (parent && parent->program) {
		child->program = parent->program;
		child->program->refs++;
	}
}

void process_set_program(struct processes *processes, struct process *process, struct span path,
			 struct span args)
{
	program_unref(processes, process->program);
	process->program = program_new(processes, path, args);
}

size_t path_from_names(struct span names, char *out, size_t room)
{
	size_t used = 0;

	/* the last name is the first element */
	while (names.len) {
		const uint8_t *start;
		size_t len;

		if (names.at[names.len - 1])
			return 0;
		start = memrchr(names.at, 0, names.len - 1);
		start = start ? start + 1 : names.at;
		len = (size_t)(names.at + names.len - 1 - start);
		if (!len || len + 1 > room - used)
			return 0;
		out[used++] = '/';
		memcpy(out + used, start, len);
		used += len;
		names.len = (size_t)(start - names.at);
	}
	return used;
}

void processes_executed(struct processes *processes, const struct process_executed *event)
{
	struct process *process = note_facts(processes, &event->process, event->head.ktime_ns);
	struct span names = {(const uint8_t *)event->path, event->path_bytes};
	struct span args = {(const uint8_t *)event->args, event->args_bytes};
	char path[WORLD_PATH_BYTES + WORLD_NAME_BYTES];

	if (!process || names.len > sizeof(event->path) || args.len > sizeof(event->args))
		return;
	process_set_program(
		processes, process,
		(struct span){(uint8_t *)path, path_from_names(names, path, sizeof(path))}, args);
	process->asked = process->program && process->program->path_bytes;
}

void processes_exited(struct processes *processes, const struct process_changed *event)
{
	struct process *process = processes_find(processes, event->pid, event->start_ns);

	if (!process)
		return;
	process->exit_code = event->exit_code;
	mark_dead(processes, process, event->head.ktime_ns);
}

void processes_renamed(struct processes *processes, const struct process_changed *event)
{
	struct process *process = processes_find(processes, event->pid, event->start_ns);

	if (!process || process->seen_ns > event->head.ktime_ns)
		return;
	process->seen_ns = event->head.ktime_ns;
	set_comm(process, event->comm);
}

void processes_moved(struct processes *processes, const struct process_changed *event)
{
	struct process *process = processes_find(processes, event->pid, event->start_ns);

	if (!process || process->seen_ns > event->head.ktime_ns)
		return;
	process->seen_ns = event->head.ktime_ns;
	process->cgroup = event->cgroup;
}

void processes_sweep(struct processes *processes, uint64_t now_ns)
{
	processes->sweep_ns = now_ns;
}

struct process *processes_seen(struct processes *processes, const struct process_facts *facts)
{
	return note_facts(processes, facts, processes->sweep_ns);
}

void processes_swept(struct processes *processes, uint64_t now_ns)
{
	struct process *process;
	uint32_t at = 0;

	while ((process = processes_next(processes, &at)))
		if (!process->exit_ns && process->seen_ns < processes->sweep_ns)
			mark_dead(processes, process, now_ns);
	processes->sweep_ns = 0;
}

void processes_expire(struct processes *processes, uint64_t now_ns)
{
	while (processes->dead_first != NO_PROCESS) {
		uint64_t exit_ns = at_index(processes, processes->dead_first)->exit_ns;

		if (now_ns < exit_ns || now_ns - exit_ns < processes->keep_ns)
			return;
		forget_first_dead(processes);
	}
}

size_t processes_bytes(const struct processes *processes)
{
	return map_bytes(&processes->newest) + processes->program_bytes +
	       (size_t)processes->chunks * PROCESS_CHUNK * sizeof(struct process);
}
