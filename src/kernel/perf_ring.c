// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf_ring - reads what programs send with bpf_perf_event_output, by its memory alone.
 *
 * The older way of sending events, which objects of others still use. Each CPU has a buffer: one page of positions (the
 * kernel writes data_head, the reader data_tail), then the data as a ring (struct perf_event_mmap_page in
 * linux/perf_event.h). A record may wrap around its end. How much may be mapped is limited for a process without
 * privileges (kernel.perf_event_mlock_kb for each CPU), so the size is what is wanted or less.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORD_BYTES = 64 * 1024, LEAST_PAGES = 2 };

struct buffer {
	int fd; /* owned */
	struct perf_event_mmap_page *head; /* owned mapping: a page, then the data */
};

struct perf_rings {
	struct buffer buffer[WIRE_FDS];
	uint32_t buffers;
	size_t page, bytes; /* bytes: data of each */
	bytes_receiver receive;
	void *ctx;
	uint8_t *record; /* owned: one that wraps, put together */
	uint64_t lost;
};

/* All of them with as many pages, or fewer. */
static int map_buffers(struct perf_rings *rings)
{
	for (size_t pages = PERF_RING_PAGES; pages >= LEAST_PAGES; pages /= 2) {
		uint32_t i;

		rings->bytes = pages * rings->page;
		for (i = 0; i < rings->buffers; i++) {
			void *at = mmap(NULL, rings->page + rings->bytes, PROT_READ | PROT_WRITE,
					MAP_SHARED, rings->buffer[i].fd, 0);

			if (at == MAP_FAILED)
				break;
			rings->buffer[i].head = at;
		}
		if (i == rings->buffers)
			return 0;
		while (i--) {
			munmap(rings->buffer[i].head, rings->page + rings->bytes);
			rings->buffer[i].head = NULL;
		}
	}
	return -errno;
}

int perf_rings_open(struct object *object, const char *map, bytes_receiver receive, void *ctx,
		    struct perf_rings **ret_rings, struct err *why)
{
	struct wire_request request = {.op = WIRE_PERF_RINGS};
	struct perf_rings *rings = calloc(1, sizeof(*rings));
	int fds[WIRE_FDS], fd = object_map_fd(object, map), error;
	struct wire_reply reply;

	if (rings)
		rings->record = malloc(RECORD_BYTES);
	if (!rings || !rings->record || fd < 0) {
		perf_rings_close(rings);
		return fd < 0 ? err_set(why, -ENOENT, "the object has no map '%s'", map)
			      : err_set(why, -ENOMEM, "cannot read '%s': out of memory", map);
	}
	rings->page = (size_t)sysconf(_SC_PAGESIZE);
	rings->receive = receive;
	rings->ctx = ctx;
	request.count = (uint32_t)(PERF_RING_PAGES * rings->page / 4);
	error = kernel_ask(object_kernel(object), &request, &fd, 1, &reply, fds);
	if (error < 0) {
		perf_rings_close(rings);
		return err_set(why, error, "cannot open perf buffers for '%s': %s", map,
			       err_name(error));
	}
	for (uint32_t i = 0; i < reply.fds; i++)
		rings->buffer[rings->buffers++].fd = fds[i];
	error = map_buffers(rings);
	if (error) {
		perf_rings_close(rings);
		return err_set(
			why, error,
			"cannot map the perf buffers of '%s': %s; raise kernel.perf_event_mlock_kb",
			map, err_name(error));
	}
	*ret_rings = rings;
	return 0;
}

void perf_rings_close(struct perf_rings *rings)
{
	if (!rings)
		return;
	for (uint32_t i = 0; i < rings->buffers; i++) {
		if (rings->buffer[i].head)
			munmap(rings->buffer[i].head, rings->page + rings->bytes);
		close(rings->buffer[i].fd);
	}
	free(rings->record);
	free(rings);
}

int perf_rings_fd(const struct perf_rings *rings, size_t i)
{
	return i < rings->buffers ? rings->buffer[i].fd : -1;
}

/* A record in one piece. */
static const uint8_t *whole(struct perf_rings *rings, const uint8_t *data, uint64_t at, size_t size)
{
	size_t place = at & (rings->bytes - 1), first = rings->bytes - place;

	if (size <= first)
		return data + place;
	memcpy(rings->record, data + place, first);
	memcpy(rings->record + first, data, size - first);
	return rings->record;
}

/* PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW: u32 size, bytes. PERF_RECORD_LOST: u64 id, u64 how many. */
static size_t hand_on(struct perf_rings *rings, const uint8_t *record,
		      const struct perf_event_header *header)
{
	size_t room = header->size - sizeof(*header);
	uint64_t lost;
	uint32_t size;

	record += sizeof(*header);
	if (header->type == PERF_RECORD_LOST && room >= 16) {
		memcpy(&lost, record + 8, sizeof(lost));
		rings->lost += lost;
	}
	if (header->type != PERF_RECORD_SAMPLE || room < sizeof(size))
		return 0;
	memcpy(&size, record, sizeof(size));
	if (size > room - sizeof(size))
		return 0;
	rings->receive(rings->ctx, record + sizeof(size), size);
	return 1;
}

static size_t drain(struct perf_rings *rings, struct buffer *buffer)
{
	const uint8_t *data = (const uint8_t *)buffer->head + rings->page;
	uint64_t tail = buffer->head->data_tail,
		 head = __atomic_load_n(&buffer->head->data_head, __ATOMIC_ACQUIRE);
	size_t events = 0;

	while (tail + sizeof(struct perf_event_header) <= head) {
		struct perf_event_header header;

		/* records are multiples of 8 bytes: a header never wraps */
		memcpy(&header, data + (tail & (rings->bytes - 1)), sizeof(header));
		if (header.size < sizeof(header) || tail + header.size > head)
			break;
		events += hand_on(rings, whole(rings, data, tail, header.size), &header);
		tail += header.size;
		__atomic_store_n(&buffer->head->data_tail, tail, __ATOMIC_RELEASE);
	}
	return events;
}

size_t perf_rings_drain(struct perf_rings *rings)
{
	size_t events = 0;

	for (uint32_t i = 0; i < rings->buffers; i++)
		events += drain(rings, &rings->buffer[i]);
	return events;
}

uint64_t perf_rings_lost(const struct perf_rings *rings)
{
	return rings->lost;
}

int object_count(struct object *object, const struct counter *counters, uint32_t count)
{
	struct wire_request request = {.op = WIRE_COUNTERS};
	struct wire_counter *area = (struct wire_counter *)object_kernel(object)->area;
	int maps[WIRE_COUNTERS_MAX], fds[WIRE_FDS];
	struct wire_reply reply;

	if (!count || count > WIRE_COUNTERS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		maps[i] = object_map_fd(object, counters[i].map);
		if (maps[i] < 0)
			return maps[i];
		area[i] = (struct wire_counter){counters[i].type, counters[i].config};
	}
	request.area_bytes = count * (uint32_t)sizeof(*area);
	return kernel_ask(object_kernel(object), &request, maps, count, &reply, fds);
}
