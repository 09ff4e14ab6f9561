// SPDX-License-Identifier: GPL-2.0-only
/*
 * leave - the way back to TCP of a whole machine: the item goes off.
 *
 * First no program decides to redirect any more, and what one had decided has put its bytes. Then sockets leave the
 * sockhash as soon as nothing lies in their queue. With the verdict program they leave it in two steps, since bytes that
 * come by TCP lie in that queue too: out of `socks`, each under its own lock (leave.bpf.h; from then on TCP delivers by
 * itself), and out of `held` when the queue is empty and nothing can come into it any more.
 *
 * What is left then: sockets with bytes that nobody reads, and, with the verdict program, those in which somebody is
 * blocked in recv(). They stay in maps that nobody but they hold, and on TCP, until they are closed.
 */
#include "items/net/accel/inside.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	SETTLE_MS =
		200, /* who had decided to redirect has done it; nothing tells when, it may have slept for the peer's lock */
	ROUNDS = 40,
	STEP_MS = 20,
	ENDS_AT_ONCE = 4096,
	NAMESPACES = 1024,
};

/* Network namespaces: those with sockets in the sockhash, and a process in each. */
struct places {
	struct map pid_of; /* u32 inode of a namespace -> uint32_t; 0 = none known yet */
};

struct ends {
	uint64_t cookie[ENDS_AT_ONCE];
	size_t count, waiting;
};

static bool take_end(void *ctx, const void *row)
{
	const struct accel_end *end = row;
	struct ends *ends = ctx;

	if (end->waiting)
		ends->waiting++;
	else if (ends->count < ENDS_AT_ONCE)
		ends->cookie[ends->count++] = end->cookie;
	return true;
}

/* Whoever may leave the map does. Returns how many may not yet. */
static size_t let_go(struct object *object, const char *table, const char *map, struct ends *ends)
{
	do {
		ends->count = ends->waiting = 0;
		object_read_table(object, table, sizeof(struct accel_end), take_end, ends);
		if (ends->count)
			object_delete(object, map, ends->cookie, ends->count);
	} while (ends->count == ENDS_AT_ONCE);
	return ends->waiting;
}

static bool take_place(void *ctx, const void *row)
{
	const struct accel_end *end = row;
	struct places *places = ctx;
	bool is_new;
	uint32_t *pid = map_put(&places->pid_of, &end->netns, &is_new);

	if (pid && is_new)
		*pid = 0;
	return true;
}

static bool take_inhabitant(void *ctx, const void *row)
{
	const struct accel_process *process = row;
	struct places *places = ctx;
	uint32_t *pid = map_get(&places->pid_of, &process->netns);

	if (pid)
		*pid = process->pid;
	return true;
}

/* Walks the namespaces in which sockets are left: each that may leaves `socks`. */
static void walk_namespaces(struct object *object)
{
	struct places places;
	const void *netns;
	void *pid;
	size_t at = 0;

	map_init(&places.pid_of, sizeof(uint32_t), sizeof(uint32_t), NAMESPACES);
	object_read_table(object, "ends", sizeof(struct accel_end), take_place, &places);
	if (places.pid_of.len)
		object_read_table(object, "processes", sizeof(struct accel_process),
				  take_inhabitant, &places);
	while (map_next(&places.pid_of, &at, &netns, &pid))
		if (*(uint32_t *)pid)
			object_read_table_near(object, "leaving", (int)*(uint32_t *)pid, 1,
					       pass_over, NULL);
	map_done(&places.pid_of);
}

static void pause_ms(unsigned ms)
{
	struct timespec pause = {.tv_nsec = ms * 1000000l};

	nanosleep(&pause, NULL);
}

void leave_all(struct accel *accel)
{
	bool in_steps = accel_form->has_verdict;
	struct ends *ends = calloc(1, sizeof(*ends));

	accel->settings->on = 0;
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	pause_ms(SETTLE_MS);
	for (int i = 0; ends && i < ROUNDS; i++) {
		if (in_steps)
			walk_namespaces(accel->object);
		if (!let_go(accel->object, in_steps ? "ends_held" : "ends",
			    in_steps ? "held" : "socks", ends))
			break;
		pause_ms(STEP_MS);
	}
	free(ends);
}
