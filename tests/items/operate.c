// SPDX-License-Identifier: GPL-2.0-only
/*
 * operate - does one thing exactly N times inside a control group: the truth of the catalogue's test.
 *
 *	operate FOLDER OPERATION N
 *
 * What the operation needs is made before the process enters the group (FOLDER, a cgroup's), and taken apart
 * after it has left; so what an item says of the group is what was done there and nothing else. An
 * operation that can't know its number before says it on standard output; "nothing" enters, waits until standard input ends, and leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *group;
static long count;

static long must(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static void move_to(const char *folder)
{
	char path[4096], self[24];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	snprintf(self, sizeof(self), "%d", getpid());
	fd = (int)must(open(path, O_WRONLY | O_CLOEXEC), path);
	must(write(fd, self, strlen(self)), path);
	close(fd);
}

static void enter(void)
{
	move_to(group);
}

static void leave(void)
{
	char parent[4096];

	snprintf(parent, sizeof(parent), "%s/..", group);
	move_to(parent);
}

/* On a disk's file system: $OPERATE_IN, else /tmp. */
static const char *folder(void)
{
	return getenv("OPERATE_IN") ? getenv("OPERATE_IN") : "/tmp";
}

static char big[1 << 20];

static int open_file(long bytes, int flags)
{
	char file[4096];
	int fd;

	snprintf(file, sizeof(file), "%s/sonde-operate-XXXXXX", folder());
	fd = (int)must(mkostemp(file, flags), file);
	unlink(file);
	while (bytes > 0)
		bytes -=
			must(write(fd, big,
				   (size_t)(bytes < (long)sizeof(big) ? bytes : (long)sizeof(big))),
			     "write");
	return fd;
}

/* ---- processes and locks ---- */

static void nothing(void)
{
	char byte;

	enter();
	while (read(0, &byte, 1) > 0)
		;
	leave();
}

static void sleeps(void)
{
	struct timespec shortly = {.tv_nsec = 2000000};

	enter();
	for (long i = 0; i < count; i++)
		nanosleep(&shortly, NULL);
	leave();
}

static void futex_timeouts(void)
{
	struct timespec shortly = {.tv_nsec = 1000000};
	uint32_t word = 0;

	enter();
	for (long i = 0; i < count; i++)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &shortly, NULL, 0);
	leave();
}

static void moves(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(sched_setaffinity(0, sizeof(one), &one), "affinity");
	enter();
	for (long i = 1; i <= count; i++) {
		CPU_ZERO(&one);
		CPU_SET(i & 1, &one);
		must(sched_setaffinity(0, sizeof(one), &one), "affinity");
	}
	leave();
}

static long put_off(void)
{
	struct rusage usage;

	must(getrusage(RUSAGE_SELF, &usage), "getrusage");
	return usage.ru_nivcsw;
}

/*
 * For N milliseconds one of two that want the same CPU, the other of which is elsewhere. Says how often it was put off, as
 * the kernel counts it.
 */
static void crowd(void)
{
	struct timespec now, begin;
	cpu_set_t one;
	long before;
	int other;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(sched_setaffinity(0, sizeof(one), &one), "affinity");
	other = fork();
	if (!other)
		for (;;)
			;
	enter();
	before = put_off();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
	       count);
	printf("%ld\n", put_off() - before);
	leave();
	kill(other, SIGKILL);
	wait(NULL);
}

static void signals(void)
{
	signal(SIGUSR1, SIG_IGN); /* (one with a handler would enter the kernel to return) */
	enter();
	for (long i = 0; i < count; i++)
		kill(getpid(), SIGUSR1);
	leave();
}

static void crashes(void)
{
	struct rlimit none = {};

	setrlimit(RLIMIT_CORE, &none);
	for (long i = 0; i < count; i++) {
		if (must(fork(), "fork") == 0) {
			enter();
			*(volatile int *)16 = 1;
			_exit(0);
		}
		wait(NULL);
	}
}

/* A name that only its holder of CAP_SYS_ADMIN may set: one check a call. */
static void capabilities(void)
{
	enter();
	for (long i = 0; i < count; i++)
		sethostname(group, 1 << 20); /* checked, then refused: too long */
	leave();
}

/* ---- memory ---- */

static void page_faults(void)
{
	char *pages = mmap(NULL, (size_t)count * 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(pages, (size_t)count * 4096, MADV_NOHUGEPAGE);
	enter();
	for (long i = 0; i < count; i++)
		((volatile char *)pages)[i * 4096] = 1;
	leave();
}

static void cached_reads(void)
{
	int fd = open_file(16 * 4096, 0);
	char page[4096];

	enter();
	for (long i = 0; i < count; i++)
		must(pread(fd, page, sizeof(page), i % 16 * 4096), "pread");
	leave();
}

static void new_pages(void)
{
	int fd = open_file(0, 0);
	char page[4096] = {};

	enter();
	for (long i = 0; i < count; i++)
		must(write(fd, page, sizeof(page)), "write");
	leave();
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void compact(void)
{
	enter();
	for (long i = 0; i < count; i++)
		write_to("/proc/sys/vm/compact_memory", "1");
	leave();
}

static void shrink(void)
{
	enter();
	for (long i = 0; i < count; i++)
		write_to("/proc/sys/vm/drop_caches", "2");
	leave();
}

static void shm(void)
{
	enter();
	for (long i = 0; i < count; i++)
		shmdt((void *)1);
	leave();
}

/* A number of /proc/vmstat; 0 = there is none. */
static long vmstat(const char *name)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char line[128], field[64];
	long number = 0, found = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", field, &number) == 2 && !strcmp(field, name))
			found = number;
	if (file)
		fclose(file);
	return found;
}

/* Says how many pages the kernel moved. */
static void migrate(void)
{
	long before = vmstat("pgmigrate_success");

	compact();
	printf("%ld\n", vmstat("pgmigrate_success") - before);
}

/* A file that holds swap space (Documentation: mkswap(8)); its name in `file`. False: nothing can be swapped here. */
static bool swap_on(char file[4096], long pages)
{
	static char head[4096];
	uint32_t *fields = (uint32_t *)(head + 1024);
	int fd;

	snprintf(file, 4096, "%s/sonde-swap-XXXXXX", folder());
	fd = (int)must(mkostemp(file, 0), file);
	fields[0] = 1; /* version */
	fields[1] = (uint32_t)pages - 1; /* last page */
	memcpy(head + 4096 - 10, "SWAPSPACE2", 10);
	for (long i = 0; i < pages; i++)
		must(write(fd, i ? big : head, 4096), "write");
	fsync(fd);
	close(fd);
	return syscall(SYS_swapon, file, 0) == 0;
}

static void touch(volatile char *pages)
{
	for (long i = 0; i < count; i++)
		pages[i * 4096] += 1;
}

/* Pages are pushed out, and N of them wanted again in the group. Says how many came back, as the kernel counts them. */
static void swap(void)
{
	size_t bytes = (size_t)count * 4096;
	char file[4096], *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool is_on = swap_on(file, count * 4 + 64);
	long before;

	madvise(pages, bytes, MADV_NOHUGEPAGE);
	touch(pages);
	/* written out, they are still at hand; mapped once more and unchanged, they are let go at once */
	for (int i = 0; is_on && i < 3; i++) {
		madvise(pages, bytes, 21 /* MADV_PAGEOUT */);
		sync();
		for (long page = 0; i < 2 && page < count; page++)
			(void)((volatile char *)pages)[page * 4096];
	}
	before = vmstat("pswpin");
	enter();
	touch(pages);
	leave();
	printf("%ld\n", vmstat("pswpin") - before);
	syscall(SYS_swapoff, file);
	unlink(file);
}

static void epoll_items(void)
{
	int epoll = (int)must(epoll_create1(0), "epoll"), pipes[2];
	struct epoll_event event = {.events = EPOLLIN};

	must(pipe(pipes), "pipe");
	enter();
	for (long i = 0; i < count; i++) {
		epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
		epoll_ctl(epoll, EPOLL_CTL_DEL, pipes[0], NULL);
	}
	leave();
}

/* ---- files ---- */

static void failed_opens(void)
{
	enter();
	for (long i = 0; i < count; i++)
		open("/no/such/file", O_RDONLY);
	leave();
}

static void preads(void)
{
	cached_reads();
}

static void fsyncs(void)
{
	int fd = open_file(4096, 0);

	enter();
	for (long i = 0; i < count; i++)
		fsync(fd);
	leave();
}

static void mounts(void)
{
	enter();
	for (long i = 0; i < count; i++)
		mount("none", "/no/such/folder", "tmpfs", 0, "");
	leave();
}

/* Past the page cache, each other block of 4 KiB. Says how many bytes. */
static void direct_writes(void)
{
	int fd = open_file(0, O_DIRECT);
	void *page;

	if (posix_memalign(&page, 4096, 4096))
		exit(1);
	memset(page, 7, 4096);
	enter();
	for (long i = 0; i < count; i++)
		must(pwrite(fd, page, 4096, i * 8192), "pwrite");
	leave();
	fsync(fd);
	printf("%ld\n", count * 4096);
}

static void short_files(void)
{
	char name[4096];
	int fd;

	enter();
	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/sonde-operate.%d.%ld", folder(), getpid(), i);
		fd = (int)must(open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600), name);
		close(fd);
		unlink(name);
	}
	leave();
}

static void modules(void)
{
	enter();
	for (long i = 0; i < count; i++)
		syscall(SYS_delete_module, "no_such_module", O_NONBLOCK);
	leave();
}

/* ---- sockets ---- */

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int listener(struct sockaddr_in *ret_address)
{
	int fd = (int)must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	socklen_t size = sizeof(*ret_address);

	*ret_address = loopback(0);
	must(bind(fd, (void *)ret_address, size), "bind");
	must(listen(fd, 512), "listen");
	must(getsockname(fd, (void *)ret_address, &size), "getsockname");
	return fd;
}

static void binds(void)
{
	struct sockaddr_in address = loopback(0);
	int *fd = calloc((size_t)count, sizeof(*fd));

	for (long i = 0; i < count; i++)
		fd[i] = (int)must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	enter();
	for (long i = 0; i < count; i++)
		must(bind(fd[i], (void *)&address, sizeof(address)), "bind");
	leave();
}

static void connects(void)
{
	struct sockaddr_in address;
	int server = listener(&address), *fd = calloc((size_t)count, sizeof(*fd));

	for (long i = 0; i < count; i++)
		fd[i] = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	enter();
	for (long i = 0; i < count; i++)
		must(connect(fd[i], (void *)&address, sizeof(address)), "connect");
	leave();
	close(server);
}

static void refused(void)
{
	struct sockaddr_in address;
	int server = listener(&address);

	close(server);
	enter();
	for (long i = 0; i < count; i++) {
		int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");

		connect(fd, (void *)&address, sizeof(address));
		close(fd);
	}
	leave();
}

/* The connection is made inside, so that it belongs to the group; N bytes are sent, and as many come back. */
static void sent_bytes(void)
{
	struct sockaddr_in address;
	int server = listener(&address), fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket"),
	    peer;
	char byte;

	enter();
	must(connect(fd, (void *)&address, sizeof(address)), "connect");
	leave();
	peer = (int)must(accept(server, NULL, NULL), "accept");
	enter();
	for (long i = 0; i < count; i++)
		must(send(fd, "x", 1, 0), "send");
	leave();
	for (long i = 0; i < count; i++)
		must(recv(peer, &byte, 1, 0), "recv");
}

/* N connections come to who listens in the group, and nobody accepts them. */
static void queue(void)
{
	struct sockaddr_in address;
	int server, *fd = calloc((size_t)count, sizeof(*fd));

	enter();
	server = listener(&address);
	leave();
	for (long i = 0; i < count; i++) {
		fd[i] = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		must(connect(fd[i], (void *)&address, sizeof(address)), "connect");
	}
	close(server);
}

/* The same; says how long the queues were together: 0 + 1 + ... */
static void queue_lengths(void)
{
	queue();
	printf("%ld\n", count * (count - 1) / 2);
}

/* One that is sent to and does not read, until it can take no more: N times. */
static void zero_windows(void)
{
	struct sockaddr_in address;
	int server = listener(&address), bytes = 4096;
	struct linger at_once = {1, 0};

	setsockopt(server, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	enter();
	for (long i = 0; i < count; i++) {
		int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket"), peer;
		struct pollfd room = {.fd = fd, .events = POLLOUT};

		must(connect(fd, (void *)&address, sizeof(address)), "connect");
		peer = (int)must(accept(server, NULL, NULL), "accept");
		while (poll(&room, 1, 100) == 1)
			if (send(fd, big, sizeof(big), MSG_DONTWAIT) < 0)
				break;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		close(peer);
	}
	leave();
}

/* Another program N times in the group; `words` ends with NULL. What it says is not wanted. */
static void run_in_group(const char *const *words, const char *input)
{
	int to[2], nowhere = open("/dev/null", O_RDWR);

	must(pipe(to), "pipe");
	if (must(fork(), "fork") == 0) {
		enter();
		dup2(to[0], 0);
		dup2(nowhere, 1);
		dup2(nowhere, 2);
		close(to[1]);
		execvp(words[0], (char **)words);
		_exit(127);
	}
	close(to[0]);
	while (*input)
		input += must(write(to[1], input, strlen(input)), "write");
	close(to[1]);
	close(nowhere);
}

static bool is_there(const char *path)
{
	return access(path, X_OK) == 0;
}

/* (This program is linked statically: its own C library is not the one that programs share.) Says how many names. */
static void resolve(void)
{
	static const char *const words[] = {"getent", "ahosts", "127.0.0.1", NULL};
	bool can = is_there("/usr/bin/getent");

	for (long i = 0; can && i < count; i++) {
		run_in_group(words, "");
		wait(NULL);
	}
	printf("%ld\n", can ? count : 0);
}

/* Lines typed into bash. Says how many. */
static void type_lines(void)
{
	static const char *const words[] = {"bash", "--norc", "--noprofile", "-i", NULL};
	bool can = is_there("/bin/bash");
	char lines[8192] = "";

	for (long i = 0; i < count && i < 1000; i++)
		snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), ": %ld\n", i);
	signal(SIGPIPE, SIG_IGN);
	if (can) {
		run_in_group(words, lines);
		wait(NULL);
	}
	printf("%ld\n", can ? count : 0);
}

/* One byte there, one byte back, N times, both ends in the group. */
static void ping_pong(void)
{
	struct sockaddr_in address;
	int server = listener(&address), fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket"),
	    peer;
	char byte;

	enter();
	must(connect(fd, (void *)&address, sizeof(address)), "connect");
	peer = (int)must(accept(server, NULL, NULL), "accept");
	for (long i = 0; i < count; i++) {
		must(send(fd, "x", 1, 0), "send");
		must(recv(peer, &byte, 1, 0), "recv");
		must(send(peer, "x", 1, 0), "send");
		must(recv(fd, &byte, 1, 0), "recv");
	}
	leave();
}

static long retransmitted(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), "TCP_INFO");
	return info.tcpi_total_retrans;
}

/* N connections whose other end throws away what comes (a filter that lets nothing through) until it was sent twice. Says
 * how many segments the kernel counted. */
static void lost(void)
{
	struct sock_filter none = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog filter = {.len = 1, .filter = &none};
	int *fd = calloc((size_t)count, sizeof(*fd)), *peer = calloc((size_t)count, sizeof(*peer));
	struct sockaddr_in address;
	int server = listener(&address);
	long sum = 0;
	char byte;

	enter();
	for (long i = 0; i < count; i++) {
		fd[i] = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		must(connect(fd[i], (void *)&address, sizeof(address)), "connect");
		peer[i] = (int)must(accept(server, NULL, NULL), "accept");
		must(setsockopt(peer[i], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)),
		     "filter");
		must(send(fd[i], "x", 1, 0), "send");
	}
	for (long i = 0; i < count; i++) {
		while (!retransmitted(fd[i]))
			usleep(1000);
		must(setsockopt(peer[i], SOL_SOCKET, SO_DETACH_FILTER, &filter, sizeof(filter)),
		     "filter");
	}
	for (long i = 0; i < count; i++) {
		must(recv(peer[i], &byte, 1, 0), "recv");
		sum += retransmitted(fd[i]);
	}
	leave();
	printf("%ld\n", sum);
}

/* Datagrams to a port where nobody listens, from a socket that is bound there: the kernel drops each. */
static void unheard(void)
{
	struct sockaddr_in address = loopback(9);
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

	enter();
	for (long i = 0; i < count; i++)
		sendto(fd, "x", 1, 0, (void *)&address, sizeof(address));
	leave();
}

static const struct {
	const char *name;
	void (*run)(void);
} operations[] = {
	{"nothing", nothing},
	{"sleep", sleeps},
	{"futex", futex_timeouts},
	{"move", moves},
	{"crowd", crowd},
	{"signal", signals},
	{"crash", crashes},
	{"capability", capabilities},
	{"page_fault", page_faults},
	{"cached_read", cached_reads},
	{"new_page", new_pages},
	{"compact", compact},
	{"migrate", migrate},
	{"swap", swap},
	{"shrink", shrink},
	{"shm", shm},
	{"epoll", epoll_items},
	{"failed_open", failed_opens},
	{"pread", preads},
	{"fsync", fsyncs},
	{"mount", mounts},
	{"direct_write", direct_writes},
	{"short_file", short_files},
	{"module", modules},
	{"bind", binds},
	{"connect", connects},
	{"refused", refused},
	{"send", sent_bytes},
	{"queue", queue},
	{"queue_lengths", queue_lengths},
	{"zero_windows", zero_windows},
	{"resolve", resolve},
	{"type", type_lines},
	{"unheard", unheard},
	{"ping_pong", ping_pong},
	{"lost", lost},
};

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	group = argv[1];
	count = atol(argv[3]);
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(argv[2], operations[i].name)) {
			operations[i].run();
			return 0;
		}
	fprintf(stderr, "operate: no operation '%s'\n", argv[2]);
	return 2;
}
