// SPDX-License-Identifier: GPL-2.0-only
/* probed - an item's probes in every copy of a program or library. */
#include "items/probed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/usdt.h"
#include "world/symbol/code.h"

enum { PROBED_LINKS = 64, TRY_TICKS = 60 };

struct probed {
	struct item *item;
	const struct probed_ops *ops;
	struct object *object; /* whose programs are attached; borrowed, only compared */
	struct code *code; /* owned */
	uint64_t ticks;
};

struct probed_file {
	struct probed *probed;
	const char *name; /* borrowed, while it is probed */
	int fd; /* while it is probed */
	int link[PROBED_LINKS]; /* owned */
	uint32_t links;
};

struct item *probed_item(const struct probed_file *file)
{
	return file->probed->item;
}

const char *probed_name(const struct probed_file *file)
{
	return file->name;
}

static bool keep(struct probed_file *file, int link)
{
	if (link < 0) {
		item_count(file->probed->item, "lost", "probe", 1);
		return false;
	}
	if (file->links == PROBED_LINKS) {
		close(link);
		item_count(file->probed->item, "lost", "probe", 1);
		return false;
	}
	file->link[file->links++] = link;
	return true;
}

bool probed_function(struct probed_file *file, const struct elf *elf, const char *function,
		     const char *program, bool at_return)
{
	struct user_place place = {.file = file->fd, .at_return = at_return};
	struct elf_symbol symbol;

	if (!elf_find(elf, function, &symbol) || !symbol.is_function ||
	    !elf_offset_of(elf, symbol.value, &place.offset))
		return false;
	return keep(file, object_attach_place(file->probed->object, program, &place, NULL));
}

bool probed_offset(struct probed_file *file, uint64_t offset, const char *program)
{
	struct user_place place = {.file = file->fd, .offset = offset};

	return keep(file, object_attach_place(file->probed->object, program, &place, NULL));
}

uint32_t probed_usdt(struct probed_file *file, const struct elf *elf, const char *provider,
		     const char *name, const char *program)
{
	struct usdt_place place;
	uint32_t count = 0;
	size_t at = 0;

	while (usdt_next(elf, &at, &place))
		if (!strcmp(place.provider, provider) && !strcmp(place.name, name))
			count += keep(file, object_attach_usdt(file->probed->object, program,
							       file->fd, &place, NULL));
	return count;
}

static bool wants(void *ctx, struct span name, bool is_program)
{
	struct probed *probed = ctx;

	return probed->ops->wants(name, is_program);
}

static void found(void *ctx, struct code_file *code, int fd)
{
	struct probed *probed = ctx;
	struct probed_file *file = calloc(1, sizeof(*file));
	struct elf elf;

	if (!file || elf_open_fd(&elf, dup(fd))) {
		free(file);
		return;
	}
	file->probed = probed;
	file->name = code->name;
	file->fd = fd;
	probed->ops->probe(file, &elf);
	elf_close(&elf);
	if (!file->links) {
		free(file);
		return;
	}
	code->user = file;
}

static void gone(void *ctx, struct code_file *code)
{
	struct probed_file *file = code->user;

	for (uint32_t i = 0; file && i < file->links; i++)
		close(file->link[i]);
	free(file);
	code->user = NULL;
}

static const struct code_ops code_ops = {.wants = wants, .found = found, .gone = gone};

static void try_usual(struct probed *probed, uint64_t now_ns)
{
	for (const char *const *path = probed->ops->usual; path && *path; path++)
		code_try(probed->code, *path, now_ns);
}

static int follow_object(struct probed *probed, uint64_t now_ns)
{
	code_free(probed->code);
	probed->object = item_object(probed->item);
	probed->code =
		code_new(item_kernel(probed->item), item_world(probed->item), &code_ops, probed);
	if (!probed->code)
		return -ENOMEM;
	try_usual(probed, now_ns);
	code_tick(probed->code, now_ns);
	return 0;
}

void probed_stop(struct item *item, void *state)
{
	struct probed *probed = state;

	code_free(probed->code);
	free(probed);
}

int probed_start(struct item *item, const struct probed_ops *ops, void **ret_state, struct err *why)
{
	struct probed *probed = calloc(1, sizeof(*probed));

	if (!probed)
		goto no_memory;
	probed->item = item;
	probed->ops = ops;
	if (follow_object(probed, clock_monotonic_ns())) {
		probed_stop(item, probed);
		goto no_memory;
	}
	*ret_state = probed;
	return 0;
no_memory:
	return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
}

int probed_replaced(struct item *item, void **state, struct object *old, struct err *why)
{
	if (follow_object(*state, clock_monotonic_ns()))
		item_count(item, "lost", "probe", 1);
	return 0;
}

void probed_tick(struct item *item, void *state, uint64_t now_ns)
{
	struct probed *probed = state;

	if (!probed->code)
		return;
	if (++probed->ticks % TRY_TICKS == 0)
		try_usual(probed, now_ns);
	code_tick(probed->code, now_ns);
}
