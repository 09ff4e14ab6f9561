// SPDX-License-Identifier: GPL-2.0-only
/*
 * connection - one client: reads requests, sends answers, one after the other.
 *
 * A request is refused as early as possible: once its head is there, route and rights are known, and a body that may not
 * come is not read. The next request of a connection is looked at when the answer before it has left our
 * buffers, so a client that asks without reading holds one answer and not a thousand. After a refusal the
 * client may still be sending; closing at once would let its kernel throw our answer away (RFC 9112 9.6), so our side is
 * shut and the rest is read and forgotten for a second.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "serve/route.h"
#include "serve/serve_private.h"

enum { INPUT_BYTES = 128 * 1024 }; /* taken from the socket ahead of being looked at */

static void enter(struct connection *connection, enum state state)
{
	connection->state = state;
	connection->since_ns = connection->moved_ns = clock_monotonic_ns();
}

static void forget_request(struct connection *connection)
{
	free(connection->head);
	connection->head = NULL;
	connection->http = (struct http_request){};
	connection->route = NULL;
	connection->chunks = (struct http_chunks){};
	connection->scanned = 0;
	connection->has_begun = false;
	buf_done(&connection->body);
}

void connection_free(struct connection *connection)
{
	struct listener *listener = connection->listener;

	if (connection->watcher)
		watcher_free(connection->watcher);
	if (connection->tracer)
		tracer_free(connection->tracer);
	if (connection->parked)
		parked_forget(connection->parked);
	answer_done(connection);
	forget_request(connection);
	if (connection->prev)
		connection->prev->next = connection->next;
	else
		listener->first = connection->next;
	if (connection->next)
		connection->next->prev = connection->prev;
	listener->count--;
	bufferevent_free(connection->io);
	free(connection);
}

static struct span input_of(struct connection *connection, size_t most)
{
	struct evbuffer *input = bufferevent_get_input(connection->io);
	size_t len = evbuffer_get_length(input);
	ev_ssize_t size = (ev_ssize_t)(len < most ? len : most);

	return (struct span){size ? evbuffer_pullup(input, size) : NULL, (size_t)size};
}

static void take_input(struct connection *connection, size_t len)
{
	evbuffer_drain(bufferevent_get_input(connection->io), len);
}

static void begin_linger(struct connection *connection)
{
	forget_request(connection);
	enter(connection, STATE_LINGER);
	tls_say_goodbye(connection->io);
	shutdown(bufferevent_getfd(connection->io), SHUT_WR);
}

/* Answers without a route: what came was no request, or one that is not wanted. Then nothing that follows can be
 * trusted to be a request. */
static void refuse(struct connection *connection, enum refusal reason, int status,
		   const char *error, const char *hint)
{
	refuse_client(connection->listener->serve, reason, 1);
	connection->close_after = true;
	route_refuse(connection, status, error, hint);
}

static void send_continue(struct connection *connection)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (connection->http.expects_continue)
		bufferevent_write(connection->io, line, sizeof(line) - 1);
}

/* The head is there and parsed: may this request go on? */
static void judge(struct connection *connection)
{
	const struct http_request *http = &connection->http;
	bool has_body = http->is_chunked || http->length;
	const char *error = NULL, *hint = NULL;
	int status = 0;

	route_head(connection, &error, &hint, &status);
	if (status) {
		/* a body that nobody reads would be taken for the next request */
		if (has_body || status == 401 || status == 403 || status == 429)
			connection->close_after = true;
		if (status == 401 || status == 403 || status == 429)
			refuse_client(connection->listener->serve, REFUSED_AUTH, 1);
		route_refuse(connection, status, error, hint);
		return;
	}
	if (http->length > connection->body_most || (has_body && !connection->body_most)) {
		refuse(connection, REFUSED_LIMIT, 413, "the body is larger than this path takes",
		       connection->body_most ? "see GET /v1/openapi.json for the limits"
					     : "send this request without a body");
		return;
	}
	if (!has_body) {
		route_request(connection);
		return;
	}
	buf_init(&connection->body, connection->body_most);
	enter(connection, STATE_BODY);
	send_continue(connection);
}

/* False = it is not whole yet, or the connection is gone. */
static bool read_head(struct connection *connection)
{
	struct span in = input_of(connection, HTTP_HEAD_BYTES + 1);
	const char *why;
	size_t end;
	int status;

	while (in.len >= 2 && in.at[0] == '\r' && in.at[1] == '\n' && !connection->scanned) {
		take_input(connection,
			   2); /* RFC 9112 2.2: empty lines before a request do no harm */
		in = input_of(connection, HTTP_HEAD_BYTES + 1);
	}
	if (in.len && !connection->has_begun) {
		connection->has_begun = true;
		connection->since_ns = clock_monotonic_ns();
	}
	end = http_head_end(in, &connection->scanned);
	if (!end && in.len > HTTP_HEAD_BYTES) {
		refuse(connection, REFUSED_LIMIT, 431, "the head is longer than 16 KiB",
		       "send fewer fields");
		return true;
	}
	if (!end)
		return false;
	connection->head = malloc(end);
	if (!connection->head) {
		connection_free(connection);
		return false;
	}
	memcpy(connection->head, in.at, end);
	take_input(connection, end);
	connection->was_used = true;
	status = http_parse((struct span){(const uint8_t *)connection->head, end},
			    &connection->http, &why);
	connection->close_after = status || !connection->http.keep_alive;
	if (status)
		refuse(connection, status == 431 || status == 414 ? REFUSED_LIMIT : REFUSED_BAD,
		       status, why, "see docs/api.md for requests that work");
	else
		judge(connection);
	return true;
}

/* Returns true when the body is whole or was refused. */
static bool read_chunks(struct connection *connection)
{
	for (;;) {
		struct span in = input_of(connection, SLICE_BYTES), piece;
		const char *why;
		size_t used = 0;
		enum http_cut cut = http_chunks_cut(&connection->chunks, in, &used, &piece, &why);

		if (cut == HTTP_BAD) {
			refuse(connection, REFUSED_BAD, 400, why,
			       "send the body with Content-Length");
			return false;
		}
		if (cut == HTTP_PIECE && buf_span(&connection->body, piece)) {
			refuse(connection, REFUSED_LIMIT, 413,
			       "the body is larger than this path takes",
			       "see GET /v1/openapi.json for the limits");
			return false;
		}
		take_input(connection, used);
		if (cut == HTTP_END)
			return true;
		if (cut == HTTP_MORE && !evbuffer_get_length(bufferevent_get_input(connection->io)))
			return false;
	}
}

static bool read_body(struct connection *connection)
{
	if (connection->http.is_chunked)
		return read_chunks(connection);
	while (connection->body.len < connection->http.length) {
		struct span in =
			input_of(connection, connection->http.length - connection->body.len);

		if (!in.len)
			return false;
		if (buf_span(&connection->body, in)) {
			connection_free(connection); /* no memory: the limit was checked before */
			return false;
		}
		take_input(connection, in.len);
	}
	return true;
}

static void on_read(struct bufferevent *io, void *ctx)
{
	struct connection *connection = ctx;

	/* what came with the head may be the body already */
	if (connection->state == STATE_HEAD && !read_head(connection))
		return;
	switch (connection->state) {
	case STATE_BODY:
		if (read_body(connection))
			route_request(connection);
		break;
	case STATE_HEAD:
	case STATE_WAIT:
	case STATE_ANSWER:
		break; /* the next request waits its turn; INPUT_BYTES limits what waits */
	case STATE_STREAM:
	case STATE_LINGER: evbuffer_drain(bufferevent_get_input(io), SIZE_MAX); break;
	}
}

/* The answer has left our buffers. */
static void finish(struct connection *connection)
{
	answer_done(connection);
	if (connection->close_after && connection->is_gone) {
		connection_free(connection);
		return;
	}
	if (connection->close_after || connection->listener->serve->drained) {
		begin_linger(connection);
		return;
	}
	forget_request(connection);
	enter(connection, STATE_HEAD);
	/* a request that is there already is looked at from the loop, so that others have their turn */
	if (evbuffer_get_length(bufferevent_get_input(connection->io)))
		bufferevent_trigger(connection->io, EV_READ,
				    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
	else if (connection->is_gone)
		connection_free(connection);
}

static void on_written(struct bufferevent *io, void *ctx)
{
	struct connection *connection = ctx;

	if (connection->state == STATE_STREAM && connection->tracer)
		tracer_written(connection->tracer);
	else if (connection->state == STATE_STREAM)
		watcher_written(connection->watcher);
	else if (connection->state == STATE_ANSWER && !answer_slice(connection))
		finish(connection);
}

void connection_flush(struct connection *connection)
{
	enter(connection, STATE_ANSWER);
	answer_slice(connection);
}

/* A client may shut its sending side and still read: what was asked is answered. */
static void on_event(struct bufferevent *io, short what, void *ctx)
{
	struct connection *connection = ctx;

	if (what & BEV_EVENT_CONNECTED) /* hands were shaken */
		return;
	connection->is_gone = true;
	if (what & BEV_EVENT_EOF &&
	    (connection->state == STATE_ANSWER || connection->state == STATE_WAIT))
		return;
	connection_free(connection);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *ctx)
{
	struct connection *connection = ctx;

	if (!info->n_deleted)
		return;
	connection->moved_ns = clock_monotonic_ns();
	connection->listener->serve->sent_bytes += info->n_deleted;
}

void connection_new(struct listener *listener, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int yes = 1;

	if (!connection) {
		evutil_closesocket(fd);
		return;
	}
	if (listener->kind != LISTENER_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	connection->io =
		listener->kind == LISTENER_PUBLIC && listener->serve->tls
			? tls_accept(listener->serve, fd)
			: bufferevent_socket_new(listener->serve->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection->io) {
		evutil_closesocket(fd);
		free(connection);
		return;
	}
	connection->listener = listener;
	connection->next = listener->first;
	if (listener->first)
		listener->first->prev = connection;
	listener->first = connection;
	listener->count++;
	enter(connection, STATE_HEAD);
	if (event_base_get_npriorities(listener->serve->base) >
	    1) /* reading the rings comes first */
		bufferevent_priority_set(connection->io,
					 event_base_get_npriorities(listener->serve->base) - 1);
	bufferevent_setcb(connection->io, on_read, on_written, on_event, connection);
	bufferevent_setwatermark(connection->io, EV_READ, 0, INPUT_BYTES);
	evbuffer_add_cb(bufferevent_get_output(connection->io), on_output, connection);
	bufferevent_enable(connection->io, EV_READ | EV_WRITE);
}
