// SPDX-License-Identifier: GPL-2.0-only
/*
 * http1 - HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112).
 *
 * A message is a head, which must be whole to be read (http1_head.c), and a body, of which only the
 * length matters. Heads that say two things about that length are refused: to guess which of them a
 * server believed is how requests are smuggled (RFC 9112 11.2).
 *
 * A body's end is known from the head (Content-Length), from the body (chunks), from the connection
 * (until close), or from the *request*: a response to HEAD has none, whatever its head says. So the
 * client's side leaves the shape of each response to come in a small ring, and the server's side
 * takes it. Twice that is not enough, and a look at the next bytes decides:
 *
 *	- a response to a request we have not seen (we came late, or lost it): if a head follows where the
 *	  body should be, it was the response to a HEAD;
 *	- a request with "Expect: 100-continue" may keep its body back after an error (RFC 9110 10.1.1): if
 *	  another request follows, it did.
 *
 * Gaps. In a body of known length they are harmless. A gap in chunks may end with the chunk it began in,
 * where a write usually ends; five bytes more can only be the last chunk, "0 CR LF CR LF" (the shortest
 * other one takes six). Behind any other gap the place is lost: it may have held whole messages.
 */
#include "protocol/http1_head.h"

enum phase {
	PHASE_HEAD,
	PHASE_LENGTH, /* a body of `due` bytes */
	PHASE_CHUNK_LINE,
	PHASE_CHUNK_DATA, /* `due` bytes of a chunk */
	PHASE_CHUNK_END, /* CR LF behind a chunk */
	PHASE_TRAILERS,
	PHASE_UNTIL_CLOSE,
	PHASE_LOST,
};

enum shape {
	SHAPE_USUAL,
	SHAPE_HEAD,
	SHAPE_CONNECT,
};

enum {
	CHUNK_LINE_MAX = 4096, /* bytes, chunk extensions included */
	TRAILER_LINE_MAX = 16384, /* bytes */
};

static const char lost[] = "the place in the stream is lost";

/* What one step along the stream found. */
enum step {
	STEP_ON, /* go on with the next phase */
	STEP_MORE,
	STEP_MESSAGE, /* in the half's `open`, or already given out */
	STEP_BAD,
};

/* The input of one call, and how far it is used. */
struct reader {
	struct http_state *state;
	struct http_half *half;
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
}

/* Shapes of responses to come. */

static void push_shape(struct http_state *state, struct span method)
{
	enum shape shape = span_is(method, "HEAD")      ? SHAPE_HEAD
			   : span_is(method, "CONNECT") ? SHAPE_CONNECT
							: SHAPE_USUAL;

	if (state->shape_len == HTTP_REQUESTS || state->shapes_missing) {
		state->shapes_missing++;
		return;
	}
	state->shapes[(state->shape_first + state->shape_len++) % HTTP_REQUESTS] = shape;
}

static enum shape pop_shape(struct http_state *state, bool *ret_known)
{
	enum shape shape = state->shapes[state->shape_first];

	if (!state->shape_len) {
		if (state->shapes_missing)
			state->shapes_missing--;
		*ret_known = false;
		return SHAPE_USUAL;
	}
	state->shape_first = (state->shape_first + 1) % HTTP_REQUESTS;
	state->shape_len--;
	*ret_known = true;
	return shape;
}

static void forget_head(struct http_half *half)
{
	half->scanned = 0;
	half->is_first_checked = false;
}

static void lose_order(struct http_state *state, struct http_half *half)
{
	half->phase = PHASE_LOST;
	half->due = 0;
	forget_head(half);
	state->is_order_lost = true;
	state->shape_len = 0;
	state->shapes_missing = 0;
}

/* Bodies. */

static enum step deliver_open(struct reader *reader)
{
	message_unpack(&reader->half->open, reader->message);
	reader->half->phase = PHASE_HEAD;
	reader->half->is_doubtful = reader->half->expects_continue = false;
	return STEP_MESSAGE;
}

static void pass(struct reader *reader, size_t bytes)
{
	reader->half->open.bytes += bytes;
	take(reader, bytes);
}

static enum step pass_due(struct reader *reader, enum phase next)
{
	struct http_half *half = reader->half;
	size_t step = reader->in.len < half->due ? reader->in.len : (size_t)half->due;

	half->due -= step;
	pass(reader, step);
	if (half->due)
		return STEP_MORE;
	half->phase = next;
	return STEP_ON;
}

/* Is there a body at all? Only asked where the head alone does not say. */
static enum step settle_doubt(struct reader *reader)
{
	enum verdict is_head;

	if (!reader->in.len)
		return STEP_MORE;
	is_head = http_head_starts(reader->from, reader->in);
	if (is_head == VERDICT_MAYBE)
		return STEP_MORE;
	reader->half->is_doubtful = false;
	return is_head == VERDICT_YES ? deliver_open(reader) : STEP_ON;
}

static enum step pass_length(struct reader *reader)
{
	enum step step = reader->half->is_doubtful ? settle_doubt(reader) : STEP_ON;

	if (step == STEP_ON)
		step = pass_due(reader, PHASE_HEAD);
	return step == STEP_ON ? deliver_open(reader) : step;
}

static enum step pass_chunk_line(struct reader *reader)
{
	struct http_half *half = reader->half;
	size_t length;
	uint64_t bytes;

	if (half->is_doubtful) {
		enum step step = settle_doubt(reader);

		if (step != STEP_ON)
			return step;
	}

	reader->why = http_chunk_line(span_first(reader->in, CHUNK_LINE_MAX), &length, &bytes);
	if (reader->why)
		return STEP_BAD;
	if (!length) {
		reader->why = "chunk line above 4 KiB";
		return reader->in.len < CHUNK_LINE_MAX ? STEP_MORE : STEP_BAD;
	}
	pass(reader, length);
	half->due = bytes;
	half->phase = bytes ? PHASE_CHUNK_DATA : PHASE_TRAILERS;
	return STEP_ON;
}

static enum step pass_chunk_end(struct reader *reader)
{
	if (reader->in.len && reader->in.at[0] != '\r')
		goto bad;
	if (reader->in.len < 2)
		return STEP_MORE;
	if (reader->in.at[1] != '\n')
		goto bad;
	pass(reader, 2);
	reader->half->phase = PHASE_CHUNK_LINE;
	return STEP_ON;
bad:
	reader->why = "chunk does not end where its length says";
	return STEP_BAD;
}

static enum step pass_trailer(struct reader *reader)
{
	struct span room = span_first(reader->in, TRAILER_LINE_MAX);
	const uint8_t *end = room.len ? memchr(room.at, '\n', room.len) : NULL;
	struct span line = {room.at, end ? (size_t)(end - room.at) : 0};

	if (!end) {
		reader->why = "trailer line above 16 KiB";
		return room.len < TRAILER_LINE_MAX ? STEP_MORE : STEP_BAD;
	}
	if (!line.len || (line.len == 1 && line.at[0] == '\r')) {
		pass(reader, line.len + 1);
		return deliver_open(reader);
	}
	reader->why = http_check_header(line);
	if (reader->why)
		return STEP_BAD;
	pass(reader, line.len + 1);
	return STEP_ON;
}

/* Heads. */

/* RFC 9112 6.3, for a request: without a word about it there is no body. */
static const char *frame_request(struct http_half *half, const struct http_head *head)
{
	if (head->coding != CODING_NONE) {
		if (head->coding != CODING_CHUNKED)
			return "request body whose last transfer coding is not chunked";
		half->phase = PHASE_CHUNK_LINE;
	} else if (head->has_length && head->length) {
		half->phase = PHASE_LENGTH;
		half->due = head->length;
	}
	half->is_doubtful = false;
	half->expects_continue = head->expects_continue;
	return NULL;
}

/* RFC 9112 6.3, for a response. */
static void frame_response(struct http_half *half, const struct http_head *head, enum shape shape,
			   bool is_sure)
{
	if (shape == SHAPE_HEAD || head->status == 204 || head->status == 304)
		return;
	half->is_doubtful = !is_sure;
	if (head->coding == CODING_CHUNKED) {
		half->phase = PHASE_CHUNK_LINE;
	} else if (head->coding == CODING_NONE && head->has_length) {
		half->due = head->length;
		half->phase = head->length ? PHASE_LENGTH : PHASE_HEAD;
	} else {
		half->phase = PHASE_UNTIL_CLOSE;
		half->is_doubtful = false;
	}
}

/* A final response to a request whose body is still to come: it may never come. */
static void doubt_withheld_body(struct http_state *state)
{
	struct http_half *client = &state->half[SIDE_CLIENT];
	bool is_body = client->phase == PHASE_LENGTH || client->phase == PHASE_CHUNK_LINE;

	if (client->expects_continue && is_body && client->open.bytes == client->open.header_bytes)
		client->is_doubtful = true;
}

static void finish_response(struct reader *reader, struct http_head *head)
{
	struct message *message = &head->message;
	enum shape shape;
	bool is_known;

	if (head->status < 200 && head->status != 101) {
		message->kind = MESSAGE_INTERIM;
		return;
	}
	message->kind = MESSAGE_RESPONSE;
	shape = pop_shape(reader->state, &is_known);
	message->is_unasked = !is_known || reader->state->is_order_lost;
	if (head->status == 101 || (shape == SHAPE_CONNECT && head->status / 100 == 2)) {
		message->handover =
			head->status == 101 ? http_upgrade_name(head->upgrade) : "unknown";
		if (!strcmp(message->handover, "h2c")) /* the answer comes in HTTP/2 */
			message->kind = MESSAGE_INTERIM;
		message->ends_stream = true;
		reader->state->is_handed_over = true;
		return;
	}
	doubt_withheld_body(reader->state);
	frame_response(reader->half, head, shape, !message->is_unasked);
}

/* Empty lines before a request are to be passed over (RFC 9112 2.2). */
static void pass_empty_lines(struct reader *reader)
{
	size_t n = 0;

	while (n < reader->in.len && (reader->in.at[n] == '\r' || reader->in.at[n] == '\n'))
		n++;
	take(reader, n);
}

/* Nothing but the first line is looked at before the head is whole; that, each time it has grown. */
static enum step wait_for_head(struct reader *reader)
{
	struct http_half *half = reader->half;

	reader->why = "head above 64 KiB";
	if (reader->in.len >= HTTP_HEAD_MAX)
		return STEP_BAD;
	reader->why = NULL;
	if (!half->is_first_checked)
		reader->why =
			http_check_first_line(reader->from, reader->in, &half->is_first_checked);
	half->scanned = (uint32_t)reader->in.len;
	return reader->why ? STEP_BAD : STEP_MORE;
}

static enum step take_head(struct reader *reader)
{
	struct http_half *half = reader->half;
	struct http_head head;
	size_t length;

	if (!half->scanned && reader->from == SIDE_CLIENT)
		pass_empty_lines(reader);
	if (!reader->in.len)
		return STEP_MORE;
	if (half->scanned && !http_head_ends(reader->in, half->scanned))
		return wait_for_head(reader);
	reader->why =
		http_read_head(reader->from, span_first(reader->in, HTTP_HEAD_MAX), &head, &length);
	if (reader->why)
		return STEP_BAD;
	if (!length)
		return wait_for_head(reader);

	forget_head(half);
	head.message.bytes = head.message.header_bytes = length;
	head.message.is_complete = true;
	if (reader->from == SIDE_CLIENT) {
		reader->why = frame_request(half, &head);
		if (reader->why)
			return STEP_BAD;
		push_shape(reader->state, head.message.operation);
	} else {
		finish_response(reader, &head);
	}
	take(reader, length);
	if (half->phase == PHASE_HEAD) {
		*reader->message = head.message;
		return STEP_MESSAGE;
	}
	message_pack(&head.message, &half->open);
	return STEP_ON;
}

static enum step take_step(struct reader *reader)
{
	switch ((enum phase)reader->half->phase) {
	case PHASE_HEAD: return take_head(reader);
	case PHASE_LENGTH: return pass_length(reader);
	case PHASE_CHUNK_LINE: return pass_chunk_line(reader);
	case PHASE_CHUNK_DATA: return pass_due(reader, PHASE_CHUNK_END);
	case PHASE_CHUNK_END: return pass_chunk_end(reader);
	case PHASE_TRAILERS: return pass_trailer(reader);
	case PHASE_UNTIL_CLOSE: pass(reader, reader->in.len); return STEP_MORE;
	case PHASE_LOST: break;
	}
	reader->why = lost;
	return STEP_BAD;
}

/* Past the line that was wrong, so that resync() does not find the same head again. */
static void pass_wrong_line(struct reader *reader)
{
	const uint8_t *end = memchr(reader->in.at, '\n', reader->in.len);

	take(reader, end ? (size_t)(end - reader->in.at) + 1 : reader->in.len);
}

static enum cut http_cut(void *at, enum side from, struct span in, struct message *ret_message,
			 size_t *ret_used, const char **ret_why)
{
	struct http_state *state = at;
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
		pass_wrong_line(&reader);
		lose_order(state, reader.half);
		*ret_why = reader.why;
	}
	*ret_used = reader.used;
	return step == STEP_MESSAGE ? CUT_MESSAGE : step == STEP_MORE ? CUT_MORE : CUT_BAD;
}

/* The message that is open, cut short: what is known of it. */
static enum cut give_torso(struct http_state *state, enum side from, struct span kept,
			   struct message *ret_message)
{
	struct http_half *half = &state->half[from];
	struct http_head head;

	if (half->phase == PHASE_LOST)
		return CUT_MORE;
	if (half->phase != PHASE_HEAD) {
		half->open.bytes += kept.len;
		message_unpack(&half->open, ret_message);
		ret_message->is_complete = false;
		return CUT_MESSAGE;
	}
	if (!kept.len || !http_read_torso(from, kept, &head))
		return CUT_MORE;
	*ret_message = head.message;
	ret_message->bytes = ret_message->header_bytes = kept.len;
	if (from == SIDE_SERVER)
		ret_message->kind = head.status < 200 ? MESSAGE_INTERIM : MESSAGE_RESPONSE;
	return CUT_MESSAGE;
}

/* Bytes from behind `kept` to the end of the message, if what comes is the last chunk; 0: it cannot be. */
static uint64_t to_last_end(const struct http_half *half, struct span kept)
{
	static const char last_chunk[] = "\r\n0\r\n\r\n";
	const uint64_t len = sizeof(last_chunk) - 1;
	size_t done; /* bytes of it that are there already */

	switch ((enum phase)half->phase) {
	case PHASE_CHUNK_DATA: return half->due + len;
	case PHASE_CHUNK_END: done = 0; break;
	case PHASE_CHUNK_LINE: done = 2; break;
	case PHASE_TRAILERS: done = 5; break;
	default: return 0;
	}
	if (done + kept.len >= len || (kept.len && memcmp(last_chunk + done, kept.at, kept.len)))
		return 0;
	return len - done - kept.len;
}

/* A gap inside a chunk, or up to its end, or to that of the message is harmless. Behind any other nobody
 * knows how many messages it held. */
static enum cut gap_in_chunks(struct http_state *state, enum side from, struct span kept,
			      uint64_t bytes, struct message *ret_message, uint64_t *ret_used)
{
	struct http_half *half = &state->half[from];
	bool is_inside = half->phase == PHASE_CHUNK_DATA && bytes <= half->due;
	uint64_t to_last = to_last_end(half, kept), to_chunk_end = to_last > 5 ? to_last - 5 : 0;

	*ret_used = bytes;
	if (is_inside || bytes == to_chunk_end) {
		half->open.bytes += kept.len + bytes;
		half->due -= is_inside ? bytes : half->due;
		half->phase = is_inside ? PHASE_CHUNK_DATA : PHASE_CHUNK_LINE;
		return CUT_MORE;
	}
	half->open.bytes += kept.len;
	*ret_used = bytes == to_last ? bytes : half->due;
	half->open.bytes += *ret_used;
	message_unpack(&half->open, ret_message);
	half->phase = PHASE_HEAD;
	half->due = 0;
	if (bytes != to_last) {
		ret_message->is_complete = false;
		lose_order(state, half);
	}
	return CUT_MESSAGE;
}

static enum cut http_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			 struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct http_state *state = at;
	struct http_half *half = &state->half[from];

	half->is_doubtful = false;
	*ret_used = bytes;
	switch ((enum phase)half->phase) {
	case PHASE_LENGTH:
		if (kept.len > half->due)
			break;
		half->open.bytes += kept.len; /* kept while in doubt */
		half->due -= kept.len;
		*ret_used = bytes < half->due ? bytes : half->due;
		half->open.bytes += *ret_used;
		half->due -= *ret_used;
		if (half->due)
			return CUT_MORE;
		half->phase = PHASE_HEAD;
		message_unpack(&half->open, ret_message);
		return CUT_MESSAGE;
	case PHASE_CHUNK_LINE:
	case PHASE_CHUNK_DATA:
	case PHASE_CHUNK_END:
	case PHASE_TRAILERS: return gap_in_chunks(state, from, kept, bytes, ret_message, ret_used);
	case PHASE_UNTIL_CLOSE: half->open.bytes += bytes; return CUT_MORE;
	case PHASE_HEAD:
	case PHASE_LOST: break;
	}

	enum cut cut =
		state->is_handed_over ? CUT_MORE : give_torso(state, from, kept, ret_message);

	lose_order(state, half);
	*ret_used = 0;
	if (cut == CUT_MESSAGE)
		return CUT_MESSAGE;
	*ret_used = bytes;
	*ret_why = "a gap where a head should be";
	return CUT_BAD;
}

static bool http_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct http_state *state = at;
	size_t from_here = 0;

	*ret_used = in.len;
	if (state->is_handed_over)
		return false;
	while (from_here < in.len) {
		struct span rest = span_from(in, from_here);
		enum verdict is_head = http_head_starts(from, rest);
		const uint8_t *end;

		if (is_head != VERDICT_NO) {
			*ret_used = from_here;
			if (is_head == VERDICT_YES)
				state->half[from].phase = PHASE_HEAD;
			return is_head == VERDICT_YES;
		}
		end = memchr(rest.at, '\n', rest.len);
		if (!end)
			break;
		from_here = (size_t)(end - in.at) + 1;
	}
	return false;
}

static enum cut http_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	struct http_state *state = at;
	struct http_half *half = &state->half[from];
	bool is_withheld =
		half->is_doubtful && half->open.bytes == half->open.header_bytes && !kept.len;
	bool is_whole = half->phase == PHASE_UNTIL_CLOSE || is_withheld;
	enum cut cut =
		state->is_handed_over ? CUT_MORE : give_torso(state, from, kept, ret_message);

	if (cut == CUT_MESSAGE) {
		ret_message->is_complete = is_whole;
		ret_message->ends_stream = true;
	}
	half->phase = PHASE_LOST;
	return cut;
}

static uint64_t http_passes(const void *at, enum side from)
{
	const struct http_half *half = &((const struct http_state *)at)->half[from];

	if (half->is_doubtful)
		return 0;
	if (half->phase == PHASE_LENGTH || half->phase == PHASE_CHUNK_DATA)
		return half->due;
	return half->phase == PHASE_UNTIL_CLOSE ? UINT64_MAX : 0;
}

static struct guess http_classify(struct span in)
{
	enum verdict server = http_head_starts(SIDE_SERVER, in);
	enum verdict client = http_head_starts(SIDE_CLIENT, in);

	if (server != VERDICT_NO)
		return (struct guess){server, SIDE_SERVER};
	return (struct guess){client, client == VERDICT_NO ? SIDE_UNKNOWN : SIDE_CLIENT};
}

static void http_settle(void *at)
{
	struct http_state *state = at;

	state->is_order_lost = false;
	state->shape_len = 0;
	state->shapes_missing = 0;
}

/* (Where the order was lost nothing is waited for either: the pair is one as far as pair.c says so.) */
static bool http_rests(const void *at)
{
	const struct http_state *state = at;

	for (int i = 0; i < 2; i++)
		if (state->half[i].phase != PHASE_HEAD || state->half[i].scanned)
			return false;
	return !state->shape_len && !state->shapes_missing && !state->is_handed_over;
}

const struct protocol http1 = {
	.name = "http",
	.state_size = sizeof(struct http_state),
	.classify = http_classify,
	.cut = http_cut,
	.gap = http_gap,
	.resync = http_resync,
	.settle = http_settle,
	.rests = http_rests,
	.close = http_close,
	.passes = http_passes,
};
