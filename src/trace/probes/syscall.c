// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscall - many tracepoints of syscalls: by two programs.
 *
 * The kernel lets go of every perf event of a tracepoint by waiting until nobody is in it any more,
 * one after the other: `tracepoint:syscalls:*` took 10 seconds to end. So where many are asked for
 * and none reads its arguments, one program at the raw tracepoint sys_enter (sys_exit) looks the
 * number of the system call up in an array of programs and goes on there. What it does otherwise
 * than the tracepoints: it sees the calls of 32-bit programs too, under their numbers.
 */
#include <linux/bpf.h>
#include <unistd.h>

#include "trace/constants.h"
#include "trace/probes/probes.h"

enum { SYSCALLS_MAX = 512, MANY = 8, READ_KERNEL = 113, TAIL_CALL = 12 };

#if defined(__x86_64__)
enum { NUMBER_OFFSET = 120 }; /* orig_ax */
#else
enum { NUMBER_OFFSET = 280 }; /* syscallno */
#endif

static bool is_entry(const struct probe *probe)
{
	return !strncmp(probe->function, "sys_enter_", 10);
}

/* Tracepoints are named after the kernel's functions, which are not always what programs call; and
 * calls younger than this compiler's headers, whose numbers are the same on all architectures. */
static const struct {
	const char *traced, *called;
	int number;
} others[] = {
	{"newstat", "stat", 0},           {"newlstat", "lstat", 0},
	{"newfstat", "fstat", 0},         {"newuname", "uname", 0},
	{"umount", "umount2", 0},         {"sendfile64", "sendfile", 0},
	{"cachestat", NULL, 451},         {"fchmodat2", NULL, 452},
	{"map_shadow_stack", NULL, 453},  {"futex_wake", NULL, 454},
	{"futex_wait", NULL, 455},        {"futex_requeue", NULL, 456},
	{"statmount", NULL, 457},         {"listmount", NULL, 458},
	{"lsm_get_self_attr", NULL, 459}, {"lsm_set_self_attr", NULL, 460},
	{"lsm_list_modules", NULL, 461},  {"mseal", NULL, 462},
	{"setxattrat", NULL, 463},        {"getxattrat", NULL, 464},
	{"listxattrat", NULL, 465},       {"removexattrat", NULL, 466},
	{"open_tree_attr", NULL, 467},    {"file_getattr", NULL, 468},
	{"file_setattr", NULL, 469},
#if defined(__x86_64__)
	{"uretprobe", NULL, 335},         {"uprobe", NULL, 336},
#endif
};

static int number_of(const struct probe *probe)
{
	const char *name = probe->function + (is_entry(probe) ? 10 : 9);

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strcmp(others[i].traced, name)) {
			if (!others[i].called)
				return others[i].number;
			name = others[i].called;
			break;
		}
	for (int i = 0; i < SYSCALLS_MAX; i++) {
		const char *known = syscall_name((uint64_t)i);

		if (known && !strcmp(known, name))
			return i;
	}
	return -1;
}

bool syscalls_are_many(const struct script *script, const struct probe *probe)
{
	uint32_t count = 0;

	if (number_of(probe) < 0)
		return false;
	for (const struct probe *p = script->probes; p && count < MANY; p = p->next)
		count += p->target && p->function && !strcmp(p->target, "syscalls");
	return count == MANY;
}

#define INSN(code_, dst, src, off_, imm_)                                                          \
	{                                                                                          \
		.code = (code_), .dst_reg = (dst), .src_reg = (src), .off = (off_), .imm = (imm_)  \
	}

enum { ENTRY_INSNS = 2, EXIT_INSNS = 8, GO_ON_INSNS = 6 };

/* r3 = number: at entry the second argument, at exit what the registers (the first) keep; then on to
 * programs[r3]. */
static int load_dispatcher(struct loader *loader, int programs, bool entry, struct err *why)
{
	static const struct bpf_insn at_entry[ENTRY_INSNS] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, 3, 6, 8, 0),
	};
	static const struct bpf_insn at_exit[EXIT_INSNS] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, 3, 6, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, NUMBER_OFFSET),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -8),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 4),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, READ_KERNEL),
	};
	const struct bpf_insn go_on[GO_ON_INSNS] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_MAP_FD, 0, programs),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, TAIL_CALL),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	struct bpf_insn insns[EXIT_INSNS + 1 + GO_ON_INSNS];
	struct program_spec spec = {.name = entry ? "sys_enter" : "sys_exit",
				    .license = "GPL",
				    .type = PROGRAM_RAW_TRACEPOINT,
				    .insns = insns};
	uint32_t count = entry ? ENTRY_INSNS : EXIT_INSNS;

	memcpy(insns, entry ? at_entry : at_exit, count * sizeof(*insns));
	if (!entry)
		insns[count++] = (struct bpf_insn)INSN(BPF_LDX | BPF_MEM | BPF_DW, 3, 10, -8, 0);
	memcpy(insns + count, go_on, sizeof(go_on));
	spec.insn_count = count + GO_ON_INSNS;
	return loader->program_load(loader, &spec, why);
}

/* The array of programs, made and attached when it is first asked for. */
static int dispatch(struct loader *loader, bool entry, struct err *why)
{
	struct map_spec spec = {.name = "syscalls",
				.type = BPF_MAP_TYPE_PROG_ARRAY,
				.key_size = 4,
				.value_size = 4,
				.max_entries = SYSCALLS_MAX};
	int programs = loader->dispatch[entry], program, err;

	if (programs)
		return programs;
	programs = loader->map_create(loader, &spec, why);
	if (programs < 0 || (programs = loader_keep(loader, programs)) < 0)
		return programs;
	program = load_dispatcher(loader, programs, entry, why);
	if (program < 0 || (program = loader_keep(loader, program)) < 0)
		return program;
	err = loader->attach_raw(loader, program, entry ? "sys_enter" : "sys_exit", why);
	if (err < 0)
		return err;
	loader->dispatch[entry] = programs;
	return programs;
}

static int attach_syscall(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	int programs = dispatch(loader, is_entry(probe), why), number = number_of(probe), err;

	if (programs < 0)
		return programs;
	err = loader->map_write(loader, programs, &number, &program);
	return err < 0 ? err_set(why, err, "cannot attach to system call %d: %s", number,
				 err_name(err))
		       : 0;
}

const struct probe_kind probe_syscall = {.name = "tracepoint",
					 .program = PROGRAM_RAW_TRACEPOINT,
					 .space = SPACE_KERNEL,
					 .attach = attach_syscall};
