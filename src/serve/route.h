/* SPDX-License-Identifier: GPL-2.0-only */
/* route - which function answers which path, and what it may be asked. */
#pragma once

#include "base/json.h"
#include "base/json_read.h"
#include "serve/serve_private.h"

enum param_type {
	PARAM_TEXT,
	PARAM_COUNT, /* whole number, least..most */
	PARAM_DURATION, /* 1s, 500ms; least..most in ns */
	PARAM_TIME, /* RFC 3339, epoch seconds, now-5m */
	PARAM_CHOICE, /* one of `choices` */
	PARAM_FLAG, /* 1, true, 0, false */
};

struct param {
	const char *name;
	enum param_type type;
	const char *help;
	const char *choices; /* "asc|desc" */
	uint64_t least, most;
	bool must;
};

/* The body a route takes: 0 = none. */
enum {
	BODY_JSON = 64 * 1024,
	BODY_FORM = 64 * 1024,
	BODY_UPLOAD = -1 /* as large as options.upload_bytes */
};

struct route {
	enum http_method method; /* HEAD is answered by GET's */
	const char *path; /* words in braces stand for any one word: /v1/items/{name} */
	void (*handle)(struct request *request);
	const char *help; /* one sentence */
	bool changes; /* needs the right to change */
	bool is_page; /* a file of the page: read without the token at every address */
	bool is_lenient; /* parameters that are not in the list are ignored (other people's clients) */
	const struct param *params; /* ends with name NULL; may be NULL */
	int body; /* bytes at most, see above */
	const char *body_types; /* media types of the body, joined by '|' */
	const char *body_help;
	const char *answer_type; /* media types of the answer, joined by '|' */
	const char *answer_help;
	int status; /* of success; 501 = comes with a later version */
};

extern const struct route routes[]; /* ends with path NULL */

/* The value as it was given, decoded; NULL = not given. */
const char *request_text(const struct request *request, const char *name);
/* Checked before the function is called: these cannot fail. */
uint64_t request_number(const struct request *request, const char *name,
			uint64_t otherwise); /* COUNT, DURATION (ns), TIME (ns) */
bool request_flag(const struct request *request, const char *name);

/* The body as JSON: an object, or the request is answered. An empty body is an empty object where that may be. */
const struct json_node *request_object(struct request *request, bool may_be_empty);
/* False (answered) when it has a key that is not in the list, which ends with NULL. */
bool request_keys_known(struct request *request, const struct json_node *object,
			const char *const *known);

/* "Allow: GET, HEAD, OPTIONS\r\n" */
const char *route_allow(struct span path, char ret_text[160]);

/* park.c: the request waits while the history's thread works on the question. 0: the question's `done` will be called. Else the
 * request is answered with `why`; `error`: something was wrong before. */
int park_question(struct request *request, int error, struct question *question,
		  struct parked **ret_parked, struct err *why);
/* The question is done: JSON, or what went wrong, if the client is still there. */
void parked_answer(struct parked *parked, int error, const struct err *why, struct buf *body);

/* The description of all routes: OpenAPI 3.1. */
void openapi_write(const char *version, struct json *json);

/* The functions that answer. */
void handle_health(struct request *request);
void handle_ready(struct request *request);
void handle_metrics(struct request *request);
void handle_page(struct request *request);
void handle_page_script(struct request *request);
void handle_page_style(struct request *request);
void handle_page_worker(struct request *request);
void handle_page_notices(struct request *request);
void handle_status(struct request *request);
void handle_self(struct request *request);
void handle_features(struct request *request);
void handle_caps(struct request *request);
void handle_processes(struct request *request);
void handle_config(struct request *request);
void handle_reload(struct request *request);
void handle_changes(struct request *request);
void handle_views(struct request *request);
void handle_view_put(struct request *request);
void handle_view_remove(struct request *request);
void handle_openapi(struct request *request);
void handle_items(struct request *request);
void handle_item(struct request *request);
void handle_item_change(struct request *request);
void handle_item_add(struct request *request);
void handle_item_upgrade(struct request *request);
void handle_item_remove(struct request *request);
void handle_item_verb(struct request *request);
void handle_records(struct request *request);
void handle_groups(struct request *request);
void handle_stream(struct request *request);
void handle_trace(struct request *request);
void handle_prom_query(struct request *request);
void handle_prom_range(struct request *request);
void handle_prom_series(struct request *request);
void handle_prom_labels(struct request *request);
void handle_prom_values(struct request *request);
void handle_prom_metadata(struct request *request);
void handle_prom_buildinfo(struct request *request);
void handle_prom_rules(struct request *request);
void handle_prom_alerts(struct request *request);
void handle_prom_alertmanagers(struct request *request);
void handle_prom_other(struct request *request);
void handle_map(struct request *request);
void handle_later(struct request *request);
