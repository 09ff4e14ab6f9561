// SPDX-License-Identifier: GPL-2.0-only
/*
 * spans - events of a ring as records of the kind `span`.
 *
 * Six names of labels are no attributes but say what the span is: trace_id, span_id, parent_span_id (hexadecimal, all 0 =
 * none given), span_monotonic_timestamp_ns, span_duration_ns, span_name. All others are columns of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "items/exporter/inside.h"
#include "items/private.h"

enum { TRACE_HEX = 32, SPAN_HEX = 16 };

static const char *const reserved[] = {
	"trace_id",         "span_id",   "parent_span_id", "span_monotonic_timestamp_ns",
	"span_duration_ns", "span_name",
};
enum { SPAN_TRACE, SPAN_ID, SPAN_PARENT, SPAN_TIME, SPAN_DURATION, SPAN_NAME, SPAN_RESERVED };

static int reserved_index(const char *label)
{
	for (int i = 0; i < SPAN_RESERVED; i++)
		if (!strcmp(label, reserved[i]))
			return i;
	return -1;
}

int exporter_make_span_layout(struct exporter_span *span, struct err *why)
{
	int error = 0;

	layout_begin(&span->layout, 1 << WHO_SERVICE);
	span->layout.kind = "span";
	span->service_column = span->layout.who[WHO_SERVICE];
	span->config_column =
		layout_add(&span->layout, "config", UNIT_TEXT, "configuration that made it", why);
	span->name_column = layout_add(&span->layout, "name", UNIT_TEXT, "what was done", why);
	span->trace_column =
		layout_add(&span->layout, "trace_id", UNIT_TEXT, "the trace it belongs to", why);
	span->span_column = layout_add(&span->layout, "span_id", UNIT_TEXT, "its own id", why);
	span->parent_column = layout_add(&span->layout, "parent_span_id", UNIT_TEXT,
					 "the span it is part of", why);
	span->duration_column =
		layout_add(&span->layout, "duration_ns", UNIT_NS, "how long it took", why);
	if (span->duration_column < 0)
		return span->duration_column;
	for (uint32_t i = 0; error >= 0 && i < span->config->labels; i++) {
		const char *name = span->config->label[i].name;

		span->label_column[i] = -1;
		if (reserved_index(name) < 0)
			error = span->label_column[i] =
				exporter_add_column(&span->layout, name, NULL, why);
	}
	return error < 0 ? error : 0;
}

static bool is_hex(struct span text, size_t digits)
{
	for (size_t i = 0; i < text.len; i++)
		if (!((text.at[i] >= '0' && text.at[i] <= '9') ||
		      (text.at[i] >= 'a' && text.at[i] <= 'f')))
			return false;
	return text.len == digits;
}

static bool is_all_zero(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] != '0')
			return false;
	return true;
}

/* An id of our own, where the event gives none. */
static int set_own_id(struct record *record, int column, size_t digits, struct arena *arena)
{
	uint64_t number[2] = {};
	char text[TRACE_HEX + 1];

	if (getrandom(number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		return 0;
	snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)number[0] | 1,
		 (unsigned long long)number[1]);
	text[digits] = 0;
	return record_set_text(record, (uint32_t)column, span_of(text), arena);
}

/* 0, or -EINVAL: not what the name says it is. */
static int set_reserved(struct exporter_span *span, struct record *record, int what,
			struct span text, uint64_t *ret_ktime_ns, struct arena *arena)
{
	char *end;
	uint64_t number;

	switch (what) {
	case SPAN_TRACE:
		if (!is_hex(text, TRACE_HEX) || is_all_zero(text))
			return is_hex(text, TRACE_HEX) ? 0 : -EINVAL;
		return record_set_text(record, (uint32_t)span->trace_column, text, arena);
	case SPAN_ID:
	case SPAN_PARENT:
		if (!is_hex(text, SPAN_HEX))
			return -EINVAL;
		if (is_all_zero(text))
			return 0;
		return record_set_text(
			record,
			(uint32_t)(what == SPAN_ID ? span->span_column : span->parent_column), text,
			arena);
	case SPAN_NAME: return record_set_text(record, (uint32_t)span->name_column, text, arena);
	default: break;
	}
	number = strtoull((const char *)text.at, &end, 10);
	if (!text.len || *end)
		return -EINVAL;
	if (what == SPAN_TIME)
		*ret_ktime_ns = number;
	else
		record->value[span->duration_column] = value_u64(number);
	return 0;
}

/* Labels into the record. DECODE_SKIP, or -errno. */
static int fill(struct exporter_span *span, struct record *record, const uint8_t *bytes,
		size_t size, uint64_t *ret_ktime_ns, struct arena *arena, struct err *why)
{
	const struct config_span *config = span->config;
	struct decode *decode = &span->exporter->decode;
	size_t at = 0;

	for (uint32_t i = 0; i < config->labels; i++) {
		const struct config_label *label = &config->label[i];
		int error = at + label->size <= size ? decode_label(decode, label, bytes + at, why)
						     : -EINVAL;
		struct span text = {(const uint8_t *)buf_text(&decode->text), decode->text.len};

		if (error)
			return error;
		at += label->size + label->padding;
		if (span->label_column[i] >= 0)
			error = record_set_text(record, (uint32_t)span->label_column[i], text,
						arena);
		else
			error = set_reserved(span, record, reserved_index(label->name), text,
					     ret_ktime_ns, arena);
		if (error)
			return error;
	}
	return 0;
}

void exporter_on_span(void *ctx, const void *bytes, size_t size)
{
	struct exporter_span *span = ctx;
	struct exporter *exporter = span->exporter;
	struct item *item = exporter->item;
	const struct config_span *config = span->config;
	uint64_t ktime_ns = 0;
	struct record record;
	struct err why;
	int error;

	item->tally.read++;
	arena_clear(&item->arena);
	record_begin(&record, &span->layout, item->name, "span", 0,
		     item->registry->options.resolver);
	record.value[span->config_column] = value_str(exporter->name);
	record.value[span->name_column] = value_str(config->name ? config->name : config->ring);
	record.value[span->service_column] =
		value_str(config->service ? config->service : "ebpf_exporter");
	error = fill(span, &record, bytes, size, &ktime_ns, &item->arena, &why);
	if (error == DECODE_SKIP) {
		item->tally.unwanted++;
		return;
	}
	if (!error && record.value[span->span_column].kind == VALUE_ABSENT)
		error = set_own_id(&record, span->span_column, SPAN_HEX, &item->arena);
	if (!error && record.value[span->trace_column].kind == VALUE_ABSENT)
		error = set_own_id(&record, span->trace_column, TRACE_HEX, &item->arena);
	if (error) {
		exporter->undecoded += error == -EINVAL;
		item->tally.dropped++;
		return;
	}
	if (ktime_ns)
		record.value[LAYOUT_TIME] =
			(struct value){.kind = VALUE_TIME, .u64 = clock_wall_of(ktime_ns)};
	item_publish(item, &record);
}
