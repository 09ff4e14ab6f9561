// SPDX-License-Identifier: GPL-2.0-only
/*
 * load - asks an HTTP server and checks each byte of each answer.
 *
 *	load [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-r RATE] [-k] [-s BYTES] [-p BYTES] [-f FILE] [-H BYTES] ADDRESS
 *
 * Closed loop: each connection asks when it was answered. -r: open loop, so many requests a second altogether, whatever
 * the answers do; latency counts from when a request was due. -k: a connection for each request. -s: size of the body
 * that is asked for (server.c); -f: a file's bytes instead, as /NAME. -p: a body of so many bytes is sent, and the same
 * wanted back (-f: the file's). -H: the request has a header of so many bytes. One line is printed:
 *
 *	requests N wrong N broken N rate R p50 US p99 US cpu_us US
 *
 * Ends with 1 where an answer was wrong or a connection broke.
 */
#include "rig.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { EVENTS = 256, CLIENTS = 20000, SAMPLES = 1 << 22, REQUEST = 128 * 1024 };

struct asker {
	int sock;
	bool waiting; /* for an answer */
	uint32_t number;
	uint64_t due_ns;
	char head[RIG_HEAD];
	size_t head_got, body_length, body_got;
	bool in_body, closes;
	size_t request_bytes, request_sent, post_sent;
};

static int connections = 16;
static double seconds = 2, rate;
static bool closes;
static size_t size = 1024, post, header;
static unsigned long long requests_wanted;
static const char *address, *file_name;
static uint8_t *file;
static size_t file_bytes;
static int epoll;
static struct asker *askers;
static uint32_t *samples_us;
static unsigned long long requests, wrong, broken, asked;
static uint64_t begin_ns, end_ns;

static const uint8_t *answer_of(const struct asker *asker, size_t *ret_bytes)
{
	*ret_bytes = file ? file_bytes : post ? post : size;
	return file ? file : body_of(asker->number);
}

static size_t request_of(const struct asker *asker, char *out)
{
	size_t bytes;

	bytes = (size_t)snprintf(out, REQUEST, "%s /", post ? "POST" : "GET");
	if (file)
		bytes += (size_t)snprintf(out + bytes, REQUEST - bytes, "%s", file_name);
	else
		bytes += (size_t)snprintf(out + bytes, REQUEST - bytes, "%zu/%u", size, asker->number % RIG_OFFSETS);
	bytes += (size_t)snprintf(out + bytes, REQUEST - bytes, " HTTP/1.1\r\nHost: rig\r\n%s", closes ? "Connection: close\r\n" : "");
	if (post)
		bytes += (size_t)snprintf(out + bytes, REQUEST - bytes, "Content-Length: %zu\r\n", post);
	if (header && header < REQUEST / 2) {
		bytes += (size_t)snprintf(out + bytes, REQUEST - bytes, "X-Much: ");
		memset(out + bytes, 'x', header);
		bytes += header;
		bytes += (size_t)snprintf(out + bytes, REQUEST - bytes, "\r\n");
	}
	return bytes + (size_t)snprintf(out + bytes, REQUEST - bytes, "\r\n");
}

static void watch(struct asker *asker, uint32_t events, int how)
{
	struct epoll_event event = {.events = events, .data.ptr = asker};

	epoll_ctl(epoll, how, asker->sock, &event);
}

/* False: the connection broke. */
static bool send_request(struct asker *asker)
{
	static char text[REQUEST];
	size_t bytes = request_of(asker, text);
	ssize_t done;

	while (asker->request_sent < bytes) {
		done = send(asker->sock, text + asker->request_sent, bytes - asker->request_sent, MSG_NOSIGNAL | (post ? MSG_MORE : 0));
		if (done < 0)
			goto wait;
		asker->request_sent += (size_t)done;
	}
	while (asker->post_sent < post) {
		done = send(asker->sock, body_of(asker->number) + asker->post_sent, post - asker->post_sent, MSG_NOSIGNAL);
		if (done < 0)
			goto wait;
		asker->post_sent += (size_t)done;
	}
	return true;
wait:
	if (errno != EAGAIN && errno != EINPROGRESS && errno != ENOTCONN)
		return false;
	watch(asker, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
	return true;
}

static void connect_again(struct asker *asker)
{
	if (asker->sock >= 0)
		close(asker->sock);
	asker->sock = connect_to(address);
	if (asker->sock < 0)
		give_up(address);
	watch(asker, EPOLLIN, EPOLL_CTL_ADD);
}

static void ask(struct asker *asker, uint64_t due_ns)
{
	if (requests_wanted && asked >= requests_wanted)
		return;
	if (asker->sock < 0 || closes)
		connect_again(asker);
	asked++;
	asker->waiting = true;
	asker->number++;
	asker->due_ns = due_ns;
	asker->head_got = asker->body_got = asker->request_sent = asker->post_sent = 0;
	asker->in_body = false;
	if (!send_request(asker)) {
		broken++;
		connect_again(asker);
	}
}

static void answered(struct asker *asker)
{
	uint64_t took_us = (now_ns() - asker->due_ns) / 1000;

	if (requests < SAMPLES)
		samples_us[requests] = (uint32_t)took_us;
	requests++;
	asker->waiting = false;
	if (!rate && now_ns() < end_ns)
		ask(asker, now_ns());
}

/* Bytes of a body, against what they should be. */
static void take_body(struct asker *asker, const uint8_t *at, size_t bytes)
{
	size_t wanted;
	const uint8_t *body = answer_of(asker, &wanted);

	if (asker->body_length != wanted || asker->body_got + bytes > wanted || memcmp(at, body + asker->body_got, bytes))
		wrong++;
	asker->body_got += bytes;
	if (asker->body_got >= asker->body_length)
		answered(asker);
}

static void take_head(struct asker *asker, const uint8_t *at, size_t bytes)
{
	size_t room = sizeof(asker->head) - asker->head_got, part = bytes < room ? bytes : room, before = asker->head_got, end;

	memcpy(asker->head + before, at, part);
	asker->head_got += part;
	end = head_end(asker->head, asker->head_got, &asker->body_length);
	if (!end) {
		if (asker->head_got == sizeof(asker->head))
			wrong++;
		return;
	}
	if (strncmp(asker->head, "HTTP/1.1 200", 12))
		wrong++;
	asker->in_body = true;
	take_body(asker, at + (end - before), bytes - (end - before));
}

static void serve(struct asker *asker, uint32_t events)
{
	static uint8_t bytes[256 * 1024];
	ssize_t got;

	if (events & EPOLLOUT) {
		watch(asker, EPOLLIN, EPOLL_CTL_MOD);
		if (asker->waiting && !send_request(asker))
			goto lost;
	}
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	got = recv(asker->sock, bytes, sizeof(bytes), 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		goto lost;
	if (!asker->waiting) {
		wrong++; /* nothing was asked */
		return;
	}
	if (asker->in_body)
		take_body(asker, bytes, (size_t)got);
	else
		take_head(asker, bytes, (size_t)got);
	return;
lost:
	if (asker->waiting)
		broken++;
	if (closes && !asker->waiting) {
		close(asker->sock);
		asker->sock = -1;
		return;
	}
	connect_again(asker);
	asker->waiting = false;
	if (!rate && now_ns() < end_ns)
		ask(asker, now_ns());
}

/* Open loop: whoever is free asks for what is due. Returns ms until the next. */
static int ask_what_is_due(void)
{
	static unsigned long long due;
	uint64_t now = now_ns();

	for (int i = 0; i < connections && now < end_ns; i++) {
		uint64_t at = begin_ns + (uint64_t)((double)due / rate * 1e9);

		if (at > now)
			return (int)((at - now) / 1000000);
		if (askers[i].waiting)
			continue;
		due++;
		ask(&askers[i], at);
	}
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;

	return one < two ? -1 : one > two;
}

static void tell(double took)
{
	size_t count = requests < SAMPLES ? requests : SAMPLES;
	struct rusage used;

	qsort(samples_us, count, sizeof(*samples_us), compare);
	getrusage(RUSAGE_SELF, &used);
	printf("requests %llu wrong %llu broken %llu rate %.1f p50 %u p99 %u cpu_us %llu\n", requests, wrong, broken,
	       (double)requests / took, count ? samples_us[count / 2] : 0, count ? samples_us[count * 99 / 100] : 0,
	       (unsigned long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
		       (unsigned long long)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
}

static void read_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		give_up(path);
	file_bytes = (size_t)st.st_size;
	file = malloc(file_bytes + 1);
	if (!file || read(fd, file, file_bytes) != (ssize_t)file_bytes)
		give_up(path);
	close(fd);
	file_name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

static bool goes_on(void)
{
	if (requests_wanted)
		return requests < requests_wanted && now_ns() < end_ns;
	if (now_ns() < end_ns)
		return true;
	for (int i = 0; i < connections; i++) /* what was asked is answered */
		if (askers[i].waiting && now_ns() < end_ns + 5000000000ull)
			return true;
	return false;
}

static void arguments(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:d:n:r:ks:p:f:H:")) != -1)
		switch (option) {
		case 'c': connections = (int)strtol(optarg, NULL, 10); break;
		case 'd': seconds = strtod(optarg, NULL); break;
		case 'n': requests_wanted = strtoull(optarg, NULL, 10); break;
		case 'r': rate = strtod(optarg, NULL); break;
		case 'k': closes = true; break;
		case 's': size = strtoul(optarg, NULL, 10); break;
		case 'p': post = strtoul(optarg, NULL, 10); break;
		case 'f': read_file(optarg); break;
		case 'H': header = strtoul(optarg, NULL, 10); break;
		default: exit(2);
		}
	address = argv[optind];
	if (!address || connections < 1 || connections > CLIENTS || size > RIG_BODY || post > RIG_BODY)
		give_up("load: arguments");
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	uint64_t stopped_ns;

	arguments(argc, argv);
	raise_file_limit();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	askers = calloc((size_t)connections, sizeof(*askers));
	samples_us = calloc(SAMPLES, sizeof(*samples_us));
	if (!askers || !samples_us)
		give_up("memory");
	body_of(0);
	begin_ns = now_ns();
	end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < connections; i++) {
		askers[i].sock = -1;
		askers[i].number = (uint32_t)i * 37;
		if (rate)
			connect_again(&askers[i]);
		else
			ask(&askers[i], now_ns());
	}
	while (goes_on()) {
		int count, wait = rate ? ask_what_is_due() : 100;

		count = epoll_wait(epoll, events, EVENTS, wait);
		for (int i = 0; i < count; i++)
			serve(events[i].data.ptr, events[i].events);
	}
	stopped_ns = now_ns();
	for (int i = 0; i < connections; i++)
		broken += askers[i].waiting && !requests_wanted;
	tell((double)((stopped_ns < end_ns ? stopped_ns : end_ns) - begin_ns) / 1e9);
	return wrong || broken || !requests;
}
