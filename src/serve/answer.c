// SPDX-License-Identifier: GPL-2.0-only
/*
 * answer - makes answers: head, errors, gzip in slices.
 *
 * An answer is made whole (its length is known, and nothing changes while it is sent) but handed to the socket slice by
 * slice, each when the one before has left; packing happens in the same steps. So a large answer neither
 * stops the loop nor waits in memory twice. What waits is charged to the server: above its limit the client
 * that has been stuck longest has to go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "serve/route.h"
#include "serve/serve_private.h"

/* What every answer says to browsers: this is data, for us alone, and not to be kept. */
static const char common_fields[] = "X-Content-Type-Options: nosniff\r\n"
				    "X-Frame-Options: DENY\r\n"
				    "Referrer-Policy: no-referrer\r\n"
				    "Cross-Origin-Resource-Policy: same-origin\r\n"
				    "Cache-Control: no-store\r\n";

static void add_date(struct evbuffer *output)
{
	char text[64];
	time_t now = (time_t)(clock_wall_ns() / 1000000000);
	struct tm parts;

	gmtime_r(&now, &parts);
	if (strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts))
		evbuffer_add_printf(output, "Date: %s\r\n", text);
}

static bool is_head(const struct connection *connection)
{
	return connection->http.method == HTTP_HEAD;
}

static void add_head(struct connection *connection, int status, const char *type, const char *extra,
		     size_t len, bool endless)
{
	struct evbuffer *output = bufferevent_get_output(connection->io);

	evbuffer_add_printf(output, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
	add_date(output);
	if (type)
		evbuffer_add_printf(output, "Content-Type: %s\r\n", type);
	if (connection->gzip)
		evbuffer_add_printf(output,
				    "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n");
	else if (endless)
		connection->close_after =
			true; /* the end of the connection is the end of the answer */
	else if (status != 204)
		evbuffer_add_printf(output, "Content-Length: %zu\r\n", len);
	if (type)
		evbuffer_add_printf(output, "Vary: Accept, Accept-Encoding\r\n");
	if (connection->close_after)
		evbuffer_add_printf(output, "Connection: close\r\n");
	else if (!connection->http.minor)
		evbuffer_add_printf(output, "Connection: keep-alive\r\n");
	evbuffer_add(output, common_fields, sizeof(common_fields) - 1);
	if (!extra || !strstr(extra, "Content-Security-Policy"))
		evbuffer_add_printf(
			output,
			"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
	if (extra)
		evbuffer_add(output, extra, strlen(extra));
	evbuffer_add(output, "\r\n", 2);
}

/* windowBits 15 + 16 = gzip with the usual window; memLevel 8 is zlib's default. */
static z_stream *gzip_new(void)
{
	z_stream *gzip = calloc(1, sizeof(*gzip));

	if (gzip &&
	    deflateInit2(gzip, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

static bool worth_packing(const struct connection *connection, size_t len)
{
	return len >= GZIP_LEAST && connection->http.minor && !is_head(connection) &&
	       http_wants(http_field(&connection->http, "Accept-Encoding"), "gzip");
}

/* Above the limit, stuck clients are dropped until `text` has its place. One answer may be larger than the limit if it
 * is the only one. */
static bool make_room(struct connection *connection, const struct text *text)
{
	struct serve *serve = connection->listener->serve;

	if (serve->queued > serve->options.queued_bytes)
		metrics_forget(serve, UINT64_MAX);
	while (serve->queued > serve->options.queued_bytes && serve->queued > text->buf.room)
		if (!evict_one(serve, NULL, true, connection))
			return false;
	return true;
}

static void charge(struct connection *connection, size_t bytes)
{
	connection->charged += bytes;
	connection->listener->serve->queued += bytes;
}

struct text *text_new(struct serve *serve, struct buf *taken)
{
	struct text *text = calloc(1, sizeof(*text));

	if (!text) {
		buf_done(taken);
		return NULL;
	}
	*text = (struct text){.serve = serve, .references = 1, .buf = *taken};
	*taken = (struct buf){.cap = taken->cap};
	serve->queued += text->buf.room;
	return text;
}

void text_unref(struct text *text)
{
	if (!text || --text->references)
		return;
	text->serve->queued -= text->buf.room;
	buf_done(&text->buf);
	free(text);
}

void answer_done(struct connection *connection)
{
	connection->listener->serve->queued -= connection->charged;
	connection->charged = 0;
	connection->sent = 0;
	text_unref(connection->answer);
	connection->answer = NULL;
	if (connection->gzip) {
		deflateEnd(connection->gzip);
		free(connection->gzip);
		connection->gzip = NULL;
	}
}

/* Sends `text` (may be NULL; a reference is taken) on a connection that has no answer yet. */
static void send_answer(struct connection *connection, int status, const char *type,
			const char *extra, struct text *text)
{
	size_t len = text ? text->buf.len : 0;

	count_answer(connection->listener->serve, connection->route, connection->http.method,
		     status);
	if (worth_packing(connection, len))
		connection->gzip = gzip_new();
	if (connection->gzip)
		charge(connection, GZIP_STATE_BYTES);
	add_head(connection, status, type, extra, len, false);
	if (text && !is_head(connection)) {
		text->references++;
		connection->answer = text;
	}
	connection_flush(connection);
}

static void answer_limited(struct request *request, int status, const char *type, const char *extra,
			   struct text *text)
{
	if (request->is_answered) /* a handler's mistake; the first answer stands */
		return;
	if (text && text->buf.full) {
		refuse_client(request->serve, REFUSED_LIMIT, 1);
		answer_error(request, 503, "the answer would be larger than 32 MiB",
			     "ask for less, with a filter or limit");
		return;
	}
	if (text && text->buf.room > SMALL_BYTES && !make_room(request->connection, text)) {
		refuse_client(request->serve, REFUSED_FULL, 1);
		answer_error(request, 503, "too many answers wait for their clients",
			     "ask again in a moment");
		return;
	}
	request->is_answered = true;
	send_answer(request->connection, status, type, extra, text);
}

void answer_text(struct request *request, int status, const char *type, struct text *text)
{
	answer_limited(request, status, type, NULL, text);
}

void answer(struct request *request, int status, const char *type, const char *extra,
	    struct buf *body)
{
	struct text *text = body ? text_new(request->serve, body) : NULL;

	if (body && !text) {
		request->is_answered = true; /* not even memory to say so */
		request->connection->close_after = true;
		send_answer(request->connection, 503, NULL, NULL, NULL);
		return;
	}
	answer_limited(request, status, type, extra, text);
	text_unref(text);
}

void answer_json(struct request *request, int status, struct buf *body)
{
	buf_char(body, '\n');
	answer(request, status, "application/json", NULL, body);
}

static void error_body(struct buf *body, const char *error, const char *hint)
{
	struct json json = {.out = body};

	buf_init(body, 8192);
	json_object(&json);
	json_key_str(&json, "error", error);
	json_key_str(&json, "hint", hint);
	json_object_end(&json);
	buf_char(body, '\n');
}

static const char *extra_of_error(int status)
{
	switch (status) {
	case 401: return "WWW-Authenticate: Bearer realm=\"sonde\"\r\n";
	case 429:
	case 503: return "Retry-After: 1\r\n";
	default: return NULL;
	}
}

void answer_error(struct request *request, int status, const char *error, const char *hint)
{
	struct buf body;

	error_body(&body, error, hint);
	answer(request, status, "application/json", extra_of_error(status), &body);
}

void route_refuse(struct connection *connection, int status, const char *error, const char *hint)
{
	char allow[160];
	struct buf body;
	struct text *text;

	error_body(&body, error, hint);
	text = text_new(connection->listener->serve, &body);
	send_answer(connection, status, "application/json",
		    status == 405 ? route_allow(connection->http.path, allow)
				  : extra_of_error(status),
		    text);
	text_unref(text);
}

static int status_of(int code)
{
	switch (code) {
	case -ENOENT: return 404;
	case -EEXIST:
	case -EBUSY: return 409;
	case -EINVAL: return 400;
	case -EPERM:
	case -EACCES: return 403;
	case -E2BIG:
	case -EFBIG: return 413;
	case -EOPNOTSUPP: return 501;
	case -ENOMEM:
	case -ENOSPC: return 503;
	default: return 500;
	}
}

static const char *usual_hint(int status)
{
	switch (status) {
	case 404: return "GET /v1/items names all items";
	case 409: return "look at its state with GET /v1/items and try again";
	case 400: return "see GET /v1/openapi.json";
	case 503: return "ask again in a moment";
	default: return "see `sonde status` and the agent's messages";
	}
}

void answer_why(struct request *request, const struct err *why)
{
	int status = status_of(why->code);
	struct err copy = *why;
	char *cut = NULL;

	for (char *at = copy.text; (at = strstr(at, "; ")); at += 2)
		cut = at;
	if (cut)
		*cut = 0;
	answer_error(request, status, copy.text[0] ? copy.text : err_name(why->code),
		     cut ? cut + 2 : usual_hint(status));
}

bool answer_stream(struct request *request, const char *type)
{
	struct connection *connection = request->connection;

	request->is_answered = true;
	count_answer(request->serve, request->route, connection->http.method, 200);
	add_head(connection, 200, type, NULL, 0, true);
	if (is_head(connection)) {
		connection_flush(connection);
		return false;
	}
	return true;
}

/* One chunk of packed bytes: RFC 9112 7.1. Nothing may come out where zlib still gathers. */
static void add_chunk(struct evbuffer *output, const uint8_t *at, size_t len)
{
	if (!len)
		return;
	evbuffer_add_printf(output, "%zx\r\n", len);
	evbuffer_add(output, at, len);
	evbuffer_add(output, "\r\n", 2);
}

static void pack_slice(struct connection *connection, struct evbuffer *output)
{
	z_stream *gzip = connection->gzip;
	size_t left = connection->answer->buf.len - connection->sent;
	size_t slice = left < SLICE_BYTES ? left : SLICE_BYTES;
	uint8_t packed[16 * 1024];

	gzip->next_in = (uint8_t *)connection->answer->buf.at + connection->sent;
	gzip->avail_in = (unsigned)slice;
	do {
		gzip->next_out = packed;
		gzip->avail_out = sizeof(packed);
		deflate(gzip, slice == left ? Z_FINISH : Z_NO_FLUSH);
		add_chunk(output, packed, sizeof(packed) - gzip->avail_out);
	} while (!gzip->avail_out);
	connection->sent += slice;
	if (slice == left)
		evbuffer_add(output, "0\r\n\r\n", 5);
}

bool answer_slice(struct connection *connection)
{
	struct evbuffer *output = bufferevent_get_output(connection->io);
	size_t left = connection->answer ? connection->answer->buf.len - connection->sent : 0;
	size_t slice = left < SLICE_BYTES ? left : SLICE_BYTES;

	if (!left)
		return false;
	if (connection->gzip) {
		/* several slices may pack into nothing yet: go on until something can be sent */
		while (connection->sent < connection->answer->buf.len &&
		       !evbuffer_get_length(output))
			pack_slice(connection, output);
		return true;
	}
	evbuffer_add(output, connection->answer->buf.at + connection->sent, slice);
	connection->sent += slice;
	return true;
}
