// SPDX-License-Identifier: GPL-2.0-only
/* series - the series of one metric of a configuration. */
#include "items/exporter/series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"

enum {
	TEXT_BYTES = 128 << 20, /* of all labels of a metric */
	SCRATCH_BYTES = 1 << 20,
	SPARE = 1024, /* keys and series that nobody sees any more, before they are let go */
};
#define RETRY_NS (5 * 1000000000ull)

/* Where a key's number goes. */
struct place {
	uint32_t series; /* or one of these */
	uint32_t slot; /* UINT32_MAX = a bucket that is not shown */
	bool is_unsure;
};
enum { SERIES_SKIPPED = 0xffffffff, SERIES_UNDECODED = 0xfffffffe };

struct name {
	uint64_t one, two;
};

/* ---- making ---- */

/* 1, 0.001, 1.048576e+06: as Go's exposition spells a bound. */
static void print_bound(char text[32], double bound)
{
	size_t len = print_double(text, bound);

	if (len > 2 && !strcmp(text + len - 2, ".0"))
		text[len - 2] = 0;
}

static void sort_labels(struct series_table *table)
{
	const struct config_metric *metric = table->metric;

	table->labels = metric->labels - (metric->type == CONFIG_HISTOGRAM);
	for (uint32_t i = 0; i < table->labels; i++) {
		uint32_t at = i;

		for (; at &&
		       strcmp(metric->label[table->order[at - 1]].name, metric->label[i].name) > 0;
		     at--)
			table->order[at] = table->order[at - 1];
		table->order[at] = (uint8_t)i;
	}
}

static size_t count_series(void *ctx)
{
	return ((const struct series_table *)ctx)->shown;
}

static void tell_samples(void *ctx, metric_sample_each each, void *each_ctx);

static const struct family_keeper keeper = {count_series, tell_samples};

static int describe(struct series_table *table, struct err *why)
{
	static const enum metric_type types[] = {METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM};
	const struct config_metric *metric = table->metric;

	table->description = (struct metric){
		.type = types[metric->type], .scale = 1, .help = (char *)metric->help};
	snprintf(table->description.name, sizeof(table->description.name), "ebpf_exporter_%s",
		 metric->name);
	table->family = family_kept(&table->description, &keeper, table);
	if (!table->family)
		return err_set(why, -ENOMEM, "cannot keep metric '%s': out of memory",
			       metric->name);
	if (metric->type != CONFIG_HISTOGRAM)
		return 0;
	table->le = calloc(metric->buckets, sizeof(*table->le));
	if (!table->le)
		return err_set(why, -ENOMEM, "cannot keep metric '%s': out of memory",
			       metric->name);
	for (uint32_t i = 0; i < metric->buckets; i++)
		print_bound(table->le[i], config_bucket_bound(metric, i));
	return 0;
}

int series_init(struct series_table *table, const struct config_metric *metric,
		const struct decode_facts *facts, uint32_t key_bytes, struct err *why)
{
	*table = (struct series_table){
		.metric = metric, .facts = facts, .key_bytes = key_bytes ? key_bytes : 1};
	table->width = metric->type == CONFIG_HISTOGRAM ? metric->buckets + 1 : 1;
	table->cap = SERIES_CAP / table->width;
	table->keeps = metric->is_perf_array;
	decode_init(&table->decode, facts);
	map_init(&table->keys, table->key_bytes, sizeof(struct place), 2 * SERIES_CAP);
	map_init(&table->names, sizeof(struct name), sizeof(uint32_t), 2 * SERIES_CAP);
	buf_init(&table->texts, TEXT_BYTES);
	buf_init(&table->scratch, SCRATCH_BYTES);
	sort_labels(table);
	return describe(table, why);
}

void series_done(struct series_table *table)
{
	family_free(table->family);
	decode_done(&table->decode);
	map_done(&table->keys);
	map_done(&table->names);
	buf_done(&table->texts);
	buf_done(&table->scratch);
	free(table->series);
	free(table->live);
	free(table->base);
	free(table->note);
	free(table->le);
	*table = (struct series_table){};
}

void series_clear(struct series_table *table)
{
	map_clear(&table->keys);
	map_clear(&table->names);
	buf_clear(&table->texts);
	free(table->base);
	table->base = NULL;
	free(table->note);
	table->note = NULL;
	table->count = table->shown = 0;
	table->seen = 0;
}

/* ---- adding a series ---- */

static bool has_base(const struct series_table *table, uint32_t index)
{
	for (uint32_t i = 0; table->base && i < table->width; i++)
		if (table->base[(size_t)index * table->width + i])
			return true;
	return false;
}

static bool is_shown(const struct series_table *table, uint32_t index)
{
	return table->keeps || table->series[index].tick == table->tick || has_base(table, index);
}

static bool make_room(struct series_table *table)
{
	uint32_t room = table->room ? table->room * 2 : 256;
	size_t bytes = (size_t)room * table->width * sizeof(uint64_t);
	struct kept *series = realloc(table->series, room * sizeof(*series));
	uint64_t *live, *base = NULL;

	if (!series)
		return false;
	table->series = series;
	live = realloc(table->live, bytes);
	if (!live)
		return false;
	table->live = live;
	if (table->base) {
		base = realloc(table->base, bytes);
		if (!base)
			return false;
		memset(base + (size_t)table->room * table->width, 0,
		       bytes - (size_t)table->room * table->width * sizeof(*base));
		table->base = base;
	}
	free(table->note);
	table->note = NULL;
	table->room = room;
	return true;
}

/* The series of this text, made if it is new. False: there are too many, or memory is out. */
static bool find_or_add(struct series_table *table, struct span text, uint32_t *ret_index)
{
	struct name name = {hash_bytes(text.at, text.len, hash_seed()),
			    hash_bytes(text.at, text.len, ~hash_seed())};
	uint32_t *index = map_get(&table->names, &name);

	if (index) {
		*ret_index = *index;
		return true;
	}
	if (table->count >= table->cap && !span_is(text, "overflow=\"true\""))
		return false;
	if (table->texts.len + text.len > TEXT_BYTES ||
	    (table->count == table->room && !make_room(table)))
		return false;
	index = map_put(&table->names, &name, NULL);
	if (!index)
		return false;
	table->series[table->count] =
		(struct kept){.at = table->texts.len, .len = (uint32_t)text.len};
	if (buf_span(&table->texts, text)) {
		map_del(&table->names, &name);
		return false;
	}
	memset(&table->live[(size_t)table->count * table->width], 0,
	       table->width * sizeof(*table->live));
	*index = *ret_index = table->count++;
	return true;
}

/* ---- from a key to its text ---- */

static void put_name(struct buf *out, const char *name)
{
	if (*name >= '0' && *name <= '9')
		buf_char(out, '_');
	for (; *name; name++)
		buf_char(out, (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
					      (*name >= '0' && *name <= '9')
				      ? *name
				      : '_');
}

/* Escaped as the text formats want it; what is no UTF-8, or would steer a terminal, becomes U+FFFD. */
static void put_value(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len;) {
		uint8_t c = value.at[i];
		size_t len = utf8_valid(value.at + i, value.len - i);

		if (c == '"' || c == '\\' || c == '\n') {
			buf_char(out, '\\');
			buf_char(out, c == '\n' ? 'n' : (char)c);
		} else if (!len || (len == 1 && (c < ' ' || c == 0x7f))) {
			buf_str(out, "\xef\xbf\xbd");
			len = 1;
		} else {
			buf_add(out, value.at + i, len);
		}
		i += len ? len : 1;
	}
}

/* In the order of their names. Empty labels are none to Prometheus; ebpf_exporter writes them. */
static int render(struct series_table *table, const uint8_t *key, struct err *why)
{
	buf_clear(&table->scratch);
	for (uint32_t i = 0; i < table->labels; i++) {
		const struct config_label *label = &table->metric->label[table->order[i]];
		uint32_t at = config_key_bytes(table->metric->label, table->order[i]);
		int error = decode_label(&table->decode, label, key + at, why);

		if (error)
			return error;
		if (!table->decode.text.len && !table->facts->is_exact)
			continue;
		if (table->scratch.len)
			buf_char(&table->scratch, ',');
		put_name(&table->scratch, label->name);
		buf_str(&table->scratch, "=\"");
		put_value(&table->scratch, buf_as_span(&table->decode.text));
		buf_char(&table->scratch, '"');
	}
	return table->scratch.full ? -ENOSPC : 0;
}

/* The last label's text is a number, in any notation that Go's ParseUint takes. UINT32_MAX = a bucket that is not shown. */
static int find_slot(struct series_table *table, const uint8_t *key, uint32_t *ret_slot,
		     struct err *why)
{
	const struct config_metric *metric = table->metric;
	const struct config_label *label = &metric->label[metric->labels - 1];
	int error = decode_label(&table->decode, label,
				 key + config_key_bytes(metric->label, metric->labels - 1), why);
	const char *text = buf_text(&table->decode.text);
	char *end = NULL;
	double raw;

	if (error)
		return error;
	errno = 0;
	raw = (double)strtoull(text, &end, strncmp(text, "0b", 2) ? 0 : 2);
	if (!*text || *text == '-' || *end || errno)
		return err_set(
			why, -EINVAL,
			"bucket '%.60s' is no number; put the decoder uint on the last label",
			text);
	*ret_slot = UINT32_MAX;
	if (raw == config_sum_raw(metric))
		*ret_slot = metric->buckets;
	else if (metric->bucket_type != BUCKET_FIXED && raw >= (double)metric->bucket_min &&
		 raw <= (double)metric->bucket_max)
		*ret_slot = (uint32_t)(raw - (double)metric->bucket_min);
	for (uint32_t i = 0; metric->bucket_type == BUCKET_FIXED && i < metric->buckets; i++)
		if (metric->bucket_key[i] == raw)
			*ret_slot = i;
	return 0;
}

static struct place find_place(struct series_table *table, const uint8_t *key)
{
	struct place place = {.series = SERIES_UNDECODED};
	struct err why;
	int error;

	table->decode.is_unsure = false;
	error = render(table, key, &why);
	place.is_unsure = table->decode.is_unsure;
	if (!error && table->metric->type == CONFIG_HISTOGRAM)
		error = find_slot(table, key, &place.slot, &why);
	if (error == DECODE_SKIP)
		place.series = SERIES_SKIPPED;
	if (error)
		return place;
	if (!find_or_add(table, buf_as_span(&table->scratch), &place.series)) {
		table->overflowed++;
		if (!find_or_add(table, span_of("overflow=\"true\""), &place.series))
			place.series = SERIES_SKIPPED;
	}
	return place;
}

/* ---- a round ---- */

/* Texts of most series are not needed any more: what is left is rendered anew as it is read. Bases stay. */
static void compact(struct series_table *table)
{
	struct series_table old = *table;

	table->series = NULL;
	table->live = table->base = NULL;
	table->note = NULL;
	table->room = table->count = 0;
	buf_init(&table->texts, TEXT_BYTES);
	map_clear(&table->names);
	map_clear(&table->keys);
	for (uint32_t i = 0; i < old.count; i++) {
		struct span text = {(const uint8_t *)buf_text(&old.texts) + old.series[i].at,
				    old.series[i].len};
		uint32_t index;

		if (!has_base(&old, i) || !find_or_add(table, text, &index))
			continue;
		memcpy(&table->live[(size_t)index * table->width],
		       &old.base[(size_t)i * table->width], table->width * sizeof(*old.base));
	}
	if (table->count) { /* what was copied is the base */
		table->base = table->live;
		table->live = calloc((size_t)table->room * table->width, sizeof(*table->live));
	}
	if (table->count && !table->live) {
		table->live = table->base;
		table->base = NULL;
	}
	buf_done(&old.texts);
	free(old.series);
	free(old.live);
	free(old.base);
	free(old.note);
}

void series_forget(struct series_table *table)
{
	if (!table->keeps)
		compact(table);
}

void series_begin(struct series_table *table, uint64_t now_ns)
{
	uint32_t stale = table->count > table->shown ? table->count - table->shown : 0;

	table->now_ns = now_ns;
	table->failed = false;
	table->retry = now_ns >= table->retry_ns;
	if (table->retry)
		table->retry_ns = now_ns + RETRY_NS;
	if (table->keeps)
		return;
	if (stale > table->shown + SPARE || table->keys.len > 2 * table->seen + SPARE)
		compact(table);
	table->seen = 0;
	table->tick++;
}

void series_add(struct series_table *table, const uint8_t *key, uint64_t value)
{
	static const uint8_t nothing[1];
	struct place *place;
	struct kept *series;
	bool is_new;

	if (!table->metric->labels)
		key = nothing;
	place = map_put(&table->keys, key, &is_new);
	if (!place) {
		table->overflowed++;
		return;
	}
	if (is_new || (place->is_unsure && table->retry))
		*place = find_place(table, key); /* (its own table; `place` stays where it is) */
	table->seen++;
	if (place->series == SERIES_UNDECODED) {
		table->undecoded++;
		table->failed = true;
	}
	if (place->series >= SERIES_UNDECODED)
		return;
	series = &table->series[place->series];
	if (series->tick != table->tick && !table->keeps)
		memset(&table->live[(size_t)place->series * table->width], 0,
		       table->width * sizeof(*table->live));
	series->tick = table->tick;
	if (place->slot != UINT32_MAX)
		table->live[(size_t)place->series * table->width + place->slot] += value;
}

void series_end(struct series_table *table)
{
	table->shown = 0;
	for (uint32_t i = 0; i < table->count; i++) {
		if (table->series[i].tick != table->tick && !table->keeps)
			memset(&table->live[(size_t)i * table->width], 0,
			       table->width * sizeof(*table->live));
		table->shown += is_shown(table, i);
	}
	if (table->failed && table->facts->is_exact)
		table->shown = 0;
}

void series_fold(struct series_table *table)
{
	size_t numbers = (size_t)table->count * table->width;

	if (table->keeps)
		return; /* they are counted here, not read */
	map_clear(&table->keys);
	if (table->metric->type == CONFIG_GAUGE || !numbers)
		return;
	if (!table->base)
		table->base = calloc((size_t)table->room * table->width, sizeof(*table->base));
	for (size_t i = 0; table->base && i < numbers; i++) {
		table->base[i] += table->live[i];
		table->live[i] = 0;
	}
}

void series_inherit(struct series_table *table, struct series_table *from)
{
	const struct config_metric *ours = table->metric, *theirs = from->metric;

	if (ours->type != theirs->type || ours->is_perf_array != theirs->is_perf_array ||
	    table->width != from->width || ours->type == CONFIG_GAUGE)
		return;
	if (ours->type == CONFIG_HISTOGRAM &&
	    (ours->bucket_type != theirs->bucket_type ||
	     config_bucket_raw(ours, 0) != config_bucket_raw(theirs, 0) ||
	     ours->multiplier != theirs->multiplier))
		return;
	for (uint32_t i = 0; i < from->count; i++) {
		struct span text = {(const uint8_t *)buf_text(&from->texts) + from->series[i].at,
				    from->series[i].len};
		const uint64_t *number =
			&(from->keeps ? from->live : from->base)[(size_t)i * from->width];
		uint64_t *to;
		uint32_t index;

		if ((!from->keeps && !has_base(from, i)) || !find_or_add(table, text, &index))
			continue;
		if (!table->keeps && !table->base)
			table->base =
				calloc((size_t)table->room * table->width, sizeof(*table->base));
		to = table->keeps ? table->live : table->base;
		for (uint32_t n = 0; to && n < table->width; n++)
			to[(size_t)index * table->width + n] += number[n];
	}
}

/* ---- telling ---- */

static uint64_t number_at(const struct series_table *table, uint32_t series, uint32_t slot)
{
	size_t at = (size_t)series * table->width + slot;

	return table->live[at] + (table->base ? table->base[at] : 0);
}

bool series_at(const struct series_table *table, uint32_t i, struct span *ret_labels,
	       uint64_t *ret_number)
{
	if (i >= table->count)
		return false;
	*ret_labels = (struct span){(const uint8_t *)buf_text(&table->texts) + table->series[i].at,
				    table->series[i].len};
	for (uint32_t n = 0; n < table->width; n++)
		ret_number[n] = number_at(table, i, n);
	if (!is_shown(table, i))
		*ret_labels = (struct span){};
	return true;
}

struct teller {
	struct series_table *table;
	metric_sample_each each;
	void *ctx;
	struct metric_sample sample;
	char text[DOUBLE_TEXT + 2];
};

static void tell(struct teller *teller, double value, size_t line)
{
	teller->sample.value = value;
	teller->sample.note = &teller->table->note[line];
	if (teller->table->facts->is_exact) {
		print_bound(teller->text, value); /* as Go writes numbers */
		teller->sample.text = teller->text;
	}
	teller->each(teller->ctx, &teller->sample);
}

static void tell_histogram(struct teller *teller, uint32_t series)
{
	const struct series_table *table = teller->table;
	size_t line = (size_t)series * (table->width + 2);
	uint32_t buckets = table->metric->buckets;
	uint64_t below = 0;

	teller->sample.suffix = "_bucket";
	for (uint32_t i = 0; i < buckets; i++) {
		below += number_at(table, series, i);
		teller->sample.le = table->le[i];
		tell(teller, (double)below, line + i);
	}
	teller->sample.le = "+Inf";
	tell(teller, (double)below, line + buckets);
	teller->sample.le = NULL;
	teller->sample.suffix = "_sum";
	tell(teller, (double)number_at(table, series, buckets) * table->metric->multiplier,
	     line + buckets + 1);
	teller->sample.suffix = "_count";
	tell(teller, (double)below, line + buckets + 2);
}

static void tell_samples(void *ctx, metric_sample_each each, void *each_ctx)
{
	struct series_table *table = ctx;
	struct teller teller = {
		table, each, each_ctx, {.metric = family_metric(table->family)}, ""};
	bool is_histogram = table->metric->type == CONFIG_HISTOGRAM;

	if (!table->shown)
		return;
	if (!table->note)
		table->note = calloc((size_t)table->room * (is_histogram ? table->width + 2 : 1),
				     sizeof(*table->note));
	for (uint32_t i = 0; table->note && i < table->count; i++) {
		if (!is_shown(table, i))
			continue;
		teller.sample.labels =
			(struct span){(const uint8_t *)table->texts.at + table->series[i].at,
				      table->series[i].len};
		teller.sample.suffix = "";
		if (is_histogram)
			tell_histogram(&teller, i);
		else if (table->metric->type == CONFIG_GAUGE)
			tell(&teller, (double)(int64_t)number_at(table, i, 0), i);
		else
			tell(&teller, (double)number_at(table, i, 0), i);
	}
}

size_t series_bytes(const struct series_table *table)
{
	return map_bytes(&table->keys) + map_bytes(&table->names) + table->texts.room +
	       (size_t)table->room * (sizeof(*table->series) +
				      table->width * sizeof(uint64_t) * (table->base ? 2 : 1));
}
