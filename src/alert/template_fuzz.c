// SPDX-License-Identifier: GPL-2.0-only
/* Any text: read, and run if it can be read. It ends, and what it writes stays below its limit. */
#include "alert/template.h"

#include <stdlib.h>

static int ask(void *ctx, struct span text, struct arena *arena,
	       struct template_sample **ret_samples, size_t *ret_count, struct err *why)
{
	static const struct store_label label = {{(const uint8_t *)"n", 1},
						 {(const uint8_t *)"1", 1}};
	struct template_sample *samples = arena_new(arena, 3 * sizeof(*samples));

	if (!samples)
		return err_set(why, -12, "out of memory");
	for (int i = 0; i < 3; i++)
		samples[i] = (struct template_sample){&label, 1, i};
	*ret_samples = samples;
	*ret_count = text.len % 4;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const struct store_label label = {{(const uint8_t *)"job", 3},
						 {(const uint8_t *)"a:1", 3}};
	const struct template_facts facts = {&label, 1, 12345.678, "http://h/p", ask, NULL};
	const struct template *template;
	struct arena arena;
	struct err why = {};
	struct buf out;

	arena_init(&arena, 4 << 20);
	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	if (!template_read((struct span){at, len}, &arena, &template, &why))
		template_run(template, &facts, &arena, &out, &why);
	if (out.len > TEMPLATE_OUTPUT_MAX)
		abort();
	buf_done(&out);
	arena_done(&arena);
	return 0;
}
