// SPDX-License-Identifier: GPL-2.0-only
/* addr - IP addresses in 16 bytes. */
#include "base/addr.h"

#include <arpa/inet.h>

static const uint8_t ip4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_is_none(const uint8_t addr[ADDR_BYTES])
{
	static const uint8_t none[ADDR_BYTES];

	return !memcmp(addr, none, ADDR_BYTES);
}

bool addr_is_ip4(const uint8_t addr[ADDR_BYTES])
{
	return !memcmp(addr, ip4_prefix, sizeof(ip4_prefix));
}

void addr_from_ip4(const uint8_t ip4[4], uint8_t ret_addr[ADDR_BYTES])
{
	memcpy(ret_addr, ip4_prefix, sizeof(ip4_prefix));
	memcpy(ret_addr + sizeof(ip4_prefix), ip4, 4);
}

size_t addr_print(const uint8_t addr[ADDR_BYTES], char ret_text[ADDR_TEXT])
{
	if (addr_is_ip4(addr))
		inet_ntop(AF_INET, addr + sizeof(ip4_prefix), ret_text, ADDR_TEXT);
	else
		inet_ntop(AF_INET6, addr, ret_text, ADDR_TEXT);
	return strlen(ret_text);
}

bool addr_parse(struct span text, uint8_t ret_addr[ADDR_BYTES])
{
	char copy[ADDR_TEXT];
	uint8_t ip4[4];

	if (!text.len || text.len >= sizeof(copy) || memchr(text.at, 0, text.len))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, ip4) == 1) {
		addr_from_ip4(ip4, ret_addr);
		return true;
	}
	return inet_pton(AF_INET6, copy, ret_addr) == 1;
}

bool network_parse(struct span text, struct network *ret)
{
	const uint8_t *slash = text.len ? memchr(text.at, '/', text.len) : NULL;
	struct network network = {.bits = 128};
	struct span addr = slash ? span_first(text, (size_t)(slash - text.at)) : text, bits;
	unsigned count = 0, most;

	if (!addr_parse(addr, network.addr))
		return false;
	if (slash) {
		bits = span_from(text, addr.len + 1);
		most = memchr(addr.at, ':', addr.len) ? 128 : 32;
		if (!bits.len || bits.len > 3)
			return false;
		for (size_t i = 0; i < bits.len; i++) {
			if (bits.at[i] < '0' || bits.at[i] > '9')
				return false;
			count = count * 10 + (bits.at[i] - '0');
		}
		if (count > most)
			return false;
		network.bits = (uint8_t)(count + 128 - most);
	}
	*ret = network;
	return true;
}

bool network_has(const struct network *network, const uint8_t addr[ADDR_BYTES])
{
	unsigned bytes = network->bits / 8, bits = network->bits % 8;

	if (memcmp(network->addr, addr, bytes) != 0)
		return false;
	return !bits || !((network->addr[bytes] ^ addr[bytes]) >> (8 - bits));
}
