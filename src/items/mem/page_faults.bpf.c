// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_faults - page faults by what was tried: reading, writing or running, where nothing was, or where it is not allowed
 * yet (a copy on write; at the end of many, a crash).
 *
 * The item mem knows how many there were, and how many waited for a disk, at no cost; this one says of which kind, and
 * pays for each. x86 only: other architectures have no such tracepoint.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("mem", "off", "page faults by what was tried");

/* arch/x86/include/asm/trap_pf.h (enum x86_pf_error_code) */
enum { PF_PROT = 1, PF_WRITE = 2, PF_INSTR = 16 };
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_RUN };

struct fault {
	struct owner owner;
	__u32 mode COL_OPT("enum", "enum=0:user,1:kernel");
	__u32 access COL_OPT("enum", "enum=0:read,1:write,2:run");
	__u32 cause COL_OPT("enum", "enum=0:absent,1:protection");
	__u32 pad;
};

METRIC_COUNTER(page_faults, struct fault, 16384, "help=page faults by what was tried");

static __always_inline int on_fault(__u32 mode, unsigned long code)
{
	struct fault fault = {.mode = mode};

	if (!filter_current())
		return 0;
	fault.owner = read_owner_of_current();
	fault.access = code & PF_INSTR ? ACCESS_RUN : code & PF_WRITE ? ACCESS_WRITE : ACCESS_READ;
	fault.cause = code & PF_PROT;
	counter_add(&page_faults, &fault, 1);
	return 0;
}

#define FAULT_ARGS "long unsigned int,struct pt_regs *,long unsigned int"

ON_TRACEPOINT(page_fault_user, FAULT_ARGS, unsigned long address, struct pt_regs *regs,
	      unsigned long code)
{
	return on_fault(0, code);
}

ON_TRACEPOINT(page_fault_kernel, FAULT_ARGS, unsigned long address, struct pt_regs *regs,
	      unsigned long code)
{
	return on_fault(1, code);
}
