// SPDX-License-Identifier: GPL-2.0-only
/*
 * hierarchy - which of the kernel's hierarchies of control groups tells containers apart.
 *
 * On a unified host (v2) there is one. On hybrid and legacy hosts runtimes put containers into every v1
 * hierarchy, but into v2 not always; so it is the hierarchy of a v1 controller that systemd and all
 * runtimes use by default. A lone v1 hierarchy for something else (net_cls of a VPN client) makes no host
 * hybrid.
 */
#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "world/container/mounts.h"
#include "world/inside.h"

/*
 * The controller's place in css_set.subsys[]: enum cgroup_subsys_id, which depends on the kernel's
 * configuration. /proc/cgroups has the same order, but kernels since 6.12 (af000ce85293) leave out lines.
 */
static uint32_t index_of(const char *controller, uint32_t line)
{
	struct btf *btf = btf__load_vmlinux_btf();
	uint32_t index = line;
	char name[48];
	int id;

	snprintf(name, sizeof(name), "%s_cgrp_id", controller);
	id = btf ? btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM) : -1;
	if (id > 0) {
		const struct btf_type *type = btf__type_by_id(btf, (uint32_t)id);
		const struct btf_enum *value = btf_enum(type);

		for (uint32_t i = 0; i < btf_vlen(type); i++)
			if (!strcmp(btf__name_by_offset(btf, value[i].name_off), name))
				index = (uint32_t)value[i].val;
	}
	btf__free(btf);
	return index;
}

static bool use_controller(struct world *world, struct span proc_cgroups, const char *name)
{
	struct controller controller;

	if (!controller_find(proc_cgroups, name, &controller) || !controller.hierarchy)
		return false;
	world->hierarchy = controller.hierarchy;
	world->cgroup1 = 1 + index_of(name, controller.index);
	snprintf(world->controller, sizeof(world->controller), "%s", name);
	return true;
}

void world_find_hierarchy(struct world *world, const char *controller)
{
	static const char *const usual[] = {"pids", "memory", "cpu", "devices", "freezer"};
	struct buf text;

	buf_init(&text, WORLD_MOUNTS_BYTES);
	if (world_read_file(world, "/proc/self/mountinfo", &text)) {
		world->mountinfo_bytes = text.len;
		world->mountinfo = buf_take(&text);
	}
	buf_clear(&text);
	if (world_read_file(world, "/proc/cgroups", &text)) {
		bool found = controller && use_controller(world, buf_as_span(&text), controller);

		for (size_t i = 0; !controller && !found && i < sizeof(usual) / sizeof(*usual); i++)
			found = use_controller(world, buf_as_span(&text), usual[i]);
	}
	buf_done(&text);
}

uint32_t world_cgroup1(const struct world *world)
{
	return world->cgroup1;
}

struct span world_cgroup_mount(struct world *world, const char *controller)
{
	struct span mountinfo = {(uint8_t *)world->mountinfo, world->mountinfo_bytes};
	struct span point = cgroup_mount_find(mountinfo, controller);

	return point.len || !*controller ? point : cgroup_mount_find(mountinfo, "");
}
