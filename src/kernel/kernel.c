// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel - the worker's end of the connection to the broker.
 *
 * libbpf is linked with `--wrap=syscall`: its bpf(2) calls come to __wrap_syscall below, which sends
 * them to the broker and hands descriptors back, so libbpf never notices that this process may not
 * do any of that. In the broker itself (no connection open) the wrapper is the plain system call.
 */
#include "kernel/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cpus.h"
#include "kernel/internal.h"

enum { FDINFO_BYTES = 2048 };

/* The connection of this process: system calls carry no context, so there can be only one. */
static struct kernel *the_kernel;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

int kernel_ask(struct kernel *kernel, const struct wire_request *request, const int *fds,
	       uint32_t fd_count, struct wire_reply *ret_reply, int ret_fds[WIRE_FDS])
{
	uint32_t count;
	long got;
	int error;

	kernel->requests++;
	kernel->reason[0] = 0;
	error = wire_send(kernel->sock, request, sizeof(*request), fds, fd_count);
	if (error)
		return error;
	got = wire_receive(kernel->sock, ret_reply, sizeof(*ret_reply), ret_fds, &count);
	if (got != sizeof(*ret_reply))
		return got < 0 ? (int)got : -EPIPE;
	ret_reply->text[sizeof(ret_reply->text) - 1] = 0;
	if (ret_reply->result < 0)
		snprintf(kernel->reason, sizeof(kernel->reason), "%s", ret_reply->text);
	if (ret_reply->fds != count) { /* can't be: the broker counts what it sends */
		while (count)
			close(ret_fds[--count]);
		return -EPROTO;
	}
	return ret_reply->result;
}

/* The place of a descriptor in what is sent along, from 1; adds it if it is new. 0 = no room. */
static uint32_t fd_index(int *fds, uint32_t *count, int fd)
{
	for (uint32_t i = 0; i < *count; i++)
		if (fds[i] == fd)
			return i + 1;
	if (*count >= WIRE_FDS)
		return 0;
	fds[(*count)++] = fd;
	return *count;
}

/* What stands behind "key:\t", with the rest of the file; NULL when there is no such line. */
static const char *find_fdinfo(int fd, const char *key, char text[FDINFO_BYTES])
{
	char path[64];
	size_t key_len = strlen(key);
	ssize_t got;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return NULL;
	got = read(info, text, FDINFO_BYTES - 1);
	close(info);
	if (got <= 0)
		return NULL;
	text[got] = 0;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, key_len) && line[key_len] == ':')
			return line + key_len + 1;
	}
	return NULL;
}

bool fdinfo_number(int fd, const char *key, uint64_t *ret_number)
{
	char text[FDINFO_BYTES];
	const char *at = find_fdinfo(fd, key, text);

	if (at)
		*ret_number = strtoull(at, NULL, 10);
	return at != NULL;
}

bool fdinfo_text(int fd, const char *key, char *ret_text, size_t room)
{
	char text[FDINFO_BYTES];
	const char *at = find_fdinfo(fd, key, text);

	if (!at)
		return false;
	at += strspn(at, " \t");
	snprintf(ret_text, room, "%.*s", (int)strcspn(at, " \t\n"), at);
	return true;
}

static bool is_per_cpu(uint64_t map_type)
{
	return map_type == BPF_MAP_TYPE_PERCPU_ARRAY || map_type == BPF_MAP_TYPE_PERCPU_HASH ||
	       map_type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* Sizes for commands on elements: bpf(2) itself is not told them, the kernel knows. */
static int element_sizes(struct kernel *kernel, const union bpf_attr *attr, uint64_t *ret_type,
			 struct wire_request *request)
{
	uint64_t key, value;

	if (!fdinfo_number((int)attr->map_fd, "key_size", &key) ||
	    !fdinfo_number((int)attr->map_fd, "value_size", &value) ||
	    !fdinfo_number((int)attr->map_fd, "map_type", ret_type))
		return -EBADF;
	request->key_bytes = (uint32_t)key;
	request->value_bytes =
		(uint32_t)(is_per_cpu(*ret_type) ? (value + 7) / 8 * 8 * kernel->cpus : value);
	return 0;
}

struct outgoing {
	int fds[WIRE_FDS];
	uint32_t count;
	uint32_t place[WIRE_FIELDS]; /* of each field's bytes in the area */
};

/* Descriptors inside of buffers: maps that instructions name, programs and maps that are values. */
static int index_inner_fds(struct outgoing *out, uint32_t cmd, const union bpf_attr *attr,
			   uint64_t map_type, uint8_t *area, const struct wire_field *field,
			   int count)
{
	for (int i = 0; i < count; i++) {
		uint8_t *at = area + out->place[i];

		if (cmd == BPF_PROG_LOAD && field[i].at == offsetof(union bpf_attr, insns)) {
			struct bpf_insn *insns = (void *)at;

			for (uint32_t n = 0; n < attr->insn_cnt; n++) {
				if (wire_insn_has_fd(&insns[n])) {
					insns[n].imm =
						(int)fd_index(out->fds, &out->count, insns[n].imm);
					if (!insns[n].imm)
						return -E2BIG;
				}
				if (insns[n].code == (BPF_LD | BPF_IMM | BPF_DW))
					n++;
			}
		}
		if (cmd == BPF_MAP_UPDATE_ELEM && wire_map_holds_fds((uint32_t)map_type) &&
		    field[i].at == offsetof(union bpf_attr, value)) {
			uint32_t fd;

			memcpy(&fd, at, sizeof(fd));
			fd = fd_index(out->fds, &out->count, (int)fd);
			memcpy(at, &fd, sizeof(fd));
		}
		if (cmd != BPF_PROG_LOAD && wire_map_key_is_fd((uint32_t)map_type) &&
		    field[i].at == offsetof(union bpf_attr, key)) {
			uint32_t fd;

			memcpy(&fd, at, sizeof(fd));
			fd = fd_index(out->fds, &out->count, (int)fd);
			memcpy(at, &fd, sizeof(fd));
		}
	}
	return 0;
}

/* Lays attr and buffers out in the area, as wire.h says. */
static int pack(struct kernel *kernel, struct wire_request *request, union bpf_attr *attr,
		uint64_t map_type, struct outgoing *out, const struct wire_field *field, int count)
{
	uint64_t at = (request->attr_bytes + 7) & ~7ull;

	for (int i = 0; i < count; i++) {
		uint8_t *slot = (uint8_t *)attr + field[i].at;
		uint64_t pointer;

		if (field[i].kind == FIELD_FD) {
			uint32_t fd;

			memcpy(&fd, slot, sizeof(fd));
			fd = fd_index(out->fds, &out->count, (int)fd);
			memcpy(slot, &fd, sizeof(fd));
			continue;
		}
		if (field[i].bytes > WIRE_AREA_BYTES || at + field[i].bytes > WIRE_AREA_BYTES)
			return -E2BIG;
		memcpy(&pointer, slot, sizeof(pointer));
		out->place[i] = (uint32_t)at;
		if (request->cmd == BPF_PROG_LOAD &&
		    field[i].at == offsetof(union bpf_attr, license))
			strncpy((char *)kernel->area + at, (char *)(uintptr_t)pointer,
				WIRE_LICENSE_BYTES);
		else if (field[i].kind != FIELD_OUT)
			memcpy(kernel->area + at, (void *)(uintptr_t)pointer, field[i].bytes);
		at = (at + field[i].bytes + 7) & ~7ull;
	}
	memcpy(kernel->area, attr, request->attr_bytes);
	request->area_bytes = (uint32_t)at;
	return 0;
}

static void note_refusal(struct kernel *kernel, uint32_t cmd, const union bpf_attr *attr)
{
	if (cmd == BPF_PROG_LOAD)
		snprintf(kernel->refused, sizeof(kernel->refused), "%s", attr->prog_name);
}

static long bpf_through_broker(struct kernel *kernel, uint32_t cmd, union bpf_attr *original,
			       uint32_t size)
{
	struct wire_request request = {.op = WIRE_BPF, .cmd = cmd};
	struct wire_field field[WIRE_FIELDS];
	struct outgoing out = {};
	struct wire_reply reply;
	union bpf_attr attr = {};
	uint64_t map_type = 0;
	int fds[WIRE_FDS], count, result;

	request.attr_bytes = size < sizeof(attr) ? size : sizeof(attr);
	memcpy(&attr, original, request.attr_bytes);
	if (cmd == BPF_MAP_UPDATE_ELEM || cmd == BPF_MAP_LOOKUP_ELEM || cmd == BPF_MAP_DELETE_ELEM)
		if (element_sizes(kernel, &attr, &map_type, &request))
			return -EBADF;
	if (cmd == BPF_PROG_LOAD && attr.log_size > WIRE_LOG_BYTES)
		attr.log_size = WIRE_LOG_BYTES;
	count = wire_fields(cmd, &attr, request.key_bytes, request.value_bytes, field);
	if (count < 0)
		return -EINVAL; /* "not here": libbpf then goes its other way, if it has one */
	result = pack(kernel, &request, &attr, map_type, &out, field, count);
	if (!result)
		result = index_inner_fds(&out, cmd, &attr, map_type, kernel->area, field, count);
	if (result)
		return result;
	result = kernel_ask(kernel, &request, out.fds, out.count, &reply, fds);
	for (int i = 0; i < count; i++) {
		uint64_t pointer;

		if (field[i].kind != FIELD_OUT)
			continue;
		memcpy(&pointer, (uint8_t *)original + field[i].at, sizeof(pointer));
		memcpy((void *)(uintptr_t)pointer, kernel->area + out.place[i], field[i].bytes);
	}
	if (result < 0) {
		note_refusal(kernel, cmd, &attr);
		return result;
	}
	return reply.fds ? fds[0] : result;
}

long __wrap_syscall(long number, ...)
{
	long arg[6], result;
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number != __NR_bpf || !the_kernel)
		return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	result = bpf_through_broker(the_kernel, (uint32_t)arg[0], (union bpf_attr *)arg[1],
				    (uint32_t)arg[2]);
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

/* "libbpf: prog 'NAME': ..." is how libbpf begins when a program is why an object does not load. */
static void note_program(struct kernel *kernel, const char *format, va_list args)
{
	static const char begin[] = "libbpf: prog '";
	char text[512], *end;
	va_list copy;

	va_copy(copy, args);
	vsnprintf(text, sizeof(text), format, copy);
	va_end(copy);
	if (strncmp(text, begin, sizeof(begin) - 1) != 0)
		return;
	end = strchr(text + sizeof(begin) - 1, '\'');
	if (!end || !end[1])
		return;
	*end = 0;
	snprintf(kernel->named, sizeof(kernel->named), "%s", text + sizeof(begin) - 1);
	end[1 + strcspn(end + 1, "\n")] = 0;
	snprintf(kernel->said, sizeof(kernel->said), "%s", end + 1 + strspn(end + 1, ": "));
}

static int be_quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && the_kernel)
		note_program(the_kernel, format, args);
	/* libbpf speaks to developers; our own reasons are made from the kernel's answers */
	return getenv("SONDE_DEBUG_LIBBPF") ? vfprintf(stderr, format, args) : 0;
}

int kernel_connect(int sock, void *area, const char *btf_path, struct kernel **ret_kernel,
		   struct err *why)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel || (btf_path && !(kernel->btf_path = strdup(btf_path)))) {
		free(kernel);
		return err_set(why, -ENOMEM, "cannot connect to the broker: out of memory");
	}
	kernel->sock = sock;
	kernel->area = area;
	kernel->cpus = cpus_possible();
	the_kernel = kernel;
	libbpf_set_print(be_quiet);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	*ret_kernel = kernel;
	return 0;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	for (uint32_t i = 0; i < kernel->readers; i++)
		close(kernel->reader[i].program);
	kernel_forget_btf(kernel);
	the_kernel = NULL;
	close(kernel->sock);
	free(kernel->btf_path);
	free(kernel);
}

static int ask_path(struct kernel *kernel, uint32_t op, const char *path, struct wire_reply *reply,
		    int fds[WIRE_FDS])
{
	struct wire_request request = {.op = op};

	if (strlen(path) >= WIRE_PATH_BYTES)
		return -ENAMETOOLONG;
	memcpy(request.attach.name, path, strlen(path) + 1);
	return kernel_ask(kernel, &request, NULL, 0, reply, fds);
}

int kernel_open_file(struct kernel *kernel, const char *path)
{
	struct wire_reply reply;
	int fds[WIRE_FDS], result = ask_path(kernel, WIRE_OPEN, path, &reply, fds);

	return result < 0 ? result : fds[0];
}

static int ask_code(struct kernel *kernel, const struct wire_request *request)
{
	struct wire_reply reply;
	int fds[WIRE_FDS], result = kernel_ask(kernel, request, NULL, 0, &reply, fds);

	return result < 0 ? result : fds[0];
}

int kernel_open_code(struct kernel *kernel, int pid, const char *path)
{
	struct wire_request request = {.op = WIRE_OPEN_CODE};
	int fd;

	if (strlen(path) >= WIRE_PATH_BYTES)
		return -ENAMETOOLONG;
	memcpy(request.attach.name, path, strlen(path) + 1);
	request.attach.pid = pid ? pid : 1;
	fd = ask_code(kernel, &request);
	if (fd >= 0 || pid)
		return fd;
	request.attach.pid = 0;
	return ask_code(kernel, &request);
}

int kernel_open_mapped(struct kernel *kernel, int pid, uint64_t start, uint64_t end)
{
	struct wire_request request = {.op = WIRE_OPEN_CODE};

	request.attach.pid = pid;
	request.attach.number = start;
	request.attach.config = end;
	return ask_code(kernel, &request);
}

int kernel_read_link(struct kernel *kernel, const char *path, char *out, size_t room)
{
	struct wire_reply reply;
	int fds[WIRE_FDS], result = ask_path(kernel, WIRE_READ_LINK, path, &reply, fds);

	if (result < 0)
		return result;
	if ((size_t)result > room)
		result = (int)room;
	memcpy(out, kernel->area, (size_t)result);
	return result;
}

int kernel_inode(struct kernel *kernel, const char *path, uint64_t *ret_inode)
{
	struct wire_reply reply;
	int fds[WIRE_FDS], result = ask_path(kernel, WIRE_INODE, path, &reply, fds);

	if (result < 0)
		return result;
	*ret_inode = reply.number;
	return 0;
}

int kernel_stats(struct kernel *kernel)
{
	struct wire_request request = {.op = WIRE_STATS};
	struct wire_reply reply;
	int fds[WIRE_FDS], result = kernel_ask(kernel, &request, NULL, 0, &reply, fds);

	return result < 0 ? result : fds[0];
}

int kernel_diag(struct kernel *kernel, int pid, int family, int protocol, uint32_t states,
		struct buf *out)
{
	struct wire_request request = {.op = WIRE_DIAG};
	struct wire_reply reply;
	int fds[WIRE_FDS], result;

	request.attach.number = (uint64_t)pid;
	request.attach.type = (uint32_t)family;
	request.attach.config = (uint64_t)protocol;
	request.attach.cookie = states;
	result = kernel_ask(kernel, &request, NULL, 0, &reply, fds);
	if (result < 0)
		return result;
	return buf_add(out, kernel->area, (size_t)result);
}

int kernel_script(struct kernel *kernel, struct span job, struct err *why)
{
	struct wire_request request = {.op = WIRE_SCRIPT, .area_bytes = (uint32_t)job.len};
	struct wire_reply reply;
	int fds[WIRE_FDS], result = -E2BIG;

	if (job.len <= WIRE_AREA_BYTES) {
		memcpy(kernel->area, job.at, job.len);
		result = kernel_ask(kernel, &request, NULL, 0, &reply, fds);
	}
	if (result < 0)
		return err_set(why, result, "cannot start the script: %s",
			       kernel->reason[0] ? kernel->reason : err_name(result));
	return fds[0];
}

int kernel_tcp_pair(struct kernel *kernel, int ret_socks[2], uint64_t *ret_netns)
{
	struct wire_request request = {.op = WIRE_TCP_PAIR};
	struct wire_reply reply;
	int fds[WIRE_FDS], result = kernel_ask(kernel, &request, NULL, 0, &reply, fds);

	if (result < 0)
		return result;
	ret_socks[0] = fds[0];
	ret_socks[1] = fds[1];
	*ret_netns = reply.number;
	return 0;
}

int kernel_filter_watch(struct kernel *kernel, int pid)
{
	struct wire_request request = {.op = WIRE_FILTER_WATCH, .attach.number = (uint64_t)pid};
	struct wire_reply reply;
	int fds[WIRE_FDS], result = kernel_ask(kernel, &request, NULL, 0, &reply, fds);

	return result < 0 ? result : fds[0];
}

int kernel_filter_print(struct kernel *kernel, int pid, uint64_t *ret_print)
{
	struct wire_request request = {.op = WIRE_FILTER_PRINT, .attach.number = (uint64_t)pid};
	struct wire_reply reply;
	int fds[WIRE_FDS], result = kernel_ask(kernel, &request, NULL, 0, &reply, fds);

	if (result >= 0)
		*ret_print = reply.number;
	return result;
}

static int ask_pin(struct kernel *kernel, uint32_t op, const char *name, const int *map, struct wire_reply *reply,
		   int fds[WIRE_FDS])
{
	struct wire_request request = {.op = op};

	snprintf(request.attach.name, sizeof(request.attach.name), "%s", name);
	return kernel_ask(kernel, &request, map, map ? 1 : 0, reply, fds);
}

int kernel_pin(struct kernel *kernel, const char *name, int map)
{
	struct wire_reply reply;
	int fds[WIRE_FDS];

	return ask_pin(kernel, WIRE_PIN, name, &map, &reply, fds);
}

int kernel_unpin(struct kernel *kernel, const char *name)
{
	struct wire_reply reply;
	int fds[WIRE_FDS];

	return ask_pin(kernel, WIRE_UNPIN, name, NULL, &reply, fds);
}

int kernel_pinned(struct kernel *kernel, const char *name)
{
	struct wire_reply reply;
	int fds[WIRE_FDS], result = ask_pin(kernel, WIRE_PINNED, name, NULL, &reply, fds);

	return result < 0 ? result : fds[0];
}

int kernel_ready(struct kernel *kernel)
{
	struct wire_request request = {.op = WIRE_READY};
	struct wire_reply reply;
	int fds[WIRE_FDS];

	return kernel_ask(kernel, &request, NULL, 0, &reply, fds);
}
