// SPDX-License-Identifier: GPL-2.0-only
/*
 * feature - what this kernel can, tried rather than guessed. For `sonde features` and for reasons;
 * which hook an item uses is decided by loading it (object.c).
 */
#include "kernel/client.h"
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* Does a do-nothing program with this target load? */
static bool loads(struct kernel *kernel, enum bpf_prog_type type, enum bpf_attach_type attach,
		  const char *btf_name, uint32_t kind)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	int fd;

	if (btf_name) {
		struct btf *btf = kernel_btf(kernel, NULL);
		int id = btf ? btf__find_by_name_kind(btf, btf_name, kind) : -1;

		if (id <= 0)
			return false;
		opts.attach_btf_id = (uint32_t)id;
	}
	fd = bpf_prog_load(type, "sonde_probe", "GPL", nothing, 2, &opts);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool creates(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries)
{
	int fd = bpf_map_create(type, "sonde_probe", key, value, entries, NULL);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int kernel_check(struct kernel *kernel, struct err *why)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sonde_probe", 4, 8, 1, NULL);

	if (fd < 0)
		return err_set(why, -EPERM,
			       "bpf(2) is refused here: %s; sonde needs CAP_BPF and CAP_PERFMON, and a container or seccomp profile "
			       "that lets bpf(2) through",
			       err_name(errno));
	close(fd);
	return kernel_btf(kernel, why) ? 0 : -EOPNOTSUPP;
}

static bool has_btf(struct kernel *kernel)
{
	return kernel_has_btf(kernel);
}

static bool has_tp_btf(struct kernel *kernel)
{
	return loads(kernel, BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "btf_trace_sched_switch",
		     BTF_KIND_TYPEDEF);
}

static bool has_fentry(struct kernel *kernel)
{
	return loads(kernel, BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "tcp_sendmsg", BTF_KIND_FUNC);
}

static bool has_raw_tp(struct kernel *kernel)
{
	return loads(kernel, BPF_PROG_TYPE_RAW_TRACEPOINT, 0, NULL, 0);
}

static bool has_tracefs(struct kernel *kernel)
{
	int fd = kernel_open_file(kernel, "/sys/kernel/tracing/events/sched/sched_switch/id");

	if (fd < 0)
		fd = kernel_open_file(kernel,
				      "/sys/kernel/debug/tracing/events/sched/sched_switch/id");
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_kprobe(struct kernel *kernel)
{
	return !access("/sys/bus/event_source/devices/kprobe/type", F_OK);
}

static bool has_uprobe(struct kernel *kernel)
{
	return !access("/sys/bus/event_source/devices/uprobe/type", F_OK);
}

static bool has_hardware_pmu(struct kernel *kernel)
{
	return !access("/sys/bus/event_source/devices/cpu/type", F_OK);
}

static bool has_iter(struct kernel *kernel)
{
	return btf_has_function(kernel, "bpf_iter_task");
}

static bool has_ringbuf(struct kernel *kernel)
{
	return creates(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
}

static bool has_sockhash(struct kernel *kernel)
{
	return creates(BPF_MAP_TYPE_SOCKHASH, 4, 8, 1);
}

static bool has_cgroup2(struct kernel *kernel)
{
	return !access("/sys/fs/cgroup/cgroup.controllers", F_OK) ||
	       !access("/sys/fs/cgroup/unified/cgroup.procs", F_OK);
}

static const struct {
	const char *name, *purpose;
	bool (*probe)(struct kernel *kernel);
} probes[] = {
	{"btf", "types of the kernel: CO-RE, tp_btf, fentry, iterators", has_btf},
	{"ringbuf", "events of all items (5.8)", has_ringbuf},
	{"raw_tp", "raw tracepoints", has_raw_tp},
	{"tp_btf", "typed raw tracepoints (5.5)", has_tp_btf},
	{"tracefs", "classic tracepoints; mount -t tracefs tracefs /sys/kernel/tracing",
	 has_tracefs},
	{"fentry", "function entry and exit with types (5.5)", has_fentry},
	{"kprobe", "any kernel function (CONFIG_KPROBE_EVENTS)", has_kprobe},
	{"uprobe", "functions of programs (CONFIG_UPROBE_EVENTS)", has_uprobe},
	{"iter", "iterators: tables, reading maps without privilege (5.8)", has_iter},
	{"pmu", "hardware counters", has_hardware_pmu},
	{"sockhash", "socket acceleration", has_sockhash},
	{"cgroup2", "the unified control group hierarchy: socket hooks", has_cgroup2},
};

enum { FEATURES = sizeof(probes) / sizeof(*probes) };

const struct feature *kernel_feature(struct kernel *kernel, size_t i)
{
	static struct feature known[FEATURES]; /* of the one connection of this process */

	if (i >= FEATURES)
		return NULL;
	if (!known[i].name)
		known[i] = (struct feature){probes[i].name, probes[i].probe(kernel),
					    probes[i].purpose};
	return &known[i];
}

bool kernel_can(struct kernel *kernel, const char *name)
{
	const struct feature *feature;

	for (size_t i = 0; (feature = kernel_feature(kernel, i)); i++)
		if (!strcmp(feature->name, name))
			return feature->there;
	return false;
}
