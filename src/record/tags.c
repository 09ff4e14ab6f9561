// SPDX-License-Identifier: GPL-2.0-only
/* tags - the sentences on an object's types, fields, variables and functions. */
#include "record/tags.h"

#include "base/json.h"

#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <bpf/btf.h>

enum { CHAIN_MAX = 32 }; /* typedefs of typedefs; libbpf follows as many */

static bool is_printable(const char *text)
{
	struct span span = span_of(text);

	if (span.len > TAG_TEXT_BYTES)
		return false;
	for (size_t at = 0, len; at < span.len; at += len) {
		len = utf8_valid(span.at + at, span.len - at);
		if (!len || span.at[at] < ' ' || span.at[at] == 0x7f)
			return false;
	}
	return true;
}

static int compare_places(const struct tag *a, const struct tag *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return (a->component > b->component) - (a->component < b->component);
}

static int compare_tags(const void *a, const void *b)
{
	const struct tag *one = a, *other = b;
	int places = compare_places(one, other);

	return places ? places : one->order < other->order ? -1 : 1;
}

static size_t count_tags(const struct btf *btf)
{
	size_t count = 0;

	for (uint32_t id = 1; id < btf__type_cnt(btf); id++)
		count += btf_is_decl_tag(btf__type_by_id(btf, id));
	return count;
}

int tags_read(struct tags *tags, const struct btf *btf, struct err *why)
{
	size_t count = count_tags(btf);
	int error = 0;

	*tags = (struct tags){.btf = btf};
	if (count > TAGS_MAX)
		return err_set(why, -E2BIG, "%zu tags, %d are allowed", count, TAGS_MAX);
	tags->tag = calloc(count ? count : 1, sizeof(*tags->tag));
	if (!tags->tag)
		return err_set(why, -ENOMEM, "no memory for %zu tags", count);
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *text;

		if (!btf_is_decl_tag(type))
			continue;
		text = btf__name_by_offset(btf, type->name_off);
		if (!text || !is_printable(text)) {
			error = err_set(why, -EINVAL, "tag number %zu is no printable text",
					tags->count + 1);
			break;
		}
		tags->tag[tags->count] = (struct tag){
			.type = type->type,
			.component = btf_decl_tag(type)->component_idx,
			.order = (uint32_t)tags->count,
			.text = text,
		};
		tags->count++;
	}
	if (error) {
		tags_done(tags);
		return error;
	}
	qsort(tags->tag, tags->count, sizeof(*tags->tag), compare_tags);
	return 0;
}

void tags_done(struct tags *tags)
{
	free(tags->tag);
	*tags = (struct tags){};
}

const char *tags_find(const struct tags *tags, uint32_t type, int32_t component, const char *word)
{
	struct tag place = {.type = type, .component = component};
	size_t low = 0, high = tags->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_places(&tags->tag[middle], &place) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < tags->count && !compare_places(&tags->tag[low], &place); low++)
		if (span_is(tag_word(tags->tag[low].text), word))
			return tags->tag[low].text;
	return NULL;
}

const struct btf_type *type_behind(const struct btf *btf, uint32_t id, uint32_t *ret_id)
{
	for (int step = 0; step < CHAIN_MAX; step++) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		if (!type)
			return NULL;
		if (!btf_is_mod(type) && !btf_is_typedef(type)) {
			if (ret_id)
				*ret_id = id;
			return type;
		}
		id = type->type;
	}
	return NULL;
}

const char *btf_type_name(const struct btf *btf, const struct btf_type *type)
{
	const char *name = type ? btf__name_by_offset(btf, type->name_off) : NULL;

	return name ? name : "";
}

uint32_t type_size(const struct btf *btf, uint32_t id)
{
	int64_t size = btf__resolve_size(btf, id);

	return size > 0 && size <= UINT32_MAX ? (uint32_t)size : 0;
}
