// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgroup_path - what the path of a control group says.
 *
 * Runtimes, drivers and nestings make some twenty forms of path, but one rule reads them all. Walk the
 * elements from the innermost to the outermost. The first that ends with an id (64 hexadecimal digits, or the
 * forms of ECS, LXC and libvirt) is the container, and what stands before the id names the runtime.
 * `conmon` is the watcher beside a container, not the container: passed over. The nearest "pod" with a
 * UUID at or above it is the pod. A systemd unit counts only where no container was found: what runs inside a
 * container is the container's, and `docker-ID.scope` is no service.
 *
 *	/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/cri-containerd-ID.scope
 *	                                         class ---^      ^--- pod        runtime ---^   ^--- container
 *
 * Forms collected from the runtimes' own sources and the tests of agents that met them; the test file
 * has one example of each.
 */
#include "world/container/cgroup_path.h"

#include <stdio.h>

enum { ID_HEX = 64, UUID_CHARS = 36, HASH_HEX = 32 };

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool all_hex(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_hex(at[i]))
			return false;
	return true;
}

static bool all_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	return text.len > 0;
}

static bool ends_with(struct span text, const char *end)
{
	size_t len = strlen(end);

	return text.len >= len && !memcmp(text.at + text.len - len, end, len);
}

static bool contains(struct span text, const char *part)
{
	return text.len && memmem(text.at, text.len, part, strlen(part));
}

static struct span without_end(struct span text, const char *end)
{
	return ends_with(text, end) ? span_first(text, text.len - strlen(end)) : text;
}

/* Takes the last element off `path` ("" when nothing is left): "/a/b" -> "b", path "/a". */
static struct span take_last(struct span *path)
{
	struct span last = {path->at, 0};
	size_t end = path->len, start;

	while (end && path->at[end - 1] == '/')
		end--;
	for (start = end; start && path->at[start - 1] != '/';)
		start--;
	last = (struct span){path->at + start, end - start};
	path->len = start;
	return last;
}

static struct span last_element(struct span path)
{
	return take_last(&path);
}

/* `prefix` is what stands before the id in its own element, without the separator; `above` the path above it. */
static enum runtime runtime_of(struct span prefix, struct span above)
{
	static const struct {
		const char *prefix;
		enum runtime runtime;
	} known[] = {
		{"docker", RUNTIME_DOCKER},
		{"cri-containerd", RUNTIME_CONTAINERD},
		{"containerd", RUNTIME_CONTAINERD},
		{"nerdctl", RUNTIME_CONTAINERD},
		{"crio", RUNTIME_CRIO},
		{"libpod", RUNTIME_PODMAN},
	};
	struct span parent = last_element(above);

	if (span_starts(above, "/ecs/"))
		return RUNTIME_ECS;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (span_is(prefix, known[i].prefix))
			return known[i].runtime;
	if (prefix.len)
		return RUNTIME_NONE;
	if (span_is(parent, "docker"))
		return RUNTIME_DOCKER;
	/* containerd without Kubernetes: its own namespace is the parent */
	if (span_is(parent, "k8s.io") || span_is(parent, "default"))
		return RUNTIME_CONTAINERD;
	return RUNTIME_NONE;
}

/* The last of "a:b:c": containerd as a systemd service writes "SLICE:cri-containerd:ID". */
static struct span after_last(struct span text, uint8_t separator)
{
	const uint8_t *at = text.len ? memrchr(text.at, separator, text.len) : NULL;

	return at ? span_from(text, (size_t)(at - text.at) + 1) : text;
}

/* cri-containerd-ID, crio-ID, libpod-ID, SLICE:cri-containerd:ID, ..._ID, ID */
static bool find_hex_id(struct span element, struct span above, struct cgroup_identity *ret)
{
	struct span name = without_end(element, ".scope"), prefix;
	size_t before;

	if (name.len < ID_HEX || !all_hex(name.at + name.len - ID_HEX, ID_HEX))
		return false;
	before = name.len - ID_HEX;
	if (before && !memchr("-:_", name.at[before - 1], 3))
		return false;
	prefix = span_first(name, before ? before - 1 : 0);
	if (ends_with(prefix, "conmon"))
		return false;
	ret->container_id = span_from(name, before);
	ret->runtime = runtime_of(after_last(prefix, ':'), above);
	return true;
}

/* Amazon ECS: 32 hexadecimal digits of the task, '-', a number. */
static bool find_ecs_id(struct span element, struct cgroup_identity *ret)
{
	if (element.len <= HASH_HEX + 1 || !all_hex(element.at, HASH_HEX) ||
	    element.at[HASH_HEX] != '-' || !all_digits(span_from(element, HASH_HEX + 1)))
		return false;
	ret->container_id = element;
	ret->runtime = RUNTIME_ECS;
	return true;
}

/* /lxc/NAME, /lxc.payload/NAME and /lxc.payload.NAME: the name is the id. (lxc.monitor is the watcher.) */
static bool find_lxc_name(struct span element, struct span above, struct cgroup_identity *ret)
{
	static const char payload[] = "lxc.payload.";
	struct span parent = last_element(above);

	if (span_starts(element, payload))
		ret->container_id = span_from(element, strlen(payload));
	else if (span_is(parent, "lxc") || span_is(parent, "lxc.payload"))
		ret->container_id = element;
	if (!ret->container_id.len)
		return false;
	ret->runtime = RUNTIME_LXC;
	return true;
}

/* machine-qemu\x2d3\x2dNAME.scope, machine-lxc\x2d7\x2dNAME.scope (systemd-machined writes for libvirt) */
static bool find_machine(struct span element, struct cgroup_identity *ret)
{
	static const char *const kinds[] = {"machine-qemu\\x2d", "machine-lxc\\x2d"};

	if (!ends_with(element, ".scope"))
		return false;
	element = without_end(element, ".scope");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct span name = span_from(element, strlen(kinds[i]));
		const uint8_t *dash;

		if (!span_starts(element, kinds[i]))
			continue;
		dash = memmem(name.at, name.len, "\\x2d", 4);
		if (dash && all_digits(span_first(name, (size_t)(dash - name.at))))
			name = span_from(name, (size_t)(dash - name.at) + 4);
		if (!name.len)
			return false;
		ret->container_id = name;
		ret->runtime = RUNTIME_LIBVIRT;
		return true;
	}
	return false;
}

/* Is there a UUID at `at`, with '-' or (systemd's slices) '_' between its groups? */
static bool uuid_at(struct span text)
{
	if (text.len < UUID_CHARS)
		return false;
	for (size_t i = 0; i < UUID_CHARS; i++) {
		bool between = i == 8 || i == 13 || i == 18 || i == 23;

		if (between ? text.at[i] != '-' && text.at[i] != '_' : !is_hex(text.at[i]))
			return false;
	}
	return true;
}

/* "pod" UID in an element: pod<UID>, kubepods-burstable-pod<UID_>.slice, ...pod<UID>.slice:cri-containerd:<ID> */
static bool find_pod(struct span element, struct cgroup_identity *ret)
{
	for (size_t i = 0; i + 3 < element.len; i++) {
		struct span uid = span_from(element, i + 3);
		size_t len;

		if (memcmp(element.at + i, "pod", 3) != 0 || (i && element.at[i - 1] != '-'))
			continue;
		if (uuid_at(uid))
			len = UUID_CHARS;
		else if (uid.len >= HASH_HEX && all_hex(uid.at, HASH_HEX))
			len = HASH_HEX;
		else
			continue;
		if (uid.len > len && uid.at[len] != '.' && uid.at[len] != ':')
			continue;
		for (size_t c = 0; c < len; c++)
			ret->pod_uid[c] = (char)(uid.at[c] == '_' ? '-' : uid.at[c]);
		ret->pod_uid[len] = 0;
		return true;
	}
	return false;
}

/* The class stands in the pod's element (systemd) or is the element above it (cgroupfs). */
static enum pod_class class_of(struct span element, struct span above)
{
	struct span parent = last_element(above);

	if (contains(element, "besteffort") || contains(parent, "besteffort"))
		return POD_BESTEFFORT;
	if (contains(element, "burstable") || contains(parent, "burstable"))
		return POD_BURSTABLE;
	return POD_GUARANTEED;
}

static bool is_unit(struct span element)
{
	return ends_with(element, ".service") || ends_with(element, ".scope") ||
	       ends_with(element, ".socket") || ends_with(element, ".mount") ||
	       ends_with(element, ".swap");
}

/* Talos has no systemd: /system/NAME, /podruntime/NAME and /init are its services. */
static struct span talos_unit(struct span path)
{
	struct span name = take_last(&path), parent = take_last(&path);

	if (!take_last(&path).len && (span_is(parent, "system") || span_is(parent, "podruntime")))
		return name;
	if (!parent.len && span_is(name, "init"))
		return name;
	return (struct span){};
}

static bool find_container(struct span element, struct span above, struct cgroup_identity *ret)
{
	return find_hex_id(element, above, ret) || find_ecs_id(element, ret) ||
	       find_lxc_name(element, above, ret) || find_machine(element, ret);
}

void cgroup_path_parse(struct span path, struct cgroup_identity *ret)
{
	struct span above = path;
	struct span unit = {};

	*ret = (struct cgroup_identity){};
	for (struct span element = take_last(&above); element.len; element = take_last(&above)) {
		if (!ret->container_id.len && !ret->pod_uid[0])
			find_container(element, above, ret);
		if (!ret->pod_uid[0] && find_pod(element, ret))
			ret->pod_class = class_of(element, above);
		if (!unit.len && is_unit(element))
			unit = element;
	}
	if (!ret->container_id.len && !ret->pod_uid[0])
		ret->unit = unit.len ? unit : talos_unit(path);
}

const char *runtime_name(enum runtime runtime)
{
	static const char *const names[RUNTIMES] = {
		[RUNTIME_DOCKER] = "docker", [RUNTIME_CONTAINERD] = "containerd",
		[RUNTIME_CRIO] = "cri-o",    [RUNTIME_PODMAN] = "podman",
		[RUNTIME_LXC] = "lxc",       [RUNTIME_LIBVIRT] = "libvirt",
		[RUNTIME_ECS] = "ecs",       [RUNTIME_RUNC] = "runc",
	};

	return names[runtime];
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* systemd puts a '_' before names that the control group file system could take for its own (cg_escape). */
size_t systemd_unit_name(struct span unit, const char *suffix, char *out, size_t room)
{
	struct span name = without_end(unit, suffix);
	size_t len = 0;

	if (!room)
		return 0;
	out[0] = 0;
	if (name.len == unit.len && *suffix)
		return 0;
	if (name.len > 1 && name.at[0] == '_')
		name = span_from(name, 1);
	for (size_t i = 0; i < name.len && len + 1 < room; i++) {
		if (i + 3 < name.len && name.at[i] == '\\' && name.at[i + 1] == 'x' &&
		    hex_digit(name.at[i + 2]) >= 0 && hex_digit(name.at[i + 3]) >= 0) {
			out[len++] =
				(char)(hex_digit(name.at[i + 2]) << 4 | hex_digit(name.at[i + 3]));
			i += 3;
		} else {
			out[len++] = (char)name.at[i];
		}
	}
	out[len] = 0;
	return len;
}
