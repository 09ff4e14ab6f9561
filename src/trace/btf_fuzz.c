// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as BTF: everything that can be asked for is asked for, and nothing is read outside. */
#include "trace/btf.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena arena;
	struct btf *btf;

	arena_init(&arena, 16 << 20);
	btf = btf_over(&arena, (struct span){at, len});
	for (uint32_t id = 0; btf && id < 300; id++) {
		const struct type *type = btf_type(btf, id), *result;
		struct field params[8];

		if (type->kind == TYPE_RECORD) {
			btf_field(btf, type, "a");
			btf_fill(btf, type);
		}
		btf_enum_name(btf, id, 1);
		btf_params(btf, id, params, 8, &result);
	}
	if (btf) {
		const struct type *type;
		int64_t value;

		btf_record(btf, "a", false);
		btf_enumerator(btf, "b", &value, &type);
	}
	btf_free(btf);
	arena_done(&arena);
	return 0;
}
