// SPDX-License-Identifier: GPL-2.0-only
/* metric_coarse - metrics once more, summed up. */
#include "record/metric_coarse.h"

#include "base/map.h"
#include "record/metric_parts.h"

#include <stdlib.h>

enum { COARSE_FAMILIES = 4096, COARSE_NAME_BYTES = 128 };

struct coarse {
	enum coarseness level;
	struct map by_name; /* char[METRIC_NAME_BYTES] -> struct family * (owned) */
	struct label_text text[METRIC_LABELS]; /* of the series at hand */
};

/* Labels that say who, from what coarse level on they are left out. */
static const struct {
	const char *name;
	enum coarseness until;
} identity[] = {
	{"process", COARSE_CONTAINER}, {"exe", COARSE_CONTAINER}, {"pid", COARSE_CONTAINER},
	{"tid", COARSE_CONTAINER},     {"uid", COARSE_CONTAINER}, {"container", COARSE_POD},
	{"container_id", COARSE_POD},  {"image", COARSE_POD},     {"cgroup", COARSE_POD},
	{"pod", COARSE_SERVICE},       {"service", COARSE_HOST},  {"namespace", COARSE_HOST},
};

static const char *const words[] = {
	[COARSE_PROCESS] = "process", [COARSE_CONTAINER] = "container", [COARSE_POD] = "pod",
	[COARSE_SERVICE] = "service", [COARSE_HOST] = "host",
};

enum coarseness coarseness_of(const char *word)
{
	for (size_t i = 0; word && i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i], word))
			return (enum coarseness)i;
	return COARSE_PROCESS;
}

struct coarse *coarse_new(enum coarseness level)
{
	struct coarse *coarse = calloc(1, sizeof(*coarse));

	if (!coarse)
		return NULL;
	coarse->level = level;
	map_init(&coarse->by_name, METRIC_NAME_BYTES, sizeof(struct family *), COARSE_FAMILIES);
	return coarse;
}

void coarse_free(struct coarse *coarse)
{
	const void *key;
	void *value;
	size_t at = 0;

	if (!coarse)
		return;
	while (map_next(&coarse->by_name, &at, &key, &value))
		family_free(*(struct family **)value);
	map_done(&coarse->by_name);
	free(coarse);
}

enum coarseness coarse_level(const struct coarse *coarse)
{
	return coarse->level;
}

static bool is_left_out(enum coarseness level, struct span name)
{
	for (size_t i = 0; i < sizeof(identity) / sizeof(*identity); i++)
		if (level >= identity[i].until && span_is(name, identity[i].name))
			return true;
	return false;
}

/* The coarse family of that name; of another description than `metric` it begins anew. */
static struct family *family_of(struct coarse *coarse, const struct metric *metric)
{
	char name[METRIC_NAME_BYTES] = "";
	struct metric plain = *metric;
	struct family **slot;

	memcpy(name, metric->name, strlen(metric->name));
	slot = map_put(&coarse->by_name, name, NULL);
	if (!slot)
		return NULL;
	if (*slot && (family_metric(*slot)->type != metric->type ||
		      family_metric(*slot)->scale != metric->scale)) {
		family_free(*slot);
		*slot = NULL;
	}
	plain.labels = NULL; /* they come with the series */
	if (!*slot)
		*slot = family_new(&plain, METRIC_SERIES);
	return *slot;
}

struct summing {
	struct coarse *coarse;
	struct family *to;
};

static void add_series(void *ctx, const struct group *group, size_t at, const struct series *series)
{
	const struct summing *summing = ctx;
	struct label_text *text = summing->coarse->text;
	struct span rest = {(const uint8_t *)series->text, series->len};
	char name[METRIC_LABELS][COARSE_NAME_BYTES];
	struct label label[METRIC_LABELS];
	struct counts counts;
	double value = group_sum(group, at, series, &counts);
	size_t count = 0;

	while (count < METRIC_LABELS && metric_labels_next(&rest, &text[count])) {
		if (is_left_out(summing->coarse->level, text[count].name) ||
		    text[count].name.len >= sizeof(name[0]))
			continue;
		memcpy(name[count], text[count].name.at, text[count].name.len);
		name[count][text[count].name.len] = 0;
		label[count].name = name[count];
		label[count].value =
			(struct span){(const uint8_t *)text[count].value, text[count].len};
		count++;
	}
	if (series->histogram)
		family_add_histogram(summing->to, label, count, counts.slot, counts.sum);
	else
		family_add(summing->to, label, count, value);
}

struct collecting {
	struct coarse *coarse;
	struct family **families;
	size_t count;
	uint64_t now_ns;
};

static void sum_group(void *ctx, const struct group *group)
{
	struct collecting *all = ctx;
	struct summing summing = {.coarse = all->coarse};

	if (group->family[0]->keeper) {
		all->families[all->count++] = group->family[0];
		return;
	}
	summing.to = family_of(all->coarse, family_metric(group->family[0]));
	if (!summing.to)
		return;
	family_begin(summing.to);
	group_walk(group, add_series, &summing);
	family_end(summing.to, all->now_ns);
	all->families[all->count++] = summing.to;
}

size_t coarse_families(struct coarse *coarse, struct family *const *families, size_t count,
		       struct family **ret_families, uint64_t now_ns)
{
	struct collecting all = {.coarse = coarse, .families = ret_families, .now_ns = now_ns};

	families_group(families, count, sum_group, &all);
	return all.count;
}
