/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * candidate - could a message of any protocol that we read begin with these bytes?
 *
 * Asked in the kernel, of a connection of which nothing is known yet, before anything is copied for
 * the user half. It must never say no to what a parser would take (candidate_test.c asks it about all captures);
 * it may say yes to strangers: the user half looks closer. Random bytes pass in about one of seven cases.
 */
#pragma once

enum { CANDIDATE_BYTES = 16 };

/* Families of protocols, bits: what a message that begins like this could be. */
enum candidate {
	CANDIDATE_WORDS =
		1, /* HTTP; memcached's and Redis' words; the letters of HTTP/2's preface */
	CANDIDATE_RESP = 2, /* Redis */
	CANDIDATE_TLS = 4,
	CANDIDATE_MYSQL = 8,
	CANDIDATE_PGSQL = 16,
	CANDIDATE_MEMCACHED = 32, /* binary */
	CANDIDATE_DNS = 64,
	CANDIDATE_ALL = 127,
};

static inline int candidate_is_upper(unsigned char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline int candidate_is_lower(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

/* HTTP: a method, or a status line. Any method: a token of letters. Redis inline and memcached: lower case words. */
static inline int candidate_is_word(const unsigned char *at)
{
	return (candidate_is_upper(at[0]) || candidate_is_lower(at[0])) &&
	       (candidate_is_upper(at[1]) || candidate_is_lower(at[1]) || at[1] == ' ' ||
		at[1] == '-') &&
	       ((at[2] >= ' ' && at[2] < 0x7f) || at[2] == '\r');
}

/* Redis: a type byte, then digits, a sign, letters. */
static inline int candidate_is_resp(const unsigned char *at)
{
	switch (at[0]) {
	case '*':
	case '$':
	case ':':
	case '%':
	case '~':
	case '>':
	case '|':
	case '!':
	case '=':
	case '(':
	case ',':
		return (at[1] >= '0' && at[1] <= '9') || at[1] == '-' || at[1] == '+' ||
		       at[1] == 'i' || at[1] == 'n';
	case '+':
	case '-':
	case '_':
	case '#': return at[1] >= '\r' && at[1] < 0x7f;
	default: return 0;
	}
}

/* MySQL: three bytes of length, a sequence number; a packet is not longer than the call that begins with it, or it
 * is a long one. */
static inline int candidate_is_mysql(const unsigned char *at, unsigned int moved)
{
	unsigned int length = at[0] | at[1] << 8 | (unsigned int)at[2] << 16;

	return length && (length + 4 <= moved || length > 1024) && at[3] < 8;
}

/* PostgreSQL: a letter and four bytes of length, or the length first. */
static inline int candidate_is_pgsql(const unsigned char *at)
{
	if ((candidate_is_upper(at[0]) || candidate_is_lower(at[0]) ||
	     (at[0] >= '1' && at[0] <= '3')) &&
	    !at[1] && at[2] < 0x40)
		return 1;
	return !at[0] && !at[1] && (at[4] == 0 || at[4] == 4) && (at[5] == 3 || at[5] == 0xd2);
}

static inline int candidate_is_tls(const unsigned char *at)
{
	return at[0] >= 0x14 && at[0] <= 0x16 && at[1] == 3 && at[2] <= 4;
}

static inline int candidate_is_memcached_binary(const unsigned char *at)
{
	return (at[0] == 0x80 || at[0] == 0x81) && at[1] < 0x48 && at[5] == 0;
}

/* DNS: of the header only what every message has. `at` begins with the id. */
static inline int candidate_is_dns(const unsigned char *at)
{
	return (at[2] & 0x78) <= 0x28 && !(at[3] & 0x40) && !at[4] && at[5] <= 1;
}

static inline int candidate_is_dns_stream(const unsigned char *at, unsigned int moved)
{
	unsigned int length = (unsigned int)at[0] << 8 | at[1];

	return length >= 12 && (length + 2 <= moved || moved == 2) && candidate_is_dns(at + 2);
}

/* enum candidate. `at` has CANDIDATE_BYTES bytes, filled up with zeros; `moved`: bytes of the whole call. */
static inline int candidate_of_stream(const unsigned char *at, unsigned int moved)
{
	int families = 0;

	if (moved < 4)
		return CANDIDATE_ALL; /* too few to say anything */
	families |= candidate_is_word(at) ? CANDIDATE_WORDS : 0;
	families |= candidate_is_resp(at) ? CANDIDATE_RESP : 0;
	families |= candidate_is_tls(at) ? CANDIDATE_TLS : 0;
	families |= candidate_is_mysql(at, moved) ? CANDIDATE_MYSQL : 0;
	families |= candidate_is_pgsql(at) ? CANDIDATE_PGSQL : 0;
	families |= candidate_is_memcached_binary(at) ? CANDIDATE_MEMCACHED : 0;
	families |= candidate_is_dns_stream(at, moved) ? CANDIDATE_DNS : 0;
	return families;
}
