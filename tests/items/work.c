// SPDX-License-Identifier: GPL-2.0-only
/*
 * work - does work whose amount is known otherwise, and says it: the independent truth of the items' tests.
 *
 *	work burn SECONDS PROCESSES    processes that want CPUs; says how long they waited (schedstat)
 *	work storm PROCESSES THREADS   many that live shortly, half of them killed while they are queued
 *	work calls N                   system calls of four threads
 *	work use N                     short processes of four kinds; says what wait4() says of them
 *	work live THREADS SECONDS      a process that stays; says what getrusage() says of it
 *	work memory SECONDS            one with memory of every kind; says what its page tables hold
 *	work files SOCKETS SECONDS     one with open descriptors of every kind
 *	work direct FILE N BYTES       writes and reads past the page cache
 *	work starts N                  starts of programs in known ways, and ends
 *	work thread-exec N             programs started by threads that are not the first
 *
 * Truths are lines `NAME VALUE` on standard output (`starts`: see there). What stays goes to the background
 * after saying them and lives for SECONDS more.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char self[4096]; /* path of this program */

static int must(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return (int)result;
}

static void say(const char *name, long long value)
{
	printf("%s %lld\n", name, value);
	fflush(stdout);
}

static long long now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void spin(int rounds)
{
	for (volatile int i = 0; i < rounds; i++)
		;
}

static void new_thread(void *(*run)(void *), void *argument, pthread_t *ret)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	errno = pthread_create(ret, &attr, run, argument);
	must(errno ? -1 : 0, "thread");
	pthread_attr_destroy(&attr);
}

/* Runs `child` in a process that lives on; returns when it has said its lines (end_of_lines). */
static int lines[2];

static int stay(void (*child)(char **argv), char **argv)
{
	char end;

	must(pipe(lines), "pipe");
	if (!must(fork(), "fork")) {
		close(lines[0]);
		child(argv);
		exit(0);
	}
	close(lines[1]);
	return read(lines[0], &end, 1) == 1 ? 0 : 1;
}

static void end_of_lines(const char *seconds)
{
	must(write(lines[1], "x", 1), "pipe");
	sleep((unsigned)atoi(seconds));
}

/* ---- cpu ---- */

static void burn_until(long long end_ns, bool yields, int out)
{
	long long run, wait, times;
	long long truth[2];
	FILE *file;

	while (now_ns(CLOCK_MONOTONIC) < end_ns) {
		spin(100000);
		if (yields)
			usleep(1000);
	}
	file = fopen("/proc/self/schedstat", "r");
	if (!file || fscanf(file, "%lld %lld %lld", &run, &wait, &times) != 3)
		exit(1);
	truth[0] = wait;
	truth[1] = times;
	must(write(out, truth, sizeof(truth)), "pipe");
	_exit(0);
}

static int burn(char **argv)
{
	long long end_ns = now_ns(CLOCK_MONOTONIC) + atoll(argv[0]) * 1000000000, sum[2] = {},
		  one[2];
	int processes = atoi(argv[1]), results[2];

	must(pipe(results), "pipe");
	for (int i = 0; i < processes; i++)
		if (!must(fork(), "fork"))
			burn_until(end_ns, i & 1, results[1]);
	for (int i = 0; i < processes; i++) {
		if (read(results[0], one, sizeof(one)) != sizeof(one))
			return 1;
		sum[0] += one[0];
		sum[1] += one[1];
	}
	while (wait(NULL) > 0)
		;
	say("wait_ns", sum[0]);
	say("waits", sum[1]);
	return 0;
}

static void *short_spin(void *argument)
{
	spin(20000);
	return NULL;
}

static int storm(char **argv)
{
	enum { AT_ONCE = 64 };
	int processes = atoi(argv[0]), threads = atoi(argv[1]);
	pid_t child[AT_ONCE];

	for (int from = 0; from < processes; from += AT_ONCE) {
		for (int i = 0; i < AT_ONCE; i++) {
			pthread_t thread;

			child[i] = must(fork(), "fork");
			if (child[i])
				continue;
			for (int t = 0; t < threads; t++)
				new_thread(short_spin, NULL, &thread);
			while (i & 1)
				spin(1000000);
			_exit(0);
		}
		for (int i = 0; i < AT_ONCE; i++)
			kill(child[i], SIGKILL);
		for (int i = 0; i < AT_ONCE; i++)
			waitpid(child[i], NULL, 0);
	}
	return 0;
}

static long call_rounds;
static long long slept_ns;

static void *make_calls(void *argument)
{
	struct timespec rest = {.tv_nsec = 2000000};
	long long since;

	for (long i = 0; i < call_rounds; i++)
		syscall(SYS_getppid);
	for (long i = 0; i < call_rounds / 10; i++)
		syscall(SYS_openat, AT_FDCWD, "/nonexistent/file", O_RDONLY);
	for (long i = 0; i < call_rounds / 20; i++)
		syscall(SYS_close, 9999);
	since = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 20; i++)
		syscall(SYS_nanosleep, &rest, NULL);
	__atomic_add_fetch(&slept_ns, now_ns(CLOCK_MONOTONIC) - since, __ATOMIC_RELAXED);
	return NULL;
}

static int calls(char **argv)
{
	pthread_t thread[4];

	call_rounds = atol(argv[0]);
	for (int i = 0; i < 4; i++)
		new_thread(make_calls, NULL, &thread[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	say("getppid", 4 * call_rounds);
	say("openat_ENOENT", 4 * (call_rounds / 10));
	say("close_EBADF", 4 * (call_rounds / 20));
	say("nanosleep", 80);
	say("slept_ns", slept_ns);
	return 0;
}

/* ---- what rusage counts ---- */

static void use_cpu(int ms)
{
	long long end = now_ns(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000LL;

	while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		spin(20000);
}

static void use_memory(int times)
{
	enum { PAGES = 16 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < times; i++) {
		char *at = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int p = 0; p < PAGES; p++)
			at[(size_t)p * page] = 1;
		munmap(at, PAGES * page);
	}
}

static void *use_a_little(void *argument)
{
	use_cpu(2);
	use_memory(10);
	usleep(100);
	return NULL;
}

static void use_in_way(int way)
{
	pthread_t thread[6];

	if (way % 4 == 1)
		use_cpu(30);
	if (way % 4 == 2)
		use_memory(2000);
	if (way % 4 == 3) {
		for (int i = 0; i < 6; i++)
			new_thread(use_a_little, NULL, &thread[i]);
		for (int i = 0; i < 3; i++)
			pthread_join(thread[i], NULL);
		if (way % 8 == 7)
			pthread_exit(NULL); /* the leader goes first */
	}
	usleep(1);
	_exit(0);
}

static long long ns_of(struct timeval time)
{
	return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
}

static void say_usage(const struct rusage *usage)
{
	say("user_ns", ns_of(usage->ru_utime));
	say("system_ns", ns_of(usage->ru_stime));
	say("voluntary", usage->ru_nvcsw);
	say("involuntary", usage->ru_nivcsw);
	say("minor", usage->ru_minflt);
	say("major", usage->ru_majflt);
}

static void add_usage(struct rusage *sum, const struct rusage *one)
{
	timeradd(&sum->ru_utime, &one->ru_utime, &sum->ru_utime);
	timeradd(&sum->ru_stime, &one->ru_stime, &sum->ru_stime);
	sum->ru_nvcsw += one->ru_nvcsw;
	sum->ru_nivcsw += one->ru_nivcsw;
	sum->ru_minflt += one->ru_minflt;
	sum->ru_majflt += one->ru_majflt;
}

static int use(char **argv)
{
	struct rusage sum = {}, one;
	int processes = atoi(argv[0]);

	for (int i = 0; i < processes; i++) {
		pid_t child = must(fork(), "fork");

		if (!child)
			use_in_way(i);
		must(wait4(child, NULL, 0, &one), "wait4");
		add_usage(&sum, &one);
	}
	getrusage(RUSAGE_SELF, &one);
	add_usage(&sum, &one);
	say_usage(&sum);
	return 0;
}

static int up;

static void *use_a_little_and_stay(void *argument)
{
	use_a_little(NULL);
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static void live_child(char **argv)
{
	int threads = atoi(argv[0]);
	struct rusage usage;
	pthread_t thread;

	for (int i = 0; i < 20; i++) { /* threads that are dead when somebody looks */
		new_thread(use_a_little, NULL, &thread);
		pthread_join(thread, NULL);
	}
	for (int i = 1; i < threads; i++)
		new_thread(use_a_little_and_stay, NULL, &thread);
	while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < threads - 1)
		usleep(1000);
	usleep(50000);
	getrusage(RUSAGE_SELF, &usage);
	say("pid", getpid());
	say_usage(&usage);
	say("threads", threads);
	end_of_lines(argv[1]);
}

static int live(char **argv)
{
	return stay(live_child, argv);
}

/* ---- memory ---- */

static void *touch(void *argument)
{
	long id = (long)argument;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 3 << 20;
	cpu_set_t cpus;
	char *own, *shared;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)id % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(own, bytes, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < bytes - (size_t)id * 5 * page; at += page)
		own[at] = 1;
	shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t at = 0; at < bytes / 2; at += page)
		shared[at] = 1;
	munmap(own, 37 * page); /* what one CPU counted up, another may count down */
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	while (id & 1)
		pause();
	return NULL;
}

static long long field_of(const char *path, const char *name)
{
	static char text[16384];
	int fd = must(open(path, O_RDONLY), path);
	ssize_t len = read(fd, text, sizeof(text) - 1);
	char *at;

	close(fd);
	text[len > 0 ? len : 0] = 0;
	at = strstr(text, name);
	return at ? atoll(at + strlen(name)) : -1;
}

static void memory_child(char **argv)
{
	pthread_t thread;

	for (long i = 0; i < 8; i++)
		new_thread(touch, (void *)i, &thread);
	while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < 8)
		usleep(1000);
	field_of("/proc/self/smaps_rollup",
		 "Rss:"); /* so that the second look finds the pages of this code */
	usleep(300000);
	say("pid", getpid());
	say("resident_kib", field_of("/proc/self/smaps_rollup", "Rss:"));
	say("anon_kib", field_of("/proc/self/smaps_rollup", "Anonymous:"));
	say("virtual_kib", field_of("/proc/self/status", "VmSize:"));
	end_of_lines(argv[0]);
}

static int memory(char **argv)
{
	return stay(memory_child, argv);
}

/* ---- descriptors ---- */

static void files_child(char **argv)
{
	struct rlimit limit = {15000, 20000};
	int sockets = atoi(argv[0]), pair[2];
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 3; fd < 64; fd++)
		if (fd != lines[1])
			close(fd);
	for (int fd = 0; fd < 3; fd++) /* what was inherited may be anything */
		if (fd != 1)
			dup2(must(open("/dev/null", O_RDWR), "/dev/null"), fd);
	for (int fd = 3; fd < 64; fd++)
		if (fd != lines[1])
			close(fd);
	for (int i = 0; i < sockets; i++)
		must(socket(i & 1 ? AF_UNIX : AF_INET, SOCK_STREAM, 0), "socket");
	for (int i = 0; i < 200; i++)
		must(pipe(pair), "pipe");
	for (int i = 0; i < 3; i++)
		must(epoll_create1(0), "epoll");
	for (int i = 0; i < 4; i++)
		must(eventfd(0, 0), "eventfd");
	for (int i = 0; i < 2; i++)
		must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd");
	must(signalfd(-1, &signals, 0), "signalfd");
	must(inotify_init1(0), "inotify");
	for (int i = 0; i < 10; i++)
		must(open("/etc/passwd", O_RDONLY), "/etc/passwd");
	for (int i = 0; i < 3; i++)
		must(open("/", O_RDONLY), "/");
	say("pid", getpid());
	say("socket", sockets);
	say("epoll", 3);
	say("eventfd", 4);
	say("timerfd", 2);
	say("signalfd", 1);
	say("inotify", 1);
	say("file", 10);
	say("directory", 3);
	dup2(0, 1); /* standard output was somebody's; now all three are devices */
	end_of_lines(argv[1]);
}

static int files(char **argv)
{
	return stay(files_child, argv);
}

/* ---- disk ---- */

static int direct(char **argv)
{
	int file = must(open(argv[0], O_RDWR | O_DIRECT), argv[0]), count = atoi(argv[1]);
	size_t size = (size_t)atol(argv[2]);
	long long wrote = 0, got = 0;
	void *bytes;

	if (posix_memalign(&bytes, 4096, size))
		return 1;
	memset(bytes, 7, size);
	for (int i = 0; i < count; i++)
		wrote += must(pwrite(file, bytes, size, (off_t)i * (off_t)size), "write");
	for (int i = 0; i < count / 2; i++)
		got += must(pread(file, bytes, size, (off_t)i * (off_t)size), "read");
	say("pid", getpid());
	say("written", wrote);
	say("read", got);
	return 0;
}

/* ---- programs ---- */

/*
 * For each start: `start KIND PID PATH CWD`; for each end `end KIND PID CODE SIGNAL CORE`, as wait() says it.
 * The program that is started is this one, as `nothing`.
 */
static void say_end(const char *kind, pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	printf("end %s %d %d %d %d\n", kind, pid, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	       WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	       WIFSIGNALED(status) && WCOREDUMP(status));
}

static void start_one(const char *kind, const char *cwd, char **argv, const char *path)
{
	pid_t pid = must(fork(), "fork");

	if (!pid) {
		if (!chdir(cwd))
			execve(path, argv, environ);
		_exit(100);
	}
	printf("start %s %d %s %s\n", kind, pid, path, cwd);
	say_end(kind, pid);
}

static void *exec_from_thread(void *argument)
{
	execl(self, "from-thread", "nothing", (char *)NULL);
	_exit(1);
}

static void start_by_thread(void)
{
	pid_t pid = must(fork(), "fork");
	pthread_t thread;

	if (!pid) {
		new_thread(exec_from_thread, NULL, &thread);
		for (;;)
			pause();
	}
	printf("start thread %d %s /\n", pid, self);
	say_end("thread", pid);
}

static int go;

static void *exit_on_go(void *argument)
{
	while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST))
		;
	syscall(SYS_exit, 0);
	return NULL;
}

/* Four threads that end at the same moment: one end, with the right code. */
static void end_together(int i)
{
	pid_t pid = must(fork(), "fork");
	pthread_t thread;

	if (!pid) {
		for (int t = 0; t < 3; t++)
			new_thread(exit_on_go, NULL, &thread);
		__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
		if (i & 1)
			_exit(i & 255);
		syscall(SYS_exit, 42);
	}
	say_end("together", pid);
}

static void end_by_signal(int signal)
{
	pid_t pid = must(fork(), "fork");

	while (!pid)
		pause();
	kill(pid, signal);
	say_end("signal", pid);
}

static int starts(char **argv)
{
	static char big[3000], *many[60], *few[] = {"few", "nothing", "two words", "x", NULL},
					  *long_one[] = {"long", "nothing", big, "after", NULL};
	int count = atoi(argv[0]);

	memset(big, 'b', sizeof(big) - 1);
	many[0] = "many";
	many[1] = "nothing";
	for (int i = 2; i < 59; i++)
		many[i] = "arg";
	setvbuf(stdout, NULL, _IOLBF, 0);
	start_one("plain", "/", few, self);
	start_one("folder", "/usr/share", few, self);
	start_one("mount", "/proc/sys/kernel", few, self);
	start_one("long", "/", long_one, self);
	start_one("many", "/", many, self);
	start_one("missing", "/tmp", few, "/nonexistent/program");
	start_one("forbidden", "/tmp", few, "/etc/passwd");
	start_one("nofolder", "/", few, "/etc/passwd/x");
	start_by_thread();
	end_by_signal(SIGKILL);
	end_by_signal(SIGTERM);
	for (int i = 0; i < count / 10; i++)
		end_together(i);
	for (int i = 0; i < count; i++)
		start_one("short", "/", (char *[]){"short", "nothing", NULL}, self);
	return 0;
}

static int thread_exec(char **argv)
{
	for (int i = atoi(argv[0]); i > 0; i--)
		start_by_thread();
	return 0;
}

static int nothing(char **argv)
{
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
	int arguments;
} command[] = {
	{"burn", burn, 2},       {"storm", storm, 2},   {"calls", calls, 1},
	{"use", use, 1},

	{"live", live, 2},       {"memory", memory, 1}, {"files", files, 2},
	{"direct", direct, 3},   {"starts", starts, 1}, {"thread-exec", thread_exec, 1},
	{"nothing", nothing, 0},
};

int main(int argc, char **argv)
{
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = 0;
	for (size_t i = 0; argc > 1 && i < sizeof(command) / sizeof(*command); i++)
		if (!strcmp(argv[1], command[i].name) && argc - 2 >= command[i].arguments)
			return command[i].run(argv + 2);
	fprintf(stderr, "usage: see the head of work.c\n");
	return 2;
}
