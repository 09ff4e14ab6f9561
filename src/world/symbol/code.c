// SPDX-License-Identifier: GPL-2.0-only
/* code - the programs and libraries that processes of this machine run, each file once. */
#include "world/symbol/code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"

enum {
	LOOKS_A_TICK = 64, /* processes */
	OPENS_A_TICK = 16, /* files, whose symbols are read then */
	MAPS_BYTES = 1 << 20, /* of one process's maps, at most */
};

static const uint64_t second_ns = 1000000000, forget_ns = 300ull * 1000000000;

/* When a process is looked at next, after so many looks. */
static const uint64_t pause_s[] = {2, 8, 60};

struct looked {
	uint64_t start_ns, next_ns;
	const struct program *program; /* only compared */
	uint32_t looks;
	uint64_t round_ns; /* when it was there last */
};

struct key {
	uint64_t inode, size, changed_ns, modified_ns;
};

struct code {
	struct kernel *kernel; /* borrowed */
	struct world *world; /* borrowed */
	const struct code_ops *ops;
	void *ctx;
	struct map files; /* struct key -> struct code_file *, owned */
	struct map
		by_mapping; /* {device, inode} -> struct key: of mappings that were opened before */
	struct map looked; /* pid -> struct looked */
	struct code_counts counts;
	uint32_t opens; /* left in this tick */
	char *maps; /* owned: MAPS_BYTES */
};

struct place {
	uint64_t device, inode;
};

struct code *code_new(struct kernel *kernel, struct world *world, const struct code_ops *ops,
		      void *ctx)
{
	struct code *code = calloc(1, sizeof(*code));

	if (!code)
		return NULL;
	*code = (struct code){.kernel = kernel, .world = world, .ops = ops, .ctx = ctx};
	code->maps = malloc(MAPS_BYTES);
	map_init(&code->files, sizeof(struct key), sizeof(struct code_file *), CAP_CODE_FILES);
	map_init(&code->by_mapping, sizeof(struct place), sizeof(struct key), CAP_CODE_MAPPINGS);
	map_init(&code->looked, sizeof(uint32_t), sizeof(struct looked), CAP_PROCESSES);
	if (code->maps)
		return code;
	code_free(code);
	return NULL;
}

static void drop(struct code *code, struct code_file *file)
{
	code->ops->gone(code->ctx, file);
	free(file);
}

void code_free(struct code *code)
{
	struct code_file *file;
	size_t at = 0;

	if (!code)
		return;
	while ((file = code_next(code, &at)))
		drop(code, file);
	map_done(&code->files);
	map_done(&code->by_mapping);
	map_done(&code->looked);
	free(code->maps);
	free(code);
}

/* ---- files ---- */

static bool read_key(int fd, struct key *ret_key)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*ret_key = (struct key){
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed_ns =
			(uint64_t)st.st_ctim.tv_sec * second_ns + (uint64_t)st.st_ctim.tv_nsec,
		.modified_ns =
			(uint64_t)st.st_mtim.tv_sec * second_ns + (uint64_t)st.st_mtim.tv_nsec,
	};
	return true;
}

static struct code_file *add_file(struct code *code, const struct key *key, struct span name)
{
	struct code_file *file = calloc(1, sizeof(*file)), **place = NULL;

	if (file)
		place = map_put(&code->files, key, NULL);
	if (!place) {
		code->counts.refused++;
		free(file);
		return NULL;
	}
	*place = file;
	file->inode = key->inode;
	file->size = key->size;
	file->changed_ns = key->changed_ns;
	file->modified_ns = key->modified_ns;
	snprintf(file->name, sizeof(file->name), "%.*s", (int)(name.len < 63 ? name.len : 63),
		 (const char *)name.at);
	return file;
}

/* The descriptor is closed here. */
static void take_file(struct code *code, int fd, struct span name, bool is_program, uint32_t pid,
		      uint64_t now_ns, struct key *ret_key)
{
	struct code_file **known, *file = NULL;

	code->counts.opened++;
	if (read_key(fd, ret_key)) {
		known = map_get(&code->files, ret_key);
		file = known ? *known : add_file(code, ret_key, name);
		if (file)
			file->seen_ns = now_ns;
		if (file && !known) {
			file->pid = pid;
			file->is_program = is_program;
			code->ops->found(code->ctx, file, fd);
		}
	}
	close(fd);
}

static void take_mapping(struct code *code, uint32_t pid, const struct mapping *mapping,
			 bool is_program, uint64_t now_ns)
{
	struct place place = {mapping->device, mapping->inode};
	struct key *known = map_get(&code->by_mapping, &place), key = {};
	struct code_file **file = known ? map_get(&code->files, known) : NULL;
	int fd;

	if (file) {
		(*file)->seen_ns = now_ns;
		return;
	}
	if (!code->opens || !code->ops->wants(code->ctx, mapping_name(mapping), is_program))
		return;
	code->opens--;
	fd = kernel_open_mapped(code->kernel, (int)pid, mapping->start, mapping->end);
	if (fd < 0)
		return;
	take_file(code, fd, mapping_name(mapping), is_program, pid, now_ns, &key);
	known = map_put(&code->by_mapping, &place, NULL);
	if (known)
		*known = key;
}

void code_try(struct code *code, const char *path, uint64_t now_ns)
{
	const char *slash = strrchr(path, '/');
	int fd = kernel_open_code(code->kernel, 0, path);
	struct key key;

	if (fd >= 0)
		take_file(code, fd, span_of(slash ? slash + 1 : path), false, 0, now_ns, &key);
}

/* ---- processes ---- */

/* As much as there is of it, up to MAPS_BYTES. */
static struct span read_maps(struct code *code, uint32_t pid)
{
	char path[64];
	size_t len = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	fd = kernel_open_file(code->kernel, path);
	if (fd < 0)
		return (struct span){};
	while (len < MAPS_BYTES && (got = read(fd, code->maps + len, MAPS_BYTES - len)) > 0)
		len += (size_t)got;
	close(fd);
	return (struct span){(const uint8_t *)code->maps, len};
}

/* The first mapping of a file is the program's own: the kernel maps it before its loader. */
static void look(struct code *code, uint32_t pid, uint64_t now_ns)
{
	struct span text = read_maps(code, pid);
	uint64_t program = 0, begun_ns = clock_monotonic_ns();
	struct mapping mapping;

	code->counts.looks++;
	while (mapping_next(&text, &mapping)) {
		if (!mapping.inode)
			continue;
		if (!program)
			program = mapping.inode;
		if (mapping.is_code)
			take_mapping(code, pid, &mapping, mapping.inode == program, now_ns);
	}
	code->counts.look_ns += clock_monotonic_ns() - begun_ns;
}

static bool is_due(struct looked *looked, bool is_new, const struct process *process,
		   uint64_t now_ns)
{
	if (is_new || looked->start_ns != process->start_ns || looked->program != process->program)
		*looked =
			(struct looked){.start_ns = process->start_ns, .program = process->program};
	looked->round_ns = now_ns;
	return now_ns >= looked->next_ns;
}

static void note_look(struct looked *looked, uint64_t now_ns)
{
	uint32_t last = sizeof(pause_s) / sizeof(*pause_s) - 1;

	looked->next_ns = now_ns + pause_s[looked->looks < last ? looked->looks : last] * second_ns;
	looked->looks++;
}

static bool is_gone(void *ctx, const void *key, void *value)
{
	const struct looked *looked = value;

	return looked->round_ns != *(const uint64_t *)ctx;
}

static void forget_files(struct code *code, uint64_t now_ns)
{
	struct code_file *file;
	size_t at = 0;

	while ((file = code_next(code, &at))) {
		struct key key = {file->inode, file->size, file->changed_ns, file->modified_ns};

		if (file->seen_ns + forget_ns > now_ns)
			continue;
		map_del(&code->files, &key);
		drop(code, file);
		return; /* one a tick: the walk does not survive a deletion */
	}
}

void code_tick(struct code *code, uint64_t now_ns)
{
	const struct process *process;
	uint32_t at = 0, looks = 0;

	code->opens = OPENS_A_TICK;
	while ((process = world_next_process(code->world, &at))) {
		struct looked *looked;
		bool is_new = false;

		if (process->exit_ns)
			continue;
		looked = map_put(&code->looked, &process->pid, &is_new);
		if (!looked || !is_due(looked, is_new, process, now_ns) || looks >= LOOKS_A_TICK ||
		    !code->opens)
			continue;
		look(code, process->pid, now_ns);
		looks++;
		if (code->opens)
			note_look(looked, now_ns);
	}
	map_remove(&code->looked, is_gone, &now_ns);
	forget_files(code, now_ns);
}

struct code_file *code_next(const struct code *code, size_t *at)
{
	const void *key;
	void *value;

	return map_next(&code->files, at, &key, &value) ? *(struct code_file **)value : NULL;
}

void code_counts(const struct code *code, struct code_counts *ret_counts)
{
	*ret_counts = code->counts;
}
