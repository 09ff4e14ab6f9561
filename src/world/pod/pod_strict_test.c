// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watcher against a server that keeps Kubernetes' rules (kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of
 * changes"): every change has a version; a watch begins behind the version it names and gets each later change once; versions older than what
 * the server still has are 410 Gone, as a status or as an event; bookmarks carry a version and nothing else; a version
 * that the server never gave, or a parameter that it does not know, is the client's fault. Pods come, change and go at random, watches
 * end in the middle of a line, and the server is away now and then. When all has calmed down, the same pods are known on both sides.
 */
#include "world/pod/pod_watch.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"

enum { PODS = 26, CHANGES = 1500, KEPT = 60, SECOND_US = 2000 };

struct change {
	char pod; /* 'a' + i */
	bool gone;
};

/* What both sides look at. */
struct shared {
	uint32_t lists, watches, gone_answers, faults;
	bool calm; /* nothing changes any more */
	bool lives[PODS];
	char fault[200];
};

static struct shared *shared;
static struct change change[CHANGES + 1]; /* of each version from 1 */
static int version; /* the last one */
static unsigned seed;

static void find_fault(const char *what, const char *request)
{
	shared->faults++;
	snprintf(shared->fault, sizeof(shared->fault), "%s: %.120s", what, request);
}

static void change_something(void)
{
	int i = (int)(random() % PODS);

	if (version == CHANGES)
		return;
	change[++version] = (struct change){(char)('a' + i), shared->lives[i] && random() % 3 == 0};
	shared->lives[i] = !change[version].gone;
}

static void say(int fd, const char *format, ...)
{
	char text[8192];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (write(fd, text, (size_t)len) != len)
		return; /* the client has gone */
}

static void answer_list(int fd)
{
	const char *comma = "";

	shared->lists++;
	say(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"%d\"},"
		"\"items\":[", version + 1000);
	for (int i = 0; i < PODS; i++)
		if (shared->lives[i]) {
			say(fd, "%s{\"metadata\":{\"name\":\"%c\",\"uid\":\"%c\",\"resourceVersion\":\"%d\"}}", comma, 'a' + i, 'a' + i,
			    version + 1000);
			comma = ",";
		}
	say(fd, "]}");
}

static void say_event(int fd, int number)
{
	say(fd, "{\"type\":\"%s\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"%c\",\"uid\":\"%c\",\"resourceVersion\":\"%d\"}}}\n",
	    change[number].gone ? "DELETED" : "MODIFIED", change[number].pod, change[number].pod, number + 1000);
}

static void answer_watch(int fd, int from)
{
	bool as_event = random() % 2;

	shared->watches++;
	if (from < version - KEPT && !as_event) {
		shared->gone_answers++;
		say(fd, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	say(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
	if (from < version - KEPT) {
		shared->gone_answers++;
		say(fd, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n");
		return;
	}
	for (int sent = 0; version < CHANGES || from < version; sent++) {
		if (from == version)
			change_something();
		if (sent > 20 && random() % 40 == 0) { /* in the middle of a line */
			say(fd, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"z");
			return;
		}
		if (random() % 10 == 0)
			say(fd, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"%d\"}}}\n", from + 1000);
		say_event(fd, ++from);
		if (sent > 20 && random() % 60 == 0)
			return; /* the server's patience */
	}
	shared->calm = true;
	pause();
}

static void answer(int fd)
{
	char request[4096] = "", *at;
	ssize_t got = read(fd, request, sizeof(request) - 1);
	int from;

	for (int i = (int)(random() % (KEPT / 2)); i > 0; i--) /* things change while nobody watches */
		change_something();
	if (random() % 12 == 0)
		for (int i = 0; i < KEPT * 2; i++)
			change_something();
	if (got <= 0)
		return;
	if (random() % 15 == 0) {
		say(fd, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	if (strncmp(request, "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 49) != 0) {
		find_fault("not the pods of this node", request);
		return;
	}
	at = strstr(request, "&watch=1");
	if (!at && request[49] == ' ') {
		answer_list(fd);
		return;
	}
	at = at ? strstr(at, "&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion=") : NULL;
	if (!at || sscanf(strrchr(at, '=') + 1, "%d HTTP/1.1", &from) != 1)
		find_fault("neither a list nor a watch from a version", request);
	else if (from < 1000 || from > version + 1000)
		find_fault("a version that was never given", request);
	else
		answer_watch(fd, from - 1000);
}

static pid_t start_server(uint16_t *ret_port)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(here);
	pid_t child;

	assert_int_equal(bind(listener, (void *)&here, sizeof(here)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (void *)&here, &len), 0);
	*ret_port = ntohs(here.sin_port);
	child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_IGN);
		srandom(seed);
		for (;;) {
			int fd = accept(listener, NULL, NULL);

			answer(fd);
			close(fd);
		}
	}
	close(listener);
	return child;
}

static bool agrees(const struct pods *pods)
{
	for (int i = 0; i < PODS; i++) {
		const struct pod *pod = pods_find(pods, (char[]){(char)('a' + i), 0});

		if ((pod && !pod->gone_ns) != shared->lives[i])
			return false;
	}
	return true;
}

static void both_sides_know_the_same_pods_in_the_end(void **state)
{
	uint64_t deadline_ns = clock_monotonic_ns() + 60000000000;
	struct event_base *loop = event_base_new();
	struct pod_watch_counts counts;
	struct pod_watch *watch;
	struct err why = {};
	struct pods pods;
	char api[64];
	uint16_t port;
	pid_t server;
	struct pod_watch_options options = {
		.loop = loop, .api = api, .node = "n1", .token_file = "/nonexistent", .pods = &pods, .second_us = SECOND_US};

	pods_init(&pods, 100, UINT64_MAX / 2);
	server = start_server(&port);
	snprintf(api, sizeof(api), "http://127.0.0.1:%u", port);
	if (pod_watch_new(&options, &watch, &why))
		fail_msg("%s", why.text);
	while (!shared->calm || !agrees(&pods)) {
		if (clock_monotonic_ns() > deadline_ns || shared->faults)
			break;
		event_base_loop(loop, EVLOOP_ONCE);
	}
	pod_watch_counts(watch, &counts);
	print_message("seed %u: %u lists, %u watches, %u times gone, %llu events, %llu failures\n", seed, shared->lists, shared->watches,
		      shared->gone_answers, (unsigned long long)counts.events, (unsigned long long)counts.failures);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	if (shared->faults)
		fail_msg("%s", shared->fault);
	if (!agrees(&pods))
		fail_msg("not the same pods: %s", pod_watch_state(watch));
	assert_true(shared->calm && shared->watches > 3);
	pod_watch_free(watch);
	pods_done(&pods);
	event_base_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(both_sides_know_the_same_pods_in_the_end)};

	seed = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : (unsigned)time(NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED || cmocka_run_group_tests(tests, NULL, NULL);
}
