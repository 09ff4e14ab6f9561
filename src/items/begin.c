// SPDX-License-Identifier: GPL-2.0-only
/* begin - what an item does once, when it goes on: it looks at what is older than itself, and learns names from the kernel. */
#include <bpf/btf.h>
#include <string.h>
#include <unistd.h>

#include "items/private.h"

static bool pass_over(void *ctx, const void *row)
{
	return true;
}

void item_look_once(struct item *item)
{
	const struct item_desc *desc = item->desc;

	for (uint32_t i = 0; desc && i < desc->hooks; i++) {
		bool looked = false;

		for (uint32_t k = 0; k < i; k++)
			looked |= !strcmp(desc->hook[k].hook, desc->hook[i].hook);
		if (desc->hook[i].once && !looked &&
		    object_read_table(item->object, desc->hook[i].hook, 1, pass_over, NULL) < 0)
			item_count(item, "lost", "walk", 1);
	}
}

static bool has_kernel_enums(const struct item_desc *desc)
{
	bool has = false;

	for (uint32_t i = 0; i < desc->events; i++)
		has |= schema_has_kernel_enum(&desc->event[i].schema);
	for (uint32_t i = 0; i < desc->maps; i++)
		has |= schema_has_kernel_enum(&desc->map[i].key) ||
		       schema_has_kernel_enum(&desc->map[i].row);
	return has;
}

static struct btf *read_kernel_types(struct item *item)
{
	enum { TYPES_BYTES = 64 << 20, PIECE = 1 << 20 };
	int fd = item_open(item, "/sys/kernel/btf/vmlinux");
	struct btf *btf = NULL;
	struct buf bytes;
	ssize_t got = 1;
	char *room;

	buf_init(&bytes, TYPES_BYTES);
	while (fd >= 0 && got > 0 && (room = buf_reserve(&bytes, PIECE))) {
		got = read(fd, room, PIECE);
		if (got > 0)
			buf_commit(&bytes, (size_t)got);
	}
	if (fd >= 0)
		close(fd);
	if (bytes.len && !got)
		btf = btf__new(bytes.at, (uint32_t)bytes.len);
	buf_done(&bytes);
	return btf;
}

void item_name_kernel_enums(struct item *item)
{
	struct item_desc *desc = item->desc;
	struct btf *btf;

	if (!desc || desc->named || !has_kernel_enums(desc))
		return;
	desc->named = true;
	btf = read_kernel_types(item);
	if (!btf)
		return; /* the names of the tag stay */
	for (uint32_t i = 0; i < desc->events; i++)
		schema_name_kernel_enums(&desc->event[i].schema, btf);
	for (uint32_t i = 0; i < desc->maps; i++) {
		schema_name_kernel_enums(&desc->map[i].key, btf);
		schema_name_kernel_enums(&desc->map[i].row, btf);
	}
	btf__free(btf);
}
