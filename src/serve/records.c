// SPDX-License-Identifier: GPL-2.0-only
/*
 * records - GET /v1/records/ITEM: the records of an item, and what its maps and tables hold now.
 *
 * With a history, records come from there (past.c); without one, the last ones are in memory (recent.c).
 *
 * Oldest first: records that were made, then the rows of this moment; newest first is the other way round. A cursor says
 * where the next answer goes on: "e17" behind record number 17, "r200" behind the 200th row. Rows are read anew for
 * each answer, so between two of them a row may move.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "serve/recent.h"
#include "serve/records.h"
#include "serve/route.h"
#include "serve/wanted.h"

enum { LIMIT_USUAL = 1000 };

static bool take_event(void *ctx, const struct record *record, uint64_t number)
{
	struct collection *collection = ctx;

	if (!filter_match(collection->filter, record))
		return true;
	if (collection->count == collection->limit) {
		collection->is_cut = true;
		return false;
	}
	record_json(record, collection->json);
	collection->count++;
	collection->last = number;
	return true;
}

static bool take_row(void *ctx, const struct record *record)
{
	struct collection *collection = ctx;

	if (!filter_match(collection->filter, record))
		return true;
	if (collection->rows < collection->skip) {
		collection->rows++;
		return true;
	}
	if (collection->count == collection->limit) {
		collection->is_cut = true;
		return false;
	}
	record_json(record, collection->json);
	collection->count++;
	collection->rows++;
	return true;
}

static bool read_cursor(const char *text, struct records_question *question)
{
	struct quantity number;

	if (!text)
		return true;
	if (text[0] == 's') {
		question->past = text + 1;
		if (question->range.newest_first)
			question->rows = false; /* they came before the records */
		return true;
	}
	if ((text[0] != 'e' && text[0] != 'r') || !quantity_parse(span_of(text + 1), &number) ||
	    number.kind != QUANTITY_PLAIN || !number.is_whole || number.is_negative)
		return false;
	if (text[0] == 'r') {
		question->skip_rows = number.whole;
		if (!question->range.newest_first)
			question->events = false; /* they came before the rows */
	} else if (question->range.newest_first) {
		question->range.before = number.whole;
		question->rows = false;
	} else {
		question->range.after = number.whole;
	}
	return true;
}

static bool read_question(struct request *request, struct records_question *question)
{
	const char *source = request_text(request, "source"),
		   *order = request_text(request, "order");
	uint64_t now_ns = clock_wall_ns();

	*question = (struct records_question){
		.item = request->word[0],
		.limit = request_number(request, "limit", LIMIT_USUAL),
		.by = request_text(request, "by"),
		.events = !source || !strcmp(source, "recent"),
		.rows = !source || !strcmp(source, "rows"),
		.range =
			{
				.from_ns = request_number(request, "from", 0),
				.to_ns = request_number(request, "to", UINT64_MAX),
				.newest_first = order && !strcmp(order, "desc"),
			},
	};
	if (!source && (question->range.from_ns > now_ns || question->range.to_ns < now_ns))
		question->rows = false; /* rows are of now */
	if (read_cursor(request_text(request, "cursor"), question))
		return true;
	answer_error(request, 400, "the cursor is not one of ours",
		     "use `next` of the answer before, unchanged");
	return false;
}

int collect_rows(const struct agent_api *api, const struct records_question *question,
		 struct collection *collection, struct err *why)
{
	collection->skip = question->skip_rows;
	if (!question->rows || !api->rows || collection->is_cut)
		return 0;
	return api->rows(api->ctx, question->item, question->by, take_row, collection, why);
}

static void collect_events(struct request *request, const struct records_question *question,
			   struct collection *collection)
{
	if (question->events && request->serve->recent && !collection->is_cut)
		recent_walk(request->serve->recent, question->item, &question->range, take_event,
			    collection);
}

/* Behind what was cut off the next answer begins. */
static void write_next(const struct records_question *question, const struct collection *collection,
		       bool rows_were_cut, struct json *json)
{
	char next[32];

	if (!collection->is_cut)
		return;
	if (rows_were_cut)
		snprintf(next, sizeof(next), "r%llu", (unsigned long long)collection->rows);
	else if (collection->last)
		snprintf(next, sizeof(next), "e%llu", (unsigned long long)collection->last);
	else /* newest first: the rows filled the answer to the last place, no record was written yet */
		snprintf(next, sizeof(next), "e%llu",
			 question->range.newest_first ? (unsigned long long)INT64_MAX : 0);
	json_key_str(json, "next", next);
}

static bool has_recent(const struct serve *serve, const char *item)
{
	return serve->recent && recent_oldest(serve->recent, item);
}

static void write_oldest(struct request *request, const struct records_question *question,
			 struct json *json)
{
	uint64_t oldest =
		request->serve->recent ? recent_oldest(request->serve->recent, question->item) : 0;
	char text[TIME_TEXT];

	if (!oldest)
		return;
	time_print(oldest, 9, text);
	json_key_str(json, "oldest", text);
}

static void collect(struct request *request, const struct records_question *question, struct filter *filter)
{
	struct buf body;
	struct json json = {.out = &body};
	struct collection collection = {
		.json = &json,
		.filter = filter,
		.limit = question->limit,
	};
	bool rows_were_cut;
	struct err why = {};
	int error;

	buf_init(&body, ANSWER_BYTES);
	json_object(&json);
	json_key(&json, "records");
	json_array(&json);
	if (!question->range.newest_first)
		collect_events(request, question, &collection);
	rows_were_cut = collection.is_cut;
	error = collect_rows(request->serve->api, question, &collection, &why);
	rows_were_cut = collection.is_cut && !rows_were_cut;
	if (question->range.newest_first)
		collect_events(request, question, &collection);
	json_array_end(&json);
	write_next(question, &collection, rows_were_cut, &json);
	write_oldest(request, question, &json);
	json_object_end(&json);
	if (error < 0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	answer_json(request, 200, &body);
}

void handle_records(struct request *request)
{
	struct records_question question;
	struct filter *filter = NULL;
	struct api_item item;

	if (!read_question(request, &question))
		return;
	if (!look_at_item(request, question.item, &item))
		return;
	if (!wanted_filter(request, &item, 1, &filter))
		return;
	/* off, but there are records of the time when it was on: those are the answer */
	if (!item.has_rows ||
	    (!item.is_on && question.events &&
	     (has_recent(request->serve, question.item) || request->serve->api->history)))
		question.rows = false;
	if (request->serve->api->history && question.events) {
		records_of_past(request, &question, filter);
		return;
	}
	collect(request, &question, filter);
	filter_free(filter);
}
