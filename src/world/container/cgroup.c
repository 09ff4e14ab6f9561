// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgroup - the control groups of one hierarchy.
 *
 * A group is known by its id and says its parent's, so paths are put together from names once all ancestors are
 * there, and what the path says (container, pod, unit) is read off then. Plain runc containers can't be told by
 * their path: groups that are neither container nor unit are looked up among runc's states a few times.
 */
#include "world/container/cgroup.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/caps.h"

static const uint64_t second_ns = 1000000000;

void cgroups_init(struct cgroups *cgroups, size_t cap, uint64_t keep_ns,
		  struct containers *containers)
{
	*cgroups = (struct cgroups){.keep_ns = keep_ns, .containers = containers};
	map_init(&cgroups->by_id, sizeof(uint64_t), sizeof(struct cgroup *), cap);
}

static size_t text_of(const struct cgroup *group)
{
	return (group->name ? strlen(group->name) + 1 : 0) +
	       (group->path ? strlen(group->path) + 1 : 0) +
	       (group->service ? strlen(group->service) + 1 : 0);
}

/* What the path said. The name stays. */
static void forget_path(struct cgroups *cgroups, struct cgroup *group, uint64_t now_ns)
{
	cgroups->text_bytes -= text_of(group);
	if (group->container)
		containers_release(cgroups->containers, group->container, now_ns);
	free(group->path);
	free(group->service);
	group->path = group->service = NULL;
	group->container = NULL;
	group->pod_uid[0] = 0;
	group->is_unit = false;
	cgroups->text_bytes += text_of(group);
}

static void free_group(struct cgroups *cgroups, struct cgroup *group, uint64_t now_ns)
{
	forget_path(cgroups, group, now_ns);
	cgroups->text_bytes -= text_of(group);
	free(group->name);
	free(group);
}

void cgroups_done(struct cgroups *cgroups)
{
	struct cgroup *group;
	size_t at = 0;

	while ((group = cgroups_next(cgroups, &at)))
		free_group(cgroups, group, 0);
	map_done(&cgroups->by_id);
}

static struct cgroup *find(const struct cgroups *cgroups, uint64_t id)
{
	struct cgroup **slot = map_get(&cgroups->by_id, &id);

	return slot ? *slot : NULL;
}

struct cgroup *cgroups_next(const struct cgroups *cgroups, size_t *at)
{
	const void *key;
	void *value;

	return map_next(&cgroups->by_id, at, &key, &value) ? *(struct cgroup **)value : NULL;
}

/* The path from the names of all ancestors; NULL when one is missing, or the path is above its cap. */
static char *assemble(const struct cgroups *cgroups, const struct cgroup *group)
{
	const struct cgroup *chain[WORLD_LEVELS * 4];
	size_t depth = 0;
	struct buf path;

	for (; group->parent; depth++) {
		if (depth == sizeof(chain) / sizeof(*chain))
			return NULL;
		chain[depth] = group;
		group = find(cgroups, group->parent);
		if (!group)
			return NULL;
	}
	buf_init(&path, CAP_CGROUP_PATH);
	if (!depth)
		buf_char(&path, '/');
	while (depth-- > 0) {
		buf_char(&path, '/');
		buf_str(&path, chain[depth]->name);
	}
	if (path.full) {
		buf_done(&path);
		return NULL;
	}
	return buf_take(&path);
}

static bool names_unit(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (!strcmp(dot, ".slice") || !strcmp(dot, ".service") ||
		       !strcmp(dot, ".mount") || !strcmp(dot, ".socket") || !strcmp(dot, ".swap"));
}

static void set_path(struct cgroups *cgroups, struct cgroup *group, char *path)
{
	struct cgroup_identity identity;
	char service[256];

	cgroups->text_bytes -= text_of(group);
	group->path = path;
	cgroup_path_parse(span_of(path), &identity);
	if (identity.container_id.len)
		group->container = containers_hold(cgroups->containers, identity.runtime,
						   identity.container_id);
	memcpy(group->pod_uid, identity.pod_uid, sizeof(group->pod_uid));
	/* names without a suffix are Talos' services */
	if (systemd_unit_name(identity.unit, ".service", service, sizeof(service)) ||
	    (identity.unit.len && !memchr(identity.unit.at, '.', identity.unit.len) &&
	     systemd_unit_name(identity.unit, "", service, sizeof(service))))
		group->service = strdup(service);
	group->is_unit = names_unit(group->name);
	cgroups->text_bytes += text_of(group);
}

/* Reads off the path what can be read by now. */
static void look(struct cgroups *cgroups, struct cgroup *group, uint64_t now_ns)
{
	char *path;

	if (!group->path) {
		path = assemble(cgroups, group);
		if (!path)
			return;
		set_path(cgroups, group, path);
	}
	if (group->container) {
		container_look(cgroups->containers, group->container, span_of(group->path), now_ns);
		return;
	}
	if (group->gone_ns || group->is_unit || group->pod_uid[0] || !group->parent ||
	    group->guesses == CGROUP_GUESSES || now_ns < group->next_guess_ns)
		return;
	group->guesses++;
	group->next_guess_ns = now_ns + second_ns;
	group->container = containers_guess(cgroups->containers, span_of(group->path), now_ns);
}

/* The front of the queue of those that are gone. */
static void forget_first_gone(struct cgroups *cgroups, uint64_t now_ns)
{
	struct cgroup *group = cgroups->gone_first;

	cgroups->gone_first = group->next_gone;
	if (!cgroups->gone_first)
		cgroups->gone_last = NULL;
	map_del(&cgroups->by_id, &group->id);
	free_group(cgroups, group, now_ns);
}

static struct cgroup *find_or_add(struct cgroups *cgroups, uint64_t id, uint64_t now_ns)
{
	struct cgroup *group = find(cgroups, id), **slot;

	if (group)
		return group;
	if (cgroups->by_id.len >= cgroups->by_id.cap && cgroups->gone_first) {
		forget_first_gone(cgroups, now_ns);
		cgroups->evicted++;
	}
	group = calloc(1, sizeof(*group));
	slot = group ? map_put(&cgroups->by_id, &id, NULL) : NULL;
	if (!slot) {
		free(group);
		cgroups->refused++;
		return NULL;
	}
	group->id = id;
	*slot = group;
	return group;
}

/* A rename (cgroup v1) changes the paths of all below. */
static void forget_paths_below(struct cgroups *cgroups, const struct cgroup *above, uint64_t now_ns)
{
	struct cgroup *group;
	size_t at = 0;

	if (!above->path)
		return;
	while ((group = cgroups_next(cgroups, &at)))
		if (group != above && group->path &&
		    !strncmp(group->path, above->path, strlen(above->path)) &&
		    group->path[strlen(above->path)] == '/')
			forget_path(cgroups, group, now_ns);
}

void cgroups_note(struct cgroups *cgroups, const struct cgroup_facts *facts, uint64_t now_ns)
{
	struct cgroup *group = find_or_add(cgroups, facts->id, now_ns);
	size_t len = strnlen(facts->name, sizeof(facts->name));

	if (!group)
		return;
	if (!group->name || strlen(group->name) != len ||
	    memcmp(group->name, facts->name, len) != 0) {
		char *name = strndup(facts->name, len);

		if (!name)
			return;
		forget_paths_below(cgroups, group, now_ns);
		forget_path(cgroups, group, now_ns);
		cgroups->text_bytes -= text_of(group);
		free(group->name);
		group->name = name;
		group->parent = facts->parent;
		cgroups->text_bytes += text_of(group);
	}
	look(cgroups, group, now_ns);
}

void cgroups_removed(struct cgroups *cgroups, uint64_t id, uint64_t now_ns)
{
	struct cgroup *group = find(cgroups, id);

	if (!group || group->gone_ns)
		return;
	group->gone_ns = now_ns ? now_ns : 1;
	if (cgroups->gone_last)
		cgroups->gone_last->next_gone = group;
	else
		cgroups->gone_first = group;
	cgroups->gone_last = group;
}

void cgroups_expire(struct cgroups *cgroups, uint64_t now_ns)
{
	while (cgroups->gone_first && now_ns > cgroups->gone_first->gone_ns &&
	       now_ns - cgroups->gone_first->gone_ns >= cgroups->keep_ns)
		forget_first_gone(cgroups, now_ns);
}

struct cgroup *cgroups_find(struct cgroups *cgroups, uint64_t id, uint64_t now_ns)
{
	struct cgroup *group = find(cgroups, id);

	if (group && !group->path)
		look(cgroups, group, now_ns);
	return group;
}

struct container *cgroup_container(struct cgroups *cgroups, const struct cgroup *group)
{
	/* a path that names a container or a pod says all; a unit may stand in a plain container */
	for (int level = 0; group && level < WORLD_LEVELS; level++) {
		if (group->container)
			return group->container;
		if (!group->parent)
			return NULL;
		group = find(cgroups, group->parent);
	}
	return NULL;
}

void cgroups_tick(struct cgroups *cgroups, uint64_t now_ns)
{
	struct cgroup *group;
	size_t at = 0;

	while ((group = cgroups_next(cgroups, &at)))
		look(cgroups, group, now_ns);
}

size_t cgroups_bytes(const struct cgroups *cgroups)
{
	return map_bytes(&cgroups->by_id) + cgroups->text_bytes +
	       cgroups->by_id.len * sizeof(struct cgroup);
}
