// SPDX-License-Identifier: GPL-2.0-only
/* streams - cases about bytes: all of them, in order, both ways, at any pace. */
#include "torture.h"

#define MIB (1u << 20)

struct job {
	int sock;
	size_t bytes;
	uint32_t stream;
};

static void *send_job(void *arg)
{
	struct job *job = arg;

	send_stream(job->sock, job->bytes, 0, job->stream);
	return NULL;
}

static void *receive_job(void *arg)
{
	struct job *job = arg;

	receive_stream(job->sock, job->bytes, 0, job->stream);
	return NULL;
}

static void close_both(struct pair pair)
{
	close(pair.c);
	close(pair.s);
}

static void ping(void)
{
	struct pair pair = connected();
	uint64_t place = 0;

	for (int i = 0; i < 300; i++) {
		size_t bytes = 1 + chance(5000);

		send_stream(pair.c, bytes, place, 1);
		receive_stream(pair.s, bytes, place, 1);
		send_stream(pair.s, bytes, place, 2);
		receive_stream(pair.c, bytes, place, 2);
		place += bytes;
	}
	saw("300 rounds are right");
	close_both(pair);
}

static void random_sizes(void)
{
	struct pair pair = connected();
	uint64_t there = 0, back = 0;

	for (int i = 0; i < 200; i++) {
		size_t one = 1 + chance(200000), other = 1 + chance(200000);

		for (size_t at = 0, part; at < one; at += part, there += part) {
			part = 1 + chance(30000);
			part = part < one - at ? part : one - at;
			send_stream(pair.c, part, there, 1);
			receive_stream(pair.s, part, there, 1);
		}
		for (size_t at = 0, part; at < other; at += part, back += part) {
			part = 1 + chance(30000);
			part = part < other - at ? part : other - at;
			send_stream(pair.s, part, back, 2);
			receive_stream(pair.c, part, back, 2);
		}
	}
	saw("200 random blocks each way are right");
	close_both(pair);
}

static void duplex_of(size_t bytes)
{
	struct pair pair = connected();
	struct job jobs[] = {{pair.c, bytes, 1}, {pair.s, bytes, 1}, {pair.s, bytes, 2}, {pair.c, bytes, 2}};
	pthread_t threads[4];

	nonblocking(pair.c, true);
	nonblocking(pair.s, true);
	for (int i = 0; i < 4; i++)
		threads[i] = start(i % 2 ? receive_job : send_job, &jobs[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	saw("%zu bytes each way at once are right", bytes);
	close_both(pair);
}

static void duplex(void)
{
	duplex_of(8 * MIB);
}

static void duplex_small(void)
{
	duplex_of(100000);
}

static void big_write_of(size_t bytes)
{
	struct pair pair = connected();
	struct job job = {pair.s, bytes, 1};
	uint8_t *block = malloc(bytes);
	size_t at = 0;
	pthread_t reader;

	fill(block, bytes, 0, 1);
	reader = start(receive_job, &job);
	while (at < bytes) {
		ssize_t done = write(pair.c, block + at, bytes - at);

		if (done <= 0)
			fail("write");
		sent(pair.c, (size_t)done);
		at += (size_t)done;
	}
	pthread_join(reader, NULL);
	saw("%zu bytes in one write are right", bytes);
	free(block);
	close_both(pair);
}

static void big_write(void)
{
	big_write_of(4 * MIB);
}

/* One write that is many times the limit. */
static void giant_write(void)
{
	big_write_of(64 * MIB);
}

/* The same by a program that does not wait: write what fits, poll, write on. */
static void giant_nonblocking(void)
{
	struct pair pair = connected();
	struct job job = {pair.s, 48 * MIB, 1};
	uint8_t *block = malloc(48 * MIB);
	size_t at = 0;
	pthread_t reader;

	fill(block, 48 * MIB, 0, 1);
	nonblocking(pair.c, true);
	reader = start(receive_job, &job);
	while (at < 48 * MIB) {
		ssize_t done = write(pair.c, block + at, 48 * MIB - at);

		if (done < 0 && errno == EAGAIN) {
			wait_for(pair.c, POLLOUT);
			continue;
		}
		if (done <= 0)
			fail("write");
		sent(pair.c, (size_t)done);
		at += (size_t)done;
	}
	pthread_join(reader, NULL);
	saw("48 MiB in writes without waiting are right");
	free(block);
	close_both(pair);
}

/* Much more than the limit, by a writer that is faster than its reader. */
static void long_stream(void)
{
	struct pair pair = connected();
	struct job job = {pair.s, 32 * MIB, 1};
	pthread_t reader = start(receive_job, &job);

	send_stream(pair.c, 32 * MIB, 0, 1);
	pthread_join(reader, NULL);
	saw("32 MiB in writes of 64 KiB are right");
	close_both(pair);
}

static void many_big_writes(void)
{
	for (int i = 0; i < 5; i++)
		big_write_of(MIB + chance(MIB));
}

static void slow_reader(void)
{
	struct pair pair = connected();
	struct job job = {pair.c, 2 * MIB, 1};
	pthread_t writer = start(send_job, &job);

	for (uint64_t place = 0; place < 2 * MIB; place += 16384) {
		receive_stream(pair.s, 16384, place, 1);
		pause_ms(1);
	}
	pthread_join(writer, NULL);
	saw("a slow reader gets everything");
	close_both(pair);
}

static void bytewise(void)
{
	struct pair pair = connected();

	send_stream(pair.c, 5000, 0, 1);
	for (uint64_t place = 0; place < 5000; place++)
		receive_stream(pair.s, 1, place, 1);
	for (uint64_t place = 0; place < 2000; place++)
		send_stream(pair.s, 1, place, 2);
	receive_stream(pair.c, 2000, 0, 2);
	saw("byte by byte is right");
	close_both(pair);
}

static void writev_1024(void)
{
	struct pair pair = connected();
	static uint8_t block[1024 * 37];
	struct iovec piece[1024];
	ssize_t done;

	fill(block, sizeof(block), 0, 1);
	for (int i = 0; i < 1024; i++)
		piece[i] = (struct iovec){block + i * 37, 37};
	done = writev(pair.c, piece, 1024);
	sent(pair.c, done > 0 ? (size_t)done : 0);
	receive_stream(pair.s, (size_t)done, 0, 1);
	saw("writev of 1024 pieces wrote %zd", done);
	close_both(pair);
}

static void readv_pieces(void)
{
	struct pair pair = connected();
	uint8_t a[10], b[100], c[1000];
	struct iovec piece[] = {{a, sizeof(a)}, {b, sizeof(b)}, {c, sizeof(c)}};
	ssize_t got;

	send_stream(pair.c, 900, 0, 1);
	wait_for(pair.s, POLLIN);
	got = readv(pair.s, piece, 3);
	check(a, 10, 0, 1);
	check(b, 100, 10, 1);
	check(c, (size_t)got - 110, 110, 1);
	saw("readv read %zd", got);
	close_both(pair);
}

static void mmsg(void)
{
	struct pair pair = connected();
	uint8_t block[8][500], back[8][500];
	struct iovec out[8], in[8];
	struct mmsghdr messages[8] = {}, received[8] = {};
	int done;

	for (int i = 0; i < 8; i++) {
		fill(block[i], 500, (uint64_t)i * 500, 1);
		out[i] = (struct iovec){block[i], 500};
		in[i] = (struct iovec){back[i], 500};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
		received[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	done = sendmmsg(pair.c, messages, 8, 0);
	sent(pair.c, 4000);
	receive_stream(pair.s, 4000, 0, 1);
	send_stream(pair.s, 500, 0, 2);
	wait_for(pair.c, POLLIN);
	saw("sendmmsg sent %d messages, recvmmsg got %d", done, recvmmsg(pair.c, received, 8, MSG_DONTWAIT, NULL));
	check(back[0], 500, 0, 2);
	close_both(pair);
}

/* Each writer's records come whole and in its order. */
struct record {
	uint32_t writer, number;
	uint8_t bytes[120];
};

struct writer {
	int sock;
	uint32_t number;
};

enum { WRITERS = 4, RECORDS = 3000 };

static void *write_records(void *arg)
{
	struct writer *writer = arg;

	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record record = {writer->number, i, {}};

		fill(record.bytes, sizeof(record.bytes), i, writer->number);
		if (send(writer->sock, &record, sizeof(record), MSG_NOSIGNAL) != sizeof(record))
			fail("a record is not sent whole");
		sent(writer->sock, sizeof(record));
	}
	return NULL;
}

static void writers(void)
{
	struct pair pair = connected();
	struct writer writer[WRITERS];
	pthread_t threads[WRITERS];
	uint32_t next[WRITERS] = {};
	struct record record;

	for (uint32_t i = 0; i < WRITERS; i++) {
		writer[i] = (struct writer){pair.c, i};
		threads[i] = start(write_records, &writer[i]);
	}
	for (int i = 0; i < WRITERS * RECORDS; i++) {
		for (size_t at = 0; at < sizeof(record);) {
			ssize_t got;

			wait_for(pair.s, POLLIN);
			got = recv(pair.s, (char *)&record + at, sizeof(record) - at, MSG_DONTWAIT);
			if (got <= 0 && errno != EAGAIN)
				fail("records end");
			at += got > 0 ? (size_t)got : 0;
		}
		if (record.writer >= WRITERS || record.number != next[record.writer]++)
			fail("record %u of writer %u is out of order", record.number, record.writer);
		check(record.bytes, sizeof(record.bytes), record.number, record.writer);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	saw("4 writers' records are whole and in order");
	close_both(pair);
}

static void more(void)
{
	struct pair pair = connected();
	uint8_t block[3000];

	fill(block, sizeof(block), 0, 1);
	for (int i = 0; i < 3; i++)
		if (send(pair.c, block + i * 1000, 1000, i < 2 ? MSG_MORE : 0) != 1000)
			fail("MSG_MORE");
	sent(pair.c, 3000);
	receive_stream(pair.s, 3000, 0, 1);
	saw("MSG_MORE is right");
	close_both(pair);
}

static void cork(void)
{
	struct pair pair = connected();
	int pieces = 0;

	for (int i = 0; i < 50; i++) {
		set_int(pair.c, IPPROTO_TCP, TCP_CORK, 1);
		for (int n = 0; n < 10; n++, pieces++)
			send_stream(pair.c, 100, (uint64_t)pieces * 100, 1);
		set_int(pair.c, IPPROTO_TCP, TCP_CORK, 0);
		receive_stream(pair.s, 1000, (uint64_t)i * 1000, 1);
	}
	saw("TCP_CORK is right");
	close_both(pair);
}

static void sendfile_3m(void)
{
	struct pair pair = connected();
	struct job job = {pair.s, 3 * MIB, 1};
	FILE *file = tmpfile();
	uint8_t *block = malloc(3 * MIB);
	off_t at = 0;
	pthread_t reader;

	fill(block, 3 * MIB, 0, 1);
	fwrite(block, 1, 3 * MIB, file);
	fflush(file);
	reader = start(receive_job, &job);
	while (at < 3 * (off_t)MIB) {
		ssize_t done = sendfile(pair.c, fileno(file), &at, 3 * MIB - (size_t)at);

		if (done <= 0)
			fail("sendfile");
		sent(pair.c, (size_t)done);
	}
	pthread_join(reader, NULL);
	saw("sendfile is right");
	free(block);
	close_both(pair);
}

static void splice_out(void)
{
	struct pair pair = connected();
	uint8_t block[4096];
	int pipes[2];

	if (pipe(pipes))
		fail("pipe");
	for (int i = 0; i < 100; i++) {
		fill(block, sizeof(block), (uint64_t)i * sizeof(block), 1);
		if (write(pipes[1], block, sizeof(block)) != sizeof(block) ||
		    splice(pipes[0], NULL, pair.c, NULL, sizeof(block), 0) != sizeof(block))
			fail("splice to a socket");
		sent(pair.c, sizeof(block));
		receive_stream(pair.s, sizeof(block), (uint64_t)i * sizeof(block), 1);
	}
	saw("splice to a socket is right");
	close_both(pair);
}

static void over_six(void)
{
	struct pair pair = connected_over(AF_INET6);

	send_stream(pair.c, 300000, 0, 1);
	receive_stream(pair.s, 300000, 0, 1);
	send_stream(pair.s, 300000, 0, 2);
	receive_stream(pair.c, 300000, 0, 2);
	saw("IPv6 is right");
	close_both(pair);
}

static void mapped(void)
{
	struct pair pair = connected_over(AF_UNSPEC);

	send_stream(pair.c, 300000, 0, 1);
	receive_stream(pair.s, 300000, 0, 1);
	send_stream(pair.s, 300000, 0, 2);
	receive_stream(pair.c, 300000, 0, 2);
	saw("v4-mapped is right");
	close_both(pair);
}

static void forked_ends(void)
{
	struct pair pair = connected();
	pid_t pid = fork();

	if (!pid) {
		receive_stream(pair.s, 100000, 0, 1);
		send_stream(dup(pair.s), 100000, 0, 2);
		_exit(0);
	}
	send_stream(pair.c, 100000, 0, 1);
	receive_stream(pair.c, 100000, 0, 2);
	waitpid(pid, NULL, 0);
	saw("an end that was inherited and duplicated is right");
	close_both(pair);
}

/* Random blocks there and back, several under way, until the file $STOP is there: for whoever switches meanwhile. */
static void until_stopped(void)
{
	const char *stop = getenv("STOP");
	struct pair pair = connected();
	pid_t pid = fork();
	uint64_t out = 0, back = 0;

	nonblocking(pair.c, true);
	nonblocking(pair.s, true);
	if (!pid) {
		uint8_t block[65536];
		ssize_t got;

		close(pair.c);
		for (;;) {
			wait_for(pair.s, POLLIN);
			got = recv(pair.s, block, sizeof(block), 0);
			if (!got)
				_exit(0);
			if (got < 0 && errno != EAGAIN)
				fail("recv");
			for (ssize_t at = 0, done; got > 0 && at < got; at += done > 0 ? done : 0) {
				done = send(pair.s, block + at, (size_t)(got - at), MSG_NOSIGNAL);
				if (done < 0 && errno == EAGAIN)
					wait_for(pair.s, POLLOUT);
				else if (done < 0)
					fail("send");
			}
		}
	}
	close(pair.s);
	while (access(stop, F_OK)) {
		size_t bytes = 1 + chance(chance(10) ? 3000 : 60000);

		send_stream(pair.c, bytes, out, 1);
		out += bytes;
		if (out - back > 100000 || !chance(3)) {
			bytes = 1 + chance((uint32_t)(out - back));
			receive_stream(pair.c, bytes, back, 1);
			back += bytes;
		}
	}
	receive_stream(pair.c, out - back, back, 1);
	shutdown(pair.c, SHUT_WR);
	expect_end(pair.c);
	waitpid(pid, NULL, 0);
	saw("all of it is right");
	printf("bytes %llu\n", (unsigned long long)out);
	close(pair.c);
}

const struct torture_case cases_streams[] = {
	{"_until_stopped", until_stopped, false},
	{"ping", ping, false},
	{"random_sizes", random_sizes, false},
	{"duplex", duplex, false},
	{"duplex_small", duplex_small, false},
	{"big_write", big_write, false},
	{"giant_write", giant_write, false},
	{"giant_nonblocking", giant_nonblocking, false},
	{"long_stream", long_stream, false},
	{"many_big_writes", many_big_writes, false},
	{"slow_reader", slow_reader, false},
	{"bytewise", bytewise, false},
	{"writev_1024", writev_1024, false},
	{"readv_pieces", readv_pieces, false},
	{"mmsg", mmsg, false},
	{"writers", writers, false},
	{"more", more, false},
	{"cork", cork, false},
	{"sendfile", sendfile_3m, false},
	{"splice_out", splice_out, false},
	{"ipv6", over_six, false},
	{"mapped", mapped, false},
	{"forked_ends", forked_ends, false},
	{},
};
