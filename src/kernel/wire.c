// SPDX-License-Identifier: GPL-2.0-only
/* wire - what worker and broker say to each other. */
#include "kernel/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT(member) (uint32_t) offsetof(union bpf_attr, member)

struct fields {
	struct wire_field *field;
	int count;
};

static void add(struct fields *fields, enum wire_field_kind kind, uint32_t at, uint64_t bytes)
{
	fields->field[fields->count++] = (struct wire_field){kind, at, bytes};
}

/* A pointer in use: not NULL, and with something behind it. */
static void add_pointer(struct fields *fields, enum wire_field_kind kind, uint32_t at,
			uint64_t pointer, uint64_t bytes)
{
	if (pointer && bytes)
		add(fields, kind, at, bytes);
}

/* 0 is no descriptor: libbpf moves its own above 2, and so do we. */
static void add_fd(struct fields *fields, uint32_t at, uint32_t fd)
{
	if (fd)
		add(fields, FIELD_FD, at, 0);
}

static void fields_of_program(struct fields *fields, const union bpf_attr *attr)
{
	add(fields, FIELD_IN, AT(insns), (uint64_t)attr->insn_cnt * sizeof(struct bpf_insn));
	add(fields, FIELD_IN, AT(license), WIRE_LICENSE_BYTES);
	add_pointer(fields, FIELD_IN, AT(func_info), attr->func_info,
		    (uint64_t)attr->func_info_rec_size * attr->func_info_cnt);
	add_pointer(fields, FIELD_IN, AT(line_info), attr->line_info,
		    (uint64_t)attr->line_info_rec_size * attr->line_info_cnt);
	add_pointer(fields, FIELD_OUT, AT(log_buf), attr->log_buf, attr->log_size);
	add_fd(fields, AT(prog_btf_fd), attr->prog_btf_fd);
	add_fd(fields, AT(attach_prog_fd), attr->attach_prog_fd);
}

int wire_fields(uint32_t cmd, const union bpf_attr *attr, uint32_t key_bytes, uint32_t value_bytes,
		struct wire_field field[WIRE_FIELDS])
{
	struct fields fields = {.field = field};

	switch (cmd) {
	case BPF_MAP_CREATE:
		add_fd(&fields, AT(inner_map_fd), attr->inner_map_fd);
		add_fd(&fields, AT(btf_fd), attr->btf_fd);
		break;
	case BPF_PROG_LOAD: fields_of_program(&fields, attr); break;
	case BPF_BTF_LOAD:
		add(&fields, FIELD_IN, AT(btf), attr->btf_size);
		add_pointer(&fields, FIELD_OUT, AT(btf_log_buf), attr->btf_log_buf,
			    attr->btf_log_size);
		break;
	case BPF_MAP_UPDATE_ELEM:
		add_fd(&fields, AT(map_fd), attr->map_fd);
		add_pointer(&fields, FIELD_IN, AT(key), attr->key, key_bytes);
		add_pointer(&fields, FIELD_IN, AT(value), attr->value, value_bytes);
		break;
	case BPF_MAP_LOOKUP_ELEM:
		add_fd(&fields, AT(map_fd), attr->map_fd);
		add_pointer(&fields, FIELD_IN, AT(key), attr->key, key_bytes);
		add_pointer(&fields, FIELD_OUT, AT(value), attr->value, value_bytes);
		break;
	case BPF_MAP_DELETE_ELEM:
		add_fd(&fields, AT(map_fd), attr->map_fd);
		add_pointer(&fields, FIELD_IN, AT(key), attr->key, key_bytes);
		break;
	case BPF_MAP_FREEZE: add_fd(&fields, AT(map_fd), attr->map_fd); break;
	case BPF_OBJ_GET_INFO_BY_FD: /* out only: what the pointers in an info say must not come from outside */
		add_fd(&fields, AT(info.bpf_fd), attr->info.bpf_fd);
		add_pointer(&fields, FIELD_OUT, AT(info.info), attr->info.info,
			    attr->info.info_len);
		break;
	case BPF_PROG_BIND_MAP:
		add_fd(&fields, AT(prog_bind_map.prog_fd), attr->prog_bind_map.prog_fd);
		add_fd(&fields, AT(prog_bind_map.map_fd), attr->prog_bind_map.map_fd);
		break;
	default: return -EPERM;
	}
	return fields.count;
}

int wire_send(int sock, const void *head, size_t bytes, const int *fds, uint32_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
	} control = {};
	struct iovec piece = {(void *)head, bytes};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	if (count > WIRE_FDS)
		return -E2BIG;
	if (count) {
		struct cmsghdr *part;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		part = CMSG_FIRSTHDR(&message);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(part), fds, sizeof(int) * count);
	}
	while (sendmsg(sock, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

long wire_receive(int sock, void *head, size_t bytes, int fds[WIRE_FDS], uint32_t *ret_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
	} control;
	struct iovec piece = {head, bytes};
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;

	do
		got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	*ret_count = 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part;
	     part = CMSG_NXTHDR(&message, part)) {
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int *sent = (int *)CMSG_DATA(part);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++)
			if (*ret_count < WIRE_FDS)
				fds[(*ret_count)++] = sent[i];
			else
				close(sent[i]);
	}
	return got;
}
