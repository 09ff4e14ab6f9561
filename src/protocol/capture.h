/* SPDX-License-Identifier: GPL-2.0-only */
/* capture - reads the conversations under testdata/ (written by tests/record_captures.py). For tests. */
#pragma once

#include <dirent.h>
#include <stdio.h>

#include "protocol/drive.h"

enum { CAPTURE_STEPS = 512 };

struct capture {
	char name[64]; /* file name without ".cap" */
	uint8_t *bytes; /* owned */
	struct drive_step steps[CAPTURE_STEPS];
	size_t n;
};

static inline void capture_done(struct capture *capture)
{
	free(capture->bytes);
}

/* False if there is no such file, or it is not one of ours. */
static inline bool capture_load(struct capture *capture, const char *folder, const char *name)
{
	char path[512];
	FILE *file;
	size_t len, at = 0;

	snprintf(path, sizeof(path), "%s/%s.cap", folder, name);
	file = fopen(path, "rb");
	if (!file)
		return false;
	*capture = (struct capture){.bytes = malloc(1 << 16)};
	snprintf(capture->name, sizeof(capture->name), "%s", name);
	len = fread(capture->bytes, 1, 1 << 16, file);
	fclose(file);
	while (at + 5 <= len && capture->n < CAPTURE_STEPS) {
		const uint8_t *head = capture->bytes + at;
		size_t bytes = (size_t)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4];

		if ((head[0] != '>' && head[0] != '<') || at + 5 + bytes > len)
			return false;
		capture->steps[capture->n++] = (struct drive_step){
			.from = head[0] == '>' ? SIDE_CLIENT : SIDE_SERVER,
			.what = 'b',
			.bytes = {head + 5, bytes},
		};
		at += 5 + bytes;
	}
	return at == len && capture->n;
}

/* All captures of a folder, one after the other. */
static inline size_t capture_names(const char *folder, char names[][64], size_t max)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t n = 0;

	while (dir && n < max && (entry = readdir(dir))) {
		const char *end = strstr(entry->d_name, ".cap");

		if (!end || end[4] || (size_t)(end - entry->d_name) >= 64)
			continue;
		memset(names[n], 0, 64);
		memcpy(names[n++], entry->d_name, (size_t)(end - entry->d_name));
	}
	if (dir)
		closedir(dir);
	return n;
}
