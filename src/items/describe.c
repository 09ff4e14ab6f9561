// SPDX-License-Identifier: GPL-2.0-only
/*
 * describe - what an item's object says of itself.
 *
 * The tags in the BTF lead: each says on what it is written (a variable, a function), its first word what
 * it means. The ELF file adds what BTF does not know: the default of a parameter (bytes of .rodata at the
 * symbol of the variable), the section of a program, whether code uses a variable.
 *
 * libbpf reads the BTF. Its reader (1.1) takes the length of the header on trust, so the header is
 * checked here before; ids and names that it hands out are checked where they are used (tags.h).
 */
#include "items/describe_parts.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/btf.h>

enum { WORD_BYTES = 64 };

/* Words that the command line, the API or every item's configuration has already. (tests/system/interface.sh: no command is missing.) */
static const char *const taken_names[] = {
	"evidence", "run",	"status",   "items",   "top",	     "trace", "query", "self",	 "config", "caps",
	"help", "features", "version", "completion", "agent", "host",  "alerts", "all",
};
static const char *const taken_params[] = {
	"on",   "by",        "where",   "ring",      "pin",    "hook",   "pid",      "comm",
	"uid",  "container", "pod",     "namespace", "cgroup", "port",   "duration", "interval",
	"when", "awake",     "cooldown",
	"rows", "sort",      "columns", "json",      "help",   "socket",    "cap",    "follow",
};
static const char *const wings[] = {"cpu", "mem", "disk", "net", "app", "sec"};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static bool is_one_of(struct span word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_is(word, words[i]))
			return true;
	return false;
}

bool item_name_is_taken(struct span name)
{
	return is_one_of(name, taken_names, COUNT_OF(taken_names));
}

char *tag_copy(const char *tag, const char *key)
{
	struct span value;

	return tag_value(tag, key, &value) ? strndup((const char *)value.at, value.len) : NULL;
}

bool tag_number(const char *tag, const char *key, uint32_t most, uint32_t *ret)
{
	struct span value;
	uint64_t number = 0;

	if (!tag_value(tag, key, &value) || !value.len || value.len > 10)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		number = number * 10 + (value.at[i] - '0');
	}
	*ret = (uint32_t)number;
	return number <= most;
}

bool is_in_section(const struct elf *elf, const char *variable, const char *section)
{
	struct elf_symbol symbol;
	struct elf_section where;

	return elf_symbol_named(elf, variable, &symbol, NULL) &&
	       elf_section(elf, symbol.section, &where) &&
	       span_starts(span_of(where.name), section);
}

const struct btf_type *struct_pointed_to(const struct btf *btf, uint32_t type_id, uint32_t *ret_id)
{
	const struct btf_type *pointer = type_behind(btf, type_id, NULL), *type;

	if (!pointer || !btf_is_ptr(pointer))
		return NULL;
	type = type_behind(btf, pointer->type, ret_id);
	return type && btf_is_struct(type) ? type : NULL;
}

static int describe_item(struct describing *d, const char *tag)
{
	struct item_desc *desc = d->desc;
	struct span wing, state;

	if (!tag_value(tag, "wing", &wing) || !is_one_of(wing, wings, COUNT_OF(wings)))
		return err_set(d->why, -EINVAL,
			       "ITEM() names no wing of the catalogue: "
			       "cpu, mem, disk, net, app or sec");
	if (!tag_value(tag, "default", &state) || (!span_is(state, "on") && !span_is(state, "off")))
		return err_set(d->why, -EINVAL, "ITEM() must say \"on\" or \"off\"");
	memcpy(desc->wing, wing.at, wing.len);
	desc->on_by_default = span_is(state, "on");
	desc->help = tag_copy(tag, "help");
	if (!desc->help || !*desc->help)
		return err_set(d->why, -EINVAL, "ITEM() has no sentence of help");
	return 0;
}

static int describe_armed(struct describing *d, const char *tag)
{
	enum { DAY_S = 86400 };
	struct item_desc *desc = d->desc;

	if (desc->when)
		return err_set(d->why, -EEXIST, "ARMED() stands twice");
	desc->when = tag_copy(tag, "when");
	if (!desc->when || !*desc->when)
		return err_set(d->why, -EINVAL, "ARMED() names no condition");
	if (!tag_number(tag, "awake", DAY_S, &desc->awake_s) || !tag_number(tag, "cooldown", DAY_S, &desc->cooldown_s))
		return err_set(d->why, -EINVAL, "ARMED() wants two times in seconds, of a day at most");
	return 0;
}

/* The type of a parameter, by size and encoding: u32, u64, s32, s64, bool. */
static bool name_param_type(struct item_param *param, const struct btf_type *type)
{
	bool is_signed;

	if (!type || !btf_is_int(type))
		return false;
	is_signed = btf_int_encoding(type) & BTF_INT_SIGNED;
	param->size = type->size;
	if (btf_int_encoding(type) & BTF_INT_BOOL && type->size == 1)
		memcpy(param->type, "bool", 5);
	else if (type->size == 4 || type->size == 8)
		snprintf(param->type, sizeof(param->type), "%c%u", is_signed ? 's' : 'u',
			 type->size * 8 % 100);
	else
		return false;
	return true;
}

static bool read_default(const struct elf *elf, struct item_param *param)
{
	struct elf_symbol symbol;
	struct elf_section rodata;
	uint8_t raw[8] = {};

	if (!elf_symbol_named(elf, param->name, &symbol, NULL) ||
	    !elf_section(elf, symbol.section, &rodata) || symbol.value > rodata.bytes.len ||
	    param->size > rodata.bytes.len - symbol.value)
		return false;
	memcpy(raw, rodata.bytes.at + symbol.value, param->size);
	memcpy(&param->value, raw, sizeof(raw));
	if (!strcmp(param->type, "s32"))
		param->value = (int32_t)param->value;
	return true;
}

static int describe_param(struct describing *d, const struct btf_type *variable, const char *tag)
{
	struct item_desc *desc = d->desc;
	struct item_param *param = &desc->param[desc->params];
	const char *name = btf_type_name(d->btf, variable);

	if (desc->params == ITEM_PARAMS)
		return err_set(d->why, -E2BIG, "parameter '%s' is one too many, %d are allowed",
			       name, ITEM_PARAMS);
	if (!is_name(span_of(name), sizeof(param->name)))
		return err_set(d->why, -EINVAL,
			       "parameter '%.60s' is not lower case letters, digits and _", name);
	if (is_one_of(span_of(name), taken_params, COUNT_OF(taken_params)))
		return err_set(d->why, -EINVAL,
			       "parameter '%s': every item has that setting already", name);
	for (uint32_t i = 0; i < desc->params; i++)
		if (!strcmp(desc->param[i].name, name))
			return err_set(d->why, -EEXIST, "two parameters are named '%s'", name);
	snprintf(param->name, sizeof(param->name), "%s", name);
	if (!name_param_type(param, type_behind(d->btf, variable->type, NULL)))
		return err_set(d->why, -EINVAL,
			       "parameter '%s' must be a __u32, __u64, __s64 or bool", name);
	if (!is_in_section(&d->elf, name, ".rodata") || !read_default(&d->elf, param))
		return err_set(d->why, -EINVAL,
			       "parameter '%s' is no const volatile variable (use PARAM)", name);
	param->help = tag_copy(tag, "help");
	desc->params++;
	return 0;
}

/* Every event begins with struct event_head: item.bpf.h. */
static bool begins_with_head(const struct btf *btf, const struct btf_type *type)
{
	const struct btf_type *first;

	if (!btf_vlen(type) || btf_member_bit_offset(type, 0))
		return false;
	first = type_behind(btf, btf_members(type)->type, NULL);
	return first && btf_is_struct(first) && first->size == 16 &&
	       !strcmp(btf_type_name(btf, first), "event_head");
}

static int name_kind(struct describing *d, const char *tag, const char *what, struct schema *schema)
{
	struct span kind;

	if (!tag_value(tag, "kind", &kind) || !is_name(kind, sizeof(schema->kind)))
		return err_set(d->why, -EINVAL,
			       "%s has no kind of lower case letters, digits and _", what);
	memcpy(schema->item, d->desc->name, sizeof(d->desc->name));
	memcpy(schema->kind, kind.at, kind.len);
	return 0;
}

static int describe_event(struct describing *d, const struct btf_type *variable, const char *tag)
{
	struct item_desc *desc = d->desc;
	struct item_event *event = &desc->event[desc->events];
	const char *name = btf_type_name(d->btf, variable);
	const struct btf_type *type;
	uint32_t number, id;
	int error;

	if (desc->events == ITEM_EVENTS)
		return err_set(d->why, -E2BIG, "'%.60s' is one event too many, %d are allowed",
			       name, ITEM_EVENTS);
	if (!tag_number(tag, "number", UINT16_MAX, &number))
		return err_set(d->why, -EINVAL, "'%.60s' has no number up to 65535", name);
	for (uint32_t i = 0; i < desc->events; i++)
		if (desc->event[i].number == number)
			return err_set(d->why, -EEXIST, "two events have the number %u", number);
	event->number = (uint16_t)number;
	type = struct_pointed_to(d->btf, variable->type, &id);
	if (!type || !begins_with_head(d->btf, type))
		return err_set(d->why, -EINVAL,
			       "'%.60s' is not about a struct that begins with struct event_head",
			       name);
	desc->events++; /* item_desc_free knows it from here on */
	error = name_kind(d, tag, name, &event->schema);
	if (!error)
		error = schema_add_struct(&event->schema, &d->tags, id, 0, d->why);
	if (!error)
		error = layout_from_schema(&event->layout, &event->schema, d->why);
	if (error)
		err_prefix(d->why, "'%.60s'", name);
	return error;
}

static bool is_word(struct span text, size_t room)
{
	if (!text.len || text.len >= room)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!(text.at[i] >= '0' && text.at[i] <= '9') && text.at[i] != '_' &&
		    !((text.at[i] | 0x20) >= 'a' && (text.at[i] | 0x20) <= 'z'))
			return false;
	return true;
}

/* The section of a function, without the '?' that keeps libbpf from loading it unasked. */
static bool section_of(const struct elf *elf, const char *function, struct span *ret)
{
	struct elf_symbol symbol;
	struct elf_section section;

	if (!elf_symbol_named(elf, function, &symbol, NULL) || !symbol.is_function ||
	    !elf_section(elf, symbol.section, &section) || !section.is_code)
		return false;
	*ret = span_of(section.name + (section.name[0] == '?'));
	for (size_t i = 0; i < ret->len; i++)
		if (ret->at[i] <= ' ' || ret->at[i] >= 0x7f)
			return false;
	return true;
}

static int name_hook(struct describing *d, struct item_hook *hook, const char *program,
		     const char *tag)
{
	struct span name, section;

	if (!is_word(span_of(program), sizeof(hook->program)))
		return err_set(d->why, -EINVAL, "program name '%.80s' is too long", program);
	if (!tag_value(tag, "name", &name) || !is_word(name, sizeof(hook->hook)))
		return err_set(d->why, -EINVAL, "program '%s' serves a hook without a name",
			       program);
	if (!tag_number(tag, "order", 99, &hook->order))
		return err_set(d->why, -EINVAL, "program '%s' has no order from 0 to 99", program);
	if (!section_of(&d->elf, program, &section) || !section.len ||
	    section.len >= sizeof(hook->section))
		return err_set(d->why, -EINVAL,
			       "program '%s' has no section that says where it attaches", program);
	memcpy(hook->program, program, strlen(program));
	memcpy(hook->hook, name.at, name.len);
	memcpy(hook->section, section.at, section.len);
	return 0;
}

static int describe_hook(struct describing *d, const struct btf_type *function, const char *tag)
{
	struct item_desc *desc = d->desc;
	struct item_hook *hook = &desc->hook[desc->hooks];
	const char *program = btf_type_name(d->btf, function);
	struct span value;
	int error;

	if (desc->hooks == ITEM_HOOKS)
		return err_set(d->why, -E2BIG, "program '%.80s' is one too many, %d are allowed",
			       program, ITEM_HOOKS);
	error = name_hook(d, hook, program, tag);
	if (error)
		return error;
	for (uint32_t i = 0; i < desc->hooks; i++)
		if (!strcmp(desc->hook[i].hook, hook->hook) && desc->hook[i].order == hook->order)
			return err_set(d->why, -EEXIST,
				       "programs '%s' and '%s' are both number %u for hook '%s'",
				       desc->hook[i].program, program, hook->order, hook->hook);
	hook->optional = tag_value(tag, "optional", &value) && span_is(value, "1");
	hook->once = tag_value(tag, "once", &value) && span_is(value, "1");
	hook->prototype = tag_copy(tag, "proto");
	hook->perf = tag_copy(tag, "perf");
	desc->hooks++;
	return 0;
}

/* What this tag adds to the description. Words of others are passed over. */
static int describe_tag(struct describing *d, const struct tag *tag)
{
	const struct btf_type *type = btf__type_by_id(d->btf, tag->type);
	struct span word = tag_word(tag->text);

	if (!type || tag->component != -1)
		return 0;
	if (btf_is_func(type))
		return span_is(word, "hook") ? describe_hook(d, type, tag->text) : 0;
	if (!btf_is_var(type))
		return 0;
	if (span_is(word, "param"))
		return describe_param(d, type, tag->text);
	if (span_is(word, "event"))
		return describe_event(d, type, tag->text);
	if (span_is(word, "table"))
		return describe_table(d, tag->type, tag->text);
	if (span_is(word, "metric"))
		return describe_map(d, tag->type, tag->text);
	if (span_is(word, "state"))
		return describe_state(d, tag->type);
	if (span_is(word, "armed"))
		return describe_armed(d, tag->text);
	return 0;
}

static int find_item_tag(struct describing *d)
{
	for (size_t i = 0; i < d->tags.count; i++)
		if (span_is(tag_word(d->tags.tag[i].text), "item"))
			return describe_item(d, d->tags.tag[i].text);
	return err_set(d->why, -EINVAL,
		       "the object does not say what it is: there is no ITEM() in it");
}

/* Flags that follow from maps and variables of known names. */
static void describe_features(struct describing *d)
{
	struct elf_symbol symbol;
	uint32_t index;

	for (uint32_t id = 1; id < btf__type_cnt(d->btf); id++) {
		const struct btf_type *type = btf__type_by_id(d->btf, id);
		const char *name = btf_type_name(d->btf, type);

		if (!btf_is_var(type) || !is_in_section(&d->elf, name, ".maps"))
			continue;
		if (!strcmp(name, "events") && map_type_of(d->btf, id) == BPF_MAP_TYPE_RINGBUF)
			d->desc->has_ring = true;
		if (!strcmp(name, "filter"))
			d->desc->has_filter = true;
	}
	d->desc->has_by = elf_symbol_named(&d->elf, "item_by", &symbol, &index) &&
			  elf_symbol_is_used(&d->elf, index);
}

static int open_btf(struct describing *d)
{
	struct elf_section section;
	struct btf_header header;

	if (!elf_section_named(&d->elf, ".BTF", &section) || section.bytes.len < sizeof(header))
		return err_set(d->why, -EINVAL, "the object has no BTF: compile it with clang -g");
	memcpy(&header, section.bytes.at, sizeof(header));
	if (header.magic != BTF_MAGIC || header.version != BTF_VERSION ||
	    header.hdr_len != sizeof(header))
		return err_set(d->why, -EINVAL, "the object's BTF has a header of another kind");
	d->btf = btf__new(section.bytes.at, (uint32_t)section.bytes.len);
	if (!d->btf)
		return err_set(d->why, -EINVAL, "the object's BTF is damaged");
	return tags_read(&d->tags, d->btf, d->why);
}

static int describe_all(struct describing *d)
{
	int error = open_btf(d);

	if (!error)
		error = find_item_tag(d);
	for (size_t i = 0; !error && i < d->tags.count; i++)
		error = describe_tag(d, &d->tags.tag[i]);
	if (!error)
		describe_features(d);
	return error;
}

int item_describe(const char *name, const void *elf, size_t size, struct item_desc **ret_desc,
		  struct err *why)
{
	struct describing d = {.why = why};
	int error;

	if (!is_name(span_of(name), ITEM_NAME_BYTES))
		return err_set(
			why, -EINVAL,
			"item name '%.60s' is not lower case letters, digits and _ (below %d)",
			name, ITEM_NAME_BYTES);
	if (item_name_is_taken(span_of(name)))
		return err_set(why, -EINVAL, "item name '%s' is a command already", name);
	error = bpf_elf_open(&d.elf, elf, size, why);
	if (error)
		goto out;
	d.desc = calloc(1, sizeof(*d.desc));
	if (!d.desc)
		return err_set(why, -ENOMEM, "no memory to describe item '%s'", name);
	snprintf(d.desc->name, sizeof(d.desc->name), "%s", name);
	error = describe_all(&d);
	tags_done(&d.tags);
	btf__free(d.btf);
out:
	if (error) {
		item_desc_free(d.desc);
		err_prefix(why, "item '%s'", name);
		return error;
	}
	*ret_desc = d.desc;
	return 0;
}

void item_desc_free(struct item_desc *desc)
{
	if (!desc)
		return;
	free(desc->help);
	free(desc->when);
	for (uint32_t i = 0; i < desc->params; i++)
		free(desc->param[i].help);
	for (uint32_t i = 0; i < desc->events; i++)
		schema_done(&desc->event[i].schema);
	for (uint32_t i = 0; i < desc->maps; i++) {
		schema_done(&desc->map[i].key);
		schema_done(&desc->map[i].row);
	}
	for (uint32_t i = 0; i < desc->metrics; i++)
		metric_done(&desc->metric[i]);
	for (uint32_t i = 0; i < desc->hooks; i++) {
		free(desc->hook[i].prototype);
		free(desc->hook[i].perf);
	}
	free(desc);
}
