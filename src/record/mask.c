// SPDX-License-Identifier: GPL-2.0-only
/*
 * mask - command lines and texts without the secrets in them.
 *
 * A command line passes two sieves. The first knows words: the option before this one asked for a
 * secret, or this program takes one in this option. A word with blanks in it (sh -c '...') is a
 * command line again. The second knows text: names with a value behind them, URLs, shapes of tokens.
 */
#include "record/mask.h"

#include <strings.h>

static const char stars[] = "***";

enum { NAME_BYTES = 64, NESTED_MAX = 3 };

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_name_byte(uint8_t c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Without regard to case; -1 if it is not there. */
static long find_word(struct span text, const char *word)
{
	size_t len = strlen(word);

	for (size_t at = 0; at + len <= text.len; at++)
		if (!strncasecmp((const char *)text.at + at, word, len))
			return (long)at;
	return -1;
}

static bool is_one_of(struct span text, const char *const *words)
{
	for (; *words; words++)
		if (text.len == strlen(*words) && find_word(text, *words) == 0)
			return true;
	return false;
}

/* requirepass, dbpass, userpass: but nothing that goes around or shows the way. */
static bool ends_in_pass(struct span word)
{
	static const char *const harmless[] = {"bypass", "compass", NULL};

	return word.len > 4 && find_word(span_from(word, word.len - 4), "pass") == 0 &&
	       !is_one_of(word, harmless);
}

bool is_secret_name(struct span name)
{
	static const char *const whole[] = {"pass",       "pwd",           "pw",     "auth",
					    "sig",        "authorization", "cookie", "set-cookie",
					    "session_id", "masterauth",    NULL};
	static const char *const within[] = {"password",
					     "sessionid", /* jsessionid, aspsessionid... */
					     "sessid",
					     "passwd",
					     "passphrase",
					     "secret",
					     "credential",
					     "apikey",
					     "api-key",
					     "api_key",
					     "access-key",
					     "access_key",
					     "accesskey",
					     "private-key",
					     "private_key",
					     "privatekey",
					     "auth-key",
					     "auth_key",
					     "authkey",
					     "signature",
					     "proxy-authorization",
					     NULL};
	/* the name is about the secret, the value is not it */
	static const char *const about[] = {"file",   "path",    "dir",    "stdin", "fd",
					    "prompt", "command", "type",   "name",  "env",
					    "ttl",    "len",     "length", "url",   "uri",
					    "id",     "mode",    "age",    NULL};
	struct span last = name;
	long token;

	if (!name.len || name.len > NAME_BYTES || find_word(name, "no-") == 0 ||
	    find_word(name, "ask-") == 0)
		return false;
	for (size_t i = name.len; i--;)
		if (name.at[i] == '-' || name.at[i] == '_' || name.at[i] == '.') {
			last = span_from(name, i + 1);
			break;
		}
	if (is_one_of(name, whole) || is_one_of(last, whole))
		return true;
	if (is_one_of(last, about))
		return false;
	if (ends_in_pass(last))
		return true;
	for (size_t i = 0; within[i]; i++)
		if (find_word(name, within[i]) >= 0)
			return true;
	token = find_word(name, "token"); /* but not max-tokens or tokenizer */
	return token >= 0 && ((size_t)token + 5 == name.len || !is_alnum(name.at[token + 5]));
}

/* ---- the second sieve: text ---- */

/* Beginnings of tokens that say what they are, and how many more name bytes there are at least. */
static const struct {
	const char *begin;
	size_t more;
} shapes[] = {
	{"AKIA", 16},     {"ASIA", 16},     {"ghp_", 20},        {"gho_", 20},   {"ghu_", 20},
	{"ghs_", 20},     {"ghr_", 20},     {"github_pat_", 20}, {"glpat-", 16}, {"xoxa-", 10},
	{"xoxb-", 10},    {"xoxp-", 10},    {"xoxr-", 10},       {"xoxs-", 10},  {"sk-", 20},
	{"sk_live_", 16}, {"rk_live_", 16}, {"AIza", 30},        {"npm_", 30},   {"hvs.", 20},
	{"dop_v1_", 20},  {"eyJ", 20},
};

static size_t name_length(struct span text)
{
	size_t len = 0;

	while (len < text.len && is_name_byte(text.at[len]))
		len++;
	return len;
}

static bool has_token_shape(struct span word)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (span_starts(word, shapes[i].begin) &&
		    word.len >= strlen(shapes[i].begin) + shapes[i].more)
			return true;
	return false;
}

/* "-----BEGIN PRIVATE KEY----- ... -----END": all of it, up to the last line or the end. */
static size_t key_block_length(struct span text)
{
	long end;

	if (!span_starts(text, "-----BEGIN "))
		return 0;
	end = find_word(text, "-----END ");
	return end < 0 ? text.len : (size_t)end;
}

/* The value behind a name ends where its quote does, else at a separator. */
static size_t value_length(struct span text, char quote)
{
	size_t len = 0;

	while (len < text.len) {
		uint8_t c = text.at[len];

		if (quote ? c == (uint8_t)quote
			  : is_blank(c) || memchr("&;,\"'`)}]<>|", c, 12) != NULL)
			break;
		len += quote && c == '\\' && len + 1 < text.len ? 2 : 1;
	}
	return len;
}

/* A header's value goes on to the end of the line or quote; its first word may be the scheme. */
static size_t header_value(struct span text, struct buf *out)
{
	size_t end = 0, scheme = 0;

	while (end < text.len && text.at[end] != '\n' && text.at[end] != '\r' &&
	       text.at[end] != '"' && text.at[end] != '\'')
		end++;
	while (scheme < end && is_alnum(text.at[scheme]))
		scheme++;
	if (scheme < end && text.at[scheme] == ' ') {
		buf_add(out, text.at, scheme + 1);
		text = span_from(text, scheme + 1);
	}
	if (end)
		buf_str(out, stars);
	return end;
}

static bool is_header(struct span name)
{
	static const char *const headers[] = {"authorization", "proxy-authorization", "cookie",
					      "set-cookie", NULL};

	return is_one_of(name, headers);
}

/*
 * What separates a secret's name from its value: `=`, `: `, `":"`, `'='`. Returns its length, 0 if none is
 * here. A bare colon is none: image:tag, host:port.
 */
static size_t separator_length(struct span text, char *ret_quote)
{
	size_t at = 0;
	bool quoted = text.len && (text.at[0] == '"' || text.at[0] == '\''), blank = false;

	*ret_quote = 0;
	at += quoted;
	if (at >= text.len || (text.at[at] != '=' && text.at[at] != ':'))
		return 0;
	blank = text.at[at++] == '=' || quoted;
	for (; at < text.len && text.at[at] == ' '; at++)
		blank = true;
	if (at < text.len && (text.at[at] == '"' || text.at[at] == '\'')) {
		*ret_quote = (char)text.at[at++];
		blank = true;
	}
	return blank ? at : 0;
}

/* At a name: writes what it becomes and returns how much of the text that was. */
static size_t mask_name(struct span text, struct buf *out)
{
	size_t len = name_length(text), separator, value;
	struct span name = span_first(text, len), bare = name;
	char quote;

	if (has_token_shape(name)) {
		buf_str(out, stars);
		return len;
	}
	buf_span(out, name);
	while (bare.len && (bare.at[0] == '-' || bare.at[0] == '.'))
		bare = span_from(bare, 1);
	if (span_starts(bare, "D") && name.at[0] == '-')
		bare = span_from(bare, 1); /* java -Dkey=value */
	separator = separator_length(span_from(text, len), &quote);
	if (!separator || !is_secret_name(bare))
		return len;
	buf_add(out, text.at + len, separator);
	len += separator;
	if (is_header(bare))
		return len + header_value(span_from(text, len), out);
	value = value_length(span_from(text, len), quote);
	if (value)
		buf_str(out, stars);
	return len + value;
}

/* Behind "://": user:password@ loses the password. */
static size_t mask_user(struct span text, struct buf *out)
{
	size_t end = 0, at = 0, colon;

	for (; end < text.len && !is_blank(text.at[end]) && !memchr("/?#\"'", text.at[end], 5);
	     end++)
		if (text.at[end] == '@')
			at = end;
	for (colon = 0; colon < at && text.at[colon] != ':'; colon++)
		;
	if (!at || colon == at)
		return 0;
	buf_add(out, text.at, colon + 1);
	buf_str(out, stars);
	return at;
}

void mask_secrets(struct span text, struct buf *out)
{
	size_t step;

	for (size_t at = 0; at < text.len && !out->full; at += step) {
		struct span rest = span_from(text, at);

		step = key_block_length(rest);
		if (step) {
			buf_str(out, stars);
		} else if (span_starts(rest, "://")) {
			buf_str(out, "://");
			step = 3 + mask_user(span_from(rest, 3), out);
		} else if (is_name_byte(rest.at[0])) {
			step = mask_name(rest, out);
		} else {
			buf_char(out, (char)rest.at[0]);
			step = 1;
		}
	}
}

/* ---- the first sieve: words of a command line ---- */

enum takes {
	TAKES_NOTHING,
	TAKES_SECRET, /* the whole word */
	TAKES_USER, /* user:password, user%password */
};

enum place { ATTACHED = 1, NEXT = 2 };

/* Short options that take a secret. `program`: how the program's name begins. */
static const struct secret_option {
	const char *program, *option;
	enum takes takes;
	int places;
} secret_options[] = {
	{"mysql", "-p", TAKES_SECRET, ATTACHED},
	{"mariadb", "-p", TAKES_SECRET, ATTACHED},
	{"mongo", "-p", TAKES_SECRET, ATTACHED | NEXT},
	{"sshpass", "-p", TAKES_SECRET, ATTACHED | NEXT},
	{"redis-cli", "-a", TAKES_SECRET, NEXT},
	{"ldap", "-w", TAKES_SECRET, ATTACHED | NEXT},
	{"sqlcmd", "-P", TAKES_SECRET, ATTACHED | NEXT},
	{"ipmitool", "-P", TAKES_SECRET, ATTACHED | NEXT},
	{"zip", "-P", TAKES_SECRET, ATTACHED | NEXT},
	{"unzip", "-P", TAKES_SECRET, ATTACHED | NEXT},
	{"7z", "-p", TAKES_SECRET, ATTACHED},
	{"curl", "-u", TAKES_USER, ATTACHED | NEXT},
	{"curl", "--user", TAKES_USER, NEXT},
	{"curl", "-U", TAKES_USER, ATTACHED | NEXT},
	{"curl", "--proxy-user", TAKES_USER, NEXT},
	{"smbclient", "-U", TAKES_USER, ATTACHED | NEXT},
};

/* A command line on its way through the sieve. */
struct line {
	struct span program; /* basename of its first word */
	bool is_login; /* docker login, whose -p is no port */
	enum takes next; /* what the option before took */
	int depth;
};

static struct span basename_of(struct span path)
{
	for (size_t i = path.len; i--;)
		if (path.at[i] == '/')
			return span_from(path, i + 1);
	return path;
}

/* VARIABLE=value before a command is not yet the command. */
static bool is_assignment(struct span word)
{
	size_t len = name_length(word);

	return len && len < word.len && word.at[len] == '=';
}

static const struct secret_option *find_option(const struct line *line, struct span word)
{
	static const struct secret_option login = {"", "-p", TAKES_SECRET, NEXT};

	if (line->is_login && span_is(word, "-p"))
		return &login;
	for (size_t i = 0; i < sizeof(secret_options) / sizeof(*secret_options); i++) {
		const struct secret_option *option = &secret_options[i];
		bool is_whole = span_is(word, option->option);

		if (span_starts(line->program, option->program) &&
		    ((is_whole && option->places & NEXT) ||
		     (!is_whole && option->places & ATTACHED && span_starts(word, option->option) &&
		      word.at[1] != '-')))
			return option;
	}
	return NULL;
}

static void mask_whole(enum takes takes, struct span word, struct buf *out)
{
	size_t at = 0;

	if (takes == TAKES_USER) {
		while (at < word.len && word.at[at] != ':' && word.at[at] != '%')
			at++;
		if (at == word.len) {
			buf_span(out, word); /* no password in it */
			return;
		}
		buf_add(out, word.at, at + 1);
	}
	buf_str(out, stars);
}

static void mask_line(struct span text, int depth, struct buf *out);

static void mask_word(struct line *line, struct span word, struct buf *out)
{
	const struct secret_option *option;
	enum takes takes = line->next;
	struct span name = word;

	line->next = TAKES_NOTHING;
	if (takes) {
		mask_whole(takes, word, out);
		return;
	}
	if (!line->program.len && !is_assignment(word)) {
		line->program = basename_of(word);
		buf_span(out, word);
		return;
	}
	line->is_login |= span_is(word, "login");
	option = find_option(line, word);
	if (option && span_is(word, option->option)) {
		line->next = option->takes;
		buf_span(out, word);
		return;
	}
	if (option) {
		size_t len = strlen(option->option);

		buf_add(out, word.at, len);
		mask_whole(option->takes, span_from(word, len), out);
		return;
	}
	if (span_starts(word, "pass:")) { /* openssl -passin pass:SECRET */
		buf_str(out, "pass:***");
		return;
	}
	while (name.len && name.at[0] == '-')
		name = span_from(name, 1);
	if (name.len < word.len && name_length(name) == name.len && is_secret_name(name))
		line->next = TAKES_SECRET;
	mask_line(word, line->depth + 1, out);
}

/* The next word: up to a blank that is not within quotes. */
static size_t word_length(struct span text)
{
	uint8_t quote = 0;
	size_t len = 0;

	for (; len < text.len && (quote || !is_blank(text.at[len])); len++) {
		uint8_t c = text.at[len];

		if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? 0 : c;
	}
	return len;
}

static bool is_quoted(struct span word)
{
	return word.len > 2 && (word.at[0] == '"' || word.at[0] == '\'') &&
	       word.at[word.len - 1] == word.at[0];
}

/* A word that is a command line itself. One without blanks is none: it is passed on. */
static void mask_line(struct span text, int depth, struct buf *out)
{
	struct line line = {.depth = depth};
	size_t len;

	if (depth <= NESTED_MAX && is_quoted(text)) {
		buf_add(out, text.at, 1);
		mask_line((struct span){text.at + 1, text.len - 2}, depth + 1, out);
		buf_add(out, text.at, 1);
		return;
	}
	if (depth > NESTED_MAX || word_length(text) == text.len) {
		buf_span(out, text);
		return;
	}
	for (size_t at = 0; at < text.len && !out->full; at += len) {
		if (is_blank(text.at[at])) {
			len = 1;
			buf_char(out, (char)text.at[at]);
			continue;
		}
		len = word_length(span_from(text, at));
		mask_word(&line, span_first(span_from(text, at), len), out);
	}
}

/* ---- joining ---- */

static bool is_plain(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if (span_starts(span_from(word, i), stars))
			i += sizeof(stars) - 2; /* ours, not the shell's */
		else if (!is_alnum(word.at[i]) && word.at[i] < 0x80 &&
			 !memchr("_-./:=,@%+", word.at[i], 10))
			return false;
	return word.len;
}

static void quote(struct span word, struct buf *out)
{
	if (is_plain(word)) {
		buf_span(out, word);
		return;
	}
	buf_char(out, '\'');
	for (size_t i = 0; i < word.len; i++)
		if (word.at[i] == '\'')
			buf_str(out, "'\\''");
		else
			buf_char(out, (char)word.at[i]);
	buf_char(out, '\'');
}

void argv_join(struct span raw, struct buf *out)
{
	struct line line = {};
	struct buf words, texts;

	while (raw.len && !raw.at[raw.len - 1])
		raw.len--;
	buf_init(&words, out->cap);
	buf_init(&texts, out->cap);
	for (size_t at = 0; at < raw.len && !out->full;) {
		size_t len = strnlen((const char *)raw.at + at, raw.len - at);

		buf_clear(&words);
		buf_clear(&texts);
		mask_word(&line, (struct span){raw.at + at, len}, &words);
		mask_secrets(buf_as_span(&words), &texts);
		if (at)
			buf_char(out, ' ');
		quote(buf_as_span(&texts), out);
		at += len + 1;
	}
	buf_done(&words);
	buf_done(&texts);
}

void mask_command(struct span line, struct buf *out)
{
	struct buf words;

	buf_init(&words, out->cap);
	mask_line(line, 0, &words);
	mask_secrets(buf_as_span(&words), out);
	buf_done(&words);
}
