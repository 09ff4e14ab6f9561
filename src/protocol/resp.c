// SPDX-License-Identifier: GPL-2.0-only
/*
 * resp - cuts RESP values (RESP2 and RESP3) out of a byte stream that arrives in pieces.
 *
 * Every value says in its first line how many values it holds: none for a scalar, n for an array, 2n
 * for a map. So one number is the whole state of a message: the values still due. It starts at 1; each
 * value takes one off and adds what it holds; the message ends at 0. There is no recursion, no limit on
 * depth, and a message cut anywhere goes on where it stopped.
 *
 *	*2 \r\n		due 1 -> 2
 *	$3 \r\n GET \r\n	due 2 -> 1
 *	$1 \r\n k \r\n	due 1 -> 0: message
 *
 * Payloads are passed, not kept, so a gap inside one is harmless; only the first words are copied as
 * they pass.
 *
 * Protocol: redis.io, "Redis serialization protocol specification". Streamed aggregates ("$?", "*?") are
 * in it but sent by no server; they are refused.
 */
#include "protocol/redis_words.h"

#define BULK_MAX  (512ULL << 20) /* bytes: proto-max-bulk-len of Redis */
#define ARGS_MAX  (1ULL << 20) /* words of a request, as Redis limits them */
#define ITEMS_MAX (1ULL << 32) /* elements of one aggregate in a response */
#define DUE_MAX   (1ULL << 48) /* values of one message */

/* What the first line of a value says. */
struct line {
	size_t bytes; /* of the line, 0: not whole */
	uint64_t values; /* that it holds */
	uint64_t payload; /* bytes behind the line, CR LF included */
	struct span text; /* of a simple string, error or number */
	bool is_null;
	const char *wrong; /* static sentence, NULL if the line is right */
};

/* "<digits> CR LF" or "-1 CR LF" from in.at[1] on: lengths and counts. */
static struct line read_count(struct span in, uint64_t limit, const char *wrong,
			      uint64_t *ret_count)
{
	struct line line = {};
	uint64_t count = 0;
	size_t i = 1;

	*ret_count = 0;
	line.is_null = in.len > 1 && in.at[1] == '-';
	i += line.is_null;
	while (i < in.len && in.at[i] >= '0' && in.at[i] <= '9') {
		count = count * 10 + (in.at[i++] - '0');
		if (count > limit || i > 12) {
			line.wrong = wrong;
			return line;
		}
	}
	if (i == in.len)
		return line;
	if (in.at[i] != '\r' || i == 1U + line.is_null || (line.is_null && count != 1)) {
		line.wrong = wrong;
		return line;
	}
	if (i + 1 == in.len)
		return line;
	if (in.at[i + 1] != '\n') {
		line.wrong = "line does not end with CR LF";
		return line;
	}
	line.bytes = i + 2;
	*ret_count = line.is_null ? 0 : count;
	return line;
}

/* A line that is a value itself. */
static struct line read_text(struct span in)
{
	struct span room = span_first(in, RESP_LINE_MAX);
	const uint8_t *end = memchr(room.at, '\n', room.len);
	struct line line = {};

	if (!end) {
		line.wrong = room.len < RESP_LINE_MAX ? NULL : "line above 64 KiB";
		return line;
	}
	line.bytes = (size_t)(end - room.at) + 1;
	if (line.bytes < 3 || end[-1] != '\r')
		line.wrong = "line does not end with CR LF";
	else
		line.text = (struct span){room.at + 1, line.bytes - 3};
	return line;
}

static struct line read_line(enum side from, struct span in)
{
	uint64_t items = from == SIDE_CLIENT ? ARGS_MAX : ITEMS_MAX;
	struct line line;
	uint64_t count;

	switch (in.at[0]) {
	case '$':
	case '!':
	case '=':
		line = read_count(in, BULK_MAX, "bulk length is not a number up to 512 MiB",
				  &count);
		line.payload = line.bytes && !line.is_null ? count + 2 : 0;
		return line;
	case '*':
	case '~':
	case '>':
		line = read_count(in, items, "array length is not a number within the limit",
				  &count);
		line.values = count;
		return line;
	case '%':
	case '|':
		line = read_count(in, items, "map length is not a number within the limit", &count);
		if (line.is_null)
			line.wrong = "map length is not a number within the limit";
		line.values = 2 * count +
			      (in.at[0] == '|'); /* what an attribute describes is still due */
		return line;
	case '+':
	case '-':
	case ':':
	case '#':
	case ',':
	case '(': return read_text(in);
	case '_':
		line = read_text(in);
		line.is_null = true;
		return line;
	default: return (struct line){.wrong = "unknown type byte"};
	}
}

/* Texts that are wanted, as they pass. */

static void copy_some(uint8_t *to, uint8_t *len, size_t max, struct span bytes)
{
	size_t room = max - *len;
	size_t n = bytes.len < room ? bytes.len : room;

	memcpy(to + *len, bytes.at, n);
	*len += n;
}

static void note_payload(struct resp *resp, struct span bytes)
{
	if (resp->passing < RESP_WORDS)
		copy_some(resp->word[resp->passing], &resp->len[resp->passing], RESP_WORD_MAX,
			  bytes);
	if (resp->passing == resp->text_at)
		copy_some(resp->text, &resp->text_len, RESP_TEXT_MAX, bytes);
}

/* Which word of the outermost array is the value whose line was just read? Nested values count as
 * none: `due` is above what a flat array can have left. */
static uint8_t word_passing(const struct resp *resp)
{
	uint64_t index = resp->values - resp->due;

	if (resp->type == '!')
		return resp->due == 1 ? 0 : RESP_NO_WORD;
	if ((resp->type != '*' && resp->type != '>') || resp->due > resp->values)
		return RESP_NO_WORD;
	return index <= REDIS_LAST_KEY ? (uint8_t)index : RESP_NO_WORD;
}

void resp_begin(struct resp *resp)
{
	resp->due = 1;
	resp->skip = 0;
	resp->bytes = resp->values = resp->number = 0;
	resp->type = 0;
	resp->is_null = resp->is_torn = false;
	resp->passing = RESP_NO_WORD;
	resp->text_at = 1;
	resp->text_len = 0;
	memset(resp->len, 0, sizeof(resp->len));
}

static void note_outermost(struct resp *resp, enum side from, uint8_t type, const struct line *line)
{
	if (resp->type || resp->due != 1 || type == '|')
		return;
	resp->type = type;
	resp->values = line->values;
	resp->is_null = line->is_null;
	if (from == SIDE_SERVER && type == '!')
		resp->text_at = 0; /* the words of an error are kept as a key would be */
	if (from == SIDE_SERVER && (type == '+' || type == '-'))
		copy_some(resp->text, &resp->text_len, RESP_TEXT_MAX, line->text);
}

static void note_number(struct resp *resp, struct span text)
{
	resp->number = 0;
	for (size_t i = 0; i < text.len && i < 18 && text.at[i] >= '0' && text.at[i] <= '9'; i++)
		resp->number = resp->number * 10 + (text.at[i] - '0');
}

static const char *check_request_value(const struct resp *resp, uint8_t type)
{
	if (!resp->type)
		return type == '*' ? NULL : "request is not an array";
	return type == '$' ? NULL : "request holds something else than strings";
}

enum resp_step resp_cut(struct resp *resp, enum side from, struct span in, size_t *ret_used,
			const char **ret_why)
{
	size_t used = 0;

	for (;;) {
		struct span rest = span_from(in, used);

		if (resp->skip) {
			size_t step = rest.len < resp->skip ? rest.len : (size_t)resp->skip;

			if (resp->passing != RESP_NO_WORD && resp->skip > 2)
				note_payload(resp,
					     span_first(rest, resp->skip - 2 < step ? resp->skip - 2
										    : step));
			resp->skip -= step;
			resp->bytes += step;
			used += step;
			if (resp->skip)
				break;
			if (resp->passing == 0 && from == SIDE_CLIENT)
				resp->text_at =
					redis_key_at((struct span){resp->word[0], resp->len[0]});
			continue;
		}
		if (!resp->due) {
			*ret_used = used;
			return RESP_WHOLE;
		}
		if (!rest.len)
			break;

		struct line line = read_line(from, rest);

		if (!line.wrong && from == SIDE_CLIENT)
			line.wrong = check_request_value(resp, rest.at[0]);
		if (line.wrong || resp->due + line.values > DUE_MAX) {
			*ret_why = line.wrong ? line.wrong : "more than 2^48 values";
			*ret_used = used;
			return RESP_BAD;
		}
		if (!line.bytes)
			break;
		note_outermost(resp, from, rest.at[0], &line);
		resp->passing = word_passing(resp);
		if (rest.at[0] == ':')
			note_number(resp, line.text);
		used += line.bytes;
		resp->bytes += line.bytes;
		resp->due += line.values - 1;
		resp->skip = line.payload;
	}
	*ret_used = used;
	return RESP_MORE;
}

uint64_t resp_skip(struct resp *resp, enum side from, uint64_t bytes)
{
	uint64_t step = bytes < resp->skip ? bytes : resp->skip;

	resp->bytes += step;
	resp->skip -= step;
	if (resp->passing != RESP_NO_WORD && step) {
		/* words of a response are only looked at in what may be a push */
		resp->is_torn |= resp->passing <= resp->text_at &&
				 (from == SIDE_CLIENT || resp->type == '>');
		resp->passing = RESP_NO_WORD;
	}
	return step;
}
