// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_case - makes TCP connections whose numbers are known: `tcp_case CASE PORT COUNT [ADDRESS]`.
 *
 * Both ends are in this process, one connection after the other, so that what happened does not depend on timing.
 * Cases that hold connections say "held" and wait for a line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST = 5000, RESPONSE = 7001, LATE = 3003 };

static struct sockaddr_storage address;
static socklen_t address_size;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void set_address(const char *text, uint16_t port)
{
	struct sockaddr_in *four = (void *)&address;
	struct sockaddr_in6 *six = (void *)&address;

	memset(&address, 0, sizeof(address));
	if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		address_size = sizeof(*six);
	} else if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		address_size = sizeof(*four);
	} else {
		die(text);
	}
}

static int new_socket(int flags)
{
	int fd = socket(address.ss_family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int listen_here(int backlog)
{
	int fd = new_socket(0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&address, address_size) || listen(fd, backlog))
		die("listen");
	return fd;
}

static void send_all(int fd, size_t size)
{
	static const char zeros[65536];

	while (size) {
		ssize_t sent =
			send(fd, zeros, size < sizeof(zeros) ? size : sizeof(zeros), MSG_NOSIGNAL);

		if (sent <= 0)
			die("send");
		size -= (size_t)sent;
	}
}

static void read_all(int fd, size_t size)
{
	char bytes[65536];

	while (size) {
		ssize_t got = recv(fd, bytes, size < sizeof(bytes) ? size : sizeof(bytes), 0);

		if (got <= 0)
			die("recv");
		size -= (size_t)got;
	}
}

static void wait_until_closed(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) > 0)
		die("unexpected data");
}

static void close_hard(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static int connect_there(void)
{
	int fd = new_socket(0);

	if (connect(fd, (void *)&address, address_size))
		die("connect");
	return fd;
}

/* A connection with a request and a response behind it. */
static void open_pair(int listening, int *ret_client, int *ret_server)
{
	*ret_client = connect_there();
	*ret_server = accept(listening, NULL, NULL);
	if (*ret_server < 0)
		die("accept");
	send_all(*ret_client, REQUEST);
	read_all(*ret_server, REQUEST);
	send_all(*ret_server, RESPONSE);
	read_all(*ret_client, RESPONSE);
}

static void end_pair(const char *how, int client, int server)
{
	if (!strcmp(how, "client_closes")) {
		close(client);
		wait_until_closed(server);
		close(server);
	} else if (!strcmp(how, "server_closes")) {
		close(server);
		wait_until_closed(client);
		close(client);
	} else if (!strcmp(how, "reset")) {
		close_hard(client);
		wait_until_closed(server);
		close(server);
	} else if (!strcmp(how, "unread")) { /* the server leaves a byte unread */
		struct pollfd wait = {.fd = server, .events = POLLIN};

		send_all(client, 1);
		poll(&wait, 1, -1);
		close(server);
		wait_until_closed(client);
		close(client);
	} else if (!strcmp(how, "half")) {
		shutdown(client, SHUT_WR);
		wait_until_closed(server);
		send_all(server, LATE);
		close(server);
		read_all(client, LATE);
		wait_until_closed(client);
		close(client);
	} else {
		fprintf(stderr, "no such case: %s\n", how);
		exit(2);
	}
}

static void run_pairs(const char *how, int count)
{
	int listening = listen_here(16), client, server;

	for (int i = 0; i < count; i++) {
		open_pair(listening, &client, &server);
		end_pair(how, client, server);
	}
}

static void run_refused(int count)
{
	for (int i = 0; i < count; i++) {
		int fd = new_socket(0);

		if (!connect(fd, (void *)&address, address_size) || errno != ECONNREFUSED)
			die("connect was not refused");
		close(fd);
	}
}

/* A socket that listens with a full queue drops SYNs: who connects waits. */
static int listen_full(void)
{
	int listening = listen_here(0);

	connect_there(); /* stay open until the end of the process */
	return listening;
}

static void run_given_up(int count)
{
	listen_full();
	for (int i = 0; i < count; i++) {
		int fd = new_socket(SOCK_NONBLOCK);

		if (!connect(fd, (void *)&address, address_size) || errno != EINPROGRESS)
			die("connect did not wait");
		close(fd);
	}
}

static void run_timed_out(int count)
{
	struct pollfd wait[64];
	int tries = 1;

	listen_full();
	for (int i = 0; i < count; i++) {
		wait[i] = (struct pollfd){.fd = new_socket(SOCK_NONBLOCK), .events = POLLOUT};
		setsockopt(wait[i].fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof(tries));
		if (!connect(wait[i].fd, (void *)&address, address_size) || errno != EINPROGRESS)
			die("connect did not wait");
	}
	for (int i = 0; i < count; i++)
		if (poll(&wait[i], 1, 60000) != 1)
			die("no time-out");
}

static void wait_for_line(void)
{
	char byte;

	while (read(0, &byte, 1) == 1 && byte != '\n')
		;
}

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		exit(1);
}

/* Opens COUNT connections, waits for a line, ends them as `how` says. */
static void run_hold(const char *how, int count)
{
	int listening = listen_here(1024), *client = calloc((size_t)count, sizeof(int)),
	    *server = calloc((size_t)count, sizeof(int));

	for (int i = 0; i < count; i++) {
		client[i] = connect_there();
		server[i] = accept(listening, NULL, NULL);
		if (server[i] < 0)
			die("accept");
	}
	say("held\n");
	wait_for_line();
	for (int i = 0; i < count; i++)
		end_pair(how, client[i], server[i]);
}

/* COUNT connections that nobody accepts; half of them (the first) are closed by the client. */
static void run_waiting(int count)
{
	listen_here(1024);
	for (int i = 0; i < count; i++) {
		int fd = connect_there();

		if (i < count / 2)
			close(fd);
	}
	say("held\n");
	wait_for_line();
}

/* As servers do that fork: the child has the connection, the parent keeps its descriptor too. */
static void run_fork(int count)
{
	int listening = listen_here(1024);
	pid_t *child = calloc((size_t)count, sizeof(*child));

	for (int i = 0; i < count; i++) {
		int client = connect_there(), server = accept(listening, NULL, NULL);

		if (server < 0)
			die("accept");
		child[i] = fork();
		if (!child[i]) {
			close_range(3, (unsigned)server - 1, 0);
			close_range((unsigned)server + 1, ~0u, 0);
			wait_until_closed(server);
			_exit(0);
		}
	}
	say("held\n");
	wait_for_line();
	for (int i = 0; i < count; i++)
		kill(child[i], SIGTERM);
}

/* COUNT connections are handed over a Unix socket to a child that was there before them. */
static void run_handed(int count)
{
	int pair[2], listening;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		die("socketpair");
	if (!fork()) {
		char byte;

		close(pair[0]); /* so that the end of the parent is seen */
		for (int i = 0; i < count; i++) {
			struct iovec part = {&byte, 1};
			struct msghdr message = {.msg_iov = &part,
						 .msg_iovlen = 1,
						 .msg_control = &control,
						 .msg_controllen = sizeof(control)};

			if (recvmsg(pair[1], &message, 0) != 1)
				die("recvmsg");
		}
		say("held\n");
		wait_until_closed(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	listening = listen_here(1024);
	for (int i = 0; i < count; i++) {
		int client = connect_there(), server = accept(listening, NULL, NULL);
		struct iovec part = {&client, 1};
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = &control,
					 .msg_controllen = sizeof(control)};
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &server, sizeof(int));
		if (sendmsg(pair[0], &message, 0) != 1)
			die("sendmsg");
		close(server);
	}
	wait_for_line();
}

int main(int argc, char **argv)
{
	int count;

	if (argc < 4)
		return 2;
	signal(SIGCHLD, SIG_IGN);
	set_address(argc > 4 ? argv[4] : "127.0.0.1", (uint16_t)strtol(argv[2], NULL, 10));
	count = (int)strtol(argv[3], NULL, 10);
	if (!strcmp(argv[1], "refused"))
		run_refused(count);
	else if (!strcmp(argv[1], "given_up"))
		run_given_up(count);
	else if (!strcmp(argv[1], "timed_out"))
		run_timed_out(count);
	else if (!strcmp(argv[1], "hold"))
		run_hold("client_closes", count);
	else if (!strcmp(argv[1], "hold_and_reset"))
		run_hold("reset", count);
	else if (!strcmp(argv[1], "waiting"))
		run_waiting(count);
	else if (!strcmp(argv[1], "fork"))
		run_fork(count);
	else if (!strcmp(argv[1], "handed"))
		run_handed(count);
	else
		run_pairs(argv[1], count);
	return 0;
}
