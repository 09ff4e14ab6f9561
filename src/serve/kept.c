// SPDX-License-Identifier: GPL-2.0-only
/*
 * kept - what the history keeps beside data: views that people saved (/v1/views), and what was set when (/v1/config/history).
 *
 * A view is a name and an address of the page. Both are texts that somebody chose; here they are only kept and given back. All of
 * it stands in the catalogue, which the history's thread asks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "history/changes.h"
#include "serve/route.h"

enum { VIEWS_MOST = 500, NAME_BYTES = 120, ADDRESS_BYTES = 4096, CHANGES_USUAL = 200 };
#define KIND_VIEW "view"

struct kept_job {
	struct question question; /* first: a job is found by it */
	struct parked *parked;
	char name[NAME_BYTES + 1], *address; /* owned; NULL: the view is forgotten */
	uint64_t from_ns, to_ns, limit;
	struct buf body;
	int error;
	struct err why;
};

static void job_free(struct kept_job *job)
{
	free(job->address);
	buf_done(&job->body);
	free(job);
}

/* In the loop again. */
static void give(struct question *question)
{
	struct kept_job *job = (struct kept_job *)question;

	if (!job->error && question->why.code) {
		job->error = question->why.code;
		job->why = question->why;
	}
	parked_answer(job->parked, job->error, &job->why, &job->body);
	job_free(job);
}

/* ---- in the history's thread ---- */

static int write_view(void *ctx, struct span name, struct span address, int64_t changed_ns)
{
	struct json *json = ctx;
	char text[TIME_TEXT];

	json_object(json);
	json_key(json, "name");
	json_span(json, name);
	json_key(json, "address");
	json_span(json, address);
	time_print((uint64_t)changed_ns, 0, text);
	json_key_str(json, "changed", text);
	json_object_end(json);
	return 0;
}

static void list_views(struct question *question, struct store *store)
{
	struct kept_job *job = (struct kept_job *)question;
	struct json json = {.out = &job->body};
	int error;

	json_object(&json);
	json_key(&json, "views");
	json_array(&json);
	error = store_notes(store, KIND_VIEW, write_view, &json);
	json_array_end(&json);
	json_object_end(&json);
	if (error)
		job->error =
			err_set(&job->why, error, "cannot read the views: %s", err_name(error));
}

static int count_view(void *ctx, struct span name, struct span address, int64_t changed_ns)
{
	++*(size_t *)ctx;
	return 0;
}

static int put_view(struct kept_job *job, struct store *store)
{
	struct span name = span_of(job->name);
	struct buf there;
	size_t views = 0;
	int error;

	buf_init(&there, ADDRESS_BYTES);
	error = store_note(store, KIND_VIEW, name, &there);
	buf_done(&there);
	if (error == -ENOENT)
		error = store_notes(store, KIND_VIEW, count_view, &views);
	if (!error && views >= VIEWS_MOST)
		return err_set(&job->why, -ENOSPC, "there are %d views; delete one first",
			       VIEWS_MOST);
	if (!error || error == -EBADMSG)
		error = store_put_note(store, KIND_VIEW, name, span_of(job->address));
	return error ? err_set(&job->why, error, "cannot keep the view: %s", err_name(error)) : 0;
}

static int drop_view(struct kept_job *job, struct store *store)
{
	struct span name = span_of(job->name);
	struct buf there;
	int error;

	buf_init(&there, ADDRESS_BYTES);
	error = store_note(store, KIND_VIEW, name, &there);
	buf_done(&there);
	if (error == -ENOENT)
		return err_set(&job->why, -ENOENT,
			       "there is no view '%s'; GET /v1/views lists them", job->name);
	error = store_drop_note(store, KIND_VIEW, name);
	return error ? err_set(&job->why, error, "cannot forget the view: %s", err_name(error)) : 0;
}

static void change_view(struct question *question, struct store *store)
{
	struct kept_job *job = (struct kept_job *)question;

	job->error = job->address ? put_view(job, store) : drop_view(job, store);
	if (!job->error)
		list_views(question, store);
}

static void list_changes(struct question *question, struct store *store)
{
	struct kept_job *job = (struct kept_job *)question;
	struct json json = {.out = &job->body};
	int error;

	json_object(&json);
	json_key(&json, "changes");
	error = changes_write(store, job->from_ns, job->to_ns, job->limit, &json);
	json_object_end(&json);
	if (error)
		job->error = err_set(&job->why, error, "cannot read what was changed: %s",
				     err_name(error));
}

/* ---- in the loop ---- */

static struct kept_job *job_new(void (*work)(struct question *question, struct store *store))
{
	struct kept_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->question.work = work;
	job->question.done = give;
	buf_init(&job->body, ANSWER_BYTES);
	return job;
}

/* Takes the job over, whatever comes of it. */
static void ask(struct request *request, struct kept_job *job, int error, struct err *why)
{
	if (!job)
		error = err_set(why, -ENOMEM, "no memory for the question");
	if (!error && !request->serve->api->history)
		error = err_set(why, -EOPNOTSUPP,
				"this agent keeps no history; set store.on: true");
	if (!park_question(request, error, job ? &job->question : NULL, job ? &job->parked : NULL,
			   why))
		return; /* give answers */
	if (job)
		job_free(job);
}

void handle_views(struct request *request)
{
	struct err why = {};

	ask(request, job_new(list_views), 0, &why);
}

static bool is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int take_name(struct kept_job *job, const char *name, struct err *why)
{
	size_t len = strlen(name);

	if (!len || len > NAME_BYTES || !is_clean(name))
		return err_set(why, -EINVAL,
			       "a view's name has 1 to %d bytes and no control characters",
			       NAME_BYTES);
	memcpy(job->name, name, len + 1);
	return 0;
}

static int take_address(struct kept_job *job, const struct json_node *object, struct err *why)
{
	const char *address = json_get_text(object, "address");

	if (!address || strncmp(address, "#/", 2) != 0 || strlen(address) > ADDRESS_BYTES ||
	    !is_clean(address))
		return err_set(why, -EINVAL,
			       "'address' is no address of the page; give what stands behind its "
			       "first slash, as #/overview?range=3600s");
	job->address = strdup(address);
	return job->address ? 0 : err_set(why, -ENOMEM, "no memory for the view");
}

void handle_view_put(struct request *request)
{
	static const char *const known[] = {"address", NULL};
	const struct json_node *object = request_object(request, false);
	struct kept_job *job;
	struct err why = {};
	int error = 0;

	if (!object || !request_keys_known(request, object, known))
		return;
	job = job_new(change_view);
	if (job)
		error = take_name(job, request->word[0], &why);
	if (job && !error)
		error = take_address(job, object, &why);
	ask(request, job, error, &why);
}

void handle_view_remove(struct request *request)
{
	struct kept_job *job = job_new(change_view);
	struct err why = {};
	int error = job ? take_name(job, request->word[0], &why) : 0;

	ask(request, job, error, &why);
}

void handle_changes(struct request *request)
{
	struct kept_job *job = job_new(list_changes);
	struct err why = {};

	if (job) {
		job->from_ns = request_number(request, "from", 0);
		job->to_ns = request_number(request, "to", UINT64_MAX);
		job->limit = request_number(request, "limit", CHANGES_USUAL);
	}
	ask(request, job, 0, &why);
}
