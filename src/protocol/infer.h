/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * infer - which protocol is this connection?
 *
 * Each write of either direction is shown to all parsers' classify(). A verdict needs two messages that
 * agree: a request and a response, or two of the same side in a row, and at least one of them with a mark
 * that is hard to meet by chance. It is revisable: what does not fit later unsettles it.
 *
 * Directions are 0 and 1, as the caller likes; which of them is the client's is part of the answer.
 */
#pragma once

#include "protocol/parser.h"

enum {
	INFER_PROTOCOLS = 24, /* more are not looked at */
	INFER_HOPELESS = 64, /* writes without a verdict, after which there will be none */
	INFER_TORN = 256, /* bytes kept of a write that was too short to tell */
	INFER_PROBATION = 4, /* messages after which one contradiction does not unsettle any more */
	INFER_DOUBT = 8, /* messages until that one is forgiven */
};

struct infer {
	const struct protocol *settled; /* NULL: not known (yet, or any more) */
	enum side side_of[2]; /* of the settled protocol: who speaks in each direction */
	enum side hint; /* who speaks in direction 0, as far as the caller knows */
	struct {
		uint8_t verdict[2],
			from[2]; /* the last write of each direction; enum verdict, enum side */
		bool is_repeated[2]; /* and the one before it was alike */
	} candidates[INFER_PROTOCOLS];
	uint8_t torn[2][INFER_TORN]; /* the last write of each direction, if it was too short */
	uint16_t torn_len[2];
	uint8_t last_direction; /* of the last write */
	uint32_t writes; /* seen without a verdict, in a row */
	uint32_t messages; /* since it was settled */
	uint32_t unsettled; /* times a verdict was taken back */
	uint32_t doubt; /* messages until the last contradiction is forgiven */
};

/* `hint`: who speaks in direction 0, if known from connect() or accept(); messages know better. */
void infer_init(struct infer *infer, enum side hint);

/* The bytes of one write, or one datagram. Returns infer->settled. */
const struct protocol *infer_see(struct infer *infer, unsigned direction, struct span in,
				 bool is_datagram);

/* What the settled parser makes of the stream: a message; or something wrong where nothing was missing. */
void infer_confirm(struct infer *infer);
bool infer_contradict(struct infer *infer); /* true: unsettled by that */

static inline bool infer_is_hopeless(const struct infer *infer)
{
	return !infer->settled && infer->writes >= INFER_HOPELESS;
}
