// SPDX-License-Identifier: GPL-2.0-only
/*
 * route - which function answers which path.
 *
 * In two steps: route_head when the head is there (is there such a path, may it be asked this way, who asks?), before any
 * body is read; route_request when the request is whole. The functions behind get parameters that are
 * checked: what the table does not name, or what has the wrong type, never reaches them.
 */
#include "serve/route.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/suggest.h"
#include "base/units.h"

static struct span word_at(struct span *path)
{
	const uint8_t *at;
	struct span word;

	*path = span_from(*path, 1); /* the '/' */
	at = path->len ? memchr(path->at, '/', path->len) : NULL;
	word = span_first(*path, at ? (size_t)(at - path->at) : path->len);
	*path = span_from(*path, word.len);
	return word;
}

/* Word by word; ret_word takes what stands for {..}, up to two. */
static bool path_fits(struct span path, const char *pattern, struct span ret_word[2])
{
	struct span should = span_of(pattern);
	unsigned count = 0;

	while (path.len && should.len) {
		struct span is = word_at(&path), want = word_at(&should);

		if (want.len && want.at[0] == '{') {
			if (!is.len)
				return false;
			if (count < 2)
				ret_word[count++] = is;
		} else if (!span_same(is, want)) {
			return false;
		}
	}
	return !path.len && !should.len;
}

static const struct route *find_route(struct span path, enum http_method method,
				      struct span ret_word[2])
{
	for (const struct route *route = routes; route->path; route++)
		if ((route->method == method ||
		     (method == HTTP_HEAD && route->method == HTTP_GET)) &&
		    path_fits(path, route->path, ret_word))
			return route;
	return NULL;
}

static bool path_exists(struct span path)
{
	struct span word[2];

	for (const struct route *route = routes; route->path; route++)
		if (path_fits(path, route->path, word))
			return true;
	return false;
}

const char *route_allow(struct span path, char ret_text[160])
{
	bool has[HTTP_METHODS] = {[HTTP_OPTIONS] = true};
	struct span word[2];
	size_t len = 0;

	for (const struct route *route = routes; route->path; route++)
		if (span_is(path, "*") || path_fits(path, route->path, word))
			has[route->method] = true;
	has[HTTP_HEAD] = has[HTTP_GET];
	len += (size_t)snprintf(ret_text, 160, "Allow: ");
	for (unsigned i = 0, first = 1; i < HTTP_METHODS; i++)
		if (has[i]) {
			len += (size_t)snprintf(ret_text + len, 160 - len, "%s%s",
						first ? "" : ", ",
						http_method_name((enum http_method)i));
			first = 0;
		}
	snprintf(ret_text + len, 160 - len, "\r\n");
	return ret_text;
}

static size_t body_limit(const struct serve *serve, const struct route *route)
{
	return route->body == BODY_UPLOAD ? serve->options.upload_bytes : (size_t)route->body;
}

void route_head(struct connection *connection, const char **ret_error, const char **ret_hint,
		int *ret_status)
{
	struct serve *serve = connection->listener->serve;
	const struct http_request *http = &connection->http;
	const struct route *route;
	struct span word[2];

	route = find_route(http->path, http->method, word);
	connection->route = route;
	connection->body_most = route ? body_limit(serve, route) : 0;
	connection->verdict = (struct verdict){};
	if (connection->listener->kind != LISTENER_PUBLIC || !route || !route->is_page)
		connection->verdict = auth_judge(&serve->auth, connection->listener->kind, http,
						 route && route->changes, clock_monotonic_ns());
	if (connection->verdict.status) {
		*ret_status = connection->verdict.status;
		*ret_error = connection->verdict.error;
		*ret_hint = connection->verdict.hint;
	} else if (!route && http->method != HTTP_OPTIONS) {
		*ret_status = path_exists(http->path) ? 405 : 404;
		*ret_error = *ret_status == 405 ? "this path does not take this method"
						: "there is nothing at this path";
		*ret_hint = *ret_status == 405 ? "see the field Allow"
					       : "GET /v1/openapi.json lists all paths";
	} else if (!route && !span_is(http->path, "*") && !path_exists(http->path)) {
		*ret_status = 404;
		*ret_error = "there is nothing at this path";
		*ret_hint = "GET /v1/openapi.json lists all paths";
	}
}

/* ---- parameters ---- */

static const struct param *find_param(const struct route *route, const char *name)
{
	for (const struct param *param = route->params; param && param->name; param++)
		if (!strcmp(param->name, name))
			return param;
	return NULL;
}

static bool is_flag(const char *value, bool *ret_truth)
{
	*ret_truth = !strcmp(value, "1") || !strcmp(value, "true") || !strcmp(value, "");
	return *ret_truth || !strcmp(value, "0") || !strcmp(value, "false");
}

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = choices; len && at; at = strchr(at, '|'), at += at ? 1 : 0)
		if (!strncmp(at, value, len) && (at[len] == '|' || !at[len]))
			return true;
	return false;
}

/* The number that a parameter stands for. False = it stands for none, or for one that is out of bounds. */
static bool param_number(const struct param *param, const char *value, uint64_t *ret_number)
{
	struct quantity quantity = {};
	bool truth = false;

	switch (param->type) {
	case PARAM_TEXT: return true;
	case PARAM_CHOICE: return is_choice(param->choices, value);
	case PARAM_FLAG:
		if (!is_flag(value, &truth))
			return false;
		*ret_number = truth;
		return true;
	case PARAM_TIME: return time_parse(span_of(value), clock_wall_ns(), ret_number);
	case PARAM_COUNT:
	case PARAM_DURATION:
		if (!quantity_parse(span_of(value), &quantity) || !quantity.is_whole ||
		    quantity.is_negative ||
		    quantity.kind != (param->type == PARAM_COUNT ? QUANTITY_PLAIN : QUANTITY_NS))
			return false;
		*ret_number = quantity.whole;
		return quantity.whole >= param->least &&
		       (!param->most || quantity.whole <= param->most);
	}
	return false;
}

static void describe_param(const struct param *param, struct buf *out)
{
	switch (param->type) {
	case PARAM_TEXT: buf_str(out, "a text"); break;
	case PARAM_FLAG: buf_str(out, "1 or 0"); break;
	case PARAM_CHOICE: buf_f(out, "one of %s", param->choices); break;
	case PARAM_TIME: buf_str(out, "a time: RFC 3339, seconds since 1970, or now-5m"); break;
	case PARAM_COUNT:
		buf_f(out, "a whole number from %llu to %llu", (unsigned long long)param->least,
		      (unsigned long long)param->most);
		break;
	case PARAM_DURATION:
		buf_str(out, "a duration from ");
		print_duration(out, (double)param->least);
		buf_str(out, " to ");
		print_duration(out, (double)param->most);
		break;
	}
}

static void refuse_value(struct request *request, const struct param *param)
{
	struct buf error;

	buf_init(&error, 512);
	buf_f(&error, "parameter '%s' wants ", param->name);
	describe_param(param, &error);
	answer_error(request, 400, buf_text(&error), param->help);
	buf_done(&error);
}

static void refuse_name(struct request *request, const char *name)
{
	struct suggestion near = {};
	char error[256], hint[256];

	for (const struct param *param = request->route->params; param && param->name; param++)
		suggest(&near, span_of(name), span_of(param->name));
	snprintf(error, sizeof(error), "there is no parameter '%.100s' here", name);
	if (near.best[0])
		snprintf(hint, sizeof(hint), "did you mean '%s'?", near.best);
	else
		snprintf(hint, sizeof(hint), "GET /v1/openapi.json lists all parameters");
	answer_error(request, 400, error, hint);
}

/* False when the request was answered with what is wrong. */
static bool check_params(struct request *request)
{
	const struct route *route = request->route;

	for (unsigned i = 0; i < request->query.count; i++) {
		const struct param *param = find_param(route, request->query.param[i].name);
		uint64_t number;

		if (!param && route->is_lenient)
			continue;
		if (!param) {
			refuse_name(request, request->query.param[i].name);
			return false;
		}
		if (!param_number(param, request->query.param[i].value, &number)) {
			refuse_value(request, param);
			return false;
		}
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(request->query.param[j].name, param->name)) {
				answer_error(request, 400, "a parameter stands there twice",
					     param->help);
				return false;
			}
	}
	for (const struct param *param = route->params; param && param->name; param++)
		if (param->must && !request_text(request, param->name)) {
			refuse_value(request, param);
			return false;
		}
	return true;
}

const char *request_text(const struct request *request, const char *name)
{
	for (unsigned i = 0; i < request->query.count; i++)
		if (!strcmp(request->query.param[i].name, name))
			return request->query.param[i].value;
	return NULL;
}

uint64_t request_number(const struct request *request, const char *name, uint64_t otherwise)
{
	const struct param *param = find_param(request->route, name);
	const char *text = request_text(request, name);
	uint64_t number = otherwise;

	if (param && text)
		param_number(param, text, &number);
	return number;
}

bool request_flag(const struct request *request, const char *name)
{
	return request_number(request, name, 0);
}

const struct json_node *request_object(struct request *request, bool may_be_empty)
{
	static const struct json_node empty = {.type = JSON_OBJECT};
	const struct json_node *root;
	struct err why = {};

	if (!request->body.len && may_be_empty)
		return &empty;
	if (json_read(request->body, &request->arena, &root, &why)) {
		if (why.code == -ENOMEM)
			answer_error(request, 413,
				     "the body holds more values than this path takes",
				     "send less");
		else
			answer_error(request, 400, why.text,
				     "send a JSON object, such as {\"on\":true}");
		return NULL;
	}
	if (root->type == JSON_OBJECT)
		return root;
	answer_error(request, 400, "the body is not a JSON object",
		     "send a JSON object, such as {\"on\":true}");
	return NULL;
}

bool request_keys_known(struct request *request, const struct json_node *object,
			const char *const *known)
{
	for (const struct json_node *child = object->child; child; child = child->next) {
		const char *const *word = known;
		char error[160];

		while (*word && !span_is(child->key, *word))
			word++;
		if (*word)
			continue;
		snprintf(error, sizeof(error),
			 "the body has a key that is not known here: '%.100s'",
			 (const char *)child->key.at);
		answer_error(request, 400, error, request->route->body_help);
		return false;
	}
	return true;
}

/* ---- the request is whole ---- */

static void answer_options(struct request *request)
{
	char allow[160];

	answer(request, 204, NULL, route_allow(request->http->path, allow), NULL);
}

static bool body_type_fits(const struct request *request)
{
	struct span type = http_field(request->http, "Content-Type");
	const uint8_t *end = type.len ? memchr(type.at, ';', type.len) : NULL;
	char text[128];

	if (!request->body.len || !request->route->body_types)
		return true;
	if (end)
		type = span_first(type, (size_t)(end - type.at));
	while (type.len && type.at[type.len - 1] == ' ')
		type.len--;
	/* curl says this when told nothing else; browsers' forms cannot be told apart by it, the token and Origin can */
	if (!type.len || span_is(type, "application/x-www-form-urlencoded"))
		return true;
	if (type.len >= sizeof(text))
		return false;
	for (size_t i = 0; i < type.len; i++)
		text[i] = (char)(type.at[i] >= 'A' && type.at[i] <= 'Z' ? type.at[i] | 0x20
									: type.at[i]);
	text[type.len] = 0;
	return is_choice(request->route->body_types, text);
}

static void run(struct request *request, const struct span word[2])
{
	const char *wrong = query_parse(request->http->query, &request->arena, &request->query);

	for (unsigned i = 0; i < 2 && !wrong; i++)
		if (word[i].len)
			wrong = path_word(word[i], &request->arena, &request->word[i]);
	if (!wrong && request->word[0] && strlen(request->word[0]) > 256)
		wrong = "a name in the path is longer than 256 bytes";
	if (wrong) {
		answer_error(request, 400, wrong,
			     "encode what is not a letter or digit as %XX, in UTF-8");
		return;
	}
	if (!body_type_fits(request)) {
		answer_error(request, 415, "this path does not take a body of this type",
			     request->route->body_types);
		return;
	}
	if (check_params(request))
		request->route->handle(request);
	/* what was changed must be seen by whoever asks next */
	if (request->route->changes)
		metrics_forget(request->serve, UINT64_MAX);
	if (!request->is_answered)
		answer_error(request, 500, "the agent has no answer",
			     "this is a mistake in sonde; please report it");
}

void route_request(struct connection *connection)
{
	struct request request = {
		.serve = connection->listener->serve,
		.connection = connection,
		.http = &connection->http,
		.body = buf_as_span(&connection->body),
		.may_change = connection->verdict.may_change,
	};
	struct span word[2] = {};

	request.route = find_route(connection->http.path, connection->http.method, word);
	arena_init(&request.arena, REQUEST_ARENA);
	if (request.route)
		run(&request, word);
	else
		answer_options(&request);
	arena_done(&request.arena);
}
