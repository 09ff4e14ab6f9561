// SPDX-License-Identifier: GPL-2.0-only
/* kernel_enum - names of an enum's values as the running kernel has them: why a packet is dropped differs from one to the next. */
#include <bpf/btf.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "record/schema.h"

enum { LABELS_BYTES = 64 << 10 };

bool schema_has_kernel_enum(const struct schema *schema)
{
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->column[i].kernel_enum)
			return true;
	return false;
}

/* One more: "7:no_socket" of the kernel's SKB_DROP_REASON_NO_SOCKET. */
static void add_label(struct buf *labels, int64_t number, const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!strncmp(name, prefix, len))
		name += len;
	if (!*name)
		return;
	buf_f(labels, "%s%lld:", labels->len ? "," : "", (long long)number);
	for (; *name; name++)
		buf_char(labels, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
}

static void add_labels(struct buf *labels, const struct btf *kernel, const char *name,
		       const char *prefix)
{
	int id = btf__find_by_name(kernel, name);
	const struct btf_type *type = id > 0 ? btf__type_by_id(kernel, (uint32_t)id) : NULL;

	for (uint16_t i = 0; type && btf_is_enum(type) && i < btf_vlen(type); i++)
		add_label(labels, btf_enum(type)[i].val,
			  btf__name_by_offset(kernel, btf_enum(type)[i].name_off), prefix);
	for (uint16_t i = 0; type && btf_is_enum64(type) && i < btf_vlen(type); i++)
		add_label(labels, (int64_t)btf_enum64_value(&btf_enum64(type)[i]),
			  btf__name_by_offset(kernel, btf_enum64(type)[i].name_off), prefix);
}

static void name_column(struct column *column, const struct btf *kernel)
{
	const char *comma = strchr(column->kernel_enum, ',');
	char name[COLUMN_NAME_BYTES] = {};
	struct buf labels;

	if (!comma || (size_t)(comma - column->kernel_enum) >= sizeof(name))
		return;
	memcpy(name, column->kernel_enum, (size_t)(comma - column->kernel_enum));
	buf_init(&labels, LABELS_BYTES);
	add_labels(&labels, kernel, name, comma + 1);
	if (labels.len) {
		free(column->labels);
		column->labels = buf_take(&labels);
	}
	buf_done(&labels);
}

void schema_name_kernel_enums(struct schema *schema, const struct btf *kernel)
{
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->column[i].kernel_enum)
			name_column(&schema->column[i], kernel);
}
