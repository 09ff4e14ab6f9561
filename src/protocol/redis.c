// SPDX-License-Identifier: GPL-2.0-only
/*
 * redis - requests and responses of Redis. How they are cut is told in resp.c.
 *
 * Of a request the command (redis_words.c) and the key are known; arguments are data of a user and
 * appear as *** at most. Responses come in the order of requests, one each, but for these:
 *
 *	- SUBSCRIBE a b is confirmed once for each channel. The first confirmation is the response, the
 *	  others count as pushes. A client that has subscribed gets messages nobody asked for: as pushes
 *	  ('>') in RESP3, as arrays like any response in RESP2.
 *	- MONITOR is answered, and then told of every command by a line.
 *	- CLIENT REPLY OFF and SKIP: no responses at all for some time.
 *	- PSYNC and SYNC turn the connection into a replication stream.
 */
#include "protocol/redis_words.h"

#include "protocol/pack.h"

enum {
	REDIS_ALL = UINT16_MAX,
	GUESS_BYTES = 1024, /* looked at by classify() */
};

enum replies {
	REPLIES_ON,
	REPLIES_OFF,
	REPLIES_SKIP, /* the next command gets none */
};

/* Requests. */

/* False if there is no room: then, and from then on, confirmations count as pushes and the commands as
 * unanswered, which pairs nothing wrong. */
static bool expect_confirmations(struct redis_state *state, uint64_t channels)
{
	size_t at = (state->subscribes_first + state->subscribes_len) % REDIS_SUBSCRIBES;

	state->is_full |= state->subscribes_len == REDIS_SUBSCRIBES;
	if (state->is_full)
		return false;
	state->subscribes[at] = (struct redis_subscribe){
		.request = state->requests,
		.left = channels && channels < REDIS_ALL ? (uint16_t)channels : REDIS_ALL,
	};
	state->subscribes_len++;
	return true;
}

static enum answer answer_to(struct redis_state *state, const struct redis_command *command)
{
	bool is_silent = state->replies != REPLIES_ON;

	if (state->replies == REPLIES_SKIP)
		state->replies = REPLIES_ON;
	switch (command->effect) {
	case EFFECT_REPLIES_ON: state->replies = REPLIES_ON; return ANSWER_ONE;
	case EFFECT_REPLIES_OFF: state->replies = REPLIES_OFF; return ANSWER_NONE;
	case EFFECT_REPLIES_SKIP:
		if (!is_silent)
			state->replies = REPLIES_SKIP;
		return ANSWER_NONE;
	case EFFECT_SUBSCRIBE: is_silent |= !expect_confirmations(state, command->args); break;
	case EFFECT_MONITOR: state->is_monitor = true; break;
	case EFFECT_REPLICATION: state->is_handed_over = true; return ANSWER_NONE;
	case EFFECT_NONE: break;
	}
	return is_silent ? ANSWER_NONE : ANSWER_ONE;
}

static void give_request(struct redis_state *state, struct resp *half,
			 const struct redis_command *command, struct message *ret_message)
{
	*ret_message = (struct message){
		.kind = MESSAGE_REQUEST,
		.operation = command->operation,
		.target = command->target,
		.key = resp_text(half),
		.bytes = half->bytes,
		.is_complete = !half->is_torn,
	};
	ret_message->answer = answer_to(state, command);
	if (ret_message->answer == ANSWER_ONE)
		state->requests++;
	if (state->is_handed_over) {
		ret_message->handover = "unknown";
		ret_message->ends_stream = true;
	}
	message_bound(ret_message, PACKED_MAX);
}

static void give_array_request(struct redis_state *state, struct resp *half,
			       struct message *ret_message)
{
	struct span words[RESP_WORDS];
	struct redis_command command;

	for (size_t i = 0; i < RESP_WORDS; i++)
		words[i] = resp_word(half, i);
	redis_read_command(words, half->values, state->target, &command);
	give_request(state, half, &command, ret_message);
}

/* "GET k CR LF": for people with telnet. Empty lines are passed over, as Redis does. */
static enum resp_step cut_inline(struct resp *half, struct span in, size_t *ret_used,
				 const char **ret_why)
{
	struct span room = span_first(in, RESP_LINE_MAX);
	const uint8_t *end = memchr(room.at, '\n', room.len);
	struct span line = {in.at, end ? (size_t)(end - in.at) : room.len};

	*ret_used = 0;
	*ret_why = redis_check_inline(line, end);
	if (!end && room.len == RESP_LINE_MAX)
		*ret_why = "line above 64 KiB";
	if (*ret_why)
		return RESP_BAD;
	if (!end)
		return RESP_MORE;
	*ret_used = line.len + 1;
	half->bytes = line.len + 1;
	half->values = redis_split_inline(line, half);
	half->due = 0;
	return RESP_WHOLE;
}

static enum cut cut_request(struct redis_state *state, struct span in, struct message *ret_message,
			    size_t *ret_used, const char **ret_why)
{
	struct resp *half = &state->half[SIDE_CLIENT];
	size_t before = 0;

	while (before < in.len) {
		struct span rest = span_from(in, before);
		bool is_inline = !resp_is_open(half) && rest.at[0] != '*';
		size_t used;
		enum resp_step step;

		if (!resp_is_open(half))
			resp_begin(half);
		if (is_inline)
			half->due = 0;
		step = is_inline ? cut_inline(half, rest, &used, ret_why)
				 : resp_cut(half, SIDE_CLIENT, rest, &used, ret_why);
		before += used;
		*ret_used = before;
		if (step == RESP_BAD)
			return CUT_BAD;
		if (step == RESP_MORE)
			return CUT_MORE;
		if (!half->values) /* "*0" and empty lines: Redis passes over them without a word */
			continue;
		give_array_request(state, half, ret_message);
		return CUT_MESSAGE;
	}
	return CUT_MORE;
}

/* Responses. */

/* 1 and up; 0 if it confirms nothing. */
static uint8_t confirmation_of(struct span word)
{
	static const char *const words[] = {"subscribe",    "unsubscribe", "psubscribe",
					    "punsubscribe", "ssubscribe",  "sunsubscribe"};

	for (uint8_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_is(word, words[i]))
			return i + 1;
	return 0;
}

static bool is_publication(struct span word)
{
	return span_is(word, "message") || span_is(word, "pmessage") || span_is(word, "smessage");
}

static void next_subscribe(struct redis_state *state)
{
	state->subscribes_first = (state->subscribes_first + 1) % REDIS_SUBSCRIBES;
	state->subscribes_len--;
}

/*
 * The first confirmation of a command is its response, the others are pushes. UNSUBSCRIBE without
 * channels gets one for each there was: they end with the last of all subscriptions, or with anything
 * else the server says.
 */
static enum message_kind confirm(struct redis_state *state, const struct resp *half, uint8_t word)
{
	struct redis_subscribe *first = &state->subscribes[state->subscribes_first];
	bool is_first;

	state->is_subscribed = half->number > 0;
	if (state->subscribes_len && first->left == REDIS_ALL && first->word &&
	    first->word != word) {
		next_subscribe(state);
		first = &state->subscribes[state->subscribes_first];
	}
	if (!state->subscribes_len)
		return MESSAGE_PUSH;
	is_first = !first->word;
	first->word = word;
	if (first->left == REDIS_ALL ? !half->number : !--first->left)
		next_subscribe(state);
	return is_first ? MESSAGE_RESPONSE : MESSAGE_PUSH;
}

/* Any other response: the end of UNSUBSCRIBE's confirmations, or an error instead of the first. */
static void end_confirmations(struct redis_state *state, const struct resp *half)
{
	struct redis_subscribe *first = &state->subscribes[state->subscribes_first];

	if (!state->subscribes_len)
		return;
	if (first->word ? first->left == REDIS_ALL
			: half->type == '-' && first->request == state->responses)
		next_subscribe(state);
}

static enum message_kind kind_of_response(struct redis_state *state, const struct resp *half)
{
	struct span word = resp_word(half, 0);
	bool is_push = half->type == '>';
	uint8_t confirmation = 0;

	if (half->type == '+' && state->is_monitor && half->text_len && half->text[0] >= '0' &&
	    half->text[0] <= '9')
		return MESSAGE_PUSH;
	if ((half->type == '*' || is_push) && half->values >= 3)
		confirmation = confirmation_of(word);
	if (confirmation && (is_push || state->subscribes_len || state->is_subscribed))
		return confirm(state, half, confirmation);
	if (is_push)
		return MESSAGE_PUSH;
	if (half->type == '*' && half->values >= 3 && is_publication(word) &&
	    (state->is_subscribed || state->requests == state->responses))
		return MESSAGE_PUSH;
	end_confirmations(state, half);
	return MESSAGE_RESPONSE;
}

/* "ERR unknown command": the first word is the code, if it looks like one. */
static void split_error(struct span text, struct message *message)
{
	size_t n = 0;

	while (n < text.len && ((text.at[n] >= 'A' && text.at[n] <= 'Z') || text.at[n] == '_'))
		n++;
	message->is_error = true;
	message->status =
		n && (n == text.len || text.at[n] == ' ') ? span_first(text, n) : span_of("ERR");
	message->reason = n && n < text.len && text.at[n] == ' ' ? span_from(text, n + 1) : text;
}

static void give_response(struct redis_state *state, struct resp *half, struct message *ret_message)
{
	struct span text = resp_text(half);

	*ret_message = (struct message){
		.kind = kind_of_response(state, half),
		.bytes = half->bytes,
		.is_complete = !half->is_torn,
	};
	if (half->type == '-' || half->type == '!')
		split_error(text, ret_message);
	else if (half->is_null)
		ret_message->status = span_of("nil");
	else if (half->type == '+' && span_is(text, "QUEUED"))
		ret_message->status = span_of("QUEUED");
	else
		ret_message->status = span_of("OK");
	if (half->type == '*' || half->type == '~')
		ret_message->items = half->values;
	if (half->type == '%')
		ret_message->items = half->values / 2;
	if (ret_message->kind == MESSAGE_PUSH) {
		bool is_word = half->len[0] && redis_is_word(resp_word(half, 0));

		ret_message->operation = is_word ? resp_word(half, 0) : span_of("push");
		ret_message->key = half->len[0] ? text : (struct span){};
		ret_message->status = (struct span){};
		ret_message->items = 0;
	} else if (state->responses < state->requests) {
		state->responses++;
	}
	message_bound(ret_message, PACKED_MAX);
}

static enum cut cut_response(struct redis_state *state, struct span in, struct message *ret_message,
			     size_t *ret_used, const char **ret_why)
{
	struct resp *half = &state->half[SIDE_SERVER];
	enum resp_step step;

	if (!resp_is_open(half))
		resp_begin(half);
	step = resp_cut(half, SIDE_SERVER, in, ret_used, ret_why);
	if (step == RESP_WHOLE)
		give_response(state, half, ret_message);
	return step == RESP_WHOLE ? CUT_MESSAGE : step == RESP_BAD ? CUT_BAD : CUT_MORE;
}

static void lose(struct redis_state *state, enum side from)
{
	state->half[from].due = state->half[from].skip = 0;
	state->is_lost[from] = true;
	state->requests = state->responses = 0;
	state->subscribes_len = 0;
}

static enum cut redis_cut(void *at, enum side from, struct span in, struct message *ret_message,
			  size_t *ret_used, const char **ret_why)
{
	struct redis_state *state = at;
	enum cut cut = CUT_BAD;

	*ret_used = 0;
	if (!in.len)
		return CUT_MORE;
	if (state->is_lost[from])
		*ret_why = "the place in the stream is lost";
	else if (state->is_handed_over)
		*ret_why = "the connection has changed to replication";
	else
		cut = from == SIDE_CLIENT ? cut_request(state, in, ret_message, ret_used, ret_why)
					  : cut_response(state, in, ret_message, ret_used, ret_why);
	if (cut == CUT_BAD) {
		*ret_used += *ret_used < in.len;
		lose(state, from);
	}
	return cut;
}

/* The message that is open, cut short; false if not even its type or command is known. */
static bool give_torso(struct redis_state *state, enum side from, uint64_t more,
		       struct message *ret_message)
{
	struct resp *half = &state->half[from];

	if (!half->type || state->is_lost[from] || (from == SIDE_CLIENT && !half->len[0]))
		return false;
	half->bytes += more;
	half->is_torn = true;
	if (from == SIDE_CLIENT)
		give_array_request(state, half, ret_message);
	else
		give_response(state, half, ret_message);
	return true;
}

static enum cut redis_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			  struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct redis_state *state = at;
	struct resp *half = &state->half[from];
	uint64_t step;

	*ret_used = bytes;
	*ret_why = "a gap where a message should begin";
	if (state->is_lost[from] || state->is_handed_over || !resp_is_open(half)) {
		lose(state, from);
		return CUT_BAD;
	}
	step = resp_skip(half, from, bytes);
	if (half->skip || (half->due && step == bytes && !kept.len))
		return CUT_MORE;

	bool is_whole = !half->due && !kept.len;

	*ret_used = step;
	if (is_whole && from == SIDE_CLIENT)
		give_array_request(state, half, ret_message);
	if (is_whole && from == SIDE_SERVER)
		give_response(state, half, ret_message);
	if (is_whole)
		return CUT_MESSAGE;

	bool is_known = give_torso(state, from, kept.len, ret_message);

	lose(state, from);
	if (is_known)
		return CUT_MESSAGE;
	*ret_used = bytes;
	*ret_why = "a gap inside a line";
	return CUT_BAD;
}

static enum cut redis_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	struct redis_state *state = at;
	struct resp *half = &state->half[from];
	bool is_open = resp_is_open(half) && !state->is_handed_over;
	bool is_known = is_open && give_torso(state, from, kept.len, ret_message);

	lose(state, from);
	if (is_known)
		ret_message->ends_stream = true;
	return is_known ? CUT_MESSAGE : CUT_MORE;
}

static uint64_t redis_passes(const void *at, enum side from)
{
	const struct resp *half = &((const struct redis_state *)at)->half[from];

	return half->passing == RESP_NO_WORD || half->passing > half->text_at ? half->skip : 0;
}

/* What first bytes look like. */

static struct guess guess_request(struct span in, struct resp *half)
{
	size_t used;
	const char *why;
	struct span word;

	resp_begin(half);
	if (resp_cut(half, SIDE_CLIENT, in, &used, &why) == RESP_BAD)
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	word = resp_word(half, 0);
	if (half->passing == 0 && half->skip)
		return (struct guess){VERDICT_MAYBE, SIDE_UNKNOWN};
	if (redis_is_command(word))
		return (struct guess){VERDICT_YES, SIDE_CLIENT};
	return (struct guess){VERDICT_MAYBE, SIDE_UNKNOWN};
}

/* As many responses as there are must be right; a length, or an array that holds something, is a mark. */
static struct guess guess_response(struct span in, struct resp *half)
{
	enum verdict verdict = VERDICT_MAYBE;
	enum resp_step step = RESP_WHOLE;
	size_t used = 0;

	while (step == RESP_WHOLE && in.len) {
		const char *why;

		resp_begin(half);
		step = resp_cut(half, SIDE_SERVER, in, &used, &why);
		if (step == RESP_BAD)
			return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
		if (half->type && strchr("$*%~>|=!", half->type) && used)
			verdict = VERDICT_YES;
		in = span_from(in, used);
	}
	return (struct guess){verdict, SIDE_SERVER};
}

static struct guess redis_classify(struct span in)
{
	struct resp half = {};
	struct guess guess = {VERDICT_NO, SIDE_UNKNOWN};

	in = span_first(in, GUESS_BYTES);
	if (!in.len)
		return (struct guess){VERDICT_MAYBE, SIDE_UNKNOWN};
	if (in.at[0] == '*') {
		guess = guess_request(in, &half);
		if (guess.verdict == VERDICT_YES)
			return guess;
	}
	if (strchr("+-:$*_#,(!=%~|>", in.at[0]) && in.at[0]) {
		struct guess response = guess_response(in, &half);

		/* an array of strings may be either */
		if (guess.verdict == VERDICT_MAYBE && response.verdict != VERDICT_NO)
			response.from = SIDE_UNKNOWN;
		return response;
	}
	return redis_guess_inline(in);
}

/* Inline requests are too weak a mark. */
static enum verdict message_starts(enum side from, struct span in)
{
	struct guess guess;

	if (from == SIDE_CLIENT && in.at[0] != '*')
		return VERDICT_NO;
	guess = redis_classify(in);
	return guess.from == from || guess.from == SIDE_UNKNOWN ? guess.verdict : VERDICT_NO;
}

/* What follows a gap is the start of a write: there a weaker mark will do than behind any line. */
static bool redis_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct redis_state *state = at;
	size_t start = 0;

	*ret_used = in.len;
	if (state->is_handed_over)
		return false;
	while (start < in.len) {
		enum verdict verdict = message_starts(from, span_from(in, start));
		const uint8_t *end = memchr(in.at + start, '\n', in.len - start);

		if (verdict == VERDICT_YES || (verdict == VERDICT_MAYBE && !start)) {
			state->is_lost[from] = false;
			*ret_used = start;
			return true;
		}
		if (!end) {
			if (verdict == VERDICT_MAYBE)
				*ret_used = start;
			break;
		}
		start = (size_t)(end - in.at) + 1;
	}
	return false;
}

const struct protocol redis = {
	.name = "redis",
	.state_size = sizeof(struct redis_state),
	.classify = redis_classify,
	.cut = redis_cut,
	.gap = redis_gap,
	.resync = redis_resync,
	.close = redis_close,
	.passes = redis_passes,
};
