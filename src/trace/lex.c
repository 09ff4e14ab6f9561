// SPDX-License-Identifier: GPL-2.0-only
/* lex - cuts a script into tokens, one at a time. */
#include "trace/lex.h"

#include <ctype.h>
#include <string.h>

static const struct {
	const char *name;
	uint64_t factor;
} durations[] = {
	{"ns", 1},
	{"us", 1000},
	{"ms", 1000000},
	{"s", 1000000000ULL},
	{"m", 60 * 1000000000ULL},
	{"h", 3600 * 1000000000ULL},
	{"d", 24 * 3600 * 1000000000ULL},
};

static int peek(const struct lexer *lexer, uint32_t ahead)
{
	uint64_t at = (uint64_t)lexer->at + ahead;

	return at < lexer->text.len ? lexer->text.at[at] : -1;
}

static bool is_name_start(int c)
{
	return c == '_' || (c > 0 && c < 128 && isalpha(c));
}

static bool is_name_part(int c)
{
	return is_name_start(c) || (c >= '0' && c <= '9');
}

static void skip_line(struct lexer *lexer)
{
	while (peek(lexer, 0) >= 0 && peek(lexer, 0) != '\n')
		lexer->at++;
}

/* One that does not end takes the rest: what is missing then is said by the parser. */
static void skip_block_comment(struct lexer *lexer)
{
	lexer->at += 2;
	while (peek(lexer, 0) >= 0 && !(peek(lexer, 0) == '*' && peek(lexer, 1) == '/'))
		lexer->at++;
	if (peek(lexer, 0) >= 0)
		lexer->at += 2;
}

bool lex_skip_blanks(struct lexer *lexer)
{
	bool has_newline = false;

	for (;;) {
		int c = peek(lexer, 0);

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
			has_newline |= c == '\n';
			lexer->at++;
		} else if (c == '/' && peek(lexer, 1) == '/') {
			skip_line(lexer);
		} else if (c == '/' && peek(lexer, 1) == '*') {
			skip_block_comment(lexer);
		} else {
			return has_newline;
		}
	}
}

static bool digit_of(int c, unsigned base, unsigned *ret_digit)
{
	unsigned digit;

	if (c >= '0' && c <= '9')
		digit = (unsigned)c - '0';
	else if (c >= 'a' && c <= 'f')
		digit = (unsigned)c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		digit = (unsigned)c - 'A' + 10;
	else
		return false;
	*ret_digit = digit;
	return digit < base;
}

static bool take_digits(struct span *text, unsigned base, uint64_t *number, bool *is_too_big)
{
	bool any = false;
	unsigned digit;

	while (text->len) {
		if (*text->at == '_' && any) {
			*text = span_from(*text, 1);
			continue;
		}
		if (!digit_of(*text->at, base, &digit))
			break;
		if (__builtin_mul_overflow(*number, (uint64_t)base, number) ||
		    __builtin_add_overflow(*number, (uint64_t)digit, number))
			*is_too_big = true;
		any = true;
		*text = span_from(*text, 1);
	}
	return any;
}

static bool is_c_suffix(struct span rest)
{
	if (rest.len > 3)
		return false;
	for (size_t i = 0; i < rest.len; i++)
		if (!strchr("uUlL", rest.at[i]))
			return false;
	return true;
}

static bool scale_by_exponent(struct span *rest, uint64_t *number, bool *is_too_big)
{
	uint64_t exponent = 0;

	*rest = span_from(*rest, 1);
	if (!take_digits(rest, 10, &exponent, is_too_big))
		return false;
	if (exponent > 19) {
		*is_too_big |= *number != 0;
		return true;
	}
	while (exponent--)
		if (__builtin_mul_overflow(*number, (uint64_t)10, number))
			*is_too_big = true;
	return true;
}

bool lex_number(struct span text, uint64_t *ret_number, const char **ret_why)
{
	struct span rest = text;
	uint64_t number = 0;
	bool is_too_big = false;
	unsigned base = 10;

	*ret_why = "syntax: invalid integer";
	if (rest.len > 2 && rest.at[0] == '0' && (rest.at[1] | 0x20) == 'x') {
		base = 16;
		rest = span_from(rest, 2);
	} else if (rest.len > 1 && rest.at[0] == '0' && isdigit(rest.at[1])) {
		base = 8;
	}
	if (!take_digits(&rest, base, &number, &is_too_big))
		return false;
	if (base == 10 && rest.len > 1 && (rest.at[0] | 0x20) == 'e' &&
	    !scale_by_exponent(&rest, &number, &is_too_big))
		return false;
	for (size_t i = 0; rest.len && i < sizeof(durations) / sizeof(*durations); i++)
		if (span_is(rest, durations[i].name)) {
			is_too_big |= __builtin_mul_overflow(number, durations[i].factor, &number);
			rest.len = 0;
		}
	if (!is_c_suffix(rest)) {
		*ret_why = "syntax: invalid integer suffix";
		return false;
	}
	if (is_too_big) {
		*ret_why = "syntax: overflow error, maximum value is 18446744073709551615";
		return false;
	}
	*ret_number = number;
	return true;
}

/* A wrong ending is shown alone: "invalid integer suffix 'xyz'". */
static void say_bad_number(struct lexer *lexer, const struct token *token, const char *why)
{
	struct place place = token->place;
	struct span text = token->text;
	size_t at = 0;

	if (!strstr(why, "suffix")) {
		diag_error(lexer->diag, place, "%s: %.*s", why, (int)text.len, text.at);
		return;
	}
	while (at < text.len && (isdigit(text.at[at]) || text.at[at] == '_'))
		at++;
	place.from += (uint32_t)at;
	diag_error(lexer->diag, place, "%s '%.*s'", why, (int)(text.len - at), text.at + at);
}

static struct token lex_number_token(struct lexer *lexer)
{
	uint32_t from = lexer->at;
	struct token token = {.kind = TOKEN_NUMBER};
	const char *why;

	/* "0..5" is a range: a number never holds a dot */
	while (is_name_part(peek(lexer, 0)))
		lexer->at++;
	token.place = (struct place){from, lexer->at};
	token.text = (struct span){lexer->text.at + from, lexer->at - from};
	if (!lex_number(token.text, &token.number, &why)) {
		say_bad_number(lexer, &token, why);
		token.kind = TOKEN_BAD;
	}
	return token;
}

/* Takes one escape after the backslash. Octal has one to three digits, hexadecimal one or two. */
static bool lex_escape(struct lexer *lexer, uint8_t *ret_byte)
{
	static const char names[] = "nrtabfv\\\"'?e";
	static const char bytes[] = "\n\r\t\a\b\f\v\\\"'?\033";
	int c = peek(lexer, 0);
	const char *found = c > 0 ? strchr(names, c) : NULL;
	unsigned value = 0, digit, digits = 0;
	bool is_hex = c == 'x';

	if (found) {
		lexer->at++;
		*ret_byte = (uint8_t)bytes[found - names];
		return true;
	}
	if (is_hex)
		lexer->at++;
	while (digits < (is_hex ? 2u : 3u) && digit_of(peek(lexer, 0), is_hex ? 16 : 8, &digit)) {
		value = value * (is_hex ? 16 : 8) + digit;
		lexer->at++;
		digits++;
	}
	*ret_byte = (uint8_t)value;
	return digits && value < 256;
}

static void say_bad_escape(struct lexer *lexer, uint32_t escape_at)
{
	struct place place = {lexer->at, lexer->at + 1};

	if (lexer->text.at[escape_at + 1] == 'x')
		diag_error(lexer->diag, place, "syntax: invalid hex escape sequence");
	else
		diag_error(lexer->diag, place, "syntax: invalid escape character '\\%c'",
			   peek(lexer, 0));
}

static struct token lex_string(struct lexer *lexer)
{
	uint32_t from = lexer->at++;
	struct token token = {.kind = TOKEN_STRING};
	uint8_t *out;
	size_t len = 0;
	uint32_t end = lexer->at;

	while (end < lexer->text.len && lexer->text.at[end] != '"')
		end += lexer->text.at[end] == '\\' ? 2 : 1;
	out = arena_new(lexer->arena, (size_t)(end - from) + 1);
	while (out && peek(lexer, 0) >= 0 && peek(lexer, 0) != '"') {
		uint32_t escape_at = lexer->at;
		uint8_t byte = lexer->text.at[lexer->at++];

		if (byte == '\\' && !lex_escape(lexer, &byte)) {
			say_bad_escape(lexer, escape_at);
			token.kind = TOKEN_BAD;
		}
		out[len++] = byte;
	}
	if (peek(lexer, 0) != '"') {
		diag_error(lexer->diag, (struct place){lexer->at, lexer->at},
			   "syntax: unterminated string");
		token.kind = TOKEN_BAD;
	} else {
		lexer->at++;
	}
	token.place = (struct place){from, lexer->at};
	token.text = (struct span){out, len};
	return token;
}

static struct span take_name(struct lexer *lexer)
{
	uint32_t from = lexer->at;

	while (is_name_part(peek(lexer, 0)))
		lexer->at++;
	return (struct span){lexer->text.at + from, lexer->at - from};
}

static struct token lex_dollar(struct lexer *lexer)
{
	uint32_t from = lexer->at++;
	struct token token = {.kind = TOKEN_VARIABLE};
	const char *why;

	if (peek(lexer, 0) == '#') {
		lexer->at++;
		token.kind = TOKEN_PARAM_COUNT;
	} else {
		token.text = take_name(lexer);
		if (token.text.len && isdigit(token.text.at[0])) {
			token.kind = TOKEN_POSITIONAL;
			if (!lex_number(token.text, &token.number, &why) || token.number > 1000 ||
			    token.number == 0) {
				diag_error(lexer->diag, (struct place){from, lexer->at},
					   "param $%.*s is out of integer range [1, 1000]",
					   (int)token.text.len, token.text.at);
				token.kind = TOKEN_BAD;
			}
		}
	}
	token.place = (struct place){from, lexer->at};
	if (token.kind == TOKEN_VARIABLE && !token.text.len) {
		diag_error(lexer->diag, token.place, "syntax: expected identifier after '$'");
		token.kind = TOKEN_BAD;
	}
	return token;
}

static struct token lex_punct(struct lexer *lexer)
{
	static const char *const longest_first[] = {
		"<<=", ">>=", "...", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++",
		"--",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", "^=", "->", "..",
	};
	struct token token = {.kind = TOKEN_PUNCT};
	uint32_t from = lexer->at, len = 1;
	int c = peek(lexer, 0);

	for (size_t i = 0; i < sizeof(longest_first) / sizeof(*longest_first); i++)
		if (span_starts(span_from(lexer->text, from), longest_first[i])) {
			len = (uint32_t)strlen(longest_first[i]);
			break;
		}
	if (len == 1 && !(c < 128 && strchr("+-*/%&|^~!<>=?:;,.(){}[]", c))) {
		token.kind = TOKEN_BAD;
		diag_error(lexer->diag, (struct place){from, from + 1},
			   "syntax: invalid character '%c'", c);
	}
	for (uint32_t i = 0; i < len; i++)
		token.punct |= (uint32_t)peek(lexer, i) << (8 * i);
	lexer->at += len;
	token.place = (struct place){from, lexer->at};
	return token;
}

struct token lex_next(struct lexer *lexer)
{
	bool has_newline = lex_skip_blanks(lexer);
	int c = peek(lexer, 0);
	struct token token = {.kind = TOKEN_END, .place = {lexer->at, lexer->at}};

	if (c < 0) {
		token.has_newline_before = has_newline;
		return token;
	}
	if (isdigit(c)) {
		token = lex_number_token(lexer);
	} else if (is_name_start(c)) {
		token.kind = TOKEN_NAME;
		token.text = take_name(lexer);
		token.place.to = lexer->at;
	} else if (c == '"') {
		token = lex_string(lexer);
	} else if (c == '$') {
		token = lex_dollar(lexer);
	} else if (c == '@') {
		lexer->at++;
		token.kind = TOKEN_MAP;
		token.text = take_name(lexer);
		token.place.to = lexer->at;
	} else {
		token = lex_punct(lexer);
	}
	token.has_newline_before = has_newline;
	return token;
}

static bool kind_takes_a_path(struct span kind)
{
	static const char *const kinds[] = {"uprobe", "u", "uretprobe", "ur", "usdt", "U"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (span_is(kind, kinds[i]))
			return true;
	return false;
}

struct span lex_probe(struct lexer *lexer, struct place *ret_place)
{
	uint32_t from, part, parts = 0;
	struct span kind = {};
	bool in_quotes = false;

	lex_skip_blanks(lexer);
	from = part = lexer->at;
	for (int c; (c = peek(lexer, 0)) >= 0; lexer->at++) {
		bool is_path = (parts == 1 && kind_takes_a_path(kind)) ||
			       (part < lexer->at && lexer->text.at[part] == '/') ||
			       (parts && part == lexer->at);

		if (c == '\n')
			break;
		if (c == '"')
			in_quotes = !in_quotes;
		if (in_quotes)
			continue;
		if (isspace(c) || c == ',' || c == '{' || c == '}' || (c == '/' && !is_path))
			break;
		if (c == ':') {
			if (!parts++)
				kind = (struct span){lexer->text.at + from, lexer->at - from};
			part = lexer->at + 1;
		}
	}
	*ret_place = (struct place){from, lexer->at};
	return (struct span){lexer->text.at + from, lexer->at - from};
}
