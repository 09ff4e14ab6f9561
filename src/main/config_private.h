/* SPDX-License-Identifier: GPL-2.0-only */
/* config_private - what the files of the configuration share, and nobody else needs. */
#pragma once

#include "main/config.h"

enum { WAITING_MAX = 256 };

struct config {
	struct arena arena; /* all texts and trees */
	const char *file; /* NULL = none */
	struct setting *at; /* owned; keys of the table first, in its order */
	size_t count;
	const char *waiting[WAITING_MAX]; /* "SONDE_ITEMS_X_Y=value": wait until items are known */
	size_t waiting_count;
	struct buf warnings;
};

const struct config_key *config_row(struct span path);
/* store.size -> STORE_SIZE */
void config_upper(struct span name, struct buf *out);
