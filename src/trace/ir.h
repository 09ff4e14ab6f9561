/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ir - the simple form between the typed tree and BPF instructions.
 *
 * A program is one list of instructions over virtual registers (as many as wanted, 64 bits each,
 * written more than once if need be) and slots (pieces of memory of a known size). There are no
 * basic blocks and there is no optimiser: almost every value of a tracing program crosses a helper
 * call, and measured against LLVM's code for the same script a straightforward translation loses
 * nothing.
 *
 *	small slots (up to 64 bytes) lie on the BPF stack while there is room, bigger ones in the
 *	frame: a piece of map memory that the program takes at its start and gives back at its end
 *	(see emit.c). Frame memory is unknown to the verifier, which lets loops end quickly.
 */
#pragma once

#include "base/arena.h"
#include "trace/diag.h"

enum ir_op {
	IR_CONST, /* dst = imm */
	IR_MOVE, /* dst = a */
	IR_ALU, /* dst = a alu b */
	IR_EXTEND, /* dst = a cut to `size` bytes, sign- or zero-extended */
	IR_LOAD, /* dst = *(size *)(a + offset), zero-extended, or sign-extended */
	IR_STORE, /* *(size *)(a + offset) = b */
	IR_ATOMIC_ADD, /* *(size *)(a + offset) += b */
	IR_EXCHANGE, /* dst = old *(u64 *)(a + offset), which becomes b */
	IR_CALL, /* dst = helper(args...) */
	IR_LABEL,
	IR_JUMP,
	IR_BRANCH, /* if (a cond b) goto label */
	IR_MAY_GOTO, /* bounds a loop: kernel 6.9 */
	IR_RETURN, /* return a; the frame is given back */
	IR_EXIT, /* return a; there is no frame yet, or it is not ours */
};

enum ir_alu {
	ALU_ADD,
	ALU_SUB,
	ALU_MUL,
	ALU_DIV,
	ALU_MOD,
	ALU_AND,
	ALU_OR,
	ALU_XOR,
	ALU_SHL,
	ALU_SHR,
	ALU_SAR,
	ALU_NEG,
	ALU_BSWAP
};

enum ir_cond {
	COND_EQ,
	COND_NE,
	COND_LT,
	COND_LE,
	COND_GT,
	COND_GE,
	COND_SLT,
	COND_SLE,
	COND_SGT,
	COND_SGE,
	COND_SET /* a & b */
};

enum operand_kind {
	OPERAND_NONE,
	OPERAND_REG, /* virtual register */
	OPERAND_IMM,
	OPERAND_SLOT, /* address of slot + imm */
	OPERAND_CONTEXT, /* the program's context + imm */
	OPERAND_MAP, /* the map itself, by number */
	OPERAND_FRAME, /* start of the frame */
	OPERAND_CALLBACK, /* the address of a callback, by number */
	OPERAND_ARGUMENT, /* in a callback: 0 its key, 1 its value */
	OPERAND_KERNEL_VARIABLE, /* of the kernel, one for each CPU: its id in BTF */
};

struct operand {
	enum operand_kind kind;
	int index; /* register, slot, map, label */
	int64_t imm;
};

struct ir_insn {
	enum ir_op op;
	uint8_t how; /* enum ir_alu, enum ir_cond */
	uint8_t size; /* bytes: 1, 2, 4, 8 */
	bool is_signed;
	uint8_t arg_count;
	int dst; /* virtual register, -1 */
	int label;
	int32_t offset;
	int32_t helper;
	struct operand a, b;
	struct operand args[5];
	struct place place; /* of the source, for -v */
};

struct ir_slot {
	uint32_t size, align;
	bool is_in_frame;
	int32_t offset; /* stack: below r10; frame: from its start */
};

struct ir {
	struct arena *arena; /* borrowed */
	struct ir_insn *insns;
	uint32_t count, room;
	struct ir_slot *slots;
	uint32_t slot_count, slot_room;
	int reg_count, label_count;
	uint32_t stack_used, frame_used; /* bytes now; released by ir_release */
	uint32_t frame_size; /* bytes at most */
	bool is_full; /* out of memory, or too large: nothing more is added */
	struct place place; /* for what is added next */
	struct ir *callbacks; /* functions that go with this one, the last made first */
	struct ir *next_callback;
	uint32_t shared_slots; /* callback: slots of its maker, all in the frame */
	int callback_count;
	bool is_callback; /* a function of its own: context and frame are handed in */
};

struct ir_mark {
	uint32_t stack_used, frame_used;
};

void ir_init(struct ir *ir, struct arena *arena);
/*
 * A function that the kernel calls back, behind `main`. It shares the frame with it: its slots are
 * placed behind those of `outer` that are in use. ir_end_callback tells how much it needed.
 * Returns its number, -1: out of memory.
 */
int ir_start_callback(struct ir *main, const struct ir *outer, struct ir **ret_callback);
void ir_end_callback(struct ir *main, struct ir *outer, const struct ir *callback);
int ir_reg(struct ir *ir);
int ir_label(struct ir *ir);
int ir_slot(struct ir *ir, uint32_t size, uint32_t align, bool wants_frame);
/* Slots made after the mark are let go of: their room is used again. */
struct ir_mark ir_mark(const struct ir *ir);
void ir_release(struct ir *ir, struct ir_mark mark);

struct ir_insn *ir_add(struct ir *ir, enum ir_op op);

static inline struct operand op_reg(int reg)
{
	return (struct operand){.kind = OPERAND_REG, .index = reg};
}

static inline struct operand op_imm(int64_t imm)
{
	return (struct operand){.kind = OPERAND_IMM, .imm = imm};
}

static inline struct operand op_slot(int slot, int64_t offset)
{
	return (struct operand){.kind = OPERAND_SLOT, .index = slot, .imm = offset};
}

static inline struct operand op_map(int map)
{
	return (struct operand){.kind = OPERAND_MAP, .index = map};
}

static inline struct operand op_context(int64_t offset)
{
	return (struct operand){.kind = OPERAND_CONTEXT, .imm = offset};
}

int ir_const(struct ir *ir, int64_t value);
int ir_move(struct ir *ir, struct operand from);
void ir_set(struct ir *ir, int reg, struct operand from);
int ir_alu(struct ir *ir, enum ir_alu alu, struct operand a, struct operand b);
int ir_extend(struct ir *ir, struct operand from, uint32_t size, bool is_signed);
int ir_load(struct ir *ir, struct operand base, int32_t offset, uint32_t size, bool is_signed);
void ir_store(struct ir *ir, struct operand base, int32_t offset, uint32_t size, struct operand b);
void ir_atomic_add(struct ir *ir, struct operand base, int32_t offset, struct operand b);
void ir_put_label(struct ir *ir, int label);
void ir_jump(struct ir *ir, int label);
void ir_branch(struct ir *ir, enum ir_cond cond, struct operand a, struct operand b, int label);
void ir_return(struct ir *ir, struct operand value);
/* Up to five arguments; the rest OPERAND_NONE. Returns the register of the result. */
int ir_call(struct ir *ir, int32_t helper, struct operand a, struct operand b, struct operand c,
	    struct operand d, struct operand e);
#define NO_OPERAND ((struct operand){})

/* The list as text, one instruction a line: `-d ir`. */
void ir_dump(const struct ir *ir, struct buf *out);
