/* SPDX-License-Identifier: GPL-2.0-only */
/* internal - what the files of the kernel room share with each other, and with nobody else. */
#pragma once

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/kernel.h"
#include "kernel/wire.h"

enum { KERNEL_READERS = 32 };

/* An iterator program that writes out entries of one size. */
struct map_reader {
	uint32_t key_bytes, value_bytes;
	int program; /* owned descriptor */
};

struct kernel {
	int sock; /* owned: the worker's end */
	uint8_t *area; /* borrowed: WIRE_AREA_BYTES */
	uint32_t cpus; /* possible CPUs: parts of per-CPU values */
	char *btf_path; /* owned: external BTF, NULL = /sys/kernel/btf/vmlinux */
	struct btf *btf; /* owned, loaded on demand, see kernel_btf() */
	uint32_t elem_iter; /* BTF id of bpf_iter_bpf_map_elem, 0 = not looked up yet */
	struct map_reader reader[KERNEL_READERS];
	uint32_t readers;
	uint64_t requests; /* to the broker so far */
	int8_t returns; /* kernel_can_probe_returns(): 0 = not tried, 1 = yes, -1 = no */
	/* the last program that the kernel refused, and the words of the broker if it did */
	char refused[16];
	char reason[256];
	/* the program that libbpf named last, whole, and what it said of it: also when the kernel was not asked */
	char named[128], said[192];
};

/* One round trip. Descriptors of the reply are the caller's. >= 0 or -errno. */
int kernel_ask(struct kernel *kernel, const struct wire_request *request, const int *fds,
	       uint32_t fd_count, struct wire_reply *ret_reply, int ret_fds[WIRE_FDS]);

/* Types of the running kernel (or of the external file). NULL with `why` when there are none. */
struct btf *kernel_btf(struct kernel *kernel, struct err *why);

/* Does the kernel itself have BTF (tp_btf, fentry and iterators need it)? */
bool kernel_has_btf(struct kernel *kernel);

/* Checks a tracepoint's arguments: `prototype` is a comma separated prefix of them. */
int btf_check_prototype(struct kernel *kernel, const char *tracepoint, const char *prototype,
			struct err *why);

/* Is there a function / a tracepoint / an iterator of this name in the kernel's BTF? */
bool btf_has_function(struct kernel *kernel, const char *name);
bool btf_has_tracepoint(struct kernel *kernel, const char *name);

/* The connection that an object was opened with. */
struct kernel *object_kernel(const struct object *object);

/* A number from /proc/self/fdinfo: "run_cnt:\t5". false when there is no such line. */
bool fdinfo_number(int fd, const char *key, uint64_t *ret_number);
/* The same for one word. */
bool fdinfo_text(int fd, const char *key, char *ret_text, size_t room);

/* How a program is attached, as its section says. */
int attach_from_section(const char *section, struct wire_attach *ret_attach, struct err *why);

/* "PATH:FUNCTION[+OFFSET]", "PATH:ADDRESS": where that is. PATH without a slash is a library's name. The file is the
 * caller's to close. */
int place_find(struct kernel *kernel, int pid, const char *text, struct user_place *ret_place,
	       struct err *why);
/* A library by its name ("libc", "libssl.so.3"), a program by its path, as place_find takes them. */
int place_open(struct kernel *kernel, int pid, const char *name);
/* Attaches a loaded program: links of it are added to fds (WIRE_FDS). */
int place_attach(struct kernel *kernel, int program, const struct user_place *place,
		 struct err *why);
/* A program of section "uprobe.multi" at all of them: one link. File, pid and at_return are those of the first. */
int place_attach_all(struct kernel *kernel, int program, const struct user_place *places,
		     uint32_t count, struct err *why);
/* Has the kernel's BTF this enumerator? */
bool btf_has_enumerator(struct kernel *kernel, const char *type, const char *name);
