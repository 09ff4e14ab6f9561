// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_state, the user half - TCP sockets that no process holds any more, by network namespace.
 *
 * TIME_WAIT is counted by the kernel: `tw` in /proc/PID/net/sockstat, of one process in each namespace. Sockets
 * that were closed while the other side still has something to say (FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING) it only
 * counts in a sum for all namespaces; each state's number comes from a dump of these states alone
 * (inet_diag), where those that no process holds have no inode. FIN_WAIT2 may be such a socket or a short
 * entry among those of TIME_WAIT, which `tw` includes: the dump tells them apart by their timer.
 *
 * A dump walks all sockets of the host inside the kernel. It is made only where something is to be found, and
 * not before a hundred times the time that the last one took is over: at most 1 % of one CPU. The numbers
 * of the last one stand meanwhile.
 */
#include "items/procfile.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/kernel.h"
#include "world/world.h"

enum {
	NAMESPACES = 1024,
	DUMP_BYTES = 16 << 20,
	DUMP_SHARE = 100, /* at most one part in so many of the time */
	TIMER_TIME_WAIT = 3, /* idiag_timer of a TIME_WAIT entry (inet_twsk_diag_fill) */
};

/* include/net/tcp_states.h, as kernel/tcp.bpf.h has them */
enum { FIN_WAIT1 = 4, FIN_WAIT2 = 5, LAST_ACK = 9, CLOSING = 11, STATES };

enum { STATES_LEFT = 1 << FIN_WAIT1 | 1 << FIN_WAIT2 | 1 << LAST_ACK | 1 << CLOSING };

static const char *const state_name[STATES] = {
	[FIN_WAIT1] = "fin_wait1",
	[FIN_WAIT2] = "fin_wait2",
	[LAST_ACK] = "last_ack",
	[CLOSING] = "closing",
};

/* Sockets without a process, of one namespace. */
struct left {
	uint32_t netns; /* inode number */
	uint64_t time_wait; /* as sockstat has it: with FIN_WAIT2 among them */
	uint64_t short_fin_wait2;
	uint64_t count[STATES];
};

struct tcp_state {
	struct left left[NAMESPACES];
	size_t namespaces;
	struct object *object; /* whose table was read at its start; borrowed, only compared */
	uint64_t dump_after_ns;
};

static const struct metric metrics[] = {
	{.name = "sonde_tcp_connections",
	 .type = METRIC_GAUGE,
	 .help = (char *)"TCP sockets by state",
	 .scale = 1},
};

/* ---- dumps ---- */

static void count_message(struct left *left, const struct inet_diag_msg *message)
{
	if (message->idiag_inode || message->idiag_state >= STATES ||
	    !state_name[message->idiag_state])
		return;
	left->count[message->idiag_state]++;
	if (message->idiag_timer == TIMER_TIME_WAIT)
		left->short_fin_wait2++;
}

static void count_messages(struct left *left, const char *at, size_t len)
{
	struct inet_diag_msg message;
	struct nlmsghdr head;

	while (len >= sizeof(head)) {
		size_t step;

		memcpy(&head, at, sizeof(head));
		step = NLMSG_ALIGN(head.nlmsg_len);
		if (step < sizeof(head) || step > len)
			return;
		if (head.nlmsg_len >= sizeof(head) + sizeof(message)) {
			memcpy(&message, at + sizeof(head), sizeof(message));
			count_message(left, &message);
		}
		at += step;
		len -= step;
	}
}

static void dump(struct item *item, uint32_t pid, struct left *left)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct buf buf;

	buf_init(&buf, DUMP_BYTES);
	left->short_fin_wait2 = 0;
	memset(left->count, 0, sizeof(left->count));
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&buf);
		if (item_diag_tcp(item, (int)pid, families[i], STATES_LEFT, &buf) < 0)
			item_count(item, "lost", "dump", 1);
		else
			count_messages(left, buf.at, buf.len);
	}
	buf_done(&buf);
}

/* ---- namespaces ---- */

/* "TCP: inuse 8 orphan 0 tw 11 alloc 12 mem 0" */
static bool parse_sockstat(struct span text, uint64_t *ret_orphans, uint64_t *ret_time_wait)
{
	struct span line, word;

	while (next_line(&text, &line)) {
		if (!next_word(&line, &word) || !span_is(word, "TCP:"))
			continue;
		while (next_word(&line, &word)) {
			uint64_t number = next_number(&line);

			if (span_is(word, "orphan"))
				*ret_orphans = number;
			else if (span_is(word, "tw"))
				*ret_time_wait = number;
		}
		return true;
	}
	return false;
}

static bool read_sockstat(struct item *item, uint32_t pid, uint64_t *ret_orphans,
			  uint64_t *ret_time_wait)
{
	char path[64];
	struct buf text;
	bool found;

	buf_init(&text, PROCFILE_BYTES);
	snprintf(path, sizeof(path), "/proc/%u/net/sockstat", pid);
	found = !procfile_read(item, path, &text) &&
		parse_sockstat(buf_as_span(&text), ret_orphans, ret_time_wait);
	buf_done(&text);
	return found;
}

/* The last known numbers of a namespace move to the front part that was seen in this round; NULL = too many. */
static struct left *left_of(struct tcp_state *state, size_t seen, uint32_t netns)
{
	size_t at = seen;
	struct left found = {.netns = netns};

	while (at < state->namespaces && state->left[at].netns != netns)
		at++;
	if (at == NAMESPACES)
		return NULL;
	if (at < state->namespaces)
		found = state->left[at];
	else
		state->namespaces++;
	state->left[at] = state->left[seen];
	state->left[seen] = found;
	return &state->left[seen];
}

static bool is_seen(const struct tcp_state *state, size_t seen, uint32_t netns)
{
	for (size_t i = 0; i < seen; i++)
		if (state->left[i].netns == netns)
			return true;
	return false;
}

/* One round over the namespaces. */
struct round {
	struct tcp_state *state;
	size_t seen; /* namespaces so far: the front part of state->left */
	bool may_dump;
	uint64_t dump_ns; /* time that dumps took */
};

static void look_at(struct item *item, struct round *round, const struct process *process)
{
	uint64_t orphans = 0, time_wait = 0, start = clock_monotonic_ns();
	struct left *left;

	if (process->exit_ns || !process->netns ||
	    is_seen(round->state, round->seen, process->netns))
		return;
	if (!read_sockstat(item, process->pid, &orphans, &time_wait))
		return; /* it ended a moment ago; another one of its namespace may do */
	left = left_of(round->state, round->seen, process->netns);
	if (!left) {
		item_count(item, "lost", "namespaces", 1);
		return;
	}
	round->seen++;
	left->time_wait = time_wait;
	if (!orphans && !time_wait) {
		left->short_fin_wait2 = 0;
		memset(left->count, 0, sizeof(left->count));
	} else if (round->may_dump) {
		dump(item, process->pid, left);
		round->dump_ns += clock_monotonic_ns() - start;
	}
}

static void give(struct collector *out, const struct left *left)
{
	uint64_t short_ones =
		left->short_fin_wait2 < left->time_wait ? left->short_fin_wait2 : left->time_wait;
	char netns[16];
	struct label label[2];

	snprintf(netns, sizeof(netns), "%u", left->netns);
	label[0] = (struct label){"state", span_of("time_wait")};
	label[1] = (struct label){"netns", span_of(netns)};
	collector_add(out, 0, label, 2, (double)(left->time_wait - short_ones));
	for (int i = 0; i < STATES; i++) {
		if (!left->count[i])
			continue;
		label[0].value = span_of(state_name[i]);
		collector_add(out, 0, label, 2, (double)left->count[i]);
	}
}

/* ---- the kernel half's maps ---- */

static bool pass_over(void *ctx, const void *row)
{
	return true;
}

/* A walk tells the programs who listened before they came. */
static void walk_once(struct item *item, struct tcp_state *state)
{
	const struct item_desc *desc = item_description(item);

	for (uint32_t i = 0; i < desc->maps; i++)
		if (desc->map[i].is_table &&
		    object_read_table(item_object(item), desc->map[i].name, desc->map[i].row.size,
				      pass_over, NULL) < 0)
			item_count(item, "lost", "walk", 1);
	state->object = item_object(item);
}

/* As in tcp_state.bpf.c: what of it is needed here. */
struct holders {
	uint64_t session, inode;
	uint32_t last, chosen, counted, pad;
};

struct stale {
	uint64_t newest;
	struct buf keys;
};

static bool find_newest(void *ctx, const void *key, const void *value)
{
	struct stale *stale = ctx;
	struct holders holders;

	memcpy(&holders, value, sizeof(holders));
	if (holders.session > stale->newest)
		stale->newest = holders.session;
	return true;
}

static bool find_stale(void *ctx, const void *key, const void *value)
{
	struct stale *stale = ctx;
	struct holders holders;

	memcpy(&holders, value, sizeof(holders));
	if (holders.session < stale->newest)
		buf_add(&stale->keys, key, sizeof(uint64_t));
	return true;
}

/* Shared sockets that the last walk did not meet are closed, or shared no more. */
static void forget_stale(struct item *item)
{
	struct stale stale = {};

	buf_init(&stale.keys, 1 << 20);
	if (object_read(item_object(item), "shared", find_newest, &stale) > 0 &&
	    object_read(item_object(item), "shared", find_stale, &stale) > 0 && stale.keys.len)
		object_delete(item_object(item), "shared", stale.keys.at,
			      stale.keys.len / sizeof(uint64_t));
	buf_done(&stale.keys);
}

/* ---- what the registry calls ---- */

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct tcp_state *state = calloc(1, sizeof(*state));

	if (!state)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	walk_once(item, state);
	*ret_state = state;
	return 0;
}

static void tick(struct item *item, void *at, uint64_t now_ns)
{
	struct tcp_state *state = at;

	if (state->object != item_object(item)) /* another version: its maps are new */
		walk_once(item, state);
}

static void collect(struct item *item, void *at, struct collector *out)
{
	struct tcp_state *state = at;
	uint64_t now = clock_monotonic_ns();
	struct round round = {.state = state, .may_dump = now >= state->dump_after_ns};
	const struct process *process;

	forget_stale(item);
	for (uint32_t i = 0; (process = world_next_process(item_world(item), &i));)
		look_at(item, &round, process);
	if (round.may_dump)
		state->dump_after_ns = now + round.dump_ns * DUMP_SHARE;
	state->namespaces = round.seen;
	for (size_t i = 0; i < round.seen; i++)
		give(out, &state->left[i]);
}

static void stop(struct item *item, void *at)
{
	free(at);
}

const struct item_ops tcp_state_item = {
	.metrics = metrics,
	.metric_count = 1,
	.start = start,
	.tick = tick,
	.collect = collect,
	.stop = stop,
};
