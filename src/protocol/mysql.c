// SPDX-License-Identifier: GPL-2.0-only
/*
 * mysql - the protocol of MySQL and MariaDB.
 *
 * Everything is packets: three bytes of length, one of sequence number, payload. A payload of 16 MiB - 1
 * goes on in the next packet. Here is how packets are cut, and how their place is found again after a
 * loss; what they mean is in mysql_client.c and mysql_server.c.
 *
 * Lost and found. Length and number make a weaker mark than the types of other protocols have, so more is
 * asked: packets whose numbers follow each other, three of them or as many as there are bytes; or one
 * that ends where the bytes end and looks like a command, an OK, an error or an end. If the client was
 * waiting for one answer, what is found is the rest of it.
 */
#include "protocol/mysql_parts.h"
#include "protocol/sql_words.h"

enum step { STEP_ON, STEP_MORE, STEP_MESSAGE, STEP_BAD };

enum {
	CHAIN_SURE = 3,
	RESYNC_KEPT = 4096, /* bytes in which the start of a packet may stand */
	LONG_WRITE = 256, /* bytes: so many that the rest of a packet was cut off by the capture */
	ERROR_SEEN = 640,
	GREETING_SEEN = 128,
	PACKET_SEEN = 24, /* OK with its longest numbers */
};

static uint32_t length_of(const uint8_t *header)
{
	return (uint32_t)header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16;
}

/* The input of one call, and how far it is used. */
struct reader {
	struct mysql_state *state;
	struct mysql_half *half;
	enum side from;
	struct span in; /* what is not used yet */
	size_t used;
	struct message *message;
	const char *why;
};

static void take(struct reader *reader, size_t bytes)
{
	reader->in = span_from(reader->in, bytes);
	reader->used += bytes;
	reader->half->open += bytes;
}

/* ---- packets ---- */

static enum step deliver(struct mysql_state *state, enum side from, struct message *ret_message)
{
	struct mysql_half *half = &state->half[from];
	enum mysql_then then = half->then;

	if (half->continues)
		return STEP_ON; /* there is more of it */
	half->then = MYSQL_NOTHING;
	switch (then) {
	case MYSQL_NOTHING: return STEP_ON;
	case MYSQL_REQUEST: mysql_request(state, ret_message); break;
	case MYSQL_RESPONSE: mysql_response(state, ret_message); break;
	case MYSQL_GREETING: mysql_greeting(state, ret_message); break;
	}
	half->open = 0;
	if (ret_message->handover)
		state->is_handed_over = true;
	return STEP_MESSAGE;
}

/* All bytes of the packet have passed. */
static enum step end_packet(struct mysql_state *state, enum side from, struct message *ret_message)
{
	struct mysql_half *half = &state->half[from];

	half->continues = half->is_full;
	return deliver(state, from, ret_message);
}

static enum step pass(struct reader *reader)
{
	struct mysql_half *half = reader->half;
	size_t step = reader->in.len < half->due ? reader->in.len : (size_t)half->due;

	take(reader, step);
	half->due -= step;
	return half->due ? STEP_MORE : end_packet(reader->state, reader->from, reader->message);
}

/* How many bytes of this payload are to be seen, as far as is known: more, once its first byte is there. */
static size_t bytes_to_see(struct reader *reader, uint8_t sequence, struct span payload)
{
	if (reader->from == SIDE_CLIENT)
		return mysql_client_seen(reader->state, sequence, payload);
	if (reader->half->continues)
		return 0;
	if (!payload.len)
		return 1;
	if (payload.at[0] == 0xff)
		return ERROR_SEEN;
	return sequence ? PACKET_SEEN : GREETING_SEEN;
}

static const char *understand(struct mysql_state *state, enum side from, uint8_t sequence,
			      struct span payload, uint32_t length)
{
	struct mysql_half *half = &state->half[from];
	const char *why = NULL;

	if (from == SIDE_CLIENT)
		mysql_client_packet(state, sequence, payload, length);
	else if (half->continues)
		state->response.next = (uint8_t)(sequence + 1);
	else
		why = mysql_server_packet(state, sequence, payload, length);
	half->phase = MYSQL_PACKETS;
	half->is_full = length == PACKET_MAX;
	return why;
}

/* A new command: is it one? The login and parts of something cannot be told from anything. */
static const char *check_command(struct reader *reader, uint8_t sequence, struct span payload,
				 uint32_t length)
{
	const struct mysql_state *state = reader->state;

	if (reader->from != SIDE_CLIENT || sequence || state->is_loading ||
	    reader->half->continues || (state->is_login && !state->has_login))
		return NULL;
	if (!length)
		return "empty command";
	return payload.len && !mysql_command_name(payload.at[0]) ? "unknown command" : NULL;
}

static enum step take_packet(struct reader *reader)
{
	struct mysql_half *half = reader->half;
	struct span payload;
	uint32_t length;
	uint8_t sequence;
	size_t seen;

	if (reader->in.len < PACKET_HEADER)
		return STEP_MORE;
	length = length_of(reader->in.at);
	sequence = reader->in.at[3];
	payload = span_first(span_from(reader->in, PACKET_HEADER), length);
	reader->why = check_command(reader, sequence, payload, length);
	if (reader->why)
		return STEP_BAD;
	seen = bytes_to_see(reader, sequence, payload);
	seen = seen < length ? seen : length;
	if (payload.len < seen)
		return STEP_MORE;
	reader->why = understand(reader->state, reader->from, sequence, span_first(payload, seen),
				 length);
	if (reader->why)
		return STEP_BAD;
	half->due = (uint64_t)PACKET_HEADER + length;
	return pass(reader);
}

static enum step take_step(struct reader *reader)
{
	if (reader->half->due)
		return pass(reader);
	if (!reader->in.len)
		return STEP_MORE;
	if (reader->half->phase == MYSQL_LOST) {
		reader->why = "the place in the stream is lost";
		return STEP_BAD;
	}
	return take_packet(reader);
}

/* ---- loss ---- */

static void lose(struct mysql_state *state, enum side from)
{
	struct mysql_half *half = &state->half[from];

	*half = (struct mysql_half){.phase = MYSQL_LOST};
	if (from == SIDE_CLIENT) {
		mysql_go_adrift(state);
		state->is_login = false;
		return;
	}
	state->response.is_torn = true;
	state->response.has_next = false;
	if (!state->is_adrift && state->sent - state->ended > 1)
		mysql_go_adrift(state);
}

static enum cut mysql_cut(void *at, enum side from, struct span in, struct message *ret_message,
			  size_t *ret_used, const char **ret_why)
{
	struct mysql_state *state = at;
	struct reader reader = {.state = state,
				.half = &state->half[from],
				.from = from,
				.in = in,
				.message = ret_message};
	enum step step = STEP_ON;

	*ret_used = 0;
	if (!in.len)
		return CUT_MORE;
	if (state->is_handed_over) {
		*ret_used = in.len;
		*ret_why = "the connection has changed to another protocol";
		return CUT_BAD;
	}
	while (step == STEP_ON)
		step = take_step(&reader);
	if (step == STEP_BAD) {
		take(&reader, 1);
		lose(state, from);
		*ret_why = reader.why;
	}
	*ret_used = reader.used;
	return step == STEP_MESSAGE ? CUT_MESSAGE : step == STEP_MORE ? CUT_MORE : CUT_BAD;
}

/* The beginning of a packet whose rest was not captured. False: not enough of it. */
static bool take_beginning(struct mysql_state *state, enum side from, struct span kept)
{
	struct mysql_half *half = &state->half[from];
	struct reader reader = {.state = state, .half = half, .from = from, .in = kept};
	struct span payload = span_from(kept, PACKET_HEADER);
	uint32_t length;
	size_t seen;

	if (half->phase == MYSQL_LOST || kept.len < PACKET_HEADER)
		return false;
	length = length_of(kept.at);
	seen = bytes_to_see(&reader, kept.at[3], payload);
	if (seen && length && !payload.len)
		return false; /* it might be anything */
	if (check_command(&reader, kept.at[3], payload, length) ||
	    understand(state, from, kept.at[3], span_first(payload, seen), length))
		return false;
	half->due = (uint64_t)PACKET_HEADER + length - kept.len;
	half->open += kept.len;
	return true;
}

static enum cut mysql_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			  struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct mysql_state *state = at;
	struct mysql_half *half = &state->half[from];
	uint64_t step;

	*ret_used = bytes;
	*ret_why = "a gap where a packet should begin";
	if (state->is_handed_over)
		return CUT_BAD;
	if (kept.len && !take_beginning(state, from, kept)) {
		lose(state, from);
		return CUT_BAD;
	}
	if (half->due) {
		step = bytes < half->due ? bytes : half->due;
		half->due -= step;
		half->open += step;
		*ret_used = step;
		if (half->due)
			return CUT_MORE;
		if (end_packet(state, from, ret_message) == STEP_MESSAGE)
			return CUT_MESSAGE;
		if (step == bytes)
			return CUT_MORE;
	}
	*ret_used = bytes;
	lose(state, from);
	return CUT_BAD;
}

/* ---- finding packets ---- */

/* Statements begin with a verb, perhaps behind a comment. */
static bool begins_with_verb(struct span text)
{
	const struct sql_word *word;
	size_t len = 0;

	if (text.len > 1 && !text.at[0] && text.at[1] == 1)
		text = span_from(text, 2); /* no query attributes */
	while (text.len && (text.at[0] <= ' ' || text.at[0] == '('))
		text = span_from(text, 1);
	if (text.len > 3 && text.at[0] == '/' && text.at[1] == '*')
		return true;
	while (len < text.len && (text.at[len] | 0x20) >= 'a' && (text.at[len] | 0x20) <= 'z')
		len++;
	word = len ? sql_word_find(text.at, len, text.at + text.len) : NULL;
	return word && word->flags & SQL_VERB;
}

/* Could the payload of this command begin like this? YES: it bears a mark. */
static enum verdict check_payload(struct span payload, uint32_t length)
{
	uint8_t code = payload.at[0];

	switch (code) {
	case COM_LOGIN: return VERDICT_NO;
	case COM_QUERY:
	case COM_STMT_PREPARE:
		return begins_with_verb(span_from(payload, 1)) ? VERDICT_YES : VERDICT_MAYBE;
	case COM_STMT_EXECUTE: /* number, flags, then always 1 */
		if (length < 10)
			return VERDICT_NO;
		if (payload.len < 10)
			return VERDICT_MAYBE;
		return memcmp(payload.at + 6, "\1\0\0\0", 4) ? VERDICT_NO : VERDICT_YES;
	case COM_INIT_DB:
	case COM_FIELD_LIST:
	case COM_CHANGE_USER: return length <= 1024 ? VERDICT_MAYBE : VERDICT_NO;
	case COM_STMT_SEND_LONG_DATA:
	case COM_STMT_BULK_EXECUTE: return VERDICT_MAYBE;
	default: return mysql_command_name(code) && length <= 64 ? VERDICT_MAYBE : VERDICT_NO;
	}
}

/* Does a command begin here? Its length must fit what is there: other protocols have small numbers too. */
static struct guess guess_command(struct span in)
{
	struct span payload = span_from(in, PACKET_HEADER), rest;
	uint32_t length = length_of(in.at);
	enum verdict verdict;

	if (in.at[3] || !length)
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	if (!payload.len)
		return (struct guess){VERDICT_MAYBE, SIDE_CLIENT};
	verdict = check_payload(span_first(payload, length), length);
	rest = span_from(payload, length);
	if (payload.len < length && in.len < LONG_WRITE && verdict == VERDICT_YES)
		verdict = VERDICT_MAYBE;
	if (rest.len >= PACKET_HEADER &&
	    (rest.at[3] || !length_of(rest.at) ||
	     (rest.len > PACKET_HEADER &&
	      check_payload(span_from(rest, PACKET_HEADER), length_of(rest.at)) == VERDICT_NO)))
		verdict = VERDICT_NO; /* no command follows */
	return (struct guess){verdict, verdict == VERDICT_NO ? SIDE_UNKNOWN : SIDE_CLIENT};
}

static bool is_exact_ok(struct span payload)
{
	uint64_t number, status;

	payload = span_from(payload, 1);
	return mysql_take_lenenc(&payload, &number) && mysql_take_lenenc(&payload, &number) &&
	       mysql_take_int(&payload, 2, &status) && mysql_take_int(&payload, 2, &number) &&
	       !(status & 0x8000);
}

/* Is this whole packet of the server one that stands alone at the end of a response? */
static bool is_last_word(struct span payload)
{
	if (payload.len < 5)
		return false;
	switch (payload.at[0]) {
	case 0x00: return payload.len >= 7 && is_exact_ok(payload);
	case 0xfe: return payload.len == 5 || (payload.len >= 7 && is_exact_ok(payload));
	case 0xff: return payload.len > 9 && payload.at[3] == '#';
	default: return false;
	}
}

/* Packets of the server whose numbers follow each other. YES: enough of them. MAYBE: the bytes end. */
static enum verdict follow_server(struct span in)
{
	uint8_t sequence = 0;

	for (int links = 0; links < CHAIN_SURE; links++) {
		uint32_t length;

		if (!in.len)
			return links > 1 ? VERDICT_YES : VERDICT_MAYBE;
		if (in.len < PACKET_HEADER)
			return VERDICT_MAYBE;
		length = length_of(in.at);
		if (!length || (links && in.at[3] != (uint8_t)(sequence + 1)))
			return VERDICT_NO;
		sequence = in.at[3];
		if (in.len - PACKET_HEADER == length &&
		    (links || is_last_word(span_from(in, PACKET_HEADER))))
			return VERDICT_YES;
		if (in.len - PACKET_HEADER < length)
			return VERDICT_MAYBE;
		in = span_from(in, (size_t)PACKET_HEADER + length);
	}
	return VERDICT_YES;
}

static enum verdict follow_client(struct span in)
{
	struct guess guess;
	uint32_t length;

	if (in.len < PACKET_HEADER)
		return VERDICT_MAYBE;
	guess = guess_command(in);
	length = length_of(in.at);
	if (guess.verdict == VERDICT_MAYBE && in.len - PACKET_HEADER == length)
		return VERDICT_YES;
	return guess.verdict;
}

/* The packet that was found: the first of an answer, or somewhere in it? */
static void find_part(struct mysql_state *state, uint8_t sequence)
{
	const struct mysql_command *command = mysql_answered(state);

	if (!state->is_adrift && state->sent - state->ended > 1) {
		mysql_go_adrift(state);
		command = NULL;
	}
	state->response.next = sequence;
	state->response.has_next = true;
	if (command && sequence == command->next) {
		state->response.is_open = state->response.is_torn = false;
		state->response.part = PART_FIRST;
	} else {
		state->response.is_torn = true;
		state->response.part = PART_TORN;
	}
}

static bool mysql_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct mysql_state *state = at;
	size_t maybe = in.len;

	*ret_used = in.len;
	if (state->is_handed_over)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		struct span rest = span_from(in, i);
		enum verdict verdict =
			from == SIDE_CLIENT ? follow_client(rest) : follow_server(rest);

		if (verdict == VERDICT_YES) {
			*ret_used = i;
			state->half[from].phase = MYSQL_PACKETS;
			if (from == SIDE_SERVER)
				find_part(state, in.at[i + 3]);
			return true;
		}
		if (verdict == VERDICT_MAYBE && maybe == in.len && in.len - i <= RESYNC_KEPT)
			maybe = i;
	}
	*ret_used = maybe;
	return false;
}

/* The response that was open, cut short. */
static enum cut mysql_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	struct mysql_state *state = at;
	struct mysql_half *half = &state->half[from];
	bool is_open = from == SIDE_SERVER && state->response.is_open && !state->is_handed_over &&
		       half->phase != MYSQL_LOST;

	half->phase = MYSQL_LOST;
	if (!is_open)
		return CUT_MORE;
	half->open += kept.len;
	state->response.id = mysql_id(state->ended);
	state->response.is_unasked = !mysql_answered(state);
	state->response.is_torn = true;
	mysql_response(state, ret_message);
	ret_message->ends_stream = true;
	return CUT_MESSAGE;
}

static uint64_t mysql_passes(const void *at, enum side from)
{
	return ((const struct mysql_state *)at)->half[from].due;
}

/* ---- whose bytes are these ---- */

/* Version 10, a printable version string, and the 0 behind the first part of the challenge. */
static bool is_greeting(struct span in)
{
	struct span payload = span_from(in, PACKET_HEADER), version;

	if (in.len < PACKET_HEADER + 8 || in.at[3] || payload.at[0] != 10 ||
	    length_of(in.at) > 1024)
		return false;
	payload = span_from(payload, 1);
	if (!mysql_take_name(&payload, &version) || version.len < 3 || version.at[0] < '0' ||
	    version.at[0] > '9' || payload.len < 13 || payload.at[12])
		return false;
	for (size_t i = 0; i < version.len; i++)
		if (version.at[i] <= ' ' || version.at[i] > '~')
			return false;
	return true;
}

/* The client's answer to a greeting: capabilities of version 4.1, and bytes that are reserved. */
static bool is_login(struct span in)
{
	static const uint8_t zeroes[19];
	struct span payload = span_from(in, PACKET_HEADER);

	return in.len >= PACKET_HEADER + 32 && in.at[3] == 1 && length_of(in.at) >= 32 &&
	       payload.at[1] & (CLIENT_PROTOCOL_41 >> 8) &&
	       !memcmp(payload.at + 9, zeroes, sizeof(zeroes));
}

/* The first packet of an answer with rows: the number of columns, then the first of them. */
static bool is_result(struct span in)
{
	uint32_t length = length_of(in.at);

	return in.at[3] == 1 && length >= 1 && length <= 3 && in.len >= length + 12u &&
	       in.at[length + 7] == 2 && !memcmp(in.at + length + 8, "\3def", 4);
}

static struct guess mysql_classify(struct span in)
{
	struct guess no = {VERDICT_NO, SIDE_UNKNOWN}, unknown = {VERDICT_MAYBE, SIDE_UNKNOWN};
	struct guess server = {VERDICT_YES, SIDE_SERVER}, client = {VERDICT_YES, SIDE_CLIENT};
	struct guess command;
	enum verdict chain;
	struct span payload;
	uint32_t length;

	if (in.len < PACKET_HEADER)
		return unknown;
	length = length_of(in.at);
	payload = span_first(span_from(in, PACKET_HEADER), length);
	if (is_greeting(in) || is_result(in))
		return server;
	if (is_login(in))
		return client;
	command = guess_command(in);
	if (command.verdict != VERDICT_NO)
		return command;
	if (!in.at[3] || !length)
		return no;
	chain = follow_server(in);
	if (payload.len == length && payload.at[0] == 0xff && is_last_word(payload) &&
	    chain != VERDICT_NO)
		return server;
	if (chain == VERDICT_YES)
		return (struct guess){VERDICT_MAYBE, SIDE_SERVER};
	return chain == VERDICT_NO || in.at[3] > 3 ? no
						   : unknown; /* most text has a high byte there */
}

static void mysql_settle(void *at)
{
	struct mysql_state *state = at;

	state->is_adrift = false;
	state->is_loading = false;
	state->ended = state->sent;
	state->response.is_open = state->response.is_torn = false;
}

const struct protocol mysql = {
	.name = "mysql",
	.state_size = sizeof(struct mysql_state),
	.classify = mysql_classify,
	.cut = mysql_cut,
	.gap = mysql_gap,
	.resync = mysql_resync,
	.settle = mysql_settle,
	.close = mysql_close,
	.passes = mysql_passes,
};
