/* SPDX-License-Identifier: GPL-2.0-only */
/* records - what the two ways of answering GET /v1/records/ITEM share: from memory (records.c), from the history
 * (past.c). */
#pragma once

#include "serve/agent_api.h"
#include "serve/recent.h"

struct request;

struct collection {
	struct json *json;
	struct filter *filter;
	uint64_t limit, count; /* records */
	uint64_t skip, rows; /* rows to pass over; rows that fitted so far */
	uint64_t last; /* number of the last record written */
	bool is_cut; /* there is more */
};

/* What was asked for. */
struct records_question {
	const char *item, *by;
	uint64_t limit;
	struct recent_range range;
	bool events, rows;
	uint64_t skip_rows;
	const char *past; /* cursor of the history, NULL = from its beginning */
};

/* Rows of this moment, as far as they are wanted and fit. 0 or -errno. */
int collect_rows(const struct agent_api *api, const struct records_question *question,
		 struct collection *collection, struct err *why);

/* Answers out of the history, later. Takes the filter over. */
void records_of_past(struct request *request, const struct records_question *question,
		     struct filter *filter);
