/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * client - talks to an agent over its socket; where none runs, to one that is started for this command.
 *
 * HTTP/1.0, one connection a request: the answer ends where the connection ends, also of a stream.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_read.h"

struct client {
	char socket[108];
	pid_t private_agent; /* 0 = an agent that was there */
	struct arena arena;  /* of the last answer that was read as JSON */
	struct buf body;     /* the last answer */
};

/*
 * Finds the agent: `socket_path` (--socket), $SONDE_SOCKET, else the default. If none answers and `only` is not NULL,
 * starts one with these items ("" = none) and these settings. Returns an exit status; what went wrong is on stderr.
 */
int client_open(struct client *client, const char *socket_path, const char *only, const char *const *sets);
/* Always an agent of our own. */
int client_open_private(struct client *client, const char *only, const char *const *sets);
/* The running agent or nothing: 0 when it is there. Says nothing. */
int client_open_quietly(struct client *client);
void client_close(struct client *client);

/*
 * One request; `body` may be empty. The answer's bytes are in client->body. Returns the HTTP status, or -errno when the
 * agent could not be reached. client_fail prints what an answer of status >= 400 says, and returns the exit status.
 */
int client_ask(struct client *client, const char *method, const char *path, struct span body, struct err *why);
/* The same with a body of that media type. */
int client_upload_as(struct client *client, const char *method, const char *path, const char *type, struct span bytes,
		     struct err *why);
/* The same with a file as the body. */
int client_upload(struct client *client, const char *method, const char *path, struct span bytes, struct err *why);
int client_fail(struct client *client, int status, const struct err *why);

/* The same for GET, with the answer read as JSON (valid until the next request). NULL: *ret_exit says what to return. */
const struct json_node *client_get(struct client *client, const char *path, int *ret_exit);

/* A part of an answer as JSON, a line on stdout. */
void client_print(const struct json_node *node);

/* Connects and sends a GET; the caller reads events from the descriptor with client_event. -errno on failure. */
int client_stream(struct client *client, const char *path, struct err *why);

/* The next whole event ("event: NAME\n", "data: ...\n\n") out of bytes read so far; false when there is none yet.
 * The spans live until `bytes` changes; drop *ret_used bytes then. */
bool client_event(struct span bytes, struct span *ret_name, struct span *ret_data, size_t *ret_used);

/* Appends `text` percent-encoded (RFC 3986, all but unreserved characters). */
void url_encode(struct buf *out, const char *text);
