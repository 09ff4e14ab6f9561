// SPDX-License-Identifier: GPL-2.0-only
/*
 * A real encoder's stream of header blocks, joined at a random one, with blocks lost on the way: not one
 * name or value may be wrong, and what is opaque must be the same where it is called the same.
 *
 * Encoders: our own, which does whatever the rules allow; nghttp2's (if it is installed); and recorded
 * blocks of Go's and Python's (tests/record_hpack.py). HPACK_BLOCKS says how many blocks each decodes.
 */
#include <errno.h>

#include "protocol/hpack_encoder.h"

#ifdef HAVE_NGHTTP2
#include <nghttp2/nghttp2.h>
#endif

enum { USUAL_BLOCKS = 100000, JOINS = 50 };

static struct model_list list;

static const struct model_traffic traffics[] = {
	{1, 0, false},  {10, 0, false}, {100, 0, false}, {1, 1, false},
	{10, 2, false}, {10, 3, true},  {100, 1, true},  {3, 0, true},
};

static void report(const char *encoder, const struct model *model)
{
	uint64_t forgotten = model->forgotten + model->hpack.counts.forgotten;

	print_message("%s: %llu blocks, %llu fields: %.2f %% named, %.2f %% possible; %llu paths: "
		      "%.2f %% named; %llu wrong\n",
		      encoder, (unsigned long long)model->blocks, (unsigned long long)model->fields,
		      model_share(model->named, model->fields),
		      model_share(model->named + forgotten, model->fields),
		      (unsigned long long)model->paths,
		      model_share(model->paths_named, model->paths),
		      (unsigned long long)model->wrong);
	assert_int_equal(model->wrong, 0);
}

static struct {
	size_t taken, refused, entries;
} seeded;

/* Reads the encoder's table, as if from its memory. Where exactly it belongs is not always known. */
static void seed(struct model *model, struct encoder *encoder, struct random *random)
{
	static struct hpack_seed table[ENCODER_ENTRIES];
	int64_t newest = model->hpack.inserted;
	int64_t unsure = random_below(random, 2) ? 0 : (int64_t)random_below(random, 20);
	int learnt;

	for (size_t i = 0; i < encoder->len; i++) {
		const struct encoder_entry *entry = encoder_at(encoder, i);

		table[i].name = (struct span){entry->text, entry->name_len};
		table[i].value = (struct span){entry->text + entry->name_len, entry->value_len};
	}
	learnt = hpack_seed(&model->hpack, table, encoder->len, newest - unsure, newest);
	if (learnt < 0) {
		assert_int_equal(learnt, -EAGAIN);
		assert_true(unsure);
		seeded.refused++;
		return;
	}
	seeded.taken++;
	seeded.entries += (size_t)learnt;
	assert_true(hpack_is_complete(&model->hpack));
}

/* One connection: `skipped` blocks go by, then the decoder joins. */
static void join_own(struct model *model, struct random *random, uint64_t blocks, bool is_lossy)
{
	size_t limits[] = {4096, 4096, 256, 65536};
	const struct model_traffic *traffic = &traffics[random_below(random, 8)];
	struct encoder encoder;
	struct buf out;
	uint64_t skipped = random_below(random, 300);
	bool is_seeding = false;

	encoder_init(&encoder, random, limits[random_below(random, 4)]);
	encoder.is_steady = random_below(random, 2);
	buf_init(&out, 1 << 20);
	model->hpack.keeps_all = random_below(random, 2);
	model_again(model);
	if (!skipped)
		hpack_start(&model->hpack);
	for (uint64_t i = 0; i < skipped + blocks; i++) {
		model_request(&list, traffic, random);
		encoder_block(&encoder, &out, &list);
		if (i < skipped)
			continue;
		if (encoder.size <= HPACK_TABLE_KEPT / 2 && !random_below(random, 150))
			is_seeding = true;
		if (is_lossy && !random_below(random, 100))
			hpack_lose(&model->hpack);
		else
			model_check(model, buf_as_span(&out), list.fields, list.n);
		if (is_seeding)
			seed(model, &encoder, random);
		is_seeding = false;
	}
	buf_done(&out);
	encoder_done(&encoder);
}

static void never_names_wrongly_what_our_own_encoder_wrote(void **state)
{
	struct random random = random_seeded();
	struct model model;
	uint64_t blocks = model_blocks(USUAL_BLOCKS / 4);

	model_init(&model);
	for (int i = 0; model.blocks < blocks; i++)
		join_own(&model, &random, 500, i % 2);
	report("our own encoder", &model);
	print_message("tables read elsewhere: %zu taken, %zu entries learnt, %zu not sure\n",
		      seeded.taken, seeded.entries, seeded.refused);
	assert_true(seeded.taken && seeded.entries);
	model_done(&model);
}

#ifdef HAVE_NGHTTP2
static size_t deflate(nghttp2_hd_deflater *deflater, uint8_t *out, size_t room,
		      struct random *random)
{
	nghttp2_nv fields[MODEL_FIELDS];
	ssize_t len;

	for (size_t i = 0; i < list.n; i++)
		fields[i] = (nghttp2_nv){
			.name = (uint8_t *)list.fields[i].name.at,
			.namelen = list.fields[i].name.len,
			.value = (uint8_t *)list.fields[i].value.at,
			.valuelen = list.fields[i].value.len,
			.flags = random_below(random, 30) ? NGHTTP2_NV_FLAG_NONE
							  : NGHTTP2_NV_FLAG_NO_INDEX,
		};
	len = nghttp2_hd_deflate_hd(deflater, out, room, fields, list.n);
	assert_true(len >= 0);
	return (size_t)len;
}

static void join_nghttp2(struct model *model, struct random *random, uint64_t blocks)
{
	static uint8_t out[1 << 16];
	const struct model_traffic *traffic = &traffics[random_below(random, 8)];
	uint64_t skipped = random_below(random, 200);
	nghttp2_hd_deflater *deflater;

	assert_int_equal(nghttp2_hd_deflate_new(&deflater, random_below(random, 2) ? 4096 : 65536),
			 0);
	model->hpack.keeps_all = random_below(random, 2);
	model_again(model);
	for (uint64_t i = 0; i < skipped + blocks; i++) {
		size_t len;

		if (!random_below(random, 100))
			nghttp2_hd_deflate_change_table_size(deflater,
							     random_below(random, 3) * 4096);
		model_request(&list, traffic, random);
		len = deflate(deflater, out, sizeof(out), random);
		if (i >= skipped)
			model_check(model, (struct span){out, len}, list.fields, list.n);
	}
	nghttp2_hd_deflate_del(deflater);
}

static void never_names_wrongly_what_nghttp2_wrote(void **state)
{
	struct random random = random_seeded();
	struct model model;
	uint64_t blocks = model_blocks(USUAL_BLOCKS / 2);

	model_init(&model);
	while (model.blocks < blocks)
		join_nghttp2(&model, &random, 1000);
	report("nghttp2", &model);
	model_done(&model);
}
#endif

/* Recorded blocks: 4 bytes of length and the block, then 2 bytes with the number of fields, and for each
 * 2 bytes of length and the name, and likewise the value; numbers are big endian. */
struct recorded {
	struct span bytes; /* owned */
	size_t *at; /* owned: where each block begins */
	size_t n;
};

static size_t number_at(struct span bytes, size_t at, size_t len)
{
	size_t value = 0;

	assert_true(at + len <= bytes.len);
	for (size_t i = 0; i < len; i++)
		value = value << 8 | bytes.at[at + i];
	return value;
}

/* Reads the block at `at` into `list`; returns where the next begins. */
static size_t read_recorded(struct span bytes, size_t at, struct span *ret_block)
{
	size_t len = number_at(bytes, at, 4), fields;

	*ret_block = (struct span){bytes.at + at + 4, len};
	at += 4 + len;
	fields = number_at(bytes, at, 2);
	at += 2;
	list.n = 0;
	for (size_t i = 0; i < 2 * fields; i++) {
		size_t text = number_at(bytes, at, 2);
		struct span *to = i % 2 ? &list.fields[i / 2].value : &list.fields[i / 2].name;

		assert_true(i / 2 < MODEL_FIELDS);
		*to = (struct span){bytes.at + at + 2, text};
		at += 2 + text;
	}
	list.n = fields;
	return at;
}

static struct recorded load_recorded(const char *name)
{
	char path[512];
	FILE *file;
	uint8_t *bytes = malloc(1 << 20);
	struct recorded recorded = {.at = calloc(1 << 16, sizeof(size_t))};
	struct span block;

	snprintf(path, sizeof(path), "%s/%s", TESTDATA, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	recorded.bytes = (struct span){bytes, fread(bytes, 1, 1 << 20, file)};
	fclose(file);
	for (size_t at = 0; at < recorded.bytes.len; at = read_recorded(recorded.bytes, at, &block))
		recorded.at[recorded.n++] = at;
	return recorded;
}

/* Each file holds one connection; it is joined again and again. */
static void join_recorded(const char *name, struct random *random)
{
	struct recorded recorded = load_recorded(name);
	uint64_t blocks = model_blocks(USUAL_BLOCKS / 4);
	struct model model;

	assert_true(recorded.n > 100);
	model_init(&model);
	for (bool is_first = true; model.blocks < blocks; is_first = false) {
		size_t from = is_first ? 0 : random_below(random, recorded.n);
		struct span block;

		model.hpack.keeps_all = random_below(random, 2);
		model_again(&model);
		if (is_first)
			hpack_start(&model.hpack);
		for (size_t i = from; i < recorded.n; i++) {
			read_recorded(recorded.bytes, recorded.at[i], &block);
			if (!is_first && !random_below(random, 1000))
				hpack_lose(&model.hpack);
			else
				model_check(&model, block, list.fields, list.n);
		}
		if (is_first)
			assert_int_equal(model.named, model.fields);
	}
	report(name, &model);
	model_done(&model);
	free((void *)recorded.bytes.at);
	free(recorded.at);
}

static void never_names_wrongly_what_go_wrote(void **state)
{
	struct random random = random_seeded();

	join_recorded("go.hpack", &random);
	join_recorded("go-quiet.hpack", &random);
}

static void never_names_wrongly_what_python_wrote(void **state)
{
	struct random random = random_seeded();

	join_recorded("python.hpack", &random);
	join_recorded("python-quiet.hpack", &random);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_names_wrongly_what_our_own_encoder_wrote),
#ifdef HAVE_NGHTTP2
		cmocka_unit_test(never_names_wrongly_what_nghttp2_wrote),
#endif
		cmocka_unit_test(never_names_wrongly_what_go_wrote),
		cmocka_unit_test(never_names_wrongly_what_python_wrote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
