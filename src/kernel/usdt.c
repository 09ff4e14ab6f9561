// SPDX-License-Identifier: GPL-2.0-only
/*
 * usdt - "usdt/PATH:PROVIDER:NAME" of an object that reads its arguments with libbpf's usdt.bpf.h.
 *
 * The programs find the arguments by a table of theirs, __bpf_usdt_specs, whose place is the cookie of the
 * attachment. libbpf would open the file and the probe itself; here it may not, so the table is filled from the notes
 * (base/usdt.c) in the form of libbpf 1.x. Kernels without cookies (before 5.15) are refused.
 */
#include "kernel/object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/usdt.h"

enum { SPEC_CONSTANT, SPEC_REGISTER, SPEC_MEMORY };

/* struct __bpf_usdt_arg_spec and __bpf_usdt_spec of usdt.bpf.h */
struct spec_arg {
	uint64_t number;
	uint32_t kind;
	int16_t place; /* in pt_regs */
	uint8_t is_signed;
	uint8_t shift; /* bits above the argument's own */
};

struct spec {
	struct spec_arg arg[USDT_ARGS_MAX];
	uint64_t cookie;
	int16_t args;
};

_Static_assert(sizeof(struct spec) == 208, "as libbpf lays it out");

static int spec_of(const struct usdt_place *place, struct spec *ret_spec)
{
	struct spec spec;

	memset(&spec, 0, sizeof(spec)); /* (its padding, too: specs are compared) */
	spec.args = (int16_t)place->arg_count;
	for (uint32_t i = 0; i < place->arg_count; i++) {
		const struct usdt_arg *arg = &place->args[i];

		if (arg->index >= 0)
			return -EOPNOTSUPP; /* base + index * scale: its form differs between versions */
		spec.arg[i] = (struct spec_arg){
			.number = (uint64_t)arg->number,
			.kind = arg->kind == ARG_CONSTANT   ? SPEC_CONSTANT
				: arg->kind == ARG_REGISTER ? SPEC_REGISTER
							    : SPEC_MEMORY,
			.place = (int16_t)arg->base,
			.is_signed = arg->is_signed,
			.shift = (uint8_t)(64 - arg->size * 8),
		};
	}
	memcpy(ret_spec, &spec, sizeof(spec));
	return 0;
}

/* Without the table the program reads no arguments: then nothing is written. */
static int write_spec(struct object *object, const struct usdt_place *place, uint64_t *ret_cookie,
		      struct err *why)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object->bpf, "__bpf_usdt_specs");
	uint32_t id = object->usdt_places;
	struct spec spec;
	uint64_t hash;
	int error;

	*ret_cookie = 0;
	if (!map)
		return 0;
	error = spec_of(place, &spec);
	if (error)
		return err_set(why, error, "arguments in indexed memory are not read yet");
	/* copies of one program have the same arguments: one entry for all */
	hash = hash_bytes(&spec, sizeof(spec), 1);
	for (uint32_t i = 0; i < object->usdt_places; i++)
		if (object->usdt_hash[i] == hash) {
			*ret_cookie = i;
			return 0;
		}
	if (bpf_map__value_size(map) != sizeof(spec) || id >= bpf_map__max_entries(map) ||
	    id >= OBJECT_USDT_SPECS)
		return err_set(why, -E2BIG,
			       "its table of arguments is too small, or of another libbpf");
	if (bpf_map_update_elem(bpf_map__fd(map), &id, &spec, BPF_ANY))
		return err_set(why, -errno, "cannot write its table of arguments: %s",
			       err_name(errno));
	object->usdt_hash[object->usdt_places++] = hash;
	*ret_cookie = id;
	return 0;
}

int object_attach_usdt(struct object *object, const char *program, int file,
		       const struct usdt_place *found, struct err *why)
{
	struct user_place place = {
		.file = file, .offset = found->offset, .semaphore = found->semaphore};
	int error = write_spec(object, found, &place.cookie, why);

	return error ? error : object_attach_place(object, program, &place, why);
}

static int attach_one(struct object *object, uint32_t index, int program, int file,
		      const struct usdt_place *found, struct err *why)
{
	struct user_place place = {
		.file = file, .offset = found->offset, .semaphore = found->semaphore};
	int link, error = write_spec(object, found, &place.cookie, why);

	if (error)
		return error;
	if (object->links == OBJECT_LINKS)
		return err_set(why, -E2BIG, "more than %d attachments", OBJECT_LINKS);
	link = place_attach(object->kernel, program, &place, why);
	if (link < 0)
		return link;
	object->link[object->links++] = (struct object_link){link, index};
	return 0;
}

static int attach_all(struct object *object, uint32_t index, int program, int file,
		      const char *provider, const char *name, struct err *why)
{
	struct usdt_place place;
	uint32_t count = 0;
	size_t at = 0;
	struct elf elf;
	int error = elf_open_fd(&elf, dup(file));

	if (error)
		return err_set(why, error, "not a 64-bit ELF file");
	while (!error && usdt_next(&elf, &at, &place)) {
		if (strcmp(place.provider, provider) != 0 || strcmp(place.name, name) != 0)
			continue;
		error = attach_one(object, index, program, file, &place, why);
		count++;
	}
	elf_close(&elf);
	if (!error && !count)
		return err_set(why, -ENOENT, "the file has no probe '%s:%s'", provider, name);
	return error;
}

/* "PATH:PROVIDER:NAME" in three; false when it is not. */
static bool cut(char *text, char **ret_provider, char **ret_name)
{
	char *name = strrchr(text, ':'), *provider;

	if (!name)
		return false;
	*name++ = 0;
	provider = strrchr(text, ':');
	if (!provider || provider == text)
		return false;
	*provider++ = 0;
	*ret_provider = provider;
	*ret_name = name;
	return *provider && *name;
}

int usdt_attach(struct object *object, uint32_t index, int program, const char *target,
		struct err *why)
{
	char *text = strdup(target), *provider, *name;
	int file, error;

	if (!text)
		return err_set(why, -ENOMEM, "out of memory");
	if (!cut(text, &provider, &name)) {
		error = err_set(why, -EINVAL, "'%s' is not PATH:PROVIDER:NAME", target);
	} else if ((file = place_open(object->kernel, 0, text)) < 0) {
		error = err_set(why, file, "cannot open '%s': %s", text,
				file == -ENOEXEC ? "not an ELF file" : err_name(file));
	} else {
		error = attach_all(object, index, program, file, provider, name, why);
		close(file);
	}
	free(text);
	return error;
}
