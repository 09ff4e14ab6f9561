// SPDX-License-Identifier: GPL-2.0-only
/*
 * code_broker - the broker's side of programs and libraries.
 *
 * The worker reads the files of other processes to find functions in them; the broker opens those files, and only such
 * that begin as ELF does: programs, not data. A path is resolved inside the root of the process that names it
 * (RESOLVE_IN_ROOT: a symbolic link of a container leads nowhere else). What a process has mapped is opened as
 * that very file, whatever its path leads to by now: the library may have been exchanged or removed.
 *
 * Self-test: where the kernel returns from a uretprobe by a system call (ff474a78cef5, 6.11), a seccomp filter that does not
 * know it kills the program. Whether this kernel lets it pass is found out on a child of our own.
 */
#include "kernel/code_broker.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/attach_broker.h"
#include "kernel/wire.h"

enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

static int size_of_code(int fd, uint64_t *ret_size)
{
	char magic[SELFMAG];
	struct stat st;

	if (fd < 0)
		return -EBADF;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    memcmp(magic, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* openat2 has no wrapper in the C library. */
static int open_in_root(int pid, const char *path)
{
	struct open_how how = {.flags = OPEN_FLAGS,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	char root[64];
	int folder, fd;

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	fd = (int)syscall(__NR_openat2, folder, path, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	close(folder);
	return fd;
}

static int open_what(const struct wire_attach *what)
{
	char path[128];
	int fd;

	if (what->name[0] && what->pid > 0)
		return open_in_root(what->pid, what->name);
	if (what->number || what->config)
		snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", what->pid,
			 (unsigned long long)what->number, (unsigned long long)what->config);
	else
		snprintf(path, sizeof(path), "/proc/%d/exe", what->pid);
	fd = open(what->name[0] ? what->name : path, OPEN_FLAGS);
	return fd < 0 ? -errno : fd;
}

int code_open(const struct wire_attach *what)
{
	uint64_t size;
	int fd = open_what(what), error;

	if (fd < 0)
		return fd;
	error = size_of_code(fd, &size);
	if (!error)
		return fd;
	close(fd);
	return error;
}

int code_check(int fd, uint64_t offset, uint64_t semaphore)
{
	uint64_t size;
	int error = size_of_code(fd, &size);

	if (error)
		return error;
	/* a semaphore's offset travels in 32 bits (perf_event_attr.config) */
	if (offset >= size || semaphore >= size - 1 || semaphore > UINT32_MAX)
		return -ERANGE;
	return 0;
}

/* ---- the self-test ---- */

/* What the child calls: a function of its own, not to be folded away. */
__attribute__((noinline)) static long probed(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number + 1;
}

struct own_place {
	uintptr_t address;
	uint64_t offset;
	bool is_found;
};

/* Where a function of this program lies in its file: by the segments that the loader tells of. */
static int find_own(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct own_place *place = ctx;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD || place->address < from ||
		    place->address - from >= segment->p_filesz)
			continue;
		place->offset = place->address - from + segment->p_offset;
		place->is_found = true;
		return 1;
	}
	return 0;
}

/* Waits until the probe is there; then the strictest filter there is: read, write, exit, sigreturn. */
static void be_probed(int go)
{
	char byte;

	if (read(go, &byte, 1) != 1 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		syscall(SYS_exit, 2);
	syscall(SYS_exit, probed(1) == 2 ? 0 : 3);
}

static int probe_child(pid_t child, int program, uint64_t offset)
{
	struct wire_attach attach = {
		.kind = ATTACH_UPROBE, .flags = ATTACH_RETURN, .pid = child, .number = offset};
	int file = open("/proc/self/exe", OPEN_FLAGS), links[WIRE_FDS], error;
	uint32_t count = 0;
	char text[128];

	if (file < 0)
		return -errno;
	error = attach_for_worker(&attach, program, file, links, &count, text, sizeof(text));
	close(file);
	return error ? error : links[0];
}

/* 1 = ended well, 0 = was killed, -errno = it says nothing. */
static int result_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -ECHILD;
	if (WIFSIGNALED(status))
		return 0;
	return WEXITSTATUS(status) == 0 ? 1 : -ENOTSUP;
}

int code_uretprobes_are_harmless(int program)
{
	struct own_place place = {.address = (uintptr_t)probed};
	int go[2], link, result;
	pid_t child;

	dl_iterate_phdr(find_own, &place);
	if (!place.is_found)
		return -ENOENT;
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		be_probed(go[0]);
	close(go[0]);
	link = child > 0 ? probe_child(child, program, place.offset) : -errno;
	if (link >= 0 && write(go[1], "", 1) != 1)
		kill(child, SIGKILL);
	close(go[1]); /* a child that is not to begin reads the end, and exits with 2 */
	if (child < 0)
		return link;
	result = result_of(child);
	if (link >= 0)
		close(link);
	return link < 0 ? link : result;
}
