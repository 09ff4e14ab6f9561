/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pgsql - PostgreSQL's frontend/backend protocol, version 3: `postgresql` in records.
 *
 * Requests: a simple query (one, however many statements it holds); each Execute of the extended
 * protocol; what comes before one and is flushed, or a batch that executes nothing (PREPARE, DESCRIBE,
 * CLOSE, SYNC); a function call; the start of a session (CONNECT). Responses end where the server is
 * ready again, or, for all but the last of a batch, where each is complete. status: OK, or the SQLSTATE of an error.
 */
#pragma once

#include "protocol/parser.h"
#include "protocol/sql.h"
#include "protocol/sql_statements.h"

enum {
	PGSQL_BATCHES = 64, /* sent and not answered yet: more make the order unknown */
	PGSQL_PORTALS = 8,
	PGSQL_TEXT = 64, /* bytes kept of a name; names have 63 at most, NAMEDATALEN */
	PGSQL_REASON = 160,
};

/* What the client sent up to a Sync, or a query: the server answers with one ReadyForQuery. */
struct pgsql_batch {
	uint8_t kind; /* enum batch_kind, in pgsql_parts.h */
	uint8_t verb; /* what kind of command must be complete at its end, if it is one: enum verb */
	bool ends_with_query; /* without a Sync of its own */
	uint16_t units; /* requests: Executes, mostly */
	uint16_t acts; /* Parse, Bind, Describe and Close: each is acknowledged */
	uint16_t flushed; /* acts behind which a Flush made the first unit, 0: it did not */
};

struct pgsql_half {
	uint8_t phase; /* enum phase */
	uint8_t then; /* what is to be delivered when `due` has passed: enum then */
	uint64_t due; /* bytes of this message still to pass */
	uint64_t length; /* bytes of it all */
	uint64_t open; /* bytes since the first of what is to be delivered */
};

/* One connection. All zero = nothing seen yet. */
struct pgsql_state {
	struct pgsql_half half[2]; /* by enum side */
	uint8_t asked; /* enum asked: the server will answer with a single byte */
	uint8_t backslash; /* enum sql_backslash */
	bool is_replication; /* said so at the start */
	bool is_handed_over; /* it is another protocol by now */
	bool pipelines; /* sends batches before the answer to the one before */

	/* The order of requests and answers, by counting batches. */
	struct pgsql_batch batch[PGSQL_BATCHES]; /* ring, by number */
	uint32_t sent; /* batches the client has finished */
	uint32_t ended; /* those the server has answered */
	uint16_t acked; /* acts of the batch that is being answered, as acknowledged */
	uint16_t answered; /* units of the batch that is being answered */
	bool has_open; /* batch `sent` has begun */
	bool is_torn; /* the beginning of the next batch of the client is lost */
	bool is_adrift; /* nobody knows which batch is being answered */
	bool is_copying; /* COPY FROM STDIN: the server passes over Sync */

	/* What the open batch holds. */
	bool has_parse, has_describe, has_close, has_bind;
	uint64_t parsed; /* shape of the last Parse of this batch */

	/* The request that is being passed. */
	struct {
		const char *operation; /* static; NULL: that of the shape */
		uint64_t shape, id;
		bool has_text, is_maybe, is_cut, ends_stream;
		uint8_t text_len, user_len, agent_len;
		char text[PGSQL_TEXT + 8]; /* the target, where no shape is known */
		char user[2 * PGSQL_TEXT], agent[PGSQL_TEXT];
	} request;

	/* The response that is open. */
	struct {
		uint64_t items, id;
		bool is_open, is_error, is_torn, is_unasked, is_held, ends_stream;
		const char *handover;
		uint8_t reason_len;
		char status[8], reason[PGSQL_REASON];
	} response;
	uint8_t push_len;
	char push[PGSQL_TEXT];
	char push_status[8];

	struct sql_shape shape; /* of the last statement whose text was sent */
	char traceparent[56]; /* in a comment of it */
	uint64_t unnamed; /* shape of the unnamed statement */
	struct sql_statements statements;
	struct sql_statement replaced; /* what the last Parse took the name from: to be undone */
	struct {
		uint64_t name, shape;
		bool was_executed;
	} portal[PGSQL_PORTALS]; /* [0]: the unnamed one */
	uint8_t next_portal;
	uint8_t opaque_len;
	char opaque[PGSQL_TEXT]; /* name of the last statement that was bound and is unknown */
	uint64_t opaque_portal;
};

extern const struct protocol pgsql;
