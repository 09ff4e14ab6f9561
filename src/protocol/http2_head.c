// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_head - a header block as texts of a message.
 *
 * Values are copied, as far as they are wanted: the decoder's own are valid for one field only. Of a header
 * that comes twice the first counts.
 *
 * What is unknown is remembered as long as it may be a pseudo-header: up to the first field that is none.
 */
#include "base/map.h"
#include "protocol/http2_parts.h"

/* Bytes kept of a value. */
static const uint16_t value_max[HPACK_NAMES] = {
	[HPACK_AUTHORITY] = 128,   [HPACK_METHOD] = 64,      [HPACK_PATH] = 512,
	[HPACK_PROTOCOL] = 32,     [HPACK_STATUS] = 8,       [HPACK_HOST] = 128,
	[HPACK_CONTENT_TYPE] = 96, [HPACK_USER_AGENT] = 128, [HPACK_TRACEPARENT] = 64,
	[HPACK_REQUEST_ID] = 128,  [HPACK_GRPC_STATUS] = 16, [HPACK_GRPC_MESSAGE] = 480,
};

static struct span keep(struct http2_head *head, enum hpack_name id, struct span value)
{
	uint8_t *to = head->text + head->text_len;

	value = span_first(value, value_max[id]);
	value = span_first(value, HTTP2_HEAD_TEXT - head->text_len);
	if (value.len)
		memcpy(to, value.at, value.len);
	head->text_len += value.len;
	return (struct span){to, value.len};
}

static uint32_t read_status(struct span value)
{
	if (value.len != 3)
		return 0;
	for (size_t i = 0; i < 3; i++)
		if (value.at[i] < '0' || value.at[i] > '9')
			return 0;
	return (value.at[0] - '0') * 100u + (value.at[1] - '0') * 10u + (value.at[2] - '0');
}

static void take_path(struct http2_head *head, struct span value, bool is_seeded)
{
	head->message.target = keep(head, HPACK_PATH, value);
	head->naming = is_seeded ? NAMING_SEEDED : NAMING_KNOWN;
	head->seen |= 1u << HPACK_PATH;
}

static void take_known(struct http2_head *head, const struct hpack_field *field)
{
	struct message *message = &head->message;

	if (field->id == HPACK_OTHER || field->id > HPACK_PSEUDO_LAST)
		head->is_past_pseudo = true;
	if (head->seen >> field->id & 1)
		return;
	head->seen |= 1u << field->id;
	switch (field->id) {
	case HPACK_METHOD: message->operation = keep(head, field->id, field->value); break;
	case HPACK_PATH: take_path(head, field->value, field->is_seeded); break;
	case HPACK_AUTHORITY:
		message->chosen[CHOSEN_HOST] = keep(head, field->id, field->value);
		break;
	case HPACK_HOST:
		if (!(head->seen >> HPACK_AUTHORITY & 1))
			message->chosen[CHOSEN_HOST] = keep(head, field->id, field->value);
		break;
	case HPACK_STATUS:
		head->has_status = true;
		head->status = read_status(field->value);
		break;
	case HPACK_CONTENT_TYPE:
		head->has_type = true;
		message->chosen[CHOSEN_CONTENT_TYPE] = keep(head, field->id, field->value);
		break;
	case HPACK_USER_AGENT:
		message->chosen[CHOSEN_USER_AGENT] = keep(head, field->id, field->value);
		break;
	case HPACK_TRACEPARENT:
		message->chosen[CHOSEN_TRACEPARENT] = keep(head, field->id, field->value);
		break;
	case HPACK_REQUEST_ID:
		message->chosen[CHOSEN_REQUEST_ID] = keep(head, field->id, field->value);
		break;
	case HPACK_GRPC_STATUS: head->grpc_status = keep(head, field->id, field->value); break;
	case HPACK_GRPC_MESSAGE: head->grpc_message = keep(head, field->id, field->value); break;
	default: break;
	}
}

/* A name that is not known with a value that is: the two together are what it is called. */
static int64_t part_of(const struct hpack_field *field)
{
	if (field->known == HPACK_OPAQUE)
		return field->ordinal;
	return (int64_t)(hash_bytes(field->value.at, field->value.len, (uint64_t)field->ordinal) |
			 1ull << 63);
}

static void take_unknown(struct http2_head *head, const struct hpack_field *field, bool is_request)
{
	head->has_unknown = true;
	if ((is_request && head->is_past_pseudo) || head->unknown == HTTP2_UNKNOWN)
		return;
	head->values[head->unknown] = (struct span){};
	if (field->known == HPACK_NAMELESS && !head->unknown)
		head->values[0] = keep(head, HPACK_PATH, field->value);
	head->parts[head->unknown++] = part_of(field);
}

/* How many pseudo-headers of a request are not among those known. */
static uint32_t missing_of(const struct http2_head *head)
{
	uint32_t pseudo =
		1u << HPACK_METHOD | 1u << HPACK_SCHEME | 1u << HPACK_PATH | 1u << HPACK_AUTHORITY;

	return (uint32_t)__builtin_popcount(pseudo & ~head->seen);
}

static void settle_request(struct http2_head *head)
{
	struct message *message = &head->message;
	uint32_t missing = missing_of(head);

	head->is_connect =
		span_is(message->operation, "CONNECT") && !(head->seen >> HPACK_PROTOCOL & 1);
	if (head->is_connect) { /* RFC 9113 8.5: the authority is all it has */
		message->target = message->chosen[CHOSEN_HOST];
	} else if (!(head->seen >> HPACK_PATH & 1)) {
		head->naming = NAMING_OPAQUE;
		if (head->unknown > missing)
			head->unknown = missing;
		/* only :path is missing, and it must be there: this is it */
		if (missing == 1 && head->unknown && head->values[0].len)
			take_path(head, head->values[0], false);
	}
	message->target_mask = TARGET_URL;
}

const char *http2_read_head(struct hpack *hpack, struct span block, bool is_request,
			    struct http2_head *ret_head)
{
	struct hpack_reader reader;
	struct hpack_field field;
	const char *why = NULL;
	enum hpack_step step;
	bool is_first = true;

	memset(ret_head, 0, offsetof(struct http2_head, text));
	hpack_begin(hpack, block, &reader);
	while ((step = hpack_next(&reader, &field, &why)) == HPACK_FIELD) {
		bool is_unknown = field.known == HPACK_OPAQUE || field.known == HPACK_NAMELESS;

		if (is_unknown)
			take_unknown(ret_head, &field, is_request);
		else
			take_known(ret_head, &field);
		/* :status is the only pseudo-header of a response */
		if (is_unknown && is_first && !is_request)
			ret_head->has_status = true;
		is_first = false;
	}
	if (step == HPACK_BAD)
		return why;
	if (is_request)
		settle_request(ret_head);
	return NULL;
}
