// SPDX-License-Identifier: GPL-2.0-only
/*
 * predicate - which rows are wanted: a tree of comparisons, bound to a part and tested on its rows.
 *
 * Every comparison of a number is made into an interval [low, high] of the column's own kind of
 * number, also "less than 1.5" of a column of whole numbers; UNEQUAL is the outside of one. A
 * comparison of a text is made for every text of the part's dictionary once: rows then look up
 * their code. Least and greatest value of a block, and the bloom filter of a segment, often answer
 * for all rows together. Verdicts are three-valued, so that `not` turns them round exactly.
 */
#include "store/bound.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum test_kind {
	TEST_CONSTANT,
	TEST_AND,
	TEST_OR,
	TEST_NOT,
	TEST_WHOLE,
	TEST_REAL,
	TEST_CODES,
	TEST_ID,
	TEST_PRESENT
};

struct test {
	enum test_kind kind;
	enum verdict verdict; /* for the whole part */
	const struct test *part; /* AND, OR, NOT */
	size_t parts;
	uint32_t column;
	uint64_t flip; /* WHOLE: makes the order of signed numbers that of unsigned ones */
	uint64_t low, high; /* WHOLE, flipped already */
	double real_low, real_high;
	const uint8_t *codes; /* CODES: by code, 1 = true */
	uint64_t id[2];
};

bool glob_matches(struct span pattern, struct span text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = p++;
			star_text = t;
		} else if (p < pattern.len &&
			   (pattern.at[p] == '?' || pattern.at[p] == text.at[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) { /* the last star takes one byte more */
			p = star + 1;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}

static bool number_of_text(struct span text, double *ret_number)
{
	char copy[64], *end;

	if (!text.len || text.len >= sizeof(copy) || text.at[0] <= ' ')
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	*ret_number = strtod(copy, &end);
	return end == copy + text.len;
}

static bool id_of_text(struct span text, uint8_t id[16])
{
	for (size_t i = 0; i < 32; i++) {
		uint8_t c = i < text.len ? text.at[i] : 0;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return false;
		id[i / 2] = (uint8_t)(i % 2 ? id[i / 2] | digit : digit << 4);
	}
	return text.len == 32;
}

static bool truth_of_text(struct span text, uint64_t *ret_truth)
{
	*ret_truth = span_is(text, "true") || span_is(text, "1");
	return *ret_truth || span_is(text, "false") || span_is(text, "0");
}

/* The value as one that the column can be compared with: of a text, what it says. */
static bool convert(const struct store_cell *value, enum store_type type,
		    struct store_cell *ret_value)
{
	*ret_value = *value;
	if (type_is_text(type) || type == STORE_ID16) {
		if (type == STORE_ID16 && type_is_text(value->type)) {
			ret_value->type = STORE_ID16;
			return id_of_text(value->text, ret_value->id16);
		}
		return type == STORE_ID16 ? value->type == STORE_ID16
					  : value->type && value->type != STORE_ID16;
	}
	if (value->type == STORE_ID16 || !value->type)
		return false;
	if (!type_is_text(value->type))
		return true;
	if (type == STORE_BOOL) {
		ret_value->type = STORE_BOOL;
		return truth_of_text(value->text, &ret_value->u64);
	}
	ret_value->type = STORE_DOUBLE;
	return number_of_text(value->text, &ret_value->real);
}

static bool needs_text(enum predicate_op op)
{
	return op == PREDICATE_PREFIX || op == PREDICATE_GLOB || op == PREDICATE_MATCH;
}

static int check_values(const struct predicate *predicate, const struct store_column *column,
			struct err *why)
{
	size_t wanted =
		predicate->op == PREDICATE_MATCH || predicate->op == PREDICATE_PRESENT ? 0 : 1;
	struct store_cell ignored;

	if (predicate->values > PREDICATE_VALUES_MAX ||
	    (predicate->op != PREDICATE_IN && predicate->values != wanted))
		return err_set(why, -EINVAL, "column '%s' is compared with %zu values",
			       column->name, predicate->values);
	if (needs_text(predicate->op) && column->type != STORE_TEXT)
		return err_set(why, -EINVAL,
			       "column '%s' holds no texts: only = != < <= > >= and in apply",
			       column->name);
	if (predicate->op == PREDICATE_MATCH && !predicate->match)
		return err_set(why, -EINVAL, "column '%s' is matched with nothing", column->name);
	if (column->type == STORE_SKETCH && predicate->op != PREDICATE_PRESENT)
		return err_set(why, -EINVAL, "column '%s' is a sketch: it can't be compared",
			       column->name);
	if (column->type == STORE_ID16 && predicate->op != PREDICATE_EQUAL &&
	    predicate->op != PREDICATE_UNEQUAL && predicate->op != PREDICATE_IN &&
	    predicate->op != PREDICATE_PRESENT)
		return err_set(why, -EINVAL, "column '%s' holds ids: only =, != and in apply",
			       column->name);
	for (size_t i = 0; i < predicate->values; i++)
		if (!convert(&predicate->value[i], column->type, &ignored) ||
		    (needs_text(predicate->op) && predicate->value[i].type != STORE_TEXT))
			return err_set(
				why, -EINVAL,
				"column '%s' is of type %s: it can't be compared with that value",
				column->name, store_type_name(column->type));
	return 0;
}

static int check_at(const struct predicate *predicate, const struct store_table *table,
		    unsigned depth, struct err *why)
{
	int column, error = 0;

	if (depth > PREDICATE_DEPTH_MAX)
		return err_set(why, -EINVAL, "the filter is nested deeper than %d levels",
			       PREDICATE_DEPTH_MAX);
	if (predicate->op <= PREDICATE_NOT) {
		if (predicate->op == PREDICATE_NOT && predicate->parts != 1)
			return err_set(why, -EINVAL, "'not' needs one condition");
		for (size_t i = 0; i < predicate->parts && !error; i++)
			error = check_at(&predicate->part[i], table, depth + 1, why);
		return error;
	}
	if (predicate->op > PREDICATE_PRESENT || !predicate->column)
		return err_set(why, -EINVAL, "the filter has an unknown condition");
	column = store_table_column(table, predicate->column);
	if (column < 0)
		return err_set(why, -ENOENT, "table '%s' has no column '%s'", table->name,
			       predicate->column);
	return check_values(predicate, &table->column[column], why);
}

int predicate_check(const struct predicate *predicate, const struct store_table *table,
		    struct err *why)
{
	return predicate ? check_at(predicate, table, 1, why) : 0;
}

/* One comparison as an interval of doubles; false: nothing lies in it. */
static bool real_interval(enum predicate_op op, double value, double *ret_low, double *ret_high)
{
	*ret_low = -INFINITY;
	*ret_high = INFINITY;
	switch (op) {
	case PREDICATE_LESS: *ret_high = nextafter(value, -INFINITY); break;
	case PREDICATE_AT_MOST: *ret_high = value; break;
	case PREDICATE_GREATER: *ret_low = nextafter(value, INFINITY); break;
	case PREDICATE_AT_LEAST: *ret_low = value; break;
	default: *ret_low = *ret_high = value; break;
	}
	if ((op == PREDICATE_LESS && value == -INFINITY) ||
	    (op == PREDICATE_GREATER && value == INFINITY))
		return false;
	return *ret_low <= *ret_high; /* false also for what is not a number */
}

/* Whole numbers of any sign, wide enough for both kinds. */
typedef __int128 whole;

static whole whole_of(double value)
{
	return value >= 0x1p64   ? (whole)1 << 64
	       : value < -0x1p63 ? -((whole)1 << 63) - 1
				 : (whole)value;
}

/* The same for columns of whole numbers: bounds that lie between two of them move inwards. */
static bool whole_interval(enum predicate_op op, const struct store_cell *value, bool is_signed,
			   uint64_t *ret_low, uint64_t *ret_high)
{
	whole least = is_signed ? INT64_MIN : 0,
	      most = is_signed ? (whole)INT64_MAX : (whole)UINT64_MAX;
	whole low = least, high = most, up, down; /* the value rounded up and down */

	if (value->type == STORE_DOUBLE && isnan(value->real))
		return false;
	up = value->type == STORE_DOUBLE   ? whole_of(ceil(value->real))
	     : type_is_signed(value->type) ? (whole)value->i64
					   : (whole)value->u64;
	down = value->type == STORE_DOUBLE ? whole_of(floor(value->real)) : up;
	switch (op) {
	case PREDICATE_LESS: high = up - 1; break;
	case PREDICATE_AT_MOST: high = down; break;
	case PREDICATE_GREATER: low = down + 1; break;
	case PREDICATE_AT_LEAST: low = up; break;
	default: low = up; high = down;
	}
	low = low < least ? least : low;
	high = high > most ? most : high;
	*ret_low = (uint64_t)low;
	*ret_high = (uint64_t)high;
	return low <= high;
}

static double real_of(const struct store_cell *cell)
{
	if (cell->type == STORE_DOUBLE)
		return cell->real;
	return type_is_signed(cell->type) ? (double)cell->i64 : (double)cell->u64;
}

static int compare_texts(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.at, b.at, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool order_fits(enum predicate_op op, int order)
{
	switch (op) {
	case PREDICATE_LESS: return order < 0;
	case PREDICATE_AT_MOST: return order <= 0;
	case PREDICATE_GREATER: return order > 0;
	case PREDICATE_AT_LEAST: return order >= 0;
	default: return !order;
	}
}

/* UNEQUAL and IN are asked as EQUAL here. */
static bool text_fits(enum predicate_op op, struct span text, const struct store_cell *value)
{
	double number, low, high;

	if (value->type == STORE_TEXT)
		return order_fits(op, compare_texts(text, value->text));
	return real_interval(op, real_of(value), &low, &high) && number_of_text(text, &number) &&
	       number >= low && number <= high;
}

static bool leaf_fits(const struct predicate *predicate, struct span text)
{
	switch (predicate->op) {
	case PREDICATE_PREFIX:
		return compare_texts(span_first(text, predicate->value[0].text.len),
				     predicate->value[0].text) == 0;
	case PREDICATE_GLOB: return glob_matches(predicate->value[0].text, text);
	case PREDICATE_MATCH: return predicate->match(predicate->ctx, text);
	case PREDICATE_IN:
		for (size_t i = 0; i < predicate->values; i++)
			if (text_fits(PREDICATE_EQUAL, text, &predicate->value[i]))
				return true;
		return false;
	default: return text_fits(predicate->op, text, &predicate->value[0]);
	}
}

struct binding {
	const struct store_table *table;
	struct part *part;
	struct arena *arena;
};

static void set_constant(struct test *test, bool truth)
{
	test->kind = TEST_CONSTANT;
	test->verdict = truth ? ALWAYS : NEVER;
}

/* May the segment hold it? Only for exact values. */
static int ask_bloom(struct binding *binding, struct test *test, const struct store_cell *value)
{
	struct part *part = binding->part;
	int answer;

	if (!part->segment || !part->table->column[test->column].find)
		return 0;
	answer = segment_may_hold(part->segment, test->column, cell_hash(value));
	if (!answer)
		test->verdict = NEVER;
	return answer < 0 ? answer : 0;
}

static int bind_codes(struct binding *binding, const struct predicate *predicate, struct test *test)
{
	const struct dict *dict;
	uint8_t *codes;
	bool any = false;
	int error = 0;

	if (predicate->op == PREDICATE_EQUAL && predicate->value[0].type == STORE_TEXT)
		error = ask_bloom(binding, test, &predicate->value[0]);
	if (!error && test->verdict == NEVER)
		return 0;
	if (!error)
		error = part_dict(binding->part, test->column, &dict);
	if (error)
		return error;
	codes = arena_new(binding->arena, dict->count + 1);
	if (!codes)
		return -ENOMEM;
	for (uint32_t i = 0; i < dict->count; i++) {
		codes[i] = leaf_fits(predicate, dict_at(dict, i));
		any |= codes[i];
	}
	test->kind = TEST_CODES;
	test->codes = codes;
	test->verdict = any ? MAYBE : NEVER;
	return 0;
}

static int bind_value(struct binding *binding, enum predicate_op op, const struct store_cell *given,
		      struct test *test)
{
	enum store_type type = binding->part->table->column[test->column].type;
	struct store_cell value;

	test->verdict = MAYBE;
	if (!convert(given, type, &value)) {
		set_constant(test, false);
		return 0;
	}
	if (type == STORE_ID16) {
		test->kind = TEST_ID;
		memcpy(test->id, value.id16, 16);
		return ask_bloom(binding, test, &value);
	}
	if (type == STORE_DOUBLE) {
		test->kind = TEST_REAL;
		if (!real_interval(op, real_of(&value), &test->real_low, &test->real_high))
			set_constant(test, false);
		return 0;
	}
	test->kind = TEST_WHOLE;
	test->flip = type_is_signed(type) ? (uint64_t)1 << 63 : 0;
	if (!whole_interval(op, &value, type_is_signed(type), &test->low, &test->high)) {
		set_constant(test, false);
		return 0;
	}
	value = (struct store_cell){.type = STORE_U64, .u64 = test->low};
	test->low ^= test->flip;
	test->high ^= test->flip;
	return test->low == test->high ? ask_bloom(binding, test, &value) : 0;
}

/* Several values of a column of numbers or ids: any of them. */
static int bind_in(struct binding *binding, const struct predicate *predicate, struct test *test)
{
	struct test *parts = arena_new(binding->arena, (predicate->values + 1) * sizeof(*parts));
	enum verdict best = NEVER;
	int error = 0;

	if (!parts)
		return -ENOMEM;
	for (size_t i = 0; i < predicate->values && !error; i++) {
		parts[i].column = test->column;
		error = bind_value(binding, PREDICATE_EQUAL, &predicate->value[i], &parts[i]);
		best = parts[i].verdict > best ? parts[i].verdict : best;
	}
	test->kind = TEST_OR;
	test->part = parts;
	test->parts = predicate->values;
	test->verdict = best;
	return error;
}

static enum verdict opposite(enum verdict verdict)
{
	return ALWAYS - verdict;
}

static int bind_leaf(struct binding *binding, const struct predicate *predicate, struct test *test);

/* UNEQUAL is NOT of EQUAL. */
static int bind_unequal(struct binding *binding, const struct predicate *predicate,
			struct test *test)
{
	struct predicate equal = *predicate;
	struct test *part = arena_new(binding->arena, sizeof(*part));
	int error;

	if (!part)
		return -ENOMEM;
	equal.op = PREDICATE_EQUAL;
	error = bind_leaf(binding, &equal, part);
	test->kind = TEST_NOT;
	test->part = part;
	test->parts = 1;
	test->verdict = opposite(part->verdict);
	return error;
}

static int bind_leaf(struct binding *binding, const struct predicate *predicate, struct test *test)
{
	int wanted = store_table_column(binding->table, predicate->column), column;
	enum store_type type;

	if (predicate->op == PREDICATE_UNEQUAL)
		return bind_unequal(binding, predicate, test);
	type = wanted < 0 ? 0 : binding->table->column[wanted].type;
	column = part_column(binding->part, predicate->column, type);
	if (column < 0) {
		set_constant(test, false);
		return 0;
	}
	test->column = (uint32_t)column;
	test->verdict = MAYBE;
	test->kind = TEST_PRESENT;
	if (predicate->op == PREDICATE_PRESENT)
		return 0;
	if (type_is_text(type))
		return bind_codes(binding, predicate, test);
	if (predicate->op == PREDICATE_IN)
		return bind_in(binding, predicate, test);
	return bind_value(binding, predicate->op, &predicate->value[0], test);
}

static int bind(struct binding *binding, const struct predicate *predicate, struct test *test)
{
	struct test *parts;
	int error = 0;

	if (predicate->op > PREDICATE_NOT)
		return bind_leaf(binding, predicate, test);
	parts = arena_new(binding->arena, (predicate->parts + 1) * sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	test->kind = predicate->op == PREDICATE_AND  ? TEST_AND
		     : predicate->op == PREDICATE_OR ? TEST_OR
						     : TEST_NOT;
	test->part = parts;
	test->parts = predicate->parts;
	test->verdict = predicate->op == PREDICATE_OR ? NEVER : ALWAYS;
	for (size_t i = 0; i < predicate->parts && !error; i++) {
		enum verdict verdict;

		error = bind(binding, &predicate->part[i], &parts[i]);
		verdict = parts[i].verdict;
		if (test->kind == TEST_NOT)
			test->verdict = opposite(verdict);
		else if (test->kind == TEST_AND ? verdict < test->verdict : verdict > test->verdict)
			test->verdict = verdict;
	}
	return error;
}

int predicate_bind(const struct predicate *predicate, const struct store_table *table,
		   struct part *part, struct arena *arena, const struct test **ret_test)
{
	struct binding binding = {.table = table, .part = part, .arena = arena};
	struct test *test;
	int error;

	*ret_test = NULL;
	if (!predicate)
		return 0;
	test = arena_new(arena, sizeof(*test));
	if (!test)
		return -ENOMEM;
	error = bind(&binding, predicate, test);
	if (!error)
		*ret_test = test;
	return error;
}

enum verdict test_part(const struct test *test)
{
	return test ? test->verdict : ALWAYS;
}

static enum verdict verdict_of_whole(const struct test *test, struct column_range range,
				     uint32_t rows)
{
	uint64_t min = range.min ^ test->flip, max = range.max ^ test->flip;

	if (max < test->low || min > test->high)
		return NEVER;
	return range.count == rows && min >= test->low && max <= test->high ? ALWAYS : MAYBE;
}

static enum verdict verdict_of_leaf(const struct test *test, const struct part *part)
{
	struct column_range range;
	double min, max;

	if (!part_range(part, test->column, &range))
		return MAYBE;
	if (!range.count)
		return NEVER;
	switch (test->kind) {
	case TEST_PRESENT: return range.count == part->rows ? ALWAYS : MAYBE;
	case TEST_WHOLE: return verdict_of_whole(test, range, part->rows);
	case TEST_REAL: /* never ALWAYS: what is not a number is outside of the range */
		memcpy(&min, &range.min, sizeof(min));
		memcpy(&max, &range.max, sizeof(max));
		return max < test->real_low || min > test->real_high ? NEVER : MAYBE;
	default: return MAYBE;
	}
}

enum verdict test_block(const struct test *test, const struct part *part)
{
	enum verdict all;

	if (!test || test->verdict != MAYBE)
		return test_part(test);
	if (test->kind == TEST_NOT)
		return opposite(test_block(test->part, part));
	if (test->kind != TEST_AND && test->kind != TEST_OR)
		return verdict_of_leaf(test, part);
	all = test->kind == TEST_AND ? ALWAYS : NEVER;
	for (size_t i = 0; i < test->parts; i++) {
		enum verdict verdict = test_block(&test->part[i], part);

		if (test->kind == TEST_AND ? verdict < all : verdict > all)
			all = verdict;
	}
	return all;
}

static void test_values(const struct test *test, const struct vector *vector, uint32_t rows,
			uint8_t *selected)
{
	const uint64_t *values = vector->values;
	uint64_t flip = test->flip, low = test->low, span = test->high - test->low;

	switch (test->kind) {
	case TEST_PRESENT: memset(selected, 1, rows); break;
	case TEST_WHOLE:
		for (uint32_t row = 0; row < rows; row++)
			selected[row] = (values[row] ^ flip) - low <= span;
		break;
	case TEST_REAL:
		for (uint32_t row = 0; row < rows; row++) {
			double value;

			memcpy(&value, &values[row], sizeof(value));
			selected[row] = value >= test->real_low && value <= test->real_high;
		}
		break;
	case TEST_ID:
		for (uint32_t row = 0; row < rows; row++)
			selected[row] = values[2 * (size_t)row] == test->id[0] &&
					values[2 * (size_t)row + 1] == test->id[1];
		break;
	default:
		for (uint32_t row = 0; row < rows; row++)
			selected[row] = vector_has(vector, row) && test->codes[values[row]];
	}
}

static int leaf_rows(const struct test *test, struct part *part, uint8_t *selected)
{
	const struct vector *vector;
	int error = part_vector(part, test->column, &vector);

	if (error)
		return error;
	if (!vector->count) {
		memset(selected, 0, part->rows);
		return 0;
	}
	test_values(test, vector, part->rows, selected);
	if (vector->count != part->rows && test->kind != TEST_CODES)
		for (uint32_t row = 0; row < part->rows; row++)
			selected[row] &= vector_has(vector, row);
	return 0;
}

static int joined_rows(const struct test *test, struct part *part, uint8_t *selected)
{
	uint8_t one[BLOCK_ROWS_MAX];
	bool is_and = test->kind == TEST_AND;
	int error = 0;

	memset(selected, is_and, part->rows);
	for (size_t i = 0; i < test->parts && !error; i++) {
		if (memchr(selected, is_and, part->rows) == NULL)
			break; /* decided for every row */
		error = test_rows(&test->part[i], part, one);
		for (uint32_t row = 0; row < part->rows && !error; row++)
			selected[row] =
				is_and ? selected[row] & one[row] : selected[row] | one[row];
	}
	return error;
}

int test_rows(const struct test *test, struct part *part, uint8_t *selected)
{
	enum verdict verdict = test_block(test, part);
	int error = 0;

	if (verdict != MAYBE) {
		memset(selected, verdict == ALWAYS, part->rows);
		return 0;
	}
	switch (test->kind) {
	case TEST_AND:
	case TEST_OR: return joined_rows(test, part, selected);
	case TEST_NOT:
		error = test_rows(test->part, part, selected);
		for (uint32_t row = 0; row < part->rows; row++)
			selected[row] ^= 1;
		return error;
	default: return leaf_rows(test, part, selected);
	}
}
