// SPDX-License-Identifier: GPL-2.0-only
/* The API as its clients see it: every path, rights, parameters, and curl and promtool as judges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "serve/route.h"
#include "serve/test_server.h"

/* "/v1/items/{name}" -> "/v1/items/exec" */
static void example_of(const struct route *route, char target[128])
{
	size_t len = 0;

	for (const char *at = route->path; *at; at++) {
		if (*at != '{') {
			target[len++] = *at;
			continue;
		}
		len += (size_t)snprintf(target + len, 128 - len, "%s",
					strstr(at, "verb") == at + 1 ? "ready" : "exec");
		at = strchr(at, '}');
	}
	target[len] = 0;
}

static void assert_says_error(const struct reply *reply)
{
	struct arena arena;
	const struct json_node *root = reply_json(reply, &arena);

	assert_true(reply_has(reply, "Content-Type: application/json\r\n"));
	assert_non_null(json_get_text(root, "error"));
	assert_non_null(json_get_text(root, "hint"));
	assert_true(json_get_text(root, "error")[0] && json_get_text(root, "hint")[0]);
	arena_done(&arena);
}

static void every_path_that_is_read_answers_as_described(void **state)
{
	struct server server;

	server_start(&server, NULL);
	tell(&server, "ready", "1");
	for (const struct route *route = routes; route->path; route++) {
		char target[128];
		struct reply reply;
		struct arena arena;

		if (route->method != HTTP_GET || route->handle == handle_stream)
			continue;
		example_of(route, target);
		ask(&server, server.port, "GET", target, NULL, NULL, &reply);
		if (reply.status >= 400) {
			/* the fake agent knows no features, caps and config, keeps no history, and breaks
			 * self; what is not of Prometheus' API is not there */
			if (reply.status != route->status)
				assert_in_range(reply.status, 500, 501);
			assert_says_error(&reply);
		} else {
			char type[64];

			assert_int_equal(reply.status, route->status);
			snprintf(type, sizeof(type), "Content-Type: %.*s",
				 (int)strcspn(route->answer_type, "|"), route->answer_type);
			assert_true(reply_has(&reply, type));
			if (!strcmp(route->answer_type, "application/json")) {
				reply_json(&reply, &arena);
				arena_done(&arena);
			}
		}
		assert_true(reply_has(&reply, "X-Content-Type-Options: nosniff"));
		assert_true(reply_has(&reply, "Content-Security-Policy: default-src 'none'"));
		reply_done(&reply);
	}
	server_stop(&server);
}

static void readiness_follows_the_agent(void **state)
{
	struct server server;
	struct reply reply;

	server_start(&server, NULL);
	ask_ok(&server, "GET", "/healthz", NULL, 200, &reply);
	assert_string_equal(reply.body.at, "ok\n");
	reply_done(&reply);
	ask_ok(&server, "GET", "/readyz", NULL, 503, &reply);
	assert_non_null(strstr(reply.body.at, "no event has come yet"));
	assert_true(reply_has(&reply, "Retry-After: 1\r\n"));
	reply_done(&reply);
	tell(&server, "ready", "1");
	ask_ok(&server, "GET", "/readyz", NULL, 200, &reply);
	reply_done(&reply);
	server_stop(&server);
}

static const struct {
	const char *method, *target, *fields, *body;
	int status;
	const char *says;
} mistakes[] = {
	{"GET", "/nothing", NULL, NULL, 404, "GET /v1/openapi.json lists all paths"},
	{"GET", "/v1/status/", NULL, NULL, 404, ""},
	{"GET", "//", NULL, NULL, 404, ""},
	{"GET", "/../etc/passwd", NULL, NULL, 404, ""},
	{"OPTIONS", "/nothing", NULL, NULL, 404, ""},
	{"GET", "/v1/items/nope", NULL, NULL, 404, "there is no item 'nope'"},
	{"GET", "/v1/records/nope", NULL, NULL, 404, "there is no item 'nope'"},
	{"GET", "/v1/items/a%22%3Cb", NULL, NULL, 404, "there is no item 'a\\\"<b'"},
	{"DELETE", "/v1/status", NULL, NULL, 405, "see the field Allow"},
	{"POST", "/metrics", NULL, "x", 405, "see the field Allow"},
	{"GET", "/v1/records/exec?fitler=x", NULL, NULL, 400, "did you mean 'filter'?"},
	{"GET", "/v1/records/exec?limit=0", NULL, NULL, 400,
	 "'limit' wants a whole number from 1 to 10000"},
	{"GET", "/v1/records/exec?limit=1&limit=2", NULL, NULL, 400, "twice"},
	{"GET", "/v1/records/exec?from=yesterday", NULL, NULL, 400, "'from' wants a time"},
	{"GET", "/v1/records/exec?order=up", NULL, NULL, 400, "one of asc|desc"},
	{"GET", "/v1/records/exec?cursor=x", NULL, NULL, 400, "the cursor is not one of ours"},
	{"GET", "/v1/records/exec?filter=pid+%3D+%3D", NULL, NULL, 400, "column"},
	{"GET", "/v1/records/exec?filter=pdi+%3D+1", NULL, NULL, 400, "pid"},
	{"GET", "/v1/records/runqlat?by=pod", NULL, NULL, 501, "this item knows no pods"},
	{"GET", "/v1/status?x=%zz", NULL, NULL, 400, "not followed by two hexadecimal digits"},
	{"GET", "/v1/status?x=%00", NULL, NULL, 400, "control bytes"},
	{"GET", "/v1/items/%c3", NULL, NULL, 400, "not UTF-8"},
	{"GET", "/v1/stream", NULL, NULL, 400, "'item' wants"},
	{"GET", "/v1/stream?item=,", NULL, NULL, 400, "names no item"},
	{"GET", "/v1/stream?item=exec,nope", NULL, NULL, 404, "there is no item 'nope'"},
	{"GET", "/v1/stream?item=quiet", NULL, NULL, 409, "add &on=1"},
	{"GET", "/v1/stream?item=exec&interval=10", NULL, NULL, 400,
	 "'interval' wants a duration from"},
	{"PATCH", "/v1/items/quiet", NULL, "{\"on\":1}", 400, "'on' (true or false)"},
	{"PATCH", "/v1/items/quiet", NULL, "{}", 400, "'on' (true or false)"},
	{"PATCH", "/v1/items/quiet", NULL, "[]", 400, "not a JSON object"},
	{"PATCH", "/v1/items/quiet", NULL, "{\"on\":tru}", 400, "not JSON: byte 7"},
	{"PATCH", "/v1/items/quiet", NULL, "{\"no\":true}", 400, "not known here: 'no'"},
	{"PATCH", "/v1/items/quiet", NULL, "{\"params\":{\"min_us\":\"x\"}}", 400,
	 "wants a number"},
	{"PATCH", "/v1/items/quiet", "Content-Type: text/html\r\n", "{}", 415, "application/json"},
	{"POST", "/v1/items", NULL, NULL, 400, "no file in the body"},
	{"POST", "/v1/items", NULL, "x", 400, "add ?name="},
	{"POST", "/v1/items?name=..%2Fx", NULL, "x", 400, "a file's name holds more"},
	{"POST", "/v1/items?name=.x", NULL, "x", 400, "a file's name holds more"},
	{"POST", "/v1/items", "Content-Type: multipart/form-data; boundary=B\r\n", "--B\r\n", 400,
	 "no whole multipart"},
	{"PUT", "/v1/items/nope", NULL, NULL, 404, "there is no item 'nope'"},
	{"DELETE", "/v1/items/nope", NULL, NULL, 404, "there is no item 'nope'"},
	{"POST", "/v1/items/exec/dance", NULL, NULL, 404, "has no command 'dance'"},
	{"POST", "/v1/items/exec/publish", NULL, "{\"args\":\"x\"}", 400,
	 "list of at most 32 texts"},
	{"GET", "/v1/self", NULL, NULL, 500, "\"hint\":\"repair the test\""},
	{"GET", "/v1/status", NULL, "x", 413, "without a body"},
	{"GET", "/v1/map", NULL, NULL, 501, "this agent keeps no history"},
	{"GET", "/api/v1/query?query=up", NULL, NULL, 501, "keeps no history"},
	{"POST", "/v1/trace", NULL, "{}", 501, "does not do that yet"},
};

static void every_mistake_is_answered_with_reason_and_hint(void **state)
{
	struct server server;

	server_start(&server, NULL);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		struct reply reply;

		ask(&server, VIA_UNIX, mistakes[i].method, mistakes[i].target, mistakes[i].fields,
		    mistakes[i].body, &reply);
		if (reply.status != mistakes[i].status ||
		    !strstr(buf_text(&reply.body), mistakes[i].says))
			fail_msg("%s %s: %d %s", mistakes[i].method, mistakes[i].target,
				 reply.status, buf_text(&reply.body));
		assert_says_error(&reply);
		if (reply.status == 405)
			assert_true(reply_has(&reply, "Allow: "));
		reply_done(&reply);
	}
	server_stop(&server);
}

static void options_and_head_are_right(void **state)
{
	struct server server;
	struct reply reply;
	char length[64];
	size_t len;

	server_start(&server, NULL);
	ask_ok(&server, "OPTIONS", "/v1/items/exec", NULL, 204, &reply);
	assert_true(reply_has(&reply, "Allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n"));
	assert_false(reply_has(&reply, "Content-Length"));
	reply_done(&reply);
	ask_ok(&server, "OPTIONS", "*", NULL, 204, &reply);
	assert_true(reply_has(&reply, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
	reply_done(&reply);
	ask_ok(&server, "GET", "/v1/openapi.json", NULL, 200, &reply);
	len = reply.body.len;
	reply_done(&reply);
	ask(&server, VIA_UNIX, "HEAD", "/v1/openapi.json", "Connection: close\r\n", NULL, &reply);
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", len);
	assert_int_equal(reply.status, 200);
	assert_true(reply_has(&reply, length));
	reply_done(&reply);
	ask(&server, VIA_UNIX, "HEAD", "/v1/stream?item=exec", NULL, NULL, &reply);
	assert_int_equal(reply.status, 200);
	assert_true(reply_has(&reply, "Content-Type: text/event-stream"));
	reply_done(&reply);
	ask(&server, VIA_UNIX, "HEAD", "/nothing", NULL, NULL, &reply);
	assert_int_equal(reply.status, 404);
	reply_done(&reply);
	server_stop(&server);
}

static const struct {
	bool is_public;
	const char *method, *fields, *body;
	int status;
} rights[] = {
	{false, "GET", NULL, NULL, 200},
	{false, "GET", "Origin: http://evil.example\r\n", NULL, 403},
	{false, "PATCH", NULL, "{\"on\":true}", 401},
	{false, "PATCH", "Origin: http://localhost\r\n", "{\"on\":true}", 401},
	{false, "PATCH", "Authorization: Bearer " TEST_TOKEN "\r\n", "{\"on\":true}", 200},
	{false, "PATCH", "Authorization: Bearer " TEST_TOKEN "x\r\n", "{\"on\":true}", 401},
	{true, "GET", NULL, NULL, 401},
	{true, "GET", "Authorization: Bearer " TEST_TOKEN "\r\n", NULL, 200},
	{true, "GET", "Authorization: Bearer wrong\r\n", NULL, 401},
	{true, "PATCH", "Authorization: Bearer " TEST_TOKEN "\r\n", "{\"on\":false}", 200},
};

static void changes_need_the_socket_or_the_token(void **state)
{
	struct server server;
	struct reply reply;

	server_start(&server, NULL);
	for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
		ask(&server, rights[i].is_public ? server.public_port : server.port,
		    rights[i].method, "/v1/items/quiet", rights[i].fields, rights[i].body, &reply);
		if (reply.status != rights[i].status)
			fail_msg("right %zu: %d %s", i, reply.status, buf_text(&reply.body));
		if (reply.status == 401)
			assert_true(reply_has(&reply, "WWW-Authenticate: Bearer"));
		reply_done(&reply);
	}
	/* even what does not exist says nothing to strangers */
	ask(&server, server.public_port, "GET", "/nothing", NULL, NULL, &reply);
	assert_int_equal(reply.status, 401);
	reply_done(&reply);
	server_stop(&server);
}

/* A name that an attacker lets point to 127.0.0.1. */
static void rebound_names_are_refused(void **state)
{
	struct server server;
	struct reply reply;
	int fd;

	server_start(&server, NULL);
	fd = connect_tcp(server.port);
	send_text(fd, "GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n");
	read_reply(fd, &reply);
	assert_int_equal(reply.status, 403);
	assert_says_error(&reply);
	reply_done(&reply);
	close(fd);
	server_stop(&server);
}

static void items_are_switched_brought_in_and_taken_out(void **state)
{
	static const char form[] = "--B\r\nContent-Disposition: form-data; name=f; "
				   "filename=\"x.yaml\"\r\n\r\nmetrics: {}\r\n"
				   "--B\r\nContent-Disposition: form-data; name=g; "
				   "filename=\"x.bpf.o\"\r\n\r\n\177ELF\r\n--B--";
	struct server server;
	struct reply reply;

	server_start(&server, NULL);
	ask_ok(&server, "PATCH", "/v1/items/quiet", "{\"on\":true,\"params\":{\"min_us\":250}}",
	       200, &reply);
	assert_string_equal(reply.body.at, "{\"name\":\"quiet\"}\n");
	reply_done(&reply);
	assert_int_equal(status_number(&server, "min_us"), 250);
	ask_ok(&server, "POST", "/v1/items?name=new", "\177ELFxyz", 201, &reply);
	reply_done(&reply);
	ask_ok(&server, "POST", "/v1/items?name=new.bt&check=1", "BEGIN {}", 200, &reply);
	reply_done(&reply);
	assert_int_equal(status_number(&server, "added"), 1);
	ask(&server, VIA_UNIX, "POST", "/v1/items",
	    "Content-Type: multipart/form-data; boundary=B\r\n", form, &reply);
	assert_int_equal(reply.status, 201);
	assert_string_equal(reply.body.at, "{\"files\":2}\n");
	reply_done(&reply);
	assert_int_equal(status_number(&server, "last_bytes"), strlen("metrics: {}") + 4);
	ask_ok(&server, "PUT", "/v1/items/exec", "\177ELFnew", 200, &reply);
	reply_done(&reply);
	ask_ok(&server, "GET", "/v1/status", NULL, 200, &reply);
	assert_non_null(strstr(reply.body.at, "\"last_file\":\"exec.bpf.o\""));
	reply_done(&reply);
	ask_ok(&server, "PUT", "/v1/items/exec", NULL, 200, &reply);
	reply_done(&reply);
	ask_ok(&server, "DELETE", "/v1/items/exec", NULL, 204, &reply);
	assert_int_equal(reply.body.len, 0);
	reply_done(&reply);
	assert_int_equal(status_number(&server, "removed"), 1);
	ask_ok(&server, "POST", "/v1/config/reload", NULL, 200, &reply);
	reply_done(&reply);
	assert_int_equal(status_number(&server, "reloads"), 1);
	ask_ok(&server, "POST", "/v1/items/exec/publish", "{\"args\":[\"--json\"]}", 200, &reply);
	assert_true(reply_has(&reply, "Content-Type: application/x-ndjson"));
	reply_done(&reply);
	server_stop(&server);
}

/* ---- the description of itself ---- */

static void check_operation(const struct route *route, const struct json_node *operation)
{
	size_t given = 0, described = 0;

	assert_non_null(json_get_text(operation, "operationId"));
	assert_string_equal(json_get_text(operation, "summary"), route->help);
	for (const char *at = route->path; (at = strchr(at, '{')); at++)
		given++;
	for (const struct param *param = route->params; param && param->name; param++)
		given++;
	for (const struct json_node *param = json_get(operation, "parameters")->child; param;
	     param = param->next) {
		assert_non_null(json_get_text(param, "name"));
		assert_true(!strcmp(json_get_text(param, "in"), "path") ||
			    !strcmp(json_get_text(param, "in"), "query"));
		assert_non_null(json_get_text(json_get(param, "schema"), "type"));
		if (!strcmp(json_get_text(param, "in"), "path"))
			assert_true(json_get(param, "required")->truth);
		described++;
	}
	assert_int_equal(given, described);
	assert_int_equal(json_get(operation, "requestBody") != NULL, route->body != 0);
	assert_non_null(json_get_text(json_get(operation, "responses")->child, "description"));
	assert_non_null(json_get(json_get(operation, "responses"), "default"));
}

static void the_description_names_every_route(void **state)
{
	const struct json_node *root, *paths;
	struct server server;
	struct reply reply;
	struct arena arena;
	size_t operations = 0, known = 0;

	server_start(&server, NULL);
	ask_ok(&server, "GET", "/v1/openapi.json", NULL, 200, &reply);
	root = reply_json(&reply, &arena);
	assert_string_equal(json_get_text(root, "openapi"), "3.1.0");
	assert_non_null(json_get_text(json_get(root, "info"), "title"));
	assert_non_null(json_get(json_get(json_get(root, "components"), "schemas"), "Error"));
	paths = json_get(root, "paths");
	for (const struct route *route = routes; route->path; route++, known++) {
		char method[16] = "";

		for (size_t i = 0; http_method_name(route->method)[i]; i++)
			method[i] = (char)(http_method_name(route->method)[i] | 0x20);
		assert_non_null(json_get(json_get(paths, route->path), method));
		check_operation(route, json_get(json_get(paths, route->path), method));
	}
	for (const struct json_node *path = paths->child; path; path = path->next)
		for (const struct json_node *operation = path->child; operation;
		     operation = operation->next) {
			const char *id = json_get_text(operation, "operationId");

			operations++;
			for (const struct json_node *p = paths->child; p; p = p->next)
				for (const struct json_node *o = p->child; o; o = o->next)
					assert_true(o == operation ||
						    strcmp(json_get_text(o, "operationId"), id));
		}
	assert_int_equal(operations, known);
	arena_done(&arena);
	reply_done(&reply);
	server_stop(&server);
}

/* ---- other people's clients ---- */

static void curl_speaks_with_it(void **state)
{
	struct server server;
	struct buf out;
	char url[128], big[128];
	const char *const over_unix[] = {
		"curl", "-sS", "--fail", "--unix-socket", server.path, "http://x/v1/status", NULL};
	const char *const twice[] = {"curl", "-sS",       "-o", "/dev/null",
				     "-o",   "/dev/null", "-w", "%{num_connects} %{http_code}\\n",
				     url,    url,         NULL};
	const char *const packed[] = {"curl", "-sS", "--compressed", "-w", "\\n%{http_code}",
				      big,    NULL};
	const char *const upload[] = {"curl", "-sS",
				      "-o",   "/dev/null",
				      "-w",   "%{http_code}",
				      "-T",   "/bin/true",
				      "-X",   "POST",
				      "-H",   "Transfer-Encoding: chunked",
				      "-H",   "Authorization: Bearer " TEST_TOKEN,
				      "-H",   "Expect: 100-continue",
				      url,    NULL};
	const char *const form[] = {"curl", "-sS",
				    "-o",   "/dev/null",
				    "-w",   "%{http_code}",
				    "-F",   "f=@/bin/true;filename=true.bpf.o",
				    "-H",   "Authorization: Bearer " TEST_TOKEN,
				    url,    NULL};

	server_start(&server, NULL);
	buf_init(&out, 16 << 20);
	assert_int_equal(run(over_unix, &out), 0);
	assert_memory_equal(buf_text(&out), "{\"version\":\"test\"", 17);
	buf_clear(&out);
	snprintf(url, sizeof(url), "http://localhost:%u/healthz", server.port);
	assert_int_equal(run(twice, &out), 0);
	assert_string_equal(buf_text(&out),
			    "1 200\n0 200\n"); /* the second uses the connection of the first */
	buf_clear(&out);
	tell(&server, "metrics", "20000");
	snprintf(big, sizeof(big), "http://127.0.0.1:%u/metrics", server.port);
	assert_int_equal(run(packed, &out), 0);
	assert_true(out.len > 500000);
	assert_non_null(strstr(out.at, "process-19999"));
	assert_string_equal(out.at + out.len - 4, "\n200");
	buf_clear(&out);
	snprintf(url, sizeof(url), "http://localhost:%u/v1/items?name=true.bpf.o", server.port);
	assert_int_equal(run(upload, &out), 0);
	assert_string_equal(buf_text(&out), "201");
	assert_true(status_number(&server, "last_bytes") > 10000);
	buf_clear(&out);
	snprintf(url, sizeof(url), "http://localhost:%u/v1/items", server.port);
	assert_int_equal(run(form, &out), 0);
	assert_string_equal(buf_text(&out), "201");
	buf_done(&out);
	server_stop(&server);
}

static void metrics_pass_promtool_and_are_negotiated(void **state)
{
	static const char openmetrics[] =
		"Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
	static const char *const check[] = {"sh", "-c",
					    "command -v promtool >/dev/null || exit 77; "
					    "curl -sS --unix-socket \"$SONDE_SOCKET\" "
					    "http://x/metrics | promtool check metrics 2>&1",
					    NULL};
	struct server server;
	struct reply reply;
	struct buf out;
	int code;

	server_start(&server, NULL);
	ask(&server, server.port, "GET", "/metrics", openmetrics, NULL, &reply);
	assert_true(reply_has(
		&reply,
		"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
	assert_string_equal(reply.body.at + reply.body.len - 6, "# EOF\n");
	reply_done(&reply);
	ask(&server, server.port, "GET", "/metrics", "Accept: */*\r\n", NULL, &reply);
	assert_true(reply_has(&reply, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
	assert_null(strstr(reply.body.at, "# EOF"));
	reply_done(&reply);
	ask_ok(&server, "GET", "/metrics?format=openmetrics&collect[]=x", NULL, 200, &reply);
	assert_true(reply_has(&reply, "openmetrics"));
	reply_done(&reply);
	assert_true(metric_value(&server, "sonde_api_requests_total{method=\"GET\",path=\"/"
					  "metrics\",status=\"200\"}") >= 3);
	setenv("SONDE_SOCKET", server.path, 1);
	buf_init(&out, 64 * 1024);
	code = run(check, &out);
	if (code != 77 && code)
		fail_msg("promtool: %s", buf_text(&out));
	buf_done(&out);
	server_stop(&server);
	if (code == 77)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_that_is_read_answers_as_described),
		cmocka_unit_test(readiness_follows_the_agent),
		cmocka_unit_test(every_mistake_is_answered_with_reason_and_hint),
		cmocka_unit_test(options_and_head_are_right),
		cmocka_unit_test(changes_need_the_socket_or_the_token),
		cmocka_unit_test(rebound_names_are_refused),
		cmocka_unit_test(items_are_switched_brought_in_and_taken_out),
		cmocka_unit_test(the_description_names_every_route),
		cmocka_unit_test(curl_speaks_with_it),
		cmocka_unit_test(metrics_pass_promtool_and_are_negotiated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
