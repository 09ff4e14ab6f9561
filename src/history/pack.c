// SPDX-License-Identifier: GPL-2.0-only
/*
 * pack - the loop's half: records and samples become bytes that the writer reads.
 *
 * Names of columns and labels of series go over once and are numbers afterwards. A layout has its number by itself; a
 * series gets one here, kept in the word that its family has for each sample. What the writer may have forgotten, or never
 * got because the queue was full, is told again.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "history/inside.h"

void packer_init(struct packer *packer)
{
	*packer = (struct packer){.next_id = 1, .first_id = 1};
	map_init(&packer->layouts, sizeof(uint32_t), 1, LAYOUTS);
	buf_init(&packer->series, QUEUE_BYTES);
	buf_init(&packer->values, QUEUE_BYTES);
}

void parcel_free(struct parcel *parcel)
{
	if (!parcel)
		return;
	buf_done(&parcel->buf);
	free(parcel);
}

void packer_done(struct packer *packer)
{
	parcel_free(packer->open);
	map_done(&packer->layouts);
	buf_done(&packer->series);
	buf_done(&packer->values);
}

static struct parcel *parcel_new(size_t cap)
{
	struct parcel *parcel = calloc(1, sizeof(*parcel));

	if (!parcel)
		return NULL;
	buf_init(&parcel->buf, cap);
	parcel->opened_ns = clock_monotonic_ns();
	return parcel;
}

static void pack_value(struct buf *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_I64: buf_varint(out, zigzag(value->i64)); break;
	case VALUE_BOOL: buf_char(out, value->truth); break;
	case VALUE_DOUBLE: buf_add(out, &value->real, sizeof(value->real)); break;
	case VALUE_TEXT:
	case VALUE_SKETCH:
	case VALUE_JSON: buf_text_span(out, span_first(value->text, STORE_TEXT_BYTES_MAX)); break;
	default: buf_varint(out, value->u64);
	}
}

/* Half a sketch is none: one that is too long is left out. */
static bool is_packed(const struct value *value)
{
	return value->kind != VALUE_ABSENT &&
	       (value->kind != VALUE_SKETCH || value->text.len <= STORE_TEXT_BYTES_MAX);
}

static void pack_layout(struct buf *out, const struct layout *layout)
{
	buf_char(out, PACK_LAYOUT);
	buf_varint(out, layout->number);
	buf_varint(out, layout->count);
	for (uint32_t i = 0; i < layout->count; i++)
		buf_text_span(out, span_of(layout->column[i].name));
}

/* Tells the writer of a layout that it does not know. */
static int make_known(struct packer *packer, const struct layout *layout)
{
	bool is_new;

	if (map_get(&packer->layouts, &layout->number))
		return 0;
	if (packer->layouts.len == LAYOUTS) {
		map_clear(&packer->layouts);
		packer->forget = true;
	}
	if (packer->forget)
		buf_char(&packer->open->buf, PACK_FORGET);
	packer->forget = false;
	if (!map_put(&packer->layouts, &layout->number, &is_new))
		return -ENOMEM;
	pack_layout(&packer->open->buf, layout);
	return 0;
}

int pack_record(struct packer *packer, const struct record *record)
{
	const struct layout *layout = record->layout;
	uint32_t count = 0;
	struct buf *out;
	size_t begin;

	if (!packer->open)
		packer->open = parcel_new(PARCEL_BYTES + 2 * RECORD_BYTES);
	if (!packer->open || make_known(packer, layout))
		return -ENOMEM;
	out = &packer->open->buf;
	begin = out->len;
	for (uint32_t i = 0; i < layout->count; i++)
		count += is_packed(&record->value[i]);
	buf_char(out, PACK_RECORD);
	buf_varint(out, layout->number);
	buf_varint(out, count);
	for (uint32_t i = 0; i < layout->count; i++) {
		if (!is_packed(&record->value[i]))
			continue;
		buf_varint(out, i);
		buf_char(out, (char)record->value[i].kind);
		pack_value(out, &record->value[i]);
	}
	if (!out->full && out->len - begin <= RECORD_BYTES) {
		packer->open->records++;
		return 0;
	}
	out->len = begin; /* what stands before is whole */
	out->full = false;
	return -E2BIG;
}

static enum store_series_kind kind_of(const struct metric_sample *sample)
{
	return sample->metric->type == METRIC_GAUGE ? SERIES_GAUGE : SERIES_COUNTER;
}

static void pack_series(struct packer *packer, const struct metric_sample *sample)
{
	struct buf *out = &packer->series;
	size_t name = strlen(sample->metric->name), suffix = strlen(sample->suffix);

	buf_char(out, PACK_SERIES);
	buf_varint(out, sample->note->id);
	buf_char(out, (char)kind_of(sample));
	buf_varint(out, name + suffix);
	buf_add(out, sample->metric->name, name);
	buf_add(out, sample->suffix, suffix);
	buf_text_span(out, sample->labels);
	buf_text_span(out, span_of(sample->le));
}

static void pack_sample(void *ctx, const struct metric_sample *sample)
{
	struct packer *packer = ctx;
	struct sample_note *note = sample->note;
	struct packed_sample packed = {.value = sample->value};

	if (note->id < packer->first_id || packer->now_s - note->seen > SERIES_IDLE_S) {
		note->id = packer->next_id++;
		pack_series(packer, sample);
	}
	note->seen = packer->now_s;
	packed.id = note->id;
	buf_add(&packer->values, &packed, sizeof(packed));
}

struct parcel *pack_scrape(struct packer *packer, struct family *const *families, size_t count,
			   uint64_t wall_ns, bool part)
{
	struct parcel *parcel = parcel_new(2 * QUEUE_BYTES);
	struct buf *series = &packer->series, *values = &packer->values;

	buf_clear(series);
	buf_clear(values);
	packer->now_s = (uint32_t)(clock_monotonic_ns() / 1000000000);
	families_samples(families, count, pack_sample, packer);
	if (!parcel)
		return NULL;
	parcel->samples = values->len / sizeof(struct packed_sample);
	buf_reserve(&parcel->buf, series->len + values->len + 32);
	buf_span(&parcel->buf, buf_as_span(series));
	buf_char(&parcel->buf, part ? PACK_PART : PACK_SCRAPE);
	buf_varint(&parcel->buf, wall_ns / 1000000);
	buf_varint(&parcel->buf, parcel->samples);
	buf_span(&parcel->buf, buf_as_span(values));
	if (series->room > PARCEL_BYTES) /* the first scrape told of all series at once */
		buf_done(series);
	if (!parcel->buf.full)
		return parcel;
	parcel_free(parcel);
	return NULL;
}
