/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * room - where an event is put together: it is longer than the stack. Two for each CPU: the task that has one may be pushed
 * aside by another that wants one.
 */
#pragma once

#include "kernel/item.bpf.h"

#include "items/app/requests/candidate.h"
#include "items/app/requests/requests.h"

struct room {
	__u32 is_taken;
	__u32 number; /* key of this room */
	__u32 head, tail; /* bytes copied of a call's beginning, and behind them of its end */
	__u32 unasked; /* bytes sent since somebody looked how full the ring is */
	__u32 may_be_unasked;
	__u32 seen; /* bytes of a vector that were looked at (copy_pieces) */
	__u32 pad;
	__u8 event[sizeof(
		struct requests_datagram)]; /* or struct requests_data, at its end: see data_in */
	__u8 bytes[REQUESTS_HEAD_MAX * 3 / 2 +
		   REQUESTS_TAIL]; /* (more than needed, for verifiers that lose a sum) */
};

enum { ROOMS = 2 };

/* Number -> room. Per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROOMS);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/* An event ends where its bytes begin. */
static __always_inline struct requests_data *data_in(struct room *room)
{
	return (void *)room->bytes - sizeof(struct requests_data);
}

static __always_inline struct requests_datagram *datagram_in(struct room *room)
{
	return (void *)room->bytes - sizeof(struct requests_datagram);
}

static __always_inline struct room *take_room(void)
{
	for (__u32 i = 0; i < ROOMS; i++) {
		__u32 key = i;
		struct room *room = bpf_map_lookup_elem(&rooms, &key);

		if (room && !room->is_taken) {
			room->is_taken = 1;
			room->number = i;
			return room;
		}
	}
	count_add(COUNT_LOST_STATE);
	return 0;
}

/* enum candidate of what lies in room `number`. (Not inlined, so that verifiers follow its ways once.) */
__attribute__((noinline)) int room_candidate(__u32 number, __u32 moved)
{
	struct room *room = bpf_map_lookup_elem(&rooms, &number);

	if (!room || !room->head)
		return 0;
	if (room->head < CANDIDATE_BYTES && room->head > 0)
		__builtin_memset(room->bytes + room->head, 0, CANDIDATE_BYTES);
	return candidate_of_stream(room->bytes, moved);
}
