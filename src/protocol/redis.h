/* SPDX-License-Identifier: GPL-2.0-only */
/* redis - Redis, Valkey, KeyDB and Dragonfly: `redis` in records. */
#pragma once

#include "protocol/resp.h"

enum {
	REDIS_SUBSCRIBES = 16, /* commands waiting for their confirmations */
	REDIS_TARGET_MAX = 2 * RESP_WORD_MAX + 48,
};

/* A command that (un)subscribes, until its last confirmation. */
struct redis_subscribe {
	uint64_t request; /* number of the command on this connection */
	uint16_t left; /* confirmations to come; REDIS_ALL: one for each channel there is */
	uint8_t word; /* which confirmation the first was, + 1; 0: none yet */
};

/* One connection. All zero = nothing seen yet. */
struct redis_state {
	struct resp half[2]; /* by enum side */
	uint8_t target[REDIS_TARGET_MAX]; /* of the last request */
	uint64_t requests, responses; /* since the start or the last loss */
	struct redis_subscribe subscribes[REDIS_SUBSCRIBES]; /* ring */
	uint8_t subscribes_first, subscribes_len;
	uint8_t replies; /* enum replies, in redis.c */
	bool is_lost[2]; /* by enum side */
	bool is_full; /* there were more subscribes than fit */
	bool is_subscribed, is_monitor, is_handed_over;
};

extern const struct protocol redis;
