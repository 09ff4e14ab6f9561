/* phases - a client, a server that lets requests lie and takes its time, and a network between them that delays. Each writes down when
 * it really did what (CLOCK_MONOTONIC, ns), by the request's id.
 *
 * phases delay NETNS NETNS US LOG		forwards packets between the devices `sonde0` of two network namespaces,
 *						each after that time; logs: id, "request"|"response", when it was handed on
 * phases serve NETNS ADDR PORT QUEUE_US PROCESS_US LOG	logs: id, read, written
 * phases ask NETNS ADDR PORT RATE COUNT CONNECTIONS DEPTH PREFIX LOG	logs: id, written, read
 */
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PACKETS = 4096, PACKET_BYTES = 65536, BATCH = 64 };

static FILE *report;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec at = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
		;
}

static void enter(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/var/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

/* ---- the network ---- */

struct packet {
	uint64_t due;
	size_t len;
	char *bytes;
};

struct line { /* one direction */
	int from, to;
	uint64_t delay;
	const char *name;
	struct packet packet[PACKETS];
	unsigned first, end;
	pthread_mutex_t lock;
	pthread_cond_t more;
};

static int open_tun(const char *netns)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd;

	enter(netns);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	strcpy(request.ifr_name, "sonde0");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		die("tun");
	return fd;
}

static void log_ids(const struct packet *packet, const char *name, uint64_t at)
{
	const char *from = packet->bytes, *end = packet->bytes + packet->len;

	while ((from = memmem(from, (size_t)(end - from), "X-Request-Id: ", 14))) {
		from += 14;
		fprintf(report, "%.*s %s %lu\n", (int)strcspn(from, "\r"), from, name, at);
	}
}

static void *hand_on(void *at)
{
	struct line *line = at;

	for (;;) {
		struct packet *packet;
		uint64_t when;

		pthread_mutex_lock(&line->lock);
		while (line->first == line->end)
			pthread_cond_wait(&line->more, &line->lock);
		packet = &line->packet[line->first % PACKETS];
		pthread_mutex_unlock(&line->lock);
		sleep_until(packet->due);
		when = now();
		if (write(line->to, packet->bytes, packet->len) < 0 && errno != EIO)
			die("write to tun"); /* EIO: the other end is not up yet */
		log_ids(packet, line->name, when);
		free(packet->bytes);
		pthread_mutex_lock(&line->lock);
		line->first++;
		pthread_mutex_unlock(&line->lock);
	}
}

static void *take_in(void *at)
{
	static _Thread_local char bytes[PACKET_BYTES + 1];
	struct line *line = at;

	for (;;) {
		ssize_t got = read(line->from, bytes, PACKET_BYTES);
		struct packet packet = {.due = now() + line->delay, .len = (size_t)got};

		if (got <= 0)
			die("read from tun");
		packet.bytes = malloc((size_t)got + 1);
		memcpy(packet.bytes, bytes, (size_t)got);
		packet.bytes[got] = 0;
		pthread_mutex_lock(&line->lock);
		if (line->end - line->first < PACKETS)
			line->packet[line->end++ % PACKETS] = packet;
		pthread_cond_signal(&line->more);
		pthread_mutex_unlock(&line->lock);
	}
}

static int delay(char **argv)
{
	static struct line line[2];
	int a = open_tun(argv[0]), b = open_tun(argv[1]);
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		line[i] = (struct line){.from = i ? b : a, .to = i ? a : b, .delay = strtoul(argv[2], NULL, 10) * 1000,
					.name = i ? "response" : "request"};
		pthread_mutex_init(&line[i].lock, NULL);
		pthread_cond_init(&line[i].more, NULL);
		pthread_create(&thread, NULL, take_in, &line[i]);
		pthread_create(&thread, NULL, hand_on, &line[i]);
	}
	for (;;) {
		sleep(1);
		fflush(report);
	}
}

/* ---- the server ---- */

static uint64_t queue_ns, process_ns;

static void answer(int sock, const char *head, uint64_t read_ns)
{
	const char *id = strstr(head, "X-Request-Id: ");
	char text[512];
	int len;
	uint64_t written;

	if (!id)
		return;
	id += 14;
	sleep_until(now() + process_ns);
	len = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nX-Request-Id: %.*s\r\nContent-Length: 3\r\n\r\nyes", (int)strcspn(id, "\r"), id);
	written = now();
	if (write(sock, text, (size_t)len) != len)
		die("answer");
	fprintf(report, "%.*s %lu %lu\n", (int)strcspn(id, "\r"), id, read_ns, written);
}

static void *serve_one(void *at)
{
	int sock = (int)(long)at;
	char bytes[65536];

	for (;;) {
		struct pollfd wait = {sock, POLLIN, 0};
		ssize_t got;
		uint64_t read_ns;
		char *head = bytes, *end;

		poll(&wait, 1, -1);
		sleep_until(now() + queue_ns);
		read_ns = now();
		got = read(sock, bytes, sizeof(bytes) - 1);
		if (got <= 0)
			break;
		bytes[got] = 0;
		for (; (end = strstr(head, "\r\n\r\n")); head = end + 4)
			answer(sock, head, read_ns);
	}
	close(sock);
	return NULL;
}

static int serve(char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
	int listener, on = 1, sock;
	pthread_t thread;

	enter(argv[0]);
	inet_pton(AF_INET, argv[1], &at.sin_addr);
	queue_ns = strtoul(argv[3], NULL, 10) * 1000;
	process_ns = strtoul(argv[4], NULL, 10) * 1000;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (void *)&at, sizeof(at)) || listen(listener, 128))
		die("listen");
	while ((sock = accept(listener, NULL, NULL)) >= 0) {
		pthread_create(&thread, NULL, serve_one, (void *)(long)sock);
		fflush(report);
	}
	return 0;
}

/* ---- the client ---- */

struct asker {
	struct sockaddr_in to;
	double rate; /* batches a second of this connection */
	long count, depth, first;
	const char *prefix;
};

static void *ask(void *at)
{
	struct asker *asker = at;
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t start;

	if (connect(sock, (void *)&asker->to, sizeof(asker->to)))
		die("connect");
	start = now() + (uint64_t)(asker->first * 1000000);
	for (long i = 0; i < asker->count; i += asker->depth) {
		char text[BATCH * 128], bytes[BATCH * 256];
		size_t len = 0, have = 0;
		uint64_t written;

		for (long n = 0; n < asker->depth; n++)
			len += (size_t)sprintf(text + len, "GET /phase HTTP/1.1\r\nHost: phase\r\nX-Request-Id: %s-%ld\r\n\r\n", asker->prefix,
					       asker->first * 1000000 + i + n);
		sleep_until(start + (uint64_t)((double)(i / asker->depth) / asker->rate * 1e9));
		if (write(sock, text, len) != (ssize_t)len)
			die("write");
		written = now();
		for (long n = 0; n < asker->depth;) {
			ssize_t got = read(sock, bytes + have, sizeof(bytes) - 1 - have);
			uint64_t read_ns = now();
			char *head = bytes, *end;

			if (got <= 0)
				die("read");
			have += (size_t)got;
			bytes[have] = 0;
			for (; (end = strstr(head, "\r\n\r\nyes")); head = end + 7, n++)
				fprintf(report, "%s-%ld %lu %lu\n", asker->prefix, asker->first * 1000000 + i + n, written, read_ns);
			have -= (size_t)(head - bytes);
			memmove(bytes, head, have + 1);
		}
	}
	close(sock);
	return NULL;
}

static int ask_all(char **argv)
{
	static struct asker asker[256];
	pthread_t thread[256];
	long connections = atol(argv[5]);

	enter(argv[0]);
	for (long i = 0; i < connections; i++) {
		asker[i] = (struct asker){.to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))},
					  .depth = atol(argv[6]), .first = i, .prefix = argv[7]};
		asker[i].rate = atof(argv[3]) / (double)connections / (double)asker[i].depth;
		asker[i].count = atol(argv[4]) / connections;
		inet_pton(AF_INET, argv[1], &asker[i].to.sin_addr);
		pthread_create(&thread[i], NULL, ask, &asker[i]);
	}
	for (long i = 0; i < connections; i++)
		pthread_join(thread[i], NULL);
	fflush(report);
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_TIMERSLACK, 1);
	report = fopen(argv[argc - 1], "w");
	if (!report)
		die(argv[argc - 1]);
	setvbuf(report, NULL, _IOLBF, 0);
	if (!strcmp(argv[1], "delay"))
		return delay(argv + 2);
	if (!strcmp(argv[1], "serve"))
		return serve(argv + 2);
	return ask_all(argv + 2);
}
