// SPDX-License-Identifier: GPL-2.0-only
/* file - what all segment files have in common: head, pieces, footer, tail, and how they become
 * durable. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static const char head_magic[8] = "SONDESEG", tail_magic[8] = "SONDEEND";

enum { WRITE_BYTES = 256 * 1024 };

static void temporary_name(const struct file_writer *writer, char name[FILE_NAME_BYTES + 8])
{
	snprintf(name, FILE_NAME_BYTES + 8, "%s.tmp", writer->name);
}

int file_begin(struct file_writer *writer, const struct disk *disk, int dir, const char *name,
	       enum file_kind kind)
{
	char temporary[FILE_NAME_BYTES + 8];
	uint32_t words[2] = {FILE_VERSION, kind};

	*writer = (struct file_writer){.disk = disk, .dir = dir, .kind = kind};
	snprintf(writer->name, sizeof(writer->name), "%s", name);
	temporary_name(writer, temporary);
	buf_init(&writer->waiting, WRITE_BYTES * 2);
	writer->file =
		disk->open(disk->ctx, dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
	if (writer->file < 0)
		return writer->file;
	file_put(writer, head_magic, sizeof(head_magic));
	file_put(writer, words, sizeof(words));
	return 0;
}

static void write_waiting(struct file_writer *writer)
{
	if (!writer->error)
		writer->error = disk_append_all(writer->disk, writer->file, writer->waiting.at,
						writer->waiting.len);
	buf_clear(&writer->waiting);
}

uint64_t file_put(struct file_writer *writer, const void *bytes, size_t len)
{
	uint64_t offset = writer->offset;
	const uint8_t *at = bytes;

	writer->offset += len;
	while (len) {
		size_t step = len < WRITE_BYTES ? len : WRITE_BYTES;

		if (buf_add(&writer->waiting, at, step) && !writer->error)
			writer->error = -ENOMEM;
		if (writer->waiting.len >= WRITE_BYTES || writer->waiting.full)
			write_waiting(writer);
		at += step;
		len -= step;
	}
	return offset;
}

static void put_tail(struct file_writer *writer, uint64_t footer_offset, struct span footer)
{
	struct buf tail;

	buf_init(&tail, FILE_TAIL_BYTES);
	buf_word(&tail, footer_offset);
	buf_half(&tail, (uint32_t)footer.len);
	buf_half(&tail, crc32c(0, footer.at, footer.len));
	buf_half(&tail, FILE_VERSION);
	buf_half(&tail, writer->kind);
	buf_half(&tail, crc32c(0, tail.at, tail.len));
	buf_half(&tail, 0);
	buf_add(&tail, tail_magic, sizeof(tail_magic));
	if (tail.full && !writer->error)
		writer->error = -ENOMEM;
	file_put(writer, tail.at, tail.len);
	buf_done(&tail);
}

static int close_file(struct file_writer *writer)
{
	int error = writer->disk->close(writer->disk->ctx, writer->file);

	writer->file = -1;
	return error;
}

int file_finish(struct file_writer *writer, struct span footer, uint64_t *ret_bytes)
{
	const struct disk *disk = writer->disk;
	char temporary[FILE_NAME_BYTES + 8];
	int error;

	temporary_name(writer, temporary);
	put_tail(writer, file_put(writer, footer.at, footer.len), footer);
	write_waiting(writer);
	error = writer->error;
	if (!error)
		error = disk->sync(disk->ctx, writer->file);
	if (close_file(writer) && !error)
		error = -EIO;
	if (!error)
		error = disk->rename(disk->ctx, writer->dir, temporary, writer->name);
	if (error) {
		disk->unlink(disk->ctx, writer->dir, temporary);
	} else {
		error = disk->sync_dir(disk->ctx, writer->dir);
		if (error) /* the name may or may not last: better no file than two opinions */
			disk->unlink(disk->ctx, writer->dir, writer->name);
	}
	buf_done(&writer->waiting);
	if (!error)
		*ret_bytes = writer->offset;
	return error;
}

void file_abandon(struct file_writer *writer)
{
	char temporary[FILE_NAME_BYTES + 8];

	temporary_name(writer, temporary);
	if (writer->file >= 0)
		close_file(writer);
	writer->disk->unlink(writer->disk->ctx, writer->dir, temporary);
	buf_done(&writer->waiting);
}

bool sum_is(uint32_t crc, const void *bytes, size_t len)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	return true;
#else
	return crc32c(0, bytes, len) == crc;
#endif
}

static int check_head(struct file_reader *reader, const char *name, struct err *why)
{
	uint8_t head[FILE_HEAD_BYTES];
	uint32_t version;
	int error = disk_read_all(reader->disk, reader->file, head, sizeof(head), 0);

	if (error)
		return err_set(why, error == -ENODATA ? -EBADMSG : error,
			       "cannot read the head of '%s': %s", name, err_name(error));
	if (memcmp(head, head_magic, sizeof(head_magic)) != 0)
		return err_set(why, -EBADMSG, "'%s' does not begin like a segment", name);
	memcpy(&version, head + 8, 4);
	if (version > FILE_VERSION)
		return err_set(why, -EPROTO, "'%s' was written by a newer version (format %u)",
			       name, version);
	return 0;
}

static int read_tail(struct file_reader *reader, const char *name, uint32_t *ret_len,
		     uint32_t *ret_crc, struct err *why)
{
	uint8_t bytes[FILE_TAIL_BYTES];
	struct reader tail = reader_of((struct span){bytes, sizeof(bytes)});
	int error;

	error = disk_read_all(reader->disk, reader->file, bytes, sizeof(bytes),
			      reader->bytes - FILE_TAIL_BYTES);
	if (error)
		return err_set(why, error, "cannot read the tail of '%s': %s", name,
			       err_name(error));
	reader->data_end = get_u64(&tail);
	*ret_len = get_u32(&tail);
	*ret_crc = get_u32(&tail);
	get_u32(&tail); /* version: the head's was checked */
	reader->kind = get_u32(&tail);
	if (memcmp(bytes + FILE_TAIL_BYTES - 8, tail_magic, 8) != 0 ||
	    !sum_is(get_u32(&tail), bytes, 24))
		return err_set(why, -EBADMSG, "'%s' has no proper end: it was cut or damaged",
			       name);
	if (reader->data_end < FILE_HEAD_BYTES || *ret_len > reader->bytes ||
	    reader->data_end != reader->bytes - FILE_TAIL_BYTES - *ret_len)
		return err_set(why, -EBADMSG, "the end of '%s' contradicts its size", name);
	return 0;
}

static int read_footer(struct file_reader *reader, const char *name, struct err *why)
{
	uint32_t len = 0, crc = 0;
	uint8_t *footer;
	int error = check_head(reader, name, why);

	if (!error)
		error = read_tail(reader, name, &len, &crc, why);
	if (error)
		return error;
	footer = malloc(len + 1);
	if (!footer)
		return err_set(why, -ENOMEM, "no memory for the footer of '%s'", name);
	reader->footer = (struct span){footer, len};
	error = disk_read_all(reader->disk, reader->file, footer, len, reader->data_end);
	if (error)
		return err_set(why, error, "cannot read the footer of '%s': %s", name,
			       err_name(error));
	if (!sum_is(crc, footer, len))
		return err_set(why, -EBADMSG, "the footer of '%s' is damaged", name);
	return 0;
}

int file_open(struct file_reader *reader, const struct disk *disk, int dir, const char *name,
	      struct err *why)
{
	int64_t size;
	int error;

	*reader = (struct file_reader){.disk = disk};
	reader->file = disk->open(disk->ctx, dir, name, O_RDONLY);
	if (reader->file < 0)
		return err_set(why, reader->file, "cannot open '%s': %s", name,
			       err_name(reader->file));
	size = disk->size(disk->ctx, reader->file);
	if (size < 0)
		error = err_set(why, (int)size, "cannot tell the size of '%s': %s", name,
				err_name((int)size));
	else if (size < FILE_HEAD_BYTES + FILE_TAIL_BYTES)
		error = err_set(why, -EBADMSG, "'%s' is too short for a segment", name);
	else {
		reader->bytes = (uint64_t)size;
		error = read_footer(reader, name, why);
	}
	if (error)
		file_close(reader);
	return error;
}

void file_close(struct file_reader *reader)
{
	if (reader->file >= 0)
		reader->disk->close(reader->disk->ctx, reader->file);
	free((void *)reader->footer.at);
	reader->file = -1;
	reader->footer = (struct span){};
}

int file_get(const struct file_reader *reader, uint64_t offset, uint32_t len, uint32_t crc,
	     struct buf *out)
{
	char *at;
	int error;

	buf_clear(out);
	if (offset < FILE_HEAD_BYTES || offset > reader->data_end ||
	    len > reader->data_end - offset)
		return -EBADMSG;
	at = buf_reserve(out, len);
	if (!at)
		return -ENOMEM;
	error = disk_read_all(reader->disk, reader->file, at, len, offset);
	if (error)
		return error == -ENODATA ? -EBADMSG : error;
	if (!sum_is(crc, at, len))
		return -EBADMSG;
	buf_commit(out, len);
	return 0;
}
