/* SPDX-License-Identifier: GPL-2.0-only */
/* torture - what the cases of the correctness program share. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

/* A connection: who connected, who accepted. */
struct pair {
	int c, s;
};

/* The case cannot go on: prints why and ends its process. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* What a program would see; both runs must say the same. */
void saw(const char *format, ...) __attribute__((format(printf, 1, 2)));

int listener(int family, uint16_t *ret_port);
int connect_to(int family, uint16_t port);
int accept_from(int listener);
struct pair connected(void);
struct pair connected_over(int family);
/* The connection's ends are counted: `conn COOKIE` lines say how much each sent. */
void count(int sock);

void nonblocking(int sock, bool on);
void set_int(int sock, int level, int option, int value);
void pause_ms(unsigned ms);
void wait_for(int sock, short events);

/* Bytes of a stream: each depends on its place, so that none can be lost, doubled or moved unseen. */
void fill(uint8_t *out, size_t bytes, uint64_t place, uint32_t stream);
void check(const uint8_t *at, size_t bytes, uint64_t place, uint32_t stream);
/* Blocking, but by poll: reads or writes exactly so much of a stream, from `place`. */
void send_stream(int sock, size_t bytes, uint64_t place, uint32_t stream);
void receive_stream(int sock, size_t bytes, uint64_t place, uint32_t stream);
void expect_end(int sock);
void sent(int sock, size_t bytes);

/* A thread of its own, joined at the end of the case. */
pthread_t start(void *(*run)(void *), void *arg);
uint64_t now_ms(void);
uint32_t chance(uint32_t below);

struct torture_case {
	const char *name;
	void (*run)(void);
	bool may_be_refused; /* the kernel cannot do it on redirected sockets */
};
extern const struct torture_case cases_streams[], cases_calls[], cases_life[];
