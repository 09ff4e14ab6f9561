// SPDX-License-Identifier: GPL-2.0-only
/*
 * points - the samples of a series as bytes, exactly, and back.
 *
 *	times	first time (zigzag), first step, then changes of the step (zigzag)
 *	values	CONSTANT 8 bytes
 *		| STEPS or CHANGES, places, exceptions (count, then distance and 8 bytes of each), whole numbers
 *		  (zigzag; at the place of an exception the number before is repeated)
 *		| BITS, per value the exclusive or with the one before, bytes turned round: what few digits of
 *		  the mantissa differ in becomes a small number
 */
#include "store/points.h"

#include "store/decimal.h"

enum mode { CONSTANT, STEPS, CHANGES, BITS };
enum { EXCEPTIONS_MAX = 64, EXCEPTION_BYTES = VARINT_BYTES_MAX + 8 };

void times_write(const int64_t *times_ms, uint32_t count, struct buf *out)
{
	int64_t step = 0;

	for (uint32_t i = 0; i < count; i++) {
		int64_t last = i ? times_ms[i - 1] : 0, now = times_ms[i] - last;

		buf_varint(out, zigzag(now - (i > 1 ? step : 0)));
		step = now;
	}
}

bool times_read(struct reader *from, uint32_t count, int64_t *ret_times)
{
	uint64_t step = 0, time = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t change = (uint64_t)unzigzag(get_varint(from));

		step = i > 1 ? step + change : change;
		time += step;
		ret_times[i] = (int64_t)time;
		if (i && ret_times[i] <= ret_times[i - 1])
			return false;
	}
	return !from->bad;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* More of them, and the bits are shorter. */
static uint32_t exceptions_allowed(uint32_t count)
{
	return count / 16 + 1 < EXCEPTIONS_MAX ? count / 16 + 1 : EXCEPTIONS_MAX;
}

/* Places with which all but a few values are decimals; -1 if there are none. */
static int common_places(const double *values, uint32_t count)
{
	uint32_t exceptions = 0;
	int places = 0;

	for (uint32_t i = 0; i < count; i++) {
		int64_t whole;
		int mine = places;

		while (!decimal_fits(values[i], mine, &whole) && ++mine <= DECIMAL_PLACES_MAX)
			;
		if (mine <= DECIMAL_PLACES_MAX)
			places = mine;
		else if (++exceptions > exceptions_allowed(count))
			return -1;
	}
	return places;
}

/* The whole numbers; an exception (also what is too large for so many places) repeats the one before. */
static uint32_t make_wholes(const double *values, uint32_t count, int places, int64_t *wholes,
			    uint8_t *exceptions, uint32_t *ret_exceptions_len)
{
	uint32_t found = 0, last = 0;
	uint8_t *end = exceptions;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t bits = bits_of(values[i]);

		if (decimal_fits(values[i], places, &wholes[i]))
			continue;
		wholes[i] = i ? wholes[i - 1] : 0;
		if (++found > exceptions_allowed(count))
			break;
		end = put_varint(end, i - last);
		memcpy(end, &bits, sizeof(bits));
		end += sizeof(bits);
		last = i;
	}
	*ret_exceptions_len = (uint32_t)(end - exceptions);
	return found;
}

static bool changes_are_shorter(const int64_t *wholes, uint32_t count)
{
	uint64_t steps = 0, changes = 0, last = 0, last_step = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t step = (uint64_t)wholes[i] - last;

		steps += varint_bytes(zigzag((int64_t)step));
		changes += varint_bytes(zigzag((int64_t)(step - last_step)));
		last = (uint64_t)wholes[i];
		last_step = step;
	}
	return changes < steps;
}

static void write_wholes(const int64_t *wholes, uint32_t count, bool changes, struct buf *out)
{
	uint8_t *at = (uint8_t *)buf_reserve(out, (size_t)count * VARINT_BYTES_MAX), *end = at;
	uint64_t last = 0, last_step = 0;

	for (uint32_t i = 0; i < count && at; i++) {
		uint64_t step = (uint64_t)wholes[i] - last;

		end = put_varint(end, zigzag((int64_t)(step - last_step)));
		last = (uint64_t)wholes[i];
		last_step = changes ? step : 0;
	}
	if (at)
		buf_commit(out, (size_t)(end - at));
}

static bool write_decimals(const double *values, uint32_t count, int64_t *wholes, struct buf *out)
{
	uint8_t exceptions[EXCEPTIONS_MAX * EXCEPTION_BYTES];
	int places = common_places(values, count);
	uint32_t found, len;
	bool changes;

	if (places < 0)
		return false;
	found = make_wholes(values, count, places, wholes, exceptions, &len);
	if (found > exceptions_allowed(count))
		return false;
	changes = changes_are_shorter(wholes, count);
	buf_char(out, changes ? CHANGES : STEPS);
	buf_char(out, (char)places);
	buf_varint(out, found);
	buf_add(out, exceptions, len);
	write_wholes(wholes, count, changes, out);
	return true;
}

static void write_bits(const double *values, uint32_t count, struct buf *out)
{
	uint8_t *at = (uint8_t *)buf_reserve(out, 1 + (size_t)count * VARINT_BYTES_MAX), *end = at;
	uint64_t last = 0;

	if (!at)
		return;
	*end++ = BITS;
	for (uint32_t i = 0; i < count; i++) {
		end = put_varint(end, __builtin_bswap64(bits_of(values[i]) ^ last));
		last = bits_of(values[i]);
	}
	buf_commit(out, (size_t)(end - at));
}

static bool all_same(const double *values, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (!same_double(values[i], values[0]))
			return false;
	return true;
}

void values_write(const double *values, uint32_t count, int64_t *scratch, struct buf *out)
{
	if (all_same(values, count)) {
		buf_char(out, CONSTANT);
		buf_word(out, bits_of(values[0]));
		return;
	}
	if (!write_decimals(values, count, scratch, out))
		write_bits(values, count, out);
}

static bool read_wholes(struct reader *from, uint32_t count, bool changes, double *ret_values)
{
	unsigned places = get_u8(from);
	uint64_t exceptions = get_varint(from), at = 0, last = 0, step = 0;
	struct reader exception = *from;

	if (places > DECIMAL_PLACES_MAX || exceptions > count)
		return false;
	for (uint64_t i = 0; i < exceptions; i++) {
		get_varint(from);
		get_u64(from);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t number = (uint64_t)unzigzag(get_varint(from));

		step = changes ? step + number : number;
		last += step;
		ret_values[i] = decimal_value((int64_t)last, (int)places);
	}
	for (uint64_t i = 0; i < exceptions; i++) {
		uint64_t distance = get_varint(&exception), bits = get_u64(&exception);

		if (distance > count || (at += distance) >= count)
			return false;
		ret_values[at] = double_of(bits);
	}
	return !from->bad;
}

bool values_read(struct reader *from, uint32_t count, double *ret_values)
{
	enum mode mode = get_u8(from);
	uint64_t bits = 0;

	switch (mode) {
	case CONSTANT:
		bits = get_u64(from);
		for (uint32_t i = 0; i < count; i++)
			ret_values[i] = double_of(bits);
		return !from->bad;
	case STEPS:
	case CHANGES: return read_wholes(from, count, mode == CHANGES, ret_values);
	case BITS:
		for (uint32_t i = 0; i < count; i++) {
			bits ^= __builtin_bswap64(get_varint(from));
			ret_values[i] = double_of(bits);
		}
		return !from->bad;
	default: return false;
	}
}
