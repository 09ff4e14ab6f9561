// SPDX-License-Identifier: GPL-2.0-only
/*
 * kit_disk - a disk that fails when told to, and that remembers what a power cut would leave.
 *
 * Everything goes to the kernel as well. Beside it a record is kept: per file its durable bytes (as
 * of its last sync) and the list of later changes; per name which file it durably means (as of the
 * last sync of the folder) and the list of later changes of names. A power cut keeps, of the
 * changes that were not synced, a beginning of chance length for each file (the last write perhaps
 * torn), and a beginning for the names: that is what a journaling file system may do to both,
 * independently. SQLite is brought under the same regime by a layer over its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/kit.h"

enum { FILES_MAX = 8192, NAMES_MAX = 8192, OPEN_MAX = 1024 };

/* A change of a file: bytes written at a place, or (bytes NULL) a new length. */
struct change {
	uint64_t offset, len;
	uint8_t *bytes; /* owned */
};

struct inode {
	uint8_t *durable; /* owned */
	uint64_t durable_len;
	struct change *change; /* owned; since the last sync */
	size_t changes, room;
	uint64_t len; /* now */
};

/* A change of names: `name` means `inode` from now on, or nothing (-1). A rename is two of them
 * that belong together. */
struct naming {
	char name[128];
	int inode;
	bool with_next;
};

struct kit_record {
	char path[128];
	struct inode inode[FILES_MAX];
	int inodes;
	struct naming now[NAMES_MAX]; /* the present names */
	int names;
	struct naming durable[NAMES_MAX];
	int durable_names;
	struct naming *change; /* owned */
	size_t changes, room;
	int open[OPEN_MAX]; /* file descriptor -> inode + 1 */
};

static int *meaning(struct naming *names, int *count, const char *name, bool make)
{
	for (int i = 0; i < *count; i++)
		if (!strcmp(names[i].name, name))
			return &names[i].inode;
	if (!make)
		return NULL;
	if (*count == NAMES_MAX)
		abort();
	snprintf(names[*count].name, sizeof(names->name), "%s", name);
	names[*count].inode = -1;
	return &names[(*count)++].inode;
}

static void forget_name(struct naming *names, int *count, const char *name)
{
	for (int i = 0; i < *count; i++)
		if (!strcmp(names[i].name, name)) {
			names[i] = names[--*count];
			return;
		}
}

static void set_name(struct naming *names, int *count, const struct naming *change)
{
	if (change->inode < 0)
		forget_name(names, count, change->name);
	else
		*meaning(names, count, change->name, true) = change->inode;
}

static void change_name(struct kit_record *record, const char *name, int inode, bool with_next)
{
	struct naming change = {.inode = inode, .with_next = with_next};

	snprintf(change.name, sizeof(change.name), "%s", name);
	if (record->changes == record->room) {
		record->room = record->room ? record->room * 2 : 64;
		record->change = realloc(record->change, record->room * sizeof(*record->change));
	}
	record->change[record->changes++] = change;
	set_name(record->now, &record->names, &change);
}

static struct inode *inode_of(struct kit_record *record, int file)
{
	return record && file >= 0 && file < OPEN_MAX && record->open[file]
		       ? &record->inode[record->open[file] - 1]
		       : NULL;
}

static void note_open(struct kit_record *record, const char *name, int flags, int file)
{
	int *inode = meaning(record->now, &record->names, name, false);

	if (file >= OPEN_MAX)
		abort();
	if (!inode && (flags & O_CREAT)) {
		if (record->inodes == FILES_MAX)
			abort();
		change_name(record, name, record->inodes++, false);
		inode = meaning(record->now, &record->names, name, false);
	}
	record->open[file] = inode ? *inode + 1 : 0;
}

static void note_change(struct inode *inode, uint64_t offset, const void *bytes, uint64_t len)
{
	struct change change = {.offset = offset, .len = len};

	if (!inode)
		return;
	if (bytes) {
		change.bytes = malloc(len + 1);
		memcpy(change.bytes, bytes, len);
	}
	if (inode->changes == inode->room) {
		inode->room = inode->room ? inode->room * 2 : 8;
		inode->change = realloc(inode->change, inode->room * sizeof(*inode->change));
	}
	inode->change[inode->changes++] = change;
	inode->len = bytes ? (offset + len > inode->len ? offset + len : inode->len) : len;
}

/* One change, of whose bytes the first `part` arrived. */
static void apply(uint8_t **bytes, uint64_t *len, const struct change *change, uint64_t part)
{
	uint64_t need = change->bytes ? change->offset + part : change->len;

	if (!change->bytes || need > *len) {
		*bytes = realloc(*bytes, need + 1);
		if (need > *len)
			memset(*bytes + *len, 0, need - *len);
		*len = need;
	}
	if (change->bytes)
		memcpy(*bytes + change->offset, change->bytes, part);
}

static void note_sync(struct inode *inode)
{
	for (size_t i = 0; inode && i < inode->changes; i++) {
		apply(&inode->durable, &inode->durable_len, &inode->change[i],
		      inode->change[i].len);
		free(inode->change[i].bytes);
	}
	if (inode)
		inode->changes = 0;
}

static void note_sync_dir(struct kit_record *record)
{
	for (size_t i = 0; record && i < record->changes; i++)
		set_name(record->durable, &record->durable_names, &record->change[i]);
	if (record)
		record->changes = 0;
}

static void write_survivor(struct kit_disk *disk, const struct inode *inode, const char *path,
			   const char *name)
{
	uint8_t *bytes = malloc(inode->durable_len + 1);
	uint64_t len = inode->durable_len;
	size_t kept = inode->changes ? kit_below(disk->seed, inode->changes + 1) : 0;
	char full[512];
	int file;

	if (len)
		memcpy(bytes, inode->durable, len);
	for (size_t i = 0; i < kept; i++) {
		const struct change *change = &inode->change[i];
		bool torn = i + 1 == kept && kit_below(disk->seed, 2);

		apply(&bytes, &len, change,
		      torn && change->len ? kit_below(disk->seed, change->len) : change->len);
	}
	snprintf(full, sizeof(full), "%s/%s", path, name);
	file = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	if (file < 0 || write(file, bytes, len) != (ssize_t)len)
		abort();
	close(file);
	free(bytes);
}

void kit_power_cut(struct kit_disk *disk, const char *to)
{
	struct kit_record *record = disk->record;
	struct naming *names = malloc(sizeof(record->durable));
	int count = record->durable_names;
	size_t kept = record->changes ? kit_below(disk->seed, record->changes + 1) : 0;

	memcpy(names, record->durable, sizeof(record->durable));
	if (kept && kept < record->changes && record->change[kept - 1].with_next)
		kept++; /* a rename is one step */
	for (size_t i = 0; i < kept; i++)
		set_name(names, &count, &record->change[i]);
	for (int i = 0; i < count; i++)
		write_survivor(disk, &record->inode[names[i].inode], to, names[i].name);
	free(names);
}

/* A changing call: shall it fail? */
static int obstacle(struct kit_disk *disk)
{
	disk->calls++;
	if (disk->read_only)
		return -EROFS;
	if (!disk->fail_in || --disk->fail_in)
		return 0;
	if (disk->fail_on)
		disk->fail_in = 1;
	return -disk->fail_with;
}

static const struct disk *kernel = &disk_of_kernel;

static int kit_open(void *ctx, int dir, const char *name, int flags)
{
	struct kit_disk *disk = ctx;
	bool changes = (flags & O_ACCMODE) != O_RDONLY;
	int error = changes ? obstacle(disk) : 0, file;

	if (error)
		return error;
	file = kernel->open(NULL, dir, name, flags);
	if (file >= 0 && disk->record) {
		note_open(disk->record, name, flags, file);
		if (flags & O_TRUNC)
			note_change(inode_of(disk->record, file), 0, NULL, 0);
	}
	return file;
}

static int kit_close(void *ctx, int file)
{
	struct kit_disk *disk = ctx;

	if (disk->record && file < OPEN_MAX)
		disk->record->open[file] = 0;
	return kernel->close(NULL, file);
}

static ssize_t kit_append(void *ctx, int file, const void *bytes, size_t len)
{
	struct kit_disk *disk = ctx;
	struct inode *inode = inode_of(disk->record, file);
	int error = obstacle(disk);
	ssize_t written;

	if (error)
		return error;
	if (disk->room >= 0 && (int64_t)len > disk->room)
		len = (size_t)disk->room;
	if (!len)
		return -ENOSPC;
	if (len > 1 && kit_below(disk->seed, 8) == 0)
		len = 1 + kit_below(disk->seed, len - 1); /* a short write */
	written = kernel->append(NULL, file, bytes, len);
	if (written > 0) {
		note_change(inode, inode ? inode->len : 0, bytes, (uint64_t)written);
		if (disk->room >= 0)
			disk->room -= written;
	}
	return written;
}

static ssize_t kit_read(void *ctx, int file, void *bytes, size_t len, uint64_t offset)
{
	struct kit_disk *disk = ctx;

	if (len > 1 && kit_below(disk->seed, 8) == 0)
		len = 1 + kit_below(disk->seed, len - 1);
	return kernel->read(NULL, file, bytes, len, offset);
}

static int64_t kit_size(void *ctx, int file)
{
	return kernel->size(NULL, file);
}

static int kit_cut(void *ctx, int file, uint64_t size)
{
	struct kit_disk *disk = ctx;
	int error = obstacle(disk);

	if (!error)
		error = kernel->cut(NULL, file, size);
	if (!error)
		note_change(inode_of(disk->record, file), 0, NULL, size);
	return error;
}

static int kit_sync(void *ctx, int file)
{
	struct kit_disk *disk = ctx;
	int error = obstacle(disk);

	if (!error) /* the tests write much and the record says what is durable: the disk itself is spared */
		note_sync(inode_of(disk->record, file));
	return error;
}

static int kit_rename(void *ctx, int dir, const char *from, const char *to)
{
	struct kit_disk *disk = ctx;
	int error = obstacle(disk), *inode;

	if (!error)
		error = kernel->rename(NULL, dir, from, to);
	if (!error && disk->record) {
		inode = meaning(disk->record->now, &disk->record->names, from, false);
		if (inode) {
			change_name(disk->record, to, *inode, true);
			change_name(disk->record, from, -1, false);
		}
	}
	return error;
}

static int kit_unlink(void *ctx, int dir, const char *name)
{
	struct kit_disk *disk = ctx;
	int error = obstacle(disk);
	struct stat stat;

	if (error)
		return error;
	if (disk->room >= 0 && !fstatat(dir, name, &stat, 0))
		disk->room += stat.st_size;
	error = kernel->unlink(NULL, dir, name);
	if (!error && disk->record)
		change_name(disk->record, name, -1, false);
	return error;
}

static int kit_sync_dir(void *ctx, int dir)
{
	struct kit_disk *disk = ctx;
	int error = obstacle(disk);

	if (!error)
		note_sync_dir(disk->record);
	return error;
}

static int64_t kit_room(void *ctx, int dir)
{
	struct kit_disk *disk = ctx;

	return disk->room >= 0 ? disk->room : (int64_t)1 << 40;
}

static int64_t kit_wall_ns(void *ctx)
{
	return ((struct kit_disk *)ctx)->wall_ns;
}

static int64_t kit_mono_ns(void *ctx)
{
	return ((struct kit_disk *)ctx)->mono_ns;
}

void kit_disk_init(struct kit_disk *disk)
{
	*disk = (struct kit_disk){
		.disk = {disk, kit_open, kit_close, kit_append, kit_read, kit_size, kit_cut,
			 kit_sync, kit_rename, kit_unlink, kit_sync_dir, kit_room, kit_wall_ns,
			 kit_mono_ns},
		.wall_ns = 1790000000000000000,
		.mono_ns = 1000000000000,
		.room = -1,
		.seed = {1, 2, 3},
	};
}

/* What is there at the beginning is durable. */
static void record_file(const char *path, const char *name, void *ctx)
{
	struct kit_record *record = ctx;
	struct inode *inode = &record->inode[record->inodes];
	char full[512];
	struct stat stat;
	int file;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	file = open(full, O_RDONLY);
	if (file < 0 || fstat(file, &stat) || record->inodes == FILES_MAX)
		abort();
	inode->len = inode->durable_len = (uint64_t)stat.st_size;
	inode->durable = malloc(inode->len + 1);
	if (read(file, inode->durable, inode->len) != (ssize_t)inode->len)
		abort();
	close(file);
	change_name(record, name, record->inodes++, false);
	note_sync_dir(record);
}

void kit_disk_record(struct kit_disk *disk, const char *path)
{
	disk->record = calloc(1, sizeof(*disk->record));
	if (!disk->record)
		abort();
	snprintf(disk->record->path, sizeof(disk->record->path), "%s", path);
	kit_each_file(path, record_file, disk->record);
}

void kit_disk_done(struct kit_disk *disk)
{
	struct kit_record *record = disk->record;

	if (!record)
		return;
	for (int i = 0; i < record->inodes; i++) {
		for (size_t k = 0; k < record->inode[i].changes; k++)
			free(record->inode[i].change[k].bytes);
		free(record->inode[i].change);
		free(record->inode[i].durable);
	}
	free(record->change);
	free(record);
	disk->record = NULL;
}

/* A layer for SQLite over its own: the same record, the same limits. */
static struct kit_disk *regent;

struct kit_file {
	sqlite3_file head;
	struct inode *inode; /* NULL: not recorded */
	bool sync_name; /* a new journal: SQLite's unix layer syncs the folder with the first sync */
	sqlite3_file *real; /* stands behind this struct */
};

static struct kit_file *kit_file(sqlite3_file *file)
{
	return (struct kit_file *)file;
}

static sqlite3_file *real(sqlite3_file *file)
{
	return kit_file(file)->real;
}

static int layer_close(sqlite3_file *file)
{
	return real(file)->pMethods->xClose(real(file));
}

static int layer_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 offset)
{
	return real(file)->pMethods->xRead(real(file), bytes, len, offset);
}

static int layer_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
	struct inode *inode = kit_file(file)->inode;
	int code;

	if (inode && obstacle(regent))
		return SQLITE_IOERR_WRITE;
	if (inode && regent->room >= 0) {
		int64_t grows = offset + len - (int64_t)inode->len;

		if (grows > regent->room)
			return SQLITE_FULL;
		regent->room -= grows > 0 ? grows : 0;
	}
	code = real(file)->pMethods->xWrite(real(file), bytes, len, offset);
	if (code == SQLITE_OK)
		note_change(inode, (uint64_t)offset, bytes, (uint64_t)len);
	return code;
}

static int layer_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int code = real(file)->pMethods->xTruncate(real(file), size);

	if (code == SQLITE_OK)
		note_change(kit_file(file)->inode, 0, NULL, (uint64_t)size);
	return code;
}

static int layer_sync(sqlite3_file *file, int flags)
{
	struct kit_file *mine = kit_file(file);

	if (mine->inode && obstacle(regent))
		return SQLITE_IOERR_FSYNC;
	note_sync(mine->inode);
	if (mine->inode && mine->sync_name)
		note_sync_dir(regent->record);
	mine->sync_name = false;
	return SQLITE_OK;
}

static int layer_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real(file)->pMethods->xFileSize(real(file), size);
}

static int layer_lock(sqlite3_file *file, int level)
{
	return real(file)->pMethods->xLock(real(file), level);
}

static int layer_unlock(sqlite3_file *file, int level)
{
	return real(file)->pMethods->xUnlock(real(file), level);
}

static int layer_reserved(sqlite3_file *file, int *ret)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), ret);
}

static int layer_control(sqlite3_file *file, int op, void *arg)
{
	/* hints about the size would grow the file behind our back */
	if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
		return SQLITE_OK;
	return real(file)->pMethods->xFileControl(real(file), op, arg);
}

static int layer_sector(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int layer_device(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

/* Version 1: without shared memory, which exclusive mode does not need. */
static const sqlite3_io_methods layer_methods = {
	.iVersion = 1,
	.xClose = layer_close,
	.xRead = layer_read,
	.xWrite = layer_write,
	.xTruncate = layer_truncate,
	.xSync = layer_sync,
	.xFileSize = layer_size,
	.xLock = layer_lock,
	.xUnlock = layer_unlock,
	.xCheckReservedLock = layer_reserved,
	.xFileControl = layer_control,
	.xSectorSize = layer_sector,
	.xDeviceCharacteristics = layer_device,
};

static const char *name_within(const char *path)
{
	size_t len = regent && regent->record ? strlen(regent->record->path) : 0;

	if (!path || !len || strncmp(path, regent->record->path, len) != 0 || path[len] != '/')
		return NULL;
	return path + len + 1;
}

static int layer_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
		      int *ret_flags)
{
	sqlite3_vfs *under = vfs->pAppData;
	struct kit_file *mine = kit_file(file);
	const char *name = name_within(path);
	bool is_new = name && !meaning(regent->record->now, &regent->record->names, name, false);
	int code, *inode;

	*mine = (struct kit_file){.real = (sqlite3_file *)(mine + 1)};
	code = under->xOpen(under, path, mine->real, flags, ret_flags);
	if (code != SQLITE_OK)
		return code;
	mine->head.pMethods = &layer_methods;
	if (!name)
		return code;
	if (is_new)
		change_name(regent->record, name, regent->record->inodes++, false);
	inode = meaning(regent->record->now, &regent->record->names, name, false);
	mine->inode = &regent->record->inode[*inode];
	mine->sync_name = is_new && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL));
	return code;
}

static int layer_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	sqlite3_vfs *under = vfs->pAppData;
	int code = under->xDelete(under, path, sync);

	if (code == SQLITE_OK && name_within(path)) {
		change_name(regent->record, name_within(path), -1, false);
		if (sync)
			note_sync_dir(regent->record);
	}
	return code;
}

const char *kit_sqlite(struct kit_disk *disk)
{
	static sqlite3_vfs layer;

	regent = disk;
	if (!layer.zName) {
		sqlite3_vfs *under = sqlite3_vfs_find("unix");

		layer = *under;
		layer.iVersion = 1;
		layer.pNext = NULL;
		layer.zName = "kit";
		layer.pAppData = under;
		layer.szOsFile = (int)sizeof(struct kit_file) + under->szOsFile;
		layer.xOpen = layer_open;
		layer.xDelete = layer_delete;
		sqlite3_vfs_register(&layer, 0);
	}
	return "kit";
}
