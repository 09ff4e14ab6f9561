// SPDX-License-Identifier: GPL-2.0-only
/*
 * record - raw bytes become named values.
 *
 * First whose it is: the raw pid and cgroup are asked of the resolver, the container that the event itself
 * named before the one its process lives in. Then each raw column by its type; what an event says
 * itself (comm, uid) stands above what the resolver knew.
 */
#include "record/record.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/units.h"
#include "record/histogram.h"
#include "record/mask.h"
#include "record/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ARGV_BYTES = 8192, /* of a joined and masked command line */
	HISTOGRAM_BYTES = 8192, /* of a histogram's JSON */
	SYMBOL_BYTES = 512,
};

/* What the columns of one record are made of. */
struct fill {
	struct record *record;
	const uint8_t *raw;
	size_t size; /* bytes of raw */
	uint64_t ktime_ns;
	uint32_t pid; /* subject, 0 = none known */
	const struct resolver *resolver;
	struct arena *arena;
};

static const struct resolver nobody;

int record_set_text(struct record *record, uint32_t column, struct span text, struct arena *arena)
{
	char *copy;

	if (!text.len)
		return 0;
	copy = arena_str(arena, text);
	if (!copy)
		return -ENOMEM;
	record->value[column] = value_text((struct span){(const uint8_t *)copy, text.len});
	return 0;
}

void record_begin(struct record *record, const struct layout *layout, const char *item,
		  const char *kind, uint64_t ktime_ns, const struct resolver *resolver)
{
	record->layout = layout;
	record->is_passing = false;
	memset(record->value, 0, sizeof(*record->value) * layout->count);
	record->value[LAYOUT_TIME] =
		(struct value){.kind = VALUE_TIME, .u64 = clock_wall_of(ktime_ns)};
	record->value[LAYOUT_ITEM] = value_str(item);
	record->value[LAYOUT_KIND] = value_str(kind);
	if (resolver)
		record->value[LAYOUT_NODE] = value_text(resolver->node);
}

int record_set_who(struct record *record, const struct who *who, unsigned parts,
		   struct arena *arena)
{
	const struct span text[WHO_COLUMNS] = {
		[WHO_PROCESS] = who->process,     [WHO_EXE] = who->exe,
		[WHO_CONTAINER] = who->container, [WHO_CONTAINER_ID] = who->container_id,
		[WHO_IMAGE] = who->image,         [WHO_POD] = who->pod,
		[WHO_NAMESPACE] = who->namespace, [WHO_SERVICE] = who->service,
		[WHO_CGROUP] = who->cgroup,
	};

	for (int i = 0; i < WHO_COLUMNS; i++) {
		uint16_t at = record->layout->who[i];
		int error = 0;

		if (at == NO_COLUMN || !(parts & 1u << i))
			continue;
		if (i == WHO_PID && who->pid)
			record->value[at] = value_u64(who->pid);
		else if (i == WHO_UID && who->has_uid)
			record->value[at] = value_u64(who->uid);
		else
			error = record_set_text(record, at, text[i], arena);
		if (error)
			return error;
	}
	return 0;
}

/* The number in a field, as 64 bits; reals are read elsewhere. */
static uint64_t read_number(const uint8_t *at, uint32_t size, bool is_signed)
{
	union {
		uint8_t bytes[8];
		uint64_t u64;
		uint32_t u32;
		uint16_t u16;
		uint8_t u8;
	} raw = {};

	memcpy(raw.bytes, at, size <= 8 ? size : 8);
	switch (size) {
	case 1: return is_signed ? (uint64_t)(int64_t)(int8_t)raw.u8 : raw.u8;
	case 2: return is_signed ? (uint64_t)(int64_t)(int16_t)raw.u16 : raw.u16;
	case 4: return is_signed ? (uint64_t)(int64_t)(int32_t)raw.u32 : raw.u32;
	default: return raw.u64;
	}
}

static uint64_t number_of(const struct fill *fill, const struct column *column)
{
	return read_number(fill->raw + column->offset, column->size, column->is_signed);
}

static struct value signed_value(uint64_t number, bool is_signed)
{
	return is_signed ? value_i64((int64_t)number) : value_u64(number);
}

/* All bytes of a text field that this record has. */
static struct span bytes_of(const struct fill *fill, const struct column *column)
{
	size_t left = column->offset < fill->size ? fill->size - column->offset : 0;

	return (struct span){fill->raw + column->offset,
			     column->size && column->size < left ? column->size : left};
}

static struct span up_to_zero(struct span text)
{
	return span_first(text, text.len ? strnlen((const char *)text.at, text.len) : 0);
}

/* Finds "7:" in "1:established,7:close". */
static struct span label_of(const char *labels, int64_t number)
{
	while (labels) {
		char *colon;
		long long key = strtoll(labels, &colon, 10);

		if (key == number && *colon == ':')
			return span_first(span_of(colon + 1), strcspn(colon + 1, ","));
		labels = strchr(labels, ',');
		labels += labels != NULL;
	}
	return (struct span){};
}

static int set_number_text(const struct fill *fill, uint32_t to, uint64_t number, bool is_hex)
{
	char text[NAME_TEXT];
	int len = is_hex ? snprintf(text, sizeof(text), "0x%" PRIx64, number)
			 : snprintf(text, sizeof(text), "%" PRIu64, number);

	return record_set_text(fill->record, to, (struct span){(const uint8_t *)text, (size_t)len},
			       fill->arena);
}

static int set_address(const struct fill *fill, uint32_t to, const uint8_t *addr)
{
	char text[ADDR_TEXT];
	size_t len;

	if (addr_is_none(addr))
		return 0;
	len = addr_print(addr, text);
	return record_set_text(fill->record, to, (struct span){(const uint8_t *)text, len},
			       fill->arena);
}

static int set_symbol(const struct fill *fill, uint32_t to, uint32_t pid, uint64_t addr)
{
	struct span symbol = {};

	if (!addr)
		return 0;
	if (fill->resolver->symbol)
		symbol = fill->resolver->symbol(fill->resolver->ctx, pid, addr);
	if (symbol.len)
		return record_set_text(fill->record, to, span_first(symbol, SYMBOL_BYTES),
				       fill->arena);
	return set_number_text(fill, to, addr, true);
}

/* A control group that is not the subject's: what people call it, or its path. */
static int set_group(const struct fill *fill, uint32_t to, uint64_t id)
{
	struct who who = {};
	struct span name;

	if (!id || !fill->resolver->cgroup ||
	    !fill->resolver->cgroup(fill->resolver->ctx, id, &who))
		return 0;
	name = who.container.len ? who.container : who.service.len ? who.service : who.cgroup;
	return record_set_text(fill->record, to, name, fill->arena);
}

static int set_device(const struct fill *fill, uint32_t to, uint32_t dev)
{
	struct span name = {};
	char text[NAME_TEXT];
	int len;

	if (!dev)
		return 0;
	if (fill->resolver->device)
		name = fill->resolver->device(fill->resolver->ctx, dev);
	if (!name.len) {
		len = snprintf(text, sizeof(text), "%u:%u", dev >> 20, dev & 0xfffff);
		name = (struct span){(const uint8_t *)text, (size_t)len};
	}
	return record_set_text(fill->record, to, name, fill->arena);
}

static int set_interface(const struct fill *fill, uint32_t to, uint32_t index)
{
	struct span name = {};

	if (!index)
		return 0;
	if (fill->resolver->interface)
		name = fill->resolver->interface(fill->resolver->ctx, index);
	return name.len ? record_set_text(fill->record, to, name, fill->arena)
			: set_number_text(fill, to, index, false);
}

static int set_argv(const struct fill *fill, uint32_t to, struct span raw)
{
	struct buf joined;
	int error;

	buf_init(&joined, ARGV_BYTES);
	argv_join(raw, &joined);
	error = record_set_text(fill->record, to, buf_as_span(&joined), fill->arena);
	buf_done(&joined);
	return error;
}

static int set_command(const struct fill *fill, uint32_t to, struct span raw)
{
	struct buf masked;
	int error;

	raw.len = strnlen((const char *)raw.at, raw.len);
	buf_init(&masked, ARGV_BYTES);
	mask_command(raw, &masked);
	error = record_set_text(fill->record, to, buf_as_span(&masked), fill->arena);
	buf_done(&masked);
	return error;
}

static int set_histogram(const struct fill *fill, uint32_t to, const struct column *column)
{
	uint64_t slot[METRIC_SLOTS], sum;
	struct json json = {};
	struct buf text;
	int error;

	memcpy(slot, fill->raw + column->offset, sizeof(slot));
	memcpy(&sum, fill->raw + column->offset + sizeof(slot), sizeof(sum));
	buf_init(&text, HISTOGRAM_BYTES);
	json.out = &text;
	histogram_json(column->metric, slot, sum, &json);
	error = record_set_text(fill->record, to, buf_as_span(&text), fill->arena);
	if (!error)
		fill->record->value[to].kind = VALUE_JSON;
	buf_done(&text);
	return error;
}

static int set_name(const struct fill *fill, uint32_t to, enum column_type type, uint64_t number)
{
	char scratch[NAME_TEXT];
	struct span name = type == COLUMN_ERRNO    ? errno_name((int64_t)number, scratch)
			   : type == COLUMN_SIGNAL ? signal_name(number, scratch)
						   : syscall_text(number, scratch);

	return record_set_text(fill->record, to, name, fill->arena);
}

/* Columns that stay numbers. Which of them are absent at 0 is said in schema.h. */
static struct value plain_value(const struct column *column, uint64_t number)
{
	bool is_negative = column->is_signed && (int64_t)number < 0;

	switch (column->type) {
	case COLUMN_UID:
		return (uint32_t)number == UINT32_MAX ? (struct value){} : value_u64(number);
	case COLUMN_STACK_ID: return is_negative ? (struct value){} : value_u64(number);
	case COLUMN_BOOL: return number ? value_bool(true) : (struct value){};
	case COLUMN_KTIME:
		return number ? (struct value){.kind = VALUE_TIME, .u64 = clock_wall_of(number)}
			      : (struct value){};
	case COLUMN_BYTES:
	case COLUMN_COUNT:
	case COLUMN_PERCENT: return signed_value(number, column->is_signed);
	default: return number ? signed_value(number, column->is_signed) : (struct value){};
	}
}

static struct value real_value(const uint8_t *at)
{
	struct value value = {.kind = VALUE_DOUBLE};

	memcpy(&value.real, at, sizeof(value.real));
	return value;
}

static int fill_column(const struct fill *fill, const struct column *column, uint32_t to)
{
	struct record *record = fill->record;
	uint64_t number = 0;

	if (column->is_real) {
		record->value[to] = real_value(fill->raw + column->offset);
		return 0;
	}
	if (column->type != COLUMN_IP && column->size <= 8 && column->size)
		number = number_of(fill, column);
	switch (column->type) {
	case COLUMN_COMM:
	case COLUMN_TEXT:
	case COLUMN_INODE_PATH:
		return record_set_text(record, to, up_to_zero(bytes_of(fill, column)), fill->arena);
	case COLUMN_ARGV: return set_argv(fill, to, bytes_of(fill, column));
	case COLUMN_COMMAND: return set_command(fill, to, bytes_of(fill, column));
	case COLUMN_IP: return set_address(fill, to, fill->raw + column->offset);
	case COLUMN_SOCK_COOKIE: return number ? set_number_text(fill, to, number, false) : 0;
	case COLUMN_HEX: return set_number_text(fill, to, number, true);
	case COLUMN_ERRNO:
	case COLUMN_SIGNAL: return number ? set_name(fill, to, column->type, number) : 0;
	case COLUMN_SYSCALL:
		return (int32_t)number < 0 ? 0 : set_name(fill, to, column->type, number);
	case COLUMN_KERNEL_ADDR: return set_symbol(fill, to, 0, number);
	case COLUMN_USER_ADDR: return set_symbol(fill, to, fill->pid, number);
	case COLUMN_CGROUP_ID: return set_group(fill, to, number);
	case COLUMN_DEV: return set_device(fill, to, (uint32_t)number);
	case COLUMN_IFINDEX: return set_interface(fill, to, (uint32_t)number);
	case COLUMN_ENUM: /* the labels live as long as the schema */
		record->value[to] = value_text(label_of(column->labels, (int64_t)number));
		return 0;
	case COLUMN_HISTOGRAM: return set_histogram(fill, to, column);
	default:
		/* who was asked already; an event that does not know leaves that answer */
		if (plain_value(column, number).kind != VALUE_ABSENT)
			record->value[to] = plain_value(column, number);
		return 0;
	}
}

static int fill_who(struct fill *fill, const struct layout *layout)
{
	const struct resolver *resolver = fill->resolver;
	unsigned parts = WHO_OF_PID;
	struct who who = {};
	uint64_t cgroup;
	int error;

	if (layout->raw_cgroup != NO_COLUMN && resolver->cgroup) {
		cgroup = number_of(fill, &layout->schema->column[layout->raw_cgroup]);
		if (cgroup && resolver->cgroup(resolver->ctx, cgroup, &who)) {
			error = record_set_who(fill->record, &who, WHO_OF_CGROUP, fill->arena);
			if (error)
				return error;
			parts &= ~(unsigned)WHO_OF_CGROUP;
		}
	}
	if (layout->raw_pid == NO_COLUMN)
		return 0;
	fill->pid = (uint32_t)number_of(fill, &layout->schema->column[layout->raw_pid]);
	if (!fill->pid)
		return 0;
	who = (struct who){};
	if (!resolver->pid || !resolver->pid(resolver->ctx, fill->pid, fill->ktime_ns, &who))
		who = (struct who){};
	who.pid = fill->pid;
	return record_set_who(fill->record, &who, parts, fill->arena);
}

static int fill_peer(const struct fill *fill, const struct layout *layout)
{
	const uint8_t *addr = fill->raw + layout->schema->column[layout->raw_peer_addr].offset;
	uint16_t port = 0;

	if (!fill->resolver->peer || addr_is_none(addr))
		return 0;
	if (layout->raw_peer_port != NO_COLUMN)
		port = (uint16_t)number_of(fill, &layout->schema->column[layout->raw_peer_port]);
	return record_set_text(fill->record, layout->peer,
			       fill->resolver->peer(fill->resolver->ctx, addr, port), fill->arena);
}

int record_fill(struct record *record, const struct layout *layout, const void *raw, size_t size,
		uint64_t ktime_ns, const struct resolver *resolver, struct arena *arena)
{
	const struct schema *schema = layout->schema;
	struct fill fill = {
		.record = record,
		.raw = raw,
		.size = size,
		.ktime_ns = ktime_ns,
		.resolver = resolver ? resolver : &nobody,
		.arena = arena,
	};
	int error;

	if (size < layout->least)
		return -EINVAL;
	record_begin(record, layout, schema->item, schema->kind, ktime_ns, resolver);
	error = fill_who(&fill, layout);
	for (uint32_t i = 0; !error && i < schema->count; i++)
		if (layout->target[i] != NO_COLUMN)
			error = fill_column(&fill, &schema->column[i], layout->target[i]);
	if (!error && layout->peer != NO_COLUMN)
		error = fill_peer(&fill, layout);
	return error;
}
