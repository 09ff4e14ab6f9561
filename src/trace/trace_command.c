// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace_command - the command: bpftrace's options, so that scripts and harnesses run unchanged.
 *
 *	sonde-trace -e 'PROGRAM' [PARAMETERS]	sonde-trace FILE [PARAMETERS]	... [-- --name=value]
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/trace_command.h"

#include "trace/kernel_features.h"
#include "trace/lex.h"
#include "trace/listing.h"
#include "trace/ready.h"
#include "trace/run.h"

enum { SCRIPT_MAX = 4 << 20 };

struct command {
	const char *program, *file, *out, *child, *stage;
	const char *listed;
	int pid;
	bool is_list, is_json, is_quiet, is_verbose, is_dry, no_warnings, is_help, is_version,
		is_info, is_runtime_checked, only_describe;
	bool is_scripts; /* --scripts */
	char buffering; /* l(ine), f(ull), n(one) */
	struct run_limits limits;
	struct script_options options;
};

enum {
	OPTION_DRY = 1000,
	OPTION_UNSAFE,
	OPTION_TEST,
	OPTION_BENCH,
	OPTION_MODE,
	OPTION_NO_WARNINGS,
	OPTION_INFO,
	OPTION_IGNORED,
	OPTION_INCLUDE,
	OPTION_SCRIPTS,
	OPTION_MAX_COST,
	OPTION_MAX_TIME,
	OPTION_MAX_EVENTS,
	OPTION_IGNORED_ARG
};

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"test", no_argument, NULL, OPTION_TEST},
	{"bench", no_argument, NULL, OPTION_BENCH},
	{"mode", required_argument, NULL, OPTION_MODE},
	{"dry-run", no_argument, NULL, OPTION_DRY},
	{"unsafe", no_argument, NULL, OPTION_UNSAFE},
	{"no-warnings", no_argument, NULL, OPTION_NO_WARNINGS},
	{"info", no_argument, NULL, OPTION_INFO},
	{"usdt-file-activation", no_argument, NULL, OPTION_IGNORED},
	{"include", required_argument, NULL, OPTION_INCLUDE},
	{"scripts", no_argument, NULL, OPTION_SCRIPTS},
	{"max-cost", required_argument, NULL, OPTION_MAX_COST},
	{"max-time", required_argument, NULL, OPTION_MAX_TIME},
	{"max-events", required_argument, NULL, OPTION_MAX_EVENTS},
	{"no-feature", required_argument, NULL, OPTION_IGNORED_ARG},
	{"debuginfo", required_argument, NULL, OPTION_IGNORED_ARG},
	{"traceable-functions", required_argument, NULL, OPTION_IGNORED_ARG},
	{},
};

static void usage(FILE *to)
{
	fputs("USAGE:\n"
	      "    sonde-trace [options] FILE [PARAMETERS...] [-- --NAME=VALUE...]\n"
	      "    sonde-trace [options] -e 'PROGRAM' [PARAMETERS...]\n"
	      "    sonde-trace [options] -l [SEARCH]\n\n"
	      "OPTIONS:\n"
	      "    -e 'PROGRAM'    trace with this program\n"
	      "    -l [SEARCH]     list probes (with -v: their arguments)\n"
	      "    -f FORMAT       output: text, json\n"
	      "    -o FILE         redirect output to FILE\n"
	      "    -B MODE         output buffering: line, full, none\n"
	      "    -p PID          trace this process\n"
	      "    -c 'CMD'        run CMD and trace until it ends\n"
	      "    -q              say nothing of our own\n"
	      "    -v              say more; on refusal show the verifier's log\n"
	      "    -d STAGE        show a stage and stop: ast, types, ir\n"
	      "    --unsafe        allow functions with side effects: system(), signal()\n"
	      "    --dry-run       load everything, attach nothing\n"
	      "    --test, --bench run the probes test:NAME, bench:NAME\n"
	      "    -I FOLDER, --include FILE   where headers are; a header to begin with\n"
	      "    --no-warnings   errors only\n"
	      "    --info          what this kernel can\n"
	      "    --scripts       the scripts that come with this program: run them by name\n"
	      "    --max-cost PERCENT   end when the script's programs take more of one CPU\n"
	      "    --max-time 10s, --max-events N   end after that time, after so many lines\n"
	      "    -h, -V          this text; the version\n",
	      to);
}

/* Cuts the value off "--name=value". */
static void add_named(struct script_options *options, char *arg)
{
	char *equals = strchr(arg, '=');

	if (options->named_count == PARAMS_MAX)
		return;
	if (equals)
		*equals++ = 0;
	options->named[options->named_count++] = (struct named_param){arg + 2, equals};
}

static int take_pid(struct command *command)
{
	char *end;
	long pid = strtol(optarg, &end, 10);

	if (*end || end == optarg) {
		fprintf(stderr, "ERROR: Failed to parse pid: invalid integer: %s\n", optarg);
		return -EINVAL;
	}
	if (pid < 0 || pid > 4194304) {
		fprintf(stderr, "ERROR: Pid out of range: %llu\n", (unsigned long long)pid);
		return -EINVAL;
	}
	if (!pid) {
		fputs("ERROR: Failed to attach to pid: Unable to open pidfd (Invalid argument)\n",
		      stderr);
		return -EINVAL;
	}
	command->pid = (int)pid;
	return 0;
}

static int take_mode(struct command *command, const char *mode, const char *option)
{
	if (strcmp(mode, "test") && strcmp(mode, "bench")) {
		fputs("ERROR: USAGE: --mode can only be 'codegen', 'compiler-bench', 'bench', "
		      "'test' or 'format'.\n",
		      stderr);
		return -EINVAL;
	}
	if (command->options.mode != MODE_TRACE) {
		fprintf(stderr, "ERROR: USAGE: %s conflicts with existing --mode\n", option);
		return -EINVAL;
	}
	command->options.mode = *mode == 't' ? MODE_TEST : MODE_BENCH;
	return 0;
}

/* "5", "5%": percent; "10s", "500ms": a duration; "1000": a number. */
static int take_limit(struct command *command, int option)
{
	const char *name = option == OPTION_MAX_COST   ? "max-cost"
			   : option == OPTION_MAX_TIME ? "max-time"
						       : "max-events";
	size_t len = strcspn(optarg, "%");
	uint64_t number;
	const char *why;
	char *end;

	if (option == OPTION_MAX_COST) {
		command->limits.cost = strtod(optarg, &end);
		if (end != optarg && (!*end || !strcmp(end, "%")) && command->limits.cost > 0)
			return 0;
	} else if (lex_number((struct span){(const uint8_t *)optarg, len}, &number, &why) &&
		   number) {
		*(option == OPTION_MAX_TIME ? &command->limits.time_ns : &command->limits.events) =
			number;
		return 0;
	}
	fprintf(stderr, "ERROR: USAGE: --%s does not take '%s': %s\n", name, optarg,
		option == OPTION_MAX_COST   ? "a share of one CPU is wanted, as in 5%"
		: option == OPTION_MAX_TIME ? "a duration is wanted, as in 10s"
					    : "a number is wanted");
	return -EINVAL;
}

static int take_option(struct command *command, int option)
{
	switch (option) {
	case 'e': command->program = optarg; break;
	case 'o': command->out = optarg; break;
	case 'p': return take_pid(command);
	case 'c': command->child = optarg; break;
	case 'd': command->stage = optarg; break;
	case 'B':
		if (strcmp(optarg, "line") && strcmp(optarg, "full") && strcmp(optarg, "none")) {
			fputs("ERROR: USAGE: -B must be either 'line', 'full', or 'none'.\n",
			      stderr);
			return -EINVAL;
		}
		command->buffering = *optarg;
		break;
	case 'l': command->is_list = true; break;
	case 'q': command->is_quiet = true; break;
	case 'v': command->is_verbose = true; break;
	case 'k':
		if (command->is_runtime_checked) {
			fputs("ERROR: USAGE: -kk has been deprecated. Use a single -k for runtime "
			      "warnings for errors in map lookups and probe reads.\n",
			      stderr);
			return -EINVAL;
		}
		command->is_runtime_checked = command->options.is_checked = true;
		break;
	case OPTION_IGNORED:
	case OPTION_IGNORED_ARG: break;
	case OPTION_SCRIPTS: command->is_scripts = true; break;
	case OPTION_MAX_COST:
	case OPTION_MAX_TIME:
	case OPTION_MAX_EVENTS: return take_limit(command, option);
	case 'I':
		if (command->options.folder_count < PARAMS_MAX)
			command->options.folders[command->options.folder_count++] = optarg;
		break;
	case OPTION_INCLUDE:
		if (command->options.header_count < PARAMS_MAX)
			command->options.headers[command->options.header_count++] = optarg;
		break;
	case 'h': command->is_help = true; break;
	case 'V': command->is_version = true; break;
	case OPTION_DRY: command->is_dry = true; break;
	case OPTION_TEST: return take_mode(command, "test", "--test");
	case OPTION_BENCH: return take_mode(command, "bench", "--bench");
	case OPTION_MODE: return take_mode(command, optarg, "--mode");
	case OPTION_UNSAFE: command->options.is_unsafe = true; break;
	case OPTION_NO_WARNINGS: command->no_warnings = true; break;
	case OPTION_INFO: command->is_info = true; break;
	case 'f':
		command->is_json = !strcmp(optarg, "json");
		if (!command->is_json && strcmp(optarg, "text")) {
			fprintf(stderr,
				"ERROR: Invalid output format \"%s\"\nValid formats: 'text', "
				"'json'\n",
				optarg);
			return -EINVAL;
		}
		break;
	default: usage(stderr); return -EINVAL;
	}
	return 0;
}

static bool is_script_file(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && !strcmp(name + len - 3, ".bt") && !access(name, R_OK);
}

static int read_command(struct command *command, int argc, char **argv)
{
	bool is_after_dashes = false;
	int option;

	/* '+': what follows FILE is the script's, dashes and all */
	while ((option = getopt_long(argc, argv, "+e:o:p:c:d:B:f:I:lqvkhV", long_options, NULL)) !=
	       -1)
		if (take_option(command, option))
			return -EINVAL;
	if (command->pid && command->child) {
		fputs("ERROR: USAGE: Cannot use both -c and -p.\n", stderr);
		usage(stderr);
		return -EINVAL;
	}
	if (command->is_list && !command->program &&
	    !(optind < argc && is_script_file(argv[optind]))) {
		command->listed = optind < argc ? argv[optind] : "*";
		return 0;
	}
	if (!command->program && optind < argc && strcmp(argv[optind - 1], "--"))
		command->file = argv[optind++];
	is_after_dashes = optind > 0 && !strcmp(argv[optind - 1], "--");
	for (; optind < argc; optind++) {
		if (!is_after_dashes && !strcmp(argv[optind], "--"))
			is_after_dashes = true;
		else if (is_after_dashes && !strncmp(argv[optind], "--", 2))
			add_named(&command->options, argv[optind]);
		else if (command->options.param_count < PARAMS_MAX)
			command->options.params[command->options.param_count++] = argv[optind];
	}
	return 0;
}

static int read_script(const char *path, struct buf *text)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	const char *ready = file ? NULL : ready_find(path);
	char chunk[65536];
	size_t n;

	if (ready) {
		buf_str(text, ready);
		return 0;
	}
	if (!file) {
		fprintf(stderr, "ERROR: failed to open file '%s': %s\n", path, strerror(errno));
		return -errno;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(text, chunk, n);
	if (file != stdin)
		fclose(file);
	return text->full ? -EFBIG : 0;
}

enum { CHILD_ARGS = 256 };

/* Cuts a command into words; quotes hold words together. Returns their number. */
static int cut_words(char *text, char **words)
{
	int count = 0;

	while (*text && count + 1 < CHILD_ARGS) {
		char quote = 0, *to;

		text += strspn(text, " \t\n");
		if (!*text)
			break;
		words[count++] = to = text;
		for (; *text && (quote || !strchr(" \t\n", *text)); text++) {
			if (quote ? *text == quote : *text == '\'' || *text == '"')
				quote = quote ? 0 : *text;
			else
				*to++ = *text;
		}
		text += *text != 0;
		*to = 0;
	}
	words[count] = NULL;
	return count;
}

static bool is_runnable(const char *name)
{
	const char *folders = getenv("PATH");
	char path[4096];

	if (strchr(name, '/'))
		return !access(name, X_OK);
	while (folders && *folders) {
		size_t len = strcspn(folders, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)len, folders, name);
		if (!access(path, X_OK))
			return true;
		folders += len + (folders[len] == ':');
	}
	return false;
}

/*
 * The child waits on a pipe until all is attached. There is no shell between, so that the process
 * traced is the command's own; unless the command is written for one.
 */
static int start_child(const char *command, int *ret_go)
{
	static char text[65536], *words[CHILD_ARGS];
	int pipes[2];
	pid_t pid;
	char go;

	snprintf(text, sizeof(text), "%s", command);
	if (strpbrk(command, ";|&<>`$") || !strncmp(command, "exec ", 5)) {
		words[0] = "/bin/sh";
		words[1] = "-c";
		words[2] = text;
		words[3] = NULL;
	} else if (!cut_words(text, words) || !is_runnable(words[0])) {
		fprintf(stderr,
			"ERROR: Failed to fork child: Path '%s' does not exist or is not "
			"executable "
			"(No such file or directory)\n",
			words[0] ? words[0] : "");
		return -ENOENT;
	}
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		close(pipes[1]);
		if (read(pipes[0], &go, 1) != 1)
			_exit(1);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		loader_child();
		execvp(words[0], words);
		_exit(127);
	}
	close(pipes[0]);
	*ret_go = pipes[1];
	return pid < 0 ? -errno : pid;
}

static void show(const struct diag *diag, bool with_warnings)
{
	struct buf text;

	buf_init(&text, 4 << 20);
	diag_write(diag, with_warnings, &text);
	fputs(buf_text(&text), stderr);
	buf_done(&text);
}

static void show_ast(const struct script *script)
{
	struct buf text;

	buf_init(&text, 16 << 20);
	for (const struct probe *probe = script->probes; probe; probe = probe->next) {
		buf_f(&text, "%s\n", probe->name);
		ast_dump(probe->body, &text);
	}
	fputs(buf_text(&text), stdout);
	buf_done(&text);
}

/* getopt() of the script: what --help says of them. */
static void option_help(const struct script *script)
{
	if (script->declared_options)
		puts("\nPROGRAM OPTIONS:");
	for (const struct declared_option *o = script->declared_options; o; o = o->next)
		printf("    --%s%*s%s\n", o->name, (int)(o->shown ? 1 : 0), "",
		       o->shown ? o->shown : "");
}

/* Parameters that no getopt() of the script asks for are mistakes. */
static int check_options(struct script *script)
{
	const struct script_options *options = script->options;
	struct buf unknown, known;
	int err = 0;

	buf_init(&unknown, 4096);
	buf_init(&known, 4096);
	for (const struct declared_option *o = script->declared_options; o; o = o->next)
		buf_f(&known, "%s--%s", known.len ? ": " : "", o->name);
	for (uint32_t i = 0; i < options->named_count; i++) {
		const struct declared_option *o = script->declared_options;

		while (o && strcmp(o->name, options->named[i].name))
			o = o->next;
		if (!o)
			buf_f(&unknown, "%s--%s", unknown.len ? ", " : "", options->named[i].name);
	}
	if (unknown.len) {
		fprintf(stderr, "ERROR: unexpected program command line options: %s\nHINT: %s%s\n",
			buf_text(&unknown),
			known.len ? "expected program options: "
				  : "no custom program options defined.",
			buf_text(&known));
		script->diag.errors++;
		err = -EINVAL;
	}
	buf_done(&unknown);
	buf_done(&known);
	return err;
}

static int compile(struct script *script, const struct command *command, struct loader *loader)
{
	struct target target;
	struct err why = {};
	int err;

	err = script_parse(script);
	if (!err) {
		err = script_expand(script);
		if (err && !script->diag.errors && script->passed_over != MODE_TRACE) {
			fprintf(stderr, "ERROR: No probes attached; use %s probes.\n",
				script->passed_over == MODE_TEST ? "--test to run test"
								 : "--bench to run benchmark");
			return -ENOEXEC;
		}
	}
	if (err && !script->diag.errors && !command->is_quiet)
		puts("No probes to attach");
	if (!err && command->stage && !strcmp(command->stage, "ast")) {
		show_ast(script);
		return 1;
	}
	if (!err && command->is_list) {
		list_script(script, command->is_verbose);
		return 1;
	}
	if (!err)
		err = script_check(script);
	if (!err && command->is_help) {
		usage(stdout);
		option_help(script);
		return 1;
	}
	if (!err)
		err = check_options(script);
	if (!err && command->stage && !strcmp(command->stage, "types")) {
		show_ast(script);
		return 1;
	}
	if (!err) {
		features_find(loader, &target);
		err = script_lower(script, &target, &why);
	}
	show(&script->diag, !command->no_warnings);
	if (err && !script->diag.errors && *why.text)
		fprintf(stderr, "ERROR: %s\n", why.text);
	return err;
}

static bool keeps_mangled(const struct script *script)
{
	const char *demangles = script_setting(script, "cpp_demangle");

	return demangles && (!strcmp(demangles, "false") || !strcmp(demangles, "0"));
}

/* `control`: see struct run_options. */
static int trace(struct command *command, struct span text, FILE *to, int control)
{
	struct run_options options = {.is_quiet = command->is_quiet,
				      .has_warnings = !command->no_warnings,
				      .is_verbose = command->is_verbose,
				      .is_dry = command->is_dry,
				      .child_go = -1,
				      .limits = command->limits,
				      .control = control};
	struct output out = {.file = to, .is_json = command->is_json};
	struct loader loader;
	struct run run = {.loader = &loader, .out = &out, .options = &options, .signals = -1};
	struct err why = {};
	struct script *script;
	int code = 1, go = -1;

	if (command->pid && kill(command->pid, 0) && errno == ESRCH) {
		fputs("ERROR: Failed to attach to pid: Unable to open pidfd (No such process)\n",
		      stderr);
		return 1;
	}
	loader_direct(&loader);
	loader.pid = command->pid;
	if (command->child) {
		options.child = start_child(command->child, &go);
		if (options.child < 0)
			return 1;
		options.child_go = go;
		options.is_child_ours = true;
		loader.pid = options.child;
	} else {
		options.child = command->pid;
	}
	command->options.pid = loader.pid;
	if (command->out && !(out.file = fopen(command->out, "we"))) {
		fprintf(stderr, "ERROR: Failed to open output file: \"%s\": %s\n", command->out,
			strerror(errno));
		return 1;
	}
	out.is_line_flushed = command->buffering ? command->buffering != 'f' : true;
	out.run = &run;
	script = script_new(text, &command->options);
	if (!script)
		return 1;
	switch (compile(script, command, &loader)) {
	case 0:
		if (command->only_describe) {
			output_description(&out, script);
			code = 0;
			break;
		}
		run.script = script;
		run.compiled = script->compiled;
		run.symbols = symbols_new(keeps_mangled(script));
		code = run.symbols ? run_script(&run, &why) : -ENOMEM;
		if (code < 0) {
			fprintf(stderr, "ERROR: %s\n", why.text);
			code = 255;
		}
		symbols_free(run.symbols);
		break;
	case 1: code = 0; break;
	case -ENOEXEC: code = 255; break;
	default: break;
	}
	if (out.file != to)
		fclose(out.file);
	script_free(script);
	loader_done(&loader);
	return code;
}

int trace_for_agent(const struct script_options *options, struct span text, bool only_describe,
		    FILE *out, int control)
{
	struct command command = {
		.is_json = true, .only_describe = only_describe, .options = *options};

	return trace(&command, text, out, control);
}

/* Harnesses ask for the version: the language's is the answer. */
static bool is_called_bpftrace(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "bpftrace");
}

int trace_command(int argc, char **argv)
{
	struct command command = {.options.may_read_files = true};
	struct buf text;
	int code;

	if (read_command(&command, argc, argv))
		return 1;
	if ((command.is_help && !command.program && !command.file) || command.is_version) {
		if (command.is_help)
			usage(stdout);
		else
			puts(is_called_bpftrace(argv[0])
				     ? "bpftrace v0.27.0"
				     : "sonde-trace v0.1.0 (language of bpftrace "
				       "v0.27)");
		return 0;
	}
	if (command.is_info)
		return features_print();
	if (command.is_scripts) {
		ready_list(stdout);
		return 0;
	}
	if (command.listed)
		return list_probes(command.listed, command.is_verbose, command.pid);
	if (!command.program && !command.file) {
		fputs("ERROR: USAGE: filename or -e 'program' required.\n", stderr);
		return 1;
	}
	command.options.name = command.program ? "stdin" : command.file;
	buf_init(&text, SCRIPT_MAX);
	if (command.program && !*command.program) {
		fputs("ERROR: USAGE: filename or -e 'program' required.\n", stderr);
		return 1;
	}
	if (command.program)
		buf_str(&text, command.program);
	else if (read_script(command.file, &text))
		return 1;
	code = trace(&command, buf_as_span(&text), stdout, -1);
	buf_done(&text);
	return code;
}
