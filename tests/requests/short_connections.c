/* short_connections - connections of one request each, one after the other.
 *
 * short_connections PORT COUNT: prints how many were answered. Closed with a reset, so that no port stays taken. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(const struct sockaddr_in *to)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: short\r\nConnection: close\r\n\r\n";
	struct linger at_once = {1, 0};
	char answer[1024];
	int fd = socket(AF_INET, SOCK_STREAM, 0), got = 0;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 && write(fd, request, sizeof(request) - 1) > 0)
		got = read(fd, answer, sizeof(answer)) > 12 && !strncmp(answer, "HTTP/1.1 200", 12);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	return got;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	long answered = 0, count;

	if (argc < 3)
		return 2;
	to.sin_port = htons((unsigned short)strtol(argv[1], NULL, 10));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	count = strtol(argv[2], NULL, 10);
	for (long i = 0; i < count; i++)
		answered += ask(&to);
	printf("%ld\n", answered);
	return 0;
}
