/* SPDX-License-Identifier: GPL-2.0-only */
/* usual - exchanges that the kernel half need not tell: what is known of them, and what becomes of those that it measured. */
#pragma once

#include "base/span.h"
#include "items/app/requests/usual_slots.h"

struct chunk;
struct exchange;
struct talk;
struct talks;
struct usual_request;

struct usual {
	struct usual_settings *settings; /* mapped; NULL: this kernel half knows nothing of it */
	struct usual_known *known; /* mapped: USUAL_KNOWN */
	struct usual_slot *slots; /* mapped: USUAL_SLOTS */
	struct usual_request *requests; /* owned: USUAL_KNOWN */
	uint32_t numbered; /* requests that ever had a place */
	uint32_t granted; /* slots */
	size_t bytes; /* of texts and messages that are remembered */
	struct {
		uint64_t left_out; /* exchanges that fitted nowhere and are counted nowhere else */
	} counts;
};

/* What a talk remembers of the exchange that is under way. */
struct usual_sight {
	uint64_t hash; /* of its request; 0: it could not become one */
	uint16_t head_bytes,
		length_at; /* of its response, as struct usual_known has it; 0: not seen */
	uint8_t digits;
	bool has_slot; /* of the connection */
	uint32_t status;
};

/* The arrays of the kernel half that runs now; all NULL where it has none. What lies in them is forgotten. */
void usual_follow(struct talks *talks, struct usual_settings *settings, struct usual_known *known,
		  struct usual_slot *slots);
void usual_done(struct usual *usual);

/* Bytes that are about to be read, and an exchange that was. */
void usual_note_chunk(struct talks *talks, struct talk *talk, const struct chunk *chunk);
void usual_note_exchange(struct talks *talks, struct talk *talk, const struct exchange *exchange);

/* The bytes of request `number`; empty: it is known no more. */
struct span usual_text(const struct usual *usual, uint32_t number);

/* Exchanges that the kernel half measured. */
void usual_take(struct talks *talks, const struct usual_event *event, size_t size);

/* The connection's slot is given back; what waits there is taken. */
void usual_revoke(struct talks *talks, struct talk *talk);

/* What waits in slots is taken, so that who asks now gets it: the events before it are to be taken first. */
void usual_fetch(struct talks *talks);
