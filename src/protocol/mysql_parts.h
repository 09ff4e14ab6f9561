/* SPDX-License-Identifier: GPL-2.0-only */
/* mysql_parts - what the halves of the MySQL parser share. Numbers: MySQL 8.0 source documentation,
 * "Client/Server Protocol"; MariaDB knowledge base, "Client/Server Protocol". */
#pragma once

#include "protocol/mysql.h"

enum mysql_phase { MYSQL_START, MYSQL_PACKETS, MYSQL_LOST };

enum mysql_then { MYSQL_NOTHING, MYSQL_REQUEST, MYSQL_RESPONSE, MYSQL_GREETING };

enum mysql_eof { EOF_UNKNOWN, EOF_SENT, EOF_DEPRECATED };

enum mysql_part {
	PART_FIRST, /* OK, error, or the number of columns of a result */
	PART_COLUMNS,
	PART_BEHIND_COLUMNS, /* an end of the columns, where that is sent, or the first row */
	PART_ROWS,
	PART_PREPARED, /* definitions of parameters and columns */
	PART_TORN, /* somewhere; lost bytes were before */
};

enum mysql_code {
	COM_QUIT = 0x01,
	COM_INIT_DB = 0x02,
	COM_QUERY = 0x03,
	COM_FIELD_LIST = 0x04,
	COM_STATISTICS = 0x09,
	COM_PING = 0x0e,
	COM_CHANGE_USER = 0x11,
	COM_BINLOG_DUMP = 0x12,
	COM_STMT_PREPARE = 0x16,
	COM_STMT_EXECUTE = 0x17,
	COM_STMT_SEND_LONG_DATA = 0x18,
	COM_STMT_CLOSE = 0x19,
	COM_STMT_RESET = 0x1a,
	COM_STMT_FETCH = 0x1c,
	COM_BINLOG_DUMP_GTID = 0x1e,
	COM_RESET_CONNECTION = 0x1f,
	COM_STMT_BULK_EXECUTE = 0xfa, /* MariaDB */
	COM_LOGIN = 0xff, /* ours: the login, which has no code */
};

enum {
	CLIENT_MYSQL = 1, /* MariaDB clears it to say that it is no MySQL */
	CLIENT_CONNECT_WITH_DB = 1 << 3,
	CLIENT_COMPRESS = 1 << 5,
	CLIENT_PROTOCOL_41 = 1 << 9,
	CLIENT_SSL = 1 << 11,
	CLIENT_SECURE_CONNECTION = 1 << 15,
	CLIENT_PLUGIN_AUTH = 1 << 19,
	CLIENT_CONNECT_ATTRS = 1 << 20,
	CLIENT_PLUGIN_AUTH_LENENC = 1 << 21,
	CLIENT_DEPRECATE_EOF = 1 << 24,
	CLIENT_ZSTD_COMPRESSION = 1 << 26,
	CLIENT_QUERY_ATTRIBUTES = 1 << 27,

	STATUS_MORE_RESULTS = 0x0008,
	STATUS_CURSOR_EXISTS = 0x0040,
	STATUS_NO_BACKSLASH_ESCAPES = 0x0200,

	PACKET_HEADER = 4, /* bytes: length, sequence number */
	PACKET_MAX = 0xffffff,
	STATEMENT_BYTES = 16384, /* of a statement that are looked at */
};

/* Little-endian numbers and the strings of the protocol; they take what they read off `*in`. False: it is
 * not there. */
bool mysql_take_int(struct span *in, size_t bytes, uint64_t *ret_value);
bool mysql_take_lenenc(struct span *in, uint64_t *ret_value);
bool mysql_take_bytes(struct span *in, uint64_t bytes, struct span *ret_text);
bool mysql_take_name(struct span *in, struct span *ret_text); /* ends with a 0 */

static inline uint64_t mysql_id(uint32_t number)
{
	return (uint64_t)number + 1;
}

/* NULL: none is open, or nobody knows which. */
static inline struct mysql_command *mysql_answered(struct mysql_state *state)
{
	return state->is_adrift || state->ended == state->sent
		       ? NULL
		       : &state->command[state->ended % MYSQL_COMMANDS];
}

/* The name of a command, NULL if there is no such command. */
const char *mysql_command_name(uint8_t code);

/* How many bytes of a payload that begins like this are to be seen. */
size_t mysql_client_seen(const struct mysql_state *state, uint8_t sequence, struct span payload);

void mysql_go_adrift(struct mysql_state *state);

/* A packet, before any of it is used. payload: as much of it as is to be seen, or as there is; length:
 * of all of it. They set what is to be delivered when it has passed. The server's says what is wrong. */
void mysql_client_packet(struct mysql_state *state, uint8_t sequence, struct span payload,
			 uint32_t length);
const char *mysql_server_packet(struct mysql_state *state, uint8_t sequence, struct span payload,
				uint32_t length);

void mysql_request(const struct mysql_state *state, struct message *ret_message);
void mysql_response(struct mysql_state *state, struct message *ret_message);
void mysql_greeting(const struct mysql_state *state, struct message *ret_message);
