/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usdt - the probes that a program's authors put into it, as its ELF notes tell of them.
 *
 * Each place is described by a note in the section .note.stapsdt (type 3): its address, where the section .stapsdt.base
 * lay when it was linked (a prelinked file was moved by the difference), the address of its semaphore or 0, then three
 * texts: provider, name, arguments. A semaphore is a counter that the kernel raises in every process while somebody
 * is attached (kernel 4.20). One name may stand at many places, each with arguments of its own.
 */
#pragma once

#include "base/elf_file.h"

enum { USDT_ARGS_MAX = 12 };

/* How one argument is found: constant, register, or memory at register + offset [+ index * scale]. */
struct usdt_arg {
	uint8_t size; /* bytes */
	bool is_signed;
	enum { ARG_CONSTANT, ARG_REGISTER, ARG_MEMORY } kind;
	int64_t number; /* constant, offset */
	int base, index; /* places in pt_regs, -1: none */
	uint8_t scale;
};

struct usdt_place {
	uint64_t offset, semaphore; /* in the file; semaphore 0: none */
	const char *provider, *name; /* in the file's bytes */
	struct usdt_arg args[USDT_ARGS_MAX];
	uint32_t arg_count;
};

/* One place after the other; `at` begins as 0. Notes that make no sense are passed over. */
bool usdt_next(const struct elf *elf, size_t *at, struct usdt_place *ret_place);
