// SPDX-License-Identifier: GPL-2.0-only
/*
 * map - GET /v1/map: the service map of a range of time, out of the history.
 *
 * Which items contribute is seen from the columns of their records: `client` and `server`, or `side` and `remote_name`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "history/service_map.h"
#include "serve/route.h"
#include "serve/wanted.h"

enum { BUDGET_MS = 8000, SOURCES = 32, ITEMS_MAX = 1024, ARENA_BYTES = 64 * 1024 };
#define USUAL_NS (300ull * 1000000000)

struct map_job {
	struct question question; /* first: a job is found by it */
	struct parked *parked;
	const char *item[SOURCES]; /* in the arena */
	size_t items;
	uint64_t from_ns, to_ns;
	const char *group;
	struct filter *filter; /* owned */
	struct arena arena;
	struct buf body;
	int error;
	struct err why;
};

static void job_free(struct map_job *job)
{
	filter_free(job->filter);
	arena_done(&job->arena);
	buf_done(&job->body);
	free(job);
}

static void write_time(struct json *json, const char *name, uint64_t ns)
{
	char text[TIME_TEXT];

	time_print(ns, 3, text);
	json_key_str(json, name, text);
}

/* What was looked at, as far as there is anything. */
static double seconds_of(const struct map_job *job, uint64_t oldest_ns)
{
	uint64_t from_ns = oldest_ns > job->from_ns ? oldest_ns : job->from_ns;
	double seconds = job->to_ns > from_ns ? (double)(job->to_ns - from_ns) / 1e9 : 0;

	return seconds > 1 ? seconds : 1;
}

/* In the history's thread. */
static void read_map(struct question *question, struct store *store)
{
	struct map_job *job = (struct map_job *)question;
	struct service_map *map = service_map_new(job->group);
	struct json json = {.out = &job->body};
	char partial[128] = "";
	uint64_t oldest_ns = 0;

	if (!map)
		job->error = err_set(&job->why, -ENOMEM, "no memory for the map");
	for (size_t i = 0; i < job->items && !job->error; i++) {
		const struct past_query query = {
			.item = job->item[i],
			.from_ns = job->from_ns,
			.to_ns = job->to_ns,
			.filter = job->filter,
			.limit = UINT64_MAX,
			.budget_ms = BUDGET_MS / (uint32_t)job->items,
		};
		struct past_answer past;

		job->error = service_map_read(map, store, &query, &past, &job->why);
		if (past.is_partial)
			snprintf(partial, sizeof(partial), "%s", past.why_partial);
		if (past.oldest_ns && (!oldest_ns || past.oldest_ns < oldest_ns))
			oldest_ns = past.oldest_ns;
		past_answer_done(&past);
	}
	if (!job->error) {
		json_object(&json);
		write_time(&json, "from", job->from_ns);
		write_time(&json, "to", job->to_ns);
		if (oldest_ns)
			write_time(&json, "oldest", oldest_ns);
		service_map_write(map, seconds_of(job, oldest_ns), &json);
		if (service_map_left_out(map))
			json_key_u64(&json, "left_out", service_map_left_out(map));
		if (partial[0])
			json_key_str(&json, "partial", partial);
		json_object_end(&json);
	}
	service_map_free(map);
}

/* In the loop again. */
static void give_map(struct question *question)
{
	struct map_job *job = (struct map_job *)question;

	if (!job->error && question->why.code) {
		job->error = question->why.code;
		job->why = question->why;
	}
	parked_answer(job->parked, job->error, &job->why, &job->body);
	job_free(job);
}

static bool has_both(const struct layout *layout, const char *a, const char *b)
{
	return layout_find(layout, span_of(a)) >= 0 && layout_find(layout, span_of(b)) >= 0;
}

/* Records that are single connections are many, and only tell who is connected: not everybody wants them. */
static bool contributes(const struct api_item *item, bool connections)
{
	for (size_t i = 0; i < item->layouts && item->has_events; i++)
		if (has_both(item->layout[i], "client", "server") ||
		    (has_both(item->layout[i], "side", "remote_name") &&
		     (connections || has_both(item->layout[i], "side", "count"))))
			return true;
	return false;
}

/* Items whose records tell of edges. They may be off: there are records of the time when they were on. */
static int find_sources(const struct agent_api *api, struct map_job *job, bool connections,
			struct api_item sources[SOURCES])
{
	const char *name;

	for (size_t i = 0; api->item_name && i < ITEMS_MAX && (name = api->item_name(api->ctx, i));
	     i++) {
		struct api_item item;

		if (job->items == SOURCES || api->item_look(api->ctx, name, &item, NULL) ||
		    !contributes(&item, connections))
			continue;
		job->item[job->items] = arena_str(&job->arena, span_of(name));
		if (!job->item[job->items])
			return -ENOMEM;
		sources[job->items++] = item;
	}
	return 0;
}

static struct map_job *job_new(void)
{
	struct map_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->question.work = read_map;
	job->question.done = give_map;
	arena_init(&job->arena, ARENA_BYTES);
	buf_init(&job->body, ANSWER_BYTES);
	return job;
}

static int read_question(struct request *request, struct map_job *job, struct err *why)
{
	const char *group = request_text(request, "group");
	uint64_t now_ns = clock_wall_ns();

	job->to_ns = request_number(request, "to", now_ns);
	if (job->to_ns > now_ns)
		job->to_ns = now_ns;
	job->from_ns =
		request_number(request, "from", job->to_ns > USUAL_NS ? job->to_ns - USUAL_NS : 0);
	if (group && strcmp(group, "host") != 0)
		job->group = arena_str(&job->arena, span_of(group));
	else if (group)
		job->group = "node";
	if (job->from_ns >= job->to_ns)
		return err_set(why, -EINVAL, "'from' is not before 'to'");
	return request->serve->api->history
		       ? 0
		       : err_set(why, -EOPNOTSUPP,
				 "this agent keeps no history; set store.on: true");
}

void handle_map(struct request *request)
{
	struct api_item *sources = arena_new(&request->arena, SOURCES * sizeof(*sources));
	struct map_job *job = job_new();
	struct err why = {};
	bool connections =
		!request_text(request, "connections") || request_flag(request, "connections");
	int error = job && sources ? find_sources(request->serve->api, job, connections, sources)
				   : -ENOMEM;

	if (error)
		err_set(&why, error, "no memory for the map");
	if (!error && !wanted_filter(request, sources, job->items, &job->filter)) {
		job_free(job);
		return;
	}
	if (!error)
		error = read_question(request, job, &why);
	if (!park_question(request, error, job ? &job->question : NULL, job ? &job->parked : NULL,
			   &why))
		return; /* give_map answers */
	if (job)
		job_free(job);
}
