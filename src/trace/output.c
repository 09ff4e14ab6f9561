// SPDX-License-Identifier: GPL-2.0-only
/* output - values as text in bpftrace's shape, or as JSON of its schema. Maps: output_map.c. */
#include "trace/output.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "trace/btf.h"
#include "trace/dwarf.h"
#include "trace/owners.h"
#include "trace/run.h"

enum { LINE_MAX_BYTES = 4 << 20 };

uint64_t output_integer(const struct type *type, const uint8_t *bytes)
{
	uint32_t size = type->size > 8 ? 8 : type->size;
	uint64_t value = 0;

	memcpy(&value, bytes, size);
	if (type->is_signed && size && size < 8) {
		uint32_t shift = 64 - size * 8;

		value = (uint64_t)((int64_t)(value << shift) >> shift);
	}
	return value;
}

void output_raw(struct output *output, struct span text)
{
	fwrite(text.at, 1, text.len, output->file);
	if (output->is_line_flushed)
		fflush(output->file);
}

void output_flush(struct output *output)
{
	fflush(output->file);
}

void output_json(struct output *output, const char *type, struct span data)
{
	fprintf(output->file, "{\"type\": \"%s\", \"data\": %.*s}\n", type, (int)data.len,
		(const char *)data.at);
	if (output->is_line_flushed)
		fflush(output->file);
}

void output_time(const char *format, uint64_t epoch_ns, struct buf *out)
{
	time_t seconds = (time_t)(epoch_ns / 1000000000);
	char expanded[2048], text[4096];
	size_t len = 0;
	struct tm tm;

	for (const char *c = format; *c && len + 8 < sizeof(expanded); c++) {
		if (c[0] == '%' && c[1] == 'f') {
			len += (size_t)snprintf(expanded + len, sizeof(expanded) - len, "%06llu",
						(unsigned long long)(epoch_ns % 1000000000 / 1000));
			c++;
		} else {
			expanded[len++] = *c;
			if (*c == '%' && c[1])
				expanded[len++] = *++c;
		}
	}
	expanded[len] = 0;
	localtime_r(&seconds, &tm);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	buf_add(out, text, strftime(text, sizeof(text), expanded, &tm));
#pragma GCC diagnostic pop
}

/* --- values that are looked up when they are printed --- */

static uint64_t clock_difference(clockid_t a, clockid_t b)
{
	struct timespec x, y;

	clock_gettime(a, &x);
	clock_gettime(b, &y);
	return (uint64_t)(x.tv_sec - y.tv_sec) * 1000000000 + (uint64_t)(x.tv_nsec - y.tv_nsec);
}

static void timestamp(struct output *output, const uint8_t *bytes, struct buf *out)
{
	const struct script *script = output->run->script;
	uint64_t ns;
	uint32_t clock, format;

	memcpy(&ns, bytes, 8);
	memcpy(&clock, bytes + 8, 4);
	memcpy(&format, bytes + 12, 4);
	ns += clock_difference(CLOCK_REALTIME, clock ? CLOCK_TAI : CLOCK_BOOTTIME);
	if (format < script->text_count)
		output_time(script->texts[format], ns, out);
}

/* A cgroup's id is the inode of its directory: looked for below the mounted hierarchies. */
static bool find_cgroup(const char *path, uint64_t id, int depth, char *found, size_t size)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	bool is_found = false;

	while (folder && !is_found && (entry = readdir(folder))) {
		char child[1024];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		if (entry->d_ino == id) {
			snprintf(found, size, "%s", child);
			is_found = true;
		} else if (depth) {
			is_found = find_cgroup(child, id, depth - 1, found, size);
		}
	}
	if (folder)
		closedir(folder);
	return is_found;
}

/* One hierarchy: "name:path" when the id is in it. */
static bool add_hierarchy(const char *root, const char *name, uint64_t id, bool is_first,
			  struct buf *out)
{
	char found[1024];
	struct stat st;

	if (stat(root, &st))
		return false;
	if (st.st_ino == id)
		buf_f(out, "%s%s:/", is_first ? "" : ",", name);
	else if (find_cgroup(root, id, 12, found, sizeof(found)))
		buf_f(out, "%s%s:%s", is_first ? "" : ",", name, found + strlen(root));
	else
		return false;
	return true;
}

static int by_root(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The unified one first, then those of version 1 in order; each has numbers of its own. */
static void cgroup_path(struct output *output, const uint8_t *bytes, struct buf *out)
{
	enum { ROOTS = 32 };
	static _Thread_local char roots[ROOTS][256];
	const struct script *script = output->run->script;
	const char *unified = "/sys/fs/cgroup", *filter = NULL;
	char line[1024], kind[64], root[256];
	uint64_t id, number;
	bool is_first = true;
	uint32_t count = 0;
	FILE *mounts = fopen("/proc/self/mounts", "re");

	memcpy(&id, bytes, 8);
	memcpy(&number, bytes + 8, 8);
	if (number && number - 1 < script->text_count)
		filter = script->texts[number - 1];
	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %255s %63s", root, kind) != 2)
			continue;
		if (!strcmp(kind, "cgroup2"))
			unified = strcmp(root, "/sys/fs/cgroup") ? "/sys/fs/cgroup/unified" : root;
		else if (!strcmp(kind, "cgroup") && count < ROOTS)
			snprintf(roots[count++], sizeof(*roots), "%s", root);
	}
	if (mounts)
		fclose(mounts);
	if (!filter || !fnmatch(filter, "unified", 0))
		is_first = !add_hierarchy(unified, "unified", id, true, out);
	qsort(roots, count, sizeof(*roots), by_root);
	for (uint32_t i = 0; i < count; i++) {
		const char *name = strrchr(roots[i], '/') ? strrchr(roots[i], '/') + 1 : roots[i];

		if (!filter || !fnmatch(filter, name, 0))
			is_first &= !add_hierarchy(roots[i], name, id, is_first, out);
	}
}

static void group_name(struct output *output, const struct type *type, const uint8_t *bytes,
		       struct buf *out)
{
	enum group_part part = type->kind == TYPE_POD ? GROUP_POD : GROUP_CONTAINER;
	struct run *run = output->run;

	if (!run->owners)
		run->owners = owners_new();
	if (run->owners)
		buf_str(out, owners_name(run->owners, output_integer(type, bytes), part));
}

static void inet(const uint8_t *bytes, struct buf *out)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint64_t len;

	memcpy(&len, bytes, 8);
	inet_ntop(len == 16 ? AF_INET6 : AF_INET, bytes + 8, text, sizeof(text));
	buf_str(out, text);
}

/* From /etc/passwd itself: a static binary has no name service. */
static void username(uint64_t uid, struct buf *out)
{
	FILE *file = fopen("/etc/passwd", "re");
	char line[512];
	unsigned id;

	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (!colon || sscanf(colon, ":%*[^:]:%u", &id) != 1 || id != uid)
			continue;
		buf_add(out, line, (size_t)(colon - line));
		fclose(file);
		return;
	}
	if (file)
		fclose(file);
	buf_f(out, "%llu", (unsigned long long)uid);
}

static void enum_value(struct output *output, const struct type *type, uint64_t value,
		       struct buf *out)
{
	const struct script *script = output->run->script;
	const char *name = NULL;

	if (type->btf_id && script->btf)
		name = btf_enum_name(script->btf, type->btf_id, (int64_t)value);
	for (const struct c_enumerator *e = script->enumerators; !name && e; e = e->next)
		if (type->name && !strcmp(e->enum_name, type->name) && e->value == (int64_t)value)
			name = e->name;
	for (const struct debug_file *f = script->debug_files; !name && type->name && f;
	     f = f->next)
		name = f->dwarf ? dwarf_enum_name(f->dwarf, type->name, (int64_t)value) : NULL;
	if (name)
		buf_str(out, name);
	else
		buf_f(out, "%lld", (long long)value);
}

static void text_value(struct output *output, const struct type *type, const uint8_t *bytes,
		       struct buf *out)
{
	size_t len = strnlen((const char *)bytes, type->count);
	uint32_t max = output->run->script->config.max_strlen;

	buf_add(out, bytes, len);
	/* it filled all there was: the rest is missing */
	if (type->count >= max && len + 1 >= type->count)
		buf_str(out, output->run->script->config.str_trunc_trailer);
}

static void buffer_value(const struct type *type, const uint8_t *bytes, struct buf *out)
{
	uint32_t len;

	memcpy(&len, bytes, 4);
	for (uint32_t i = 0; i < len && i < type->count; i++) {
		uint8_t c = bytes[4 + i];

		if (c < 32 || c > 126)
			buf_f(out, "\\x%02x", c);
		else
			buf_char(out, (char)c);
	}
}

static uint64_t bits_of(const struct field *field, const uint8_t *bytes)
{
	uint64_t value = 0;

	memcpy(&value, bytes, field->type->size > 8 ? 8 : field->type->size);
	value = value >> field->bit_offset & ((1ULL << field->bit_size) - 1);
	return value;
}

static void fields_value(struct output *output, const struct type *type, const uint8_t *bytes,
			 struct buf *out)
{
	bool has_names = type->kind == TYPE_RECORD || (type->field_count && type->fields[0].name);

	buf_str(out, has_names ? "{ " : "(");
	for (uint32_t i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];

		if (i)
			buf_str(out, ", ");
		if (has_names)
			buf_f(out, ".%s = ", field->name ? field->name : "");
		if (field->bit_size)
			buf_f(out, "%llu",
			      (unsigned long long)bits_of(field, bytes + field->offset));
		else
			output_value(output, field->type, bytes + field->offset, out);
	}
	buf_str(out, has_names ? " }" : ")");
}

static void array_value(struct output *output, const struct type *type, const uint8_t *bytes,
			struct buf *out)
{
	buf_char(out, '[');
	for (uint32_t i = 0; i < type->count; i++) {
		if (i)
			buf_char(out, ',');
		output_value(output, type->of, bytes + i * type->of->size, out);
	}
	buf_char(out, ']');
}

void output_value(struct output *output, const struct type *type, const uint8_t *bytes,
		  struct buf *out)
{
	switch (type->kind) {
	case TYPE_BOOL: buf_str(out, *bytes ? "true" : "false"); break;
	case TYPE_INT:
		if (type->is_signed)
			buf_f(out, "%lld", (long long)output_integer(type, bytes));
		else
			buf_f(out, "%llu", (unsigned long long)output_integer(type, bytes));
		break;
	case TYPE_ENUM: enum_value(output, type, output_integer(type, bytes), out); break;
	case TYPE_STRING: text_value(output, type, bytes, out); break;
	case TYPE_BUFFER: buffer_value(type, bytes, out); break;
	case TYPE_POINTER:
		buf_f(out, "0x%llx", (unsigned long long)output_integer(type, bytes));
		break;
	case TYPE_ARRAY: array_value(output, type, bytes, out); break;
	case TYPE_RECORD:
		if (!type->fields)
			type = script_fill(output->run->script, type);
		fields_value(output, type, bytes, out);
		break;
	case TYPE_TUPLE: fields_value(output, type, bytes, out); break;
	case TYPE_KSTACK:
	case TYPE_USTACK: symbol_stack(output->run, type, bytes, 8, out); break;
	case TYPE_KSYM:
		symbol_kernel(output->run->symbols, output_integer(type, bytes), false, out);
		break;
	case TYPE_USYM: {
		uint64_t address;
		uint32_t pid;

		memcpy(&address, bytes, 8);
		memcpy(&pid, bytes + 8, 4);
		symbol_user(output->run->symbols, (int)pid, address, false, out);
		break;
	}
	case TYPE_INET: inet(bytes, out); break;
	case TYPE_MAC:
		buf_f(out, "%02X:%02X:%02X:%02X:%02X:%02X", bytes[0], bytes[1], bytes[2], bytes[3],
		      bytes[4], bytes[5]);
		break;
	case TYPE_TIMESTAMP: timestamp(output, bytes, out); break;
	case TYPE_CGROUP_PATH: cgroup_path(output, bytes, out); break;
	case TYPE_CONTAINER:
	case TYPE_POD: group_name(output, type, bytes, out); break;
	case TYPE_USERNAME: username(output_integer(type, bytes), out); break;
	default: break;
	}
}

static void json_text(struct output *output, const struct type *type, const uint8_t *bytes,
		      struct buf *out)
{
	struct json json = {.out = out};
	struct buf text;

	buf_init(&text, LINE_MAX_BYTES);
	output_value(output, type, bytes, &text);
	json_span(&json, buf_as_span(&text));
	buf_done(&text);
}

static void json_bytes(const uint8_t *bytes, uint32_t count, struct buf *out)
{
	buf_char(out, '[');
	for (uint32_t i = 0; i < count; i++)
		buf_f(out, "%s%d", i ? "," : "", (int8_t)bytes[i]); /* as bpftrace: signed */
	buf_char(out, ']');
}

static void json_fields(struct output *output, const struct type *type, const uint8_t *bytes,
			struct buf *out)
{
	bool has_names = type->kind == TYPE_RECORD || (type->field_count && type->fields[0].name);

	buf_char(out, has_names ? '{' : '[');
	for (uint32_t i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];

		if (i)
			buf_str(out, has_names ? ", " : ",");
		if (has_names)
			buf_f(out, "\"%s\": ", field->name ? field->name : "");
		if (field->bit_size)
			buf_u64(out, bits_of(field, bytes + field->offset));
		else
			output_json_value(output, field->type, bytes + field->offset, out);
	}
	buf_char(out, has_names ? '}' : ']');
}

/* What a double cannot hold is written as text: readers of JSON would change its last digits. */
void output_json_number(uint64_t value, bool is_signed, struct buf *out)
{
	uint64_t magnitude = is_signed && (int64_t)value < 0 ? -value : value;
	uint32_t zeroes = magnitude ? (uint32_t)__builtin_ctzll(magnitude) : 0;
	bool is_exact = magnitude >> zeroes < 1ULL << 53;
	const char *quote = is_exact ? "" : "\"";

	if (is_signed)
		buf_f(out, "%s%lld%s", quote, (long long)value, quote);
	else
		buf_f(out, "%s%llu%s", quote, (unsigned long long)value, quote);
}

void output_json_value(struct output *output, const struct type *type, const uint8_t *bytes,
		       struct buf *out)
{
	uint32_t len;

	switch (type->kind) {
	case TYPE_BOOL: buf_str(out, *bytes ? "true" : "false"); break;
	case TYPE_INT:
	case TYPE_ENUM:
	case TYPE_POINTER:
		output_json_number(output_integer(type, bytes), type->is_signed, out);
		break;
	case TYPE_BUFFER:
		memcpy(&len, bytes, 4);
		json_bytes(bytes + 4, len < type->count ? len : type->count, out);
		break;
	case TYPE_ARRAY:
		buf_char(out, '[');
		for (uint32_t i = 0; i < type->count; i++) {
			buf_str(out, i ? "," : "");
			output_json_value(output, type->of, bytes + i * type->of->size, out);
		}
		buf_char(out, ']');
		break;
	case TYPE_RECORD:
		if (!type->fields)
			type = script_fill(output->run->script, type);
		json_fields(output, type, bytes, out);
		break;
	case TYPE_TUPLE: json_fields(output, type, bytes, out); break;
	default: json_text(output, type, bytes, out);
	}
}

void output_print(struct output *output, const struct type *type, const uint8_t *bytes)
{
	struct buf text;

	buf_init(&text, LINE_MAX_BYTES);
	if (output->is_json) {
		output_json_value(output, type, bytes, &text);
		output_json(output, "value", buf_as_span(&text));
	} else {
		output_value(output, type, bytes, &text);
		buf_char(&text, '\n');
		output_raw(output, buf_as_span(&text));
	}
	buf_done(&text);
}
