// SPDX-License-Identifier: GPL-2.0-only
/*
 * recall - verdicts over restarts of the agent and of the machine: a file of JSON lines in the agent's own folder.
 *
 * A file system's number may be another one after a reboot, and an inode another file's. So what is remembered is known
 * by path, inode, size and time of the last change of the executable, all four.
 */
#include "items/net/accel/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/json_read.h"
#include "world/files.h"

enum { FILE_BYTES = 4 << 20, LINE_ARENA = 64 * 1024, PATH_ROOM = 4096 };

static const char file_name[] = "accel-verdicts.json";

static bool look_at(int fd, struct stat *ret_is)
{
	bool known = fd >= 0 && !fstat(fd, ret_is);

	if (fd >= 0)
		close(fd);
	return known;
}

/* Asks the file itself which one it is: by who runs it, or, when that has ended, by its path. */
static bool identify(struct accel *accel, uint32_t pid, struct verdict *verdict)
{
	struct kernel *kernel = item_kernel(accel->item);
	struct stat is;

	if (!look_at(kernel_open_mapped(kernel, (int)pid, 0, 0), &is) &&
	    (!look_at(kernel_open_code(kernel, 0, verdict->path), &is) ||
	     is.st_ino != verdict->exe.inode))
		return false;
	verdict->bytes = (uint64_t)is.st_size;
	verdict->changed_ns = (int64_t)is.st_mtim.tv_sec * 1000000000 + (int64_t)is.st_mtim.tv_nsec;
	return true;
}

static const struct verdict *find(const struct accel *accel, const struct verdict *verdict)
{
	for (size_t i = 0; i < accel->remembered; i++) {
		const struct verdict *old = &accel->memory[i];

		if (old->exe.inode == verdict->exe.inode && old->bytes == verdict->bytes &&
		    old->changed_ns == verdict->changed_ns && !strcmp(old->path, verdict->path))
			return old;
	}
	return NULL;
}

void recall_name(struct accel *accel, struct verdict *verdict, const struct process *process)
{
	struct span path = process ? process_path(process) : (struct span){};
	const struct verdict *old;

	if (!path.len || path.len >= sizeof(verdict->path))
		return;
	memcpy(verdict->path, path.at, path.len);
	verdict->path[path.len] = 0;
	if (!identify(accel, process->pid, verdict))
		return;
	old = find(accel, verdict);
	if (old)
		verdict->before = old->before;
}

bool recall_is_known(const struct accel *accel, const struct verdict *old)
{
	const void *exe;
	void *verdict;
	size_t at = 0;

	while (map_next(&accel->verdicts, &at, &exe, &verdict))
		if (find(accel, verdict) == old)
			return true;
	return false;
}

void recall_meet(struct accel *accel, const struct accel_identity *identity,
		 const struct process *process)
{
	struct span path = process_path(process);
	struct verdict *verdict;
	bool is_known = false, is_new;
	struct accel_identity exe = *identity;

	exe.cgroup = 0;
	for (size_t i = 0; i < accel->remembered && !is_known; i++)
		is_known = accel->memory[i].exe.inode == exe.inode &&
			   span_is(path, accel->memory[i].path);
	if (!is_known)
		return;
	verdict = map_put(&accel->verdicts, &exe, &is_new);
	if (!verdict || !is_new)
		return;
	verdict->exe = exe;
	verdict->since_ns = clock_monotonic_ns();
	recall_name(accel, verdict, process);
}

/* ---- the file ---- */

static uint64_t number(const struct json_node *node, const char *name)
{
	uint64_t value = 0;

	json_node_u64(json_get(node, name), &value);
	return value;
}

static void take_line(struct accel *accel, struct span line, struct arena *arena)
{
	struct verdict *verdict = &accel->memory[accel->remembered];
	const struct json_node *node;
	const char *path;

	arena_clear(arena);
	if (accel->remembered == ACCEL_NUMBERS || json_read(line, arena, &node, NULL))
		return;
	path = json_get_text(node, "exe");
	if (!path || strlen(path) >= sizeof(verdict->path))
		return;
	*verdict = (struct verdict){
		.exe.inode = number(node, "inode"),
		.bytes = number(node, "bytes"),
		.changed_ns = (int64_t)number(node, "changed_ns"),
		.before = {number(node, "calls"), number(node, "connections"),
			   number(node, "watched_ns")},
	};
	snprintf(verdict->path, sizeof(verdict->path), "%s", path);
	accel->remembered++;
}

static bool file_path(const struct accel *accel, char path[PATH_ROOM], const char *ending)
{
	const char *folder = item_folder(accel->item);

	return folder &&
	       snprintf(path, PATH_ROOM, "%s/%s%s", folder, file_name, ending) < PATH_ROOM;
}

void recall_load(struct accel *accel)
{
	char path[PATH_ROOM];
	struct span rest;
	struct arena arena;
	struct buf text;
	int fd;

	accel->memory = calloc(ACCEL_NUMBERS, sizeof(*accel->memory));
	if (!accel->memory || !file_path(accel, path, ""))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	buf_init(&text, FILE_BYTES);
	arena_init(&arena, LINE_ARENA);
	if (file_read(fd, &text))
		item_count(accel->item, "lost", "verdicts", 1);
	close(fd);
	rest = buf_as_span(&text);
	while (rest.len) {
		const uint8_t *end = memchr(rest.at, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.at) : rest.len;

		if (len)
			take_line(accel, span_first(rest, len), &arena);
		rest = span_from(rest, end ? len + 1 : len);
	}
	arena_done(&arena);
	buf_done(&text);
}

static void write_line(const struct verdict *verdict, uint64_t now_ns, struct buf *out)
{
	struct json json = {.out = out};

	json_object(&json);
	json_key_str(&json, "exe", verdict->path);
	json_key_u64(&json, "inode", verdict->exe.inode);
	json_key_u64(&json, "bytes", verdict->bytes);
	json_key_u64(&json, "changed_ns", (uint64_t)verdict->changed_ns);
	json_key_u64(&json, "calls", verdict_calls(verdict));
	json_key_u64(&json, "connections", verdict_connections(verdict));
	json_key_u64(&json, "watched_ns", verdict_watched_ns(verdict, now_ns));
	json_object_end(&json);
	buf_str(out, "\n");
}

/* Those of now, and older ones of which nobody runs the executable now. */
static void write_all(struct accel *accel, uint64_t now_ns, struct buf *out)
{
	const void *exe;
	void *value;
	size_t at = 0;

	while (map_next(&accel->verdicts, &at, &exe, &value)) {
		const struct verdict *verdict = value;
		struct verdict *old;

		if (!verdict->path[0] || !verdict->bytes)
			continue;
		write_line(verdict, now_ns, out);
		old = (struct verdict *)find(accel, verdict);
		if (old)
			old->is_written = true;
	}
	for (size_t i = 0; i < accel->remembered; i++) {
		if (!accel->memory[i].is_written)
			write_line(&accel->memory[i], 0, out);
		accel->memory[i].is_written = false;
	}
}

/* A new file in the old one's place. */
static int replace(const char *path, const char *temporary, struct span text)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = write(fd, text.at, text.len);
	close(fd);
	if (done == (ssize_t)text.len && !rename(temporary, path))
		return 0;
	unlink(temporary);
	return -EIO;
}

void recall_save(struct accel *accel)
{
	char path[PATH_ROOM], temporary[PATH_ROOM];
	struct buf text;

	if (!accel->memory || !file_path(accel, path, "") || !file_path(accel, temporary, ".new"))
		return;
	buf_init(&text, FILE_BYTES);
	write_all(accel, clock_monotonic_ns(), &text);
	if (text.full || replace(path, temporary, buf_as_span(&text)))
		item_count(accel->item, "lost", "verdicts", 1);
	buf_done(&text);
}
