// SPDX-License-Identifier: GPL-2.0-only
/* pod - the pods of this node. */
#include "world/pod/pod.h"

#include <stdlib.h>

enum {
	SUFFIX_CHARS = 5, /* of a pod made by a controller */
	HASH_CHARS_MIN = 7, /* of a pod template's hash: the digits of a 32-bit number */
	HASH_CHARS_MAX = 10,
	JOB_MINUTES_MIN = 8, /* a CronJob's job: its time in minutes since 1970 */
	JOB_MINUTES_MAX = 10,
};

static bool only_of(struct span text, const char *letters)
{
	for (size_t i = 0; i < text.len; i++)
		if (!text.at[i] || !strchr(letters, text.at[i]))
			return false;
	return text.len > 0;
}

/* The letters of generated names: no vowels, so that no words come out; no 0, 1, 3, that look like letters
 * (k8s.io/apimachinery/pkg/util/rand). */
static bool is_generated(struct span text)
{
	return text.len == SUFFIX_CHARS && only_of(text, "bcdfghjklmnpqrstvwxz2456789");
}

/* SafeEncodeString of the same package takes each digit's character code modulo the 27 letters: ten remain. */
static bool is_hash(struct span text)
{
	return text.len >= HASH_CHARS_MIN && text.len <= HASH_CHARS_MAX &&
	       only_of(text, "456789bcdf");
}

static bool is_number(struct span text)
{
	return only_of(text, "0123456789");
}

/* Cuts "-LAST" off. False when there is no '-' with something on both sides. */
static bool take_last_word(struct span *name, struct span *ret_word)
{
	const uint8_t *dash = name->len ? memrchr(name->at, '-', name->len) : NULL;
	size_t at = dash ? (size_t)(dash - name->at) : 0;

	if (!at || at + 1 == name->len)
		return false;
	*ret_word = span_from(*name, at + 1);
	name->len = at;
	return true;
}

struct span pod_owner(struct span name)
{
	struct span rest = name, last, middle, above;

	if (!take_last_word(&rest, &last))
		return name;
	if (is_number(last) && last.len < SUFFIX_CHARS)
		return rest; /* StatefulSet: an ordinal */
	if (!is_generated(last))
		return name;
	above = rest;
	if (!take_last_word(&above, &middle))
		return rest;
	if (is_number(middle) && middle.len >= JOB_MINUTES_MIN && middle.len <= JOB_MINUTES_MAX)
		return above;
	return is_hash(middle) ? above : rest;
}

void pods_init(struct pods *pods, size_t cap, uint64_t keep_ns)
{
	*pods = (struct pods){.keep_ns = keep_ns};
	map_init(&pods->by_uid, POD_UID_BYTES, sizeof(struct pod *), cap);
	map_init(&pods->by_addr, ADDR_BYTES, sizeof(struct pod *), cap * POD_ADDRESSES);
}

static void set_text(struct pods *pods, char **text, struct span value)
{
	char *copy;

	if (*text && span_is(value, *text))
		return;
	copy = strndup((const char *)value.at, value.len);
	if (!copy)
		return; /* the old one stays */
	if (*text)
		pods->text_bytes -= strlen(*text) + 1;
	pods->text_bytes += value.len + 1;
	pods->changes++;
	free(*text);
	*text = copy;
}

static void free_pod(struct pods *pods, struct pod *pod)
{
	pods->text_bytes -= (pod->name ? strlen(pod->name) + 1 : 0) +
			    (pod->namespace ? strlen(pod->namespace) + 1 : 0) +
			    (pod->owner ? strlen(pod->owner) + 1 : 0) +
			    (pod->labels ? strlen(pod->labels) + 1 : 0);
	free(pod->name);
	free(pod->namespace);
	free(pod->owner);
	free(pod->labels);
	free(pod);
}

void pods_done(struct pods *pods)
{
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(&pods->by_uid, &at, &key, &value))
		free_pod(pods, *(struct pod **)value);
	map_done(&pods->by_uid);
	map_done(&pods->by_addr);
}

const struct pod *pods_find(const struct pods *pods, const char *uid)
{
	char key[POD_UID_BYTES] = {};
	struct pod **pod;

	if (strlen(uid) >= sizeof(key))
		return NULL;
	memcpy(key, uid, strlen(uid));
	pod = map_get(&pods->by_uid, key);
	return pod ? *pod : NULL;
}

static struct pod *find_or_add(struct pods *pods, const char *uid)
{
	char key[POD_UID_BYTES] = {};
	struct pod **slot, *pod;

	if (!*uid || strlen(uid) >= sizeof(key))
		return NULL;
	memcpy(key, uid, strlen(uid));
	slot = map_get(&pods->by_uid, key);
	if (slot)
		return *slot;
	pod = calloc(1, sizeof(*pod));
	if (!pod)
		return NULL;
	slot = map_put(&pods->by_uid, key, NULL);
	if (!slot) {
		free(pod);
		pods->refused++;
		return NULL;
	}
	memcpy(pod->uid, key, sizeof(key));
	*slot = pod;
	return pod;
}

/* An address may belong to another pod by now: only what still points here goes. */
static void forget_addresses(struct pods *pods, struct pod *pod)
{
	for (uint32_t i = 0; i < pod->addresses; i++)
		if (pods_by_addr(pods, pod->address[i]) == pod)
			map_del(&pods->by_addr, pod->address[i]);
	pod->addresses = 0;
}

static void note_addresses(struct pods *pods, struct pod *pod, const struct pod_facts *facts)
{
	if (facts->has_ended)
		forget_addresses(pods, pod);
	if (!facts->addresses || facts->on_host_network || facts->has_ended)
		return;
	forget_addresses(pods, pod);
	for (uint32_t i = 0; i < facts->addresses && i < POD_ADDRESSES; i++) {
		struct pod **slot = map_put(&pods->by_addr, facts->address[i], NULL);

		if (!slot)
			return;
		*slot = pod;
		memcpy(pod->address[pod->addresses++], facts->address[i], ADDR_BYTES);
	}
}

struct pod *pods_note(struct pods *pods, const struct pod_facts *facts)
{
	struct pod *pod = find_or_add(pods, facts->uid);
	struct span owner = span_of(facts->owner);

	if (!pod)
		return NULL;
	if (*facts->name)
		set_text(pods, &pod->name, span_of(facts->name));
	if (*facts->namespace)
		set_text(pods, &pod->namespace, span_of(facts->namespace));
	if (!owner.len && pod->name && !pod->owner)
		owner = pod_owner(span_of(pod->name));
	if (owner.len)
		set_text(pods, &pod->owner, owner);
	if (*facts->labels)
		set_text(pods, &pod->labels, span_of(facts->labels));
	pods->labels_cut += facts->labels_cut;
	note_addresses(pods, pod, facts);
	return pod;
}

void pods_list_begin(struct pods *pods)
{
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(&pods->by_uid, &at, &key, &value))
		(*(struct pod **)value)->seen = false;
}

void pods_list_note(struct pods *pods, const struct pod_facts *facts)
{
	struct pod *pod = pods_note(pods, facts);

	if (!pod)
		return;
	pod->listed = pod->seen = true;
	pod->gone_ns = 0;
}

void pods_list_end(struct pods *pods, uint64_t now_ns)
{
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(&pods->by_uid, &at, &key, &value)) {
		struct pod *pod = *(struct pod **)value;

		if (pod->listed && !pod->seen && !pod->gone_ns)
			pod->gone_ns = now_ns;
	}
}

void pods_gone(struct pods *pods, const char *uid, uint64_t now_ns)
{
	struct pod *pod = (struct pod *)pods_find(pods, uid);

	if (pod && !pod->gone_ns)
		pod->gone_ns = now_ns;
}

void pods_hold(struct pod *pod)
{
	pod->containers++;
	pod->gone_ns = 0;
}

void pods_release(struct pod *pod, uint64_t now_ns)
{
	if (--pod->containers || pod->listed || pod->gone_ns)
		return;
	pod->gone_ns = now_ns;
}

struct pods_end {
	struct pods *pods;
	uint64_t now_ns;
};

static bool pod_goes(void *ctx, const void *key, void *value)
{
	struct pod *pod = *(struct pod **)value;
	struct pods_end *end = ctx;

	if (!pod->gone_ns || pod->containers || end->now_ns < pod->gone_ns ||
	    end->now_ns - pod->gone_ns < end->pods->keep_ns)
		return false;
	forget_addresses(end->pods, pod);
	free_pod(end->pods, pod);
	return true;
}

void pods_expire(struct pods *pods, uint64_t now_ns)
{
	struct pods_end end = {pods, now_ns};

	map_remove(&pods->by_uid, pod_goes, &end);
}

const struct pod *pods_by_addr(const struct pods *pods, const uint8_t addr[ADDR_BYTES])
{
	struct pod **pod = map_get(&pods->by_addr, addr);

	return pod ? *pod : NULL;
}

size_t pods_bytes(const struct pods *pods)
{
	return map_bytes(&pods->by_uid) + map_bytes(&pods->by_addr) + pods->text_bytes +
	       pods->by_uid.len * sizeof(struct pod);
}
