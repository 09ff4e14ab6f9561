// SPDX-License-Identifier: GPL-2.0-only
/*
 * mask - takes secrets out of what was asked, before a record of it exists.
 *
 * Names are compared without case, after taking % escapes out, as substrings where that is safe ("token"
 * in "xsrf-token"), else as whole words ("key", "sig"). A value that is itself an encoded query goes as a
 * whole if a secret's name is in it. A URL that was cut to what is kept of it may end within a secret: its
 * last part is held to a stricter measure.
 */
#include "protocol/mask.h"

#include "protocol/pack.h"
#include "protocol/route.h"

enum {
	NAME_MAX_BYTES = 64, /* of a name that are looked at */
	VALUE_MIN = 20, /* bytes: shorter values are not secret by their looks */
	TORN_MIN = 6, /* likewise, where the end may be missing */
};

struct out {
	char *at;
	size_t len, room;
};

static void put(struct out *out, struct span text)
{
	size_t room = out->room - 1 - out->len;
	size_t n = text.len < room ? text.len : room;

	if (n)
		memcpy(out->at + out->len, text.at, n);
	out->len += n;
}

static void put_str(struct out *out, const char *text)
{
	put(out, span_of(text));
}

static size_t end_of(struct out *out)
{
	out->at[out->len] = 0;
	return out->len;
}

/* Names. */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Small letters, without escapes, as much as fits; '-' for every separator. */
static struct span plain(struct span text, uint8_t *to, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len && len < room; i++) {
		uint8_t c = text.at[i];

		if (c == '%' && i + 2 < text.len && hex_digit(text.at[i + 1]) >= 0 &&
		    hex_digit(text.at[i + 2]) >= 0) {
			c = (uint8_t)(hex_digit(text.at[i + 1]) << 4 | hex_digit(text.at[i + 2]));
			i += 2;
		}
		if (c >= 'A' && c <= 'Z')
			c += 32;
		to[len++] = c == '_' || c == '.' || c == '[' || c == ']' || c == '$' ? '-' : c;
	}
	return (struct span){to, len};
}

static bool holds(struct span text, const char *word)
{
	return text.at && memmem(text.at, text.len, word, strlen(word));
}

static bool is_separator(uint8_t c)
{
	return (c < 'a' || c > 'z') && (c < '0' || c > '9');
}

/* As a word of its own: "api-key", not "monkey". */
static bool holds_word(struct span text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++)
		if (!memcmp(text.at + i, word, len) && (!i || is_separator(text.at[i - 1])) &&
		    (i + len == text.len || is_separator(text.at[i + len])))
			return true;
	return false;
}

static bool is_secret_plain(struct span name)
{
	static const char *const parts[] = {
		"token",     "passw",   "passwd",    "secret", "apikey",    "credential",
		"signature", "session", "sessid",    "jwt",    "accesskey", "private",
		"csrf",      "xsrf",    "bearer",    "cookie", "authoriz",  "authent",
		"oauth",     "hmac",    "passphrase"};
	static const char *const words[] = {"key",  "keys", "sig",  "sid",    "pwd",       "pass",
					    "auth", "code", "otp",  "pin",    "cvv",       "cvc",
					    "ssn",  "card", "iban", "ticket", "assertion", "nonce",
					    "salt", "sas",  "mfa",  "totp"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (holds(name, parts[i]))
			return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (holds_word(name, words[i]))
			return true;
	return false;
}

bool mask_is_secret_name(struct span name)
{
	uint8_t room[NAME_MAX_BYTES];

	/* a name that long is no name */
	return name.len > NAME_MAX_BYTES || is_secret_plain(plain(name, room, sizeof(room)));
}

/* Values. */

static bool is_random(struct span value, size_t least)
{
	enum word_kind kind = word_kind(value);

	if (value.len < least)
		return false;
	if (kind == WORD_TOKEN || (kind == WORD_HASH && value.len >= 32))
		return true;
	/* keys of services, by their beginnings */
	return span_starts(value, "AKIA") || span_starts(value, "ghp_") ||
	       span_starts(value, "sk_") || span_starts(value, "xox") ||
	       span_starts(value, "glpat-") || span_starts(value, "eyJ");
}

bool mask_is_secret_value(struct span value)
{
	size_t start = 0;

	if (is_random(value, VALUE_MIN))
		return true;
	for (size_t i = 0; i <= value.len;
	     i++) { /* part by part: "Bearer xyz", "a=xyz", "xyz.abc" */
		if (i < value.len && !strchr(" ,;:=&%+/|\"'", value.at[i]))
			continue;
		if (is_random((struct span){value.at + start, i - start}, VALUE_MIN))
			return true;
		start = i + 1;
	}
	return false;
}

/* An encoded query in a value: "https%3A%2F%2Fx%3Ftoken%3Dabc". */
static bool holds_secret_query(struct span value)
{
	uint8_t room[1024], twice[1024];
	struct span text = plain(value, room, sizeof(room));

	if (!memchr(value.at, '%', value.len) && !memchr(value.at, '=', value.len))
		return false;
	text = plain(text, twice, sizeof(twice));
	return (holds(text, "=") || holds(text, "@")) &&
	       (is_secret_plain(text) || holds(text, "@"));
}

/* URLs. */

static void put_value(struct out *out, struct span name, struct span value, bool is_torn)
{
	bool is_secret = mask_is_secret_name(name) || mask_is_secret_value(value) ||
			 (value.len && holds_secret_query(value)) ||
			 (is_torn && is_random(value, TORN_MIN));

	if (value.len && is_secret)
		put_str(out, "***");
	else
		put(out, value);
}

/* "a=1&token=x", or "x" alone. */
static void put_pairs(struct out *out, struct span query, bool is_torn)
{
	size_t start = 0;

	for (size_t i = 0; i <= query.len; i++) {
		struct span pair = {query.at + start, i - start};
		const uint8_t *equals;

		if (i < query.len && query.at[i] != '&' && query.at[i] != ';')
			continue;
		equals = pair.len ? memchr(pair.at, '=', pair.len) : NULL;
		if (equals) {
			size_t name = (size_t)(equals - pair.at);

			put(out, span_first(pair, name + 1));
			put_value(out, span_first(pair, name), span_from(pair, name + 1),
				  is_torn && i == query.len);
		} else {
			put_value(out, (struct span){}, pair, is_torn && i == query.len);
		}
		if (i < query.len)
			put(out, (struct span){query.at + i, 1});
		start = i + 1;
	}
}

/* One part of a path, with its parameters behind ';'. */
static void put_segment(struct out *out, struct span segment, bool is_torn)
{
	const uint8_t *semicolon = segment.len ? memchr(segment.at, ';', segment.len) : NULL;
	struct span name =
		span_first(segment, semicolon ? (size_t)(semicolon - segment.at) : segment.len);

	if (mask_is_secret_value(name) || (is_torn && !semicolon && is_random(name, TORN_MIN)))
		put_str(out, "***");
	else
		put(out, name);
	if (semicolon) {
		put_str(out, ";");
		put_pairs(out, span_from(segment, name.len + 1), is_torn);
	}
}

static void put_path(struct out *out, struct span path, bool is_torn)
{
	size_t start = 0;

	for (size_t i = 0; i <= path.len; i++) {
		if (i < path.len && path.at[i] != '/')
			continue;
		put_segment(out, (struct span){path.at + start, i - start},
			    is_torn && i == path.len);
		if (i < path.len)
			put_str(out, "/");
		start = i + 1;
	}
}

/* "scheme://user:pass@host" up to the path. Returns what follows. */
static struct span put_authority(struct out *out, struct span url)
{
	const uint8_t *slashes = url.at ? memmem(url.at, url.len, "://", 3) : NULL;
	const uint8_t *question = url.at ? memchr(url.at, '?', url.len) : NULL;
	size_t start, end, at;

	if (!slashes || url.at[0] == '/' || (question && question < slashes))
		return url;
	start = end = (size_t)(slashes - url.at) + 3;
	while (end < url.len && url.at[end] != '/' && url.at[end] != '?' && url.at[end] != '#')
		end++;
	at = end;
	while (at > start && url.at[at - 1] != '@')
		at--;
	put(out, span_first(url, start));
	if (at > start) {
		put_str(out, "***@");
		start = at;
	}
	put(out, (struct span){url.at + start, end - start});
	return span_from(url, end);
}

size_t mask_url(struct span url, char *out, size_t room)
{
	struct out to = {out, 0, room};
	bool is_torn = url.len >= MESSAGE_TARGET_MAX;
	const uint8_t *question;
	struct span path;

	if (!url.len)
		return end_of(&to);
	url = put_authority(&to, url);
	question = url.len ? memchr(url.at, '?', url.len) : NULL;
	path = span_first(url, question ? (size_t)(question - url.at) : url.len);
	put_path(&to, path, is_torn && !question);
	if (question) {
		put_str(&to, "?");
		put_pairs(&to, span_from(url, path.len + 1), is_torn);
	}
	return end_of(&to);
}

/* Headers and texts. */

static bool is_name(struct span name, const char *small)
{
	uint8_t room[NAME_MAX_BYTES];

	return name.len <= sizeof(room) && span_is(plain(name, room, sizeof(room)), small);
}

size_t mask_header(struct span name, struct span value, char *out, size_t room)
{
	struct out to = {out, 0, room};

	if (is_name(name, "authorization") || is_name(name, "proxy-authorization")) {
		const uint8_t *blank = value.len ? memchr(value.at, ' ', value.len) : NULL;

		if (blank)
			put(&to, span_first(value, (size_t)(blank - value.at) + 1));
		put_str(&to, "***");
		return end_of(&to);
	}
	if (is_name(name, "referer") || is_name(name, "location") ||
	    is_name(name, "content-location"))
		return mask_url(value, out, room);
	if (mask_is_secret_name(name) || mask_is_secret_value(value))
		put_str(&to, "***");
	else
		put(&to, value);
	return end_of(&to);
}

/* The end of a quoted run that begins at text.at[at]; text.len if it has none (it was cut). */
static size_t end_of_quotes(struct span text, size_t at)
{
	uint8_t quote = text.at[at] == '`' ? '\'' : text.at[at];

	for (size_t i = at + 1; i < text.len; i++)
		if (text.at[i] == quote || text.at[i] == text.at[at])
			return i;
	return text.len;
}

/* "don't": an apostrophe, not a quote */
static bool is_quote(struct span text, size_t at)
{
	uint8_t c = text.at[at];

	if (c != '\'' && c != '"' && c != '`')
		return false;
	return c != '\'' || !at || is_separator(text.at[at - 1] | 0x20);
}

static void put_word(struct out *out, struct span word)
{
	enum word_kind kind = word_kind(word);

	if (kind == WORD_EMAIL || (kind == WORD_ID && word.len >= TORN_MIN) ||
	    mask_is_secret_value(word))
		put_str(out, "***");
	else
		put(out, word);
}

size_t mask_text(struct span text, char *out, size_t room)
{
	struct out to = {out, 0, room};
	size_t start = 0;

	for (size_t i = 0; i <= text.len; i++) {
		bool is_quoted = i < text.len && is_quote(text, i);

		if (i < text.len && !is_quoted && !strchr(" ,()", text.at[i]))
			continue;
		put_word(&to, (struct span){text.at + start, i - start});
		if (is_quoted) {
			size_t end = end_of_quotes(text, i);

			put(&to, (struct span){text.at + i, 1});
			put_str(&to, "***");
			if (end < text.len)
				put(&to, (struct span){text.at + end, 1});
			i = end;
		} else if (i < text.len) {
			put(&to, (struct span){text.at + i, 1});
		}
		start = i + 1;
	}
	return end_of(&to);
}
