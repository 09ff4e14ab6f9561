// SPDX-License-Identifier: GPL-2.0-only
/* The front end: tokens, the shape of the tree, the shape and place of complaints, types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "trace/check.h"
#include "trace/format.h"
#include "trace/lex.h"
#include "trace/parse.h"

static void numbers_are_read_in_all_their_forms(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {{"0", 0},
		    {"42", 42},
		    {"0x1F", 31},
		    {"017", 15},
		    {"1_000_000", 1000000},
		    {"2e3", 2000},
		    {"5ms", 5000000},
		    {"1m", 60000000000},
		    {"7ULL", 7},
		    {"18446744073709551615", UINT64_MAX},
		    {"1d", 86400000000000}};
	static const char *const bad[] = {"",     "0x", "12x",     "1e",  "18446744073709551616",
					  "1e20", "08", "999999d", "5mms"};
	const char *why;
	uint64_t value;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(lex_number(span_of(good[i].text), &value, &why));
		assert_int_equal(value, good[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(lex_number(span_of(bad[i]), &value, &why));
}

static struct script *parsed(const char *text, const struct script_options *options)
{
	struct script *script = script_new(span_of(text), options);

	assert_non_null(script);
	script_parse(script);
	return script;
}

static void attach_points_are_cut_where_they_end(void **state)
{
	static const struct script_options options = {.name = "stdin"};
	static const struct {
		const char *text, *first, *second;
	} cases[] = {
		{"uprobe:/bin/bash:readline /pid == 1/ { }", "uprobe:/bin/bash:readline", NULL},
		{"tracepoint:a:b/pid/{ }", "tracepoint:a:b", NULL},
		{"kprobe:f,kprobe:g* { }", "kprobe:f", "kprobe:g*"},
		{"u:./a/b:f+4 ,\n t:x:y {}", "u:./a/b:f+4", "t:x:y"},
		{"name=begin { }", "begin", NULL},
		{"usdt:\"/a b\":c:d { }", "usdt:/a b:c:d", NULL},
		{"BEGIN{exit()}", "BEGIN", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct script *script = parsed(cases[i].text, &options);

		assert_int_equal(script->diag.errors, 0);
		assert_string_equal(script->actions->specs->text, cases[i].first);
		if (cases[i].second)
			assert_string_equal(script->actions->specs->next->text, cases[i].second);
		else
			assert_null(script->actions->specs->next);
		script_free(script);
	}
}

/* Compiles a script up to its types and gives back what was said. */
static void complaints(const char *text, struct buf *out)
{
	static const struct script_options options = {.name = "stdin"};
	struct script *script = script_new(span_of(text), &options);

	buf_init(out, 65536);
	if (!script_parse(script) && !script_expand(script))
		script_check(script);
	diag_write(&script->diag, true, out);
	script_free(script);
}

static void complaints_point_at_their_place(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"begin { nosuch(1); }", "stdin:1:9-18: ERROR: Unknown function: 'nosuch'\n"
					 "begin { nosuch(1); }\n"
					 "        ~~~~~~~~~\n"},
		{"begin { 1 + }", "stdin:1:13-14: ERROR: syntax: expected expression\n"
				  "begin { 1 + }\n"
				  "            ~\n"},
		{"begin", "stdin:1:6-6: ERROR: syntax: expected '{'\nbegin\n     \n"},
		{"begin\n{\n\t$a = 1;\n\t$a = \"x\";\n}",
		 "stdin:4:2-10: ERROR: Type mismatch for $a: trying to assign value of type "
		 "'string[2]' when variable already has a type 'int8'\n"
		 "\t$a = \"x\";\n"
		 "\t~~~~~~~~\n"},
		{"begin { printf(\"%d %d\\n\", 1); }",
		 "stdin:1:9-29: ERROR: not enough arguments for format string (1 supplied, 2 "
		 "expected)\n"
		 "begin { printf(\"%d %d\\n\", 1); }\n"
		 "        ~~~~~~~~~~~~~~~~~~~~\n"},
		{"begin { @x++; print(@x[1]); }",
		 "stdin:1:21-26: ERROR: @x used as a map with an explicit key (non-scalar map), "
		 "previously used without an explicit key (scalar map)\n"
		 "begin { @x++; print(@x[1]); }\n"
		 "                    ~~~~~\n"},
		{"begin { { $x = 1; } print($x); }",
		 "stdin:1:27-29: ERROR: Undefined or undeclared variable: $x\n"
		 "begin { { $x = 1; } print($x); }\n"
		 "                          ~~\n"},
		{"begin { $x = 200; @a = hist($x, 6); }",
		 "stdin:1:24-35: ERROR: hist: bits 6 must be 0..5\n"
		 "begin { $x = 200; @a = hist($x, 6); }\n"
		 "                       ~~~~~~~~~~~\n"},
	};
	struct buf said;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		complaints(cases[i].text, &said);
		/* later complaints may follow from the first one */
		if (strncmp(buf_text(&said), cases[i].said, strlen(cases[i].said)))
			fail_msg("for %s\nsaid:\n%s\nwanted:\n%s", cases[i].text, buf_text(&said),
				 cases[i].said);
		buf_done(&said);
	}
}

/* The type of $x at the end of the script's first body, by name. */
static void type_of_x(const char *value, char *name, size_t size)
{
	static const struct script_options options = {.name = "stdin"};
	struct script *script;
	struct buf text;
	char source[512];

	snprintf(source, sizeof(source),
		 "begin { $y = 1; $u8 = (uint8)1; $u64 = (uint64)1; @c = count(); $x = %s; }",
		 value);
	script = script_new(span_of(source), &options);
	assert_int_equal(script_parse(script) | script_expand(script) | script_check(script), 0);
	buf_init(&text, 256);
	for (struct variable *v = script->probes->body->variables; v; v = v->next)
		if (!strcmp(v->name, "$x"))
			type_name(v->type, &text);
	snprintf(name, size, "%s", buf_text(&text));
	buf_done(&text);
	script_free(script);
}

static void types_are_those_of_the_language(void **state)
{
	/* as bpftrace 0.27.1 names them */
	static const char *const cases[][2] = {
		{"1", "int8"},
		{"127", "int8"},
		{"128", "int16"},
		{"32768", "int32"},
		{"-128", "int8"},
		{"-129", "int16"},
		{"9223372036854775808", "uint64"},
		{"1m", "int64"},
		{"1 + 200", "int16"},
		{"200 * 200", "int32"},
		{"~1", "uint64"},
		{"!1", "bool"},
		{"1 < 2", "bool"},
		{"(uint8)1 + (int8)2", "int64"},
		{"(uint32)1 + (uint8)1", "uint64"},
		{"(uint8)1 + 1", "uint64"},
		{"(uint32)1 - (int32)1", "int64"},
		{"pid", "uint32"},
		{"nsecs", "uint64"},
		{"comm", "string[16]"},
		{"\"abc\"", "string[4]"},
		{"kstack", "kstack_bpftrace_127"},
		{"ntop(1)", "inet[24]"},
		{"(1, \"x\")", "(int8,string[2])"},
		{"(uint8 *)1", "uint8 *"},
		{"1e3", "int16"},
		{"pton(\"1.2.3.4\")", "uint8[4]"},
		{"(uint8[4])1", "uint8[4]"},
		{"bswap((uint16)1)", "uint16"},
		{"(int64)@c", "int64"},
		{"buf(\"abc\", 3)", "buffer[7]"},
	};
	char name[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		type_of_x(cases[i][0], name, sizeof(name));
		if (strcmp(name, cases[i][1]))
			fail_msg("%s is %s, not %s", cases[i][0], name, cases[i][1]);
	}
}

static void types_widen_with_later_uses(void **state)
{
	static const struct script_options options = {.name = "stdin"};
	struct script *script =
		script_new(span_of("begin { $a = 1; $a = 70000; @m[1] = \"x\"; $s = @m[2]; } "
				   "end { @m[100000] = \"longer\"; @n = 1; @n = -5; }"),
			   &options);
	struct buf text;

	assert_int_equal(script_parse(script) | script_expand(script) | script_check(script), 0);
	buf_init(&text, 1000);
	for (struct variable *v = script->probes->body->variables; v; v = v->next) {
		buf_f(&text, "%s ", v->name);
		type_name(v->type, &text);
		buf_char(&text, ' ');
	}
	for (struct map_decl *map = script->maps; map; map = map->next) {
		buf_f(&text, "%s ", map->name);
		type_name(map->key ? map->key : &type_none, &text);
		buf_char(&text, ' ');
		type_name(map->value, &text);
		buf_char(&text, ' ');
	}
	assert_string_equal(buf_text(&text), "$s string[7] $a int32 @m int32 string[7] "
					     "@n none int64 ");
	buf_done(&text);
	script_free(script);
}

static void c_records_are_laid_out_as_the_compiler_does(void **state)
{
	static const struct script_options options = {.name = "stdin"};
	struct script *script = script_new(
		span_of("struct A { char a; int b; short c; struct { char d; long e; }; union { "
			"int f; "
			"char g[7]; } h; unsigned int i : 3, j : 30; int k[2][3]; struct A *next; "
			"}\n"
			"begin { @s = sizeof(struct A); @b = offsetof(struct A, b); @e = "
			"offsetof(struct "
			"A, e); @h = offsetof(struct A, h); @k = offsetof(struct A, k); }"),
		&options);
	struct A {
		char a;
		int b;
		short c;
		struct {
			char d;
			long e;
		};
		union {
			int f;
			char g[7];
		} h;
		unsigned int i : 3, j : 30;
		int k[2][3];
		struct A *next;
	};
	const size_t wanted[] = {sizeof(struct A), offsetof(struct A, b), offsetof(struct A, e),
				 offsetof(struct A, h), offsetof(struct A, k)};
	size_t i = 0;

	script->is_btf_missing = true;
	assert_int_equal(script_parse(script) | script_expand(script) | script_check(script), 0);
	for (struct stmt *stmt = script->probes->body->stmts->body; stmt; stmt = stmt->next)
		assert_int_equal(stmt->value->number, wanted[i++]);
	assert_int_equal(i, 5);
	script_free(script);
}

static void the_preprocessor_takes_the_branch_with_btf(void **state)
{
	static const struct script_options options = {.name = "stdin"};
	struct script *script =
		parsed("#ifndef BPFTRACE_HAVE_BTF\n#include <x.h>\nstruct X {\n#else\n"
		       "#define N (2 + 3)\n#endif\n#if 0\n}}} \"\n#endif\n"
		       "begin { @ = N * 2; } // #define\n",
		       &options);
	assert_int_equal(script->diag.errors | script_expand(script) | script_check(script), 0);
	assert_int_equal(script->probes->body->stmts->body->value->number, 10);
	script_free(script);
}

static void deep_nesting_is_refused_not_followed(void **state)
{
	static const struct script_options options = {.name = "stdin"};
	static char text[100000];
	struct script *script;
	const char *const openings[] = {"(", "{", "!", "-", "@[", "1?", "$a+"};

	for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++) {
		size_t len = (size_t)snprintf(text, sizeof(text), "begin { ");

		while (len + 10 < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", openings[i]);
		script = parsed(text, &options);
		assert_true(script->diag.errors > 0);
		script_free(script);
	}
}

static void conversions_are_cut_out_of_formats(void **state)
{
	struct span format = span_of("a%-5dx%08.3llx%%%r%rx%rh%z %hhu%");
	struct conversion c;
	char seen[256];
	size_t at = 0, len = 0;

	while (format_next(format, &at, &c))
		len += (size_t)snprintf(seen + len, sizeof(seen) - len, "%c%c%d.%d/%d ", c.letter,
					c.variant ? c.variant : '-', c.width, c.precision,
					c.length);
	assert_string_equal(seen, "d-5.-1/4 x-8.3/8 %--1.-1/4 r--1.-1/4 rx-1.-1/4 rh-1.-1/4 "
				  "u--1.-1/1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_in_all_their_forms),
		cmocka_unit_test(attach_points_are_cut_where_they_end),
		cmocka_unit_test(complaints_point_at_their_place),
		cmocka_unit_test(types_are_those_of_the_language),
		cmocka_unit_test(types_widen_with_later_uses),
		cmocka_unit_test(c_records_are_laid_out_as_the_compiler_does),
		cmocka_unit_test(the_preprocessor_takes_the_branch_with_btf),
		cmocka_unit_test(deep_nesting_is_refused_not_followed),
		cmocka_unit_test(conversions_are_cut_out_of_formats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
