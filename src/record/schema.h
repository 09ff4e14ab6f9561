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
#include "record/tags.h"

struct metric;

/* The closed list of column types. In tags they are written in lower case (COL("cgroup_id")). */
enum column_type {
	COLUMN_NONE,
	COLUMN_CGROUP_ID, /* u64 -> container, container_id, image, pod, namespace, service, cgroup. Further ones: the name of
				container or service, else the path */
	COLUMN_PID, /* u32, thread group -> pid, process, exe, uid + those of its cgroup. The first of a
				schema; further ones are printed like PPID */
	COLUMN_TID, /* u32 */
	COLUMN_PPID, /* u32: a process id that is not the subject: printed, not enriched */
	COLUMN_UID, /* u32; ~0 = absent */
	COLUMN_COMM, /* char[]: `process` */
	COLUMN_SOCK_COOKIE, /* u64: `connection`, as a decimal string */
	COLUMN_IP, /* u8[16], IPv4 as ::ffff:a.b.c.d; all zero = absent */
	COLUMN_PORT, /* u16, host order; 0 = absent */
	COLUMN_NETNS, /* u32: inode number of the network namespace */
	COLUMN_ERRNO, /* integer, either sign: ECONNREFUSED; 0 = absent */
	COLUMN_SYSCALL, /* u32: openat, by the agent's own architecture */
	COLUMN_SIGNAL, /* u32: SIGKILL; 0 = absent */
	COLUMN_STACK_ID, /* s32/u64; negative = absent */
	COLUMN_KERNEL_ADDR, /* u64: symbol+offset */
	COLUMN_USER_ADDR, /* u64, needs a pid column beside it */
	COLUMN_DEV, /* u32, major << 20 | minor: name of the block device */
	COLUMN_IFINDEX, /* u32: name of the network interface */
	COLUMN_INODE_PATH, /* char[]: a path */
	COLUMN_NS, /* integer nanoseconds, a duration; 0 = absent. The name ends in _ns (added if not) */
	COLUMN_KTIME, /* u64 CLOCK_MONOTONIC ns: printed as a time */
	COLUMN_BYTES, /* integer bytes, printed also when 0. The name ends in _bytes (added if not) */
	COLUMN_COUNT, /* integer without unit, printed also when 0 */
	COLUMN_NUMBER, /* integer without unit; 0 = absent */
	COLUMN_PERCENT, /* double or integer */
	COLUMN_TEXT, /* char[], ends at the first 0; empty = absent */
	COLUMN_ARGV, /* char[], arguments separated by 0: joined by blanks, quoted where needed, secrets masked */
	COLUMN_COMMAND, /* char[], ends at the first 0: a line as it was typed, secrets masked; empty = absent */
	COLUMN_BOOL, /* true or absent */
	COLUMN_ENUM, /* integer -> text, from the tag: "enum=1:established,2:syn_sent" ; others absent */
	COLUMN_HEX, /* integer, printed as 0x..., also when 0 */
	COLUMN_HISTOGRAM, /* struct histogram: {"count":..,"sum":..,"buckets":[{"le":..,"count":..}]} */
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
	uint32_t
		size; /* bytes; 0 = texts only: all the rest of the record (char tail[] at its end) */
	bool is_signed;
	bool is_real; /* a double */
	char *help; /* owned, may be NULL */
	char *labels; /* owned: COLUMN_ENUM's "1:established,2:syn_sent", else NULL */
	char *kernel_enum; /* owned: "skb_drop_reason,SKB_DROP_REASON_", whose names the running kernel knows; else NULL */
	const struct metric
		*metric; /* borrowed: buckets and scale of COLUMN_HISTOGRAM; NULL = raw, log2 */
};

struct schema {
	char item[COLUMN_NAME_BYTES];
	char kind[COLUMN_NAME_BYTES];
	uint32_t size; /* bytes of the struct */
	uint32_t count; /* columns */
	struct column column[SCHEMA_COLUMNS];
};

/*
 * Reads the columns of struct type `type_id` from BTF: fields with a "col" tag, nested structs and unions
 * (struct owner) flattened, arrays of numbers as name_0, name_1 ... Untagged fields are not columns.
 * "name=" in the tag names the column otherwise than the field, "help=" says what it is.
 * Fails on more than SCHEMA_COLUMNS, an unknown type word, or a size that the type cannot have; `why`
 * names the field.
 */
int schema_from_btf(struct schema *schema, const struct btf *btf, uint32_t type_id,
		    struct err *why);
void schema_done(struct schema *schema);

/* The same, added to what is there: a struct that begins `offset` bytes into the record. Several such
 * parts make one record (a map's key and value). */
int schema_add_struct(struct schema *schema, const struct tags *tags, uint32_t type_id,
		      uint32_t offset, struct err *why);

/* One column more, checked like the others (name, type, size, no second of that name). `column` keeps its
 * help and labels: they are copied. */
int schema_add(struct schema *schema, const struct column *column, struct err *why);

/*
 * Names that the running kernel knows better ("btf=ENUM,PREFIX" in the tag of an enum): takes them from the kernel's own
 * BTF, in lower case and without the prefix. Those of the tag stay where it has no such enum. Before the first record.
 */
bool schema_has_kernel_enum(const struct schema *schema);
void schema_name_kernel_enums(struct schema *schema, const struct btf *kernel);

/* Lower case letters, digits and _, beginning with a letter; shorter than `room` bytes. */
bool is_name(struct span text, size_t room);
