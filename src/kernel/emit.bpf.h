/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * emit - sends events to user space. The only caller of the ring buffer's helpers.
 *
 * EVENTS(bytes) declares the item's ring (a power of two, at least a page; the configuration key
 * `ring` changes it before loading). Wake-ups cost more than events: the reader is woken when a quarter of
 * the ring waits; what lies there for less is fetched by its drain tick (100 ms).
 * An event that finds no room is counted as COUNT_LOST_RING.
 */
#pragma once

#include "kernel/item.bpf.h"

#define EVENTS(bytes)                                                                              \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, bytes);                                                        \
	} events SEC(".maps");                                                                     \
	static __always_inline __attribute__((unused)) void *emit_reserve(__u16 kind, __u32 size)  \
	{                                                                                          \
		struct event_head *head = bpf_ringbuf_reserve(&events, size, 0);                   \
                                                                                                   \
		if (!head) {                                                                       \
			count_add(COUNT_LOST_RING);                                                \
			return 0;                                                                  \
		}                                                                                  \
		head->kind = kind;                                                                 \
		head->size = size;                                                                 \
		head->flags = 0;                                                                   \
		head->ktime_ns = bpf_ktime_get_ns();                                               \
		return head;                                                                       \
	}                                                                                          \
	static __always_inline __attribute__((unused)) __u64 emit_wakeup(void)                     \
	{                                                                                          \
		__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);                     \
                                                                                                   \
		return waiting >= bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 4                 \
			       ? BPF_RB_FORCE_WAKEUP                                               \
			       : BPF_RB_NO_WAKEUP;                                                 \
	}                                                                                          \
	static __always_inline __attribute__((unused)) void emit_submit(void *event)               \
	{                                                                                          \
		count_add(COUNT_EMITTED);                                                          \
		bpf_ringbuf_submit(event, emit_wakeup());                                          \
	}                                                                                          \
	/* Somebody waits for what user space makes of it. */                                      \
	static __always_inline __attribute__((unused)) void emit_submit_now(void *event)           \
	{                                                                                          \
		count_add(COUNT_EMITTED);                                                          \
		bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);                                    \
	}                                                                                          \
	/* An event that was built elsewhere, with its head: its size varies. */                   \
	static __always_inline __attribute__((unused)) bool emit_built(void *event, __u64 size,    \
								       __u64 wakeup)               \
	{                                                                                          \
		if (bpf_ringbuf_output(&events, event, size, wakeup)) {                            \
			count_add(COUNT_LOST_RING);                                                \
			return false;                                                              \
		}                                                                                  \
		count_add(COUNT_EMITTED);                                                          \
		return true;                                                                       \
	}                                                                                          \
	/* The same, with the head filled in here. */                                              \
	static __always_inline __attribute__((unused)) void emit_output(void *event, __u16 kind,   \
									__u32 size)                \
	{                                                                                          \
		struct event_head *head = event;                                                   \
                                                                                                   \
		head->kind = kind;                                                                 \
		head->size = size;                                                                 \
		head->ktime_ns = bpf_ktime_get_ns();                                               \
		emit_built(event, size, emit_wakeup());                                            \
	}

/* Gives a reserved event back unsent (counted as filtered). */
static __always_inline void emit_discard(void *event)
{
	count_add(COUNT_FILTERED);
	bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
}
