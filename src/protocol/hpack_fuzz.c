// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any blocks, from the start and joined late, with losses: never out of bounds, never more than it may
 * keep; and what a decoder that came late names is what the one names that saw it all.
 */
#include "protocol/hpack.c"
#include "protocol/hpack_huffman.c"
#include "protocol/hpack_seed.c"
#include "protocol/hpack_table.c"

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void check_bounds(const struct hpack *hpack)
{
	must(hpack->kept <= hpack->entries_room && hpack->entries_room <= HPACK_TABLE_KEPT / 32);
	must(hpack->text_room <= 2 * HPACK_TABLE_KEPT);
	must(hpack->kept_size <= HPACK_TABLE_KEPT);
	must(!hpack->has_gone || hpack->gone <= hpack->inserted);
	must(hpack->counts.fields == hpack->counts.named + hpack->counts.opaque);
}

/* Both read the same block; `late` may know less, never other things. True: the block is right. */
static bool read_both(struct hpack *early, struct hpack *late, struct span block)
{
	static struct hpack_reader readers[2];
	struct hpack_field fields[2];
	const char *why;

	hpack_begin(early, block, &readers[0]);
	hpack_begin(late, block, &readers[1]);
	for (;;) {
		enum hpack_step first = hpack_next(&readers[0], &fields[0], &why);
		enum hpack_step second = hpack_next(&readers[1], &fields[1], &why);

		if (first == HPACK_BAD || second == HPACK_BAD)
			return false;
		must(first == second);
		if (first == HPACK_END)
			return true;
		if (fields[1].known == HPACK_OPAQUE)
			continue;
		must(fields[0].known == HPACK_OPAQUE ||
		     span_same(fields[0].value, fields[1].value));
		if (fields[1].known == HPACK_KNOWN && fields[0].known == HPACK_KNOWN)
			must(span_same(fields[0].name, fields[1].name) &&
			     fields[0].id == fields[1].id);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct hpack early = {.keeps_all = true}, late = {.keeps_all = true};
	unsigned joined = len ? at[0] % 8 : 0;

	hpack_start(&early);
	for (size_t from = 1; from + 1 < len;) {
		size_t want = at[from] | (size_t)(at[from + 1] & 0x0f) << 8;
		struct span block = {NULL, want < len - from - 2 ? want : len - from - 2};
		uint8_t *exact = malloc(block.len + !block.len);

		if (block.len)
			memcpy(exact, at + from + 2, block.len);
		block.at = exact;
		from += 2 + block.len;
		if (joined) {
			static struct hpack_reader reader;
			struct hpack_field field;
			const char *why;
			enum hpack_step step;

			joined--;
			hpack_begin(&early, block, &reader);
			while ((step = hpack_next(&reader, &field, &why)) == HPACK_FIELD)
				;
			free(exact);
			if (step == HPACK_BAD)
				break;
			continue;
		}
		if (!read_both(&early, &late, block)) {
			free(exact);
			break;
		}
		free(exact);
		check_bounds(&early);
		check_bounds(&late);
	}
	check_bounds(&early);
	check_bounds(&late);
	hpack_done(&early);
	hpack_done(&late);
	return 0;
}
