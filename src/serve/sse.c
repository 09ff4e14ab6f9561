// SPDX-License-Identifier: GPL-2.0-only
/*
 * sse - GET /v1/stream: live records as server-sent events (WHATWG HTML, "Server-sent events").
 *
 *	: sonde				a comment: the stream is open
 *	event: exec			the item
 *	data: {"time":...}		one record
 *	event: rows			behind the rows of one reading of an item's maps and tables: the picture is whole
 *	data: {"item":"runqlat","rows":12}
 *	event: lost			the client was too slow for so many records
 *	data: {"lost":17}
 *
 * A record is made into text once, however many watch. It is written to a client as long as not more than
 * STREAM_BYTES wait there; else it is counted and the count is sent when there is room again: a slow client costs
 * nobody else anything. Rows are a picture, not a sequence: while one is still being sent, the next is left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "serve/recent.h"
#include "serve/route.h"
#include "serve/wanted.h"

enum { WATCHED = 16, HEARTBEAT_MS = 10 * 1000, ROWS_BYTES = 8 << 20 };

#define INTERVAL_NS 1000000000ull

struct watched {
	char name[COLUMN_NAME_BYTES];
	bool has_rows, is_held;
	bool is_counted; /* by stream_watch */
};

struct watcher {
	struct watcher *prev, *next;
	struct serve *serve;
	struct connection *connection;
	struct filter *filter; /* owned */
	char *by; /* owned, may be NULL */
	size_t count;
	struct watched item[WATCHED];
	uint64_t lost; /* records since this was last said */
	uint64_t spoke_ns; /* when something was last written */
	struct event *timer; /* reads rows; NULL = no item has any */
	struct buf rows; /* of one reading: what is not sent yet, from `sent` on */
	size_t sent;
};

static struct evbuffer *output_of(const struct watcher *watcher)
{
	return bufferevent_get_output(watcher->connection->io);
}

static void say(struct watcher *watcher, const char *text, size_t len)
{
	evbuffer_add(output_of(watcher), text, len);
	watcher->spoke_ns = clock_monotonic_ns();
}

static void say_event(struct watcher *watcher, const char *event, const char *key, uint64_t value)
{
	char text[160];
	int len = snprintf(text, sizeof(text), "event: %s\ndata: {\"%s\":%llu}\n\n", event, key,
			   (unsigned long long)value);

	say(watcher, text, (size_t)len);
}

static void say_lost(struct watcher *watcher)
{
	if (!watcher->lost || evbuffer_get_length(output_of(watcher)) > STREAM_BYTES / 2)
		return;
	say_event(watcher, "lost", "lost", watcher->lost);
	watcher->lost = 0;
}

static void write_event(struct buf *out, const char *name, const struct record *record)
{
	struct json json = {.out = out};

	buf_f(out, "event: %s\ndata: ", name);
	record_json(record, &json);
	buf_str(out, "\n\n");
}

static const struct watched *watches(const struct watcher *watcher, struct span item)
{
	for (size_t i = 0; i < watcher->count; i++)
		if (span_is(item, watcher->item[i].name))
			return &watcher->item[i];
	return NULL;
}

static void offer(struct watcher *watcher, const struct buf *text)
{
	say_lost(watcher);
	/* what is lost comes first: else the client would not know where */
	if (watcher->lost || evbuffer_get_length(output_of(watcher)) + text->len > STREAM_BYTES) {
		watcher->lost++;
		refuse_client(watcher->serve, REFUSED_SLOW, 1);
		return;
	}
	say(watcher, buf_text(text), text->len);
	watcher->serve->records_streamed++;
}

/* Every record of every item comes here: the last ones are kept, and whoever watches gets his. */
void watchers_receive(void *ctx, const struct record *record)
{
	struct serve *serve = ctx;
	const struct value *item = &record->value[1];
	struct buf text;

	if (serve->recent && !record->is_passing)
		recent_add(serve->recent, record);
	if (!serve->watchers || item->kind != VALUE_TEXT)
		return;
	buf_init(&text, STREAM_BYTES / 2);
	for (struct watcher *watcher = serve->watchers; watcher; watcher = watcher->next) {
		const struct watched *watched = watches(watcher, item->text);

		if (!watched || !filter_match(watcher->filter, record))
			continue;
		if (!text.len)
			write_event(&text, watched->name, record);
		if (!text.full)
			offer(watcher, &text);
	}
	buf_done(&text);
}

/* ---- rows of maps and tables, now and then ---- */

struct reading {
	struct watcher *watcher;
	const char *item;
	uint64_t count;
};

static bool take_row(void *ctx, const struct record *record)
{
	struct reading *reading = ctx;

	if (!filter_match(reading->watcher->filter, record))
		return true;
	write_event(&reading->watcher->rows, reading->item, record);
	reading->count++;
	return !reading->watcher->rows.full;
}

/* At most a slice, and whole events: other events may follow. */
static size_t next_piece(const struct watcher *watcher)
{
	struct span left = span_from(buf_as_span(&watcher->rows), watcher->sent);
	const uint8_t *end;

	if (left.len <= SLICE_BYTES)
		return left.len;
	for (size_t at = SLICE_BYTES; at > 1; at--)
		if (left.at[at - 1] == '\n' && left.at[at - 2] == '\n')
			return at;
	end = memmem(left.at, left.len, "\n\n", 2);
	return end ? (size_t)(end - left.at) + 2 : left.len;
}

void watcher_written(struct watcher *watcher)
{
	size_t piece = next_piece(watcher);

	say_lost(watcher);
	if (!piece)
		return;
	say(watcher, watcher->rows.at + watcher->sent, piece);
	watcher->sent += piece;
	if (watcher->sent == watcher->rows.len) {
		buf_done(&watcher->rows);
		watcher->sent = 0;
	}
}

static void write_error(struct watcher *watcher, const char *item, const char *error)
{
	struct json json = {.out = &watcher->rows};

	buf_str(&watcher->rows, "event: error\ndata: ");
	json_object(&json);
	json_key_str(&json, "item", item);
	json_key_str(&json, "error", error);
	json_object_end(&json);
	buf_str(&watcher->rows, "\n\n");
}

static void read_rows(struct watcher *watcher, const struct watched *watched)
{
	const struct agent_api *api = watcher->serve->api;
	struct reading reading = {watcher, watched->name, 0};
	size_t from = watcher->rows.len;
	struct err why = {};
	int error = api->rows(api->ctx, watched->name, watcher->by, take_row, &reading, &why);

	if (error < 0 || watcher->rows.full) {
		watcher->rows.len = from; /* half a picture would be wrong */
		watcher->rows.full = false;
		write_error(watcher, watched->name,
			    error < 0 ? why.text
				      : "the rows do not fit; narrow them with filter or by");
		return;
	}
	buf_f(&watcher->rows, "event: rows\ndata: {\"item\":\"%s\",\"rows\":%llu}\n\n",
	      watched->name, (unsigned long long)reading.count);
	watcher->serve->records_streamed += reading.count;
}

static void on_timer(int fd, short what, void *ctx)
{
	struct watcher *watcher = ctx;

	if (watcher->rows.len || evbuffer_get_length(output_of(watcher)) > STREAM_BYTES / 2)
		return; /* the client is slow: it gets a newer picture later */
	buf_init(&watcher->rows, ROWS_BYTES);
	for (size_t i = 0; i < watcher->count; i++)
		if (watcher->item[i].has_rows)
			read_rows(watcher, &watcher->item[i]);
	if (!evbuffer_get_length(output_of(watcher)))
		watcher_written(watcher);
}

void watchers_tick(struct serve *serve, uint64_t now_ns)
{
	for (struct watcher *watcher = serve->watchers; watcher; watcher = watcher->next) {
		say_lost(watcher);
		if (now_ns - watcher->spoke_ns > HEARTBEAT_MS * MS_NS &&
		    !evbuffer_get_length(output_of(watcher)))
			say(watcher, ":\n\n", 3);
	}
}

/* ---- opening and closing ---- */

void watcher_free(struct watcher *watcher)
{
	struct serve *serve = watcher->serve;

	if (watcher->prev)
		watcher->prev->next = watcher->next;
	else
		serve->watchers = watcher->next;
	if (watcher->next)
		watcher->next->prev = watcher->prev;
	serve->streams--;
	watcher->connection->watcher = NULL;
	for (size_t i = 0; i < watcher->count; i++)
		if (watcher->item[i].is_counted)
			stream_watch(serve->api->stream, watcher->item[i].name, false);
	for (size_t i = 0; i < watcher->count; i++)
		if (watcher->item[i].is_held)
			serve->api->item_release(serve->api->ctx, watcher->item[i].name);
	if (watcher->timer)
		event_free(watcher->timer);
	filter_free(watcher->filter);
	free(watcher->by);
	buf_done(&watcher->rows);
	free(watcher);
	stop_listening(serve);
}

void watchers_end(struct serve *serve)
{
	while (serve->watchers) {
		struct connection *connection = serve->watchers->connection;

		say(serve->watchers, "event: end\ndata: {}\n\n",
		    strlen("event: end\ndata: {}\n\n"));
		watcher_free(serve->watchers);
		connection_flush(connection); /* nothing is left to send behind this */
	}
}

/* "a,b,c" -> names of items that there are. False = answered. */
static bool name_items(struct request *request, struct watcher *watcher,
		       struct api_item look[WATCHED])
{
	const char *at = request_text(request, "item");

	while (at && *at) {
		size_t len = strcspn(at, ",");
		struct watched *watched = &watcher->item[watcher->count];

		if (watcher->count == WATCHED) {
			answer_error(request, 400, "more than 16 items in one stream",
				     "open another stream");
			return false;
		}
		if (len >= sizeof(watched->name)) {
			answer_error(request, 404, "there is no item with a name that long",
				     "GET /v1/items names all");
			return false;
		}
		memcpy(watched->name, at, len);
		at += len + (at[len] == ',');
		if (!len)
			continue;
		if (!look_at_item(request, watched->name, &look[watcher->count]))
			return false;
		watched->has_rows = look[watcher->count].has_rows;
		watcher->count++;
	}
	if (!watcher->count)
		answer_error(request, 400, "parameter 'item' names no item",
			     "GET /v1/items names all");
	return watcher->count;
}

static bool hold_item(struct request *request, struct watched *watched)
{
	const struct agent_api *api = request->serve->api;
	char error[128], hint[160];
	struct err why = {};

	if (!request_flag(request, "on")) {
		snprintf(error, sizeof(error), "item '%s' is off", watched->name);
		snprintf(hint, sizeof(hint),
			 "switch it on (`sonde items on %s`), or add &on=1 to have it on while you "
			 "watch",
			 watched->name);
		answer_error(request, 409, error, hint);
		return false;
	}
	if (!request->may_change) {
		answer_error(request, 401, "switching an item on over TCP needs the token",
			     "use the unix socket, or send the content of token_file as "
			     "Authorization: Bearer TOKEN");
		return false;
	}
	if (!api->item_hold || !api->item_release) {
		answer_error(request, 501, "this agent cannot switch items for a stream",
			     "switch it on first");
		return false;
	}
	if (api->item_hold(api->ctx, watched->name, &why) < 0) {
		answer_why(request, &why);
		return false;
	}
	watched->is_held = true;
	return true;
}

static bool hold_items(struct request *request, struct watcher *watcher,
		       const struct api_item *look)
{
	for (size_t i = 0; i < watcher->count; i++)
		if (!look[i].is_on && !hold_item(request, &watcher->item[i]))
			return false;
	return true;
}

static bool start_timer(struct request *request, struct watcher *watcher)
{
	uint64_t interval_ns = request_number(request, "interval", INTERVAL_NS);
	struct timeval period = {
		.tv_sec = (time_t)(interval_ns / 1000000000),
		.tv_usec = (suseconds_t)(interval_ns % 1000000000 / 1000),
	};
	bool has_rows = false;

	for (size_t i = 0; i < watcher->count; i++)
		has_rows |= watcher->item[i].has_rows;
	if (!has_rows || !request->serve->api->rows)
		return true;
	watcher->timer = event_new(request->serve->base, -1, EV_PERSIST, on_timer, watcher);
	if (watcher->timer && !event_add(watcher->timer, &period)) {
		event_active(watcher->timer, EV_TIMEOUT, 0); /* the first picture now */
		return true;
	}
	answer_error(request, 503, "no memory for a stream", "ask again in a moment");
	return false;
}

static struct watcher *watcher_new(struct request *request)
{
	struct serve *serve = request->serve;
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return NULL;
	watcher->serve = serve;
	watcher->connection = request->connection;
	watcher->next = serve->watchers;
	if (watcher->next)
		watcher->next->prev = watcher;
	serve->watchers = watcher;
	serve->streams++;
	request->connection->watcher = watcher;
	return watcher;
}

static bool set_up(struct request *request, struct watcher *watcher)
{
	const char *by = request_text(request, "by");
	struct api_item look[WATCHED];

	if (!name_items(request, watcher, look) ||
	    !wanted_filter(request, look, watcher->count, &watcher->filter) ||
	    !hold_items(request, watcher, look))
		return false;
	watcher->by = by ? strdup(by) : NULL;
	if ((by && !watcher->by) || !listen_to_records(request->serve)) {
		answer_error(request, 503, "no place for another stream",
			     "close one, or ask again in a moment");
		return false;
	}
	for (size_t i = 0; i < watcher->count && request->serve->api->stream; i++) {
		stream_watch(request->serve->api->stream, watcher->item[i].name, true);
		watcher->item[i].is_counted = true;
	}
	return start_timer(request, watcher);
}

void handle_stream(struct request *request)
{
	struct connection *connection = request->connection;
	struct serve *serve = request->serve;
	struct watcher *watcher;
	char hello[96];
	int len;

	if (serve->streams >= serve->options.streams) {
		refuse_client(serve, REFUSED_FULL, 1);
		answer_error(request, 503, "too many live streams",
			     "close one, or raise limits.streams");
		return;
	}
	watcher = watcher_new(request);
	if (!watcher) {
		answer_error(request, 503, "no memory for a stream", "ask again in a moment");
		return;
	}
	if (!set_up(request, watcher)) {
		watcher_free(watcher);
		return;
	}
	if (!answer_stream(request, "text/event-stream")) {
		watcher_free(watcher);
		return;
	}
	connection->state = STATE_STREAM;
	connection->since_ns = connection->moved_ns = clock_monotonic_ns();
	len = snprintf(hello, sizeof(hello), ": sonde %s\nretry: 2000\n\n", serve->options.version);
	say(watcher, hello, (size_t)len);
}
