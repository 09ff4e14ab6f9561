/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arch - registers, calling conventions and system call numbers, and nowhere else.
 *
 * libbpf's PT_REGS_* macros know the conventions; this header adds what differs beyond them. BPF
 * halves are compiled once per architecture with -D__TARGET_ARCH_x86 or -D__TARGET_ARCH_arm64.
 */
#pragma once

#define __VMLINUX_H__ /* tells libbpf's macros that the registers have the kernel's names */

#if defined(__TARGET_ARCH_x86)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		cs, flags, sp, ss;
} __attribute__((preserve_access_index));

#define ARCH_SYSCALL_NR(regs)   ((regs)->orig_ax)
#define ARCH_SYSCALL_ARG1(regs) ((regs)->di)
#define ARCH_SYSCALL_ARG2(regs) ((regs)->si)
#define ARCH_SYSCALL_ARG3(regs) ((regs)->dx)
#define ARCH_SYSCALL_ARG4(regs) ((regs)->r10)
#define ARCH_SYSCALL_ARG5(regs) ((regs)->r8)

/* The same as names of fields, for BPF_CORE_READ. */
#define ARCH_NR_FIELD   orig_ax
#define ARCH_ARG1_FIELD di
#define ARCH_ARG2_FIELD si
#define ARCH_ARG3_FIELD dx
#define ARCH_ARG4_FIELD r10
#define ARCH_ARG5_FIELD r8

enum { ARCH_THREAD_SIZE = 16384 }; /* of a kernel stack, without KASAN */
/* Go's own calling convention, since 1.17 (src/cmd/compile/abi-internal.md): arguments and results, and the goroutine. */
#define ARCH_GO_ARG1(regs) ((regs)->ax)
#define ARCH_GO_ARG2(regs) ((regs)->bx)
#define ARCH_GO_ARG3(regs) ((regs)->cx)
#define ARCH_GO_G(regs)    ((regs)->r14)
/* At the jump (below or equal) behind the check of a function's stack: is it taken? Carry and zero. */
#define ARCH_GO_STACK_IS_SHORT(regs) ((regs)->flags & 0x41)
/* The first register that a function of user space keeps for its caller, in what a uprobe's program is called with. */
#define ARCH_USER_SAVED(regs) ((regs)->bx)
/* All of them (System V ABI, x86-64, 3.2.1), into an array of six. */
#define ARCH_READ_KEPT(regs, to)                                                                   \
	do {                                                                                       \
		(to)[0] = (regs)->bx;                                                              \
		(to)[1] = (regs)->bp;                                                              \
		(to)[2] = (regs)->r12;                                                             \
		(to)[3] = (regs)->r13;                                                             \
		(to)[4] = (regs)->r14;                                                             \
		(to)[5] = (regs)->r15;                                                             \
	} while (0)

enum {
	ARCH_RETURN_POPS = 8
}; /* bytes by which the stack is shorter when a function has returned than when it was entered */

enum {
	ARCH_NR_read = 0,
	ARCH_NR_getpid = 39,
	ARCH_NR_write = 1,
	ARCH_NR_exit = 60,
	ARCH_NR_exit_group = 231,
	ARCH_NR_rt_sigreturn = 15,
	ARCH_NR_execve = 59,
	ARCH_NR_execveat = 322,
	ARCH_NR_readv = 19,
	ARCH_NR_writev = 20,
	ARCH_NR_sendto = 44,
	ARCH_NR_recvfrom = 45,
	ARCH_NR_sendmsg = 46,
	ARCH_NR_recvmsg = 47,
	ARCH_NR_recvmmsg = 299,
	ARCH_NR_sendmmsg = 307,
	ARCH_NR_preadv2 = 327,
	ARCH_NR_pwritev2 = 328,
	ARCH_NR_io_uring_enter = 426,
};

/* Everything before it is seen by who sees the value: x86 keeps the order of stores. */
static inline __attribute__((always_inline)) void arch_store_release(unsigned long long *to,
								     unsigned long long value)
{
	asm volatile("" ::: "memory");
	*(volatile unsigned long long *)to = value;
}

/* TS_COMPAT of arch/x86/include/asm/thread_info.h: the task is in a 32-bit system call */
#define ARCH_IS_32BIT(thread_info) ((thread_info)->status & 0x0002)

#elif defined(__TARGET_ARCH_arm64)

struct user_pt_regs {
	unsigned long regs[31], sp, pc, pstate;
} __attribute__((preserve_access_index));

struct pt_regs {
	union {
		struct user_pt_regs user_regs;
		struct {
			unsigned long regs[31], sp, pc, pstate;
		};
	};
	unsigned long orig_x0;
	int syscallno;
} __attribute__((preserve_access_index));

#define ARCH_SYSCALL_NR(regs)   ((regs)->syscallno)
#define ARCH_SYSCALL_ARG1(regs) ((regs)->orig_x0)
#define ARCH_SYSCALL_ARG2(regs) ((regs)->regs[1])
#define ARCH_SYSCALL_ARG3(regs) ((regs)->regs[2])
#define ARCH_SYSCALL_ARG4(regs) ((regs)->regs[3])
#define ARCH_SYSCALL_ARG5(regs) ((regs)->regs[4])

#define ARCH_NR_FIELD                   syscallno
#define ARCH_ARG1_FIELD                 orig_x0
#define ARCH_ARG2_FIELD                 regs[1]
#define ARCH_ARG3_FIELD                 regs[2]
#define ARCH_ARG4_FIELD                 regs[3]
#define ARCH_ARG5_FIELD                 regs[4]

enum {
	ARCH_THREAD_SIZE = 16384
}; /* of a kernel stack, with pages of 4 or 16 KiB and without KASAN */
#define ARCH_GO_ARG1(context)           (((struct user_pt_regs *)(context))->regs[0])
#define ARCH_GO_ARG2(context)           (((struct user_pt_regs *)(context))->regs[1])
#define ARCH_GO_ARG3(context)           (((struct user_pt_regs *)(context))->regs[2])
#define ARCH_GO_G(context)              (((struct user_pt_regs *)(context))->regs[28])
#define ARCH_GO_STACK_IS_SHORT(context) 0 /* (probes stand at the entry there) */
/* The first register that a function of user space keeps for its caller, in what a uprobe's program is called with. */
#define ARCH_USER_SAVED(context)        (((struct user_pt_regs *)(context))->regs[19])
#define ARCH_READ_KEPT(context, to)     ((void)(context), (void)(to)) /* (no probe there asks) */

enum { ARCH_RETURN_POPS = 0 }; /* the return address is in a register */

static inline __attribute__((always_inline)) void arch_store_release(unsigned long long *to,
								     unsigned long long value)
{
	__sync_lock_test_and_set(to, value); /* (an exchange is a full barrier) */
}

enum {
	ARCH_NR_read = 63,
	ARCH_NR_getpid = 172,
	ARCH_NR_write = 64,
	ARCH_NR_exit = 93,
	ARCH_NR_exit_group = 94,
	ARCH_NR_rt_sigreturn = 139,
	ARCH_NR_execve = 221,
	ARCH_NR_execveat = 281,
	ARCH_NR_readv = 65,
	ARCH_NR_writev = 66,
	ARCH_NR_sendto = 206,
	ARCH_NR_recvfrom = 207,
	ARCH_NR_sendmsg = 211,
	ARCH_NR_recvmsg = 212,
	ARCH_NR_recvmmsg = 243,
	ARCH_NR_sendmmsg = 269,
	ARCH_NR_preadv2 = 286,
	ARCH_NR_pwritev2 = 287,
	ARCH_NR_io_uring_enter = 426,
};

/* TIF_32BIT of arch/arm64/include/asm/thread_info.h: the task is a 32-bit program */
#define ARCH_IS_32BIT(thread_info)      ((thread_info)->flags & 1UL << 22)

#else
#error "sonde knows x86-64 and arm64"
#endif
