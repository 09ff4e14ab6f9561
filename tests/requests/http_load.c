/* http_load - keep-alive requests with ids of their own, so many at a time in one write, at a rate.
 *
 * http_load PORT COUNT DEPTH CONNECTIONS RATE PREFIX [PATH]...: prints how many responses came. The ids are PREFIX-N; the paths
 * are taken in turn. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, BYTES = 1 << 20 };

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int dial(int port)
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

/* Reads `wanted` whole responses: heads with Content-Length. */
static long take(int sock, long wanted)
{
	static char bytes[BYTES + 1];
	size_t len = 0;
	long done = 0;

	while (done < wanted) {
		ssize_t got = read(sock, bytes + len, BYTES - len);
		char *at = bytes, *head_end;

		if (got <= 0)
			return done;
		len += (size_t)got;
		bytes[len] = 0;
		while (done < wanted && (head_end = memmem(at, len - (size_t)(at - bytes), "\r\n\r\n", 4))) {
			char *length = strcasestr(at, "content-length: ");
			size_t body = length && length < head_end ? strtoul(length + 16, NULL, 10) : 0;

			if ((size_t)(bytes + len - head_end - 4) < body)
				break;
			at = head_end + 4 + body;
			done++;
		}
		len -= (size_t)(at - bytes);
		memmove(bytes, at, len);
	}
	return done;
}

int main(int argc, char **argv)
{
	static char text[256 * 1024];
	int port = atoi(argv[1]), connections = atoi(argv[4]), sock[CONNECTIONS], paths = argc - 7;
	long count = atol(argv[2]), depth = atol(argv[3]), sent = 0, done = 0;
	double rate = atof(argv[5]), start = now();

	for (int i = 0; i < connections; i++)
		sock[i] = dial(port);
	while (sent < count) {
		for (int i = 0; i < connections && sent < count; i++) {
			long batch = count - sent < depth ? count - sent : depth;
			size_t len = 0;

			for (long n = 0; n < batch; n++, sent++)
				len += (size_t)sprintf(text + len, "GET %s HTTP/1.1\r\nHost: load\r\nX-Request-Id: %s-%ld\r\n\r\n",
						       paths ? argv[7 + sent % paths] : "/", argv[6], sent);
			if (write(sock[i], text, len) != (ssize_t)len)
				return 1;
			done += take(sock[i], batch);
		}
		while (rate > 0 && (double)sent / rate > now() - start)
			usleep(500);
	}
	printf("%ld\n", done);
	return done != count;
}
