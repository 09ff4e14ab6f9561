// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout - the columns that come out, made from the columns that go in.
 *
 * Three blocks: what every record has, whose it is, and its own. The raw columns pid, tid, comm, uid and
 * cgroup_id name the owner, so they make (and fill) columns of the second block whatever their C
 * name is; all others make one column of their own name.
 */
#include "record/record.h"

#include <stdatomic.h>
#include <errno.h>
#include <stdio.h>

static const struct layout_column first_columns[LAYOUT_FIRST] = {
	[LAYOUT_TIME] = {"time", UNIT_TIME, "when it happened, UTC"},
	[LAYOUT_ITEM] = {"item", UNIT_TEXT, "the item that saw it"},
	[LAYOUT_KIND] = {"kind", UNIT_TEXT, "kind of record"},
	[LAYOUT_NODE] = {"node", UNIT_TEXT, "name of the machine"},
};

static const struct layout_column who_columns[WHO_COLUMNS] = {
	[WHO_PID] = {"pid", UNIT_NONE, "process id"},
	[WHO_TID] = {"tid", UNIT_NONE, "thread id"},
	[WHO_PROCESS] = {"process", UNIT_TEXT, "short name of the process"},
	[WHO_EXE] = {"exe", UNIT_TEXT, "path of the program"},
	[WHO_UID] = {"uid", UNIT_NONE, "user id"},
	[WHO_CONTAINER] = {"container", UNIT_TEXT, "name of the container"},
	[WHO_CONTAINER_ID] = {"container_id", UNIT_TEXT, "id of the container"},
	[WHO_IMAGE] = {"image", UNIT_TEXT, "image of the container"},
	[WHO_POD] = {"pod", UNIT_TEXT, "name of the pod"},
	[WHO_NAMESPACE] = {"namespace", UNIT_TEXT, "Kubernetes namespace"},
	[WHO_SERVICE] = {"service", UNIT_TEXT, "service or workload"},
	[WHO_CGROUP] = {"cgroup", UNIT_TEXT, "path of the control group"},
};

static enum unit unit_of(enum column_type type)
{
	switch (type) {
	case COLUMN_NS: return UNIT_NS;
	case COLUMN_BYTES: return UNIT_BYTES;
	case COLUMN_COUNT: return UNIT_COUNT;
	case COLUMN_PERCENT: return UNIT_PERCENT;
	case COLUMN_KTIME: return UNIT_TIME;
	case COLUMN_SOCK_COOKIE:
	case COLUMN_COMM:
	case COLUMN_IP:
	case COLUMN_ERRNO:
	case COLUMN_SYSCALL:
	case COLUMN_SIGNAL:
	case COLUMN_KERNEL_ADDR:
	case COLUMN_USER_ADDR:
	case COLUMN_CGROUP_ID:
	case COLUMN_DEV:
	case COLUMN_IFINDEX:
	case COLUMN_INODE_PATH:
	case COLUMN_TEXT:
	case COLUMN_ARGV:
	case COLUMN_COMMAND:
	case COLUMN_ENUM:
	case COLUMN_HEX:
	case COLUMN_HISTOGRAM: return UNIT_TEXT;
	default: return UNIT_NONE;
	}
}

const char *unit_name(enum unit unit)
{
	static const char *const names[] = {
		[UNIT_NONE] = "",       [UNIT_NS] = "ns",           [UNIT_BYTES] = "bytes",
		[UNIT_COUNT] = "count", [UNIT_PERCENT] = "percent", [UNIT_TIME] = "time",
		[UNIT_TEXT] = "text",
	};

	return unit <= UNIT_TEXT ? names[unit] : "";
}

int layout_find(const struct layout *layout, struct span name)
{
	for (uint32_t i = 0; i < layout->count; i++)
		if (span_is(name, layout->column[i].name))
			return (int)i;
	return -1;
}

int layout_add(struct layout *layout, const char *name, enum unit unit, const char *help,
	       struct err *why)
{
	struct layout_column *column = &layout->column[layout->count];

	if (layout->count == LAYOUT_COLUMNS)
		return err_set(why, -E2BIG, "column '%s' is one too many, %d are allowed", name,
			       LAYOUT_COLUMNS);
	if (!is_name(span_of(name), COLUMN_NAME_BYTES))
		return err_set(why, -EINVAL, "'%s' is no name for a column", name);
	if (layout_find(layout, span_of(name)) >= 0)
		return err_set(
			why, -EEXIST,
			"column '%s' is there already (whose a record is and when it was have "
			"columns of their own)",
			name);
	*column = (struct layout_column){.unit = unit, .help = help};
	snprintf(column->name, sizeof(column->name), "%s", name);
	return (int)layout->count++;
}

void layout_row_kind(struct layout *layout, const char *kind, uint32_t counters, uint32_t gauges)
{
	layout->kind = kind;
	for (uint32_t i = 0; i < counters + gauges && i < layout->count; i++)
		layout->column[layout->count - 1 - i].role = i < gauges ? COLUMN_GAUGE : COLUMN_COUNTER;
}

void layout_show(struct layout *layout, const char *const *names)
{
	for (uint32_t i = 0; i < layout->count; i++)
		layout->column[i].is_hidden = true;
	for (; *names; names++) {
		int at = layout_find(layout, span_of(*names));

		if (at >= 0)
			layout->column[at].is_hidden = false;
	}
}

void layout_begin(struct layout *layout, unsigned who)
{
	static atomic_uint numbers;

	*layout = (struct layout){.number = ++numbers, .count = LAYOUT_FIRST};
	memcpy(layout->column, first_columns, sizeof(first_columns));
	for (int i = 0; i < WHO_COLUMNS; i++) {
		layout->who[i] = NO_COLUMN;
		if (!(who & 1u << i))
			continue;
		layout->who[i] = (uint16_t)layout->count;
		layout->column[layout->count++] = who_columns[i];
	}
	for (int i = 0; i < SCHEMA_COLUMNS; i++)
		layout->target[i] = NO_COLUMN;
	layout->raw_pid = layout->raw_cgroup = NO_COLUMN;
	layout->raw_peer_addr = layout->raw_peer_port = layout->peer = NO_COLUMN;
}

/* Which column of the who block a raw column of that type fills by itself; WHO_COLUMNS = none. */
static enum who_column who_column_of(enum column_type type)
{
	switch (type) {
	case COLUMN_PID: return WHO_PID;
	case COLUMN_TID: return WHO_TID;
	case COLUMN_COMM: return WHO_PROCESS;
	case COLUMN_UID: return WHO_UID;
	default: return WHO_COLUMNS;
	}
}

static unsigned who_mask_of(enum column_type type)
{
	enum who_column who = who_column_of(type);

	if (type == COLUMN_PID)
		return WHO_OF_PID;
	if (type == COLUMN_CGROUP_ID)
		return WHO_OF_CGROUP;
	return who < WHO_COLUMNS ? 1u << who : 0;
}

/* Only the first column of such a type tells the owner: the others are about somebody else. */
static bool is_owner(const struct schema *schema, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (schema->column[i].type == schema->column[index].type)
			return false;
	return who_mask_of(schema->column[index].type) != 0;
}

static bool is_open_ended(const struct column *column)
{
	return column->type == COLUMN_TEXT || column->type == COLUMN_ARGV ||
	       column->type == COLUMN_COMMAND || column->type == COLUMN_INODE_PATH;
}

/* Where a second owner-like column goes: printed as a plain number or text, under its own name. */
static int add_own(struct layout *layout, uint32_t index, struct err *why)
{
	const struct column *column = &layout->schema->column[index];
	const char *name = column->type == COLUMN_SOCK_COOKIE ? "connection" : column->name;
	int at = layout_add(layout, name, unit_of(column->type), column->help, why);

	if (at < 0)
		return at;
	layout->target[index] = (uint16_t)at;
	if (column->type == COLUMN_IP && !strcmp(name, "remote_addr"))
		layout->raw_peer_addr = (uint16_t)index;
	if (column->type == COLUMN_PORT && !strcmp(name, "remote_port"))
		layout->raw_peer_port = (uint16_t)index;
	return 0;
}

static void add_owner(struct layout *layout, uint32_t index)
{
	enum column_type type = layout->schema->column[index].type;

	if (type == COLUMN_PID)
		layout->raw_pid = (uint16_t)index;
	else if (type == COLUMN_CGROUP_ID)
		layout->raw_cgroup = (uint16_t)index;
	else
		layout->target[index] = layout->who[who_column_of(type)];
}

int layout_from_schema(struct layout *layout, const struct schema *schema, struct err *why)
{
	unsigned who = 0;
	int at;

	for (uint32_t i = 0; i < schema->count; i++)
		who |= who_mask_of(schema->column[i].type);
	layout_begin(layout, who);
	layout->schema = schema;
	for (uint32_t i = 0; i < schema->count; i++) {
		const struct column *column = &schema->column[i];
		uint32_t end = column->offset + (is_open_ended(column) ? 0 : column->size);

		if (layout->least < end)
			layout->least = end;
		if (is_owner(schema, i)) {
			add_owner(layout, i);
			continue;
		}
		at = add_own(layout, i, why);
		if (at < 0)
			return at;
	}
	if (layout->raw_peer_addr == NO_COLUMN)
		return 0;
	at = layout_add(layout, "remote_name", UNIT_TEXT,
			"service, pod or DNS name of the remote end", why);
	if (at < 0)
		return at;
	layout->peer = (uint16_t)at;
	return 0;
}

void layout_json(const struct layout *layout, struct json *json)
{
	json_array(json);
	for (uint32_t i = 0; i < layout->count; i++) {
		const struct layout_column *column = &layout->column[i];

		json_object(json);
		json_key_str(json, "name", column->name);
		if (column->unit != UNIT_NONE)
			json_key_str(json, "unit", unit_name(column->unit));
		if (column->help)
			json_key_str(json, "help", column->help);
		json_object_end(json);
	}
	json_array_end(json);
}
