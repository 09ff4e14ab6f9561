// SPDX-License-Identifier: GPL-2.0-only
/*
 * join - walks the sockets of network namespaces in which connections are parked (park.bpf.h) that may enter the sockhash now:
 * at once, and some times again, since an end enters only when it is between two messages.
 */
#include "items/net/accel/inside.h"

#include "base/clock.h"

enum { JOIN_ROUNDS = 3, AT_ONCE = 4 /* walks: whoever was not quiet at one may be at the next */ };
static const uint64_t apart_ns = 20000000;
enum { LOOK_SHARE = 30 /* walking takes at most one part in so many of the time */ };

void join_want(struct accel *accel, uint32_t netns, uint32_t pid)
{
	struct join *free_one = NULL;

	if (!pid)
		return;
	for (size_t i = 0; i < JOINS; i++) {
		struct join *join = &accel->join[i];

		if (join->rounds && join->netns == netns) {
			join->rounds = JOIN_ROUNDS;
			join->pid = pid;
			return;
		}
		if (!join->rounds)
			free_one = join;
	}
	if (free_one)
		*free_one = (struct join){.netns = netns, .pid = pid, .rounds = JOIN_ROUNDS};
	else
		item_count(accel->item, "lost", "joins", 1);
}

void join_look(struct accel *accel)
{
	uint64_t now_ns = clock_monotonic_ns(), took_ns = 0;

	if (now_ns < accel->join_ns)
		return; /* the next look does it */
	for (size_t i = 0; i < JOINS; i++) {
		struct join *join = &accel->join[i];

		if (!join->rounds)
			continue;
		join->rounds--;
		for (int n = 0; n < AT_ONCE; n++)
			object_read_table_near(accel->object, "joining", (int)join->pid, 1,
					       pass_over, NULL);
		took_ns = clock_monotonic_ns() - now_ns;
	}
	if (took_ns)
		accel->join_ns = now_ns + (took_ns * LOOK_SHARE > apart_ns ? took_ns * LOOK_SHARE
									   : apart_ns);
}
