// SPDX-License-Identifier: GPL-2.0-only
/* dispatch - a hook's programs can be exchanged without an event counted twice or not at all. */
#include "kernel/dispatch.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The types of hooks that take tail calls on every kernel from 5.10 on; the BTF name of tp_btf's target. */
static bool takes_tail_calls(const char *section, char target[160])
{
	target[0] = 0;
	if (!strncmp(section, "tp_btf/", 7)) {
		snprintf(target, 160, "btf_trace_%s", section + 7);
		return true;
	}
	return !strncmp(section, "raw_tp/", 7) || !strncmp(section, "tp/", 3) ||
	       !strncmp(section, "raw_tracepoint/", 15) || !strncmp(section, "tracepoint/", 11) ||
	       !strncmp(section, "perf_event", 10);
}

static int load(struct kernel *kernel, const struct bpf_program *program, const char *target, int map)
{
	const struct bpf_insn code[] = {
		{.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = bpf_program__expected_attach_type(program));
	int fd;

	if (target[0]) {
		struct btf *btf = kernel_btf(kernel, NULL);
		int id = btf ? btf__find_by_name_kind(btf, target, BTF_KIND_TYPEDEF) : -1;

		if (id <= 0)
			return -ENOENT;
		opts.attach_btf_id = (uint32_t)id;
	}
	fd = bpf_prog_load(bpf_program__type(program), bpf_program__name(program), "GPL", code,
			   sizeof(code) / sizeof(*code), &opts);
	return fd < 0 ? -errno : fd;
}

int dispatcher_new(struct kernel *kernel, const struct bpf_program *program, const char *section,
		   struct dispatcher *ret_dispatcher)
{
	struct dispatcher dispatcher = dispatcher_none();
	char target[160];

	if (!takes_tail_calls(section, target))
		return -EOPNOTSUPP;
	dispatcher.map = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "dispatch", 4, 4, 1, NULL);
	if (dispatcher.map < 0)
		return -errno;
	dispatcher.program = load(kernel, program, target, dispatcher.map);
	if (dispatcher.program < 0 || dispatcher_set(&dispatcher, bpf_program__fd(program))) {
		dispatcher_done(&dispatcher);
		return -EOPNOTSUPP;
	}
	*ret_dispatcher = dispatcher;
	return 0;
}

int dispatcher_set(const struct dispatcher *dispatcher, int program)
{
	uint32_t slot = 0;

	return bpf_map_update_elem(dispatcher->map, &slot, &program, BPF_ANY) ? -errno : 0;
}

void dispatcher_empty(const struct dispatcher *dispatcher)
{
	uint32_t slot = 0;

	if (dispatcher->map >= 0)
		bpf_map_delete_elem(dispatcher->map, &slot);
}

void dispatcher_done(struct dispatcher *dispatcher)
{
	if (dispatcher->map >= 0)
		close(dispatcher->map);
	if (dispatcher->program >= 0)
		close(dispatcher->program);
	*dispatcher = dispatcher_none();
}
