/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * command - the commands of `sonde`: one table drives dispatch, --help, completion and the man page.
 *
 * A word that is no command is an item (`sonde runqlat`). Exit: 0 done, 1 failed, 2 wrong usage, 3 this kernel or this
 * privilege can't.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct option_help {
	const char *flags;  /* "-d, --duration 10s" */
	const char *help;
};

struct command {
	const char *name, *usage, *help; /* help: one line */
	const char *more;		 /* paragraphs for --help and the man page; may be NULL */
	const struct option_help *options; /* ends with flags NULL; may be NULL */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct command commands[]; /* ends with name NULL */

/* argv[0] is the program's name. Returns the exit status. */
int command_run(int argc, char **argv);
