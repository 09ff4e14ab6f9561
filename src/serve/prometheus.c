// SPDX-License-Identifier: GPL-2.0-only
/*
 * prometheus - Prometheus' HTTP API over the history: /api/v1/query, query_range, series, labels, label values, metadata.
 *
 * Names, shapes and errors are those of Prometheus 2.42, so that whoever speaks with one can speak with the agent. The
 * question is read and checked in the loop, answered by the history's reader. Parameters come behind the '?' or as a form.
 */
#include "query/promql.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "serve/route.h"

enum {
	BUDGET_S = 8, /* less than the agent has for ending */
	SELECTORS_MAX = 16,
	NAMES_MAX = 20000, /* of an answer that is a list of names */
	JOB_ARENA = 256 * 1024,
	NAMES_ARENA = 8 << 20,
};

enum kind { ASKS_INSTANT, ASKS_RANGE, ASKS_SERIES, ASKS_LABELS, ASKS_VALUES };

struct prom_job {
	struct question question; /* first: a job is found by it */
	enum kind kind;
	struct parked *parked;
	struct promql *query[SELECTORS_MAX]; /* owned */
	const struct expr *selector[SELECTORS_MAX];
	size_t queries;
	struct promql_times times;
	int64_t from_ms, to_ms;
	struct span name; /* of the label whose values are asked for; in the arena */
	struct arena arena;
	struct buf body;
	struct json json;
	int error;
	struct err why;
	const char *type; /* of the error, if the errno does not tell */
};

/* A request's parameters, and those of its form. */
struct params {
	const struct query *of[2];
};

static const char *param(const struct params *params, const char *name, unsigned number)
{
	for (int k = 0; k < 2; k++)
		for (unsigned i = 0; params->of[k] && i < params->of[k]->count; i++)
			if (!strcmp(params->of[k]->param[i].name, name) && !number--)
				return params->of[k]->param[i].value;
	return NULL;
}

/* ---- errors, in Prometheus' shape ---- */

static void answer_prom_error(struct request *request, int status, const char *type,
			      const char *text)
{
	struct buf body;
	struct json json = {.out = &body};

	buf_init(&body, 8192);
	json_object(&json);
	json_key_str(&json, "status", "error");
	json_key_str(&json, "errorType", type);
	json_key_str(&json, "error", text);
	/* ours: Prometheus' clients pass over it */
	json_key_str(&json, "hint",
		     !strcmp(type, "unavailable") ? "see `sonde status`"
						  : "docs/query.md says what can be asked");
	json_object_end(&json);
	answer_json(request, status, &body);
}

static void answer_prom_why(struct request *request, const struct prom_job *job)
{
	const char *type = job->type;
	int status = 422;

	if (!type)
		type = job->error == -ETIME       ? "timeout"
		       : job->error == -ENOSPC    ? "unavailable"
		       : job->error == -ECANCELED ? "canceled"
						  : "execution";
	if (!strcmp(type, "bad_data"))
		status = 400;
	else if (!strcmp(type, "timeout") || !strcmp(type, "canceled") ||
		 !strcmp(type, "unavailable"))
		status = 503;
	answer_prom_error(request, status, type,
			  job->why.text[0] ? job->why.text : err_name(job->error));
}

static int bad(struct prom_job *job, const char *name, const char *format, const char *value)
{
	job->type = "bad_data";
	return job->error = err_set(&job->why, -EINVAL, format, name, value);
}

static void job_free(struct prom_job *job)
{
	for (size_t i = 0; i < job->queries; i++)
		promql_free(job->query[i]);
	arena_done(&job->arena);
	buf_done(&job->body);
	free(job);
}

/* ---- reading the question ---- */

/* Seconds since 1970 with decimals, or RFC 3339. */
static bool read_time(const char *text, int64_t *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);
	uint64_t ns;

	if (!*end && end != text && fabs(seconds) < 1e12) {
		*ret_ms = (int64_t)floor(seconds * 1000 + 0.5);
		return true;
	}
	if (!time_parse(span_of(text), clock_wall_ns(), &ns))
		return false;
	*ret_ms = (int64_t)(ns / 1000000);
	return true;
}

static int time_param(struct prom_job *job, const struct params *params, const char *name,
		      int64_t otherwise_ms, bool must, int64_t *ret_ms)
{
	const char *text = param(params, name, 0);

	*ret_ms = otherwise_ms;
	if (!text || !*text)
		return must ? bad(job, name,
				  "invalid parameter \"%s\": cannot parse \"%s\" to a valid "
				  "timestamp",
				  "")
			    : 0;
	if (!read_time(text, ret_ms))
		return bad(job, name,
			   "invalid parameter \"%s\": cannot parse \"%.100s\" to a valid timestamp",
			   text);
	return 0;
}

/* Seconds with decimals, or 15s. */
static int step_param(struct prom_job *job, const struct params *params)
{
	const char *text = param(params, "step", 0);
	char *end = NULL;
	double seconds = text ? strtod(text, &end) : 0;
	int64_t ms = 0;

	if (text && end != text && !*end && fabs(seconds) < 1e12)
		ms = (int64_t)(seconds * 1000);
	else if (!text || !promql_duration(span_of(text), &ms))
		return bad(job, "step",
			   "invalid parameter \"%s\": cannot parse \"%.100s\" to a valid duration",
			   text ? text : "");
	if (ms <= 0)
		return bad(job, "step",
			   "invalid parameter \"%s\": zero or negative query resolution step "
			   "widths are not "
			   "accepted. Try a positive integer%s",
			   "");
	job->times.step_ms = ms;
	return 0;
}

static int add_query(struct prom_job *job, const char *text, const char *name, bool selector)
{
	struct err why = {};

	if (job->queries == SELECTORS_MAX)
		return bad(job, name, "invalid parameter \"%s\": too many of them%s", "");
	if (promql_parse(span_of(text), &job->query[job->queries], &why))
		return bad(job, name, "invalid parameter \"%s\": %s", why.text);
	job->selector[job->queries] = promql_selector(job->query[job->queries]);
	job->queries++;
	if (selector && !job->selector[job->queries - 1])
		return bad(job, name, "invalid parameter \"%s\": \"%.200s\" is no series selector",
			   text);
	return 0;
}

static int read_range(struct prom_job *job, const struct params *params)
{
	int64_t end_ms;
	int error = time_param(job, params, "start", 0, true, &job->times.start_ms);

	if (!error)
		error = time_param(job, params, "end", 0, true, &end_ms);
	if (!error && end_ms < job->times.start_ms)
		error = bad(
			job, "end",
			"invalid parameter \"%s\": end timestamp must not be before start time%s",
			"");
	if (!error)
		error = step_param(job, params);
	if (error)
		return error;
	if ((end_ms - job->times.start_ms) / job->times.step_ms >= PROMQL_STEPS_MAX)
		return bad(job, "step",
			   "exceeded maximum resolution of 11,000 points per timeseries. Try "
			   "decreasing the query "
			   "resolution (?%s=XX)%s",
			   "");
	job->times.count = (size_t)((end_ms - job->times.start_ms) / job->times.step_ms) + 1;
	job->times.is_range = true;
	job->times.end_ms = end_ms;
	return 0;
}

static int read_query(struct prom_job *job, const struct params *params)
{
	const char *text = param(params, "query", 0);
	int error;

	job->times = (struct promql_times){.step_ms = 1000, .count = 1};
	if (job->kind == ASKS_RANGE)
		error = read_range(job, params);
	else
		error = time_param(job, params, "time", (int64_t)(clock_wall_ns() / 1000000), false,
				   &job->times.start_ms);
	if (!error)
		error = add_query(job, text ? text : "", "query", false);
	if (!error && job->kind == ASKS_RANGE && !promql_has_steps(job->query[0]))
		error = bad(job,
			    promql_type(job->query[0]) == PROMQL_STRING ? "string" : "range vector",
			    "invalid parameter \"query\": invalid expression type \"%s\" for range "
			    "query, "
			    "must be Scalar or instant Vector%s",
			    "");
	return error;
}

static int read_matches(struct prom_job *job, const struct params *params)
{
	int64_t now_ms = (int64_t)(clock_wall_ns() / 1000000);
	int error = time_param(job, params, "start", 0, false, &job->from_ms);
	const char *text;

	if (!error)
		error = time_param(job, params, "end", now_ms, false, &job->to_ms);
	for (unsigned i = 0; !error && (text = param(params, "match[]", i)); i++)
		error = add_query(job, text, "match[]", true);
	if (!error && !job->queries && job->kind == ASKS_SERIES)
		error = bad(job, "match[]", "no %s parameter provided%s", "");
	if (!error && !job->queries) /* all there are */
		error = add_query(job, "{__name__=~\".+\"}", "match[]", true);
	return error;
}

/* ---- in the history's thread ---- */

static void write_label_set(void *ctx, const struct store_points *series)
{
	struct prom_job *job = ctx;
	struct store_label label;
	char name[1024];

	json_object(&job->json);
	for (size_t i = 0; store_points_label(series, i, &label); i++) {
		label.name = span_first(label.name, sizeof(name) - 1);
		memcpy(name, label.name.at, label.name.len);
		name[label.name.len] = 0;
		json_key(&job->json, name);
		json_span(&job->json, label.value);
	}
	json_object_end(&job->json);
}

/* Names, or values of one label: each once. */
struct collected {
	const struct prom_job *job;
	struct map seen; /* hash -> u8 */
	struct arena arena;
	struct span *text; /* owned */
	size_t count, room;
	bool full;
};

static void collect_one(struct collected *collected, struct span text)
{
	uint64_t hash = hash_bytes(text.at, text.len, hash_seed());
	bool is_new = false;
	const char *copy;

	if (!text.len || !map_put(&collected->seen, &hash, &is_new))
		collected->full |= text.len != 0;
	if (!is_new)
		return;
	if (collected->count == collected->room) {
		size_t room = collected->room ? collected->room * 2 : 64;
		struct span *more = realloc(collected->text, room * sizeof(*more));

		if (!more) {
			collected->full = true;
			return;
		}
		collected->text = more;
		collected->room = room;
	}
	copy = arena_str(&collected->arena, text);
	if (!copy)
		collected->full = true;
	else
		collected->text[collected->count++] =
			(struct span){(const uint8_t *)copy, text.len};
}

static void collect_labels(void *ctx, const struct store_points *series)
{
	struct collected *collected = ctx;
	struct store_label label;

	for (size_t i = 0; store_points_label(series, i, &label); i++)
		if (collected->job->kind == ASKS_LABELS)
			collect_one(collected, label.name);
		else if (span_same(label.name, collected->job->name))
			collect_one(collected, label.value);
}

static int by_text(const void *a, const void *b)
{
	const struct span *left = a, *right = b;
	size_t len = left->len < right->len ? left->len : right->len;
	int order = len ? memcmp(left->at, right->at, len) : 0;

	return order ? order : (left->len > right->len) - (left->len < right->len);
}

static int list_names(struct prom_job *job, const struct promql_source *source)
{
	struct collected collected = {.job = job};
	int error;

	map_init(&collected.seen, sizeof(uint64_t), 1, NAMES_MAX);
	arena_init(&collected.arena, NAMES_ARENA);
	error = promql_series(job->selector, job->queries, source, job->from_ms, job->to_ms,
			      collect_labels, &collected, &job->why);
	if (!error && collected.full)
		error = err_set(&job->why, -E2BIG, "there are more than %d different ones",
				NAMES_MAX);
	if (collected.count)
		qsort(collected.text, collected.count, sizeof(*collected.text), by_text);
	for (size_t i = 0; i < collected.count && !error; i++)
		json_span(&job->json, collected.text[i]);
	free(collected.text);
	map_done(&collected.seen);
	arena_done(&collected.arena);
	return error;
}

static int run_query(struct prom_job *job, const struct promql_source *source)
{
	struct promql_result result;
	int error = promql_run(job->query[0], source, &job->times, &result, &job->why);

	if (!error) {
		promql_write(&result, &job->json);
		if (result.is_partial) {
			json_key(&job->json, "warnings");
			json_array(&job->json);
			json_str(&job->json, result.why_partial);
			json_array_end(&job->json);
		}
	}
	promql_result_done(&result);
	return error;
}

static void ask_store(struct question *question, struct store *store)
{
	struct prom_job *job = (struct prom_job *)question;
	struct promql_source source =
		promql_of_store(store, clock_monotonic_ns() + BUDGET_S * 1000000000ull);

	json_object(&job->json);
	json_key_str(&job->json, "status", "success");
	json_key(&job->json, "data");
	if (job->kind == ASKS_INSTANT || job->kind == ASKS_RANGE) {
		job->error = run_query(job, &source);
	} else {
		json_array(&job->json);
		job->error =
			job->kind == ASKS_SERIES
				? promql_series(job->selector, job->queries, &source, job->from_ms,
						job->to_ms, write_label_set, job, &job->why)
				: list_names(job, &source);
		json_array_end(&job->json);
	}
	json_object_end(&job->json);
	if (!job->error && job->body.full)
		job->error = err_set(&job->why, -E2BIG, "the answer is larger than %d MiB",
				     ANSWER_BYTES >> 20);
}

/* ---- in the loop ---- */

static void give_answer(struct question *question)
{
	struct prom_job *job = (struct prom_job *)question;
	struct request request;

	if (!job->error && question->why.code) {
		job->error = question->why.code;
		job->why = question->why;
	}
	if (parked_resume(job->parked, &request)) {
		if (job->error)
			answer_prom_why(&request, job);
		else
			answer_json(&request, 200, &job->body);
	}
	job_free(job);
}

static struct prom_job *job_new(enum kind kind)
{
	struct prom_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->kind = kind;
	job->question.work = ask_store;
	job->question.done = give_answer;
	arena_init(&job->arena, JOB_ARENA);
	buf_init(&job->body, ANSWER_BYTES);
	job->json.out = &job->body;
	return job;
}

/* False when it was answered with what is wrong. */
static bool read_params(struct request *request, struct params *params, struct query *form)
{
	const char *wrong = NULL;

	*form = (struct query){};
	if (request->body.len)
		wrong = query_parse(request->body, &request->arena, form);
	*params = (struct params){{form, &request->query}};
	if (wrong)
		answer_prom_error(request, 400, "bad_data", wrong);
	return !wrong;
}

static void park_job(struct request *request, struct prom_job *job)
{
	struct request again;
	int error;

	job->parked = request_park(request);
	if (!job->parked) {
		job->error = err_set(&job->why, -ENOSPC, "no memory for the question");
		answer_prom_why(request, job);
		job_free(job);
		return;
	}
	/* once it is asked, the job is the reader's until it is done */
	error = history_ask(request->serve->api->history, &job->question, &job->why);
	if (!error)
		return;
	job->error = error;
	if (parked_resume(job->parked, &again))
		answer_prom_why(&again, job);
	job_free(job);
}

static void ask(struct request *request, enum kind kind)
{
	struct params params;
	struct query form;
	struct prom_job *job;
	int error;

	if (!request->serve->api->history) {
		answer_prom_error(
			request, 501, "unavailable",
			"this agent keeps no history (store.on, store.size; see `sonde status`)");
		return;
	}
	if (!read_params(request, &params, &form))
		return;
	job = job_new(kind);
	if (!job) {
		answer_prom_error(request, 503, "unavailable", "no memory for the question");
		return;
	}
	error = kind <= ASKS_RANGE ? read_query(job, &params) : read_matches(job, &params);
	if (kind == ASKS_VALUES && !error) {
		const char *copy = arena_str(&job->arena, span_of(request->word[0]));

		job->name = span_of(copy);
	}
	if (error) {
		answer_prom_why(request, job);
		job_free(job);
		return;
	}
	park_job(request, job);
}

void handle_prom_query(struct request *request)
{
	ask(request, ASKS_INSTANT);
}

void handle_prom_range(struct request *request)
{
	ask(request, ASKS_RANGE);
}

void handle_prom_series(struct request *request)
{
	ask(request, ASKS_SERIES);
}

void handle_prom_labels(struct request *request)
{
	ask(request, ASKS_LABELS);
}

void handle_prom_values(struct request *request)
{
	ask(request, ASKS_VALUES);
}

/* ---- what needs no history ---- */

struct metadata {
	struct json *json;
	const char *only; /* NULL = all */
	uint64_t left;
	const struct metric *last;
};

static void write_metadata(void *ctx, const struct metric *metric)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
					    [METRIC_GAUGE] = "gauge",
					    [METRIC_HISTOGRAM] = "histogram"};
	struct metadata *metadata = ctx;

	if (!metadata->left || (metadata->only && strcmp(metadata->only, metric->name) != 0))
		return;
	metadata->left--;
	json_key(metadata->json, metric->name);
	json_array(metadata->json);
	json_object(metadata->json);
	json_key_str(metadata->json, "type", types[metric->type]);
	json_key_str(metadata->json, "help", metric->help ? metric->help : "");
	json_key_str(metadata->json, "unit", "");
	json_object_end(metadata->json);
	json_array_end(metadata->json);
}

void handle_prom_metadata(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	const char *limit = request_text(request, "limit");
	struct buf body;
	struct json json = {.out = &body};
	struct metadata metadata = {
		.json = &json,
		.only = request_text(request, "metric"),
		.left = limit && strtol(limit, NULL, 10) >= 0 ? strtoull(limit, NULL, 10)
							      : UINT64_MAX,
	};

	buf_init(&body, ANSWER_BYTES);
	json_object(&json);
	json_key_str(&json, "status", "success");
	json_key(&json, "data");
	json_object(&json);
	if (api->metrics_each)
		api->metrics_each(api->ctx, write_metadata, &metadata);
	json_object_end(&json);
	json_object_end(&json);
	answer_json(request, 200, &body);
}

/* Clients ask which version of Prometheus' API this is. */
void handle_prom_buildinfo(struct request *request)
{
	char revision[64];
	struct buf body;
	struct json json = {.out = &body};

	snprintf(revision, sizeof(revision), "sonde %s", request->serve->options.version);
	buf_init(&body, 1024);
	json_object(&json);
	json_key_str(&json, "status", "success");
	json_key(&json, "data");
	json_object(&json);
	json_key_str(&json, "version", "2.42.0");
	json_key_str(&json, "revision", revision);
	json_key_str(&json, "branch", "");
	json_key_str(&json, "buildUser", "");
	json_key_str(&json, "buildDate", "");
	json_key_str(&json, "goVersion", "");
	json_object_end(&json);
	json_object_end(&json);
	answer_json(request, 200, &body);
}

void handle_prom_other(struct request *request)
{
	answer_prom_error(request, 404, "not_found",
			  "of Prometheus' API there are query, query_range, series, labels, "
			  "label/NAME/values, "
			  "metadata, rules, alerts, alertmanagers and status/buildinfo");
}
