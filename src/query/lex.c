// SPDX-License-Identifier: GPL-2.0-only
/* lex - text becomes tokens. What a word means depends on where it stands: that is the parser's business. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query/ast.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static bool is_word(uint8_t c)
{
	return is_letter(c) || is_digit(c) || c == ':';
}

static uint8_t byte_at(const struct lexer *lexer, size_t at)
{
	return at < lexer->text.len ? lexer->text.at[at] : 0;
}

static void skip_blanks(struct lexer *lexer)
{
	for (;;) {
		uint8_t c = byte_at(lexer, lexer->at);

		if (c == '#')
			while (lexer->at < lexer->text.len && byte_at(lexer, lexer->at) != '\n')
				lexer->at++;
		else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			lexer->at++;
		else
			return;
	}
}

/* Units must come from the largest to the smallest, each once. */
bool promql_duration(struct span text, int64_t *ret_ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
		     {"m", 60000},       {"s", 1000},      {"ms", 1}};
	int64_t sum = 0;
	size_t at = 0, unit = 0;

	while (at < text.len) {
		size_t begin = at, len = 0;
		int64_t number = 0, part;

		for (; at < text.len && is_digit(text.at[at]); at++)
			if (__builtin_mul_overflow(number, 10, &number) ||
			    __builtin_add_overflow(number, text.at[at] - '0', &number))
				return false;
		while (at + len < text.len && !is_digit(text.at[at + len]))
			len++;
		while (unit < 7 && !span_is((struct span){text.at + at, len}, units[unit].name))
			unit++;
		if (at == begin || unit == 7 ||
		    __builtin_mul_overflow(number, units[unit++].ms, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return false;
		at += len;
	}
	*ret_ms = sum;
	return text.len != 0 && sum < INT64_MAX / 1000000;
}

/* The bytes that a number or duration is made of, however wrong it may be. */
static size_t number_length(const struct lexer *lexer)
{
	size_t at = lexer->at;

	while (is_word(byte_at(lexer, at)) || byte_at(lexer, at) == '.' ||
	       ((byte_at(lexer, at) == '+' || byte_at(lexer, at) == '-') && at > lexer->at &&
		(byte_at(lexer, at - 1) | 0x20) == 'e' && byte_at(lexer, lexer->at + 1) != 'x' &&
		is_digit(byte_at(lexer, at + 1)))) {
		if (byte_at(lexer, at) == ':')
			break;
		at++;
	}
	return at - lexer->at;
}

static bool lex_number(struct lexer *lexer, struct token *token)
{
	char text[64], *end;
	size_t len = number_length(lexer);

	token->text = (struct span){lexer->text.at + lexer->at, len};
	token->kind = TOKEN_DURATION;
	if (promql_duration(token->text, &token->duration_ms)) {
		lexer->at += len;
		return true;
	}
	token->kind = TOKEN_NUMBER;
	if (len < sizeof(text)) {
		memcpy(text, token->text.at, len);
		text[len] = 0;
		token->number = strtod(text, &end);
		if (end == text + len && !strpbrk(text, "pP")) {
			lexer->at += len;
			return true;
		}
	}
	lexer->wrong = "bad number or duration";
	return false;
}

static int hex_value(uint8_t c)
{
	return is_digit(c)                              ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

static size_t put_utf8(uint8_t *out, uint32_t code)
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (code & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (code & 63));
	return 4;
}

/* Behind a backslash; lexer->at is at the letter. Returns bytes written, 0 when it is no escape. */
static size_t lex_escape(struct lexer *lexer, uint8_t quote, uint8_t *out)
{
	static const char letters[] = "abfnrtv\\", bytes[] = "\a\b\f\n\r\t\v\\";
	uint8_t c = byte_at(lexer, lexer->at++);
	const char *simple = c ? strchr(letters, c) : NULL;
	unsigned digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	uint32_t code = 0;

	if (simple || c == quote) {
		*out = simple ? (uint8_t)bytes[simple - letters] : c;
		return 1;
	}
	if (c >= '0' && c <= '7') {
		lexer->at--;
		for (int i = 0; i < 3; i++, lexer->at++) {
			c = byte_at(lexer, lexer->at);
			if (c < '0' || c > '7')
				return 0;
			code = code << 3 | (uint32_t)(c - '0');
		}
		*out = (uint8_t)code;
		return code < 256;
	}
	for (unsigned i = 0; i < digits; i++) {
		int value = hex_value(byte_at(lexer, lexer->at++));

		if (value < 0)
			return 0;
		code = code << 4 | (uint32_t)value;
	}
	if (digits == 2) {
		*out = (uint8_t)code;
		return 1;
	}
	return digits && code < 0x110000 && (code < 0xd800 || code > 0xdfff) ? put_utf8(out, code)
									     : 0;
}

static bool lex_string(struct lexer *lexer, struct token *token)
{
	uint8_t quote = byte_at(lexer, lexer->at++);
	uint8_t *out = arena_new(lexer->arena, lexer->text.len - lexer->at + 1);
	size_t len = 0, step;

	lexer->wrong = "unterminated string";
	while (out && lexer->at < lexer->text.len) {
		uint8_t c = lexer->text.at[lexer->at++];

		if (c == quote) {
			token->kind = TOKEN_STRING;
			token->text = (struct span){out, len};
			lexer->wrong = NULL;
			return true;
		}
		if (c == '\n' && quote != '`')
			return false;
		if (c != '\\' || quote == '`') {
			out[len++] = c;
			continue;
		}
		step = lex_escape(lexer, quote, out + len);
		if (!step) {
			lexer->wrong = "unknown escape in a string";
			return false;
		}
		len += step;
	}
	return false;
}

static bool lex_sign(struct lexer *lexer, struct token *token)
{
	static const char *const two[] = {"==", "!=", "<=", ">=", "=~", "!~"};
	struct span rest = span_from(lexer->text, lexer->at);
	size_t len = 1;

	for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
		if (span_starts(rest, two[i]))
			len = 2;
	if (len == 1 && !strchr("+-*/%^<>=(){}[],:@", rest.at[0])) {
		lexer->wrong = "unexpected character";
		return false;
	}
	token->kind = TOKEN_SIGN;
	token->text = span_first(rest, len);
	lexer->at += len;
	return true;
}

bool lex(struct lexer *lexer, struct token *ret_token)
{
	uint8_t c;

	skip_blanks(lexer);
	*ret_token = (struct token){.at = (uint32_t)lexer->at};
	if (lexer->at >= lexer->text.len)
		return true;
	c = byte_at(lexer, lexer->at);
	if (is_digit(c) || (c == '.' && is_digit(byte_at(lexer, lexer->at + 1))))
		return lex_number(lexer, ret_token);
	if (c == '"' || c == '\'' || c == '`')
		return lex_string(lexer, ret_token);
	/* a colon that begins a word must not be mistaken for that of a subquery */
	if (!is_letter(c) && !(c == ':' && is_letter(byte_at(lexer, lexer->at + 1))))
		return lex_sign(lexer, ret_token);
	ret_token->kind = TOKEN_WORD;
	while (is_word(byte_at(lexer, lexer->at)))
		lexer->at++;
	ret_token->text = (struct span){lexer->text.at + ret_token->at, lexer->at - ret_token->at};
	return true;
}
