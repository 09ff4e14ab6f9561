// SPDX-License-Identifier: GPL-2.0-only
/*
 * End to end: the command is run as a user would run it.
 *
 *	run_test SONDE_TRACE GOLDEN	GOLDEN: what bpftrace said to the same scripts (golden_record.sh)
 *	run_test work WHAT TIMES	the traced program: does WHAT that many times
 *
 * Numbers are compared with what the traced program knows it did.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"

static const char *command, *golden;
static char self[512];

/* --- the traced program --- */

enum { traced_line = __LINE__ + 3 };

__attribute__((noinline)) int traced_function(int number, const char *text)
{
	__asm__ volatile("" ::: "memory");
	return number * 2 + (text ? text[0] : 0);
}

/*
 * Probes as <sys/sdt.h> makes them: a nop, and a note that says where it is and where its arguments
 * are (see probes/usdt.c). `repeated` stands at two places.
 */
#define NOTE(name, semaphore, arguments, ...)                                                      \
	__asm__ volatile(                                                                          \
		"990: nop\n"                                                                       \
		".pushsection .note.stapsdt,\"\",\"note\"\n"                                       \
		".balign 4\n.4byte 992f-991f, 994f-993f, 3\n"                                      \
		"991: .asciz \"stapsdt\"\n992: .balign 4\n"                                        \
		"993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte " semaphore "\n"                  \
		".asciz \"test\"\n.asciz \"" name "\"\n.asciz \"" arguments "\"\n"                 \
		"994: .balign 4\n.popsection\n"                                                    \
		".ifndef _.stapsdt.base\n"                                                         \
		".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"            \
		".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"                                   \
		"_.stapsdt.base: .space 1\n.size _.stapsdt.base,1\n.popsection\n.endif" ::         \
			__VA_ARGS__)

volatile unsigned short traced_semaphore __attribute__((section(".probes"), used));
int traced_variable = 4242;

__attribute__((noinline)) static void probed_function(int number, const char *text)
{
	volatile int64_t in_memory = (int64_t)number << 33;
#if defined(__x86_64__)
	NOTE("arguments", "0", "-4@%0 8@%1 8@%2 -4@$-7 -1@%3", "r"(number), "r"(text),
	     "m"(in_memory), "q"((int8_t)-3));
#else
	NOTE("arguments", "0", "-4@%w0 8@%1 8@%2 -4@-7 -1@%w3", "r"(number), "r"(text),
	     "m"(in_memory), "r"((int8_t)-3));
#endif
	if (traced_semaphore)
		NOTE("guarded", "traced_semaphore", "8@%0", "r"((long)number));
	NOTE("repeated", "0", "8@%0", "r"((long)number));
	NOTE("repeated", "0", "8@%0", "r"((long)number * 10));
}

static char long_text[1024];

static void *call_with_long_text(void *times)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (long i = 0; i < (long)times; i++)
		traced_function((int)i, long_text);
	return NULL;
}

static int work(const char *what, long times)
{
	pthread_t threads[2];

	if (!strcmp(what, "getsid"))
		for (long i = 0; i < times; i++)
			syscall(SYS_getsid, 0);
	if (!strcmp(what, "function"))
		for (long i = 0; i < times; i++)
			traced_function((int)i, "hello");
	if (!strcmp(what, "probes"))
		for (long i = 0; i < times; i++)
			probed_function((int)i, "hello");
	if (!strcmp(what, "threads")) {
		memset(long_text, 'x', sizeof(long_text) - 1);
		for (int i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, call_with_long_text, (void *)times);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
	}
	return 0;
}

/* --- running the command --- */

static char complaints_file[] = "/tmp/sonde-run-test-XXXXXX";

/* Its standard output; NULL in `child`: no -c. Returns the exit code. */
static int trace(const char *script, const char *format, const char *child, struct buf *out)
{
	int pipes[2], status;
	char chunk[65536];
	ssize_t n;
	pid_t pid;

	buf_init(out, 64 << 20);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		const char *args[] = {
			command, "-q", "-f", format, "-e", script, child ? "-c" : NULL,
			child,   NULL};

		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		if (!freopen(complaints_file, "w", stderr))
			_exit(126);
		execv(command, (char **)args);
		_exit(127);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], chunk, sizeof(chunk))) > 0)
		buf_add(out, chunk, (size_t)n);
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool may_trace(void)
{
	struct buf out;
	int code = trace("begin { printf(\"yes\"); }", "text", NULL, &out);
	bool may = code == 0 && !strncmp(buf_text(&out), "yes", 3);

	buf_done(&out);
	return may;
}

static void child_command(char *text, size_t size, const char *what, long times)
{
	snprintf(text, size, "exec %s work %s %ld", self, what, times);
}

/* The number behind `name` in JSON: "@x": 42. */
static long number_of(const struct buf *out, const char *name)
{
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\"%s\": ", name);
	at = strstr(buf_text(out), wanted);
	if (!at)
		fail_msg("no %s in:\n%s", name, buf_text(out));
	return strtol(at + strlen(wanted), NULL, 10);
}

/* --- against bpftrace --- */

static void first_complaint(struct buf *ret_answer)
{
	FILE *file = fopen(complaints_file, "re");
	char line[4096];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "stdin:", 6) && strstr(line, "ERROR: ")) {
			buf_f(ret_answer, "error %s", line);
			break;
		}
	if (file)
		fclose(file);
}

/* Text is told from what stands around it by a bar in front of every line. */
static void add_lines(struct buf *to, const char *text)
{
	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		buf_f(to, "| %.*s\n", (int)(end - line), line);
	}
}

static void answer(const char *script, const char *format, struct buf *ret_answer)
{
	struct buf out;
	int code = trace(script, format, NULL, &out);

	buf_init(ret_answer, 64 << 20);
	if (!strcmp(format, "text"))
		add_lines(ret_answer, buf_text(&out));
	else
		buf_span(ret_answer, buf_as_span(&out));
	if (code)
		buf_f(ret_answer, "exit %d\n", code);
	if (code)
		first_complaint(ret_answer);
	buf_done(&out);
}

/* bpftrace's maps come in the order of the kernel's hash where values are alike or plain: the same
 * bytes in another order are the same answer. */
static bool same_but_for_order(const char *a, const char *b)
{
	long count[256] = {};

	for (; *a; a++)
		count[(unsigned char)*a]++;
	for (; *b; b++)
		count[(unsigned char)*b]--;
	for (int i = 0; i < 256; i++)
		if (count[i])
			return false;
	return true;
}

static void check_one(const char *script, const char *format, const char *wanted,
		      unsigned *failures)
{
	struct buf said;

	answer(script, format, &said);
	if (strcmp(buf_text(&said), wanted) && !same_but_for_order(buf_text(&said), wanted)) {
		print_error("> %s\nsaid:\n%swanted:\n%s\n", script, buf_text(&said), wanted);
		++*failures;
	}
	buf_done(&said);
}

/* GOLDEN_EVERY=5 takes every fifth script: they take a minute all together. */
static bool is_in_the_sample(unsigned number)
{
	const char *every = getenv("GOLDEN_EVERY");
	unsigned long step = every ? strtoul(every, NULL, 10) : 1;

	return step < 2 || number % step == 1;
}

static void scripts_say_what_bpftrace_says(void **state)
{
	static char line[65536], script[65536];
	const char *format = "json";
	unsigned cases = 0, failures = 0;
	FILE *file = fopen(golden, "re");
	struct buf wanted;

	assert_non_null(file);
	buf_init(&wanted, 1 << 20);
	while (fgets(line, sizeof(line), file)) {
		bool is_text = !strncmp(line, "t> ", 3);

		if (is_text || !strncmp(line, "> ", 2)) {
			if (*script && is_in_the_sample(cases))
				check_one(script, format, buf_text(&wanted), &failures);
			buf_clear(&wanted);
			line[strcspn(line, "\n")] = 0;
			snprintf(script, sizeof(script), "%s", line + 2 + is_text);
			format = is_text ? "text" : "json";
			cases++;
		} else if (*line == '{' || *line == '|' || !strncmp(line, "exit ", 5) ||
			   !strncmp(line, "error ", 6)) {
			buf_str(&wanted, line);
		}
	}
	check_one(script, format, buf_text(&wanted), &failures);
	fclose(file);
	buf_done(&wanted);
	print_message("%u scripts, %u differ\n", cases, failures);
	assert_true(cases > 300);
	assert_int_equal(failures, 0);
}

/* --- against the truth --- */

static void every_system_call_is_counted(void **state)
{
	char child[600];
	struct buf out;

	child_command(child, sizeof(child), "getsid", 12345);
	assert_int_equal(
		trace("tracepoint:syscalls:sys_enter_getsid /pid == cpid/ { @n = count(); @p++; "
		      "@s = sum(2); @h[comm] = hist(3); }",
		      "json", child, &out),
		0);
	assert_int_equal(number_of(&out, "@n"), 12345);
	assert_int_equal(number_of(&out, "@p"), 12345);
	assert_int_equal(number_of(&out, "@s"), 2 * 12345);
	assert_non_null(strstr(buf_text(&out), "\"count\": 12345}"));
	buf_done(&out);
}

/* strftime() takes the clock that nsecs is; a day may end between the two looks at it. */
static void days_are_those_of_the_clock(void **state)
{
	static const char script[] = "begin { printf(\"%s\", strftime(\"%F\", nsecs)); }";
	char before[16], after[16];
	struct tm broken_down;
	struct buf out;
	time_t now;

	now = time(NULL);
	strftime(before, sizeof(before), "%F", localtime_r(&now, &broken_down));
	assert_int_equal(trace(script, "text", NULL, &out), 0);
	now = time(NULL);
	strftime(after, sizeof(after), "%F", localtime_r(&now, &broken_down));
	assert_true(!strncmp(buf_text(&out), before, strlen(before)) ||
		    !strncmp(buf_text(&out), after, strlen(after)));
	buf_done(&out);
}

/* Of the debug information that the test itself is built with; without it there is nothing to read. */
static bool has_debug_information(void)
{
	char script[1024];
	struct buf out;
	int code;

	snprintf(script, sizeof(script), "uprobe:%s:traced_function { print(args.number); }", self);
	code = trace(script, "json", "true", &out);
	buf_done(&out);
	return code == 0;
}

static void parameters_are_known_by_name(void **state)
{
	char child[600], script[2048];
	struct buf out;

	if (!has_debug_information())
		skip();
	snprintf(script, sizeof(script),
		 "uprobe:%s:traced_function { @n = sum(args.number); @t[str(args.text)] = count(); "
		 "$all = args; @all = sum($all.number); }",
		 self);
	child_command(child, sizeof(child), "function", 100);
	assert_int_equal(trace(script, "json", child, &out), 0);
	assert_int_equal(number_of(&out, "@n"), 99 * 100 / 2);
	assert_int_equal(number_of(&out, "@all"), 99 * 100 / 2);
	assert_int_equal(number_of(&out, "hello"), 100);
	buf_done(&out);
}

/* The line that traced_function begins in is run as often as the function. */
static void a_line_of_a_source_file_is_a_place(void **state)
{
	char child[600], script[2048];
	struct buf out;

	if (!has_debug_information())
		skip();
	snprintf(script, sizeof(script),
		 "uprobe:%s@run_test.c:%d { @line = count(); } uprobe:%s:traced_function { @f = "
		 "count(); }",
		 self, traced_line, self);
	child_command(child, sizeof(child), "function", 50);
	assert_int_equal(trace(script, "json", child, &out), 0);
	assert_int_equal(number_of(&out, "@line"), 50);
	assert_int_equal(number_of(&out, "@f"), 50);
	buf_done(&out);
}

/* A process that is like ourselves, so that its variables lie where ours do. */
static pid_t start_writer(void)
{
	pid_t pid = fork();

	while (!pid) {
		traced_variable++;
		usleep(200);
	}
	return pid;
}

static void writing_to_a_variable_is_seen(void **state)
{
	char script[256], pid_text[32];
	const char *args[] = {command, "-q", "-f", "json", "-p", pid_text, "-e", script, NULL};
	pid_t writer = start_writer(), tracer;
	int status, pipes[2];
	char said[4096] = "";

	snprintf(pid_text, sizeof(pid_text), "%d", writer);
	snprintf(script, sizeof(script), "watchpoint:%p:4:w { @n++; if (@n == 20) { exit(); } }",
		 (void *)&traced_variable);
	assert_int_equal(pipe(pipes), 0);
	tracer = fork();
	if (!tracer) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		alarm(60);
		execv(command, (char **)args);
		_exit(127);
	}
	close(pipes[1]);
	waitpid(tracer, &status, 0);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	if (read(pipes[0], said, sizeof(said) - 1) < 0)
		said[0] = 0;
	close(pipes[0]);
	if (strstr(said, "has no watchpoints"))
		skip();
	if (!strstr(said, "\"@n\": 20"))
		fail_msg("%s", said);
}

static void every_call_of_a_function_is_seen_with_its_arguments(void **state)
{
	char child[600], script[2048];
	struct buf out;

	snprintf(script, sizeof(script),
		 "uprobe:%s:traced_function { @n = count(); @sum = sum(arg0); @t[str(arg1)] = "
		 "count(); } "
		 "uretprobe:%s:traced_function { @r = sum((int64)retval); @least = min(retval); }",
		 self, self);
	child_command(child, sizeof(child), "function", 1000);
	assert_int_equal(trace(script, "json", child, &out), 0);
	assert_int_equal(number_of(&out, "@n"), 1000);
	assert_int_equal(number_of(&out, "@sum"), 999 * 1000 / 2);
	assert_int_equal(number_of(&out, "hello"), 1000);
	assert_int_equal(number_of(&out, "@r"), 999 * 1000 + 1000 * 'h');
	assert_int_equal(number_of(&out, "@least"), 'h');
	buf_done(&out);
}

/* Programs of one CPU come in each other's way in the middle of a kilobyte: all is seen or counted. */
static void usdt_probes_find_their_arguments(void **state)
{
	char child[600], script[2048];
	struct buf out;

	snprintf(script, sizeof(script),
		 "usdt:%s:test:arguments { @n = count(); @a = sum(arg0); @t[str(arg1)] = count(); "
		 "@m = sum(arg2 >> 33); @c = sum(arg3); @b = sum(arg4); } "
		 "usdt:%s:guarded { @g = sum(arg0); } usdt:%s:repeated { @r = sum(arg0); } "
		 "uprobe:%s:traced_function { @v = max(*uaddr(\"traced_variable\")); }",
		 self, self, self, self);
	child_command(child, sizeof(child), "probes", 100);
	assert_int_equal(trace(script, "json", child, &out), 0);
	assert_int_equal(number_of(&out, "@n"), 100);
	assert_int_equal(number_of(&out, "@a"), 99 * 100 / 2);
	assert_int_equal(number_of(&out, "hello"), 100);
	assert_int_equal(number_of(&out, "@m"), 99 * 100 / 2);
	assert_int_equal(number_of(&out, "@c"), -700);
	assert_int_equal(number_of(&out, "@b"), -300);
	assert_int_equal(number_of(&out, "@g"), 99 * 100 / 2);
	assert_int_equal(number_of(&out, "@r"), 11 * 99 * 100 / 2);
	buf_done(&out);
	child_command(child, sizeof(child), "function", 3);
	assert_int_equal(trace(script, "json", child, &out), 0);
	assert_int_equal(number_of(&out, "@v"), 4242);
	buf_done(&out);
}

/* More of them than are attached one by one: each call is counted under its own name. */
static void many_system_calls_are_told_apart(void **state)
{
	char child[600];
	struct buf out;

	child_command(child, sizeof(child), "getsid", 777);
	assert_int_equal(
		trace("tracepoint:syscalls:sys_enter_*,tracepoint:syscalls:sys_exit_* /pid == "
		      "cpid/ { @[probe] = count(); }",
		      "json", child, &out),
		0);
	assert_int_equal(number_of(&out, "tracepoint:syscalls:sys_enter_getsid"), 777);
	assert_int_equal(number_of(&out, "tracepoint:syscalls:sys_exit_getsid"), 777);
	buf_done(&out);
}

static void strings_of_two_threads_on_one_cpu_do_not_mix(void **state)
{
	char child[600], script[2048];
	struct buf out;

	snprintf(script, sizeof(script),
		 "uprobe:%s:traced_function { $s = str(arg1); @n = count(); if ($s == str(arg1)) { "
		 "@same "
		 "= count(); } @len = max(strlen($s)); }",
		 self);
	child_command(child, sizeof(child), "threads", 20000);
	assert_int_equal(trace(script, "json", child, &out), 0);
	assert_int_equal(number_of(&out, "@n"), 40000);
	assert_int_equal(number_of(&out, "@same"), 40000);
	assert_int_equal(number_of(&out, "@len"), 1023);
	buf_done(&out);
}

static void what_is_printed_and_what_is_lost_is_all_there_was(void **state)
{
	char child[600];
	struct buf out;
	const char *at;
	long lines = 0, lost = 0;

	child_command(child, sizeof(child), "getsid", 100000);
	assert_int_equal(
		trace("config = { perf_rb_pages = 1 } tracepoint:syscalls:sys_enter_getsid "
		      "/pid == cpid/ { printf(\"x\\n\"); }",
		      "json", child, &out),
		0);
	for (at = buf_text(&out); (at = strstr(at, "\"printf\"")); at++)
		lines++;
	if (strstr(buf_text(&out), "lost_events"))
		lost = number_of(&out, "events");
	print_message("%ld printed, %ld lost\n", lines, lost);
	assert_int_equal(lines + lost, 100000);
	buf_done(&out);
}

static void the_exit_code_is_the_script_s(void **state)
{
	struct buf out;

	assert_int_equal(trace("begin { exit(7); }", "text", NULL, &out), 7);
	buf_done(&out);
	assert_int_equal(trace("begin { nosuch(); }", "text", NULL, &out), 1);
	buf_done(&out);
}

int main(int argc, char **argv)
{
	int code;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_say_what_bpftrace_says),
		cmocka_unit_test(every_system_call_is_counted),
		cmocka_unit_test(days_are_those_of_the_clock),
		cmocka_unit_test(every_call_of_a_function_is_seen_with_its_arguments),
		cmocka_unit_test(parameters_are_known_by_name),
		cmocka_unit_test(a_line_of_a_source_file_is_a_place),
		cmocka_unit_test(writing_to_a_variable_is_seen),
		cmocka_unit_test(usdt_probes_find_their_arguments),
		cmocka_unit_test(many_system_calls_are_told_apart),
		cmocka_unit_test(strings_of_two_threads_on_one_cpu_do_not_mix),
		cmocka_unit_test(what_is_printed_and_what_is_lost_is_all_there_was),
		cmocka_unit_test(the_exit_code_is_the_script_s),
	};

	if (argc == 4 && !strcmp(argv[1], "work"))
		return work(argv[2], strtol(argv[3], NULL, 10));
	if (argc != 3 || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	command = argv[1];
	golden = argv[2];
	if (mkstemp(complaints_file) < 0)
		return 2;
	if (may_trace()) {
		code = cmocka_run_group_tests(tests, NULL, NULL);
	} else {
		puts("not permitted to load BPF programs: skipped");
		code = 77;
	}
	unlink(complaints_file);
	return code;
}
