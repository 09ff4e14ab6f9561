// SPDX-License-Identifier: GPL-2.0-only
/*
 * bring - `sonde items check, add, upgrade`: objects and configurations of others, from files and folders.
 *
 * An item is NAME.bpf.o with tags, NAME.yaml beside NAME.bpf.o as ebpf_exporter has them, or a script NAME.bt. Naming one
 * file of a pair means both. A folder means everything in it; what is wrong with one file does not keep the others from being looked
 * at.
 */
#include "cli/bring.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "items/describe.h"
#include "items/exporter/exporter.h"
#include "main/run.h"
#include "trace/script.h"
#include "trace/trace_command.h"

enum { FILE_BYTES = 64 << 20, PATH_BYTES = 4096, STEM_BYTES = 64, FOLDER_ITEMS = 1024 };
static const char object_ending[] = ".bpf.o", yaml_ending[] = ".yaml", script_ending[] = ".bt";

/* An item as it lies on disk. */
struct brought {
	char folder[PATH_BYTES];
	char stem[STEM_BYTES];
	bool has_yaml, is_script;
	struct buf object, yaml; /* object: of a script its text */
};

static void brought_done(struct brought *brought)
{
	buf_done(&brought->object);
	buf_done(&brought->yaml);
}

static bool stem_of(const char *file, const char *ending, char stem[STEM_BYTES])
{
	size_t len = strlen(file), end = strlen(ending);

	if (len <= end || strcmp(file + len - end, ending) != 0 || len - end >= STEM_BYTES ||
	    file[0] == '.')
		return false;
	memcpy(stem, file, len - end);
	stem[len - end] = 0;
	return true;
}

static int read_file(const struct brought *brought, const char *ending, struct buf *out)
{
	char path[PATH_BYTES + STEM_BYTES + 16];
	FILE *file;
	char *at;

	snprintf(path, sizeof(path), "%s/%s%s", brought->folder, brought->stem, ending);
	file = fopen(path, "re");
	if (!file) {
		log_error("cannot open '%s': %s", path, err_name(errno));
		return EXIT_FAILED;
	}
	while ((at = buf_reserve(out, 65536))) {
		size_t got = fread(at, 1, 65536, file);

		buf_commit(out, got);
		if (!got)
			break;
	}
	fclose(file);
	if (at)
		return EXIT_DONE;
	log_error("'%s' is larger than %d MiB: that is no item", path, FILE_BYTES >> 20);
	return EXIT_FAILED;
}

static bool is_there(const struct brought *brought, const char *ending)
{
	char path[PATH_BYTES + STEM_BYTES + 16];

	snprintf(path, sizeof(path), "%s/%s%s", brought->folder, brought->stem, ending);
	return !access(path, F_OK);
}

/* Reads the script, or the object and the YAML if there is one. */
static int bring(struct brought *brought)
{
	int status = EXIT_DONE;

	buf_init(&brought->object, FILE_BYTES);
	buf_init(&brought->yaml, FILE_BYTES);
	if (brought->is_script)
		return read_file(brought, script_ending, &brought->object);
	brought->has_yaml = is_there(brought, yaml_ending);
	if (!is_there(brought, object_ending)) {
		log_error("'%s/%s.yaml' has no object beside it; build %s.bpf.o", brought->folder,
			  brought->stem, brought->stem);
		return EXIT_FAILED;
	}
	status = read_file(brought, object_ending, &brought->object);
	if (status == EXIT_DONE && brought->has_yaml)
		status = read_file(brought, yaml_ending, &brought->yaml);
	return status;
}

/* ---- files and folders ---- */

typedef int (*each_item)(void *ctx, struct brought *brought);

static int with_item(const char *folder, const char *stem, bool is_script, each_item each,
		     void *ctx)
{
	struct brought brought = {.is_script = is_script};
	int status;

	snprintf(brought.folder, sizeof(brought.folder), "%s", folder);
	snprintf(brought.stem, sizeof(brought.stem), "%s", stem);
	status = bring(&brought);
	if (status == EXIT_DONE)
		status = each(ctx, &brought);
	brought_done(&brought);
	return status;
}

static int with_file(const char *path, each_item each, void *ctx)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char folder[PATH_BYTES], stem[STEM_BYTES];

	bool is_script = stem_of(base, script_ending, stem);

	if (!is_script && !stem_of(base, object_ending, stem) &&
	    !stem_of(base, yaml_ending, stem)) {
		log_error("'%s' is neither NAME.bpf.o, NAME.yaml nor NAME.bt", path);
		return EXIT_USAGE;
	}
	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash > path ? (int)(slash - path) : 1,
			 path);
	else
		snprintf(folder, sizeof(folder), ".");
	return with_item(folder, stem, is_script, each, ctx);
}

static int only_items(const struct dirent *entry)
{
	char stem[STEM_BYTES];

	return stem_of(entry->d_name, object_ending, stem) ||
	       stem_of(entry->d_name, yaml_ending, stem) ||
	       stem_of(entry->d_name, script_ending, stem);
}

static int with_folder(const char *path, each_item each, void *ctx)
{
	struct dirent **entry;
	int count = scandir(path, &entry, only_items, alphasort), status = EXIT_DONE;
	char stem[STEM_BYTES], last[STEM_BYTES] = "";

	if (count <= 0) {
		log_error(count < 0 ? "cannot read '%s': %s" : "there is no item in '%s'%s", path,
			  count < 0 ? err_name(errno) : "");
		return EXIT_FAILED;
	}
	for (int i = 0; i < count; i++) { /* NAME.bpf.o comes before NAME.yaml */
		bool is_script = stem_of(entry[i]->d_name, script_ending, stem);

		if (!is_script && !stem_of(entry[i]->d_name, object_ending, stem))
			stem_of(entry[i]->d_name, yaml_ending, stem);
		if ((is_script || strcmp(stem, last) != 0) &&
		    with_item(path, stem, is_script, each, ctx) != EXIT_DONE)
			status = EXIT_FAILED;
		if (!is_script)
			memcpy(last, stem, sizeof(last));
		free(entry[i]);
	}
	free(entry);
	return status;
}

static int with_path(const char *path, each_item each, void *ctx)
{
	struct stat is;

	if (!stat(path, &is) && S_ISDIR(is.st_mode))
		return with_folder(path, each, ctx);
	return with_file(path, each, ctx);
}

/* ---- check ---- */

static int check_config(const struct brought *brought, bool as_json, struct buf *text,
			struct err *why)
{
	struct json json = {.out = text};
	struct exporter *exporter;
	int error = exporter_new(brought->stem, buf_as_span(&brought->yaml),
				 buf_as_span(&brought->object), &exporter, why);

	if (error)
		return error;
	if (as_json)
		exporter_json(exporter, &json);
	else
		exporter_text(exporter, text);
	exporter_free(exporter);
	return 0;
}

static int check_object(const struct brought *brought, struct buf *text, struct err *why)
{
	struct json json = {.out = text};
	struct item_desc *desc;
	int error;

	if (strlen(brought->stem) >= ITEM_NAME_BYTES)
		return err_set(why, -EINVAL, "'%s' is longer than %d letters; rename it",
			       brought->stem, ITEM_NAME_BYTES - 1);
	error = item_describe(brought->stem, brought->object.at, brought->object.len, &desc, why);
	if (error)
		return error;
	item_desc_json(desc, &json);
	item_desc_free(desc);
	return 0;
}

/* Compiles it as the agent will: what its maps and options are, or what is wrong with it, with its place. */
static int check_script(const struct brought *brought)
{
	char name[STEM_BYTES + 4];
	struct script_options options = {.name = name};

	snprintf(name, sizeof(name), "%s%s", brought->stem, script_ending);
	return trace_for_agent(&options, buf_as_span(&brought->object), true, stdout, -1)
		       ? EXIT_FAILED
		       : EXIT_DONE;
}

static int check_item(void *ctx, struct brought *brought)
{
	const struct options *options = ctx;
	struct err why = {};
	struct buf text;
	int error;

	if (brought->is_script)
		return check_script(brought);
	buf_init(&text, 16 << 20);
	error = brought->has_yaml ? check_config(brought, options->json, &text, &why)
				  : check_object(brought, &text, &why);
	if (error)
		log_error("%s", why.text);
	else if (text.len && text.at[text.len - 1] == '\n')
		fputs(text.at, stdout);
	else
		puts(buf_text(&text));
	buf_done(&text);
	return error ? EXIT_FAILED : EXIT_DONE;
}

int bring_check(const struct options *options)
{
	if (options->words != 2) {
		log_error("usage: sonde items check FILE|DIR");
		return EXIT_USAGE;
	}
	return with_path(options->word[1], check_item, (void *)options);
}

/* ---- add, upgrade ---- */

struct sending {
	struct client *client;
	const char *method;
	char path[512]; /* of the API */
};

static void put_part(struct buf *out, const char *boundary, const struct brought *brought,
		     const char *ending, const struct buf *bytes)
{
	buf_f(out,
	      "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s%s\"\r\n\r\n",
	      boundary, brought->stem, ending);
	buf_add(out, bytes->at, bytes->len);
	buf_str(out, "\r\n");
}

/* RFC 7578. What stands between the parts must not stand in them: the time and this process make it unlikely enough. */
static int send_pair(const struct sending *sending, const struct brought *brought, struct err *why)
{
	char boundary[64], type[128];
	struct buf body;
	int status;

	snprintf(boundary, sizeof(boundary), "sonde-%d-%llx", (int)getpid(),
		 (unsigned long long)(uintptr_t)brought ^ 0x5bd1e995ull);
	snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
	buf_init(&body, 3ul * FILE_BYTES);
	put_part(&body, boundary, brought, yaml_ending, &brought->yaml);
	put_part(&body, boundary, brought, object_ending, &brought->object);
	buf_f(&body, "--%s--\r\n", boundary);
	status = client_upload_as(sending->client, sending->method, sending->path, type,
				  buf_as_span(&body), why);
	buf_done(&body);
	return status;
}

static int send_item(void *ctx, struct brought *brought)
{
	struct sending sending = *(struct sending *)ctx;
	struct err why = {};
	int status;

	if (brought->has_yaml) {
		status = send_pair(&sending, brought, &why);
	} else {
		size_t len = strlen(sending.path);

		snprintf(sending.path + len, sizeof(sending.path) - len, "?name=%s%s",
			 brought->stem, brought->is_script ? script_ending : object_ending);
		status = client_upload(sending.client, sending.method, sending.path,
				       buf_as_span(&brought->object), &why);
	}
	return status < 0 || status >= 400 ? client_fail(sending.client, status, &why) : EXIT_DONE;
}

int bring_add(struct client *client, const struct options *options)
{
	struct sending sending = {client, "POST", "/v1/items"};

	if (options->words != 2) {
		log_error("usage: sonde items add FILE|DIR");
		return EXIT_USAGE;
	}
	return with_path(options->word[1], send_item, &sending);
}

int bring_upgrade(struct client *client, const struct options *options)
{
	struct sending sending = {client, "PUT", ""};
	struct buf path;

	if (options->words != 3) {
		log_error("usage: sonde items upgrade NAME FILE");
		return EXIT_USAGE;
	}
	buf_init(&path, sizeof(sending.path) - 1);
	buf_str(&path, "/v1/items/");
	url_encode(&path, options->word[1]);
	snprintf(sending.path, sizeof(sending.path), "%s", buf_text(&path));
	buf_done(&path);
	return with_file(options->word[2], send_item, &sending);
}
