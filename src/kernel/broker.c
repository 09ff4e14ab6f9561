// SPDX-License-Identifier: GPL-2.0-only
/*
 * broker - the small process that holds the privileges.
 *
 * A request is a head (struct wire_request, copied out of the socket by the kernel), bytes in the
 * shared area, and descriptors. The order is always the same: copy the bytes into our own memory,
 * check sizes against what the fields of the call say, replace indices by the descriptors that came
 * along, look at what the program may do, call, write results back, answer.
 *
 * What a compromised worker could still do is load tracing programs: read kernel memory. What it can't: write it
 * (helpers that write or inject are refused), run a program of its own, open a file for writing, or
 * reach anything outside the lists below.
 */
#include "kernel/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpus.h"
#include "kernel/attach_broker.h"
#include "kernel/code_broker.h"
#include "kernel/diag.h"
#include "kernel/netfilter.h"
#include "kernel/netns.h"
#include "kernel/pin.h"
#include "kernel/tcp_pair.h"
#include "kernel/wire.h"

enum { SCRIPTS = 16, SCRIPT_BYTES = 4 << 20 };

struct broker {
	int sock; /* borrowed */
	uint8_t *area; /* borrowed; shared with the worker: never read twice */
	broker_script script; /* NULL: there are none */
	pid_t scripts[SCRIPTS]; /* that run; 0 = free */
	char pins[64]; /* the agent's folder in the bpf file system; "" = none */
};

/* The call under way. Everything is freed when it is over. */
struct call {
	struct wire_request head;
	struct wire_reply reply;
	int fds[WIRE_FDS]; /* came with the request; closed at the end */
	uint32_t fd_count;
	int out[WIRE_FDS]; /* go with the reply; closed at the end */
	uint32_t out_count;
	uint8_t *bytes; /* owned copy of the area */
};

static int fail(struct call *call, int code, const char *text)
{
	snprintf(call->reply.text, sizeof(call->reply.text), "%s", text);
	return code;
}

/* Descriptor number `index` (from 1) of the request, -1 if there is none. */
static int fd_at(const struct call *call, uint32_t index)
{
	return index >= 1 && index <= call->fd_count ? call->fds[index - 1] : -1;
}

static long sys_bpf(uint32_t cmd, union bpf_attr *attr, size_t size)
{
	long result = syscall(__NR_bpf, cmd, attr, size);

	return result < 0 ? -errno : result;
}

/* Program types that watch, and the ones that items of the net and sec wings need. */
static bool type_is_allowed(uint32_t type)
{
	switch (type) {
	case BPF_PROG_TYPE_KPROBE:
	case BPF_PROG_TYPE_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_PERF_EVENT:
	case BPF_PROG_TYPE_TRACING:
	case BPF_PROG_TYPE_SOCKET_FILTER: /* libbpf's feature probes */
	case BPF_PROG_TYPE_CGROUP_SKB:
	case BPF_PROG_TYPE_CGROUP_SOCK:
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
	case BPF_PROG_TYPE_CGROUP_SOCKOPT:
	case BPF_PROG_TYPE_XDP: /* of configurations of others: they watch the network's edge */
	case BPF_PROG_TYPE_SOCK_OPS:
	case BPF_PROG_TYPE_SK_MSG:
	case BPF_PROG_TYPE_SK_SKB: return true;
	default: return false;
	}
}

/* Helpers that change memory, return values or processes of others. */
static bool helper_is_allowed(int32_t helper)
{
	switch (helper) {
	case BPF_FUNC_probe_write_user:
	case BPF_FUNC_override_return:
	case BPF_FUNC_send_signal:
	case BPF_FUNC_send_signal_thread:
	case BPF_FUNC_sys_bpf:
	case BPF_FUNC_sys_close: return false;
	default: return true;
	}
}

static int check_program(struct call *call, const union bpf_attr *attr, struct bpf_insn *insns)
{
	if (!type_is_allowed(attr->prog_type))
		return fail(call, -EPERM, "programs of this type are not loaded by the broker");
	if (attr->insn_cnt == 0 || attr->insn_cnt > 1000000)
		return fail(call, -E2BIG, "a program has 1 to 1,000,000 instructions");
	for (uint32_t i = 0; i < attr->insn_cnt; i++) {
		struct bpf_insn *insn = &insns[i];

		if (insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == 0 &&
		    !helper_is_allowed(insn->imm))
			return fail(call, -EPERM,
				    "the program calls a helper that changes other programs");
		if (wire_insn_has_fd(insn)) {
			insn->imm = fd_at(call, (uint32_t)insn->imm);
			if (insn->imm < 0)
				return fail(call, -EBADF,
					    "the program names a map that was not sent along");
		}
		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW))
			i++; /* its second half is data */
	}
	return 0;
}

/* Key and value sizes of a map as the kernel knows them (values of per-CPU maps have one part a CPU). */
static int check_element(struct call *call, int map_fd, uint8_t *key, uint8_t *value)
{
	struct bpf_map_info info = {};
	union bpf_attr attr = {};
	uint64_t value_bytes;
	long error;

	attr.info.bpf_fd = (uint32_t)map_fd;
	attr.info.info = (uintptr_t)&info;
	attr.info.info_len = sizeof(info);
	error = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
	if (error)
		return (int)error;
	value_bytes = info.value_size;
	switch (info.type) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		value_bytes = (value_bytes + 7) / 8 * 8 * cpus_possible();
		break;
	default: break;
	}
	if (call->head.key_bytes != info.key_size || call->head.value_bytes < value_bytes)
		return fail(call, -EINVAL, "key or value have another size than the map's");
	if (key && wire_map_key_is_fd(info.type)) {
		uint32_t index;
		int fd;

		memcpy(&index, key, sizeof(index));
		fd = fd_at(call, index);
		if (fd < 0)
			return -EBADF;
		memcpy(key, &fd, sizeof(fd));
	}
	if (value && call->head.cmd == BPF_MAP_UPDATE_ELEM && wire_map_holds_fds(info.type)) {
		uint32_t index;
		int fd;

		memcpy(&index, value, sizeof(index));
		fd = fd_at(call, index);
		if (fd < 0)
			return -EBADF;
		memcpy(value, &fd, sizeof(fd));
	}
	return 0;
}

/* Puts descriptors and addresses of our own copies into the attr. */
static int place_fields(struct call *call, union bpf_attr *attr, const struct wire_field *field,
			int count, uint8_t **ret_place)
{
	uint64_t at = call->head.attr_bytes;

	at = (at + 7) & ~7ull;
	for (int i = 0; i < count; i++) {
		uint8_t *slot = (uint8_t *)attr + field[i].at;

		if (field[i].kind == FIELD_FD) {
			uint32_t index;
			int fd;

			memcpy(&index, slot, sizeof(index));
			fd = fd_at(call, index);
			if (fd < 0)
				return fail(call, -EBADF, "a descriptor was not sent along");
			memcpy(slot, &fd, sizeof(fd));
			continue;
		}
		if (field[i].bytes > WIRE_AREA_BYTES || at + field[i].bytes > call->head.area_bytes)
			return fail(call, -EINVAL, "the request is shorter than its fields");
		ret_place[i] = call->bytes + at;
		memcpy(slot, &(uint64_t){(uintptr_t)ret_place[i]}, sizeof(uint64_t));
		if (field[i].kind == FIELD_OUT)
			memset(ret_place[i], 0, field[i].bytes);
		at = (at + field[i].bytes + 7) & ~7ull;
	}
	return 0;
}

static int check_call(struct call *call, union bpf_attr *attr)
{
	switch (call->head.cmd) {
	case BPF_PROG_LOAD:
		((char *)(uintptr_t)attr->license)[WIRE_LICENSE_BYTES - 1] = 0;
		attr->fd_array = 0;
		return check_program(call, attr, (void *)(uintptr_t)attr->insns);
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_DELETE_ELEM:
		return check_element(call, (int)attr->map_fd, (void *)(uintptr_t)attr->key, (void *)(uintptr_t)attr->value);
	default: return 0;
	}
}

static bool makes_descriptor(uint32_t cmd)
{
	return cmd == BPF_MAP_CREATE || cmd == BPF_PROG_LOAD || cmd == BPF_BTF_LOAD;
}

static int serve_bpf(struct broker *broker, struct call *call)
{
	struct wire_field field[WIRE_FIELDS];
	uint8_t *place[WIRE_FIELDS] = {};
	union bpf_attr attr = {};
	long result;
	int count;

	if (call->head.attr_bytes > sizeof(attr) || call->head.attr_bytes > call->head.area_bytes)
		return fail(call, -E2BIG, "attr is larger than this broker knows");
	memcpy(&attr, call->bytes, call->head.attr_bytes);
	count = wire_fields(call->head.cmd, &attr, call->head.key_bytes, call->head.value_bytes,
			    field);
	if (count < 0)
		return fail(call, count, "this bpf command is not served");
	result = place_fields(call, &attr, field, count, place);
	if (!result)
		result = check_call(call, &attr);
	if (result)
		return (int)result;
	result = sys_bpf(call->head.cmd, &attr, sizeof(attr));
	/* results go back to the places they came from */
	for (int i = 0; i < count; i++)
		if (field[i].kind == FIELD_OUT)
			memcpy(broker->area + (place[i] - call->bytes), place[i], field[i].bytes);
	if (result >= 0 && makes_descriptor(call->head.cmd)) {
		call->out[call->out_count++] = (int)result;
		return 0;
	}
	return (int)result;
}

static int serve_iter_create(struct call *call)
{
	int pid = (int)call->head.attach.number, own = -1, error = pid ? netns_enter(pid, &own) : 0;
	union bpf_attr attr = {};
	long result;

	if (error)
		return error;
	attr.iter_create.link_fd = (uint32_t)fd_at(call, 1);
	result = sys_bpf(BPF_ITER_CREATE, &attr, sizeof(attr));
	if (pid)
		netns_return(own);
	if (result < 0)
		return (int)result;
	call->out[call->out_count++] = (int)result;
	return 0;
}

static int serve_delete_keys(struct call *call)
{
	int map_fd = fd_at(call, 1), deleted = 0, error;
	uint64_t bytes = (uint64_t)call->head.count * call->head.key_bytes;

	if (!call->head.key_bytes || bytes > call->head.area_bytes)
		return fail(call, -EINVAL, "the request is shorter than its keys");
	call->head.cmd = BPF_MAP_DELETE_ELEM;
	call->head.value_bytes = UINT32_MAX;
	error = check_element(call, map_fd, NULL, NULL);
	if (error)
		return error;
	for (uint32_t i = 0; i < call->head.count; i++) {
		union bpf_attr attr = {};

		attr.map_fd = (uint32_t)map_fd;
		attr.key = (uintptr_t)call->bytes + (uint64_t)i * call->head.key_bytes;
		deleted += sys_bpf(BPF_MAP_DELETE_ELEM, &attr, sizeof(attr)) == 0;
	}
	return deleted;
}

/* Where runtimes keep the names of their containers: read-only, below these folders. */
static const char *const readable[] = {
	"/proc/",
	"/sys/",
	"/run/containerd/io.containerd.runtime.v2.task/",
	"/run/runc/",
	"/run/crun/",
	"/run/docker/runtime-runc/",
	"/run/containers/storage/",
	"/var/lib/docker/containers/",
	"/var/lib/containers/storage/",
	"/var/lib/kubelet/pods/",
	"/etc/hostname",
};

bool broker_path_allowed(const char *path)
{
	if (strstr(path, "/../") || strstr(path, "//") || !strncmp(path, "/proc/kcore", 11) ||
	    !strncmp(path, "/proc/sysrq", 11))
		return false;
	/* another process's memory and files are not facts about the machine */
	if (!strncmp(path, "/proc/", 6)) {
		const char *last = strrchr(path, '/');

		if (!strcmp(last, "/mem") || !strcmp(last, "/environ") || strstr(path, "/root/") ||
		    strstr(path, "/cwd/") || strstr(path, "/map_files/"))
			return false;
	}
	for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++)
		if (!strncmp(path, readable[i], strlen(readable[i])))
			return true;
	return false;
}

/* The path of the request, always ended; NULL when it is not in the list. */
static const char *path_of(struct call *call)
{
	char *path = call->head.attach.name;

	path[WIRE_PATH_BYTES - 1] = 0;
	return broker_path_allowed(path) ? path : NULL;
}

static int serve_open(struct call *call)
{
	const char *path = path_of(call);
	int fd;

	/* a process's descriptor may be looked at (readlink), not opened: that would open its file */
	if (!path || (!strncmp(path, "/proc/", 6) && strstr(path, "/fd/")))
		return fail(call, -EPERM, "this path is not in the broker's list");
	/* no blocking on pipes, no terminals, no device side effects */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	call->out[call->out_count++] = fd;
	return 0;
}

static int serve_read_link(struct broker *broker, struct call *call)
{
	const char *path = path_of(call);
	ssize_t bytes;

	if (!path)
		return fail(call, -EPERM, "this path is not in the broker's list");
	bytes = readlink(path, (char *)broker->area, 4096);
	if (bytes < 0)
		return -errno;
	call->reply.area_bytes = (uint32_t)bytes;
	return (int)bytes;
}

static int serve_inode(struct call *call)
{
	const char *path = path_of(call);
	struct stat st;

	if (!path)
		return fail(call, -EPERM, "this path is not in the broker's list");
	if (stat(path, &st))
		return -errno;
	call->reply.number = st.st_ino;
	return 0;
}

static int serve_stats(struct call *call)
{
	union bpf_attr attr = {};
	long result;

	attr.enable_stats.type = BPF_STATS_RUN_TIME;
	result = sys_bpf(BPF_ENABLE_STATS, &attr, sizeof(attr));
	if (result < 0)
		return (int)result;
	call->out[call->out_count++] = (int)result;
	return 0;
}

static int serve_attach(struct call *call)
{
	uint64_t count = call->head.attach.number;

	call->head.attach.name[WIRE_PATH_BYTES - 1] = 0;
	if (call->head.attach.kind == ATTACH_UPROBES) {
		if (!count || count > WIRE_PLACES ||
		    call->head.area_bytes < count * sizeof(struct wire_place))
			return fail(call, -EINVAL, "the request is shorter than its places");
		return attach_places(&call->head.attach, (const void *)call->bytes, (uint32_t)count,
				     fd_at(call, 1), fd_at(call, 2), call->out, &call->out_count);
	}
	return attach_for_worker(&call->head.attach, fd_at(call, 1), fd_at(call, 2), call->out,
				 &call->out_count, call->reply.text, sizeof(call->reply.text));
}

static int serve_open_code(struct call *call)
{
	int fd;

	call->head.attach.name[WIRE_PATH_BYTES - 1] = 0;
	fd = code_open(&call->head.attach);
	if (fd == -ENOEXEC)
		return fail(call, fd, "not an ELF file");
	if (fd < 0)
		return fd;
	call->out[call->out_count++] = fd;
	return 0;
}

static int serve_link_update(struct call *call)
{
	union bpf_attr attr = {};

	attr.link_update.link_fd = (uint32_t)fd_at(call, 1);
	attr.link_update.new_prog_fd = (uint32_t)fd_at(call, 2);
	return (int)sys_bpf(BPF_LINK_UPDATE, &attr, sizeof(attr));
}

static int serve_perf_rings(struct call *call)
{
	return attach_perf_rings(fd_at(call, 1), call->head.count, call->out, &call->out_count);
}

static int serve_diag(struct broker *broker, struct call *call)
{
	int bytes = diag_dump((int)call->head.attach.number, (int)call->head.attach.type,
			      (int)call->head.attach.config, (uint32_t)call->head.attach.cookie,
			      broker->area, WIRE_AREA_BYTES);

	if (bytes > 0)
		call->reply.area_bytes = (uint32_t)bytes;
	return bytes;
}

void broker_run_scripts(struct broker *broker, broker_script script)
{
	broker->script = script;
}

void broker_reap(struct broker *broker)
{
	for (int i = 0; i < SCRIPTS; i++)
		if (broker->scripts[i] && waitpid(broker->scripts[i], NULL, WNOHANG) != 0)
			broker->scripts[i] = 0;
}

/* In the new process: nothing of the broker's stays but the standard streams and the script's socket. */
static void become_script(const struct broker *broker, const struct call *call, int sock,
			  pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(sock, STDERR_FILENO + 1) < 0 ||
	    syscall(SYS_close_range, STDERR_FILENO + 2, ~0u, 0))
		_exit(1);
	_exit(broker->script(STDERR_FILENO + 1, call->bytes, call->head.area_bytes));
}

static int serve_script(struct broker *broker, struct call *call)
{
	int pair[2], place = 0;
	pid_t parent = getpid(), child;

	broker_reap(broker);
	while (place < SCRIPTS && broker->scripts[place])
		place++;
	if (!broker->script || call->head.area_bytes > SCRIPT_BYTES)
		return fail(call, -EOPNOTSUPP, "scripts are not run here, or not of this size");
	if (place == SCRIPTS)
		return fail(call, -EBUSY, "16 scripts run already: end one first");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child = fork();
	if (!child)
		become_script(broker, call, pair[1], parent);
	close(pair[1]);
	if (child < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	broker->scripts[place] = child;
	call->out[call->out_count++] = pair[0];
	return (int)child;
}

static int serve_tcp_pair(struct call *call)
{
	int error = tcp_pair_in_new_namespace(call->out, &call->reply.number);

	if (error)
		return error;
	call->out_count = 2;
	return 0;
}

static int serve_counters(struct call *call)
{
	struct wire_counter counters[WIRE_COUNTERS_MAX];
	uint32_t count = call->fd_count;

	if (!count || count > WIRE_COUNTERS_MAX || call->head.area_bytes != count * sizeof(*counters))
		return fail(call, -EINVAL, "malformed request");
	memcpy(counters, call->bytes, count * sizeof(*counters));
	return attach_counters(counters, call->fds, count);
}

static int serve_filter(struct call *call)
{
	int pid = (int)call->head.attach.number, sock;

	if (call->head.op == WIRE_FILTER_PRINT)
		return netfilter_fingerprint(pid, &call->reply.number);
	sock = netfilter_watch(pid);
	if (sock < 0)
		return sock;
	call->out[call->out_count++] = sock;
	return 0;
}

static int serve_pins(struct broker *broker, struct call *call)
{
	char *name = call->head.attach.name;
	int result;

	name[WIRE_PATH_BYTES - 1] = 0;
	switch (call->head.op) {
	case WIRE_PIN: return pin_object(broker->pins, name, fd_at(call, 1));
	case WIRE_UNPIN: return pin_remove(broker->pins, name);
	default: break;
	}
	result = pin_open(broker->pins, name);
	if (result < 0)
		return result;
	call->out[call->out_count++] = result;
	return 0;
}

static int serve_call(struct broker *broker, struct call *call, bool *ret_ready)
{
	switch (call->head.op) {
	case WIRE_BPF: return serve_bpf(broker, call);
	case WIRE_ATTACH: return serve_attach(call);
	case WIRE_ITER_CREATE: return serve_iter_create(call);
	case WIRE_DELETE_KEYS: return serve_delete_keys(call);
	case WIRE_OPEN: return serve_open(call);
	case WIRE_READ_LINK: return serve_read_link(broker, call);
	case WIRE_INODE: return serve_inode(call);
	case WIRE_STATS: return serve_stats(call);
	case WIRE_LINK_UPDATE: return serve_link_update(call);
	case WIRE_PERF_RINGS: return serve_perf_rings(call);
	case WIRE_COUNTERS: return serve_counters(call);
	case WIRE_DIAG: return serve_diag(broker, call);
	case WIRE_OPEN_CODE: return serve_open_code(call);
	case WIRE_TRY_URETPROBE: return code_uretprobes_are_harmless(fd_at(call, 1));
	case WIRE_SCRIPT: return serve_script(broker, call);
	case WIRE_TCP_PAIR: return serve_tcp_pair(call);
	case WIRE_PIN:
	case WIRE_UNPIN:
	case WIRE_PINNED: return serve_pins(broker, call);
	case WIRE_FILTER_WATCH:
	case WIRE_FILTER_PRINT: return serve_filter(call);
	case WIRE_READY:
		if (ret_ready)
			*ret_ready = true;
		return 0;
	default: return fail(call, -EOPNOTSUPP, "unknown request");
	}
}

static void call_done(struct call *call)
{
	for (uint32_t i = 0; i < call->fd_count; i++)
		close(call->fds[i]);
	for (uint32_t i = 0; i < call->out_count; i++)
		close(call->out[i]);
	free(call->bytes);
}

int broker_serve(struct broker *broker, bool *ret_ready)
{
	struct call call = {};
	long got;
	int error;

	got = wire_receive(broker->sock, &call.head, sizeof(call.head), call.fds, &call.fd_count);
	if (got <= 0) {
		call_done(&call);
		return (int)got;
	}
	if (got != sizeof(call.head) || call.head.area_bytes > WIRE_AREA_BYTES) {
		call.reply.result = fail(&call, -EINVAL, "malformed request");
	} else {
		call.bytes = malloc(call.head.area_bytes + 8);
		if (call.bytes) {
			memcpy(call.bytes, broker->area, call.head.area_bytes);
			call.reply.result = serve_call(broker, &call, ret_ready);
		} else {
			call.reply.result = -ENOMEM;
		}
	}
	call.reply.fds = call.out_count;
	error = wire_send(broker->sock, &call.reply, sizeof(call.reply), call.out, call.out_count);
	call_done(&call);
	return error ? error : 1;
}

int broker_new(int sock, void *area, struct broker **ret_broker, struct err *why)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct broker *broker = calloc(1, sizeof(*broker));

	if (!broker)
		return err_set(why, -ENOMEM, "cannot start the broker: out of memory");
	/* needed below 5.11 only (memcg accounting, d4bcfef8dd8e); some containers refuse it: harmless since */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	broker->sock = sock;
	broker->area = area;
	*ret_broker = broker;
	return 0;
}

void broker_name_pins(struct broker *broker, const char *agent)
{
	pin_folder(agent, broker->pins);
}

void broker_free(struct broker *broker)
{
	free(broker);
}
