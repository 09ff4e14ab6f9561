/* SPDX-License-Identifier: GPL-2.0-only */
/* arch - where arguments and registers are in struct pt_regs (user's side of the ABI): x86-64, arm64. */
#pragma once

#include <stddef.h>
#include <string.h>

struct arch_register {
	const char *name;
	int offset;
};

#if defined(__x86_64__)
#define ARCH_NAME "x86_64"
enum { ARCH_ARGS = 6, ARCH_RETVAL = 80, ARCH_STACK = 152, ARCH_IP = 128 };
static const int arch_args[] = {112, 104, 96, 88, 72, 64};
static const struct arch_register arch_registers[] = {
	{"r15", 0},     {"r14", 8},  {"r13", 16}, {"r12", 24},       {"bp", 32},  {"bx", 40},
	{"r11", 48},    {"r10", 56}, {"r9", 64},  {"r8", 72},        {"ax", 80},  {"cx", 88},
	{"dx", 96},     {"si", 104}, {"di", 112}, {"orig_rax", 120}, {"ip", 128}, {"cs", 136},
	{"flags", 144}, {"sp", 152}, {"ss", 160},
};
#elif defined(__aarch64__)
#define ARCH_NAME "arm64"
enum { ARCH_ARGS = 8, ARCH_RETVAL = 0, ARCH_STACK = 248, ARCH_IP = 256 };
static const int arch_args[] = {0, 8, 16, 24, 32, 40, 48, 56};
static const struct arch_register arch_registers[] = {
	{"r0", 0},    {"r1", 8},    {"r2", 16},   {"r3", 24},      {"r4", 32},   {"r5", 40},
	{"r6", 48},   {"r7", 56},   {"r8", 64},   {"r9", 72},      {"r10", 80},  {"r11", 88},
	{"r12", 96},  {"r13", 104}, {"r14", 112}, {"r15", 120},    {"r16", 128}, {"r17", 136},
	{"r18", 144}, {"r19", 152}, {"r20", 160}, {"r21", 168},    {"r22", 176}, {"r23", 184},
	{"r24", 192}, {"r25", 200}, {"r26", 208}, {"r27", 216},    {"r28", 224}, {"r29", 232},
	{"r30", 240}, {"sp", 248},  {"pc", 256},  {"pstate", 264},
};
#else
#error "unknown architecture: say here where pt_regs keeps its arguments"
#endif

/* Go's own convention (ABIInternal, of Go 1.17 and later): integers and pointers in turn. */
static inline int arch_go_arg_offset(unsigned n)
{
#if defined(__x86_64__)
	static const int offsets[] = {80, 40, 88, 112, 104, 72, 64, 56, 48};
#else
	static const int offsets[] = {0,  8,  16, 24, 32, 40,  48,  56,
				      64, 72, 80, 88, 96, 104, 112, 120};
#endif
	return n < sizeof(offsets) / sizeof(*offsets) ? offsets[n] : -1;
}

static inline int arch_arg_offset(unsigned n)
{
	return n < ARCH_ARGS ? arch_args[n] : -1;
}

static inline int arch_register_offset(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(arch_registers) / sizeof(*arch_registers); i++)
		if (strlen(arch_registers[i].name) == len &&
		    !memcmp(arch_registers[i].name, name, len))
			return arch_registers[i].offset;
	return -1;
}
