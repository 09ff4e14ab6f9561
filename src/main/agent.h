/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent - the wiring: kernel -> items -> records -> stream -> API, in the worker's one loop.
 *
 * Runs in the process without privileges. Everything it was handed (connection to the broker, listening
 * sockets, configuration, token) is borrowed.
 */
#pragma once

#include "base/span.h"
#include "kernel/client.h"
#include "main/config.h"

struct agent_options {
	struct kernel *kernel;
	struct config *config;	  /* taken over: a reload replaces it */
	const char *config_path;  /* for a reload; NULL = none */
	const char *const *sets;  /* --set, for a reload */
	const int *listeners;	  /* bound sockets, taken over */
	size_t listener_count;
	struct span token;
	struct span certificate, key; /* PEM; empty = no TLS */
	const char *only; /* an agent for one command: this item only (comma separated), or "" for none; NULL = all */
};

/* Runs until SIGTERM or SIGINT. 0, or -errno with `why` when it could not start. */
int agent_run(const struct agent_options *options, struct err *why);
