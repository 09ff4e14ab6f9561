// SPDX-License-Identifier: GPL-2.0-only
/*
 * runtime_state - names and images of containers, from their runtimes' files.
 *
 * Where the names of annotations come from: containerd pkg/cri/annotations; CRI-O pkg/annotations and
 * internal/storage; kubelet's dockershim labels (pkg/kubelet/types/labels.go); libcontainer's State for
 * state.json; libcrun's write_container_status for status.
 */
#include "world/container/runtime_state.h"

#include <errno.h>
#include <stdio.h>

#include "base/json_read.h"

/* Words of a place: %s is the id. Which runtimes look there is a set of bits. */
#define ONLY(runtime) (1u << (runtime))

static const struct {
	unsigned runtimes;
	enum state_form form;
	const char *path;
} places[] = {
	{ONLY(RUNTIME_DOCKER) | ONLY(RUNTIME_ECS) | ONLY(RUNTIME_NONE), STATE_DOCKER,
	 "/var/lib/docker/containers/%s/config.v2.json"},
	{ONLY(RUNTIME_CONTAINERD) | ONLY(RUNTIME_NONE), STATE_OCI,
	 "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json"},
	{ONLY(RUNTIME_CONTAINERD), STATE_OCI,
	 "/run/containerd/io.containerd.runtime.v2.task/default/%s/config.json"},
	{ONLY(RUNTIME_CONTAINERD) | ONLY(RUNTIME_NONE), STATE_OCI,
	 "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json"},
	{ONLY(RUNTIME_CONTAINERD) | ONLY(RUNTIME_NONE), STATE_OCI,
	 "/run/k0s/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json"},
	{ONLY(RUNTIME_CRIO) | ONLY(RUNTIME_PODMAN) | ONLY(RUNTIME_NONE), STATE_OCI,
	 "/run/containers/storage/overlay-containers/%s/userdata/config.json"},
	{ONLY(RUNTIME_CRIO) | ONLY(RUNTIME_PODMAN), STATE_OCI,
	 "/var/lib/containers/storage/overlay-containers/%s/userdata/config.json"},
	{ONLY(RUNTIME_PODMAN) | ONLY(RUNTIME_CRIO), STATE_STORAGE,
	 "/var/lib/containers/storage/overlay-containers/containers.json"},
	{ONLY(RUNTIME_RUNC), STATE_RUNC, "/run/runc/%s/state.json"},
	{ONLY(RUNTIME_RUNC), STATE_CRUN, "/run/crun/%s/status"},
};

/* An id becomes part of a path: nothing that could lead elsewhere. */
static bool is_plain_name(struct span id)
{
	if (!id.len || id.len > 128 || id.at[0] == '.')
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (id.at[i] == '/' || id.at[i] < ' ' || id.at[i] == 0x7f)
			return false;
	return true;
}

bool container_state_path(enum runtime runtime, struct span id, size_t i,
			  char ret_path[STATE_PATH_BYTES], enum state_form *ret_form)
{
	char name[129];

	if (!is_plain_name(id))
		return false;
	memcpy(name, id.at, id.len);
	name[id.len] = 0;
	for (size_t place = 0; place < sizeof(places) / sizeof(*places); place++) {
		if (!(places[place].runtimes & ONLY(runtime)) || i--)
			continue;
			/* the formats stand in the table above, each with one %s at most */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(ret_path, STATE_PATH_BYTES, places[place].path, name);
#pragma GCC diagnostic pop
		*ret_form = places[place].form;
		return true;
	}
	return false;
}

/* Copies a text that is known, unless an earlier file said it. */
static bool note(char *out, size_t room, const char *text)
{
	if (!text || !*text)
		return false;
	if (!*out)
		snprintf(out, room, "%s", text);
	return true;
}

#define NOTE(field, text) note(field, sizeof(field), text)

/* Annotations (OCI) and labels (docker) say the same in many words: the first that is there counts. */
struct words {
	const char *name[4], *image[4], *pod[4], *namespace[4], *uid[4];
};

static const struct words oci_words = {
	.name = {"io.kubernetes.cri.container-name", "io.kubernetes.container.name",
		 "nerdctl/name"},
	.image = {"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.SomeNameOfTheImage",
		  "io.kubernetes.cri-o.ImageName"},
	.pod = {"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"},
	.namespace = {"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"},
	.uid = {"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"},
};

static const char *first_text(const struct json_node *node, const char *const words[4])
{
	for (size_t i = 0; i < 4 && words[i]; i++) {
		const char *text = json_get_text(node, words[i]);

		if (text && *text)
			return text;
	}
	return NULL;
}

static bool note_annotations(const struct json_node *node, struct container_facts *facts)
{
	const char *name = first_text(node, oci_words.name);
	bool any = false;

	/* the sandbox of a pod is no container of anybody's */
	if (name && strcmp(name, "POD") != 0)
		any |= NOTE(facts->name, name);
	any |= NOTE(facts->image, first_text(node, oci_words.image));
	any |= NOTE(facts->pod, first_text(node, oci_words.pod));
	any |= NOTE(facts->namespace, first_text(node, oci_words.namespace));
	any |= NOTE(facts->pod_uid, first_text(node, oci_words.uid));
	return any;
}

static bool read_docker(const struct json_node *root, struct span id, struct container_facts *facts)
{
	const struct json_node *config = json_get(root, "Config");
	const char *name = json_get_text(root, "Name"), *own_id = json_get_text(root, "ID");
	bool any;

	if (own_id && !span_is(id, own_id))
		return false;
	any = note_annotations(json_get(config, "Labels"), facts);
	/* the name that kubelet makes up is worth less than its labels */
	if (name && strncmp(name, "/k8s_", 5) != 0)
		any |= NOTE(facts->name, name + (*name == '/'));
	any |= NOTE(facts->image, json_get_text(config, "Image"));
	return any;
}

/* The text `metadata` of an entry is JSON again. */
static bool note_metadata(const char *text, struct arena *arena, struct container_facts *facts)
{
	const struct json_node *metadata;

	bool any;

	if (!text || json_read(span_of(text), arena, &metadata, NULL))
		return false;
	any = NOTE(facts->image, json_get_text(metadata, "image-name"));
	any |= NOTE(facts->name, json_get_text(metadata, "name"));
	return any;
}

static bool read_storage(const struct json_node *root, struct span id, struct arena *arena,
			 struct container_facts *facts)
{
	const struct json_node *entry = root->type == JSON_ARRAY ? root->child : NULL;

	for (; entry; entry = entry->next) {
		const char *entry_id = json_get_text(entry, "id");
		const struct json_node *names = json_get(entry, "names");
		bool any = false;

		if (!entry_id || !span_is(id, entry_id))
			continue;
		if (names && names->type == JSON_ARRAY && names->child &&
		    names->child->type == JSON_TEXT)
			any = NOTE(facts->name, (const char *)names->child->text.at);
		any |= note_metadata(json_get_text(entry, "metadata"), arena, facts);
		return any;
	}
	return false;
}

static bool is_place(const char *text, const struct cgroup_place *cgroup)
{
	struct span path = span_of(text);

	return cgroup->path.len > 1 && path.len == cgroup->mount.len + cgroup->path.len &&
	       span_same(span_first(path, cgroup->mount.len), cgroup->mount) &&
	       span_same(span_from(path, cgroup->mount.len), cgroup->path);
}

/* Labels are a list of "key=value": the annotations of the bundle among them. */
static void note_runc_label(const char *label, struct container_facts *facts)
{
	static const struct {
		const char *const *words;
		size_t at, room;
	} fields[] = {
		{oci_words.name, offsetof(struct container_facts, name), CONTAINER_NAME_BYTES},
		{oci_words.image, offsetof(struct container_facts, image), CONTAINER_NAME_BYTES},
		{oci_words.pod, offsetof(struct container_facts, pod), CONTAINER_POD_BYTES},
		{oci_words.namespace, offsetof(struct container_facts, namespace),
		 CONTAINER_NAMESPACE_BYTES},
		{oci_words.uid, offsetof(struct container_facts, pod_uid), POD_UID_BYTES},
	};
	const char *value = strchr(label, '=');

	if (!value)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		for (size_t word = 0; word < 4 && fields[i].words[word]; word++)
			if (span_is((struct span){(const uint8_t *)label, (size_t)(value - label)},
				    fields[i].words[word]))
				note((char *)facts + fields[i].at, fields[i].room, value + 1);
}

/* runc's id is the name; the state is of this group when one of its paths is ours. */
static bool read_runc(const struct json_node *root, const struct cgroup_place *cgroup,
		      struct container_facts *facts)
{
	const struct json_node *paths = json_get(root, "cgroup_paths");
	const struct json_node *labels = json_get(json_get(root, "config"), "labels");
	bool ours = false;

	for (const struct json_node *path = paths ? paths->child : NULL; path; path = path->next)
		if (path->type == JSON_TEXT && is_place((const char *)path->text.at, cgroup))
			ours = true;
	if (!ours)
		return false;
	for (const struct json_node *label = labels ? labels->child : NULL; label;
	     label = label->next)
		if (label->type == JSON_TEXT)
			note_runc_label((const char *)label->text.at, facts);
	NOTE(facts->name, json_get_text(root, "id"));
	return true;
}

static bool read_crun(const struct json_node *root, struct span id, struct span cgroup,
		      struct container_facts *facts)
{
	const char *path = json_get_text(root, "cgroup-path");

	if (!path || cgroup.len < 2 || !span_is(cgroup, path))
		return false;
	if (!*facts->name && id.len < sizeof(facts->name)) {
		memcpy(facts->name, id.at, id.len);
		facts->name[id.len] = 0;
	}
	return true;
}

int container_state_read(enum state_form form, struct span json, struct span id,
			 const struct cgroup_place *cgroup, struct arena *arena,
			 struct container_facts *facts, struct err *why)
{
	const struct json_node *root;
	int error = json_read(json, arena, &root, why);

	if (error)
		return error;
	switch (form) {
	case STATE_OCI: return note_annotations(json_get(root, "annotations"), facts);
	case STATE_DOCKER: return read_docker(root, id, facts);
	case STATE_STORAGE: return read_storage(root, id, arena, facts);
	case STATE_RUNC: return read_runc(root, cgroup, facts);
	case STATE_CRUN: return read_crun(root, id, cgroup->path, facts);
	}
	return 0;
}
