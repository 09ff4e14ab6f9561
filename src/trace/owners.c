// SPDX-License-Identifier: GPL-2.0-only
/* owners - control groups by id, found by walking their file system. */
#include "trace/owners.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "world/container/mounts.h"
#include "world/container/runtime_state.h"

enum {
	GROUPS_MAX = 16384,
	DEPTH_MAX = 16,
	PATH_BYTES = 1024,
	SHORT_ID = 12,
	STATE_BYTES = 8 << 20,
	TRIES = 6, /* some runtimes write a container's state only after its group is made */
};

struct group {
	uint64_t id;
	uint8_t tries;
	char container[64], pod[128];
};

struct owners {
	char root[256]; /* where the hierarchy is mounted */
	struct group *at; /* owned, in the order of finding */
	uint32_t count;
};

static bool read_text(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t n;

	while (file && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(out, chunk, n);
	if (file)
		fclose(file);
	return file && !out->full;
}

/* Those that systemd and all runtimes use by default. */
const char *owners_controller(void)
{
	static const char *const usual[] = {"pids", "memory", "cpu", "devices", "freezer"};
	const char *found = NULL;
	struct controller controller;
	struct buf text;

	buf_init(&text, STATE_BYTES);
	if (read_text("/proc/cgroups", &text))
		for (size_t i = 0; !found && i < sizeof(usual) / sizeof(*usual); i++)
			if (controller_find(buf_as_span(&text), usual[i], &controller) &&
			    controller.hierarchy)
				found = usual[i];
	buf_done(&text);
	return found;
}

struct owners *owners_new(void)
{
	struct owners *owners = calloc(1, sizeof(*owners));
	const char *controller = owners_controller();
	struct span root = {};
	struct buf text;

	if (!owners)
		return NULL;
	buf_init(&text, STATE_BYTES);
	if (read_text("/proc/self/mountinfo", &text))
		root = cgroup_mount_find(buf_as_span(&text), controller ? controller : "");
	if (root.len && root.len < sizeof(owners->root))
		memcpy(owners->root, root.at, root.len);
	buf_done(&text);
	owners_scan(owners);
	return owners;
}

void owners_free(struct owners *owners)
{
	if (!owners)
		return;
	free(owners->at);
	free(owners);
}

/* --- names --- */

static bool read_state(enum state_form form, const char *path, struct span id,
		       const struct cgroup_place *place, struct container_facts *facts)
{
	struct arena arena;
	struct buf text;
	bool is_found = false;

	buf_init(&text, STATE_BYTES);
	arena_init(&arena, 8 * STATE_BYTES);
	if (read_text(path, &text))
		is_found = container_state_read(form, buf_as_span(&text), id, place, &arena, facts,
						NULL) > 0;
	arena_done(&arena);
	buf_done(&text);
	return is_found;
}

static bool look_for(enum runtime runtime, struct span id, const struct cgroup_place *place,
		     struct container_facts *facts)
{
	char path[STATE_PATH_BYTES];
	enum state_form form;
	bool is_found = false;

	for (size_t i = 0; !*facts->name && container_state_path(runtime, id, i, path, &form); i++)
		is_found |= read_state(form, path, id, place, facts);
	return is_found;
}

/* What runc and crun are given as a name stands in the path as it is, or as "runc-NAME.scope". */
static struct span plain_id(struct span path)
{
	const uint8_t *slash = memrchr(path.at, '/', path.len);
	struct span last = slash ? span_from(path, (size_t)(slash - path.at) + 1) : path;

	if (span_starts(last, "runc-") || span_starts(last, "crun-"))
		last = span_from(last, 5);
	if (last.len > 6 && span_is(span_from(last, last.len - 6), ".scope"))
		last.len -= 6;
	return last;
}

static void name_group(const struct owners *owners, struct group *group, const char *path)
{
	struct span below = span_of(path + strlen(owners->root));
	struct cgroup_place place = {span_of(owners->root), below};
	struct container_facts facts = {};
	struct cgroup_identity identity;
	struct span id;

	cgroup_path_parse(below, &identity);
	id = identity.container_id;
	if (id.len) {
		look_for(identity.runtime, id, &place, &facts);
	} else {
		id = plain_id(below);
		if (!id.len || !look_for(RUNTIME_RUNC, id, &place, &facts))
			return;
	}
	if (*facts.name)
		snprintf(group->container, sizeof(group->container), "%.63s", facts.name);
	else if (identity.runtime == RUNTIME_LXC || identity.runtime == RUNTIME_LIBVIRT ||
		 !identity.container_id.len)
		snprintf(group->container, sizeof(group->container), "%.*s",
			 (int)(id.len < 63 ? id.len : 63), (const char *)id.at);
	else
		snprintf(group->container, sizeof(group->container), "%.*s",
			 (int)(id.len < SHORT_ID ? id.len : SHORT_ID), (const char *)id.at);
	snprintf(group->pod, sizeof(group->pod), "%.127s", facts.pod);
	if (*facts.name)
		group->tries = TRIES;
}

/* --- the walk --- */

static struct group *find(const struct owners *owners, uint64_t id)
{
	for (uint32_t i = 0; i < owners->count; i++)
		if (owners->at[i].id == id)
			return &owners->at[i];
	return NULL;
}

static struct group *add(struct owners *owners, uint64_t id)
{
	struct group *grown;

	if (owners->count == GROUPS_MAX)
		return NULL;
	if (owners->count % 64 == 0) {
		grown = realloc(owners->at, (owners->count + 64) * sizeof(*grown));
		if (!grown)
			return NULL;
		owners->at = grown;
	}
	owners->at[owners->count] = (struct group){.id = id};
	return &owners->at[owners->count++];
}

/* Groups inside a container's belong to it. `above`: what that one is called. */
static void walk(struct owners *owners, const char *path, struct group above, int depth)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char child[PATH_BYTES];
		struct group *group, here;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(child))
			continue;
		group = find(owners, entry->d_ino);
		if (!group)
			group = add(owners, entry->d_ino);
		if (!group)
			break;
		if (group->tries < TRIES && !*above.container) {
			group->tries++;
			name_group(owners, group, child);
		}
		if (!*group->container && *above.container) {
			memcpy(group->container, above.container, sizeof(group->container));
			memcpy(group->pod, above.pod, sizeof(group->pod));
		}
		here = *group; /* the array may move */
		if (depth)
			walk(owners, child, here, depth - 1);
	}
	if (folder)
		closedir(folder);
}

void owners_scan(struct owners *owners)
{
	struct stat st;

	if (!*owners->root || stat(owners->root, &st))
		return;
	if (!find(owners, st.st_ino))
		add(owners, st.st_ino);
	walk(owners, owners->root, (struct group){}, DEPTH_MAX);
}

const char *owners_name(struct owners *owners, uint64_t id, enum group_part part)
{
	const struct group *group = find(owners, id);

	if (!group) { /* made since */
		owners_scan(owners);
		group = find(owners, id);
	}
	if (!group)
		return "";
	return part == GROUP_POD ? group->pod : group->container;
}

bool owners_at(const struct owners *owners, uint32_t i, uint64_t *ret_id)
{
	if (i >= owners->count)
		return false;
	*ret_id = owners->at[i].id;
	return true;
}
