// SPDX-License-Identifier: GPL-2.0-only
/*
 * emit - IR to BPF instructions.
 *
 * The frame: a program that needs more memory than the stack has takes one of FRAME_SLOTS values of
 * a per-CPU array. A BPF program can be preempted (uprobes, system call tracepoints since 6.13) or
 * interrupted (perf events in NMI) by another one on the same CPU, so a value in use is marked, by
 * an atomic exchange on its first 8 bytes; who finds all of them marked counts a lost event and
 * ends. The mark is taken off at every return.
 *
 * Callbacks (for over maps) are put behind the main program; they get the frame from their caller.
 */
#include "trace/emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	CODE_MAX = 900000,
	FIRST_SAVED = BPF_REG_7,
	LAST_SAVED = BPF_REG_9,
	STACK_MAX = 512,
	SPILLED = -1,
	HELPER_MAP_LOOKUP = 1,
	CALLBACKS_MAX = 64,
};

struct range {
	int first, last; /* instructions; -1: never used */
	uint32_t uses;
	int8_t reg; /* BPF register, or SPILLED */
	int16_t offset; /* of the spill, from r10 */
};

struct emitter {
	const struct ir *ir;
	const struct target *target;
	struct range *ranges;
	struct bpf_insn *insns;
	uint32_t *places;
	uint32_t count, room;
	uint8_t *reached; /* by IR instruction: the kernel refuses what no path leads to */
	uint32_t *label_at; /* by label: BPF instruction */
	uint32_t *map_refs;
	uint32_t map_ref_count, map_ref_room;
	uint32_t callbacks[CALLBACKS_MAX];
	uint32_t callback_count;
	uint32_t stack; /* bytes in use, slots and spills */
	int frame_map, lost_map;
	int frame_reg_offset; /* stack: where the frame's address is kept; 0: no frame */
	uint32_t place;
	bool is_failed;
};

/* --- what is reached --- */

static void find_reached(struct emitter *e)
{
	const struct ir *ir = e->ir;
	uint32_t *label_at = calloc((size_t)ir->label_count + 1, sizeof(*label_at));
	uint32_t *todo = calloc((size_t)ir->count + 2, sizeof(*todo)), count = 0;

	if (!label_at || !todo) {
		e->is_failed = true;
		goto out;
	}
	for (uint32_t i = 0; i < ir->count; i++)
		if (ir->insns[i].op == IR_LABEL)
			label_at[ir->insns[i].label] = i;
	if (ir->count)
		todo[count++] = 0;
	while (count) {
		for (uint32_t i = todo[--count]; i < ir->count && !e->reached[i]; i++) {
			const struct ir_insn *insn = &ir->insns[i];
			uint32_t target;

			e->reached[i] = 1;
			if (insn->op == IR_RETURN || insn->op == IR_EXIT)
				break;
			if (insn->op != IR_JUMP && insn->op != IR_BRANCH && insn->op != IR_MAY_GOTO)
				continue;
			target = label_at[insn->label];
			if (!e->reached[target] && count < ir->count)
				todo[count++] = target;
			if (insn->op == IR_JUMP)
				break;
		}
	}
out:
	free(label_at);
	free(todo);
}

/* --- ranges and registers --- */

static void touch(struct emitter *e, struct operand operand, int at)
{
	struct range *range;

	if (operand.kind != OPERAND_REG)
		return;
	range = &e->ranges[operand.index];
	if (range->first < 0)
		range->first = at;
	range->last = at;
	range->uses++;
}

static void find_ranges(struct emitter *e)
{
	const struct ir *ir = e->ir;

	for (int i = 0; i < ir->reg_count; i++)
		e->ranges[i] = (struct range){.first = -1, .last = -1, .reg = SPILLED};
	for (uint32_t i = 0; i < ir->count; i++) {
		const struct ir_insn *insn = &ir->insns[i];

		if (!e->reached[i])
			continue;
		touch(e, insn->a, (int)i);
		touch(e, insn->b, (int)i);
		for (uint8_t n = 0; n < insn->arg_count; n++)
			touch(e, insn->args[n], (int)i);
		if (insn->dst >= 0)
			touch(e, op_reg(insn->dst), (int)i);
	}
}

/* What is alive somewhere in a loop and was made before it lives to its end. */
static void stretch_over_loops(struct emitter *e)
{
	const struct ir *ir = e->ir;
	int *label_at = calloc((size_t)ir->label_count + 1, sizeof(*label_at));

	if (!label_at) {
		e->is_failed = true;
		return;
	}
	for (uint32_t i = 0; i < ir->count; i++)
		if (ir->insns[i].op == IR_LABEL)
			label_at[ir->insns[i].label] = (int)i;
	for (uint32_t i = 0; i < ir->count; i++) {
		const struct ir_insn *insn = &ir->insns[i];
		int from;

		if (!e->reached[i] || (insn->op != IR_JUMP && insn->op != IR_BRANCH))
			continue;
		from = label_at[insn->label];
		if (from >= (int)i)
			continue;
		for (int r = 0; r < ir->reg_count; r++) {
			struct range *range = &e->ranges[r];

			if (range->first < from && range->last >= from && range->last < (int)i)
				range->last = (int)i;
		}
	}
	free(label_at);
}

static uint32_t worth(const struct range *range)
{
	return range->uses * 4096 / (uint32_t)(range->last - range->first + 1);
}

static void give_registers(struct emitter *e)
{
	struct range *holder[LAST_SAVED + 1] = {};
	int *order = calloc((size_t)e->ir->reg_count + 1, sizeof(*order));
	int count = 0;

	if (!order) {
		e->is_failed = true;
		return;
	}
	/* registers are numbered in the order they are made in, which is nearly that of their use */
	for (int i = 0; i < e->ir->reg_count; i++)
		if (e->ranges[i].first >= 0)
			order[count++] = i;
	for (int i = 1; i < count; i++)
		for (int j = i; j > 0 && e->ranges[order[j]].first < e->ranges[order[j - 1]].first;
		     j--) {
			int swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
	for (int i = 0; i < count; i++) {
		struct range *range = &e->ranges[order[i]], *poorest = range;
		int free_reg = -1;

		for (int r = FIRST_SAVED; r <= LAST_SAVED; r++) {
			if (!holder[r] || holder[r]->last <= range->first) {
				free_reg = r;
				break;
			}
			if (worth(holder[r]) < worth(poorest))
				poorest = holder[r];
		}
		if (free_reg < 0 && poorest != range) {
			free_reg = poorest->reg;
			poorest->reg = SPILLED;
		}
		if (free_reg >= 0) {
			range->reg = (int8_t)free_reg;
			holder[free_reg] = range;
		}
	}
	free(order);
}

/* Spilled ranges share 8-byte places where they do not overlap. */
static void place_spills(struct emitter *e)
{
	int ends[STACK_MAX / 8];
	uint32_t base = e->stack, used = 0;

	for (int i = 0; i < e->ir->reg_count; i++) {
		struct range *range = &e->ranges[i];
		uint32_t at = 0;

		if (range->first < 0 || range->reg != SPILLED)
			continue;
		/* ranges come almost in order: a place is free when its last holder ended before */
		while (at < used && ends[at] >= range->first)
			at++;
		if (base + (at + 1) * 8 > STACK_MAX) {
			e->is_failed = true;
			return;
		}
		used = at == used ? used + 1 : used;
		ends[at] = range->last;
		range->offset = (int16_t) - (int32_t)(base + (at + 1) * 8);
	}
	e->stack = base + used * 8;
}

/* --- instructions --- */

static struct bpf_insn *put(struct emitter *e, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
			    int32_t imm)
{
	static _Thread_local struct bpf_insn spare;

	if (e->count >= CODE_MAX)
		e->is_failed = true;
	if (!e->is_failed && e->count == e->room) {
		uint32_t room = e->room ? e->room * 2 : 256;
		struct bpf_insn *insns = realloc(e->insns, room * sizeof(*insns));
		uint32_t *places = insns ? realloc(e->places, room * sizeof(*places)) : NULL;

		if (insns)
			e->insns = insns;
		if (places)
			e->places = places;
		if (!places)
			e->is_failed = true;
		else
			e->room = room;
	}
	if (e->is_failed)
		return &spare;
	e->places[e->count] = e->place;
	e->insns[e->count] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm};
	return &e->insns[e->count++];
}

static void put_move(struct emitter *e, uint8_t dst, uint8_t src)
{
	if (dst != src)
		put(e, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void put_const(struct emitter *e, uint8_t dst, int64_t value)
{
	if (value == (int32_t)value) {
		put(e, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)value);
		return;
	}
	put(e, BPF_LD | BPF_DW | BPF_IMM, dst, 0, 0, (int32_t)value);
	put(e, 0, 0, 0, 0, (int32_t)((uint64_t)value >> 32));
}

static void put_map(struct emitter *e, uint8_t dst, int map)
{
	if (e->map_ref_count == e->map_ref_room) {
		uint32_t room = e->map_ref_room ? e->map_ref_room * 2 : 16;
		uint32_t *grown = realloc(e->map_refs, room * sizeof(*grown));

		if (!grown) {
			e->is_failed = true;
			return;
		}
		e->map_refs = grown;
		e->map_ref_room = room;
	}
	e->map_refs[e->map_ref_count++] = e->count;
	put(e, BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, map);
	put(e, 0, 0, 0, 0, 0);
}

static void add_imm(struct emitter *e, uint8_t reg, int64_t imm)
{
	if (imm)
		put(e, BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, (int32_t)imm);
}

/* The register that holds the operand now: its own, or `scratch` after loading it. */
static uint8_t in_register(struct emitter *e, struct operand operand, uint8_t scratch)
{
	const struct range *range;
	const struct ir_slot *slot;

	switch (operand.kind) {
	case OPERAND_REG:
		range = &e->ranges[operand.index];
		if (range->reg != SPILLED)
			return (uint8_t)range->reg;
		put(e, BPF_LDX | BPF_MEM | BPF_DW, scratch, BPF_REG_10, range->offset, 0);
		return scratch;
	case OPERAND_IMM: put_const(e, scratch, operand.imm); return scratch;
	case OPERAND_MAP: put_map(e, scratch, operand.index); return scratch;
	case OPERAND_CONTEXT:
		if (!operand.imm)
			return BPF_REG_6;
		put_move(e, scratch, BPF_REG_6);
		add_imm(e, scratch, operand.imm);
		return scratch;
	case OPERAND_FRAME:
		put(e, BPF_LDX | BPF_MEM | BPF_DW, scratch, BPF_REG_10,
		    (int16_t)e->frame_reg_offset, 0);
		add_imm(e, scratch, operand.imm);
		return scratch;
	case OPERAND_SLOT:
		slot = &e->ir->slots[operand.index];
		if (slot->is_in_frame)
			put(e, BPF_LDX | BPF_MEM | BPF_DW, scratch, BPF_REG_10,
			    (int16_t)e->frame_reg_offset, 0);
		else
			put_move(e, scratch, BPF_REG_10);
		add_imm(e, scratch, slot->offset + operand.imm);
		return scratch;
	case OPERAND_CALLBACK: /* its place is not known yet: see link_callbacks */
		put(e, BPF_LD | BPF_DW | BPF_IMM, scratch, BPF_PSEUDO_FUNC, 0, operand.index);
		put(e, 0, 0, 0, 0, 0);
		return scratch;
	case OPERAND_KERNEL_VARIABLE:
		put(e, BPF_LD | BPF_DW | BPF_IMM, scratch, BPF_PSEUDO_BTF_ID, 0,
		    (int32_t)operand.imm);
		put(e, 0, 0, 0, 0, 0);
		return scratch;
	case OPERAND_ARGUMENT:
		put(e, BPF_LDX | BPF_MEM | BPF_DW, scratch, BPF_REG_10,
		    (int16_t)(e->frame_reg_offset - 8 - 8 * operand.index), 0);
		return scratch;
	case OPERAND_NONE: break;
	}
	return scratch;
}

/* Base register and offset of a memory access: slots need no address arithmetic. */
static uint8_t base_of(struct emitter *e, struct operand base, int32_t *offset, uint8_t scratch)
{
	if (base.kind == OPERAND_CONTEXT) {
		*offset += (int32_t)base.imm;
		return BPF_REG_6;
	}
	if (base.kind == OPERAND_SLOT) {
		const struct ir_slot *slot = &e->ir->slots[base.index];

		*offset += slot->offset + (int32_t)base.imm;
		if (!slot->is_in_frame)
			return BPF_REG_10;
		put(e, BPF_LDX | BPF_MEM | BPF_DW, scratch, BPF_REG_10,
		    (int16_t)e->frame_reg_offset, 0);
		return scratch;
	}
	return in_register(e, base, scratch);
}

static uint8_t target_register(const struct emitter *e, int dst, uint8_t scratch)
{
	return e->ranges[dst].reg != SPILLED ? (uint8_t)e->ranges[dst].reg : scratch;
}

static void keep_result(struct emitter *e, int dst, uint8_t from)
{
	const struct range *range = &e->ranges[dst];

	if (range->first == range->last && range->uses == 1)
		return; /* nobody reads it */
	if (range->reg != SPILLED)
		put_move(e, (uint8_t)range->reg, from);
	else
		put(e, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, from, range->offset, 0);
}

static uint8_t size_code(uint32_t size)
{
	return size == 1 ? BPF_B : size == 2 ? BPF_H : size == 4 ? BPF_W : BPF_DW;
}

static void put_extend(struct emitter *e, uint8_t reg, uint32_t size, bool is_signed)
{
	int32_t shift = 64 - (int32_t)size * 8;

	if (size >= 8)
		return;
	if (!is_signed && size < 4) {
		put(e, BPF_ALU64 | BPF_AND | BPF_K, reg, 0, 0, (1 << (size * 8)) - 1);
		return;
	}
	put(e, BPF_ALU64 | BPF_LSH | BPF_K, reg, 0, 0, shift);
	put(e, BPF_ALU64 | (is_signed ? BPF_ARSH : BPF_RSH) | BPF_K, reg, 0, 0, shift);
}

static void emit_alu(struct emitter *e, const struct ir_insn *insn)
{
	static const uint8_t codes[] = {
		[ALU_ADD] = BPF_ADD, [ALU_SUB] = BPF_SUB,  [ALU_MUL] = BPF_MUL,
		[ALU_DIV] = BPF_DIV, [ALU_MOD] = BPF_MOD,  [ALU_AND] = BPF_AND,
		[ALU_OR] = BPF_OR,   [ALU_XOR] = BPF_XOR,  [ALU_SHL] = BPF_LSH,
		[ALU_SHR] = BPF_RSH, [ALU_SAR] = BPF_ARSH, [ALU_NEG] = BPF_NEG};
	uint8_t to = target_register(e, insn->dst, BPF_REG_1);
	bool is_small = insn->b.kind == OPERAND_IMM && insn->b.imm == (int32_t)insn->b.imm;
	uint8_t a, b = 0;

	if (insn->how == ALU_NEG || insn->how == ALU_BSWAP) {
		put_move(e, to, in_register(e, insn->a, to));
		if (insn->how == ALU_NEG)
			put(e, BPF_ALU64 | BPF_NEG, to, 0, 0, 0);
		else
			put(e, BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, insn->size * 8);
		keep_result(e, insn->dst, to);
		return;
	}
	if (!is_small) {
		b = in_register(e, insn->b, BPF_REG_2);
		if (b == to &&
		    !(insn->a.kind == OPERAND_REG && e->ranges[insn->a.index].reg == (int8_t)to)) {
			put_move(e, BPF_REG_2, b);
			b = BPF_REG_2;
		}
	}
	a = in_register(e, insn->a, to);
	put_move(e, to, a);
	if (is_small)
		put(e, BPF_ALU64 | codes[insn->how] | BPF_K, to, 0, 0, (int32_t)insn->b.imm);
	else
		put(e, BPF_ALU64 | codes[insn->how] | BPF_X, to, b, 0, 0);
	keep_result(e, insn->dst, to);
}

static void emit_load(struct emitter *e, const struct ir_insn *insn)
{
	uint8_t to = target_register(e, insn->dst, BPF_REG_1);
	int32_t offset = insn->offset;
	uint8_t base = base_of(e, insn->a, &offset, BPF_REG_2);

	if (offset != (int16_t)offset)
		e->is_failed = true;
	put(e, BPF_LDX | BPF_MEM | size_code(insn->size), to, base, (int16_t)offset, 0);
	if (insn->is_signed)
		put_extend(e, to, insn->size, true);
	keep_result(e, insn->dst, to);
}

static void emit_store(struct emitter *e, const struct ir_insn *insn)
{
	int32_t offset = insn->offset;
	uint8_t base = base_of(e, insn->a, &offset, BPF_REG_2);

	if (offset != (int16_t)offset)
		e->is_failed = true;
	if (insn->op == IR_STORE && insn->b.kind == OPERAND_IMM &&
	    (insn->b.imm == (int32_t)insn->b.imm || insn->size <= 4)) {
		put(e, BPF_ST | BPF_MEM | size_code(insn->size), base, 0, (int16_t)offset,
		    (int32_t)insn->b.imm);
		return;
	}
	uint8_t value = in_register(e, insn->b, BPF_REG_1);

	if (insn->op == IR_STORE) {
		put(e, BPF_STX | BPF_MEM | size_code(insn->size), base, value, (int16_t)offset, 0);
	} else if (insn->op == IR_ATOMIC_ADD) {
		put(e, BPF_STX | BPF_ATOMIC | size_code(insn->size), base, value, (int16_t)offset,
		    BPF_ADD);
	} else {
		put_move(e, BPF_REG_1, value);
		put(e, BPF_STX | BPF_ATOMIC | BPF_DW, base, BPF_REG_1, (int16_t)offset, BPF_XCHG);
		keep_result(e, insn->dst, BPF_REG_1);
	}
}

static void emit_call(struct emitter *e, const struct ir_insn *insn)
{
	for (uint8_t i = 0; i < insn->arg_count; i++)
		put_move(e, (uint8_t)(BPF_REG_1 + i),
			 in_register(e, insn->args[i], (uint8_t)(BPF_REG_1 + i)));
	put(e, BPF_JMP | BPF_CALL, 0, 0, 0, insn->helper);
	if (insn->dst >= 0)
		keep_result(e, insn->dst, BPF_REG_0);
}

static void emit_branch(struct emitter *e, const struct ir_insn *insn)
{
	static const uint8_t codes[] = {
		[COND_EQ] = BPF_JEQ,   [COND_NE] = BPF_JNE,   [COND_LT] = BPF_JLT,
		[COND_LE] = BPF_JLE,   [COND_GT] = BPF_JGT,   [COND_GE] = BPF_JGE,
		[COND_SLT] = BPF_JSLT, [COND_SLE] = BPF_JSLE, [COND_SGT] = BPF_JSGT,
		[COND_SGE] = BPF_JSGE, [COND_SET] = BPF_JSET,
	};
	uint8_t a = in_register(e, insn->a, BPF_REG_1);

	if (insn->b.kind == OPERAND_IMM && insn->b.imm == (int32_t)insn->b.imm)
		put(e, BPF_JMP | codes[insn->how] | BPF_K, a, 0, 0, (int32_t)insn->b.imm);
	else
		put(e, BPF_JMP | codes[insn->how] | BPF_X, a, in_register(e, insn->b, BPF_REG_2), 0,
		    0);
}

static void emit_return(struct emitter *e, const struct ir_insn *insn)
{
	if (insn->op == IR_RETURN && e->frame_reg_offset && !e->ir->is_callback) {
		put(e, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10,
		    (int16_t)e->frame_reg_offset, 0);
		put(e, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_1, 0, 0, 0);
	}
	put_move(e, BPF_REG_0, in_register(e, insn->a, BPF_REG_0));
	put(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_insn(struct emitter *e, const struct ir_insn *insn)
{
	uint8_t reg;

	e->place = insn->place.from;
	switch (insn->op) {
	case IR_CONST:
	case IR_MOVE:
		reg = target_register(e, insn->dst, BPF_REG_1);
		put_move(e, reg, in_register(e, insn->a, reg));
		keep_result(e, insn->dst, reg);
		break;
	case IR_ALU: emit_alu(e, insn); break;
	case IR_EXTEND:
		reg = target_register(e, insn->dst, BPF_REG_1);
		put_move(e, reg, in_register(e, insn->a, reg));
		put_extend(e, reg, insn->size, insn->is_signed);
		keep_result(e, insn->dst, reg);
		break;
	case IR_LOAD: emit_load(e, insn); break;
	case IR_STORE:
	case IR_ATOMIC_ADD:
	case IR_EXCHANGE: emit_store(e, insn); break;
	case IR_CALL: emit_call(e, insn); break;
	case IR_LABEL: e->label_at[insn->label] = e->count; break;
	case IR_JUMP: put(e, BPF_JMP | BPF_JA, 0, 0, 0, 0); break;
	case IR_BRANCH: emit_branch(e, insn); break;
	case IR_MAY_GOTO: put(e, BPF_JMP | 0xe0 /* JCOND */, 0, 0, 0, 0); break;
	case IR_RETURN:
	case IR_EXIT: emit_return(e, insn); break;
	}
}

/* One more event that found no frame: lost[LOST_FRAME]++ on this CPU. */
static void put_lost(struct emitter *e)
{
	put(e, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 1 /* LOST_FRAME, see lower.h */);
	put_map(e, BPF_REG_1, e->lost_map);
	put_move(e, BPF_REG_2, BPF_REG_10);
	add_imm(e, BPF_REG_2, -4);
	put(e, BPF_JMP | BPF_CALL, 0, 0, 0, HELPER_MAP_LOOKUP);
	put(e, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0);
	put(e, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1);
	put(e, BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD);
	put_const(e, BPF_REG_0, 0);
	put(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void put_frame(struct emitter *e)
{
	uint32_t to_have[FRAME_SLOTS], have;

	for (int i = 0; i < FRAME_SLOTS; i++) {
		uint32_t skip;

		put(e, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, i);
		put_map(e, BPF_REG_1, e->frame_map);
		put_move(e, BPF_REG_2, BPF_REG_10);
		add_imm(e, BPF_REG_2, -4);
		put(e, BPF_JMP | BPF_CALL, 0, 0, 0, HELPER_MAP_LOOKUP);
		skip = e->count;
		put(e, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
		if (e->target->has_exchange) {
			put(e, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1);
			put(e, BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_XCHG);
		} else { /* before 5.12: who comes between the two is lost sight of */
			put(e, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_0, 0, 0);
			put(e, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_0, 0, 0, 1);
		}
		to_have[i] = e->count;
		put(e, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
		if (!e->is_failed)
			e->insns[skip].off = (int16_t)(e->count - skip - 1);
	}
	put_lost(e);
	have = e->count;
	for (int i = 0; i < FRAME_SLOTS && !e->is_failed; i++)
		e->insns[to_have[i]].off = (int16_t)(have - to_have[i] - 1);
	put(e, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, (int16_t)e->frame_reg_offset, 0);
}

static bool has_target(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_CALL &&
	       BPF_OP(insn->code) != BPF_EXIT;
}

static int resolve(struct emitter *e, const uint32_t *starts)
{
	for (uint32_t i = 0; i < e->ir->count; i++) {
		const struct ir_insn *insn = &e->ir->insns[i];
		int64_t distance;

		if (insn->op != IR_JUMP && insn->op != IR_BRANCH && insn->op != IR_MAY_GOTO)
			continue;
		for (uint32_t at = starts[i]; at < starts[i + 1]; at++) {
			if (!has_target(&e->insns[at]))
				continue;
			distance = (int64_t)e->label_at[insn->label] - at - 1;
			if (distance != (int16_t)distance)
				return -E2BIG;
			e->insns[at].off = (int16_t)distance;
		}
	}
	return 0;
}

/* (map, key, value, context of the caller: the program's context and the frame) */
static void put_callback_start(struct emitter *e)
{
	put(e, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_4, 0, 0);
	put(e, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_4, 8, 0);
	put(e, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, (int16_t)e->frame_reg_offset, 0);
	put(e, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_2,
	    (int16_t)(e->frame_reg_offset - 8), 0);
	put(e, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_3,
	    (int16_t)(e->frame_reg_offset - 16), 0);
}

static void place_fixed(struct emitter *e)
{
	const struct ir *ir = e->ir;

	e->stack = 0;
	e->frame_reg_offset = 0;
	for (uint32_t i = ir->shared_slots; i < ir->slot_count; i++)
		if (!ir->slots[i].is_in_frame && (uint32_t)-ir->slots[i].offset > e->stack)
			e->stack = (uint32_t)-ir->slots[i].offset;
	if (ir->frame_size || ir->is_callback) {
		e->stack = (e->stack + 7) / 8 * 8 + 8;
		e->frame_reg_offset = -(int)e->stack;
		e->stack += ir->is_callback ? 16 : 0; /* its key and value */
	}
	e->stack = e->stack < 8 ? 8 : (e->stack + 7) / 8 * 8;
}

static int emit_function(struct emitter *e, uint32_t *starts)
{
	const struct ir *ir = e->ir;

	place_fixed(e);
	find_reached(e);
	find_ranges(e);
	stretch_over_loops(e);
	give_registers(e);
	place_spills(e);
	if (e->is_failed)
		return -E2BIG;
	if (ir->is_callback) {
		put_callback_start(e);
	} else {
		put_move(e, BPF_REG_6, BPF_REG_1);
		if (ir->frame_size)
			put_frame(e);
	}
	for (uint32_t i = 0; i < ir->count; i++) {
		starts[i] = e->count;
		if (e->reached[i])
			emit_insn(e, &ir->insns[i]);
	}
	starts[ir->count] = e->count;
	return e->is_failed ? -E2BIG : resolve(e, starts);
}

/* One function, with tables of its own; the instructions go behind what is there. */
static int emit_one(struct emitter *e, const struct ir *ir)
{
	uint32_t *starts = calloc((size_t)ir->count + 2, sizeof(*starts));
	int code = -ENOMEM;

	if (ir->is_full) {
		free(starts);
		return -E2BIG;
	}
	e->ir = ir;
	e->ranges = calloc((size_t)ir->reg_count + 1, sizeof(*e->ranges));
	e->label_at = calloc((size_t)ir->label_count + 1, sizeof(*e->label_at));
	e->reached = calloc((size_t)ir->count + 1, 1);
	if (e->ranges && e->label_at && starts && e->reached)
		code = emit_function(e, starts);
	free(e->ranges);
	free(e->label_at);
	free(e->reached);
	free(starts);
	return code;
}

/* The address of a function is its distance from the instruction that takes it. */
static void link_callbacks(struct emitter *e)
{
	for (uint32_t i = 0; i + 1 < e->count; i++) {
		struct bpf_insn *insn = &e->insns[i];

		if (insn->code != (BPF_LD | BPF_DW | BPF_IMM))
			continue;
		if (insn->src_reg == BPF_PSEUDO_FUNC)
			insn->imm = (int32_t)e->callbacks[insn->imm] - (int32_t)i - 1;
		i++;
	}
}

static int emit_all(struct emitter *e, const struct ir *main)
{
	const struct ir *order[CALLBACKS_MAX];
	int code = emit_one(e, main);
	int n = main->callback_count;

	if (code || n > CALLBACKS_MAX)
		return code ? code : -E2BIG;
	for (const struct ir *ir = main->callbacks; ir; ir = ir->next_callback)
		order[--n] = ir;
	for (int i = 0; i < main->callback_count && !code; i++) {
		e->callbacks[e->callback_count++] = e->count;
		code = emit_one(e, order[i]);
	}
	if (!code)
		link_callbacks(e);
	return code;
}

static int hand_over(const struct emitter *e, struct arena *arena, struct code *ret_code)
{
	struct code code = {.count = e->count,
			    .map_ref_count = e->map_ref_count,
			    .callback_count = e->callback_count};

	code.insns = arena_new(arena, (e->count + 1) * sizeof(*code.insns));
	code.places = arena_new(arena, (e->count + 1) * sizeof(*code.places));
	code.map_refs = arena_new(arena, (e->map_ref_count + 1) * sizeof(*code.map_refs));
	code.callbacks = arena_new(arena, (e->callback_count + 1) * sizeof(*code.callbacks));
	if (!code.insns || !code.places || !code.map_refs || !code.callbacks)
		return -ENOMEM;
	memcpy(code.callbacks, e->callbacks, e->callback_count * sizeof(*code.callbacks));
	memcpy(code.insns, e->insns, e->count * sizeof(*code.insns));
	memcpy(code.places, e->places, e->count * sizeof(*code.places));
	if (e->map_ref_count)
		memcpy(code.map_refs, e->map_refs, e->map_ref_count * sizeof(*code.map_refs));
	*ret_code = code;
	return 0;
}

int emit(const struct ir *ir, const struct target *target, int frame_map, int lost_map,
	 struct code *ret_code, struct err *why)
{
	struct emitter e = {.target = target, .frame_map = frame_map, .lost_map = lost_map};
	int code = emit_all(&e, ir);

	if (!code)
		code = hand_over(&e, ir->arena, ret_code);
	if (code == -E2BIG)
		err_set(why, code,
			"the program is too large: its values need more memory than a BPF program "
			"has, "
			"or it jumps further than 32767 instructions; split the action");
	else if (code)
		err_set(why, code, "out of memory");
	free(e.insns);
	free(e.places);
	free(e.map_refs);
	return code;
}
