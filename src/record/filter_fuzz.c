// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a filter: refused with a place, or a filter whose `not (...)` says the opposite. */
#include "record/filter.h"

#include <stdlib.h>

static struct layout layout;
static struct record record;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err why;

	layout_begin(&layout, WHO_OF_PID);
	layout_add(&layout, "status", UNIT_TEXT, NULL, &why);
	layout_add(&layout, "duration_ns", UNIT_NS, NULL, &why);
	layout_add(&layout, "local_port", UNIT_NONE, NULL, &why);
	layout_add(&layout, "remote_addr", UNIT_TEXT, NULL, &why);
	layout_add(&layout, "share", UNIT_PERCENT, NULL, &why);
	layout_add(&layout, "tls", UNIT_NONE, NULL, &why);
	record.layout = &layout;
	record.value[LAYOUT_TIME] = (struct value){.kind = VALUE_TIME, .u64 = 1700000000000000000};
	record.value[LAYOUT_FIRST] = value_u64(42);
	record.value[layout_find(&layout, span_of("status"))] = value_str("404");
	record.value[layout_find(&layout, span_of("duration_ns"))] = value_i64(-5);
	record.value[layout_find(&layout, span_of("local_port"))] = value_u64(80);
	record.value[layout_find(&layout, span_of("remote_addr"))] = value_str("10.0.0.1");
	record.value[layout_find(&layout, span_of("share"))] =
		(struct value){.kind = VALUE_DOUBLE, .real = 0.5};
	record.value[layout_find(&layout, span_of("tls"))] = value_bool(true);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct layout *layouts[] = {&layout};
	struct filter *filter, *opposite;
	struct err why = {};
	struct span value;
	struct buf text;

	if (filter_parse((struct span){at, len}, &filter, &why)) {
		if (!why.code || strncmp(why.text, "filter", 6) != 0)
			abort();
		return 0;
	}
	filter_check(filter, layouts, 1, &why);
	filter_requires(filter, "pid", &value);
	buf_init(&text, len + 10);
	buf_str(&text, "not (");
	buf_add(&text, at, len);
	buf_str(&text, ")");
	if (filter && !filter_parse(buf_as_span(&text), &opposite, &why)) {
		if (filter_match(filter, &record) == filter_match(opposite, &record))
			abort();
		filter_free(opposite);
	}
	buf_done(&text);
	filter_free(filter);
	return 0;
}
