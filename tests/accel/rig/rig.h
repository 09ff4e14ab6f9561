/* SPDX-License-Identifier: GPL-2.0-only */
/* rig - what the programs of the sidecar rig share: addresses, and bodies whose bytes are known. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RIG_SOCKETS = 65536, /* descriptors that an epoll loop knows */
	RIG_TABLE = 1 << 20, /* bytes that bodies are cut out of */
	RIG_OFFSETS = 4096,
	RIG_BODY = RIG_TABLE - RIG_OFFSETS, /* the longest body */
	RIG_HEAD = 4096, /* the longest head of a request or an answer */
};

/* Says it and ends. */
void give_up(const char *what) __attribute__((noreturn));
/* Address: "IP:PORT", ":PORT", or "unix:PATH". */
int listen_on(const char *address);
/* Non-blocking; the connection may still be on its way. */
int connect_to_address(const struct sockaddr *to, socklen_t bytes);
int connect_to(const char *address);
void socket_ready(int sock); /* non-blocking, without Nagle */
void raise_file_limit(void);
uint64_t now_ns(void);
/* Body number `number` of a size begins here: bytes depend on their place, and on the number. */
const uint8_t *body_of(uint32_t number);
/* Where the head ends (behind the empty line), 0 = not there yet; *ret_length: Content-Length, 0 without one. */
size_t head_end(const char *head, size_t bytes, size_t *ret_length);
