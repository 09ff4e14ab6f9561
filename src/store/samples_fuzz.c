// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as a file of samples: refused, or all its series can be read without harm, with times that rise. The first byte
 * chooses: the bytes are the whole file; or pieces and a footer; or the points of one series; or doubles and times, which
 * must come back bit by bit.
 */
#include "store/samples.h"

#include <stdlib.h>

#include "store/fuzz_disk.h"

enum { POINTS = 4096 };

static void put_tail(struct buf *file, uint64_t footer_at)
{
	uint32_t footer_len = (uint32_t)(file->len - footer_at);

	buf_word(file, footer_at);
	buf_half(file, footer_len);
	buf_half(file, 0); /* sums are not checked here (sum_is) */
	buf_half(file, FILE_VERSION);
	buf_half(file, FILE_SAMPLES);
	buf_half(file, 0);
	buf_half(file, 0);
	buf_str(file, "SONDEEND");
}

/* Length of the pieces (2), pieces, footer. The pieces of `in` are packed as one: the footer may name it. */
static void make_file(struct buf *file, struct codec *codec, struct span in, bool packed)
{
	size_t pieces = in.len < 2 ? 0 : (size_t)(in.at[0] | in.at[1] << 8) % (in.len - 1);

	if (in.len < 2)
		return;
	buf_str(file, "SONDESEG");
	buf_half(file, FILE_VERSION);
	buf_half(file, FILE_SAMPLES);
	if (packed)
		codec_pack(codec, (struct span){in.at + 2, pieces}, file);
	else
		buf_add(file, in.at + 2, pieces);
	pieces = file->len;
	codec_pack(codec, span_from(in, 2 + (size_t)(in.at[0] | in.at[1] << 8) % (in.len - 1)),
		   file);
	put_tail(file, pieces);
}

static void read_file(struct span bytes, struct codec *codec)
{
	static struct samples_reader reader;
	static struct run_of_points points;

	fuzz_file = bytes;
	if (samples_open(&reader, &fuzz_disk, 0, "fuzz", codec, NULL))
		return;
	for (uint32_t group = 0; group < reader.groups; group++) {
		(void)samples_may_hold(&reader, group, span_of("\10__name__"));
		if (samples_group(&reader, group))
			continue;
		for (uint32_t i = 0; i < reader.group[group].series; i++) {
			if (!labels_valid(reader.labels[i]))
				abort();
			if (samples_points(&reader, i, &points))
				continue;
			for (uint32_t k = 1; k < points.count; k++)
				if (points.time_ms[k] <= points.time_ms[k - 1])
					abort();
		}
	}
	samples_close(&reader);
}

static void read_points(struct span in)
{
	static int64_t times[POINTS];
	static double values[POINTS];
	uint32_t count = in.len < 2 ? 1 : (uint32_t)(in.at[0] | in.at[1] << 8) % POINTS + 1;
	struct reader reader = reader_of(span_from(in, 2));

	if (times_read(&reader, count, times))
		for (uint32_t i = 1; i < count; i++)
			if (times[i] <= times[i - 1])
				abort();
	reader = reader_of(span_from(in, 2));
	(void)values_read(&reader, count, values);
}

static void go_and_come_back(struct span in)
{
	static int64_t times[POINTS], times_back[POINTS], scratch[POINTS];
	static double values[POINTS], values_back[POINTS];
	uint32_t count = (uint32_t)(in.len / 9) < POINTS ? (uint32_t)(in.len / 9) : POINTS;
	struct reader reader;
	struct buf text;

	if (!count)
		return;
	memcpy(values, in.at, count * sizeof(*values));
	for (uint32_t i = 0; i < count; i++)
		times[i] = (i ? times[i - 1] : -5000) + 1 + in.at[count * 8 + i] * 100;
	buf_init(&text, 1 << 20);
	times_write(times, count, &text);
	reader = reader_of(buf_as_span(&text));
	if (!times_read(&reader, count, times_back) ||
	    memcmp(times, times_back, count * sizeof(*times)))
		abort();
	buf_clear(&text);
	values_write(values, count, scratch, &text);
	reader = reader_of(buf_as_span(&text));
	if (!values_read(&reader, count, values_back) ||
	    memcmp(values, values_back, count * sizeof(*values)))
		abort();
	buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static struct codec codec;
	struct span in = {at, len};
	struct buf file;

	if (!len || (!codec.pack && codec_init(&codec)))
		return 0;
	in = span_from(in, 1);
	buf_init(&file, 1 << 20);
	switch (at[0] % 5) {
	case 0: read_file(in, &codec); break;
	case 1:
	case 2:
		make_file(&file, &codec, in, at[0] % 5 == 1);
		read_file(buf_as_span(&file), &codec);
		break;
	case 3: read_points(in); break;
	default: go_and_come_back(in);
	}
	buf_done(&file);
	return 0;
}
