// SPDX-License-Identifier: GPL-2.0-only
/* bits - check sums and hashes of the store's files. */
#include "store/bits.h"

#include <pthread.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* Castagnoli's polynomial, reflected (RFC 3720, appendix B.4). */
#define POLYNOMIAL 0x82f63b78u

static uint32_t table[8][256];
static uint32_t (*crc_bytes)(uint32_t crc, const uint8_t *at, size_t len);

/* Eight tables: byte k of a word is carried over 7 - k bytes that follow it in one look-up. */
static void fill_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

static uint32_t crc_by_table(uint32_t crc, const uint8_t *at, size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		word ^= crc;
		crc = 0;
		for (int k = 0; k < 8; k++)
			crc ^= table[7 - k][word >> 8 * k & 255];
	}
	while (len--)
		crc = crc >> 8 ^ table[0][(crc ^ *at++) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_cpu(uint32_t crc, const uint8_t *at,
							     size_t len)
{
	uint64_t wide = crc;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}

static bool cpu_can(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
__attribute__((target("+crc"))) static uint32_t crc_by_cpu(uint32_t crc, const uint8_t *at,
							   size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		crc = __builtin_aarch64_crc32cx(crc, word);
	}
	while (len--)
		crc = __builtin_aarch64_crc32cb(crc, *at++);
	return crc;
}

static bool cpu_can(void)
{
	return getauxval(AT_HWCAP) & 1 << 7; /* HWCAP_CRC32 */
}
#else
#define crc_by_cpu crc_by_table
static bool cpu_can(void)
{
	return false;
}
#endif

static void choose(void)
{
	fill_tables();
	crc_bytes = cpu_can() ? crc_by_cpu : crc_by_table;
}

uint32_t crc32c(uint32_t before, const void *bytes, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, choose);
	return ~crc_bytes(~before, bytes, len);
}

/* Multiply-and-fold over words; the constants are digits of e. */
uint64_t stable_hash(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t hash = 0xb7e151628aed2a6au ^ len;

	while (len) {
		size_t step = len < 8 ? len : 8;
		uint64_t word = 0;
		unsigned __int128 product;

		memcpy(&word, at, step);
		product = (unsigned __int128)(hash ^ word) * 0xbf7158809cf4f3c7u;
		hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ 0x62e7160f38b4da57u;
		at += step;
		len -= step;
	}
	hash ^= hash >> 32;
	hash *= 0x84d9045190cfef35u;
	return hash ^ hash >> 29;
}
