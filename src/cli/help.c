// SPDX-License-Identifier: GPL-2.0-only
/* help - what --help, the man page and completion say: generated from the table of commands and the items' tags. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/suggest.h"
#include "cli/options.h"
#include "items/builtin.h"
#include "items/describe.h"
#include "main/run.h"

/* An item of this tree by its description; the caller frees. NULL: no kernel half, or no such item. */
struct item_desc *help_describe(const struct builtin *item)
{
	struct item_desc *desc = NULL;

	if (item->from)
		item_describe(item->name, item->from, (size_t)(item->to - item->from), &desc, NULL);
	return desc;
}

static const struct builtin *find_item(const char *name)
{
	for (const struct builtin *item = builtin_items; item->name; item++)
		if (!strcmp(item->name, name))
			return item;
	return NULL;
}

bool help_is_item(const char *word)
{
	return find_item(word);
}

const struct item_ops *help_item_ops(const char *name)
{
	const struct builtin *item = find_item(name);

	return item ? item->ops : NULL;
}

static const char *help_of(const struct builtin *item)
{
	return item->help ? item->help : item->ops ? item->ops->help : "";
}

int help_all(void)
{
	printf("sonde - what this machine, its containers and its services do\n\n"
	       "usage: sonde COMMAND [OPTIONS]\n       sonde ITEM [FILTERS] [--PARAM VALUE]...\n\ncommands:\n");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-12s %s\n", command->name, command->help);
	printf("\nitems (watch one here and now; `sonde ITEM --help` says more):\n");
	for (const struct builtin *item = builtin_items; item->name; item++)
		printf("  %-12s %s\n", item->name, help_of(item));
	printf("\nFirst steps: `sudo sonde run` starts the agent; `sonde items` says what it watches;\n"
	       "`sonde exec` prints every program that starts; curl 127.0.0.1:8470/metrics is for Prometheus.\n");
	return EXIT_DONE;
}

static void print_options(const struct option_help *options)
{
	for (; options && options->flags; options++)
		printf("  %-24s %s\n", options->flags, options->help);
}

int help_command(const struct command *command)
{
	printf("usage: sonde %s\n\n%s.\n", command->usage, command->help);
	if (command->more)
		printf("\n%s\n", command->more);
	if (command->options) {
		printf("\noptions:\n");
		print_options(command->options);
	}
	return EXIT_DONE;
}

static void print_columns(const struct layout *layout)
{
	size_t wide = 2;

	printf(" ");
	for (uint32_t i = 0; i < layout->count; i++) {
		size_t len = strlen(layout->column[i].name) + 1;

		if (wide + len > 96) {
			printf("\n ");
			wide = 2;
		}
		printf(" %s", layout->column[i].name);
		wide += len;
	}
	printf("\n");
}

static void print_params(const struct item_desc *desc)
{
	if (desc->params)
		printf("\nparameters:\n");
	for (uint32_t i = 0; i < desc->params; i++) {
		char option[COLUMN_NAME_BYTES + 32];
		size_t at = (size_t)snprintf(option, sizeof(option), "--%s %s", desc->param[i].name,
					     desc->param[i].type);

		for (size_t n = 2; n < at && option[n] != ' '; n++)
			if (option[n] == '_')
				option[n] = '-';
		printf("  %-24s %s (default %lld)\n", option, desc->param[i].help ? desc->param[i].help : "",
		       (long long)desc->param[i].value);
	}
}

static void print_own_options(const struct item_option *option)
{
	char flags[64];

	if (option)
		printf("\nfilters of its own:\n");
	for (; option && option->name; option++) {
		snprintf(flags, sizeof(flags), "--%s%s%s", option->name, option->value ? " " : "",
			 option->value ? option->value : "");
		printf("  %-24s %s\n", flags, option->help);
	}
}

/* Several metrics may share a name and differ in a constant label: once is enough. */
static void print_metrics(const struct metric *metric, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool said = false;

		for (size_t n = 0; n < i; n++)
			said |= !strcmp(metric[n].name, metric[i].name);
		if (!said)
			printf("  %-44s %s\n", metric[i].name, metric[i].help ? metric[i].help : "");
	}
}

static void print_layouts(const struct layout *const *layout)
{
	for (; layout && *layout; layout++) {
		printf("\nrecords of kind '%s':\n", (*layout)->kind);
		print_columns(*layout);
	}
}

static void print_description(const struct item_desc *desc, const struct item_ops *ops)
{
	printf("usage: sonde %s [FILTERS] [--PARAM VALUE]...\n\n%s.\n", desc->name, desc->help);
	if (ops && ops->more)
		printf("\n%s\n", ops->more);
	print_params(desc);
	if (ops)
		print_own_options(ops->options);
	printf("\nfilters and output:\n");
	print_options(common_options);
	for (uint32_t i = 0; i < desc->events; i++) {
		printf("\nrecords of kind '%s':\n", desc->event[i].schema.kind);
		print_columns(&desc->event[i].layout);
	}
	if (ops && ops->prepare && !ops->prepare(NULL)) {
		print_layouts(ops->events);
		print_layouts(ops->layouts);
	}
	if (desc->metrics || (ops && ops->metric_count))
		printf("\nmetrics:\n");
	print_metrics(desc->metric, desc->metrics);
	if (ops)
		print_metrics(ops->metrics, ops->metric_count);
	if (desc->hooks)
		printf("\nhooks, alternatives in the order in which they are tried:\n");
	for (uint32_t i = 0; i < desc->hooks; i++)
		printf("  %-16s %s%s\n", desc->hook[i].hook, desc->hook[i].section,
		       desc->hook[i].optional ? " (optional)" : "");
}

int help_item(const char *name)
{
	const struct builtin *item = find_item(name);
	struct item_desc *desc = item ? help_describe(item) : NULL;

	if (!item) {
		printf("'%s' is an item of others; `sonde items show %s` asks the agent.\n", name, name);
		return EXIT_DONE;
	}
	if (desc) {
		print_description(desc, item->ops);
	} else {
		printf("usage: sonde %s\n\n%s.\n", name, item->ops->help);
		printf("\nmetrics:\n");
		print_metrics(item->ops->metrics, item->ops->metric_count);
	}
	item_desc_free(desc);
	return EXIT_DONE;
}

const char *help_suggest(const char *word)
{
	static struct suggestion nearest; /* of the one mistake that a command line is ended by */

	for (const struct command *command = commands; command->name; command++)
		suggest(&nearest, span_of(word), span_of(command->name));
	for (const struct builtin *item = builtin_items; item->name; item++)
		suggest(&nearest, span_of(word), span_of(item->name));
	return nearest.best[0] ? nearest.best : NULL;
}

/* ---- man page ---- */

/* roff reads '-' as a hyphen and a '.' or ''' at the line's beginning as a request. */
static void roff(const char *text)
{
	if (*text == '.' || *text == '\'')
		printf("\\&");
	for (; *text; text++)
		if (*text == '-')
			printf("\\-");
		else if (*text == '\\')
			printf("\\\\");
		else
			putchar(*text);
}

static void roff_options(const struct option_help *options)
{
	for (; options && options->flags; options++) {
		printf(".TP\n.B ");
		roff(options->flags);
		printf("\n");
		roff(options->help);
		printf("\n");
	}
}

int help_man(int argc, char **argv)
{
	printf(".TH SONDE 8 \"\" \"sonde %s\" \"System administration\"\n.SH NAME\nsonde \\- what this machine, its "
	       "containers and its services do\n.SH SYNOPSIS\n.B sonde\n.I COMMAND\n[OPTIONS]\n.br\n.B sonde\n"
	       ".I ITEM\n[FILTERS] [\\-\\-PARAM VALUE]...\n.SH DESCRIPTION\nsonde watches a Linux machine through "
	       "eBPF without changing any program. The agent (sonde run) gives metrics to Prometheus and records "
	       "as JSON; without an agent, commands start one for themselves and leave nothing behind.\n"
	       ".SH COMMANDS\n",
	       SONDE_VERSION);
	for (const struct command *command = commands; command->name; command++) {
		printf(".TP\n.B sonde ");
		roff(command->usage);
		printf("\n");
		roff(command->help);
		printf(".\n");
		if (command->more) {
			printf(".IP\n");
			roff(command->more);
			printf("\n");
		}
		if (command->options) {
			printf(".RS\n");
			roff_options(command->options);
			printf(".RE\n");
		}
	}
	printf(".SH ITEMS\n");
	for (const struct builtin *item = builtin_items; item->name; item++) {
		printf(".TP\n.B %s\n", item->name);
		roff(help_of(item));
		printf("\n");
	}
	printf(".SH FILTERS AND OUTPUT\n");
	roff_options(common_options);
	printf(".SH EXIT STATUS\n0 done (also when ended by Ctrl\\-C or \\-d); 1 failed; 2 wrong usage; 3 this kernel "
	       "or this privilege can't.\n.SH FILES\n" CONFIG_PATH_DEFAULT ", " SOCKET_PATH_DEFAULT "\n");
	return EXIT_DONE;
}
