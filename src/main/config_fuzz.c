// SPDX-License-Identifier: GPL-2.0-only
/* Any file, variables and sets: never out of bounds, a reason for every refusal, and what is shown means the same. */
#include "main/config.h"

#include <stdlib.h>

static const char *one_item(void *ctx, size_t i)
{
	return i ? NULL : "tcp_state";
}

static const char *one_param(void *ctx, const char *item, size_t i)
{
	return i ? NULL : "min_us";
}

static void stop(void *ctx, const struct setting *was, const struct setting *is)
{
	abort();
}

static void check_show(const struct config *config)
{
	struct config_sources sources = {.file = "x"};
	struct config *again;
	struct buf text;

	buf_init(&text, 4 << 20);
	config_show(config, &text);
	sources.text = buf_as_span(&text);
	if (!text.full) {
		if (config_load(&sources, &again, NULL, NULL))
			abort();
		config_compare(config, again, stop, NULL);
		config_free(again);
	}
	buf_done(&text);
}

/* The input is up to three parts, cut at 0xfe: file, variable, set. */
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct config_items items = {NULL, one_item, one_param, NULL};
	struct config_sources sources = {.file = "x"};
	const char *variables[2] = {}, *sets[2] = {};
	char *copy = calloc(1, len + 1), *cut[2] = {};
	struct config *config;
	struct err why = {};

	memcpy(copy, at, len);
	for (size_t i = 0, parts = 0; i < len && parts < 2; i++)
		if ((uint8_t)copy[i] == 0xfe) {
			copy[i] = 0;
			cut[parts++] = copy + i + 1;
		}
	variables[0] = cut[0];
	sets[0] = cut[1];
	sources.text = span_of(copy);
	sources.environment = variables;
	sources.sets = sets;
	if (config_load(&sources, &config, NULL, &why)) {
		if (!why.text[0])
			abort();
	} else {
		if (!config_check_items(config, &items, NULL, &why))
			check_show(config);
		config_free(config);
	}
	free(copy);
	return 0;
}
