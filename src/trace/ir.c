// SPDX-License-Identifier: GPL-2.0-only
/* ir - the simple form between the typed tree and BPF instructions: how it is built and shown. */
#include "trace/ir.h"

#include <string.h>

enum {
	INSNS_MAX = 400000, /* the kernel takes a million BPF instructions: each of ours is 1..8 */
	SMALL_SLOT = 64, /* bytes: above that, the frame */
	STACK_FOR_SLOTS = 256, /* of the 512: the rest is for registers that found no room */
	FRAME_MAX = 30000, /* offsets of loads are 16 bits */
	FRAME_HEAD = 8, /* the mark that somebody uses it */
};

void ir_init(struct ir *ir, struct arena *arena)
{
	*ir = (struct ir){.arena = arena, .frame_used = FRAME_HEAD};
}

int ir_start_callback(struct ir *main, const struct ir *outer, struct ir **ret_callback)
{
	struct ir *callback = arena_new(main->arena, sizeof(*callback));

	if (!callback) {
		main->is_full = true;
		return -1;
	}
	ir_init(callback, main->arena);
	callback->is_callback = true;
	callback->frame_used = callback->frame_size = outer->frame_used;
	/* variables keep their slots; a copy, because both go on making their own */
	callback->slots = arena_new(main->arena, (outer->slot_count + 64) * sizeof(*outer->slots));
	if (!callback->slots) {
		main->is_full = true;
		return -1;
	}
	if (outer->slot_count)
		memcpy(callback->slots, outer->slots, outer->slot_count * sizeof(*outer->slots));
	callback->slot_count = outer->slot_count;
	callback->slot_room = outer->slot_count + 64;
	callback->shared_slots = outer->slot_count;
	callback->next_callback = main->callbacks;
	main->callbacks = callback;
	*ret_callback = callback;
	return main->callback_count++;
}

void ir_end_callback(struct ir *main, struct ir *outer, const struct ir *callback)
{
	uint32_t size = callback->frame_size;

	outer->frame_size = size > outer->frame_size ? size : outer->frame_size;
	main->frame_size = size > main->frame_size ? size : main->frame_size;
	main->is_full |= callback->is_full;
}

int ir_reg(struct ir *ir)
{
	return ir->reg_count++;
}

int ir_label(struct ir *ir)
{
	return ir->label_count++;
}

static void *grow(struct ir *ir, void *old, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t more = *room ? *room * 2 : 64;
	void *new = arena_new(ir->arena, more * size);

	if (!new)
		return NULL;
	if (count)
		memcpy(new, old, count * size);
	*room = more;
	return new;
}

int ir_slot(struct ir *ir, uint32_t size, uint32_t align, bool wants_frame)
{
	struct ir_slot *slot;

	size = size ? (size + 7) / 8 * 8 : 8;
	if (ir->slot_count == ir->slot_room) {
		struct ir_slot *grown =
			grow(ir, ir->slots, ir->slot_count, &ir->slot_room, sizeof(*grown));

		if (!grown) {
			ir->is_full = true;
			return 0;
		}
		ir->slots = grown;
	}
	slot = &ir->slots[ir->slot_count];
	*slot = (struct ir_slot){.size = size, .align = align};
	if (!wants_frame && size <= SMALL_SLOT && ir->stack_used + size <= STACK_FOR_SLOTS) {
		ir->stack_used += size;
		slot->offset = -(int32_t)ir->stack_used;
	} else {
		slot->is_in_frame = true;
		slot->offset = (int32_t)ir->frame_used;
		ir->frame_used += size;
		if (ir->frame_used > ir->frame_size)
			ir->frame_size = ir->frame_used;
		if (ir->frame_size > FRAME_MAX)
			ir->is_full = true;
	}
	return (int)ir->slot_count++;
}

struct ir_mark ir_mark(const struct ir *ir)
{
	return (struct ir_mark){ir->stack_used, ir->frame_used};
}

void ir_release(struct ir *ir, struct ir_mark mark)
{
	ir->stack_used = mark.stack_used;
	ir->frame_used = mark.frame_used;
}

struct ir_insn *ir_add(struct ir *ir, enum ir_op op)
{
	static _Thread_local struct ir_insn spare;
	struct ir_insn *insn;

	if (ir->count >= INSNS_MAX)
		ir->is_full = true;
	if (!ir->is_full && ir->count == ir->room) {
		struct ir_insn *grown = grow(ir, ir->insns, ir->count, &ir->room, sizeof(*grown));

		if (grown)
			ir->insns = grown;
		else
			ir->is_full = true;
	}
	insn = ir->is_full ? &spare : &ir->insns[ir->count++];
	*insn = (struct ir_insn){.op = op, .dst = -1, .label = -1, .size = 8, .place = ir->place};
	return insn;
}

int ir_const(struct ir *ir, int64_t value)
{
	struct ir_insn *insn = ir_add(ir, IR_CONST);

	insn->a = op_imm(value);
	return insn->dst = ir_reg(ir);
}

int ir_move(struct ir *ir, struct operand from)
{
	struct ir_insn *insn = ir_add(ir, IR_MOVE);

	insn->a = from;
	return insn->dst = ir_reg(ir);
}

void ir_set(struct ir *ir, int reg, struct operand from)
{
	struct ir_insn *insn = ir_add(ir, IR_MOVE);

	insn->a = from;
	insn->dst = reg;
}

int ir_alu(struct ir *ir, enum ir_alu alu, struct operand a, struct operand b)
{
	struct ir_insn *insn = ir_add(ir, IR_ALU);

	insn->how = alu;
	insn->a = a;
	insn->b = b;
	return insn->dst = ir_reg(ir);
}

int ir_extend(struct ir *ir, struct operand from, uint32_t size, bool is_signed)
{
	struct ir_insn *insn = ir_add(ir, IR_EXTEND);

	insn->a = from;
	insn->size = (uint8_t)size;
	insn->is_signed = is_signed;
	return insn->dst = ir_reg(ir);
}

int ir_load(struct ir *ir, struct operand base, int32_t offset, uint32_t size, bool is_signed)
{
	struct ir_insn *insn = ir_add(ir, IR_LOAD);

	insn->a = base;
	insn->offset = offset;
	insn->size = (uint8_t)size;
	insn->is_signed = is_signed;
	return insn->dst = ir_reg(ir);
}

void ir_store(struct ir *ir, struct operand base, int32_t offset, uint32_t size, struct operand b)
{
	struct ir_insn *insn = ir_add(ir, IR_STORE);

	insn->a = base;
	insn->offset = offset;
	insn->size = (uint8_t)size;
	insn->b = b;
}

void ir_atomic_add(struct ir *ir, struct operand base, int32_t offset, struct operand b)
{
	struct ir_insn *insn = ir_add(ir, IR_ATOMIC_ADD);

	insn->a = base;
	insn->offset = offset;
	insn->b = b;
}

void ir_put_label(struct ir *ir, int label)
{
	ir_add(ir, IR_LABEL)->label = label;
}

void ir_jump(struct ir *ir, int label)
{
	ir_add(ir, IR_JUMP)->label = label;
}

void ir_branch(struct ir *ir, enum ir_cond cond, struct operand a, struct operand b, int label)
{
	struct ir_insn *insn = ir_add(ir, IR_BRANCH);

	insn->how = cond;
	insn->a = a;
	insn->b = b;
	insn->label = label;
}

void ir_return(struct ir *ir, struct operand value)
{
	ir_add(ir, IR_RETURN)->a = value;
}

int ir_call(struct ir *ir, int32_t helper, struct operand a, struct operand b, struct operand c,
	    struct operand d, struct operand e)
{
	struct ir_insn *insn = ir_add(ir, IR_CALL);
	struct operand args[5] = {a, b, c, d, e};

	insn->helper = helper;
	memcpy(insn->args, args, sizeof(args));
	while (insn->arg_count < 5 && args[insn->arg_count].kind != OPERAND_NONE)
		insn->arg_count++;
	return insn->dst = ir_reg(ir);
}

static void dump_operand(struct operand operand, struct buf *out)
{
	switch (operand.kind) {
	case OPERAND_NONE: break;
	case OPERAND_REG: buf_f(out, "v%d", operand.index); break;
	case OPERAND_IMM: buf_f(out, "%lld", (long long)operand.imm); break;
	case OPERAND_SLOT: buf_f(out, "slot%d+%lld", operand.index, (long long)operand.imm); break;
	case OPERAND_CONTEXT: buf_f(out, "context+%lld", (long long)operand.imm); break;
	case OPERAND_MAP: buf_f(out, "map%d", operand.index); break;
	case OPERAND_FRAME: buf_f(out, "frame+%lld", (long long)operand.imm); break;
	case OPERAND_CALLBACK: buf_f(out, "callback%d", operand.index); break;
	case OPERAND_ARGUMENT: buf_f(out, "argument%d", operand.index); break;
	case OPERAND_KERNEL_VARIABLE: buf_f(out, "kernel#%lld", (long long)operand.imm); break;
	}
}

static void dump_insn(const struct ir_insn *insn, struct buf *out)
{
	static const char *const alus[] = {"+", "-",  "*",  "/",   "%",   "&",    "|",
					   "^", "<<", ">>", "s>>", "neg", "bswap"};
	static const char *const conds[] = {
		"==", "!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=", "&"};
	static const char *const names[] = {
		[IR_CONST] = "",
		[IR_MOVE] = "",
		[IR_ALU] = "",
		[IR_EXTEND] = "extend",
		[IR_LOAD] = "load",
		[IR_STORE] = "store",
		[IR_ATOMIC_ADD] = "atomic_add",
		[IR_EXCHANGE] = "exchange",
		[IR_CALL] = "call",
		[IR_LABEL] = "",
		[IR_JUMP] = "goto",
		[IR_BRANCH] = "if",
		[IR_MAY_GOTO] = "may_goto",
		[IR_RETURN] = "return",
		[IR_EXIT] = "exit",
	};

	if (insn->op == IR_LABEL) {
		buf_f(out, "L%d:\n", insn->label);
		return;
	}
	buf_char(out, '\t');
	if (insn->dst >= 0)
		buf_f(out, "v%d = ", insn->dst);
	if (*names[insn->op])
		buf_f(out, "%s%.0u ", names[insn->op], insn->helper);
	if (insn->op == IR_LOAD || insn->op == IR_STORE || insn->op == IR_EXTEND ||
	    insn->op == IR_ATOMIC_ADD)
		buf_f(out, "%c%u ", insn->is_signed ? 's' : 'u', insn->size * 8);
	dump_operand(insn->a, out);
	if (insn->op == IR_LOAD || insn->op == IR_STORE || insn->op == IR_ATOMIC_ADD)
		buf_f(out, "[%d] ", insn->offset);
	if (insn->op == IR_ALU)
		buf_f(out, " %s ", alus[insn->how]);
	if (insn->op == IR_BRANCH)
		buf_f(out, " %s ", conds[insn->how]);
	dump_operand(insn->b, out);
	for (uint8_t i = 0; i < insn->arg_count; i++) {
		buf_str(out, i ? ", " : "");
		dump_operand(insn->args[i], out);
	}
	if (insn->label >= 0)
		buf_f(out, " L%d", insn->label);
	buf_char(out, '\n');
}

void ir_dump(const struct ir *ir, struct buf *out)
{
	for (uint32_t i = 0; i < ir->count; i++)
		dump_insn(&ir->insns[i], out);
}
