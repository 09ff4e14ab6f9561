// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_map - maps of the script to maps of the kernel.
 *
 *	declared by use as		kernel map		key		value
 *	@ = 1				ARRAY of 1		0		8 bytes "is set", value
 *	@[k] = 1			HASH			k		value
 *	@ = count() ... stats()		PERCPU_ARRAY of 1	0		see functions/aggregate.c
 *	@[k] = count() ...		PERCPU_HASH		k		the same
 *	@ = hist(), lhist()		PERCPU_ARRAY		bucket		8 bytes count
 *	@[k] = hist(), lhist()		PERCPU_HASH		k, bucket	8 bytes count
 *	tseries()			as histograms		k, bucket	see functions/tseries.c
 *
 * Scalars are arrays because a look-up in those is inlined by the kernel. Counters are per CPU and
 * added to atomically all the same: another program may come between on the same CPU. Integers of
 * plain maps are added to atomically as well, so @++ loses nothing.
 */
#include "trace/lower.h"

#include <stdio.h>
#include <string.h>

enum {
	HELPER_MAP_LOOKUP = 1,
	HELPER_MAP_UPDATE = 2,
	HELPER_PERCPU_LOOKUP = 195,
	SCALAR_HEAD = 8,
	KEEP_EXISTING = 1, /* BPF_NOEXIST */
};

static bool has_buckets(const struct map_decl *map)
{
	return type_has_buckets(map->value);
}

static bool is_scalar_map(const struct map_decl *map)
{
	return !map->key || map->key->kind == TYPE_NONE;
}

bool map_is_array(const struct map_decl *map)
{
	return is_scalar_map(map);
}

static void set_kind(const struct map_decl *map, struct map_spec *spec)
{
	static const struct {
		const char *name;
		uint32_t type;
	} kinds[] = {{"hash", BPF_MAP_TYPE_HASH},
		     {"lruhash", BPF_MAP_TYPE_LRU_HASH},
		     {"percpuhash", BPF_MAP_TYPE_PERCPU_HASH},
		     {"percpulruhash", BPF_MAP_TYPE_LRU_PERCPU_HASH}};
	bool is_percpu = type_is_aggregate(map->value);

	if (is_scalar_map(map))
		spec->type = is_percpu ? BPF_MAP_TYPE_PERCPU_ARRAY : BPF_MAP_TYPE_ARRAY;
	else
		spec->type = is_percpu ? BPF_MAP_TYPE_PERCPU_HASH : BPF_MAP_TYPE_HASH;
	for (size_t i = 0; map->declared_as && i < 4; i++)
		if (!strcmp(map->declared_as, kinds[i].name) && !is_scalar_map(map)) {
			bool is_lru = i & 1;

			/* per CPU or not is the value's business; evicting is the declaration's */
			spec->type = is_percpu
					     ? (is_lru ? BPF_MAP_TYPE_LRU_PERCPU_HASH
						       : BPF_MAP_TYPE_PERCPU_HASH)
					     : (is_lru ? BPF_MAP_TYPE_LRU_HASH : BPF_MAP_TYPE_HASH);
		}
}

struct map_decl *lower_decl(struct lowering *l, const struct expr *expr)
{
	struct map_decl *map = expr->map;
	struct map_spec spec = {};
	uint32_t max = l->script->config.max_map_keys;
	size_t len = 0;

	if (map->index >= 0)
		return map;
	for (const char *c = map->name + 1; *c && len + 1 < sizeof(spec.name); c++)
		spec.name[len++] = *c;
	if (!len)
		memcpy(spec.name, "AT", 3);
	set_kind(map, &spec);
	spec.max_entries = is_scalar_map(map) ? 1 : map->max_entries ? map->max_entries : max;
	spec.key_size = is_scalar_map(map) ? 4 : map->key->size;
	spec.value_size = map->value->size ? map->value->size : 8;
	if (has_buckets(map)) {
		spec.value_size = map->value->size;
		if (is_scalar_map(map))
			spec.max_entries = type_bucket_count(map->value);
		else
			spec.key_size = (map->key->size + 7) / 8 * 8 + 8;
	} else if (is_scalar_map(map) && !type_is_aggregate(map->value)) {
		spec.value_size = SCALAR_HEAD + (spec.value_size + 7) / 8 * 8;
	}
	if (!spec.key_size)
		spec.key_size = 1; /* the empty tuple */
	map->index = lower_new_map(l, spec, map);
	return map;
}

struct memory lower_key(struct lowering *l, const struct map_decl *map, struct expr *keys,
			uint32_t count)
{
	bool buckets = has_buckets(map);
	struct memory key;
	uint32_t size;

	if (is_scalar_map(map)) {
		key = lower_slot(l, 8);
		ir_store(l->ir, key.base, key.offset, 8, op_imm(0));
		return key;
	}
	size = buckets ? (map->key->size + 7) / 8 * 8 + 8 : map->key->size;
	key = lower_slot(l, size);
	if (count > 1 && map->key->kind == TYPE_TUPLE) {
		struct expr tuple = {
			.kind = EXPR_TUPLE, .args = keys, .arg_count = count, .type = map->key};

		lower_into(l, &tuple, key, map->key);
	} else {
		lower_into(l, keys, key, map->key);
	}
	/* what is behind the key, before and in the place of the bucket */
	if (buckets)
		lower_zero(l, memory_at(key, map->key->size), size - map->key->size);
	return key;
}

int lower_map_lookup(struct lowering *l, const struct map_decl *map, struct memory key)
{
	return ir_call(l->ir, HELPER_MAP_LOOKUP, op_map(map->index), lower_address(l, key),
		       NO_OPERAND, NO_OPERAND, NO_OPERAND);
}

static int slot_at(struct lowering *l, const struct map_decl *map, struct memory key,
		   int full_label)
{
	int pointer = ir_reg(l->ir), have = ir_label(l->ir), code;
	uint32_t size = map->value->size;
	struct memory zero;

	ir_set(l->ir, pointer, op_reg(lower_map_lookup(l, map, key)));
	if (map_is_array(map)) {
		ir_branch(l->ir, COND_EQ, op_reg(pointer), op_imm(0), full_label);
		return pointer;
	}
	ir_branch(l->ir, COND_NE, op_reg(pointer), op_imm(0), have);
	zero = lower_slot(l, size);
	lower_zero(l, zero, size);
	/* another CPU may be first: both look again */
	code = ir_call(l->ir, HELPER_MAP_UPDATE, op_map(map->index), lower_address(l, key),
		       lower_address(l, zero), op_imm(KEEP_EXISTING), NO_OPERAND);
	ir_set(l->ir, pointer, op_reg(lower_map_lookup(l, map, key)));
	ir_branch(l->ir, COND_NE, op_reg(pointer), op_imm(0), have);
	lower_say_refused(l, code);
	ir_jump(l->ir, full_label);
	ir_put_label(l->ir, have);
	return pointer;
}

int lower_map_slot(struct lowering *l, struct expr *expr, int full_label)
{
	struct map_decl *map = lower_decl(l, expr);
	struct memory key = lower_key(l, map, expr->args, expr->arg_count);

	return slot_at(l, map, key, full_label);
}

/* The key with the bucket in its last place. */
int lower_bucket(struct lowering *l, struct expr *expr, int bucket, int full_label)
{
	struct map_decl *map = lower_decl(l, expr);
	struct memory key = lower_key(l, map, expr->args, expr->arg_count);

	if (map_is_array(map))
		ir_store(l->ir, key.base, key.offset, 4, op_reg(bucket));
	else
		ir_store(l->ir, key.base, key.offset + (int32_t)((map->key->size + 7) / 8 * 8), 8,
			 op_reg(bucket));
	return slot_at(l, map, key, full_label);
}

/* --- reading --- */

static int percpu_value(struct lowering *l, const struct map_decl *map, struct memory key, int cpu)
{
	return ir_call(l->ir, HELPER_PERCPU_LOOKUP, op_map(map->index), lower_address(l, key),
		       op_reg(cpu), NO_OPERAND, NO_OPERAND);
}

struct operand lower_percpu_sum(struct lowering *l, const struct map_decl *map, struct memory key,
				int32_t offset)
{
	int sum = ir_reg(l->ir), cpu = ir_reg(l->ir), again = ir_label(l->ir);
	int next = ir_label(l->ir), pointer;

	ir_set(l->ir, sum, op_imm(0));
	ir_set(l->ir, cpu, op_imm(0));
	ir_put_label(l->ir, again);
	pointer = percpu_value(l, map, key, cpu);
	ir_branch(l->ir, COND_EQ, op_reg(pointer), op_imm(0), next);
	int one = ir_load(l->ir, op_reg(pointer), offset, 8, false);

	ir_set(l->ir, sum, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(sum), op_reg(one))));
	ir_put_label(l->ir, next);
	ir_set(l->ir, cpu, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(cpu), op_imm(1))));
	ir_branch(l->ir, COND_LT, op_reg(cpu), op_imm(l->compiled->target.cpus), again);
	return op_reg(sum);
}

/* The least or greatest over the CPUs that have one; 0 where none has. */
static struct operand percpu_extreme(struct lowering *l, const struct map_decl *map,
				     struct memory key, bool is_max)
{
	int best = ir_reg(l->ir), has_best = ir_reg(l->ir), cpu = ir_reg(l->ir);
	int again = ir_label(l->ir), next = ir_label(l->ir), take = ir_label(l->ir), pointer;

	ir_set(l->ir, best, op_imm(0));
	ir_set(l->ir, has_best, op_imm(0));
	ir_set(l->ir, cpu, op_imm(0));
	ir_put_label(l->ir, again);
	pointer = percpu_value(l, map, key, cpu);
	ir_branch(l->ir, COND_EQ, op_reg(pointer), op_imm(0), next);
	int is_set = ir_load(l->ir, op_reg(pointer), 8, 8, false);
	int one = ir_load(l->ir, op_reg(pointer), 0, 8, false);

	ir_branch(l->ir, COND_EQ, op_reg(is_set), op_imm(0), next);
	ir_branch(l->ir, COND_EQ, op_reg(has_best), op_imm(0), take);
	ir_branch(l->ir, is_max ? COND_SLE : COND_SGE, op_reg(one), op_reg(best), next);
	ir_put_label(l->ir, take);
	ir_set(l->ir, best, op_reg(one));
	ir_set(l->ir, has_best, op_imm(1));
	ir_put_label(l->ir, next);
	ir_set(l->ir, cpu, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(cpu), op_imm(1))));
	ir_branch(l->ir, COND_LT, op_reg(cpu), op_imm(l->compiled->target.cpus), again);
	return op_reg(best);
}

struct value lower_aggregate(struct lowering *l, const struct map_decl *map, struct memory key)
{
	const struct type *type = map->value->kind == TYPE_COUNT ? &type_uint64 : &type_int64;
	struct operand total, count;

	if (!l->compiled->target.has_percpu_lookup) {
		diag_error(&l->script->diag, map->place,
			   "reading %s in a probe needs bpf_map_lookup_percpu_elem (kernel 5.19)",
			   map->name);
		l->is_failed = true;
		return value_imm(type, 0);
	}
	switch (map->value->kind) {
	case TYPE_MIN:
	case TYPE_MAX:
		return value_reg(type,
				 percpu_extreme(l, map, key, map->value->kind == TYPE_MAX).index);
	case TYPE_AVG:
		total = lower_percpu_sum(l, map, key, 0);
		count = lower_percpu_sum(l, map, key, 8);
		/* nothing counted: the total is 0, and so is the average of one */
		int some = ir_label(l->ir);

		ir_branch(l->ir, COND_NE, count, op_imm(0), some);
		ir_set(l->ir, count.index, op_imm(1));
		ir_put_label(l->ir, some);
		return value_reg(
			type,
			lower_arith(l, OP_DIV, total, count, &type_int64, l->ir->place).index);
	default: return value_reg(type, lower_percpu_sum(l, map, key, 0).index);
	}
}

/* To `end` when the key is not there; with -k that is told. */
static void branch_without_key(struct lowering *l, int pointer, int end)
{
	int there = ir_label(l->ir);

	if (!l->script->options->is_checked) {
		ir_branch(l->ir, COND_EQ, op_reg(pointer), op_imm(0), end);
		return;
	}
	ir_branch(l->ir, COND_NE, op_reg(pointer), op_imm(0), there);
	lower_say_no_key(l);
	ir_jump(l->ir, end);
	ir_put_label(l->ir, there);
}

struct value lower_map_read(struct lowering *l, struct expr *expr)
{
	struct map_decl *map = lower_decl(l, expr);
	struct memory key = lower_key(l, map, expr->args, expr->arg_count), at;
	int32_t head = map_is_array(map) ? SCALAR_HEAD : 0;
	int end = ir_label(l->ir), pointer, reg;

	if (type_is_castable_aggregate(map->value))
		return lower_aggregate(l, map, key);
	if (type_is_aggregate(map->value))
		return value_none();
	if (type_is_scalar(map->value)) {
		reg = ir_reg(l->ir);
		ir_set(l->ir, reg, op_imm(0));
		pointer = lower_map_lookup(l, map, key);
		branch_without_key(l, pointer, end);
		ir_set(l->ir, reg,
		       op_reg(ir_load(l->ir, op_reg(pointer), head, map->value->size,
				      map->value->is_signed)));
		ir_put_label(l->ir, end);
		return value_reg(map->value, reg);
	}
	at = lower_slot(l, map->value->size);
	lower_zero(l, at, map->value->size);
	pointer = lower_map_lookup(l, map, key);
	branch_without_key(l, pointer, end);
	lower_copy(l, at, (struct memory){.base = op_reg(pointer), .offset = head},
		   map->value->size);
	ir_put_label(l->ir, end);
	return value_memory(map->value, at);
}

/* --- writing --- */

static void update(struct lowering *l, const struct map_decl *map, struct memory key,
		   struct memory value)
{
	int code, done = ir_label(l->ir);

	code = ir_call(l->ir, HELPER_MAP_UPDATE, op_map(map->index), lower_address(l, key),
		       lower_address(l, value), op_imm(0), NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(code), op_imm(0), done);
	lower_say_refused(l, code);
	ir_put_label(l->ir, done);
}

void lower_map_write(struct lowering *l, struct expr *target, struct expr *expr)
{
	struct map_decl *map = lower_decl(l, target);
	struct memory key, value;
	int none, pointer;

	if (expr->kind == EXPR_CALL && expr->function && expr->function->lower_update) {
		expr->function->lower_update(l, target, expr);
		return;
	}
	if (map_is_array(map)) {
		none = ir_label(l->ir);
		value = lower_slot(l, map->value->size);
		lower_into(l, expr, value, map->value);
		key = lower_key(l, map, NULL, 0);
		pointer = slot_at(l, map, key, none);
		lower_copy(l, (struct memory){.base = op_reg(pointer), .offset = SCALAR_HEAD},
			   value, map->value->size);
		ir_store(l->ir, op_reg(pointer), 0, 8, op_imm(1));
		ir_put_label(l->ir, none);
		return;
	}
	value = lower_slot(l, map->value->size);
	lower_into(l, expr, value, map->value);
	key = lower_key(l, map, target->args, target->arg_count);
	update(l, map, key, value);
}

/* The number behind a slot: its address and where it lies. */
static int number_slot(struct lowering *l, struct expr *target, int full, int32_t *ret_head)
{
	int pointer = lower_map_slot(l, target, full);

	*ret_head = map_is_array(target->map) ? SCALAR_HEAD : 0;
	if (*ret_head)
		ir_store(l->ir, op_reg(pointer), 0, 8, op_imm(1));
	return pointer;
}

void lower_map_compound(struct lowering *l, struct stmt *stmt)
{
	struct expr *target = stmt->target;
	int full = ir_label(l->ir), pointer;
	struct operand value, old;
	int32_t head;

	if (!type_is_scalar(target->map->value)) {
		diag_error(&l->script->diag, stmt->place, "%s= needs a map of numbers",
			   op_text(stmt->op));
		l->is_failed = true;
		return;
	}
	value = lower_scalar(l, lower_expr(l, stmt->value));
	if (value.kind == OPERAND_REG)
		value = op_reg(ir_move(l->ir, value));
	pointer = number_slot(l, target, full, &head);
	if (stmt->op == OP_ADD || stmt->op == OP_SUB) {
		if (stmt->op == OP_SUB)
			value = value.kind == OPERAND_IMM
					? op_imm(-value.imm)
					: op_reg(ir_alu(l->ir, ALU_NEG, value, NO_OPERAND));
		ir_atomic_add(l->ir, op_reg(pointer), head, value);
	} else {
		old = op_reg(ir_load(l->ir, op_reg(pointer), head, 8, false));
		value = lower_arith(l, stmt->op, old, value, target->map->value, stmt->place);
		ir_store(l->ir, op_reg(pointer), head, 8, value);
	}
	ir_put_label(l->ir, full);
}

struct value lower_map_step(struct lowering *l, struct expr *expr)
{
	int step = expr->op == OP_ADD ? 1 : -1, result = -1, full = ir_label(l->ir), pointer;
	int32_t head;

	if (!expr->is_discarded) {
		result = ir_reg(l->ir);
		ir_set(l->ir, result, op_imm(0));
	}
	pointer = number_slot(l, expr->a, full, &head);
	if (result >= 0) {
		int old = ir_load(l->ir, op_reg(pointer), head, 8, false);

		ir_set(l->ir, result, op_reg(old));
		if (!expr->is_postfix)
			ir_set(l->ir, result,
			       op_reg(ir_alu(l->ir, ALU_ADD, op_reg(old), op_imm(step))));
	}
	ir_atomic_add(l->ir, op_reg(pointer), head, op_imm(step));
	ir_put_label(l->ir, full);
	return result >= 0 ? value_reg(expr->type, result) : value_none();
}
