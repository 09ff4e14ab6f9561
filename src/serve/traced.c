// SPDX-License-Identifier: GPL-2.0-only
/*
 * traced - POST /v1/trace: a program of the tracing language, run here, its output as server-sent events.
 *
 *	event: attached_probes		the type of the line, as in `sonde trace -f json`
 *	data: {"type":"attached_probes",...}
 *	event: end
 *	data: {"code":0}		and "error" when the agent ended it
 *
 * The answer begins when the program is attached: a program that is wrong is a plain 400 with what is wrong in it. When
 * the client goes, the program is let go of; when the client is slow, the program waits, and counts what it loses.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "items/boxed.h"
#include "serve/route.h"

enum { COMPLAINTS = 16 << 10, JOB_BYTES = 128 << 10 };
static const double overhead_by_default = 0.05; /* of one CPU */

struct tracer {
	struct serve *serve;
	struct tracer *prev, *next; /* of serve->tracers */
	struct parked *parked; /* until the answer begins */
	struct connection *connection; /* since then */
	struct boxed *boxed; /* owned */
	struct buf complaints; /* messages before the answer begins */
	uint64_t events_left; /* of the program's own output; UINT64_MAX = any number */
	bool is_paused;
};

static struct evbuffer *output_of(const struct tracer *tracer)
{
	return bufferevent_get_output(tracer->connection->io);
}

/* The program goes; the connection stays whose it is. */
void tracer_free(struct tracer *tracer)
{
	if (tracer->prev)
		tracer->prev->next = tracer->next;
	else
		tracer->serve->tracers = tracer->next;
	if (tracer->next)
		tracer->next->prev = tracer->prev;
	tracer->serve->streams--;
	if (tracer->connection)
		tracer->connection->tracer = NULL;
	boxed_free(tracer->boxed);
	buf_done(&tracer->complaints);
	free(tracer);
}

void tracer_written(struct tracer *tracer)
{
	if (!tracer->is_paused || evbuffer_get_length(output_of(tracer)) > STREAM_BYTES / 2)
		return;
	tracer->is_paused = false;
	boxed_pause(tracer->boxed, false);
}

void tracers_end(struct serve *serve)
{
	while (serve->tracers) {
		struct connection *connection = serve->tracers->connection;
		struct parked *parked = serve->tracers->parked;
		struct request request;

		serve->tracers->parked = NULL;
		tracer_free(serve->tracers);
		if (connection)
			connection_flush(connection);
		else if (parked && parked_resume(parked, &request))
			answer_error(&request, 503, "the agent ends", "ask again when it is back");
	}
}

static void say(struct tracer *tracer, struct span type, struct span line)
{
	struct evbuffer *out = output_of(tracer);

	evbuffer_add(out, "event: ", 7);
	evbuffer_add(out, type.at, type.len);
	evbuffer_add(out, "\ndata: ", 7);
	evbuffer_add(out, line.at, line.len);
	evbuffer_add(out, "\n\n", 2);
	if (!tracer->is_paused && evbuffer_get_length(out) > STREAM_BYTES) {
		tracer->is_paused = true;
		boxed_pause(tracer->boxed, true);
	}
}

/* ---- the answer's begin ---- */

/* What the compiler said becomes the reason: its first line what, all of it how. */
static void refuse(struct tracer *tracer, const char *otherwise)
{
	struct parked *parked = tracer->parked;
	struct request request;
	const char *all = tracer->complaints.len ? buf_text(&tracer->complaints) : otherwise;
	size_t line = strcspn(all, "\n");
	char first[512];

	tracer->parked = NULL;
	snprintf(first, sizeof(first), "%.*s", (int)(line < 500 ? line : 500), all);
	if (parked_resume(parked, &request))
		answer_error(&request, 400, first,
			     all[line] && all[line + 1] ? all + line + 1
							: "see docs/tracing-language.md");
	tracer_free(tracer);
}

/* False: the client has gone, and so has the tracer. */
static bool begin(struct tracer *tracer)
{
	struct parked *parked = tracer->parked;
	struct request request;

	tracer->parked = NULL;
	if (!parked_resume(parked, &request) || !answer_stream(&request, "text/event-stream")) {
		tracer_free(tracer);
		return false;
	}
	tracer->connection = request.connection;
	tracer->connection->tracer = tracer;
	tracer->connection->state = STATE_STREAM;
	tracer->connection->since_ns = tracer->connection->moved_ns = clock_monotonic_ns();
	return true;
}

/* ---- what the program says ---- */

static void on_line(void *ctx, struct span type, struct span line)
{
	struct tracer *tracer = ctx;
	bool is_message = span_is(type, "message");

	if (span_is(type, "end") || span_is(type, "cost"))
		return; /* on_end says it, with the reason */
	if (!tracer->connection && is_message) {
		if (boxed_text(line, &tracer->complaints))
			buf_char(&tracer->complaints, '\n');
		return;
	}
	if (!tracer->connection && !begin(tracer))
		return;
	if (!is_message && !span_is(type, "attached_probes")) {
		if (!tracer->events_left)
			return;
		if (!--tracer->events_left)
			boxed_say(tracer->boxed, "stop");
	}
	say(tracer, type, line);
}

static void on_end(void *ctx, int code, const char *why)
{
	struct tracer *tracer = ctx;
	struct connection *connection = tracer->connection;
	struct buf text;
	struct json json = {.out = &text};

	if (!connection) {
		refuse(tracer, *why ? why : "the program ended before it was attached");
		return;
	}
	buf_init(&text, 4096);
	json_object(&json);
	json_key(&json, "code");
	json_i64(&json, code);
	if (*why)
		json_key_str(&json, "error", why);
	json_object_end(&json);
	say(tracer, span_of("end"), buf_as_span(&text));
	buf_done(&text);
	tracer_free(tracer);
	connection_flush(connection);
}

/* ---- the request ---- */

static bool read_duration(const struct json_node *node, uint64_t *ret_ns)
{
	double value;

	if (node->type == JSON_NUMBER && json_node_double(node, &value))
		value *= 1e9;
	else if (node->type != JSON_TEXT || !parse_quantity(node->text, &value))
		return false;
	*ret_ns = (uint64_t)value;
	return value > 0 && value < 1e18;
}

static bool read_limits(struct request *request, const struct json_node *limits,
			struct boxed_options *options, struct tracer *tracer)
{
	static const char *const known[] = {"duration", "events", "overhead", NULL};
	const struct json_node *duration = json_get(limits, "duration");
	const struct json_node *events = json_get(limits, "events");
	const struct json_node *overhead = json_get(limits, "overhead");
	const char *wrong = NULL;

	options->overhead = overhead_by_default;
	if (limits && !request_keys_known(request, limits, known))
		return false;
	if (duration && !read_duration(duration, &options->duration_ns))
		wrong = "'limits.duration' is a time such as \"10s\"";
	else if (events && (!json_node_u64(events, &tracer->events_left) || !tracer->events_left))
		wrong = "'limits.events' is a number of lines";
	else if (overhead &&
		 (!json_node_double(overhead, &options->overhead) || options->overhead < 0))
		wrong = "'limits.overhead' is a share of one CPU such as 0.05, or 0 for none";
	if (wrong)
		answer_error(request, 400, wrong, request->route->body_help);
	return !wrong;
}

static void put_member(struct json *json, const struct json_node *root, const char *key)
{
	const struct json_node *node = json_get(root, key);

	if (!node)
		return;
	json_key(json, key);
	json_node_write(node, json);
}

/* False: answered. */
static bool start(struct request *request, struct tracer *tracer)
{
	static const char *const known[] = {"name", "program", "params", "named", "limits", NULL};
	const struct json_node *root = request_object(request, false);
	struct boxed_options options = {.line = on_line, .end = on_end, .ctx = tracer};
	const struct agent_api *api = request->serve->api;
	struct err why = {};
	struct buf job;
	struct json json = {.out = &job};
	int error;

	if (!root || !request_keys_known(request, root, known) ||
	    !read_limits(request, json_get(root, "limits"), &options, tracer))
		return false;
	if (!json_get_text(root, "program")) {
		answer_error(request, 400, "the body has no 'program'", request->route->body_help);
		return false;
	}
	buf_init(&job, JOB_BYTES);
	json_object(&json);
	for (size_t i = 0; i < 4; i++)
		put_member(&json, root, known[i]);
	json_object_end(&json);
	options.job = buf_as_span(&job);
	error = api->trace(api->ctx, &options, &tracer->boxed, &why);
	buf_done(&job);
	if (error < 0) {
		answer_why(request, &why);
		return false;
	}
	tracer->parked = request_park(request);
	if (!tracer->parked)
		answer_error(request, 503, "no memory for a program", "ask again in a moment");
	return tracer->parked;
}

void handle_trace(struct request *request)
{
	struct serve *serve = request->serve;
	struct tracer *tracer;

	if (!serve->api->trace) {
		handle_later(request);
		return;
	}
	if (serve->streams >= serve->options.streams) {
		refuse_client(serve, REFUSED_FULL, 1);
		answer_error(request, 503, "too many live streams",
			     "close one, or raise limits.streams");
		return;
	}
	tracer = calloc(1, sizeof(*tracer));
	if (!tracer) {
		answer_error(request, 503, "no memory for a program", "ask again in a moment");
		return;
	}
	tracer->serve = serve;
	tracer->events_left = UINT64_MAX;
	buf_init(&tracer->complaints, COMPLAINTS);
	tracer->next = serve->tracers;
	if (tracer->next)
		tracer->next->prev = tracer;
	serve->tracers = tracer;
	serve->streams++;
	if (!start(request, tracer))
		tracer_free(tracer);
}
