// SPDX-License-Identifier: GPL-2.0-only
/* kit - what the store's tests share. */
#include "store/kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void kit_folder(char path[64])
{
	snprintf(path, 64, "/tmp/sonde-store-XXXXXX");
	if (!mkdtemp(path))
		abort();
}

void kit_each_file(const char *path, void (*act)(const char *path, const char *name, void *ctx),
		   void *ctx)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			act(path, entry->d_name, ctx);
	closedir(dir);
}

static void unlink_file(const char *path, const char *name, void *ctx)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	unlink(full);
}

void kit_clear(const char *path)
{
	kit_each_file(path, unlink_file, NULL);
}

void kit_remove(const char *path)
{
	kit_clear(path);
	rmdir(path);
}

static void copy_file(const char *path, const char *name, void *to)
{
	char from_name[512], to_name[512];
	static char bytes[65536];
	ssize_t len;
	int in, out;

	snprintf(from_name, sizeof(from_name), "%s/%s", path, name);
	snprintf(to_name, sizeof(to_name), "%s/%s", (const char *)to, name);
	in = open(from_name, O_RDONLY);
	out = open(to_name, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	if (in < 0 || out < 0)
		abort();
	while ((len = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)len) != len)
			abort();
	close(in);
	close(out);
}

void kit_copy(const char *from, const char *to)
{
	kit_each_file(from, copy_file, (void *)to);
}

struct finding {
	const char *text;
	char (*names)[256];
	int count;
};

static void note_name(const char *path, const char *name, void *ctx)
{
	struct finding *finding = ctx;

	if (strstr(name, finding->text) && finding->count < 4096)
		snprintf(finding->names[finding->count++], 256, "%s", name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int find_names(const char *path, const char *text, char names[4096][256])
{
	struct finding finding = {.text = text, .names = names};

	kit_each_file(path, note_name, &finding);
	qsort(names, (size_t)finding.count, 256, by_name);
	return finding.count;
}

static char found_names[4096][256];

int kit_count(const char *path, const char *text)
{
	return find_names(path, text, found_names);
}

bool kit_find(const char *path, const char *text, int n, char name[256])
{
	int count = find_names(path, text, found_names);

	if (n < 0)
		n += count;
	if (n < 0 || n >= count)
		return false;
	memcpy(name, found_names[n], 256);
	return true;
}

uint64_t kit_random(unsigned short seed[3])
{
	return (uint64_t)(uint32_t)jrand48(seed) << 32 | (uint32_t)jrand48(seed);
}

uint64_t kit_below(unsigned short seed[3], uint64_t limit)
{
	return kit_random(seed) % limit;
}

const struct store_column kit_columns[KIT_COLUMNS] = {
	[TIME] = {"time", STORE_TIME},       [SERVICE] = {"service", STORE_TEXT},
	[PATH] = {"path", STORE_TEXT, true}, [STATUS] = {"status", STORE_U64},
	[LATENCY] = {"latency", STORE_I64},  [SHARE] = {"share", STORE_DOUBLE},
	[GOOD] = {"good", STORE_BOOL},       [TRACE] = {"trace", STORE_ID16, true},
	[SPAN] = {"span", STORE_U64, true},  [REMARK] = {"remark", STORE_TEXT},
};

struct kit_row kit_row(uint64_t number)
{
	unsigned short seed[3] = {(unsigned short)number, (unsigned short)(number >> 16),
				  (unsigned short)(number >> 32)};
	struct kit_row row = {};
	uint64_t trace = number / 3;

	for (int i = 0; i < 3; i++)
		kit_random(seed);
	row.time = 1790000000000000000 + (int64_t)number * 10000000 +
		   (int64_t)kit_below(seed, 30000000);
	snprintf(row.service, sizeof(row.service), "shop-%d", (int)kit_below(seed, 5));
	snprintf(row.path, sizeof(row.path), "/items/%d", (int)kit_below(seed, 40));
	row.has_status = kit_below(seed, 10) != 0;
	row.status = kit_below(seed, 10) ? 200 : 500;
	row.latency = (int64_t)kit_below(seed, 3000) - 100;
	row.has_share = kit_below(seed, 4) != 0;
	row.share = (double)kit_below(seed, 1000) / 100 - 2;
	row.good = kit_below(seed, 2);
	row.has_trace = trace % 4 != 0;
	for (int i = 0; i < 16; i++)
		row.trace[i] = (uint8_t)(trace >> 8 * (i % 8) ^ (unsigned)(37 * i));
	row.span = kit_random(seed);
	row.has_remark = kit_below(seed, 20) == 0;
	snprintf(row.remark, sizeof(row.remark), "remark number %llu", (unsigned long long)number);
	return row;
}

void kit_fill(struct store_rows *rows, const struct kit_row *row)
{
	store_rows_i64(rows, TIME, row->time);
	store_rows_text(rows, SERVICE, span_of(row->service));
	store_rows_text(rows, PATH, span_of(row->path));
	if (row->has_status)
		store_rows_u64(rows, STATUS, row->status);
	store_rows_i64(rows, LATENCY, row->latency);
	if (row->has_share)
		store_rows_double(rows, SHARE, row->share);
	store_rows_bool(rows, GOOD, row->good);
	if (row->has_trace)
		store_rows_id16(rows, TRACE, row->trace);
	store_rows_u64(rows, SPAN, row->span);
	if (row->has_remark)
		store_rows_text(rows, REMARK, span_of(row->remark));
	store_rows_next(rows);
}
