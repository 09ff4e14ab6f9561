// SPDX-License-Identifier: GPL-2.0-only
/*
 * mysql_server - what the server of MySQL answers.
 *
 * A response has no length and no type of its own: how its packets are to be read follows from the
 * command, and where it ends, from the packets: OK, error, or rows up to an end. `part` says where in
 * that we are.
 *
 *	FIRST --OK, error---------------------------------------> end, or FIRST again (more results)
 *	FIRST --number of columns--> COLUMNS -> BEHIND_COLUMNS -> ROWS --end--> likewise
 *	FIRST --file wanted--> FIRST, when the client has sent it
 *	FIRST --prepared--> PREPARED (definitions of parameters and columns) -> end
 *
 * The sequence numbers run through command and response, so a packet with another number than the
 * next one says that the place is lost.
 */
#include "protocol/mysql_parts.h"

#include <stdio.h>

enum {
	OK_MARK = 0x00,
	FILE_MARK = 0xfb,
	END_MARK = 0xfe,
	ERROR_MARK = 0xff,
	PROGRESS_CODE = 0xffff, /* MariaDB: not an error but how far it is */
	END_LENGTH =
		5, /* of an end in a packet of its own; where that is deprecated, an OK, 7 or more */
	GREETING_VERSION = 10,
};

static void open_response(struct mysql_state *state)
{
	bool is_torn = state->response.is_torn;

	if (state->response.is_open)
		return;
	state->response.items = 0;
	state->response.columns = 0;
	state->response.is_error = false;
	state->response.handover = NULL;
	state->response.reason_len = 0;
	state->response.is_torn = is_torn;
	state->response.is_open = true;
	state->half[SIDE_SERVER].open = 0;
}

/* The response ends with this packet. */
static void answer(struct mysql_state *state)
{
	struct mysql_command *command = mysql_answered(state);

	state->response.id = mysql_id(state->ended);
	state->response.is_unasked = !command;
	state->response.part = PART_FIRST;
	state->half[SIDE_SERVER].then = MYSQL_RESPONSE;
	state->is_loading = false;
	state->pipelines |= command && state->sent - state->ended > 1;
	if (command)
		state->ended++;
	command = mysql_answered(state);
	if (command) { /* that of a pipeline: its numbers begin anew */
		state->response.next = command->next;
		state->response.has_next = true;
	}
}

static void note_status(struct mysql_state *state, uint64_t flags)
{
	state->backslash =
		flags & STATUS_NO_BACKSLASH_ESCAPES ? SQL_BACKSLASH_PLAIN : SQL_BACKSLASH_DEFAULT;
}

/* A result is complete. */
static void end_result(struct mysql_state *state, uint64_t status)
{
	note_status(state, status);
	state->response.part = PART_FIRST;
	if (!(status & STATUS_MORE_RESULTS))
		answer(state);
}

/* ---- packets that end something ---- */

static void take_ok(struct mysql_state *state, struct span payload)
{
	uint64_t rows = 0, id, status = 0;

	payload = span_from(payload, 1);
	if (mysql_take_lenenc(&payload, &rows) && mysql_take_lenenc(&payload, &id))
		mysql_take_int(&payload, 2, &status);
	state->response.items += rows;
	end_result(state, status);
}

/* False: only the progress of a long command. */
static bool take_error(struct mysql_state *state, struct span payload, uint32_t length)
{
	bool is_cut = payload.len < length;
	struct span words, sqlstate;
	uint64_t code = 0;

	words = span_from(payload, 1);
	mysql_take_int(&words, 2, &code);
	if (code == PROGRESS_CODE)
		return false;
	if (words.len >= 6 && words.at[0] == '#') {
		words = span_from(words, 1);
		mysql_take_bytes(&words, 5, &sqlstate);
		snprintf(state->response.status, sizeof(state->response.status), "%u (%.5s)",
			 (unsigned)code, (const char *)sqlstate.at);
	} else {
		snprintf(state->response.status, sizeof(state->response.status), "%u",
			 (unsigned)code);
	}
	state->response.reason_len =
		(uint8_t)sql_reason(words, is_cut, state->response.reason, MYSQL_REASON);
	state->response.is_error = true;
	answer(state);
	return true;
}

/* The end of rows, in one of its two forms: the status and what it says. */
static uint64_t read_end(struct mysql_state *state, struct span payload, uint32_t length)
{
	uint64_t ignored, status = 0;

	payload = span_from(payload, 1);
	if (length == END_LENGTH) {
		state->eof = EOF_SENT;
		mysql_take_int(&payload, 2, &ignored);
	} else {
		mysql_take_lenenc(&payload, &ignored);
		mysql_take_lenenc(&payload, &ignored);
	}
	mysql_take_int(&payload, 2, &status);
	return status;
}

static bool is_end(struct span payload, uint32_t length)
{
	return payload.len && payload.at[0] == END_MARK && length < PACKET_MAX &&
	       length >= END_LENGTH;
}

/* ---- the parts of a response ---- */

/* The answer to a PREPARE: number of the statement, of its columns, of its parameters. */
static void take_prepared(struct mysql_state *state, const struct mysql_command *command,
			  struct span payload)
{
	uint64_t statement = 0, columns = 0, parameters = 0;

	payload = span_from(payload, 1);
	if (mysql_take_int(&payload, 4, &statement) && command && command->shape)
		sql_statements_put(&state->statements, statement + 1, command->shape);
	if (!mysql_take_int(&payload, 2, &columns) || !mysql_take_int(&payload, 2, &parameters))
		state->response.is_torn = true;
	state->response.columns = (uint32_t)(columns + parameters);
	if (state->eof == EOF_SENT)
		state->response.columns += (columns != 0) + (parameters != 0);
	state->response.part = PART_PREPARED;
	if (!state->response.columns)
		answer(state);
}

static void take_definition(struct mysql_state *state, struct span payload, uint32_t length)
{
	if (is_end(payload, length) && length == END_LENGTH && state->eof == EOF_UNKNOWN) {
		state->eof = EOF_SENT;
		return;
	}
	if (!--state->response.columns)
		answer(state);
}

static void take_column_count(struct mysql_state *state, struct span payload, uint32_t length)
{
	uint64_t columns = 0;
	bool has_definitions = true;

	if (!mysql_take_lenenc(&payload, &columns) || !columns || columns > 65535) {
		state->response.is_torn = true;
		state->response.part = PART_TORN;
		return;
	}
	if (payload.len == 1) /* MariaDB may leave out what the client has cached */
		has_definitions = payload.at[0];
	state->response.columns = has_definitions ? (uint32_t)columns : 0;
	state->response.part = has_definitions ? PART_COLUMNS : PART_BEHIND_COLUMNS;
}

static void take_first(struct mysql_state *state, struct span payload, uint32_t length)
{
	const struct mysql_command *command = mysql_answered(state);
	uint8_t code = command ? command->code : COM_QUERY;
	uint8_t mark = payload.len ? payload.at[0] : OK_MARK;

	if (mark == ERROR_MARK) {
		take_error(state, payload, length);
		return;
	}
	switch (code) {
	case COM_QUERY:
	case COM_STMT_EXECUTE:
	case COM_STMT_BULK_EXECUTE:
	case 0x0a: /* PROCESS_INFO */
		if (mark == OK_MARK)
			take_ok(state, payload);
		else if (mark == FILE_MARK)
			state->is_loading = true;
		else if (is_end(payload, length))
			end_result(state, read_end(state, payload, length));
		else
			take_column_count(state, payload, length);
		break;
	case COM_STMT_PREPARE: take_prepared(state, command, payload); break;
	case COM_STMT_FETCH:
	case COM_FIELD_LIST:
		if (is_end(payload, length))
			end_result(state, read_end(state, payload, length) & ~STATUS_MORE_RESULTS);
		else
			state->response.items++;
		break;
	case COM_CHANGE_USER:
	case COM_LOGIN:
		if (mark == OK_MARK)
			take_ok(state, payload);
		break; /* else the methods of proof talk to each other */
	case COM_BINLOG_DUMP:
	case COM_BINLOG_DUMP_GTID:
		state->response.handover = "replication";
		answer(state);
		break;
	case COM_STATISTICS: answer(state); break;
	default:
		if (mark == OK_MARK)
			take_ok(state, payload);
		else
			answer(state);
	}
}

static void take_behind_columns(struct mysql_state *state, struct span payload, uint32_t length)
{
	uint64_t status;

	if (!is_end(payload, length)) {
		state->eof = EOF_DEPRECATED;
		state->response.part = PART_ROWS;
		state->response.items++;
		return;
	}
	status = read_end(state, payload, length);
	state->response.part = PART_ROWS;
	if (length != END_LENGTH || status & STATUS_CURSOR_EXISTS) /* its rows are fetched later */
		end_result(state, status);
}

static void take_row(struct mysql_state *state, struct span payload, uint32_t length)
{
	if (is_end(payload, length))
		end_result(state, read_end(state, payload, length));
	else if (payload.len && payload.at[0] == ERROR_MARK)
		take_error(state, payload, length);
	else
		state->response.items++;
}

/* ---- greeting ---- */

static void take_greeting(struct mysql_state *state, struct span payload)
{
	struct span version;

	payload = span_from(payload, 1);
	if (mysql_take_name(&payload, &version)) {
		state->version_len = (uint8_t)(version.len < MYSQL_TEXT ? version.len : MYSQL_TEXT);
		memcpy(state->version, version.at, state->version_len);
	}
	state->is_login = true;
	state->half[SIDE_SERVER].then = MYSQL_GREETING;
	state->half[SIDE_SERVER].open = 0;
}

/* The login has been answered. */
static void end_login(struct mysql_state *state)
{
	const uint32_t compressed = CLIENT_COMPRESS | CLIENT_ZSTD_COMPRESSION;

	state->is_login = false;
	if (!state->response.is_error && state->capabilities & compressed)
		state->response.handover = "mysql-compressed";
}

/* ---- packets ---- */

static void take_part(struct mysql_state *state, struct span payload, uint32_t length)
{
	switch ((enum mysql_part)state->response.part) {
	case PART_FIRST: take_first(state, payload, length); break;
	case PART_COLUMNS:
		if (payload.len && payload.at[0] == ERROR_MARK)
			take_error(state, payload, length);
		else if (!--state->response.columns)
			state->response.part = PART_BEHIND_COLUMNS;
		break;
	case PART_BEHIND_COLUMNS:
		if (payload.len && payload.at[0] == ERROR_MARK)
			take_error(state, payload, length);
		else
			take_behind_columns(state, payload, length);
		break;
	case PART_ROWS:
	case PART_TORN: take_row(state, payload, length); break;
	case PART_PREPARED: take_definition(state, payload, length); break;
	}
}

/* Where nobody has asked: what follows a response that we took for ended, or a response to something
 * from before we came. True: it is dealt with. */
static bool take_stray(struct mysql_state *state, uint8_t sequence, struct span payload,
		       uint32_t length)
{
	if (state->response.is_open || !state->response.has_next ||
	    sequence != state->response.next)
		return false;
	if (is_end(payload, length) && length == END_LENGTH)
		state->eof = EOF_SENT;
	return true;
}

const char *mysql_server_packet(struct mysql_state *state, uint8_t sequence, struct span payload,
				uint32_t length)
{
	struct mysql_command *command = mysql_answered(state);
	bool was_login = state->is_login;

	if (!sequence && !state->sent && payload.len && payload.at[0] == GREETING_VERSION) {
		take_greeting(state, payload);
		return NULL;
	}
	if (!command && take_stray(state, sequence, payload, length)) {
		state->response.next = (uint8_t)(sequence + 1);
		return NULL;
	}
	if (command && !state->response.is_open && !state->response.has_next) {
		state->response.next = command->next;
		state->response.has_next = true;
	}
	if (state->response.has_next && sequence != state->response.next && !was_login)
		return "sequence number that does not follow the one before";
	state->response.next = (uint8_t)(sequence + 1);
	state->response.has_next = true;
	if (!command && !state->response.is_open && sequence > 1 && !was_login) {
		state->response.is_torn = true; /* we came late */
		state->response.part = PART_TORN;
	}
	open_response(state);
	take_part(state, payload, length);
	if (was_login && state->half[SIDE_SERVER].then == MYSQL_RESPONSE)
		end_login(state);
	return NULL;
}

/* ---- messages ---- */

void mysql_response(struct mysql_state *state, struct message *ret_message)
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
		.ends_stream = state->response.handover,
		.handover = state->response.handover,
	};
	if (is_error)
		ret_message->reason = (struct span){(const uint8_t *)state->response.reason,
						    state->response.reason_len};
	state->response.is_open = state->response.is_torn = false;
}

void mysql_greeting(const struct mysql_state *state, struct message *ret_message)
{
	*ret_message = (struct message){
		.kind = MESSAGE_PUSH,
		.correlation = CORRELATION_ORDER_ID,
		.operation = span_of("GREETING"),
		.bytes = state->half[SIDE_SERVER].open,
		.is_complete = true,
	};
	ret_message->chosen[CHOSEN_USER_AGENT] =
		(struct span){(const uint8_t *)state->version, state->version_len};
}
