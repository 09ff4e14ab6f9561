// SPDX-License-Identifier: GPL-2.0-only
/* pack - a message as one small run of bytes. */
#include "protocol/pack.h"

enum {
	TARGET = 3,
	SHAPE_MAX = 1024, /* SQL_TEXT_MAX */
};

/* What is kept of each text, in bytes; in the order of text_of(). */
static const uint16_t text_max[PACKED_TEXTS] = {
	64, /* operation */
	64, /* status */
	256, /* resource */
	512, /* target; a whole statement: SHAPE_MAX */
	160, /* reason */
	128, /* key */
	128, /* host */
	64, /* traceparent: 55 in version 00 (W3C Trace Context 2.2) */
	128, /* request id */
	128, /* user agent */
	96, /* content type */
	96, /* user */
	16, /* grpc-status */
};

static struct span *text_of(struct message *message, size_t i)
{
	switch (i) {
	case 0: return &message->operation;
	case 1: return &message->status;
	case 2: return &message->resource;
	case 3: return &message->target;
	case 4: return &message->reason;
	case 5: return &message->key;
	default: return &message->chosen[i - 6];
	}
}

static const struct span *const_text_of(const struct message *message, size_t i)
{
	return text_of((struct message *)message, i);
}

void message_bound(struct message *message, size_t budget)
{
	for (size_t i = 0; i < PACKED_TEXTS; i++) {
		struct span *text = text_of(message, i);
		size_t max = i == TARGET && message->shape ? SHAPE_MAX : text_max[i];

		*text = span_first(*text, max < budget ? max : budget);
		budget -= text->len;
	}
}

size_t message_packed_size(const struct message *message)
{
	size_t size = sizeof(struct packed);

	for (size_t i = 0; i < PACKED_TEXTS; i++)
		size += const_text_of(message, i)->len;
	return size;
}

void message_pack(const struct message *message, struct packed *room)
{
	uint8_t *to = room->text;

	*room = (struct packed){
		.id = message->id,
		.shape = message->shape,
		.items = message->items,
		.header_bytes = message->header_bytes,
		.bytes = message->bytes,
		.began = message->began,
		.ended = message->ended,
		.position = message->position,
		.blocked_ns = message->blocked_ns,
		.handover = message->handover,
		.dialect = message->dialect,
		.opaque = message->opaque,
		.interims = message->interims,
		.naming = message->naming,
		.has_more = message->has_more,
		.kind = message->kind,
		.answer = message->answer,
		.correlation = message->correlation,
		.target_mask = message->target_mask,
		.is_error = message->is_error,
		.is_complete = message->is_complete,
		.is_unasked = message->is_unasked,
		.ends_stream = message->ends_stream,
	};
	for (size_t i = 0; i < PACKED_TEXTS; i++) {
		const struct span *text = const_text_of(message, i);

		room->len[i] = (uint16_t)text->len;
		if (text->len)
			memcpy(to, text->at, text->len);
		to += text->len;
	}
}

void message_unpack(const struct packed *packed, struct message *ret_message)
{
	const uint8_t *from = packed->text;

	*ret_message = (struct message){
		.id = packed->id,
		.shape = packed->shape,
		.items = packed->items,
		.header_bytes = packed->header_bytes,
		.bytes = packed->bytes,
		.began = packed->began,
		.ended = packed->ended,
		.position = packed->position,
		.blocked_ns = packed->blocked_ns,
		.handover = packed->handover,
		.dialect = packed->dialect,
		.opaque = packed->opaque,
		.interims = packed->interims,
		.naming = packed->naming,
		.has_more = packed->has_more,
		.kind = packed->kind,
		.answer = packed->answer,
		.correlation = packed->correlation,
		.target_mask = packed->target_mask,
		.is_error = packed->is_error,
		.is_complete = packed->is_complete,
		.is_unasked = packed->is_unasked,
		.ends_stream = packed->ends_stream,
	};
	for (size_t i = 0; i < PACKED_TEXTS; i++) {
		*text_of(ret_message, i) =
			(struct span){packed->len[i] ? from : NULL, packed->len[i]};
		from += packed->len[i];
	}
}
