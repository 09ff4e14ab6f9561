/* SPDX-License-Identifier: GPL-2.0-only */
/* phases - where the time of an exchange went: what talk.c asks. */
#pragma once

#include "items/app/requests/talk.h"

/* Received bytes: when they had come to the socket. */
void phases_note_arrival(struct talk *talk, const struct chunk *chunk);

/* Fills in times and phases. `peer`: the other end, when this machine has it too; else NULL. */
void phases_of(struct talk *talk, const struct talk *peer, struct outcome *outcome);
