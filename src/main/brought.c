// SPDX-License-Identifier: GPL-2.0-only
/*
 * brought - items of others over a restart: files NAME.bpf.o, perhaps with NAME.yaml beside them, or NAME.bt, in two
 * folders.
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
enum { STEM_BYTES = sizeof(((struct brought_files *)0)->stem) };
static const char suffix[] = ".bpf.o", yaml_suffix[] = ".yaml", script_suffix[] = ".bt";

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

int brought_pick(const struct api_file *files, size_t count, struct brought_files *ret, struct err *why)
{
	char yaml[STEM_BYTES] = "", elf[STEM_BYTES] = "", script[STEM_BYTES] = "";

	*ret = (struct brought_files){};
	for (size_t i = 0; i < count; i++)
		if (stem_of(files[i].name, suffix, elf))
			ret->object = files[i].bytes;
		else if (stem_of(files[i].name, yaml_suffix, yaml))
			ret->yaml = files[i].bytes;
		else if (stem_of(files[i].name, script_suffix, script))
			ret->script = files[i].bytes;
		else
			return err_set(why, -EINVAL,
				       "'%s' is no part of an item; an item is NAME.bpf.o, a script NAME.bt, a configuration of "
				       "ebpf_exporter NAME.yaml and NAME.bpf.o",
				       files[i].name);
	if (*script && (*elf || *yaml))
		return err_set(why, -EINVAL, "'%s.bt' is an item of its own; send it alone", script);
	if (*elf && *yaml && strcmp(elf, yaml) != 0)
		return err_set(why, -EINVAL, "'%s.yaml' and '%s.bpf.o' have different names; rename one", yaml, elf);
	snprintf(ret->stem, STEM_BYTES, "%s", *script ? script : *elf ? elf : yaml);
	return 0;
}

int brought_add(struct agent *agent, const struct brought_files *files, struct item **ret_item, struct err *why)
{
	char name[ITEM_NAME_BYTES];

	if (!files->object.len && !files->script.len)
		return err_set(why, -EINVAL,
			       "an item is one file NAME.bpf.o or NAME.bt, or NAME.yaml and NAME.bpf.o; write it as "
			       "docs/writing-items.md says");
	if (files->yaml.len)
		return registry_add_config(agent->registry, files->stem, files->yaml, files->object, ret_item, why);
	if (strlen(files->stem) >= sizeof(name))
		return err_set(why, -EINVAL, "its name has more than %zu letters; rename it", sizeof(name) - 1);
	if (files->script.len)
		return registry_add_script(agent->registry, files->stem, files->script, ret_item, why);
	return registry_add(agent->registry, files->stem, files->object, ret_item, why);
}

/* Of a folder: the file, and the YAML beside an object. */
static int read_files(int folder, const char *ending, struct buf bytes[2], struct brought_files *files, struct err *why)
{
	bool is_script = !strcmp(ending, script_suffix);
	char file[STEM_BYTES + 8], yaml[STEM_BYTES + 8];
	int error;

	snprintf(file, sizeof(file), "%s%s", files->stem, ending);
	snprintf(yaml, sizeof(yaml), "%s%s", files->stem, yaml_suffix);
	error = read_file(folder, file, &bytes[0], why);
	if (!error && !is_script && !faccessat(folder, yaml, F_OK, 0))
		error = read_file(folder, yaml, &bytes[1], why);
	*(is_script ? &files->script : &files->object) = buf_as_span(&bytes[0]);
	files->yaml = buf_as_span(&bytes[1]);
	return error;
}

static void init_bytes(struct buf bytes[2])
{
	buf_init(&bytes[0], OBJECT_BYTES + 65536);
	buf_init(&bytes[1], OBJECT_BYTES + 65536);
}

static void bring(struct agent *agent, int folder, const char *path, const char *file)
{
	struct brought_files files = {};
	const char *ending = suffix;
	struct buf bytes[2];
	struct err why = {};
	struct item *item;

	if (!stem_of(file, suffix, files.stem) && !stem_of(file, ending = script_suffix, files.stem))
		return;
	if (registry_find(agent->registry, files.stem))
		return;
	init_bytes(bytes);
	if (read_files(folder, ending, bytes, &files, &why) || brought_add(agent, &files, &item, &why))
		log_warn("'%s/%s' is left out: %s", path, file, why.text);
	buf_done(&bytes[0]);
	buf_done(&bytes[1]);
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

bool brought_is_there(const struct agent *agent, const char *stem)
{
	static const char *const endings[] = {suffix, yaml_suffix, script_suffix};
	const char *shared = config_text(agent->config, "items_dir");
	char own[PATH_BYTES], path[PATH_BYTES + STEM_BYTES + 16];
	bool is_there = false;

	own_folder(agent, own);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		for (int n = 0; n < 2; n++) {
			snprintf(path, sizeof(path), "%s/%s%s", n ? own : shared ? shared : "", stem, endings[i]);
			is_there |= !access(path, F_OK);
		}
	return is_there;
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
	if (!error && item_script_text(item).len)
		error = replace(own, item_name(item), script_suffix, item_script_text(item));
	else if (!error)
		error = replace(own, item_config_name(item), suffix, item_object_bytes(item));
	if (error)
		log_warn("item '%s' serves, but will not be there after a restart: cannot write to "
			 "'%s': %s",
			 item_name(item), own, err_name(error));
}

void brought_forget(struct agent *agent, const struct item *item)
{
	static const char *const endings[] = {suffix, yaml_suffix, script_suffix};
	char own[PATH_BYTES], path[PATH_BYTES + STEM_BYTES + 16];

	own_folder(agent, own);
	if (agent->options.only || !*own)
		return;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		snprintf(path, sizeof(path), "%s/%s%s", own, item_config_name(item), endings[i]);
		unlink(path);
	}
}

int brought_read(struct agent *agent, const struct item *item, struct buf bytes[2], struct brought_files *ret,
		 struct err *why)
{
	const char *shared = config_text(agent->config, "items_dir");
	const char *ending = item_script_text(item).len ? script_suffix : suffix;
	char path[2][PATH_BYTES], file[STEM_BYTES + 8];

	*ret = (struct brought_files){};
	init_bytes(bytes);
	snprintf(ret->stem, sizeof(ret->stem), "%s", item_config_name(item));
	snprintf(file, sizeof(file), "%s%s", ret->stem, ending);
	snprintf(path[0], PATH_BYTES, "%s", shared ? shared : "");
	own_folder(agent, path[1]);
	for (int i = 0; i < 2; i++) {
		int folder = *path[i] ? open(path[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, error = -ENOENT;
		bool is_there = folder >= 0 && !faccessat(folder, file, F_OK, 0);

		if (is_there)
			error = read_files(folder, ending, bytes, ret, why);
		if (folder >= 0)
			close(folder);
		if (is_there)
			return error;
	}
	return err_set(why, -ENOENT,
		       "'%s' has no file of its own; send the new one: sonde items upgrade %s FILE",
		       item_name(item), item_name(item));
}
