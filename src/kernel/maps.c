// SPDX-License-Identifier: GPL-2.0-only
/*
 * maps - reads and writes the maps of an object without bpf(2).
 *
 * A hash is read through an iterator: a program of a dozen instructions that writes key and value of each
 * entry to a file. It is put together here, one for each pair of sizes, since the verifier wants sizes
 * as constants. For per-CPU maps the iterator's value is the values of all CPUs in a row. (bpf_iter for map
 * elements: a5cbe05a6673, 5.8.)
 */
#include "kernel/object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

/* struct bpf_iter__bpf_map_elem { meta; map; key; value; }, struct bpf_iter_meta { seq; ... } */
enum { CTX_META = 0, CTX_KEY = 16, CTX_VALUE = 24, META_SEQ = 0 };

#define LOAD(dst, src, at)                                                                         \
	{                                                                                          \
		.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = dst, .src_reg = src, .off = at      \
	}
#define MOVE(dst, src)                                                                             \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = dst, .src_reg = src                \
	}
#define SET(dst, value)                                                                            \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = dst, .imm = value                  \
	}
#define JUMP_IF_0(reg, to)                                                                         \
	{                                                                                          \
		.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = reg, .off = to                       \
	}
#define CALL(helper)                                                                               \
	{                                                                                          \
		.code = BPF_JMP | BPF_CALL, .imm = helper                                          \
	}
#define EXIT()                                                                                     \
	{                                                                                          \
		.code = BPF_JMP | BPF_EXIT                                                         \
	}

static int load_reader(struct kernel *kernel, uint32_t key_bytes, uint32_t value_bytes)
{
	const struct bpf_insn program[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		LOAD(BPF_REG_7, BPF_REG_6, CTX_KEY),
		JUMP_IF_0(BPF_REG_7, 12), /* the last call has no entry */
		LOAD(BPF_REG_8, BPF_REG_6, CTX_VALUE),
		JUMP_IF_0(BPF_REG_8, 10),
		LOAD(BPF_REG_9, BPF_REG_6, CTX_META),
		LOAD(BPF_REG_9, BPF_REG_9, META_SEQ),
		MOVE(BPF_REG_1, BPF_REG_9),
		MOVE(BPF_REG_2, BPF_REG_7),
		SET(BPF_REG_3, (int)key_bytes),
		CALL(BPF_FUNC_seq_write),
		MOVE(BPF_REG_1, BPF_REG_9),
		MOVE(BPF_REG_2, BPF_REG_8),
		SET(BPF_REG_3, (int)value_bytes),
		CALL(BPF_FUNC_seq_write),
		SET(BPF_REG_0, 0),
		EXIT(),
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_ITER);
	int fd;

	if (!kernel->elem_iter) {
		struct btf *btf = kernel_btf(kernel, NULL);
		int id = btf ? btf__find_by_name_kind(btf, "bpf_iter_bpf_map_elem", BTF_KIND_FUNC)
			     : -1;

		if (id <= 0)
			return -EOPNOTSUPP;
		kernel->elem_iter = (uint32_t)id;
	}
	opts.attach_btf_id = kernel->elem_iter;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "sonde_map_read", "GPL", program,
			   sizeof(program) / sizeof(*program), &opts);
	return fd < 0 ? -errno : fd;
}

static int reader_program(struct kernel *kernel, uint32_t key_bytes, uint32_t value_bytes)
{
	int fd;

	for (uint32_t i = 0; i < kernel->readers; i++)
		if (kernel->reader[i].key_bytes == key_bytes &&
		    kernel->reader[i].value_bytes == value_bytes)
			return kernel->reader[i].program;
	fd = load_reader(kernel, key_bytes, value_bytes);
	if (fd < 0)
		return fd;
	if (kernel->readers ==
	    KERNEL_READERS) { /* the oldest makes room; links keep what they use */
		close(kernel->reader[0].program);
		memmove(&kernel->reader[0], &kernel->reader[1],
			sizeof(kernel->reader[0]) * (KERNEL_READERS - 1));
		kernel->readers--;
	}
	kernel->reader[kernel->readers++] = (struct map_reader){key_bytes, value_bytes, fd};
	return fd;
}

static struct object_reader *find_reader(struct object *object, const char *map)
{
	for (uint32_t i = 0; i < object->readers; i++)
		if (!strcmp(object->reader[i].map, map))
			return &object->reader[i];
	return NULL;
}

static int add_reader(struct object *object, const char *map, struct object_reader **ret_reader)
{
	struct bpf_map *bpf_map =
		object->bpf ? bpf_object__find_map_by_name(object->bpf, map) : NULL;
	struct wire_request request = {.op = WIRE_ATTACH, .attach = {.kind = ATTACH_ITER}};
	struct object_reader reader = {};
	struct wire_reply reply;
	int fds[WIRE_FDS], send[2], result;

	if (!bpf_map || bpf_map__fd(bpf_map) < 0)
		return -ENOENT;
	if (object->readers == OBJECT_READERS || strlen(map) >= sizeof(reader.map))
		return -E2BIG;
	memcpy(reader.map, map, strlen(map));
	reader.key_bytes = bpf_map__key_size(bpf_map);
	reader.value_bytes = bpf_map__value_size(bpf_map);
	switch (bpf_map__type(bpf_map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		reader.value_bytes = (reader.value_bytes + 7) / 8 * 8 * object->kernel->cpus;
		break;
	default: break;
	}
	send[0] = reader_program(object->kernel, reader.key_bytes, reader.value_bytes);
	if (send[0] < 0)
		return send[0];
	send[1] = bpf_map__fd(bpf_map);
	result = kernel_ask(object->kernel, &request, send, 2, &reply, fds);
	if (result < 0)
		return result;
	reader.link = fds[0];
	object->reader[object->readers] = reader;
	*ret_reader = &object->reader[object->readers++];
	return 0;
}

/* Reads a file of rows. The kernel may cut a row between two reads. Rows, or -errno. */
static int read_rows(int fd, size_t row_bytes, bool (*each)(void *ctx, const uint8_t *row),
		     void *ctx)
{
	size_t room = row_bytes > READ_BYTES ? row_bytes : READ_BYTES, held = 0;
	uint8_t *bytes = malloc(room);
	int rows = 0;

	if (!bytes)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, bytes + held, room - held);
		size_t at = 0;

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue; /* an iterator gives up its turn after a million entries */
		if (got <= 0) {
			rows = got < 0 ? -errno : rows;
			break;
		}
		held += (size_t)got;
		for (; held - at >= row_bytes; at += row_bytes, rows++)
			if (!each(ctx, bytes + at)) {
				free(bytes);
				return rows + 1;
			}
		held -= at;
		memmove(bytes, bytes + at, held);
	}
	free(bytes);
	return rows;
}

static int open_iterator(struct kernel *kernel, int link, int pid)
{
	struct wire_request request = {.op = WIRE_ITER_CREATE, .attach.number = (uint64_t)pid};
	struct wire_reply reply;
	int fds[WIRE_FDS], result = kernel_ask(kernel, &request, &link, 1, &reply, fds);

	return result < 0 ? result : fds[0];
}

struct entry_walk {
	map_entry each;
	void *ctx;
	uint32_t key_bytes;
};

static bool hand_on_entry(void *ctx, const uint8_t *row)
{
	struct entry_walk *walk = ctx;

	return walk->each(walk->ctx, row, row + walk->key_bytes);
}

int object_read(struct object *object, const char *map, map_entry each, void *ctx)
{
	struct object_reader *reader = find_reader(object, map);
	struct entry_walk walk = {each, ctx, 0};
	int fd, rows;

	if (!reader) {
		int error = add_reader(object, map, &reader);

		if (error)
			return error;
	}
	walk.key_bytes = reader->key_bytes;
	fd = open_iterator(object->kernel, reader->link, 0);
	if (fd < 0)
		return fd;
	rows = read_rows(fd, reader->key_bytes + reader->value_bytes, hand_on_entry, &walk);
	close(fd);
	return rows;
}

struct sums {
	uint64_t *sum;
	size_t count;
	uint32_t cpus;
};

static bool add_up(void *ctx, const void *key, const void *value)
{
	struct sums *sums = ctx;
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	for (uint32_t cpu = 0; index < sums->count && cpu < sums->cpus; cpu++) {
		uint64_t part;

		memcpy(&part, (const uint8_t *)value + cpu * sizeof(part), sizeof(part));
		sums->sum[index] += part;
	}
	return true;
}

int object_read_counts(struct object *object, const char *map, uint64_t *ret_sum, size_t count)
{
	struct sums sums = {ret_sum, count, object->kernel->cpus};
	int rows;

	memset(ret_sum, 0, count * sizeof(*ret_sum));
	rows = object_read(object, map, add_up, &sums);
	return rows < 0 ? rows : 0;
}

struct row_walk {
	table_row each;
	void *ctx;
};

static bool hand_on_row(void *ctx, const uint8_t *row)
{
	struct row_walk *walk = ctx;

	return walk->each(walk->ctx, row);
}

int object_read_table(struct object *object, const char *hook, size_t row_size, table_row each,
		      void *ctx)
{
	return object_read_table_near(object, hook, 0, row_size, each, ctx);
}

int object_read_table_near(struct object *object, const char *hook, int pid, size_t row_size,
			   table_row each, void *ctx)
{
	struct row_walk walk = {each, ctx};

	for (uint32_t i = 0; i < object->links; i++) {
		uint32_t served = object->alternative[object->link[i].alternative].hook;
		int fd, rows;

		if (strcmp(object->hook[served].name, hook) != 0)
			continue;
		fd = open_iterator(object->kernel, object->link[i].fd, pid);
		if (fd < 0)
			return fd;
		rows = read_rows(fd, row_size, hand_on_row, &walk);
		close(fd);
		return rows;
	}
	return -ENOENT;
}

int object_delete(struct object *object, const char *map, const void *keys, size_t count)
{
	struct bpf_map *bpf_map =
		object->bpf ? bpf_object__find_map_by_name(object->bpf, map) : NULL;
	struct wire_request request = {.op = WIRE_DELETE_KEYS, .count = (uint32_t)count};
	struct wire_reply reply;
	int fds[WIRE_FDS], fd;

	if (!bpf_map)
		return -ENOENT;
	fd = bpf_map__fd(bpf_map);
	request.key_bytes = bpf_map__key_size(bpf_map);
	if (count > WIRE_AREA_BYTES / request.key_bytes)
		return -E2BIG;
	request.area_bytes = (uint32_t)count * request.key_bytes;
	memcpy(object->kernel->area, keys, request.area_bytes);
	return kernel_ask(object->kernel, &request, &fd, 1, &reply, fds);
}

int object_add(struct object *object, const char *map, const void *key, const void *value)
{
	int fd = object_map_fd(object, map);

	if (fd < 0)
		return fd;
	return bpf_map_update_elem(fd, key, value, BPF_NOEXIST) ? -errno : 0;
}

void *object_mapped(struct object *object, const char *map)
{
	struct bpf_map *bpf_map =
		object->bpf ? bpf_object__find_map_by_name(object->bpf, map) : NULL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
	void *at;

	for (uint32_t i = 0; i < object->maps_mapped; i++)
		if (!strcmp(object->mapped[i].map, map))
			return object->mapped[i].at;
	if (!bpf_map || strlen(map) >= sizeof(object->mapped[0].map) ||
	    object->maps_mapped == sizeof(object->mapped) / sizeof(*object->mapped))
		return NULL;
	/* elements are 8 bytes apart at least (array_map_alloc) */
	bytes = (size_t)(bpf_map__value_size(bpf_map) + 7) / 8 * 8 * bpf_map__max_entries(bpf_map);
	bytes = (bytes + page - 1) / page * page;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(bpf_map), 0);
	if (at == MAP_FAILED)
		return NULL;
	object->mapped[object->maps_mapped].at = at;
	object->mapped[object->maps_mapped].bytes = bytes;
	snprintf(object->mapped[object->maps_mapped++].map, sizeof(object->mapped[0].map), "%s",
		 map);
	return at;
}
