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
