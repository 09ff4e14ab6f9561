// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcached - what both dialects share (memcached source, doc/protocol.txt and doc/protocol-binary.xml).
 *
 * Text: lines, some followed by a value whose length the line says (memcached_text.c). Binary: a head of
 * 24 bytes and a body (memcached_binary.c). A connection speaks the dialect of its first byte.
 *
 * Responses come in the order of requests, but not every request has one: "noreply" is answered only by
 * an error, a quiet get only by a value. Binary messages carry an opaque number, and meta commands may,
 * which the response repeats: it tells which of the quiet ones was answered.
 *
 * Values are passed by their length and may be gaps. Keys and values are data of a user: *** in `target`,
 * the first key apart.
 */
#include "protocol/memcached_parts.h"

#include "protocol/pack.h"

static const char lost[] = "the place in the stream is lost";

void memcached_note_key(struct memcached_half *half, struct span key)
{
	size_t room = MEMCACHED_KEY_MAX - half->key_len;
	size_t n = key.len < room ? key.len : room;

	if (!n)
		return;
	memcpy(half->key + half->key_len, key.at, n);
	half->key_len += (uint8_t)n;
}

/* "get *** ***"; what are more than eight words are three dots. */
static void build_target(struct memcached_half *half)
{
	static const char stars[] = " *** *** *** *** *** *** *** *** ...";
	size_t name = strlen(half->command->name);
	size_t len = half->args > 8 ? sizeof(stars) - 1 : 4 * (size_t)half->args;

	memcpy(half->target, half->command->name, name);
	memcpy(half->target + name, stars, len);
	half->target_len = (uint8_t)(name + len);
}

static void give_request(struct memcached_state *state, struct memcached_half *half,
			 struct message *message)
{
	bool is_watch = !strcmp(half->command->name, "watch");

	build_target(half);
	message->kind = MESSAGE_REQUEST;
	message->answer = half->answer;
	message->operation = span_of(half->command->name);
	message->target = (struct span){half->target, half->target_len};
	message->key = (struct span){half->key, half->key_len};
	if (is_watch) {
		state->is_handed_over = true;
		message->handover = "unknown";
	}
}

static void give_response(struct memcached_half *half, struct message *message)
{
	message->kind = half->is_interim ? MESSAGE_INTERIM : MESSAGE_RESPONSE;
	message->status = span_of(half->status);
	message->is_error = half->is_error;
	message->items = half->items;
	if (half->is_error)
		message->reason = (struct span){half->key, half->key_len};
}

static enum cut give(struct memcached_state *state, enum side from, struct message *ret_message)
{
	struct memcached_half *half = &state->half[from];

	if (state->dialect == DIALECT_BINARY)
		memcached_binary_finish(half);
	*ret_message = (struct message){
		.correlation = CORRELATION_ORDER_ID,
		.id = half->id,
		.bytes = half->bytes,
		.is_complete = !half->is_torn,
	};
	if (from == SIDE_CLIENT)
		give_request(state, half, ret_message);
	else
		give_response(half, ret_message);
	half->bytes = 0;
	half->phase = PHASE_START;
	state->has_spoken = half->is_sure = true;
	message_bound(ret_message, PACKED_MAX);
	return CUT_MESSAGE;
}

static void lose(struct memcached_half *half)
{
	half->phase = PHASE_LOST;
	half->bytes = 0;
	half->is_sure = false;
}

/* Makes room for the next message. Texts of the last one are valid until here. */
static void begin(struct memcached_half *half)
{
	half->items = half->args = half->id = half->due = 0;
	half->extra_due = half->key_due = 0;
	half->answer = ANSWER_ONE;
	half->is_error = half->is_torn = half->is_interim = false;
	half->key_len = 0;
	half->status = "";
}

static enum step take_data(struct memcached_half *half, struct span in, size_t *ret_used,
			   const char **ret_why)
{
	size_t step = in.len < half->due ? in.len : (size_t)half->due;

	if (half->phase == PHASE_DATA) {
		*ret_used = step;
		half->bytes += step;
		half->due -= step;
		if (half->due)
			return STEP_MORE;
		half->phase = PHASE_DATA_END;
		return STEP_ON;
	}
	*ret_why = "value does not end where its length says";
	*ret_used = 0;
	if (in.at[0] != '\r' || (in.len > 1 && in.at[1] != '\n'))
		return STEP_BAD;
	if (in.len < 2)
		return STEP_MORE;
	*ret_used = 2;
	half->bytes += 2;
	half->phase = PHASE_START;
	/* the value of a get is followed by more lines */
	return half->command || half->items == 0 ? STEP_MESSAGE : STEP_ON;
}

static enum step take_step(struct memcached_state *state, enum side from, struct span in,
			   size_t *ret_used, const char **ret_why)
{
	struct memcached_half *half = &state->half[from];

	*ret_used = 0;
	if (!in.len)
		return STEP_MORE;
	if (!state->dialect)
		state->dialect = in.at[0] & 0x80 ? DIALECT_BINARY : DIALECT_TEXT;
	if (half->phase == PHASE_DATA || half->phase == PHASE_DATA_END)
		return take_data(half, in, ret_used, ret_why);
	if (half->phase == PHASE_START && !half->bytes)
		begin(half);
	if (half->phase != PHASE_LOST)
		return state->dialect == DIALECT_TEXT
			       ? memcached_text_step(state, from, in, ret_used, ret_why)
			       : memcached_binary_step(state, from, in, ret_used, ret_why);
	*ret_why = lost;
	return STEP_BAD;
}

static enum cut memcached_cut(void *at, enum side from, struct span in, struct message *ret_message,
			      size_t *ret_used, const char **ret_why)
{
	struct memcached_state *state = at;
	struct memcached_half *half = &state->half[from];
	enum step step = STEP_ON;
	size_t used = 0;

	if (state->is_handed_over && in.len) {
		*ret_used = in.len;
		*ret_why = "the connection has become a log";
		return CUT_BAD;
	}
	while (step == STEP_ON) {
		size_t some;

		step = take_step(state, from, span_from(in, used), &some, ret_why);
		used += some;
	}
	if (step == STEP_BAD) {
		if (!state->has_spoken)
			state->dialect = DIALECT_UNKNOWN;
		lose(half);
		used += used < in.len;
	}
	*ret_used = used;
	return step == STEP_MESSAGE ? give(state, from, ret_message)
	       : step == STEP_MORE  ? CUT_MORE
				    : CUT_BAD;
}

/* How much of the gap falls into what is passed anyway; the key of a binary message may be torn. */
static uint64_t skip(struct memcached_half *half, uint64_t bytes)
{
	uint64_t all =
		half->due + (half->phase == PHASE_DATA || half->phase == PHASE_DATA_END ? 2 : 0);
	uint64_t step;

	if (half->phase != PHASE_DATA && half->phase != PHASE_DATA_END && half->phase != PHASE_BODY)
		return 0;
	step = bytes < all ? bytes : all;
	if (step == all - 1 && half->phase != PHASE_BODY)
		return 0; /* ends between CR and LF */
	half->is_torn |= half->extra_due + half->key_due > 0;
	half->extra_due = half->key_due = 0;
	half->bytes += step;
	half->due -= step < half->due ? step : half->due;
	if (step == all)
		half->phase = PHASE_START;
	return step;
}

static enum cut memcached_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			      struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct memcached_state *state = at;
	struct memcached_half *half = &state->half[from];
	bool was_value = half->phase == PHASE_DATA || half->phase == PHASE_DATA_END;
	uint64_t step = kept.len ? 0 : skip(half, bytes);
	bool is_whole = step && half->phase == PHASE_START;
	bool is_open = half->bytes && half->phase != PHASE_LOST && !state->is_handed_over;

	*ret_used = step;
	if (step && !is_whole)
		return CUT_MORE;
	if (is_whole && was_value && !half->command && half->items) {
		if (step == bytes) /* more values, or END, are to come */
			return CUT_MORE;
		is_whole = false;
	}
	if (is_whole)
		return give(state, from, ret_message);
	*ret_used = is_open ? step : bytes;
	*ret_why = "a gap where a message should begin";
	half->is_torn = true;
	half->bytes += kept.len;
	if (is_open)
		give(state, from, ret_message);
	lose(half);
	return is_open ? CUT_MESSAGE : CUT_BAD;
}

static enum cut memcached_close(void *at, enum side from, struct span kept,
				struct message *ret_message)
{
	struct memcached_state *state = at;
	struct memcached_half *half = &state->half[from];
	bool is_open = half->bytes && half->phase != PHASE_LOST && !state->is_handed_over;

	half->is_torn = true;
	half->bytes += kept.len;
	if (is_open) {
		give(state, from, ret_message);
		ret_message->ends_stream = true;
	}
	lose(half);
	return is_open ? CUT_MESSAGE : CUT_MORE;
}

static struct guess memcached_classify(struct span in)
{
	if (!in.len)
		return (struct guess){VERDICT_MAYBE, SIDE_UNKNOWN};
	return in.at[0] & 0x80 ? memcached_binary_guess(in) : memcached_text_guess(in);
}

/* Behind a gap a write starts, where a weaker mark will do than behind any line. */
static bool memcached_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct memcached_state *state = at;
	size_t start = 0;

	*ret_used = in.len;
	while (start < in.len && !state->is_handed_over) {
		struct span rest = span_from(in, start);
		struct guess guess = memcached_classify(rest);
		uint8_t dialect = rest.at[0] & 0x80 ? DIALECT_BINARY : DIALECT_TEXT;
		bool has_lines = state->dialect != DIALECT_BINARY;
		const uint8_t *end = has_lines ? memchr(rest.at, '\n', rest.len) : NULL;

		if ((state->dialect && dialect != state->dialect) || guess.from != from)
			guess.verdict = VERDICT_NO;
		if (guess.verdict == VERDICT_YES ||
		    (guess.verdict == VERDICT_MAYBE && !start && end)) {
			state->half[from].phase = PHASE_START;
			*ret_used = start;
			return true;
		}
		if (!end) {
			if (guess.verdict == VERDICT_MAYBE)
				*ret_used = start;
			break;
		}
		start = (size_t)(end - in.at) + 1;
	}
	return false;
}

static uint64_t memcached_passes(const void *at, enum side from)
{
	const struct memcached_half *half = &((const struct memcached_state *)at)->half[from];
	bool is_inside = half->phase == PHASE_DATA || half->phase == PHASE_BODY;

	return is_inside && !half->key_due ? half->due : 0;
}

const struct protocol memcached = {
	.name = "memcached",
	.state_size = sizeof(struct memcached_state),
	.classify = memcached_classify,
	.cut = memcached_cut,
	.gap = memcached_gap,
	.resync = memcached_resync,
	.close = memcached_close,
	.passes = memcached_passes,
};
