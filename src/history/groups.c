// SPDX-License-Identifier: GPL-2.0-only
/*
 * groups - records of the history summed up by any of their columns.
 *
 * Records come one by one out of past.c, which applies the filter. What to do with a column is found once for each
 * layout. A group's key is the step and the texts of its columns, each with its length in front.
 */
#include "history/groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/sketch.h"

enum {
	FIGURES = 32, /* columns that are summed up */
	KEY_BYTES = 4096,
	TEXT_BYTES = 200, /* of a value in a key; what is longer is cut */
	TEXTS_BYTES = 16 << 20, /* of all keys */
	SKETCHES_BYTES = 16 << 20,
};

enum figure_kind {
	FIGURE_NONE,
	FIGURE_SUM,
	FIGURE_LEAST,
	FIGURE_MOST,
	FIGURE_SKETCH,
	FIGURE_SPREAD
};

/* What is made of the columns of one name. */
struct figure {
	char name[COLUMN_NAME_BYTES]; /* of a sketch and a spread: without `_sketch` */
	enum figure_kind kind;
};

struct part {
	bool is_there;
	uint64_t value; /* a sum stops at its end */
	uint64_t least, most; /* of a spread */
	struct sketch *sketch; /* owned; of a sketch or spread */
};

/* What one range says. */
struct tally {
	uint64_t count, errors;
	struct part part[FIGURES];
};

struct group {
	uint64_t step_ns;
	struct value by[GROUPS_BY_MAX]; /* texts lie in `texts` */
	struct tally now;
	struct tally *before; /* owned; NULL = nothing there */
	double rank; /* number that the answer is ordered by */
};

struct groups {
	struct groups_query query;
	struct map index; /* hash of the key -> number of the group + 1 */
	struct group **group; /* owned */
	size_t count, room;
	struct arena texts;
	size_t sketch_bytes;
	uint64_t left_out;
	bool is_before; /* records are of the range that is compared with */
	struct figure figure[FIGURES];
	size_t figures;
	/* for the layout at hand */
	const struct layout *layout;
	uint32_t columns;
	int16_t by_at[GROUPS_BY_MAX];
	int16_t figure_of[LAYOUT_COLUMNS]; /* -1: none */
	int count_at, errors_at, error_at;
};

/* ---- which columns mean what ---- */

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len > tail && !strcmp(name + len - tail, end);
}

static enum figure_kind kind_of(const char *name, bool is_summary)
{
	if (!strcmp(name, "interval_ns"))
		return FIGURE_NONE;
	if (ends_with(name, "_bytes") || !strcmp(name, "retransmits"))
		return FIGURE_SUM;
	if (!is_summary)
		return ends_with(name, "_ns") ? FIGURE_SPREAD : FIGURE_NONE;
	return ends_with(name, "_sum")      ? FIGURE_SUM
	       : ends_with(name, "_min")    ? FIGURE_LEAST
	       : ends_with(name, "_max")    ? FIGURE_MOST
	       : ends_with(name, "_sketch") ? FIGURE_SKETCH
					    : FIGURE_NONE;
}

static int16_t figure_for(struct groups *groups, const char *name, enum figure_kind kind)
{
	size_t len = strlen(name) - (kind == FIGURE_SKETCH ? strlen("_sketch") : 0);
	struct figure *figure;

	for (size_t i = 0; i < groups->figures; i++)
		if (groups->figure[i].kind == kind && strlen(groups->figure[i].name) == len &&
		    !memcmp(groups->figure[i].name, name, len))
			return (int16_t)i;
	if (groups->figures == FIGURES)
		return -1;
	figure = &groups->figure[groups->figures];
	*figure = (struct figure){.kind = kind};
	memcpy(figure->name, name, len);
	return (int16_t)groups->figures++;
}

static void learn_layout(struct groups *groups, const struct layout *layout)
{
	bool is_summary;

	if (groups->layout == layout && groups->columns == layout->count)
		return;
	groups->layout = layout;
	groups->columns = layout->count;
	groups->count_at = layout_find(layout, span_of("count"));
	groups->errors_at = layout_find(layout, span_of("errors"));
	groups->error_at = layout_find(layout, span_of("error"));
	is_summary = groups->count_at >= 0;
	for (size_t i = 0; i < groups->query.by_count; i++)
		groups->by_at[i] = (int16_t)layout_find(layout, span_of(groups->query.by[i]));
	for (uint32_t i = 0; i < layout->count; i++) {
		const char *name = layout->column[i].name;
		enum figure_kind kind = i < LAYOUT_FIRST ? FIGURE_NONE : kind_of(name, is_summary);

		groups->figure_of[i] = kind == FIGURE_NONE ? -1 : figure_for(groups, name, kind);
	}
}

/* ---- finding the group ---- */

static size_t add_to_key(uint8_t *key, size_t at, const struct value *value)
{
	char scratch[VALUE_TEXT_BYTES];
	struct span text = span_first(value_as_text(value, scratch), TEXT_BYTES);

	key[at++] = (uint8_t)(value->kind != VALUE_ABSENT);
	key[at++] = (uint8_t)text.len;
	if (text.len)
		memcpy(key + at, text.at, text.len);
	return at + text.len;
}

static struct value copy_of(struct groups *groups, const struct value *value)
{
	struct span text = span_first(value->text, TEXT_BYTES);
	char *copy;

	if (value->kind != VALUE_TEXT)
		return value->kind == VALUE_JSON || value->kind == VALUE_SKETCH ? (struct value){}
										: *value;
	copy = arena_str(&groups->texts, text);
	return copy ? value_text((struct span){(uint8_t *)copy, text.len}) : (struct value){};
}

static struct group *group_new(struct groups *groups)
{
	struct group *group, **more;

	if (groups->count == GROUPS_MOST)
		return NULL;
	if (groups->count == groups->room) {
		size_t room = groups->room ? groups->room * 2 : 64;

		more = realloc(groups->group, room * sizeof(*more));
		if (!more)
			return NULL;
		groups->group = more;
		groups->room = room;
	}
	group = calloc(1, sizeof(*group));
	if (group)
		groups->group[groups->count++] = group;
	return group;
}

static struct group *group_of(struct groups *groups, const struct record *record)
{
	static const struct value absent;
	const struct value *by[GROUPS_BY_MAX];
	uint64_t time_ns = record->value[LAYOUT_TIME].u64, step_ns = 0;
	uint8_t key[KEY_BYTES];
	uint64_t hash[2];
	uint32_t *number;
	struct group *group;
	size_t len = sizeof(step_ns);
	bool is_new;

	if (groups->query
		    .step_ns) /* a summary stands at its end: the moment before belongs to it */
		step_ns = (time_ns - (groups->count_at >= 0)) / groups->query.step_ns *
			  groups->query.step_ns;
	memcpy(key, &step_ns, sizeof(step_ns));
	for (size_t i = 0; i < groups->query.by_count; i++) {
		by[i] = groups->by_at[i] >= 0 ? &record->value[groups->by_at[i]] : &absent;
		len = add_to_key(key, len, by[i]);
	}
	hash[0] = hash_bytes(key, len, hash_seed());
	hash[1] = hash_bytes(key, len, ~hash_seed());
	number = map_put(&groups->index, hash, &is_new);
	if (number && !is_new && *number)
		return groups->group[*number - 1];
	group = number ? group_new(groups) : NULL;
	if (!group)
		return NULL;
	*number = (uint32_t)groups->count;
	group->step_ns = step_ns;
	for (size_t i = 0; i < groups->query.by_count; i++)
		group->by[i] = copy_of(groups, by[i]);
	return group;
}

/* ---- adding up ---- */

static uint64_t add_up_to_the_end(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static struct sketch *sketch_of(struct part *part)
{
	if (!part->sketch)
		part->sketch = calloc(1, sizeof(*part->sketch));
	return part->sketch;
}

static void merge_written(struct sketch *sketch, struct span written)
{
	struct sketch other;

	if (!sketch_read(&other, written))
		sketch_merge(sketch, &other);
	sketch_done(&other);
}

static void add_to_part(struct groups *groups, struct part *part, enum figure_kind kind,
			const struct value *value)
{
	uint64_t number = value->kind == VALUE_U64                     ? value->u64
			  : value->kind == VALUE_I64 && value->i64 > 0 ? (uint64_t)value->i64
								       : 0;
	struct sketch *sketch = NULL;
	size_t before = 0;

	if ((kind == FIGURE_SKETCH) != (value->kind == VALUE_SKETCH))
		return;
	if ((kind == FIGURE_SKETCH || kind == FIGURE_SPREAD) &&
	    groups->sketch_bytes < SKETCHES_BYTES)
		sketch = sketch_of(part);
	if (sketch)
		before = sketch_bytes(sketch);
	if (kind == FIGURE_SKETCH && sketch)
		merge_written(sketch, value->text);
	else if (kind == FIGURE_SPREAD && sketch)
		sketch_add(sketch, (double)number);
	if (sketch)
		groups->sketch_bytes += sketch_bytes(sketch) - before;
	part->least = !part->is_there || number < part->least ? number : part->least;
	part->most = number > part->most ? number : part->most;
	part->value = add_up_to_the_end(part->value, number);
	part->is_there = true;
}

static uint64_t number_at(const struct record *record, int at)
{
	return at >= 0 && record->value[at].kind == VALUE_U64 ? record->value[at].u64 : 0;
}

static struct tally *tally_of(const struct groups *groups, struct group *group)
{
	if (!groups->is_before)
		return &group->now;
	if (!group->before)
		group->before = calloc(1, sizeof(*group->before));
	return group->before;
}

static void take_record(void *ctx, const struct record *record)
{
	struct groups *groups = ctx;
	struct group *group;
	struct tally *tally;
	bool is_summary;

	learn_layout(groups, record->layout);
	group = group_of(groups, record);
	tally = group ? tally_of(groups, group) : NULL;
	if (!tally) {
		groups->left_out++;
		return;
	}
	is_summary = groups->count_at >= 0 && record->value[groups->count_at].kind == VALUE_U64;
	tally->count += is_summary ? number_at(record, groups->count_at) : 1;
	if (groups->errors_at >= 0 && is_summary)
		tally->errors += number_at(record, groups->errors_at);
	else if (groups->error_at >= 0)
		tally->errors += record->value[groups->error_at].kind == VALUE_BOOL &&
				 record->value[groups->error_at].truth;
	for (uint32_t i = LAYOUT_FIRST; i < record->layout->count; i++)
		if (groups->figure_of[i] >= 0 && record->value[i].kind != VALUE_ABSENT)
			add_to_part(groups, &tally->part[groups->figure_of[i]],
				    groups->figure[groups->figure_of[i]].kind, &record->value[i]);
}

/* Into the same groups; what could not be looked at there is said in the one answer. */
static int read_before(struct store *store, struct groups *groups, struct past_query past,
		       struct past_answer *answer, struct err *why)
{
	struct past_answer before = {};
	int error;

	past.from_ns = groups->query.against_from_ns;
	past.to_ns = groups->query.against_to_ns;
	groups->is_before = true;
	groups->layout = NULL;
	error = past_read(store, &past, take_record, groups, &before, why);
	if (!error && before.is_partial && !answer->is_partial) {
		answer->is_partial = true;
		memcpy(answer->why_partial, before.why_partial, sizeof(answer->why_partial));
	}
	past_answer_done(&before);
	return error;
}

/* ---- the order ---- */

/* Does `name` end a figure's name with one of these? Then which; -1 = none. */
static int end_of(const char *name, const struct figure *figure, const char *const *ends,
		  size_t count)
{
	size_t len = strlen(figure->name);

	if (strncmp(name, figure->name, len) != 0 || name[len] != '_')
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name + len + 1, ends[i]))
			return (int)i;
	return -1;
}

/* The number called `name` in the answer. False = there is none of that name. */
static bool rank_of(const struct groups *groups, const struct tally *tally, const char *name,
		    double *ret_rank)
{
	static const char *const quantiles[] = {"p50", "p90", "p99"};
	static const char *const spread[] = {"sum", "min", "max"};
	static const double share[] = {0.5, 0.9, 0.99};

	if (!strcmp(name, "count") || !strcmp(name, "errors")) {
		*ret_rank = (double)(name[0] == 'c' ? tally->count : tally->errors);
		return true;
	}
	for (size_t i = 0; i < groups->figures; i++) {
		const struct figure *figure = &groups->figure[i];
		const struct part *part = &tally->part[i];
		int at;

		if (!strcmp(name, figure->name) && figure->kind <= FIGURE_MOST) {
			*ret_rank = (double)(figure->kind == FIGURE_LEAST  ? part->least
					     : figure->kind == FIGURE_MOST ? part->most
									   : part->value);
			return true;
		}
		at = end_of(name, figure, spread, 3);
		if (figure->kind == FIGURE_SPREAD && at >= 0) {
			*ret_rank = (double)(at == 0   ? part->value
					     : at == 1 ? part->least
						       : part->most);
			return true;
		}
		at = end_of(name, figure, quantiles, 3);
		if (figure->kind >= FIGURE_SKETCH && at >= 0) {
			*ret_rank = part->sketch && part->sketch->count
					    ? sketch_quantile(part->sketch, share[at])
					    : 0;
			return true;
		}
	}
	return false;
}

static int rank_groups(struct groups *groups, struct err *why)
{
	const char *name = groups->query.order ? groups->query.order : "count";

	for (size_t i = 0; i < groups->count; i++)
		if (!rank_of(groups, &groups->group[i]->now, name, &groups->group[i]->rank))
			return err_set(
				why, -EINVAL,
				"order: nothing that is summed up is called '%.60s'; "
				"name a number of the answer, such as count or duration_ns_p99",
				name);
	return 0;
}

int groups_read(struct store *store, const struct groups_query *query, struct groups **ret_groups,
		struct past_answer *ret_answer, struct err *why)
{
	struct groups *groups = calloc(1, sizeof(*groups));
	struct past_query past = query->past;
	int error;

	*ret_groups = NULL;
	*ret_answer = (struct past_answer){};
	if (!groups)
		return err_set(why, -ENOMEM, "no memory to sum up the history");
	groups->query = *query;
	map_init(&groups->index, 2 * sizeof(uint64_t), sizeof(uint32_t), GROUPS_MOST);
	arena_init(&groups->texts, TEXTS_BYTES);
	past.limit = UINT64_MAX;
	past.cursor = (struct span){};
	*ret_groups = groups;
	error = past_read(store, &past, take_record, groups, ret_answer, why);
	if (!error && query->against_to_ns)
		error = read_before(store, groups, past, ret_answer, why);
	return error ? error : rank_groups(groups, why);
}

/* ---- the answer ---- */

static void write_quantiles(const char *name, const struct sketch *sketch, struct json *json)
{
	static const struct {
		const char *end;
		double share;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};
	char key[COLUMN_NAME_BYTES + 8];

	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
		snprintf(key, sizeof(key), "%s_%s", name, quantiles[i].end);
		json_key_u64(json, key,
			     (uint64_t)(sketch_quantile(sketch, quantiles[i].share) + 0.5));
	}
}

static void write_part(const struct figure *figure, const struct part *part, struct json *json)
{
	char key[COLUMN_NAME_BYTES + 8];

	switch (figure->kind) {
	case FIGURE_SUM: json_key_u64(json, figure->name, part->value); return;
	case FIGURE_LEAST: json_key_u64(json, figure->name, part->least); return;
	case FIGURE_MOST: json_key_u64(json, figure->name, part->most); return;
	case FIGURE_SPREAD:
		snprintf(key, sizeof(key), "%s_sum", figure->name);
		json_key_u64(json, key, part->value);
		snprintf(key, sizeof(key), "%s_min", figure->name);
		json_key_u64(json, key, part->least);
		snprintf(key, sizeof(key), "%s_max", figure->name);
		json_key_u64(json, key, part->most);
		break;
	default: break;
	}
	if (part->sketch && part->sketch->count)
		write_quantiles(figure->name, part->sketch, json);
}

static void write_tally(const struct groups *groups, const struct tally *tally, struct json *json)
{
	json_key_u64(json, "count", tally->count);
	if (groups->errors_at >= 0 || groups->error_at >= 0)
		json_key_u64(json, "errors", tally->errors);
	for (size_t i = 0; i < groups->figures; i++)
		if (tally->part[i].is_there)
			write_part(&groups->figure[i], &tally->part[i], json);
}

static void write_group(const struct groups *groups, const struct group *group, struct json *json)
{
	struct value time = {.kind = VALUE_TIME, .u64 = group->step_ns};

	json_object(json);
	if (groups->query.step_ns) {
		json_key(json, "time");
		value_json(&time, json);
	}
	for (size_t i = 0; i < groups->query.by_count; i++) {
		if (group->by[i].kind == VALUE_ABSENT)
			continue;
		json_key(json, groups->query.by[i]);
		value_json(&group->by[i], json);
	}
	write_tally(groups, &group->now, json);
	if (group->before) {
		json_key(json, "before");
		json_object(json);
		write_tally(groups, group->before, json);
		json_object_end(json);
	}
	json_object_end(json);
}

/* Equal ranks: who counts more, now or before. */
static int by_rank(const void *a, const void *b)
{
	const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;

	uint64_t counts[2] = {one->now.count + (one->before ? one->before->count : 0),
			      other->now.count + (other->before ? other->before->count : 0)};

	if (one->rank < other->rank || one->rank > other->rank)
		return one->rank < other->rank ? 1 : -1;
	return (counts[0] < counts[1]) - (counts[0] > counts[1]);
}

static int by_time(const void *a, const void *b)
{
	const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;

	if (one->step_ns != other->step_ns)
		return one->step_ns < other->step_ns ? -1 : 1;
	return by_rank(a, b);
}

void groups_write(const struct groups *groups, struct json *json)
{
	size_t shown = groups->query.limit && groups->query.limit < groups->count
			       ? groups->query.limit
			       : groups->count;

	if (groups->count) {
		qsort(groups->group, groups->count, sizeof(*groups->group), by_rank);
		qsort(groups->group, shown, sizeof(*groups->group), by_time);
	}
	json_array(json);
	for (size_t i = 0; i < shown; i++)
		write_group(groups, groups->group[i], json);
	json_array_end(json);
}

size_t groups_count(const struct groups *groups)
{
	return groups->count;
}

uint64_t groups_left_out(const struct groups *groups)
{
	return groups->left_out;
}

static void tally_done(struct tally *tally)
{
	for (size_t i = 0; tally && i < FIGURES; i++) {
		if (tally->part[i].sketch)
			sketch_done(tally->part[i].sketch);
		free(tally->part[i].sketch);
	}
}

static void group_free(struct group *group)
{
	tally_done(&group->now);
	tally_done(group->before);
	free(group->before);
	free(group);
}

void groups_free(struct groups *groups)
{
	if (!groups)
		return;
	for (size_t i = 0; i < groups->count; i++)
		group_free(groups->group[i]);
	free(groups->group);
	map_done(&groups->index);
	arena_done(&groups->texts);
	free(groups);
}
