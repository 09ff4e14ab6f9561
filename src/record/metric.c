// SPDX-License-Identifier: GPL-2.0-only
/*
 * metric - counters, gauges and histograms with labels, kept by name.
 *
 * Labels are rendered at once into the text that stands between the braces, sorted by name: that text is
 * the key, so whatever reads alike is one series, and writing a series is copying. A series has three
 * numbers: live (the sum of what the sources have now), base (what sources had that are gone) and shown
 * (what readers see). family_end sets shown = base + live; were that less than before, the missing part is
 * put into base, or waited for (family_waits).
 */
#include "record/metric_parts.h"

#include "base/json.h"
#include "base/map.h"
#include "base/units.h"

#include <math.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 64, FIRST_ROOM = 16, SCRATCH_BYTES = 256 * 1024, DECIMALS_MAX = 12 };
#define IDLE_NS (3600 * 1000000000ull)

void metric_done(struct metric *metric)
{
	free(metric->help);
	free(metric->labels);
	*metric = (struct metric){};
}

/* ---- labels ---- */

static bool is_label_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Names of others' metrics may hold anything: what the format forbids becomes '_'. `le` is the buckets'. */
static char *render_name(char *at, const char *name, bool is_histogram)
{
	if (!*name || (*name >= '0' && *name <= '9'))
		*at++ = '_';
	if (is_histogram && !strcmp(name, "le"))
		*at++ = '_';
	for (; *name; name++)
		*at++ = is_label_byte((uint8_t)*name) ? *name : '_';
	return at;
}

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* What is not plain: escaped as both text formats want it. Control bytes would steer terminals and 0 ends
 * Prometheus' parser: like bytes that are no UTF-8 they become U+FFFD. Takes `*used` bytes. */
static char *render_odd(char *at, struct span value, size_t *used)
{
	uint8_t c = value.at[0];
	size_t len = utf8_valid(value.at, value.len);

	*used = len ? len : 1;
	if (c == '"' || c == '\\' || c == '\n') {
		*at++ = '\\';
		*at++ = c == '\n' ? 'n' : (char)c;
		return at;
	}
	if (len <= 1) {
		memcpy(at, "\xef\xbf\xbd", 3);
		return at + 3;
	}
	memcpy(at, value.at, len);
	return at + len;
}

static char *render_value(char *at, struct span value)
{
	size_t used;

	for (size_t i = 0; i < value.len; i += used) {
		used = 1;
		if (is_plain(value.at[i]))
			*at++ = (char)value.at[i];
		else
			at = render_odd(at, span_from(value, i), &used);
	}
	return at;
}

/* Sorts pointers to all labels that have a value, the constant ones first among equals. */
static size_t sort_labels(const struct family *family, const struct label *labels, size_t count,
			  const struct label *sorted[FAMILY_FIXED + METRIC_LABELS])
{
	size_t used = 0, at;

	if (count > METRIC_LABELS)
		count = METRIC_LABELS;
	for (size_t i = 0; i < family->fixed_count + count; i++) {
		const struct label *label = i < family->fixed_count
						    ? &family->fixed[i]
						    : &labels[i - family->fixed_count];

		if (!label->value.len)
			continue;
		for (at = used; at && strcmp(sorted[at - 1]->name, label->name) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = label;
		used++;
	}
	return used;
}

/* Bytes that these labels take at most: a byte of a value becomes three (U+FFFD). */
static size_t most_bytes(const struct label *const *label, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(label[i]->name) + 6 +
			 3 * span_first(label[i]->value, METRIC_LABEL_BYTES).len;
	return bytes;
}

/* Into family->scratch. */
static void render(struct family *family, const struct label *labels, size_t count)
{
	const struct label *sorted[FAMILY_FIXED + METRIC_LABELS];
	size_t used = sort_labels(family, labels, count, sorted);
	struct buf *out = &family->scratch;
	char *start, *at;

	buf_clear(out);
	start = at = buf_reserve(out, most_bytes(sorted, used));
	if (!start)
		return; /* names without end: out->full says so */
	for (size_t i = 0; i < used; i++) {
		if (i && !strcmp(sorted[i]->name, sorted[i - 1]->name))
			continue;
		if (at != start)
			*at++ = ',';
		at = render_name(at, sorted[i]->name, family->metric.type == METRIC_HISTOGRAM);
		*at++ = '=';
		*at++ = '"';
		at = render_value(at, span_first(sorted[i]->value, METRIC_LABEL_BYTES));
		*at++ = '"';
	}
	buf_commit(out, (size_t)(at - start));
}

/* ---- the table of series ---- */

struct series *family_find(const struct family *family, const char *text, uint32_t len,
			   uint64_t hash)
{
	size_t mask = family->index_slots - 1, slot = hash & mask;

	for (; family->index_slots && family->index[slot].at; slot = (slot + 1) & mask) {
		struct series *series = &family->series[family->index[slot].at - 1];

		if (family->index[slot].hash == (uint32_t)(hash >> 32) && series->len == len &&
		    (!len || !memcmp(series->text, text, len)))
			return series;
	}
	return NULL;
}

static void index_series(struct family *family, size_t at)
{
	size_t mask = family->index_slots - 1, slot = family->series[at].hash & mask;

	while (family->index[slot].at)
		slot = (slot + 1) & mask;
	family->index[slot] = (struct index_slot){
		.hash = (uint32_t)(family->series[at].hash >> 32),
		.at = (uint32_t)at + 1,
	};
}

static bool make_index(struct family *family, size_t slots)
{
	struct index_slot *index = calloc(slots, sizeof(*index));

	if (!index)
		return false;
	free(family->index);
	family->index = index;
	family->index_slots = slots;
	for (size_t i = 0; i < family->count; i++)
		index_series(family, i);
	return true;
}

static bool make_room(struct family *family)
{
	size_t room = family->room ? family->room * 2 : FIRST_ROOM;
	struct series *series;

	if ((family->count + 1) * 2 > family->index_slots &&
	    !make_index(family, family->index_slots ? family->index_slots * 2 : FIRST_SLOTS))
		return false;
	if (family->count < family->room)
		return true;
	series = realloc(family->series, room * sizeof(*series));
	if (!series)
		return false;
	family->series = series;
	family->room = room;
	return true;
}

static void series_done(struct series *series)
{
	if (series->histogram)
		free(series->histogram->base);
	free(series->histogram);
	free(series->notes);
	free(series->exemplar);
	free(series->text);
}

/* A new series of the labels in scratch. NULL when memory is out. */
static struct series *new_series(struct family *family, uint64_t hash)
{
	struct series series = {.hash = hash, .len = (uint32_t)family->scratch.len};

	if (!make_room(family))
		return NULL;
	series.text = malloc(series.len + 1);
	if (family->metric.type == METRIC_HISTOGRAM)
		series.histogram = calloc(1, sizeof(*series.histogram));
	if (!series.text || (family->metric.type == METRIC_HISTOGRAM && !series.histogram)) {
		series_done(&series);
		return NULL;
	}
	memcpy(series.text, buf_text(&family->scratch), series.len + 1);
	family->series[family->count++] = series;
	index_series(family, family->count - 1);
	return &family->series[family->count - 1];
}

static struct series *find_rendered(const struct family *family, uint64_t *ret_hash)
{
	*ret_hash = hash_bytes(buf_text(&family->scratch), family->scratch.len, hash_seed());
	return family_find(family, buf_text(&family->scratch), (uint32_t)family->scratch.len,
			   *ret_hash);
}

/* Where everything goes that found the family full: one series beyond its cap. */
static struct series *overflow_of(struct family *family)
{
	const struct label overflow = {.name = "overflow", .value = span_of("true")};
	struct series *series;
	uint64_t hash;

	family->overflowed++;
	family->is_full = true;
	render(family, &overflow, 1);
	series = find_rendered(family, &hash);
	return series ? series : new_series(family, hash);
}

static struct series *series_of(struct family *family, const struct label *labels, size_t count)
{
	struct series *series;
	uint64_t hash;

	render(family, labels, count);
	if (family->scratch.full)
		return overflow_of(family);
	series = find_rendered(family, &hash);
	if (series)
		return series;
	if (family->is_full || family->count >= family->cap)
		return overflow_of(family);
	series = new_series(family, hash);
	return series ? series : overflow_of(family);
}

/* ---- families ---- */

/* "direction=inbound,x=y" -> fixed labels, whose values point into metric.labels. */
static void read_fixed_labels(struct family *family)
{
	const char *at = family->metric.labels;

	while (at && *at && family->fixed_count < FAMILY_FIXED) {
		size_t name = strcspn(at, "=,"), value;
		char *copy = family->fixed_name[family->fixed_count];

		value = at[name] == '=' ? strcspn(at + name + 1, ",") : 0;
		if (name && name < sizeof(family->fixed_name[0]) && value) {
			memcpy(copy, at, name);
			family->fixed[family->fixed_count++] = (struct label){
				.name = copy,
				.value = {(const uint8_t *)at + name + 1, value},
			};
		}
		at += name + (at[name] == '=') + value;
		at += *at == ',';
	}
}

static int decimals_of(double scale)
{
	double power = 1;

	for (int decimals = 0; decimals <= DECIMALS_MAX; decimals++, power *= 10)
		if (fabs(scale * power - 1) < 1e-12)
			return decimals;
	return -1;
}

struct family *family_new(const struct metric *metric, size_t series)
{
	struct family *family = calloc(1, sizeof(*family));

	if (!family)
		return NULL;
	family->metric = *metric;
	family->metric.help = metric->help ? strdup(metric->help) : NULL;
	family->metric.labels = metric->labels ? strdup(metric->labels) : NULL;
	if (!family->metric.scale)
		family->metric.scale = 1;
	family->cap = series < UINT32_MAX / 2 ? series : UINT32_MAX / 2;
	buf_init(&family->scratch, SCRATCH_BYTES);
	if ((metric->help && !family->metric.help) || (metric->labels && !family->metric.labels)) {
		family_free(family);
		return NULL;
	}
	read_fixed_labels(family);
	family->decimals = decimals_of(family->metric.scale);
	if (metric->type == METRIC_HISTOGRAM)
		family->bounds = histogram_bounds(&family->metric, family->bound);
	for (uint32_t i = 0; i < family->bounds; i++)
		print_double(family->bound_text[i], family->bound[i].le);
	return family;
}

void family_free(struct family *family)
{
	if (!family)
		return;
	for (size_t i = 0; i < family->count; i++)
		series_done(&family->series[i]);
	free(family->series);
	free(family->index);
	buf_done(&family->scratch);
	metric_done(&family->metric);
	free(family);
}

void family_set_cap(struct family *family, size_t series)
{
	family->cap = series;
	family->is_full = family->count >= series;
}

const struct metric *family_metric(const struct family *family)
{
	return &family->metric;
}

size_t family_series(const struct family *family)
{
	return family->keeper ? family->keeper->series(family->keeper_ctx) : family->count;
}

struct family *family_kept(const struct metric *metric, const struct family_keeper *keeper, void *ctx)
{
	struct family *family = family_new(metric, 0);

	if (family) {
		family->keeper = keeper;
		family->keeper_ctx = ctx;
	}
	return family;
}

uint64_t family_overflowed(const struct family *family)
{
	return family->overflowed;
}

/* ---- polling ---- */

static void add_counts(struct counts *to, const uint64_t slot[METRIC_SLOTS], uint64_t sum)
{
	for (int i = 0; i < METRIC_SLOTS; i++)
		to->slot[i] += slot[i];
	to->sum += sum;
}

/* Into the base, which is made for it. */
static void keep_counts(struct histogram_series *histogram, const uint64_t slot[METRIC_SLOTS],
			uint64_t sum)
{
	if (!histogram->base)
		histogram->base = calloc(1, sizeof(*histogram->base));
	if (histogram->base)
		add_counts(histogram->base, slot, sum);
}

void family_begin(struct family *family)
{
	if (family->metric.type == METRIC_GAUGE)
		family->is_full = false;
	for (size_t i = 0; i < family->count; i++) {
		struct series *series = &family->series[i];

		series->polled = false;
		series->live = 0;
		if (series->histogram)
			series->histogram->live = (struct counts){};
	}
}

void family_add(struct family *family, const struct label *labels, size_t count, double value)
{
	struct series *series;

	if (family->metric.type == METRIC_HISTOGRAM || family->keeper)
		return;
	series = series_of(family, labels, count);
	if (!series)
		return;
	series->live += value;
	series->polled = true;
}

void family_add_histogram(struct family *family, const struct label *labels, size_t count,
			  const uint64_t slot[METRIC_SLOTS], uint64_t sum)
{
	struct series *series;

	if (family->metric.type != METRIC_HISTOGRAM)
		return;
	series = series_of(family, labels, count);
	if (!series)
		return;
	add_counts(&series->histogram->live, slot, sum);
	series->polled = true;
}

void family_retire(struct family *family, const struct label *labels, size_t count, double value)
{
	struct series *series;

	if (family->metric.type != METRIC_COUNTER || !value)
		return;
	series = series_of(family, labels, count);
	if (series)
		series->base += value;
}

void family_retire_histogram(struct family *family, const struct label *labels, size_t count,
			     const uint64_t slot[METRIC_SLOTS], uint64_t sum)
{
	struct series *series;

	if (family->metric.type != METRIC_HISTOGRAM)
		return;
	series = series_of(family, labels, count);
	if (series)
		keep_counts(series->histogram, slot, sum);
}

void family_waits(struct family *family, bool waits)
{
	family->waits = waits;
}

void family_fold(struct family *family)
{
	for (size_t i = 0; i < family->count && family->metric.type != METRIC_GAUGE; i++) {
		struct series *series = &family->series[i];
		struct histogram_series *histogram = series->histogram;

		series->base += series->live;
		series->live = 0;
		if (!histogram)
			continue;
		keep_counts(histogram, histogram->live.slot, histogram->live.sum);
		histogram->live = (struct counts){};
	}
}

/* What was shown and is not there any more goes into the base. True if the number changed. */
static bool show_number(uint64_t *shown, uint64_t base, uint64_t live, uint64_t *ret_missing)
{
	uint64_t now = base + live, before = *shown;

	*ret_missing = now < before ? before - now : 0;
	if (now > before)
		*shown = now;
	return now > before;
}

static bool show_histogram(struct histogram_series *histogram)
{
	struct counts none = {}, missing = {}, *base = histogram->base ? histogram->base : &none;
	bool changed = false, fell = false;

	for (int i = 0; i < METRIC_SLOTS; i++) {
		changed |= show_number(&histogram->shown.slot[i], base->slot[i],
				       histogram->live.slot[i], &missing.slot[i]);
		fell |= missing.slot[i];
	}
	changed |= show_number(&histogram->shown.sum, base->sum, histogram->live.sum, &missing.sum);
	if (fell || missing.sum)
		keep_counts(histogram, missing.slot, missing.sum);
	return changed;
}

static bool show_counter(struct series *series, bool waits)
{
	double now = series->base + series->live;

	if (now < series->shown) {
		if (!waits)
			series->base += series->shown - now;
		return false;
	}
	if (now == series->shown)
		return false;
	series->shown = now;
	return true;
}

/* Sets what readers see; false when the series is to go. */
static bool show(const struct family *family, struct series *series, uint64_t now_ns)
{
	bool changed;

	if (series->has_moved && !series->polled)
		return false;
	series->has_moved = false;
	series->is_shown = true;
	if (family->metric.type == METRIC_GAUGE) {
		series->shown = series->live;
		return series->polled;
	}
	changed = series->histogram ? show_histogram(series->histogram)
				    : show_counter(series, family->waits);
	if (series->polled || changed || now_ns < series->touched_ns)
		series->touched_ns = now_ns;
	return now_ns - series->touched_ns < IDLE_NS;
}

void family_end(struct family *family, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < family->count; i++) {
		struct series *series = &family->series[i];

		if (show(family, series, now_ns)) {
			if (kept != i)
				family->series[kept] = *series;
			kept++;
			continue;
		}
		family->exemplars -= series->exemplar != NULL;
		series_done(series);
	}
	if (kept != family->count) {
		family->count = kept;
		memset(family->index, 0, family->index_slots * sizeof(*family->index));
		for (size_t i = 0; i < family->count; i++)
			index_series(family, i);
	}
	if (family->count * 4 <= family->cap * 3)
		family->is_full = false;
}

void family_forget(struct family *family, const struct label *labels, size_t count)
{
	struct series *series;
	uint64_t hash;

	render(family, labels, count);
	series = family->scratch.full ? NULL : find_rendered(family, &hash);
	if (!series)
		return;
	series->has_moved = true;
	series->base = series->live = series->shown = 0;
	if (!series->histogram)
		return;
	free(series->histogram->base);
	*series->histogram = (struct histogram_series){};
}

/* ---- exemplars ---- */

static bool is_trace_id(const char *id)
{
	size_t len = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");

	return len && len < TRACE_ID_BYTES && !id[len];
}

void family_exemplar(struct family *family, const struct label *labels, size_t count, double value,
		     const char *name, const char *id, uint64_t time_ns)
{
	bool is_histogram = family->metric.type == METRIC_HISTOGRAM;
	struct exemplar *exemplar;
	struct series *series;
	uint64_t hash;

	if (family->metric.type == METRIC_GAUGE || !is_trace_id(id))
		return;
	render(family, labels, count);
	series = family->scratch.full ? NULL : find_rendered(family, &hash);
	if (!series)
		return;
	if (!series->exemplar) {
		if (family->exemplars == EXEMPLAR_SERIES)
			return;
		series->exemplar =
			calloc(is_histogram ? METRIC_SLOTS : 1, sizeof(*series->exemplar));
		if (!series->exemplar)
			return;
		family->exemplars++;
	}
	exemplar = &series->exemplar[is_histogram ? histogram_slot(&family->metric, value) : 0];
	*exemplar = (struct exemplar){.label = name, .value = value, .time_ns = time_ns};
	memcpy(exemplar->trace_id, id, strlen(id) + 1);
}
