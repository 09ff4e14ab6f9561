// SPDX-License-Identifier: GPL-2.0-only
/* test_server - a server with a fake agent in a process of its own, and a client. */
#include "serve/test_server.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "serve/fake_agent.h"
#include "serve/text.h"

enum { PATIENCE_MS = 10000 };

static struct event_base *base;

static void stop_loop(void *ctx)
{
	event_base_loopbreak(base);
}

static void on_term(int signal, short what, void *ctx)
{
	serve_drain(ctx, 1000, stop_loop, NULL);
}

/* The server's process: never returns to the test. */
static void serve_until_told(const struct serve_options *options, const int *fds)
{
	struct fake_agent *agent = fake_agent_new();
	struct rlimit files = {16384, 16384};
	struct event *term;
	struct err why = {};

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nothing behind */
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	agent->serve = serve_new(base, &agent->api, options);
	if (!agent->serve || serve_set_token(agent->serve, span_of(TEST_TOKEN "\n"), &why))
		_exit(2);
	for (int i = 0; i < 3; i++)
		if (serve_listen(agent->serve, fds[i], &why)) {
			fprintf(stderr, "%s\n", why.text);
			_exit(3);
		}
	term = evsignal_new(base, SIGTERM, on_term, agent->serve);
	event_add(term, NULL);
	event_base_dispatch(base);
	event_free(term);
	serve_free(agent->serve);
	fake_agent_free(agent);
	event_base_free(base);
	libevent_global_shutdown();
	exit(0);
}

static int bind_tcp(uint32_t address, unsigned *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(listen(fd, 1024), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static struct sockaddr_un unix_address(const struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
	return address;
}

void server_start(struct server *server, const struct serve_options *options)
{
	const struct serve_options usual = {.version = "test", .recent_bytes = 1 << 20};
	struct sockaddr_un address;
	int fds[3];

	*server = (struct server){.folder = "/tmp/sonde_serve_XXXXXX"};
	assert_non_null(mkdtemp(server->folder));
	snprintf(server->path, sizeof(server->path), "%s/s", server->folder);
	address = unix_address(server);
	fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fds[0], 1024), 0);
	fds[1] = bind_tcp(INADDR_LOOPBACK, &server->port);
	fds[2] = bind_tcp(INADDR_ANY, &server->public_port);
	fflush(NULL);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (!server->pid)
		serve_until_told(options ? options : &usual, fds);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

void server_stop(struct server *server)
{
	int status = 0;

	kill(server->pid, SIGTERM);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	unlink(server->path);
	rmdir(server->folder);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("the server ended with status 0x%x", status);
}

unsigned server_fds(const struct server *server)
{
	char path[64];
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", server->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

int connect_tcp(unsigned port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)))
		fail_msg("cannot connect (fd %d): %s", fd, strerror(errno));
	return fd;
}

int connect_unix(const struct server *server)
{
	struct sockaddr_un address = unix_address(server);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The server may close before it has read all: that is no mistake of the test. */
void send_bytes(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		at += sent;
		len -= (size_t)sent;
	}
}

void send_text(int fd, const char *text)
{
	send_bytes(fd, text, strlen(text));
}

/* Bytes read, 0 = the end (or reset), -1 = nothing came in time. */
static ssize_t read_some(int fd, char *at, size_t len, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t got;

	if (poll(&wait, 1, ms) != 1)
		return -1;
	got = recv(fd, at, len, 0);
	return got < 0 ? 0 : got;
}

bool is_closed_within(int fd, int ms)
{
	char byte;

	return read_some(fd, &byte, 1, ms) == 0;
}

static bool read_into(int fd, struct buf *buf, size_t len)
{
	while (len) {
		char piece[65536];
		ssize_t got = read_some(fd, piece, len < sizeof(piece) ? len : sizeof(piece),
					PATIENCE_MS);

		if (got <= 0)
			return false;
		assert_int_equal(buf_add(buf, piece, (size_t)got), 0);
		len -= (size_t)got;
	}
	return true;
}

static bool read_line(int fd, struct buf *buf)
{
	size_t from = buf->len;

	do
		if (!read_into(fd, buf, 1))
			return false;
	while (buf->at[buf->len - 1] != '\n');
	return buf->len - from > 2;
}

static void read_chunked(int fd, struct buf *body)
{
	for (;;) {
		struct buf line;
		size_t len;

		buf_init(&line, 100);
		read_line(fd, &line);
		len = strtoull(buf_text(&line), NULL, 16);
		buf_done(&line);
		if (len)
			assert_true(read_into(fd, body, len));
		buf_init(&line, 100);
		read_line(fd, &line);
		assert_string_equal(buf_text(&line), "\r\n");
		buf_done(&line);
		if (!len)
			return;
	}
}

void read_reply(int fd, struct reply *reply)
{
	const char *length;

	*reply = (struct reply){};
	buf_init(&reply->head, 64 * 1024);
	buf_init(&reply->body, ANSWER_BODY);
	while (read_line(fd, &reply->head))
		;
	if (sscanf(buf_text(&reply->head), "HTTP/1.1 %d ", &reply->status) != 1)
		return;
	length = strstr(reply->head.at, "Content-Length: ");
	if (reply->status == 204 || reply->status == 100)
		return;
	if (reply_has(reply, "Transfer-Encoding: chunked"))
		read_chunked(fd, &reply->body);
	else if (length)
		assert_true(read_into(fd, &reply->body,
				      strtoull(length + strlen("Content-Length: "), NULL, 10)));
	else
		read_into(fd, &reply->body, SIZE_MAX);
}

bool reply_has(const struct reply *reply, const char *text)
{
	return strstr(buf_text(&reply->head), text);
}

void reply_done(struct reply *reply)
{
	buf_done(&reply->head);
	buf_done(&reply->body);
}

void ask(const struct server *server, unsigned port, const char *method, const char *target,
	 const char *fields, const char *body, struct reply *reply)
{
	int fd = port ? connect_tcp(port) : connect_unix(server);
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_f(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target,
	      fields ? fields : "");
	if (body)
		buf_f(&text, "Content-Length: %zu\r\n", strlen(body));
	buf_f(&text, "\r\n%s", body ? body : "");
	send_text(fd, buf_text(&text));
	buf_done(&text);
	if (strcmp(method, "HEAD")) {
		read_reply(fd, reply);
	} else {
		*reply = (struct reply){};
		buf_init(&reply->head, 64 * 1024);
		buf_init(&reply->body, 1);
		while (read_line(fd, &reply->head))
			;
		assert_int_equal(sscanf(buf_text(&reply->head), "HTTP/1.1 %d ", &reply->status), 1);
	}
	close(fd);
}

void ask_ok(const struct server *server, const char *method, const char *target, const char *body,
	    int status, struct reply *reply)
{
	ask(server, VIA_UNIX, method, target, NULL, body, reply);
	if (reply->status != status)
		fail_msg("%s %s: %d %s", method, target, reply->status, buf_text(&reply->body));
}

void tell(const struct server *server, const char *verb, const char *arg)
{
	char target[128], body[128];
	struct reply reply;

	snprintf(target, sizeof(target), "/v1/items/exec/%s", verb);
	snprintf(body, sizeof(body), "{\"args\":[\"%s\"]}", arg);
	ask_ok(server, "POST", target, body, 200, &reply);
	reply_done(&reply);
}

const struct json_node *reply_json(const struct reply *reply, struct arena *arena)
{
	const struct json_node *root;
	struct err why = {};

	arena_init(arena, 256 << 20);
	if (json_read(buf_as_span(&reply->body), arena, &root, &why))
		fail_msg("%s in: %s", why.text, buf_text(&reply->body));
	return root;
}

uint64_t status_number(const struct server *server, const char *key)
{
	struct reply reply;
	struct arena arena;
	uint64_t number = UINT64_MAX;

	ask_ok(server, "GET", "/v1/status", NULL, 200, &reply);
	json_node_u64(json_get(reply_json(&reply, &arena), key), &number);
	arena_done(&arena);
	reply_done(&reply);
	return number;
}

double metric_value(const struct server *server, const char *name)
{
	struct reply reply;
	double value = -1;
	char *line;

	ask_ok(server, "GET", "/metrics", NULL, 200, &reply);
	for (line = reply.body.at; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			value = strtod(line + strlen(name), NULL);
	reply_done(&reply);
	return value;
}

int run(const char *const *argv, struct buf *out)
{
	char piece[4096];
	int pipes[2], status;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(pipes[1]);
	while ((got = read(pipes[0], piece, sizeof(piece))) > 0)
		buf_add(out, piece, (size_t)got);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}
