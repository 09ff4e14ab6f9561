// SPDX-License-Identifier: GPL-2.0-only
/*
 * torture - what programs do with TCP connections, case by case, each in a process of its own.
 *
 *	torture [-w MS] [-s SEED] [-l] [CASE]...
 *
 * Prints for each case what a program saw (`CASE: text`; the same with and without acceleration, or something is
 * wrong), and `conn CASE COOKIE BYTES` for each end that sent something, so that a runner can ask how much of it
 * was redirected. -w: waits so long at most until connections are redirected. -l: lists the cases.
 */
#include "torture.h"

#include <arpa/inet.h>
#include <signal.h>

static const char *case_name;
static uint32_t seed = 1;
static struct {
	int sock;
	uint64_t cookie, bytes;
} counted[4096];
static size_t counts;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s: FAILED ", case_name);
	vprintf(format, args);
	printf(" (errno %s)\n", strerrorname_np(errno) ? strerrorname_np(errno) : "0");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

void saw(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s: ", case_name);
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

void count(int sock)
{
	socklen_t bytes = sizeof(uint64_t);

	if (counts == sizeof(counted) / sizeof(*counted))
		return;
	counted[counts].sock = sock;
	counted[counts].bytes = 0;
	if (!getsockopt(sock, SOL_SOCKET, SO_COOKIE, &counted[counts].cookie, &bytes))
		counts++;
}

void sent(int sock, size_t bytes)
{
	pthread_mutex_lock(&counting);
	for (size_t i = counts; i-- > 0;)
		if (counted[i].sock == sock) {
			counted[i].bytes += bytes;
			break;
		}
	pthread_mutex_unlock(&counting);
}

int listener(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	socklen_t bytes = family == AF_INET6 ? sizeof(six) : sizeof(four);
	int sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(sock, address, bytes) || listen(sock, 1024) || getsockname(sock, address, &bytes))
		fail("cannot listen");
	*ret_port = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
	return sock;
}

/* AF_UNSPEC: IPv4 over an IPv6 socket. */
int connect_to(int family, uint16_t port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int sock = socket(family == AF_INET ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_UNSPEC)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
	if (family == AF_INET ? connect(sock, (struct sockaddr *)&four, sizeof(four))
			      : connect(sock, (struct sockaddr *)&six, sizeof(six)))
		fail("cannot connect");
	count(sock);
	return sock;
}

int accept_from(int from)
{
	int sock = accept4(from, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0)
		fail("cannot accept");
	count(sock);
	return sock;
}

struct pair connected_over(int family)
{
	uint16_t port;
	int from = listener(family == AF_INET ? AF_INET : AF_INET6, &port);
	struct pair pair;

	pair.c = connect_to(family, port);
	pair.s = accept_from(from);
	close(from);
	return pair;
}

struct pair connected(void)
{
	return connected_over(AF_INET);
}

void nonblocking(int sock, bool on)
{
	int flags = fcntl(sock, F_GETFL);

	fcntl(sock, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void set_int(int sock, int level, int option, int value)
{
	if (setsockopt(sock, level, option, &value, sizeof(value)))
		fail("setsockopt %d", option);
}

void pause_ms(unsigned ms)
{
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000l};

	nanosleep(&pause, NULL);
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint32_t chance(uint32_t below)
{
	static __thread uint64_t state;

	if (!state)
		state = (uint64_t)seed * 2654435761u + (uintptr_t)&state % 4096 + 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 16) % below);
}

void wait_for(int sock, short events)
{
	struct pollfd wait = {sock, events, 0};

	if (poll(&wait, 1, PATIENCE_MS) != 1)
		fail("waited in vain for events %x", events);
}

static uint8_t byte_at(uint64_t place, uint32_t stream)
{
	uint64_t mixed = (place + stream * 1000003ull) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)(mixed >> 56);
}

void fill(uint8_t *out, size_t bytes, uint64_t place, uint32_t stream)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = byte_at(place + i, stream);
}

void check(const uint8_t *at, size_t bytes, uint64_t place, uint32_t stream)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != byte_at(place + i, stream))
			fail("byte %llu of stream %u is wrong", (unsigned long long)(place + i), stream);
}

void send_stream(int sock, size_t bytes, uint64_t place, uint32_t stream)
{
	uint8_t piece[65536];

	while (bytes) {
		size_t part = bytes < sizeof(piece) ? bytes : sizeof(piece);
		ssize_t done;

		fill(piece, part, place, stream);
		done = send(sock, piece, part, MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN) {
			wait_for(sock, POLLOUT);
			continue;
		}
		if (done <= 0)
			fail("cannot send");
		sent(sock, (size_t)done);
		place += (size_t)done;
		bytes -= (size_t)done;
	}
}

void receive_stream(int sock, size_t bytes, uint64_t place, uint32_t stream)
{
	uint8_t piece[65536];

	while (bytes) {
		ssize_t got;

		wait_for(sock, POLLIN);
		got = recv(sock, piece, bytes < sizeof(piece) ? bytes : sizeof(piece), MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0)
			fail("the stream ends %zu bytes early", bytes);
		check(piece, (size_t)got, place, stream);
		place += (size_t)got;
		bytes -= (size_t)got;
	}
}

void expect_end(int sock)
{
	char byte;
	ssize_t got;

	do {
		wait_for(sock, POLLIN);
		got = recv(sock, &byte, 1, MSG_DONTWAIT);
	} while (got < 0 && errno == EAGAIN);
	if (got)
		fail("there is more, or an error, where the end should be");
}

pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg))
		fail("no thread");
	return thread;
}

/* ---- running cases ---- */

static uint64_t bytes_by_tcp(int sock)
{
	struct {
		struct tcp_info known;
		uint8_t more[256];
	} info = {};
	socklen_t bytes = sizeof(info);
	uint64_t acked;

	/* tcpi_bytes_acked lies behind what older headers know (include/uapi/linux/tcp.h) */
	if (getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &bytes))
		return 0;
	memcpy(&acked, (uint8_t *)&info + 120, sizeof(acked));
	return acked;
}

/* Waits until new connections are redirected: then TCP sends nothing of them. */
static void wait_for_acceleration(unsigned ms)
{
	uint64_t until = now_ms() + ms;

	case_name = "waiting";
	for (; now_ms() < until; pause_ms(20)) {
		struct pair pair = connected();
		uint64_t before = bytes_by_tcp(pair.c);

		send_stream(pair.c, 1000, 0, 1);
		receive_stream(pair.s, 1000, 0, 1);
		if (bytes_by_tcp(pair.c) == before)
			until = 0;
		close(pair.c);
		close(pair.s);
	}
	counts = 0;
}

static int run_case(const struct torture_case *one)
{
	uint64_t from_ms = now_ms();
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		case_name = one->name;
		alarm(one->name[0] == '_' ? 3600 : one->may_be_refused ? 10 : 100); /* (_ goes on until it is told) */
		signal(SIGPIPE, SIG_IGN);
		one->run();
		for (size_t i = 0; i < counts; i++)
			if (counted[i].bytes)
				printf("conn %s%s %llu %llu\n", one->name, one->may_be_refused ? "*" : "",
				       (unsigned long long)counted[i].cookie, (unsigned long long)counted[i].bytes);
		fflush(stdout);
		exit(0);
	}
	waitpid(pid, &status, 0);
	fprintf(stderr, "%s took %llu ms\n", one->name, (unsigned long long)(now_ms() - from_ms));
	if (WIFSIGNALED(status))
		printf("%s: FAILED by signal %d\n", one->name, WTERMSIG(status));
	return status != 0;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return !argc && name[0] != '_'; /* those are run by name only */
}

int main(int argc, char **argv)
{
	const struct torture_case *const lists[] = {cases_streams, cases_calls, cases_life};
	int option, failed = 0;

	while ((option = getopt(argc, argv, "w:s:l")) != -1)
		switch (option) {
		case 'w': wait_for_acceleration((unsigned)strtoul(optarg, NULL, 10)); break;
		case 's': seed = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'l':
			for (size_t i = 0; i < 3; i++)
				for (const struct torture_case *one = lists[i]; one->name; one++)
					printf("%s%s\n", one->name, one->may_be_refused ? "*" : "");
			return 0;
		default: return 2;
		}
	for (size_t i = 0; i < 3; i++)
		for (const struct torture_case *one = lists[i]; one->name; one++)
			if (is_wanted(one->name, argc - optind, argv + optind))
				failed |= run_case(one);
	return failed;
}
