// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring - reads a BPF ring buffer by its memory alone.
 *
 * The kernel lays a ring out as: one page with the consumer's position (ours to write), one page with
 * the producer's position, then the data (kernel/bpf/ringbuf.c, 457f44363a88), which can be mapped twice in a row so that
 * a record never wraps. We map it once, and put the few records that wrap together: every page mapped counts as
 * resident, and rings are most of what the agent maps. Each record begins with a 32-bit length whose top bits say "still being
 * written" (stop here) and "thrown away" (skip), padded to 8 bytes. No system call is needed to read.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEAD_BYTES = 8 };

#define BUSY      (1u << 31)
#define DISCARDED (1u << 30)

struct ring {
	int fd; /* borrowed from the object */
	size_t bytes, page;
	unsigned long *consumer; /* owned mapping, one page */
	uint8_t *producer; /* owned mapping: page + bytes */
	uint8_t *whole; /* owned: a record that wraps, in one piece */
	size_t whole_room;
	ring_receiver receive;
	bytes_receiver receive_bytes; /* instead, when events are not ours */
	void *ctx;
	uint64_t read, bad;
};

int ring_open(struct object *object, const char *map, ring_receiver receive, void *ctx,
	      struct ring **ret_ring, struct err *why)
{
	int error = ring_open_bytes(object, map, NULL, ctx, ret_ring, why);

	if (!error)
		(*ret_ring)->receive = receive;
	return error;
}

int ring_open_bytes(struct object *object, const char *map, bytes_receiver receive, void *ctx,
		    struct ring **ret_ring, struct err *why)
{
	int fd = object_map_fd(object, map);
	uint64_t bytes = 0;
	struct ring *ring;

	if (fd < 0 || !fdinfo_number(fd, "max_entries", &bytes))
		return err_set(why, -ENOENT, "the object has no ring '%s'", map);
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return err_set(why, -ENOMEM, "cannot read ring '%s': out of memory", map);
	ring->fd = fd;
	ring->bytes = bytes;
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->receive_bytes = receive;
	ring->ctx = ctx;
	ring->consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ring->producer =
		mmap(NULL, ring->page + ring->bytes, PROT_READ, MAP_SHARED, fd, (off_t)ring->page);
	if (ring->consumer == MAP_FAILED || ring->producer == MAP_FAILED) {
		int error = -errno;

		ring_close(ring);
		return err_set(why, error, "cannot map ring '%s': %s", map, err_name(error));
	}
	*ret_ring = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->consumer && ring->consumer != MAP_FAILED)
		munmap(ring->consumer, ring->page);
	if (ring->producer && ring->producer != MAP_FAILED)
		munmap(ring->producer, ring->page + ring->bytes);
	free(ring->whole);
	free(ring);
}

static void hand_on(struct ring *ring, const uint8_t *at, size_t size)
{
	const struct event_head *head = (const void *)at;

	if (!at) {
		ring->bad++;
		return;
	}
	if (ring->receive_bytes) {
		ring->read++;
		ring->receive_bytes(ring->ctx, at, size);
		return;
	}
	if (!at || size < sizeof(*head) || head->size > size) {
		ring->bad++;
		return;
	}
	ring->read++;
	ring->receive(ring->ctx, head, size);
}

/* The bytes of a record that begins at `from`, in one piece; NULL when memory is out. */
static const uint8_t *in_one_piece(struct ring *ring, unsigned long from, size_t size)
{
	const uint8_t *data = ring->producer + ring->page;
	size_t at = from & (ring->bytes - 1), before_the_end = ring->bytes - at;

	if (size <= before_the_end)
		return data + at;
	if (size > ring->whole_room) {
		uint8_t *grown = size <= ring->bytes ? realloc(ring->whole, size) : NULL;

		if (!grown)
			return NULL;
		ring->whole = grown;
		ring->whole_room = size;
	}
	memcpy(ring->whole, data + at, before_the_end);
	memcpy(ring->whole + before_the_end, data, size - before_the_end);
	return ring->whole;
}

size_t ring_drain(struct ring *ring, size_t at_most)
{
	unsigned long from = *ring->consumer;
	unsigned long to = __atomic_load_n((unsigned long *)ring->producer, __ATOMIC_ACQUIRE);
	const uint8_t *data = ring->producer + ring->page;
	size_t events = 0;

	while (from < to && events < at_most) {
		const uint8_t *record = data + (from & (ring->bytes - 1));
		uint32_t length = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		size_t size = length & ~(BUSY | DISCARDED);

		if (length & BUSY)
			break;
		if (!(length & DISCARDED)) {
			hand_on(ring, in_one_piece(ring, from + HEAD_BYTES, size), size);
			events++;
		}
		from += (HEAD_BYTES + size + 7) & ~7ul;
		/* given back one by one: the kernel can write on while we work */
		__atomic_store_n(ring->consumer, from, __ATOMIC_RELEASE);
	}
	return events;
}

int ring_fd(const struct ring *ring)
{
	return ring->fd;
}

uint64_t ring_read(const struct ring *ring)
{
	return ring->read;
}

uint64_t ring_bad(const struct ring *ring)
{
	return ring->bad;
}

size_t ring_bytes(const struct ring *ring)
{
	return ring->bytes;
}
