/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mysql - the client/server protocol of MySQL and MariaDB: `mysql` in records.
 *
 * Requests: each command (a COM_QUERY by the verb of its statement, others by name: PREPARE, PING ...),
 * and the login (CONNECT). A response ends with the last packet of the last result. status: OK, or the
 * code and SQLSTATE of an error: "1146 (42S02)".
 *
 * Encrypted sessions are handed over to "tls", compressed ones to "mysql-compressed".
 */
#pragma once

#include "protocol/parser.h"
#include "protocol/sql.h"
#include "protocol/sql_statements.h"

enum {
	MYSQL_COMMANDS = 16, /* sent and not answered yet: more make the order unknown */
	MYSQL_TEXT = 64, /* bytes kept of a name; names have 64 characters at most */
	MYSQL_REASON = 160,
};

struct mysql_half {
	uint8_t phase; /* enum mysql_phase */
	uint8_t then; /* what is to be delivered when `due` has passed: enum mysql_then */
	bool continues; /* the next packet is part of the same payload */
	bool is_full; /* this packet is as long as can be: so the next one continues it */
	uint64_t due; /* bytes of this packet still to pass */
	uint64_t open; /* bytes since the first of what is to be delivered */
};

struct mysql_command {
	uint64_t shape; /* of its statement */
	uint8_t code; /* COM_..., or COM_CONNECT for the login */
	uint8_t next; /* sequence number that its answer has to begin with */
};

/* One connection. All zero = nothing seen yet. */
struct mysql_state {
	struct mysql_half half[2]; /* by enum side */
	uint32_t capabilities; /* of server and client, 0: unknown */
	uint8_t eof; /* enum mysql_eof: whether metadata end with a packet of their own */
	uint8_t backslash; /* enum sql_backslash */
	bool is_login; /* the server has greeted, and has not let the client in yet */
	bool has_login; /* the client has said its name */
	bool is_loading; /* LOCAL INFILE: the client's packets are a file's contents */
	bool is_handed_over; /* it is another protocol by now */
	bool pipelines; /* sends commands before the answer to the one before */

	/* The order of commands and answers, by counting them. */
	struct mysql_command command[MYSQL_COMMANDS]; /* ring, by number */
	uint32_t sent, ended;
	bool is_adrift; /* nobody knows which command is being answered */

	/* The request that is being passed. */
	struct {
		const char *operation; /* static; NULL: that of the shape */
		const char *handover;
		uint64_t shape, id;
		bool has_text, is_one_way, is_cut, ends_stream, is_push, is_resource;
		uint8_t text_len, user_len, agent_len;
		char text[MYSQL_TEXT + 8]; /* target or resource, where there is no statement */
		char user[2 * MYSQL_TEXT], agent[MYSQL_TEXT];
	} request;

	/* The response that is open. */
	struct {
		uint64_t items, id;
		uint32_t columns; /* definitions still to come */
		uint8_t part; /* enum mysql_part: where in it we are */
		uint8_t next; /* sequence number of its next packet */
		bool is_open, is_error, is_torn, is_unasked, has_next;
		const char *handover;
		uint8_t reason_len;
		char status[16], reason[MYSQL_REASON];
	} response;
	uint8_t version_len;
	char version[MYSQL_TEXT]; /* of the server */

	struct sql_shape shape; /* of the last statement whose text was sent */
	char traceparent[56]; /* with it */
	uint64_t last_prepared; /* shape of the last PREPARE */
	struct sql_statements statements;
};

extern const struct protocol mysql;
