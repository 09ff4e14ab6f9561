// SPDX-License-Identifier: GPL-2.0-only
/*
 * describe_metric - maps and tables whose numbers are metrics.
 *
 * A BTF-defined map is a variable of an anonymous struct whose members are pointers: to arrays as long as
 * the number they mean (type, max_entries), or to the type itself (key, value). Its key's columns are
 * labels. The value is a number, a histogram, or a struct of tagged numbers; a table's row is key and value
 * at once. Beside the metrics, `row` describes key and value as a record, so that the same bytes can be
 * shown as a table.
 */
#include "items/describe_parts.h"

#include "base/units.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/btf.h>

enum { NESTED_STRUCTS = 4 };

static const struct btf_member *map_member(const struct btf *btf, uint32_t variable_id,
					   const char *name)
{
	const struct btf_type *variable = btf__type_by_id(btf, variable_id);
	const struct btf_type *map = variable ? type_behind(btf, variable->type, NULL) : NULL;

	if (!map || !btf_is_struct(map))
		return NULL;
	for (uint32_t i = 0; i < btf_vlen(map); i++) {
		const char *given = btf__name_by_offset(btf, btf_members(map)[i].name_off);

		if (given && !strcmp(given, name))
			return &btf_members(map)[i];
	}
	return NULL;
}

/* What a member points to; 0 if there is no such member. */
static uint32_t map_target(const struct btf *btf, uint32_t variable_id, const char *name)
{
	const struct btf_member *member = map_member(btf, variable_id, name);
	const struct btf_type *pointer = member ? type_behind(btf, member->type, NULL) : NULL;

	return pointer && btf_is_ptr(pointer) ? pointer->type : 0;
}

static uint32_t map_number(const struct btf *btf, uint32_t variable_id, const char *name)
{
	uint32_t target = map_target(btf, variable_id, name);
	const struct btf_type *array = target ? type_behind(btf, target, NULL) : NULL;

	return array && btf_is_array(array) ? btf_array(array)->nelems : 0;
}

uint32_t map_type_of(const struct btf *btf, uint32_t variable_id)
{
	return map_number(btf, variable_id, "type");
}

/* A number in the units of the tag: plain = raw; with a unit it is converted by the metric's scale. */
static bool parse_raw(const struct metric *metric, struct span text, double *ret)
{
	struct quantity quantity;
	double raw, whole;

	if (!quantity_parse(text, &quantity))
		return false;
	raw = quantity.value;
	if (quantity.kind == QUANTITY_NS)
		raw = raw * 1e-9 / metric->scale;
	else if (quantity.kind == QUANTITY_BYTES)
		raw /= metric->scale;
	whole = nearbyint(raw); /* 1us at a scale of 1e-9 is 1000, not 1000.0000000000001 */
	*ret = fabs(raw - whole) < raw * 1e-9 ? whole : raw;
	return isfinite(raw) && raw > 0;
}

static struct span take_until(struct span *text, const char *end)
{
	size_t len = 0;
	struct span part;

	while (len < text->len && !span_starts(span_from(*text, len), end))
		len++;
	part = span_first(*text, len);
	*text = len < text->len ? span_from(*text, len + strlen(end)) : span_from(*text, len);
	return part;
}

/* "1ms,10ms,100ms" */
static bool parse_bounds(struct metric *metric, struct span text)
{
	while (text.len) {
		double bound;

		if (metric->bounds == METRIC_SLOTS - 1 ||
		    !parse_raw(metric, take_until(&text, ","), &bound) ||
		    (metric->bounds && bound <= metric->bound[metric->bounds - 1]))
			return false;
		metric->bound[metric->bounds++] = bound;
	}
	return metric->bounds;
}

/* "log2", "log2:1us..16s", "linear:10", "explicit:1,5,10" */
static bool parse_buckets(struct metric *metric, struct span text)
{
	struct span kind = take_until(&text, ":");

	if (span_is(kind, "linear")) {
		metric->buckets = BUCKETS_LINEAR;
		return parse_raw(metric, text, &metric->step);
	}
	if (span_is(kind, "explicit")) {
		metric->buckets = BUCKETS_EXPLICIT;
		return parse_bounds(metric, text);
	}
	if (!span_is(kind, "log2"))
		return false;
	metric->buckets = BUCKETS_LOG2;
	if (!text.len)
		return true;
	return parse_raw(metric, take_until(&text, ".."), &metric->low) &&
	       parse_raw(metric, text, &metric->high) && metric->low < metric->high;
}

static bool parse_scale(struct span text, double *ret)
{
	struct quantity quantity;

	if (!quantity_parse(text, &quantity) || quantity.kind != QUANTITY_PLAIN ||
	    quantity.value <= 0)
		return false;
	*ret = quantity.value;
	return true;
}

/* "direction=inbound,side=client" */
static bool are_labels(struct span text)
{
	while (text.len) {
		struct span label = take_until(&text, ","), name = take_until(&label, "=");

		if (!is_name(name, COLUMN_NAME_BYTES) || !label.len)
			return false;
	}
	return true;
}

static bool name_ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && !strcmp(name + len - end_len, end) &&
	       name[len - end_len - 1] == '_';
}

/* sonde_<name>[_<unit>][_total] */
static int name_metric(struct describing *d, struct metric *metric, const char *tag,
		       const char *name)
{
	struct span given = span_of(name);
	char buf[METRIC_NAME_BYTES + 32];
	int len;

	tag_value(tag, "name", &given);
	if (!is_name(given, METRIC_NAME_BYTES))
		return err_set(d->why, -EINVAL,
			       "metric '%.*s' is not lower case letters, digits and _",
			       (int)(given.len < 60 ? given.len : 60), (const char *)given.at);
	len = snprintf(buf, sizeof(buf), "sonde_%.*s", (int)given.len, (const char *)given.at);
	if (metric->unit[0] && !name_ends_with(buf, metric->unit))
		len += snprintf(buf + len, sizeof(buf) - (size_t)len, "_%s", metric->unit);
	if (metric->type == METRIC_COUNTER && !name_ends_with(buf, "total"))
		len += snprintf(buf + len, sizeof(buf) - (size_t)len, "_total");
	if ((size_t)len >= sizeof(metric->name))
		return err_set(d->why, -EINVAL, "metric '%s' has too long a name", buf);
	memcpy(metric->name, buf, (size_t)len + 1);
	return 0;
}

static bool parse_type(struct span text, enum metric_type *ret)
{
	static const char *const words[] = {[METRIC_COUNTER] = "counter",
					    [METRIC_GAUGE] = "gauge",
					    [METRIC_HISTOGRAM] = "histogram"};

	for (int type = METRIC_COUNTER; type <= METRIC_HISTOGRAM; type++)
		if (span_is(text, words[type])) {
			*ret = (enum metric_type)type;
			return true;
		}
	return false;
}

/* Everything a tag says but the name and place. */
static int parse_metric(struct describing *d, struct metric *metric, const char *tag,
			const char *name)
{
	struct span value;

	metric->scale = 1;
	if (!tag_value(tag, "type", &value) || !parse_type(value, &metric->type))
		return err_set(d->why, -EINVAL,
			       "metric '%.60s' is no counter, gauge, histogram or set", name);
	if (tag_value(tag, "unit", &value) && value.len) {
		if (!is_name(value, sizeof(metric->unit)))
			return err_set(d->why, -EINVAL, "metric '%.60s' has a unit that is no word",
				       name);
		memcpy(metric->unit, value.at, value.len);
	}
	if (tag_value(tag, "scale", &value) && !parse_scale(value, &metric->scale))
		return err_set(d->why, -EINVAL,
			       "metric '%.60s' has a scale that is no number above 0", name);
	if (tag_value(tag, "buckets", &value) &&
	    (metric->type != METRIC_HISTOGRAM || !parse_buckets(metric, value)))
		return err_set(d->why, -EINVAL,
			       "metric '%.60s': buckets are log2, log2:LOW..HIGH, linear:STEP or "
			       "explicit:A,B,C (ascending, up to 35), of a histogram",
			       name);
	if (tag_value(tag, "labels", &value)) {
		if (!are_labels(value))
			return err_set(d->why, -EINVAL,
				       "metric '%.60s': labels are name=value,name=value", name);
		metric->labels = tag_copy(tag, "labels");
	}
	metric->help = tag_copy(tag, "help");
	if (!metric->help || !*metric->help) {
		free(metric->help);
		metric->help = strdup(d->desc->help);
	}
	return name_metric(d, metric, tag, name);
}

/* Is the type at hand what this metric counts in? Fills size and sign. */
static bool fits_metric(const struct btf *btf, struct metric *metric, uint32_t type_id)
{
	const struct btf_type *type = type_behind(btf, type_id, NULL);

	if (!type)
		return false;
	metric->size = type->size;
	if (metric->type == METRIC_HISTOGRAM)
		return btf_is_struct(type) && type->size == (METRIC_SLOTS + 1) * 8 &&
		       !strcmp(btf_type_name(btf, type), "histogram");
	metric->is_signed = btf_is_int(type) && btf_int_encoding(type) & BTF_INT_SIGNED;
	return btf_is_int(type) && (type->size == 4 || type->size == 8);
}

/* How the number is printed in a row: by its unit. */
static enum column_type column_of(const struct metric *metric)
{
	if (metric->type == METRIC_HISTOGRAM)
		return COLUMN_HISTOGRAM;
	if (!strcmp(metric->unit, "seconds") && fabs(metric->scale * 1e9 - 1) < 1e-6)
		return COLUMN_NS;
	if (!strcmp(metric->unit, "bytes") && metric->scale == 1)
		return COLUMN_BYTES;
	return COLUMN_COUNT;
}

static int add_row_column(struct describing *d, struct item_map *map, const struct metric *metric,
			  const char *name)
{
	struct column column = {
		.type = column_of(metric),
		.offset = map->key_size + metric->offset,
		.size = metric->size,
		.is_signed = metric->is_signed,
		.help = metric->help,
		.metric = metric,
	};
	int len = snprintf(column.name, sizeof(column.name), "%s", name);

	if (len < 0 || (size_t)len >= sizeof(column.name))
		return err_set(d->why, -EINVAL, "'%.60s' is too long for a column", name);
	return schema_add(&map->row, &column, d->why);
}

/* A table that drops what is gone and a map of what is gone, counting the same. */
static bool count_together(const struct item_desc *desc, uint32_t twin, const struct item_map *map,
			   const struct metric *metric)
{
	const struct item_map *other = desc->map;

	while (twin >= other->first_metric + other->metrics)
		other++;
	return metric->type == METRIC_COUNTER && other->is_table != map->is_table &&
	       (other->is_table ? other : map)->gone_drop &&
	       desc->metric[twin].scale == metric->scale;
}

/* Two metrics of one name must differ in their constant labels, and agree in all else; or count together. */
static int find_family(struct describing *d, const struct item_map *map,
		       const struct metric *metric)
{
	struct item_desc *desc = d->desc;
	uint32_t last = desc->metrics - 1;

	desc->family[last] = desc->families;
	for (uint32_t i = 0; i < last; i++) {
		const struct metric *twin = &desc->metric[i];

		if (strcmp(twin->name, metric->name) != 0)
			continue;
		if (twin->type != metric->type || strcmp(twin->unit, metric->unit) != 0)
			return err_set(d->why, -EEXIST,
				       "two metrics named '%s' are of different kinds",
				       metric->name);
		if (strcmp(twin->labels ? twin->labels : "", metric->labels ? metric->labels : ""))
			continue;
		if (desc->family[last] != desc->families || !count_together(desc, i, map, metric))
			return err_set(
				d->why, -EEXIST,
				"two metrics are named '%s': give them labels=", metric->name);
		desc->family[last] = desc->family[i];
	}
	desc->families += desc->family[last] == desc->families;
	return 0;
}

/* One number of a map's value or a table's row: the metric, without its column. */
static int add_metric(struct describing *d, struct item_map *map, const char *tag, const char *name,
		      uint32_t type_id, uint32_t offset)
{
	struct item_desc *desc = d->desc;
	struct metric *metric = &desc->metric[desc->metrics];
	int error;

	if (desc->metrics == ITEM_METRICS)
		return err_set(d->why, -E2BIG, "metric '%.60s' is one too many, %d are allowed",
			       name, ITEM_METRICS);
	desc->metrics++; /* item_desc_free knows it from here on */
	map->metrics++;
	error = parse_metric(d, metric, tag, name);
	if (error)
		return error;
	metric->offset = offset;
	if (!fits_metric(d->btf, metric, type_id) || offset > map->value_size ||
	    metric->size > map->value_size - offset)
		return err_set(d->why, -EINVAL, "metric '%.60s' must be a %s", name,
			       metric->type == METRIC_HISTOGRAM ? "struct histogram"
								: "__u64, __s64, __u32 or __s32");
	return find_family(d, map, metric);
}

/* A field that carries COUNTER() or GAUGE(). In a table, one without COL() is not shown. */
static int add_field(struct describing *d, struct item_map *map, const struct btf_type *type,
		     uint32_t id, uint32_t i, uint32_t base)
{
	const struct btf_member *member = &btf_members(type)[i];
	const char *tag = tags_find(&d->tags, id, (int32_t)i, "metric");
	const char *given = btf__name_by_offset(d->btf, member->name_off),
		   *name = given ? given : "";
	int error;

	if (btf_member_bitfield_size(type, i) || btf_member_bit_offset(type, i) % 8)
		return err_set(d->why, -EINVAL, "field '%.60s' is a bit field: no metric", name);
	error = add_metric(d, map, tag, name, member->type,
			   base + btf_member_bit_offset(type, i) / 8);
	if (!error && !map->is_table && !tags_find(&d->tags, id, (int32_t)i, "col"))
		error = add_row_column(d, map, &d->desc->metric[d->desc->metrics - 1], name);
	return error;
}

/* The metrics among the fields of a struct at `base`, and of structs in it. */
static int add_fields(struct describing *d, struct item_map *map, uint32_t id, uint32_t base,
		      int depth)
{
	const struct btf_type *type = btf__type_by_id(d->btf, id), *inner;
	int error = 0;

	for (uint32_t i = 0; !error && i < btf_vlen(type); i++) {
		uint32_t inner_id, inner_base = base + btf_member_bit_offset(type, i) / 8;

		if (tags_find(&d->tags, id, (int32_t)i, "metric")) {
			error = add_field(d, map, type, id, i, base);
			continue;
		}
		inner = type_behind(d->btf, btf_members(type)[i].type, &inner_id);
		if (inner && btf_is_struct(inner) && depth < NESTED_STRUCTS)
			error = add_fields(d, map, inner_id, inner_base, depth + 1);
	}
	return error;
}

static int add_all_fields(struct describing *d, struct item_map *map, uint32_t id)
{
	int error = add_fields(d, map, id, 0, 0);

	if (!error && !map->metrics)
		return err_set(d->why, -EINVAL, "'%s' has no field with COUNTER() or GAUGE()",
			       btf_type_name(d->btf, btf__type_by_id(d->btf, id)));
	return error;
}

static struct item_map *new_map(struct describing *d, const char *name, uint32_t type_id)
{
	struct item_map *map = &d->desc->map[d->desc->maps];

	if (d->desc->maps == ITEM_MAPS) {
		err_set(d->why, -E2BIG, "'%.60s' is one map of metrics too many, %d are allowed",
			name, ITEM_MAPS);
		return NULL;
	}
	if (strlen(name) >= sizeof(map->name)) {
		err_set(d->why, -EINVAL, "map name '%.60s' is too long", name);
		return NULL;
	}
	d->desc->maps++; /* item_desc_free knows it from here on */
	memcpy(map->name, name, strlen(name) + 1);
	map->first_metric = d->desc->metrics;
	map->value_size = type_size(d->btf, type_id);
	memcpy(map->row.item, d->desc->name, sizeof(d->desc->name));
	memcpy(map->row.kind, "sample", sizeof("sample"));
	return map;
}

static bool is_metric_map_type(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_ARRAY ||
	       type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* A key that is a struct brings labels; a plain number (an array's index) none. */
static int describe_key(struct describing *d, struct item_map *map, uint32_t key_id)
{
	const struct btf_type *key = type_behind(d->btf, key_id, NULL);
	int error;

	map->key_size = map->row.size = map->key.size = type_size(d->btf, key_id);
	if (!key || !map->key_size || map->key_size > ITEM_KEY_BYTES)
		return err_set(d->why, -EINVAL, "map '%s' has no key of 1 to 512 bytes",
			       map->name);
	if (!btf_is_struct(key))
		return 0;
	error = schema_add_struct(&map->key, &d->tags, key_id, 0, d->why);
	return error ? error : schema_add_struct(&map->row, &d->tags, key_id, 0, d->why);
}

static int describe_value(struct describing *d, struct item_map *map, uint32_t value_id,
			  const char *tag)
{
	const struct btf_type *value;
	struct span kind;
	uint32_t id;
	int error;

	map->row.size = map->key_size + map->value_size;
	if (!tag_value(tag, "type", &kind) || !span_is(kind, "set")) {
		error = add_metric(d, map, tag, map->name, value_id, 0);
		return error ? error
			     : add_row_column(d, map, &d->desc->metric[map->first_metric],
					      map->name);
	}
	value = type_behind(d->btf, value_id, &id);
	if (!value || !btf_is_struct(value))
		return err_set(d->why, -EINVAL, "map '%s': METRICS() needs a struct as value",
			       map->name);
	error = schema_add_struct(&map->row, &d->tags, value_id, map->key_size, d->why);
	return error ? error : add_all_fields(d, map, id);
}

int describe_map(struct describing *d, uint32_t variable_id, const char *tag)
{
	const char *name = btf_type_name(d->btf, btf__type_by_id(d->btf, variable_id));
	uint32_t value_id = map_target(d->btf, variable_id, "value");
	struct item_map *map = new_map(d, name, value_id);
	int error;

	if (!map)
		return d->why ? d->why->code : -EINVAL;
	map->type = map_type_of(d->btf, variable_id);
	map->max_entries = map_number(d->btf, variable_id, "max_entries");
	if (!is_in_section(&d->elf, name, ".maps") || !is_metric_map_type(map->type) ||
	    !map->max_entries)
		return err_set(d->why, -EINVAL,
			       "'%s' is no hash or array map with max_entries in .maps", name);
	if (!map->value_size || map->value_size > 65536)
		return err_set(d->why, -EINVAL, "map '%s' has no value of 1 to 65536 bytes", name);
	error = describe_key(d, map, map_target(d->btf, variable_id, "key"));
	if (!error)
		error = describe_value(d, map, value_id, tag);
	if (!error)
		error = layout_from_schema(&map->layout, &map->row, d->why);
	if (error)
		err_prefix(d->why, "map '%s'", name);
	return error;
}

int describe_state(struct describing *d, uint32_t variable_id)
{
	const char *name = btf_type_name(d->btf, btf__type_by_id(d->btf, variable_id));
	struct item_desc *desc = d->desc;

	if (map_type_of(d->btf, variable_id) != BPF_MAP_TYPE_HASH ||
	    type_size(d->btf, map_target(d->btf, variable_id, "key")) != 4 ||
	    !is_in_section(&d->elf, name, ".maps"))
		return err_set(d->why, -EINVAL,
			       "'%.60s' is no hash map with a __u32 as key (KEY_IS_TASK)", name);
	if (desc->states == ITEM_STATES || strlen(name) >= sizeof(desc->state[0].name))
		return err_set(d->why, -E2BIG, "map '%.60s' is one with KEY_IS_TASK too many",
			       name);
	memcpy(desc->state[desc->states++].name, name, strlen(name) + 1);
	return 0;
}

/* The columns of a table that are no metric are its labels. */
static int describe_labels(struct describing *d, struct item_map *map)
{
	for (uint32_t i = 0; i < map->row.count; i++) {
		const struct column *column = &map->row.column[i];
		bool is_metric = false;
		int error;

		for (uint32_t m = 0; m < map->metrics; m++)
			is_metric |=
				d->desc->metric[map->first_metric + m].offset == column->offset;
		error = is_metric ? 0 : schema_add(&map->key, column, d->why);
		if (error)
			return error;
	}
	map->key.size = map->row.size;
	return 0;
}

int describe_table(struct describing *d, uint32_t variable_id, const char *tag)
{
	const struct btf_type *variable = btf__type_by_id(d->btf, variable_id), *type;
	struct span kind = {}, gone = {};
	char name[COLUMN_NAME_BYTES];
	struct item_map *map;
	uint32_t number, id = 0;
	int error;

	type = struct_pointed_to(d->btf, variable->type, &id);
	if (!type || !tag_number(tag, "number", UINT16_MAX, &number) ||
	    !tag_value(tag, "kind", &kind) || !is_name(kind, sizeof(name)))
		return err_set(d->why, -EINVAL,
			       "'%.60s' is no TABLE(number, kind, struct, options)",
			       btf_type_name(d->btf, variable));
	snprintf(name, sizeof(name), "%.*s", (int)kind.len, (const char *)kind.at);
	for (uint32_t i = 0; i < d->desc->maps; i++)
		if (d->desc->map[i].is_table && d->desc->map[i].number == number)
			return err_set(d->why, -EEXIST, "two tables have the number %u", number);
	map = new_map(d, name, id);
	if (!map)
		return d->why ? d->why->code : -EINVAL;
	map->is_table = true;
	map->number = (uint16_t)number;
	map->gone_adds = tag_value(tag, "gone", &gone) && span_is(gone, "add");
	map->gone_drop = map->gone_adds || (gone.len && span_is(gone, "drop"));
	memcpy(map->row.kind, name, sizeof(name));
	error = schema_add_struct(&map->row, &d->tags, id, 0, d->why);
	if (!error)
		error = add_all_fields(d, map, id);
	if (!error)
		error = describe_labels(d, map);
	if (!error)
		error = layout_from_schema(&map->layout, &map->row, d->why);
	if (error)
		err_prefix(d->why, "table '%s'", name);
	return error;
}
