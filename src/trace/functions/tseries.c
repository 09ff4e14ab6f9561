// SPDX-License-Identifier: GPL-2.0-only
/*
 * tseries - a number over time: tseries(n, interval, intervals, how).
 *
 * Intervals are counted from 1970 on, so they begin where a wall clock's do. A map keeps the last so
 * many of them, as a ring: number of the interval modulo their count is the bucket, and a bucket
 * that is found with an older number begins anew. Every CPU has its own buckets:
 *
 *	8 bytes number of the interval, 0: unused
 *	8 bytes value: the last, least or greatest number, or their sum
 *	8 bytes last: when it was written; avg: how many numbers; others: 1
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "trace/functions/functions.h"

enum { INTERVALS_MAX = 1000000, HELPER_KTIME_BOOT_NS = 125 };

static const char *const ways[] = {"", "avg", "max", "min", "sum"};

static bool is_number(const struct expr *expr)
{
	return expr->is_constant && expr->type->kind == TYPE_INT && !expr->is_negative;
}

static bool check_way(struct checker *checker, struct expr *call, int64_t *ret_way)
{
	const struct expr *way = function_nth(call, 3);

	*ret_way = TSERIES_LAST;
	if (!way || way->type->kind != TYPE_STRING || !way->is_constant)
		return true;
	for (int64_t i = TSERIES_AVG; i <= TSERIES_SUM; i++)
		if (span_is(way->text, ways[i])) {
			*ret_way = i;
			return true;
		}
	check_error(checker, call->place,
		    "tseries() expects one of the following aggregation functions: avg, max, min, "
		    "sum (\"%.*s\" provided)",
		    (int)way->text.len, (const char *)way->text.at);
	return false;
}

static bool check_feature(struct checker *checker, struct expr *call)
{
	switch (checker->script->config.unstable_tseries) {
	case UNSTABLE_ERROR:
		check_error(checker, call->place,
			    "tseries feature is not enabled by default. To enable this unstable "
			    "feature, set the config flag to enable. unstable_tseries=enable");
		return false;
	case UNSTABLE_WARN:
		if (checker->is_final && !checker->script->is_tseries_said)
			fputs("WARNING: Script is using an unstable feature: tseries. To prevent "
			      "this warning you must explicitly enable it in the config e.g. "
			      "unstable_tseries=enable\n",
			      stderr);
		checker->script->is_tseries_said |= checker->is_final;
		return true;
	default: return true;
	}
}

static const struct type *check_tseries(struct checker *checker, struct expr *call)
{
	const struct type *arg = call->args->type;
	const struct expr *interval = function_nth(call, 1), *count = function_nth(call, 2);
	struct type *type = arena_new(&checker->script->arena, sizeof(*type));
	int64_t way;

	if (!type || arg->kind == TYPE_NONE || !check_feature(checker, call))
		return &type_none;
	if (!type_is_integer(arg) && !type_is_castable_aggregate(arg))
		check_error(checker, call->place,
			    "tseries() only supports int arguments (%s provided)",
			    check_short(checker, arg));
	else if (!is_number(interval))
		check_error(checker, call->place,
			    "tseries: invalid interval_ns value (must be non-negative literal)");
	else if (!is_number(count))
		check_error(checker, call->place,
			    "tseries: invalid num_intervals value (must be non-negative literal)");
	else if (interval->number < 1)
		check_error(checker, call->place,
			    "tseries() interval_ns must be >= 1 (%llu provided)",
			    (unsigned long long)interval->number);
	else if (count->number < 1)
		check_error(checker, call->place,
			    "tseries() num_intervals must be >= 1 (%llu provided)",
			    (unsigned long long)count->number);
	else if (count->number >= INTERVALS_MAX)
		check_error(checker, call->place,
			    "tseries() num_intervals must be < 1000000 (%llu provided)",
			    (unsigned long long)count->number);
	else if (check_way(checker, call, &way)) {
		*type = (struct type){.kind = TYPE_TSERIES,
				      .size = TSERIES_BUCKET,
				      .align = 8,
				      .step = (int64_t)interval->number,
				      .min = (int64_t)count->number,
				      .max = way};
		return type;
	}
	return &type_none;
}

/* Into a bucket that has numbers of this interval already. */
static void add_to_bucket(struct lowering *l, int64_t way, int slot, struct operand n, int now,
			  int done)
{
	int old = ir_load(l->ir, op_reg(slot), 8, 8, false);

	switch (way) {
	case TSERIES_AVG:
	case TSERIES_SUM:
		ir_store(l->ir, op_reg(slot), 8, 8, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(old), n)));
		if (way == TSERIES_AVG)
			ir_atomic_add(l->ir, op_reg(slot), 16, op_imm(1));
		break;
	case TSERIES_MIN:
	case TSERIES_MAX:
		ir_branch(l->ir, way == TSERIES_MAX ? COND_SGE : COND_SLE, op_reg(old), n, done);
		ir_store(l->ir, op_reg(slot), 8, 8, n);
		break;
	default:
		ir_store(l->ir, op_reg(slot), 8, 8, n);
		ir_store(l->ir, op_reg(slot), 16, 8, op_reg(now));
	}
}

static void update_tseries(struct lowering *l, struct expr *map, struct expr *call)
{
	const struct type *type = call->type;
	int n = lower_register(l, lower_expr(l, call->args));
	int done = ir_label(l->ir), begun = ir_label(l->ir), now, number, bucket, slot, old;
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	now = ir_call(l->ir, HELPER_KTIME_BOOT_NS, NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND,
		      NO_OPERAND);
	now = ir_alu(
		l->ir, ALU_ADD, op_reg(now),
		op_imm((wall.tv_sec - boot.tv_sec) * 1000000000LL + wall.tv_nsec - boot.tv_nsec));
	number = ir_alu(l->ir, ALU_DIV, op_reg(now), op_imm(type->step));
	bucket = ir_alu(l->ir, ALU_MOD, op_reg(number), op_imm(type->min));
	slot = lower_bucket(l, map, bucket, done);
	old = ir_load(l->ir, op_reg(slot), 0, 8, false);
	ir_branch(l->ir, COND_EQ, op_reg(old), op_reg(number), begun);
	ir_store(l->ir, op_reg(slot), 0, 8, op_reg(number));
	ir_store(l->ir, op_reg(slot), 8, 8, op_reg(n));
	ir_store(l->ir, op_reg(slot), 16, 8, type->max == TSERIES_LAST ? op_reg(now) : op_imm(1));
	ir_jump(l->ir, done);
	ir_put_label(l->ir, begun);
	add_to_bucket(l, type->max, slot, op_reg(n), now, done);
	ir_put_label(l->ir, done);
}

const struct function function_tseries = {.name = "tseries",
					  .min_args = 3,
					  .max_args = 4,
					  .flags = FUNCTION_AGGREGATE,
					  .check = check_tseries,
					  .lower_update = update_tseries};
