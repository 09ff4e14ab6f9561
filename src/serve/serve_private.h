/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serve_private - what the files of this room share.
 *
 * serve.c		listeners, limits, the clock that looks for clients who wait too long
 * connection.c		one client: reads requests, sends answers, one after the other
 * answer.c		makes answers: head, errors, gzip in slices
 * route.c		which function answers which path; parameters are checked here, not there
 * routes.c		the table of all paths: dispatch and GET /v1/openapi.json come from it
 * park.c		requests whose answers are made in another thread
 * recent.c		the last records of each item, in memory
 * api.c, items.c, kept.c, records.c, past.c, sse.c, traced.c, page.c	the functions that answer
 */
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/clock.h"
#include "serve/auth.h"
#include "serve/http.h"
#include "serve/query.h"
#include "serve/serve.h"

enum {
	LISTENERS = 16,
	ANSWER_BYTES = 32 << 20, /* one answer at most */
	SLICE_BYTES = 128 * 1024, /* handed to the socket at a time */
	GZIP_LEAST = 1024, /* smaller answers are not worth it */
	GZIP_STATE_BYTES = 270 * 1024, /* what zlib holds while it packs */
	STREAM_BYTES = 512 * 1024, /* waiting for the client of a live stream at most */
	REQUEST_ARENA = 256 * 1024,
	SMALL_BYTES = 8 * 1024, /* such answers are always given: reasons, health */
	LINGER_MS = 1000,
	MOVING_MS = 20, /* an answer of which nothing left for longer does not move */
	TAKING_MS = 2000, /* an answer may take this long before others come first */
	ANSWER_MS = 300 * 1000, /* an answer must be taken within this time */
	SWEEP_MS = 200,
	SWEEP_ALONE_MS = 1000, /* while there is no client */
};

#define MS_NS 1000000ull

/* Why clients were turned away or dropped: sonde_api_refused_total{reason}. */
enum refusal {
	REFUSED_FULL, /* no place, and nobody to drop for it */
	REFUSED_EVICTED, /* stuck, and its place or memory was needed */
	REFUSED_TIMEOUT, /* sent its request too slowly, or stayed idle */
	REFUSED_STALLED, /* did not take its answer */
	REFUSED_BAD, /* no HTTP that is understood here */
	REFUSED_LIMIT, /* too large: head, body, answer */
	REFUSED_AUTH, /* token, host or origin */
	REFUSED_SLOW, /* live stream: records it was too slow for (counted one by one) */
	REFUSALS,
};

enum state {
	STATE_HEAD, /* waits for a request */
	STATE_BODY, /* waits for its body */
	STATE_WAIT, /* the answer is being made elsewhere (park.c) */
	STATE_ANSWER, /* sends the answer */
	STATE_STREAM, /* sends a live stream until the client goes */
	STATE_LINGER, /* all is sent; waits for the client to close */
};

struct route;
struct watcher;
struct tracer;
struct parked;

/* The body of answers. Counted in serve->queued while anybody has it. */
struct text {
	struct serve *serve;
	unsigned references;
	struct buf buf;
};

struct connection {
	struct listener *listener;
	struct connection *prev, *next; /* of the listener */
	struct bufferevent *io; /* owned, with its fd */
	enum state state;
	uint64_t since_ns; /* when the state began; STATE_HEAD: when its first byte came */
	uint64_t moved_ns; /* when a byte last went out */
	bool has_begun; /* STATE_HEAD: a first byte is there */
	bool was_used; /* had a request before */
	bool close_after; /* the answer is the last on this connection */
	bool is_gone; /* the client's side is closed */
	size_t scanned; /* of the head, see http_head_end */
	char *head; /* owned: the head that `http` points into */
	struct http_request http;
	const struct route *route; /* of the request under way; NULL = none fits */
	struct verdict verdict;
	size_t body_most; /* bytes */
	struct buf body;
	struct http_chunks chunks;
	struct text
		*answer; /* a reference: what is still to send, from `sent` on; NULL = nothing */
	size_t sent;
	size_t charged; /* bytes of serve->queued that are ours */
	z_stream *gzip; /* owned; NULL = sent as it is */
	struct watcher *watcher; /* owned: STATE_STREAM */
	struct tracer *tracer; /* owned: STATE_STREAM */
	struct parked *parked; /* borrowed: STATE_WAIT */
};

struct listener {
	struct serve *serve;
	struct evconnlistener *io; /* owned */
	enum listener_kind kind;
	struct connection *first;
	size_t count;
	char name[64]; /* for metrics: its address */
};

struct recent;
struct own_metrics;

struct serve {
	struct event_base *base;
	const struct agent_api *api;
	struct serve_options options;
	struct auth auth;
	struct ssl_ctx_st *tls; /* owned: for public listeners; NULL = they speak plainly */
	struct listener *listener[LISTENERS];
	size_t listeners;
	struct event *sweep;
	unsigned sweep_ms;
	bool rest_accepting; /* out of descriptors: listeners wait for the next sweep */
	size_t queued; /* bytes of answers that wait for clients */
	uint64_t refused[REFUSALS];
	uint64_t sent_bytes, accepted, records_streamed;
	struct metrics_cache {
		struct text *text[2]; /* a reference: plain, OpenMetrics */
		uint64_t window_ns, spent_ns; /* see handle_metrics */
	} metrics_cache;
	struct recent *recent; /* last records; NULL = none are kept */
	struct watcher *watchers; /* live streams */
	struct tracer *tracers; /* programs of the tracing language */
	size_t streams; /* of both kinds */
	struct subscription *subscription; /* of the stream of all items */
	struct own_metrics *metrics;
	void (*drained)(void *ctx);
	void *drained_ctx;
	uint64_t drain_until_ns;
};

/* One request while it is answered. */
struct request {
	struct serve *serve;
	struct connection *connection;
	const struct http_request *http;
	const struct route *route;
	struct span body;
	bool may_change;
	struct arena arena;
	struct query query; /* as given; checked against the route */
	const char *word[2]; /* the {name}s of the path */
	bool is_answered;
};

/* tls.c: a connection takes `fd` over when it is made; NULL on no memory. */
struct bufferevent *tls_accept(struct serve *serve, int fd);
void tls_say_goodbye(struct bufferevent *io);
void serve_tls_done(struct serve *serve);

/* connection.c */
void connection_new(struct listener *listener, int fd);
void connection_free(struct connection *connection);
void connection_flush(
	struct connection *connection); /* sends what is left of the answer, a slice at a time */

/* serve.c */
void refuse_client(struct serve *serve, enum refusal reason, uint64_t count);
/* Drops the client that has been stuck longest (of `listener`, NULL = of all; answering only, if said). */
bool evict_one(struct serve *serve, struct listener *listener, bool answering,
	       const struct connection *but);
bool listen_to_records(struct serve *serve); /* false = no place on the stream */
void stop_listening(struct serve *serve); /* unless somebody still wants records */
void count_answer(struct serve *serve, const struct route *route, enum http_method method,
		  int status);

/* answer.c: each request is answered once. The body is taken over (and empty afterwards). `extra`: further head lines,
 * each ended by CR LF, or NULL. */
void answer(struct request *request, int status, const char *type, const char *extra,
	    struct buf *body);
/* The same with a body that others may have too. The caller keeps its reference. */
void answer_text(struct request *request, int status, const char *type, struct text *text);
struct text *text_new(struct serve *serve,
		      struct buf *taken); /* NULL on no memory: the buf is freed */
void text_unref(struct text *text);
void answer_json(struct request *request, int status, struct buf *body);
void answer_error(struct request *request, int status, const char *error, const char *hint);
/* From a reason "what failed; what to do" and its errno. */
void answer_why(struct request *request, const struct err *why);
/* Begins an endless answer: the head only. Returns false when the client wanted the head only. */
bool answer_stream(struct request *request, const char *type);
/* Puts the next slice of the answer into the socket's buffer. False = there is none. */
bool answer_slice(struct connection *connection);
void answer_done(struct connection *connection); /* forgets the answer */

/* route.c */
void route_head(struct connection *connection, const char **ret_error, const char **ret_hint,
		int *ret_status);
void route_request(struct connection *connection);
void route_refuse(struct connection *connection, int status, const char *error, const char *hint);

/* park.c: an answer that is not made in the loop. The request's arena does not live that long: copy what is needed. NULL
 * when memory is out (nothing was answered yet). */
struct parked *request_park(struct request *request);
/* The answer is there. A request to answer it with (without arena and parameters), or false: the client is gone. */
bool parked_resume(struct parked *parked, struct request *ret_request);
void parked_forget(struct parked *parked); /* the connection ends */

/* api.c */
void metrics_forget(struct serve *serve, uint64_t now_ns); /* what is too old to be shared */

/* sse.c */
void watcher_free(struct watcher *watcher);
void watcher_written(struct watcher *watcher);
void watchers_receive(void *ctx, const struct record *record);
void watchers_tick(struct serve *serve, uint64_t now_ns);
void watchers_end(struct serve *serve);

/* traced.c */
void tracer_free(struct tracer *tracer);
void tracer_written(struct tracer *tracer);
void tracers_end(struct serve *serve);
