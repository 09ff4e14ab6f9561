// SPDX-License-Identifier: GPL-2.0-only
/* about - commands that ask the agent (or this kernel) about itself: status, self, config, caps, features. */
#include "cli/about.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/table.h"
#include "main/config.h"
#include "main/run.h"
#include "main/settings.h"

/* Prints an answer that is an object as one line of JSON, or hands it to `print`. */
static int tell(const struct options *options, const char *path, const char *only,
		void (*print)(const struct json_node *answer))
{
	const struct json_node *answer = NULL;
	struct client client;
	struct buf text;
	int status = client_open(&client, options->socket, only, NULL);

	if (status == EXIT_DONE)
		answer = client_get(&client, path, &status);
	if (answer && options->json) {
		struct json json = {.out = &text};

		buf_init(&text, 64 << 20);
		json_node_write(answer, &json);
		puts(buf_text(&text));
		buf_done(&text);
	} else if (answer) {
		print(answer);
	}
	client_close(&client);
	return status;
}

static int ask(int argc, char **argv, const char *path, const char *only,
	       void (*print)(const struct json_node *answer))
{
	struct options options;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status == EXIT_DONE)
		status = options_words(&options, argv[0], 0);
	if (status == EXIT_DONE)
		status = tell(&options, path, only, print);
	options_done(&options);
	return status;
}

static void print_field(const char *name, const struct json_node *node)
{
	struct buf text;

	buf_init(&text, 4096);
	print_value(&text, name, node);
	printf("%s", text.len ? buf_text(&text) : "-");
	buf_done(&text);
}

static void print_process(const char *name, const struct json_node *process)
{
	printf("%-10s pid ", name);
	print_field("pid", json_get(process, "pid"));
	printf(", ");
	print_field("resident_bytes", json_get(process, "resident_bytes"));
	printf(" resident, ");
	print_field("cpu_seconds", json_get(process, "cpu_seconds"));
	printf(" s of CPU\n");
}

static uint64_t number_of(const struct json_node *object, const char *key)
{
	uint64_t number = 0;

	if (json_get(object, key))
		json_node_u64(json_get(object, key), &number);
	return number;
}

static void print_store(const struct json_node *store)
{
	const struct json_node *tables = json_get(store, "tables");
	uint64_t rows = 0, lost = 0;

	if (!store)
		return;
	for (const struct json_node *table = tables ? tables->child : NULL; table;
	     table = table->next)
		rows += number_of(table, "rows");
	for (int i = 0; i < 2; i++) {
		const struct json_node *flow = json_get(store, i ? "samples" : "records");

		lost += number_of(flow, "refused") + number_of(flow, "expired");
	}
	printf("history    %s", json_get_text(store, "mode"));
	if (json_get(store, "path")) {
		printf(" %s, ", json_get_text(store, "path"));
		print_field("bytes", json_get(store, "bytes"));
		printf(" of ");
		print_field("limit_bytes", json_get(store, "limit_bytes"));
		printf(", %llu rows, %llu not kept", (unsigned long long)rows,
		       (unsigned long long)lost);
	}
	printf("\n");
	if (json_get(store, "trouble"))
		printf("           %s\n", json_get_text(store, "trouble"));
}

static void print_outlets(const struct json_node *outlets)
{
	for (const struct json_node *outlet = outlets ? outlets->child : NULL; outlet; outlet = outlet->next) {
		printf("%-10s %s", outlet == outlets->child ? "outlets" : "", (const char *)outlet->key.at);
		if (json_get_text(outlet, "by"))
			printf(" by %s", json_get_text(outlet, "by"));
		if (json_get(outlet, "scrapes"))
			printf(", asked %llu times", (unsigned long long)number_of(outlet, "scrapes"));
		printf("\n");
	}
}

static void print_status(const struct json_node *status)
{
	const struct json_node *items = json_get(status, "items"),
			       *losses = json_get(status, "losses");
	const struct json_node *skipped = json_get(status, "skipped");

	printf("sonde %s on %s, up ", json_get_text(status, "version"),
	       json_get_text(status, "node") ? json_get_text(status, "node") : "this machine");
	print_field("uptime_ns", json_get(status, "uptime_ns"));
	printf(", first data after ");
	print_field("first_data_ns", json_get(status, "first_data_ns"));
	printf("\n");
	print_process("broker", json_get(status, "broker"));
	print_process("worker", json_get(status, "worker"));
	printf("items      ");
	print_field("on", json_get(items, "on"));
	printf(" on, ");
	print_field("off", json_get(items, "off"));
	printf(" off, ");
	print_field("skipped", json_get(items, "skipped"));
	printf(" skipped\n");
	for (const struct json_node *item = skipped ? skipped->child : NULL; item;
	     item = item->next)
		printf("  skipped  %s: %s\n", json_get_text(item, "item"),
		       json_get_text(item, "reason"));
	printf("memory     ");
	print_field("resident_bytes", json_get(json_get(status, "memory"), "resident_bytes"));
	printf(" of ");
	print_field("limit_bytes", json_get(json_get(status, "memory"), "limit_bytes"));
	printf("\n");
	print_store(json_get(status, "store"));
	print_outlets(json_get(status, "outlets"));
	printf("lost       %s", losses && losses->child ? "" : "nothing");
	for (const struct json_node *item = losses ? losses->child : NULL; item;
	     item = item->next) {
		printf("%s%s ", item == losses->child ? "" : ", ", (const char *)item->key.at);
		print_field("lost", item);
	}
	printf("\n");
}

int about_status(int argc, char **argv)
{
	return ask(argc, argv, "/v1/status", NULL, print_status);
}

static void print_programs(const struct json_node *items)
{
	static const char *const heads[] = {"item", "program", "instructions",
					    "runs", "ns/run",  "missed"};
	struct table table;

	table_init(&table);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		table.right[i] = i > 1;
		table_head(&table, heads[i]);
	}
	for (const struct json_node *item = items ? items->child : NULL; item; item = item->next) {
		const struct json_node *programs = json_get(item, "programs");

		for (const struct json_node *program = programs ? programs->child : NULL; program;
		     program = program->next) {
			uint64_t runs = 0, ns = 0;
			struct buf text;

			buf_init(&text, 64);
			if (json_get(program, "runs"))
				json_node_u64(json_get(program, "runs"), &runs);
			if (json_get(program, "run_ns"))
				json_node_u64(json_get(program, "run_ns"), &ns);
			table_cell(&table, span_of(json_get_text(item, "name")));
			table_cell(&table, span_of(json_get_text(program, "name")));
			print_value(&text, "instructions", json_get(program, "instructions"));
			table_cell(&table, buf_as_span(&text));
			table_cell_f(&table, "%llu", (unsigned long long)runs);
			if (runs)
				table_cell_f(&table, "%llu", (unsigned long long)(ns / runs));
			else
				table_cell(&table, span_of("-"));
			buf_clear(&text);
			print_value(&text, "missed", json_get(program, "missed"));
			table_cell(&table, buf_as_span(&text));
			buf_done(&text);
		}
	}
	table_print(&table, terminal_width());
	table_done(&table);
}

/* Rows of objects with the same keys, as a table. */
static void print_list(const struct json_node *list, const char *const *columns, size_t count,
		       const char *first, const struct json_node *owner, struct table *table)
{
	for (const struct json_node *row = list ? list->child : NULL; row; row = row->next) {
		if (first)
			table_cell(table, span_of(json_get_text(owner, first)));
		for (size_t i = 0; i < count; i++) {
			struct buf text;

			buf_init(&text, 4096);
			print_value(&text, columns[i], json_get(row, columns[i]));
			table_cell(table, buf_as_span(&text));
			buf_done(&text);
		}
	}
}

static void print_maps(const struct json_node *items)
{
	static const char *const columns[] = {"name", "bytes", "entries", "max_entries"};
	struct table table;

	table_init(&table);
	table_head(&table, "item");
	for (size_t i = 0; i < 4; i++) {
		table.right[i + 1] = i > 0;
		table_head(&table, i ? columns[i] : "map");
	}
	for (const struct json_node *item = items ? items->child : NULL; item; item = item->next)
		print_list(json_get(item, "maps"), columns, 4, "name", item, &table);
	table_print(&table, terminal_width());
	table_done(&table);
}

static void print_self(const struct json_node *self)
{
	static const char *const columns[] = {"name",  "entries", "limit",
					      "bytes", "evicted", "refused"};
	struct table table;

	print_process("broker", json_get(self, "broker"));
	print_process("worker", json_get(self, "worker"));
	printf("\nprograms (runs counted while statistics were on, one second a minute)\n");
	print_programs(json_get(self, "items"));
	printf("\nmaps\n");
	print_maps(json_get(self, "items"));
	printf("\ntables of the agent\n");
	table_init(&table);
	for (size_t i = 0; i < 6; i++) {
		table.right[i] = i > 0;
		table_head(&table, i ? columns[i] : "table");
	}
	print_list(json_get(self, "tables"), columns, 6, NULL, NULL, &table);
	table_print(&table, terminal_width());
	table_done(&table);
}

int about_self(int argc, char **argv)
{
	return ask(argc, argv, "/v1/self", NULL, print_self);
}

static void print_pairs(const struct json_node *list, const char *left, const char *right)
{
	for (const struct json_node *node = list ? list->child : NULL; node; node = node->next)
		printf("%-14s %s\n", json_get_text(node, left), json_get_text(node, right));
}

static void print_caps(const struct json_node *caps)
{
	print_pairs(json_get(caps, "items"), "item", "capabilities");
}

int about_caps(int argc, char **argv)
{
	return ask(argc, argv, "/v1/caps", "", print_caps);
}

static void print_features(const struct json_node *answer)
{
	const struct json_node *features = json_get(answer, "features");

	for (const struct json_node *node = features ? features->child : NULL; node;
	     node = node->next)
		printf("%-4s %-10s %s\n",
		       json_get(node, "there") && json_get(node, "there")->truth ? "yes" : "no",
		       json_get_text(node, "name"), json_get_text(node, "for"));
}

int about_features(int argc, char **argv)
{
	return ask(argc, argv, "/v1/features", "", print_features);
}

static void print_config(const struct json_node *config)
{
	const struct json_node *keys = json_get(config, "keys");

	for (const struct json_node *node = keys ? keys->child : NULL; node; node = node->next) {
		struct buf text;
		struct json json = {.out = &text};

		buf_init(&text, 1 << 20);
		if (json_get(node, "value"))
			json_node_write(json_get(node, "value"), &json);
		printf("%-28s %-36s # %s\n", json_get_text(node, "key"),
		       text.len ? buf_text(&text) : "",
		       json_get_text(node, "place") ? json_get_text(node, "place") : "default");
		buf_done(&text);
	}
}

/* `named`: the file was asked for; the usual one may be absent. */
static int check_config(const char *path, bool named)
{
	struct config_sources sources = {.file = path, .environment = (const char *const *)environ};
	struct config *config = NULL;
	struct buf text, problems;
	struct err why = {};
	int error;

	buf_init(&text, CONFIG_FILE_BYTES);
	buf_init(&problems, 64 * 1024);
	error = config_read_file(path, &text, &why);
	if (error == -ENOENT && !named) {
		printf("there is no '%s': defaults and the environment apply\n", path);
		sources.file = NULL;
		error = 0;
	}
	sources.text = buf_as_span(&text);
	if (!error)
		error = config_load(&sources, &config, &problems, &why);
	if (!error)
		error = settings_check(config, &problems, &why);
	if (error && problems.len)
		fputs(buf_text(&problems), stderr);
	else if (error)
		log_error("%s", why.text);
	else if (sources.file)
		printf("'%s' is right\n", path);
	config_free(config);
	buf_done(&text);
	buf_done(&problems);
	return error ? EXIT_FAILED : EXIT_DONE;
}

static int reload(const char *socket)
{
	struct client client;
	struct err why = {};
	int status = client_open(&client, socket, NULL, NULL);

	if (status == EXIT_DONE) {
		status = client_ask(&client, "POST", "/v1/config/reload", (struct span){}, &why);
		status = status < 0 || status >= 400 ? client_fail(&client, status, &why)
						     : EXIT_DONE;
	}
	client_close(&client);
	return status;
}

static void print_reference(void)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	config_reference(&text);
	fputs(buf_text(&text), stdout);
	buf_done(&text);
}

static void print_changes(const struct json_node *answer)
{
	const struct json_node *changes = json_get(answer, "changes");

	for (const struct json_node *node = changes ? changes->child : NULL; node; node = node->next) {
		const char *was = json_get_text(node, "was"), *is = json_get_text(node, "is");

		printf("%-24s  %-8s %-36s %s -> %s\n", json_get_text(node, "time"), json_get_text(node, "by"),
		       json_get_text(node, "key"), was ? was : "-", is ? is : "-");
	}
}

/* The newest first. A private agent would keep none: there must be one. */
static int config_history(const struct options *options)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/config/history?limit=%ld", options->rows > 0 && options->rows <= 1000 ? options->rows : 200);
	return tell(options, path, NULL, print_changes);
}

static int config_verb(const struct options *options)
{
	const char *verb = options->words ? options->word[0] : "show";
	bool is_check = !strcmp(verb, "check");
	int status = options_words(options, "config", is_check ? 2 : 1);

	if (status != EXIT_DONE)
		return status;
	if (is_check)
		return check_config(options->words > 1 ? options->word[1] : CONFIG_PATH_DEFAULT,
				    options->words > 1);
	if (!strcmp(verb, "show"))
		return tell(options, "/v1/config", "", print_config);
	if (!strcmp(verb, "history"))
		return config_history(options);
	if (!strcmp(verb, "reload"))
		return reload(options->socket);
	if (strcmp(verb, "reference") != 0) {
		log_error("there is no 'sonde config %s'; see sonde config --help", verb);
		return EXIT_USAGE;
	}
	print_reference();
	return EXIT_DONE;
}

int about_config(int argc, char **argv)
{
	struct options options;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status == EXIT_DONE)
		status = config_verb(&options);
	options_done(&options);
	return status;
}

int about_version(int argc, char **argv)
{
	struct options options;
	struct utsname kernel;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status == EXIT_DONE)
		status = options_words(&options, "version", 0);
	if (status == EXIT_DONE && uname(&kernel))
		status = EXIT_FAILED;
	if (status == EXIT_DONE && options.json)
		printf("{\"sonde\":\"%s\",\"kernel\":\"%s\",\"machine\":\"%s\"}\n", SONDE_VERSION,
		       kernel.release, kernel.machine);
	else if (status == EXIT_DONE)
		printf("sonde %s on Linux %s %s\n", SONDE_VERSION, kernel.release, kernel.machine);
	options_done(&options);
	return status;
}
