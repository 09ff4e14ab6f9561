// SPDX-License-Identifier: GPL-2.0-only
/*
 * groups - GET /v1/groups/ITEM: records of the history summed up by any columns and steps of time.
 *
 * The history's thread reads and adds up, and writes the answer's text there too; the loop only sends it.
 */
#include "history/groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "serve/route.h"
#include "serve/wanted.h"

enum { BUDGET_MS = 8000, LIMIT_USUAL = 1000, TEXTS_BYTES = 16 * 1024 };

struct groups_job {
	struct question question; /* first: a job is found by it */
	struct parked *parked;
	struct groups_query query; /* its texts are in `arena` */
	struct filter *filter; /* owned */
	struct arena arena;
	struct buf body;
	int error;
	struct err why;
};

static void job_free(struct groups_job *job)
{
	filter_free(job->filter);
	arena_done(&job->arena);
	buf_done(&job->body);
	free(job);
}

static void write_answer(struct groups_job *job, const struct groups *groups,
			 const struct past_answer *past)
{
	struct json json = {.out = &job->body};
	char text[TIME_TEXT];

	json_object(&json);
	json_key(&json, "groups");
	groups_write(groups, &json);
	json_key_u64(&json, "all", groups_count(groups));
	if (groups_left_out(groups))
		json_key_u64(&json, "left_out", groups_left_out(groups));
	if (past->oldest_ns) {
		time_print(past->oldest_ns, 9, text);
		json_key_str(&json, "oldest", text);
	}
	if (past->is_partial)
		json_key_str(&json, "partial", past->why_partial);
	json_object_end(&json);
}

/* In the history's thread. */
static void read_groups(struct question *question, struct store *store)
{
	struct groups_job *job = (struct groups_job *)question;
	struct groups *groups = NULL;
	struct past_answer past = {};

	job->error = groups_read(store, &job->query, &groups, &past, &job->why);
	if (!job->error)
		write_answer(job, groups, &past);
	past_answer_done(&past);
	groups_free(groups);
}

/* In the loop again. */
static void give_groups(struct question *question)
{
	struct groups_job *job = (struct groups_job *)question;

	if (!job->error && question->why.code) {
		job->error = question->why.code;
		job->why = question->why;
	}
	parked_answer(job->parked, job->error, &job->why, &job->body);
	job_free(job);
}

/* Cuts "a,b,c" into names. */
static int read_by(struct groups_job *job, const char *text, struct err *why)
{
	char *names = text && text[0] ? arena_str(&job->arena, span_of(text)) : NULL, *rest = NULL;

	if (text && text[0] && !names)
		return err_set(why, -ENOMEM, "no memory for the question");
	for (char *name = names ? strtok_r(names, ",", &rest) : NULL; name;
	     name = strtok_r(NULL, ",", &rest)) {
		if (job->query.by_count == GROUPS_BY_MAX)
			return err_set(why, -EINVAL, "by: at most %d columns", GROUPS_BY_MAX);
		job->query.by[job->query.by_count++] = name;
	}
	return 0;
}

static bool has_column(const struct api_item *item, const char *name)
{
	for (size_t i = 0; i < item->layouts; i++)
		if (layout_find(item->layout[i], span_of(name)) >= 0)
			return true;
	return false;
}

static int check_by(const struct groups_job *job, const struct api_item *item, struct err *why)
{
	for (size_t i = 0; item->layouts && i < job->query.by_count; i++)
		if (!has_column(item, job->query.by[i]))
			return err_set(why, -EINVAL,
				       "by: no column '%.60s'; GET /v1/items/NAME names them",
				       job->query.by[i]);
	return 0;
}

/* A second range to compare with. */
static int read_against(struct request *request, struct groups_job *job, struct err *why)
{
	struct groups_query *query = &job->query;

	query->against_from_ns = request_number(request, "against_from", 0);
	query->against_to_ns = request_number(request, "against_to",
					      query->against_from_ns ? query->past.from_ns : 0);
	if (!query->against_to_ns)
		return 0;
	if (query->against_from_ns >= query->against_to_ns)
		return err_set(why, -EINVAL, "'against_from' is not before 'against_to'");
	if (query->step_ns)
		return err_set(why, -EINVAL,
			       "a second range and steps of time do not go together; ask for each "
			       "range with its steps");
	return 0;
}

static int read_question(struct request *request, struct groups_job *job,
			 const struct api_item *item, struct err *why)
{
	const char *order = request_text(request, "order");
	const char *name = arena_str(&job->arena, span_of(request->word[0]));
	int error = read_by(job, request_text(request, "by"), why);

	if (!error && !name)
		error = err_set(why, -ENOMEM, "no memory for the question");
	if (!error)
		error = check_by(job, item, why);
	job->query.past = (struct past_query){
		.item = name,
		.from_ns = request_number(request, "from", 0),
		.to_ns = request_number(request, "to", UINT64_MAX),
		.filter = job->filter,
		.budget_ms = BUDGET_MS,
	};
	job->query.step_ns = request_number(request, "step", 0);
	job->query.limit = request_number(request, "limit", LIMIT_USUAL);
	job->query.order = order && order[0] ? arena_str(&job->arena, span_of(order)) : NULL;
	return error ? error : read_against(request, job, why);
}

static struct groups_job *job_new(struct filter *filter)
{
	struct groups_job *job = calloc(1, sizeof(*job));

	if (!job) {
		filter_free(filter);
		return NULL;
	}
	job->question.work = read_groups;
	job->question.done = give_groups;
	job->filter = filter;
	arena_init(&job->arena, TEXTS_BYTES);
	buf_init(&job->body, ANSWER_BYTES);
	return job;
}

void handle_groups(struct request *request)
{
	struct history *history = request->serve->api->history;
	struct filter *filter = NULL;
	struct groups_job *job;
	struct api_item item;
	struct err why = {};
	int error;

	if (!look_at_item(request, request->word[0], &item) ||
	    !wanted_filter(request, &item, 1, &filter))
		return;
	job = job_new(filter);
	error = job ? read_question(request, job, &item, &why)
		    : err_set(&why, -ENOMEM, "no memory for the question");
	if (!error && !history)
		error = err_set(&why, -EOPNOTSUPP,
				"this agent keeps no history; set store.on: true");
	if (!park_question(request, error, job ? &job->question : NULL, job ? &job->parked : NULL,
			   &why))
		return; /* give_groups answers */
	if (job)
		job_free(job);
}
