// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as an object: refused with a reason, or a description that keeps its own rules. Start from the
 * objects that the test compiles (describe_*.bpf.o in the build folder).
 */
#include "items/describe.h"

#include <stdlib.h>

#include <bpf/libbpf.h>

static void check_layout(const struct layout *layout, const struct schema *schema)
{
	if (layout->count > LAYOUT_COLUMNS || schema->count > SCHEMA_COLUMNS)
		abort();
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->column[i].offset > schema->size ||
		    schema->column[i].size > schema->size - schema->column[i].offset)
			abort();
}

static void check_record(const struct layout *layout, const struct schema *schema)
{
	uint8_t *raw = calloc(1, schema->size ? schema->size : 1);
	struct record record;
	struct arena arena;

	check_layout(layout, schema);
	arena_init(&arena, 1 << 20);
	memset(raw, 0xa5, schema->size);
	record_fill(&record, layout, raw, schema->size, 1, NULL, &arena);
	arena_done(&arena);
	free(raw);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	libbpf_set_print(NULL);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct item_desc *desc;
	struct err why = {};
	struct buf buf;
	struct json json = {.out = &buf};

	if (item_describe("fuzz", at, len, &desc, &why)) {
		if (!why.code || !why.text[0])
			abort();
		return 0;
	}
	for (uint32_t i = 0; i < desc->events; i++)
		check_record(&desc->event[i].layout, &desc->event[i].schema);
	for (uint32_t i = 0; i < desc->maps; i++)
		check_record(&desc->map[i].layout, &desc->map[i].row);
	buf_init(&buf, 1 << 22);
	item_desc_json(desc, &json);
	buf_done(&buf);
	item_desc_free(desc);
	return 0;
}
