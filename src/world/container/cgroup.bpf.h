/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup - says which control groups there are, of the one hierarchy that identifies containers.
 *
 * Ids are unique within a hierarchy only, so those of others are left out. Included by process.bpf.c: the
 * same ring carries both, and a group is made in it before a process enters the group.
 */
#pragma once

/* hierarchy_id of that hierarchy, 0 = the unified one. Set before loading. */
const volatile __u32 world_hierarchy = 0;

static __always_inline bool is_ours(struct cgroup *cgroup)
{
	return (__u32)BPF_CORE_READ(cgroup, root, hierarchy_id) == world_hierarchy;
}

static __always_inline void read_cgroup(struct cgroup *cgroup, struct cgroup_facts *out)
{
	out->id = BPF_CORE_READ(cgroup, kn, id);
	out->parent = BPF_CORE_READ(cgroup, self.parent, cgroup, kn, id);
	if (bpf_probe_read_kernel_str(out->name, sizeof(out->name),
				      BPF_CORE_READ(cgroup, kn, name)) <= 0)
		out->name[0] = 0;
}

static __always_inline void tell_cgroup(struct cgroup *cgroup, __u16 kind)
{
	struct cgroup_changed *event = emit_reserve(kind, sizeof(*event));

	if (!event)
		return;
	read_cgroup(cgroup, &event->cgroup);
	emit_submit(event);
}

/* A new group is told after those above it: one that was empty at the start is in no iterator's list. */
static __always_inline int on_cgroup(struct cgroup *cgroup, __u16 kind)
{
	struct cgroup *above = cgroup;

	if (!is_ours(cgroup))
		return 0;
	for (int level = 0; kind == WORLD_CGROUP && level < WORLD_LEVELS; level++) {
		above = BPF_CORE_READ(above, self.parent, cgroup);
		if (!above)
			break;
		tell_cgroup(above, kind);
	}
	tell_cgroup(cgroup, kind);
	return 0;
}

#define CGROUP_HOOK(tracepoint, hook, kind)                                                        \
	HOOK_PROTO("tp_btf/" #tracepoint, hook, 1, "struct cgroup *,char *")                       \
	int BPF_PROG(tracepoint##_typed, struct cgroup *cgroup, const char *path)                  \
	{                                                                                          \
		return on_cgroup(cgroup, kind);                                                    \
	}                                                                                          \
	HOOK_PROTO("raw_tp/" #tracepoint, hook, 2, "struct cgroup *,char *")                       \
	int BPF_PROG(tracepoint##_raw, struct cgroup *cgroup, const char *path)                    \
	{                                                                                          \
		return on_cgroup(cgroup, kind);                                                    \
	}

CGROUP_HOOK(cgroup_mkdir, MKDIR, WORLD_CGROUP)
CGROUP_HOOK(cgroup_rename, CGROUP_RENAME, WORLD_CGROUP)
CGROUP_HOOK(cgroup_rmdir, RMDIR, WORLD_CGROUP_GONE)

static __always_inline int on_attach(struct cgroup *cgroup, struct task_struct *task)
{
	struct process_changed *event;

	if (!is_ours(cgroup) || is_thread(task))
		return 0;
	event = change_of(task, WORLD_MOVE);
	if (!event)
		return 0;
	event->cgroup = BPF_CORE_READ(cgroup, kn, id);
	emit_submit(event);
	return 0;
}

HOOK_PROTO("tp_btf/cgroup_attach_task", ATTACH, 1, "struct cgroup *,char *,struct task_struct *")
int BPF_PROG(attach_typed, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	return on_attach(cgroup, task);
}

HOOK_PROTO("raw_tp/cgroup_attach_task", ATTACH, 2, "struct cgroup *,char *,struct task_struct *")
int BPF_PROG(attach_raw, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	return on_attach(cgroup, task);
}

static __always_inline struct cgroup *group_of(struct task_struct *task)
{
	if (item_cgroup1 && item_cgroup1 <= CGROUP_SUBSYS_MAX)
		return BPF_CORE_READ(task, cgroups, subsys[item_cgroup1 - 1], cgroup);
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

/* The groups that hold processes, and those above them. Rows: struct cgroup_facts, many of them twice. */
HOOK("iter/task", CGROUPS, 1)
int list_cgroups(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct cgroup *cgroup;

	if (!task || is_thread(task))
		return 0;
	cgroup = group_of(task);
	for (int level = 0; level < WORLD_LEVELS && cgroup; level++) {
		struct cgroup_facts row = {};

		read_cgroup(cgroup, &row);
		bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return 0;
}
