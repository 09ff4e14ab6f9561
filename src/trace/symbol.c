// SPDX-License-Identifier: GPL-2.0-only
/* symbol - addresses to names. Tables are read when the first address asks for them. */
#include "trace/symbol.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/elf_file.h"
#include "trace/demangle.h"
#include "trace/run.h"

enum {
	KERNEL_SYMBOLS_MAX = 2 << 20,
	FILES_MAX = 512,
	PROCESSES_MAX = 256,
	MAPPINGS_MAX = 4096,
	STACK_FRAMES = 127,
};

struct name_at {
	uint64_t address, size;
	uint32_t name; /* byte in the table's text */
};

struct table {
	struct name_at *at; /* owned, sorted by address */
	size_t count, room;
	struct buf text; /* names, each ended by 0 */
};

struct file {
	char path[512];
	struct table table;
	bool is_position_independent;
	struct elf elf; /* open while it is wanted for addresses */
	bool is_open;
};

struct mapping {
	uint64_t from, to, offset;
	int file; /* index, -1: none */
	char name[64];
};

struct process {
	int pid;
	struct mapping *mappings; /* owned */
	uint32_t count;
};

struct symbols {
	struct table kernel;
	bool is_kernel_read;
	struct file *files; /* owned */
	uint32_t file_count;
	struct process processes[PROCESSES_MAX];
	uint32_t process_count;
	bool keeps_mangled; /* names of C++ are shown as they are in the file */
};

struct symbols *symbols_new(bool keeps_mangled)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return NULL;
	symbols->files = calloc(FILES_MAX, sizeof(*symbols->files));
	if (!symbols->files) {
		free(symbols);
		return NULL;
	}
	symbols->keeps_mangled = keeps_mangled;
	buf_init(&symbols->kernel.text, 256 << 20);
	return symbols;
}

static void table_done(struct table *table)
{
	free(table->at);
	buf_done(&table->text);
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	table_done(&symbols->kernel);
	for (uint32_t i = 0; i < symbols->file_count; i++) {
		table_done(&symbols->files[i].table);
		if (symbols->files[i].is_open)
			elf_close(&symbols->files[i].elf);
	}
	for (uint32_t i = 0; i < symbols->process_count; i++)
		free(symbols->processes[i].mappings);
	free(symbols->files);
	free(symbols);
}

static void add_name(struct table *table, uint64_t address, uint64_t size, const char *name)
{
	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 1024;
		struct name_at *grown = room <= KERNEL_SYMBOLS_MAX
						? realloc(table->at, room * sizeof(*grown))
						: NULL;

		if (!grown)
			return;
		table->at = grown;
		table->room = room;
	}
	table->at[table->count++] = (struct name_at){
		.address = address, .size = size, .name = (uint32_t)table->text.len};
	buf_add(&table->text, name, strlen(name) + 1);
}

static int by_address(const void *a, const void *b)
{
	const struct name_at *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static void sort(struct table *table)
{
	if (table->count)
		qsort(table->at, table->count, sizeof(*table->at), by_address);
}

/* The last name at or below the address. */
static const struct name_at *find(const struct table *table, uint64_t address)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->at[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	/* of several names at one address the first that was listed */
	while (low > 1 && table->at[low - 2].address == table->at[low - 1].address)
		low--;
	return &table->at[low - 1];
}

static bool parse_kallsyms(const char *line, uint64_t *address, char *type, char *name, size_t size)
{
	char *end;
	size_t len = 0;

	*address = strtoull(line, &end, 16);
	if (*end != ' ' || !end[1] || end[2] != ' ')
		return false;
	*type = end[1];
	for (end += 3; end[len] && !isspace((unsigned char)end[len]) && len + 1 < size; len++)
		name[len] = end[len];
	name[len] = 0;
	return true;
}

static void read_kernel(struct symbols *symbols)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], name[256], type;
	uint64_t address;

	symbols->is_kernel_read = true;
	while (file && fgets(line, sizeof(line), file))
		if (parse_kallsyms(line, &address, &type, name, sizeof(name)) && address &&
		    (type == 't' || type == 'T' || type == 'w' || type == 'W'))
			add_name(&symbols->kernel, address, 0, name);
	if (file)
		fclose(file);
	sort(&symbols->kernel);
}

bool symbol_kernel_address(struct span wanted, uint64_t *ret_address)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], name[256], type;
	bool is_found = false;

	while (file && !is_found && fgets(line, sizeof(line), file))
		is_found = parse_kallsyms(line, ret_address, &type, name, sizeof(name)) &&
			   *ret_address && span_is(wanted, name);
	if (file)
		fclose(file);
	return is_found;
}

static void write_name(const struct table *table, const struct name_at *at, uint64_t address,
		       bool with_offset, bool is_plain, struct buf *out)
{
	const char *name = buf_text(&table->text) + at->name;

	if (is_plain || !demangle(span_of(name), out))
		buf_str(out, name);
	if (with_offset)
		buf_f(out, "+%llu", (unsigned long long)(address - at->address));
}

void symbol_kernel(struct symbols *symbols, uint64_t address, bool with_offset, struct buf *out)
{
	const struct name_at *at;

	if (!symbols->is_kernel_read)
		read_kernel(symbols);
	at = find(&symbols->kernel, address);
	if (at && (int64_t)address < 0)
		write_name(&symbols->kernel, at, address, with_offset, true, out);
	else
		buf_f(out, address ? "0x%llx" : "%llx", (unsigned long long)address);
}

/* --- processes --- */

static int file_of(struct symbols *symbols, int pid, const char *path)
{
	struct file *file;
	char through[640];
	struct elf_walk walk = {};
	struct elf_symbol symbol;

	for (uint32_t i = 0; i < symbols->file_count; i++)
		if (!strcmp(symbols->files[i].path, path))
			return (int)i;
	if (symbols->file_count == FILES_MAX || strlen(path) >= sizeof(file->path))
		return -1;
	file = &symbols->files[symbols->file_count];
	snprintf(file->path, sizeof(file->path), "%s", path);
	buf_init(&file->table.text, 64 << 20);
	/* through the process's own root: it may live in a container */
	snprintf(through, sizeof(through), "/proc/%d/root%s", pid, path);
	if (!elf_open(&file->elf, through) || !elf_open(&file->elf, path)) {
		file->is_open = true;
		while (elf_next_symbol(&file->elf, &walk, &symbol))
			if (symbol.is_function)
				add_name(&file->table, symbol.value, symbol.size, symbol.name);
		sort(&file->table);
	}
	return (int)symbols->file_count++;
}

static void read_mappings(struct symbols *symbols, struct process *process)
{
	char path[64], line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", process->pid);
	file = fopen(path, "re");
	process->mappings = calloc(MAPPINGS_MAX, sizeof(*process->mappings));
	while (file && process->mappings && process->count < MAPPINGS_MAX &&
	       fgets(line, sizeof(line), file)) {
		struct mapping *mapping = &process->mappings[process->count];
		unsigned long long from, to, offset;
		char mode[8];
		int at = 0;

		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &from, &to, mode, &offset, &at) <
			    4 ||
		    mode[2] != 'x')
			continue;
		line[strcspn(line, "\n")] = 0;
		*mapping = (struct mapping){.from = from, .to = to, .offset = offset, .file = -1};
		if (at && line[at] == '/')
			mapping->file = file_of(symbols, process->pid, line + at);
		process->count++;
	}
	if (file)
		fclose(file);
}

static struct process *process_of(struct symbols *symbols, int pid)
{
	struct process *process;

	for (uint32_t i = 0; i < symbols->process_count; i++)
		if (symbols->processes[i].pid == pid)
			return &symbols->processes[i];
	if (symbols->process_count == PROCESSES_MAX) { /* the oldest makes room */
		free(symbols->processes[0].mappings);
		memmove(&symbols->processes[0], &symbols->processes[1],
			(PROCESSES_MAX - 1) * sizeof(*process));
		symbols->process_count--;
	}
	process = &symbols->processes[symbols->process_count++];
	*process = (struct process){.pid = pid};
	read_mappings(symbols, process);
	return process;
}

static const struct mapping *mapping_of(const struct process *process, uint64_t address)
{
	for (uint32_t i = 0; i < process->count; i++)
		if (address >= process->mappings[i].from && address < process->mappings[i].to)
			return &process->mappings[i];
	return NULL;
}

void symbol_user(struct symbols *symbols, int pid, uint64_t address, bool with_offset,
		 struct buf *out)
{
	const struct process *process = process_of(symbols, pid);
	const struct mapping *mapping = mapping_of(process, address);
	const struct name_at *at;
	const struct file *file;
	uint64_t linked;

	if (mapping && mapping->file >= 0 && symbols->files[mapping->file].is_open) {
		file = &symbols->files[mapping->file];
		if (elf_address_of(&file->elf, address - mapping->from + mapping->offset,
				   &linked)) {
			at = find(&file->table, linked);
			if (at && (!at->size || linked < at->address + at->size)) {
				write_name(&file->table, at, linked, with_offset,
					   symbols->keeps_mangled, out);
				return;
			}
		}
	}
	buf_f(out, address ? "0x%llx" : "%llx", (unsigned long long)address);
}

/* --- stacks --- */

static int stack_map_fd(const struct run *run, uint32_t depth, bool has_build_ids)
{
	for (uint32_t i = 0; i < run->compiled->stack_count; i++)
		if (run->compiled->stacks[i].depth == depth &&
		    run->compiled->stacks[i].has_build_ids == has_build_ids)
			return run->compiled->maps[run->compiled->stacks[i].map].fd;
	return -1;
}

static void write_frame(struct run *run, const struct type *type, int pid, uint64_t address,
			struct buf *out)
{
	if (type->mode != STACK_BPFTRACE)
		buf_f(out, "%llx", (unsigned long long)address);
	if (type->mode == STACK_RAW)
		return;
	if (type->mode == STACK_PERF)
		buf_char(out, ' ');
	if (type->kind == TYPE_KSTACK)
		symbol_kernel(run->symbols, address, true, out);
	else
		symbol_user(run->symbols, pid, address, true, out);
	if (type->mode == STACK_PERF && type->kind == TYPE_USTACK) {
		const struct process *process = process_of(run->symbols, pid);
		const struct mapping *mapping = mapping_of(process, address);

		buf_f(out, " (%s)",
		      mapping && mapping->file >= 0 ? run->symbols->files[mapping->file].path
						    : "[unknown]");
	}
}

/* struct bpf_stack_build_id: where in which file; of those without a build id the address. */
static void write_build_ids(struct run *run, const struct type *type, int fd, uint32_t key,
			    struct buf *out)
{
	struct bpf_stack_build_id frames[STACK_FRAMES + 1] = {};

	if (run->loader->map_read(run->loader, fd, &key, frames))
		return;
	for (uint32_t i = 0; i < STACK_FRAMES && i < type->depth; i++) {
		if (frames[i].status == BPF_STACK_BUILD_ID_EMPTY)
			break;
		if (frames[i].status == BPF_STACK_BUILD_ID_IP) {
			buf_f(out, "%llx\n", (unsigned long long)frames[i].ip);
			continue;
		}
		for (uint32_t b = 0; b < sizeof(frames[i].build_id); b++)
			buf_f(out, "%02x", frames[i].build_id[b]);
		buf_f(out, " 0x%llx\n", (unsigned long long)frames[i].offset);
	}
}

void symbol_stack(struct run *run, const struct type *type, const uint8_t *bytes, uint32_t indent,
		  struct buf *out)
{
	uint64_t frames[STACK_FRAMES + 1] = {};
	int fd = stack_map_fd(run, type->depth, type->mode == STACK_BUILD_ID);
	int64_t id;
	uint32_t key, pid;

	memcpy(&id, bytes, 8);
	memcpy(&pid, bytes + 8, 4);
	buf_char(out, '\n');
	if (id < 0 || fd < 0) {
		if (id == -17) /* -EEXIST: another stack has its place */
			buf_str(out, "        [stack lost: hash collision]\n");
		return;
	}
	key = (uint32_t)id;
	if (type->mode == STACK_BUILD_ID) {
		write_build_ids(run, type, fd, key, out);
		return;
	}
	if (run->loader->map_read(run->loader, fd, &key, frames))
		return;
	for (uint32_t i = 0; i < STACK_FRAMES && i < type->depth && frames[i]; i++) {
		if (type->mode == STACK_BPFTRACE)
			buf_fill(out, ' ', indent);
		else if (type->mode == STACK_PERF)
			buf_char(out, '\t');
		write_frame(run, type, (int)pid, frames[i], out);
		buf_char(out, '\n');
	}
}
