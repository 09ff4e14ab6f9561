/* handed_over - one connection used by a duplicate of its descriptor, by a child, and by a stranger who got it (SCM_RIGHTS);
 * then thousands of connections that use the same descriptor one after the other.
 *
 * handed_over PORT COUNT: prints the process of each of the first four requests: id, pid. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };

static int port;
static long count;

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(sock, (struct sockaddr *)&to, sizeof(to))) {
		perror("connect");
		exit(1);
	}
	return sock;
}

static void ask(int sock, const char *path, const char *id)
{
	char text[4096], *end, *length;
	int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: handed\r\nX-Request-Id: %s\r\n\r\n", path, id);
	ssize_t got;

	if (write(sock, text, (size_t)len) != len)
		exit(1);
	for (len = 0;; len += (int)got) {
		got = read(sock, text + len, sizeof(text) - 1 - (size_t)len);
		if (got <= 0)
			exit(2);
		text[len + got] = 0;
		end = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "content-length: ");
		if (end && length && text + len + got >= end + 4 + atoi(length + 16))
			return;
	}
}

static void *reuse(void *at)
{
	static const char *const path[] = {"/", "/users/17", "/missing", "/broken"};
	long thread = (long)at;

	for (long i = thread; i < count; i += THREADS) {
		char id[64];
		int sock = dial();

		snprintf(id, sizeof(id), "reuse-%ld", i);
		ask(sock, path[i % 4], id);
		close(sock);
		usleep(2500); /* who records them all takes a thousand a second */
	}
	return NULL;
}

static void say(const char *id)
{
	printf("%s %d\n", id, getpid());
	fflush(stdout);
}

static void give(int channel, int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec piece = {&byte, 1};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &sock, sizeof(int));
	sendmsg(channel, &message, 0);
}

static int take(int channel)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec piece = {&byte, 1};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int sock;

	if (recvmsg(channel, &message, 0) != 1)
		exit(3);
	memcpy(&sock, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return sock;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	int channel[2], sock;

	port = atoi(argv[1]);
	count = atol(argv[2]);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel))
		return 1;
	if (!fork()) { /* the stranger: it has never seen the connection being made */
		sock = take(channel[1]);
		ask(sock, "/", "handed-3");
		say("handed-3");
		_exit(0);
	}
	sock = dial();
	ask(sock, "/", "handed-0");
	say("handed-0");
	ask(dup(sock), "/missing", "handed-1");
	say("handed-1");
	if (!fork()) {
		ask(sock, "/broken", "handed-2");
		say("handed-2");
		_exit(0);
	}
	wait(NULL);
	give(channel[0], sock);
	close(sock);
	wait(NULL);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, reuse, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
