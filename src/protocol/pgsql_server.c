// SPDX-License-Identifier: GPL-2.0-only
/*
 * pgsql_server - what the server of PostgreSQL answers, and to which request.
 *
 * One ReadyForQuery ends each batch; that is the count by which answers find their questions. Within a
 * batch each Execute ends with CommandComplete (or its like). The last of them is held back until the
 * server is ready: an error may still follow, as what was put off is checked at the commit.
 *
 * After an error the server passes over the rest of the batch: these Executes have no answer.
 */
#include "protocol/pgsql_parts.h"

/* NULL: not known, or none is open. */
static struct pgsql_batch *batch_in_answer(struct pgsql_state *state)
{
	if (state->is_adrift || !pgsql_outstanding(state))
		return NULL;
	return pgsql_batch(state, state->ended);
}

static bool is_sent_whole(const struct pgsql_state *state)
{
	return state->ended < state->sent;
}

static void open_response(struct pgsql_state *state)
{
	bool is_torn = state->response.is_torn;

	if (state->response.is_open)
		return;
	memset(&state->response, 0, offsetof(__typeof__(state->response), status));
	state->response.is_torn = is_torn;
	state->response.is_open = true;
	state->half[SIDE_SERVER].open = 0;
}

/* The response ends with this message. */
static void answer(struct pgsql_state *state, uint32_t execute)
{
	state->response.id = pgsql_id(state->ended, execute);
	state->response.is_unasked = !batch_in_answer(state);
	state->half[SIDE_SERVER].then = THEN_RESPONSE;
}

/* The order we believe in does not fit what the server says. */
static void contradict(struct pgsql_state *state)
{
	pgsql_go_adrift(state);
	state->pipelines = true;
	state->response.is_torn = true;
}

/* ---- errors ---- */

/* Severity, SQLSTATE and words; PostgreSQL manual 55.8. */
static bool read_error(struct span fields, char status[8], char reason[PGSQL_REASON],
		       uint8_t *ret_reason_len)
{
	bool is_fatal = false;

	while (fields.len && fields.at[0]) {
		uint8_t field = fields.at[0];
		struct span text;

		fields = span_from(fields, 1);
		if (!pgsql_take_name(&fields, &text))
			break;
		if (field == 'V' || field == 'S')
			is_fatal |= span_is(text, "FATAL") || span_is(text, "PANIC");
		if (field == 'C' && text.len == 5) {
			memcpy(status, text.at, 5);
			status[5] = '\0';
		}
		if (field == 'M' && reason)
			*ret_reason_len = (uint8_t)sql_reason(text, false, reason, PGSQL_REASON);
	}
	return is_fatal;
}

static void take_error(struct pgsql_state *state, struct span fields)
{
	struct pgsql_batch *batch = batch_in_answer(state);
	bool is_fatal;

	state->is_copying = false;
	if (!batch && !state->is_adrift && !state->response.is_open) {
		/* nobody asked: the session is ended by an administrator, or for its idleness */
		memset(state->push_status, 0, sizeof(state->push_status));
		state->push_len = 0;
		read_error(fields, state->push_status, NULL, NULL);
		state->half[SIDE_SERVER].then = THEN_PUSH;
		return;
	}
	open_response(state);
	memset(state->response.status, 0, sizeof(state->response.status));
	is_fatal = read_error(fields, state->response.status, state->response.reason,
			      &state->response.reason_len);
	state->response.is_error = true;
	if (!strcmp(state->response.status, "42P05")) /* that name is taken, and stays so */
		sql_statements_put(&state->statements, state->replaced.key, state->replaced.shape);
	if (is_fatal) { /* nothing will follow, not even that the server is ready */
		state->response.ends_stream = true;
		answer(state, state->answered);
		if (batch && is_sent_whole(state))
			state->ended++;
		state->answered = state->acked = 0;
	} else if (batch && batch->kind == BATCH_EXTENDED && !state->response.is_held &&
		   state->answered < batch->units) {
		answer(state, state->answered++);
	}
}

/* ---- commands ---- */

/* "SELECT 5", "INSERT 0 5": does the word fit what was asked, and how many rows were it? */
static bool read_tag(struct span tag, uint8_t verb, uint64_t *ret_rows)
{
	static const char *const verbs[] = {"", "SELECT ", "INSERT ", "UPDATE ", "DELETE "};
	size_t from = tag.len;
	uint64_t rows = 0;

	while (from && tag.at[from - 1] >= '0' && tag.at[from - 1] <= '9')
		from--;
	for (size_t i = from; i < tag.len && tag.len - from < 19; i++)
		rows = rows * 10 + (uint64_t)(tag.at[i] - '0');
	*ret_rows = rows;
	return verb == VERB_ANY || span_starts(tag, verbs[verb]);
}

static void complete_command(struct pgsql_state *state)
{
	struct pgsql_batch *batch = batch_in_answer(state);
	bool is_last;

	if (!batch || batch->kind != BATCH_EXTENDED)
		return;
	if (state->answered >= batch->units) {
		contradict(state);
		return;
	}
	is_last = is_sent_whole(state) && state->answered + 1 == batch->units;
	if (is_last)
		state->response.is_held = true;
	else
		answer(state, state->answered++);
}

/* What was flushed before the first Execute is answered when all of it is acknowledged. */
static void take_acknowledgement(struct pgsql_state *state)
{
	struct pgsql_batch *batch = batch_in_answer(state);

	state->acked++;
	if (batch && batch->kind == BATCH_EXTENDED && batch->flushed == state->acked &&
	    !state->answered)
		answer(state, state->answered++);
}

static void take_tag(struct pgsql_state *state, struct span payload)
{
	struct pgsql_batch *batch = batch_in_answer(state);
	struct span tag = payload;
	uint64_t rows;

	state->is_copying = false;
	pgsql_take_name(&payload, &tag);
	if (!read_tag(tag, batch ? batch->verb : VERB_ANY, &rows) && !state->response.is_torn)
		contradict(state);
	state->response.items += rows;
	complete_command(state);
}

static void take_ready(struct pgsql_state *state)
{
	struct pgsql_batch *batch = batch_in_answer(state);

	state->is_copying = false;
	if (!batch) {
		answer(state, 0);
	} else if (batch->kind == BATCH_TORN) {
		answer(state, 0);
		state->response.is_unasked = true;
	} else if (batch->kind != BATCH_EXTENDED || !batch->units) {
		answer(state, 0);
	} else if (state->response.is_held) {
		answer(state, state->answered);
	} else if ((state->response.is_torn || state->response.is_error) &&
		   state->answered < batch->units) {
		answer(state, state->answered);
	} else {
		state->response.is_open = false; /* the Sync alone */
	}
	state->pipelines |= batch && pgsql_outstanding(state) > 1;
	if (batch && is_sent_whole(state))
		state->ended++;
	else if (batch)
		contradict(state); /* ready in the middle of a batch */
	state->answered = state->acked = 0;
}

/* COPY FROM STDIN: the Sync that was sent with it is passed over, another ends the batch. */
static void take_copy_in(struct pgsql_state *state)
{
	struct pgsql_batch *batch = batch_in_answer(state);

	state->is_copying = true;
	if (!batch || batch->ends_with_query || !is_sent_whole(state))
		return;
	if (state->ended + 1 != state->sent || state->has_open) {
		contradict(state);
		return;
	}
	state->sent--;
	state->has_open = true;
	state->has_parse = state->has_describe = state->has_close = state->has_bind = false;
	state->parsed = 0;
}

/* ---- sessions ---- */

static void take_parameter(struct pgsql_state *state, struct span payload)
{
	struct span name, value;

	if (pgsql_take_name(&payload, &name) && pgsql_take_name(&payload, &value) &&
	    span_is(name, "standard_conforming_strings"))
		state->backslash =
			span_is(value, "off") ? SQL_BACKSLASH_ESCAPES : SQL_BACKSLASH_DEFAULT;
}

static void take_notification(struct pgsql_state *state, struct span payload)
{
	struct span channel;

	payload = span_from(payload, 4);
	state->push_status[0] = '\0';
	state->push_len = 0;
	if (pgsql_take_name(&payload, &channel)) {
		channel = span_first(channel, sizeof(state->push));
		memcpy(state->push, channel.at, channel.len);
		state->push_len = (uint8_t)channel.len;
	}
	state->half[SIDE_SERVER].then = THEN_PUSH;
}

/* Is this a message that the batch in answer cannot have? */
static bool is_out_of_place(const struct pgsql_batch *batch, uint8_t type)
{
	if (!batch)
		return false;
	switch (type) {
	case '1':
	case '2':
	case '3':
	case 't':
	case 'n':
	case 's': return batch->kind != BATCH_EXTENDED && batch->kind != BATCH_TORN;
	case 'R':
	case 'K':
	case 'v': return batch->kind != BATCH_CONNECT;
	case 'V': return batch->kind != BATCH_QUERY;
	case 'T':
	case 'D':
	case 'C':
	case 'I': return batch->kind == BATCH_CONNECT;
	default: return false;
	}
}

void pgsql_server_message(struct pgsql_state *state, uint8_t type, struct span payload, bool is_cut)
{
	switch (type) {
	case 'N': return; /* a notice */
	case 'S': take_parameter(state, payload); return;
	case 'A': take_notification(state, payload); return;
	case 'E': take_error(state, payload); return;
	default: break;
	}
	open_response(state);
	state->response.is_torn |= is_cut;
	if (is_out_of_place(batch_in_answer(state), type))
		contradict(state);
	switch (type) {
	case 'Z': take_ready(state); break;
	case 'C': take_tag(state, payload); break;
	case 'I':
	case 's': complete_command(state); break;
	case '1':
	case '2':
	case '3':
	case 'n':
	case 'T': take_acknowledgement(state); break;
	case 'G': take_copy_in(state); break;
	case 'W': /* START_REPLICATION: from here on a stream in both directions */
		state->response.handover = "replication";
		state->response.ends_stream = true;
		answer(state, 0);
		break;
	default: break;
	}
}

void pgsql_give_up(struct pgsql_state *state)
{
	answer(state, state->answered);
}

/* ---- the message ---- */

void pgsql_response(struct pgsql_state *state, struct message *ret_message)
{
	bool is_error = state->response.is_error;

	*ret_message = (struct message){
		.kind = MESSAGE_RESPONSE,
		.correlation = CORRELATION_ORDER_ID,
		.id = state->response.id,
		.status = span_of(is_error ? state->response.status : "OK"),
		.items = state->response.items,
		.bytes = state->half[SIDE_SERVER].open,
		.is_error = is_error,
		.is_complete = !state->response.is_torn,
		.is_unasked = state->response.is_unasked,
		.ends_stream = state->response.ends_stream,
		.handover = state->response.handover,
	};
	if (is_error)
		ret_message->reason = (struct span){(const uint8_t *)state->response.reason,
						    state->response.reason_len};
	state->response.is_open = state->response.is_torn = false;
}

void pgsql_push(const struct pgsql_state *state, struct message *ret_message)
{
	bool is_error = state->push_status[0];

	*ret_message = (struct message){
		.kind = MESSAGE_PUSH,
		.correlation = CORRELATION_ORDER_ID,
		.operation = is_error ? (struct span){} : span_of("NOTIFY"),
		.resource = {(const uint8_t *)state->push, state->push_len},
		.status = span_of(state->push_status),
		.is_error = is_error,
		.is_complete = true,
	};
}
