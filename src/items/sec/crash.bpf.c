// SPDX-License-Identifier: GPL-2.0-only
/*
 * crash - processes that a fault or an assertion ended: the signal, the address, where it was, and who called it.
 *
 * signal_deliver comes when the signal is about to act; with the default action that is the process's end. A program that
 * handles its own SIGSEGV does not crash. The callers are read by frame pointers, so code that was built without
 * them shows the place itself only.
 */
#include "kernel/compat.bpf.h"
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("sec", "off", "processes that crashed: signal, address, stack");

struct crashed {
	struct owner owner;
	__u32 signal COL("signal");
	__u32 pad;
};
METRIC_COUNTER(crash, struct crashed, 4096,
	       "name=crashes;help=processes ended by a fault or assertion");

enum { FRAMES = 8, SIG_DFL = 0 };

/* asm-generic/signal.h, the same on x86 and arm64 */
enum { SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11, SIGSYS = 31 };

struct crash_event {
	struct event_head head;
	struct owner owner;
	__u32 tid COL("tid");
	__u32 signal COL("signal");
	__s32 code COL_OPT("number", "help=si_code: what kind of fault (sigaction(2))");
	__u32 pad;
	__u64 fault_address COL_OPT("hex", "help=address that could not be used");
	__u64 frame[FRAMES] COL_OPT("user_addr", "help=place, and its callers");
	char comm[16] COL("comm");
};
EVENTS(64 * 1024);
EVENT(1, "crash", struct crash_event);

struct kernel_siginfo {
	int si_code;
	union {
		struct {
			void *_addr;
		} _sigfault;
	} _sifields;
} __attribute__((preserve_access_index));

struct k_sigaction {
	struct {
		void *sa_handler;
	} sa;
} __attribute__((preserve_access_index));

static __always_inline bool is_of_a_crash(int number)
{
	switch (number) {
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGSEGV:
	case SIGSYS: return true;
	default: return false;
	}
}

static __always_inline bool has_address(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE;
}

static __always_inline void tell(void *ctx, int number, struct kernel_siginfo *info)
{
	struct crash_event *event = emit_reserve(1, sizeof(*event));

	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->tid = (__u32)bpf_get_current_pid_tgid();
	event->signal = number;
	event->code = BPF_CORE_READ(info, si_code);
	event->pad = 0;
	event->fault_address =
		has_address(number) ? (__u64)BPF_CORE_READ(info, _sifields._sigfault._addr) : 0;
	__builtin_memset(event->frame, 0, sizeof(event->frame));
	if (bpf_get_stack(ctx, event->frame, sizeof(event->frame), BPF_F_USER_STACK) < 0)
		count_add(COUNT_LOST_READ);
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	emit_submit(event);
}

ON_TRACEPOINT(signal_deliver, "int,struct kernel_siginfo *,struct k_sigaction *", int number,
	      struct kernel_siginfo *info, struct k_sigaction *action)
{
	struct crashed crashed = {.signal = number};

	if (!is_of_a_crash(number) || (__u64)BPF_CORE_READ(action, sa.sa_handler) != SIG_DFL ||
	    !filter_current())
		return 0;
	crashed.owner = read_owner_of_current();
	counter_add(&crash, &crashed, 1);
	tell(ctx, number, info);
	return 0;
}
