// SPDX-License-Identifier: GPL-2.0-only
/* What is read of the running machine: BTF, ELF files, symbols. Skipped where the kernel has no BTF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include <linux/btf.h>

#include "trace/btf.h"
#include "base/elf_file.h"

static struct arena arena;

static struct btf *open_btf(void)
{
	struct btf *btf;

	arena_init(&arena, 64 << 20);
	btf = btf_open(&arena);
	if (!btf)
		skip();
	return btf;
}

static void close_btf(struct btf *btf)
{
	btf_free(btf);
	arena_done(&arena);
}

static void fields_of_a_task_are_found(void **state)
{
	struct btf *btf = open_btf();
	const struct type *task = btf_record(btf, "task_struct", false);
	const struct field *field;

	assert_non_null(task);
	assert_int_equal(task->kind, TYPE_RECORD);
	field = btf_field(btf, task, "pid");
	assert_int_equal(field->type->size, 4);
	assert_true(field->type->is_signed);
	field = btf_field(btf, task, "comm");
	assert_int_equal(field->type->kind, TYPE_STRING);
	assert_int_equal(field->type->size, 16);
	field = btf_field(btf, task, "real_parent");
	assert_int_equal(field->type->kind, TYPE_POINTER);
	assert_string_equal(field->type->of->name, "task_struct");
	assert_null(btf_field(btf, task, "no_such_field"));
	assert_true(btf_fill(btf, task)->field_count > 100);
	assert_null(btf_record(btf, "no_such_record", false));
	close_btf(btf);
}

static void anonymous_members_and_bit_fields_are_found(void **state)
{
	struct btf *btf = open_btf();
	const struct type *common = btf_record(btf, "sock_common", false);
	const struct field *field = btf_field(btf, common, "skc_daddr");

	assert_non_null(field); /* in a struct in a union in the record, all without names */
	assert_int_equal(field->type->size, 4);
	field = btf_field(btf, common, "skc_reuse");
	assert_int_equal(field->bit_size, 4);
	close_btf(btf);
}

static void enumerators_have_values_and_names(void **state)
{
	struct btf *btf = open_btf();
	const struct type *type;
	int64_t value;

	assert_true(btf_enumerator(btf, "BPF_MAP_TYPE_HASH", &value, &type));
	assert_int_equal(value, 1);
	assert_string_equal(btf_enum_name(btf, type->btf_id, 1), "BPF_MAP_TYPE_HASH");
	assert_false(btf_enumerator(btf, "NO_SUCH_ENUMERATOR", &value, &type));
	close_btf(btf);
}

static void functions_have_parameters(void **state)
{
	struct btf *btf = open_btf();
	struct field params[8];
	const struct type *result;
	uint32_t id = btf_find(btf, "vfs_read", BTF_KIND_FUNC);

	assert_int_equal(btf_params(btf, id, params, 8, &result), 4);
	assert_string_equal(params[0].name, "file");
	assert_string_equal(params[0].type->of->name, "file");
	assert_true(result->is_signed);
	close_btf(btf);
}

static void a_look_up_costs_little(void **state)
{
	struct timespec before, after;
	struct btf *btf;
	double ms;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	btf = open_btf();
	assert_non_null(btf_field(btf, btf_record(btf, "task_struct", false), "pid"));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
	     (double)(after.tv_nsec - before.tv_nsec) / 1e6;
	print_message("BTF opened, one field found: %.1f ms of CPU\n", ms);
	assert_true(ms < 500); /* sanitizers are slow; the bench holds the real bound */
	close_btf(btf);
}

static void symbols_of_an_elf_file_lead_to_its_bytes(void **state)
{
	struct elf elf;
	struct elf_symbol symbol;
	uint64_t offset, address;

	assert_int_equal(elf_open(&elf, "/proc/self/exe"), 0);
	assert_true(elf_find(&elf, "main", &symbol));
	assert_true(symbol.is_function);
	assert_true(elf_offset_of(&elf, symbol.value, &offset));
	assert_true(elf_address_of(&elf, offset, &address));
	assert_int_equal(address, symbol.value);
	assert_false(elf_find(&elf, "no_such_symbol", &symbol));
	elf_close(&elf);
	assert_true(elf_open(&elf, "/etc/passwd") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_task_are_found),
		cmocka_unit_test(anonymous_members_and_bit_fields_are_found),
		cmocka_unit_test(enumerators_have_values_and_names),
		cmocka_unit_test(functions_have_parameters),
		cmocka_unit_test(a_look_up_costs_little),
		cmocka_unit_test(symbols_of_an_elf_file_lead_to_its_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
