// SPDX-License-Identifier: GPL-2.0-only
/* openapi - the description of all routes (OpenAPI 3.1), from the table that dispatches. */
#include <ctype.h>
#include <stdio.h>

#include "serve/route.h"

static void write_type(const struct param *param, struct json *json)
{
	static const char *const types[] = {
		[PARAM_TEXT] = "string", [PARAM_COUNT] = "integer", [PARAM_DURATION] = "string",
		[PARAM_TIME] = "string", [PARAM_CHOICE] = "string", [PARAM_FLAG] = "string",
	};

	json_key(json, "schema");
	json_object(json);
	json_key_str(json, "type", types[param->type]);
	if (param->type == PARAM_COUNT) {
		json_key_u64(json, "minimum", param->least);
		json_key_u64(json, "maximum", param->most);
	}
	if (param->type == PARAM_FLAG || param->type == PARAM_CHOICE) {
		const char *at = param->type == PARAM_FLAG ? "1|0|true|false" : param->choices;

		json_key(json, "enum");
		json_array(json);
		while (*at) {
			size_t len = strcspn(at, "|");

			json_span(json, (struct span){(const uint8_t *)at, len});
			at += len + (at[len] == '|');
		}
		json_array_end(json);
	}
	json_object_end(json);
}

static void write_param(const char *name, size_t len, const char *in, const struct param *param,
			struct json *json)
{
	json_object(json);
	json_key(json, "name");
	json_span(json, (struct span){(const uint8_t *)name, len});
	json_key_str(json, "in", in);
	json_key_bool(json, "required", !param || param->must);
	if (param) {
		json_key_str(json, "description", param->help);
		write_type(param, json);
	} else {
		json_key(json, "schema");
		json_object(json);
		json_key_str(json, "type", "string");
		json_object_end(json);
	}
	json_object_end(json);
}

static void write_params(const struct route *route, struct json *json)
{
	json_key(json, "parameters");
	json_array(json);
	for (const char *at = route->path; (at = strchr(at, '{')); at++)
		write_param(at + 1, strcspn(at + 1, "}"), "path", NULL, json);
	for (const struct param *param = route->params; param && param->name; param++)
		write_param(param->name, strlen(param->name), "query", param, json);
	json_array_end(json);
}

/* "application/json|text/plain" -> the object that OpenAPI calls content */
static void write_content(const char *types, const char *schema, struct json *json)
{
	json_key(json, "content");
	json_object(json);
	while (types && *types) {
		size_t len = strcspn(types, "|");
		char type[64];

		snprintf(type, sizeof(type), "%.*s", (int)len, types);
		json_key(json, type);
		json_object(json);
		if (schema && !strcmp(type, "application/json")) {
			json_key(json, "schema");
			json_object(json);
			json_key_str(json, "$ref", schema);
			json_object_end(json);
		}
		json_object_end(json);
		types += len + (types[len] == '|');
	}
	json_object_end(json);
}

static void write_answers(const struct route *route, struct json *json)
{
	char status[8];

	json_key(json, "responses");
	json_object(json);
	snprintf(status, sizeof(status), "%d", route->status);
	json_key(json, status);
	json_object(json);
	json_key_str(json, "description", route->answer_help);
	if (route->status == 501)
		write_content("application/json", "#/components/schemas/Error", json);
	else if (route->answer_type)
		write_content(route->answer_type, NULL, json);
	json_object_end(json);
	json_key(json, "default");
	json_object(json);
	json_key_str(json, "description", "what went wrong, and what to do");
	write_content("application/json", "#/components/schemas/Error", json);
	json_object_end(json);
	json_object_end(json);
}

/* GET /v1/items/{name} -> get_items_name */
static void write_id(const struct route *route, struct json *json)
{
	char id[96];
	size_t len = 0;

	for (const char *at = http_method_name(route->method); *at; at++)
		id[len++] = (char)tolower((unsigned char)*at);
	for (const char *at = route->path; *at && len + 1 < sizeof(id); at++)
		if (isalnum((unsigned char)*at))
			id[len++] = *at;
		else if (id[len - 1] != '_')
			id[len++] = '_';
	while (len && id[len - 1] == '_')
		len--;
	id[len] = 0;
	json_key_str(json, "operationId", id);
}

static void write_route(const struct route *route, struct json *json)
{
	char method[16] = "";

	for (size_t i = 0; http_method_name(route->method)[i]; i++)
		method[i] = (char)tolower((unsigned char)http_method_name(route->method)[i]);
	json_key(json, method);
	json_object(json);
	write_id(route, json);
	json_key_str(json, "summary", route->help);
	write_params(route, json);
	if (route->body) {
		json_key(json, "requestBody");
		json_object(json);
		json_key_str(json, "description",
			     route->body_help ? route->body_help : "as Prometheus takes it");
		write_content(route->body_types ? route->body_types
						: "application/x-www-form-urlencoded",
			      NULL, json);
		json_object_end(json);
	}
	write_answers(route, json);
	/* an empty requirement = also without: reading over the unix socket and loopback */
	json_key(json, "security");
	json_array(json);
	if (!route->changes) {
		json_object(json);
		json_object_end(json);
	}
	json_object(json);
	json_key(json, "token");
	json_array(json);
	json_array_end(json);
	json_object_end(json);
	json_array_end(json);
	json_object_end(json);
}

static bool is_first_of_path(const struct route *route)
{
	for (const struct route *before = routes; before < route; before++)
		if (!strcmp(before->path, route->path))
			return false;
	return true;
}

static void write_components(struct json *json)
{
	static const char components[] =
		"{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\","
		"\"description\":"
		"\"content of token_file; not needed over the unix socket\"}},"
		"\"schemas\":{\"Error\":{\"type\":\"object\",\"required\":[\"error\",\"hint\"],"
		"\"properties\":{"
		"\"error\":{\"type\":\"string\",\"description\":\"one sentence\"},"
		"\"hint\":{\"type\":\"string\",\"description\":\"what to do\"}}}}}";

	json_key(json, "components");
	json_raw(json, span_of(components));
}

void openapi_write(const char *version, struct json *json)
{
	json_object(json);
	json_key_str(json, "openapi", "3.1.0");
	json_key(json, "info");
	json_object(json);
	json_key_str(json, "title", "sonde");
	json_key_str(json, "version", version);
	json_key_str(json, "description",
		     "What a machine, its containers and its services are doing.");
	json_object_end(json);
	json_key(json, "paths");
	json_object(json);
	for (const struct route *route = routes; route->path; route++) {
		if (!is_first_of_path(route))
			continue;
		json_key(json, route->path);
		json_object(json);
		for (const struct route *same = route; same->path; same++)
			if (!strcmp(same->path, route->path))
				write_route(same, json);
		json_object_end(json);
	}
	json_object_end(json);
	write_components(json);
	json_object_end(json);
}
