// SPDX-License-Identifier: GPL-2.0-only
/*
 * binary - the files that a probe's target means: a path, a pattern of paths, a program in PATH, a library as the dynamic
 * linker finds it, or all that a process has mapped as code.
 */
#include <elf.h>
#include <glob.h>
#include <unistd.h>

#include "base/elf_file.h"
#include "trace/probes/probes.h"

enum { CACHE_MAX = 16 << 20, MAPPINGS_MAX = 512, FILES_MAX = 4096 };

static bool is_elf(const char *path)
{
	struct elf elf;

	if (eaccess(path, R_OK) || elf_open(&elf, path))
		return false;
	elf_close(&elf);
	return true;
}

/* --- libraries: /etc/ld.so.cache (glibc, sysdeps/generic/dl-cache.h) --- */

struct cache_head {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t count, strings_len;
	uint32_t unused[5];
};

struct cache_entry {
	int32_t flags;
	uint32_t key, value; /* offsets from the head: soname, path */
	uint32_t os_version;
	uint64_t hwcap;
};

/* "libssl" means libssl.so.3, "libssl.so.3" only that. */
static bool is_meant(const char *soname, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(soname, name, len) && (!soname[len] || !strncmp(soname + len, ".so", 3));
}

static const char *cached_text(const uint8_t *bytes, size_t len, uint32_t offset)
{
	return offset < len && memchr(bytes + offset, 0, len - offset)
		       ? (const char *)bytes + offset
		       : NULL;
}

static bool search_cache(const uint8_t *bytes, size_t len, const char *name, char *path,
			 size_t size)
{
	struct cache_head head;
	struct cache_entry entry;

	if (len < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, "glibc-ld.so.cache1.1", sizeof(head.magic)))
		return false;
	for (uint32_t i = 0; i < head.count && sizeof(head) + (i + 1) * sizeof(entry) <= len; i++) {
		const char *soname, *file;

		memcpy(&entry, bytes + sizeof(head) + i * sizeof(entry), sizeof(entry));
		soname = cached_text(bytes, len, entry.key);
		file = cached_text(bytes, len, entry.value);
		if (!soname || !file || !is_meant(soname, name) || !is_elf(file))
			continue; /* of another architecture, perhaps */
		snprintf(path, size, "%s", file);
		return true;
	}
	return false;
}

static bool find_library(const char *name, char *path, size_t size)
{
	FILE *file = fopen("/etc/ld.so.cache", "re");
	uint8_t *bytes = file ? malloc(CACHE_MAX) : NULL;
	size_t len = bytes ? fread(bytes, 1, CACHE_MAX, file) : 0;
	bool is_found = search_cache(bytes, len, name, path, size);

	free(bytes);
	if (file)
		fclose(file);
	return is_found;
}

/* --- programs --- */

static bool find_in_path(const char *name, char *path, size_t size)
{
	const char *folders = getenv("PATH");

	while (folders && *folders) {
		size_t len = strcspn(folders, ":");

		snprintf(path, size, "%.*s/%s", (int)len, folders, name);
		if (!eaccess(path, X_OK))
			return true;
		folders += len + (folders[len] == ':');
	}
	return false;
}

bool binary_find(const char *name, char *path, size_t size)
{
	if (!strchr(name, '/')) {
		if (!strncmp(name, "lib", 3) && find_library(name, path, size))
			return true;
		if (eaccess(name, R_OK))
			return find_in_path(name, path, size);
	}
	snprintf(path, size, "%s", name);
	return !eaccess(path, R_OK);
}

/* --- many at once --- */

static uint32_t find_mapped(int pid, binary_found found, void *context)
{
	static char seen[MAPPINGS_MAX][256];
	char maps[64], line[4400];
	uint32_t count = 0;
	FILE *file;

	snprintf(maps, sizeof(maps), "/proc/%d/maps", pid);
	file = fopen(maps, "re");
	while (file && fgets(line, sizeof(line), file) && count < MAPPINGS_MAX) {
		const char *path = strchr(line, '/');
		char full[4600];
		bool is_seen = false;

		if (!path || !strstr(line, " r-xp "))
			continue;
		line[strcspn(line, "\n")] = 0;
		for (uint32_t i = 0; i < count && !is_seen; i++)
			is_seen = !strncmp(seen[i], path, sizeof(seen[i]) - 1);
		if (is_seen)
			continue;
		snprintf(seen[count++], sizeof(seen[0]), "%s", path);
		/* what is deleted or in another mount namespace is reached through the process */
		snprintf(full, sizeof(full), "/proc/%d/root%s", pid, path);
		found(context, eaccess(path, R_OK) ? full : path);
	}
	if (file)
		fclose(file);
	return count;
}

static uint32_t find_matching(const char *pattern, binary_found found, void *context)
{
	glob_t paths;
	uint32_t count = 0;

	if (glob(pattern, 0, NULL, &paths))
		return 0;
	for (size_t i = 0; i < paths.gl_pathc && count < FILES_MAX; i++)
		if (is_elf(paths.gl_pathv[i])) {
			found(context, paths.gl_pathv[i]);
			count++;
		}
	globfree(&paths);
	return count;
}

uint32_t binary_find_all(const char *name, int pid, binary_found found, void *context)
{
	char path[4096];

	if (pid && !strcmp(name, "*"))
		return find_mapped(pid, found, context);
	if (probe_has_wildcard(name))
		return find_matching(name, found, context);
	if (!binary_find(name, path, sizeof(path)))
		return 0;
	found(context, path);
	return 1;
}
