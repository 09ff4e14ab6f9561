// SPDX-License-Identifier: GPL-2.0-only
/*
 * pgsql_client - what the client of PostgreSQL sends: statements, and batches of them.
 *
 * The extended protocol names things twice: Parse gives a statement a name, Bind makes a portal of a
 * statement, Execute runs a portal. Both names are remembered as hashes with the hash of the shape.
 * The shape's text is kept only of the last statement that was sent: an Execute nearly always follows
 * its Parse, and where it does not, the hash is enough (shapes.h).
 */
#include "base/map.h"
#include "protocol/pgsql_parts.h"

#include <stdio.h>

bool pgsql_take_name(struct span *payload, struct span *ret_name)
{
	const uint8_t *end = payload->len ? memchr(payload->at, 0, payload->len) : NULL;

	if (!end)
		return false;
	*ret_name = (struct span){payload->at, (size_t)(end - payload->at)};
	*payload = span_from(*payload, ret_name->len + 1);
	return true;
}

static uint64_t key_of(struct span name)
{
	uint64_t hash = hash_bytes(name.at, name.len, 0);

	return hash ? hash : 1;
}

static uint8_t keep(char *to, size_t room, struct span text)
{
	size_t len = text.len < room ? text.len : room;

	if (len)
		memcpy(to, text.at, len);
	return (uint8_t)len;
}

/* ---- batches ---- */

void pgsql_go_adrift(struct pgsql_state *state)
{
	state->is_adrift = true;
	state->has_open = false;
	state->is_copying = false;
	state->sent++; /* ids from before are not used again */
	state->ended = state->sent;
	state->answered = state->acked = 0;
}

/*
 * The first message of a batch. A client that has always waited for its answers has got the last one
 * too: so whatever was lost of it, the order is known again.
 */
static struct pgsql_batch *begin_batch(struct pgsql_state *state, enum batch_kind kind)
{
	struct pgsql_half *server = &state->half[SIDE_SERVER];
	struct pgsql_batch *batch;

	if (state->has_open)
		return pgsql_batch(state, state->sent);
	if (!state->pipelines &&
	    (state->is_adrift || server->phase == PHASE_LOST || state->response.is_torn)) {
		state->is_adrift = false;
		state->ended = state->sent;
		state->answered = state->acked = 0;
		state->response.is_open = state->response.is_torn = false;
	}
	/* one open batch may be one whose answer was lost, and nobody knows yet; two are none */
	state->pipelines |= !state->is_adrift && pgsql_outstanding(state) > 1;
	if (pgsql_outstanding(state) >= PGSQL_BATCHES)
		pgsql_go_adrift(state);

	batch = pgsql_batch(state, state->sent);
	if (kind == BATCH_EXTENDED && state->is_torn)
		kind = BATCH_TORN;
	state->is_torn = false;
	*batch = (struct pgsql_batch){.kind = kind};
	state->has_open = true;
	state->has_parse = state->has_describe = state->has_close = state->has_bind = false;
	state->parsed = 0;
	state->half[SIDE_CLIENT].open = 0;
	return batch;
}

static void end_batch(struct pgsql_state *state)
{
	state->has_open = false;
	state->sent++;
	if (state->is_adrift)
		state->ended = state->sent;
}

static uint8_t verb_of(const struct sql_shape *shape)
{
	static const char *const verbs[] = {"", "SELECT", "INSERT", "UPDATE", "DELETE"};

	for (uint8_t verb = VERB_SELECT; shape->operation && verb <= VERB_DELETE; verb++)
		if (shape->statements == 1 && !strcmp(shape->operation, verbs[verb]))
			return verb;
	return VERB_ANY;
}

/* ---- requests ---- */

static void ask(struct pgsql_state *state, const char *operation, uint64_t shape)
{
	memset(&state->request, 0, offsetof(__typeof__(state->request), text));
	state->request.operation = operation;
	state->request.shape = shape;
	state->request.has_text = shape && shape == state->shape.hash;
	state->half[SIDE_CLIENT].then = THEN_REQUEST;
}

static void ask_one_way(struct pgsql_state *state, const char *operation)
{
	if (!state->has_open)
		state->half[SIDE_CLIENT].open = 0;
	ask(state, operation, 0);
	state->request.ends_stream = true;
}

static void normalise(struct pgsql_state *state, struct span text, bool is_cut)
{
	sql_shape(text,
		  (struct sql_how){
			  .dialect = SQL_POSTGRES, .backslash = state->backslash, .is_cut = is_cut},
		  &state->shape);
	memset(state->traceparent, 0, sizeof(state->traceparent));
	keep(state->traceparent, sizeof(state->traceparent) - 1, state->shape.traceparent);
	state->shape.traceparent = (struct span){}; /* it pointed into the input */
}

static void take_query(struct pgsql_state *state, struct span payload)
{
	struct pgsql_batch *batch = begin_batch(state, BATCH_QUERY);
	struct span text = payload;
	bool is_whole = pgsql_take_name(&payload, &text);

	normalise(state, text, !is_whole);
	ask(state, state->shape.operation ? NULL : "QUERY", state->shape.hash);
	state->request.is_cut = !is_whole;
	state->request.id = pgsql_id(state->sent, batch->units);
	state->request.is_maybe = batch->units++;
	batch->ends_with_query = true;
	batch->verb = batch->units == 1 ? verb_of(&state->shape) : VERB_ANY;
	end_batch(state);
}

static void take_parse(struct pgsql_state *state, struct span payload)
{
	struct span name, text;
	bool is_whole;

	begin_batch(state, BATCH_EXTENDED)->acts++;
	state->has_parse = true;
	if (!pgsql_take_name(&payload, &name))
		return;
	text = payload;
	is_whole = pgsql_take_name(&payload, &text);
	normalise(state, text, !is_whole);
	state->parsed = state->shape.hash;
	if (!name.len) {
		state->unnamed = state->shape.hash;
		return;
	}
	state->replaced.key = key_of(name);
	state->replaced.shape = sql_statements_get(&state->statements, state->replaced.key);
	sql_statements_put(&state->statements, state->replaced.key, state->shape.hash);
}

/* The place of a portal; with `is_new` one is made for it. -1: unknown. */
static int portal_of(struct pgsql_state *state, struct span name, bool is_new)
{
	uint64_t key = key_of(name);
	int place;

	if (!name.len)
		return 0;
	for (place = 1; place < PGSQL_PORTALS; place++)
		if (state->portal[place].name == key)
			return place;
	if (!is_new)
		return -1;
	place = 1 + state->next_portal;
	state->next_portal = (uint8_t)((state->next_portal + 1) % (PGSQL_PORTALS - 1));
	state->portal[place].name = key;
	return place;
}

static void take_bind(struct pgsql_state *state, struct span payload)
{
	struct span portal, statement;
	uint64_t shape;
	int place;

	begin_batch(state, BATCH_EXTENDED)->acts++;
	state->has_bind = true;
	if (!pgsql_take_name(&payload, &portal) || !pgsql_take_name(&payload, &statement))
		return;
	shape = statement.len ? sql_statements_get(&state->statements, key_of(statement))
			      : state->unnamed;
	place = portal_of(state, portal, true);
	state->portal[place].shape = shape;
	state->portal[place].was_executed = false;
	if (!shape) {
		state->opaque_len = keep(state->opaque, sizeof(state->opaque), statement);
		state->opaque_portal = state->portal[place].name;
	}
}

/* The text of a statement that was prepared before we came: its name, if Bind has just said it. */
static void name_opaquely(struct pgsql_state *state, int place)
{
	bool is_known = place >= 0 && state->opaque_portal == state->portal[place].name;
	int len = snprintf(state->request.text, sizeof(state->request.text), "stmt:%.*s",
			   is_known ? (int)state->opaque_len : 0, state->opaque);

	state->request.text_len = (uint8_t)len;
}

static void take_execute(struct pgsql_state *state, struct span payload)
{
	struct pgsql_batch *batch = begin_batch(state, BATCH_EXTENDED);
	struct span name = {};
	bool has_name = pgsql_take_name(&payload, &name);
	int place = has_name ? portal_of(state, name, false) : -1;
	uint64_t shape = place >= 0 ? state->portal[place].shape : 0;
	bool is_again = place >= 0 && state->portal[place].was_executed;

	if (batch->units == UINT16_MAX) {
		pgsql_go_adrift(state);
		batch = begin_batch(state, BATCH_EXTENDED);
	}
	ask(state, is_again ? "FETCH" : NULL, shape);
	if (!shape) {
		state->request.operation = is_again ? "FETCH" : "EXECUTE";
		name_opaquely(state, place);
	} else if (state->request.has_text && !is_again) {
		state->request.operation = state->shape.operation ? NULL : "QUERY";
	}
	state->request.is_maybe = batch->units; /* passed over if one before it fails */
	state->request.id = pgsql_id(state->sent, batch->units++);
	batch->verb =
		state->request.has_text && batch->units == 1 ? verb_of(&state->shape) : VERB_ANY;
	if (place >= 0)
		state->portal[place].was_executed = true;
}

static void take_close(struct pgsql_state *state, struct span payload)
{
	struct span name, rest = span_from(payload, 1);
	int place;

	begin_batch(state, BATCH_EXTENDED)->acts++;
	state->has_close = true;
	if (!pgsql_take_name(&rest, &name))
		return;
	if (payload.at[0] == 'S' && name.len) {
		sql_statements_put(&state->statements, key_of(name), 0);
	} else if (payload.at[0] == 'S') {
		state->unnamed = 0;
	} else {
		place = portal_of(state, name, false);
		if (place > 0)
			state->portal[place].name = 0;
	}
}

/* A round trip of its own that executes nothing. */
static void ask_to_prepare(struct pgsql_state *state)
{
	ask(state,
	    state->has_parse      ? "PREPARE"
	    : state->has_describe ? "DESCRIBE"
	    : state->has_close    ? "CLOSE"
	    : state->has_bind     ? "BIND"
				  : "SYNC",
	    state->parsed);
	state->request.id = pgsql_id(state->sent, 0);
}

static void take_flush(struct pgsql_state *state)
{
	struct pgsql_batch *batch = pgsql_batch(state, state->sent);

	if (!state->has_open || batch->kind != BATCH_EXTENDED || batch->units || !batch->acts)
		return;
	batch->units = 1;
	batch->flushed = batch->acts;
	ask_to_prepare(state);
}

static void take_sync(struct pgsql_state *state)
{
	struct pgsql_batch *batch;

	if (state->is_copying)
		return; /* the server passes over it, PostgreSQL manual 55.2.6 */
	batch = begin_batch(state, BATCH_EXTENDED);
	if (!batch->units && batch->kind != BATCH_TORN)
		ask_to_prepare(state);
	end_batch(state);
}

static void take_function_call(struct pgsql_state *state, struct span payload)
{
	uint32_t oid = payload.len < 4
			       ? 0
			       : (uint32_t)payload.at[0] << 24 | (uint32_t)payload.at[1] << 16 |
					 (uint32_t)payload.at[2] << 8 | payload.at[3];

	if (state->has_open)
		pgsql_go_adrift(state);
	begin_batch(state, BATCH_QUERY);
	ask(state, "CALL", 0);
	state->request.text_len = (uint8_t)snprintf(
		state->request.text, sizeof(state->request.text), "function %u", oid);
	state->request.id = pgsql_id(state->sent, 0);
	end_batch(state);
}

void pgsql_client_message(struct pgsql_state *state, uint8_t type, struct span payload, bool is_cut)
{
	if (!state->sent && !state->has_open) /* we came late, perhaps in the middle of a batch */
		state->is_torn |= type == 'E' || type == 'S';
	switch (type) {
	case 'Q': take_query(state, payload); break;
	case 'P': take_parse(state, payload); break;
	case 'B': take_bind(state, payload); break;
	case 'E': take_execute(state, payload); break;
	case 'D':
		begin_batch(state, BATCH_EXTENDED)->acts++;
		state->has_describe = true;
		break;
	case 'C': take_close(state, payload); break;
	case 'H': take_flush(state); break;
	case 'S': take_sync(state); break;
	case 'F': take_function_call(state, payload); break;
	case 'c':
	case 'f': state->is_copying = false; break;
	case 'X': ask_one_way(state, "QUIT"); break;
	default: break; /* p: a password, never looked at; d: data */
	}
}

/* ---- the start of a session ---- */

static void take_parameters(struct pgsql_state *state, struct span parameters)
{
	struct span name, value, database = {};

	while (parameters.len > 1 && pgsql_take_name(&parameters, &name) &&
	       pgsql_take_name(&parameters, &value)) {
		if (span_is(name, "database"))
			database = value;
		else if (span_is(name, "application_name"))
			state->request.agent_len =
				keep(state->request.agent, sizeof(state->request.agent), value);
		else if (span_is(name, "replication"))
			state->is_replication = !span_is(value, "false") &&
						!span_is(value, "off") && !span_is(value, "no") &&
						!span_is(value, "0");
	}
	if (state->is_replication)
		state->request.text_len = keep(state->request.text, sizeof(state->request.text),
					       span_of("replication"));
	/* the user's name is masked */
	state->request.user_len =
		(uint8_t)snprintf(state->request.user, sizeof(state->request.user), "***@%.*s",
				  (int)(database.len < PGSQL_TEXT ? database.len : PGSQL_TEXT),
				  (const char *)database.at);
}

void pgsql_startup_message(struct pgsql_state *state, struct span payload)
{
	uint32_t high = (uint32_t)payload.at[0] << 8 | payload.at[1];
	uint32_t low = (uint32_t)payload.at[2] << 8 | payload.at[3];

	if (high == 1234 && low == 5678) { /* CancelRequest */
		ask_one_way(state, "CANCEL");
	} else if (high == 1234 && low == 5679) {
		state->asked = ASKED_TLS;
	} else if (high == 1234 && low == 5680) {
		state->asked = ASKED_GSS;
	} else {
		begin_batch(state, BATCH_CONNECT);
		ask(state, "CONNECT", 0);
		state->request.id = pgsql_id(state->sent, 0);
		take_parameters(state, span_from(payload, 4));
		end_batch(state);
		state->half[SIDE_CLIENT].phase = PHASE_MESSAGES;
	}
}

/* ---- the message ---- */

void pgsql_request(const struct pgsql_state *state, struct message *ret_message)
{
	bool is_empty = state->request.has_text && !state->shape.text_len;
	const struct sql_shape *shape = &state->shape;
	struct message *message = ret_message;

	*message = (struct message){
		.kind = MESSAGE_REQUEST,
		.answer = state->request.ends_stream ? ANSWER_NONE
			  : state->request.is_maybe  ? ANSWER_MAYBE
						     : ANSWER_ONE,
		.correlation = CORRELATION_ORDER_ID,
		.id = state->request.id,
		.shape = is_empty ? 0 : state->request.shape,
		.operation = span_of(state->request.operation),
		.target = {(const uint8_t *)state->request.text, state->request.text_len},
		.bytes = state->half[SIDE_CLIENT].open,
		.is_complete = !state->request.is_cut,
		.ends_stream = state->request.ends_stream,
	};
	if (state->request.has_text) {
		message->target = sql_text(shape);
		message->resource = sql_table(shape);
		message->chosen[CHOSEN_TRACEPARENT] = span_of(state->traceparent);
		if (!state->request.operation)
			message->operation = span_of(shape->operation);
	}
	message->chosen[CHOSEN_USER] =
		(struct span){(const uint8_t *)state->request.user, state->request.user_len};
	message->chosen[CHOSEN_USER_AGENT] =
		(struct span){(const uint8_t *)state->request.agent, state->request.agent_len};
}
