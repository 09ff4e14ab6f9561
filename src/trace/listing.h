/* SPDX-License-Identifier: GPL-2.0-only */
/* listing - the probes there are: -l [SEARCH], with their arguments if asked for. */
#pragma once

#include <stdbool.h>

struct script;

/* Returns the exit code. */
int list_probes(const char *search, bool with_arguments, int pid);
/* The probes that an expanded script attaches to. */
void list_script(struct script *script, bool with_arguments);
