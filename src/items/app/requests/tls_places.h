/* SPDX-License-Identifier: GPL-2.0-only */
/* tls_places - which functions of a program or library move plaintext, and where in the file they are. */
#pragma once

#include "base/elf_file.h"
#include "items/app/requests/tls.h"

enum tls_program {
	TLS_ENTERED,
	TLS_RETURNED,
	TLS_GO_RETURNED,
	TLS_PROGRAMS,
};

enum { TLS_PLACES = 128 };

/* One probe: where, which program, and what its cookie says. */
struct tls_place {
	enum tls_program program;
	uint64_t offset; /* in the file */
	uint64_t cookie;
};

struct tls_places {
	const char *library; /* static: openssl, gnutls, nss; NULL = none is in this file */
	struct tls_place place[TLS_PLACES];
	uint32_t count;
	bool is_inner; /* OpenSSL is probed inside (tls_inner.h) */
};

/* Is a file of this name worth a look? Every program is: it may have a library inside. */
bool tls_is_library(struct span name);

void tls_places_find(const struct elf *elf, struct tls_places *ret_places);
