// SPDX-License-Identifier: GPL-2.0-only
/* Structs described in BTF become columns; what cannot be a column is named in the reason. */
#include "record/schema.h"

#include <errno.h>
#include <linux/btf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <bpf/btf.h>

/* A BTF under construction, with the types that most fields have. */
struct types {
	struct btf *btf;
	int u8, u16, u32, u64, s32, real, c, comm, ip;
};

static struct types make_types(void)
{
	struct types t = {.btf = btf__new_empty()};
	int index;

	assert_non_null(t.btf);
	t.u8 = btf__add_int(t.btf, "unsigned char", 1, 0);
	t.u16 = btf__add_int(t.btf, "unsigned short", 2, 0);
	t.u32 = btf__add_int(t.btf, "unsigned int", 4, 0);
	t.u64 = btf__add_int(t.btf, "unsigned long long", 8, 0);
	t.s32 = btf__add_int(t.btf, "int", 4, BTF_INT_SIGNED);
	t.real = btf__add_float(t.btf, "double", 8);
	t.c = btf__add_int(t.btf, "char", 1, BTF_INT_SIGNED);
	index = t.u32;
	t.comm = btf__add_array(t.btf, index, t.c, 16);
	t.ip = btf__add_array(t.btf, index, t.u8, 16);
	return t;
}

/* One field of a struct: name, type, byte offset and tag (NULL = none). */
struct member {
	const char *name;
	int type;
	uint32_t offset;
	const char *tag;
};

static int add_struct(struct types *t, const char *name, uint32_t size, const struct member *member,
		      size_t count)
{
	int id = btf__add_struct(t->btf, name, size);

	assert_true(id > 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(btf__add_field(t->btf, member[i].name, member[i].type,
						member[i].offset * 8, 0),
				 0);
	for (size_t i = 0; i < count; i++)
		if (member[i].tag)
			assert_true(btf__add_decl_tag(t->btf, member[i].tag, id, (int)i) > 0);
	return id;
}

#define STRUCT(t, name, size, ...)                                                                 \
	add_struct(t, name, size, (const struct member[]){__VA_ARGS__},                            \
		   sizeof((const struct member[]){__VA_ARGS__}) / sizeof(struct member))

static void fields_become_columns(void **state)
{
	struct types t = make_types();
	int owner = STRUCT(&t, "owner", 16, {"cgroup", t.u64, 0, "col;type=cgroup_id"},
			   {"pid", t.u32, 8, "col;type=pid"}, {"pad", t.u32, 12, NULL});
	int typed = btf__add_typedef(t.btf, "owner_t", btf__add_const(t.btf, owner));
	int three = btf__add_array(t.btf, t.u32, t.u32, 3);
	int id = STRUCT(
		&t, "event", 72, {"owner", typed, 0, NULL},
		{"wait", t.u64, 16, "col;type=ns;help=waited; so long"},
		{"comm", t.comm, 24, "col;type=comm"},
		{"state", t.s32, 40, "col;type=enum;enum=1:established,-2:gone;name=tcp_state"},
		{"steps", three, 44, "col;type=count"}, {"size", t.u32, 56, "col;type=bytes"},
		{"share", t.real, 64, "col;type=percent"});
	struct schema schema;
	struct err why = {};

	assert_int_equal(schema_from_btf(&schema, t.btf, (uint32_t)id, &why), 0);
	static const struct {
		const char *name;
		enum column_type type;
		uint32_t offset, size;
	} want[] = {
		{"cgroup", COLUMN_CGROUP_ID, 0, 8},  {"pid", COLUMN_PID, 8, 4},
		{"wait_ns", COLUMN_NS, 16, 8},       {"comm", COLUMN_COMM, 24, 16},
		{"tcp_state", COLUMN_ENUM, 40, 4},   {"steps_0", COLUMN_COUNT, 44, 4},
		{"steps_1", COLUMN_COUNT, 48, 4},    {"steps_2", COLUMN_COUNT, 52, 4},
		{"size_bytes", COLUMN_BYTES, 56, 4}, {"share", COLUMN_PERCENT, 64, 8},
	};

	assert_int_equal(schema.count, sizeof(want) / sizeof(*want));
	assert_int_equal(schema.size, 72);
	for (uint32_t i = 0; i < schema.count; i++) {
		assert_string_equal(schema.column[i].name, want[i].name);
		assert_int_equal(schema.column[i].type, want[i].type);
		assert_int_equal(schema.column[i].offset, want[i].offset);
		assert_int_equal(schema.column[i].size, want[i].size);
	}
	assert_string_equal(schema.column[2].help, "waited");
	assert_string_equal(schema.column[4].labels, "1:established,-2:gone");
	assert_true(schema.column[4].is_signed);
	assert_true(schema.column[9].is_real);
	schema_done(&schema);
	btf__free(t.btf);
}

static void a_text_without_size_is_the_rest(void **state)
{
	struct types t = make_types();
	int tail = btf__add_array(t.btf, t.u32, t.c, 0);
	int id = STRUCT(&t, "exec", 4, {"pid", t.u32, 0, "col;type=pid"},
			{"args", tail, 4, "col;type=argv"});
	int wrong = STRUCT(&t, "middle", 8, {"args", tail, 4, "col;type=argv"},
			   {"pid", t.u32, 4, "col;type=pid"});
	struct schema schema;
	struct err why = {};

	assert_int_equal(schema_from_btf(&schema, t.btf, (uint32_t)id, &why), 0);
	assert_int_equal(schema.column[1].size, 0);
	schema_done(&schema);
	assert_int_equal(schema_from_btf(&schema, t.btf, (uint32_t)wrong, &why), -EINVAL);
	assert_string_equal(why.text, "field 'args' has no size and is not the last");
	btf__free(t.btf);
}

static void check_refused(struct types *t, int id, const char *reason)
{
	struct schema schema;
	struct err why = {};

	assert_true(schema_from_btf(&schema, t->btf, (uint32_t)id, &why) < 0);
	assert_string_equal(why.text, reason);
}

static void what_is_no_column_is_named(void **state)
{
	struct types t = make_types();
	int many = btf__add_array(t.btf, t.u32, t.u32, 49);

	check_refused(&t, STRUCT(&t, "a", 8, {"x", t.u64, 0, "col;type=pid"}),
		      "field 'x' cannot be a column of type pid: that must be a u32");
	check_refused(&t, STRUCT(&t, "b", 8, {"x", t.u64, 0, "col;type=colour"}),
		      "field 'x' has the column type 'colour', which is none");
	check_refused(&t, STRUCT(&t, "c", 8, {"x", t.u64, 0, "col"}),
		      "field 'x' has a col tag without a type");
	check_refused(&t, STRUCT(&t, "d", 8, {"x", t.u64, 4, "col;type=ns"}),
		      "field 'x' reaches beyond its struct");
	check_refused(&t,
		      STRUCT(&t, "e", 16, {"x", t.u64, 0, "col;type=count"},
			     {"x", t.u64, 8, "col;type=count"}),
		      "two columns are named 'x'");
	check_refused(&t, STRUCT(&t, "f", 8, {"Big", t.u64, 0, "col;type=count"}),
		      "column name 'Big' is not lower case letters, digits and _ (below 40)");
	check_refused(&t, STRUCT(&t, "g", 4, {"x", t.u32, 0, "col;type=enum;enum=1:a,2"}),
		      "column 'x' needs its names: enum=1:name,2:name");
	check_refused(&t, STRUCT(&t, "h", 196, {"x", many, 0, "col;type=count"}),
		      "field 'x' cannot be a column of type count: that must be an integer");
	check_refused(&t, STRUCT(&t, "i", 16, {"x", t.comm, 0, "col;type=count"}),
		      "field 'x' cannot be a column of type count: that must be an integer");
	check_refused(&t, t.u32, "a record must be a struct");
	check_refused(&t, 100000, "a record must be a struct");
	check_refused(&t, STRUCT(&t, "j", 8, {"x", t.u64, 0, "col;type=count;help=\x1b[31m"}),
		      "tag number 11 is no printable text");
	btf__free(t.btf);
}

static void too_many_columns_are_refused(void **state)
{
	struct types t = make_types();
	struct member member[SCHEMA_COLUMNS + 1];
	char name[SCHEMA_COLUMNS + 1][8];

	for (uint32_t i = 0; i <= SCHEMA_COLUMNS; i++) {
		snprintf(name[i], sizeof(name[i]), "c%u", i);
		member[i] = (struct member){name[i], t.u32, i * 4, "col;type=count"};
	}
	check_refused(&t,
		      add_struct(&t, "many", 4 * (SCHEMA_COLUMNS + 1), member, SCHEMA_COLUMNS + 1),
		      "column 'c48' is one too many, 48 are allowed");
	btf__free(t.btf);
}

/* A struct whose field is the struct itself, and one of a thousand structs of a thousand fields each. */
static void endless_structs_end(void **state)
{
	struct types t = make_types();
	int self = btf__add_struct(t.btf, "self", 8), wide, wider, loop;

	assert_int_equal(btf__add_field(t.btf, "again", self, 0, 0), 0);
	check_refused(&t, self, "structs are nested deeper than 8");
	loop = btf__add_typedef(t.btf, "loop", btf__type_cnt(t.btf));
	check_refused(&t, loop, "a record must be a struct");

	wide = btf__add_struct(t.btf, "wide", 8);
	for (int i = 0; i < 1000; i++)
		btf__add_field(t.btf, "f", t.u64, 0, 0);
	wider = btf__add_struct(t.btf, "wider", 8);
	for (int i = 0; i < 1000; i++)
		btf__add_field(t.btf, "w", wide, 0, 0);
	check_refused(&t, wider, "more than 4096 fields");
	btf__free(t.btf);
}

static void words_of_tags_are_found(void **state)
{
	const char *tag = "metric;type=counter;help=a=b c;unit=;types=x";
	struct span value;

	assert_true(span_is(tag_word(tag), "metric"));
	assert_true(tag_value(tag, "type", &value) && span_is(value, "counter"));
	assert_true(tag_value(tag, "types", &value) && span_is(value, "x"));
	assert_true(tag_value(tag, "help", &value) && span_is(value, "a=b c"));
	assert_true(tag_value(tag, "unit", &value) && !value.len);
	assert_false(tag_value(tag, "metric", &value));
	assert_false(tag_value(tag, "typ", &value));
	assert_true(span_is(tag_word("by"), "by"));
}

static void every_type_has_a_word(void **state)
{
	for (int type = COLUMN_NONE + 1; type < COLUMN_TYPES; type++)
		assert_int_equal(column_type_of(span_of(column_type_name((enum column_type)type))),
				 type);
	assert_int_equal(column_type_of(span_of("none")), COLUMN_NONE);
	assert_int_equal(column_type_of(span_of("")), COLUMN_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_become_columns),
		cmocka_unit_test(a_text_without_size_is_the_rest),
		cmocka_unit_test(what_is_no_column_is_named),
		cmocka_unit_test(too_many_columns_are_refused),
		cmocka_unit_test(endless_structs_end),
		cmocka_unit_test(words_of_tags_are_found),
		cmocka_unit_test(every_type_has_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
