// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_flow - for how long senders waited for permission to send (RFC 9113 5.2, 6.9).
 *
 * Each side may send so many bytes of DATA on a stream, and on all streams together, as the other has
 * allowed. A window at 0 with the stream still open is a sender that waits, until a WINDOW_UPDATE comes by.
 * For the connection's window a stream has waited if it sends again behind the wait. Windows are known only
 * from a connection's start; of one joined later no wait is told.
 *
 * SETTINGS_INITIAL_WINDOW_SIZE changes the windows of all streams at once (6.9.2): so a stream remembers
 * what it has sent beyond the initial window, and that is added when it is asked for.
 */
#include "protocol/http2_parts.h"

static bool is_known(const struct http2_state *state)
{
	return state->is_from_start && !state->is_flow_lost;
}

void http2_flow_open(const struct http2_state *state, struct http2_stream *stream)
{
	for (size_t i = 0; i < 2; i++)
		stream->way[i].all_waited_ns = state->half[i].waited_ns;
}

static uint64_t since(uint64_t began, uint64_t now)
{
	return began && now > began ? now - began : 0;
}

/* Both windows may have been shut at the same time: the longer wait is the one. */
static void end_waits(const struct http2_half *half, struct http2_way *way)
{
	uint64_t all = half->waited_ns - way->all_waited_ns;

	way->blocked_ns += all > way->waited_ns ? all : way->waited_ns;
	way->all_waited_ns = half->waited_ns;
	way->waited_ns = 0;
}

void http2_flow_data(struct http2_state *state, struct http2_stream *stream, enum side from,
		     uint32_t bytes)
{
	struct http2_half *half = &state->half[from];
	struct http2_way *way = &stream->way[from];

	if (!is_known(state))
		return;
	if (way->window + half->initial_window > 0) { /* SETTINGS may have opened it */
		way->waited_ns += since(way->blocked_since, half->now);
		way->blocked_since = 0;
	}
	end_waits(half, way);
	half->window -= bytes;
	way->window -= bytes;
	if (half->window <= 0 && !half->blocked_since)
		half->blocked_since = half->now;
	if (way->window + half->initial_window <= 0 && !way->blocked_since)
		way->blocked_since = half->now;
}

void http2_flow_update(struct http2_state *state, struct http2_stream *stream, enum side from,
		       uint32_t bytes)
{
	uint64_t now = state->half[from].now;
	struct http2_half *half = &state->half[!from]; /* who may send */
	struct http2_way *way = stream ? &stream->way[!from] : NULL;

	if (!is_known(state))
		return;
	if (!way) {
		half->window += bytes;
		if (half->window > 0) {
			half->waited_ns += since(half->blocked_since, now);
			half->blocked_since = 0;
		}
		return;
	}
	way->window += bytes;
	if (way->window + half->initial_window > 0) {
		way->waited_ns += since(way->blocked_since, now);
		way->blocked_since = 0;
	}
}
