/* SPDX-License-Identifier: GPL-2.0-only */
/* tls - what TLS says in the clear: the two hellos and alerts. `tls` in records. */
#pragma once

#include "protocol/pack.h"

enum {
	TLS_TEXT = 512, /* bytes of name, ALPN and version kept of a hello */
};

/* One connection. All zero = nothing seen yet. */
struct tls_state {
	struct {
		uint32_t due; /* bytes of the record still to pass */
		uint8_t phase; /* enum phase, in tls.c */
		bool has_hello; /* it was seen */
		union {
			struct packed open; /* the hello whose record passes */
			uint8_t room[sizeof(struct packed) + TLS_TEXT];
		};
	} half[2]; /* by enum side */
	bool is_answered; /* the server has said hello, or refused to */
};

extern const struct protocol tls;
