// SPDX-License-Identifier: GPL-2.0-only
/*
 * completion - `sonde completion bash`: commands, items, verbs, options, parameters, columns.
 *
 * All words are in the script, so that a tab neither starts a program nor needs rights. Files are completed where nothing
 * of ours fits.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/help.h"
#include "cli/options.h"
#include "items/builtin.h"
#include "main/run.h"

enum { COLUMNS = 512 };

/* Words that may follow a command. */
static const struct {
	const char *command, *words;
} verbs[] = {
	{"items", "on off show check add remove upgrade"},
	{"config", "show check reload history reference"},
	{"top", "processes containers connections devices items services requests"},
	{"alerts", "rules check"},
	{"completion", "bash"},
};

static void long_options(const struct option_help *options)
{
	for (; options && options->flags; options++) {
		const char *name = strstr(options->flags, "--");

		if (name)
			printf(" %.*s", (int)strcspn(name, " =,"), name);
	}
}

static void print_words(void)
{
	printf("\tlocal commands='");
	for (const struct command *command = commands; command->name; command++)
		printf("%s ", command->name);
	printf("'\n\tlocal items='");
	for (const struct builtin *item = builtin_items; item->name; item++)
		printf("%s ", item->name);
	printf("'\n\tlocal common='");
	long_options(common_options);
	printf("'\n");
}

static void print_commands(void)
{
	printf("\tlocal -A options=(");
	for (const struct command *command = commands; command->name; command++) {
		printf("\n\t\t[%s]='", command->name);
		long_options(command->options);
		printf(" --help'");
	}
	printf(")\n\tlocal -A verbs=(");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		printf(" [%s]='%s'", verbs[i].command, verbs[i].words);
	printf(")\n");
}

static void print_dashed(const char *name)
{
	for (; *name; name++)
		putchar(*name == '_' ? '-' : *name);
}

static void print_params(void)
{
	printf("\tlocal -A params=(");
	for (const struct builtin *item = builtin_items; item->name; item++) {
		struct item_desc *desc = help_describe(item);

		if (desc && desc->params)
			printf("\n\t\t[%s]='", item->name);
		for (uint32_t i = 0; desc && i < desc->params; i++)
			printf("%s%s", i ? " " : "", desc->param[i].name);
		if (desc && desc->params)
			printf("'");
		item_desc_free(desc);
	}
	printf(")\n");
}

/* Filters and verbs that an item has of its own. */
static void print_own(void)
{
	printf("\tlocal -A own=(");
	for (const struct builtin *item = builtin_items; item->name; item++) {
		const struct item_option *option = item->ops ? item->ops->options : NULL;
		const struct item_verb *verb = item->ops ? item->ops->verbs : NULL;

		if (!option && !verb)
			continue;
		printf("\n\t\t[%s]='", item->name);
		for (; option && option->name; option++) {
			printf("--");
			print_dashed(option->name);
			printf(" ");
		}
		for (; verb && verb->name; verb++)
			printf("%s ", verb->name);
		printf("'");
	}
	printf(")\n");
}

struct columns {
	const char *name[COLUMNS];
	size_t count;
};

static void add_columns(struct columns *columns, const struct layout *layout)
{
	for (uint32_t i = 0; i < layout->count; i++) {
		bool known = false;

		for (size_t n = 0; n < columns->count; n++)
			known |= !strcmp(columns->name[n], layout->column[i].name);
		if (!known && columns->count < COLUMNS)
			columns->name[columns->count++] = layout->column[i].name;
	}
}

static void add_layouts(struct columns *columns, const struct layout *const *layout)
{
	for (; layout && *layout; layout++)
		add_columns(columns, *layout);
}

static void print_columns(void)
{
	printf("\tlocal -A columns=(");
	for (const struct builtin *item = builtin_items; item->name; item++) {
		struct item_desc *desc = help_describe(item);
		struct columns columns = {};

		for (uint32_t i = 0; desc && i < desc->events; i++)
			add_columns(&columns, &desc->event[i].layout);
		for (uint32_t i = 0; desc && i < desc->maps; i++)
			add_columns(&columns, &desc->map[i].layout);
		if (item->ops && item->ops->prepare && !item->ops->prepare(NULL)) {
			add_layouts(&columns, item->ops->events);
			add_layouts(&columns, item->ops->summaries);
			add_layouts(&columns, item->ops->layouts);
		}
		printf("\n\t\t[%s]='", item->name);
		for (size_t i = 0; i < columns.count; i++)
			printf("%s%s", i ? " " : "", columns.name[i]);
		printf("'");
		item_desc_free(desc);
	}
	printf(")\n");
}

static const char begin[] =
	"_sonde() {\n"
	"\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
	"first=${COMP_WORDS[1]} second=${COMP_WORDS[2]}\n"
	"\tlocal more= head= name\n";

static const char end[] =
	"\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$commands $items --help --version\" -- "
	"\"$word\"))\n\t\treturn\n\tfi\n"
	"\tcase $before in\n"
	"\t--columns | --sort)\n"
	"\t\t[ \"$before\" = --columns ] && head=${word%\"${word##*,}\"}\n"
	"\t\tCOMPREPLY=($(compgen -P \"$head\" -W \"${columns[$first]}\" -- "
	"\"${word#\"$head\"}\"))\n\t\treturn ;;\n"
	"\t--by) COMPREPLY=($(compgen -W 'process container pod service host' -- \"$word\")); "
	"return ;;\n"
	"\t-c | --config | --socket | --cgroup | -e) return ;;\n"
	"\tesac\n"
	"\tcase $first:$second:$COMP_CWORD in\n"
	"\titems:on:3 | items:off:3 | items:show:3 | items:remove:3 | items:upgrade:3) more=$items "
	";;\n"
	"\titems:on:*)\n"
	"\t\t[ \"$word\" = \"${word%=*}\" ] || return\n"
	"\t\tcompopt -o nospace 2>/dev/null\n"
	"\t\tCOMPREPLY=($(compgen -S = -W \"${params[${COMP_WORDS[3]}]} by where ring cap pin when awake cooldown\" -- "
	"\"$word\"))\n\t\treturn ;;\n"
	"\titems:add:* | items:check:* | items:upgrade:* | config:check:* | alerts:check:* | "
	"trace:*) [ \"${word#-}\" = \"$word\" ] && return ;;\n"
	"\thelp:*:2) more=\"$commands $items\" ;;\n"
	"\t*:*:2) more=${verbs[$first]} ;;\n"
	"\tesac\n"
	"\tif [ -n \"${options[$first]}\" ]; then\n\t\tmore+=\" ${options[$first]}\"\n"
	"\telse\n"
	"\t\tmore+=\" $common ${own[$first]}\"\n"
	"\t\tfor name in ${params[$first]}; do more+=\" --${name//_/-}\"; done\n"
	"\tfi\n"
	"\tCOMPREPLY=($(compgen -W \"$more\" -- \"$word\"))\n}\n"
	"complete -o default -F _sonde sonde\n";

int help_completion(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "bash") != 0) {
		log_error("usage: sonde completion bash > "
			  "/usr/share/bash-completion/completions/sonde");
		return EXIT_USAGE;
	}
	fputs(begin, stdout);
	print_words();
	print_commands();
	print_params();
	print_own();
	print_columns();
	fputs(end, stdout);
	return EXIT_DONE;
}
