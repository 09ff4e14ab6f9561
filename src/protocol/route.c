// SPDX-License-Identifier: GPL-2.0-only
/*
 * route - the template of a path.
 *
 * A segment is looked at as a whole (a number, a UUID, a date ...), and if it is none of these, part by
 * part between '-', '_', '.' and ':': `invoice-20311.pdf` becomes `invoice-:id.pdf`, `app.3f2a1b9c.js` becomes
 * `app.:hash.js`. What is random cannot be told from what is a name by looking at one segment alone; the
 * marks used are hexadecimal digits in a run, and how often letters and digits, or capitals and small
 * letters, change places. `sha256sum` changes twice, `k7d2m9xq` six times.
 */
#include "protocol/route.h"

enum {
	SEGMENTS_MAX = 16, /* of a path; the rest becomes "..." */
	HASH_MIN = 8, /* hexadecimal digits, with a decimal one among them */
	HASH_LETTERS_MIN = 16, /* without */
	TOKEN_MIN = 8, /* letters and digits */
	TOKEN_CHANGES_MIN = 3, /* from letter to digit or back */
	CASED_MIN = 16, /* letters, in both cases at random */
	TAIL_MIN = 4, /* digits behind letters that are an id: INC0012345 */
	LONG_MIN = 64, /* no name is that long */
};

struct out {
	char *at;
	size_t len, room;
	bool is_full;
};

static void put(struct out *out, struct span text)
{
	/* "..." fits behind whatever is there */
	if (out->is_full || out->len + text.len + 4 > out->room) {
		out->is_full = true;
		return;
	}
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];

		out->at[out->len++] = c > ' ' && c < 0x7f ? (char)c : '_';
	}
}

static size_t end_of(struct out *out)
{
	if (out->is_full && out->room > 3 && out->len + 4 <= out->room)
		for (size_t i = 0; i < 3; i++)
			out->at[out->len++] = '.';
	out->at[out->len] = 0;
	return out->len;
}

/* What a word is made of. */
struct count {
	size_t digits, lower, upper, hex_letters, escapes, others;
	size_t changes; /* between letters and digits */
	size_t cases; /* between capitals and small letters */
	size_t tail; /* digits at the end */
};

static struct count count_of(struct span word)
{
	struct count n = {};
	char last = 0;

	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.at[i];
		bool is_digit = c >= '0' && c <= '9';
		bool is_lower = c >= 'a' && c <= 'z', is_upper = c >= 'A' && c <= 'Z';
		char class = is_digit ? 'd' : is_lower ? 'l' : is_upper ? 'u' : 0;

		n.digits += is_digit;
		n.lower += is_lower;
		n.upper += is_upper;
		n.hex_letters += (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
		n.escapes += c == '%' || c >= 0x80;
		n.others += !class;
		n.tail = is_digit ? n.tail + 1 : 0;
		if (class && last && class != last) {
			n.changes += class == 'd' || last == 'd';
			n.cases += class != 'd' && last != 'd';
		}
		if (class)
			last = class;
	}
	return n;
}

/* `form`: 'h' a hexadecimal digit, 'd' a decimal one, everything else itself. */
static bool has_form(struct span word, const char *form)
{
	if (word.len < strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++) {
		uint8_t c = word.at[i], l = c | 0x20;
		bool is_digit = c >= '0' && c <= '9';

		if (form[i] == 'd'   ? !is_digit
		    : form[i] == 'h' ? !is_digit && (l < 'a' || l > 'f')
				     : c != (uint8_t)form[i])
			return false;
	}
	return true;
}

static bool is_ip(struct span word, const struct count *n)
{
	size_t dots = 0, colons = 0;

	for (size_t i = 0; i < word.len; i++) {
		dots += word.at[i] == '.';
		colons += word.at[i] == ':';
	}
	if (dots == 3 && n->digits + dots == word.len && n->digits >= 4)
		return true;
	return colons >= 2 && n->digits + n->hex_letters + colons + dots == word.len;
}

static bool is_token(struct span word, const struct count *n)
{
	size_t letters = n->lower + n->upper;

	if (word.len >= LONG_MIN)
		return true;
	if (word.len >= TOKEN_MIN && n->digits >= 2 && letters && n->changes >= TOKEN_CHANGES_MIN)
		return true;
	return letters >= CASED_MIN && n->upper && n->lower && n->cases >= letters * 2 / 5;
}

enum word_kind word_kind(struct span word)
{
	struct count n = count_of(word);

	if (!word.len)
		return WORD_NAME;
	if (n.digits == word.len)
		return WORD_ID;
	if (word.len == 36 && has_form(word, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"))
		return WORD_UUID;
	if (has_form(word, "dddd-dd-dd") &&
	    (word.len == 10 || word.at[10] == 'T' || word.at[10] == '%'))
		return WORD_DATE;
	for (size_t i = 1; i + 1 < word.len; i++)
		if (word.at[i] == '@' || (has_form(span_from(word, i), "%40")))
			return WORD_EMAIL;
	if (is_ip(word, &n))
		return WORD_IP;
	if (n.escapes)
		return WORD_TEXT;
	if (n.digits + n.hex_letters == word.len &&
	    (n.digits ? word.len >= HASH_MIN : word.len >= HASH_LETTERS_MIN))
		return WORD_HASH;
	/* JWT: eyJ is '{"' in base64; other runs of base64 may have '-', '_', '+', '=' and '.' in them */
	if (word.len >= 20 && span_starts(word, "eyJ"))
		return WORD_TOKEN;
	if (n.others == 0)
		return is_token(word, &n) ? WORD_TOKEN : WORD_NAME;
	if (word.len >= 24 && n.others <= word.len / 8 && n.upper && n.lower && n.digits &&
	    n.cases + n.changes >= word.len / 3)
		return WORD_TOKEN;
	return WORD_NAME;
}

static const char *name_of(enum word_kind kind)
{
	switch (kind) {
	case WORD_ID: return ":id";
	case WORD_UUID: return ":uuid";
	case WORD_HASH: return ":hash";
	case WORD_TOKEN: return ":token";
	case WORD_DATE: return ":date";
	case WORD_IP: return ":ip";
	case WORD_EMAIL: return ":email";
	case WORD_TEXT: return ":text";
	case WORD_NAME: break;
	}
	return "";
}

/* A part of a segment; `before` is the character that separates it. */
static void put_part(struct out *out, struct span part, uint8_t before)
{
	enum word_kind kind = word_kind(part);
	struct count n = count_of(part);

	/* 1.2.3 is a version */
	if (kind == WORD_ID && before == '.' && part.len < TAIL_MIN)
		kind = WORD_NAME;
	if (kind != WORD_NAME) {
		put(out, span_of(name_of(kind)));
		return;
	}
	if (n.tail >= TAIL_MIN && n.tail < part.len) {
		put(out, span_first(part, part.len - n.tail));
		put(out, span_of(":id"));
		return;
	}
	put(out, part);
}

/* Most segments are short and simple: small letters, or few of them and digits. What all rules below would find to be a name,
 * by one look. */
static bool is_plain(struct span segment)
{
	size_t digits = 0, tail = 0;

	if (segment.len >= HASH_LETTERS_MIN)
		return false;
	for (size_t i = 0; i < segment.len; i++) {
		bool is_digit = segment.at[i] >= '0' && segment.at[i] <= '9';

		if (!is_digit && (segment.at[i] < 'a' || segment.at[i] > 'z'))
			return false;
		digits += is_digit;
		tail = is_digit ? tail + 1 : 0;
	}
	return !digits ||
	       (segment.len < TOKEN_MIN && digits < segment.len && tail < TAIL_MIN);
}

static void put_segment(struct out *out, struct span segment)
{
	enum word_kind kind;
	size_t start = 0;
	uint8_t before = 0;

	if (is_plain(segment)) {
		put(out, segment);
		return;
	}
	kind = word_kind(segment);

	if (kind != WORD_NAME) {
		put(out, span_of(name_of(kind)));
		return;
	}
	for (size_t i = 0; i <= segment.len; i++) {
		if (i < segment.len && !strchr("-_.:", segment.at[i]))
			continue;
		put_part(out, (struct span){segment.at + start, i - start}, before);
		if (i < segment.len) {
			before = segment.at[i];
			put(out, (struct span){segment.at + i, 1});
		}
		start = i + 1;
	}
}

size_t route_of_path(struct span path, char *out, size_t room)
{
	struct out to = {out, 0, room, false};
	size_t segments = 0, start = 0;

	for (size_t i = 0; i < path.len; i++)
		if (path.at[i] == '?' || path.at[i] == '#')
			path.len = i;
	for (size_t i = 0; i <= path.len; i++) {
		struct span segment = {path.at + start, i - start};

		if (i < path.len && path.at[i] != '/')
			continue;
		for (size_t k = 0; k < segment.len; k++)
			if (segment.at[k] == ';')
				segment.len = k;
		if (++segments > SEGMENTS_MAX) {
			to.is_full = true;
			break;
		}
		put_segment(&to, segment);
		if (i < path.len)
			put(&to, span_of("/"));
		start = i + 1;
	}
	return end_of(&to);
}

static bool ends_with(struct span name, const char *end)
{
	size_t len = strlen(end);

	return name.len > len && !memcmp(name.at + name.len - len, end, len);
}

size_t route_of_name(struct span name, char *out, size_t room)
{
	static const char *const reverse[] = {".in-addr.arpa", ".ip6.arpa"};
	struct out to = {out, 0, room, false};
	size_t start = 0;

	for (size_t i = 0; i < 2; i++)
		if (ends_with(name, reverse[i])) {
			put(&to, span_of("*"));
			put(&to, span_of(reverse[i]));
			return end_of(&to);
		}
	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && name.at[i] != '.')
			continue;
		put_segment(&to, (struct span){name.at + start, i - start});
		if (i < name.len)
			put(&to, span_of("."));
		start = i + 1;
	}
	return end_of(&to);
}
