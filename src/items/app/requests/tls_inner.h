/* SPDX-License-Identifier: GPL-2.0-only */
/* tls_inner - where, inside of OpenSSL, plaintext and the object it belongs to lie in registers (tls_inner.bpf.h). */
#pragma once

#include "base/elf_file.h"
#include "items/app/requests/tls.h"

enum { TLS_INNER_WRITES = 4, TLS_INNER_READS = 8 };

/* A call of memcpy that hands plaintext to who reads. */
struct tls_inner_read {
	uint64_t at; /* in the file */
	uint32_t kept; /* the register that matters: which of those that functions keep (tls.h) */
	uint32_t distance; /* from what it holds to the record */
};

struct tls_inner {
	struct tls_inner_read read[TLS_INNER_READS];
	uint32_t reads;
	uint64_t write_at
		[TLS_INNER_WRITES]; /* calls that send a new record: (object, type, plaintext, bytes) */
	uint32_t writes;
	uint32_t record; /* bytes from the object to its first record */
};

/* `around`: where SSL_read is in the file. False: this library is built otherwise than the ones that are known. */
bool tls_inner_find(const struct elf *elf, uint64_t around, struct tls_inner *ret_inner);
