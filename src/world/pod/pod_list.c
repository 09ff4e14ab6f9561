// SPDX-License-Identifier: GPL-2.0-only
/*
 * pod_list - reads lists of pods and the events of a watch.
 *
 * The fields are those of k8s.io/api/core/v1 (Pod, PodList) and apimachinery's WatchEvent. A static pod has two uids: the
 * API's, and the hash by which the kubelet knows it and names its control group; the latter is meant
 * (annotation kubernetes.io/config.mirror).
 */
#include "world/pod/pod_list.h"

#include <errno.h>
#include <stdio.h>

#include "base/json_read.h"

enum { POD_ARENA_BYTES = 32 << 20 };

static void copy(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text ? text : "");
}

static bool ends_with(struct span text, const char *end)
{
	size_t len = strlen(end);

	return text.len > len && !memcmp(text.at + text.len - len, end, len);
}

/* A Deployment's pods belong to a ReplicaSet, a CronJob's to a Job: their names tell whom those belong to. */
static void read_owner(const struct json_node *metadata, const char *node_name,
		       struct pod_facts *out)
{
	const struct json_node *owners = json_get(metadata, "ownerReferences");
	const struct json_node *owner = owners && owners->type == JSON_ARRAY ? owners->child : NULL;
	const char *kind = json_get_text(owner, "kind"), *name = json_get_text(owner, "name");
	const char *hash = json_get_text(json_get(metadata, "labels"), "pod-template-hash");
	struct span text = span_of(name);
	char end[POD_NAME_BYTES + 1];

	if (!kind || !name)
		return;
	if (!strcmp(kind, "Node")) { /* a static pod is called NAME-NODE */
		text = span_of(out->name);
		snprintf(end, sizeof(end), "-%s", node_name ? node_name : name);
	} else if (!strcmp(kind, "ReplicaSet")) {
		snprintf(end, sizeof(end), "-%s", hash ? hash : "");
	} else if (!strcmp(kind, "Job")) {
		const char *dash = strrchr(name, '-');

		snprintf(end, sizeof(end), "%s",
			 dash && strlen(dash) > 8 && !dash[1 + strspn(dash + 1, "0123456789")]
				 ? dash
				 : "");
	} else {
		end[0] = 0;
	}
	if (*end && ends_with(text, end))
		text.len -= strlen(end);
	snprintf(out->owner, sizeof(out->owner), "%.*s", (int)text.len, (const char *)text.at);
}

/* Names and values hold neither commas nor equals signs (apimachinery/pkg/util/validation); one that did would look like two. */
static size_t label_text(const struct json_node *label, char *out, size_t room)
{
	int bytes;

	if (label->type != JSON_TEXT || memchr(label->key.at, ',', label->key.len) ||
	    (label->text.len && memchr(label->text.at, ',', label->text.len)))
		return 0;
	bytes = snprintf(out, room, "%.*s=%.*s,", (int)label->key.len, (const char *)label->key.at,
			 (int)label->text.len, (const char *)label->text.at);
	return bytes > 0 && (size_t)bytes < room ? (size_t)bytes : 0;
}

static void read_labels(const struct json_node *labels, struct pod_facts *out)
{
	const struct json_node *label =
		labels && labels->type == JSON_OBJECT ? labels->child : NULL;
	size_t used = 1;

	out->labels[0] = ',';
	for (; label; label = label->next) {
		size_t bytes = label_text(label, out->labels + used, sizeof(out->labels) - used);

		out->labels_cut += !bytes;
		used += bytes;
		out->labels[used] = 0;
	}
}

static void add_address(struct pod_facts *out, const char *text)
{
	uint8_t addr[ADDR_BYTES];

	if (!text || out->addresses == POD_ADDRESSES || !addr_parse(span_of(text), addr))
		return;
	for (uint32_t i = 0; i < out->addresses; i++)
		if (!memcmp(out->address[i], addr, ADDR_BYTES))
			return;
	memcpy(out->address[out->addresses++], addr, ADDR_BYTES);
}

static void read_addresses(const struct json_node *status, struct pod_facts *out)
{
	const struct json_node *list = json_get(status, "podIPs");

	add_address(out, json_get_text(status, "podIP"));
	if (!list || list->type != JSON_ARRAY)
		return;
	for (const struct json_node *entry = list->child; entry; entry = entry->next)
		add_address(out, json_get_text(entry, "ip"));
}

static void hand_on_containers(const struct json_node *list, const struct pod_facts *pod,
			       const struct pod_reader *reader)
{
	if (!list || list->type != JSON_ARRAY || !reader->container)
		return;
	for (const struct json_node *entry = list->child; entry; entry = entry->next) {
		/* "containerd://4a7f..." */
		const char *id = json_get_text(entry, "containerID"),
			   *scheme = id ? strstr(id, "://") : NULL;

		if (scheme)
			reader->container(reader->ctx, pod, span_of(scheme + 3),
					  span_of(json_get_text(entry, "name")),
					  span_of(json_get_text(entry, "image")));
	}
}

static bool is_word(const char *text, const char *word)
{
	return text && !strcmp(text, word);
}

/* False when it is no pod. */
static bool read_pod(const struct json_node *node, bool is_gone, const struct pod_reader *reader)
{
	const struct json_node *metadata = json_get(node, "metadata"),
			       *spec = json_get(node, "spec");
	const struct json_node *status = json_get(node, "status");
	const struct json_node *annotations = json_get(metadata, "annotations");
	const struct json_node *host = json_get(spec, "hostNetwork");
	const char *uid = json_get_text(annotations, "kubernetes.io/config.mirror");
	struct pod_facts pod = {};

	if (!uid)
		uid = json_get_text(metadata, "uid");
	if (!uid || !json_get_text(metadata, "name"))
		return false;
	copy(pod.uid, sizeof(pod.uid), uid);
	copy(pod.name, sizeof(pod.name), json_get_text(metadata, "name"));
	copy(pod.namespace, sizeof(pod.namespace), json_get_text(metadata, "namespace"));
	pod.on_host_network = host && host->type == JSON_BOOL && host->truth;
	pod.has_ended = is_word(json_get_text(status, "phase"), "Succeeded") ||
			is_word(json_get_text(status, "phase"), "Failed");
	read_owner(metadata, json_get_text(spec, "nodeName"), &pod);
	read_labels(json_get(metadata, "labels"), &pod);
	read_addresses(status, &pod);
	if (is_gone) {
		if (reader->gone)
			reader->gone(reader->ctx, &pod);
		return true;
	}
	reader->pod(reader->ctx, &pod);
	hand_on_containers(json_get(status, "initContainerStatuses"), &pod, reader);
	hand_on_containers(json_get(status, "containerStatuses"), &pod, reader);
	hand_on_containers(json_get(status, "ephemeralContainerStatuses"), &pod, reader);
	return true;
}

static void skip_blanks(struct span *rest)
{
	while (rest->len && strchr(" \t\r\n", rest->at[0]) && rest->at[0])
		*rest = span_from(*rest, 1);
}

static bool take(struct span *rest, char c)
{
	skip_blanks(rest);
	if (!rest->len || rest->at[0] != (uint8_t)c)
		return false;
	*rest = span_from(*rest, 1);
	return true;
}

/* The length of the text (with its quotes) at the start; 0 = it does not end. */
static size_t text_length(struct span rest)
{
	for (size_t i = 1; i < rest.len; i++) {
		if (rest.at[i] == '\\')
			i++;
		else if (rest.at[i] == '"')
			return i + 1;
	}
	return 0;
}

/*
 * Cuts one value off without looking into it: whoever reads the piece finds out whether it is JSON. False when it does
 * not end.
 */
static bool take_value(struct span *rest, struct span *ret_value)
{
	size_t depth = 0, at = 0;

	skip_blanks(rest);
	while (at < rest->len) {
		uint8_t c = rest->at[at];

		if (c == '"') {
			size_t len = text_length(span_from(*rest, at));

			if (!len)
				return false;
			at += len;
		} else if (c == '{' || c == '[') {
			depth++;
			at++;
		} else if (depth && (c == '}' || c == ']')) {
			depth--;
			at++;
		} else if (depth || !strchr(",}] \t\r\n", c)) {
			at++;
			continue; /* a number or word ends where something else begins */
		} else {
			break;
		}
		if (!depth)
			break;
	}
	if (depth || !at)
		return false;
	*ret_value = span_first(*rest, at);
	*rest = span_from(*rest, at);
	return true;
}

static int read_items(struct span list, const struct pod_reader *reader, struct arena *arena,
		      struct err *why)
{
	const struct json_node *node;
	struct span item;
	int pods = 0, error;

	if (!take(&list, '['))
		return 0; /* null: no pods */
	while (!take(&list, ']')) {
		if (!take_value(&list, &item))
			return err_set(why, -EINVAL, "the list of pods does not end");
		arena_clear(arena);
		error = json_read(item, arena, &node, why);
		if (error)
			return error;
		pods += read_pod(node, false, reader);
		take(&list, ',');
	}
	return pods;
}

static int read_version(struct span metadata, struct arena *arena,
			char ret_version[POD_VERSION_BYTES], struct err *why)
{
	const struct json_node *node;
	int error;

	arena_clear(arena);
	error = json_read(metadata, arena, &node, why);
	if (!error)
		copy(ret_version, POD_VERSION_BYTES, json_get_text(node, "resourceVersion"));
	return error;
}

int pod_list_read(struct span json, const struct pod_reader *reader,
		  char ret_version[POD_VERSION_BYTES], struct err *why)
{
	struct span key, value;
	struct arena arena;
	int pods = 0, result = 0;

	ret_version[0] = 0;
	if (!take(&json, '{'))
		return err_set(why, -EINVAL, "the list of pods is no JSON object");
	arena_init(&arena, POD_ARENA_BYTES);
	while (result >= 0 && !take(&json, '}')) {
		if (!take_value(&json, &key) || !take(&json, ':') || !take_value(&json, &value)) {
			result = err_set(why, -EINVAL, "the list of pods does not end");
			break;
		}
		if (span_is(key, "\"metadata\""))
			result = read_version(value, &arena, ret_version, why);
		else if (span_is(key, "\"items\""))
			pods = result = read_items(value, reader, &arena, why);
		take(&json, ',');
	}
	arena_done(&arena);
	return result < 0 ? result : pods;
}

int pod_event_read(struct span json, const struct pod_reader *reader, enum pod_change *ret_change,
		   char ret_version[POD_VERSION_BYTES], struct err *why)
{
	const struct json_node *root, *object;
	struct arena arena;
	const char *type;
	int error;

	arena_init(&arena, POD_ARENA_BYTES);
	error = json_read(json, &arena, &root, why);
	type = error ? NULL : json_get_text(root, "type");
	object = error ? NULL : json_get(root, "object");
	if (!error && (!type || !object))
		error = err_set(why, -EINVAL, "an event of the watch has no type or object");
	if (!error) {
		*ret_change = !strcmp(type, "DELETED")    ? POD_DELETED
			      : !strcmp(type, "BOOKMARK") ? POD_BOOKMARK
			      : !strcmp(type, "ERROR")    ? POD_EXPIRED
							  : POD_CHANGED;
		copy(ret_version, POD_VERSION_BYTES,
		     json_get_text(json_get(object, "metadata"), "resourceVersion"));
		if ((*ret_change == POD_CHANGED || *ret_change == POD_DELETED) &&
		    !read_pod(object, *ret_change == POD_DELETED, reader))
			error = err_set(why, -EINVAL, "an event of the watch is about no pod");
	}
	arena_done(&arena);
	return error;
}
