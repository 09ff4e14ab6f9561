// SPDX-License-Identifier: GPL-2.0-only
/*
 * aggregate - count, sum, min, max, avg, stats, hist, lhist: values that maps gather.
 *
 * Every CPU has its own; user space (or lower_map.c, for a probe that looks) puts them together.
 *
 *	count			8 bytes: times
 *	sum, avg, stats		8 bytes total, 8 bytes times
 *	min, max		8 bytes value, 8 bytes whether there is one
 *	hist, lhist		8 bytes per bucket: times
 *
 * The buckets of hist(n, k): 0 for negative numbers, 1 for 0, then for every power of two 2^k
 * buckets of equal width (fewer where a power of two has fewer numbers):
 *	bucket = 1 + number                                      for 1 <= number < 2^(k+1)
 *	bucket = 1 + (log2(n) - k) * 2^k + (n >> (log2(n) - k))  above
 * Both forms agree at their border.
 */
#include "trace/functions/functions.h"

enum { HIST_BITS_MAX = 5, LHIST_BUCKETS_MAX = 1000 };

static const struct type *number_wanted(struct checker *checker, struct expr *call,
					const struct type *type)
{
	const struct type *arg = call->args ? call->args->type : &type_int64;

	if (arg->kind == TYPE_NONE)
		return &type_none;
	if (!type_is_integer(arg) && !type_is_castable_aggregate(arg) &&
	    arg->kind != TYPE_POINTER) {
		bool is_hist = type == NULL;

		check_error(checker, call->place, "%s() only supports %s arguments (%s provided)",
			    call->name, is_hist ? "int" : "integer",
			    is_hist ? check_short(checker, arg) : check_text(checker, arg));
		return &type_none;
	}
	return type;
}

static const struct type *check_count(struct checker *checker, struct expr *call)
{
	return &type_count;
}

static const struct type *check_sum(struct checker *checker, struct expr *call)
{
	return number_wanted(checker, call, &type_sum);
}

static const struct type *check_min(struct checker *checker, struct expr *call)
{
	return number_wanted(checker, call, &type_min);
}

static const struct type *check_max(struct checker *checker, struct expr *call)
{
	return number_wanted(checker, call, &type_max);
}

static const struct type *check_avg(struct checker *checker, struct expr *call)
{
	return number_wanted(checker, call, &type_avg);
}

static const struct type *check_stats(struct checker *checker, struct expr *call)
{
	return number_wanted(checker, call, &type_stats);
}

static void update_count(struct lowering *l, struct expr *map, struct expr *call)
{
	int full = ir_label(l->ir);
	int slot = lower_map_slot(l, map, full);

	ir_atomic_add(l->ir, op_reg(slot), 0, op_imm(1));
	ir_put_label(l->ir, full);
}

static struct operand argument(struct lowering *l, struct expr *call)
{
	struct operand n = lower_scalar(l, lower_expr(l, call->args));

	return n.kind == OPERAND_REG ? op_reg(ir_move(l->ir, n)) : n;
}

static void update_total(struct lowering *l, struct expr *map, struct expr *call)
{
	int full = ir_label(l->ir);
	struct operand n = argument(l, call);
	int slot = lower_map_slot(l, map, full);

	ir_atomic_add(l->ir, op_reg(slot), 0, n);
	ir_atomic_add(l->ir, op_reg(slot), 8, op_imm(1));
	ir_put_label(l->ir, full);
}

static void update_extreme(struct lowering *l, struct expr *map, struct expr *call, bool is_max)
{
	int done = ir_label(l->ir), take = ir_label(l->ir);
	struct operand n = op_reg(lower_register(l, lower_expr(l, call->args)));
	int slot = lower_map_slot(l, map, done);
	int is_set = ir_load(l->ir, op_reg(slot), 8, 8, false);

	ir_branch(l->ir, COND_EQ, op_reg(is_set), op_imm(0), take);
	int best = ir_load(l->ir, op_reg(slot), 0, 8, false);

	ir_branch(l->ir, is_max ? COND_SLE : COND_SGE, n, op_reg(best), done);
	ir_put_label(l->ir, take);
	ir_store(l->ir, op_reg(slot), 0, 8, n);
	ir_store(l->ir, op_reg(slot), 8, 8, op_imm(1));
	ir_put_label(l->ir, done);
}

static void update_min(struct lowering *l, struct expr *map, struct expr *call)
{
	update_extreme(l, map, call, false);
}

static void update_max(struct lowering *l, struct expr *map, struct expr *call)
{
	update_extreme(l, map, call, true);
}

#define AGGREGATE(name_, args, check_, update)                                                     \
	const struct function function_##name_ = {.name = #name_,                                  \
						  .min_args = args,                                \
						  .max_args = args,                                \
						  .flags = FUNCTION_AGGREGATE,                     \
						  .check = check_,                                 \
						  .lower_update = update}

AGGREGATE(count, 0, check_count, update_count);
AGGREGATE(sum, 1, check_sum, update_total);
AGGREGATE(min, 1, check_min, update_min);
AGGREGATE(max, 1, check_max, update_max);
AGGREGATE(avg, 1, check_avg, update_total);
AGGREGATE(stats, 1, check_stats, update_total);

/* --- histograms --- */

static const struct type *check_hist(struct checker *checker, struct expr *call)
{
	const struct expr *bits = function_nth(call, 1);
	struct type *type = arena_new(&checker->script->arena, sizeof(*type));

	if (!type || number_wanted(checker, call, NULL) == &type_none)
		return &type_none;
	if (bits && (!bits->is_constant || bits->is_negative || bits->type->kind != TYPE_INT)) {
		check_error(checker, call->place, "hist: invalid bits value, need integer literal");
		return &type_none;
	}
	if (bits && bits->number > HIST_BITS_MAX) {
		check_error(checker, call->place, "hist: bits %llu must be 0..5",
			    (unsigned long long)bits->number);
		return &type_none;
	}
	*type = (struct type){.kind = TYPE_HIST, .size = 8, .align = 8};
	type->step = bits ? (int64_t)bits->number : 0;
	return type;
}

/* log2 by halves: no helper does it. */
static int lower_log2(struct lowering *l, int number)
{
	int rest = ir_move(l->ir, op_reg(number)), log = ir_const(l->ir, 0);

	for (int shift = 32; shift; shift /= 2) {
		int less = ir_label(l->ir);
		int high = ir_alu(l->ir, ALU_SHR, op_reg(rest), op_imm(shift));

		ir_branch(l->ir, COND_EQ, op_reg(high), op_imm(0), less);
		ir_set(l->ir, rest, op_reg(high));
		ir_set(l->ir, log, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(log), op_imm(shift))));
		ir_put_label(l->ir, less);
	}
	return log;
}

static int hist_bucket(struct lowering *l, struct operand n, bool is_signed, int64_t bits)
{
	int bucket = ir_reg(l->ir), end = ir_label(l->ir);
	int number = ir_move(l->ir, n), log, shift, high;

	ir_set(l->ir, bucket, op_imm(0));
	if (is_signed)
		ir_branch(l->ir, COND_SLT, op_reg(number), op_imm(0), end);
	ir_set(l->ir, bucket, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(number), op_imm(1))));
	ir_branch(l->ir, COND_LT, op_reg(number), op_imm(1LL << (bits + 1)), end);
	log = lower_log2(l, number);
	shift = ir_alu(l->ir, ALU_SUB, op_reg(log), op_imm(bits));
	shift = ir_alu(l->ir, ALU_AND, op_reg(shift), op_imm(63));
	high = ir_alu(l->ir, ALU_SHR, op_reg(number), op_reg(shift));
	shift = ir_alu(l->ir, ALU_SHL, op_reg(shift), op_imm(bits));
	high = ir_alu(l->ir, ALU_ADD, op_reg(high), op_reg(shift));
	ir_set(l->ir, bucket, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(high), op_imm(1))));
	ir_put_label(l->ir, end);
	return bucket;
}

static void count_bucket(struct lowering *l, struct expr *map, int bucket)
{
	int full = ir_label(l->ir);
	int slot = lower_bucket(l, map, bucket, full);

	ir_atomic_add(l->ir, op_reg(slot), 0, op_imm(1));
	ir_put_label(l->ir, full);
}

static void update_hist(struct lowering *l, struct expr *map, struct expr *call)
{
	const struct type *type = call->args->type;
	struct operand n = lower_scalar(l, lower_expr(l, call->args));

	/* 64-bit unsigned numbers beyond the half are large, not negative */
	bool is_signed = type->is_signed || type->kind != TYPE_INT;

	count_bucket(l, map, hist_bucket(l, n, is_signed, call->type->step));
}

const struct function function_hist = {.name = "hist",
				       .min_args = 1,
				       .max_args = 2,
				       .flags = FUNCTION_AGGREGATE,
				       .check = check_hist,
				       .lower_update = update_hist};

static bool literal_wanted(struct checker *checker, struct expr *call, const struct expr *expr,
			   const char *name)
{
	if (expr->is_constant && type_is_integer(expr->type) && !expr->is_negative)
		return true;
	check_error(checker, call->place, "lhist: invalid %s value (must be non-negative literal)",
		    name);
	return false;
}

static const struct type *check_lhist(struct checker *checker, struct expr *call)
{
	const struct expr *min = function_nth(call, 1), *max = function_nth(call, 2);
	const struct expr *step = function_nth(call, 3);
	struct type *type = arena_new(&checker->script->arena, sizeof(*type));

	if (!type || number_wanted(checker, call, NULL) == &type_none ||
	    min->type->kind == TYPE_NONE || max->type->kind == TYPE_NONE ||
	    step->type->kind == TYPE_NONE)
		return &type_none;
	if (!literal_wanted(checker, call, min, "min") ||
	    !literal_wanted(checker, call, max, "max") ||
	    !literal_wanted(checker, call, step, "step"))
		return &type_none;
	*type = (struct type){.kind = TYPE_LHIST, .size = 8, .align = 8};
	type->min = (int64_t)min->number;
	type->max = (int64_t)max->number;
	type->step = (int64_t)step->number;
	if (type->step <= 0)
		check_error(checker, call->place, "lhist() step must be >= 1 (%lld provided)",
			    (long long)type->step);
	else if (type->min > type->max)
		check_error(checker, call->place,
			    "lhist() min must be less than max (provided min %lld and max %lld)",
			    (long long)type->min, (long long)type->max);
	else if (type->step > type->max - type->min)
		check_error(checker, call->place,
			    "lhist() step is too large for the given range (provided step %lld for "
			    "range %lld)",
			    (long long)type->step, (long long)(type->max - type->min));
	else if ((type->max - type->min) / type->step > LHIST_BUCKETS_MAX)
		check_error(checker, call->place,
			    "lhist() too many buckets, must be <= 1000 (would need %lld)",
			    (long long)((type->max - type->min) / type->step));
	else
		return type;
	return &type_none;
}

static void update_lhist(struct lowering *l, struct expr *map, struct expr *call)
{
	const struct type *type = call->type;
	struct operand n = lower_scalar(l, lower_expr(l, call->args));
	int number = ir_move(l->ir, n), bucket = ir_reg(l->ir), end = ir_label(l->ir);
	int64_t steps = (type->max - type->min) / type->step;
	int offset;

	ir_set(l->ir, bucket, op_imm(0));
	ir_branch(l->ir, COND_SLT, op_reg(number), op_imm(type->min), end);
	ir_set(l->ir, bucket, op_imm(steps + 1));
	ir_branch(l->ir, COND_SGE, op_reg(number), op_imm(type->max), end);
	offset = ir_alu(l->ir, ALU_SUB, op_reg(number), op_imm(type->min));
	offset = ir_alu(l->ir, ALU_DIV, op_reg(offset), op_imm(type->step));
	ir_set(l->ir, bucket, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(offset), op_imm(1))));
	ir_put_label(l->ir, end);
	count_bucket(l, map, bucket);
}

const struct function function_lhist = {.name = "lhist",
					.min_args = 4,
					.max_args = 4,
					.flags = FUNCTION_AGGREGATE,
					.check = check_lhist,
					.lower_update = update_lhist};
