// SPDX-License-Identifier: GPL-2.0-only
/* options - what commands that watch have in common: filters, times, columns; read once, in one way. */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "items/item.h"
#include "main/run.h"

const struct option_help common_options[] = {
	{"--json", "one JSON object a line, nothing else on stdout"},
	{"-p, --pid N", "this process only"},
	{"--comm GLOB", "processes of this name"},
	{"--uid N", "this user's processes"},
	{"--container NAME|ID", "this container"},
	{"--pod [NS/]GLOB", "these pods"},
	{"--namespace NS", "pods of this namespace"},
	{"--cgroup PATH", "this control group"},
	{"--port N", "either end's port"},
	{"--where EXPR", "any filter: 'duration_ns > 10ms and not process = curl'"},
	{"-d, --duration TIME", "end after this time (10s, 2m); else Ctrl-C ends"},
	{"-i, --interval TIME", "time between outputs (default 1s)"},
	{"-n, --rows N", "rows at most"},
	{"--sort COLUMN", "order of the table"},
	{"--columns a,b,c", "these columns"},
	{"--by LEVEL", "sums by process, container, pod, service or host"},
	{"--follow", "single records, where an item has sums too"},
	{"--socket PATH", "the agent's socket ($SONDE_SOCKET, /run/sonde/sonde.sock)"},
	{"-h, --help", "this text"},
	{NULL, NULL},
};

/* Short and long spellings; `filter` is a pattern for the filter expression. */
static const struct spec {
	char letter;
	const char *name;
	bool takes_value;
	const char *filter;
} specs[] = {
	{0, "json", false, NULL},
	{'h', "help", false, NULL},
	{0, "follow", false, NULL},
	{'p', "pid", true, "pid = %s"},
	{0, "comm", true, "process = \"%s\""},
	{0, "uid", true, "uid = %s"},
	{0, "container", true, "(container = \"%s\" or container_id = \"%s\")"},
	{0, "pod", true, NULL},
	{0, "namespace", true, "namespace = \"%s\""},
	{0, "cgroup", true, "cgroup = \"%s\""},
	{0, "port", true, "port = %s"},
	{0, "where", true, "(%s)"},
	{'d', "duration", true, NULL},
	{'i', "interval", true, NULL},
	{'n', "rows", true, NULL},
	{0, "sort", true, NULL},
	{0, "columns", true, NULL},
	{0, "by", true, NULL},
	{0, "socket", true, NULL},
};

static const struct spec *find(const char *name, size_t len, char letter)
{
	for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++)
		if (letter ? specs[i].letter == letter
			   : strlen(specs[i].name) == len && !strncmp(specs[i].name, name, len))
			return &specs[i];
	return NULL;
}

static void add_to(struct buf *filter, const char *pattern, const char *value)
{
	if (filter->len)
		buf_str(filter, " and ");
	for (; *pattern; pattern++) {
		if (pattern[0] != '%' || pattern[1] != 's') {
			buf_char(filter, *pattern);
			continue;
		}
		for (const char *at = value; *at; at++) {
			if (*at == '"' && strchr(pattern, '"'))
				buf_char(filter, '\\');
			buf_char(filter, *at);
		}
		pattern++;
	}
}

/* pid, uid and port: numbers that programs compare for themselves where an item narrows. */
static bool is_of_numbers(const char *pattern)
{
	return !strncmp(pattern, "pid =", 5) || !strncmp(pattern, "uid =", 5) ||
	       !strncmp(pattern, "port =", 6);
}

static void add_filter(struct options *options, const char *pattern, const char *value)
{
	add_to(&options->filter, pattern, value);
	if (!is_of_numbers(pattern))
		add_to(&options->rest, pattern, value);
}

static int bad(const char *name, const char *value, const char *wanted)
{
	log_error("--%s wants %s, not '%s'", name, wanted, value);
	return EXIT_USAGE;
}

static int parse_seconds(const char *name, const char *value, double *ret)
{
	struct quantity quantity;

	if (!quantity_parse(span_of(value), &quantity) || quantity.value <= 0 ||
	    (quantity.kind != QUANTITY_NS && quantity.kind != QUANTITY_PLAIN))
		return bad(name, value, "a time like 10s or 500ms");
	*ret = quantity.kind == QUANTITY_NS ? quantity.value / 1e9 : quantity.value;
	return EXIT_DONE;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static void add_pod(struct options *options, const char *value)
{
	const char *slash = strchr(value, '/');
	char space[256];

	if (slash && (size_t)(slash - value) < sizeof(space)) {
		snprintf(space, sizeof(space), "%.*s", (int)(slash - value), value);
		add_filter(options, "namespace = \"%s\"", space);
		value = slash + 1;
	}
	add_filter(options, "pod = \"%s\"", value);
}

static int take(struct options *options, const struct spec *spec, const char *value)
{
	const char *name = spec->name;

	if (!strcmp(name, "json"))
		options->json = true;
	else if (!strcmp(name, "help"))
		options->help = true;
	else if (!strcmp(name, "follow"))
		options->follow = true;
	else if (!strcmp(name, "duration"))
		return parse_seconds(name, value, &options->duration_s);
	else if (!strcmp(name, "interval"))
		return parse_seconds(name, value, &options->interval_s);
	else if (!strcmp(name, "rows") && is_number(value))
		options->rows = strtol(value, NULL, 10);
	else if (!strcmp(name, "rows"))
		return bad(name, value, "a number");
	else if (!strcmp(name, "sort"))
		options->sort = value;
	else if (!strcmp(name, "columns"))
		options->columns = value;
	else if (!strcmp(name, "by"))
		options->by = value;
	else if (!strcmp(name, "socket"))
		options->socket = value;
	else if (!strcmp(name, "pod"))
		add_pod(options, value);
	else if ((!strcmp(name, "pid") || !strcmp(name, "uid") || !strcmp(name, "port")) &&
		 !is_number(value))
		return bad(name, value, "a number");
	else
		add_filter(options, spec->filter, value);
	return EXIT_DONE;
}

/* --min-us 5 -> min_us=5 */
static int take_param(struct options *options, const char *name, size_t len, const char *value)
{
	if (options->params == OPTION_SETS) {
		log_error("at most %d parameters at once", OPTION_SETS);
		return EXIT_USAGE;
	}
	/* the buffer may move: remember the place, the pointers are set at the end */
	options->param[options->params++] = (const char *)(uintptr_t)options->text.len;
	for (size_t i = 0; i < len; i++)
		buf_char(&options->text, name[i] == '-' ? '_' : name[i]);
	buf_f(&options->text, "=%s", value);
	buf_char(&options->text, 0);
	return EXIT_DONE;
}

static const struct item_option *find_own(const struct item_option *own, const char *name,
					  size_t len)
{
	for (; own && own->name; own++)
		if (strlen(own->name) == len && !strncmp(own->name, name, len))
			return own;
	return NULL;
}

static int parse_one(struct options *options, int argc, char **argv, int *at, bool item,
		     const struct item_option *own)
{
	const char *arg = argv[*at], *name, *value = NULL, *equals;
	const struct spec *spec;
	size_t len;

	if (arg[0] != '-' || !arg[1]) {
		if (options->words == OPTION_WORDS)
			return bad("...", arg, "fewer words");
		options->word[options->words++] = arg;
		return EXIT_DONE;
	}
	if (arg[1] != '-') {
		name = arg + 1;
		len = 1;
		spec = find(NULL, 0, arg[1]);
		if (arg[2])
			value = arg + 2;
	} else {
		name = arg + 2;
		equals = strchr(name, '=');
		len = equals ? (size_t)(equals - name) : strlen(name);
		value = equals ? equals + 1 : NULL;
		spec = find(name, len, 0);
	}
	own = !spec && arg[1] == '-' ? find_own(own, name, len) : NULL;
	if (own && !own->value) {
		add_filter(options, own->filter, "");
		return EXIT_DONE;
	}
	if (!spec && (!item || arg[1] != '-')) {
		log_error("unknown option '%s'; --help lists them", arg);
		return EXIT_USAGE;
	}
	if (!value && (!spec || spec->takes_value)) {
		if (*at + 1 >= argc) {
			log_error("option '%s' wants a value; --help says which", arg);
			return EXIT_USAGE;
		}
		value = argv[++*at];
	}
	if (own) {
		add_filter(options, own->filter, value);
		return EXIT_DONE;
	}
	return spec ? take(options, spec, value) : take_param(options, name, len, value);
}

int options_parse(struct options *options, int argc, char **argv, bool item,
		  const struct item_option *own)
{
	int status = EXIT_DONE;

	*options = (struct options){.interval_s = 1};
	buf_init(&options->filter, 64 * 1024);
	buf_init(&options->rest, 64 * 1024);
	buf_init(&options->text, 64 * 1024);
	for (int at = 1; at < argc && status == EXIT_DONE; at++)
		status = parse_one(options, argc, argv, &at, item, own);
	for (size_t i = 0; i < options->params; i++)
		options->param[i] = options->text.at + (uintptr_t)options->param[i];
	return status;
}

int options_words(const struct options *options, const char *command, size_t at_most)
{
	if (options->words <= at_most)
		return EXIT_DONE;
	log_error("'%s' %s ('%s'); see sonde %s --help", command,
		  at_most ? "takes no more words" : "takes no words", options->word[at_most],
		  command);
	return EXIT_USAGE;
}

void options_done(struct options *options)
{
	buf_done(&options->filter);
	buf_done(&options->rest);
	buf_done(&options->text);
}
