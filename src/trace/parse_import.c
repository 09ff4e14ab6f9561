// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse_import - other files of a script: import "x.bt", import "x.h", #include "x.h", --include.
 *
 * The text of a file is put behind the script's, so that places in it are places like any others; diag knows which file a
 * byte is of. What is imported comes first: its actions stand before the script's own.
 *
 * There is no C compiler behind headers: definitions of records, enums, typedefs and plain constants are taken, all else is
 * stepped over. Headers of the system are not read at all, for the kernel's types come from BTF.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/parse.h"

enum { FILE_MAX = 1 << 20, ALL_MAX = 8 << 20, IMPORTS_MAX = 64 };

static bool ends_with(const char *text, const char *tail)
{
	size_t len = strlen(text), n = strlen(tail);

	return len >= n && !strcmp(text + len - n, tail);
}

/* The folder of the file that is being read, with its '/'. */
static void folder_of(const char *file, char *folder, size_t size)
{
	const char *slash = strrchr(file, '/');

	snprintf(folder, size, "%.*s", slash ? (int)(slash + 1 - file) : 0, file);
}

static bool find_file(const struct script *script, const char *from, const char *name, char *path,
		      size_t size)
{
	char folder[2048];

	folder_of(from, folder, sizeof(folder));
	snprintf(path, size, "%s%s", *name == '/' ? "" : folder, name);
	if (!access(path, R_OK))
		return true;
	for (uint32_t i = 0; i < script->options->folder_count; i++) {
		snprintf(path, size, "%s/%s", script->options->folders[i], name);
		if (!access(path, R_OK))
			return true;
	}
	snprintf(path, size, "%s", name);
	return !access(path, R_OK);
}

/* Both texts grow by the file: what the lexer sees (preprocessed afterwards) and what messages show. */
static bool put_behind(struct script *script, const char *path, uint32_t *ret_from)
{
	FILE *file = fopen(path, "re");
	size_t old = script->text.len, shown = script->diag.source.len, got;
	uint8_t *text, *source;

	if (!file)
		return false;
	text = arena_new(&script->arena, old + FILE_MAX + 2);
	source = text ? arena_new(&script->arena, old + FILE_MAX + 2) : NULL;
	if (!source || old > ALL_MAX) {
		fclose(file);
		return false;
	}
	memset(source, '\n', old);
	memcpy(source, script->diag.source.at, shown < old ? shown : old);
	memcpy(text, script->text.at, old);
	text[old] = source[old] = '\n';
	got = fread(text + old + 1, 1, FILE_MAX, file);
	fclose(file);
	memcpy(source + old + 1, text + old + 1, got);
	script->text = (struct span){text, old + 1 + got};
	script->diag.source = (struct span){source, old + 1 + got};
	*ret_from = (uint32_t)old + 1;
	diag_add_part(&script->diag, *ret_from, arena_str(&script->arena, span_of(path)));
	preprocess(script, text + *ret_from, got);
	return true;
}

static bool is_read_already(struct script *script, const char *path)
{
	for (uint32_t i = 0; i < script->diag.part_count; i++)
		if (!strcmp(script->diag.parts[i].name, path))
			return true;
	return script->diag.part_count >= IMPORTS_MAX;
}

/* To behind the next ';' or '}' outside of brackets. */
static void step_over(struct parser *parser)
{
	int depth = 0;

	parser->is_failed = false;
	while (parser->token.kind != TOKEN_END) {
		bool is_end = (parser_is(parser, ';') && depth <= 0) ||
			      (parser_is(parser, '}') && depth <= 1);

		depth += parser_is(parser, '{');
		depth -= parser_is(parser, '}');
		parser_advance(parser);
		parser->is_failed = false;
		if (is_end)
			return;
	}
}

static void parse_header(struct script *script, uint32_t from)
{
	bool was_muted = script->diag.is_muted;
	struct parser parser;

	script->diag.is_muted = true;
	parser_start(&parser, script, from);
	parser.is_failed = false;
	while (parser.token.kind != TOKEN_END) {
		uint32_t at = parser.token.place.from;

		if (parser_take(&parser, ';'))
			continue;
		if (!parse_c_definition(&parser) || parser.is_failed)
			step_over(&parser);
		if (parser.token.place.from == at)
			parser_advance(&parser);
		parser.is_failed = false;
	}
	script->diag.is_muted = was_muted;
}

/* --- #include, --include --- */

/* Those that need not be there: their types are the kernel's, their constants are known. */
static bool is_of_system(const char *name)
{
	static const char *const folders[] = {
		"linux/", "asm/",  "asm-generic/", "sys/", "net/",  "bits/",     "netinet/",
		"uapi/",  "arpa/", "kernel/",      "bpf/", "rdma/", "scsi/",     "drm/",
		"trace/", "xen/",  "block/",       "fs/",  "mm/",   "generated/"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (!strncmp(name, folders[i], strlen(folders[i])))
			return true;
	return !strchr(name, '/'); /* errno.h, stdint.h */
}

void import_headers(struct script *script)
{
	char path[4096];

	for (struct include *include = script->options->may_read_files ? script->includes : NULL;
	     include; include = include->next) {
		uint32_t from;

		if (include->is_done)
			continue;
		include->is_done = true;
		if (find_file(script, script->options->name, include->name, path, sizeof(path))) {
			if (!is_read_already(script, path) && put_behind(script, path, &from))
				parse_header(script, from);
		} else if (include->is_quoted || !is_of_system(include->name)) {
			diag_error(&script->diag, include->place, "'%s' file not found",
				   include->name);
		}
	}
}

/* --- import --- */

static void import_file(struct script *script, const char *path, struct place place)
{
	uint32_t from;

	if (is_read_already(script, path))
		return;
	if (ends_with(path, ".bpf.c")) {
		diag_error(&script->diag, place,
			   "Cannot import '%s': C needs a compiler, which sonde does not bring; "
			   "scripts (.bt) and headers (.h) can be imported",
			   path);
		return;
	}
	if (!put_behind(script, path, &from)) {
		diag_error(&script->diag, place, "Cannot read '%s': %s", path, strerror(errno));
		return;
	}
	if (ends_with(path, ".h"))
		parse_header(script, from);
	else
		parse_text(script, from, (uint32_t)script->text.len);
	import_headers(script);
}

static int is_importable(const struct dirent *entry)
{
	return ends_with(entry->d_name, ".bt") || ends_with(entry->d_name, ".h");
}

static void import_folder(struct script *script, const char *folder, struct place place)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_importable, alphasort);

	for (int i = 0; i < count; i++) {
		char path[8192];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		import_file(script, path, place);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void say_no_import(struct script *script, struct place place, const char *name)
{
	diag_error(&script->diag, place, "Unable to find suitable path for import");
	diag_hint(&script->diag, "checked: %s", name);
}

void parse_import(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct script *script = parser->script;
	char path[4096];
	const char *name;
	struct place place;
	struct stat st;

	parser_advance(parser);
	if (parser->token.kind != TOKEN_STRING) {
		parser_fail(parser, "syntax: expected string after 'import'");
		return;
	}
	name = arena_str(&script->arena, parser->token.text);
	parser_advance(parser);
	place = parser_since(parser, from);
	parser_take(parser, ';');
	if (!name)
		return;
	/* what the standard library has is there without asking */
	if (!strncmp(name, "stdlib/", 7) || !strcmp(name, "stdlib"))
		return;
	if (!script->options->may_read_files)
		diag_error(&script->diag, place, "import reads files, which this script may not");
	else if (!find_file(script, diag_file_of(&script->diag, from), name, path, sizeof(path)))
		say_no_import(script, place, name);
	else if (!stat(path, &st) && S_ISDIR(st.st_mode))
		import_folder(script, path, place);
	else
		import_file(script, path, place);
}
