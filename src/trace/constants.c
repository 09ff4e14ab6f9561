// SPDX-License-Identifier: GPL-2.0-only
/* constants - names that scripts take from system headers. */
#include "trace/constants.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <sys/syscall.h>

/* made by tools/syscalls.sh from the headers of the machine that is compiled for */
static const char *const syscall_names[] = {
#include "syscalls.inc"
};

#define SYSCALL_COUNT (sizeof(syscall_names) / sizeof(*syscall_names))

#define NAME(x)                                                                                    \
	{                                                                                          \
#x, x                                                                              \
	}

static const struct {
	const char *name;
	int64_t value;
} constants[] = {
	NAME(AF_UNSPEC),
	NAME(AF_UNIX),
	NAME(AF_INET),
	NAME(AF_INET6),
	NAME(AF_NETLINK),
	NAME(AF_PACKET),
	NAME(SOCK_STREAM),
	NAME(SOCK_DGRAM),
	NAME(SOCK_RAW),
	NAME(IPPROTO_TCP),
	NAME(IPPROTO_UDP),
	NAME(IPPROTO_ICMP),
	NAME(IPPROTO_IP),
	NAME(IPPROTO_IPV6),
	NAME(O_RDONLY),
	NAME(O_WRONLY),
	NAME(O_RDWR),
	NAME(O_CREAT),
	NAME(O_EXCL),
	NAME(O_TRUNC),
	NAME(O_APPEND),
	NAME(O_NONBLOCK),
	NAME(O_CLOEXEC),
	NAME(O_DIRECTORY),
	NAME(S_IFMT),
	NAME(S_IFREG),
	NAME(S_IFDIR),
	NAME(S_IFLNK),
	NAME(S_IFSOCK),
	NAME(S_IFIFO),
	NAME(S_IFBLK),
	NAME(S_IFCHR),
	NAME(AT_FDCWD),
	NAME(SIG_BLOCK),
	NAME(SIG_UNBLOCK),
	NAME(SIG_SETMASK),
	NAME(INT8_MAX),
	NAME(INT16_MAX),
	NAME(INT32_MAX),
	NAME(INT64_MAX),
	NAME(INT8_MIN),
	NAME(INT16_MIN),
	NAME(INT32_MIN),
	NAME(UINT8_MAX),
	NAME(UINT16_MAX),
	NAME(UINT32_MAX),
	{"NULL", 0},
	/* include/linux/sched.h */
	{"TASK_RUNNING", 0},
	{"TASK_INTERRUPTIBLE", 1},
	{"TASK_UNINTERRUPTIBLE", 2},
};

int signal_number(const char *name)
{
	if (!strncmp(name, "SIG", 3))
		name += 3;
	for (int i = 1; i < 32; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation && !strcmp(abbreviation, name))
			return i;
	}
	return 0;
}

bool constant_find(const char *name, int64_t *ret_value)
{
	if (!strncmp(name, "SIG", 3) && signal_number(name)) {
		*ret_value = signal_number(name);
		return true;
	}
	if (*name == 'E')
		for (int code = 1; code < 134; code++) {
			const char *text = strerrorname_np(code);

			if (text && !strcmp(text, name)) {
				*ret_value = code;
				return true;
			}
		}
	if (!strncmp(name, "__NR_", 5))
		for (size_t i = 0; i < SYSCALL_COUNT; i++)
			if (syscall_names[i] && !strcmp(syscall_names[i], name + 5)) {
				*ret_value = (int64_t)i;
				return true;
			}
	for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++)
		if (!strcmp(constants[i].name, name)) {
			*ret_value = constants[i].value;
			return true;
		}
	return false;
}

const char *syscall_name(uint64_t number)
{
	return number < SYSCALL_COUNT ? syscall_names[number] : NULL;
}
