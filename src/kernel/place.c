// SPDX-License-Identifier: GPL-2.0-only
/*
 * place - where in a program or library a probe goes: found here, by the file's symbols; attached by the broker.
 *
 * The broker opens the file and takes an offset in it; it never looks at symbols. So whatever is wrong
 * with a file of a stranger is wrong in the process that may do nothing.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/elf_file.h"

#define KILLS "this kernel kills programs under seccomp when they return from a probed function"

/* Where the loader finds libraries; ld.so.cache holds nothing else on the systems we know. */
static const char *const folders[] = {
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/lib/aarch64-linux-gnu",
	"/usr/lib/aarch64-linux-gnu",
	"/lib64",
	"/usr/lib64",
	"/lib",
	"/usr/lib",
	"/usr/local/lib",
};

static int open_library(struct kernel *kernel, int pid, const char *name)
{
	static const char *const endings[] = {"",      ".so",   ".so.6", ".so.0",
					      ".so.1", ".so.2", ".so.3"};
	char path[WIRE_PATH_BYTES];

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		for (size_t j = 0; j < sizeof(endings) / sizeof(*endings); j++) {
			int fd;

			snprintf(path, sizeof(path), "%s/%s%s", folders[i], name, endings[j]);
			fd = kernel_open_code(kernel, pid, path);
			if (fd >= 0)
				return fd; /* (libc.so may be a linker script: -ENOEXEC) */
		}
	return -ENOENT;
}

int place_open(struct kernel *kernel, int pid, const char *name)
{
	static const char *const programs[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin"};
	char path[WIRE_PATH_BYTES];
	int fd;

	if (strchr(name, '/'))
		return kernel_open_code(kernel, pid, name);
	fd = open_library(kernel, pid, name);
	for (size_t i = 0; fd < 0 && i < sizeof(programs) / sizeof(*programs); i++) {
		snprintf(path, sizeof(path), "%s/%s", programs[i], name);
		fd = kernel_open_code(kernel, pid, path);
	}
	return fd;
}

/* "FUNCTION[+OFFSET]" or an address as linked. */
static int find_in(const struct elf *elf, const char *text, uint64_t *ret_offset, struct err *why)
{
	const char *plus = strrchr(text, '+');
	size_t len = plus ? (size_t)(plus - text) : strlen(text);
	struct elf_symbol symbol;
	uint64_t more = 0, address;
	char name[256], *end;

	if (!len || len >= sizeof(name))
		return err_set(why, -EINVAL, "'%s' is no function's name", text);
	memcpy(name, text, len);
	name[len] = 0;
	if (plus) {
		more = strtoull(plus + 1, &end, 0);
		if (!plus[1] || *end)
			return err_set(why, -EINVAL, "'%s' is not an offset", plus + 1);
	}
	address = strtoull(name, &end, 0);
	if (*end) {
		if (!elf_find(elf, name, &symbol) || !symbol.is_function)
			return err_set(why, -ENOENT, "the file has no function '%s'", name);
		if (symbol.size && more >= symbol.size)
			return err_set(why, -ERANGE, "offset %llu is outside of '%s' (%llu bytes)",
				       (unsigned long long)more, name,
				       (unsigned long long)symbol.size);
		address = symbol.value;
	}
	if (!elf_offset_of(elf, address + more, ret_offset))
		return err_set(why, -ERANGE, "'%s' is not in what the file loads", text);
	return 0;
}

/* ---- a function of this program: found without symbols, which an installed one does not have ---- */

static struct {
	const char *name;
	uintptr_t at;
} own;

void kernel_own_function(const char *name, const void *at)
{
	own.name = name;
	own.at = (uintptr_t)at;
}

/* The first object is this program: which of its parts holds the function, and where that lies in the file. */
static int find_own(struct dl_phdr_info *info, size_t size, void *ret_offset)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && own.at >= from && own.at < from + part->p_filesz)
			*(uint64_t *)ret_offset = own.at - from + part->p_offset;
	}
	return 1;
}

static bool is_own(const char *file, const char *function)
{
	return own.name && !strcmp(file, "/proc/self/exe") && !strcmp(function, own.name);
}

int place_find(struct kernel *kernel, int pid, const char *text, struct user_place *ret_place,
	       struct err *why)
{
	struct user_place place = {.pid = pid};
	const char *colon = strrchr(text, ':');
	char name[WIRE_PATH_BYTES];
	struct elf elf;
	int error;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(name))
		return err_set(why, -EINVAL, "'%s' is not PATH:FUNCTION[+OFFSET]", text);
	memcpy(name, text, (size_t)(colon - text));
	name[colon - text] = 0;
	place.file = place_open(kernel, pid, name);
	if (place.file < 0)
		return err_set(why, place.file, "cannot open '%s': %s", name,
			       place.file == -ENOEXEC ? "not an ELF file" : err_name(place.file));
	if (is_own(name, colon + 1) && dl_iterate_phdr(find_own, &place.offset) && place.offset) {
		*ret_place = place;
		return 0;
	}
	error = elf_open_fd(&elf, dup(place.file));
	if (error) {
		err_set(why, error, "cannot read '%s': not a 64-bit ELF file", name);
	} else {
		error = find_in(&elf, colon + 1, &place.offset, why);
		elf_close(&elf);
	}
	if (error) {
		close(place.file);
		return error;
	}
	*ret_place = place;
	return 0;
}

int place_attach(struct kernel *kernel, int program, const struct user_place *place,
		 struct err *why)
{
	struct wire_request request = {.op = WIRE_ATTACH};
	int fds[2] = {program, place->file}, links[WIRE_FDS], result;
	struct wire_reply reply;

	if (place->at_return && !kernel_can_probe_returns(kernel))
		return err_set(why, -EPERM, KILLS);
	request.attach.kind = ATTACH_UPROBE;
	request.attach.flags = place->at_return ? ATTACH_RETURN : 0;
	request.attach.pid = place->pid ? place->pid : -1;
	request.attach.number = place->offset;
	request.attach.config = place->semaphore;
	request.attach.cookie = place->cookie;
	result = kernel_ask(kernel, &request, fds, 2, &reply, links);
	if (result < 0)
		return err_set(why, result, "%s", reply.text[0] ? reply.text : err_name(result));
	return links[0];
}

int place_attach_all(struct kernel *kernel, int program, const struct user_place *places,
		     uint32_t count, struct err *why)
{
	struct wire_request request = {.op = WIRE_ATTACH};
	int fds[2] = {program, places->file}, links[WIRE_FDS], result;
	struct wire_place *area = (struct wire_place *)kernel->area;
	struct wire_reply reply;

	if (count > WIRE_PLACES)
		return err_set(why, -E2BIG, "more than %d places", WIRE_PLACES);
	if (places->at_return && !kernel_can_probe_returns(kernel))
		return err_set(why, -EPERM, KILLS);
	request.attach.kind = ATTACH_UPROBES;
	request.attach.flags = places->at_return ? ATTACH_RETURN : 0;
	request.attach.pid = places->pid ? places->pid : -1;
	request.attach.number = count;
	request.area_bytes = count * (uint32_t)sizeof(*area);
	for (uint32_t i = 0; i < count; i++)
		area[i] = (struct wire_place){places[i].offset, places[i].cookie};
	result = kernel_ask(kernel, &request, fds, 2, &reply, links);
	if (result < 0)
		return err_set(why, result, "%s", reply.text[0] ? reply.text : err_name(result));
	return links[0];
}

/* A program that does nothing, for the trial. */
static int load_nothing(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "nothing", "GPL", code, 2, NULL);
}

bool kernel_can_probe_returns(struct kernel *kernel)
{
	struct wire_request request = {.op = WIRE_TRY_URETPROBE};
	struct wire_reply reply;
	int fds[WIRE_FDS], program;

	if (kernel->returns)
		return kernel->returns > 0;
	program = load_nothing();
	if (program < 0)
		return false;
	kernel->returns = kernel_ask(kernel, &request, &program, 1, &reply, fds) == 1 ? 1 : -1;
	close(program);
	return kernel->returns > 0;
}
