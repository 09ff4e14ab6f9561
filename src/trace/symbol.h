/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * symbol - addresses to names: of the kernel from /proc/kallsyms, of processes from /proc/PID/maps
 * and the symbol tables of the files mapped there.
 */
#pragma once

#include "base/buf.h"
#include "trace/type.h"

struct run;
struct symbols;

struct symbols *symbols_new(bool keeps_mangled);
void symbols_free(struct symbols *symbols);

/* "schedule", with_offset: "schedule+16"; "0x..." where there is no name. */
void symbol_kernel(struct symbols *symbols, uint64_t address, bool with_offset, struct buf *out);
void symbol_user(struct symbols *symbols, int pid, uint64_t address, bool with_offset,
		 struct buf *out);

/* A stack's frames, one a line, `indent` blanks before each. */
void symbol_stack(struct run *run, const struct type *type, const uint8_t *bytes, uint32_t indent,
		  struct buf *out);

/* For kaddr(): an address by its name; reads kallsyms only once per call. */
bool symbol_kernel_address(struct span name, uint64_t *ret_address);
