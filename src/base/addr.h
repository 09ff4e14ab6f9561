/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * addr - IP addresses in 16 bytes: IPv6 as it is, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that
 * one column, one map key and one comparison hold both. All zero = no address known.
 */
#pragma once

#include "base/span.h"

enum { ADDR_BYTES = 16, ADDR_TEXT = 46 };

bool addr_is_none(const uint8_t addr[ADDR_BYTES]);
bool addr_is_ip4(const uint8_t addr[ADDR_BYTES]);
void addr_from_ip4(const uint8_t ip4[4], uint8_t ret_addr[ADDR_BYTES]);

/* "10.0.0.1", "2001:db8::1" (RFC 5952). Returns the length. */
size_t addr_print(const uint8_t addr[ADDR_BYTES], char ret_text[ADDR_TEXT]);
bool addr_parse(struct span text, uint8_t ret_addr[ADDR_BYTES]);

/* A network: "10.0.0.0/8", "2001:db8::/32", or a single address. */
struct network {
	uint8_t addr[ADDR_BYTES];
	uint8_t bits; /* 0..128, counted in the 16 bytes: /8 of IPv4 is 104 */
};

bool network_parse(struct span text, struct network *ret);
bool network_has(const struct network *network, const uint8_t addr[ADDR_BYTES]);
