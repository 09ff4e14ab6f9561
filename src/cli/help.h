/* SPDX-License-Identifier: GPL-2.0-only */
/* help - what --help, the man page and completion say: generated from the table of commands and the items' tags. */
#pragma once

#include <stdbool.h>

#include "cli/command.h"

int help_all(void);
int help_command(const struct command *command);
int help_item(const char *name);
int help_man(int argc, char **argv);	    /* `sonde help --man`: the page in roff */
int help_completion(int argc, char **argv); /* `sonde completion bash`: completion.c */

/* The closest command or item to a word that is neither; NULL if nothing is close. */
const char *help_suggest(const char *word);
bool help_is_item(const char *word);
/* The user half of an item of this tree; NULL if it has none. */
struct item_ops;
const struct item_ops *help_item_ops(const char *name);
/* An item of this tree by its description; the caller frees. NULL: no kernel half. */
struct builtin;
struct item_desc *help_describe(const struct builtin *item);
