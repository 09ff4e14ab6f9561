// SPDX-License-Identifier: GPL-2.0-only
/*
 * schema - what the columns of a record are, said once.
 *
 * Each column type is one row of the table `rules`: its word, and what a C field must be to hold it. The
 * walk over a struct is recursive (nested structs are flattened into their parent) and an object of a
 * stranger could nest itself without end, or repeat a struct of a thousand fields a thousand times: so
 * depth and the number of fields looked at are limited.
 */
#include "record/schema.h"

#include <errno.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/btf.h>

enum {
	DEPTH_MAX = 8, /* structs within structs */
	FIELDS_MAX = 4096, /* fields looked at for one schema */
	RECORD_BYTES = 1 << 20,
};

/* What a field is in C. */
enum shape {
	SHAPE_NUMBER = 1,
	SHAPE_REAL = 2,
	SHAPE_TEXT = 4, /* bytes in a row */
	SHAPE_HISTOGRAM = 8, /* struct histogram of item.bpf.h */
};

/* The sizes 1, 2, 4 and 8 are bits of one number. */
enum { SIZE_ANY = 15 };

static const struct rule {
	const char *word;
	unsigned shapes;
	unsigned sizes; /* of a number */
	uint32_t bytes; /* of a text that must have a certain length, else 0 */
	const char *wants;
} rules[COLUMN_TYPES] = {
	[COLUMN_NONE] = {"none", 0, 0, 0, "nothing"},
	[COLUMN_CGROUP_ID] = {"cgroup_id", SHAPE_NUMBER, 8, 0, "a u64"},
	[COLUMN_PID] = {"pid", SHAPE_NUMBER, 4, 0, "a u32"},
	[COLUMN_TID] = {"tid", SHAPE_NUMBER, 4, 0, "a u32"},
	[COLUMN_PPID] = {"ppid", SHAPE_NUMBER, 4, 0, "a u32"},
	[COLUMN_UID] = {"uid", SHAPE_NUMBER, 4, 0, "a u32"},
	[COLUMN_COMM] = {"comm", SHAPE_TEXT, 0, 0, "a char array"},
	[COLUMN_SOCK_COOKIE] = {"sock_cookie", SHAPE_NUMBER, 8, 0, "a u64"},
	[COLUMN_IP] = {"ip", SHAPE_TEXT, 0, 16, "a u8[16]"},
	[COLUMN_PORT] = {"port", SHAPE_NUMBER, 2 | 4, 0, "a u16"},
	[COLUMN_NETNS] = {"netns", SHAPE_NUMBER, 4 | 8, 0, "a u32"},
	[COLUMN_ERRNO] = {"errno", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_SYSCALL] = {"syscall", SHAPE_NUMBER, 4 | 8, 0, "a u32"},
	[COLUMN_SIGNAL] = {"signal", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_STACK_ID] = {"stack_id", SHAPE_NUMBER, 4 | 8, 0, "an s32 or u64"},
	[COLUMN_KERNEL_ADDR] = {"kernel_addr", SHAPE_NUMBER, 8, 0, "a u64"},
	[COLUMN_USER_ADDR] = {"user_addr", SHAPE_NUMBER, 8, 0, "a u64"},
	[COLUMN_DEV] = {"dev", SHAPE_NUMBER, 4, 0, "a u32"},
	[COLUMN_IFINDEX] = {"ifindex", SHAPE_NUMBER, 4, 0, "a u32"},
	[COLUMN_INODE_PATH] = {"inode_path", SHAPE_TEXT, 0, 0, "a char array"},
	[COLUMN_NS] = {"ns", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_KTIME] = {"ktime", SHAPE_NUMBER, 8, 0, "a u64"},
	[COLUMN_BYTES] = {"bytes", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_COUNT] = {"count", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_NUMBER] = {"number", SHAPE_NUMBER | SHAPE_REAL, SIZE_ANY, 0, "a number"},
	[COLUMN_PERCENT] = {"percent", SHAPE_NUMBER | SHAPE_REAL, SIZE_ANY, 0, "a number"},
	[COLUMN_TEXT] = {"text", SHAPE_TEXT, 0, 0, "a char array"},
	[COLUMN_ARGV] = {"argv", SHAPE_TEXT, 0, 0, "a char array"},
	[COLUMN_COMMAND] = {"command", SHAPE_TEXT, 0, 0, "a char array"},
	[COLUMN_BOOL] = {"bool", SHAPE_NUMBER, SIZE_ANY, 0, "a bool or an integer"},
	[COLUMN_ENUM] = {"enum", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_HEX] = {"hex", SHAPE_NUMBER, SIZE_ANY, 0, "an integer"},
	[COLUMN_HISTOGRAM] = {"histogram", SHAPE_HISTOGRAM, 0, 0, "a struct histogram"},
};

/* What BTF says of one field. */
struct field {
	enum shape shape; /* 0 = none that can be a column */
	uint32_t size; /* bytes of one element, or of the whole text */
	uint32_t count; /* elements, 1 for what is no array */
	bool is_signed;
};

/* One walk over a struct and those in it. */
struct walk {
	struct schema *schema;
	const struct tags *tags;
	uint32_t fields_left;
	struct err *why;
};

enum column_type column_type_of(struct span word)
{
	for (int type = COLUMN_NONE + 1; type < COLUMN_TYPES; type++)
		if (span_is(word, rules[type].word))
			return (enum column_type)type;
	return COLUMN_NONE;
}

const char *column_type_name(enum column_type type)
{
	return type < COLUMN_TYPES ? rules[type].word : rules[COLUMN_NONE].word;
}

bool is_name(struct span text, size_t room)
{
	if (!text.len || text.len >= room || text.at[0] < 'a' || text.at[0] > 'z')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

void schema_done(struct schema *schema)
{
	for (uint32_t i = 0; i < schema->count; i++) {
		free(schema->column[i].help);
		free(schema->column[i].labels);
		free(schema->column[i].kernel_enum);
	}
	*schema = (struct schema){};
}

/* "1:established,2:syn_sent": every part a number, a colon and a word. */
static bool is_labels(const char *labels)
{
	const char *at = labels;

	for (;;) {
		size_t digits, word;

		at += *at == '-';
		digits = strspn(at, "0123456789");
		at += digits;
		if (!digits || digits > 19 || *at != ':')
			return false;
		word = strcspn(++at, ",");
		at += word;
		if (!word)
			return false;
		if (!*at++)
			return true;
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

/* Durations and sizes say their unit in their name, wherever the name stands. */
static const char *suffix_of(enum column_type type, const char *name)
{
	if (type == COLUMN_NS && !ends_with(name, "_ns"))
		return "_ns";
	if (type == COLUMN_BYTES && !ends_with(name, "_bytes") && strcmp(name, "bytes") != 0)
		return "_bytes";
	return "";
}

static int check_column(const struct schema *schema, const struct column *column, struct err *why)
{
	if (!is_name(span_of(column->name), COLUMN_NAME_BYTES))
		return err_set(
			why, -EINVAL,
			"column name '%s' is not lower case letters, digits and _ (below %d)",
			column->name, COLUMN_NAME_BYTES);
	if (column->type <= COLUMN_NONE || column->type >= COLUMN_TYPES)
		return err_set(why, -EINVAL, "column '%s' has no type", column->name);
	if (schema->count == SCHEMA_COLUMNS)
		return err_set(why, -E2BIG, "column '%s' is one too many, %d are allowed",
			       column->name, SCHEMA_COLUMNS);
	if (column->type == COLUMN_ENUM && (!column->labels || !is_labels(column->labels)))
		return err_set(why, -EINVAL, "column '%s' needs its names: enum=1:name,2:name",
			       column->name);
	for (uint32_t i = 0; i < schema->count; i++)
		if (!strcmp(schema->column[i].name, column->name))
			return err_set(why, -EEXIST, "two columns are named '%s'", column->name);
	return 0;
}

int schema_add(struct schema *schema, const struct column *column, struct err *why)
{
	struct column named = *column, *added;
	const char *suffix = suffix_of(column->type, column->name);
	size_t len = strlen(column->name);
	int error;

	if (len + strlen(suffix) >= sizeof(named.name))
		return err_set(why, -EINVAL, "column name '%s' is too long", column->name);
	memcpy(named.name + len, suffix, strlen(suffix) + 1);
	error = check_column(schema, &named, why);
	if (error)
		return error;
	added = &schema->column[schema->count];
	*added = named;
	added->help = column->help ? strdup(column->help) : NULL;
	added->labels = column->labels ? strdup(column->labels) : NULL;
	added->kernel_enum = column->kernel_enum ? strdup(column->kernel_enum) : NULL;
	schema->count++; /* schema_done frees it from here on */
	if ((column->help && !added->help) || (column->labels && !added->labels) ||
	    (column->kernel_enum && !added->kernel_enum))
		return err_set(why, -ENOMEM, "no memory for column '%s'", column->name);
	return 0;
}

static bool is_histogram(const struct btf *btf, const struct btf_type *type)
{
	enum { BYTES = (36 + 1) * 8 }; /* HISTOGRAM_SLOTS and the sum: item.bpf.h */

	return btf_is_struct(type) && type->size == BYTES &&
	       !strcmp(btf_type_name(btf, type), "histogram");
}

static struct field field_of(const struct btf *btf, uint32_t type_id)
{
	const struct btf_type *type = type_behind(btf, type_id, NULL);
	struct field field = {.count = 1};

	if (type && btf_is_array(type)) {
		const struct btf_array *array = btf_array(type);
		const struct btf_type *element = type_behind(btf, array->type, NULL);

		if (!element || !btf_is_int(element))
			return field;
		field.shape = element->size == 1 ? SHAPE_TEXT : SHAPE_NUMBER;
		field.size = element->size == 1 ? array->nelems : element->size;
		field.count = element->size == 1 ? 1 : array->nelems;
		field.is_signed = btf_int_encoding(element) & BTF_INT_SIGNED;
	} else if (type && (btf_is_int(type) || btf_is_any_enum(type))) {
		field.shape = SHAPE_NUMBER;
		field.size = type->size;
		field.is_signed = btf_is_int(type) ? btf_int_encoding(type) & BTF_INT_SIGNED
						   : btf_kflag(type);
	} else if (type && btf_is_ptr(type)) {
		field.shape = SHAPE_NUMBER;
		field.size = 8;
	} else if (type && btf_is_float(type) && type->size == 8) {
		field.shape = SHAPE_REAL;
		field.size = type->size;
	} else if (type && is_histogram(btf, type)) {
		field.shape = SHAPE_HISTOGRAM;
		field.size = type->size;
	}
	return field;
}

static bool fits(const struct rule *rule, const struct field *field)
{
	switch (field->shape & rule->shapes) {
	case SHAPE_NUMBER:
		return field->count && field->count <= SCHEMA_COLUMNS &&
		       (rule->sizes & field->size) && !(field->size & (field->size - 1));
	case SHAPE_TEXT: return !rule->bytes || rule->bytes == field->size;
	case SHAPE_REAL:
	case SHAPE_HISTOGRAM: return true;
	default: return false;
	}
}

/* The field and all elements of it (one, if it is no array). */
static int add_elements(struct walk *walk, const struct field *field, const char *name,
			uint32_t offset, const char *tag, enum column_type type)
{
	char *help = NULL, *labels = NULL, *kernel_enum = NULL;
	struct span value;
	int error = 0;

	if (tag_value(tag, "help", &value))
		help = strndup((const char *)value.at, value.len);
	if (tag_value(tag, "enum", &value))
		labels = strndup((const char *)value.at, value.len);
	if (tag_value(tag, "btf", &value))
		kernel_enum = strndup((const char *)value.at, value.len);
	for (uint32_t i = 0; !error && i < field->count; i++) {
		struct column column = {
			.type = type,
			.offset = offset + i * field->size,
			.size = field->size,
			.is_signed = field->is_signed,
			.is_real = field->shape == SHAPE_REAL,
			.help = help,
			.labels = labels,
			.kernel_enum = kernel_enum,
		};

		int len = field->count == 1
				  ? snprintf(column.name, sizeof(column.name), "%s", name)
				  : snprintf(column.name, sizeof(column.name), "%s_%u", name, i);

		error = len < 0 || (size_t)len >= sizeof(column.name)
				? err_set(walk->why, -EINVAL, "column name '%.60s' is too long",
					  name)
				: schema_add(walk->schema, &column, walk->why);
	}
	free(help);
	free(labels);
	free(kernel_enum);
	return error;
}

static int add_field(struct walk *walk, const char *name, uint32_t type_id, uint32_t offset,
		     uint32_t end, const char *tag)
{
	struct field field = field_of(walk->tags->btf, type_id);
	char column_name[COLUMN_NAME_BYTES * 2];
	struct span word, given;
	enum column_type type;

	if (!tag_value(tag, "type", &word))
		return err_set(walk->why, -EINVAL, "field '%s' has a col tag without a type", name);
	type = column_type_of(word);
	if (type == COLUMN_NONE)
		return err_set(walk->why, -EINVAL,
			       "field '%s' has the column type '%.*s', which is none", name,
			       (int)word.len, (const char *)word.at);
	if (!fits(&rules[type], &field))
		return err_set(walk->why, -EINVAL,
			       "field '%s' cannot be a column of type %s: that must be %s", name,
			       rules[type].word, rules[type].wants);
	if (offset > end || (uint64_t)field.size * field.count > end - offset)
		return err_set(walk->why, -EINVAL, "field '%s' reaches beyond its struct", name);
	if (!field.size && offset != walk->schema->size)
		return err_set(walk->why, -EINVAL, "field '%s' has no size and is not the last",
			       name);
	given = tag_value(tag, "name", &given) ? given : span_of(name);
	snprintf(column_name, sizeof(column_name), "%.*s", (int)(given.len < 70 ? given.len : 70),
		 (const char *)given.at);
	return add_elements(walk, &field, column_name, offset, tag, type);
}

static int walk_struct(struct walk *walk, uint32_t id, uint32_t offset, int depth);

/* A field without a tag is no column, but the struct in it may have some. */
static int walk_inner(struct walk *walk, uint32_t type_id, uint32_t offset, int depth)
{
	uint32_t id;
	const struct btf_type *type = type_behind(walk->tags->btf, type_id, &id);

	if (!type || !btf_is_composite(type) || is_histogram(walk->tags->btf, type))
		return 0;
	return walk_struct(walk, id, offset, depth + 1);
}

static int walk_struct(struct walk *walk, uint32_t id, uint32_t offset, int depth)
{
	const struct btf *btf = walk->tags->btf;
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member = btf_members(type);
	uint32_t end = offset + type->size;

	if (depth > DEPTH_MAX)
		return err_set(walk->why, -E2BIG, "structs are nested deeper than %d", DEPTH_MAX);
	if (end < offset || end > walk->schema->size)
		return err_set(walk->why, -EINVAL, "struct '%s' reaches beyond the one it is in",
			       btf_type_name(btf, type));
	for (uint32_t i = 0; i < btf_vlen(type); i++, member++) {
		const char *tag = tags_find(walk->tags, id, (int32_t)i, "col");
		const char *given = btf__name_by_offset(btf, member->name_off),
			   *name = given ? given : "";
		uint32_t bits = btf_member_bit_offset(type, i), at;
		int error;

		if (!walk->fields_left--)
			return err_set(walk->why, -E2BIG, "more than %d fields", FIELDS_MAX);
		if (tag && (btf_member_bitfield_size(type, i) || bits % 8))
			return err_set(walk->why, -EINVAL, "field '%s' is a bit field: no column",
				       name);
		if (__builtin_add_overflow(offset, bits / 8, &at))
			return err_set(walk->why, -EINVAL, "field '%s' reaches beyond its struct",
				       name);
		error = tag ? add_field(walk, name, member->type, at, end, tag)
			    : walk_inner(walk, member->type, at, depth);
		if (error)
			return error;
	}
	return 0;
}

int schema_add_struct(struct schema *schema, const struct tags *tags, uint32_t type_id,
		      uint32_t offset, struct err *why)
{
	struct walk walk = {.schema = schema, .tags = tags, .fields_left = FIELDS_MAX, .why = why};
	uint32_t id;
	const struct btf_type *type = type_behind(tags->btf, type_id, &id);

	if (!type || !btf_is_composite(type))
		return err_set(why, -EINVAL, "a record must be a struct");
	if (!type->size || type->size > RECORD_BYTES || offset > RECORD_BYTES)
		return err_set(why, -EINVAL, "struct '%s' has %u bytes",
			       btf_type_name(tags->btf, type), type->size);
	if (schema->size < offset + type->size)
		schema->size = offset + type->size;
	return walk_struct(&walk, id, offset, 0);
}

int schema_from_btf(struct schema *schema, const struct btf *btf, uint32_t type_id, struct err *why)
{
	struct tags tags;
	int error = tags_read(&tags, btf, why);

	if (error)
		return error;
	*schema = (struct schema){};
	error = schema_add_struct(schema, &tags, type_id, 0, why);
	if (error)
		schema_done(schema);
	tags_done(&tags);
	return error;
}
