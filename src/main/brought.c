// SPDX-License-Identifier: GPL-2.0-only
/*
 * brought - items of others over a restart: files NAME.bpf.o in two folders.
 *
 * `items_dir` is the administrator's: it is read, never written. What comes over the API is kept in the folder `items`
 * below store.path, which is ours. A name that is in both is the administrator's file. A file that is no item is left
 * where it is, and one sentence says so.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "main/agent_private.h"

enum { OBJECT_BYTES = 16 << 20, PATH_BYTES = 4096 };
static const char suffix[] = ".bpf.o";

bool brought_name(const char *file, char name[ITEM_NAME_BYTES])
{
	size_t len = strlen(file), end = sizeof(suffix) - 1;

	if (len <= end || strcmp(file + len - end, suffix) != 0 || len - end >= ITEM_NAME_BYTES)
		return false;
	memcpy(name, file, len - end);
	name[len - end] = 0;
	return true;
}

/* "" when there is no such folder. */
static void own_folder(const struct agent *agent, char path[PATH_BYTES])
{
	const char *state = config_text(agent->config, "store.path");

	path[0] = 0;
	if (state && snprintf(path, PATH_BYTES, "%s/items", state) >= PATH_BYTES)
		path[0] = 0;
}

static int read_file(int folder, const char *file, struct buf *out, struct err *why)
{
	int fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat is;
	ssize_t got = 0;

	if (fd < 0)
		return err_set(why, -errno, "cannot open '%s': %s", file, err_name(errno));
	if (fstat(fd, &is) || !S_ISREG(is.st_mode) || is.st_size > OBJECT_BYTES) {
		close(fd);
		return err_set(why, -EINVAL, "'%s' is no file of at most 16 MiB", file);
	}
	do {
		char *at = buf_reserve(out, 65536);

		got = at ? read(fd, at, 65536) : -1;
		if (got > 0)
			buf_commit(out, (size_t)got);
	} while (got > 0);
	close(fd);
	return got < 0 ? err_set(why, -EIO, "cannot read '%s'", file) : 0;
}

static void bring(struct agent *agent, int folder, const char *path, const char *file)
{
	char name[ITEM_NAME_BYTES];
	struct item *item;
	struct err why = {};
	struct buf bytes;

	if (!brought_name(file, name) || registry_find(agent->registry, name))
		return;
	buf_init(&bytes, OBJECT_BYTES + 65536);
	if (read_file(folder, file, &bytes, &why) ||
	    registry_add(agent->registry, name, buf_as_span(&bytes), &item, &why))
		log_warn("'%s/%s' is left out: %s", path, file, why.text);
	buf_done(&bytes);
}

static void bring_folder(struct agent *agent, const char *path)
{
	DIR *folder = *path ? opendir(path) : NULL;
	const struct dirent *entry;

	if (!folder) {
		if (*path && errno != ENOENT)
			log_warn("cannot read the items in '%s': %s", path, err_name(errno));
		return;
	}
	while ((entry = readdir(folder)))
		bring(agent, dirfd(folder), path, entry->d_name);
	closedir(folder);
}

void brought_load(struct agent *agent)
{
	const char *shared = config_text(agent->config, "items_dir");
	char own[PATH_BYTES];

	bring_folder(agent, shared ? shared : "");
	own_folder(agent, own);
	bring_folder(agent, own);
}

static int write_whole(int folder, const char *file, struct span bytes)
{
	int fd = openat(folder, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), error = 0;

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < bytes.len && !error;) {
		ssize_t wrote = write(fd, bytes.at + at, bytes.len - at);

		if (wrote < 0)
			error = -errno;
		else
			at += (size_t)wrote;
	}
	if (!error && fsync(fd))
		error = -errno;
	close(fd);
	return error;
}

/* Beside the old file first, then in its place: a crash leaves the one or the other. */
static int replace(const char *path, const char *name, struct span bytes)
{
	char file[ITEM_NAME_BYTES + 16], fresh[ITEM_NAME_BYTES + 16];
	int folder, error;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	snprintf(file, sizeof(file), "%s%s", name, suffix);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	error = write_whole(folder, fresh, bytes);
	if (!error && renameat(folder, fresh, folder, file))
		error = -errno;
	if (error)
		unlinkat(folder, fresh, 0);
	else
		fsync(folder);
	close(folder);
	return error;
}

void brought_keep(struct agent *agent, const char *name, struct span bytes)
{
	char own[PATH_BYTES];
	int error;

	own_folder(agent, own);
	if (agent->options.only || !*own)
		return;
	error = replace(own, name, bytes);
	if (error)
		log_warn("item '%s' serves, but will not be there after a restart: cannot write to "
			 "'%s': %s",
			 name, own, err_name(error));
}

void brought_forget(struct agent *agent, const char *name)
{
	char own[PATH_BYTES], path[PATH_BYTES + ITEM_NAME_BYTES + 16];

	own_folder(agent, own);
	if (agent->options.only || !*own)
		return;
	snprintf(path, sizeof(path), "%s/%s%s", own, name, suffix);
	unlink(path);
}

int brought_read(struct agent *agent, const char *name, struct buf *out, struct err *why)
{
	const char *shared = config_text(agent->config, "items_dir");
	char own[PATH_BYTES], path[2][PATH_BYTES + ITEM_NAME_BYTES + 16];

	own_folder(agent, own);
	snprintf(path[0], sizeof(path[0]), "%s/%s%s", shared ? shared : "", name, suffix);
	snprintf(path[1], sizeof(path[1]), "%s/%s%s", own, name, suffix);
	for (int i = 0; i < 2; i++)
		if (!access(path[i], F_OK))
			return read_file(AT_FDCWD, path[i], out, why);
	return err_set(why, -ENOENT,
		       "'%s' has no file of its own; send the new one: sonde items upgrade %s FILE",
		       name, name);
}
