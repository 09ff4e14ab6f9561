// SPDX-License-Identifier: GPL-2.0-only
/* loader_direct - the loader that makes the system calls itself: bpf(2) and perf_event_open(2). */
#include <errno.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/loader.h"

enum { LINKS_MAX = 200000, AGAIN_MAX = 5 };

static int sys_bpf(int command, union bpf_attr *attr)
{
	int result, tries = 0;

	do {
		result = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
	} while (result < 0 && errno == EAGAIN && ++tries < AGAIN_MAX);
	return result < 0 ? -errno : result;
}

int loader_keep(struct loader *loader, int fd)
{
	if (fd < 0)
		return fd;
	if (loader->link_count == loader->links_max) {
		uint32_t max = loader->links_max ? loader->links_max * 2 : 64;
		int *grown = max <= LINKS_MAX ? realloc(loader->links, max * sizeof(*grown)) : NULL;

		if (!grown) {
			close(fd);
			return -ENOMEM;
		}
		loader->links = grown;
		loader->links_max = max;
	}
	loader->links[loader->link_count++] = fd;
	return fd;
}

void loader_detach(struct loader *loader)
{
	while (loader->link_count)
		close(loader->links[--loader->link_count]);
}

void loader_done(struct loader *loader)
{
	loader_detach(loader);
	free(loader->links);
	loader->links = NULL;
	loader->links_max = 0;
}

static int map_create(struct loader *loader, const struct map_spec *spec, struct err *why)
{
	union bpf_attr attr = {.map_type = spec->type,
			       .key_size = spec->key_size,
			       .value_size = spec->value_size,
			       .max_entries = spec->max_entries,
			       .map_flags = spec->flags};
	int fd;

	memcpy(attr.map_name, spec->name, sizeof(attr.map_name));
	fd = sys_bpf(BPF_MAP_CREATE, &attr);
	if (fd == -E2BIG && spec->key_size > 512)
		err_set(why, fd,
			"cannot create map '%s': its key has %u bytes, and this kernel takes 512 "
			"at most; "
			"shorten strings with str(x, 64), or set max_strlen",
			spec->name, spec->key_size);
	else if (fd < 0)
		err_set(why, fd, "cannot create map '%s' (%u entries of %u + %u bytes): %s",
			spec->name, spec->max_entries, spec->key_size, spec->value_size,
			err_name(fd));
	return fd;
}

/*
 * A program with functions of its own must say in BTF that they are functions: one type int, one
 * prototype without parameters, one function; every function of the program is "that one".
 */
static int load_btf(void)
{
	static const struct {
		struct btf_header header;
		struct btf_type integer;
		uint32_t integer_is;
		struct btf_type prototype, function;
		char strings[16];
	} blob = {
		.header = {.magic = BTF_MAGIC,
			   .version = 1,
			   .hdr_len = sizeof(struct btf_header),
			   .type_len = 3 * sizeof(struct btf_type) + 4,
			   .str_off = 3 * sizeof(struct btf_type) + 4,
			   .str_len = 16},
		.integer = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
		.integer_is = BTF_INT_SIGNED << 24 | 32,
		.prototype = {.info = BTF_KIND_FUNC_PROTO << 24, .type = 1},
		.function = {.name_off = 5, .info = BTF_KIND_FUNC << 24, .type = 2},
		.strings = "\0int\0function",
	};
	union bpf_attr attr = {.btf = (uint64_t)(uintptr_t)&blob, .btf_size = sizeof(blob)};

	return sys_bpf(BPF_BTF_LOAD, &attr);
}

enum { FUNCTIONS_MAX = 65, FUNCTION_TYPE = 3 };

/* Fills in what the kernel wants to know of functions. Returns a file to close after loading. */
static int describe_functions(const struct program_spec *spec, struct bpf_func_info *info,
			      union bpf_attr *attr)
{
	int fd;

	if (!spec->function_count || spec->function_count >= FUNCTIONS_MAX)
		return -1;
	fd = load_btf();
	if (fd < 0)
		return -1;
	info[0] = (struct bpf_func_info){.type_id = FUNCTION_TYPE};
	for (uint32_t i = 0; i < spec->function_count; i++)
		info[i + 1] = (struct bpf_func_info){.insn_off = spec->functions[i],
						     .type_id = FUNCTION_TYPE};
	attr->prog_btf_fd = (uint32_t)fd;
	attr->func_info_rec_size = sizeof(*info);
	attr->func_info = (uint64_t)(uintptr_t)info;
	attr->func_info_cnt = spec->function_count + 1;
	return fd;
}

static int program_load(struct loader *loader, const struct program_spec *spec, struct err *why)
{
	union bpf_attr attr = {.prog_type = spec->type,
			       .insns = (uint64_t)(uintptr_t)spec->insns,
			       .insn_cnt = spec->insn_count,
			       .license = (uint64_t)(uintptr_t)spec->license,
			       .expected_attach_type = spec->attach_type,
			       .attach_btf_id = spec->attach_btf_id};
	struct bpf_func_info functions[FUNCTIONS_MAX];
	int btf = describe_functions(spec, functions, &attr), fd;

	snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", spec->name);
	fd = sys_bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0 && spec->log_size) { /* once more, for the reason */
		attr.log_level = spec->log_level ? spec->log_level : 1;
		attr.log_buf = (uint64_t)(uintptr_t)spec->log;
		attr.log_size = spec->log_size;
		spec->log[0] = 0;
		sys_bpf(BPF_PROG_LOAD, &attr);
	}
	if (btf >= 0)
		close(btf);
	if (fd >= 0)
		return fd;
	return err_set(why, fd, "cannot load program '%s': %s", spec->name,
		       fd == -EPERM ? "not permitted (root, or CAP_BPF and CAP_PERFMON, are needed)"
				    : err_name(fd));
}

static int attach_raw(struct loader *loader, int program, const char *tracepoint, struct err *why)
{
	union bpf_attr attr = {};
	int fd;

	attr.raw_tracepoint.name = (uint64_t)(uintptr_t)tracepoint;
	attr.raw_tracepoint.prog_fd = (uint32_t)program;
	fd = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	if (fd < 0)
		return err_set(why, fd, "cannot attach to raw tracepoint '%s': %s", tracepoint,
			       err_name(fd));
	return loader_keep(loader, fd);
}

static int attach_perf(struct loader *loader, int program, const struct perf_spec *spec,
		       struct err *why)
{
	struct perf_event_attr attr = {.type = spec->type,
				       .size = sizeof(attr),
				       .config = spec->config,
				       .config1 = spec->path ? (uint64_t)(uintptr_t)spec->path
							     : spec->config1,
				       .config2 = spec->config2};
	int fd, err;

	attr.bp_type = spec->breakpoint;
	attr.freq = spec->is_frequency;
	attr.sample_period = spec->period; /* the same place as sample_freq */
	fd = (int)syscall(SYS_perf_event_open, &attr, spec->pid, spec->cpu, -1,
			  PERF_FLAG_FD_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		return err_set(why, err, "cannot open the event: %s", err_name(err));
	}
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		err = -errno;
		close(fd);
		return err_set(why, err, "cannot attach the program to the event: %s",
			       err_name(err));
	}
	return loader_keep(loader, fd);
}

static int attach_tracing(struct loader *loader, int program, struct err *why)
{
	union bpf_attr attr = {};
	int fd;

	attr.raw_tracepoint.prog_fd = (uint32_t)program;
	fd = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	if (fd < 0)
		return err_set(why, fd, "cannot attach: %s", err_name(fd));
	return loader_keep(loader, fd);
}

/* union bpf_attr of 5.18: our headers may be older. */
struct link_multi {
	uint32_t program, target, attach_type, flags;
	uint32_t multi_flags, count;
	uint64_t names, addresses, cookies;
};

static int attach_multi(struct loader *loader, int program, bool at_return,
			const char *const *names, uint32_t count, struct err *why)
{
	enum { NOWHERE = 1 };
	union {
		union bpf_attr attr;
		struct link_multi multi;
	} u = {.multi = {.program = (uint32_t)program,
			 .attach_type = ATTACH_KPROBE_MULTI,
			 .multi_flags = at_return,
			 .count = count,
			 .names = names ? (uint64_t)(uintptr_t)names : NOWHERE}};
	int fd = sys_bpf(BPF_LINK_CREATE, &u.attr);

	if (fd < 0)
		return err_set(why, fd, "cannot attach to %u functions: %s", count, err_name(fd));
	return loader_keep(loader, fd);
}

/* union bpf_attr of 6.6 */
struct link_uprobes {
	uint32_t program, target, attach_type, flags;
	uint64_t path, offsets, semaphores, cookies;
	uint32_t count, multi_flags, pid;
};

static int attach_uprobes(struct loader *loader, int program, bool at_return, const char *path,
			  const uint64_t *offsets, uint32_t count, struct err *why)
{
	enum { NOWHERE = 1 };
	union {
		union bpf_attr attr;
		struct link_uprobes uprobes;
	} u = {.uprobes = {.program = (uint32_t)program,
			   .attach_type = ATTACH_UPROBE_MULTI,
			   .path = path ? (uint64_t)(uintptr_t)path : NOWHERE,
			   .offsets = path ? (uint64_t)(uintptr_t)offsets : NOWHERE,
			   .count = count,
			   .multi_flags = at_return,
			   .pid = (uint32_t)loader->pid}};
	int fd = sys_bpf(BPF_LINK_CREATE, &u.attr);

	if (fd < 0)
		return err_set(why, fd, "cannot attach to %u places of '%s': %s", count,
			       path ? path : "", err_name(fd));
	return loader_keep(loader, fd);
}

/* Returns the iterator's file: reading it to its end runs the program for every object. */
static int attach_iter(struct loader *loader, int program, const char *pin, struct err *why)
{
	union bpf_attr attr = {};
	int link, fd;

	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.attach_type = BPF_TRACE_ITER;
	link = sys_bpf(BPF_LINK_CREATE, &attr);
	if (link < 0)
		return err_set(why, link, "cannot attach the iterator: %s", err_name(link));
	link = loader_keep(loader, link);
	if (link < 0)
		return link;
	memset(&attr, 0, sizeof(attr));
	if (pin) { /* it is read by whoever opens that file, and stays */
		int err;

		attr.pathname = (uint64_t)(uintptr_t)pin;
		attr.bpf_fd = (uint32_t)link;
		err = sys_bpf(BPF_OBJ_PIN, &attr);
		return err < 0 ? err_set(why, err, "cannot pin the iterator to '%s': %s", pin,
					 err_name(err))
			       : link;
	}
	attr.iter_create.link_fd = (uint32_t)link;
	fd = sys_bpf(BPF_ITER_CREATE, &attr);
	if (fd < 0)
		return err_set(why, fd, "cannot create the iterator: %s", err_name(fd));
	return loader_keep(loader, fd);
}

static int run_program(struct loader *loader, int program, uint32_t *ret_result, struct err *why)
{
	union bpf_attr attr = {};
	int err;

	attr.test.prog_fd = (uint32_t)program;
	err = sys_bpf(BPF_PROG_TEST_RUN, &attr);
	if (err < 0)
		return err_set(why, err, "cannot run a program by hand: %s", err_name(err));
	*ret_result = attr.test.retval;
	return 0;
}

static int enable_stats(struct loader *loader, struct err *why)
{
	union bpf_attr attr = {.enable_stats.type = BPF_STATS_RUN_TIME};
	int fd = sys_bpf(BPF_ENABLE_STATS, &attr);

	if (fd < 0)
		return err_set(why, fd, "the kernel does not count the time of programs: %s",
			       err_name(fd));
	return fd;
}

static int silence(struct loader *loader, int event)
{
	return ioctl(event, PERF_EVENT_IOC_DISABLE, 0) ? -errno : 0;
}

static int map_command(int command, int map, const void *key, const void *value)
{
	union bpf_attr attr = {.map_fd = (uint32_t)map,
			       .key = (uint64_t)(uintptr_t)key,
			       .value = (uint64_t)(uintptr_t)value};

	return sys_bpf(command, &attr);
}

static int map_next(struct loader *loader, int map, const void *key, void *ret_next)
{
	return map_command(BPF_MAP_GET_NEXT_KEY, map, key, ret_next);
}

static int map_read(struct loader *loader, int map, const void *key, void *ret_value)
{
	return map_command(BPF_MAP_LOOKUP_ELEM, map, key, ret_value);
}

static int map_write(struct loader *loader, int map, const void *key, const void *value)
{
	return map_command(BPF_MAP_UPDATE_ELEM, map, key, value);
}

static int map_delete(struct loader *loader, int map, const void *key)
{
	return map_command(BPF_MAP_DELETE_ELEM, map, key, NULL);
}

/* "0-3,8" */
static uint32_t read_cpus(const char *path, uint32_t *cpus, uint32_t max)
{
	FILE *file = fopen(path, "re");
	uint32_t count = 0;
	unsigned from, to;
	char separator;

	while (file && fscanf(file, "%u", &from) == 1) {
		to = from;
		if (fscanf(file, "%c", &separator) == 1 && separator == '-') {
			if (fscanf(file, "%u", &to) != 1)
				break;
			if (fscanf(file, "%c", &separator) != 1)
				separator = 0;
		}
		for (unsigned cpu = from; cpu <= to && count < max; cpu++)
			cpus[count++] = cpu;
	}
	if (file)
		fclose(file);
	return count;
}

uint32_t loader_online(uint32_t *cpus, uint32_t max)
{
	uint32_t count = read_cpus("/sys/devices/system/cpu/online", cpus, max);

	if (!count && max) {
		cpus[0] = 0;
		count = 1;
	}
	return count;
}

static struct rlimit files_before;

/* A probe takes up to three files, and there may be thousands of probes. */
static void raise_limits(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, files = {1 << 20, 1 << 20};

	/* before 5.11 maps count as locked memory; where it is refused it is not needed */
	setrlimit(RLIMIT_MEMLOCK, &all);
	if (!files_before.rlim_max && !getrlimit(RLIMIT_NOFILE, &files_before) &&
	    files_before.rlim_cur < files.rlim_cur && setrlimit(RLIMIT_NOFILE, &files)) {
		files = files_before;
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

void loader_child(void)
{
	if (files_before.rlim_max)
		setrlimit(RLIMIT_NOFILE, &files_before);
}

void loader_direct(struct loader *loader)
{
	static uint32_t cpus[4096];

	raise_limits();
	*loader = (struct loader){.map_create = map_create,
				  .program_load = program_load,
				  .attach_raw = attach_raw,
				  .attach_perf = attach_perf,
				  .attach_tracing = attach_tracing,
				  .attach_multi = attach_multi,
				  .attach_uprobes = attach_uprobes,
				  .attach_iter = attach_iter,
				  .run = run_program,
				  .enable_stats = enable_stats,
				  .silence = silence,
				  .map_next = map_next,
				  .map_read = map_read,
				  .map_write = map_write,
				  .map_delete = map_delete};
	/* per-CPU values come for every possible CPU */
	loader->cpus = read_cpus("/sys/devices/system/cpu/possible", cpus, 4096);
	if (!loader->cpus)
		loader->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
}
