/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_server - a server with a fake agent in a process of its own, and a client that can be as rude as it likes.
 *
 * The server's process ends with its sanitizers' verdict: server_stop fails the test when that is bad.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/json_read.h"
#include "serve/serve.h"

#define TEST_TOKEN "0123456789abcdef0123456789abcdef"

struct server {
	pid_t pid;
	char folder[64], path[96]; /* of the unix socket */
	unsigned port, public_port; /* 127.0.0.1, 0.0.0.0 */
};

/* NULL = defaults and 1 MiB of recent records. */
void server_start(struct server *server, const struct serve_options *options);
void server_stop(struct server *server);
unsigned server_fds(const struct server *server);

enum { ANSWER_BODY = 48 << 20 };

struct reply {
	int status; /* 0 = the connection ended without an answer */
	struct buf head, body;
};

int connect_tcp(unsigned port);
int connect_unix(const struct server *server);
void send_text(int fd, const char *text);
void send_bytes(int fd, const void *bytes, size_t len);
/* One answer, by its own length (chunked, Content-Length, or until the end). Waits 10 s for each byte. */
void read_reply(int fd, struct reply *reply);
bool reply_has(const struct reply *reply, const char *text); /* in its head */
void reply_done(struct reply *reply);
/* True when the server closes within `ms` without sending anything more. */
bool is_closed_within(int fd, int ms);

/* One request on a connection of its own. `fields` end with CR LF each, or NULL. `how`: via the unix socket, or a port. */
enum { VIA_UNIX = 0 };
void ask(const struct server *server, unsigned port, const char *method, const char *target,
	 const char *fields, const char *body, struct reply *reply);
/* As above over the unix socket; the status must be this. */
void ask_ok(const struct server *server, const char *method, const char *target, const char *body,
	    int status, struct reply *reply);
/* Asks and throws the answer away: for commands of the fake agent. */
void tell(const struct server *server, const char *verb, const char *arg);

/* The answer's body as JSON; freed with the arena. */
const struct json_node *reply_json(const struct reply *reply, struct arena *arena);
uint64_t status_number(const struct server *server, const char *key);
/* The value of a sample line in /metrics that begins with `name` (labels included). -1 = there is none. */
double metric_value(const struct server *server, const char *name);

/* Runs a program; all it printed (stdout) is in `out`. Returns its exit code. */
int run(const char *const *argv, struct buf *out);
uint64_t now_ms(void);
