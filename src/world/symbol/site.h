/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * site - where in a function a probe costs least.
 *
 * A probed instruction that the kernel emulates (push, jumps, calls: arch/x86/kernel/uprobes.c) costs its process about half a
 * microsecond. Any other one is executed out of line and traps once more behind itself, which in a virtual machine leaves the guest: five
 * microseconds and more. Compilers begin half of all functions with one of the dear kind (sub $24,%rsp). But what a
 * function was called with still lies in the registers some instructions later, so the probe stands there.
 */
#pragma once

#include "base/span.h"

/* Registers as x86-64 numbers them, as bits. */
enum {
	SITE_RAX = 1 << 0,
	SITE_RCX = 1 << 1,
	SITE_RDX = 1 << 2,
	SITE_RBX = 1 << 3,
	SITE_RSP = 1 << 4,
	SITE_RSI = 1 << 6,
	SITE_RDI = 1 << 7,
	SITE_R8 = 1 << 8,
	SITE_R14 = 1 << 14,
};

struct site {
	uint64_t at; /* bytes behind the begin of the function */
	uint32_t stack; /* bytes by which the stack pointer is lower there */
	bool is_cheap;
};

/*
 * Where the registers `kept` are what they were when the function was entered, and so it was passed just once. With
 * `is_return_probed` the stack pointer must be, too: there the kernel looks for the return address. Without a cheap place, or on another
 * architecture: the begin.
 */
struct site site_find(struct span code, uint32_t kept, bool is_return_probed);

/* What one instruction does to registers. */
struct effect {
	size_t length;
	uint32_t writes; /* registers, as bits */
	uint32_t stack; /* bytes by which it lowers the stack pointer */
	bool is_emulated; /* by the kernel, when it is probed */
	bool is_call; /* of `target` */
	int64_t target; /* from its own begin */
};

/* False: an instruction that is not known well enough. */
bool effect_of(struct span code, struct effect *ret_effect);

/* The next call to a place known in advance. `at` begins as 0 and is behind that call then; the target is counted from the begin of `code`.
 * False: there is none, or something that is no instruction. */
bool site_next_call(struct span code, size_t *at, int64_t *ret_target);
