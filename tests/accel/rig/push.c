// SPDX-License-Identifier: GPL-2.0-only
/*
 * push - a server that speaks first, and who listens to it.
 *
 *	push serve LISTEN MS		100 bytes to every client, each MS milliseconds, until the client goes
 *	push read ADDRESS SECONDS	reads them, checks each, and prints every tenth of a second how many came
 *
 * The reader ends with 1 where a byte was wrong or the connection ended.
 */
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

enum { PIECE = 100, ROUND = 500000 /* then it begins anew */ };

static void blocking(int sock)
{
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) & ~O_NONBLOCK);
}

static void pause_ms(unsigned long ms)
{
	struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

static void push(int sock, unsigned long ms)
{
	size_t place = 0;

	blocking(sock);
	for (;; place = (place + PIECE) % ROUND) {
		if (send(sock, body_of(0) + place, PIECE, MSG_NOSIGNAL) != PIECE)
			_exit(0);
		pause_ms(ms);
	}
}

static void serve(const char *address, unsigned long ms)
{
	int listener = listen_on(address);

	signal(SIGCHLD, SIG_IGN);
	blocking(listener);
	for (;;) {
		int sock = accept(listener, NULL, NULL);

		if (sock >= 0 && !fork())
			push(sock, ms);
		close(sock);
	}
}

static int listen_to(const char *address, double seconds)
{
	int sock = connect_to(address);
	uint64_t until = now_ns() + (uint64_t)(seconds * 1e9), told = 0;
	unsigned long long bytes = 0;
	struct pollfd wait = {sock, POLLIN, 0};

	while (now_ns() < until) {
		uint8_t block[4096];
		ssize_t got = poll(&wait, 1, 50) == 1 ? recv(sock, block, sizeof(block), MSG_DONTWAIT) : -1;

		if (!got || (got < 0 && errno != EAGAIN && errno != EINTR && wait.revents)) {
			printf("ended after %llu\n", bytes);
			return 1;
		}
		for (ssize_t i = 0; i < got; i++, bytes++)
			if (block[i] != body_of(0)[bytes % ROUND])
				return printf("wrong at %llu\n", bytes) > 0;
		if (now_ns() - told < 100000000)
			continue;
		told = now_ns();
		printf("%llu\n", bytes);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], strtoul(argv[3], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "read"))
		return listen_to(argv[2], strtod(argv[3], NULL));
	return 2;
}
