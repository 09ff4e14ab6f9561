// SPDX-License-Identifier: GPL-2.0-only
/*
 * x509 - certificates (RFC 5280), as far as people ask for them.
 *
 * A certificate is nested values of DER: a byte that says what it is, a length, the content. Values are taken one after another off the
 * front of their parent's content, and what is not asked for is passed by. Whatever comes, nothing outside of the
 * bytes is read, and each byte is read a few times at most.
 */
#include "protocol/x509.h"

#include <errno.h>

enum {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_UTC_TIME = 0x17,
	TAG_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_VERSION = 0xa0,
	TAG_ISSUER_ID = 0x81,
	TAG_SUBJECT_ID = 0x82,
	TAG_EXTENSIONS = 0xa3,
	/* of alternative names */
	TAG_DNS = 0x82,
	TAG_ADDRESS = 0x87,
	TAG_BMP_STRING = 0x1e,
	LENGTH_BYTES = 3,
	HANDSHAKE_CERTIFICATE = 11,
};

/* Takes the first value; false: there is none, or it is longer than what there is. */
static bool take(struct span *in, uint8_t *ret_tag, struct span *ret_content)
{
	size_t length, at = 2;

	if (in->len < 2)
		return false;
	length = in->at[1];
	if (length & 0x80) {
		size_t bytes = length & 0x7f;

		if (!bytes || bytes > LENGTH_BYTES || in->len < at + bytes)
			return false;
		length = 0;
		for (size_t i = 0; i < bytes; i++)
			length = length << 8 | in->at[at++];
	}
	if (in->len - at < length)
		return false;
	*ret_tag = in->at[0];
	*ret_content = (struct span){in->at + at, length};
	*in = span_from(*in, at + length);
	return true;
}

static bool take_tag(struct span *in, uint8_t tag, struct span *ret_content)
{
	struct span rest = *in, content;
	uint8_t found;

	if (!take(&rest, &found, &content) || found != tag)
		return false;
	*in = rest;
	*ret_content = content;
	return true;
}

static void pass_tag(struct span *in, uint8_t tag)
{
	struct span passed;

	take_tag(in, tag, &passed);
}

/* ---- time ---- */

static bool two_digits(struct span *in, int *ret)
{
	if (in->len < 2 || in->at[0] < '0' || in->at[0] > '9' || in->at[1] < '0' || in->at[1] > '9')
		return false;
	*ret = (in->at[0] - '0') * 10 + in->at[1] - '0';
	*in = span_from(*in, 2);
	return true;
}

/* Days since 1970-01-01 of the Gregorian calendar: years are counted from March on, so that the odd day is the last one. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* YYMMDDHHMMSSZ, or with four digits of the year from 2050 on (RFC 5280 4.1.2.5). */
static bool take_time(struct span *in, int64_t *ret_seconds)
{
	int part[6], century = 0;
	struct span text;
	uint8_t tag;

	if (!take(in, &tag, &text) || (tag != TAG_UTC_TIME && tag != TAG_TIME) ||
	    (tag == TAG_TIME && !two_digits(&text, &century)))
		return false;
	for (int i = 0; i < 6; i++)
		if (!two_digits(&text, &part[i]))
			return false;
	if (text.len != 1 || text.at[0] != 'Z' || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
	    part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return false;
	if (tag == TAG_UTC_TIME)
		century = part[0] < 50 ? 20 : 19;
	*ret_seconds = days_of(century * 100 + part[0], part[1], part[2]) * 86400 + part[3] * 3600 +
		       part[4] * 60 + part[5];
	return true;
}

/* ---- names ---- */

static const char *attribute_name(struct span oid)
{
	static const struct {
		uint8_t last; /* of 2.5.4.X */
		const char *name;
	} known[] = {{3, "CN"},           {6, "C"},     {7, "L"}, {8, "ST"}, {10, "O"}, {11, "OU"},
		     {5, "serialNumber"}, {12, "title"}};

	if (oid.len == 3 && oid.at[0] == 0x55 && oid.at[1] == 4)
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (known[i].last == oid.at[2])
				return known[i].name;
	return NULL;
}

/* Bytes that would end a line, or hide something, are not shown. */
static void print_text(uint8_t tag, struct span text, struct buf *out)
{
	size_t step = tag == TAG_BMP_STRING ? 2 : 1;

	for (size_t i = step - 1; i < text.len; i += step)
		buf_char(out, text.at[i] < ' ' || text.at[i] == 0x7f ||
					      (step == 2 && (text.at[i - 1] || text.at[i] > 0x7e))
				      ? '?'
				      : (char)text.at[i]);
}

void x509_print_name(struct span name, struct buf *out)
{
	struct span set, pair, oid, text;
	bool is_first = true;
	uint8_t tag;

	while (take_tag(&name, TAG_SET, &set))
		while (take_tag(&set, TAG_SEQUENCE, &pair)) {
			const char *attribute;

			if (!take_tag(&pair, TAG_OID, &oid) || !take(&pair, &tag, &text) ||
			    !(attribute = attribute_name(oid)))
				continue;
			buf_f(out, "%s%s=", is_first ? "" : ", ", attribute);
			print_text(tag, text, out);
			is_first = false;
		}
}

void x509_print_serial(struct span serial, struct buf *out)
{
	while (serial.len > 1 && !serial.at[0])
		serial = span_from(serial, 1);
	for (size_t i = 0; i < serial.len; i++)
		buf_f(out, "%02X", serial.at[i]);
}

bool x509_next_name(struct span *names, struct span *ret_name, bool *ret_is_address)
{
	struct span name;
	uint8_t tag;

	while (take(names, &tag, &name)) {
		if (tag != TAG_DNS && (tag != TAG_ADDRESS || (name.len != 4 && name.len != 16)))
			continue;
		*ret_name = name;
		*ret_is_address = tag == TAG_ADDRESS;
		return true;
	}
	return false;
}

/* subjectAltName, 2.5.29.17 */
static void read_extensions(struct span in, struct x509 *facts)
{
	struct span list, extension, oid, octets;

	if (!take_tag(&in, TAG_SEQUENCE, &list))
		return;
	while (take_tag(&list, TAG_SEQUENCE, &extension)) {
		if (!take_tag(&extension, TAG_OID, &oid) || oid.len != 3 ||
		    memcmp(oid.at, "\x55\x1d\x11", 3))
			continue;
		pass_tag(&extension, TAG_BOOLEAN);
		if (take_tag(&extension, TAG_OCTETS, &octets))
			take_tag(&octets, TAG_SEQUENCE, &facts->names);
	}
}

int x509_read(struct span der, struct x509 *ret)
{
	struct span certificate, facts, validity, passed;
	struct x509 read = {};

	if (!take_tag(&der, TAG_SEQUENCE, &certificate) ||
	    !take_tag(&certificate, TAG_SEQUENCE, &facts))
		return -EINVAL;
	pass_tag(&facts, TAG_VERSION);
	if (!take_tag(&facts, TAG_INTEGER, &read.serial) || !read.serial.len ||
	    !take_tag(&facts, TAG_SEQUENCE, &passed) ||
	    !take_tag(&facts, TAG_SEQUENCE, &read.issuer) ||
	    !take_tag(&facts, TAG_SEQUENCE, &validity) ||
	    !take_time(&validity, &read.not_before_s) || !take_time(&validity, &read.not_after_s) ||
	    !take_tag(&facts, TAG_SEQUENCE, &read.subject) ||
	    !take_tag(&facts, TAG_SEQUENCE, &passed)) /* the key */
		return -EINVAL;
	pass_tag(&facts, TAG_ISSUER_ID);
	pass_tag(&facts, TAG_SUBJECT_ID);
	if (take_tag(&facts, TAG_EXTENSIONS, &passed))
		read_extensions(passed, &read);
	*ret = read;
	return 0;
}

/* ---- where it comes from ---- */

static size_t number24(const uint8_t *at)
{
	return (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
}

/* A list of certificates; of 1.3 a byte and that many others stand before it. */
static struct span first_of_list(struct span in)
{
	size_t length;

	if (in.len < 6)
		return (struct span){};
	length = number24(in.at + 3);
	if (number24(in.at) < length + 3)
		return (struct span){};
	return span_first(span_from(in, 6), length);
}

struct span x509_of_message(struct span message)
{
	struct span body, found;

	if (message.len < 5 || message.at[0] != HANDSHAKE_CERTIFICATE)
		return (struct span){};
	body = span_first(span_from(message, 4), number24(message.at + 1));
	if (!body.len)
		return body;
	/* a list fills what is left of the message; only one of the two readings does so */
	if (body.len >= 3 && number24(body.at) + 3 == number24(message.at + 1))
		return first_of_list(body);
	found = span_from(body, 1 + (size_t)body.at[0]);
	if (found.len >= 3 && number24(found.at) + 4 + body.at[0] == number24(message.at + 1))
		return first_of_list(found);
	return (struct span){};
}
