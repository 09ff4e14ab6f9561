// SPDX-License-Identifier: GPL-2.0-only
/*
 * notify_test - a receiver that answers well, badly, or not at all: what it is sent, that it is tried again, that queues end and
 * every notice is counted.
 */
#include "alert/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "base/json_read.h"

enum { PATIENCE_S = 60 };

struct scene {
	struct event_base *loop;
	struct evconnlistener *listener;
	struct notifier *notifier;
	char url[64];
	const char *answer; /* NULL: the connection is closed without one */
	struct buf got; /* all requests */
	unsigned requests;
};

static const struct store_label label = {{(const uint8_t *)"alertname", 9},
					 {(const uint8_t *)"A\"<b>", 5}};

static void on_request(struct bufferevent *io, void *ctx)
{
	struct evbuffer *in = bufferevent_get_input(io);
	struct scene *scene = ctx;
	size_t len = evbuffer_get_length(in);
	const char *text = (const char *)evbuffer_pullup(in, -1), *body, *length;

	body = memmem(text, len, "\r\n\r\n", 4);
	length = body ? memmem(text, len, "Content-Length: ", 16) : NULL;
	if (!length || len < (size_t)(body + 4 - text) + strtoul(length + 16, NULL, 10))
		return;
	scene->requests++;
	buf_add(&scene->got, text, len);
	if (!scene->answer) {
		bufferevent_free(io);
		return;
	}
	evbuffer_drain(in, len);
	bufferevent_write(io, scene->answer, strlen(scene->answer));
}

static void on_gone(struct bufferevent *io, short what, void *ctx)
{
	bufferevent_free(io);
}

static void on_client(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int len, void *ctx)
{
	struct scene *scene = ctx;
	struct bufferevent *io = bufferevent_socket_new(scene->loop, fd, BEV_OPT_CLOSE_ON_FREE);

	bufferevent_setcb(io, on_request, NULL, on_gone, scene);
	bufferevent_enable(io, EV_READ | EV_WRITE);
}

static void begin(struct scene *scene, bool is_alertmanager)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const char *urls[] = {scene->url, NULL};
	socklen_t len = sizeof(any);
	struct err why = {};

	*scene = (struct scene){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
	buf_init(&scene->got, 8 << 20);
	scene->loop = event_base_new();
	scene->listener =
		evconnlistener_new_bind(scene->loop, on_client, scene, LEV_OPT_CLOSE_ON_FREE, 16,
					(struct sockaddr *)&any, sizeof(any));
	assert_non_null(scene->listener);
	getsockname(evconnlistener_get_fd(scene->listener), (struct sockaddr *)&any, &len);
	snprintf(scene->url, sizeof(scene->url), "http://u:p@127.0.0.1:%u/x?y=z",
		 ntohs(any.sin_port));
	if (is_alertmanager)
		snprintf(scene->url, sizeof(scene->url), "http://localhost:%u/am/",
			 ntohs(any.sin_port));
	assert_int_equal(notifier_new(scene->loop, "http://here", is_alertmanager ? NULL : urls,
				      is_alertmanager ? urls : NULL, &scene->notifier, &why),
			 0);
}

static void end(struct scene *scene)
{
	notifier_free(scene->notifier);
	evconnlistener_free(scene->listener);
	event_base_loop(scene->loop, EVLOOP_NONBLOCK);
	event_base_free(scene->loop);
	buf_done(&scene->got);
}

static struct notify_flow flow_of(const struct scene *scene)
{
	struct notify_flow flow;

	assert_true(notifier_flow(scene->notifier, 0, &flow));
	assert_int_equal(flow.offered, flow.accepted + flow.refused);
	assert_int_equal(flow.accepted, flow.delivered + flow.queued + flow.expired);
	return flow;
}

static void say(struct scene *scene, uint64_t hash, bool is_over)
{
	const struct notice notice = {
		.label = &label,
		.labels = 1,
		.hash = hash,
		.starts_ns = 1000000000ull,
		.ends_ns = is_over ? 2000000000ull : 0,
		.holds_until_ns = 3000000000ull,
		.is_change = true,
	};

	notify(scene->notifier, &notice);
}

typedef bool (*condition)(const struct scene *scene, uint64_t count);

static bool are_delivered(const struct scene *scene, uint64_t count)
{
	return flow_of(scene).delivered >= count;
}

static bool have_failed(const struct scene *scene, uint64_t count)
{
	return flow_of(scene).failures >= count;
}

static void wait_until(struct scene *scene, condition holds, uint64_t count)
{
	uint64_t until_ns = clock_monotonic_ns() + PATIENCE_S * 1000000000ull;
	const struct timeval step = {.tv_usec = 20000};

	while (!holds(scene, count)) {
		assert_true(clock_monotonic_ns() < until_ns);
		event_base_loopexit(scene->loop, &step);
		event_base_dispatch(scene->loop);
	}
}

/* The body of the first request is JSON. */
static const struct json_node *first_body(const struct scene *scene, struct arena *arena)
{
	const char *body = strstr(buf_text(&scene->got), "\r\n\r\n");
	const struct json_node *root = NULL;

	assert_non_null(body);
	arena_init(arena, 1 << 20);
	assert_int_equal(json_read(span_of(body + 4), arena, &root, NULL), 0);
	return root;
}

static void a_webhook_gets_what_alertmanagers_send(void **state)
{
	const struct json_node *root, *alert;
	struct scene scene;
	struct arena arena;

	begin(&scene, false);
	say(&scene, 7, false);
	say(&scene, 7, true);
	notify_flush(scene.notifier);
	wait_until(&scene, are_delivered, 2);
	assert_int_equal(scene.requests, 1);
	assert_non_null(strstr(buf_text(&scene.got), "POST /x?y=z HTTP/1.1\r\n"));
	assert_non_null(strstr(buf_text(&scene.got), "Authorization: Basic dTpw\r\n"));
	root = first_body(&scene, &arena);
	assert_string_equal(json_get_text(root, "version"), "4");
	assert_string_equal(json_get_text(root, "status"), "firing");
	alert = json_get(root, "alerts")->child;
	assert_string_equal(json_get_text(alert, "status"), "firing");
	assert_string_equal(json_get_text(json_get(alert, "labels"), "alertname"), "A\"<b>");
	assert_string_equal(json_get_text(alert, "startsAt"), "1970-01-01T00:00:01.000Z");
	assert_string_equal(json_get_text(alert, "fingerprint"), "0000000000000007");
	assert_string_equal(json_get_text(alert->next, "status"), "resolved");
	assert_string_equal(json_get_text(alert->next, "endsAt"), "1970-01-01T00:00:02.000Z");
	/* neither password nor query are shown */
	assert_null(strstr(flow_of(&scene).url, "p@"));
	assert_null(strstr(flow_of(&scene).url, "y=z"));
	arena_done(&arena);
	end(&scene);
}

static void an_alertmanager_gets_the_newest_state(void **state)
{
	const struct json_node *root;
	struct scene scene;
	struct arena arena;

	begin(&scene, true);
	say(&scene, 7, false);
	say(&scene, 8, false);
	say(&scene, 7, true);
	notify_flush(scene.notifier);
	wait_until(&scene, are_delivered, 2);
	assert_int_equal(flow_of(&scene).expired, 1); /* the one that another replaced */
	assert_non_null(strstr(buf_text(&scene.got), "POST /am/api/v2/alerts HTTP/1.1\r\n"));
	root = first_body(&scene, &arena);
	assert_int_equal(root->type, JSON_ARRAY);
	assert_string_equal(json_get_text(root->child, "endsAt"), "1970-01-01T00:00:02.000Z");
	assert_string_equal(json_get_text(root->child->next, "endsAt"), "1970-01-01T00:00:03.000Z");
	assert_null(root->child->next->next);
	arena_done(&arena);
	end(&scene);
}

static void what_fails_is_tried_again(void **state)
{
	struct scene scene;

	begin(&scene, false);
	scene.answer = "HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n";
	say(&scene, 1, false);
	notify_flush(scene.notifier);
	wait_until(&scene, have_failed, 1);
	assert_string_equal(flow_of(&scene).trouble, "it answers 503");
	scene.answer = NULL;
	wait_until(&scene, have_failed, 2);
	assert_int_equal(flow_of(&scene).queued, 1);
	scene.answer = "HTTP/1.1 204 No Content\r\n\r\n";
	wait_until(&scene, are_delivered, 1);
	assert_string_equal(flow_of(&scene).trouble, "");
	end(&scene);
}

static void what_is_refused_for_good_is_given_up(void **state)
{
	struct scene scene;

	begin(&scene, false);
	scene.answer = "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n";
	say(&scene, 1, false);
	notify_flush(scene.notifier);
	wait_until(&scene, have_failed, 1);
	assert_int_equal(flow_of(&scene).queued, 0);
	assert_int_equal(flow_of(&scene).expired, 1);
	end(&scene);
}

static void a_queue_has_an_end(void **state)
{
	struct scene scene;

	begin(&scene, false);
	for (uint64_t i = 0; i < NOTIFY_QUEUE + 100; i++)
		say(&scene, i, false);
	assert_int_equal(flow_of(&scene).queued, NOTIFY_QUEUE);
	assert_int_equal(flow_of(&scene).expired, 100);
	notify_flush(scene.notifier);
	wait_until(&scene, are_delivered, NOTIFY_QUEUE);
	assert_int_equal(scene.requests, NOTIFY_QUEUE / NOTIFY_BATCH);
	end(&scene);
}

static void nobody_listens(void **state)
{
	struct scene scene;

	begin(&scene, false);
	evconnlistener_free(scene.listener);
	say(&scene, 1, false);
	notify_flush(scene.notifier);
	wait_until(&scene, have_failed, 1);
	assert_string_equal(flow_of(&scene).trouble, err_name(111));
	scene.listener = NULL;
	notifier_free(scene.notifier);
	event_base_free(scene.loop);
	buf_done(&scene.got);
}

static void wrong_addresses_are_refused(void **state)
{
	static const char *const wrong[] = {"ftp://a",        "http://",     "http://a:0/",
					    "http://a:99999", "http://[::1", "http://a b/",
					    "http://a:1x",    "a:9093"};
	struct post_target target;
	struct err why = {};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_true(post_target_read(wrong[i], "", &target, &why) < 0);
	assert_int_equal(
		post_target_read("https://[::1]:9093/base/", "/api/v2/alerts", &target, &why), 0);
	assert_string_equal(target.host, "::1");
	assert_string_equal(target.path, "/base/api/v2/alerts");
	assert_int_equal(target.port, 9093);
	assert_true(target.is_tls);
	assert_int_equal(post_target_read("http://a", "", &target, &why), 0);
	assert_string_equal(target.path, "/");
	assert_int_equal(target.port, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_webhook_gets_what_alertmanagers_send),
		cmocka_unit_test(an_alertmanager_gets_the_newest_state),
		cmocka_unit_test(what_fails_is_tried_again),
		cmocka_unit_test(what_is_refused_for_good_is_given_up),
		cmocka_unit_test(a_queue_has_an_end),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(wrong_addresses_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
