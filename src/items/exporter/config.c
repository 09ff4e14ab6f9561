// SPDX-License-Identifier: GPL-2.0-only
/* config - what an ebpf_exporter configuration says. */
#include "items/exporter/config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_read.h"

static const char *const decoder_names[DECODE_KINDS] = {
	[DECODE_CGROUP] = "cgroup",         [DECODE_DNAME] = "dname",
	[DECODE_ERRNO] = "errno",           [DECODE_HEX] = "hex",
	[DECODE_IFNAME] = "ifname",         [DECODE_INET_IP] = "inet_ip",
	[DECODE_KSTACK] = "kstack",         [DECODE_KSYM] = "ksym",
	[DECODE_MAJORMINOR] = "majorminor", [DECODE_PCI_CLASS] = "pci_class",
	[DECODE_PCI_DEVICE] = "pci_device", [DECODE_PCI_SUBCLASS] = "pci_subclass",
	[DECODE_PCI_VENDOR] = "pci_vendor", [DECODE_REGEXP] = "regexp",
	[DECODE_STATIC_MAP] = "static_map", [DECODE_STRING] = "string",
	[DECODE_SYSCALL] = "syscall",       [DECODE_UINT] = "uint",
};

static const char *const bucket_types[] = {
	[BUCKET_EXP2] = "exp2",
	[BUCKET_EXP2ZERO] = "exp2zero",
	[BUCKET_LINEAR] = "linear",
	[BUCKET_FIXED] = "fixed",
};

const char *decoder_name(enum decoder_kind kind)
{
	return decoder_names[kind];
}

const char *bucket_type_name(enum bucket_type type)
{
	return bucket_types[type];
}

struct reader {
	struct exporter_config *config;
	struct err *why;
};

static int bad(const struct reader *reader, uint32_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int bad(const struct reader *reader, uint32_t line, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(reader->why, -EINVAL, "%s:%u: %s", reader->config->file, line ? line : 1,
		       text);
}

static int no_memory(const struct reader *reader)
{
	return err_set(reader->why, -ENOMEM, "%s needs more than %d MiB; make it smaller",
		       reader->config->file, CONFIG_ARENA_BYTES >> 20);
}

static void *take(const struct reader *reader, size_t count, size_t size)
{
	return arena_new(&reader->config->arena, count ? count * size : size);
}

/* ---- single values: what is written counts, not what YAML makes of it (a static_map of 1: true is text) ---- */

static bool is_scalar(const struct json_node *node)
{
	return node && node->type != JSON_ARRAY && node->type != JSON_OBJECT;
}

static bool is_set(const struct json_node *node)
{
	return node && (!is_scalar(node) || node->text.len);
}

static struct span text_of(const struct json_node *node)
{
	return is_scalar(node) ? node->text : (struct span){};
}

static int read_text(const struct reader *reader, const struct json_node *parent, const char *key,
		     const char **ret_text)
{
	const struct json_node *node = json_get(parent, key);

	if (!is_set(node))
		return 0;
	if (!is_scalar(node))
		return bad(reader, node->line, "'%s' is no text; write one value behind it", key);
	*ret_text = (const char *)node->text.at;
	return 0;
}

/* yaml.v2 takes the words of YAML 1.1. */
static int read_bool(const struct reader *reader, const struct json_node *parent, const char *key,
		     bool *ret_truth)
{
	static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
					  "on",   "On",   "ON",   "y",   "Y"};
	static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO",
					 "off",   "Off",   "OFF",   "n",  "N"};
	const struct json_node *node = json_get(parent, key);
	struct span text = text_of(node);

	if (!is_set(node))
		return 0;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (span_is(text, yes[i]) || span_is(text, no[i])) {
			*ret_truth = span_is(text, yes[i]);
			return 0;
		}
	}
	return bad(reader, node->line, "'%s' is true or false", key);
}

static int read_number(const struct reader *reader, const struct json_node *node, const char *key,
		       double *ret_number)
{
	struct span text = text_of(node);
	char *end = NULL;

	if (!is_set(node))
		return 0;
	*ret_number = text.len ? strtod((const char *)text.at, &end) : 0;
	if (!text.len || end != (const char *)text.at + text.len || !isfinite(*ret_number))
		return bad(reader, node->line, "'%s' is no number", key);
	return 0;
}

static int read_whole(const struct reader *reader, const struct json_node *parent, const char *key,
		      double low, double high, double *ret_number)
{
	const struct json_node *node = json_get(parent, key);
	struct span text = text_of(node);
	char *end = NULL;

	if (!is_set(node))
		return 0;
	*ret_number = (double)strtoll(text.len ? (const char *)text.at : "", &end, 0);
	if (!text.len || end != (const char *)text.at + text.len)
		return bad(reader, node->line, "'%s' is no whole number", key);
	if (*ret_number < low || *ret_number > high)
		return bad(reader, node->line, "'%s' is %.0f to %.0f", key, low, high);
	return 0;
}

/* A Go duration: 1h30m, 500ms; a bare number counts nanoseconds. False when it is none. */
static bool parse_duration(struct span text, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
		     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	const char *at = (const char *)text.at, *end = at + text.len;
	double sum = 0;

	while (at < end) {
		char *behind;
		double number = strtod(at, &behind), unit = 0;
		size_t taken = 0;

		if (behind == at || number < 0)
			return false;
		for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
			size_t len = strlen(units[i].name);

			if (len > taken && !strncmp(behind, units[i].name, len)) {
				unit = units[i].ns;
				taken = len;
			}
		}
		if (!taken) {
			*ret_ns = (uint64_t)number;
			return behind == end && !sum;
		}
		sum += number * unit;
		at = behind + taken;
	}
	*ret_ns = (uint64_t)sum;
	return text.len && sum < 1e19;
}

static size_t count_of(const struct json_node *list)
{
	size_t count = 0;

	for (const struct json_node *node = list ? list->child : NULL; node; node = node->next)
		count++;
	return count;
}

/* Names that the format does not have: ebpf_exporter reads over them, so do we; `check` tells them. */
static void note_unknown(const struct reader *reader, const struct json_node *map,
			 const char *const *known)
{
	struct exporter_config *config = reader->config;

	for (const struct json_node *node = map ? map->child : NULL; node; node = node->next) {
		bool is_known = !node->key.len; /* replaced by a later one, or taken in */

		for (size_t i = 0; known[i]; i++)
			is_known |= span_is(node->key, known[i]);
		if (is_known || config->unknowns == CONFIG_UNKNOWN)
			continue;
		config->unknown[config->unknowns].name = (const char *)node->key.at;
		config->unknown[config->unknowns++].line = node->line;
	}
}

/* ---- decoders and labels ---- */

static int compare_pairs(const void *a, const void *b)
{
	const struct config_pair *left = a, *right = b;

	return strcmp((const char *)left->from.at, (const char *)right->from.at);
}

static int read_static_map(const struct reader *reader, const struct json_node *map,
			   struct config_decoder *decoder)
{
	size_t count = count_of(map);
	struct config_pair *pair = take(reader, count, sizeof(*pair));

	if (!pair)
		return no_memory(reader);
	if (map->type != JSON_OBJECT)
		return bad(reader, map->line,
			   "'static_map' is no map; write 'number: name' below it");
	if (count > CONFIG_PAIRS)
		return bad(reader, map->line, "a static_map has at most %d entries", CONFIG_PAIRS);
	decoder->pair = pair;
	for (const struct json_node *node = map->child; node; node = node->next) {
		if (!is_scalar(node))
			return bad(reader, node->line,
				   "a name in a static_map is one word or text");
		*pair++ = (struct config_pair){node->key, node->text.at ? node->text : span_of("")};
	}
	decoder->pairs = (uint32_t)count;
	qsort((void *)decoder->pair, count, sizeof(*pair), compare_pairs);
	return 0;
}

static int read_regexps(const struct reader *reader, const struct json_node *list,
			struct config_decoder *decoder)
{
	size_t count = count_of(list);
	struct span *regexp = take(reader, count, sizeof(*regexp));

	decoder->compiled = take(reader, count, sizeof(*decoder->compiled));
	if (!regexp || !decoder->compiled)
		return no_memory(reader);
	if (list->type != JSON_ARRAY)
		return bad(reader, list->line,
			   "'regexps' is no list; put '- ' before each expression");
	if (count > CONFIG_REGEXPS)
		return bad(reader, list->line, "a decoder has at most %d regexps", CONFIG_REGEXPS);
	decoder->regexp = regexp;
	for (const struct json_node *node = list->child; node; node = node->next) {
		if (!is_scalar(node))
			return bad(reader, node->line, "a regexp is one text");
		*regexp++ = node->text.at ? node->text : span_of("");
	}
	decoder->regexps = (uint32_t)count;
	return 0;
}

static int read_decoder(const struct reader *reader, const struct json_node *node,
			struct config_decoder *decoder)
{
	static const char *const known[] = {"name", "static_map", "regexps", "allow_unknown", NULL};
	const struct json_node *map = json_get(node, "static_map"),
			       *regexps = json_get(node, "regexps");
	const char *name = NULL;
	int error = read_text(reader, node, "name", &name);

	note_unknown(reader, node, known);
	if (error)
		return error;
	if (!name)
		return bad(reader, node->line, "a decoder has no name; write '- name: uint'");
	for (decoder->kind = 0; decoder->kind < DECODE_KINDS; decoder->kind++)
		if (!strcmp(name, decoder_names[decoder->kind]))
			break;
	if (decoder->kind == DECODE_KINDS)
		return bad(reader, node->line,
			   "there is no decoder '%.60s'; see docs/exporter-configs.md", name);
	error = read_bool(reader, node, "allow_unknown", &decoder->allow_unknown);
	decoder->has_map = is_set(map);
	if (!error && is_set(map))
		error = read_static_map(reader, map, decoder);
	if (!error && is_set(regexps))
		error = read_regexps(reader, regexps, decoder);
	if (error)
		return error;
	if (decoder->kind == DECODE_REGEXP && !decoder->regexps)
		return bad(reader, node->line, "decoder regexp has no regexps; add a list of them");
	return 0;
}

static int read_label(const struct reader *reader, const struct json_node *node,
		      struct config_label *label)
{
	static const char *const known[] = {"name", "size", "padding", "decoders", NULL};
	const struct json_node *decoders = json_get(node, "decoders");
	double size = 0, padding = 0;
	int error = read_text(reader, node, "name", &label->name);

	note_unknown(reader, node, known);
	label->line = node->line;
	if (!error && !label->name)
		return bad(reader, node->line, "a label has no name");
	if (!error)
		error = read_whole(reader, node, "size", 0, CONFIG_KEY_BYTES, &size);
	if (!error)
		error = read_whole(reader, node, "padding", 0, CONFIG_KEY_BYTES, &padding);
	if (error)
		return error;
	if (!size)
		return bad(reader, node->line, "label '%.60s' has no size; add 'size: BYTES'",
			   label->name);
	label->size = (uint32_t)size;
	label->padding = (uint32_t)padding;
	label->decoders = (uint32_t)count_of(decoders);
	if (!decoders || decoders->type != JSON_ARRAY || !label->decoders)
		return bad(reader, node->line, "label '%.60s' has no decoders; add a list of them",
			   label->name);
	if (label->decoders > CONFIG_DECODERS)
		return bad(reader, decoders->line, "a label has at most %d decoders",
			   CONFIG_DECODERS);
	label->decoder = take(reader, label->decoders, sizeof(*label->decoder));
	if (!label->decoder)
		return no_memory(reader);
	node = decoders->child;
	for (uint32_t i = 0; !error && i < label->decoders; i++, node = node->next)
		error = read_decoder(reader, node, &label->decoder[i]);
	return error;
}

static int read_labels(const struct reader *reader, const struct json_node *parent,
		       struct config_label **ret_label, uint32_t *ret_labels)
{
	const struct json_node *list = json_get(parent, "labels"), *node;
	size_t count = count_of(list);
	int error = 0;

	if (!is_set(list))
		return 0;
	if (list->type != JSON_ARRAY)
		return bad(reader, list->line, "'labels' is no list; put '- ' before each label");
	if (count > CONFIG_LABELS)
		return bad(reader, list->line, "a metric has at most %d labels", CONFIG_LABELS);
	*ret_label = take(reader, count, sizeof(**ret_label));
	if (!*ret_label)
		return no_memory(reader);
	node = list->child;
	for (size_t i = 0; !error && i < count; i++, node = node->next) {
		error = read_label(reader, node, &(*ret_label)[i]);
		for (size_t n = 0; !error && n < i; n++)
			if (!strcmp((*ret_label)[n].name, (*ret_label)[i].name))
				error = bad(reader, node->line, "label '%.60s' stands here twice",
					    (*ret_label)[i].name);
	}
	*ret_labels = (uint32_t)count;
	if (!error && config_key_bytes(*ret_label, *ret_labels) > CONFIG_KEY_BYTES)
		error = bad(reader, list->line, "the labels take more than %d bytes together",
			    CONFIG_KEY_BYTES);
	return error;
}

uint32_t config_key_bytes(const struct config_label *label, uint32_t labels)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < labels; i++)
		bytes += label[i].size + label[i].padding;
	return bytes;
}

/* ---- metrics ---- */

static bool is_metric_name(const char *name)
{
	for (const char *at = name; *at; at++)
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_' ||
		      *at == ':' || (*at >= '0' && *at <= '9')))
			return false;
	return *name != 0;
}

static int read_name(const struct reader *reader, const struct json_node *node,
		     struct config_metric *metric)
{
	int error = read_text(reader, node, "name", &metric->name);

	metric->line = node->line;
	if (!error)
		error = read_text(reader, node, "help", &metric->help);
	if (error)
		return error;
	if (!metric->name)
		return bad(reader, node->line,
			   "a metric has no name; add 'name: NAME', that of its map");
	if (!is_metric_name(metric->name) || strlen(metric->name) > 80)
		return bad(reader, node->line,
			   "'%.80s' is no metric's name: letters, digits and _, at most 80; rename "
			   "the map and it",
			   metric->name);
	if (!metric->help)
		return bad(reader, node->line, "metric '%s' has no help; add 'help: WHAT IT SAYS'",
			   metric->name);
	return 0;
}

static int read_counter(const struct reader *reader, const struct json_node *node,
			struct config_metric *metric)
{
	static const char *const known[] = {"name",           "help", "labels", "perf_event_array",
					    "flush_interval", NULL};
	const struct json_node *flush = json_get(node, "flush_interval");
	int error = read_bool(reader, node, "perf_event_array", &metric->is_perf_array);

	note_unknown(reader, node, known);
	if (!error && is_set(flush) && !parse_duration(text_of(flush), &metric->flush_ns))
		error = bad(reader, flush->line,
			    "'flush_interval' is no duration; write one like 10s or 1h");
	return error;
}

static int read_bucket_keys(const struct reader *reader, const struct json_node *node,
			    struct config_metric *metric)
{
	const struct json_node *list = json_get(node, "bucket_keys"), *child;
	size_t count = count_of(list);
	double *key = take(reader, count, sizeof(*key));
	int error = 0;

	if (!key)
		return no_memory(reader);
	if (!list || list->type != JSON_ARRAY || !count || count > CONFIG_BUCKETS)
		return bad(reader, list ? list->line : node->line,
			   "a histogram of type fixed has a list 'bucket_keys' of 1 to %d numbers",
			   CONFIG_BUCKETS);
	child = list->child;
	for (size_t i = 0; !error && i < count; i++, child = child->next) {
		error = read_number(reader, child, "bucket_keys", &key[i]);
		if (!error && i && key[i] <= key[i - 1])
			error = bad(reader, child->line, "'bucket_keys' do not ascend here");
	}
	metric->bucket_key = key;
	metric->buckets = (uint32_t)count;
	return error;
}

static int read_buckets(const struct reader *reader, const struct json_node *node,
			struct config_metric *metric)
{
	static const char *const known[] = {
		"name",       "help",       "labels",      "bucket_type", "bucket_multiplier",
		"bucket_min", "bucket_max", "bucket_keys", NULL};
	double low = 0, high = 0;
	const char *type = NULL;
	int error = read_text(reader, node, "bucket_type", &type);
	size_t i = 0;

	note_unknown(reader, node, known);
	if (!error)
		error = read_number(reader, json_get(node, "bucket_multiplier"),
				    "bucket_multiplier", &metric->multiplier);
	if (!error)
		error = read_whole(reader, node, "bucket_min", -65536, 65536, &low);
	if (!error)
		error = read_whole(reader, node, "bucket_max", -65536, 65536, &high);
	if (error)
		return error;
	while (type && i < sizeof(bucket_types) / sizeof(*bucket_types) &&
	       strcmp(type, bucket_types[i]) != 0)
		i++;
	if (!type || i == sizeof(bucket_types) / sizeof(*bucket_types))
		return bad(reader, node->line,
			   "histogram '%s' has no known bucket_type; write exp2, exp2zero, linear "
			   "or fixed",
			   metric->name);
	if (!metric->labels)
		return bad(reader, node->line,
			   "histogram '%s' has no labels; the last one is its bucket",
			   metric->name);
	metric->bucket_type = (enum bucket_type)i;
	if (!metric->multiplier)
		metric->multiplier = 1;
	if (metric->bucket_type == BUCKET_FIXED)
		return read_bucket_keys(reader, node, metric);
	if (high <= low || high - low >= CONFIG_BUCKETS)
		return bad(reader, node->line,
			   "histogram '%s' has bucket_min %.0f and bucket_max %.0f; make it 1 to "
			   "%d buckets",
			   metric->name, low, high, CONFIG_BUCKETS);
	metric->bucket_min = (int64_t)low;
	metric->bucket_max = (int64_t)high;
	metric->buckets = (uint32_t)(high - low) + 1;
	return 0;
}

static int read_metric(const struct reader *reader, const struct json_node *node,
		       enum config_type type, struct config_metric *metric)
{
	int error;

	metric->type = type;
	if (node->type != JSON_OBJECT)
		return bad(reader, node->line,
			   "a metric is no map; write '- name: NAME' and the rest below it");
	error = read_name(reader, node, metric);
	if (!error)
		error = read_labels(reader, node, &metric->label, &metric->labels);
	if (!error)
		error = type == CONFIG_HISTOGRAM ? read_buckets(reader, node, metric)
						 : read_counter(reader, node, metric);
	if (!error && metric->is_perf_array && !metric->labels)
		error = bad(reader, node->line,
			    "'%s' is a perf_event_array and has no labels; add one", metric->name);
	for (const struct config_metric *other = reader->config->metric; !error && other < metric;
	     other++)
		if (!strcmp(other->name, metric->name))
			error = bad(reader, node->line,
				    "metric '%s' stands here again, first in line %u; rename one",
				    metric->name, other->line);
	return error;
}

static int read_metrics(const struct reader *reader, const struct json_node *metrics)
{
	static const char *const lists[] = {"counters", "gauges", "histograms", NULL};
	struct exporter_config *config = reader->config;
	size_t count = 0;
	int error = 0;

	note_unknown(reader, metrics, lists);
	for (size_t i = 0; lists[i]; i++) {
		const struct json_node *list = json_get(metrics, lists[i]);

		if (is_set(list) && list->type != JSON_ARRAY)
			return bad(reader, list->line,
				   "'%s' is no list; put '- ' before each metric", lists[i]);
		count += count_of(list);
	}
	if (count > CONFIG_METRICS)
		return bad(reader, metrics->line, "a configuration has at most %d metrics",
			   CONFIG_METRICS);
	config->metric = take(reader, count, sizeof(*config->metric));
	if (!config->metric)
		return no_memory(reader);
	for (int i = 0; lists[i]; i++) {
		const struct json_node *list = json_get(metrics, lists[i]);

		for (const struct json_node *node = list ? list->child : NULL; !error && node;
		     node = node->next) {
			error = read_metric(reader, node, (enum config_type)i,
					    &config->metric[config->metrics]);
			config->metrics++;
		}
	}
	return error;
}

static int read_span(const struct reader *reader, const struct json_node *node,
		     struct config_span *span)
{
	static const char *const known[] = {"name", "ringbuf", "service", "labels", NULL};
	int error = read_text(reader, node, "name", &span->name);

	note_unknown(reader, node, known);
	span->line = node->line;
	if (!error)
		error = read_text(reader, node, "ringbuf", &span->ring);
	if (!error)
		error = read_text(reader, node, "service", &span->service);
	if (!error)
		error = read_labels(reader, node, &span->label, &span->labels);
	if (!error && !span->ring)
		error = bad(reader, node->line,
			    "a span has no ring; add 'ringbuf: NAME', that of its map");
	if (!error && !span->labels)
		error = bad(reader, node->line, "a span has no labels; add those of its event");
	return error;
}

static int read_spans(const struct reader *reader, const struct json_node *tracing)
{
	const struct json_node *list = json_get(tracing, "spans"), *node;
	struct exporter_config *config = reader->config;
	size_t count = count_of(list);
	int error = 0;

	if (!is_set(list))
		return 0;
	if (list->type != JSON_ARRAY || count > CONFIG_SPANS)
		return bad(reader, list->line, "'spans' is no list of at most %d", CONFIG_SPANS);
	config->span = take(reader, count, sizeof(*config->span));
	if (!config->span)
		return no_memory(reader);
	node = list->child;
	for (size_t i = 0; !error && i < count; i++, node = node->next)
		error = read_span(reader, node, &config->span[config->spans++]);
	return error;
}

static int read_kaddrs(const struct reader *reader, const struct json_node *list)
{
	struct exporter_config *config = reader->config;
	size_t count = count_of(list);

	if (!is_set(list))
		return 0;
	if (list->type != JSON_ARRAY || count > CONFIG_KADDRS)
		return bad(reader, list->line, "'kaddrs' is no list of at most %d names",
			   CONFIG_KADDRS);
	config->kaddr = take(reader, count, sizeof(*config->kaddr));
	if (!config->kaddr)
		return no_memory(reader);
	for (const struct json_node *node = list->child; node; node = node->next) {
		if (!is_scalar(node) || !node->text.len || node->text.len > 120)
			return bad(reader, node->line, "a name in 'kaddrs' is one kernel symbol");
		config->kaddr[config->kaddrs++] = (const char *)node->text.at;
	}
	return 0;
}

static int read_cgroup_map(const struct reader *reader, const struct json_node *node)
{
	static const char *const known[] = {"name", "type", "regexps", NULL};
	struct exporter_config *config = reader->config;
	const struct json_node *regexps = json_get(node, "regexps");
	const char *type = "hash";
	int error;

	if (!is_set(node))
		return 0;
	note_unknown(reader, node, known);
	config->cgroup_line = node->line;
	error = read_text(reader, node, "name", &config->cgroup_map);
	if (!error)
		error = read_text(reader, node, "type", &type);
	if (error || (!config->cgroup_map && !is_set(regexps)))
		return error;
	if (!config->cgroup_map)
		return bad(reader, node->line, "'cgroup_id_map' has no name; add that of its map");
	if (strcmp(type, "hash") != 0 && strcmp(type, "cgrp_storage") != 0)
		return bad(reader, node->line,
			   "'cgroup_id_map' has the type '%.40s'; write hash or cgrp_storage",
			   type);
	if (!is_set(regexps))
		return bad(reader, node->line,
			   "'cgroup_id_map' has no regexps; nothing would ever match");
	config->cgroup_map_type = strcmp(type, "hash") ? CGROUP_MAP_STORAGE : CGROUP_MAP_HASH;
	return read_regexps(reader, regexps, &config->cgroup_regexps);
}

static int read_root(const struct reader *reader, const struct json_node *root)
{
	static const char *const known[] = {"name",   "metrics",       "tracing",
					    "kaddrs", "cgroup_id_map", NULL};
	int error;

	if (root->type != JSON_OBJECT)
		return bad(reader, root->line,
			   "this is no configuration of ebpf_exporter; it begins with 'metrics:'");
	note_unknown(reader, root, known);
	error = read_metrics(reader, json_get(root, "metrics"));
	if (!error)
		error = read_spans(reader, json_get(root, "tracing"));
	if (!error)
		error = read_kaddrs(reader, json_get(root, "kaddrs"));
	if (!error)
		error = read_cgroup_map(reader, json_get(root, "cgroup_id_map"));
	if (!error && !reader->config->metrics && !reader->config->spans)
		error = bad(reader, root->line,
			    "there is neither a counter, a gauge, a histogram nor a span; add one");
	return error;
}

int config_read(const char *file, struct span text, struct exporter_config *config, struct err *why)
{
	struct reader reader = {config, why};
	const struct json_node *root;
	int error;

	*config = (struct exporter_config){};
	snprintf(config->file, sizeof(config->file), "%s", file);
	if (text.len > CONFIG_BYTES)
		return err_set(why, -E2BIG, "%s is larger than %d MiB", file, CONFIG_BYTES >> 20);
	arena_init(&config->arena, CONFIG_ARENA_BYTES);
	error = yaml_read_loose(text, config->file, &config->arena, &root, why);
	if (!error)
		error = read_root(&reader, root);
	if (error)
		config_done(config);
	return error;
}

void config_done(struct exporter_config *config)
{
	arena_done(&config->arena);
	*config = (struct exporter_config){};
}

/* ---- buckets ---- */

double config_bucket_raw(const struct config_metric *metric, uint32_t i)
{
	return metric->bucket_type == BUCKET_FIXED ? metric->bucket_key[i]
						   : (double)(metric->bucket_min + (int64_t)i);
}

double config_bucket_bound(const struct config_metric *metric, uint32_t i)
{
	double raw = config_bucket_raw(metric, i);

	switch (metric->bucket_type) {
	case BUCKET_EXP2: return exp2(raw) * metric->multiplier;
	case BUCKET_EXP2ZERO: return raw ? exp2(raw - 1) * metric->multiplier : 0;
	default: return raw * metric->multiplier;
	}
}

double config_sum_raw(const struct config_metric *metric)
{
	return metric->bucket_type == BUCKET_FIXED ? metric->bucket_key[metric->buckets - 1] + 1
						   : (double)metric->bucket_max + 1;
}
