/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config - what the person who runs the agent wants: one YAML file, then SONDE_A_B=... of the environment,
 * then --set a.b=...; the later wins.
 *
 * Every key stands once in the table of config_keys.c with its type, default and help; the reference documentation,
 * `sonde config show`, GET /v1/config and the names of the environment variables come from there. Each value
 * remembers where it came from. A key that nobody knows, or a value that cannot be meant, is a mistake with its place
 * and a suggestion, and nothing of such a configuration is used.
 *
 * What stands under items.NAME is only known when the items are: config_check_items looks at it then.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_read.h"

enum config_type {
	CONFIG_BOOL,
	CONFIG_COUNT, /* whole number, also 10k */
	CONFIG_SIZE, /* bytes: 64MiB; a plain number is bytes */
	CONFIG_DURATION, /* ns: 10s, 5m; always with a unit */
	CONFIG_TEXT,
	CONFIG_PATH, /* absolute */
	CONFIG_CHOICE, /* one of `choices` */
	CONFIG_ADDRESSES, /* list of unix:/path, host:port, :port */
	CONFIG_TEXTS, /* list of texts */
	CONFIG_ANY, /* whatever the item says */
};

struct config_key {
	const char *name; /* a.b.c; a `*` stands for any one word (item, hook, parameter) */
	enum config_type type;
	const char *value; /* default, as YAML; "" = not set */
	const char *help; /* one line */
	const char *choices; /* CONFIG_CHOICE: "process|container" */
	uint64_t least, most; /* CONFIG_COUNT, SIZE, DURATION; most 0 = no limit */
	bool is_secret; /* never shown */
	bool needs_restart; /* a reload does not change it */
};

enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_SET };

struct setting {
	const char *key; /* a.b.c */
	const struct config_key *row; /* of the table: borrowed, static */
	const struct json_node *node; /* as it was written; lists of one may be a bare word there */
	uint64_t number; /* CONFIG_BOOL, COUNT, SIZE (bytes), DURATION (ns) */
	enum config_origin origin;
	const char *place; /* "sonde.yaml:12", "SONDE_STORE_SIZE", "--set", "default" */
};

struct config_sources {
	const char *file; /* name, for messages and the origin; NULL = no file */
	struct span text; /* its contents */
	const char *const *environment; /* as environ, ends with NULL; NULL = none */
	const char *const *sets; /* "a.b=value" of --set, ends with NULL; NULL = none */
};

struct config;

enum { CONFIG_FILE_BYTES = 1 << 20 }; /* a configuration file at most */

/*
 * All mistakes are written into `problems` (may be NULL), one a line; `why` is the first. What is odd but does no harm
 * (a SONDE_ variable that nobody knows: Kubernetes makes such for a service called "sonde") is in config_warnings.
 */
int config_load(const struct config_sources *sources, struct config **ret_config,
		struct buf *problems, struct err *why);
void config_free(struct config *config);
const char *config_warnings(const struct config *config); /* lines; "" if there are none */

/* Reads a file of at most CONFIG_FILE_BYTES into `out`. -ENOENT: the caller decides whether that is a mistake. */
int config_read_file(const char *path, struct buf *out, struct err *why);

/* The key must be in the table and of that type: anything else is a mistake of the program and aborts. */
bool config_bool(const struct config *config, const char *key);
uint64_t config_number(const struct config *config, const char *key); /* COUNT, SIZE, DURATION */
const char *config_text(const struct config *config,
			const char *key); /* TEXT, PATH, CHOICE; NULL = not set */
const char *config_list(const struct config *config, const char *key,
			size_t i); /* NULL behind the last */

/* What is known of items, once it is. */
struct config_items {
	void *ctx;
	/* Names, i from 0 until NULL. */
	const char *(*item)(void *ctx, size_t i);
	/* Is it one of which nothing more can be said here? Then what stands under it is right. NULL = there is none. */
	bool (*is_foreign)(void *ctx, const char *item);
	/* Parameters of an item, i from 0 until NULL. */
	const char *(*param)(void *ctx, const char *item, size_t i);
	/* Is the value one that the item takes? `setting` is what stands at items.NAME.KEY, general keys too (where, by). */
	int (*check)(void *ctx, const char *item, const char *key, const struct setting *setting,
		     struct err *why);
};

/* Checks what stands under items; must be called before config_item. A setting of an item that does not exist is
 * a mistake like any other. `problems` and `why` as above. */
int config_check_items(struct config *config, const struct config_items *items,
		       struct buf *problems, struct err *why);

/* Settings of an item that were given: key within the item ("on", "hook.switch", "min_us"). NULL = not given. */
const struct setting *config_item(const struct config *config, const char *item, const char *key);
/* All of them: i from 0 until NULL; ret_key points behind "items.NAME.". */
const struct setting *config_item_next(const struct config *config, const char *item, size_t *i,
				       const char **ret_key);

/* What differs: `each` is called for every key whose value is not the same (old or new may be NULL). Returns how many. */
typedef void (*config_change)(void *ctx, const struct setting *was, const struct setting *is);
size_t config_compare(const struct config *was, const struct config *is, config_change each,
		      void *ctx);

/* {"file":..,"keys":[{"key","value","origin","place","type","default","help"}]}; secrets are "***". */
void config_json(const struct config *config, struct json *json);
/* The keys but those of items, each with its value as one text. */
void config_values(const struct config *config, void (*each)(void *ctx, const char *key, struct span value), void *ctx);
/* A file that says the same, each line with its origin as a comment: `sonde config show`. */
void config_show(const struct config *config, struct buf *out);
/* docs/configuration.md, from the table. */
void config_reference(struct buf *out);

/* The table; ends with name NULL. */
extern const struct config_key config_keys[];
const char *config_type_name(enum config_type type);
