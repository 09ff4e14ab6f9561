// SPDX-License-Identifier: GPL-2.0-only
/*
 * brought - items of others over a restart: files NAME.bpf.o, perhaps with NAME.yaml beside them, in two folders.
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
enum { STEM_BYTES = 64 };
static const char suffix[] = ".bpf.o", yaml_suffix[] = ".yaml";

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

/* "accept-latency.bpf.o" -> "accept-latency": names of configurations are freer than those of items. */
static bool stem_of(const char *file, const char *ending, char stem[STEM_BYTES])
{
	size_t len = strlen(file), end = strlen(ending);

	if (len <= end || strcmp(file + len - end, ending) != 0 || len - end >= STEM_BYTES || file[0] == '.')
		return false;
	memcpy(stem, file, len - end);
	stem[len - end] = 0;
	return true;
}

int brought_pick(const struct api_file *files, size_t count, char *name, struct span *ret_yaml, struct span *ret_elf,
		 struct err *why)
{
	char yaml[STEM_BYTES] = "", elf[STEM_BYTES] = "";

	*ret_yaml = *ret_elf = (struct span){};
	for (size_t i = 0; i < count; i++)
		if (stem_of(files[i].name, suffix, elf))
			*ret_elf = files[i].bytes;
		else if (stem_of(files[i].name, yaml_suffix, yaml))
			*ret_yaml = files[i].bytes;
		else
			return err_set(why, -EINVAL,
				       "'%s' is no part of an item; an item is NAME.bpf.o, a configuration of ebpf_exporter "
				       "NAME.yaml and NAME.bpf.o",
				       files[i].name);
	if (*elf && *yaml && strcmp(elf, yaml) != 0)
		return err_set(why, -EINVAL, "'%s.yaml' and '%s.bpf.o' have different names; rename one", yaml, elf);
	snprintf(name, STEM_BYTES, "%s", *elf ? elf : yaml);
	return 0;
}

static int add(struct agent *agent, const char *stem, struct span yaml, struct span elf, struct err *why)
{
	struct item *item;
	char name[ITEM_NAME_BYTES];

	if (yaml.len)
		return registry_add_config(agent->registry, stem, yaml, elf, &item, why);
	if (strlen(stem) >= sizeof(name))
		return err_set(why, -EINVAL, "its name has more than %zu letters; rename it", sizeof(name) - 1);
	return registry_add(agent->registry, stem, elf, &item, why);
}

static void bring(struct agent *agent, int folder, const char *path, const char *file)
{
	char stem[STEM_BYTES], yaml_file[STEM_BYTES + 8];
	struct buf elf, yaml;
	struct err why = {};
	bool has_yaml;

	if (!stem_of(file, suffix, stem) || registry_find(agent->registry, stem))
		return;
	snprintf(yaml_file, sizeof(yaml_file), "%s%s", stem, yaml_suffix);
	has_yaml = !faccessat(folder, yaml_file, F_OK, 0);
	buf_init(&elf, OBJECT_BYTES + 65536);
	buf_init(&yaml, OBJECT_BYTES + 65536);
	if (read_file(folder, file, &elf, &why) || (has_yaml && read_file(folder, yaml_file, &yaml, &why)) ||
	    add(agent, stem, buf_as_span(&yaml), buf_as_span(&elf), &why))
		log_warn("'%s/%s' is left out: %s", path, file, why.text);
	buf_done(&yaml);
	buf_done(&elf);
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
static int replace(const char *path, const char *stem, const char *ending, struct span bytes)
{
	char file[STEM_BYTES + 16], fresh[STEM_BYTES + 16];
	int folder, error;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	snprintf(file, sizeof(file), "%s%s", stem, ending);
	snprintf(fresh, sizeof(fresh), "%s.new", stem);
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

void brought_keep(struct agent *agent, const struct item *item)
{
	struct span yaml = item_config_text(item);
	char own[PATH_BYTES];
	int error = 0;

	own_folder(agent, own);
	if (agent->options.only || !*own)
		return;
	if (yaml.len)
		error = replace(own, item_config_name(item), yaml_suffix, yaml);
	if (!error)
		error = replace(own, item_config_name(item), suffix, item_object_bytes(item));
	if (error)
		log_warn("item '%s' serves, but will not be there after a restart: cannot write to "
			 "'%s': %s",
			 item_name(item), own, err_name(error));
}

void brought_forget(struct agent *agent, const struct item *item)
{
	char own[PATH_BYTES], path[PATH_BYTES + STEM_BYTES + 16];

	own_folder(agent, own);
	if (agent->options.only || !*own)
		return;
	snprintf(path, sizeof(path), "%s/%s%s", own, item_config_name(item), suffix);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s%s", own, item_config_name(item), yaml_suffix);
	unlink(path);
}

static int read_pair(const char *folder, const struct item *item, struct buf *ret_yaml, struct buf *ret_elf,
		     struct err *why)
{
	char path[PATH_BYTES + STEM_BYTES + 16];

	if (item_config_text(item).len) {
		snprintf(path, sizeof(path), "%s/%s%s", folder, item_config_name(item), yaml_suffix);
		if (read_file(AT_FDCWD, path, ret_yaml, why))
			return why->code;
	}
	snprintf(path, sizeof(path), "%s/%s%s", folder, item_config_name(item), suffix);
	return read_file(AT_FDCWD, path, ret_elf, why);
}

int brought_read(struct agent *agent, const struct item *item, struct buf *ret_yaml, struct buf *ret_elf,
		 struct err *why)
{
	const char *shared = config_text(agent->config, "items_dir");
	char folder[2][PATH_BYTES], path[PATH_BYTES + STEM_BYTES + 16];

	snprintf(folder[0], PATH_BYTES, "%s", shared ? shared : "");
	own_folder(agent, folder[1]);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", folder[i], item_config_name(item), suffix);
		if (!access(path, F_OK))
			return read_pair(folder[i], item, ret_yaml, ret_elf, why);
	}
	return err_set(why, -ENOENT,
		       "'%s' has no file of its own; send the new one: sonde items upgrade %s FILE",
		       item_name(item), item_name(item));
}
