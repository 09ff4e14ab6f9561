// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcached_text - the lines of memcached, meta commands included (doc/protocol.txt).
 *
 * Only what memcached itself knows is taken: any line of text could be a command of somebody else's
 * protocol. "VALUE ..." and "STAT ..." lines add up to one response that ends with END.
 */
#include "protocol/memcached_parts.h"

enum {
	LINE_MAX_BYTES = 65535, /* "get" with many keys is the longest there is */
	WORDS = 6, /* looked at singly */
	NOOP_ID = 1, /* of "mn" and its "MN", which nothing else answers */
	KEY_BYTES_MAX = 250, /* doc/protocol.txt */
};

static const struct memcached_command commands[] = {
	{"get", SHAPE_KEYS, ANSWER_ONE},         {"gets", SHAPE_KEYS, ANSWER_ONE},
	{"set", SHAPE_STORE, ANSWER_ONE},        {"delete", SHAPE_KEY, ANSWER_ONE},
	{"incr", SHAPE_KEY, ANSWER_ONE},         {"decr", SHAPE_KEY, ANSWER_ONE},
	{"add", SHAPE_STORE, ANSWER_ONE},        {"replace", SHAPE_STORE, ANSWER_ONE},
	{"append", SHAPE_STORE, ANSWER_ONE},     {"prepend", SHAPE_STORE, ANSWER_ONE},
	{"cas", SHAPE_STORE, ANSWER_ONE},        {"touch", SHAPE_KEY, ANSWER_ONE},
	{"gat", SHAPE_TIME_KEYS, ANSWER_ONE},    {"gats", SHAPE_TIME_KEYS, ANSWER_ONE},
	{"mg", SHAPE_META, ANSWER_ONE},          {"ms", SHAPE_META_STORE, ANSWER_ONE},
	{"md", SHAPE_META, ANSWER_ONE},          {"ma", SHAPE_META, ANSWER_ONE},
	{"me", SHAPE_KEY, ANSWER_ONE},           {"mn", SHAPE_NOOP, ANSWER_ONE},
	{"version", SHAPE_BARE, ANSWER_ONE},     {"stats", SHAPE_BARE, ANSWER_ONE},
	{"flush_all", SHAPE_BARE, ANSWER_ONE},   {"verbosity", SHAPE_BARE, ANSWER_ONE},
	{"quit", SHAPE_BARE, ANSWER_NONE},       {"shutdown", SHAPE_BARE, ANSWER_ERROR},
	{"slabs", SHAPE_BARE, ANSWER_ONE},       {"lru", SHAPE_BARE, ANSWER_ONE},
	{"lru_crawler", SHAPE_BARE, ANSWER_ONE}, {"cache_memlimit", SHAPE_BARE, ANSWER_ONE},
	{"watch", SHAPE_BARE, ANSWER_ONE},       {"refresh_certs", SHAPE_BARE, ANSWER_ONE},
};

/* How a response begins, and what follows. */
enum line {
	LINE_ONLY, /* nothing: this is the response */
	LINE_ERROR, /* likewise */
	LINE_END, /* the end of values or statistics */
	LINE_VALUE, /* key flags bytes: a value, and further lines */
	LINE_STAT, /* further lines */
	LINE_META, /* bytes, flags: a value, which is the response */
};

static const struct reply {
	const char *word;
	enum line line;
	bool is_mark; /* nobody else says that */
} replies[] = {
	{"VALUE", LINE_VALUE, true},
	{"END", LINE_END},
	{"STORED", LINE_ONLY, true},
	{"STAT", LINE_STAT, true},
	{"NOT_STORED", LINE_ONLY, true},
	{"EXISTS", LINE_ONLY, true},
	{"NOT_FOUND", LINE_ONLY, true},
	{"DELETED", LINE_ONLY, true},
	{"TOUCHED", LINE_ONLY, true},
	{"HD", LINE_ONLY},
	{"VA", LINE_META, true},
	{"EN", LINE_ONLY},
	{"NF", LINE_ONLY},
	{"NS", LINE_ONLY},
	{"EX", LINE_ONLY},
	{"MN", LINE_ONLY},
	{"ME", LINE_ONLY},
	{"OK", LINE_ONLY},
	{"ERROR", LINE_ERROR},
	{"CLIENT_ERROR", LINE_ERROR, true},
	{"SERVER_ERROR", LINE_ERROR, true},
	{"VERSION", LINE_ONLY, true},
	{"RESET", LINE_ONLY},
	{"BUSY", LINE_ONLY},
	{"BADCLASS", LINE_ONLY},
	{"NOSPARE", LINE_ONLY},
	{"NOTFULL", LINE_ONLY},
	{"UNSAFE", LINE_ONLY},
	{"SAME", LINE_ONLY},
};

static const struct reply number = {"OK", LINE_ONLY, false}; /* of incr and decr */

/* A line in words. */
struct words {
	struct span at[WORDS];
	struct span last;
	size_t count;
};

static struct words split(struct span line)
{
	struct words words = {};

	for (size_t i = 0; i < line.len;) {
		size_t start;

		while (i < line.len && line.at[i] == ' ')
			i++;
		start = i;
		while (i < line.len && line.at[i] != ' ')
			i++;
		if (i == start)
			break;
		words.last = (struct span){line.at + start, i - start};
		if (words.count < WORDS)
			words.at[words.count] = words.last;
		words.count++;
	}
	return words;
}

/* The line at the start of `in`, its end excluded. *ret_length: with it, 0 if it is not whole. */
static struct span line_of(struct span in, size_t *ret_length)
{
	struct span room = span_first(in, LINE_MAX_BYTES);
	const uint8_t *end = memchr(room.at, '\n', room.len);
	size_t len = end ? (size_t)(end - room.at) : 0;

	*ret_length = end ? len + 1 : 0;
	if (len && in.at[len - 1] == '\r')
		len--;
	return (struct span){in.at, len};
}

static bool read_number(struct span word, uint64_t max, uint64_t *ret_number)
{
	uint64_t n = 0;

	if (!word.len)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] < '0' || word.at[i] > '9')
			return false;
		n = n * 10 + (word.at[i] - '0');
		if (n > max)
			return false;
	}
	*ret_number = n;
	return true;
}

static bool is_key(struct span key)
{
	if (!key.len || key.len > KEY_BYTES_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (key.at[i] <= ' ' || key.at[i] == 0x7f)
			return false;
	return true;
}

/* What a meta response repeats, unless it is an error: the opaque, or the key. Never 0 or 1. */
static uint64_t hash_of(struct span text, uint8_t flag)
{
	uint64_t hash = 0xcbf29ce484222325 ^ flag; /* FNV-1a */

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ text.at[i]) * 0x100000001b3;
	return hash | 2;
}

/* "v Oopaque k q": one letter each, and what belongs to it. ret_quiet may be NULL. */
static uint64_t read_flags(struct span line, size_t first, struct span key, bool *ret_quiet)
{
	uint64_t by_key = 0, by_opaque = 0;
	size_t index = 0;

	for (size_t i = 0; i < line.len;) {
		struct span word;
		size_t start;

		while (i < line.len && line.at[i] == ' ')
			i++;
		start = i;
		while (i < line.len && line.at[i] != ' ')
			i++;
		word = (struct span){line.at + start, i - start};
		if (!word.len || index++ < first)
			continue;
		if (word.at[0] == 'O')
			by_opaque = hash_of(span_from(word, 1), 'O');
		if (word.at[0] == 'k')
			by_key = hash_of(key.len ? key : span_from(word, 1), 'k');
		if (word.at[0] == 'q' && word.len == 1 && ret_quiet)
			*ret_quiet = true;
	}
	return by_opaque ? by_opaque : by_key;
}

/* Requests. */

static const struct memcached_command *find_command(struct span word)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (span_is(word, commands[i].name))
			return &commands[i];
	return NULL;
}

/* A key may be called "noreply", too. */
static bool takes_noreply(enum shape shape, size_t words)
{
	return shape == SHAPE_STORE || (shape == SHAPE_KEY && words > 2) ||
	       (shape == SHAPE_BARE && words > 1);
}

/* Fills what the line says; *ret_value: bytes of the value behind it, UINT64_MAX: none. */
static const char *read_request(struct memcached_half *half, struct span line, uint64_t *ret_value)
{
	struct words words = split(line);
	struct span key = words.at[1];
	bool is_quiet = false;
	uint64_t time;

	*ret_value = UINT64_MAX;
	half->command = find_command(words.at[0]);
	if (!half->command)
		return "not a command of memcached";
	half->answer = half->command->answer;
	half->args = words.count - 1;
	if (span_is(words.last, "noreply") && takes_noreply(half->command->shape, words.count))
		half->answer = ANSWER_ERROR;
	switch (half->command->shape) {
	case SHAPE_BARE: return NULL;
	case SHAPE_KEYS:
	case SHAPE_KEY: break;
	case SHAPE_TIME_KEYS:
		if (!read_number(words.at[1], UINT32_MAX, &time))
			return "time is not a number";
		key = words.at[2];
		break;
	case SHAPE_STORE:
		if (!read_number(words.at[2], UINT32_MAX, &time) ||
		    !read_number(words.at[4], VALUE_MAX, ret_value))
			return "flags or length of a value are not numbers";
		break;
	case SHAPE_META_STORE:
		if (!read_number(words.at[2], VALUE_MAX, ret_value))
			return "length of a value is not a number";
		half->id = read_flags(line, 3, key, &is_quiet);
		break;
	case SHAPE_META: half->id = read_flags(line, 2, key, &is_quiet); break;
	case SHAPE_NOOP: half->id = NOOP_ID; return NULL;
	}
	if (is_quiet)
		half->answer = ANSWER_MAYBE;
	if (!is_key(key))
		return "key missing, above 250 bytes, or with control bytes";
	memcached_note_key(half, key);
	return NULL;
}

/* What memcached answers with ERROR is a request all the same, if it is sure who is talking and the line
 * looks as if somebody meant a command. */
static bool take_unknown(struct memcached_half *half, struct span line)
{
	static const struct memcached_command unknown = {"unknown", SHAPE_BARE, ANSWER_ONE};
	struct span word = split(line).at[0];

	for (size_t i = 0; i < word.len; i++)
		if ((word.at[i] < 'a' || word.at[i] > 'z') && word.at[i] != '_')
			return false;
	half->command = &unknown;
	half->answer = ANSWER_ONE;
	half->args = half->id = 0;
	half->key_len = 0;
	return half->is_sure && word.len && find_command(word) == NULL;
}

static enum step take_request(struct memcached_half *half, struct span line, const char **ret_why)
{
	uint64_t value;

	*ret_why = read_request(half, line, &value);
	if (*ret_why)
		return take_unknown(half, line) ? STEP_MESSAGE : STEP_BAD;
	if (value == UINT64_MAX)
		return STEP_MESSAGE;
	half->due = value;
	half->phase = PHASE_DATA;
	return STEP_ON;
}

/* Responses. */

static const struct reply *find_reply(const struct words *words)
{
	struct span word = words->at[0];
	uint64_t n;

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++)
		if (span_is(word, replies[i].word))
			return &replies[i];
	return words->count == 1 && read_number(word, UINT64_MAX / 10 - 1, &n) ? &number : NULL;
}

static enum step take_value(struct memcached_half *half, struct words *words, size_t at,
			    const char **ret_why)
{
	if (words->count <= at || !read_number(words->at[at], VALUE_MAX, &half->due)) {
		*ret_why = "length of a value is not a number";
		return STEP_BAD;
	}
	half->phase = PHASE_DATA;
	return STEP_ON;
}

static enum step take_response(struct memcached_half *half, struct span line, const char **ret_why)
{
	struct words words = split(line);
	const struct reply *reply = find_reply(&words);

	if (!reply) {
		*ret_why = "not a response of memcached";
		return STEP_BAD;
	}
	if (reply->line != LINE_END || !half->items)
		half->status = reply->word;
	switch (reply->line) {
	case LINE_VALUE: half->items++; return take_value(half, &words, 3, ret_why);
	case LINE_STAT: half->items++; return STEP_ON;
	case LINE_META:
		half->id = read_flags(line, 2, (struct span){}, NULL);
		return take_value(half, &words, 1, ret_why);
	case LINE_ERROR:
		half->is_error = true;
		if (words.count > 1)
			memcached_note_key(half,
					   span_from(line, (size_t)(words.at[1].at - line.at)));
		break;
	case LINE_ONLY:
		if (words.at[0].len == 2)
			half->id = read_flags(line, 1, (struct span){}, NULL);
		if (span_is(words.at[0], "MN"))
			half->id = NOOP_ID;
		break;
	case LINE_END: break;
	}
	return STEP_MESSAGE;
}

/* Bytes that no line of memcached has, before its end is there to be seen. */
static bool is_text(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] < ' ' && line.at[i] != '\r' && line.at[i] != '\n')
			return false;
	return true;
}

enum step memcached_text_step(struct memcached_state *state, enum side from, struct span in,
			      size_t *ret_used, const char **ret_why)
{
	struct memcached_half *half = &state->half[from];
	size_t length;
	struct span line = line_of(in, &length);

	*ret_why = "line with control bytes";
	if (!is_text(span_first(in, length ? length : in.len)))
		return STEP_BAD;
	*ret_why = "line above 64 KiB";
	if (!length)
		return in.len < LINE_MAX_BYTES ? STEP_MORE : STEP_BAD;
	*ret_used = length;
	half->bytes += length;
	return from == SIDE_CLIENT ? take_request(half, line, ret_why)
				   : take_response(half, line, ret_why);
}

/* What first bytes look like. */

static bool may_become(struct span in, const char *word)
{
	size_t len = strlen(word);

	if (in.len <= len)
		return !memcmp(in.at, word, in.len);
	return !memcmp(in.at, word, len) && (in.at[len] == ' ' || in.at[len] == '\r');
}

static struct guess guess_torn(struct span in)
{
	if (!is_text(in))
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (may_become(in, commands[i].name))
			return (struct guess){VERDICT_MAYBE, SIDE_CLIENT};
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++)
		if (may_become(in, replies[i].word))
			return (struct guess){VERDICT_MAYBE, SIDE_SERVER};
	return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
}

/* A value that ends where its length says, as far as that is to be seen. */
static bool is_value(struct span behind, uint64_t bytes)
{
	struct span end = bytes < behind.len ? span_from(behind, (size_t)bytes) : (struct span){};

	return !end.len || span_starts(end, "\r\n") || (end.len == 1 && end.at[0] == '\r');
}

struct guess memcached_text_guess(struct span in)
{
	struct memcached_half half = {};
	struct guess guess = {VERDICT_MAYBE, SIDE_CLIENT};
	const struct reply *reply;
	struct words words;
	size_t length;
	uint64_t value;
	struct span line = line_of(in, &length);
	struct span behind = span_from(in, length);
	bool has_cr = length == line.len + 2;

	if (!length)
		return guess_torn(in);
	if (!is_text(line))
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	if (!read_request(&half, line, &value)) {
		bool is_mark = has_cr && half.command->shape != SHAPE_BARE &&
			       strlen(half.command->name) > 2;

		if (value != UINT64_MAX && !is_value(behind, value))
			return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
		if (is_mark || (has_cr && half.command->shape == SHAPE_META_STORE))
			guess.verdict = VERDICT_YES;
		return guess;
	}
	words = split(line);
	reply = find_reply(&words);
	guess.from = SIDE_SERVER;
	if (!reply || !has_cr)
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	half = (struct memcached_half){};
	if (take_response(&half, line, &(const char *){NULL}) == STEP_BAD ||
	    (half.phase == PHASE_DATA && !is_value(behind, half.due)))
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	if (reply->is_mark)
		guess.verdict = VERDICT_YES;
	return guess;
}
