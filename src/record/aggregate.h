/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * aggregate - finished exchanges become summaries: one row for all that are alike, for one interval.
 *
 *	if (aggregate_add(aggregate, &finished))	// the slowest of its row so far
 *		aggregate_keep(aggregate, json);	// so its whole record is wanted: now make it
 *	...
 *	aggregate_close(aggregate, &receiver);		// hands over all rows and edges, and is empty
 *
 * Two exchanges are alike when all identity columns are equal: whose they are, protocol, side, operation,
 * resource, shape, status, error and peer. Failures are rows of their own, with an example of their own.
 * What goes in is templated and masked already: routes for paths (protocol/route.h), shapes for
 * statements (protocol/sql.h), so that a thousand statements that differ in their literals are one row.
 *
 * Every exchange is counted in exactly one row, whatever happens. When a service has too many kinds of
 * request, or the table or the memory is full, that row is an overflow row: of its service, protocol and
 * side, or, if there is no room for that either, the one row of all that is left.
 *
 * The calls between services are counted in the same pass, as edges. They have a limit and an overflow of
 * their own, so that a service with a million routes still has exact edges.
 *
 * Single-threaded. Pure: it knows no clock, no socket, and asks one function whose a number is.
 */
#pragma once

#include "base/caps.h"
#include "base/sketch.h"
#include "record/metric.h"
#include "record/record.h"

enum request_side { REQUEST_SIDE_UNKNOWN, REQUEST_CLIENT, REQUEST_SERVER };
enum request_transport { REQUEST_TRANSPORT_UNKNOWN, REQUEST_TCP, REQUEST_UDP, REQUEST_UNIX };

/* Where the time of a request went. */
enum request_phase {
	REQUEST_SEND, /* server: response into the network; client: request */
	REQUEST_WAIT, /* client: until the response began to arrive */
	REQUEST_QUEUE, /* arrived, and lay in the socket until it was read */
	REQUEST_PROCESS, /* server: request read to response written */
	REQUEST_DOWNLOAD, /* client: first to last byte of the response */
	REQUEST_NETWORK, /* client: of the wait, what was not the server's */
	REQUEST_PHASES,
};

const char *request_side_name(enum request_side side); /* "client", "server"; NULL: unknown */
const char *request_transport_name(enum request_transport transport);
const char *request_phase_name(enum request_phase phase); /* "send", "wait" ... */

/* One finished exchange. Spans are borrowed for the length of the call; len 0 = unknown, or no such
 * thing. Texts longer than the limits in aggregate.c are cut. */
struct finished {
	/* Identity. */
	uint64_t who; /* stands for the process, container or service that it is counted for: equal
		       * numbers, one series. Whose it is says aggregate_whose, once an interval */
	struct span protocol, operation, resource, status;
	uint64_t shape; /* hash of a statement's shape; 0: `target` is no part of the identity */
	struct span target; /* with shape: its text, masked */
	struct span remote_name,
		remote_addr; /* the peer. Of a server whose clients are strangers from
					       * everywhere leave remote_addr out, or give a network */
	uint16_t remote_port; /* the port that was called: a client's remote one, */
	uint16_t local_port; /* a server's local one; the other is 0 */
	enum request_side side;
	enum request_transport transport;
	bool is_tls, is_error;

	/* What is summed. */
	uint64_t request_bytes, response_bytes;
	uint64_t duration_ns;
	uint64_t phase_ns[REQUEST_PHASES];
	uint8_t phases; /* mask of those that are known: 1 << REQUEST_SEND ... */
	bool is_network_bound; /* phase_ns[REQUEST_NETWORK] is only a bound */

	/* The other end's record of the same exchange is counted here too: then it has the edge. Set it on a
	 * server's exchange whose client is watched by this agent. */
	bool is_edge_counted;
};

enum { SUMMARY_EXAMPLES = 4 };

/* One row, as it is handed over. */
struct summary {
	uint64_t count, errors;
	uint64_t request_bytes, response_bytes;
	uint64_t duration_sum, duration_min, duration_max; /* ns */
	uint64_t example_ns; /* duration of the example */
	struct sketch duration; /* ns; mergeable: base/sketch.h */
	struct {
		uint64_t sum, count; /* ns; exchanges of which it is known */
	} phase[REQUEST_PHASES];
	bool is_network_bound; /* of some of them, the network's share is only a bound */

	/* Identity. */
	bool is_tls, is_error;
	bool is_overflow; /* several of them; what they do not share is absent */
	uint16_t remote_port, local_port;
	enum request_side side;
	enum request_transport transport;
	uint64_t who, shape;
	const struct who *whose; /* never NULL */
	struct span protocol, operation, resource, status, target, remote_name, remote_addr;

	struct span example; /* what aggregate_keep() was given for the slowest; may be empty */
	/* and for some of other durations: each of another power of two; which ones, changes with the interval */
	struct other_example {
		struct span whole; /* may be empty */
		uint64_t rank; /* the greatest stay */
		uint8_t size; /* 1 + power of two of its duration; 0 = none */
	} other[SUMMARY_EXAMPLES];
};

/* Calls from one service to another. Names: service, else container, else process; of a peer its
 * name, else its address. */
struct edge {
	struct span client, server, protocol;
	uint64_t count, errors;
	uint64_t duration_sum; /* ns; as the end that is counted saw it */
	uint64_t request_bytes, response_bytes;
	bool is_overflow; /* of several: all names are absent */
};

/* Rows and edges are valid during the call only. Either function may be NULL. */
struct aggregate_receiver {
	void (*row)(void *ctx, const struct summary *row);
	void (*edge)(void *ctx, const struct edge *edge);
	void *ctx;
};

/* Fills in who that is, with spans that last during the call (they are copied). Nothing known: nothing filled
 * in. May be NULL. */
typedef void (*aggregate_whose)(void *ctx, uint64_t who, struct who *ret_who);

/* exchanges = handed_over + those in the rows that are open now. */
struct aggregate_counts {
	uint64_t exchanges; /* added */
	uint64_t handed_over; /* in rows that were handed over */
	uint64_t rows, edges; /* handed over */
	uint64_t overflowed; /* exchanges counted in an overflow row, because of */
	uint64_t too_many_shapes, /* - operations and resources of one service */
		too_many_rows, /* - rows of one service, or of all */
		no_memory; /* - bytes */
	uint64_t edges_overflowed; /* exchanges counted in the overflow edge */
	uint64_t shapes_forgotten; /* that were not seen for a while and made room for others */
	uint64_t examples_refused; /* too long, or no memory */
};

/* Caps; what is 0 is taken from base/caps.h. */
struct aggregate_caps {
	uint32_t rows, edges, services;
	uint32_t service_rows, service_shapes;
	size_t bytes; /* of keys, sketches and examples together; the growth of two sketches may come on top,
		       * and the tables themselves: 4 MiB of rows at most, as far as they were used */
};

struct aggregate *aggregate_new(const struct aggregate_caps *caps, aggregate_whose whose,
				void *ctx);
void aggregate_free(struct aggregate *aggregate);

/* True: it is wanted as an example: the slowest of its row so far, or one of another duration than those that are
 * there. aggregate_keep() then keeps the bytes (the JSON object of its record, by custom), which are copied. */
bool aggregate_add(struct aggregate *aggregate, const struct finished *finished);
void aggregate_keep(struct aggregate *aggregate, struct span whole);

/*
 * Where the last of a kind was counted: who adds many that are alike need not name them each time. All 0 at first. Where
 * aggregate_knows() it, the identity of what is added is not looked at, but for the side.
 */
struct aggregate_place {
	uint32_t row, interval; /* 1 + running numbers */
};
bool aggregate_knows(const struct aggregate *aggregate, const struct aggregate_place *place);
bool aggregate_add_at(struct aggregate *aggregate, const struct finished *finished,
		      struct aggregate_place *place);

void aggregate_close(struct aggregate *aggregate, const struct aggregate_receiver *receiver);

/* The edges of the interval that goes on, as aggregate_close() would hand them over now. */
void aggregate_edges(const struct aggregate *aggregate, const struct aggregate_receiver *receiver);

const struct aggregate_counts *aggregate_counts(const struct aggregate *aggregate);
bool aggregate_is_even(const struct aggregate *aggregate);
uint32_t aggregate_rows(const struct aggregate *aggregate); /* open now */
size_t aggregate_bytes(const struct aggregate *aggregate); /* that it holds now */

/* Rows as records of kind `request_summary`. `when_ns`: end of the interval, CLOCK_MONOTONIC. An example
 * must be JSON. Texts are copied into the arena; -ENOMEM when it is full. */
int summary_layout(struct layout *layout, struct err *why);
int summary_record(struct record *record, const struct layout *layout,
		   const struct summary *summary, const char *item, uint64_t when_ns,
		   uint64_t interval_ns, const struct resolver *resolver, struct arena *arena);

/* The durations of a row as slots of a histogram in ns, to be added to a metric's: family_retire_histogram() with
 * duration_sum. Exact for bounds that are powers of two, but for durations that equal one. */
void summary_slots(const struct summary *summary, const struct metric *metric,
		   uint64_t ret_slot[METRIC_SLOTS]);
