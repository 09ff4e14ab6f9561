// SPDX-License-Identifier: GPL-2.0-only
/* dispatch - an item's programs can be exchanged without an event counted twice or not at all. */
#include "kernel/dispatch.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 2 };

/*
 * The types of hooks whose programs take tail calls; the BTF name of the target, where the type has one. Programs that
 * sleep and those that loop over several functions at once (multi) have none.
 */
static bool takes_tail_calls(const char *section, char target[160])
{
	static const char *const kinds[] = {"raw_tp/",     "raw_tracepoint/", "tp/",
					    "tracepoint/", "perf_event",      "kprobe/",
					    "kretprobe/"};

	target[0] = 0;
	if (!strncmp(section, "tp_btf/", 7)) {
		snprintf(target, 160, "btf_trace_%s", section + 7);
		return true;
	}
	if (!strncmp(section, "fentry/", 7) || !strncmp(section, "fexit/", 6)) {
		snprintf(target, 160, "%s", strchr(section, '/') + 1);
		return true;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(section, kinds[i], strlen(kinds[i])))
			return true;
	return false;
}

int side_new(struct side *ret_side)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	struct side side = {.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "side", 4, 4, 1, &opts)};
	void *at;

	if (side.map < 0)
		return -errno;
	at = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, side.map,
		  0);
	if (at == MAP_FAILED) {
		close(side.map);
		return -errno;
	}
	side.word = at;
	*ret_side = side;
	return 0;
}

void side_done(struct side *side)
{
	if (side->map >= 0 && !side->is_borrowed) {
		munmap(side->word, (size_t)sysconf(_SC_PAGESIZE));
		close(side->map);
	}
	*side = side_none();
}

void side_turn(struct side *side)
{
	__atomic_store_n(side->word, side->ours, __ATOMIC_RELEASE);
}

void side_rest(struct side *side)
{
	__atomic_store_n(side->word, SLOTS, __ATOMIC_RELEASE);
}

static int load(struct kernel *kernel, const struct bpf_program *program, const char *target,
		int map, int side)
{
	const struct bpf_insn code[] = {
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = BPF_REG_3,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = side},
		{},
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_3},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = BPF_REG_2,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map},
		{},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = bpf_program__expected_attach_type(program));
	int fd;

	if (target[0]) {
		bool is_function = strncmp(target, "btf_trace_", 10) != 0;
		struct btf *btf = kernel_btf(kernel, NULL);
		int id = btf ? btf__find_by_name_kind(
				       btf, target, is_function ? BTF_KIND_FUNC : BTF_KIND_TYPEDEF)
			     : -1;

		if (id <= 0)
			return -ENOENT;
		opts.attach_btf_id = (uint32_t)id;
	}
	fd = bpf_prog_load(bpf_program__type(program), bpf_program__name(program), "GPL", code,
			   sizeof(code) / sizeof(*code), &opts);
	return fd < 0 ? -errno : fd;
}

int dispatcher_new(struct kernel *kernel, const struct bpf_program *program, const char *section,
		   const struct side *side, struct dispatcher *ret_dispatcher)
{
	struct dispatcher dispatcher = dispatcher_none();
	char target[160];

	if (side->map < 0 || !takes_tail_calls(section, target))
		return -EOPNOTSUPP;
	dispatcher.map = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "dispatch", 4, 4, SLOTS, NULL);
	if (dispatcher.map < 0)
		return -errno;
	dispatcher.program = load(kernel, program, target, dispatcher.map, side->map);
	if (dispatcher.program < 0 ||
	    dispatcher_set(&dispatcher, side->ours, bpf_program__fd(program))) {
		dispatcher_done(&dispatcher);
		return -EOPNOTSUPP;
	}
	*ret_dispatcher = dispatcher;
	return 0;
}

int dispatcher_set(const struct dispatcher *dispatcher, uint32_t slot, int program)
{
	return bpf_map_update_elem(dispatcher->map, &slot, &program, BPF_ANY) ? -errno : 0;
}

void dispatcher_clear(const struct dispatcher *dispatcher, uint32_t slot)
{
	if (dispatcher->map >= 0)
		bpf_map_delete_elem(dispatcher->map, &slot);
}

void dispatcher_empty(const struct dispatcher *dispatcher)
{
	dispatcher_clear(dispatcher, 0);
	dispatcher_clear(dispatcher, 1);
}

void dispatcher_done(struct dispatcher *dispatcher)
{
	if (dispatcher->map >= 0)
		close(dispatcher->map);
	if (dispatcher->program >= 0)
		close(dispatcher->program);
	*dispatcher = dispatcher_none();
}
