// SPDX-License-Identifier: GPL-2.0-only
/*
 * keep - programs and maps of an item that outlive the agent.
 *
 * What is pinned: the maps, the dispatchers with their program arrays and links, and the word that says which slots run.
 * So the programs go on counting while no agent is there. The next agent opens the pins as if they were the old version
 * of an upgrade: it loads its own programs with the same maps, puts them beside, and turns the word.
 *
 * A pinned array holds the list of the pins and what the object was: pins of another object are let go, since
 * its maps may mean something else.
 */
#include "kernel/object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/map.h"
#include "kernel/client.h"

enum { KEPT_NAMES = 512, KEPT_NAME_BYTES = 32, KEPT_LINKS = 64 };

struct list {
	int map; /* index -> name; the first one says what the object was */
	uint32_t count;
};

static uint32_t short_hash(const void *bytes, size_t len)
{
	uint64_t hash = hash_bytes(bytes, len, 17);

	return (uint32_t)(hash ^ hash >> 32);
}

static void name_of(char name[KEPT_NAME_BYTES], const struct object *object, const char *what,
		    uint32_t which, uint32_t number)
{
	snprintf(name, KEPT_NAME_BYTES, "%08x_%s_%08x_%u",
		 short_hash(object->name, strlen(object->name)), what, which, number);
}

static uint32_t place_hash(const struct object *object, const struct alternative *alternative)
{
	const char *hook = object->hook[alternative->hook].name;
	uint32_t section = short_hash(alternative->section, strlen(alternative->section));

	return section ^ short_hash(hook, strlen(hook)) * 31;
}

static void list_name(char name[KEPT_NAME_BYTES], const char *item)
{
	snprintf(name, KEPT_NAME_BYTES, "%08x_list", short_hash(item, strlen(item)));
}

static bool list_entry(int map, uint32_t index, char text[KEPT_NAME_BYTES])
{
	text[0] = 0;
	if (bpf_map_lookup_elem(map, &index, text))
		return false;
	text[KEPT_NAME_BYTES - 1] = 0;
	return text[0] != 0;
}

void object_forget_kept(struct kernel *kernel, const char *item)
{
	char name[KEPT_NAME_BYTES], text[KEPT_NAME_BYTES];
	int map;

	list_name(name, item);
	map = kernel_pinned(kernel, name);
	if (map < 0)
		return;
	for (uint32_t i = 1; i < KEPT_NAMES && list_entry(map, i, text); i++)
		kernel_unpin(kernel, text);
	kernel_unpin(kernel, name);
	close(map);
}

/* ---- keeping ---- */

static int keep_one(struct object *object, struct list *list, const char *what, uint32_t which,
		    uint32_t number, int fd)
{
	char name[KEPT_NAME_BYTES] = "";
	int error;

	if (list->count == KEPT_NAMES)
		return -E2BIG;
	name_of(name, object, what, which, number);
	error = kernel_pin(object->kernel, name, fd);
	if (!error && bpf_map_update_elem(list->map, &list->count, name, BPF_ANY))
		error = -errno;
	list->count++;
	return error;
}

static int keep_maps(struct object *object, struct list *list)
{
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, object->bpf)
	{
		const char *name = bpf_map__name(map);

		if (!error && !bpf_map__is_internal(map) && bpf_map__fd(map) >= 0)
			error = keep_one(object, list, "m", short_hash(name, strlen(name)), 0,
					 bpf_map__fd(map));
	}
	return error;
}

/* What has no dispatcher can't be given another program: it ends with the agent. */
static int keep_links(struct object *object, struct list *list)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < object->alternatives; i++) {
		const struct alternative *alternative = &object->alternative[i];
		uint32_t which = place_hash(object, alternative), number = 0;

		if (alternative->dispatcher.map < 0)
			continue;
		error = keep_one(object, list, "d", which, 0, alternative->dispatcher.map);
		if (!error)
			error = keep_one(object, list, "p", which, 0,
					 alternative->dispatcher.program);
		for (uint32_t n = 0; !error && n < object->links; n++)
			if (object->link[n].alternative == i)
				error = keep_one(object, list, "l", which, number++,
						 object->link[n].fd);
	}
	return error;
}

int object_keep(struct object *object, uint64_t what, struct err *why)
{
	char name[KEPT_NAME_BYTES] = "", text[KEPT_NAME_BYTES] = "";
	struct list list = {.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "kept", 4, KEPT_NAME_BYTES,
						  KEPT_NAMES, NULL),
			    .count = 1};
	uint32_t first = 0;
	int error = list.map < 0 ? -errno : 0;

	object_forget_kept(object->kernel, object->name);
	list_name(name, object->name);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)what);
	if (!error && bpf_map_update_elem(list.map, &first, text, BPF_ANY))
		error = -errno;
	if (!error)
		error = kernel_pin(object->kernel, name, list.map);
	if (!error && object->side.map >= 0)
		error = keep_one(object, &list, "s", 0, 0, object->side.map);
	if (!error)
		error = keep_maps(object, &list);
	if (!error)
		error = keep_links(object, &list);
	if (error) {
		object_forget_kept(object->kernel, object->name);
		err_set(why, error, "cannot keep '%s' over a restart: %s", object->name,
			err_name(error));
	}
	if (list.map >= 0)
		close(list.map);
	return error;
}

/* ---- taking up ---- */

static int kept(struct object *object, const char *what, uint32_t which, uint32_t number)
{
	char name[KEPT_NAME_BYTES];

	name_of(name, object, what, which, number);
	return kernel_pinned(object->kernel, name);
}

static bool take_side(struct object *from)
{
	struct side side = {.map = kept(from, "s", 0, 0)};
	void *at;

	if (side.map < 0)
		return false;
	at = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, side.map,
		  0);
	if (at == MAP_FAILED) {
		close(side.map);
		return false;
	}
	side.word = at;
	side.ours = *side.word & 1;
	from->side = side;
	return true;
}

static void take_alternative(struct object *from, uint32_t index)
{
	struct alternative *alternative = &from->alternative[index];
	uint32_t which = place_hash(from, alternative);
	int fd;

	alternative->dispatcher.map = kept(from, "d", which, 0);
	alternative->dispatcher.program = kept(from, "p", which, 0);
	if (alternative->dispatcher.map < 0 || alternative->dispatcher.program < 0) {
		dispatcher_done(&alternative->dispatcher);
		return;
	}
	for (uint32_t n = 0; n < KEPT_LINKS && (fd = kept(from, "l", which, n)) >= 0; n++)
		if (from->links < OBJECT_LINKS)
			from->link[from->links++] = (struct object_link){fd, index};
		else
			close(fd);
}

static bool was_kept_as(struct object *object, uint64_t what)
{
	char name[KEPT_NAME_BYTES], text[KEPT_NAME_BYTES], wanted[KEPT_NAME_BYTES];
	bool is_same;
	int map;

	list_name(name, object->name);
	map = kernel_pinned(object->kernel, name);
	if (map < 0)
		return false;
	snprintf(wanted, sizeof(wanted), "%016llx", (unsigned long long)what);
	is_same = list_entry(map, 0, text) && !strcmp(text, wanted);
	close(map);
	if (!is_same)
		object_forget_kept(object->kernel, object->name);
	return is_same;
}

static void share_kept_maps(struct object *object, const struct bpf_object *bpf)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, bpf)
	{
		const char *name = bpf_map__name(map);
		int fd = bpf_map__is_internal(map)
				 ? -1
				 : kept(object, "m", short_hash(name, strlen(name)), 0);

		if (fd < 0)
			continue;
		object_share_fd(object, name, fd);
		close(fd);
	}
}

struct object *object_take_up(struct object *object, uint64_t what)
{
	struct bpf_object *bpf;
	struct object *from = NULL;

	if (!was_kept_as(object, what) ||
	    object_open(object->kernel, object->name, object->elf, object->elf_bytes, &from, NULL))
		return NULL;
	if (!take_side(from)) {
		object_free(from);
		return NULL;
	}
	for (uint32_t i = 0; i < from->alternatives; i++)
		take_alternative(from, i);
	bpf = bpf_object__open_mem(object->elf, object->elf_bytes, NULL);
	if (bpf)
		share_kept_maps(object, bpf);
	bpf_object__close(bpf);
	return from;
}
