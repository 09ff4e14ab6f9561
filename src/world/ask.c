// SPDX-License-Identifier: GPL-2.0-only
/* ask - what only files below /proc and /sys know: programs of old processes, names of devices. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "world/files.h"
#include "world/inside.h"

static const uint64_t name_keep_ns = 10000000000;

bool world_read_file(struct world *world, const char *path, struct buf *out)
{
	int fd = world->kernel ? kernel_open_file(world->kernel, path) : -ENOENT;
	int error;

	if (fd < 0)
		return false;
	error = file_read(fd, out);
	close(fd);
	return !error;
}

/* The start of a file that may be longer. */
static size_t read_start(struct world *world, const char *path, char *out, size_t room)
{
	int fd = kernel_open_file(world->kernel, path);
	ssize_t got;

	if (fd < 0)
		return 0;
	do
		got = read(fd, out, room);
	while (got < 0 && errno == EINTR);
	close(fd);
	return got > 0 ? (size_t)got : 0;
}

void world_ask_program(struct world *world, struct process *process)
{
	char path[48], exe[CAP_PROGRAM_PATH], args[CAP_PROGRAM_ARGS];
	uint64_t start_ns = process->start_ns;
	uint32_t pid = process->pid;
	size_t args_bytes;
	int exe_bytes;

	process->asked = true;
	if (!world->kernel || process->exit_ns)
		return;
	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	exe_bytes = kernel_read_link(world->kernel, path, exe, sizeof(exe));
	if (exe_bytes < 0) /* a kernel thread has none */
		return;
	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	args_bytes = read_start(world, path, args, sizeof(args));
	/* It may have died meanwhile and the pid be another's: then its exit is in the ring by now. */
	world_drain(world);
	process = processes_find(&world->processes, pid, start_ns);
	if (!process || process->exit_ns || process_path(process).len)
		return;
	process_set_program(&world->processes, process,
			    (struct span){(uint8_t *)exe, (size_t)exe_bytes},
			    (struct span){(uint8_t *)args, args_bytes});
}

/* The remembered name, NULL when it must be asked for again. */
static struct short_name *name_of(struct map *names, uint32_t number, uint64_t now_ns,
				  bool *ret_ask)
{
	struct short_name *name = map_get(names, &number);

	if (!name && names->len == names->cap)
		map_clear(names);
	if (!name)
		name = map_put(names, &number, NULL);
	*ret_ask = name && (!name->asked_ns || now_ns - name->asked_ns > name_keep_ns);
	if (*ret_ask)
		name->asked_ns = now_ns;
	return name;
}

/* "MAJOR=8\nMINOR=0\nDEVNAME=sda\n..." */
static void read_device_name(struct world *world, uint32_t dev, char out[WORLD_NAME_TEXT])
{
	char path[64], text[512];
	const char *at, *end;
	size_t len;

	/* dev_t of the kernel: MINORBITS = 20 (include/linux/kdev_t.h) */
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", dev >> 20, dev & 0xfffff);
	len = read_start(world, path, text, sizeof(text) - 1);
	text[len] = 0;
	at = strstr(text, "DEVNAME=");
	if (!at)
		return;
	at += strlen("DEVNAME=");
	end = strchrnul(at, '\n');
	snprintf(out, WORLD_NAME_TEXT, "%.*s", (int)(end - at), at);
}

struct span world_device(void *ctx, uint32_t dev)
{
	struct world *world = ctx;
	struct short_name *name;
	bool ask;

	if (!world->kernel || !dev)
		return (struct span){};
	name = name_of(&world->devices, dev, clock_monotonic_ns(), &ask);
	if (!name)
		return (struct span){};
	if (ask)
		read_device_name(world, dev, name->text);
	return span_of(name->text);
}

struct span world_interface(void *ctx, uint32_t ifindex)
{
	struct world *world = ctx;
	struct short_name *name;
	char text[IF_NAMESIZE];
	bool ask;

	if (!ifindex)
		return (struct span){};
	name = name_of(&world->interfaces, ifindex, clock_monotonic_ns(), &ask);
	if (!name)
		return (struct span){};
	/* a name stays known for the records of an interface that just went */
	if (ask && if_indextoname(ifindex, text))
		snprintf(name->text, sizeof(name->text), "%s", text);
	return span_of(name->text);
}
