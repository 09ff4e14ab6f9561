// SPDX-License-Identifier: GPL-2.0-only
/* kernel_features - what the running kernel can: found by loading programs of a few instructions. */
#include "trace/kernel_features.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool loads(struct loader *loader, const struct bpf_insn *insns, uint32_t count)
{
	struct program_spec spec = {.name = "feature",
				    .license = "GPL",
				    .type = BPF_PROG_TYPE_RAW_TRACEPOINT,
				    .insns = insns,
				    .insn_count = count};
	int fd = loader->program_load(loader, &spec, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* 6.9 (011832b97b31); one that leads nowhere is refused before 6.14 */
static bool has_may_goto(struct loader *loader)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | 0xe0, .off = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return loads(loader, insns, COUNT(insns));
}

/* 5.12 (5ffa25502b5a) */
static bool has_exchange(struct loader *loader)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = 10,
		 .src_reg = 1,
		 .off = -8,
		 .imm = BPF_XCHG},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return loads(loader, insns, COUNT(insns));
}

/* A helper is there if calling it without its arguments is wrong in another way than "unknown". */
static bool has_helper(struct loader *loader, int helper, uint32_t type)
{
	char log[4096] = "";
	const struct bpf_insn insns[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = helper},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct program_spec spec = {.name = "feature",
				    .license = "GPL",
				    .type = type,
				    .insns = insns,
				    .insn_count = COUNT(insns),
				    .log = log,
				    .log_size = sizeof(log)};
	int fd = loader->program_load(loader, &spec, NULL);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	return *log && !strstr(log, "invalid func") && !strstr(log, "unknown func") &&
	       !strstr(log, "program of this type cannot use helper");
}

/* 5.18 (0dcac2725406): the link is refused for the names, which are nowhere, and not as unknown. */
static bool has_kprobe_multi(struct loader *loader)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct program_spec spec = {.name = "feature",
				    .license = "GPL",
				    .type = BPF_PROG_TYPE_KPROBE,
				    .attach_type = ATTACH_KPROBE_MULTI,
				    .insns = insns,
				    .insn_count = COUNT(insns)};
	int fd = loader->program_load(loader, &spec, NULL), err;

	if (fd < 0)
		return false;
	err = loader->attach_multi(loader, fd, false, NULL, 1, NULL);
	close(fd);
	return err == -EFAULT;
}

/* 6.6 (89ae89f53d20): the link is refused for the path, which is nowhere. */
static bool has_uprobe_multi(struct loader *loader)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct program_spec spec = {.name = "feature",
				    .license = "GPL",
				    .type = BPF_PROG_TYPE_KPROBE,
				    .attach_type = ATTACH_UPROBE_MULTI,
				    .insns = insns,
				    .insn_count = COUNT(insns)};
	int fd = loader->program_load(loader, &spec, NULL), err;

	if (fd < 0)
		return false;
	err = loader->attach_uprobes(loader, fd, false, NULL, NULL, 1, NULL);
	close(fd);
	return err == -EFAULT || err == -EBADF;
}

void features_find(struct loader *loader, struct target *ret_target)
{
	*ret_target = (struct target){
		.has_may_goto = has_may_goto(loader),
		.has_exchange = has_exchange(loader),
		.has_percpu_lookup = has_helper(loader, 195, BPF_PROG_TYPE_RAW_TRACEPOINT),
		.has_for_each = has_helper(loader, 164, BPF_PROG_TYPE_RAW_TRACEPOINT),
		.has_func_ip = has_helper(loader, 173, BPF_PROG_TYPE_KPROBE),
		.has_tai = has_helper(loader, 208, BPF_PROG_TYPE_RAW_TRACEPOINT),
		.has_kprobe_multi = has_kprobe_multi(loader),
		.has_uprobe_multi = has_uprobe_multi(loader),
		.cpus = loader->cpus};
}

int features_print(void)
{
	struct target target;
	struct loader loader;

	loader_direct(&loader);
	features_find(&loader, &target);
	printf("Kernel features\n"
	       "  may_goto: %s\n  atomic exchange: %s\n  map_lookup_percpu_elem: %s\n  "
	       "for_each_map_elem: %s\n  kprobe_multi: %s\n  uprobe_multi: %s\n"
	       "  btf: %s\n  possible cpus: %u\n",
	       target.has_may_goto ? "yes" : "no", target.has_exchange ? "yes" : "no",
	       target.has_percpu_lookup ? "yes" : "no", target.has_for_each ? "yes" : "no",
	       target.has_kprobe_multi ? "yes" : "no", target.has_uprobe_multi ? "yes" : "no",
	       access("/sys/kernel/btf/vmlinux", R_OK) ? "no" : "yes", target.cpus);
	loader_done(&loader);
	return 0;
}
