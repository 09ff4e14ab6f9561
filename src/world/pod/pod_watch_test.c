// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watcher against a server that answers by a script, plain and over TLS: lists, events, an expired version, refusals,
 * connections that break, wrong certificates.
 */
#include "world/pod/pod_watch.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"

#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define OK_WHOLE   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define POD(name, uid, version)                                                                    \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"uid\":\"" uid                  \
	"\",\"resourceVersion\":\"" version "\"}}"
#define LIST(version, pods)                                                                        \
	"{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" pods "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"

/* One connection: what the request must contain, and what is sent before the connection is closed. */
struct turn {
	const char *wants[3];
	const char *reply;
	bool hold; /* keep it open until we are killed */
};

static char dir[] = "/tmp/sonde-watch-XXXXXX";
static struct event_base *loop;
static struct pods pods;
static char containers[200];
static pid_t server;
static uint16_t port;

static int shell(const char *command)
{
	char line[800];

	snprintf(line, sizeof(line), "(cd %s && %s) >/dev/null 2>&1", dir, command);
	return system(line);
}

static bool read_request(SSL *ssl, int fd, char *out, size_t room)
{
	size_t len = 0;

	while (len + 1 < room) {
		ssize_t got = ssl ? SSL_read(ssl, out + len, (int)(room - len - 1))
				  : read(fd, out + len, room - len - 1);

		if (got <= 0)
			return false;
		len += (size_t)got;
		out[len] = 0;
		if (strstr(out, "\r\n\r\n"))
			return true;
	}
	return false;
}

static void write_all(SSL *ssl, int fd, const char *text)
{
	if (ssl)
		SSL_write(ssl, text, (int)strlen(text));
	else if (write(fd, text, strlen(text)) < 0)
		_exit(1);
}

/* False = this connection came to nothing (the client did not like our certificate): the turn stays. */
static bool answer(int fd, SSL_CTX *tls, const struct turn *turn)
{
	SSL *ssl = tls ? SSL_new(tls) : NULL;
	const char *reply = turn->reply;
	char request[8192];
	bool whole;

	if (ssl)
		SSL_set_fd(ssl, fd);
	if (ssl && SSL_accept(ssl) != 1)
		return false;
	whole = read_request(ssl, fd, request, sizeof(request));
	for (size_t i = 0; whole && i < 3 && turn->wants[i]; i++)
		if (!strstr(request, turn->wants[i])) {
			fprintf(stderr, "'%s' is not in:\n%s\n", turn->wants[i], request);
			reply = "HTTP/1.1 500 Wrong\r\nContent-Length: 0\r\n\r\n";
		}
	if (whole)
		write_all(ssl, fd, reply);
	if (turn->hold)
		pause();
	if (ssl)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	return whole;
}

static SSL_CTX *server_tls(void)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	char cert[64], key[64];

	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	if (SSL_CTX_use_certificate_file(tls, cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		_exit(1);
	return tls;
}

static void start_server(const struct turn *turns, bool is_tls)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(here);

	assert_int_equal(bind(listener, (void *)&here, sizeof(here)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (void *)&here, &len), 0);
	port = ntohs(here.sin_port);
	server = fork();
	if (!server) {
		SSL_CTX *tls = is_tls ? server_tls() : NULL;

		signal(SIGPIPE, SIG_IGN);
		while (turns->reply) {
			int fd = accept(listener, NULL, NULL);

			if (answer(fd, tls, turns))
				turns++;
			close(fd);
		}
		for (;;)
			pause();
	}
	close(listener);
}

static void see_container(void *ctx, struct span id, struct span name, struct span image)
{
	snprintf(containers, sizeof(containers), "%.*s %.*s %.*s", (int)id.len, (const char *)id.at,
		 (int)name.len, (const char *)name.at, (int)image.len, (const char *)image.at);
}

static struct pod_watch *start_watch(const char *scheme, const char *path, const char *ca)
{
	char api[100], token[64], ca_file[64];
	struct pod_watch_options options = {
		.loop = loop,
		.api = api,
		.node = "n1",
		.token_file = token,
		.ca_file = ca_file,
		.pods = &pods,
		.container = see_container,
	};
	struct pod_watch *watch;
	struct err why = {};

	snprintf(api, sizeof(api), "%s://127.0.0.1:%u%s", scheme, port, path);
	snprintf(token, sizeof(token), "%s/token", dir);
	snprintf(ca_file, sizeof(ca_file), "%s/%s", dir, ca);
	if (pod_watch_new(&options, &watch, &why))
		fail_msg("%s", why.text);
	return watch;
}

static bool is_known(const char *uid)
{
	const struct pod *pod = pods_find(&pods, uid);

	return pod && !pod->gone_ns;
}

/* Runs the loop until the pods are as wanted: "+a-b" = a is there, b is not. */
static void run_until(const struct pod_watch *watch, const char *wanted)
{
	uint64_t deadline_ns = clock_monotonic_ns() + 15000000000;

	for (;;) {
		bool all = true;

		for (const char *at = wanted; *at; at += 2)
			all &= is_known((char[]){at[1], 0}) == (*at == '+');
		if (all)
			return;
		if (clock_monotonic_ns() > deadline_ns)
			fail_msg("not %s: %s", wanted, pod_watch_state(watch));
		event_base_loop(loop, EVLOOP_ONCE);
	}
}

static void run_until_state(const struct pod_watch *watch, const char *part)
{
	uint64_t deadline_ns = clock_monotonic_ns() + 15000000000;

	while (!strstr(pod_watch_state(watch), part)) {
		if (clock_monotonic_ns() > deadline_ns)
			fail_msg("'%s' is not in '%s'", part, pod_watch_state(watch));
		event_base_loop(loop, EVLOOP_ONCE);
	}
}

/* The lengths of chunks are put in here: counting them by hand helps nobody. */
static char *chunked(const char *const *pieces)
{
	static char out[8192];
	size_t len = (size_t)snprintf(out, sizeof(out), OK_CHUNKED);

	for (; *pieces; pieces++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%zx\r\n%s\r\n",
					strlen(*pieces), *pieces);
	snprintf(out + len, sizeof(out) - len, "0\r\n\r\n");
	return strdup(out);
}

static int stop(void **state)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		server = 0;
	}
	pods_done(&pods);
	event_base_free(loop);
	return 0;
}

static int begin(void **state)
{
	loop = event_base_new();
	pods_init(&pods, 100, 1000);
	containers[0] = 0;
	return !loop;
}

static void a_list_and_its_events_make_the_pods(void **state)
{
	static const char *const events[] = {
		EVENT("ADDED", POD("c", "c", "101")) "{\"type\":\"DELETED\",\"object\":{\"metad",
		"ata\":{\"name\":\"a\",\"uid\":\"a\",\"resourceVersion\":\"102\"}}}\n{\"type\":"
		"\"BOOKMARK\",",
		"\"object\":{\"metadata\":{\"resourceVersion\":\"120\"}}}\n", NULL};
	static const char *const expired[] = {EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410}"),
					      NULL};
	static const char *const more[] = {EVENT("ADDED", POD("e", "e", "201")), NULL};
	struct turn turns[] = {
		{{"GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1 HTTP/1.1",
		  "Authorization: Bearer secret-token\r\n"},
		 OK_WHOLE LIST("100", POD("a", "a", "90") "," POD("b", "b", "95")),
		 false},
		{{"&watch=1", "&resourceVersion=100", "Bearer secret-token"},
		 chunked(events),
		 false},
		{{"&resourceVersion=120"}, chunked(expired), false},
		{{"GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1 HTTP/1.1"},
		 OK_WHOLE LIST("200", POD("d", "d", "199")),
		 false},
		{{"&resourceVersion=200"}, chunked(more), true},
		{},
	};
	struct pod_watch_counts counts;
	struct pod_watch *watch;

	start_server(turns, false);
	watch = start_watch("http", "", "none");
	run_until(watch, "+a+b");
	run_until(watch, "-a+b+c");
	run_until(watch, "-a-b-c+d"); /* a new list says who is gone */
	run_until(watch, "+d+e");
	assert_non_null(strstr(pod_watch_state(watch), "watching "));
	pod_watch_counts(watch, &counts);
	assert_int_equal(counts.lists, 2);
	assert_int_equal(counts.events, 5);
	assert_int_equal(counts.failures, 0);
	pod_watch_free(watch);
	for (size_t i = 1; i < 5; i += i == 2 ? 2 : 1)
		free((char *)turns[i].reply);
}

static void refusals_are_said_and_tried_again(void **state)
{
	struct turn turns[] = {
		{{"GET "}, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope", false},
		{{"GET "}, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":[", false},
		{{"GET "}, "SSH-2.0-nonsense\r\n", false},
		{{"GET "}, OK_WHOLE LIST("1", POD("a", "a", "1")), false},
		{},
	};
	struct pod_watch_counts counts;
	struct pod_watch *watch;

	start_server(turns, false);
	watch = start_watch("http", "", "none");
	run_until_state(watch, "it answers 403");
	run_until_state(watch, "it closed the connection");
	run_until_state(watch, "it does not speak HTTP");
	run_until(watch, "+a");
	pod_watch_counts(watch, &counts);
	assert_int_equal(counts.failures, 3);
	pod_watch_free(watch);
}

static void a_kubelet_is_asked_again_and_again(void **state)
{
	struct turn turns[] = {
		{{"GET /pods HTTP/1.1"},
		 OK_WHOLE "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"a\",\"uid\":\"a\"}"
			  ",\"status\":{\"containerStatuses\":"
			  "[{\"name\":\"web\",\"image\":\"nginx\",\"containerID\":\"containerd://"
			  "abc\"}]}}]}",
		 false},
		{},
	};
	struct pod_watch *watch;

	start_server(turns, false);
	watch = start_watch("http", "/pods", "none");
	run_until(watch, "+a");
	assert_string_equal(containers, "abc web nginx");
	assert_non_null(strstr(pod_watch_state(watch), "listing 1 pods"));
	pod_watch_free(watch);
}

static void over_tls_the_server_must_prove_who_it_is(void **state)
{
	struct turn turns[] = {
		{{"Bearer secret-token"}, OK_WHOLE LIST("1", POD("a", "a", "1")), false},
		{{"&watch=1"}, OK_CHUNKED, true},
		{},
	};
	struct pod_watch *watch;

	if (shell("openssl version")) {
		print_message("openssl is not here\n");
		skip();
	}
	start_server(turns, true);
	watch = start_watch("https", "", "other.pem"); /* an authority that did not sign it */
	run_until_state(watch, "self-signed certificate");
	assert_false(is_known("a"));
	pod_watch_free(watch);
	watch = start_watch("https", "", "cert.pem");
	run_until(watch, "+a");
	pod_watch_free(watch);
}

static void a_certificate_for_another_address_is_refused(void **state)
{
	struct turn turns[] = {{{"GET "}, OK_WHOLE LIST("1", POD("a", "a", "1")), false}, {}};
	struct pod_watch *watch;

	if (shell("openssl version"))
		skip();
	shell("cp cert.pem right.pem; cp key.pem right-key.pem; cp wrong.pem cert.pem; cp "
	      "wrong-key.pem key.pem");
	start_server(turns, true);
	watch = start_watch("https", "", "cert.pem");
	run_until_state(watch, "IP address mismatch");
	assert_false(is_known("a"));
	pod_watch_free(watch);
	shell("cp right.pem cert.pem; cp right-key.pem key.pem");
}

static const struct {
	const char *api, *why;
} urls[] = {
	{"10.0.0.1:6443", "does not begin with https://"},
	{"https://kubernetes.default.svc", "names are not looked up"},
	{"https://10.0.0.1:0", "no port"},
	{"https://10.0.0.1:70000/", "no port"},
	{"http://[::1:80", "has no ]"},
	{"https://", "names are not looked up"},
	{"https://10.0.0.1", "certificate authority"},
};

static void wrong_addresses_are_errors(void **state)
{
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct pod_watch_options options = {
			.loop = loop, .api = urls[i].api, .pods = &pods, .ca_file = "/nonexistent"};
		struct pod_watch *watch;
		struct err why = {};

		assert_true(pod_watch_new(&options, &watch, &why) < 0);
		if (!strstr(why.text, urls[i].why))
			fail_msg("%s: %s", urls[i].api, why.text);
	}
}

static int make_dir(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir) || shell("printf 'secret-token\\n' > token"))
		return 1;
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
	      "-subj /CN=api "
	      "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem");
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
	      "-subj /CN=other "
	      "-keyout other-key.pem -out other.pem");
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
	      "-subj /CN=wrong "
	      "-addext subjectAltName=IP:10.9.9.9 -keyout wrong-key.pem -out wrong.pem");
	return 0;
}

static int remove_dir(void **state)
{
	return shell("rm -rf \"$PWD\"");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, begin, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(a_list_and_its_events_make_the_pods),
		WITH_SERVER(refusals_are_said_and_tried_again),
		WITH_SERVER(a_kubelet_is_asked_again_and_again),
		WITH_SERVER(over_tls_the_server_must_prove_who_it_is),
		WITH_SERVER(a_certificate_for_another_address_is_refused),
		WITH_SERVER(wrong_addresses_are_errors),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
