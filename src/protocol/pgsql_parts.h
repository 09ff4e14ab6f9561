/* SPDX-License-Identifier: GPL-2.0-only */
/* pgsql_parts - what the halves of the PostgreSQL parser share: framing, and the order of batches. */
#pragma once

#include "protocol/pgsql.h"

enum phase {
	PHASE_START, /* a client may send messages without a type here */
	PHASE_MESSAGES,
	PHASE_LOST,
};

enum then { THEN_NOTHING, THEN_REQUEST, THEN_RESPONSE, THEN_PUSH };

enum asked { ASKED_NOTHING, ASKED_TLS, ASKED_GSS };

enum batch_kind {
	BATCH_QUERY, /* one request, answered when the server is ready */
	BATCH_CONNECT, /* likewise; ready for the first time */
	BATCH_EXTENDED, /* as many requests as Executes, or one if there is none */
	BATCH_TORN, /* likewise, but which answer is whose is lost */
};

enum verb { VERB_ANY, VERB_SELECT, VERB_INSERT, VERB_UPDATE, VERB_DELETE };

enum {
	HEADER = 5, /* bytes: type and length */
	STATEMENT_SEEN = 16384, /* bytes of a statement that are looked at */
	MESSAGE_MAX = 0x3fffffff, /* MaxAllocSize of the server */
	SMALL_MAX = 30000, /* libpq takes longer ones of these types for garbage, fe-protocol3.c */
};

/* What may stand between type and payload, for each type that side sends. */
struct message_type {
	uint32_t min, max; /* bytes of the payload */
	uint32_t seen; /* bytes of it that are looked at */
};

/* The number of a batch and the place in it, as the id of messages. */
static inline uint64_t pgsql_id(uint32_t batch, uint32_t execute)
{
	return (uint64_t)execute << 32 | ((uint64_t)batch + 1);
}

static inline uint32_t pgsql_outstanding(const struct pgsql_state *state)
{
	return state->sent - state->ended + state->has_open;
}

static inline struct pgsql_batch *pgsql_batch(struct pgsql_state *state, uint32_t number)
{
	return &state->batch[number % PGSQL_BATCHES];
}

/* Takes the text up to a 0 off `*payload`. False: there is no 0. */
bool pgsql_take_name(struct span *payload, struct span *ret_name);

/* Nobody knows any more which batch is answered next. */
void pgsql_go_adrift(struct pgsql_state *state);

/*
 * A message, before any of it is used. payload: as much of it as is to be seen, or as there is
 * (is_cut). They set what is to be delivered when all of it has passed.
 */
void pgsql_client_message(struct pgsql_state *state, uint8_t type, struct span payload,
			  bool is_cut);
void pgsql_server_message(struct pgsql_state *state, uint8_t type, struct span payload,
			  bool is_cut);

/* A message of the client without a type: length (already off), code, parameters. */
void pgsql_startup_message(struct pgsql_state *state, struct span payload);

void pgsql_request(const struct pgsql_state *state, struct message *ret_message);
void pgsql_response(struct pgsql_state *state, struct message *ret_message);

/* The server has hung up in the middle of a response. */
void pgsql_give_up(struct pgsql_state *state);
void pgsql_push(const struct pgsql_state *state, struct message *ret_message);
