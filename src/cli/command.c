// SPDX-License-Identifier: GPL-2.0-only
/* command - the commands of `sonde`: one table drives dispatch, --help, completion and the man page. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/about.h"
#include "cli/alerts.h"
#include "cli/client.h"
#include "cli/evidence.h"
#include "cli/help.h"
#include "cli/items.h"
#include "cli/query.h"
#include "cli/top.h"
#include "cli/watch.h"
#include "items/registry.h"
#include "main/run.h"
#include "trace/trace_command.h"

enum { RUN_SETS = 128 };

static int run_help(int argc, char **argv);

static int run_usage(void)
{
	log_error("usage: sonde run [-c FILE] [--set KEY=VALUE]...");
	return EXIT_USAGE;
}

static int run_run(int argc, char **argv)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 's'},
		{},
	};
	struct run_options options = {.listener = -1, .ready_fd = -1};
	const char *sets[RUN_SETS + 1] = {};
	size_t count = 0;

	opterr = 0; /* one manner of saying it */
	for (int c; (c = getopt_long(argc, argv, "c:", known, NULL)) != -1;) {
		if (c == 'c')
			options.config_path = optarg;
		else if (c == 's' && count < RUN_SETS)
			sets[count++] = optarg;
		else
			return run_usage();
	}
	if (optind < argc)
		return run_usage();
	options.sets = sets;
	return run_agent(&options);
}

static const struct option_help run_options[] = {
	{"-c, --config FILE",
	 "configuration (default " CONFIG_PATH_DEFAULT "; missing = defaults)"},
	{"--set KEY=VALUE",
	 "one setting, e.g. --set items.syscalls.on=true; wins over file and environment"},
	{NULL, NULL},
};

static const struct option_help json_options[] = {
	{"--json", "one JSON object a line"},
	{"--socket PATH", "the agent's socket ($SONDE_SOCKET, " SOCKET_PATH_DEFAULT ")"},
	{NULL, NULL},
};

static const struct option_help top_options[] = {
	{"-i, --interval 1s", "how often it is looked at"},
	{"-d, --duration 10s", "end by itself"},
	{"-n, --rows N", "rows of a printed table"},
	{"--sort COLUMN", "largest first"},
	{"--json", "one JSON object a line"},
	{"--socket PATH", "the agent's socket ($SONDE_SOCKET, " SOCKET_PATH_DEFAULT ")"},
	{NULL, NULL},
};

static const struct option_help evidence_options[] = {
	{"-n, --rows N", "at most so many"},
	{"--json", "one JSON object a line"},
	{"--socket PATH", "the agent's socket ($SONDE_SOCKET, " SOCKET_PATH_DEFAULT ")"},
	{NULL, NULL},
};

const struct command commands[] = {
	{"run", "run [-c FILE] [--set KEY=VALUE]...", "the agent in the foreground",
	 "Prints `ready` with its addresses on stderr once data flows. Ctrl-C ends it and leaves "
	 "nothing behind: no\n"
	 "program, no map, no socket. SIGHUP reads the configuration again.",
	 run_options, run_run},
	{"status", "status [--json]", "one screen: version, uptime, items, losses, memory", NULL,
	 json_options, about_status},
	{"items",
	 "items [on|off|show|check|add|remove|upgrade NAME|FILE [PARAM=VALUE]...] [--json]",
	 "every item: on or off, hooks, cost, loss; switch, bring in, replace",
	 "sonde items                      all items\n"
	 "sonde items on NAME [PARAM=VALUE]...  switch on; parameters take effect at once\n"
	 "sonde items off NAME             switch off\n"
	 "sonde items show NAME            its documentation\n"
	 "sonde items check FILE|DIR       what objects and ebpf_exporter configurations would do, without loading them\n"
	 "sonde items add FILE|DIR         bring in NAME.bpf.o, or NAME.yaml and NAME.bpf.o; they are off\n"
	 "sonde items upgrade NAME FILE    replace it while it runs; counters continue\n"
	 "sonde items remove NAME          take it out",
	 json_options, items_command},
	{"top", "top [processes|containers|connections|devices|items|services|requests] [-i 1s] [--json]",
	 "the machine in a terminal",
	 "Keys: 1-7 views, < > sort, / search, Enter all of a process, p pause, ? help, q quit. "
	 "When the output is no\n"
	 "terminal, the view named (processes) is printed at every interval; -d 10s ends it, "
	 "--sort COLUMN, -n ROWS.",
	 top_options, top_command},
	{"query", "query EXPR | query ITEM FILTER [--from TIME] [--to TIME] [--step TIME] [--json]",
	 "PromQL over the history of metrics, or a filter over an item's records",
	 "sonde query 'rate(sonde_tcp_opened_total[5m])'               now\n"
	 "sonde query 'sonde_tcp_connections' --from now-1h --step 1m  over time\n"
	 "sonde query exec 'process = sh' --from now-1d                records, the newest first\n"
	 "What PromQL can say here: docs/query.md; filters: docs/records.md.",
	 query_options, query_command},
	{"alerts", "alerts [rules | check FILE|DIR...] [--json]", "what is wrong now, by rules over the history",
	 "sonde alerts                     alerts that are pending or firing, and what to do\n"
	 "sonde alerts rules               all rules, when they were asked, and what is wrong with them\n"
	 "sonde alerts check FILE|DIR...   are these rules right? Needs no agent\n"
	 "sonde query alerts --from now-1d changes of the past, as records; sonde query alerts 'state = firing'\n"
	 "Rules are in Prometheus' format: docs/alerts.md.",
	 json_options, alerts_command},
	{"evidence", "evidence [NAME] [-n N] [--json]", "what armed items collected while they were awake, and why they woke",
	 "sonde evidence                   all there is, the newest first\n"
	 "sonde evidence NAME              one of it, whole\n"
	 "sonde items on NAME when='memory_pressure > 20'  an item that sleeps until then: docs/armed.md",
	 evidence_options, evidence_command},
	{"self", "self [--json]", "own cost and loss: per program, map, item and table", NULL,
	 json_options, about_self},
	{"config", "config [show|check FILE|reload|history|reference] [--json]",
	 "effective configuration with the origin of each value; what was changed when", NULL, json_options, about_config},
	{"caps", "caps [--json]", "which capabilities each item needs", NULL, json_options,
	 about_caps},
	{"features", "features [--json]", "what this kernel can", NULL, json_options,
	 about_features},
	{"trace", "trace [-e PROGRAM|FILE] [ARGS]",
	 "the tracing language, compatible with bpftrace's",
	 "sonde trace -e 'tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }'\n"
	 "sonde trace tool.bt ARGS; #!/usr/bin/env -S sonde trace as a script's first line.\n"
	 "sonde trace funccount 'kprobe:vfs_*': scripts that come with it; --scripts lists them.\n"
	 "Takes bpftrace's options, also when this program is called bpftrace. See "
	 "docs/tracing-language.md.",
	 NULL, trace_command},
	{"completion", "completion bash", "completion for the shell", NULL, NULL, help_completion},
	{"help", "help [COMMAND|ITEM] [--man]", "this text, or that of a command or item", NULL,
	 NULL, run_help},
	{"version", "version [--json]", "of this program and of the kernel it runs on", NULL, NULL,
	 about_version},
	{},
};

static const struct command *find_command(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

static int run_help(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2)
		return help_all();
	if (!strcmp(argv[1], "--man"))
		return help_man(argc, argv);
	command = find_command(argv[1]);
	return command ? help_command(command) : help_item(argv[1]);
}

/* A word that is neither command nor one of our items may be an item that the agent was given. */
static bool is_foreign_item(const char *word)
{
	struct client client;
	struct err why = {};
	struct buf path;
	bool known = false;

	if (client_open_quietly(&client))
		return false;
	buf_init(&path, 1024);
	buf_str(&path, "/v1/items/");
	url_encode(&path, word);
	known = client_ask(&client, "GET", buf_text(&path), (struct span){}, &why) == 200;
	buf_done(&path);
	client_close(&client);
	return known;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

int command_run(int argc, char **argv)
{
	const struct command *command;
	const char *near;

	if (!strcmp(basename(argv[0]), "bpftrace"))
		return trace_command(argc, argv);
	if (argc < 2) {
		log_error("no command was given; 'sonde --help' lists them");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help_all();
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return about_version(1, argv);
	command = find_command(argv[1]);
	if (command && wants_help(argc - 1, argv + 1))
		return help_command(command);
	if (command)
		return command->run(argc - 1, argv + 1);
	if (help_is_item(argv[1]) || is_foreign_item(argv[1]))
		return watch_item(argc - 1, argv + 1);
	near = help_suggest(argv[1]);
	if (near)
		log_error("there is no command or item '%s'; did you mean '%s'?", argv[1], near);
	else
		log_error("there is no command or item '%s'; 'sonde --help' lists them", argv[1]);
	return EXIT_USAGE;
}
