/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decode - bytes of a map's key become the text of a label, through a chain of decoders.
 *
 * A decoder takes what the one before it gave: the first the label's bytes, the others text. What only the machine knows
 * (symbols, control groups, devices) is asked through `struct decode_facts`, so that everything here is pure.
 */
#pragma once

#include "base/buf.h"
#include "items/exporter/config.h"

/* All return false when it is not known. Texts are borrowed until the next question. */
struct decode_facts {
	void *ctx;
	bool is_exact; /* as ebpf_exporter itself says it, also where that is wrong */
	/* `nearest`: the symbol that the address lies in; else the one that begins there. */
	bool (*symbol)(void *ctx, uint64_t addr, bool nearest, struct span *ret_name);
	bool (*cgroup)(void *ctx, uint64_t id, struct span *ret_path);
	bool (*device)(void *ctx, uint32_t major, uint32_t minor, struct span *ret_name);
	bool (*interface)(void *ctx, uint32_t index, struct span *ret_name);
	/* Is there a list of PCI ids? */
	bool (*has_pci)(void *ctx);
	/* kind: DECODE_PCI_*; the number as their decoders take it. */
	bool (*pci)(void *ctx, enum decoder_kind kind, uint32_t number, struct span *ret_name);
};

enum { DECODE_DONE = 0, DECODE_SKIP = 1 };

struct decode {
	const struct decode_facts *facts; /* borrowed */
	struct buf text, other; /* owned: what was made, and what is being made of it */
	bool is_unsure; /* a name was not known: it may be later */
};

void decode_init(struct decode *decode, const struct decode_facts *facts);
void decode_done(struct decode *decode);

/* Compiles the regexps of a chain. `file` is for messages. */
int decode_prepare(const char *file, struct config_label *label, uint32_t labels, struct err *why);
int decode_prepare_regexps(const char *file, uint32_t line, struct config_decoder *decoder,
			   struct err *why);
void decode_forget(struct config_label *label, uint32_t labels);
void decode_forget_regexps(struct config_decoder *decoder);
/* Does one of these match? */
bool decode_matches(const struct config_decoder *decoder, struct span text);

/*
 * The text of a label, into decode->text. DECODE_SKIP: a regexp wants the whole sample left out. -EINVAL: a decoder
 * cannot take what it was given, -ENOSPC: the text is longer than any label may be.
 */
int decode_label(struct decode *decode, const struct config_label *label, const uint8_t *bytes,
		 struct err *why);

/* System call names that ebpf_exporter has wrong on amd64: NULL = it is right there. */
const char *exact_syscall_name(uint64_t number);
