// SPDX-License-Identifier: GPL-2.0-only
/* value - one cell of a record, printed for people, for programs and for comparison. */
#include "base/clock.h"
#include "base/units.h"
#include "record/record.h"

#include <stdio.h>

/* Code points that steer a terminal or turn the direction of reading: they would let one value pass for
 * another. C1 controls (U+0080..9F), U+200B..F, U+2028..E, U+2066..9, U+FEFF. */
static bool is_invisible(const uint8_t *at, size_t len)
{
	if (len == 2)
		return at[0] == 0xc2 && at[1] < 0xa0;
	if (len != 3)
		return false;
	if (at[0] == 0xe2 && at[1] == 0x80)
		return (at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xa8 && at[2] <= 0xae);
	if (at[0] == 0xe2 && at[1] == 0x81)
		return at[2] >= 0xa6 && at[2] <= 0xa9;
	return at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf;
}

static void print_byte(struct buf *out, uint8_t c)
{
	switch (c) {
	case '\n': buf_str(out, "\\n"); break;
	case '\r': buf_str(out, "\\r"); break;
	case '\t': buf_str(out, "\\t"); break;
	default: buf_f(out, "\\x%02x", c);
	}
}

static void print_text(struct buf *out, struct span text)
{
	for (size_t at = 0, len; at < text.len; at += len) {
		len = utf8_valid(text.at + at, text.len - at);
		if (!len) {
			buf_str(out, "\xef\xbf\xbd"); /* U+FFFD */
			len = 1;
		} else if (is_invisible(text.at + at, len)) {
			for (size_t i = 0; i < len; i++)
				print_byte(out, text.at[at + i]);
		} else if (text.at[at] < ' ' || text.at[at] == 0x7f) {
			print_byte(out, text.at[at]);
		} else {
			buf_add(out, text.at + at, len);
		}
	}
}

static double number_of(const struct value *value)
{
	switch (value->kind) {
	case VALUE_I64: return (double)value->i64;
	case VALUE_DOUBLE: return value->real;
	default: return (double)value->u64;
	}
}

static void print_plain(const struct value *value, struct buf *out)
{
	char scratch[VALUE_TEXT_BYTES];

	if (value->kind == VALUE_DOUBLE)
		print_number(out, value->real);
	else
		buf_span(out, value_as_text(value, scratch));
}

void value_print(const struct value *value, enum unit unit, struct buf *out)
{
	char time[TIME_TEXT];

	switch (value->kind) {
	case VALUE_ABSENT:
	case VALUE_SKETCH: return;
	case VALUE_TEXT:
	case VALUE_JSON: print_text(out, value->text); return;
	case VALUE_BOOL: buf_str(out, value->truth ? "true" : "false"); return;
	case VALUE_TIME: buf_add(out, time, time_print(value->u64, 3, time)); return;
	default: break;
	}
	if (unit == UNIT_NS)
		print_duration(out, number_of(value));
	else if (unit == UNIT_BYTES)
		print_bytes(out, number_of(value));
	else
		print_plain(value, out);
	if (unit == UNIT_PERCENT)
		buf_str(out, " %");
}

void value_json(const struct value *value, struct json *json)
{
	char time[TIME_TEXT];

	switch (value->kind) {
	case VALUE_ABSENT:
	case VALUE_SKETCH: json_null(json); break;
	case VALUE_U64: json_u64(json, value->u64); break;
	case VALUE_I64: json_i64(json, value->i64); break;
	case VALUE_DOUBLE: json_double(json, value->real); break;
	case VALUE_BOOL: json_bool(json, value->truth); break;
	case VALUE_TEXT: json_span(json, value->text); break;
	case VALUE_TIME:
		time_print(value->u64, 9, time);
		json_str(json, time);
		break;
	case VALUE_JSON: json_raw(json, value->text); break;
	}
}

struct span value_as_text(const struct value *value, char scratch[VALUE_TEXT_BYTES])
{
	int len = 0;

	switch (value->kind) {
	case VALUE_ABSENT:
	case VALUE_SKETCH: return (struct span){};
	case VALUE_TEXT:
	case VALUE_JSON: return value->text;
	case VALUE_BOOL: return span_of(value->truth ? "true" : "false");
	case VALUE_TIME: len = (int)time_print(value->u64, 9, scratch); break;
	case VALUE_U64:
		len = snprintf(scratch, VALUE_TEXT_BYTES, "%llu", (unsigned long long)value->u64);
		break;
	case VALUE_I64:
		len = snprintf(scratch, VALUE_TEXT_BYTES, "%lld", (long long)value->i64);
		break;
	case VALUE_DOUBLE: len = (int)print_double(scratch, value->real); break;
	}
	return (struct span){(const uint8_t *)scratch, (size_t)len};
}

void record_json(const struct record *record, struct json *json)
{
	json_object(json);
	for (uint32_t i = 0; i < record->layout->count; i++) {
		if (record->value[i].kind == VALUE_ABSENT ||
		    record->value[i].kind == VALUE_SKETCH)
			continue;
		json_key(json, record->layout->column[i].name);
		value_json(&record->value[i], json);
	}
	json_object_end(json);
}
