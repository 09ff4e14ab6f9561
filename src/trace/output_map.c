// SPDX-License-Identifier: GPL-2.0-only
/*
 * output_map - whole maps: read, CPUs put together, sorted, printed.
 *
 * Order: by value where that is a number (histograms: by how many were counted), smallest first, and
 * by key where values are alike or are no numbers. `top` keeps the greatest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "trace/output_map.h"
#include "trace/output_tseries.h"
#include "trace/run.h"

enum { ENTRIES_MAX = 1 << 20, BAR = 52, MAP_TEXT_MAX = 64 << 20 };

static bool has_buckets(const struct type *type)
{
	return type_has_buckets(type);
}

static struct entry *new_entry(struct map_table *table, const uint8_t *key, uint32_t key_size)
{
	struct entry *entry;
	uint8_t *copy = arena_new(&table->arena, key_size + 1);

	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 256;
		struct entry *grown =
			room <= ENTRIES_MAX ? realloc(table->entries, room * sizeof(*grown)) : NULL;

		if (!grown)
			return NULL;
		table->entries = grown;
		table->room = room;
	}
	if (!copy)
		return NULL;
	memcpy(copy, key, key_size);
	entry = &table->entries[table->count++];
	*entry = (struct entry){.key = copy};
	return entry;
}

/* Buckets of one key stand under as many keys of the kernel's map: found again by their bytes. */
static struct entry *entry_of(struct map_table *table, struct map *index, const uint8_t *key,
			      uint32_t key_size)
{
	struct entry *entry;
	bool is_new;
	uint32_t *at = map_put(index, key, &is_new);

	if (!at)
		return NULL;
	if (!is_new)
		return &table->entries[*at];
	*at = (uint32_t)table->count;
	entry = new_entry(table, key, key_size);
	if (entry && table->map->value->kind == TYPE_TSERIES)
		entry->intervals =
			arena_new(&table->arena, table->buckets * sizeof(*entry->intervals));
	else if (entry)
		entry->buckets = arena_new(&table->arena, table->buckets * sizeof(uint64_t));
	return entry && (entry->buckets || entry->intervals) ? entry : NULL;
}

/* Puts the values of all CPUs together. Returns whether anything was counted. */
static bool gather(const struct type *type, const uint8_t *values, uint32_t size, uint32_t cpus,
		   struct entry *entry)
{
	bool any = false;

	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		int64_t first = 0;
		uint64_t second = 0;

		memcpy(&first, values + (size_t)cpu * size, 8);
		if (size >= 16)
			memcpy(&second, values + (size_t)cpu * size + 8, 8);
		switch (type->kind) {
		case TYPE_COUNT:
			entry->total += first;
			any |= first != 0;
			break;
		case TYPE_MIN:
			if (second && (!any || first < entry->total))
				entry->total = first;
			any |= second != 0;
			break;
		case TYPE_MAX:
			if (second && (!any || first > entry->total))
				entry->total = first;
			any |= second != 0;
			break;
		default:
			entry->total += first;
			entry->count += second;
			any |= second != 0;
		}
	}
	return any;
}

static uint64_t add_cpus(const uint8_t *values, uint32_t cpus)
{
	uint64_t sum = 0, one;

	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		memcpy(&one, values + (size_t)cpu * 8, 8);
		sum += one;
	}
	return sum;
}

/* The walk over the kernel's map: `take` is called with every key and its value (of all CPUs). */
static void walk(struct run *run, const struct map_use *use, struct map_table *table,
		 void (*take)(struct run *run, struct map_table *table, const struct map_use *use,
			      const uint8_t *key, const uint8_t *value, void *context),
		 void *context)
{
	struct loader *loader = run->loader;
	uint32_t value_size = (use->spec.value_size + 7) / 8 * 8 * loader->cpus;
	uint8_t *key = calloc(1, use->spec.key_size + 8), *next = calloc(1, use->spec.key_size + 8);
	uint8_t *value = calloc(1, value_size + 8);
	const uint8_t *last = NULL;

	/* a map that is written to while it is read may lead in circles */
	for (uint32_t i = 0; key && next && value && i <= use->spec.max_entries; i++) {
		if (loader->map_next(loader, use->fd, last, next))
			break;
		if (!loader->map_read(loader, use->fd, next, value))
			take(run, table, use, next, value, context);
		memcpy(key, next, use->spec.key_size);
		last = key;
	}
	free(key);
	free(next);
	free(value);
}

static void take_bucket(struct run *run, struct map_table *table, const struct map_use *use,
			const uint8_t *key, const uint8_t *value, void *index)
{
	bool is_scalar = use->spec.type == BPF_MAP_TYPE_PERCPU_ARRAY;
	uint32_t key_size = is_scalar ? 0 : use->spec.key_size - 8;
	bool is_series = table->map->value->kind == TYPE_TSERIES;
	uint64_t bucket = 0, count = is_series ? 0 : add_cpus(value, run->loader->cpus);
	struct interval one = {};
	struct entry *entry;

	memcpy(&bucket, key + key_size, is_scalar ? 4 : 8);
	for (uint32_t cpu = 0; is_series && cpu < run->loader->cpus; cpu++) {
		struct interval other;

		memcpy(&other, value + (size_t)cpu * sizeof(other), sizeof(other));
		interval_add(table->map->value, &one, &other);
	}
	if ((!count && !one.number && !(is_series && use->is_zeroed)) || bucket >= table->buckets)
		return;
	entry = entry_of(table, index, is_scalar ? (const uint8_t *)"" : key,
			 key_size ? key_size : 1);
	if (!entry)
		return;
	if (is_series) {
		entry->intervals[bucket] = one;
		return;
	}
	entry->buckets[bucket] += count;
	entry->count += count;
}

static void take_value(struct run *run, struct map_table *table, const struct map_use *use,
		       const uint8_t *key, const uint8_t *value, void *context)
{
	const struct type *type = table->map->value;
	bool is_array = use->spec.type == BPF_MAP_TYPE_ARRAY;
	bool is_scalar = is_array || use->spec.type == BPF_MAP_TYPE_PERCPU_ARRAY;
	uint32_t key_size = is_scalar ? 0 : use->spec.key_size;
	struct entry entry = {}, *new;
	uint64_t is_set;
	uint8_t *copy;

	if (type_is_aggregate(type)) {
		uint32_t size = (use->spec.value_size + 7) / 8 * 8;
		bool any = gather(type, value, size, run->loader->cpus, &entry);

		/* zero(@x) leaves a zero to be shown, clear(@x) nothing */
		if (!any && is_scalar && !use->is_zeroed)
			return;
	} else if (is_array) {
		memcpy(&is_set, value, 8);
		if (!is_set)
			return;
		value += 8;
	}
	new = new_entry(table, key, key_size);
	if (!new)
		return;
	new->total = entry.total;
	new->count = entry.count;
	if (type_is_aggregate(type))
		return;
	copy = arena_new(&table->arena, type->size + 1);
	if (!copy) {
		table->count--;
		return;
	}
	memcpy(copy, value, type->size);
	new->value = copy;
	if (type_is_integer(type))
		new->total = (int64_t)output_integer(type, copy);
}

static int compare_bytes(const struct type *type, const uint8_t *a, const uint8_t *b)
{
	if (type->kind == TYPE_TUPLE) {
		for (uint32_t i = 0; i < type->field_count; i++) {
			const struct field *field = &type->fields[i];
			int order =
				compare_bytes(field->type, a + field->offset, b + field->offset);

			if (order)
				return order;
		}
		return 0;
	}
	if (type_is_integer(type)) {
		uint64_t x = output_integer(type, a), y = output_integer(type, b);

		if (type->is_signed)
			return (int64_t)x < (int64_t)y ? -1 : (int64_t)x > (int64_t)y;
		return x < y ? -1 : x > y;
	}
	return memcmp(a, b, type->size);
}

static _Thread_local const struct map_decl *sorted; /* qsort has no context */

static int64_t rank(const struct entry *entry)
{
	if (has_buckets(sorted->value))
		return (int64_t)entry->count;
	if (sorted->value->kind == TYPE_AVG)
		return entry->count ? entry->total / (int64_t)entry->count : 0;
	return entry->total;
}

static int by_value(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int64_t left = rank(x), right = rank(y);
	bool is_unsigned = sorted->value->kind == TYPE_INT && !sorted->value->is_signed;

	if (left != right)
		return is_unsigned ? ((uint64_t)left < (uint64_t)right ? -1 : 1)
				   : (left < right ? -1 : 1);
	return sorted->key && sorted->key->kind != TYPE_NONE
		       ? compare_bytes(sorted->key, x->key, y->key)
		       : 0;
}

void map_table_read(struct run *run, struct map_use *use, struct map_table *table)
{
	struct map index;

	table->map = use->decl;
	arena_init(&table->arena, 512 << 20);
	if (has_buckets(use->decl->value)) {
		uint32_t key_size =
			use->spec.type == BPF_MAP_TYPE_PERCPU_ARRAY ? 1 : use->spec.key_size - 8;

		table->buckets = type_bucket_count(use->decl->value);
		map_init(&index, key_size ? key_size : 1, sizeof(uint32_t), ENTRIES_MAX);
		walk(run, use, table, take_bucket, &index);
		map_done(&index);
	} else {
		walk(run, use, table, take_value, NULL);
	}
	sorted = use->decl;
	if (table->count)
		qsort(table->entries, table->count, sizeof(*table->entries), by_value);
}

/* --- histograms --- */

void map_table_bucket_range(const struct type *type, uint32_t bucket, int64_t *low, int64_t *high)
{
	uint64_t part, x = bucket - 1, power;

	*low = *high = 0;
	if (!bucket)
		return;

	if (type->kind == TYPE_LHIST) {
		*low = type->min + ((int64_t)bucket - 1) * type->step;
		*high = *low + type->step;
		return;
	}
	part = 1ULL << type->step;
	if (x < part * 2) {
		*low = (int64_t)x;
		*high = (int64_t)x + 1;
		return;
	}
	power = x / part - 1; /* log2 - k */
	*low = (int64_t)((x - power * part) << power);
	*high = (int64_t)((x - power * part + 1) << power);
}

/* 1024 -> 1K: powers of two only, as they stand in the borders of hist(). */
static void short_number(int64_t value, struct buf *out)
{
	static const char units[] = "\0KMGTPE";
	int unit = 0;

	while (value && value % 1024 == 0 && unit < 6) {
		value /= 1024;
		unit++;
	}
	buf_f(out, "%lld", (long long)value);
	if (unit)
		buf_char(out, units[unit]);
}

static void range_label(const struct type *type, uint32_t bucket, uint32_t last, struct buf *out)
{
	int64_t low, high;

	map_table_bucket_range(type, bucket, &low, &high);
	if (bucket == 0) {
		buf_f(out, "(..., %lld)", type->kind == TYPE_LHIST ? (long long)type->min : 0LL);
	} else if (type->kind == TYPE_LHIST) {
		if (bucket == last) {
			buf_char(out, '[');
			short_number(low, out);
			buf_str(out, ", ...)");
		} else if (type->step == 1) {
			buf_char(out, '[');
			short_number(low, out);
			buf_char(out, ']');
		} else {
			buf_char(out, '[');
			short_number(low, out);
			buf_str(out, ", ");
			short_number(high, out);
			buf_char(out, ')');
		}
	} else if (high == low + 1 && low < 2 << type->step) {
		buf_f(out, "[%lld]", (long long)low);
	} else {
		buf_char(out, '[');
		short_number(low, out);
		buf_str(out, ", ");
		short_number(high, out);
		buf_char(out, ')');
	}
}

static bool used_range(const struct map_table *table, const struct entry *entry, uint32_t *first,
		       uint32_t *last)
{
	bool any = false;

	for (uint32_t i = 0; i < table->buckets; i++)
		if (entry->buckets[i]) {
			if (!any)
				*first = i;
			*last = i;
			any = true;
		}
	return any;
}

static void histogram_text(const struct map_table *table, const struct entry *entry, uint64_t div,
			   struct buf *out)
{
	uint32_t first = 0, last = 0;
	uint64_t most = 0;

	if (!used_range(table, entry, &first, &last))
		return;
	for (uint32_t i = first; i <= last; i++)
		most = entry->buckets[i] > most ? entry->buckets[i] : most;
	for (uint32_t i = first; i <= last; i++) {
		size_t at = out->len;
		uint32_t bar = (uint32_t)((double)entry->buckets[i] / (double)most * BAR);

		range_label(table->map->value, i, table->buckets - 1, out);
		if (out->len - at < 16)
			buf_fill(out, ' ', 16 - (out->len - at));
		buf_f(out, "%8llu |", (unsigned long long)(entry->buckets[i] / div));
		buf_fill(out, '@', bar);
		buf_fill(out, ' ', BAR - bar);
		buf_str(out, "|\n");
	}
}

static void histogram_json(const struct map_table *table, const struct entry *entry, uint64_t div,
			   struct buf *out)
{
	const struct type *type = table->map->value;
	uint32_t first = 0, last = 0;

	buf_char(out, '[');
	if (used_range(table, entry, &first, &last))
		for (uint32_t i = first; i <= last; i++) {
			int64_t low, high;

			map_table_bucket_range(type, i, &low, &high);
			buf_str(out, i > first ? ",{" : "{");
			if (i == 0)
				buf_f(out, "\"max\": %lld, ",
				      type->kind == TYPE_LHIST ? (long long)type->min - 1 : -1LL);
			else if (type->kind == TYPE_LHIST && i == table->buckets - 1)
				buf_f(out, "\"min\": %lld, ", (long long)low);
			else
				buf_f(out, "\"min\": %lld, \"max\": %lld, ", (long long)low,
				      (long long)high - 1);
			buf_f(out, "\"count\": %llu}",
			      (unsigned long long)(entry->buckets[i] / div));
		}
	buf_char(out, ']');
}

/* --- values and keys --- */

static int64_t average(const struct entry *entry)
{
	return entry->count ? entry->total / (int64_t)entry->count : 0;
}

static void entry_value(struct run *run, const struct map_table *table, const struct entry *entry,
			int64_t div, struct buf *out)
{
	const struct type *type = table->map->value;
	bool is_json = run->out->is_json;
	int64_t number;

	switch (type->kind) {
	case TYPE_TSERIES: output_tseries(type, entry->intervals, is_json, out); break;
	case TYPE_HIST:
	case TYPE_LHIST:
		if (is_json)
			histogram_json(table, entry, (uint64_t)div, out);
		else
			histogram_text(table, entry, (uint64_t)div, out);
		break;
	case TYPE_COUNT:
	case TYPE_SUM:
	case TYPE_MIN:
	case TYPE_MAX:
	case TYPE_AVG:
		number = (type->kind == TYPE_AVG ? average(entry) : entry->total) / div;
		if (is_json)
			output_json_number((uint64_t)number, true, out);
		else
			buf_f(out, "%lld", (long long)number);
		break;
	case TYPE_STATS:
		buf_f(out,
		      is_json ? "{\"count\": %llu, \"average\": %lld, \"total\": %lld}"
			      : "{ .count = %llu, .average = %lld, .total = %lld }",
		      (unsigned long long)entry->count, (long long)(average(entry) / div),
		      (long long)(entry->total / div));
		break;
	default:
		if (div != 1 && type->kind == TYPE_INT)
			buf_f(out, "%lld", (long long)(entry->total / div));
		else if (is_json)
			output_json_value(run->out, type, entry->value, out);
		else
			output_value(run->out, type, entry->value, out);
	}
}

/* Parts of a key one behind the other: ", " between them, "," in JSON. */
void map_table_key(struct run *run, const struct type *key, const uint8_t *bytes, bool is_outermost,
		   struct buf *out)
{
	bool is_json = run->out->is_json;

	if (key->kind == TYPE_TUPLE && key->field_count && key->fields[0].name) {
		buf_str(out, is_json ? "{" : "{ ");
		for (uint32_t i = 0; i < key->field_count; i++) {
			buf_f(out, is_json ? "%s.%s=" : "%s.%s = ",
			      i == 0    ? ""
			      : is_json ? ","
					: ", ",
			      key->fields[i].name);
			map_table_key(run, key->fields[i].type, bytes + key->fields[i].offset,
				      false, out);
		}
		buf_str(out, is_json ? "}" : " }");
	} else if (key->kind == TYPE_TUPLE) {
		if (!is_outermost)
			buf_char(out, '(');
		for (uint32_t i = 0; i < key->field_count; i++) {
			if (i)
				buf_str(out, is_json ? "," : ", ");
			map_table_key(run, key->fields[i].type, bytes + key->fields[i].offset,
				      false, out);
		}
		if (!is_outermost)
			buf_char(out, ')');
	} else if (is_json && (key->kind == TYPE_KSTACK || key->kind == TYPE_USTACK)) {
		symbol_stack(run, key, bytes, 0, out);
	} else {
		output_value(run->out, key, bytes, out);
	}
}

static bool is_keyed(const struct map_decl *map)
{
	return map->key && map->key->kind != TYPE_NONE;
}

static void table_text(struct run *run, const struct map_table *table, size_t from, int64_t div)
{
	bool histogram = has_buckets(table->map->value);
	struct buf line;

	buf_init(&line, MAP_TEXT_MAX);
	for (size_t i = from; i < table->count; i++) {
		const struct entry *entry = &table->entries[i];

		buf_str(&line, table->map->name);
		if (is_keyed(table->map)) {
			buf_char(&line, '[');
			map_table_key(run, table->map->key, entry->key, true, &line);
			buf_char(&line, ']');
		}
		buf_str(&line, histogram ? ":\n" : ": ");
		entry_value(run, table, entry, div, &line);
		buf_char(&line, '\n');
	}
	output_raw(run->out, buf_as_span(&line));
	buf_done(&line);
}

static void table_json(struct run *run, const struct map_table *table, size_t from, int64_t div)
{
	const struct type *value = table->map->value;
	const char *type = value->kind == TYPE_TSERIES                            ? "tseries"
			   : has_buckets(value)                                   ? "hist"
			   : value->kind == TYPE_STATS || value->kind == TYPE_AVG ? "stats"
										  : "map";
	struct buf data, key;

	buf_init(&data, MAP_TEXT_MAX);
	buf_init(&key, 1 << 20);
	buf_f(&data, "{\"%s\": ", table->map->name);
	if (is_keyed(table->map))
		buf_char(&data, '{');
	for (size_t i = from; i < table->count; i++) {
		struct json json = {.out = &data};

		if (is_keyed(table->map)) {
			buf_str(&data, i > from ? ", " : "");
			buf_clear(&key);
			map_table_key(run, table->map->key, table->entries[i].key, true, &key);
			json_span(&json, buf_as_span(&key));
			buf_str(&data, ": ");
		}
		entry_value(run, table, &table->entries[i], div, &data);
	}
	buf_str(&data, is_keyed(table->map) ? "}}" : "}");
	output_json(run->out, type, buf_as_span(&data));
	buf_done(&data);
	buf_done(&key);
}

/* A value of zeroes, for a scalar that is not set. */
static void add_unset(struct map_table *table, const struct map_use *use)
{
	const struct type *type = use->decl->value;
	struct entry *entry;

	if (is_keyed(use->decl) || has_buckets(type) || table->count)
		return;
	entry = new_entry(table, (const uint8_t *)"", 0);
	if (entry)
		entry->value = arena_new(&table->arena, type->size + 16);
	if (entry && !entry->value)
		table->count = 0;
}

void map_table_done(struct map_table *table)
{
	free(table->entries);
	arena_done(&table->arena);
}

void output_map(struct run *run, struct map_use *use, uint32_t top, uint64_t div, bool is_asked)
{
	struct map_table table = {};
	size_t from = 0;

	if (!use || use->fd < 0 || !use->decl)
		return;
	map_table_read(run, use, &table);
	if (is_asked)
		add_unset(&table, use);
	if (top && top < table.count)
		from = table.count - top;
	if (table.count) {
		if (run->out->is_json)
			table_json(run, &table, from, div ? (int64_t)div : 1);
		else
			table_text(run, &table, from, div ? (int64_t)div : 1);
	}
	/* as bpftrace has it: averages that never were leave a mark of themselves, in JSON only */
	if (!table.count && run->out->is_json &&
	    (use->decl->value->kind == TYPE_AVG || use->decl->value->kind == TYPE_STATS)) {
		struct buf data;

		buf_init(&data, 512);
		buf_f(&data, "{\"%s\": {}}", use->decl->name);
		output_json(run->out, "stats", buf_as_span(&data));
		buf_done(&data);
	}
	map_table_done(&table);
}
