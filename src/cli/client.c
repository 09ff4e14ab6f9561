// SPDX-License-Identifier: GPL-2.0-only
/* client - talks to an agent over its socket; where none runs, to one that is started for this command. */
#include "cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "main/run.h"

enum {
	ANSWER_BYTES = 256 << 20,
	ARENA_BYTES = 512 << 20,
	LINE_BYTES = 16 << 20,
	STATUS_ABSENT = 0,
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address))) {
		error = -errno;
		close(sock);
		return error;
	}
	return sock;
}

static void client_init(struct client *client)
{
	*client = (struct client){};
	arena_init(&client->arena, ARENA_BYTES);
	buf_init(&client->body, ANSWER_BYTES);
	signal(SIGPIPE, SIG_IGN);
}

int client_open_private(struct client *client, const char *only, const char *const *sets)
{
	client_init(client);
	return run_private(only, sets, &client->private_agent, client->socket);
}

int client_open(struct client *client, const char *socket_path, const char *only,
		const char *const *sets)
{
	const char *path = socket_path ? socket_path : getenv("SONDE_SOCKET");
	bool asked_for = path;
	int sock;

	client_init(client);
	if (!path)
		path = SOCKET_PATH_DEFAULT;
	snprintf(client->socket, sizeof(client->socket), "%s", path);
	sock = connect_to(path);
	if (sock >= 0) {
		close(sock);
		return EXIT_DONE;
	}
	if (sock == -EACCES || sock == -EPERM) {
		log_error("cannot talk to the agent at '%s': %s; use sudo", path, err_name(sock));
		return EXIT_CANT;
	}
	if (asked_for || !only) {
		log_error("no agent answers at '%s' (%s); start one with 'sonde run'", path,
			  err_name(sock));
		return EXIT_FAILED;
	}
	return run_private(only, sets, &client->private_agent, client->socket);
}

void client_close(struct client *client)
{
	if (client->private_agent)
		run_private_end(client->private_agent, client->socket);
	client->private_agent = 0;
	arena_done(&client->arena);
	buf_done(&client->body);
}

int client_open_quietly(struct client *client)
{
	const char *path = getenv("SONDE_SOCKET") ? getenv("SONDE_SOCKET") : SOCKET_PATH_DEFAULT;
	int sock = connect_to(path);

	if (sock < 0)
		return sock;
	close(sock);
	client_init(client);
	snprintf(client->socket, sizeof(client->socket), "%s", path);
	return 0;
}

static int send_request(struct client *client, const char *method, const char *path,
			const char *type, struct span body, struct err *why)
{
	struct buf head;
	int sock = connect_to(client->socket);
	size_t sent = 0;

	if (sock < 0)
		return err_set(why, sock, "cannot talk to the agent at '%s': %s", client->socket,
			       err_name(sock));
	buf_init(&head, 64 << 20);
	buf_f(&head, "%s %s HTTP/1.0\r\nHost: localhost\r\n", method, path);
	if (body.len)
		buf_f(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body.len);
	buf_str(&head, "\r\n");
	buf_span(&head, body);
	while (sent < head.len) {
		ssize_t now = write(sock, head.at + sent, head.len - sent);

		if (now <= 0 && errno != EINTR)
			break;
		sent += now > 0 ? (size_t)now : 0;
	}
	buf_done(&head);
	return sock;
}

/* "HTTP/1.1 200 OK\r\n...\r\n\r\n": the status; the head is dropped from `bytes`. 0 = not whole yet. */
static int take_head(struct buf *bytes)
{
	const char *end = bytes->len ? memmem(bytes->at, bytes->len, "\r\n\r\n", 4) : NULL;
	int status = 0;

	if (!end)
		return STATUS_ABSENT;
	if (sscanf(bytes->at, "HTTP/%*d.%*d %d", &status) != 1)
		status = 502;
	buf_drop(bytes, (size_t)(end - bytes->at) + 4);
	return status;
}

static ssize_t read_more(int sock, struct buf *bytes)
{
	char piece[65536];
	ssize_t got;

	do
		got = read(sock, piece, sizeof(piece));
	while (got < 0 && errno == EINTR);
	if (got > 0 && buf_add(bytes, piece, (size_t)got))
		return -1;
	return got;
}

static int ask(struct client *client, const char *method, const char *path, const char *type,
	       struct span body, struct err *why)
{
	int sock = send_request(client, method, path, type, body, why), status = STATUS_ABSENT;

	if (sock < 0)
		return sock;
	buf_clear(&client->body);
	while (read_more(sock, &client->body) > 0)
		if (!status)
			status = take_head(&client->body);
	close(sock);
	if (!status)
		return err_set(why, -EPIPE,
			       "the agent at '%s' ended the connection without an answer",
			       client->socket);
	return status;
}

int client_ask(struct client *client, const char *method, const char *path, struct span body,
	       struct err *why)
{
	return ask(client, method, path, "application/json", body, why);
}

int client_upload_as(struct client *client, const char *method, const char *path, const char *type, struct span bytes,
		     struct err *why)
{
	return ask(client, method, path, type, bytes, why);
}

int client_upload(struct client *client, const char *method, const char *path, struct span bytes,
		  struct err *why)
{
	return ask(client, method, path, "application/octet-stream", bytes, why);
}

static const struct json_node *read_json(struct client *client, struct err *why)
{
	const struct json_node *root;

	arena_clear(&client->arena);
	return json_read(buf_as_span(&client->body), &client->arena, &root, why) ? NULL : root;
}

int client_fail(struct client *client, int status, const struct err *why)
{
	const struct json_node *answer;
	const char *error, *hint;

	if (status < 0) {
		log_error("%s", why->text);
		return EXIT_FAILED;
	}
	answer = read_json(client, NULL);
	error = json_get_text(answer, "error");
	hint = json_get_text(answer, "hint");
	if (hint && strstr(hint, "GET /")) /* for those who speak HTTP themselves */
		hint = NULL;
	log_error("%s%s%s", error ? error : "the agent could not answer", hint ? "; " : "",
		  hint ? hint : "");
	return status == 501                    ? EXIT_CANT
	       : status == 400 || status == 404 ? EXIT_USAGE
						: EXIT_FAILED;
}

const struct json_node *client_get(struct client *client, const char *path, int *ret_exit)
{
	struct err why = {};
	int status = client_ask(client, "GET", path, (struct span){}, &why);
	const struct json_node *root;

	if (status < 0 || status >= 400) {
		*ret_exit = client_fail(client, status, &why);
		return NULL;
	}
	root = read_json(client, &why);
	if (!root) {
		log_error("the agent's answer is no JSON: %s", why.text);
		*ret_exit = EXIT_FAILED;
	}
	return root;
}

int client_stream(struct client *client, const char *path, struct err *why)
{
	int sock = send_request(client, "GET", path, "", (struct span){}, why),
	    status = STATUS_ABSENT;

	if (sock < 0)
		return sock;
	buf_clear(&client->body);
	while (!status && read_more(sock, &client->body) > 0)
		status = take_head(&client->body);
	if (status == 200)
		return sock;
	while (read_more(sock, &client->body) > 0)
		;
	close(sock);
	client_fail(client, status ? status : 502, why);
	return -EPROTO;
}

bool client_event(struct span bytes, struct span *ret_name, struct span *ret_data, size_t *ret_used)
{
	const uint8_t *end = bytes.len ? memmem(bytes.at, bytes.len, "\n\n", 2) : NULL;
	struct span rest;

	if (!end)
		return false;
	*ret_used = (size_t)(end - bytes.at) + 2;
	*ret_name = *ret_data = (struct span){};
	rest = span_first(bytes, *ret_used - 1);
	while (rest.len) {
		const uint8_t *newline = memchr(rest.at, '\n', rest.len);
		struct span line = {rest.at, newline ? (size_t)(newline - rest.at) : rest.len};

		if (span_starts(line, "event: "))
			*ret_name = span_from(line, 7);
		if (span_starts(line, "data: "))
			*ret_data = span_from(line, 6);
		rest = span_from(rest, line.len + 1);
	}
	return true;
}

void client_print(const struct json_node *node)
{
	struct buf line;
	struct json json = {.out = &line};

	buf_init(&line, LINE_BYTES);
	json_node_write(node, &json);
	puts(buf_text(&line));
	buf_done(&line);
}

void url_encode(struct buf *out, const char *text)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			buf_char(out, *text);
		else
			buf_f(out, "%%%02X", (unsigned char)*text);
}
