/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exporter - configurations of ebpf_exporter as items: NAME.yaml beside NAME.bpf.o, unmodified.
 *
 * The pair is read, and its two halves are held against each other, before anything reaches the kernel: config.h is
 * what the YAML says, bpf_object tells maps and programs. From that comes an item like any other: a description
 * (hooks, one parameter `exact`), user half (item_ops), families that keep their own series. docs/exporter-configs.md.
 */
#pragma once

#include "items/describe.h"
#include "items/item.h"

struct exporter;

/*
 * `name` is the configuration's: the file's name without .yaml. The bytes are copied, of the object only what is needed.
 * On failure `why` is one sentence with file, line and what to do.
 */
int exporter_new(const char *name, struct span yaml, struct span elf,
		 struct exporter **ret_exporter, struct err *why);
void exporter_free(struct exporter *exporter);

/* For the registry: the description is its to free, the rest is borrowed. */
struct item_desc *exporter_take_description(struct exporter *exporter);
const struct item_ops *exporter_ops(const struct exporter *exporter);
struct span exporter_yaml(const struct exporter *exporter);
const char *exporter_config_name(const struct exporter *exporter);

/* The counters of an older version go on in this one. */
void exporter_inherit(struct exporter *exporter, struct exporter *from);

/* What it would do, as one JSON object. */
void exporter_json(const struct exporter *exporter, struct json *json);
/* Likewise for people. */
void exporter_text(const struct exporter *exporter, struct buf *out);

/* "accept-latency" -> "accept_latency": names of items have no other characters. False when nothing can be made of it. */
bool exporter_item_name(const char *config, char name[ITEM_NAME_BYTES]);
