// SPDX-License-Identifier: GPL-2.0-only
/* explain - what a configuration would do: `sonde items check DIR`, `sonde items show NAME`. */
#include <stdio.h>
#include <string.h>

#include "items/exporter/inside.h"

static const char *const type_name[] = {
	[CONFIG_COUNTER] = "counter",
	[CONFIG_GAUGE] = "gauge",
	[CONFIG_HISTOGRAM] = "histogram",
};

static void decoders_text(const struct config_label *label, struct buf *out)
{
	for (uint32_t i = 0; i < label->decoders; i++)
		buf_f(out, "%s%s", i ? ", " : "", decoder_name(label->decoder[i].kind));
}

static void label_json(const struct config_label *label, struct json *json)
{
	json_object(json);
	json_key_str(json, "name", label->name);
	json_key_u64(json, "bytes", label->size);
	if (label->padding)
		json_key_u64(json, "padding", label->padding);
	json_key(json, "decoders");
	json_array(json);
	for (uint32_t i = 0; i < label->decoders; i++)
		json_str(json, decoder_name(label->decoder[i].kind));
	json_array_end(json);
	json_object_end(json);
}

static void labels_json(const struct config_label *label, uint32_t labels, struct json *json)
{
	json_key(json, "labels");
	json_array(json);
	for (uint32_t i = 0; i < labels; i++)
		label_json(&label[i], json);
	json_array_end(json);
}

static void metric_json(const struct exporter *exporter, const struct exporter_metric *metric,
			struct json *json)
{
	const struct config_metric *config = metric->config;
	const struct exporter_map *map = exporter_map(exporter, config->name);
	char name[METRIC_NAME_BYTES];

	snprintf(name, sizeof(name), "ebpf_exporter_%s", config->name);
	json_object(json);
	json_key_str(json, "name", name);
	json_key_str(json, "type", type_name[config->type]);
	json_key_str(json, "help", config->help);
	json_key_str(json, "map", config->name);
	json_key_u64(json, "entries", map ? map->entries : 0);
	if (config->is_perf_array)
		json_key_bool(json, "perf_event_array", true);
	if (metric->reading == READ_BY_CPU)
		json_key_bool(json, "by_cpu", true);
	if (config->type == CONFIG_HISTOGRAM) {
		json_key_str(json, "bucket_type", bucket_type_name(config->bucket_type));
		json_key_double(json, "first_bound", config_bucket_bound(config, 0));
		json_key_double(json, "last_bound",
				config_bucket_bound(config, config->buckets - 1));
		json_key_u64(json, "buckets", config->buckets);
	}
	labels_json(config->label, config->labels, json);
	json_object_end(json);
}

void exporter_json(const struct exporter *exporter, struct json *json)
{
	const struct exporter_config *config = &exporter->config;

	json_object(json);
	json_key_str(json, "form", "ebpf_exporter");
	json_key_str(json, "config", exporter->name);
	json_key(json, "metrics");
	json_array(json);
	for (uint32_t i = 0; i < config->metrics; i++)
		metric_json(exporter, &exporter->metric[i], json);
	json_array_end(json);
	json_key(json, "spans");
	json_array(json);
	for (uint32_t i = 0; i < config->spans; i++) {
		json_object(json);
		json_key_str(json, "ring", config->span[i].ring);
		labels_json(config->span[i].label, config->span[i].labels, json);
		json_object_end(json);
	}
	json_array_end(json);
	json_key(json, "programs");
	json_array(json);
	for (uint32_t i = 0; i < exporter->told->hooks; i++) {
		json_object(json);
		json_key_str(json, "name", exporter->told->hook[i].program);
		json_key_str(json, "section", exporter->told->hook[i].section);
		json_object_end(json);
	}
	json_array_end(json);
	json_key(json, "not_read");
	json_array(json);
	for (uint32_t i = 0; i < config->unknowns; i++)
		json_str(json, config->unknown[i].name);
	json_array_end(json);
	json_object_end(json);
}

static void metric_text(const struct exporter *exporter, const struct exporter_metric *metric,
			struct buf *out)
{
	const struct config_metric *config = metric->config;
	const struct exporter_map *map = exporter_map(exporter, config->name);

	buf_f(out, "  ebpf_exporter_%s (%s): %s\n", config->name, type_name[config->type],
	      config->help);
	if (config->is_perf_array)
		buf_f(out, "    counts the events of a perf buffer, anew every %.0f s\n",
		      config->flush_ns ? (double)config->flush_ns / 1e9 : 3600.0);
	else
		buf_f(out, "    from a map of at most %u entries%s\n", map ? map->entries : 0,
		      metric->reading == READ_BY_CPU   ? ", each CPU by itself"
		      : metric->reading == READ_SUMMED ? ", the sum of all CPUs"
						       : "");
	for (uint32_t i = 0; i < metric->table.labels; i++) {
		buf_f(out, "    label %s: %u bytes through ", config->label[i].name,
		      config->label[i].size);
		decoders_text(&config->label[i], out);
		buf_char(out, '\n');
	}
	if (config->type == CONFIG_HISTOGRAM)
		buf_f(out, "    %u buckets (%s) from %g to %g\n", config->buckets,
		      bucket_type_name(config->bucket_type), config_bucket_bound(config, 0),
		      config_bucket_bound(config, config->buckets - 1));
}

void exporter_text(const struct exporter *exporter, struct buf *out)
{
	const struct exporter_config *config = &exporter->config;

	buf_f(out, "%s: a configuration of ebpf_exporter\n", exporter->name);
	for (uint32_t i = 0; i < config->metrics; i++)
		metric_text(exporter, &exporter->metric[i], out);
	for (uint32_t i = 0; i < config->spans; i++)
		buf_f(out, "  spans from ring '%s', %u labels\n", config->span[i].ring,
		      config->span[i].labels);
	for (uint32_t i = 0; i < exporter->told->hooks; i++)
		buf_f(out, "  program %s at %s\n", exporter->told->hook[i].program,
		      exporter->told->hook[i].section);
	for (uint32_t i = 0; i < config->kaddrs; i++)
		buf_f(out, "  needs the address of %s\n", config->kaddr[i]);
	if (config->cgroup_map)
		buf_f(out, "  keeps the ids of control groups in map '%s'\n", config->cgroup_map);
	for (uint32_t i = 0; i < config->unknowns; i++)
		buf_f(out, "  line %u: '%s' is not part of the format and not read\n",
		      config->unknown[i].line, config->unknown[i].name);
}
