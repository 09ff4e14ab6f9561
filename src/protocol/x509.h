/* SPDX-License-Identifier: GPL-2.0-only */
/* x509 - what a certificate says of itself: whose it is, its names, its number, from when until when. */
#pragma once

#include "base/buf.h"

struct x509 {
	struct span serial; /* bytes of the number, the highest first; borrowed like all of these */
	struct span issuer, subject; /* x509_print_name */
	struct span names; /* x509_next_name */
	int64_t not_before_s, not_after_s; /* seconds since 1970, UTC */
};

/* DER (RFC 5280 4.1), as much of it as its facts need: signatures are not looked at. 0 or -EINVAL. */
int x509_read(struct span der, struct x509 *ret);

/* `CN=a, O=b`, as they stand; attributes without a usual name are left out. */
void x509_print_name(struct span name, struct buf *out);
void x509_print_serial(struct span serial, struct buf *out);
/* The next name of a machine among the alternative names: of DNS, or an address (4 or 16 bytes). `names` is shortened. */
bool x509_next_name(struct span *names, struct span *ret_name, bool *ret_is_address);

/* The first certificate of a handshake message (RFC 5246 7.4.2, RFC 8446 4.4.2), as much of it as is there; empty: it
 * is no such message, or there is none in it. */
struct span x509_of_message(struct span message);
