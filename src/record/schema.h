/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * schema - what the columns of a record are, said once.
 *
 * A raw schema describes a C struct field by field, as read from the BTF of an item's object (or
 * written down in C by items with a user half). From it follows the list of output columns: every
 * semantic type stands for the columns that its enricher adds (pid -> pid, process, exe, uid,
 * container ...). One name per column: JSON key = Prometheus label = table heading = filter word.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct btf;

/* The closed list of column types. In tags they are written in lower case (COL("cgroup_id")). */
enum column_type {
	COLUMN_NONE,
	COLUMN_CGROUP_ID,   /* u64 -> container, container_id, image, pod, namespace, service, cgroup */
	COLUMN_PID,	    /* u32, thread group -> pid, process, exe, uid + those of its cgroup */
	COLUMN_TID,	    /* u32 */
	COLUMN_PPID,	    /* u32: a process id that is not the subject: printed, not enriched */
	COLUMN_UID,	    /* u32 */
	COLUMN_COMM,	    /* char[]: `process` */
	COLUMN_SOCK_COOKIE, /* u64: `connection`, as a decimal string */
	COLUMN_IP,	    /* u8[16], IPv4 as ::ffff:a.b.c.d; all zero = absent */
	COLUMN_PORT,	    /* u16, host order; 0 = absent */
	COLUMN_NETNS,	    /* u32: inode number of the network namespace */
	COLUMN_ERRNO,	    /* integer, either sign: ECONNREFUSED; 0 = absent */
	COLUMN_SYSCALL,	    /* u32: openat, by the agent's own architecture */
	COLUMN_SIGNAL,	    /* u32: SIGKILL; 0 = absent */
	COLUMN_STACK_ID,    /* s32/u64 */
	COLUMN_KERNEL_ADDR, /* u64: symbol+offset */
	COLUMN_USER_ADDR,   /* u64, needs a pid column beside it */
	COLUMN_DEV,	    /* u32, major << 20 | minor: name of the block device */
	COLUMN_IFINDEX,	    /* u32: name of the network interface */
	COLUMN_INODE_PATH,  /* char[]: a path */
	COLUMN_NS,	    /* integer nanoseconds, a duration */
	COLUMN_KTIME,	    /* u64 CLOCK_MONOTONIC ns: printed as a time */
	COLUMN_BYTES,	    /* integer bytes */
	COLUMN_COUNT,	    /* integer without unit, printed also when 0 */
	COLUMN_NUMBER,	    /* integer without unit; 0 = absent */
	COLUMN_PERCENT,	    /* double */
	COLUMN_TEXT,	    /* char[], ends at the first 0; empty = absent */
	COLUMN_ARGV,	    /* char[], arguments separated by 0: joined by blanks, quoted where needed, secrets masked */
	COLUMN_BOOL,	    /* true or absent */
	COLUMN_ENUM,	    /* integer -> text, from the tag: "enum=1:established,2:syn_sent" ; others absent */
	COLUMN_HEX,	    /* integer, printed as 0x... */
	COLUMN_HISTOGRAM,   /* struct histogram */
	COLUMN_TYPES,
};

/* "pid" -> COLUMN_PID; COLUMN_NONE for a word that is no type. */
enum column_type column_type_of(struct span word);
const char *column_type_name(enum column_type type);

enum { COLUMN_NAME_BYTES = 40, SCHEMA_COLUMNS = 48 };

/* One field of the raw struct. */
struct column {
	char name[COLUMN_NAME_BYTES];
	enum column_type type;
	uint32_t offset; /* bytes from the start of the struct */
	uint32_t size;	 /* bytes */
	bool is_signed;
	char *help;	 /* owned, may be NULL */
	char *labels;	 /* owned: COLUMN_ENUM's "1:established,2:syn_sent", else NULL */
};

struct schema {
	char item[COLUMN_NAME_BYTES];
	char kind[COLUMN_NAME_BYTES];
	uint32_t size;	/* bytes of the struct */
	uint32_t count; /* columns */
	struct column column[SCHEMA_COLUMNS];
};

/*
 * Reads the columns of struct type `type_id` from BTF: fields with a "col" tag, nested structs (struct
 * owner) and arrays flattened. Untagged fields are not columns. Fails on more than SCHEMA_COLUMNS, an
 * unknown type word, or a size that the type cannot have; `why` names the field.
 */
int schema_from_btf(struct schema *schema, const struct btf *btf, uint32_t type_id, struct err *why);
void schema_done(struct schema *schema);

/*
 * Words of a tag "word;key=value;key=value": finds `key`, false when it is not there.
 * tag_word is what stands before the first ';'.
 */
struct span tag_word(const char *tag);
bool tag_value(const char *tag, const char *key, struct span *ret_value);
