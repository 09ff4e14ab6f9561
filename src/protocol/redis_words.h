/* SPDX-License-Identifier: GPL-2.0-only */
/* redis_words - what the words of a Redis request mean. Used by redis.c only. */
#pragma once

#include "protocol/redis.h"

enum {
	REDIS_LAST_KEY = 3, /* no command has its first key behind that word */
	REDIS_NO_KEY = 254,
};

/* What a command does to the connection. */
enum effect {
	EFFECT_NONE,
	EFFECT_SUBSCRIBE, /* (un)subscribes: confirmed once a channel */
	EFFECT_MONITOR,
	EFFECT_REPLICATION,
	EFFECT_REPLIES_ON,
	EFFECT_REPLIES_OFF,
	EFFECT_REPLIES_SKIP,
};

struct redis_command {
	struct span operation; /* "GET", "CLIENT SETNAME" */
	struct span target; /* "SET *** ***" */
	uint64_t args; /* words behind the operation */
	enum effect effect;
};

bool redis_is_word(struct span word);

/* A command Redis knows by itself (not by a module). */
bool redis_is_command(struct span word);

/* Which word is the first key of this command; 1 for those of modules; or REDIS_NO_KEY. */
uint8_t redis_key_at(struct span word);

/* `words`: the first RESP_WORDS of `count` (> 0). `room`: REDIS_TARGET_MAX bytes. */
void redis_read_command(const struct span *words, uint64_t count, uint8_t *room,
			struct redis_command *ret_command);

/* What is wrong with an inline request (a line without its LF), or NULL. */
const char *redis_check_inline(struct span line, bool is_whole);

/* Fills words and key of `half`; returns how many words there are. */
uint64_t redis_split_inline(struct span line, struct resp *half);

struct guess redis_guess_inline(struct span in);
