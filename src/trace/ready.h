/* SPDX-License-Identifier: GPL-2.0-only */
/* ready - the scripts that come with the program: scripts/NAME.bt, run as `sonde trace NAME`. */
#pragma once

#include <stdio.h>

struct ready_script {
	const char *name, *text;
};

/* Made by tools/embed_scripts.sh; ended by one without a name. */
extern const struct ready_script ready_scripts[];

/* Its text, by "NAME" or "NAME.bt"; NULL: there is none of that name. */
const char *ready_find(const char *name);
/* Their names and what they are for. */
void ready_list(FILE *to);
