// SPDX-License-Identifier: GPL-2.0-only
/*
 * mysql_client - what the client of MySQL sends: a login, then commands.
 *
 * A command begins with sequence number 0. Other packets of the client are parts of something: of a
 * command above 16 MiB, of the login, of a file that the server asked for (LOCAL INFILE; its numbers
 * may come round to 0, so that is remembered). Of none of these is more looked at than its length.
 */
#include "base/map.h"
#include "protocol/mysql_parts.h"

#include <stdio.h>

/* ---- numbers and strings ---- */

bool mysql_take_int(struct span *in, size_t bytes, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (in->len < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)in->at[i] << (8 * i);
	*in = span_from(*in, bytes);
	*ret_value = value;
	return true;
}

bool mysql_take_lenenc(struct span *in, uint64_t *ret_value)
{
	uint8_t first;

	if (!in->len)
		return false;
	first = in->at[0];
	if (first == 0xfb || first == 0xff) /* NULL; an error */
		return false;
	if (first < 0xfb)
		return mysql_take_int(in, 1, ret_value);
	*in = span_from(*in, 1);
	return mysql_take_int(in, first == 0xfc ? 2 : first == 0xfd ? 3 : 8, ret_value);
}

bool mysql_take_bytes(struct span *in, uint64_t bytes, struct span *ret_text)
{
	if (in->len < bytes)
		return false;
	*ret_text = span_first(*in, (size_t)bytes);
	*in = span_from(*in, (size_t)bytes);
	return true;
}

bool mysql_take_name(struct span *in, struct span *ret_text)
{
	const uint8_t *end = in->len ? memchr(in->at, 0, in->len) : NULL;

	if (!end)
		return false;
	*ret_text = (struct span){in->at, (size_t)(end - in->at)};
	*in = span_from(*in, ret_text->len + 1);
	return true;
}

static bool take_lenenc_text(struct span *in, struct span *ret_text)
{
	uint64_t len;

	return mysql_take_lenenc(in, &len) && mysql_take_bytes(in, len, ret_text);
}

static uint8_t keep(char *to, size_t room, struct span text)
{
	size_t len = text.len < room ? text.len : room;

	if (len)
		memcpy(to, text.at, len);
	return (uint8_t)len;
}

/* ---- the order of commands ---- */

const char *mysql_command_name(uint8_t code)
{
	static const char *const names[] = {
		[COM_QUIT] = "QUIT",
		[COM_INIT_DB] = "USE",
		[COM_QUERY] = "QUERY",
		[COM_FIELD_LIST] = "FIELD_LIST",
		[0x05] = "CREATE_DB",
		[0x06] = "DROP_DB",
		[0x07] = "REFRESH",
		[0x08] = "SHUTDOWN",
		[COM_STATISTICS] = "STATISTICS",
		[0x0a] = "PROCESS_INFO",
		[0x0c] = "KILL",
		[0x0d] = "DEBUG",
		[COM_PING] = "PING",
		[COM_CHANGE_USER] = "CHANGE_USER",
		[COM_BINLOG_DUMP] = "BINLOG_DUMP",
		[0x13] = "TABLE_DUMP",
		[0x15] = "REGISTER_REPLICA",
		[COM_STMT_PREPARE] = "PREPARE",
		[COM_STMT_EXECUTE] = "EXECUTE",
		[COM_STMT_SEND_LONG_DATA] = "SEND_LONG_DATA",
		[COM_STMT_CLOSE] = "CLOSE",
		[COM_STMT_RESET] = "RESET",
		[0x1b] = "SET_OPTION",
		[COM_STMT_FETCH] = "FETCH",
		[COM_BINLOG_DUMP_GTID] = "BINLOG_DUMP",
		[COM_RESET_CONNECTION] = "RESET_CONNECTION",
		[COM_STMT_BULK_EXECUTE] = "EXECUTE",
		[COM_LOGIN] = NULL,
	};

	return names[code];
}

void mysql_go_adrift(struct mysql_state *state)
{
	state->is_adrift = true;
	state->is_loading = false;
	state->sent++; /* ids from before are not used again */
	state->ended = state->sent;
}

/*
 * A command is sent. A client that has always waited for its answers has got the last one too: so
 * whatever was lost of it, the order is known again.
 */
static void queue_command(struct mysql_state *state, uint8_t code, uint8_t next, uint64_t shape)
{
	struct mysql_half *server = &state->half[SIDE_SERVER];
	bool is_doubtful =
		state->is_adrift || server->phase == MYSQL_LOST || state->response.is_torn;

	if (!state->pipelines && is_doubtful) {
		state->is_adrift = false;
		state->ended = state->sent;
	}
	if (state->ended == state->sent) { /* its answer has numbers of its own */
		state->response.has_next = state->response.is_open = state->response.is_torn =
			false;
		state->response.part = PART_FIRST;
	} else { /* one may be open because its answer was lost, and nobody knows yet; two are not */
		state->pipelines |= !state->is_adrift && state->sent - state->ended > 1;
	}
	if (state->sent - state->ended >= MYSQL_COMMANDS)
		mysql_go_adrift(state);
	state->request.id = mysql_id(state->sent);
	state->command[state->sent % MYSQL_COMMANDS] =
		(struct mysql_command){.shape = shape, .code = code, .next = next};
	state->sent++;
	if (state->is_adrift)
		state->ended = state->sent;
}

/* ---- requests ---- */

static void ask(struct mysql_state *state, const char *operation, uint64_t shape)
{
	memset(&state->request, 0, offsetof(__typeof__(state->request), text));
	state->request.operation = operation;
	state->request.shape = shape;
	state->request.has_text = shape && shape == state->shape.hash;
	state->half[SIDE_CLIENT].then = MYSQL_REQUEST;
}

static void normalise(struct mysql_state *state, struct span text, bool is_cut)
{
	sql_shape(text,
		  (struct sql_how){
			  .dialect = SQL_MYSQL, .backslash = state->backslash, .is_cut = is_cut},
		  &state->shape);
	if (state->shape.traceparent.len) {
		memset(state->traceparent, 0, sizeof(state->traceparent));
		keep(state->traceparent, sizeof(state->traceparent) - 1, state->shape.traceparent);
	}
	state->shape.traceparent = (struct span){}; /* it pointed into the input */
}

/* Bytes of the value of an attribute of this type; 255: a length stands before it. */
static size_t size_of_type(uint8_t type)
{
	switch (type) {
	case 0x01: return 1; /* TINY */
	case 0x02:
	case 0x0d: return 2; /* SHORT, YEAR */
	case 0x03:
	case 0x04:
	case 0x09: return 4; /* LONG, FLOAT, INT24 */
	case 0x05:
	case 0x08: return 8; /* DOUBLE, LONGLONG */
	case 0x06: return 0; /* NULL */
	default: return 255;
	}
}

enum { ATTRIBUTES_MAX = 16 };

/* The values of query attributes, of which traceparent is kept. False: they cannot be read. */
static bool skip_attribute_values(struct mysql_state *state, struct span *in, uint64_t count,
				  const uint8_t *types, uint32_t nulls, unsigned trace)
{
	for (unsigned i = 0; i < count; i++) {
		size_t size = nulls >> i & 1 ? 0 : size_of_type(types[i]);
		struct span value = {};

		if (size == 255 ? !take_lenenc_text(in, &value)
				: !mysql_take_bytes(in, size, &value))
			return false;
		if (i == trace && value.len == 55) {
			memset(state->traceparent, 0, sizeof(state->traceparent));
			keep(state->traceparent, sizeof(state->traceparent) - 1, value);
		}
	}
	return true;
}

/*
 * MySQL 8.0.23 and later put attributes before the text of a query; nearly always none: 0, 1. Where we
 * have not seen the login, these two bytes tell: no statement begins with a 0.
 */
static bool skip_attributes(struct mysql_state *state, struct span *in)
{
	bool has_attributes = state->capabilities & CLIENT_QUERY_ATTRIBUTES ||
			      (!state->capabilities && in->len > 1 && !in->at[0] && in->at[1] == 1);
	uint8_t types[ATTRIBUTES_MAX];
	unsigned trace = ATTRIBUTES_MAX;
	uint64_t count, sets, nulls, is_bound, type;
	struct span name;

	if (!has_attributes)
		return true;
	if (!mysql_take_lenenc(in, &count) || !mysql_take_lenenc(in, &sets))
		return false;
	if (!count)
		return true;
	if (count > ATTRIBUTES_MAX || !mysql_take_int(in, (size_t)(count + 7) / 8, &nulls) ||
	    !mysql_take_int(in, 1, &is_bound) || !is_bound)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!mysql_take_int(in, 2, &type) || !take_lenenc_text(in, &name))
			return false;
		types[i] = (uint8_t)type;
		if (span_is(name, "traceparent"))
			trace = i;
	}
	return skip_attribute_values(state, in, count, types, (uint32_t)nulls, trace);
}

static void take_statement(struct mysql_state *state, uint8_t code, struct span payload,
			   bool is_cut)
{
	memset(state->traceparent, 0, sizeof(state->traceparent));
	if (code == COM_QUERY && !skip_attributes(state, &payload))
		payload = (struct span){};
	normalise(state, payload, is_cut);
	if (code == COM_STMT_PREPARE)
		ask(state, "PREPARE", state->shape.hash);
	else
		ask(state, state->shape.operation ? NULL : "QUERY", state->shape.hash);
	state->request.is_cut = is_cut;
	if (code == COM_STMT_PREPARE)
		state->last_prepared = state->shape.hash;
}

static uint64_t key_of(uint64_t statement)
{
	return statement + 1; /* 0 is no key */
}

/* A command that names a prepared statement. -1: the one that was prepared last (MariaDB). */
static void take_prepared(struct mysql_state *state, uint8_t code, struct span payload)
{
	uint64_t statement = 0, shape = 0;
	bool has_statement = mysql_take_int(&payload, 4, &statement);
	bool is_execute = code == COM_STMT_EXECUTE || code == COM_STMT_BULK_EXECUTE;

	if (has_statement && statement == UINT32_MAX)
		shape = state->last_prepared;
	else if (has_statement)
		shape = sql_statements_get(&state->statements, key_of(statement));
	ask(state, is_execute && shape ? NULL : mysql_command_name(code), shape);
	if (state->request.has_text && is_execute && !state->shape.operation)
		state->request.operation = "QUERY";
	if (!shape)
		state->request.text_len =
			(uint8_t)snprintf(state->request.text, sizeof(state->request.text),
					  has_statement ? "stmt:%u" : "stmt:", (unsigned)statement);
	if (code == COM_STMT_CLOSE && has_statement)
		sql_statements_put(&state->statements, key_of(statement), 0);
}

static void ask_about(struct mysql_state *state, uint8_t code, struct span name)
{
	ask(state, mysql_command_name(code), 0);
	state->request.is_resource = true;
	state->request.text_len = keep(state->request.text, MYSQL_TEXT, name);
}

static void take_command(struct mysql_state *state, struct span payload, uint32_t length,
			 uint8_t next)
{
	uint8_t code = payload.at[0];
	bool is_cut = payload.len < length;
	struct span rest = span_from(payload, 1), name;

	state->half[SIDE_CLIENT].open = 0;
	switch (code) {
	case COM_QUERY:
	case COM_STMT_PREPARE: take_statement(state, code, rest, is_cut); break;
	case COM_STMT_EXECUTE:
	case COM_STMT_BULK_EXECUTE:
	case COM_STMT_SEND_LONG_DATA:
	case COM_STMT_CLOSE:
	case COM_STMT_RESET:
	case COM_STMT_FETCH: take_prepared(state, code, rest); break;
	case COM_FIELD_LIST: /* behind the name of the table a pattern: data of a user */
		name = (struct span){};
		mysql_take_name(&rest, &name);
		ask_about(state, code, name);
		break;
	case COM_INIT_DB: ask_about(state, code, rest); break;
	default: ask(state, mysql_command_name(code), 0); break;
	}
	if (code == COM_QUIT || code == COM_STMT_CLOSE || code == COM_STMT_SEND_LONG_DATA) {
		state->request.is_one_way = true;
		state->request.ends_stream = code == COM_QUIT;
		return;
	}
	queue_command(state, code, next, state->request.shape);
}

/* ---- login ---- */

static void take_attributes(struct mysql_state *state, struct span in)
{
	struct span name, value;
	uint64_t len;

	if (!mysql_take_lenenc(&in, &len))
		return;
	in = span_first(in, (size_t)len);
	while (take_lenenc_text(&in, &name) && take_lenenc_text(&in, &value))
		if (span_is(name, "program_name") ||
		    (span_is(name, "_client_name") && !state->request.agent_len))
			state->request.agent_len =
				keep(state->request.agent, sizeof(state->request.agent), value);
}

/* The user's name is masked, and no byte of the password's hash is looked at. */
static void take_login_names(struct mysql_state *state, struct span in, uint32_t capabilities)
{
	struct span user, hash, database = {}, plugin;
	uint64_t len;
	bool has_hash;

	if (!mysql_take_name(&in, &user))
		return;
	if (capabilities & CLIENT_PLUGIN_AUTH_LENENC)
		has_hash = take_lenenc_text(&in, &hash);
	else if (capabilities & CLIENT_SECURE_CONNECTION)
		has_hash = mysql_take_int(&in, 1, &len) && mysql_take_bytes(&in, len, &hash);
	else
		has_hash = mysql_take_name(&in, &hash);
	if (has_hash && capabilities & CLIENT_CONNECT_WITH_DB)
		mysql_take_name(&in, &database);
	state->request.user_len =
		(uint8_t)snprintf(state->request.user, sizeof(state->request.user), "***@%.*s",
				  (int)(database.len < MYSQL_TEXT ? database.len : MYSQL_TEXT),
				  (const char *)database.at);
	if (has_hash && capabilities & CLIENT_PLUGIN_AUTH && !mysql_take_name(&in, &plugin))
		return;
	if (has_hash && capabilities & CLIENT_CONNECT_ATTRS)
		take_attributes(state, in);
}

static void take_login(struct mysql_state *state, struct span payload, uint32_t length,
		       uint8_t next)
{
	uint64_t capabilities = 0;
	struct span rest = payload;

	state->half[SIDE_CLIENT].open = 0;
	state->has_login = true;
	mysql_take_int(&rest, 4, &capabilities);
	state->capabilities = (uint32_t)capabilities;
	if (capabilities & CLIENT_SSL && length == 32) {
		ask(state, "STARTTLS", 0);
		state->request.is_push = true;
		state->request.handover = "tls";
		return;
	}
	state->eof = capabilities & CLIENT_DEPRECATE_EOF ? EOF_DEPRECATED : EOF_SENT;
	ask(state, "CONNECT", 0);
	if (capabilities & CLIENT_PROTOCOL_41)
		take_login_names(state, span_from(payload, 32), (uint32_t)capabilities);
	queue_command(state, COM_LOGIN, next, 0);
}

/* ---- packets ---- */

size_t mysql_client_seen(const struct mysql_state *state, uint8_t sequence, struct span payload)
{
	if (state->is_login && !state->has_login)
		return 1024;
	if (sequence || state->is_loading || state->half[SIDE_CLIENT].continues)
		return 0;
	if (!payload.len)
		return 1;
	switch (payload.at[0]) {
	case COM_QUERY:
	case COM_STMT_PREPARE: return STATEMENT_BYTES;
	case COM_INIT_DB:
	case COM_FIELD_LIST: return 1 + MYSQL_TEXT;
	default: return 5;
	}
}

void mysql_client_packet(struct mysql_state *state, uint8_t sequence, struct span payload,
			 uint32_t length)
{
	struct mysql_half *half = &state->half[SIDE_CLIENT];
	struct mysql_command *command = mysql_answered(state);
	uint8_t next = (uint8_t)(sequence + 1);

	if (!sequence)
		state->is_login = false; /* it has ended, whatever we saw of it */
	if (half->continues) {
		state->command[(state->sent - 1) % MYSQL_COMMANDS].next = next;
	} else if (state->is_login && !state->has_login) {
		take_login(state, payload, length, next);
	} else if (state->is_loading || sequence) {
		state->response.next = next;
		state->response.has_next = command;
		if (!length)
			state->is_loading = false;
	} else if (payload.len) {
		take_command(state, payload, length, next);
	}
}

void mysql_request(const struct mysql_state *state, struct message *ret_message)
{
	bool is_empty = state->request.has_text && !state->shape.text_len;
	struct span text = {(const uint8_t *)state->request.text, state->request.text_len};

	*ret_message = (struct message){
		.kind = state->request.is_push ? MESSAGE_PUSH : MESSAGE_REQUEST,
		.answer = state->request.is_one_way ? ANSWER_NONE : ANSWER_ONE,
		.correlation = CORRELATION_ORDER_ID,
		.id = state->request.id,
		.shape = is_empty ? 0 : state->request.shape,
		.operation = span_of(state->request.operation),
		.bytes = state->half[SIDE_CLIENT].open,
		.is_complete = !state->request.is_cut,
		.ends_stream = state->request.ends_stream || state->request.handover,
		.handover = state->request.handover,
	};
	if (state->request.is_resource)
		ret_message->resource = text;
	else
		ret_message->target = text;
	if (state->request.has_text) {
		ret_message->target = sql_text(&state->shape);
		ret_message->resource = sql_table(&state->shape);
		ret_message->chosen[CHOSEN_TRACEPARENT] = span_of(state->traceparent);
		if (!state->request.operation)
			ret_message->operation = span_of(state->shape.operation);
	}
	ret_message->chosen[CHOSEN_USER] =
		(struct span){(const uint8_t *)state->request.user, state->request.user_len};
	ret_message->chosen[CHOSEN_USER_AGENT] =
		(struct span){(const uint8_t *)state->request.agent, state->request.agent_len};
}
