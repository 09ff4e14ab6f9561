/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * call - where in the caller's memory the bytes are that a system call has just moved.
 *
 * The tracepoints say how many bytes moved, not where they lie. But they fire inside the system call, and the
 * registers with which the task entered the kernel are still there: the number of the call and its arguments.
 * The bytes are read after they moved: before, a page that was never touched would read as zeros.
 *
 * Not to be had this way: what sendfile and splice move (it was never in the caller's memory), io_uring
 * (the registers are of io_uring_enter), programs of 32 bits (other numbers). Such bytes are counted and cut.
 */
#pragma once

#include "kernel/compat.bpf.h"
#include "kernel/read.bpf.h"

enum { CALL_PIECES = 16 }; /* of an I/O vector; what lies behind them is cut */

struct call_piece { /* struct iovec */
	__u64 at, len;
};

struct call_message { /* struct user_msghdr; struct mmsghdr has its own length behind it */
	__u64 name;
	__u32 name_len, pad;
	__u64 pieces, piece_count;
	__u64 control, control_len;
	__u32 flags, pad2;
	__u32 len, pad3; /* of struct mmsghdr */
};

enum { CALL_MESSAGE_BYTES = 56 };

struct call {
	__u64 at; /* one buffer; 0: pieces, or nothing */
	__u64 pieces; /* address of the vector */
	__u32 piece_count;
	__u64 name; /* address of the peer's address; 0 = none was given */
	__u64 many; /* sendmmsg, recvmmsg: the first of the messages */
	__u32 many_count;
};

/* Registers of the call, whatever the kernel. */
struct call_registers {
	__u64 nr, arg[6];
};

static __always_inline void read_registers(struct call_registers *ret)
{
	struct pt_regs *regs = current_regs();

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		ret->nr = ARCH_SYSCALL_NR(regs);
		ret->arg[1] = ARCH_SYSCALL_ARG2(regs);
		ret->arg[2] = ARCH_SYSCALL_ARG3(regs);
		ret->arg[4] = ARCH_SYSCALL_ARG5(regs);
		return;
	}
	ret->nr = BPF_CORE_READ(regs, ARCH_NR_FIELD);
	ret->arg[1] = BPF_CORE_READ(regs, ARCH_ARG2_FIELD);
	ret->arg[2] = BPF_CORE_READ(regs, ARCH_ARG3_FIELD);
	ret->arg[4] = BPF_CORE_READ(regs, ARCH_ARG5_FIELD);
}

static __always_inline void take_message(__u64 at, struct call *ret)
{
	struct call_message message = {};

	if (bpf_probe_read_user(&message, CALL_MESSAGE_BYTES, (void *)at))
		return;
	ret->pieces = message.pieces;
	ret->piece_count = message.piece_count;
	ret->name = message.name;
}

static __always_inline void read_call(struct call *ret)
{
	struct call_registers registers = {};

	*ret = (struct call){};
	if (read_current_is_32bit())
		return;
	read_registers(&registers);
	switch (registers.nr) {
	case ARCH_NR_sendto:
	case ARCH_NR_recvfrom: ret->name = registers.arg[4]; /* fall through */
	case ARCH_NR_read:
	case ARCH_NR_write: ret->at = registers.arg[1]; break;
	case ARCH_NR_readv:
	case ARCH_NR_writev:
	case ARCH_NR_preadv2:
	case ARCH_NR_pwritev2:
		ret->pieces = registers.arg[1];
		ret->piece_count = registers.arg[2];
		break;
	case ARCH_NR_sendmsg:
	case ARCH_NR_recvmsg: take_message(registers.arg[1], ret); break;
	case ARCH_NR_sendmmsg:
	case ARCH_NR_recvmmsg:
		ret->many = registers.arg[1];
		ret->many_count = registers.arg[2];
		break;
	}
}

/*
 * Copies the first `want` bytes of the `moved` ones to `out`, and the last `tail` of them behind. Returns how many of
 * the beginning were copied; *ret_tail how many of the end. `out` has room for twice REQUESTS_HEAD_MAX / 2.
 */
struct copy {
	__u32 head, tail;
};

/* (two branches, not one with a minimum: a verifier that takes the impossible one knows nothing of its pointers) */
static __always_inline void copy_buffer(__u8 *out, __u64 from, __u64 moved, __u64 want,
					struct copy *ret)
{
	if (want > REQUESTS_HEAD_MAX)
		want = REQUESTS_HEAD_MAX;
	if (moved <= want) {
		/* said once more, and so that the compiler does not take it away: old verifiers compare with
		 * constants only */
		asm volatile("" : "+r"(moved));
		if (moved > REQUESTS_HEAD_MAX || bpf_probe_read_user(out, moved, (void *)from))
			count_add(COUNT_LOST_READ);
		else
			ret->head = moved;
		return;
	}
	if (bpf_probe_read_user(out, want, (void *)from)) {
		count_add(COUNT_LOST_READ);
		return;
	}
	ret->head = want;
}

static __always_inline void copy_tail_of_buffer(__u8 *out, __u64 from, __u64 moved,
						struct copy *ret)
{
	__u64 offset = ret->head;

	if (offset > REQUESTS_HEAD_MAX || moved < offset + REQUESTS_TAIL)
		return;
	if (!bpf_probe_read_user(out + offset, REQUESTS_TAIL,
				 (void *)(from + moved - REQUESTS_TAIL)))
		ret->tail = REQUESTS_TAIL;
}

/* The last bytes, when they lie in one piece. */
static __always_inline void copy_tail(__u8 *out, const struct call *call, __u32 moved,
				      struct copy *ret)
{
	struct call_piece piece;
	__u64 at = 0, offset = ret->head;

	if (moved - ret->head < REQUESTS_TAIL || offset > REQUESTS_HEAD_MAX)
		return;
	for (__u32 i = 0; i < CALL_PIECES && i < call->piece_count; i++) {
		if (bpf_probe_read_user(&piece, sizeof(piece),
					(void *)(call->pieces + i * sizeof(piece))))
			return;
		if (piece.len < moved - at) {
			at += piece.len;
			continue;
		}
		if (moved - at >= REQUESTS_TAIL &&
		    !bpf_probe_read_user(out + offset, REQUESTS_TAIL,
					 (void *)(piece.at + (moved - at) - REQUESTS_TAIL)))
			ret->tail = REQUESTS_TAIL;
		return;
	}
}

/* (64 bits throughout: the verifier loses the bounds of what is cut to 32) */
static __always_inline void copy_pieces(__u8 *out, const struct call *call, __u32 moved, __u64 want,
					struct copy *ret)
{
	struct call_piece piece;
	__u64 at = 0, len;

	if (want > moved)
		want = moved;
	if (want > REQUESTS_HEAD_MAX)
		want = REQUESTS_HEAD_MAX;
	for (__u32 i = 0; i < CALL_PIECES && i < call->piece_count; i++) {
		if (at >= want || at > REQUESTS_HEAD_MAX / 2)
			break;
		if (bpf_probe_read_user(&piece, sizeof(piece),
					(void *)(call->pieces + i * sizeof(piece))))
			break;
		len = piece.len < want - at ? piece.len : want - at;
		if (len > REQUESTS_HEAD_MAX / 2)
			len = REQUESTS_HEAD_MAX / 2;
		asm volatile("" : "+r"(len)); /* as above: not to be taken away */
		len &= REQUESTS_HEAD_MAX - 1;
		if (bpf_probe_read_user(out + at, len, (void *)piece.at)) {
			count_add(COUNT_LOST_READ);
			break;
		}
		at += len;
		if (len < piece.len)
			break;
	}
	ret->head = at;
}

/* `with_tail`, a constant: the end too, when it was not copied. */
static __always_inline struct copy copy_bytes(__u8 *out, const struct call *call, __u32 moved,
					      __u32 want, bool with_tail)
{
	struct copy copy = {};

	if (call->at)
		copy_buffer(out, call->at, moved, want, &copy);
	else if (call->pieces)
		copy_pieces(out, call, moved, want, &copy);
	if (!with_tail || copy.head >= moved)
		return copy;
	if (call->at)
		copy_tail_of_buffer(out, call->at, moved, &copy);
	else if (call->pieces)
		copy_tail(out, call, moved, &copy);
	return copy;
}
