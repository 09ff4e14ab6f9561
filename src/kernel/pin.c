// SPDX-License-Identifier: GPL-2.0-only
/*
 * pin - maps, programs and links that outlive an agent.
 *
 * They lie in /sys/fs/bpf/sonde-N, where N is a number made of what names the agent (its state folder and first
 * address), so that several agents of one machine don't take each other's. The folder is root's alone.
 */
#include "kernel/pin.h"

#include <ctype.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/map.h"

enum {
	BPF_FS = 0xcafe4a11 /* include/uapi/linux/magic.h */,
	PIN_PATH_BYTES = 128,
	PIN_NAME_BYTES = 32
};

static bool is_bpf_fs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (uint32_t)fs.f_type == (uint32_t)BPF_FS;
}

/* systemd mounts it at boot; where nobody did, we do, as bpftool and iproute2 would. */
static int need_bpf_fs(void)
{
	if (is_bpf_fs("/sys/fs/bpf"))
		return 0;
	if (mount("bpf", "/sys/fs/bpf", "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return -errno;
	return is_bpf_fs("/sys/fs/bpf") ? 0 : -EOPNOTSUPP;
}

void pin_folder(const char *agent, char ret_folder[64])
{
	snprintf(ret_folder, 64, "/sys/fs/bpf/sonde-%016llx",
		 (unsigned long long)hash_bytes(agent, strlen(agent), 0));
}

static int path_of(const char *folder, const char *name, char path[PIN_PATH_BYTES])
{
	if (!folder[0])
		return -EOPNOTSUPP;
	if (!*name || strlen(name) >= PIN_NAME_BYTES)
		return -EINVAL;
	for (const char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '_')
			return -EINVAL;
	snprintf(path, PIN_PATH_BYTES, "%s/%s", folder, name);
	return 0;
}

static long sys_bpf(uint32_t cmd, union bpf_attr *attr)
{
	long result = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

/* Is it of bpf(2) at all? Infos of maps, programs and links begin alike: type, id. */
static int check_object(int fd)
{
	struct bpf_map_info info = {};
	union bpf_attr attr = {};

	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info = (uintptr_t)&info;
	attr.info.info_len = sizeof(info);
	if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) || !info.type || !info.id)
		return -EBADF;
	return 0;
}

int pin_object(const char *folder, const char *name, int fd)
{
	char path[PIN_PATH_BYTES];
	union bpf_attr attr = {};
	int error = path_of(folder, name, path);

	if (!error)
		error = check_object(fd);
	if (!error)
		error = need_bpf_fs();
	if (error)
		return error;
	if (mkdir(folder, 0700) && errno != EEXIST)
		return -errno;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	attr.pathname = (uintptr_t)path;
	attr.bpf_fd = (uint32_t)fd;
	return (int)sys_bpf(BPF_OBJ_PIN, &attr);
}

int pin_remove(const char *folder, const char *name)
{
	char path[PIN_PATH_BYTES];
	int error = path_of(folder, name, path);

	if (error)
		return error;
	if (unlink(path))
		return -errno;
	rmdir(folder); /* fails as long as others are in it */
	return 0;
}

int pin_open(const char *folder, const char *name)
{
	char path[PIN_PATH_BYTES];
	union bpf_attr attr = {};
	int error = path_of(folder, name, path), fd;

	if (error)
		return error;
	if (!is_bpf_fs("/sys/fs/bpf"))
		return -ENOENT;
	attr.pathname = (uintptr_t)path;
	fd = (int)sys_bpf(BPF_OBJ_GET, &attr);
	if (fd >= 0 && check_object(fd)) {
		close(fd);
		return -EBADF;
	}
	return fd;
}
