/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run - starts an agent: listening sockets, the split into broker and worker, signals, the end.
 *
 * An agent for one command (no agent is running, somebody says `sonde runqlat`) is the same agent with one item
 * and one private socket; it ends with the command and leaves nothing.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

struct run_options {
	const char *config_path;   /* NULL = the default, which may be missing */
	const char *const *sets;   /* --set a.b=value, ends with NULL; may be NULL */
	const char *only;	   /* items of an agent for one command; NULL = what the configuration says */
	int listener;		   /* of such an agent: a bound unix socket; -1 = those of the configuration */
	int ready_fd;		   /* written one byte when data flows, or closed on failure; -1 = none */
};

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CANT = 3 };

#define CONFIG_PATH_DEFAULT "/etc/sonde/sonde.yaml"
#define SOCKET_PATH_DEFAULT "/run/sonde/sonde.sock"

/* Runs until it is told to stop; returns the exit status. Says on stderr what went wrong. */
int run_agent(const struct run_options *options);

/*
 * Starts an agent for one command in a child process and waits until data flows. ret_fd is a connection to its API.
 * Returns an exit status (EXIT_DONE on success; reasons are on stderr).
 */
int run_private(const char *only, const char *const *sets, pid_t *ret_pid, char ret_socket[108]);
void run_private_end(pid_t pid, const char *socket_path);
