// SPDX-License-Identifier: GPL-2.0-only
/*
 * pgsql - PostgreSQL's protocol, version 3 (PostgreSQL 15 manual, chapter 55).
 *
 * A message is a type, a length, and a payload; of few payloads more than the first bytes matter, so a
 * gap in one is harmless. What a message means is in pgsql_client.c and pgsql_server.c; here is how
 * messages are cut, and what happens if bytes are lost that held the beginning of one.
 *
 * Lost and found. Types and lengths make a chain: each message says where the next one begins. A place
 * is taken for the start of a message if the chain from there holds for three messages, or for one
 * that ends where the bytes end. If the client was waiting for one answer, what is found is the rest of
 * it. If it was waiting for several, nobody knows how many of them were lost: then responses are
 * `unasked` until the order is known again (begin_batch() in pgsql_client.c).
 */
#include "protocol/pgsql_parts.h"
#include "protocol/sql_words.h"

enum step { STEP_ON, STEP_MORE, STEP_MESSAGE, STEP_BAD };

enum {
	CHAIN_SURE = 3, /* messages that fit each other by chance: about 2^-50 */
	RESYNC_KEPT = 4096, /* bytes in which the start of a message may stand */
	STARTUP_MAX = 10000, /* bytes: MAX_STARTUP_PACKET_LENGTH */
	NAMES_SEEN = 160, /* two names */
	ERROR_SEEN = 1024,
	TAG_SEEN = 64,
};

/* The payload of each type: least and most bytes, and how many of them are looked at. PostgreSQL manual
 * 55.7; types whose payload is always empty are in pgsql_message_type(). */
static const struct message_type client_types[128] = {
	['B'] = {4, MESSAGE_MAX, NAMES_SEEN},
	['C'] = {2, SMALL_MAX, NAMES_SEEN},
	['D'] = {2, SMALL_MAX, 0},
	['E'] = {5, SMALL_MAX, NAMES_SEEN},
	['F'] = {10, MESSAGE_MAX, 4},
	['P'] = {4, MESSAGE_MAX, STATEMENT_SEEN},
	['Q'] = {1, MESSAGE_MAX, STATEMENT_SEEN},
	['d'] = {0, MESSAGE_MAX, 0},
	['f'] = {1, SMALL_MAX, 0},
	['p'] = {0, SMALL_MAX, 0},
};

static const struct message_type server_types[128] = {
	['A'] = {6, MESSAGE_MAX, NAMES_SEEN},
	['C'] = {1, SMALL_MAX, TAG_SEEN},
	['D'] = {2, MESSAGE_MAX, 0},
	['E'] = {1, MESSAGE_MAX, ERROR_SEEN},
	['G'] = {3, SMALL_MAX, 0},
	['H'] = {3, SMALL_MAX, 0},
	['K'] = {8, 260, 0},
	['N'] = {1, MESSAGE_MAX, 0},
	['R'] = {4, SMALL_MAX, 0},
	['S'] = {2, SMALL_MAX, NAMES_SEEN},
	['T'] = {2, MESSAGE_MAX, 0},
	['V'] = {4, MESSAGE_MAX, 0},
	['W'] = {3, SMALL_MAX, 0},
	['Z'] = {1, 1, 1},
	['d'] = {0, MESSAGE_MAX, 0},
	['t'] = {2, SMALL_MAX, 0},
	['v'] = {8, SMALL_MAX, 0},
};

static const struct message_type *message_type(enum side from, uint8_t type)
{
	static const struct message_type empty = {0, 0, 0};
	const struct message_type *found;

	if (type >= 128 || !type)
		return NULL;
	if (strchr(from == SIDE_CLIENT ? "HSXc" : "123Icns", type))
		return &empty;
	found = from == SIDE_CLIENT ? &client_types[type] : &server_types[type];
	return found->max ? found : NULL;
}

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A type and a length that go together? `header` has HEADER bytes. NULL: they do. */
static const char *read_header(enum side from, const uint8_t *header,
			       const struct message_type **ret_type, uint32_t *ret_payload)
{
	const struct message_type *type = message_type(from, header[0]);
	uint32_t length = read_u32(header + 1);

	if (!type)
		return "unknown message type";
	if (length < 4 || length - 4 < type->min || length - 4 > type->max)
		return "length that this type of message never has";
	*ret_type = type;
	*ret_payload = length - 4;
	return NULL;
}

/* The input of one call, and how far it is used. */
struct reader {
	struct pgsql_state *state;
	struct pgsql_half *half;
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

/* ---- messages ---- */

static enum step deliver(struct pgsql_state *state, enum side from, uint64_t message_bytes,
			 struct message *ret_message)
{
	struct pgsql_half *half = &state->half[from];
	enum then then = half->then;

	half->then = THEN_NOTHING;
	switch (then) {
	case THEN_NOTHING: return STEP_ON;
	case THEN_REQUEST: pgsql_request(state, ret_message); break;
	case THEN_RESPONSE: pgsql_response(state, ret_message); break;
	case THEN_PUSH:
		pgsql_push(state, ret_message);
		ret_message->bytes = message_bytes;
		return STEP_MESSAGE; /* what is open stays open */
	}
	half->open = 0;
	return STEP_MESSAGE;
}

static enum step pass(struct reader *reader)
{
	struct pgsql_half *half = reader->half;
	size_t step = reader->in.len < half->due ? reader->in.len : (size_t)half->due;

	take(reader, step);
	half->due -= step;
	return half->due ? STEP_MORE
			 : deliver(reader->state, reader->from, half->length, reader->message);
}

static void understand(struct pgsql_state *state, enum side from, uint8_t type, struct span payload,
		       bool is_cut)
{
	if (from == SIDE_CLIENT)
		pgsql_client_message(state, type, payload, is_cut);
	else
		pgsql_server_message(state, type, payload, is_cut);
}

static enum step take_message(struct reader *reader)
{
	struct pgsql_half *half = reader->half;
	const struct message_type *type;
	uint32_t payload, seen;

	if (reader->in.len < HEADER)
		return STEP_MORE;
	reader->why = read_header(reader->from, reader->in.at, &type, &payload);
	if (reader->why)
		return STEP_BAD;
	seen = payload < type->seen ? payload : type->seen;
	if (reader->in.len < HEADER + seen)
		return STEP_MORE;
	half->phase = PHASE_MESSAGES;
	understand(reader->state, reader->from, reader->in.at[0],
		   (struct span){reader->in.at + HEADER, seen}, false);
	half->length = (uint64_t)HEADER + payload;
	half->due = half->length;
	return pass(reader);
}

/* Messages of the client that begin with their length: 0, as none is that long. */
static enum step take_startup(struct reader *reader)
{
	struct pgsql_half *half = reader->half;
	uint32_t length, code;

	if (reader->in.len < 8)
		return STEP_MORE;
	length = read_u32(reader->in.at);
	code = read_u32(reader->in.at + 4);
	reader->why = "not the start of a session";
	if (length < 8 || length > STARTUP_MAX || (code >> 16 != 3 && code >> 16 != 1234))
		return STEP_BAD;
	if (reader->in.len < length)
		return STEP_MORE;
	half->open = 0;
	pgsql_startup_message(reader->state, (struct span){reader->in.at + 4, length - 4});
	half->length = half->due = length;
	return pass(reader);
}

/* S or N (G or N): may the session be encrypted? */
static enum step take_single_byte(struct reader *reader)
{
	struct pgsql_state *state = reader->state;
	uint8_t c = reader->in.at[0];
	bool is_yes = c == (state->asked == ASKED_TLS ? 'S' : 'G');
	const char *handover = state->asked == ASKED_TLS ? "tls" : "gss";

	state->asked = ASKED_NOTHING;
	if (!is_yes && c != 'N')
		return STEP_ON; /* an error of a server that knows nothing of it */
	take(reader, 1);
	if (!is_yes)
		return STEP_ON;
	state->is_handed_over = true;
	*reader->message = (struct message){
		.kind = MESSAGE_PUSH,
		.correlation = CORRELATION_ORDER_ID,
		.operation = span_of("STARTTLS"),
		.bytes = 1,
		.is_complete = true,
		.ends_stream = true,
		.handover = handover,
	};
	return STEP_MESSAGE;
}

static enum step take_step(struct reader *reader)
{
	struct pgsql_half *half = reader->half;

	if (half->due)
		return pass(reader);
	if (!reader->in.len)
		return STEP_MORE;
	if (half->phase == PHASE_LOST) {
		reader->why = "the place in the stream is lost";
		return STEP_BAD;
	}
	if (reader->from == SIDE_CLIENT && half->phase == PHASE_START && !reader->in.at[0])
		return take_startup(reader);
	if (reader->from == SIDE_SERVER && reader->state->asked)
		return take_single_byte(reader);
	return take_message(reader);
}

/* ---- loss ---- */

/* Bytes of the server are missing, of which answer nobody knows. */
static void doubt_answers(struct pgsql_state *state)
{
	uint32_t outstanding = state->is_adrift ? 0 : pgsql_outstanding(state);
	struct pgsql_batch *batch = pgsql_batch(state, state->ended);

	if (outstanding > 1)
		pgsql_go_adrift(state);
	else if (outstanding && batch->kind == BATCH_EXTENDED &&
		 (batch->units > 1 || batch->flushed))
		batch->kind = BATCH_TORN;
}

static void lose(struct pgsql_state *state, enum side from)
{
	struct pgsql_half *half = &state->half[from];

	half->phase = PHASE_LOST;
	half->then = THEN_NOTHING;
	half->due = half->open = 0;
	if (from == SIDE_CLIENT) {
		pgsql_go_adrift(state);
		state->is_torn = true;
	} else {
		state->response.is_torn = true;
		state->asked = ASKED_NOTHING;
		doubt_answers(state);
	}
}

static enum cut pgsql_cut(void *at, enum side from, struct span in, struct message *ret_message,
			  size_t *ret_used, const char **ret_why)
{
	struct pgsql_state *state = at;
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
	if (step == STEP_MESSAGE && ret_message->handover)
		state->is_handed_over = true;
	return step == STEP_MESSAGE ? CUT_MESSAGE : step == STEP_MORE ? CUT_MORE : CUT_BAD;
}

/* The beginning of a message whose rest was not captured. False: not enough of it to know its length. */
static bool take_beginning(struct pgsql_state *state, enum side from, struct span kept)
{
	struct pgsql_half *half = &state->half[from];
	const struct message_type *type;
	uint32_t payload, seen;

	if (half->phase == PHASE_LOST || kept.len < HEADER ||
	    read_header(from, kept.at, &type, &payload))
		return false;
	seen = payload < type->seen ? payload : type->seen;
	half->phase = PHASE_MESSAGES;
	understand(state, from, kept.at[0], span_first(span_from(kept, HEADER), seen),
		   kept.len < HEADER + seen);
	half->length = (uint64_t)HEADER + payload;
	half->due = half->length - kept.len;
	half->open += kept.len;
	return true;
}

static enum cut pgsql_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			  struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct pgsql_state *state = at;
	struct pgsql_half *half = &state->half[from];
	uint64_t step;

	*ret_used = bytes;
	*ret_why = "a gap where a message should begin";
	if (state->is_handed_over)
		return CUT_BAD;
	if (kept.len && !take_beginning(state, from, kept)) {
		lose(state, from);
		return CUT_BAD;
	}
	step = bytes < half->due ? bytes : half->due;
	half->due -= step;
	half->open += step;
	*ret_used = step;
	if (half->due)
		return CUT_MORE;
	if (deliver(state, from, half->length, ret_message) == STEP_MESSAGE)
		return CUT_MESSAGE;
	if (step == bytes)
		return CUT_MORE;
	*ret_used = bytes;
	lose(state, from);
	return CUT_BAD;
}

/* Statements begin with a verb: that makes the first message of a write sure that is longer than what
 * was captured of it. */
static bool begins_with_verb(struct span text)
{
	const struct sql_word *word;
	size_t len = 0;

	while (text.len && (text.at[0] <= ' ' || text.at[0] == '('))
		text = span_from(text, 1);
	while (len < text.len && (text.at[len] | 0x20) >= 'a' && (text.at[len] | 0x20) <= 'z')
		len++;
	word = len && len < text.len ? sql_word_find(text.at, len, text.at + text.len) : NULL;
	return word && word->flags & SQL_VERB;
}

/* A statement that goes on beyond what was captured. */
static bool has_statement(enum side from, struct span message, uint32_t length)
{
	struct span name, payload = span_from(message, HEADER);

	if (from != SIDE_CLIENT || (message.at[0] != 'Q' && message.at[0] != 'P') ||
	    payload.len >= length)
		return false;
	if (message.at[0] == 'P' && !pgsql_take_name(&payload, &name))
		return false;
	return begins_with_verb(payload);
}

/* A text of this length ends with a 0, and has no other. */
static bool is_query_wrong(enum side from, struct span message, uint32_t length)
{
	struct span payload = span_first(span_from(message, HEADER), length);
	const uint8_t *end = payload.len ? memchr(payload.at, 0, payload.len) : NULL;

	if (from != SIDE_CLIENT || message.at[0] != 'Q')
		return false;
	return end ? end != payload.at + length - 1 : payload.len == length;
}

/* How far the chain holds from here. YES: it is one. MAYBE: the bytes end too early. */
static enum verdict follow_chain(enum side from, struct span in)
{
	for (int links = 0; links < CHAIN_SURE; links++) {
		const struct message_type *type;
		uint32_t payload;

		if (!in.len)
			return links ? VERDICT_YES : VERDICT_MAYBE;
		if (in.len < HEADER)
			return message_type(from, in.at[0]) ? VERDICT_MAYBE : VERDICT_NO;
		if (read_header(from, in.at, &type, &payload))
			return VERDICT_NO;
		if (is_query_wrong(from, in, payload))
			return VERDICT_NO;
		if (!links && has_statement(from, in, payload))
			return VERDICT_YES;
		if (in.len < (uint64_t)HEADER + payload)
			return VERDICT_MAYBE;
		in = span_from(in, (size_t)HEADER + payload);
	}
	return VERDICT_YES;
}

static bool pgsql_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct pgsql_state *state = at;
	size_t maybe = in.len;

	*ret_used = in.len;
	if (state->is_handed_over)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		enum verdict verdict = follow_chain(from, span_from(in, i));

		if (verdict == VERDICT_YES) {
			*ret_used = i;
			state->half[from].phase = PHASE_MESSAGES;
			if (from == SIDE_SERVER)
				doubt_answers(state);
			return true;
		}
		if (verdict == VERDICT_MAYBE && maybe == in.len && in.len - i <= RESYNC_KEPT)
			maybe = i;
	}
	*ret_used = maybe;
	return false;
}

/* The response that was open, cut short. */
static enum cut pgsql_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	struct pgsql_state *state = at;
	struct pgsql_half *half = &state->half[from];
	bool is_open = from == SIDE_SERVER && state->response.is_open && !state->is_handed_over &&
		       half->phase != PHASE_LOST;

	half->phase = PHASE_LOST;
	if (!is_open)
		return CUT_MORE;
	half->open += kept.len;
	state->response.is_torn = true;
	state->response.ends_stream = true;
	pgsql_give_up(state);
	pgsql_response(state, ret_message);
	return CUT_MESSAGE;
}

static uint64_t pgsql_passes(const void *at, enum side from)
{
	return ((const struct pgsql_state *)at)->half[from].due;
}

/* ---- whose bytes are these ---- */

static struct guess classify_startup(struct span in)
{
	struct guess maybe = {VERDICT_MAYBE, SIDE_CLIENT}, no = {VERDICT_NO, SIDE_UNKNOWN};
	uint32_t length, code;

	if (in.len < 8)
		return in.len > 1 && in.at[1] ? no : maybe;
	length = read_u32(in.at);
	code = read_u32(in.at + 4);
	if (length < 8 || length > STARTUP_MAX)
		return no;
	if (code == (1234 << 16 | 5679) || code == (1234 << 16 | 5680))
		return length == 8 ? (struct guess){VERDICT_YES, SIDE_CLIENT} : no;
	if (code == (1234 << 16 | 5678))
		return length >= 16 ? (struct guess){VERDICT_YES, SIDE_CLIENT} : no;
	if (code >> 16 != 3)
		return no;
	if (in.len < 13)
		return maybe;
	return (struct guess){memchr("uados_", in.at[8], 6) ? VERDICT_YES : VERDICT_MAYBE,
			      SIDE_CLIENT};
}

static struct guess pgsql_classify(struct span in)
{
	enum verdict client, server;

	if (!in.len)
		return (struct guess){VERDICT_MAYBE, SIDE_UNKNOWN};
	if (!in.at[0])
		return classify_startup(in);
	client = follow_chain(SIDE_CLIENT, in);
	server = follow_chain(SIDE_SERVER, in);
	if (client == server)
		return (struct guess){client == VERDICT_YES ? VERDICT_MAYBE : client, SIDE_UNKNOWN};
	if (client == VERDICT_YES || server == VERDICT_NO)
		return (struct guess){client, SIDE_CLIENT};
	return (struct guess){server, SIDE_SERVER};
}

static void pgsql_settle(void *at)
{
	struct pgsql_state *state = at;

	state->is_adrift = state->is_torn = false;
	state->has_open = state->is_copying = false;
	state->ended = state->sent;
	state->answered = state->acked = 0;
	state->response.is_open = state->response.is_torn = false;
}

const struct protocol pgsql = {
	.name = "postgresql",
	.state_size = sizeof(struct pgsql_state),
	.classify = pgsql_classify,
	.cut = pgsql_cut,
	.gap = pgsql_gap,
	.resync = pgsql_resync,
	.settle = pgsql_settle,
	.close = pgsql_close,
	.passes = pgsql_passes,
};
