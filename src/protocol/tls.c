// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls - what TLS says in the clear (RFC 8446, RFC 5246; SNI RFC 6066 3, ALPN RFC 7301).
 *
 * A stream of records: one byte of type, two of version, two of length. Of all of them only three sorts
 * are read: ClientHello (which name, which protocols), ServerHello (which version, and before TLS 1.3
 * which protocol) and alerts that are not encrypted. Everything else is passed by its length; once a
 * side has begun to encrypt there is nothing to copy any more.
 *
 * The hellos are the request and its response; the time between them is the server's share of the
 * handshake. A HelloRetryRequest (RFC 8446 4.1.4) is an answer before the answer, and the second
 * ClientHello belongs to the same request.
 *
 * A hello is read from one record, and as far as it is there: the name comes early as a rule, but key
 * shares of some kilobytes may come before it, so a hello whose end was not captured is told with what is
 * known, as incomplete; the record's length is known in any case.
 */
#include "protocol/tls.h"

enum {
	RECORD_HEAD = 5,
	RECORD_MAX = 16384 + 2048, /* RFC 5246 6.2.3; 16384 + 256 in TLS 1.3 */
	CHANGE_CIPHER = 20,
	ALERT = 21,
	HANDSHAKE = 22,
	APPLICATION = 23,
	HEARTBEAT = 24,
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	HELLO_HEAD = 4, /* type and length of a handshake message */
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_ALPN = 16,
	EXTENSION_VERSIONS = 43,
	CLOSE_NOTIFY = 0,
};

enum phase {
	PHASE_RECORD, /* at the start of a record */
	PHASE_PASS, /* inside one */
	PHASE_HELLO, /* inside the rest of one that held a hello, now in `open` */
	PHASE_CIPHER, /* nothing readable will follow */
	PHASE_LOST,
};

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Takes a field of n bytes from the front; an empty span, and `in` emptied, if it is not all there. */
static struct span field(struct span *in, size_t n)
{
	struct span got = span_first(*in, n);

	if (got.len < n)
		got.len = 0;
	*in = got.len || !n ? span_from(*in, n) : (struct span){in->at, 0};
	return got;
}

/* A field with its length in `width` bytes before it; as much of it as is there. */
static struct span vector(struct span *in, size_t width)
{
	struct span length = field(in, width), got;
	size_t n = 0;

	for (size_t i = 0; i < length.len; i++)
		n = n << 8 | length.at[i];
	got = span_first(*in, n);
	*in = span_from(*in, n);
	return got;
}

/* Hellos. */

static const char *version_name(uint16_t version)
{
	switch (version) {
	case 0x0300: return "SSL3.0";
	case 0x0301: return "TLS1.0";
	case 0x0302: return "TLS1.1";
	case 0x0303: return "TLS1.2";
	case 0x0304: return "TLS1.3";
	default: return "unknown";
	}
}

static bool is_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
			return false;
	return text.len;
}

static void read_extension(struct message *message, enum side from, uint16_t type, struct span body)
{
	struct span list, name;

	switch (type) {
	case EXTENSION_SERVER_NAME:
		list = vector(&body, 2);
		field(&list, 1); /* name type: host_name is the only one there is */
		name = vector(&list, 2);
		if (from == SIDE_CLIENT && is_text(name))
			message->resource = message->target = message->chosen[CHOSEN_HOST] = name;
		break;
	case EXTENSION_ALPN: /* the first is what the client likes best, or what the server took */
		list = vector(&body, 2);
		name = vector(&list, 1);
		if (is_text(name))
			message->chosen[CHOSEN_CONTENT_TYPE] = name;
		break;
	case EXTENSION_VERSIONS:
		if (from == SIDE_SERVER && body.len == 2)
			message->status = span_of(version_name(read16(body.at)));
		break;
	}
}

/* RFC 8446 4.1.4: a HelloRetryRequest is a ServerHello whose random is SHA-256 of its name. */
static bool is_retry(struct span random)
{
	static const uint8_t magic[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
					  0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
					  0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
					  0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

	return random.len == sizeof(magic) && !memcmp(random.at, magic, sizeof(magic));
}

/* `in`: a handshake message, as much of it as is there. */
static void read_hello(enum side from, struct span in, struct message *ret_message)
{
	struct span head = field(&in, HELLO_HEAD), version, random, extensions;
	size_t length = head.len ? (size_t)head.at[1] << 16 | read16(head.at + 2) : SIZE_MAX;

	*ret_message = (struct message){
		.kind = from == SIDE_CLIENT ? MESSAGE_REQUEST : MESSAGE_RESPONSE,
		.is_complete = in.len >= length,
	};
	in = span_first(in, length);
	version = field(&in, 2);
	random = field(&in, 32);
	vector(&in, 1); /* session id */
	if (from == SIDE_CLIENT) {
		ret_message->operation = span_of("ClientHello");
		vector(&in, 2); /* cipher suites */
		vector(&in, 1); /* compression methods */
	} else {
		ret_message->status =
			span_of(version.len ? version_name(read16(version.at)) : "unknown");
		field(&in, 3); /* the suite and the compression method taken */
	}
	extensions = vector(&in, 2);
	while (extensions.len) {
		struct span type = field(&extensions, 2);
		struct span body = vector(&extensions, 2);

		if (type.len)
			read_extension(ret_message, from, read16(type.at), body);
	}
	if (from == SIDE_SERVER && is_retry(random)) {
		ret_message->kind = MESSAGE_INTERIM;
		ret_message->status = span_of("HelloRetryRequest");
	}
	message_bound(ret_message, TLS_TEXT);
}

/* Alerts. */

static const char *alert_name(uint8_t alert)
{
	static const struct {
		uint8_t alert;
		const char *name;
	} names[] = {
		{0, "close_notify"},
		{10, "unexpected_message"},
		{20, "bad_record_mac"},
		{22, "record_overflow"},
		{40, "handshake_failure"},
		{42, "bad_certificate"},
		{43, "unsupported_certificate"},
		{44, "certificate_revoked"},
		{45, "certificate_expired"},
		{46, "certificate_unknown"},
		{47, "illegal_parameter"},
		{48, "unknown_ca"},
		{49, "access_denied"},
		{50, "decode_error"},
		{51, "decrypt_error"},
		{70, "protocol_version"},
		{71, "insufficient_security"},
		{80, "internal_error"},
		{86, "inappropriate_fallback"},
		{90, "user_canceled"},
		{109, "missing_extension"},
		{110, "unsupported_extension"},
		{112, "unrecognized_name"},
		{113, "bad_certificate_status_response"},
		{115, "unknown_psk_identity"},
		{116, "certificate_required"},
		{120, "no_application_protocol"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].alert == alert)
			return names[i].name;
	return "unknown_alert";
}

/* The server's alert instead of a hello is the response; any other is told by itself. */
static void give_alert(struct tls_state *state, enum side from, uint8_t alert,
		       struct message *ret_message)
{
	bool is_refusal = from == SIDE_SERVER && !state->is_answered;

	*ret_message = (struct message){
		.kind = is_refusal ? MESSAGE_RESPONSE : MESSAGE_PUSH,
		.status = span_of(alert_name(alert)),
		.bytes = RECORD_HEAD + 2,
		.is_error = alert != CLOSE_NOTIFY,
		.is_complete = true,
	};
	if (!is_refusal)
		ret_message->operation = span_of("alert");
	if (from == SIDE_SERVER)
		state->is_answered = true;
}

/* Records. */

struct record {
	uint8_t type;
	uint16_t length;
};

static const char *read_record(struct span in, struct record *ret_record)
{
	*ret_record = (struct record){.type = in.at[0]};
	if (in.at[0] < CHANGE_CIPHER || in.at[0] > HEARTBEAT)
		return "not a type of record";
	if ((in.len > 1 && in.at[1] != 3) || (in.len > 2 && in.at[2] > 4))
		return "not a version of TLS";
	if (in.len < RECORD_HEAD)
		return NULL;
	ret_record->length = read16(in.at + 3);
	if (!ret_record->length || ret_record->length > RECORD_MAX)
		return "record empty or above 18 KiB";
	return NULL;
}

/* A second ClientHello is the same request again, a second ServerHello the answer after a retry. */
static bool is_hello(const struct tls_state *state, enum side from, struct span payload)
{
	if (from == SIDE_CLIENT)
		return payload.at[0] == CLIENT_HELLO && !state->half[from].has_hello;
	return payload.at[0] == SERVER_HELLO && !state->is_answered;
}

static void take_hello(struct tls_state *state, enum side from, struct span payload, size_t record,
		       struct message *ret_message)
{
	read_hello(from, payload, ret_message);
	ret_message->bytes = ret_message->header_bytes = RECORD_HEAD + record;
	state->half[from].has_hello = true;
	if (ret_message->kind == MESSAGE_RESPONSE)
		state->is_answered = true;
}

/* After a HelloRetryRequest comes a ChangeCipherSpec that changes nothing (RFC 8446 D.4). */
static bool begins_cipher(const struct tls_state *state, enum side from, uint8_t type)
{
	bool is_retry_open =
		from == SIDE_SERVER && state->half[from].has_hello && !state->is_answered;

	return type == APPLICATION || (type == CHANGE_CIPHER && !is_retry_open);
}

enum step {
	STEP_ON,
	STEP_MORE,
	STEP_MESSAGE,
	STEP_BAD,
};

static enum step take_record(struct tls_state *state, enum side from, struct span in,
			     size_t *ret_used, struct message *ret_message, const char **ret_why)
{
	struct record record;
	struct span payload = span_first(in, 0);

	*ret_why = read_record(in, &record);
	if (*ret_why)
		return STEP_BAD;
	if (in.len < RECORD_HEAD)
		return STEP_MORE;
	payload = span_first(span_from(in, RECORD_HEAD), record.length);
	if (begins_cipher(state, from, record.type)) {
		state->half[from].phase = PHASE_CIPHER;
		return STEP_ON;
	}

	bool is_alert = record.type == ALERT && record.length == 2;
	bool is_wanted = is_alert;

	if (record.type == HANDSHAKE) {
		if (!payload.len)
			return STEP_MORE;
		is_wanted = is_hello(state, from, payload);
	}
	if (!is_wanted) {
		state->half[from].phase = PHASE_PASS;
		state->half[from].due = record.length;
		*ret_used = RECORD_HEAD;
		return STEP_ON;
	}
	if (payload.len < record.length)
		return STEP_MORE;
	*ret_used = RECORD_HEAD + record.length;
	if (is_alert)
		give_alert(state, from, payload.at[1], ret_message);
	else
		take_hello(state, from, payload, record.length, ret_message);
	return STEP_MESSAGE;
}

static enum step finish_record(struct tls_state *state, enum side from, struct message *ret_message)
{
	bool was_hello = state->half[from].phase == PHASE_HELLO;

	state->half[from].phase = PHASE_RECORD;
	if (!was_hello)
		return STEP_ON;
	message_unpack(&state->half[from].open, ret_message);
	return STEP_MESSAGE;
}

static enum step take_step(struct tls_state *state, enum side from, struct span in,
			   size_t *ret_used, struct message *ret_message, const char **ret_why)
{
	size_t step;

	*ret_used = 0;
	if (!in.len)
		return STEP_MORE;
	switch ((enum phase)state->half[from].phase) {
	case PHASE_RECORD: return take_record(state, from, in, ret_used, ret_message, ret_why);
	case PHASE_PASS:
	case PHASE_HELLO:
		step = in.len < state->half[from].due ? in.len : state->half[from].due;
		state->half[from].due -= (uint32_t)step;
		*ret_used = step;
		return state->half[from].due ? STEP_MORE : finish_record(state, from, ret_message);
	case PHASE_CIPHER: *ret_used = in.len; return STEP_MORE;
	case PHASE_LOST: break;
	}
	*ret_why = "the place in the stream is lost";
	return STEP_BAD;
}

static enum cut tls_cut(void *at, enum side from, struct span in, struct message *ret_message,
			size_t *ret_used, const char **ret_why)
{
	struct tls_state *state = at;
	enum step step = STEP_ON;
	size_t used = 0;

	while (step == STEP_ON) {
		size_t some;

		step = take_step(state, from, span_from(in, used), &some, ret_message, ret_why);
		used += some;
	}
	if (step == STEP_BAD) {
		state->half[from].phase = PHASE_LOST;
		used++;
	}
	*ret_used = used;
	return step == STEP_MESSAGE ? CUT_MESSAGE : step == STEP_MORE ? CUT_MORE : CUT_BAD;
}

/* A record whose rest was not captured: a hello is read as far as it goes. */
static bool open_torn_record(struct tls_state *state, enum side from, struct span kept)
{
	struct span payload = span_from(kept, RECORD_HEAD);
	struct message hello;
	struct record record;

	if (kept.len < RECORD_HEAD || read_record(kept, &record))
		return false;
	state->half[from].due = record.length - (uint32_t)payload.len;
	state->half[from].phase = PHASE_PASS;
	if (record.type != HANDSHAKE || !payload.len)
		return true;
	state->half[from].phase = PHASE_HELLO; /* kept for no other reason */
	take_hello(state, from, payload, record.length, &hello);
	message_pack(&hello, &state->half[from].open);
	return true;
}

static enum cut tls_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct tls_state *state = at;
	uint32_t *due = &state->half[from].due;

	*ret_used = bytes;
	if (state->half[from].phase == PHASE_CIPHER)
		return CUT_MORE;
	if (state->half[from].phase == PHASE_RECORD && kept.len &&
	    open_torn_record(state, from, kept))
		kept.len = 0;
	if (state->half[from].phase == PHASE_RECORD || state->half[from].phase == PHASE_LOST)
		goto bad;
	if (bytes < *due) {
		*due -= (uint32_t)bytes;
		return CUT_MORE;
	}
	*ret_used = *due;
	*due = 0;
	if (finish_record(state, from, ret_message) == STEP_MESSAGE)
		return CUT_MESSAGE;
	if (*ret_used == bytes)
		return CUT_MORE;
bad:
	state->half[from].phase = PHASE_LOST;
	*ret_used = bytes;
	*ret_why = "a gap where a record should begin";
	return CUT_BAD;
}

static struct guess tls_classify(struct span in)
{
	const struct guess no = {VERDICT_NO, SIDE_UNKNOWN};
	struct guess guess = {VERDICT_MAYBE, SIDE_UNKNOWN};
	struct record record, next;
	struct span payload, rest;

	if (!in.len)
		return guess;
	if (read_record(in, &record))
		return no;
	payload = span_first(span_from(in, RECORD_HEAD), record.length);
	rest = span_from(in, RECORD_HEAD + (size_t)record.length);
	if (in.len < RECORD_HEAD || !payload.len)
		return guess;
	if (rest.len && read_record(rest, &next))
		return no;
	if (rest.len >= RECORD_HEAD || (!rest.len && payload.len == record.length))
		guess.verdict = VERDICT_YES;
	if (record.type == HANDSHAKE &&
	    (payload.at[0] == CLIENT_HELLO || payload.at[0] == SERVER_HELLO)) {
		guess.from = payload.at[0] == CLIENT_HELLO ? SIDE_CLIENT : SIDE_SERVER;
		/* the upper byte of the hello's length, and the version inside it */
		if ((payload.len > 1 && payload.at[1]) ||
		    (payload.len > HELLO_HEAD && payload.at[HELLO_HEAD] != 3))
			return no;
		if (payload.len > HELLO_HEAD)
			guess.verdict = VERDICT_YES;
	}
	return guess;
}

/* Records begin where writes do, often enough. */
static bool tls_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct tls_state *state = at;
	struct guess guess = tls_classify(in);

	*ret_used = guess.verdict == VERDICT_NO || in.len > RECORD_HEAD ? in.len : 0;
	if (guess.verdict != VERDICT_YES)
		return false;
	state->half[from].phase = PHASE_RECORD;
	*ret_used = 0;
	return true;
}

static enum cut tls_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	struct tls_state *state = at;
	bool is_torn =
		state->half[from].phase == PHASE_RECORD && open_torn_record(state, from, kept);
	bool is_hello = state->half[from].phase == PHASE_HELLO;
	uint32_t missing = state->half[from].due;

	state->half[from].phase = PHASE_LOST;
	if (!is_hello)
		return CUT_MORE;
	message_unpack(&state->half[from].open, ret_message);
	ret_message->bytes -= missing;
	ret_message->header_bytes -= missing;
	ret_message->is_complete &= !is_torn;
	ret_message->ends_stream = true;
	return CUT_MESSAGE;
}

static uint64_t tls_passes(const void *at, enum side from)
{
	const struct tls_state *state = at;

	if (state->half[from].phase == PHASE_CIPHER)
		return UINT64_MAX;
	return state->half[from].phase == PHASE_PASS || state->half[from].phase == PHASE_HELLO
		       ? state->half[from].due
		       : 0;
}

const struct protocol tls = {
	.name = "tls",
	.state_size = sizeof(struct tls_state),
	.is_opaque = true,
	.classify = tls_classify,
	.cut = tls_cut,
	.gap = tls_gap,
	.resync = tls_resync,
	.close = tls_close,
	.passes = tls_passes,
};
