// SPDX-License-Identifier: GPL-2.0-only
/*
 * sql_words - the words of SQL, by their first letter.
 *
 * A word is folded to upper case sixteen bytes at a time: clearing bit 5 maps exactly the letters of
 * both cases to A..Z, and of what else may stand in a word nothing to a letter; so two words are the
 * same keyword exactly if their folded bytes are equal.
 */
#include "protocol/sql_words.h"

#define WORDS(letter, ...)                                                                         \
	[letter - 'A'] = (const struct sql_word[])                                                 \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			""                                                                         \
		}                                                                                  \
	}
#define VERB(text, more)                                                                           \
	{                                                                                          \
		text, SQL_WORD_PLAIN, SQL_VERB | (more)                                            \
	}

static const struct sql_word *const words_by_letter['Z' - 'A' + 1] = {
	WORDS('A', {"AND"}, {"AS"}, {"ASC"}, {"ALL"}, {"ANY"}, {"ARRAY"}, VERB("ALTER", 0),
	      VERB("ANALYZE", SQL_NAMES)),
	WORDS('B', {"BY"}, {"BETWEEN"}, {"BOTH"}, VERB("BEGIN", SQL_FIRST | SQL_WEAK),
	      VERB("BINLOG", SQL_FIRST)),
	WORDS('C', {"CASE"}, {"COLLATE"}, {"CROSS"}, {"CONFLICT"}, {"CONSTRAINT"}, {"CONCURRENTLY"},
	      {"CASCADE"}, {"CHECK"}, VERB("CREATE", SQL_ON), VERB("CALL", SQL_FIRST | SQL_NAMES),
	      VERB("COMMIT", SQL_FIRST | SQL_WEAK), VERB("COPY", SQL_FIRST | SQL_NAMES),
	      VERB("CLOSE", SQL_FIRST), VERB("COMMENT", SQL_FIRST), VERB("CHECKPOINT", SQL_FIRST),
	      VERB("CLUSTER", SQL_FIRST | SQL_NAMES), VERB("CHANGE", SQL_FIRST),
	      VERB("CHECKSUM", SQL_FIRST)),
	WORDS('D', {"DISTINCT", SQL_WORD_DISTINCT}, {"DESC"}, {"DEFAULT", SQL_WORD_VALUE},
	      {"DUPLICATE", SQL_WORD_BEFORE_KEY}, {"DO", SQL_WORD_BEFORE_KEY},
	      VERB("DELETE", SQL_QUERY | SQL_MAIN), VERB("DROP", SQL_ON),
	      VERB("DECLARE", SQL_FIRST), VERB("DESCRIBE", SQL_FIRST | SQL_NAMES),
	      VERB("DEALLOCATE", SQL_FIRST), VERB("DISCARD", SQL_FIRST)),
	WORDS('E', {"ELSE"}, {"EXISTS", SQL_WORD_SKIP}, {"EXCEPT"}, {"ESCAPE"},
	      VERB("END", SQL_WEAK), VERB("EXPLAIN", SQL_FIRST), VERB("EXECUTE", SQL_FIRST)),
	WORDS('F', {"FROM", SQL_WORD_FROM}, {"FOR"}, {"FALSE", SQL_WORD_VALUE}, {"FULL"},
	      {"FOREIGN", SQL_WORD_BEFORE_KEY}, {"FORCE"}, VERB("FETCH", 0),
	      VERB("FLUSH", SQL_FIRST)),
	WORDS('G', {"GROUP"}, VERB("GRANT", SQL_ON)),
	WORDS('H', {"HAVING"}, {"HIGH_PRIORITY", SQL_WORD_SKIP},
	      VERB("HANDLER", SQL_FIRST | SQL_NAMES), VERB("HELP", SQL_FIRST)),
	WORDS('I', {"IN", SQL_WORD_IN}, {"IS"}, {"INTO", SQL_WORD_INTO}, {"INNER"},
	      {"IF", SQL_WORD_SKIP}, {"IGNORE", SQL_WORD_SKIP}, {"ILIKE"}, {"INTERSECT"},
	      {"INTERVAL"}, VERB("INSERT", SQL_QUERY | SQL_MAIN | SQL_NAMES)),
	WORDS('J', {"JOIN"}),
	WORDS('K', {"KEY", SQL_WORD_KEY}, VERB("KILL", SQL_FIRST)),
	WORDS('L', {"LIMIT"}, {"LEFT"}, {"LIKE"}, {"LATERAL"}, {"LOW_PRIORITY", SQL_WORD_SKIP},
	      VERB("LOCK", SQL_FIRST | SQL_NAMES), VERB("LOAD", SQL_FIRST),
	      VERB("LISTEN", SQL_FIRST | SQL_NAMES)),
	WORDS('M', {"MATERIALIZED"}, VERB("MERGE", SQL_FIRST | SQL_MAIN), VERB("MOVE", SQL_FIRST)),
	WORDS('N', {"NOT", SQL_WORD_SKIP}, {"NULL", SQL_WORD_VALUE}, {"NATURAL"},
	      {"NOTHING", SQL_WORD_KEY}, {"NOWAIT"}, VERB("NOTIFY", SQL_FIRST | SQL_NAMES)),
	WORDS('O', {"ON", SQL_WORD_ON}, {"OR"}, {"ORDER"}, {"OUTER"}, {"OFFSET"},
	      {"ONLY", SQL_WORD_SKIP}, {"OUTFILE"}, VERB("OPTIMIZE", SQL_FIRST)),
	WORDS('P', {"PARTITION"}, {"PRIMARY", SQL_WORD_BEFORE_KEY}, VERB("PREPARE", SQL_FIRST),
	      VERB("PURGE", SQL_FIRST)),
	WORDS('R', {"RIGHT"}, {"RETURNING"}, {"RECURSIVE"}, {"REFERENCES"}, {"REGEXP"}, {"RLIKE"},
	      {"RESTRICT"}, VERB("REPLACE", SQL_MAIN | SQL_NAMES),
	      VERB("ROLLBACK", SQL_FIRST | SQL_WEAK), VERB("RELEASE", SQL_FIRST | SQL_WEAK),
	      VERB("RESET", SQL_FIRST | SQL_WEAK), VERB("REVOKE", SQL_FIRST | SQL_ON),
	      VERB("RENAME", SQL_FIRST), VERB("REINDEX", SQL_FIRST), VERB("REPAIR", SQL_FIRST),
	      VERB("REFRESH", SQL_FIRST)),
	WORDS('S', VERB("SELECT", SQL_QUERY | SQL_MAIN), VERB("SET", SQL_WEAK), {"SOME"},
	      {"SIMILAR"}, {"STRAIGHT_JOIN"}, VERB("SHOW", SQL_FIRST),
	      VERB("START", SQL_FIRST | SQL_WEAK), VERB("SAVEPOINT", SQL_FIRST | SQL_WEAK),
	      VERB("SHUTDOWN", SQL_FIRST), VERB("STOP", SQL_FIRST), VERB("SECURITY", SQL_FIRST)),
	WORDS('T', {"TABLE", SQL_WORD_TABLE}, {"TABLES", SQL_WORD_TABLE}, {"THEN"}, {"TO"},
	      {"TRUE", SQL_WORD_VALUE}, {"TEMPORARY"}, VERB("TRUNCATE", SQL_FIRST | SQL_NAMES)),
	WORDS('U', {"UNION"}, {"USING"}, {"UNIQUE", SQL_WORD_BEFORE_KEY}, {"UNLOGGED"},
	      VERB("UPDATE", SQL_QUERY | SQL_MAIN | SQL_NAMES), VERB("USE", SQL_FIRST | SQL_NAMES),
	      VERB("UNLOCK", SQL_FIRST), VERB("UNLISTEN", SQL_FIRST | SQL_NAMES)),
	WORDS('V', {"VALUES", SQL_WORD_VALUES, SQL_VERB | SQL_QUERY | SQL_MAIN},
	      VERB("VACUUM", SQL_FIRST | SQL_NAMES)),
	WORDS('W', {"WHERE"}, {"WHEN"}, {"WINDOW"}, {"WITHIN"},
	      {"WITH", SQL_WORD_WITH, SQL_VERB | SQL_QUERY}),
	WORDS('X', {"XOR"}, VERB("XA", SQL_FIRST)),
};

const struct sql_word *sql_word_find(const uint8_t *at, size_t len, const uint8_t *end)
{
	static const uint64_t fold = 0xdfdfdfdfdfdfdfdfu;
	uint64_t folded[2] = {};
	const struct sql_word *word;
	uint8_t letter;

	if (len < 2 || len >= sizeof(word->text))
		return NULL;
	letter = (at[0] & 0xdf) - 'A';
	if (letter > 'Z' - 'A' || !words_by_letter[letter])
		return NULL;
	if (end - at >= 16) {
		memcpy(folded, at, 16);
		if (len < 8) {
			folded[0] &= ~0ull >> (64 - 8 * len);
			folded[1] = 0;
		} else {
			folded[1] &= (1ull << (8 * (len - 8))) - 1;
		}
	} else {
		memcpy(folded, at, len);
	}
	folded[0] &= fold;
	folded[1] &= fold;
	for (word = words_by_letter[letter]; word->text[0]; word++)
		if (!memcmp(word->text, folded, sizeof(folded)))
			return word;
	return NULL;
}
