// SPDX-License-Identifier: GPL-2.0-only
/* rows - the series of a configuration as records: `sonde NAME`, GET /v1/records/NAME, filters. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "items/exporter/inside.h"
#include "items/private.h"

void exporter_column_name(const char *label, char name[COLUMN_NAME_BYTES])
{
	size_t at = 0;

	if (!isalpha((unsigned char)*label))
		name[at++] = 'l';
	for (; *label && at + 1 < COLUMN_NAME_BYTES; label++)
		name[at++] =
			isalnum((unsigned char)*label) ? (char)tolower((unsigned char)*label) : '_';
	name[at] = 0;
}

/* Names that records have already (pid, time) get one of their own. */
int exporter_add_column(struct layout *layout, const char *label, const char *help, struct err *why)
{
	char name[COLUMN_NAME_BYTES], other[COLUMN_NAME_BYTES + 8];
	int column;

	exporter_column_name(label, name);
	column = layout_add(layout, name, UNIT_TEXT, help, why);
	if (column != -EEXIST && column != -EINVAL)
		return column;
	snprintf(other, sizeof(other), "label_%s", name);
	other[COLUMN_NAME_BYTES - 1] = 0;
	return layout_add(layout, other, UNIT_TEXT, help, why);
}

static int make_layout(struct exporter_metric *metric, struct err *why)
{
	const struct config_metric *config = metric->config;
	struct layout *layout = &metric->layout;
	int error = 0;

	layout_begin(layout, 0);
	for (uint32_t i = 0; error >= 0 && i < metric->table.labels; i++)
		error = metric->label_column[i] =
			exporter_add_column(layout, config->label[i].name, NULL, why);
	if (error < 0)
		return error;
	if (config->type != CONFIG_HISTOGRAM) {
		metric->value_column = layout_add(layout, "value", UNIT_COUNT, config->help, why);
		layout_row_kind(layout, config->name, config->type == CONFIG_COUNTER,
				config->type == CONFIG_GAUGE);
		return metric->value_column < 0 ? metric->value_column : 0;
	}
	metric->value_column = layout_add(layout, "count", UNIT_COUNT, config->help, why);
	if (metric->value_column >= 0)
		error = layout_add(layout, "sum", UNIT_NONE,
				   "sum of what was counted, where the program keeps it", why);
	if (error >= 0)
		error = layout_add(layout, "buckets", UNIT_NONE,
				   "upper bounds, each with the number of all below", why);
	layout_row_kind(layout, config->name, 3, 0);
	return metric->value_column < 0 ? metric->value_column : error < 0 ? error : 0;
}

int exporter_make_layouts(struct exporter *exporter, struct err *why)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < exporter->config.metrics; i++) {
		error = make_layout(&exporter->metric[i], why);
		exporter->row_layout[i] = &exporter->metric[i].layout;
	}
	for (uint32_t i = 0; !error && i < exporter->config.spans; i++) {
		error = exporter_make_span_layout(&exporter->span[i], why);
		exporter->span_layout[i] = &exporter->span[i].layout;
	}
	return error ? err_prefix(why, "%s", exporter->config.file) : 0;
}

/* Labels back from the text of the series. */
static int fill_labels(const struct exporter_metric *metric, struct span text,
		       struct record *record, struct arena *arena)
{
	struct label_text *label = arena_new(arena, sizeof(*label));
	int error = label ? 0 : -ENOMEM;

	while (!error && metric_labels_next(&text, label))
		for (uint32_t i = 0; !error && i < metric->table.labels; i++)
			if (span_is(label->name, metric->config->label[i].name))
				error = record_set_text(
					record, (uint32_t)metric->label_column[i],
					(struct span){(const uint8_t *)label->value, label->len},
					arena);
	return error;
}

static struct span buckets_json(const struct exporter_metric *metric, const uint64_t *number,
				struct buf *out, uint64_t *ret_count)
{
	struct json json = {.out = out};
	uint64_t below = 0;

	buf_clear(out);
	json_array(&json);
	for (uint32_t i = 0; i < metric->config->buckets; i++) {
		below += number[i];
		json_object(&json);
		json_key_double(&json, "le", config_bucket_bound(metric->config, i));
		json_key_u64(&json, "count", below);
		json_object_end(&json);
	}
	json_array_end(&json);
	*ret_count = below;
	return buf_as_span(out);
}

static int fill_numbers(const struct exporter_metric *metric, const uint64_t *number,
			struct record *record, struct buf *text)
{
	struct value *value = &record->value[metric->value_column];
	uint64_t count;

	switch (metric->config->type) {
	case CONFIG_COUNTER: value[0] = value_u64(number[0]); return 0;
	case CONFIG_GAUGE: value[0] = value_i64((int64_t)number[0]); return 0;
	default: break;
	}
	value[2] = (struct value){.kind = VALUE_JSON,
				  .text = buckets_json(metric, number, text, &count)};
	value[0] = value_u64(count);
	value[1] = (struct value){.kind = VALUE_DOUBLE,
				  .real = (double)number[metric->config->buckets] *
					  metric->config->multiplier};
	return text->full ? -ENOSPC : 0;
}

static bool metric_rows(struct item *item, const struct exporter_metric *metric, struct buf *text,
			bool (*each)(void *ctx, const struct record *row), void *ctx)
{
	uint64_t *number = calloc(metric->table.width, sizeof(*number));
	struct record record;
	struct span labels;
	bool goes_on = number != NULL;

	for (uint32_t i = 0; goes_on && series_at(&metric->table, i, &labels, number); i++) {
		if (!labels.at)
			continue; /* not there any more */
		arena_clear(&item->arena);
		record_begin(&record, &metric->layout, item->name, metric->config->name, 0,
			     item->registry->options.resolver);
		if (fill_labels(metric, labels, &record, &item->arena) ||
		    fill_numbers(metric, number, &record, text)) {
			item->tally.dropped++;
			continue;
		}
		goes_on = each(ctx, &record);
	}
	free(number);
	return goes_on;
}

int exporter_rows(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		  void *ctx, struct err *why)
{
	struct exporter *exporter = state;
	bool goes_on = true;
	struct buf text;

	item_poll(item, 0);
	buf_init(&text, 1 << 20);
	for (uint32_t i = 0; goes_on && i < exporter->config.metrics; i++)
		goes_on = metric_rows(item, &exporter->metric[i], &text, each, ctx);
	buf_done(&text);
	return 0;
}
