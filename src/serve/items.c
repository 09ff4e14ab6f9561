// SPDX-License-Identifier: GPL-2.0-only
/* items - items over the API: listed, switched, brought in, replaced, taken out. */
#include <errno.h>
#include <stdio.h>

#include "base/json_read.h"
#include "serve/multipart.h"
#include "serve/route.h"

enum { FILES = 4, VERB_ARGS = 32 };

void handle_items(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	struct buf body;
	struct json json = {.out = &body};
	struct err why = {};

	if (!api->items) {
		handle_later(request);
		return;
	}
	buf_init(&body, ANSWER_BYTES);
	json_object(&json);
	json_key(&json, "items");
	if (api->items(api->ctx, &json, &why) < 0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	json_object_end(&json);
	answer_json(request, 200, &body);
}

static void answer_item(struct request *request, int status, const char *name)
{
	const struct agent_api *api = request->serve->api;
	struct buf body;
	struct json json = {.out = &body};
	struct err why = {};

	if (!api->item) {
		handle_later(request);
		return;
	}
	buf_init(&body, ANSWER_BYTES);
	if (api->item(api->ctx, name, &json, &why) < 0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	answer_json(request, status, &body);
}

void handle_item(struct request *request)
{
	answer_item(request, 200, request->word[0]);
}

static bool read_change(struct request *request, struct api_change *change)
{
	static const char *const known[] = {"on", "params", NULL};
	const struct json_node *root = request_object(request, false), *on, *params;

	if (!root || !request_keys_known(request, root, known))
		return false;
	on = json_get(root, "on");
	params = json_get(root, "params");
	if ((on && on->type != JSON_BOOL) || (params && params->type != JSON_OBJECT) ||
	    (!on && !params)) {
		answer_error(request, 400,
			     "the body wants 'on' (true or false), 'params' (an object), or both",
			     request->route->body_help);
		return false;
	}
	for (const struct json_node *param = params ? params->child : NULL; param;
	     param = param->next)
		if (param->type == JSON_OBJECT && !span_is(param->key, "hook")) {
			answer_error(request, 400, "a parameter is one value, not an object",
				     request->route->body_help);
			return false;
		}
	*change = (struct api_change){.has_on = on, .on = on && on->truth, .params = params};
	return true;
}

void handle_item_change(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	struct api_change change;
	struct err why = {};

	if (!api->item_change)
		handle_later(request);
	else if (!read_change(request, &change))
		return;
	else if (api->item_change(api->ctx, request->word[0], &change, &why) < 0)
		answer_why(request, &why);
	else
		answer_item(request, 200, request->word[0]);
}

/* ---- files that come in ---- */

static bool is_file_name(struct span name, size_t most)
{
	if (!name.len || name.len > most || name.at[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];

		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		      c == '_' || c == '-' || c == '.'))
			return false;
	}
	return true;
}

static bool put_file(struct request *request, struct api_file *file, struct span name,
		     struct span bytes)
{
	enum { SUFFIX = 8 };

	if (!is_file_name(name, sizeof(file->name) - SUFFIX)) {
		answer_error(request, 400,
			     "a file's name holds more than letters, digits, '_', '-' and '.'",
			     "name it like runqlat.bpf.o");
		return false;
	}
	memcpy(file->name, name.at, name.len);
	file->name[name.len] = 0;
	file->bytes = bytes;
	/* a bare name: ELF says what it is (its magic number), all else is a script */
	if (!memchr(name.at, '.', name.len))
		snprintf(file->name + name.len, SUFFIX, "%s",
			 span_starts(bytes, "\177ELF") ? ".bpf.o" : ".bt");
	return true;
}

/* Returns how many files, 0 = the request was answered. */
static size_t read_parts(struct request *request, struct multipart *multipart,
			 struct api_file files[FILES])
{
	struct part part;
	size_t count = 0;
	int more;

	while ((more = multipart_next(multipart, &part)) > 0) {
		if (count == FILES) {
			answer_error(request, 413, "more than 4 files",
				     "an item is a .bpf.o, a .bt, or a .yaml beside its .bpf.o");
			return 0;
		}
		if (!put_file(request, &files[count], part.name, part.bytes))
			return 0;
		count++;
	}
	if (more < 0 || !count) {
		answer_error(request, 400, "the body is no whole multipart/form-data",
			     "see RFC 7578, or send the bare file");
		return 0;
	}
	return count;
}

static size_t read_files(struct request *request, const char *usual_name,
			 struct api_file files[FILES])
{
	struct span type = http_field(request->http, "Content-Type");
	const char *name = request_text(request, "name");
	struct multipart multipart;

	if (multipart_begin(&multipart, type, request->body))
		return read_parts(request, &multipart, files);
	if (!name)
		name = usual_name;
	if (!request->body.len) {
		answer_error(request, 400, "there is no file in the body",
			     request->route->body_help);
		return 0;
	}
	if (!name) {
		answer_error(request, 400, "the file has no name", "add ?name=runqlat.bpf.o");
		return 0;
	}
	return put_file(request, &files[0], span_of(name), request->body);
}

void handle_item_add(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	bool check = request_flag(request, "check");
	struct api_file files[FILES];
	struct buf body;
	struct json json = {.out = &body};
	struct err why = {};
	size_t count;

	if (!api->item_add) {
		handle_later(request);
		return;
	}
	count = read_files(request, NULL, files);
	if (!count)
		return;
	buf_init(&body, ANSWER_BYTES);
	if (api->item_add(api->ctx, files, count, check, &json, &why) < 0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	answer_json(request, check ? 200 : 201, &body);
}

void handle_item_upgrade(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	struct api_file files[FILES];
	struct err why = {};
	size_t count = 0;

	if (!api->item_upgrade) {
		handle_later(request);
		return;
	}
	if (request->body.len) {
		count = read_files(request, request->word[0], files);
		if (!count)
			return;
	}
	if (api->item_upgrade(api->ctx, request->word[0], files, count, &why) < 0)
		answer_why(request, &why);
	else
		answer_item(request, 200, request->word[0]);
}

void handle_item_remove(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	struct err why = {};

	if (!api->item_remove)
		handle_later(request);
	else if (api->item_remove(api->ctx, request->word[0], &why) < 0)
		answer_why(request, &why);
	else
		answer(request, 204, NULL, NULL, NULL);
}

/* Returns how many, or -1: answered. argv[0] is the verb, as in a command line. */
static int read_args(struct request *request, char *argv[VERB_ARGS + 2])
{
	static const char *const known[] = {"args", NULL};
	const struct json_node *root = request_object(request, true), *args;
	int argc = 1;

	if (!root || !request_keys_known(request, root, known))
		return -1;
	args = json_get(root, "args");
	if (args && args->type != JSON_ARRAY) {
		answer_error(request, 400, "'args' is a list of at most 32 texts",
			     request->route->body_help);
		return -1;
	}
	argv[0] = (char *)request->word[1];
	for (const struct json_node *arg = args ? args->child : NULL; arg; arg = arg->next) {
		if (arg->type != JSON_TEXT || argc > VERB_ARGS) {
			answer_error(request, 400, "'args' is a list of at most 32 texts",
				     request->route->body_help);
			return -1;
		}
		argv[argc++] = (char *)arg->text.at;
	}
	argv[argc] = NULL;
	return argc;
}

void handle_item_verb(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	char *argv[VERB_ARGS + 2];
	bool as_json = false;
	struct err why = {};
	struct buf body;
	int argc;

	if (!api->item_verb) {
		handle_later(request);
		return;
	}
	argc = read_args(request, argv);
	if (argc < 0)
		return;
	for (int i = 1; i < argc; i++)
		as_json |= !strcmp(argv[i], "--json");
	buf_init(&body, ANSWER_BYTES);
	if (api->item_verb(api->ctx, request->word[0], request->word[1], argc, argv, &body, &why) <
	    0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	answer(request, 200, as_json ? "application/x-ndjson" : "text/plain; charset=utf-8", NULL,
	       &body);
}
