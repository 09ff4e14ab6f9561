// SPDX-License-Identifier: GPL-2.0-only
/*
 * samples - the samples of many series as an immutable file.
 *
 *	labels of a group	per series: kind, length, labels (labels.h)
 *	points of a group	number of lists of times; per list: count, length, times (points.h);
 *				per series: which list, length, and per field SAME + number of an earlier
 *				field with the same values, or OWN and the values (points.h)
 *
 * Both packed. The footer: number, written, first, next, rolled, tier, series, samples, least and greatest
 * time; per group: series, pieces, least and greatest time, first labels.
 */
#include "store/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { OWN = 255 };
enum {
	GROUP_BYTES_MAX = 64 << 20, /* of labels or points, unpacked */
	FIRST_ROOM = 64,
};

int points_room(struct run_of_points *points, uint32_t count)
{
	uint32_t room = points->room ? points->room : FIRST_ROOM;

	if (count <= points->room)
		return 0;
	while (room < count)
		room *= 2;
	for (int i = -1; i < FIELDS_MAX; i++) {
		void **at = i < 0 ? (void **)&points->time_ms : (void **)&points->field[i];
		void *more = realloc(*at, room * sizeof(double));

		if (!more)
			return -ENOMEM;
		*at = more;
	}
	points->room = room;
	return 0;
}

void points_done(struct run_of_points *points)
{
	free(points->time_ms);
	for (int i = 0; i < FIELDS_MAX; i++)
		free(points->field[i]);
	*points = (struct run_of_points){};
}

void samples_name(char name[FILE_NAME_BYTES], const char *tier, uint64_t number)
{
	snprintf(name, FILE_NAME_BYTES, "%s-%016llx.seg", tier, (unsigned long long)number);
}

int samples_begin(struct samples_writer *writer, const struct disk *disk, int dir,
		  struct codec *codec, const struct samples_facts *facts)
{
	char name[FILE_NAME_BYTES];

	memset(writer, 0, sizeof(*writer));
	writer->codec = codec;
	writer->facts = *facts;
	writer->facts.time_min_ms = INT64_MAX;
	writer->facts.time_max_ms = INT64_MIN;
	buf_init(&writer->labels, GROUP_BYTES_MAX);
	buf_init(&writer->points, GROUP_BYTES_MAX);
	buf_init(&writer->first, GROUP_BYTES_MAX);
	buf_init(&writer->groups, FILE_FOOTER_MAX);
	samples_name(name, facts->tier, facts->number);
	writer->scratch = malloc(POINTS_MAX * sizeof(*writer->scratch));
	if (!writer->scratch) {
		writer->file.file = -1;
		return -ENOMEM;
	}
	return file_begin(&writer->file, disk, dir, name, FILE_SAMPLES);
}

static void writer_done(struct samples_writer *writer)
{
	buf_done(&writer->labels);
	buf_done(&writer->points);
	buf_done(&writer->first);
	buf_done(&writer->groups);
	free(writer->times_seen);
	free(writer->scratch);
	writer->times_seen = writer->scratch = NULL;
}

void samples_abandon(struct samples_writer *writer)
{
	if (writer->file.disk)
		file_abandon(&writer->file);
	writer_done(writer);
}

/* The number of the list with these times, new if need be. */
static int find_list(struct samples_writer *writer, const struct run_of_points *points)
{
	size_t bytes = points->count * sizeof(*points->time_ms);

	for (uint32_t i = writer->lists; i-- > 0;)
		if (writer->list_count[i] == points->count &&
		    !memcmp(writer->times_seen + writer->list_at[i], points->time_ms, bytes))
			return (int)i;
	if (writer->times_used + points->count > writer->times_room) {
		uint32_t room = writer->times_room * 2 + points->count;
		int64_t *seen = realloc(writer->times_seen, room * sizeof(*seen));

		if (!seen)
			return -ENOMEM;
		writer->times_seen = seen;
		writer->times_room = room;
	}
	memcpy(writer->times_seen + writer->times_used, points->time_ms, bytes);
	writer->list_at[writer->lists] = writer->times_used;
	writer->list_count[writer->lists] = points->count;
	writer->times_used += points->count;
	return (int)writer->lists++;
}

/* A length of 4 bytes in front of what was appended since. */
static void close_length(struct buf *out, size_t from)
{
	uint32_t len = (uint32_t)(out->len - from - sizeof(len));

	if (!out->full)
		memcpy(out->at + from, &len, sizeof(len));
}

static void write_fields(struct samples_writer *writer, const struct run_of_points *points,
			 unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		unsigned same = 0;

		while (same < i && memcmp(points->field[same], points->field[i],
					  points->count * sizeof(double)) != 0)
			same++;
		buf_char(&writer->points, (char)(same < i ? (int)same : OWN));
		if (same == i)
			values_write(points->field[i], points->count, writer->scratch,
				     &writer->points);
	}
}

static int put_packed(struct samples_writer *writer, const struct buf *plain, struct buf *footer)
{
	struct buf packed;
	int error;

	buf_init(&packed, GROUP_BYTES_MAX + 1024);
	error = plain->full ? -ENOMEM : codec_pack(writer->codec, buf_as_span(plain), &packed);
	if (!error) {
		buf_varint(footer, file_put(&writer->file, packed.at, packed.len));
		buf_varint(footer, packed.len);
		buf_half(footer, crc32c(0, packed.at, packed.len));
	}
	buf_done(&packed);
	return error;
}

/* The lists of times come first: readers need them before the series. */
static int end_group(struct samples_writer *writer)
{
	struct buf points;
	int error;

	if (!writer->in_group)
		return 0;
	buf_init(&points, GROUP_BYTES_MAX);
	buf_varint(&points, writer->lists);
	for (uint32_t i = 0; i < writer->lists; i++) {
		size_t from;

		buf_varint(&points, writer->list_count[i]);
		from = points.len;
		buf_half(&points, 0);
		times_write(writer->times_seen + writer->list_at[i], writer->list_count[i],
			    &points);
		close_length(&points, from);
	}
	buf_span(&points, buf_as_span(&writer->points));
	buf_varint(&writer->groups, writer->in_group);
	error = put_packed(writer, &writer->labels, &writer->groups);
	if (!error)
		error = put_packed(writer, &points, &writer->groups);
	buf_varint(&writer->groups, zigzag(writer->group_min));
	buf_varint(&writer->groups, zigzag(writer->group_max));
	buf_span(&writer->groups, buf_as_span(&writer->first));
	buf_done(&points);
	buf_clear(&writer->labels);
	buf_clear(&writer->points);
	buf_clear(&writer->first);
	writer->in_group = writer->lists = writer->times_used = 0;
	return error;
}

int samples_add(struct samples_writer *writer, struct span labels, enum store_series_kind kind,
		const struct run_of_points *points)
{
	int64_t first, last;
	size_t from;
	int list;

	if (!points->count || points->count > POINTS_MAX)
		return points->count ? -E2BIG : 0;
	list = find_list(writer, points);
	if (list < 0)
		return list;
	first = points->time_ms[0];
	last = points->time_ms[points->count - 1];
	if (!writer->in_group++) {
		buf_text_span(&writer->first, labels);
		writer->group_min = first;
		writer->group_max = last;
	}
	writer->group_min = first < writer->group_min ? first : writer->group_min;
	writer->group_max = last > writer->group_max ? last : writer->group_max;
	if (first < writer->facts.time_min_ms)
		writer->facts.time_min_ms = first;
	if (last > writer->facts.time_max_ms)
		writer->facts.time_max_ms = last;
	writer->facts.series++;
	writer->facts.samples += points->count;
	buf_char(&writer->labels, (char)kind);
	buf_text_span(&writer->labels, labels);
	buf_varint(&writer->points, (uint64_t)list);
	from = writer->points.len;
	buf_half(&writer->points, 0);
	write_fields(writer, points, fields_of(kind, writer->facts.rolled));
	close_length(&writer->points, from);
	return writer->in_group == GROUP_SERIES ? end_group(writer) : 0;
}

static void write_facts(const struct samples_facts *facts, struct buf *footer)
{
	buf_varint(footer, facts->number);
	buf_varint(footer, zigzag(facts->written_ns));
	buf_varint(footer, facts->first);
	buf_varint(footer, facts->next);
	buf_varint(footer, facts->rolled);
	buf_text_span(footer, span_of(facts->tier));
	buf_varint(footer, facts->series);
	buf_varint(footer, facts->samples);
	buf_varint(footer, zigzag(facts->time_min_ms));
	buf_varint(footer, zigzag(facts->time_max_ms));
}

int samples_finish(struct samples_writer *writer, struct samples_facts *ret_facts,
		   uint64_t *ret_bytes)
{
	struct buf footer, packed;
	int error = end_group(writer);

	if (!error && !writer->facts.series)
		error = -ENODATA;
	buf_init(&footer, FILE_FOOTER_MAX);
	buf_init(&packed, FILE_FOOTER_MAX);
	write_facts(&writer->facts, &footer);
	buf_span(&footer, buf_as_span(&writer->groups));
	if (!error)
		error = footer.full ? -ENOMEM
				    : codec_pack(writer->codec, buf_as_span(&footer), &packed);
	if (error)
		file_abandon(&writer->file);
	else
		error = file_finish(&writer->file, buf_as_span(&packed), ret_bytes);
	if (!error)
		*ret_facts = writer->facts;
	buf_done(&footer);
	buf_done(&packed);
	writer_done(writer);
	return error;
}

static bool read_facts(struct reader *footer, struct samples_facts *facts)
{
	struct span tier;

	facts->number = get_varint(footer);
	facts->written_ns = unzigzag(get_varint(footer));
	facts->first = get_varint(footer);
	facts->next = get_varint(footer);
	facts->rolled = get_varint(footer) != 0;
	tier = get_text(footer);
	facts->series = get_varint(footer);
	facts->samples = get_varint(footer);
	facts->time_min_ms = unzigzag(get_varint(footer));
	facts->time_max_ms = unzigzag(get_varint(footer));
	if (footer->bad || tier.len >= STORE_NAME_BYTES)
		return false;
	memcpy(facts->tier, tier.at, tier.len);
	return true;
}

static struct piece read_piece(struct reader *footer)
{
	struct piece piece = {.offset = get_varint(footer)};
	uint64_t len = get_varint(footer);

	piece.len = (uint32_t)len;
	piece.crc = get_u32(footer);
	footer->bad |= len > GROUP_BYTES_MAX;
	return piece;
}

static bool read_group(struct reader *footer, struct samples_group *group)
{
	uint64_t series = get_varint(footer);

	group->series = (uint32_t)series;
	group->labels = read_piece(footer);
	group->points = read_piece(footer);
	group->time_min_ms = unzigzag(get_varint(footer));
	group->time_max_ms = unzigzag(get_varint(footer));
	group->first = get_text(footer);
	return !footer->bad && series && series <= GROUP_SERIES;
}

static int read_footer(struct samples_reader *reader)
{
	struct reader footer = reader_of(buf_as_span(&reader->footer));
	uint64_t series = 0;

	if (reader->file.kind != FILE_SAMPLES || !read_facts(&footer, &reader->facts))
		return -EBADMSG;
	while (reader_left(&footer)) {
		if (reader->groups % FIRST_ROOM == 0) {
			size_t room = reader->groups + FIRST_ROOM;
			struct samples_group *groups =
				realloc(reader->group, room * sizeof(*groups));

			if (!groups)
				return -ENOMEM;
			reader->group = groups;
		}
		if (!read_group(&footer, &reader->group[reader->groups]))
			return -EBADMSG;
		series += reader->group[reader->groups++].series;
	}
	return series && series == reader->facts.series ? 0 : -EBADMSG;
}

int samples_open(struct samples_reader *reader, const struct disk *disk, int dir, const char *name,
		 struct codec *codec, struct err *why)
{
	int error;

	memset(reader, 0, sizeof(*reader));
	reader->codec = codec;
	buf_init(&reader->footer, FILE_FOOTER_MAX);
	buf_init(&reader->raw, GROUP_BYTES_MAX);
	buf_init(&reader->labels_bytes, GROUP_BYTES_MAX);
	buf_init(&reader->points_bytes, GROUP_BYTES_MAX);
	error = file_open(&reader->file, disk, dir, name, why);
	if (error)
		return error;
	error = codec_unpack(codec, reader->file.footer, FILE_FOOTER_MAX, &reader->footer);
	if (!error)
		error = read_footer(reader);
	if (error) {
		samples_close(reader);
		return err_set(why, error == -ENOMEM ? error : -EBADMSG,
			       "the footer of '%s' makes no sense", name);
	}
	return 0;
}

void samples_close(struct samples_reader *reader)
{
	file_close(&reader->file);
	free(reader->group);
	reader->group = NULL;
	reader->groups = reader->open = 0;
	buf_done(&reader->footer);
	buf_done(&reader->raw);
	buf_done(&reader->labels_bytes);
	buf_done(&reader->points_bytes);
}

static int get_packed(struct samples_reader *reader, const struct piece *piece, struct buf *out)
{
	int error = file_get(&reader->file, piece->offset, piece->len, piece->crc, &reader->raw);

	buf_clear(out);
	return error ? error
		     : codec_unpack(reader->codec, buf_as_span(&reader->raw), GROUP_BYTES_MAX, out);
}

int samples_group(struct samples_reader *reader, uint32_t number)
{
	const struct samples_group *group = &reader->group[number];
	struct reader labels;
	int error;

	if (reader->open == number + 1)
		return 0;
	reader->open = 0;
	reader->has_points = false;
	error = get_packed(reader, &group->labels, &reader->labels_bytes);
	if (error)
		return error;
	labels = reader_of(buf_as_span(&reader->labels_bytes));
	for (uint32_t i = 0; i < group->series; i++) {
		unsigned kind = get_u8(&labels);

		reader->labels[i] = get_text(&labels);
		reader->kind[i] = kind;
		if (labels.bad || (kind != SERIES_GAUGE && kind != SERIES_COUNTER) ||
		    !labels_valid(reader->labels[i]) ||
		    (i && labels_order(reader->labels[i - 1], reader->labels[i]) >= 0))
			return -EBADMSG;
	}
	if (reader_left(&labels))
		return -EBADMSG;
	reader->open = number + 1;
	return 0;
}

static int read_points(struct samples_reader *reader)
{
	const struct samples_group *group = &reader->group[reader->open - 1];
	struct reader points;
	uint64_t lists;
	int error = get_packed(reader, &group->points, &reader->points_bytes);

	if (error)
		return error;
	points = reader_of(buf_as_span(&reader->points_bytes));
	lists = get_varint(&points);
	if (points.bad || lists > GROUP_SERIES)
		return -EBADMSG;
	reader->lists = (uint32_t)lists;
	for (uint32_t i = 0; i < lists; i++) {
		uint64_t count = get_varint(&points);

		reader->times_count[i] = (uint32_t)count;
		reader->times[i] = get_bytes(&points, get_u32(&points));
		if (points.bad || !count || count > POINTS_MAX)
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < group->series; i++) {
		const uint8_t *from = points.at;

		get_varint(&points);
		get_bytes(&points, get_u32(&points));
		reader->points[i] = (struct span){from, (size_t)(points.at - from)};
	}
	if (points.bad || reader_left(&points))
		return -EBADMSG;
	reader->has_points = true;
	return 0;
}

static bool read_fields(struct reader *from, unsigned fields, struct run_of_points *points)
{
	for (unsigned i = 0; i < fields; i++) {
		unsigned same = get_u8(from);

		if (same == OWN) {
			if (!values_read(from, points->count, points->field[i]))
				return false;
		} else if (same < i) {
			memcpy(points->field[i], points->field[same],
			       points->count * sizeof(double));
		} else {
			return false;
		}
	}
	return !from->bad && !reader_left(from);
}

int samples_points(struct samples_reader *reader, uint32_t series, struct run_of_points *points)
{
	struct reader from, times, fields;
	uint64_t list;
	int error = reader->has_points ? 0 : read_points(reader);

	points->count = 0;
	if (error)
		return error;
	from = reader_of(reader->points[series]);
	list = get_varint(&from);
	fields = reader_of(get_bytes(&from, get_u32(&from)));
	if (list >= reader->lists)
		return -EBADMSG;
	error = points_room(points, reader->times_count[list]);
	if (error)
		return error;
	points->count = reader->times_count[list];
	times = reader_of(reader->times[list]);
	if (times_read(&times, points->count, points->time_ms) &&
	    read_fields(&fields, fields_of(reader->kind[series], reader->facts.rolled), points))
		return 0;
	points->count = 0;
	return -EBADMSG;
}

bool samples_may_hold(const struct samples_reader *reader, uint32_t number, struct span prefix)
{
	const struct samples_group *group = &reader->group[number];
	struct span first = group->first;

	/* all of its series stand before the first one of the next group */
	if (number + 1 < reader->groups && labels_order(group[1].first, prefix) < 0)
		return false;
	if (labels_order(first, prefix) <= 0)
		return true;
	return first.len >= prefix.len && !memcmp(first.at, prefix.at, prefix.len);
}
