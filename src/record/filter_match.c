// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter_match - asks a filter's tree about a record, and about the columns it names.
 *
 * A column's place differs between layouts and layouts come and go, so each node keeps only a hint of
 * where its column was last, and looks at the name there before it believes it.
 */
#include "record/filter_parts.h"

#include "base/suggest.h"

#include <errno.h>

void filter_names(const char *column, const char *ret[FILTER_NAMES + 1])
{
	bool either_end = !strcmp(column, "port") || !strcmp(column, "addr");
	int count = 0;

	ret[count++] = column;
	if (either_end) {
		ret[count++] = column[0] == 'p' ? "local_port" : "local_addr";
		ret[count++] = column[0] == 'p' ? "remote_port" : "remote_addr";
	}
	ret[count] = NULL;
}

static const struct value *find_value(const struct record *record, const char *name, uint16_t *hint)
{
	const struct layout *layout = record->layout;
	int at;

	if (*hint >= layout->count || strcmp(layout->column[*hint].name, name) != 0) {
		at = layout_find(layout, span_of(name));
		if (at < 0)
			return NULL;
		*hint = (uint16_t)at;
	}
	return &record->value[*hint];
}

/* `*` any bytes, `?` one. On a mismatch the last `*` takes one byte more; earlier ones need not. */
static bool matches_glob(const struct literal *literal, struct span text)
{
	size_t at = 0, in = 0, star = SIZE_MAX, star_in = 0;

	while (in < text.len) {
		bool wild = at < literal->text.len && literal->wild[at];

		if (wild && literal->text.at[at] == '*') {
			star = at++;
			star_in = in;
		} else if (at < literal->text.len &&
			   (wild || literal->text.at[at] == text.at[in])) {
			at++;
			in++;
		} else if (star != SIZE_MAX) {
			at = star + 1;
			in = ++star_in;
		} else {
			return false;
		}
	}
	while (at < literal->text.len && literal->wild[at] && literal->text.at[at] == '*')
		at++;
	return at == literal->text.len;
}

static int compare_doubles(double a, double b)
{
	return a < b ? -1 : a > b;
}

/* Whole numbers are compared as such: cookies and ids have more digits than a double. */
static int compare_u64(uint64_t value, const struct quantity *with)
{
	if (!with->is_whole || (with->is_negative && with->whole))
		return compare_doubles((double)value, with->value);
	return value < with->whole ? -1 : value > with->whole;
}

static int compare_i64(int64_t value, const struct quantity *with)
{
	int64_t whole = (int64_t)with->whole;

	if (!with->is_whole || with->whole > INT64_MAX)
		return compare_doubles((double)value, with->value);
	whole = with->is_negative ? -whole : whole;
	return value < whole ? -1 : value > whole;
}

static int compare_texts(struct span a, struct span b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter ? memcmp(a.at, b.at, shorter) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* <0, 0, >0 into ret_order; false where the two cannot be compared ("GET" with 500). */
static bool compare(const struct value *value, const struct literal *with, int *ret_order)
{
	struct quantity number;

	switch (value->kind) {
	case VALUE_U64: *ret_order = compare_u64(value->u64, &with->number); return with->is_number;
	case VALUE_I64: *ret_order = compare_i64(value->i64, &with->number); return with->is_number;
	case VALUE_DOUBLE:
		*ret_order = compare_doubles(value->real, with->number.value);
		return with->is_number && value->real == value->real;
	case VALUE_TIME:
		*ret_order = value->u64 < with->time_ns ? -1 : value->u64 > with->time_ns;
		return with->is_time;
	case VALUE_TEXT:
		if (!with->is_number) {
			*ret_order = compare_texts(value->text, with->text);
			return true;
		}
		/* status is a text: "404" >= 400 */
		if (!quantity_parse(value->text, &number))
			return false;
		*ret_order = compare_doubles(number.value, with->number.value);
		return true;
	default: return false;
	}
}

static bool lies_in_network(const struct value *value, const struct literal *with)
{
	uint8_t addr[ADDR_BYTES];

	return with->is_network && addr_parse(value->text, addr) &&
	       network_has(&with->network, addr);
}

static bool equals(const struct value *value, const struct literal *with)
{
	char scratch[VALUE_TEXT_BYTES];
	struct span text = value_as_text(value, scratch);
	int order;

	if (with->wild)
		return matches_glob(with, text);
	if (value->kind == VALUE_TEXT)
		return span_same(text, with->text) || lies_in_network(value, with);
	if (compare(value, with, &order))
		return !order;
	return value->kind == VALUE_BOOL && span_same(text, with->text);
}

static bool finds(const struct filter *filter, const struct filter_node *node,
		  const struct value *value)
{
	char scratch[VALUE_TEXT_BYTES];
	struct span text = value_as_text(value, scratch);
	int found = pcre2_match(node->regex, text.len ? text.at : (const uint8_t *)"", text.len, 0,
				0, filter->found, filter->limits);

	if (found < 0 && found != PCRE2_ERROR_NOMATCH)
		(*filter->gave_up)++;
	return found >= 0;
}

static bool holds(const struct filter *filter, const struct filter_node *node,
		  const struct value *value)
{
	int order;

	if (value->kind == VALUE_ABSENT)
		return false;
	switch (node->op) {
	case FILTER_IS: return value->kind != VALUE_BOOL || value->truth;
	case FILTER_REGEX_FOUND: return finds(filter, node, value);
	case FILTER_EQUALS:
		for (const struct literal *with = node->literal; with; with = with->next)
			if (equals(value, with))
				return true;
		return false;
	default: break;
	}
	if (!compare(value, node->literal, &order))
		return false;
	return node->op == FILTER_LESS         ? order < 0
	       : node->op == FILTER_LESS_EQUAL ? order <= 0
	       : node->op == FILTER_GREATER    ? order > 0
					       : order >= 0;
}

static bool ask_column(const struct filter *filter, struct filter_node *node,
		       const struct record *record)
{
	const char *names[FILTER_NAMES + 1];
	bool any = false;

	filter_names(node->column, names);
	for (int i = 0; names[i] && !any; i++) {
		const struct value *value = find_value(record, names[i], &node->hint[i]);

		any = value && holds(filter, node, value);
	}
	return any != node->negated;
}

static bool ask(const struct filter *filter, struct filter_node *node, const struct record *record)
{
	switch (node->op) {
	case FILTER_AND: return ask(filter, node->left, record) && ask(filter, node->right, record);
	case FILTER_OR: return ask(filter, node->left, record) || ask(filter, node->right, record);
	case FILTER_NOT: return !ask(filter, node->left, record);
	default: return ask_column(filter, node, record);
	}
}

bool filter_match(const struct filter *filter, const struct record *record)
{
	return !filter || ask(filter, filter->root, record);
}

uint64_t filter_gave_up(const struct filter *filter)
{
	return filter ? *filter->gave_up : 0;
}

static bool is_among(const char *column, const char *const *columns)
{
	while (*columns && strcmp(column, *columns) != 0)
		columns++;
	return *columns;
}

static bool requires(const struct filter_node *node, const char *const *columns,
		     struct span *ret_value)
{
	struct span left, right;

	if (node->op == FILTER_AND)
		return requires(node->left, columns, ret_value) ||
		       requires(node->right, columns, ret_value);
	if (node->op == FILTER_OR) {
		if (!requires(node->left, columns, &left) || !requires(node->right, columns, &right) ||
		    !span_same(left, right))
			return false;
		*ret_value = left;
		return true;
	}
	if (node->op != FILTER_EQUALS || node->negated || node->literal->next ||
	    node->literal->wild || !is_among(node->column, columns))
		return false;
	*ret_value = node->literal->text;
	return true;
}

bool filter_requires_any(const struct filter *filter, const char *const *columns,
			 struct span *ret_value)
{
	return filter && requires(filter->root, columns, ret_value);
}

bool filter_requires(const struct filter *filter, const char *column, struct span *ret_value)
{
	const char *const columns[] = {column, NULL};

	return filter_requires_any(filter, columns, ret_value);
}

static size_t add_requirements(const struct filter_node *node, struct requirement *ret, size_t max)
{
	static const int ops[] = {
		[FILTER_EQUALS] = REQUIRES_EQUAL,
		[FILTER_LESS] = REQUIRES_LESS,
		[FILTER_LESS_EQUAL] = REQUIRES_AT_MOST,
		[FILTER_GREATER] = REQUIRES_GREATER,
		[FILTER_GREATER_EQUAL] = REQUIRES_AT_LEAST,
	};
	const char *names[FILTER_NAMES + 1];
	size_t count;

	if (node->op == FILTER_AND) {
		count = add_requirements(node->left, ret, max);
		return count + add_requirements(node->right, ret + count, max - count);
	}
	if (!max || node->op < FILTER_EQUALS || node->op > FILTER_GREATER_EQUAL || node->negated ||
	    node->literal->next || node->literal->wild || node->literal->is_network)
		return 0;
	filter_names(node->column, names);
	if (names[1])
		return 0;
	*ret = (struct requirement){
		.op = ops[node->op],
		.column = node->column,
		.text = node->literal->text,
		.is_number = node->literal->is_number,
		.number = node->literal->number,
	};
	return 1;
}

size_t filter_requirements(const struct filter *filter, struct requirement *ret, size_t max)
{
	return filter ? add_requirements(filter->root, ret, max) : 0;
}

/* The column of that word in any of the layouts, NULL if none has it. */
static const struct layout_column *find_column(const char *word,
					       const struct layout *const *layouts, size_t count)
{
	const char *names[FILTER_NAMES + 1];

	filter_names(word, names);
	for (size_t i = 0; i < count; i++)
		for (int name = 0; names[name]; name++) {
			int at = layout_find(layouts[i], span_of(names[name]));

			if (at >= 0)
				return &layouts[i]->column[at];
		}
	return NULL;
}

static int unknown_column(const struct filter_node *node, const struct layout *const *layouts,
			  size_t count, struct err *why)
{
	struct suggestion nearest = {};

	for (size_t i = 0; i < count; i++)
		for (uint32_t at = 0; at < layouts[i]->count; at++)
			suggest(&nearest, span_of(node->column),
				span_of(layouts[i]->column[at].name));
	if (nearest.best[0])
		return err_set(why, -ENOENT,
			       "filter, column %u: no column '%s', did you mean '%s'?", node->at,
			       node->column, nearest.best);
	return err_set(why, -ENOENT, "filter, column %u: no column '%s'", node->at, node->column);
}

/* A duration is not compared with a size, nor a number with a word. */
static bool suits(enum unit unit, const struct literal *literal)
{
	if (literal->wild ||
	    (unit != UNIT_NS && unit != UNIT_BYTES && unit != UNIT_COUNT && unit != UNIT_PERCENT))
		return true;
	if (!literal->is_number)
		return false;
	return literal->number.kind == QUANTITY_PLAIN ||
	       (unit == UNIT_NS && literal->number.kind == QUANTITY_NS) ||
	       (unit == UNIT_BYTES && literal->number.kind == QUANTITY_BYTES) ||
	       (unit == UNIT_PERCENT && literal->number.kind == QUANTITY_PERCENT);
}

static const char *unit_words(enum unit unit)
{
	return unit == UNIT_NS      ? "a duration (100ms)"
	       : unit == UNIT_BYTES ? "a size (4KiB)"
				    : "a number";
}

int filter_check(const struct filter *filter, const struct layout *const *layouts, size_t count,
		 struct err *why)
{
	const struct layout_column *column;

	for (const struct filter_node *node = filter ? filter->all : NULL; node;
	     node = node->next) {
		if (node->op < FILTER_IS)
			continue;
		column = find_column(node->column, layouts, count);
		if (!column)
			return unknown_column(node, layouts, count, why);
		for (const struct literal *with = node->literal; with; with = with->next)
			if (!suits(column->unit, with))
				return err_set(why, -EINVAL,
					       "filter, column %u: '%s' is %s, '%.*s' is none",
					       node->at, node->column, unit_words(column->unit),
					       (int)(with->text.len < 60 ? with->text.len : 60),
					       (const char *)with->text.at);
	}
	return 0;
}
