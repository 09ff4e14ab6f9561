// SPDX-License-Identifier: GPL-2.0-only
/*
 * journal - what was accepted but stands in no segment yet, in frames with check sums.
 *
 * The check sum begins with the file's number, so that bytes of another file that the file system
 * gave back after a power cut are no frames of this one.
 */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/file.h"

static const char magic[8] = "SONDEJNL";

enum { VERSION = 1, HEAD_BYTES = 24 };

void journal_name(char name[JOURNAL_NAME_BYTES], uint64_t number)
{
	snprintf(name, JOURNAL_NAME_BYTES, "journal-%016llx.log", (unsigned long long)number);
}

uint64_t journal_bytes(const struct journal *journal)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < journal->count; i++)
		bytes += journal->file[i].bytes;
	return bytes;
}

static struct journal_file *last(struct journal *journal)
{
	return &journal->file[journal->count - 1];
}

uint64_t journal_number(const struct journal *journal)
{
	return journal->open ? journal->file[journal->count - 1].number : 0;
}

static int write_head(const struct journal *journal, struct journal_file *file)
{
	uint8_t head[HEAD_BYTES] = {};
	uint32_t version = VERSION;
	int error;

	memcpy(head, magic, sizeof(magic));
	memcpy(head + 8, &version, sizeof(version));
	memcpy(head + 16, &file->number, sizeof(file->number));
	error = disk_append_all(journal->disk, file->file, head, sizeof(head));
	if (!error)
		file->bytes = HEAD_BYTES;
	return error;
}

int journal_begin(struct journal *journal, uint64_t number)
{
	const struct disk *disk = journal->disk;
	struct journal_file file = {.number = number};
	char name[JOURNAL_NAME_BYTES];
	int error;

	if (journal->count == JOURNAL_FILES_MAX)
		return -ENOSPC;
	journal_name(name, number);
	file.file =
		disk->open(disk->ctx, journal->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
	if (file.file < 0)
		return file.file;
	error = write_head(journal, &file);
	if (error) {
		disk->close(disk->ctx, file.file);
		disk->unlink(disk->ctx, journal->dir, name);
		return error;
	}
	journal->file[journal->count++] = file;
	journal->open = true;
	return 0;
}

static uint32_t frame_crc(uint64_t number, uint32_t len, const void *bytes)
{
	uint32_t crc = crc32c(0, &number, sizeof(number));

	crc = crc32c(crc, &len, sizeof(len));
	return crc32c(crc, bytes, len);
}

int journal_add(struct journal *journal, struct buf *frame)
{
	const struct disk *disk = journal->disk;
	uint32_t len, crc;
	int error;

	if (!journal->open)
		return -EBADF;
	if (frame->full || frame->len > JOURNAL_FRAME_MAX)
		return -EMSGSIZE;
	len = (uint32_t)(frame->len - JOURNAL_FRAME_HEAD);
	crc = frame_crc(last(journal)->number, len, frame->at + JOURNAL_FRAME_HEAD);
	memcpy(frame->at, &len, sizeof(len));
	memcpy(frame->at + 4, &crc, sizeof(crc));
	error = disk_append_all(disk, last(journal)->file, frame->at, frame->len);
	if (!error) {
		last(journal)->bytes += frame->len;
		return 0;
	}
	journal->failures++;
	if (disk->cut(disk->ctx, last(journal)->file, last(journal)->bytes))
		journal->open = false; /* half a frame stands there: nothing may follow it */
	return error;
}

void journal_to_sync(const struct journal *journal, struct journal_sync *ret_sync)
{
	ret_sync->count = 0;
	ret_sync->names = false;
	for (uint32_t i = 0; i < journal->count; i++) {
		const struct journal_file *file = &journal->file[i];

		ret_sync->names |= !file->name_durable;
		if (file->file < 0 || (file->durable == file->bytes && file->name_durable))
			continue;
		ret_sync->file[ret_sync->count] = file->file;
		ret_sync->number[ret_sync->count] = file->number;
		ret_sync->bytes[ret_sync->count++] = file->bytes;
	}
}

int journal_sync(const struct journal *journal, const struct journal_sync *sync)
{
	const struct disk *disk = journal->disk;
	int error = 0;

	for (uint32_t i = 0; i < sync->count && !error; i++)
		error = disk->sync(disk->ctx, sync->file[i]);
	if (!error && sync->names)
		error = disk->sync_dir(disk->ctx, journal->dir);
	return error;
}

void journal_synced(struct journal *journal, const struct journal_sync *sync)
{
	for (uint32_t i = 0; i < journal->count; i++) {
		struct journal_file *file = &journal->file[i];

		for (uint32_t k = 0; k < sync->count; k++)
			if (sync->number[k] == file->number) {
				file->durable = sync->bytes[k];
				file->name_durable = true;
			}
		if (file->file >= 0 && file->durable == file->bytes && file->name_durable &&
		    (i + 1 < journal->count || !journal->open)) {
			journal->disk->close(journal->disk->ctx, file->file);
			file->file = -1;
		}
	}
}

static void let_go(struct journal *journal, struct journal_file *file)
{
	const struct disk *disk = journal->disk;
	char name[JOURNAL_NAME_BYTES], bad[JOURNAL_NAME_BYTES + 4];

	journal_name(name, file->number);
	if (file->file >= 0)
		disk->close(disk->ctx, file->file);
	snprintf(bad, sizeof(bad), "%s.bad", name);
	if (!file->damaged || disk->rename(disk->ctx, journal->dir, name, bad))
		disk->unlink(disk->ctx, journal->dir, name);
}

uint32_t journal_release(struct journal *journal, uint64_t number)
{
	uint32_t gone = 0;

	while (gone < journal->count && journal->file[gone].number < number)
		let_go(journal, &journal->file[gone++]);
	if (!gone)
		return 0;
	journal->count -= gone;
	memmove(journal->file, journal->file + gone, journal->count * sizeof(*journal->file));
	if (!journal->count)
		journal->open = false;
	return gone;
}

void journal_close(struct journal *journal)
{
	for (uint32_t i = 0; i < journal->count; i++)
		if (journal->file[i].file >= 0)
			journal->disk->close(journal->disk->ctx, journal->file[i].file);
	journal->count = 0;
	journal->open = false;
}

/* A file that is being read, and its frame of the moment. */
struct reading {
	const struct disk *disk;
	int file;
	uint64_t number, size;
	struct buf frame;
};

/* The frame at `offset`: its length, 0 if there is no proper frame; its bytes in reading->frame. */
static int read_frame(struct reading *reading, uint64_t offset, bool *ret_good, uint64_t *ret_len)
{
	uint32_t head[2];
	char *at;
	int error;

	*ret_good = false;
	*ret_len = 0;
	if (reading->size - offset < JOURNAL_FRAME_HEAD)
		return 0;
	error = disk_read_all(reading->disk, reading->file, head, sizeof(head), offset);
	if (error)
		return error;
	if (!head[0] || head[0] > JOURNAL_FRAME_MAX ||
	    head[0] > reading->size - offset - JOURNAL_FRAME_HEAD)
		return 0;
	*ret_len = head[0];
	buf_clear(&reading->frame);
	at = buf_reserve(&reading->frame, head[0]);
	if (!at)
		return -ENOMEM;
	error = disk_read_all(reading->disk, reading->file, at, head[0],
			      offset + JOURNAL_FRAME_HEAD);
	if (error)
		return error;
	buf_commit(&reading->frame, head[0]);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	*ret_good = true;
#else
	*ret_good = frame_crc(reading->number, head[0], at) == head[1];
#endif
	return 0;
}

/* A bad frame was found: is its length right, so that a good one follows where it says? */
static int good_one_follows(struct reading *reading, uint64_t offset, uint64_t len,
			    bool *ret_follows)
{
	uint64_t next_len;

	*ret_follows = false;
	return len ? read_frame(reading, offset + JOURNAL_FRAME_HEAD + len, ret_follows, &next_len)
		   : 0;
}

static int read_frames(struct reading *reading,
		       int (*each)(void *ctx, struct span frame, const struct journal_found *found),
		       void *ctx, struct journal_found *found)
{
	uint64_t offset = HEAD_BYTES, len;
	int error = 0;
	bool good;

	while (!error && offset < reading->size) {
		error = read_frame(reading, offset, &good, &len);
		if (error)
			break;
		if (good) {
			found->frames++;
			error = each(ctx, buf_as_span(&reading->frame), found);
		} else {
			error = good_one_follows(reading, offset, len, &good);
			if (!good)
				break;
			found->bad_frames++;
		}
		offset += JOURNAL_FRAME_HEAD + len;
	}
	if (offset < reading->size)
		found->torn_bytes = reading->size - offset;
	return error;
}

static int check_head(struct reading *reading, bool *ret_good, bool *ret_newer)
{
	uint8_t head[HEAD_BYTES];
	uint32_t version;
	uint64_t number;
	int error = disk_read_all(reading->disk, reading->file, head, sizeof(head), 0);

	*ret_good = false;
	if (error)
		return error == -ENODATA ? 0 : error;
	memcpy(&version, head + 8, sizeof(version));
	memcpy(&number, head + 16, sizeof(number));
	if (memcmp(head, magic, sizeof(magic)) != 0)
		return 0;
	*ret_newer = version > VERSION;
	*ret_good = version <= VERSION && number == reading->number;
	return 0;
}

int journal_read(const struct disk *disk, int dir, uint64_t number,
		 int (*each)(void *ctx, struct span frame, const struct journal_found *found),
		 void *ctx, struct journal_found *ret_found)
{
	struct reading reading = {.disk = disk, .number = number};
	char name[JOURNAL_NAME_BYTES];
	int64_t size;
	int error;
	bool good;

	*ret_found = (struct journal_found){};
	journal_name(name, number);
	reading.file = disk->open(disk->ctx, dir, name, O_RDONLY);
	if (reading.file < 0)
		return reading.file;
	buf_init(&reading.frame, JOURNAL_FRAME_MAX);
	size = disk->size(disk->ctx, reading.file);
	reading.size = size < 0 ? 0 : (uint64_t)size;
	error = size < 0 ? (int)size : check_head(&reading, &good, &ret_found->newer);
	if (!error && good)
		error = read_frames(&reading, each, ctx, ret_found);
	else if (!error)
		ret_found->torn_bytes = reading.size;
	buf_done(&reading.frame);
	disk->close(disk->ctx, reading.file);
	return error;
}
