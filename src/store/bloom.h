/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bloom - may this segment hold this value? "No" is certain, "yes" is wrong about once in a hundred
 * times.
 *
 * A block filter (Putze, Sanders and Singler, 2007): the hash picks one block of 32 bytes and one
 * bit in each of its eight words, so that a look-up reads one place of the file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BLOOM_BLOCK = 32, BLOOM_BITS_PER_VALUE = 12 };

struct bloom_block {
	uint32_t word[BLOOM_BLOCK / 4];
};

/* Blocks for that many different values. */
static inline uint32_t bloom_blocks(uint32_t values)
{
	return values * BLOOM_BITS_PER_VALUE / (BLOOM_BLOCK * 8) + 1;
}

static inline uint32_t bloom_block_of(uint64_t hash, uint32_t blocks)
{
	return (uint32_t)((hash >> 32) * blocks >> 32);
}

/* The word's bit for this hash; odd multipliers make eight nearly independent choices of one
 * half of it. */
static inline uint32_t bloom_bit(uint64_t hash, unsigned word)
{
	static const uint32_t odd[] = {0x9e3779b1u, 0x85ebca77u, 0xc2b2ae3du, 0x27d4eb2fu,
				       0x165667b1u, 0xb5297a4du, 0x68e31da5u, 0x1b56c4f5u};

	return 1u << ((uint32_t)hash * odd[word] >> 27);
}

static inline void bloom_add(struct bloom_block *filter, uint32_t blocks, uint64_t hash)
{
	struct bloom_block *block = &filter[bloom_block_of(hash, blocks)];

	for (unsigned i = 0; i < BLOOM_BLOCK / 4; i++)
		block->word[i] |= bloom_bit(hash, i);
}

static inline bool bloom_may_hold(const struct bloom_block *block, uint64_t hash)
{
	for (unsigned i = 0; i < BLOOM_BLOCK / 4; i++)
		if (!(block->word[i] & bloom_bit(hash, i)))
			return false;
	return true;
}
