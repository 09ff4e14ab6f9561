// SPDX-License-Identifier: GPL-2.0-only
/* container - the containers of this machine, and the search for their names. */
#include "world/container/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "world/files.h"

static const uint64_t second_ns = 1000000000;

void containers_init(struct containers *containers, size_t cap, struct pods *pods,
		     const struct state_files *files, struct span mount)
{
	*containers = (struct containers){.pods = pods, .files = *files, .mount = mount};
	map_init(&containers->by_id, CONTAINER_ID_BYTES, sizeof(struct container *), cap);
}

static void set_text(struct containers *containers, char **text, const char *value)
{
	char *copy;

	if (!*value || (*text && !strcmp(*text, value)))
		return;
	copy = strdup(value);
	if (!copy)
		return;
	if (*text)
		containers->text_bytes -= strlen(*text) + 1;
	containers->text_bytes += strlen(copy) + 1;
	free(*text);
	*text = copy;
}

static void free_container(struct containers *containers, struct container *container)
{
	containers->text_bytes -= (container->name ? strlen(container->name) + 1 : 0) +
				  (container->image ? strlen(container->image) + 1 : 0);
	free(container->name);
	free(container->image);
	free(container);
}

void containers_done(struct containers *containers)
{
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(&containers->by_id, &at, &key, &value))
		free_container(containers, *(struct container **)value);
	map_done(&containers->by_id);
}

static bool make_key(struct span id, char key[CONTAINER_ID_BYTES])
{
	if (!id.len || id.len >= CONTAINER_ID_BYTES)
		return false;
	memset(key, 0, CONTAINER_ID_BYTES);
	memcpy(key, id.at, id.len);
	return true;
}

struct container *containers_find(const struct containers *containers, struct span id)
{
	char key[CONTAINER_ID_BYTES];
	struct container **slot = make_key(id, key) ? map_get(&containers->by_id, key) : NULL;

	return slot ? *slot : NULL;
}

struct container *containers_hold(struct containers *containers, enum runtime runtime,
				  struct span id)
{
	struct container *container = containers_find(containers, id), **slot;
	char key[CONTAINER_ID_BYTES];

	if (container) {
		container->groups++;
		return container;
	}
	if (!make_key(id, key))
		return NULL;
	container = calloc(1, sizeof(*container));
	slot = container ? map_put(&containers->by_id, key, NULL) : NULL;
	if (!slot) {
		free(container);
		containers->refused++;
		return NULL;
	}
	memcpy(container->id, key, sizeof(key));
	container->runtime = runtime;
	container->groups = 1;
	*slot = container;
	if (runtime == RUNTIME_LXC || runtime == RUNTIME_LIBVIRT) { /* the id is the name */
		char name[CONTAINER_ID_BYTES];

		systemd_unit_name(id, "", name, sizeof(name));
		set_text(containers, &container->name, name);
	}
	return container;
}

void containers_release(struct containers *containers, struct container *container, uint64_t now_ns)
{
	char key[CONTAINER_ID_BYTES];

	if (--container->groups)
		return;
	if (container->pod)
		pods_release(container->pod, now_ns);
	memcpy(key, container->id, sizeof(key));
	map_del(&containers->by_id, key);
	free_container(containers, container);
}

static void note_pod(struct containers *containers, struct container *container,
		     const struct container_facts *facts)
{
	struct pod_facts pod = {};

	if (container->pod || !*facts->pod_uid)
		return;
	memcpy(pod.uid, facts->pod_uid, sizeof(pod.uid));
	memcpy(pod.name, facts->pod, sizeof(facts->pod));
	memcpy(pod.namespace, facts->namespace, sizeof(facts->namespace));
	container->pod = pods_note(containers->pods, &pod);
	if (container->pod)
		pods_hold(container->pod);
}

/* Reads one place. 1 = it was the container's, 0 = there is nothing for us, < 0 = there is, but unreadable. */
static int read_state(struct containers *containers, enum state_form form, const char *path,
		      struct span id, struct span cgroup, struct container_facts *facts)
{
	int fd = containers->files.open(containers->files.ctx, path), result;
	struct cgroup_place place = {containers->mount, cgroup};
	struct arena arena;
	struct buf text;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	buf_init(&text, CAP_STATE_FILE);
	arena_init(&arena, 8 * CAP_STATE_FILE);
	result = file_read(fd, &text);
	if (!result)
		result = container_state_read(form, buf_as_span(&text), id, &place, &arena, facts,
					      NULL);
	arena_done(&arena);
	buf_done(&text);
	close(fd);
	return result;
}

static bool look_everywhere(struct containers *containers, enum runtime runtime, struct span id,
			    struct span cgroup, struct container_facts *facts)
{
	char path[STATE_PATH_BYTES];
	enum state_form form;
	bool found = false;

	for (size_t i = 0; container_state_path(runtime, id, i, path, &form); i++) {
		int result = read_state(containers, form, path, id, cgroup, facts);

		containers->unreadable += result < 0;
		found |= result > 0;
		if (*facts->name && *facts->image)
			break;
	}
	return found;
}

static void note_facts(struct containers *containers, struct container *container,
		       struct container_facts *facts, struct span cgroup)
{
	struct cgroup_identity identity;

	cgroup_path_parse(cgroup, &identity);
	if (!*facts->pod_uid) /* older containerd does not write it */
		memcpy(facts->pod_uid, identity.pod_uid, sizeof(facts->pod_uid));
	set_text(containers, &container->name, facts->name);
	set_text(containers, &container->image, facts->image);
	note_pod(containers, container, facts);
}

void container_note(struct containers *containers, struct container *container, struct span name,
		    struct span image)
{
	char text[CONTAINER_NAME_BYTES];

	if (!container->name && name.len && name.len < sizeof(text)) {
		snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.at);
		set_text(containers, &container->name, text);
	}
	if (!container->image && image.len && image.len < sizeof(text)) {
		snprintf(text, sizeof(text), "%.*s", (int)image.len, (const char *)image.at);
		set_text(containers, &container->image, text);
	}
}

void container_look(struct containers *containers, struct container *container, struct span cgroup,
		    uint64_t now_ns)
{
	struct container_facts facts = {};

	if (container->tries == CONTAINER_TRIES || now_ns < container->next_try_ns)
		return;
	container->next_try_ns = now_ns + (second_ns << container->tries);
	container->tries++;
	if (look_everywhere(containers, container->runtime, span_of(container->id), cgroup, &facts))
		container->tries = CONTAINER_TRIES;
	note_facts(containers, container, &facts, cgroup);
}

static bool ends_with(struct span text, const char *end)
{
	return text.len >= strlen(end) && span_is(span_from(text, text.len - strlen(end)), end);
}

/* By default the last element of the path is runc's id, with systemd's driver it is runc-ID.scope. */
static struct span guess_id(struct span cgroup)
{
	static const char *const units[] = {".slice", ".service", ".mount", ".socket", ".swap"};
	const uint8_t *slash = cgroup.len ? memrchr(cgroup.at, '/', cgroup.len) : NULL;
	struct span last = slash ? span_from(cgroup, (size_t)(slash - cgroup.at) + 1) : cgroup;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (ends_with(last, units[i]))
			return (struct span){};
	if (!ends_with(last, ".scope"))
		return last;
	if (!span_starts(last, "runc-") && !span_starts(last, "crun-"))
		return (struct span){};
	return span_from(span_first(last, last.len - strlen(".scope")), strlen("runc-"));
}

struct container *containers_guess(struct containers *containers, struct span cgroup,
				   uint64_t now_ns)
{
	struct container_facts facts = {};
	struct span id = guess_id(cgroup);
	struct container *container;

	if (!id.len || !look_everywhere(containers, RUNTIME_RUNC, id, cgroup, &facts))
		return NULL;
	container = containers_hold(containers, RUNTIME_RUNC, id);
	if (!container)
		return NULL;
	container->tries = CONTAINER_TRIES;
	note_facts(containers, container, &facts, cgroup);
	return container;
}

size_t containers_bytes(const struct containers *containers)
{
	return map_bytes(&containers->by_id) + containers->text_bytes +
	       containers->by_id.len * sizeof(struct container);
}
