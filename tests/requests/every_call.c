/* every_call - an HTTP exchange whose body moves by one call after the other, each way to send with each to receive.
 *
 * every_call PORT [SEND RECEIVE]: listens there, asks itself, and prints for each exchange: path, bytes of the request, bytes of
 * the response; on stderr for each connection: bytes that TCP sent and received (tcp_info).
 * Path: /SEND/RECEIVE. The client sends its body by SEND, the server receives by RECEIVE, and the other way round for the
 * response. Heads go by write() where the call could not carry them (sendfile, splice ...). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BODY = 50000, CHUNK = 7001 };

static char body[BODY];
static int body_file;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- io_uring, one operation at a time ---- */

struct uring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static _Thread_local struct uring uring = {.fd = -1};

static void uring_open(void)
{
	struct io_uring_params params = {};
	char *sq, *cq;

	if (uring.fd >= 0)
		return;
	uring.fd = (int)syscall(SYS_io_uring_setup, 4, &params);
	if (uring.fd < 0)
		die("io_uring_setup");
	sq = mmap(NULL, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, uring.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, uring.fd, IORING_OFF_CQ_RING);
	uring.sqes = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, uring.fd, IORING_OFF_SQES);
	uring.sq_tail = (void *)(sq + params.sq_off.tail);
	uring.sq_mask = (void *)(sq + params.sq_off.ring_mask);
	uring.sq_array = (void *)(sq + params.sq_off.array);
	uring.cq_head = (void *)(cq + params.cq_off.head);
	uring.cq_tail = (void *)(cq + params.cq_off.tail);
	uring.cq_mask = (void *)(cq + params.cq_off.ring_mask);
	uring.cqes = (void *)(cq + params.cq_off.cqes);
}

static ssize_t uring_do(int op, int fd, const void *at, size_t len, int flags)
{
	unsigned tail, head;
	struct io_uring_sqe *sqe;
	int result;

	uring_open();
	tail = *uring.sq_tail;
	sqe = &uring.sqes[tail & *uring.sq_mask];
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = (unsigned char)op;
	sqe->fd = fd;
	sqe->addr = (unsigned long)at;
	sqe->len = (unsigned)len;
	sqe->msg_flags = (unsigned)flags;
	if (op == IORING_OP_READ || op == IORING_OP_WRITE || op == IORING_OP_READV || op == IORING_OP_WRITEV)
		sqe->off = -1;
	uring.sq_array[tail & *uring.sq_mask] = tail & *uring.sq_mask;
	__atomic_store_n(uring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, uring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		die("io_uring_enter");
	head = *uring.cq_head;
	result = uring.cqes[head & *uring.cq_mask].res;
	__atomic_store_n(uring.cq_head, head + 1, __ATOMIC_RELEASE);
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

/* ---- ways to send: some of [at, at + len); returns how much ---- */

static ssize_t by_write(int fd, const char *at, size_t len) { return write(fd, at, len); }
static ssize_t by_send(int fd, const char *at, size_t len) { return send(fd, at, len, MSG_NOSIGNAL); }
static ssize_t by_sendto(int fd, const char *at, size_t len) { return sendto(fd, at, len, 0, NULL, 0); }
static ssize_t by_more(int fd, const char *at, size_t len) { return send(fd, at, len, len > CHUNK / 2 ? MSG_MORE : 0); }

static int split(struct iovec piece[3], const char *at, size_t len)
{
	piece[0] = (struct iovec){(void *)at, len / 3};
	piece[1] = (struct iovec){(void *)at, 0};
	piece[2] = (struct iovec){(void *)(at + len / 3), len - len / 3};
	return 3;
}
static ssize_t by_writev(int fd, const char *at, size_t len)
{
	struct iovec piece[3];

	return writev(fd, piece, split(piece, at, len));
}
/* As gRPC's C core does: a head in many small pieces. */
static ssize_t by_scattered(int fd, const char *at, size_t len)
{
	struct iovec piece[250];
	size_t size = len / 250 + 1, done = 0;
	int count = 0;

	for (; done < len; done += piece[count++].iov_len)
		piece[count] = (struct iovec){(void *)(at + done), len - done < size ? len - done : size};
	return writev(fd, piece, count);
}
static ssize_t by_pwritev2(int fd, const char *at, size_t len)
{
	struct iovec piece[3];

	return pwritev2(fd, piece, split(piece, at, len), -1, 0);
}
static ssize_t by_sendmsg(int fd, const char *at, size_t len)
{
	struct iovec piece[3];
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = (size_t)split(piece, at, len)};

	return sendmsg(fd, &message, 0);
}
static ssize_t by_sendmmsg(int fd, const char *at, size_t len)
{
	struct iovec piece[2] = {{(void *)at, len / 2}, {(void *)(at + len / 2), len - len / 2}};
	struct mmsghdr message[2] = {{{.msg_iov = &piece[0], .msg_iovlen = 1}, 0}, {{.msg_iov = &piece[1], .msg_iovlen = 1}, 0}};
	int sent = sendmmsg(fd, message, 2, 0);
	ssize_t bytes = 0;

	for (int i = 0; i < sent; i++)
		bytes += message[i].msg_len;
	return sent < 0 ? sent : bytes;
}
static ssize_t by_sendfile(int fd, const char *at, size_t len)
{
	off_t offset = at - body;

	return sendfile(fd, body_file, &offset, len);
}
static ssize_t by_splice(int fd, const char *at, size_t len)
{
	loff_t offset = at - body;
	int pipes[2];
	ssize_t got, sent = 0;

	if (pipe(pipes))
		die("pipe");
	got = splice(body_file, &offset, pipes[1], NULL, len, 0);
	while (got > 0 && sent < got) {
		ssize_t now = splice(pipes[0], NULL, fd, NULL, (size_t)(got - sent), 0);

		if (now <= 0)
			break;
		sent += now;
	}
	close(pipes[0]);
	close(pipes[1]);
	return sent;
}
static ssize_t by_zerocopy(int fd, const char *at, size_t len)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
	return send(fd, at, len, MSG_ZEROCOPY);
}
static ssize_t by_nonblocking(int fd, const char *at, size_t len)
{
	struct pollfd wait = {fd, POLLOUT, 0};
	ssize_t sent = send(fd, at, len, MSG_DONTWAIT);

	if (sent < 0 && errno == EAGAIN) {
		poll(&wait, 1, -1);
		return 0;
	}
	return sent;
}
static ssize_t by_uring_send(int fd, const char *at, size_t len) { return uring_do(IORING_OP_SEND, fd, at, len, 0); }
static ssize_t by_uring_write(int fd, const char *at, size_t len) { return uring_do(IORING_OP_WRITE, fd, at, len, 0); }
static ssize_t by_uring_sendmsg(int fd, const char *at, size_t len)
{
	struct iovec piece[3];
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = (size_t)split(piece, at, len)};

	return uring_do(IORING_OP_SENDMSG, fd, &message, 1, 0);
}

static ssize_t by_uring_writev(int fd, const char *at, size_t len)
{
	struct iovec piece[3];

	return uring_do(IORING_OP_WRITEV, fd, piece, (size_t)split(piece, at, len), 0);
}

/* ---- ways to receive ---- */

static ssize_t by_read(int fd, char *at, size_t len) { return read(fd, at, len); }
static ssize_t by_recv(int fd, char *at, size_t len) { return recv(fd, at, len, 0); }
static ssize_t by_waitall(int fd, char *at, size_t len) { return recv(fd, at, len, MSG_WAITALL); }
static ssize_t by_trunc(int fd, char *at, size_t len) { return recv(fd, NULL, len, MSG_TRUNC); }
static ssize_t by_recvfrom(int fd, char *at, size_t len)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);

	return recvfrom(fd, at, len, 0, (struct sockaddr *)&from, &from_len);
}
static ssize_t by_readv(int fd, char *at, size_t len)
{
	struct iovec piece[3];

	return readv(fd, piece, split(piece, at, len));
}
static ssize_t by_preadv2(int fd, char *at, size_t len)
{
	struct iovec piece[3];

	return preadv2(fd, piece, split(piece, at, len), -1, 0);
}
static ssize_t by_recvmsg(int fd, char *at, size_t len)
{
	struct iovec piece[3];
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = (size_t)split(piece, at, len)};

	return recvmsg(fd, &message, 0);
}
static ssize_t by_recvmmsg(int fd, char *at, size_t len)
{
	struct iovec piece[2] = {{at, len / 2}, {at + len / 2, len - len / 2}};
	struct mmsghdr message[2] = {{{.msg_iov = &piece[0], .msg_iovlen = 1}, 0}, {{.msg_iov = &piece[1], .msg_iovlen = 1}, 0}};
	int got = recvmmsg(fd, message, 1 + (len > 1), MSG_WAITFORONE, NULL);
	ssize_t bytes = 0;

	for (int i = 0; i < got; i++)
		bytes += message[i].msg_len;
	return got < 0 ? got : bytes;
}
static ssize_t by_peek(int fd, char *at, size_t len)
{
	ssize_t seen = recv(fd, at, len, MSG_PEEK);

	if (seen > 0)
		recv(fd, at, (size_t)seen, MSG_PEEK);
	return seen > 0 ? read(fd, at, (size_t)seen) : seen;
}
static ssize_t by_nonblocking_read(int fd, char *at, size_t len)
{
	struct pollfd wait = {fd, POLLIN, 0};
	ssize_t got = recv(fd, at, len, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN) {
		poll(&wait, 1, -1);
		return by_nonblocking_read(fd, at, len);
	}
	recv(fd, at, 0, MSG_DONTWAIT); /* of no length: no byte, and no end */
	return got;
}
static ssize_t by_splice_from(int fd, char *at, size_t len)
{
	int pipes[2];
	ssize_t got;

	if (pipe(pipes))
		die("pipe");
	got = splice(fd, NULL, pipes[1], NULL, len, 0);
	if (got > 0 && read(pipes[0], at, (size_t)got) != got)
		die("read from a pipe");
	close(pipes[0]);
	close(pipes[1]);
	return got;
}
static ssize_t by_zerocopy_receive(int fd, char *at, size_t len)
{
	size_t room = 1 << 16;
	char *map = mmap(NULL, room, PROT_READ, MAP_SHARED, fd, 0);
	struct tcp_zerocopy_receive zero = {.address = (unsigned long)map, .length = (unsigned)room};
	socklen_t size = sizeof(zero);
	struct pollfd wait = {fd, POLLIN, 0};
	ssize_t got;

	if (map == MAP_FAILED)
		return read(fd, at, len);
	poll(&wait, 1, -1);
	if (getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zero, &size))
		zero.length = zero.recv_skip_hint = 0;
	munmap(map, room);
	if (zero.length)
		return zero.length;
	got = zero.recv_skip_hint && zero.recv_skip_hint < len ? zero.recv_skip_hint : (ssize_t)len;
	return read(fd, at, (size_t)got);
}
static ssize_t by_uring_recv(int fd, char *at, size_t len) { return uring_do(IORING_OP_RECV, fd, at, len, 0); }
static ssize_t by_uring_read(int fd, char *at, size_t len) { return uring_do(IORING_OP_READ, fd, at, len, 0); }
static ssize_t by_uring_recvmsg(int fd, char *at, size_t len)
{
	struct iovec piece[3];
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = (size_t)split(piece, at, len)};

	return uring_do(IORING_OP_RECVMSG, fd, &message, 1, 0);
}

static ssize_t by_uring_readv(int fd, char *at, size_t len)
{
	struct iovec piece[3];

	return uring_do(IORING_OP_READV, fd, piece, (size_t)split(piece, at, len), 0);
}

struct sender {
	const char *name;
	ssize_t (*go)(int fd, const char *at, size_t len);
	int carries_heads; /* out of the caller's memory, where it can be seen */
};
static const struct sender senders[] = {
	{"write", by_write, 1},	      {"writev", by_writev, 1},	  {"send", by_send, 1},
	{"sendto", by_sendto, 1},     {"sendmsg", by_sendmsg, 1}, {"sendmmsg", by_sendmmsg, 1},
	{"pwritev2", by_pwritev2, 1}, {"more", by_more, 1},	  {"nonblocking", by_nonblocking, 1},
	{"zerocopy", by_zerocopy, 1}, {"sendfile", by_sendfile, 0}, {"splice", by_splice, 0},
	{"uring_send", by_uring_send, 1}, {"uring_write", by_uring_write, 1}, {"uring_sendmsg", by_uring_sendmsg, 1},
	{"uring_writev", by_uring_writev, 1}, {"scattered", by_scattered, 1},
};
struct receiver {
	const char *name;
	ssize_t (*go)(int fd, char *at, size_t len);
	int carries_heads; /* into the caller's memory */
};
static const struct receiver receivers[] = {
	{"read", by_read, 1},	      {"readv", by_readv, 1},	    {"recv", by_recv, 1},	{"recvfrom", by_recvfrom, 1},
	{"recvmsg", by_recvmsg, 1},   {"recvmmsg", by_recvmmsg, 1}, {"preadv2", by_preadv2, 1}, {"waitall", by_waitall, 1},
	{"peek", by_peek, 1},	      {"nonblocking", by_nonblocking_read, 1}, {"trunc", by_trunc, 0}, {"splice", by_splice_from, 0},
	{"zerocopy", by_zerocopy_receive, 0}, {"uring_recv", by_uring_recv, 1}, {"uring_read", by_uring_read, 1},
	{"uring_recvmsg", by_uring_recvmsg, 1}, {"uring_readv", by_uring_readv, 1},
};
enum { SENDERS = sizeof(senders) / sizeof(*senders), RECEIVERS = sizeof(receivers) / sizeof(*receivers) };

/* ---- exchanges ---- */

static void send_all(const struct sender *sender, int fd, const char *at, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t chunk = len - done < CHUNK ? len - done : CHUNK;
		ssize_t sent = sender->go(fd, at + done, chunk);

		if (sent < 0)
			die(sender->name);
		done += (size_t)sent;
	}
}

static void receive_all(const struct receiver *receiver, int fd, char *to, size_t len)
{
	static _Thread_local char bytes[BODY];

	for (size_t done = 0; done < len;) {
		size_t chunk = len - done < CHUNK + 999 ? len - done : CHUNK + 999;
		ssize_t got = receiver->go(fd, to ? to + done : bytes, chunk);

		if (got <= 0)
			die(receiver->name);
		done += (size_t)got;
	}
}

/* Exactly the head, so that nothing of the body is taken. */
static size_t receive_head(const struct receiver *receiver, int fd, char *head, size_t room)
{
	size_t len = 0;

	while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4)) {
		ssize_t got = recv(fd, head, room - 1, MSG_PEEK); /* peeking is no reading */
		char *end;

		if (got <= 0)
			return 0;
		head[got] = 0;
		end = strstr(head, "\r\n\r\n");
		if (!end)
			continue;
		len = (size_t)(end + 4 - head);
		receive_all(receiver && receiver->carries_heads ? receiver : &receivers[0], fd, head, len);
		head[len] = 0;
	}
	return len;
}

static size_t send_message(const struct sender *sender, int fd, const char *first_line)
{
	static atomic_int number;
	char head[256];
	int len = snprintf(head, sizeof(head), "%s\r\nHost: every\r\nX-Request-Id: every-%06d\r\nContent-Length: %d\r\n\r\n", first_line,
			   number++ / 2, BODY);

	if (sender->carries_heads)
		send_all(sender, fd, head, (size_t)len);
	else if (write(fd, head, (size_t)len) != len)
		die("write");
	send_all(sender, fd, body, BODY);
	return (size_t)len + BODY;
}

static size_t response_bytes[SENDERS * RECEIVERS];

static void *serve(void *at)
{
	int listener = *(int *)at;
	char head[4096];
	const struct receiver *receiver;

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		int send_by, receive_by;

		if (fd < 0)
			return NULL;
		receiver = NULL; /* what way it is says the first head */
		while (receive_head(receiver, fd, head, sizeof(head)) && sscanf(head, "POST /%*[a-z0-9_]/%*[a-z0-9_]?%d,%d", &send_by, &receive_by) == 2) {
			receiver = &receivers[receive_by];
			receive_all(receiver, fd, NULL, BODY);
			response_bytes[send_by * RECEIVERS + receive_by] = send_message(&senders[send_by], fd, "HTTP/1.1 200 OK");
		}
		close(fd);
	}
}

static void print_tcp(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		die("TCP_INFO");
	fprintf(stderr, "%llu %llu\n", (unsigned long long)(info.tcpi_bytes_sent - info.tcpi_bytes_retrans),
		(unsigned long long)info.tcpi_bytes_received);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	pthread_t thread;
	char name[] = "/tmp/every_call_XXXXXX";

	for (int i = 0; i < BODY; i++)
		body[i] = (char)('a' + i % 26);
	body_file = mkstemp(name);
	unlink(name);
	if (write(body_file, body, BODY) != BODY)
		die("body");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (void *)&at, sizeof(at)) || listen(listener, 8))
		die("listen");
	pthread_create(&thread, NULL, serve, &listener);
	for (int s = 0; s < SENDERS; s++)
		for (int r = 0; r < RECEIVERS; r++) {
			char line[128], head[4096];
			int fd;
			size_t sent, got = 0;

			if (argc > 3 && (strcmp(argv[2], senders[s].name) || strcmp(argv[3], receivers[r].name)))
				continue;
			fd = socket(AF_INET, SOCK_STREAM, 0);
			if (connect(fd, (void *)&at, sizeof(at)))
				die("connect");
			for (int twice = 0; twice < 2; twice++) {
				snprintf(line, sizeof(line), "POST /%s/%s?%d,%d HTTP/1.1", senders[s].name, receivers[r].name, s, r);
				sent = send_message(&senders[s], fd, line);
				got = receive_head(&receivers[r], fd, head, sizeof(head)) + BODY;
				receive_all(&receivers[r], fd, NULL, BODY);
			}
			printf("/%s/%s %zu %zu\n", senders[s].name, receivers[r].name, sent, got);
			print_tcp(fd);
			close(fd);
		}
	fflush(stdout);
	_exit(0);
}
