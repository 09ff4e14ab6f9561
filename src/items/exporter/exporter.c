// SPDX-License-Identifier: GPL-2.0-only
/* exporter - a configuration of ebpf_exporter and its object, held against each other, as an item. */
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "items/exporter/inside.h"

enum { YAML_COPY = CONFIG_BYTES + 1 };

bool exporter_item_name(const char *config, char name[ITEM_NAME_BYTES])
{
	size_t len = strlen(config);

	if (!len || len >= ITEM_NAME_BYTES)
		return false;
	for (size_t i = 0; i <= len; i++)
		name[i] = config[i] == '-' || config[i] == '.'
				  ? '_'
				  : (char)tolower((unsigned char)config[i]);
	return is_name(span_of(name), ITEM_NAME_BYTES);
}

/* ---- the object: maps and programs ---- */

static int note_map(struct exporter *exporter, const struct bpf_map *map)
{
	struct exporter_map *to = &exporter->map[exporter->maps];

	if (bpf_map__is_internal(map) || strlen(bpf_map__name(map)) >= sizeof(to->name))
		return 0;
	if (exporter->maps == EXPORTER_MAPS)
		return -E2BIG;
	*to = (struct exporter_map){
		.type = bpf_map__type(map),
		.key_bytes = bpf_map__key_size(map),
		.value_bytes = bpf_map__value_size(map),
		.entries = bpf_map__max_entries(map),
	};
	memcpy(to->name, bpf_map__name(map), strlen(bpf_map__name(map)));
	exporter->maps++;
	return 0;
}

static int note_program(struct item_desc *desc, const struct bpf_program *program)
{
	struct item_hook *hook = &desc->hook[desc->hooks];

	if (!bpf_program__autoload(program))
		return 0;
	if (desc->hooks == ITEM_HOOKS)
		return -E2BIG;
	snprintf(hook->program, sizeof(hook->program), "%s", bpf_program__name(program));
	snprintf(hook->section, sizeof(hook->section), "%s", bpf_program__section_name(program));
	snprintf(hook->hook, sizeof(hook->hook), "%s", bpf_program__name(program));
	hook->order = 1;
	hook->optional = true;
	desc->hooks++;
	return 0;
}

static int read_object(struct exporter *exporter, struct span elf, struct err *why)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "exporter");
	struct bpf_object *bpf = bpf_object__open_mem(elf.at, elf.len, &opts);
	struct bpf_program *program;
	struct bpf_map *map;
	int error = 0;

	if (!bpf)
		return err_set(why, -EINVAL,
			       "%s.bpf.o cannot be opened as a BPF object: %s; build it with clang "
			       "-target bpf -g",
			       exporter->name, err_name(errno));
	bpf_object__for_each_map(map, bpf)
	{
		if (!error)
			error = note_map(exporter, map);
	}
	bpf_object__for_each_program(program, bpf)
	{
		if (!error)
			error = note_program(exporter->desc, program);
	}
	bpf_object__close(bpf);
	if (error)
		return err_set(why, error,
			       "%s.bpf.o has more than %d programs or %d maps; split it",
			       exporter->name, EXPORTER_PROGRAMS, EXPORTER_MAPS);
	if (!exporter->desc->hooks)
		return err_set(why, -EINVAL,
			       "%s.bpf.o has no program that would be attached; add one",
			       exporter->name);
	return 0;
}

const struct exporter_map *exporter_map(const struct exporter *exporter, const char *name)
{
	for (uint32_t i = 0; i < exporter->maps; i++)
		if (!strcmp(exporter->map[i].name, name))
			return &exporter->map[i];
	return NULL;
}

/* ---- YAML and object against each other ---- */

static int bad(const struct exporter *exporter, uint32_t line, struct err *why, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));

static int bad(const struct exporter *exporter, uint32_t line, struct err *why, const char *format,
	       ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(why, -EINVAL, "%s:%u: %s", exporter->config.file, line, text);
}

static int find_map(const struct exporter *exporter, const char *name, uint32_t line,
		    const struct exporter_map **ret_map, struct err *why)
{
	*ret_map = exporter_map(exporter, name);
	if (*ret_map)
		return 0;
	return bad(exporter, line, why,
		   "there is no map '%s' in %s.bpf.o; a metric is named after its map", name,
		   exporter->name);
}

static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static bool is_readable(uint32_t type)
{
	return is_per_cpu(type) || type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_HASH;
}

/*
 * A label "cpu" of a per-CPU map whose bytes the map's key does not have: the last of a counter, as in ebpf_exporter; the
 * one before the bucket of a histogram, which it cannot do.
 */
static void find_cpu_label(struct exporter_metric *metric, const struct exporter_map *map)
{
	const struct config_metric *config = metric->config;
	uint32_t last = config->labels - (config->type == CONFIG_HISTOGRAM);
	const struct config_label *label;

	metric->reading = is_per_cpu(map->type) ? READ_SUMMED : READ_PLAIN;
	if (!is_per_cpu(map->type) || !last)
		return;
	label = &config->label[last - 1];
	if (strcmp(label->name, "cpu") != 0 || label->size != 2 || label->padding)
		return;
	metric->cpu_at = config_key_bytes(config->label, last - 1);
	metric->cpu_bytes = label->size;
	metric->is_lone = config->labels == 1;
	metric->reading = READ_BY_CPU;
}

static int check_key(const struct exporter *exporter, struct exporter_metric *metric,
		     const struct exporter_map *map, struct err *why)
{
	const struct config_metric *config = metric->config;
	uint32_t labels = config_key_bytes(config->label, config->labels), key = map->key_bytes;

	find_cpu_label(metric, map);
	if (metric->reading == READ_BY_CPU)
		key = metric->is_lone ? metric->cpu_bytes : key + metric->cpu_bytes;
	if (!config->labels && map->key_bytes != 4)
		return bad(exporter, config->line, why,
			   "'%s' has no labels, but the key of its map has %u bytes, not 4; add "
			   "the labels",
			   config->name, map->key_bytes);
	if (config->labels && key != labels)
		return bad(exporter, config->line, why,
			   "the labels of '%s' take %u bytes, the key of its map has %u; correct "
			   "size and padding",
			   config->name, labels - metric->cpu_bytes, map->key_bytes);
	metric->map_key_bytes = map->key_bytes;
	return 0;
}

static int check_metric(struct exporter *exporter, struct exporter_metric *metric, struct err *why)
{
	const struct config_metric *config = metric->config;
	const struct exporter_map *map;
	int error = find_map(exporter, config->name, config->line, &map, why);
	uint32_t key_bytes = config_key_bytes(config->label, config->labels);

	if (error)
		return error;
	if (config->is_perf_array) {
		if (map->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY)
			return bad(exporter, config->line, why,
				   "'%s' is no BPF_MAP_TYPE_PERF_EVENT_ARRAY; leave "
				   "'perf_event_array' out",
				   config->name);
	} else {
		if (!is_readable(map->type))
			return bad(exporter, config->line, why,
				   "map '%s' is neither a hash nor an array and cannot be read; "
				   "use one of those",
				   config->name);
		if (map->value_bytes != 8)
			return bad(exporter, config->line, why,
				   "the values of map '%s' have %u bytes, not 8; make them u64",
				   config->name, map->value_bytes);
		error = check_key(exporter, metric, map, why);
	}
	if (!error)
		error = decode_prepare(exporter->config.file, config->label, config->labels, why);
	if (!error)
		error = series_init(&metric->table, config, facts_for_decoders(exporter->facts),
				    key_bytes, why);
	return error;
}

static int check_span(struct exporter *exporter, struct exporter_span *span, struct err *why)
{
	const struct exporter_map *map;
	int error = find_map(exporter, span->config->ring, span->config->line, &map, why);

	if (error)
		return error;
	if (map->type != BPF_MAP_TYPE_RINGBUF)
		return bad(exporter, span->config->line, why,
			   "map '%s' is no BPF_MAP_TYPE_RINGBUF; make it one", map->name);
	return decode_prepare(exporter->config.file, span->config->label, span->config->labels,
			      why);
}

enum { MAP_TYPE_CGRP_STORAGE = 32 }; /* 6.2; not in every system's headers */

static int check_cgroup_map(struct exporter *exporter, struct err *why)
{
	struct exporter_config *config = &exporter->config;
	bool is_storage = config->cgroup_map_type == CGROUP_MAP_STORAGE;
	const struct exporter_map *map;
	int error;

	if (config->cgroup_map_type == CGROUP_MAP_NONE)
		return 0;
	error = find_map(exporter, config->cgroup_map, config->cgroup_line, &map, why);
	if (error)
		return error;
	if (is_storage != (map->type == MAP_TYPE_CGRP_STORAGE) ||
	    map->key_bytes != (is_storage ? 4 : 8) || map->value_bytes != 8)
		return bad(exporter, config->cgroup_line, why,
			   is_storage ? "map '%s' is no BPF_MAP_TYPE_CGRP_STORAGE with a key of 4 "
					"and a value of 8 bytes; "
					"correct its type or 'type'"
				      : "map '%s' is no hash with a key and a value of 8 bytes; "
					"correct it or 'type'",
			   map->name);
	return decode_prepare_regexps(config->file, config->cgroup_line, &config->cgroup_regexps,
				      why);
}

static int check_all(struct exporter *exporter, struct err *why)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < exporter->config.metrics; i++) {
		exporter->metric[i].config = &exporter->config.metric[i];
		error = check_metric(exporter, &exporter->metric[i], why);
		exporter->kept[i] = exporter->metric[i].table.family;
	}
	for (uint32_t i = 0; !error && i < exporter->config.spans; i++) {
		exporter->span[i].config = &exporter->config.span[i];
		exporter->span[i].exporter = exporter;
		error = check_span(exporter, &exporter->span[i], why);
	}
	if (!error)
		error = check_cgroup_map(exporter, why);
	return error;
}

/* ---- as an item ---- */

static int describe(struct exporter *exporter, struct err *why)
{
	struct item_desc *desc = exporter->desc;
	struct item_param *exact = &desc->param[0];
	char help[120];

	snprintf(desc->wing, sizeof(desc->wing), "app");
	snprintf(exact->name, sizeof(exact->name), "exact");
	snprintf(exact->type, sizeof(exact->type), "bool");
	exact->size = 1;
	exact->is_ours = true;
	exact->help = strdup("say everything as ebpf_exporter does, also where that is wrong");
	desc->params = 1;
	snprintf(help, sizeof(help),
		 "configuration of ebpf_exporter: %u metrics, %u kinds of spans",
		 exporter->config.metrics, exporter->config.spans);
	desc->help = strdup(help);
	return desc->help && exact->help
		       ? 0
		       : err_set(why, -ENOMEM, "cannot describe '%s': out of memory",
				 exporter->name);
}

static void make_ops(struct exporter *exporter)
{
	exporter->ops = (struct item_ops){
		.metrics = exporter_metrics,
		.metric_count = EXPORTER_METRICS,
		.layouts = exporter->row_layout,
		.events = exporter->config.spans ? exporter->span_layout : NULL,
		.kept = exporter->kept,
		.kept_count = exporter->config.metrics,
		.configure = exporter_configure,
		.start = exporter_start,
		.tick = exporter_tick,
		.drain = exporter_drain,
		.rows = exporter->config.metrics ? exporter_rows : NULL,
		.collect = exporter_collect,
		.replaced = exporter_replaced,
		.stop = exporter_stop,
	};
}

static int build(struct exporter *exporter, struct span yaml, struct span elf, struct err *why)
{
	char file[80];
	int error;

	snprintf(file, sizeof(file), "%s.yaml", exporter->name);
	error = config_read(file, yaml, &exporter->config, why);
	if (!error)
		error = read_object(exporter, elf, why);
	if (error)
		return error;
	exporter->metric = calloc(exporter->config.metrics + 1, sizeof(*exporter->metric));
	exporter->span = calloc(exporter->config.spans + 1, sizeof(*exporter->span));
	exporter->kept = calloc(exporter->config.metrics + 1, sizeof(*exporter->kept));
	exporter->row_layout = calloc(exporter->config.metrics + 1, sizeof(*exporter->row_layout));
	exporter->span_layout = calloc(exporter->config.spans + 1, sizeof(*exporter->span_layout));
	if (!exporter->metric || !exporter->span || !exporter->kept || !exporter->row_layout ||
	    !exporter->span_layout || facts_new(&exporter->facts) ||
	    buf_span(&exporter->yaml, yaml))
		return err_set(why, -ENOMEM, "cannot take '%s': out of memory", exporter->name);
	decode_init(&exporter->decode, facts_for_decoders(exporter->facts));
	error = check_all(exporter, why);
	if (!error)
		error = exporter_make_layouts(exporter, why);
	if (!error)
		error = describe(exporter, why);
	if (!error)
		make_ops(exporter);
	return error;
}

int exporter_new(const char *name, struct span yaml, struct span elf,
		 struct exporter **ret_exporter, struct err *why)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int error;

	if (!exporter)
		return err_set(why, -ENOMEM, "cannot take '%s': out of memory", name);
	snprintf(exporter->name, sizeof(exporter->name), "%s", name);
	buf_init(&exporter->yaml, YAML_COPY);
	buf_init(&exporter->decode.text, 0);
	buf_init(&exporter->decode.other, 0);
	exporter->desc = calloc(1, sizeof(*exporter->desc));
	exporter->told = exporter->desc;
	error = exporter->desc ? build(exporter, yaml, elf, why)
			       : err_set(why, -ENOMEM, "cannot take '%s': out of memory", name);
	if (!error && !exporter_item_name(name, exporter->desc->name))
		error = err_set(why, -EINVAL,
				"an item cannot be called '%s': letters, digits, _ and -, at most "
				"%d; rename the file",
				name, ITEM_NAME_BYTES - 1);
	if (error) {
		exporter_free(exporter);
		return error;
	}
	*ret_exporter = exporter;
	return 0;
}

void exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return;
	for (uint32_t i = 0; exporter->metric && i < exporter->config.metrics; i++)
		series_done(&exporter->metric[i].table);
	for (uint32_t i = 0; i < exporter->config.metrics; i++)
		decode_forget(exporter->config.metric[i].label, exporter->config.metric[i].labels);
	for (uint32_t i = 0; i < exporter->config.spans; i++)
		decode_forget(exporter->config.span[i].label, exporter->config.span[i].labels);
	decode_forget_regexps(&exporter->config.cgroup_regexps);
	item_desc_free(exporter->desc);
	decode_done(&exporter->decode);
	facts_free(exporter->facts);
	free(exporter->metric);
	free(exporter->span);
	free(exporter->kept);
	free(exporter->row_layout);
	free(exporter->span_layout);
	buf_done(&exporter->yaml);
	config_done(&exporter->config);
	free(exporter);
}

struct item_desc *exporter_take_description(struct exporter *exporter)
{
	struct item_desc *desc = exporter->desc;

	exporter->desc = NULL;
	return desc;
}

const struct item_ops *exporter_ops(const struct exporter *exporter)
{
	return &exporter->ops;
}

struct span exporter_yaml(const struct exporter *exporter)
{
	return buf_as_span(&exporter->yaml);
}

const char *exporter_config_name(const struct exporter *exporter)
{
	return exporter->name;
}

void exporter_inherit(struct exporter *exporter, struct exporter *from)
{
	for (uint32_t i = 0; i < exporter->config.metrics; i++)
		for (uint32_t n = 0; n < from->config.metrics; n++)
			if (!strcmp(exporter->config.metric[i].name, from->config.metric[n].name))
				series_inherit(&exporter->metric[i].table, &from->metric[n].table);
}
