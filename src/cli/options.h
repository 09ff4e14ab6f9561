/* SPDX-License-Identifier: GPL-2.0-only */
/* options - what commands that watch have in common: filters, times, columns; read once, in one way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/command.h"

enum { OPTION_SETS = 32, OPTION_WORDS = 16 };

struct options {
	bool json, help, follow;
	const char *socket;
	double duration_s; /* 0 = until Ctrl-C */
	double interval_s;
	long rows; /* 0 = as the command thinks */
	const char *sort, *columns, *by;
	struct buf filter; /* EXPR made of all filters */
	struct buf rest; /* the same without --pid, --uid and --port */
	const char *param[OPTION_SETS]; /* name=value, in the item's spelling (min_us=5) */
	size_t params;
	const char *word[OPTION_WORDS]; /* what is no option */
	size_t words;
	struct buf text; /* owns what param points to */
};

extern const struct option_help common_options[]; /* for --help; ends with flags NULL */

/* Unknown `--name value` options are parameters of the item when `item` is true, else a mistake; unless `own` (may be
 * NULL) has them: options that the item brings. Returns EXIT_DONE or EXIT_USAGE (said on stderr). */
struct item_option;
int options_parse(struct options *options, int argc, char **argv, bool item,
		  const struct item_option *own);
/* EXIT_USAGE, said on stderr, when there are more words than `at_most`. */
int options_words(const struct options *options, const char *command, size_t at_most);
void options_done(struct options *options);
