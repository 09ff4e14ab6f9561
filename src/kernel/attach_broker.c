// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach_broker - the broker's side of attaching: from a checked description to a descriptor.
 *
 * Everything hangs on descriptors: when the worker closes its copy, the kernel detaches. So a killed
 * agent leaves nothing behind. The one exception are kretprobes made through tracefs ("r4096:"), whose
 * event outlives its users: see attach_cleanup().
 */
#include "kernel/attach_broker.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/code_broker.h"
#include "kernel/wire.h"

struct place {
	int *out;
	uint32_t *count;
	char *text;
	size_t room;
};

static int why_not(struct place *place, int code, const char *text)
{
	snprintf(place->text, place->room, "%s", text);
	return code;
}

static int keep(struct place *place, int fd)
{
	if (*place->count >= WIRE_FDS) {
		close(fd);
		return why_not(place, -E2BIG,
			       "more CPUs than one message can carry descriptors for");
	}
	place->out[(*place->count)++] = fd;
	return 0;
}

static long sys_bpf(uint32_t cmd, union bpf_attr *attr)
{
	long result = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

/* Names that become parts of paths or of tracefs commands: letters, digits, _ . : and nothing else. */
static bool is_plain(const char *name, const char *also)
{
	if (!*name)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_' && *name != '.' &&
		    !strchr(also, *name))
			return false;
	return true;
}

static int raw_tracepoint(struct place *place, const struct wire_attach *attach, int program)
{
	union bpf_attr attr = {};
	long fd;

	attr.raw_tracepoint.name = attach->name[0] ? (uintptr_t)attach->name : 0;
	attr.raw_tracepoint.prog_fd = (uint32_t)program;
	fd = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	return fd < 0 ? (int)fd : keep(place, (int)fd);
}

static const char *tracefs(void)
{
	return access("/sys/kernel/tracing/events", F_OK) ? "/sys/kernel/debug/tracing"
							  : "/sys/kernel/tracing";
}

static long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	return got > 0 ? strtol(text, NULL, 10) : -EIO;
}

static int perf_open(struct perf_event_attr *attr, int pid, int cpu)
{
	int fd = (int)syscall(__NR_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Lets `program` run on a perf event. With a cookie a link is needed (5.15, 82e6b1eee6a8). */
/* A link outlives its maker when it is pinned; where the kernel has none (before 5.15) the event itself carries the program. */
static bool run_by_link(struct place *place, int event, int program, int *ret_result)
{
	union bpf_attr attr = {};
	long link;

	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_fd = (uint32_t)event;
	attr.link_create.attach_type = BPF_PERF_EVENT;
	link = sys_bpf(BPF_LINK_CREATE, &attr);
	if (link < 0)
		return false;
	*ret_result = ioctl(event, PERF_EVENT_IOC_ENABLE, 0) ? -errno : 0;
	close(event);
	if (*ret_result)
		close((int)link);
	else
		*ret_result = keep(place, (int)link);
	return true;
}

static int perf_run(struct place *place, int event, int program, uint64_t cookie)
{
	int result;

	union bpf_attr attr = {};
	long link;

	if (cookie) {
		attr.link_create.prog_fd = (uint32_t)program;
		attr.link_create.target_fd = (uint32_t)event;
		attr.link_create.attach_type = BPF_PERF_EVENT;
		attr.link_create.perf_event.bpf_cookie = cookie;
		link = sys_bpf(BPF_LINK_CREATE, &attr);
		if (link < 0) {
			close(event);
			return (int)link;
		}
		if (ioctl(event, PERF_EVENT_IOC_ENABLE, 0)) {
			close((int)link);
			close(event);
			return -errno;
		}
		close(event);
		return keep(place, (int)link);
	}
	if (run_by_link(place, event, program, &result))
		return result;
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program) ||
	    ioctl(event, PERF_EVENT_IOC_ENABLE, 0)) {
		int error = -errno;

		close(event);
		return error;
	}
	return keep(place, event);
}

static int tracepoint(struct place *place, const struct wire_attach *attach, int program)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr)};
	char path[WIRE_PATH_BYTES + 64];
	long id;
	int event;

	if (!is_plain(attach->name, "/-") || strstr(attach->name, ".."))
		return why_not(place, -EINVAL, "not a tracepoint's name");
	snprintf(path, sizeof(path), "%s/events/%s/id", tracefs(), attach->name);
	id = read_number(path);
	if (id == -ENOENT && access(tracefs(), F_OK))
		return why_not(place, -ENOENT,
			       "tracefs is not mounted (mount -t tracefs tracefs "
			       "/sys/kernel/tracing)");
	if (id < 0)
		return why_not(place, (int)id, "this kernel has no such tracepoint");
	attr.config = (uint64_t)id;
	attr.sample_period = 1;
	attr.wakeup_events = 1;
	event = perf_open(&attr, -1, 0);
	return event < 0 ? event : perf_run(place, event, program, attach->cookie);
}

/*
 * A kretprobe with room for 4096 waiting threads: the default (two a CPU) goes blind on functions that
 * block. Only tracefs can say how many ("r4096:"), so the event gets a name of ours there; it is deleted as soon
 * as nothing uses it: attach_cleanup().
 */
static int kretprobe(struct place *place, const struct wire_attach *attach, int program)
{
	static unsigned serial;
	char path[128], command[WIRE_PATH_BYTES + 128], name[64];
	struct wire_attach event = {.cookie = attach->cookie};
	int fd, error = 0;

	if (!is_plain(attach->name, ""))
		return why_not(place, -EINVAL, "not a function's name");
	snprintf(name, sizeof(name), "sonde_%d_%u", (int)getpid(), ++serial);
	snprintf(command, sizeof(command), "r4096:sonde/%s %s\n", name, attach->name);
	snprintf(path, sizeof(path), "%s/kprobe_events", tracefs());
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, command, strlen(command)) < 0)
		error = -errno;
	close(fd);
	if (error)
		return error;
	snprintf(event.name, sizeof(event.name), "sonde/%s", name);
	return tracepoint(place, &event, program);
}

static long probe_type(struct place *place, const char *unit)
{
	char path[128];
	long type;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", unit);
	type = read_number(path);
	return type < 0 ? why_not(place, -EOPNOTSUPP, "this kernel was built without such probes")
			: type;
}

static int kprobe(struct place *place, const struct wire_attach *attach, int program)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	long type;
	int event;

	if (attach->flags & ATTACH_RETURN)
		return kretprobe(place, attach, program);
	type = probe_type(place, "kprobe");
	if (type < 0)
		return (int)type;
	attr.type = (uint32_t)type;
	attr.config1 = (uintptr_t)attach->name;
	attr.config2 = attach->number;
	event = perf_open(&attr, -1, 0);
	return event < 0 ? event : perf_run(place, event, program, attach->cookie);
}

/*
 * A place in the file that came along: nothing is looked for by name here. The kernel does not know where instructions
 * begin, so a worker that lies can break the program it names; it can't make it run anything.
 */
static int uprobe(struct place *place, const struct wire_attach *attach, int program, int file)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	char path[64];
	int event, error = code_check(file, attach->number, attach->config);
	long type;

	if (error)
		return why_not(place, error, "the place is not in a program or library");
	type = probe_type(place, "uprobe");
	if (type < 0)
		return (int)type;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	attr.type = (uint32_t)type;
	/* bit 0: at return; the upper half: where the semaphore is (a6ca88b241d5, 4.20) */
	attr.config = (attach->flags & ATTACH_RETURN ? 1 : 0) | attach->config << 32;
	attr.config1 = (uintptr_t)path;
	attr.config2 = attach->number;
	event = perf_open(&attr, attach->pid > 0 ? attach->pid : -1, attach->pid > 0 ? -1 : 0);
	return event < 0 ? event : perf_run(place, event, program, attach->cookie);
}

static int perf_event(struct place *place, const struct wire_attach *attach, int program)
{
	struct perf_event_attr attr = {.size = sizeof(attr), .type = attach->type};
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int opened = 0, error = -ENODEV;

	attr.config = attach->config;
	attr.sample_period = attach->number;
	attr.freq = attach->flags & ATTACH_FREQUENCY ? 1 : 0;
	for (int cpu = 0; cpu < cpus; cpu++) {
		int event = perf_open(&attr, attach->pid, cpu);

		if (event < 0) { /* a CPU that is off: ENODEV */
			error = event;
			continue;
		}
		error = perf_run(place, event, program, 0);
		if (error)
			return error;
		opened++;
	}
	return opened ? 0 : error;
}

int attach_perf_rings(int map, uint32_t wake_bytes, int *out, uint32_t *out_count)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = wake_bytes,
	};
	struct place place = {out, out_count, (char[64]){}, 64};
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int opened = 0, error = -ENODEV;

	for (int cpu = 0; cpu < cpus; cpu++) {
		union bpf_attr update = {};
		int event = perf_open(&attr, -1, cpu);

		if (event < 0) { /* a CPU that is off: ENODEV */
			error = event;
			continue;
		}
		error = keep(&place, event);
		if (error)
			return error;
		update.map_fd = (uint32_t)map;
		update.key = (uintptr_t)&cpu;
		update.value = (uintptr_t)&event;
		error = (int)sys_bpf(BPF_MAP_UPDATE_ELEM, &update);
		if (error)
			return error;
		if (ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
			return -errno;
		opened++;
	}
	return opened ? 0 : error;
}

/* One CPU's counters. The kernel gives them their places together, or none of them. */
static int counters_on_cpu(const struct wire_counter *counters, const int *maps, uint32_t count,
			   int cpu)
{
	int leader = -1, error = 0;

	for (uint32_t i = 0; !error && i < count; i++) {
		struct perf_event_attr attr = {
			.size = sizeof(attr),
			.type = (uint32_t)counters[i].type,
			.config = counters[i].config,
			.disabled = leader < 0, /* who joins a group that runs does not count */
			.read_format =
				PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		};
		int fd = (int)syscall(__NR_perf_event_open, &attr, -1, cpu, leader,
				      PERF_FLAG_FD_CLOEXEC);
		union bpf_attr update = {};

		if (fd < 0) {
			error = -errno;
			break;
		}
		update.map_fd = (uint32_t)maps[i];
		update.key = (uintptr_t)&cpu;
		update.value = (uintptr_t)&fd;
		error = (int)sys_bpf(BPF_MAP_UPDATE_ELEM, &update);
		if (leader < 0)
			leader = fd;
		else
			close(fd); /* the map holds it */
	}
	if (!error && ioctl(leader, PERF_EVENT_IOC_ENABLE, 0))
		error = -errno;
	if (leader >= 0)
		close(leader);
	return error;
}

int attach_counters(const struct wire_counter *counters, const int *maps, uint32_t count)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int opened = 0, error = -ENODEV;

	if (!count || count > WIRE_COUNTERS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		if (counters[i].type != PERF_TYPE_HARDWARE &&
		    counters[i].type != PERF_TYPE_SOFTWARE &&
		    counters[i].type != PERF_TYPE_HW_CACHE)
			return -EPERM;
	for (int cpu = 0; cpu < cpus; cpu++) {
		int result = counters_on_cpu(counters, maps, count, cpu);

		if (result && result != -ENODEV)
			return result;
		if (result)
			error = result; /* a CPU that is off */
		else
			opened++;
	}
	return opened ? 0 : error;
}

/* In the driver where it can, else in the stack: flags 0 leaves the choice to the kernel. */
static int xdp(struct place *place, const struct wire_attach *attach, int program)
{
	unsigned index = if_nametoindex(attach->name);
	union bpf_attr attr = {};
	long link;

	if (!index)
		return why_not(place, -ENODEV, "there is no such network interface");
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = index;
	attr.link_create.attach_type = BPF_XDP;
	link = sys_bpf(BPF_LINK_CREATE, &attr);
	return link < 0 ? (int)link : keep(place, (int)link);
}

static int iterator(struct place *place, int program, int map)
{
	union bpf_iter_link_info info = {};
	union bpf_attr attr = {};
	long link;

	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.attach_type = BPF_TRACE_ITER;
	if (map >= 0) {
		info.map.map_fd = (uint32_t)map;
		attr.link_create.iter_info = (uintptr_t)&info;
		attr.link_create.iter_info_len = sizeof(info);
	}
	link = sys_bpf(BPF_LINK_CREATE, &attr);
	return link < 0 ? (int)link : keep(place, (int)link);
}

/* The root of the v2 hierarchy: /sys/fs/cgroup, or its "unified" folder on hybrid hosts. */
static int cgroup(struct place *place, const struct wire_attach *attach, int program)
{
	const char *root = access("/sys/fs/cgroup/cgroup.controllers", F_OK)
				   ? "/sys/fs/cgroup/unified"
				   : "/sys/fs/cgroup";
	char path[WIRE_PATH_BYTES + 64];
	union bpf_attr attr = {};
	long link;
	int target;

	if (strstr(attach->name, ".."))
		return why_not(place, -EINVAL, "not a cgroup's path");
	snprintf(path, sizeof(path), "%s/%s", root, attach->name);
	target = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return -errno;
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_fd = (uint32_t)target;
	attr.link_create.attach_type = attach->type;
	link = sys_bpf(BPF_LINK_CREATE, &attr);
	close(target);
	return link < 0 ? (int)link : keep(place, (int)link);
}

/* Programs on the sockets of a map: no link keeps them (before 6.10), they stay until the map goes. */
static int sockets(struct place *place, const struct wire_attach *attach, int program, int map)
{
	union bpf_attr attr = {};

	if (attach->type != BPF_SK_MSG_VERDICT && attach->type != BPF_SK_SKB_STREAM_VERDICT)
		return why_not(place, -EINVAL, "sockets of a map have no such place for a program");
	if (map < 0)
		return why_not(place, -EBADF, "no map was sent along");
	attr.target_fd = (uint32_t)map;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = attach->type;
	return (int)sys_bpf(BPF_PROG_ATTACH, &attr);
}

/* union bpf_attr, link_create, as 89ae89f53d20 ("bpf: Add multi uprobe link", 6.6) has it: younger than our headers. */
struct create_uprobes {
	uint32_t program, target, attach_type, link_flags;
	uint64_t path, offsets, semaphores, cookies;
	uint32_t count, flags, pid, pad;
};

enum { TRACE_UPROBE_MULTI = 48, UPROBE_MULTI_RETURN = 1 };

int attach_places(const struct wire_attach *attach, const struct wire_place *places, uint32_t count,
		  int program, int file, int *out, uint32_t *out_count)
{
	uint64_t offsets[WIRE_PLACES], cookies[WIRE_PLACES];
	char path[64];
	struct create_uprobes create = {
		.program = (uint32_t)program,
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.count = count,
		.flags = attach->flags & ATTACH_RETURN ? UPROBE_MULTI_RETURN : 0,
		.pid = attach->pid > 0 ? (uint32_t)attach->pid : 0,
	};
	long link;

	for (uint32_t i = 0; i < count; i++) {
		int error = code_check(file, places[i].offset, 0);

		if (error)
			return error;
		offsets[i] = places[i].offset;
		cookies[i] = places[i].cookie;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	link = syscall(__NR_bpf, BPF_LINK_CREATE, &create, sizeof(create));
	if (link < 0)
		return -errno;
	out[(*out_count)++] = (int)link;
	return 0;
}

int attach_for_worker(const struct wire_attach *attach, int program, int map, int *out,
		      uint32_t *out_count, char *text, size_t text_room)
{
	struct place place = {out, out_count, text, text_room};

	if (program < 0)
		return why_not(&place, -EBADF, "no program was sent along");
	switch (attach->kind) {
	case ATTACH_RAW_TRACEPOINT: return raw_tracepoint(&place, attach, program);
	case ATTACH_TRACEPOINT: return tracepoint(&place, attach, program);
	case ATTACH_KPROBE: return kprobe(&place, attach, program);
	case ATTACH_UPROBE: return uprobe(&place, attach, program, map);
	case ATTACH_PERF_EVENT: return perf_event(&place, attach, program);
	case ATTACH_ITER: return iterator(&place, program, map);
	case ATTACH_XDP: return xdp(&place, attach, program);
	case ATTACH_CGROUP: return cgroup(&place, attach, program);
	case ATTACH_SOCKETS: return sockets(&place, attach, program, map);
	default: return why_not(&place, -EOPNOTSUPP, "unknown kind of attachment");
	}
}

/* Lines of kprobe_events: "r4096:sonde/sonde_PID_N func". The kernel refuses to remove what is in use. */
void attach_cleanup(void)
{
	char path[128], line[512], command[128];
	FILE *events;

	snprintf(path, sizeof(path), "%s/kprobe_events", tracefs());
	events = fopen(path, "re");
	while (events && fgets(line, sizeof(line), events)) {
		char name[64];
		int pid, serial, fd;

		if (sscanf(line, "%*[^:]:sonde/sonde_%d_%d", &pid, &serial) != 2)
			continue;
		if (pid != getpid() && !kill(pid, 0))
			continue; /* another agent's */
		snprintf(name, sizeof(name), "sonde_%d_%d", pid, serial);
		snprintf(command, sizeof(command), "-:sonde/%s\n", name);
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, command, strlen(command)) < 0)
			fd = (close(fd), -1); /* in use: its user removes it */
		if (fd >= 0)
			close(fd);
	}
	if (events)
		fclose(events);
}
