// SPDX-License-Identifier: GPL-2.0-only
/*
 * redis_words - what the words of a Redis request mean.
 *
 * A command is known by its name in the table: which word is its key, whether it has subcommands, what
 * it does to the connection. Of everything else only the number is shown: "SET *** ***". So neither a
 * value nor AUTH's password can get into a record by this way; the key is given apart, raw, for those
 * who ask for it.
 */
#include "protocol/redis_words.h"

enum {
	KEYLESS = REDIS_NO_KEY,
	STARS_MAX = 8, /* words shown as ***; the rest as "..." */
};

struct known {
	char name[RESP_WORD_MAX]; /* in capitals, filled up with 0 */
	uint8_t key_at; /* word that is the first key */
	bool has_subcommands;
	enum effect effect;
};

/* Sorted by name. From COMMAND of Redis 7.0; commands with a number of keys before them by hand. */
/* clang-format off */
static const struct known table[] = {
	{"ACL", KEYLESS, true}, {"APPEND", 1}, {"ASKING", KEYLESS}, {"AUTH", KEYLESS},
	{"BGREWRITEAOF", KEYLESS}, {"BGSAVE", KEYLESS}, {"BITCOUNT", 1}, {"BITFIELD", 1},
	{"BITFIELD_RO", 1}, {"BITOP", 2}, {"BITPOS", 1}, {"BLMOVE", 1}, {"BLMPOP", 3},
	{"BLPOP", 1}, {"BRPOP", 1}, {"BRPOPLPUSH", 1}, {"BZMPOP", 3}, {"BZPOPMAX", 1},
	{"BZPOPMIN", 1}, {"CLIENT", KEYLESS, true}, {"CLUSTER", KEYLESS, true},
	{"COMMAND", KEYLESS, true}, {"CONFIG", KEYLESS, true}, {"COPY", 1}, {"DBSIZE", KEYLESS},
	{"DEBUG", KEYLESS, true}, {"DECR", 1}, {"DECRBY", 1}, {"DEL", 1}, {"DISCARD", KEYLESS},
	{"DUMP", 1}, {"ECHO", KEYLESS}, {"EVAL", 3}, {"EVALSHA", 3}, {"EVALSHA_RO", 3},
	{"EVAL_RO", 3}, {"EXEC", KEYLESS}, {"EXISTS", 1}, {"EXPIRE", 1}, {"EXPIREAT", 1},
	{"EXPIRETIME", 1}, {"FAILOVER", KEYLESS}, {"FCALL", 3}, {"FCALL_RO", 3},
	{"FLUSHALL", KEYLESS}, {"FLUSHDB", KEYLESS}, {"FUNCTION", KEYLESS, true}, {"GEOADD", 1},
	{"GEODIST", 1}, {"GEOHASH", 1}, {"GEOPOS", 1}, {"GEORADIUS", 1},
	{"GEORADIUSBYMEMBER", 1}, {"GEORADIUSBYMEMBER_RO", 1}, {"GEORADIUS_RO", 1},
	{"GEOSEARCH", 1}, {"GEOSEARCHSTORE", 1}, {"GET", 1}, {"GETBIT", 1}, {"GETDEL", 1},
	{"GETEX", 1}, {"GETRANGE", 1}, {"GETSET", 1}, {"HDEL", 1}, {"HELLO", KEYLESS},
	{"HEXISTS", 1}, {"HEXPIRE", 1}, {"HEXPIREAT", 1}, {"HEXPIRETIME", 1}, {"HGET", 1},
	{"HGETALL", 1}, {"HGETDEL", 1}, {"HGETEX", 1}, {"HINCRBY", 1}, {"HINCRBYFLOAT", 1},
	{"HKEYS", 1}, {"HLEN", 1}, {"HMGET", 1}, {"HMSET", 1}, {"HPERSIST", 1}, {"HPEXPIRE", 1},
	{"HPEXPIREAT", 1}, {"HPEXPIRETIME", 1}, {"HPTTL", 1}, {"HRANDFIELD", 1}, {"HSCAN", 1},
	{"HSET", 1}, {"HSETEX", 1}, {"HSETNX", 1}, {"HSTRLEN", 1}, {"HTTL", 1}, {"HVALS", 1},
	{"INCR", 1}, {"INCRBY", 1}, {"INCRBYFLOAT", 1}, {"INFO", KEYLESS}, {"KEYS", KEYLESS},
	{"LASTSAVE", KEYLESS}, {"LATENCY", KEYLESS, true}, {"LCS", 1}, {"LINDEX", 1},
	{"LINSERT", 1}, {"LLEN", 1}, {"LMOVE", 1}, {"LMPOP", 2}, {"LOLWUT", KEYLESS},
	{"LPOP", 1}, {"LPOS", 1}, {"LPUSH", 1}, {"LPUSHX", 1}, {"LRANGE", 1}, {"LREM", 1},
	{"LSET", 1}, {"LTRIM", 1}, {"MEMORY", 2, true}, {"MGET", 1}, {"MIGRATE", 3},
	{"MODULE", KEYLESS, true}, {"MONITOR", KEYLESS, false, EFFECT_MONITOR}, {"MOVE", 1},
	{"MSET", 1}, {"MSETNX", 1}, {"MULTI", KEYLESS}, {"OBJECT", 2, true}, {"PERSIST", 1},
	{"PEXPIRE", 1}, {"PEXPIREAT", 1}, {"PEXPIRETIME", 1}, {"PFADD", 1}, {"PFCOUNT", 1},
	{"PFDEBUG", 2}, {"PFMERGE", 1}, {"PFSELFTEST", KEYLESS}, {"PING", KEYLESS},
	{"PSETEX", 1}, {"PSUBSCRIBE", 1, false, EFFECT_SUBSCRIBE},
	{"PSYNC", KEYLESS, false, EFFECT_REPLICATION}, {"PTTL", 1}, {"PUBLISH", 1},
	{"PUBSUB", KEYLESS, true}, {"PUNSUBSCRIBE", 1, false, EFFECT_SUBSCRIBE},
	{"QUIT", KEYLESS}, {"RANDOMKEY", KEYLESS}, {"READONLY", KEYLESS}, {"READWRITE", KEYLESS},
	{"RENAME", 1}, {"RENAMENX", 1}, {"REPLCONF", KEYLESS}, {"REPLICAOF", KEYLESS},
	{"RESET", KEYLESS}, {"RESTORE", 1}, {"RESTORE-ASKING", 1}, {"ROLE", KEYLESS},
	{"RPOP", 1}, {"RPOPLPUSH", 1}, {"RPUSH", 1}, {"RPUSHX", 1}, {"SADD", 1},
	{"SAVE", KEYLESS}, {"SCAN", KEYLESS}, {"SCARD", 1}, {"SCRIPT", KEYLESS, true},
	{"SDIFF", 1}, {"SDIFFSTORE", 1}, {"SELECT", KEYLESS}, {"SENTINEL", KEYLESS, true},
	{"SET", 1}, {"SETBIT", 1}, {"SETEX", 1}, {"SETNX", 1}, {"SETRANGE", 1},
	{"SHUTDOWN", KEYLESS}, {"SINTER", 1}, {"SINTERCARD", 2}, {"SINTERSTORE", 1},
	{"SISMEMBER", 1}, {"SLAVEOF", KEYLESS}, {"SLOWLOG", KEYLESS, true}, {"SMEMBERS", 1},
	{"SMISMEMBER", 1}, {"SMOVE", 1}, {"SORT", 1}, {"SORT_RO", 1}, {"SPOP", 1},
	{"SPUBLISH", 1}, {"SRANDMEMBER", 1}, {"SREM", 1}, {"SSCAN", 1},
	{"SSUBSCRIBE", 1, false, EFFECT_SUBSCRIBE}, {"STRLEN", 1},
	{"SUBSCRIBE", 1, false, EFFECT_SUBSCRIBE}, {"SUBSTR", 1}, {"SUNION", 1},
	{"SUNIONSTORE", 1}, {"SUNSUBSCRIBE", 1, false, EFFECT_SUBSCRIBE}, {"SWAPDB", KEYLESS},
	{"SYNC", KEYLESS, false, EFFECT_REPLICATION}, {"TIME", KEYLESS}, {"TOUCH", 1},
	{"TTL", 1}, {"TYPE", 1}, {"UNLINK", 1}, {"UNSUBSCRIBE", 1, false, EFFECT_SUBSCRIBE},
	{"UNWATCH", KEYLESS}, {"WAIT", KEYLESS}, {"WAITAOF", KEYLESS}, {"WATCH", 1}, {"XACK", 1},
	{"XADD", 1}, {"XAUTOCLAIM", 1}, {"XCLAIM", 1}, {"XDEL", 1}, {"XGROUP", 2, true},
	{"XINFO", 2, true}, {"XLEN", 1}, {"XPENDING", 1}, {"XRANGE", 1}, {"XREAD", KEYLESS},
	{"XREADGROUP", KEYLESS}, {"XREVRANGE", 1}, {"XSETID", 1}, {"XTRIM", 1}, {"ZADD", 1},
	{"ZCARD", 1}, {"ZCOUNT", 1}, {"ZDIFF", 2}, {"ZDIFFSTORE", 1}, {"ZINCRBY", 1},
	{"ZINTER", 2}, {"ZINTERCARD", 2}, {"ZINTERSTORE", 1}, {"ZLEXCOUNT", 1}, {"ZMPOP", 2},
	{"ZMSCORE", 1}, {"ZPOPMAX", 1}, {"ZPOPMIN", 1}, {"ZRANDMEMBER", 1}, {"ZRANGE", 1},
	{"ZRANGEBYLEX", 1}, {"ZRANGEBYSCORE", 1}, {"ZRANGESTORE", 1}, {"ZRANK", 1}, {"ZREM", 1},
	{"ZREMRANGEBYLEX", 1}, {"ZREMRANGEBYRANK", 1}, {"ZREMRANGEBYSCORE", 1}, {"ZREVRANGE", 1},
	{"ZREVRANGEBYLEX", 1}, {"ZREVRANGEBYSCORE", 1}, {"ZREVRANK", 1}, {"ZSCAN", 1},
	{"ZSCORE", 1}, {"ZUNION", 2}, {"ZUNIONSTORE", 1},
};
/* clang-format on */

static bool is_word_char(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

bool redis_is_word(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!is_word_char(word.at[i]))
			return false;
	return word.len > 0;
}

static void capitals(uint8_t *to, struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		to[i] = word.at[i] >= 'a' && word.at[i] <= 'z' ? word.at[i] - 32 : word.at[i];
}

static const struct known *find(struct span word)
{
	uint8_t name[RESP_WORD_MAX] = {};
	size_t low = 0, high = sizeof(table) / sizeof(*table);

	if (!word.len || word.len >= RESP_WORD_MAX)
		return NULL;
	capitals(name, word);
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(name, table[middle].name, RESP_WORD_MAX);

		if (!order)
			return &table[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool redis_is_command(struct span word)
{
	return find(word);
}

uint8_t redis_key_at(struct span word)
{
	const struct known *known = find(word);

	return known ? known->key_at : 1;
}

static bool same_word(struct span word, const char *capital)
{
	uint8_t name[RESP_WORD_MAX] = {};

	if (word.len != strlen(capital) || word.len > sizeof(name))
		return false;
	capitals(name, word);
	return !memcmp(name, capital, word.len);
}

static enum effect effect_of(const struct known *known, const struct span *words)
{
	if (!known || !known->has_subcommands)
		return known ? known->effect : EFFECT_NONE;
	if (!same_word(words[0], "CLIENT") || !same_word(words[1], "REPLY"))
		return EFFECT_NONE;
	return same_word(words[2], "OFF")    ? EFFECT_REPLIES_OFF
	       : same_word(words[2], "SKIP") ? EFFECT_REPLIES_SKIP
	       : same_word(words[2], "ON")   ? EFFECT_REPLIES_ON
					     : EFFECT_NONE;
}

/* A word as it may be shown: in capitals, "?" if it is none. */
static size_t put_word(uint8_t *to, struct span word)
{
	if (!redis_is_word(word)) {
		*to = '?';
		return 1;
	}
	capitals(to, word);
	return word.len;
}

/* "...": more than STARS_MAX */
static size_t put_stars(uint8_t *to, uint64_t args)
{
	static const char stars[] = " *** *** *** *** *** *** *** *** ...";
	size_t len = args > STARS_MAX ? sizeof(stars) - 1 : 4 * (size_t)args;

	memcpy(to, stars, len);
	return len;
}

void redis_read_command(const struct span *words, uint64_t count, uint8_t *room,
			struct redis_command *ret_command)
{
	const struct known *known = find(words[0]);
	bool has_subcommand = known && known->has_subcommands && count > 1;
	size_t len = put_word(room, words[0]);

	if (has_subcommand) {
		room[len++] = ' ';
		len += put_word(room + len, words[1]);
	}
	*ret_command = (struct redis_command){
		.operation = {room, len},
		.args = count - 1 - has_subcommand,
		.effect = effect_of(known, words),
	};
	len += put_stars(room + len, ret_command->args);
	ret_command->target = (struct span){room, len};
}

/* Inline requests. */

static struct span next_word(struct span *line)
{
	struct span word;
	size_t n = 0;

	while (line->len && (line->at[0] == ' ' || line->at[0] == '\t'))
		*line = span_from(*line, 1);
	while (n < line->len && line->at[n] != ' ' && line->at[n] != '\t' && line->at[n] != '\r')
		n++;
	word = span_first(*line, n);
	*line = span_from(*line, n);
	return word;
}

/* Redis itself closes the connection on "POST" and "Host:": somebody sends it HTTP. */
const char *redis_check_inline(struct span line, bool is_whole)
{
	struct span rest = line, word;

	for (size_t i = 0; i < line.len; i++)
		if ((line.at[i] < ' ' && line.at[i] != '\t' &&
		     (line.at[i] != '\r' || i + 1 < line.len)) ||
		    line.at[i] >= 0x7f)
			return "request is neither an array nor a line of text";
	word = next_word(&rest);
	if (word.len >= RESP_WORD_MAX ||
	    (word.len && (rest.len || is_whole) && !redis_is_command(word)))
		return "line does not begin with a command";
	if (is_whole && rest.len > 9 && memmem(rest.at + rest.len - 9, 9, "HTTP/1.", 7))
		return "line is a request of HTTP";
	return NULL;
}

uint64_t redis_split_inline(struct span line, struct resp *half)
{
	uint64_t count = 0;

	for (;;) {
		struct span word = next_word(&line);

		if (!word.len)
			break;
		if (count < RESP_WORDS) {
			half->len[count] = word.len < RESP_WORD_MAX ? word.len : RESP_WORD_MAX;
			memcpy(half->word[count], word.at, half->len[count]);
		}
		if (!count)
			half->text_at = redis_key_at(word);
		if (count && count == half->text_at) {
			half->text_len = word.len < RESP_TEXT_MAX ? word.len : RESP_TEXT_MAX;
			memcpy(half->text, word.at, half->text_len);
		}
		count++;
	}
	return count;
}

struct guess redis_guess_inline(struct span in)
{
	const uint8_t *end = memchr(in.at, '\n', in.len);
	struct span line = span_first(in, end ? (size_t)(end - in.at) : in.len);

	if (!line.len || line.at[0] == '\r' || redis_check_inline(line, end))
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	return (struct guess){VERDICT_MAYBE, SIDE_CLIENT};
}
