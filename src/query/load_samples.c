// SPDX-License-Identifier: GPL-2.0-only
/*
 * load_samples - reads samples in OpenMetrics' text (with times) into a store: for tests, that give a Prometheus the same.
 *
 *	load_samples FOLDER FILE
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/series.h"

enum { LABELS = 32, LINE = 8192 };

struct loaded {
	int64_t time_ms;
	struct store_sample sample;
};

struct loading {
	struct store *store;
	struct loaded *at;
	size_t count, room;
	enum store_series_kind kind; /* of the last TYPE line */
};

static char *take_labels(char *at, struct store_label *labels, size_t *count)
{
	while (*at && *at != '}') {
		char *equals = strchr(at, '='), *out, *from;
		struct store_label *label = &labels[(*count)++];

		if (!equals || equals[1] != '"' || *count == LABELS)
			return NULL;
		label->name = (struct span){(uint8_t *)at, (size_t)(equals - at)};
		out = from = equals + 2;
		label->value.at = (uint8_t *)out;
		for (; *from && *from != '"'; from++) {
			if (*from == '\\')
				from++;
			*out++ = *from == 'n' && from[-1] == '\\' ? '\n' : *from;
		}
		label->value.len = (size_t)((uint8_t *)out - label->value.at);
		at = from + 1;
		at += *at == ',';
	}
	return *at ? at + 1 : NULL;
}

static bool take_line(struct loading *loading, char *line)
{
	struct store_label labels[LABELS] = {};
	size_t count = 1, name = strcspn(line, "{ ");
	char *rest = line + name;
	struct err why = {};
	struct loaded *loaded;

	labels[0] = (struct store_label){span_of("__name__"), {(uint8_t *)line, name}};
	if (*rest == '{')
		rest = take_labels(rest + 1, labels, &count);
	if (!rest)
		return false;
	if (loading->count == loading->room) {
		loading->room = loading->room ? loading->room * 2 : 65536;
		loading->at = realloc(loading->at, loading->room * sizeof(*loading->at));
		if (!loading->at)
			return false;
	}
	loaded = &loading->at[loading->count++];
	loaded->sample.series = store_series(loading->store, labels, count, loading->kind, &why);
	loaded->sample.value = strtod(rest, &rest);
	loaded->time_ms = (int64_t)llround(strtod(rest, NULL) * 1000);
	if (!loaded->sample.series)
		fprintf(stderr, "%s\n", why.text);
	return loaded->sample.series != 0;
}

static bool read_file(struct loading *loading, FILE *file)
{
	static char line[LINE];

	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "# TYPE ", 7))
			loading->kind = strstr(line, " gauge") || strstr(line, " unknown")
						? SERIES_GAUGE
						: SERIES_COUNTER;
		else if (line[0] && line[0] != '#' && !take_line(loading, line))
			return false;
	}
	return true;
}

static int by_time(const void *a, const void *b)
{
	const struct loaded *left = a, *right = b;

	return (left->time_ms > right->time_ms) - (left->time_ms < right->time_ms);
}

static bool store_all(struct loading *loading)
{
	struct store_sample *scrape = malloc((loading->count + 1) * sizeof(*scrape));
	struct err why = {};

	qsort(loading->at, loading->count, sizeof(*loading->at), by_time);
	for (size_t i = 0; scrape && i < loading->count;) {
		int64_t time_ms = loading->at[i].time_ms;
		size_t count = 0;

		while (i < loading->count && loading->at[i].time_ms == time_ms)
			scrape[count++] = loading->at[i++].sample;
		if (store_samples(loading->store, time_ms, scrape, count, &why) != (int)count) {
			fprintf(stderr, "%s\n", why.text);
			return false;
		}
	}
	free(scrape);
	return true;
}

int main(int argc, char **argv)
{
	struct store_options options;
	struct loading loading = {};
	struct err why = {};
	FILE *file;
	bool good;

	if (argc != 3 || !(file = fopen(argv[2], "re"))) {
		fprintf(stderr, "usage: load_samples FOLDER FILE\n");
		return 2;
	}
	store_defaults(&options);
	options.path = argv[1];
	options.tier[0].keep_s = 0;
	if (store_open(&options, &loading.store, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	good = read_file(&loading, file) && store_all(&loading);
	if (good && store_flush(loading.store, &why))
		good = false;
	printf("%zu samples\n", loading.count);
	store_close(loading.store);
	fclose(file);
	free(loading.at);
	return good ? 0 : 1;
}
