/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serve - the agent's API: HTTP over a unix socket and TCP, for people, scrapers, the page and the command line.
 *
 * Who may do what: over the unix socket everything (whoever may open it is trusted: mode 0660). Over loopback TCP
 * reading; changing with the token. Over any other address nothing without the token. See auth.h.
 */
#pragma once

#include "base/err.h"
#include "record/metric.h"
#include "serve/agent_api.h"

struct event_base;
struct serve;

struct serve_options {
	const char *version; /* of the agent */
	size_t connections; /* at most, per listener (0 = 256) */
	size_t streams; /* live streams at most, all listeners together (0 = 64) */
	size_t queued_bytes; /* waiting for clients at most, all together (0 = 16 MiB) */
	size_t upload_bytes; /* of an item that is brought in (0 = 16 MiB) */
	size_t recent_bytes; /* last records kept for /v1/records, all items together (0 = none) */
	unsigned head_ms, body_ms, idle_ms, stall_ms; /* patience; 0 = 10 s, 30 s, 75 s, 20 s */
};

/* `api` is borrowed and must outlive the server. NULL on no memory. */
struct serve *serve_new(struct event_base *base, const struct agent_api *api,
			const struct serve_options *options);
void serve_free(struct serve *serve);

/* There is no history after all: keep so many bytes of the last records in memory from now on. -ENOMEM. */
int serve_keep_recent(struct serve *serve, size_t bytes);

/* Takes a bound, listening or not yet listening, socket over (unix or TCP); closes it in the end. Whether it is
 * loopback is read from its address. */
int serve_listen(struct serve *serve, int fd, struct err *why);

/* Further names in a Host header that mean us (copied), ends with NULL; NULL = none. -ENOMEM: the old ones stay. */
int serve_set_hosts(struct serve *serve, const char *const *hosts);

/* Content of the token file; blanks around it do not count. Empty = no token: nothing that needs one works.
 * -EINVAL when it is shorter than 16 bytes or not printable. */
int serve_set_token(struct serve *serve, struct span token, struct err *why);

/* Public addresses speak TLS from now on, with what two files of PEM hold: our certificate (and those that lead to an authority), and its
 * key. -EINVAL when they are none. */
int serve_set_tls(struct serve *serve, struct span certificate, struct span key, struct err *why);

/* Live streams that are open. */
size_t serve_streams(const struct serve *serve);

/* Stop accepting; end streams and kept-alive connections; answers under way are finished. Then `done` is called
 * (at the latest after `patience_ms`). */
void serve_drain(struct serve *serve, unsigned patience_ms, void (*done)(void *ctx), void *ctx);

/* Fills and returns the server's own metrics, for the agent's /metrics: ret_families[0..n). Borrowed. */
size_t serve_families(struct serve *serve, struct family *const **ret_families);
/* Bytes of memory held, for sonde_memory_bytes{room="serve"}. */
size_t serve_bytes(const struct serve *serve);
