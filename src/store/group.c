// SPDX-License-Identifier: GPL-2.0-only
/*
 * group - one row for each combination of values and step of time.
 *
 * A group's key is a list of words: which values are absent, the step of time, and per `by` column
 * a number, the two words of an id, or the code of a text in a dictionary that holds for the whole
 * question. Per block first every row finds its group, then every aggregated column adds its
 * values. Where the only key is one text column, the part's own codes lead to the groups, and
 * nothing is hashed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/sketch.h"
#include "store/run.h"

enum {
	KEY_WORDS_MAX = 2 + 2 * QUERY_BY_MAX,
	STATES_PER_PAGE = 256,
	GROUPS_DEFAULT = 10000,
	TEXTS_MAX = 1 << 20,
	TEXT_BYTES_MAX = 32 << 20,
};

#define NO_GROUP UINT32_MAX

/* What is gathered of one column; aggregates of the same column share it. */
struct slot {
	int column; /* of the table */
	enum store_type type;
	bool wants_numbers, wants_sketch;
};

struct slot_state {
	__int128 whole; /* sum of whole numbers */
	double real; /* sum of real numbers */
	uint64_t count; /* values */
	uint64_t min, max; /* the type's bits */
	struct sketch *sketch; /* owned; NULL before the first value */
};

struct state {
	uint64_t rows;
	uint64_t key[KEY_WORDS_MAX];
	struct slot_state slot[];
};

struct by {
	int column;
	enum store_type type;
	struct dict texts; /* of text columns: codes for the whole question */
	/* owned: the part's code -> code above + 1, 0 = not yet; of the present part */
	uint32_t *translated;
	uint32_t translated_count;
};

struct grouper {
	struct by by[QUERY_BY_MAX];
	struct slot slot[QUERY_AGGREGATES_MAX];
	size_t slots;
	int slot_of[QUERY_AGGREGATES_MAX]; /* by aggregate; -1: rows only */
	size_t words; /* of a key */
	struct map map; /* key -> u32 number of the group */
	uint8_t **page; /* owned: states, STATES_PER_PAGE each */
	size_t pages;
	size_t groups, groups_max;
	size_t state_bytes;
	bool by_one_text; /* then by[0].translated holds numbers of groups + 1 */
	/* of the wanted rows of the present block, in their order */
	uint32_t group[BLOCK_ROWS_MAX];
};

static struct state *state_at(const struct grouper *grouper, size_t group)
{
	return (struct state *)(grouper->page[group / STATES_PER_PAGE] +
				group % STATES_PER_PAGE * grouper->state_bytes);
}

static int add_slot(struct run *run, const struct store_aggregate *aggregate, struct err *why)
{
	struct grouper *grouper = run->grouper;
	int column = store_table_column(&run->table, aggregate->column);
	struct slot *slot = grouper->slot;
	enum store_type type;

	if (column < 0)
		return err_set(why, -ENOENT, "table '%s' has no column '%s'", run->table.name,
			       aggregate->column);
	type = run->table.column[column].type;
	if (aggregate->kind == STORE_QUANTILE
		    ? type == STORE_TEXT || type == STORE_ID16
		    : aggregate->kind != STORE_COUNT && (type_is_text(type) || type == STORE_ID16))
		return err_set(why, -EINVAL,
			       "column '%s' is of type %s: only its count can be asked",
			       aggregate->column, store_type_name(type));
	while (slot < grouper->slot + grouper->slots && slot->column != column)
		slot++;
	if (slot == grouper->slot + grouper->slots)
		grouper->slots++;
	slot->column = column;
	slot->type = type;
	slot->wants_sketch |= aggregate->kind == STORE_QUANTILE;
	slot->wants_numbers |= aggregate->kind != STORE_QUANTILE && aggregate->kind != STORE_COUNT;
	return (int)(slot - grouper->slot);
}

static int check_aggregate(struct run *run, size_t at, struct err *why)
{
	const struct store_aggregate *aggregate = &run->query->aggregate[at];
	int slot;

	if (aggregate->kind > STORE_QUANTILE ||
	    (!aggregate->column && aggregate->kind != STORE_COUNT))
		return err_set(why, -EINVAL, "an aggregate has no column");
	if (aggregate->kind == STORE_QUANTILE &&
	    !(aggregate->quantile >= 0 && aggregate->quantile <= 1))
		return err_set(why, -EINVAL, "a quantile lies between 0 and 1");
	run->grouper->slot_of[at] = -1;
	if (!aggregate->column)
		return 0;
	slot = add_slot(run, aggregate, why);
	run->grouper->slot_of[at] = slot;
	return slot < 0 ? slot : 0;
}

static int check_by(struct run *run, size_t at, struct err *why)
{
	struct by *by = &run->grouper->by[at];

	by->column = store_table_column(&run->table, run->query->by[at]);
	if (by->column < 0)
		return err_set(why, -ENOENT, "table '%s' has no column '%s'", run->table.name,
			       run->query->by[at]);
	by->type = run->table.column[by->column].type;
	if (by->type == STORE_SKETCH)
		return err_set(why, -EINVAL, "column '%s' is a sketch: rows can't be grouped by it",
			       run->query->by[at]);
	dict_init(&by->texts, TEXTS_MAX, TEXT_BYTES_MAX);
	run->grouper->words += words_of(by->type);
	return 0;
}

static enum store_type type_of_aggregate(const struct run *run, size_t at)
{
	const struct store_aggregate *aggregate = &run->query->aggregate[at];
	int slot = run->grouper->slot_of[at];
	enum store_type type = slot < 0 ? STORE_U64 : run->grouper->slot[slot].type;

	switch (aggregate->kind) {
	case STORE_COUNT: return STORE_U64;
	case STORE_SUM:
		return type == STORE_BOOL ? STORE_U64 : type == STORE_TIME ? STORE_I64 : type;
	case STORE_MEAN:
	case STORE_QUANTILE: return STORE_DOUBLE;
	default: return type;
	}
}

static void name_aggregate(const struct store_aggregate *aggregate, char *name, size_t size)
{
	static const char *const endings[] = {"count", "sum", "min", "max", "mean"};

	if (!aggregate->column)
		snprintf(name, size, "count");
	else if (aggregate->kind == STORE_QUANTILE)
		snprintf(name, size, "%s.p%g", aggregate->column, aggregate->quantile * 100);
	else
		snprintf(name, size, "%s.%s", aggregate->column, endings[aggregate->kind]);
}

static int name_columns(struct run *run)
{
	const struct store_query *query = run->query;
	struct store_answer *answer = run->answer;
	struct store_answer_column *column;

	answer->columns = (query->step_ns != 0) + query->by_count + query->aggregates;
	column = answer->column = arena_new(&answer->arena, answer->columns * sizeof(*column));
	if (!column)
		return -ENOMEM;
	if (query->step_ns) {
		snprintf(column->name, sizeof(column->name), "time");
		column++->type = STORE_TIME;
	}
	for (size_t i = 0; i < query->by_count; i++, column++) {
		memcpy(column->name, run->table.column[run->grouper->by[i].column].name,
		       STORE_NAME_BYTES);
		column->type = run->grouper->by[i].type;
	}
	for (size_t i = 0; i < query->aggregates; i++, column++) {
		name_aggregate(&query->aggregate[i], column->name, sizeof(column->name));
		column->type = type_of_aggregate(run, i);
	}
	return 0;
}

int grouper_new(struct run *run, struct err *why)
{
	struct grouper *grouper = calloc(1, sizeof(*grouper));
	const struct store_query *query = run->query;
	int error = 0;

	if (!grouper)
		return err_set(why, -ENOMEM, "no memory for a question");
	run->grouper = grouper;
	grouper->words = 1 + (query->step_ns != 0);
	grouper->groups_max = query->groups_max ? query->groups_max : GROUPS_DEFAULT;
	for (size_t i = 0; i < query->by_count && !error; i++)
		error = check_by(run, i, why);
	for (size_t i = 0; i < query->aggregates && !error; i++)
		error = check_aggregate(run, i, why);
	if (error)
		return error;
	if (query->order >= (int)((query->step_ns != 0) + query->by_count + query->aggregates))
		return err_set(why, -EINVAL, "the answer has no column %d to order by",
			       query->order);
	grouper->by_one_text =
		query->by_count == 1 && !query->step_ns && type_is_text(grouper->by[0].type);
	grouper->state_bytes = sizeof(struct state) + grouper->slots * sizeof(struct slot_state);
	map_init(&grouper->map, grouper->words * sizeof(uint64_t), sizeof(uint32_t),
		 grouper->groups_max);
	return name_columns(run);
}

void grouper_free(struct grouper *grouper)
{
	if (!grouper)
		return;
	for (size_t i = 0; i < grouper->groups; i++) {
		struct state *state = state_at(grouper, i);

		for (size_t k = 0; k < grouper->slots; k++)
			if (state->slot[k].sketch) {
				sketch_done(state->slot[k].sketch);
				free(state->slot[k].sketch);
			}
	}
	for (size_t i = 0; i < grouper->pages; i++)
		free(grouper->page[i]);
	free(grouper->page);
	for (int i = 0; i < QUERY_BY_MAX; i++) {
		dict_done(&grouper->by[i].texts);
		free(grouper->by[i].translated);
	}
	map_done(&grouper->map);
	free(grouper);
}

void grouper_enter_part(struct run *run)
{
	for (size_t i = 0; i < run->query->by_count; i++) {
		free(run->grouper->by[i].translated);
		run->grouper->by[i].translated = NULL;
		run->grouper->by[i].translated_count = 0;
	}
}

static int new_page(struct run *run)
{
	struct grouper *grouper = run->grouper;
	size_t bytes = STATES_PER_PAGE * grouper->state_bytes;
	uint8_t **pages = realloc(grouper->page, (grouper->pages + 1) * sizeof(*pages));

	if (!pages)
		return -ENOMEM;
	grouper->page = pages;
	pages[grouper->pages] = aligned_alloc(16, (bytes + 15) / 16 * 16);
	if (!pages[grouper->pages])
		return -ENOMEM;
	memset(pages[grouper->pages++], 0, bytes);
	return run_charge(run, bytes);
}

/* The group with that key, NO_GROUP when there is no room for another one; memory out is an
 * error. */
static int find_group(struct run *run, const uint64_t *key, uint32_t *ret_group)
{
	struct grouper *grouper = run->grouper;
	uint32_t *number = map_get(&grouper->map, key);
	int error = 0;

	if (number) {
		*ret_group = *number;
		return 0;
	}
	*ret_group = NO_GROUP;
	if (grouper->groups == grouper->groups_max)
		return 0;
	if (grouper->groups == grouper->pages * STATES_PER_PAGE)
		error = new_page(run);
	number = error ? NULL : map_put(&grouper->map, key, NULL);
	if (!number)
		return -ENOMEM;
	memcpy(state_at(grouper, grouper->groups)->key, key, grouper->words * sizeof(*key));
	*ret_group = *number = (uint32_t)grouper->groups++;
	return 0;
}

/* The `by` column in the present block. */
struct key_column {
	const struct vector *vector; /* NULL: absent in the whole part */
	const struct dict *dict;
	struct by *by;
};

static int open_key(struct run *run, size_t at, struct key_column *key)
{
	struct by *by = &run->grouper->by[at];
	const struct store_column *column = &run->table.column[by->column];
	int mine = part_column(&run->part, column->name, by->type), error;

	*key = (struct key_column){.by = by};
	if (mine < 0)
		return 0;
	error = part_vector(&run->part, (uint32_t)mine, &key->vector);
	if (error || !type_is_text(by->type))
		return error;
	error = part_dict(&run->part, (uint32_t)mine, &key->dict);
	if (error || by->translated_count >= key->dict->count)
		return error;
	free(by->translated);
	by->translated = calloc(key->dict->count, sizeof(*by->translated));
	by->translated_count = by->translated ? key->dict->count : 0;
	return by->translated ? 0 : -ENOMEM;
}

/* The question's code of a text; TEXTS_MAX when there is no room for another one. */
static uint32_t translate(struct by *by, const struct dict *dict, uint32_t code)
{
	int64_t mine;

	if (by->translated[code])
		return by->translated[code] - 1;
	mine = dict_put(&by->texts, dict_at(dict, code));
	if (mine < 0)
		return TEXTS_MAX;
	by->translated[code] = (uint32_t)mine + 1;
	return (uint32_t)mine;
}

/* Rows of one text column: from code to group directly. */
static int find_groups_by_text(struct run *run, struct key_column *key)
{
	struct grouper *grouper = run->grouper;
	uint32_t absent = NO_GROUP, *known = key->by->translated;
	uint64_t words[2];
	int error = 0;

	for (uint32_t i = 0; i < run->wanted_count && !error; i++) {
		uint32_t row = run->wanted[i], code;
		int64_t text;

		if (!key->vector || !vector_has(key->vector, row)) {
			words[0] = 1;
			words[1] = 0;
			if (absent == NO_GROUP)
				error = find_group(run, words, &absent);
			grouper->group[i] = absent;
			continue;
		}
		code = (uint32_t)key->vector->values[row];
		grouper->group[i] = known[code] - 1; /* 0 becomes NO_GROUP */
		if (known[code])
			continue;
		text = dict_put(&key->by->texts, dict_at(key->dict, code));
		words[0] = 0;
		words[1] = (uint64_t)text;
		if (text >= 0)
			error = find_group(run, words, &grouper->group[i]);
		known[code] = grouper->group[i] + 1;
	}
	return error;
}

/* Rows are no group's when a text found no room. */
static bool make_key(struct run *run, const struct key_column *keys, const struct vector *times,
		     uint32_t row, uint64_t *words)
{
	int64_t step = run->query->step_ns;
	uint64_t *at = words + 1;

	words[0] = 0;
	if (step) {
		int64_t time = (int64_t)times->values[row], begin = time / step * step;

		*at++ = (uint64_t)(begin > time ? begin - step : begin);
	}
	for (size_t i = 0; i < run->query->by_count; i++) {
		const struct vector *vector = keys[i].vector;
		uint32_t count = words_of(keys[i].by->type);

		memset(at, 0, count * sizeof(*at));
		if (!vector || !vector_has(vector, row)) {
			words[0] |= (uint64_t)1 << i;
		} else if (type_is_text(keys[i].by->type)) {
			*at = translate(keys[i].by, keys[i].dict, (uint32_t)vector->values[row]);
			if (*at == TEXTS_MAX)
				return false;
		} else {
			memcpy(at, vector->values + (size_t)row * count, count * sizeof(*at));
		}
		at += count;
	}
	return true;
}

static int find_groups(struct run *run)
{
	struct grouper *grouper = run->grouper;
	struct key_column keys[QUERY_BY_MAX];
	uint64_t words[KEY_WORDS_MAX], last[KEY_WORDS_MAX];
	const struct vector *times = NULL;
	uint32_t last_group = NO_GROUP;
	int error = run->query->step_ns ? part_vector(&run->part, 0, &times) : 0;

	for (size_t i = 0; i < run->query->by_count && !error; i++)
		error = open_key(run, i, &keys[i]);
	if (error)
		return error;
	if (grouper->by_one_text)
		return find_groups_by_text(run, &keys[0]);
	for (uint32_t i = 0; i < run->wanted_count && !error; i++) {
		if (!make_key(run, keys, times, run->wanted[i], words)) {
			grouper->group[i] = NO_GROUP;
			continue;
		}
		if (last_group == NO_GROUP ||
		    memcmp(words, last, grouper->words * sizeof(*words)) != 0) {
			error = find_group(run, words, &last_group);
			memcpy(last, words, sizeof(words));
		}
		grouper->group[i] = last_group;
	}
	return error;
}

static double real_of(uint64_t bits, enum store_type type)
{
	double real;

	if (type == STORE_DOUBLE) {
		memcpy(&real, &bits, sizeof(real));
		return real;
	}
	return type_is_signed(type) ? (double)(int64_t)bits : (double)bits;
}

static bool is_less(uint64_t a, uint64_t b, enum store_type type)
{
	if (type == STORE_DOUBLE)
		return real_of(a, type) < real_of(b, type);
	return type_is_signed(type) ? (int64_t)a < (int64_t)b : a < b;
}

static void add_number(struct slot_state *state, uint64_t bits, enum store_type type)
{
	if (type == STORE_DOUBLE)
		state->real += real_of(bits, type);
	else
		state->whole += type_is_signed(type) ? (__int128)(int64_t)bits : (__int128)bits;
	if (!state->count || is_less(bits, state->min, type))
		state->min = bits;
	if (!state->count || is_less(state->max, bits, type))
		state->max = bits;
}

static int add_written_sketch(struct sketch *sketch, struct span written)
{
	struct sketch other;
	int error = sketch_read(&other, written);

	if (error)
		return error == -ENOMEM ? error : 0;
	error = sketch_merge(sketch, &other);
	sketch_done(&other);
	return error;
}

static int add_to_sketch(struct run *run, struct slot_state *state, uint64_t bits,
			 enum store_type type, const struct dict *dict)
{
	size_t before;
	int error;

	if (!state->sketch) {
		state->sketch = calloc(1, sizeof(*state->sketch));
		if (!state->sketch || run_charge(run, sizeof(*state->sketch)))
			return -ENOMEM;
	}
	before = sketch_bytes(state->sketch);
	if (type == STORE_SKETCH)
		error = add_written_sketch(state->sketch, dict_at(dict, (uint32_t)bits));
	else
		error = sketch_add(state->sketch, real_of(bits, type));
	if (error == -ENOMEM)
		return error;
	return run_charge(run, sketch_bytes(state->sketch) - before);
}

static int add_column(struct run *run, size_t at)
{
	struct grouper *grouper = run->grouper;
	const struct slot *slot = &grouper->slot[at];
	int mine = part_column(&run->part, run->table.column[slot->column].name, slot->type), error;
	const struct vector *vector;
	const struct dict *dict = NULL;

	if (mine < 0)
		return 0;
	error = part_vector(&run->part, (uint32_t)mine, &vector);
	if (!error && slot->type == STORE_SKETCH)
		error = part_dict(&run->part, (uint32_t)mine, &dict);
	for (uint32_t i = 0; i < run->wanted_count && !error; i++) {
		uint32_t row = run->wanted[i];
		struct slot_state *state;

		if (grouper->group[i] == NO_GROUP || !vector_has(vector, row))
			continue;
		state = &state_at(grouper, grouper->group[i])->slot[at];
		if (slot->wants_numbers)
			add_number(state, vector->values[row], slot->type);
		if (slot->wants_sketch)
			error = add_to_sketch(run, state, vector->values[row], slot->type, dict);
		state->count++;
	}
	return error;
}

/* Every column that will be needed is read before anything is added: a damaged block counts
 * nowhere. */
static int open_columns(struct run *run)
{
	int error = 0;

	for (size_t i = 0; i < run->grouper->slots && !error; i++) {
		const struct slot *slot = &run->grouper->slot[i];
		int mine =
			part_column(&run->part, run->table.column[slot->column].name, slot->type);
		const struct vector *vector;
		const struct dict *dict;

		if (mine < 0)
			continue;
		error = part_vector(&run->part, (uint32_t)mine, &vector);
		if (!error && slot->type == STORE_SKETCH)
			error = part_dict(&run->part, (uint32_t)mine, &dict);
	}
	return error;
}

int grouper_take(struct run *run)
{
	struct grouper *grouper = run->grouper;
	int error = open_columns(run);

	if (!error)
		error = find_groups(run);
	for (uint32_t i = 0; i < run->wanted_count && !error; i++)
		if (grouper->group[i] == NO_GROUP)
			run->answer->others++;
		else
			state_at(grouper, grouper->group[i])->rows++;
	for (size_t i = 0; i < grouper->slots && !error; i++)
		error = add_column(run, i);
	return error;
}

static struct store_cell key_cell(const struct run *run, const struct state *state, size_t at)
{
	const struct grouper *grouper = run->grouper;
	const uint64_t *word = state->key + 1;
	struct store_cell cell = {};

	if (run->query->step_ns) {
		if (!at)
			return (struct store_cell){.type = STORE_TIME, .i64 = (int64_t)*word};
		word++;
		at--;
	}
	if (state->key[0] >> at & 1)
		return cell;
	for (size_t i = 0; i < at; i++)
		word += words_of(grouper->by[i].type);
	cell.type = grouper->by[at].type;
	if (cell.type == STORE_ID16)
		memcpy(cell.id16, word, 16);
	else if (type_is_text(cell.type))
		cell.text = dict_at(&grouper->by[at].texts, (uint32_t)*word);
	else
		cell.u64 = *word;
	return cell;
}

static struct store_cell sum_cell(const struct slot *slot, const struct slot_state *state)
{
	if (slot->type == STORE_DOUBLE)
		return (struct store_cell){.type = STORE_DOUBLE, .real = state->real};
	if (type_is_signed(slot->type)) {
		__int128 sum = state->whole > INT64_MAX   ? INT64_MAX
			       : state->whole < INT64_MIN ? INT64_MIN
							  : state->whole;

		return (struct store_cell){.type = STORE_I64, .i64 = (int64_t)sum};
	}
	return (struct store_cell){
		.type = STORE_U64,
		.u64 = state->whole > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)state->whole,
	};
}

static struct store_cell aggregate_cell(const struct run *run, const struct state *group, size_t at)
{
	const struct store_aggregate *aggregate = &run->query->aggregate[at];
	int number = run->grouper->slot_of[at];
	const struct slot *slot = &run->grouper->slot[number < 0 ? 0 : number];
	const struct slot_state *state = &group->slot[number < 0 ? 0 : number];

	if (number < 0)
		return (struct store_cell){.type = STORE_U64, .u64 = group->rows};
	if (aggregate->kind == STORE_COUNT)
		return (struct store_cell){.type = STORE_U64, .u64 = state->count};
	if (!state->count)
		return (struct store_cell){};
	switch (aggregate->kind) {
	case STORE_SUM: return sum_cell(slot, state);
	case STORE_MIN: return (struct store_cell){.type = slot->type, .u64 = state->min};
	case STORE_MAX: return (struct store_cell){.type = slot->type, .u64 = state->max};
	case STORE_MEAN:
		return (struct store_cell){
			.type = STORE_DOUBLE,
			.real = (slot->type == STORE_DOUBLE ? state->real : (double)state->whole) /
				(double)state->count,
		};
	default: break;
	}
	if (!state->sketch || !state->sketch->count)
		return (struct store_cell){};
	return (struct store_cell){
		.type = STORE_DOUBLE,
		.real = sketch_quantile(state->sketch, aggregate->quantile),
	};
}

static struct store_cell group_cell(const struct run *run, size_t group, size_t column)
{
	size_t keys = (run->query->step_ns != 0) + run->query->by_count;
	const struct state *state = state_at(run->grouper, group);

	return column < keys ? key_cell(run, state, column)
			     : aggregate_cell(run, state, column - keys);
}

/* A group and the value that orders it. */
struct placed {
	struct store_cell value;
	uint32_t group;
};

static int by_keys(const struct run *run, uint32_t a, uint32_t b)
{
	size_t keys = (run->query->step_ns != 0) + run->query->by_count;

	for (size_t i = 0; i < keys; i++) {
		struct store_cell left = group_cell(run, a, i), right = group_cell(run, b, i);
		int order = cell_order(&left, &right);

		if (order)
			return order;
	}
	return 0;
}

static int by_value(const void *a, const void *b, void *ctx)
{
	const struct placed *left = a, *right = b;
	const struct run *run = ctx;
	int order = cell_order(&left->value, &right->value);

	if (order && !run->query->ascending && left->value.type && right->value.type)
		order = -order;
	return order ? order : by_keys(run, left->group, right->group);
}

static int copy_cell(struct store_answer *answer, struct store_cell *to, struct store_cell from)
{
	*to = from;
	if (!type_is_text(from.type))
		return 0;
	to->text.at = (const uint8_t *)arena_str(&answer->arena, from.text);
	return to->text.at ? 0 : -ENOMEM;
}

int grouper_finish(struct run *run)
{
	struct grouper *grouper = run->grouper;
	struct store_answer *answer = run->answer;
	struct placed *placed = calloc(grouper->groups + 1, sizeof(*placed));
	int error = placed ? 0 : -ENOMEM;

	for (size_t i = 0; i < grouper->groups && !error; i++) {
		placed[i].group = (uint32_t)i;
		if (run->query->order >= 0)
			placed[i].value = group_cell(run, i, (size_t)run->query->order);
	}
	if (!error)
		qsort_r(placed, grouper->groups, sizeof(*placed), by_value, run);
	answer->groups = grouper->groups;
	answer->rows = grouper->groups < run->limit ? grouper->groups : run->limit;
	answer->cell = arena_new(&answer->arena,
				 (answer->rows * answer->columns + 1) * sizeof(*answer->cell));
	if (!answer->cell)
		error = -ENOMEM;
	for (size_t i = 0; i < answer->rows && !error; i++)
		for (size_t k = 0; k < answer->columns && !error; k++)
			error = copy_cell(answer, &answer->cell[i * answer->columns + k],
					  group_cell(run, placed[i].group, k));
	free(placed);
	return error;
}
