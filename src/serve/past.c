// SPDX-License-Identifier: GPL-2.0-only
/*
 * past - GET /v1/records/ITEM out of the history: records of any age, up to those of this moment.
 *
 * The history is read in its own thread; the rows of this moment are the loop's. Oldest first they follow in the end, newest
 * first they come before the thread begins. A cursor "s..." goes on in the history.
 */
#include "history/past.h"

#include <errno.h>
#include <stdlib.h>

#include "serve/records.h"
#include "serve/route.h"

enum { BUDGET_MS = 8000 /* less than the agent has for ending */, CURSOR_MAX = 1024 };

struct past_job {
	struct question question; /* first: a job is found by it */
	struct parked *parked;
	struct serve *serve;
	struct records_question asked; /* its texts are in `arena` */
	struct filter *filter; /* owned */
	struct arena arena;
	struct buf body;
	struct json json;
	struct collection collection;
	struct past_answer answer;
	bool rows_were_cut;
	int error;
	struct err why;
};

static void job_free(struct past_job *job)
{
	filter_free(job->filter);
	past_answer_done(&job->answer);
	arena_done(&job->arena);
	buf_done(&job->body);
	free(job);
}

static void write_record(void *ctx, const struct record *record)
{
	struct past_job *job = ctx;

	record_json(record, &job->json);
	job->collection.count++;
}

/* In the history's thread. */
static void read_past(struct question *question, struct store *store)
{
	struct past_job *job = (struct past_job *)question;
	const struct past_query query = {
		.item = job->asked.item,
		.from_ns = job->asked.range.from_ns,
		.to_ns = job->asked.range.to_ns,
		.newest_first = job->asked.range.newest_first,
		.filter = job->filter,
		.cursor = span_of(job->asked.past),
		.limit = job->asked.limit - job->collection.count,
		.budget_ms = BUDGET_MS,
	};

	job->error = past_read(store, &query, write_record, job, &job->answer, &job->why);
}

static void write_end(struct past_job *job)
{
	const struct past_answer *past = &job->answer;
	struct json *json = &job->json;
	char next[CURSOR_MAX + 2], text[TIME_TEXT];

	json_array_end(json);
	if (past->has_more) {
		snprintf(next, sizeof(next), "s%s", buf_text(&past->next));
		json_key_str(json, "next", next);
	} else if (job->collection.is_cut) {
		snprintf(next, sizeof(next), "r%llu", (unsigned long long)job->collection.rows);
		json_key_str(json, "next", next);
	}
	if (past->oldest_ns) {
		time_print(past->oldest_ns, 9, text);
		json_key_str(json, "oldest", text);
	}
	if (past->is_partial)
		json_key_str(json, "partial", past->why_partial);
	json_object_end(json);
}

/* In the loop again. */
static void give_past(struct question *question)
{
	struct past_job *job = (struct past_job *)question;
	struct request request;

	if (!job->error && question->why.code) {
		job->error = question->why.code;
		job->why = question->why;
	}
	if (!parked_resume(job->parked, &request)) {
		job_free(job);
		return;
	}
	if (!job->error && !job->asked.range.newest_first && !job->answer.has_more)
		job->error =
			collect_rows(job->serve->api, &job->asked, &job->collection, &job->why);
	if (job->error < 0) {
		answer_why(&request, &job->why);
	} else {
		write_end(job);
		answer_json(&request, 200, &job->body);
	}
	job_free(job);
}

static struct past_job *job_new(struct request *request, const struct records_question *asked,
				struct filter *filter)
{
	struct past_job *job = calloc(1, sizeof(*job));

	if (!job) {
		filter_free(filter);
		return NULL;
	}
	job->question.work = read_past;
	job->question.done = give_past;
	job->serve = request->serve;
	job->filter = filter;
	job->asked = *asked;
	arena_init(&job->arena, 16 * 1024);
	buf_init(&job->body, ANSWER_BYTES);
	buf_init(&job->answer.next, CURSOR_MAX);
	job->asked.item = arena_str(&job->arena, span_of(asked->item));
	job->asked.by = asked->by ? arena_str(&job->arena, span_of(asked->by)) : NULL;
	job->asked.past = asked->past ? arena_str(&job->arena, span_of(asked->past)) : NULL;
	job->json.out = &job->body;
	job->collection = (struct collection){
		.json = &job->json, .filter = job->filter, .limit = asked->limit};
	json_object(&job->json);
	json_key(&job->json, "records");
	json_array(&job->json);
	return job;
}

void records_of_past(struct request *request, const struct records_question *asked,
		     struct filter *filter)
{
	struct past_job *job = job_new(request, asked, filter);
	struct err why = {};
	int error =
		job && job->asked.item ? 0 : err_set(&why, -ENOMEM, "no memory for the question");

	if (!error && asked->range.newest_first)
		error = collect_rows(request->serve->api, &job->asked, &job->collection, &why);
	if (!error && job->collection.is_cut) { /* full before the history had its turn */
		write_end(job);
		answer_json(request, 200, &job->body);
		job_free(job);
		return;
	}
	if (!park_question(request, error, job ? &job->question : NULL, job ? &job->parked : NULL,
			   &why))
		return; /* give_past answers */
	if (job)
		job_free(job);
}
