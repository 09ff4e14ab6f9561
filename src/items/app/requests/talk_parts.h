/* SPDX-License-Identifier: GPL-2.0-only */
/* talk_parts - what talk.c does for the files that feed it in other ways than by bytes. */
#pragma once

#include "items/app/requests/talk.h"

/* The connection itself, not a library's layer on it; NULL: not known (any more). */
struct talk *talk_find(const struct talks *talks, uint64_t cookie);

/* It was heard of at `now_ns`. */
void talk_hear(struct talks *talks, struct talk *talk, uint64_t now_ns);

/* An exchange has become whole. `like`: as in struct outcome. */
void talk_hand_on(struct talks *talks, struct talk *talk, const struct exchange *exchange,
		  uint32_t like);

static inline uint16_t talk_server_port(const struct talk *talk)
{
	return talk->is_accepted ? talk->local_port : talk->remote_port;
}

/* ---- verdict.c ---- */

enum { HEAD_MAX_LOG2 = 14 };

/* After each call: is the connection read at all? */
void verdict_judge(struct talks *talks, struct talk *talk);

/* Messages that went in this direction; as long as nobody knows whose it is, none. */
uint64_t verdict_messages(const struct conversation *conversation, unsigned direction);

/* A call moved so many messages; `did_harm`: what was not copied of it was wanted. */
void verdict_learn(struct talks *talks, struct talk *talk, const struct chunk *chunk,
		   uint64_t messages, bool did_harm);

/* What follows in this direction need not be told, as far as that is known. */
void verdict_pass(struct talks *talks, const struct talk *talk, unsigned direction);
