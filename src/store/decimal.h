/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decimal - doubles that were short decimal numbers, as whole numbers again, without loss.
 *
 * Most doubles that a machine reports were written with a few decimal places: 0.25, 17, 3.125. Then
 * the double is the one nearest to whole / 10^places, and IEEE 754 division gives back exactly that
 * one. A pair (whole, places) is only used when the division returns the very same 64 bits.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { DECIMAL_PLACES_MAX = 12 };

static const double decimal_power[DECIMAL_PLACES_MAX + 1] = {1,   1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
							     1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

static inline double decimal_value(int64_t whole, int places)
{
	return places ? (double)whole / decimal_power[places] : (double)whole;
}

static inline bool same_double(double a, double b)
{
	return !memcmp(&a, &b, sizeof(a));
}

/* Is `value` whole / 10^places for a whole number of 53 bits (without places: of 63 bits)? */
static inline bool decimal_fits(double value, int places, int64_t *ret_whole)
{
	double scaled = value * decimal_power[places];

	if (!(fabs(scaled) < (places ? 0x1p53 : 0x1p63))) /* also what is not a number */
		return false;
	*ret_whole = places ? llrint(scaled) : (int64_t)scaled;
	return same_double(decimal_value(*ret_whole, places), value);
}
