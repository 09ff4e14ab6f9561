// SPDX-License-Identifier: GPL-2.0-only
/* mounts - the hierarchies of control groups, read from /proc/cgroups and /proc/PID/mountinfo. */
#include "world/container/mounts.h"

/* Cuts the next piece up to `end` off `rest`. False when nothing is left. */
static bool take(struct span *rest, uint8_t end, struct span *ret_piece)
{
	const uint8_t *at;

	if (!rest->len)
		return false;
	at = memchr(rest->at, end, rest->len);
	*ret_piece = at ? span_first(*rest, (size_t)(at - rest->at)) : *rest;
	*rest = span_from(*rest, ret_piece->len + 1);
	return true;
}

static bool read_number(struct span text, uint32_t *ret_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (text.at[i] - '0');
		if (number > UINT32_MAX)
			return false;
	}
	*ret_number = (uint32_t)number;
	return text.len > 0;
}

/* "#subsys_name hierarchy num_cgroups enabled", then "pids 8 1 1", tabs between */
bool controller_find(struct span proc_cgroups, const char *name, struct controller *ret)
{
	struct span line, word;
	uint32_t index = 0, hierarchy;

	while (take(&proc_cgroups, '\n', &line)) {
		if (span_starts(line, "#"))
			continue;
		if (take(&line, '\t', &word) && span_is(word, name) && take(&line, '\t', &word) &&
		    read_number(word, &hierarchy)) {
			*ret = (struct controller){.hierarchy = hierarchy, .index = index};
			return true;
		}
		index++;
	}
	return false;
}

static bool has_option(struct span options, const char *name)
{
	struct span option;

	while (take(&options, ',', &option))
		if (span_is(option, name))
			return true;
	return false;
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup cgroup rw,pids": the part before " - " has a
 * varying number of fields. */
struct span cgroup_mount_find(struct span mountinfo, const char *controller)
{
	struct span line;

	while (take(&mountinfo, '\n', &line)) {
		const uint8_t *dash = line.len ? memmem(line.at, line.len, " - ", 3) : NULL;
		struct span before, after, point = {}, root = {}, type, source;

		if (!dash)
			continue;
		before = span_first(line, (size_t)(dash - line.at));
		after = span_from(line, before.len + 3);
		for (int field = 0; field < 3; field++)
			take(&before, ' ', &point);
		if (!take(&before, ' ', &root) || !take(&before, ' ', &point) ||
		    !take(&after, ' ', &type) || !take(&after, ' ', &source))
			continue;
		if (*controller ? span_is(type, "cgroup") && has_option(after, controller)
				: span_is(type, "cgroup2"))
			return point;
	}
	return (struct span){};
}
