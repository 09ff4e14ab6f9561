/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config - what an ebpf_exporter configuration (NAME.yaml) says, checked as far as it can be without its object.
 *
 * The format is that of ebpf_exporter 2.x; docs/exporter-configs.md lists what is read and where we deviate. Names that
 * the format does not know are left alone, as there, and counted: `sonde items check` says which they are. Pure: text
 * in, description out, fuzzed.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/json_read.h"

enum {
	CONFIG_BYTES = 4 << 20, /* of a YAML file */
	CONFIG_ARENA_BYTES = 32 << 20, /* of everything that is read from it */
	CONFIG_METRICS = 256,
	CONFIG_LABELS = 32,
	CONFIG_DECODERS = 16, /* of one label */
	CONFIG_REGEXPS = 1024, /* of one decoder */
	CONFIG_PAIRS = 4096, /* of one static_map */
	CONFIG_SPANS = 64,
	CONFIG_KADDRS = 256,
	CONFIG_BUCKETS = 4096, /* of one histogram */
	CONFIG_KEY_BYTES = 4096, /* labels of one metric together */
	CONFIG_UNKNOWN = 32, /* unknown names that are remembered */
};

enum decoder_kind {
	DECODE_CGROUP,
	DECODE_DNAME,
	DECODE_ERRNO,
	DECODE_HEX,
	DECODE_IFNAME,
	DECODE_INET_IP,
	DECODE_KSTACK,
	DECODE_KSYM,
	DECODE_MAJORMINOR,
	DECODE_PCI_CLASS,
	DECODE_PCI_DEVICE,
	DECODE_PCI_SUBCLASS,
	DECODE_PCI_VENDOR,
	DECODE_REGEXP,
	DECODE_STATIC_MAP,
	DECODE_STRING,
	DECODE_SYSCALL,
	DECODE_UINT,
	DECODE_KINDS,
};

struct config_pair {
	struct span from, to;
};

struct config_decoder {
	enum decoder_kind kind;
	const struct config_pair *pair; /* static_map: sorted by `from` */
	uint32_t pairs;
	bool has_map; /* of names, though it may be empty */
	bool allow_unknown;
	const struct span *regexp;
	void **compiled; /* of each regexp: decode.c's */
	uint32_t regexps;
};

struct config_label {
	const char *name;
	uint32_t size, padding; /* bytes; the padding follows */
	uint32_t decoders, line;
	struct config_decoder *decoder;
};

enum bucket_type { BUCKET_EXP2, BUCKET_EXP2ZERO, BUCKET_LINEAR, BUCKET_FIXED };
enum config_type { CONFIG_COUNTER, CONFIG_GAUGE, CONFIG_HISTOGRAM };

struct config_metric {
	enum config_type type;
	const char *name; /* of the metric, without ebpf_exporter_; and of its map */
	const char *help;
	uint32_t line;
	uint32_t labels; /* of a histogram: with the bucket, which is the last */
	struct config_label *label;
	bool is_perf_array;
	uint64_t flush_ns; /* perf arrays: when the counts begin anew; 0 = never */
	enum bucket_type bucket_type;
	double multiplier;
	int64_t bucket_min, bucket_max;
	const double *bucket_key; /* fixed: ascending as written */
	uint32_t buckets; /* how many bounds */
};

struct config_span {
	const char *name, *ring, *service;
	uint32_t line, labels;
	struct config_label *label;
};

enum cgroup_map_type { CGROUP_MAP_NONE, CGROUP_MAP_HASH, CGROUP_MAP_STORAGE };

struct exporter_config {
	char file[80]; /* as messages name it: biolatency.yaml */
	struct arena arena; /* owned: everything below */
	uint32_t metrics, spans, kaddrs, unknowns;
	struct config_metric *metric; /* counters, gauges, histograms, in the order of the file */
	struct config_span *span;
	const char **kaddr;
	enum cgroup_map_type cgroup_map_type;
	const char *cgroup_map;
	struct config_decoder cgroup_regexps;
	uint32_t cgroup_line;
	struct {
		const char *name;
		uint32_t line;
	} unknown[CONFIG_UNKNOWN];
};

/* `file` is for messages: "biolatency.yaml:12: ...". On failure nothing is left behind. */
int config_read(const char *file, struct span text, struct exporter_config *config,
		struct err *why);
void config_done(struct exporter_config *config);

const char *decoder_name(enum decoder_kind kind);
const char *bucket_type_name(enum bucket_type type);

/* Bytes of all labels but the last `without` ones. */
uint32_t config_key_bytes(const struct config_label *label, uint32_t labels);

/* The raw number of bucket `i`, and its upper bound as Prometheus is told it. */
double config_bucket_raw(const struct config_metric *metric, uint32_t i);
double config_bucket_bound(const struct config_metric *metric, uint32_t i);
/* The raw number under which the sum is kept. */
double config_sum_raw(const struct config_metric *metric);
