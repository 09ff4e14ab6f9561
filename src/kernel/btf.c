// SPDX-License-Identifier: GPL-2.0-only
/*
 * btf - the kernel's own types, loaded once for all objects.
 *
 * libbpf would parse /sys/kernel/btf/vmlinux (5 MB, ~150,000 types) anew for every object. Its call is wrapped
 * (`--wrap=btf__load_vmlinux_btf`, `--wrap=btf__free`): it gets the one that is here, and what it frees
 * is not freed. kernel_forget_btf() lets go for real.
 */
#include "kernel/client.h"
#include "kernel/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kernel *owner; /* whose btf is lent to libbpf */

struct btf *__wrap_btf__load_vmlinux_btf(void);
void __wrap_btf__free(struct btf *btf);
void __real_btf__free(struct btf *btf);
struct btf *__real_btf__load_vmlinux_btf(void);

struct btf *__wrap_btf__load_vmlinux_btf(void)
{
	if (owner && owner->btf)
		return owner->btf;
	return __real_btf__load_vmlinux_btf();
}

void __wrap_btf__free(struct btf *btf)
{
	if (btf && owner && btf == owner->btf)
		return;
	__real_btf__free(btf);
}

bool kernel_has_btf(struct kernel *kernel)
{
	return !access("/sys/kernel/btf/vmlinux", R_OK);
}

struct btf *kernel_btf(struct kernel *kernel, struct err *why)
{
	const char *path = kernel->btf_path ? kernel->btf_path : "/sys/kernel/btf/vmlinux";
	struct btf *btf;

	if (kernel->btf)
		return kernel->btf;
	btf = btf__parse(path, NULL);
	if (!btf) {
		err_set(why, -errno,
			"cannot read the kernel's types from '%s': %s; sonde needs a kernel with "
			"CONFIG_DEBUG_INFO_BTF, or a BTF file of it in the configuration key 'btf'",
			path, err_name(errno));
		return NULL;
	}
	kernel->btf = btf;
	owner = kernel;
	return btf;
}

void kernel_forget_btf(struct kernel *kernel)
{
	struct btf *btf = kernel->btf;

	kernel->btf = NULL;
	owner = NULL;
	__real_btf__free(btf);
}

bool btf_has_function(struct kernel *kernel, const char *name)
{
	struct btf *btf = kernel_btf(kernel, NULL);

	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

/* Every tracepoint has a typedef of a pointer to its prototype: btf_trace_NAME. */
static const struct btf_type *tracepoint_prototype(struct btf *btf, const char *name)
{
	char type_name[160];
	const struct btf_type *type;
	int id;

	snprintf(type_name, sizeof(type_name), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, type_name, BTF_KIND_TYPEDEF);
	if (id <= 0)
		return NULL;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	if (!type || !btf_is_ptr(type))
		return NULL;
	type = btf__type_by_id(btf, type->type);
	return type && btf_is_func_proto(type) ? type : NULL;
}

bool btf_has_tracepoint(struct kernel *kernel, const char *name)
{
	struct btf *btf = kernel_btf(kernel, NULL);

	return btf && tracepoint_prototype(btf, name);
}

/* A type the way C writes it, qualifiers left out: "struct sock *", "unsigned int", "bool". */
static void type_text(struct btf *btf, uint32_t id, char *out, size_t room)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name;

	while (type && (btf_is_const(type) || btf_is_volatile(type) || btf_is_restrict(type)))
		type = btf__type_by_id(btf, type->type);
	if (!type || btf_is_void(type)) {
		snprintf(out, room, "void");
		return;
	}
	if (btf_is_ptr(type)) {
		size_t len;

		type_text(btf, type->type, out, room);
		len = strlen(out);
		snprintf(out + len, room - len, len && out[len - 1] == '*' ? "*" : " *");
		return;
	}
	name = btf__name_by_offset(btf, type->name_off);
	snprintf(out, room, "%s%s",
		 btf_is_struct(type)  ? "struct "
		 : btf_is_union(type) ? "union "
		 : btf_is_enum(type)  ? "enum "
				      : "",
		 name ? name : "?");
}

int btf_check_prototype(struct kernel *kernel, const char *tracepoint, const char *prototype,
			struct err *why)
{
	struct btf *btf = kernel_btf(kernel, why);
	const struct btf_type *proto;
	const char *want = prototype;
	uint32_t i = 1; /* the first parameter is the tracepoint's own void *__data */

	if (!btf)
		return -ENOENT;
	proto = tracepoint_prototype(btf, tracepoint);
	if (!proto)
		return err_set(why, -ENOENT, "this kernel has no tracepoint '%s'", tracepoint);
	for (; *want; i++) {
		size_t len = strcspn(want, ",");
		char got[128] = "nothing";

		if (i < btf_vlen(proto))
			type_text(btf, btf_params(proto)[i].type, got, sizeof(got));
		if (strlen(got) != len || strncmp(got, want, len) != 0)
			return err_set(why, -EINVAL,
				       "argument %u of tracepoint '%s' is '%s' here, not '%.*s'", i,
				       tracepoint, got, (int)len, want);
		want += len;
		want += *want == ',';
		want += *want == ' ';
	}
	return 0;
}

bool btf_has_enumerator(struct kernel *kernel, const char *type, const char *name)
{
	struct btf *btf = kernel_btf(kernel, NULL);
	int id = btf ? btf__find_by_name_kind(btf, type, BTF_KIND_ENUM) : -1;
	const struct btf_type *found = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (uint32_t i = 0; found && i < btf_vlen(found); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(found)[i].name_off), name))
			return true;
	return false;
}
