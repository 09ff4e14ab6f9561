// SPDX-License-Identifier: GPL-2.0-only
/* groups - the control groups whose own figures are worth a series: of containers and of services, each once. */
#include "items/groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "items/procfile.h"
#include "world/world.h"

enum { FOLDER_BYTES = 4096, ID_SHOWN = 12 };

static int by_path(const void *a, const void *b)
{
	struct span left = ((const struct group_found *)a)->path,
		    right = ((const struct group_found *)b)->path;
	size_t len = left.len < right.len ? left.len : right.len;
	int order = memcmp(left.at, right.at, len);

	return order ? order : (left.len > right.len) - (left.len < right.len);
}

static bool is_below(struct span path, struct span above)
{
	return path.len > above.len && !memcmp(path.at, above.at, above.len) &&
	       path.at[above.len] == '/';
}

/* What is below a path need not follow it at once ("/a-b" sorts before "/a/b"), but nothing that
 * is taken lies within another: it is enough to look at those taken that begin alike. */
static bool is_within_taken(const struct group_found *found, size_t taken,
			    const struct group_found *one)
{
	while (taken--)
		if (is_below(one->path, found[taken].path) &&
		    span_same(one->owner, found[taken].owner))
			return true;
	return false;
}

size_t groups_choose(struct group_found *found, size_t count)
{
	size_t taken = 0;

	qsort(found, count, sizeof(*found), by_path);
	for (size_t i = 0; i < count; i++)
		if (!is_within_taken(found, taken, &found[i]))
			found[taken++] = found[i];
	return taken;
}

static size_t find_groups(struct item *item, struct group_found *found)
{
	struct world *world = item_world(item);
	struct resolver *resolver = world_resolver(world);
	size_t count = 0, at = 0;
	struct span path;
	uint64_t id;

	while (count < GROUPS_MAX && world_next_cgroup(world, &at, &id, &path)) {
		struct who who = {};

		if (!resolver->cgroup(resolver->ctx, id, &who))
			continue;
		found[count] = (struct group_found){
			path, who.container_id.len ? who.container_id : who.service, id};
		count += found[count].owner.len && path.len > 1;
	}
	return groups_choose(found, count);
}

static size_t labels_of(const struct who *who, struct label label[GROUP_LABELS])
{
	struct span container =
		who->container.len ? who->container : span_first(who->container_id, ID_SHOWN);

	label[0] = (struct label){"container", container};
	label[1] = (struct label){"pod", who->pod};
	label[2] = (struct label){"namespace", who->namespace};
	label[3] = (struct label){"service", who->service};
	return GROUP_LABELS;
}

void groups_each(struct item *item, const char *controller, group_each each, void *ctx)
{
	struct world *world = item_world(item);
	struct span mount, unified;
	struct group_found *found;
	char folder[FOLDER_BYTES];
	size_t count;

	if (!world)
		return;
	mount = world_cgroup_mount(world, controller);
	unified = world_cgroup_mount(world, "");
	found = mount.len ? calloc(GROUPS_MAX + 1, sizeof(*found)) : NULL;
	if (!found)
		return;
	count = find_groups(item, found);
	for (size_t i = 0; i < count; i++) {
		struct label label[GROUP_LABELS];
		struct who who = {};
		struct group_place place = {
			.folder = folder,
			.is_unified = span_same(mount, unified),
			.labels = label,
		};
		int len = snprintf(folder, sizeof(folder), "%.*s%.*s", (int)mount.len,
				   (const char *)mount.at, (int)found[i].path.len,
				   (const char *)found[i].path.at);

		if (len < 0 || (size_t)len >= sizeof(folder) ||
		    !world_resolver(world)->cgroup(world_resolver(world)->ctx, found[i].id, &who))
			continue;
		place.label_count = labels_of(&who, label);
		each(ctx, &place);
	}
	free(found);
}

int group_read(struct item *item, const struct group_place *place, const char *file,
	       struct buf *out)
{
	char path[FOLDER_BYTES + 64];
	int len = snprintf(path, sizeof(path), "%s/%s", place->folder, file);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return procfile_read(item, path, out);
}
