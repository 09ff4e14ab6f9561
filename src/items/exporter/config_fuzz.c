// SPDX-License-Identifier: GPL-2.0-only
/* Any text as a configuration: refused with a reason that names the file, or one whose labels can be decoded. */
#include "items/exporter/decode.h"

#include <stdlib.h>

static bool no_symbol(void *ctx, uint64_t addr, bool nearest, struct span *ret_name)
{
	*ret_name = span_of("symbol");
	return nearest;
}

static bool no_cgroup(void *ctx, uint64_t id, struct span *ret_path)
{
	return false;
}

static bool no_device(void *ctx, uint32_t major, uint32_t minor, struct span *ret_name)
{
	return false;
}

static bool no_interface(void *ctx, uint32_t index, struct span *ret_name)
{
	return false;
}

static bool has_pci(void *ctx)
{
	return true;
}

static bool no_pci(void *ctx, enum decoder_kind kind, uint32_t number, struct span *ret_name)
{
	return false;
}

static const struct decode_facts facts = {
	.symbol = no_symbol,
	.cgroup = no_cgroup,
	.device = no_device,
	.interface = no_interface,
	.has_pci = has_pci,
	.pci = no_pci,
};

static void decode_all(struct config_label *label, uint32_t labels)
{
	uint8_t *bytes = malloc(CONFIG_KEY_BYTES);
	struct decode decode;
	struct err why = {};

	for (int i = 0; i < CONFIG_KEY_BYTES; i++)
		bytes[i] = (uint8_t)(i * 37);
	decode_init(&decode, &facts);
	if (!decode_prepare("fuzz.yaml", label, labels, &why))
		for (uint32_t i = 0; i < labels; i++)
			if (decode_label(&decode, &label[i], bytes, &why) == -1)
				abort();
	decode_forget(label, labels);
	decode_done(&decode);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct exporter_config config;
	struct err why = {};

	if (config_read("fuzz.yaml", (struct span){at, len}, &config, &why)) {
		if (!why.code || strncmp(why.text, "fuzz.yaml", 9) != 0)
			abort();
		return 0;
	}
	for (uint32_t i = 0; i < config.metrics && i < 8; i++)
		decode_all(config.metric[i].label, config.metric[i].labels);
	for (uint32_t i = 0; i < config.spans && i < 8; i++)
		decode_all(config.span[i].label, config.span[i].labels);
	config_done(&config);
	return 0;
}
