/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * call - where in the caller's memory the bytes are that a system call has just moved.
 *
 * The tracepoints say how many bytes moved, not where they lie. But they fire inside the system call, and the
 * registers with which the task entered the kernel are still there: the number of the call and its arguments.
 * The bytes are read after they moved: before, a page that was never touched would read as zeros.
 *
 * An operation of io_uring runs in whatever call the task happens to be: of a task that uses io_uring the registers
 * count only when they name this very socket. Its bytes are read when it is complete (uring.bpf.h).
 *
 * Not to be had: what sendfile and splice move and TCP_ZEROCOPY_RECEIVE maps (it was never in the caller's memory, or is
 * not yet), what MSG_TRUNC throws away, programs of 32 bits (other numbers). Such bytes are counted and cut.
 */
#pragma once

#include "kernel/compat.bpf.h"
#include "kernel/read.bpf.h"

#include "items/app/requests/room.bpf.h"

enum {
	CALL_PIECES =
		256, /* of an I/O vector; what lies behind them is cut. gRPC's C core writes up to 260 */
	CALL_MESSAGES = 16, /* of sendmmsg and recvmmsg */
	MSG_OOB = 1,
	MSG_PEEK = 2,
	MSG_TRUNC = 0x20,
	MSG_ERRQUEUE = 0x2000,
};

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
	__u64 len; /* of the buffer */
	__u64 pieces; /* address of the vector */
	__u32 piece_count;
	__u32 flags; /* of a call that receives: MSG_PEEK ... as far as the caller said them */
	__u64 name; /* address of the peer's address; 0 = none was given */
	__u64 many; /* sendmmsg, recvmmsg: the first of the messages */
	__u32 many_count;
	bool is_uring; /* the bytes are to be had later */
};

/* Registers of the call, whatever the kernel. */
struct call_registers {
	__u64 nr, arg[6];
};

static __always_inline void read_registers_at(struct pt_regs *regs, struct call_registers *ret)
{
	ret->nr = BPF_CORE_READ(regs, ARCH_NR_FIELD);
	ret->arg[0] = BPF_CORE_READ(regs, ARCH_ARG1_FIELD);
	ret->arg[1] = BPF_CORE_READ(regs, ARCH_ARG2_FIELD);
	ret->arg[2] = BPF_CORE_READ(regs, ARCH_ARG3_FIELD);
	ret->arg[3] = BPF_CORE_READ(regs, ARCH_ARG4_FIELD);
	ret->arg[4] = BPF_CORE_READ(regs, ARCH_ARG5_FIELD);
}

static __always_inline bool has_task_registers(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs);
}

/* Where has_task_registers(): of the running task. */
static __always_inline void read_task_registers(struct task_struct *task,
						struct call_registers *ret)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	ret->nr = ARCH_SYSCALL_NR(regs);
	ret->arg[0] = ARCH_SYSCALL_ARG1(regs);
	ret->arg[1] = ARCH_SYSCALL_ARG2(regs);
	ret->arg[2] = ARCH_SYSCALL_ARG3(regs);
	ret->arg[4] = ARCH_SYSCALL_ARG5(regs);
}

/* The socket of a descriptor of the running task; 0 = there is none. */
static __always_inline struct sock *sock_of_descriptor(__u32 fd)
{
	enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file **files = BPF_CORE_READ(task, files, fdt, fd), *file;
	struct socket *socket;

	if (fd >= BPF_CORE_READ(task, files, fdt, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* A task that uses io_uring may do its operations on the way out of any call. */
static __always_inline bool is_by_uring(struct task_struct *task, struct sock *sk,
					const struct call_registers *registers)
{
	if (!bpf_core_field_exists(task->io_uring))
		return false;
	if (task->flags & PF_IO_WORKER)
		return true;
	if (!task->io_uring)
		return false;
	return registers->nr == ARCH_NR_io_uring_enter ||
	       sock_of_descriptor((__u32)registers->arg[0]) != sk;
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

static __always_inline void take_call(const struct call_registers *registers, struct call *ret)
{
	switch (registers->nr) {
	case ARCH_NR_sendto:
	case ARCH_NR_recvfrom: ret->name = registers->arg[4]; /* fall through */
	case ARCH_NR_read:
	case ARCH_NR_write:
		ret->at = registers->arg[1];
		ret->len = registers->arg[2];
		break;
	case ARCH_NR_readv:
	case ARCH_NR_writev:
	case ARCH_NR_preadv2:
	case ARCH_NR_pwritev2:
		ret->pieces = registers->arg[1];
		ret->piece_count = registers->arg[2];
		break;
	case ARCH_NR_sendmsg:
	case ARCH_NR_recvmsg: take_message(registers->arg[1], ret); break;
	case ARCH_NR_sendmmsg:
	case ARCH_NR_recvmmsg:
		ret->many = registers->arg[1];
		ret->many_count = registers->arg[2];
		break;
	}
}

/* sendmmsg and recvmmsg: the first message whose length the kernel has not written yet is the one that moved. */
static __always_inline void choose_message(struct call *call)
{
	struct call_message message = {};
	__u64 at = call->many;

	for (__u32 i = 0; i < CALL_MESSAGES && i < call->many_count; i++, at += sizeof(message)) {
		if (bpf_probe_read_user(&message, sizeof(message), (void *)at))
			return;
		if (message.len)
			continue;
		call->pieces = message.pieces;
		call->piece_count = message.piece_count;
		call->name = message.name;
		return;
	}
}

/* False: it is none whose numbers are known. */
static __always_inline bool read_running_call(struct sock *sk, struct call_registers *ret_registers,
					      bool *ret_is_uring)
{
	struct task_struct *task;

	if (!has_typed_current() || !has_task_registers()) {
		if (read_current_is_32bit())
			return false;
		read_registers_at(current_regs(), ret_registers);
		/* (what it completes can't be told there: uring.bpf.h) */
		*ret_is_uring = ret_registers->nr == ARCH_NR_io_uring_enter;
		return true;
	}
	task = bpf_get_current_task_btf(); /* (each call of a helper costs more than all that is read here) */
	if (ARCH_IS_32BIT(&task->thread_info))
		return false;
	read_task_registers(task, ret_registers);
	*ret_is_uring = is_by_uring(task, sk, ret_registers);
	return true;
}

static __always_inline void read_call(struct sock *sk, struct call *ret)
{
	struct call_registers registers = {};

	*ret = (struct call){};
	if (!read_running_call(sk, &registers, &ret->is_uring) || ret->is_uring)
		return;
	take_call(&registers, ret);
	if (ret->many)
		choose_message(ret);
}

/*
 * The next piece of a vector: as much of its bytes as is still wanted goes into room `number`, behind those that are there; and
 * of the piece in which the `moved` bytes end the last ones, when they were not wanted. The room knows how far it is.
 * Returns 1 when there is no more to do. (Not inlined, and with numbers for arguments, so that verifiers look at it once.)
 */
__attribute__((noinline)) int copy_piece(__u64 from, __u64 len, __u32 moved, __u32 want,
					 __u32 number)
{
	struct room *room = bpf_map_lookup_elem(&rooms, &number);
	__u64 at, part;

	if (!room || room->seen >= moved)
		return 1;
	if (len > moved - room->seen)
		len = moved - room->seen;
	at = room->head;
	if (at < want && at == room->seen) {
		part = len < want - at ? len : want - at;
		asm volatile("" : "+r"(part), "+r"(at)); /* as in copy_buffer */
		if (part > REQUESTS_HEAD_MAX / 2)
			part = REQUESTS_HEAD_MAX / 2;
		if (at > REQUESTS_HEAD_MAX)
			return 1;
		if (bpf_probe_read_user(room->bytes + at, part, (void *)from)) {
			count_add(COUNT_LOST_READ);
			return 1;
		}
		room->head += part;
	}
	room->seen += len;
	at = room->head;
	asm volatile("" : "+r"(at));
	if (at <= REQUESTS_HEAD_MAX && room->seen == moved && moved >= at + REQUESTS_TAIL &&
	    len >= REQUESTS_TAIL &&
	    !bpf_probe_read_user(room->bytes + at, REQUESTS_TAIL,
				 (void *)(from + len - REQUESTS_TAIL)))
		room->tail = REQUESTS_TAIL;
	return 0;
}

/* A vector, piece by piece. */
__attribute__((noinline)) int copy_pieces(__u64 pieces, __u32 count, __u32 moved, __u32 want,
					  __u32 number)
{
	struct call_piece piece;

	for (__u32 i = 0; i < CALL_PIECES && i < count; i++, pieces += sizeof(piece))
		if (bpf_probe_read_user(&piece, sizeof(piece), (void *)pieces) ||
		    copy_piece(piece.at, piece.len, moved, want, number))
			break;
	return 0;
}

static __always_inline void copy_tail_of_buffer(struct room *room, const struct call *call,
						__u32 moved)
{
	__u64 offset = room->head;

	if (offset > REQUESTS_HEAD_MAX || moved < offset + REQUESTS_TAIL)
		return;
	if (!bpf_probe_read_user(room->bytes + offset, REQUESTS_TAIL,
				 (void *)(call->at + moved - REQUESTS_TAIL)))
		room->tail = REQUESTS_TAIL;
}

static __always_inline void copy_buffer(struct room *room, const struct call *call, __u32 moved,
					__u32 want)
{
	__u64 len = want < moved ? want : moved;

	if (len > call->len) /* of MSG_TRUNC */
		len = call->len;
	asm volatile(
		""
		: "+r"(len)); /* said once more, and so that the compiler does not take it away: old
				       * verifiers compare with constants only */
	if (len > REQUESTS_HEAD_MAX)
		len = REQUESTS_HEAD_MAX;
	if (bpf_probe_read_user(room->bytes, len, (void *)call->at)) {
		count_add(COUNT_LOST_READ);
		return;
	}
	room->head = len;
	if (len < moved && moved <= call->len)
		copy_tail_of_buffer(room, call, moved);
}

/* The beginning, and the end when not all was copied. */
static __always_inline void copy_bytes(struct room *room, const struct call *call, __u32 moved,
				       __u32 want)
{
	room->head = room->tail = room->seen = 0;
	if (!want)
		return;
	if (call->at)
		copy_buffer(room, call, moved, want);
	else if (call->pieces)
		copy_pieces(call->pieces, call->piece_count, moved,
			    want < REQUESTS_HEAD_MAX ? want : REQUESTS_HEAD_MAX, room->number);
}
