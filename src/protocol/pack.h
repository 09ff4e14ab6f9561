/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pack - a message as one small run of bytes, for the time until the rest of it, or its answer, has come.
 *
 * The spans of a message point into input that is about to be gone. message_pack() writes the message
 * and its texts behind each other; message_unpack() gives spans into that. A packed message holds no
 * pointers but static ones and may be moved.
 */
#pragma once

#include "protocol/parser.h"

enum {
	MESSAGE_TARGET_MAX = 512,	 /* bytes kept of a target */
	PACKED_TEXTS = 6 + CHOSEN_COUNT, /* spans in a message */
	PACKED_MAX = 2048, /* bytes: no packed message is longer, texts included */
};

struct packed {
	uint64_t id, shape, items, header_bytes, bytes;
	uint64_t began, ended, position, blocked_ns;
	const char *handover, *dialect; /* static */
	uint32_t opaque, interims;
	uint16_t len[PACKED_TEXTS];
	uint8_t kind, answer, correlation, target_mask, naming;
	bool is_error, is_complete, is_unasked, ends_stream, has_more;
	uint8_t text[]; /* the texts, one behind the other */
};

/* Cuts each text of a message to what may be kept of it, and all of them together to `budget` bytes.
 * A parser does that once, so that a message reads the same whether or not it had to be packed. */
void message_bound(struct message *message, size_t budget);

/* Bytes message_pack() needs: at most sizeof(struct packed) + the budget given to message_bound(). */
size_t message_packed_size(const struct message *message);

/* `room` is aligned to 8 and has message_packed_size() bytes. */
void message_pack(const struct message *message, struct packed *room);

void message_unpack(const struct packed *packed, struct message *ret_message);
