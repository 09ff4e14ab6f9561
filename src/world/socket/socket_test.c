// SPDX-License-Identifier: GPL-2.0-only
/* The table of sockets against a model; owners, roles and scans; dumps as this kernel makes them. */
#include "world/socket/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static struct socket socket_of(uint64_t cookie, uint16_t local, uint16_t remote, uint8_t state)
{
	return (struct socket){
		.cookie = cookie,
		.local_port = local,
		.remote_port = remote,
		.netns = 1,
		.transport = IPPROTO_TCP,
		.state = state,
	};
}

static struct socket held(struct socket socket, uint32_t pid, uint64_t start_ns)
{
	socket.owner_pid = pid;
	socket.owner_start_ns = start_ns;
	return socket;
}

static void see(struct sockets *sockets, struct socket socket)
{
	sockets_seen(sockets, &socket);
}

static void a_scan_finds_owners_and_roles(void **state)
{
	struct sockets sockets;

	sockets_init(&sockets, 100);
	sockets_scan(&sockets);
	/* a master and two workers hold the listener; a parent forked a child for the connection */
	see(&sockets, held(socket_of(1, 80, 0, SOCKET_LISTEN), 11, 200));
	see(&sockets, held(socket_of(1, 80, 0, SOCKET_LISTEN), 10, 100));
	see(&sockets, held(socket_of(1, 80, 0, SOCKET_LISTEN), 12, 201));
	see(&sockets, held(socket_of(2, 80, 40000, 1), 10, 100));
	see(&sockets, held(socket_of(2, 80, 40000, 1), 12, 201));
	see(&sockets, held(socket_of(3, 50000, 443, 1), 12, 201));
	see(&sockets,
	    socket_of(4, 80, 40001, 1)); /* not accepted yet: sock_diag knows it, nobody holds it */
	see(&sockets, held(socket_of(5, 9000, 0, 7), 12, 201));
	sockets_scanned(&sockets);
	assert_int_equal(sockets_find(&sockets, 1)->owner_pid, 10);
	assert_int_equal(sockets_find(&sockets, 1)->role, ROLE_LISTENER);
	assert_int_equal(sockets_find(&sockets, 2)->owner_pid, 12);
	assert_int_equal(sockets_find(&sockets, 2)->role, ROLE_SERVER);
	assert_int_equal(sockets_find(&sockets, 3)->role, ROLE_CLIENT);
	assert_int_equal(sockets_find(&sockets, 4)->role, ROLE_SERVER);
	assert_int_equal(sockets_find(&sockets, 4)->owner_pid, 0);
	assert_int_equal(sockets_find(&sockets, 5)->role, ROLE_UNKNOWN);
	/* handed over, and gone */
	sockets_scan(&sockets);
	see(&sockets, held(socket_of(2, 80, 40000, 1), 10, 100));
	see(&sockets, socket_of(3, 50000, 443, 5));
	sockets_scanned(&sockets);
	assert_int_equal(sockets_find(&sockets, 2)->owner_pid, 10);
	assert_int_equal(sockets_find(&sockets, 2)->role, ROLE_SERVER); /* what was learnt stays */
	assert_int_equal(sockets_find(&sockets, 3)->owner_pid, 0);
	assert_null(sockets_find(&sockets, 1));
	assert_int_equal(sockets.len, 2);
	sockets_done(&sockets);
}

static void ports_of_other_namespaces_give_no_role(void **state)
{
	struct socket other = socket_of(1, 80, 0, SOCKET_LISTEN);
	struct sockets sockets;

	sockets_init(&sockets, 100);
	other.netns = 2;
	sockets_scan(&sockets);
	see(&sockets, other);
	see(&sockets, socket_of(2, 80, 40000, 1));
	sockets_scanned(&sockets);
	assert_int_equal(sockets_find(&sockets, 2)->role, ROLE_CLIENT);
	sockets_done(&sockets);
}

static void what_an_event_told_survives_the_scan_under_way(void **state)
{
	struct socket fresh = held(socket_of(9, 1, 2, 1), 5, 5);
	struct sockets sockets;

	sockets_init(&sockets, 100);
	fresh.role = ROLE_SERVER;
	sockets_scan(&sockets);
	assert_non_null(sockets_note(&sockets, &fresh));
	sockets_scanned(&sockets);
	assert_int_equal(sockets_find(&sockets, 9)->role, ROLE_SERVER);
	sockets_done(&sockets);
}

static void random_sockets_agree_with_a_model(void **state)
{
	enum { COOKIES = 20000 };
	static bool there[COOKIES + 1];
	unsigned seed =
		getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : (unsigned)time(NULL);
	struct sockets sockets;
	uint32_t count = 0, at = 0, walked = 0;

	print_message("seed %u\n", seed);
	srandom(seed);
	sockets_init(&sockets, 12000);
	for (int step = 0; step < 200000; step++) {
		uint64_t cookie = 1 + (uint64_t)random() % COOKIES;
		struct socket facts = socket_of(cookie, (uint16_t)cookie, 1, 1);

		/* first mostly growing to the cap, then mostly shrinking */
		if (random() % 4 < (step < 100000 ? 3 : 1)) {
			bool fits = there[cookie] || count < 12000;

			assert_int_equal(sockets_note(&sockets, &facts) != NULL, fits);
			count += fits && !there[cookie];
			there[cookie] |= fits;
		} else {
			sockets_forget(&sockets, cookie);
			count -= there[cookie];
			there[cookie] = false;
		}
		assert_int_equal(sockets.len, count);
	}
	assert_true(sockets.refused > 0);
	for (uint64_t cookie = 1; cookie <= COOKIES; cookie++) {
		const struct socket *socket = sockets_find(&sockets, cookie);

		assert_int_equal(socket != NULL, there[cookie]);
		if (socket)
			assert_int_equal(socket->local_port, (uint16_t)cookie);
	}
	while (sockets_next(&sockets, &at))
		walked++;
	assert_int_equal(walked, count);
	sockets_done(&sockets);
}

/* A dump of this namespace, taken without any privilege. */
static size_t dump(uint8_t family, uint8_t *out, size_t room)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 request;
	} ask = {
		.head = {sizeof(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0},
		.request = {.sdiag_family = family,
			    .sdiag_protocol = IPPROTO_TCP,
			    .idiag_states = ~0u},
	};
	int sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	size_t used = 0;

	assert_true(sock >= 0);
	assert_int_equal(send(sock, &ask, sizeof(ask), 0), sizeof(ask));
	for (;;) {
		ssize_t got = recv(sock, out + used, room - used, 0);
		struct nlmsghdr head;

		assert_true(got > 0);
		memcpy(&head, out + used, sizeof(head));
		used += (size_t)got;
		if (head.nlmsg_type == NLMSG_DONE)
			break;
	}
	close(sock);
	return used;
}

static void note_socket(void *ctx, const struct socket *socket)
{
	sockets_note(ctx, socket);
}

static void a_dump_of_this_kernel_says_what_getsockopt_says(void **state)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static uint8_t bytes[4 << 20];
	const uint8_t loopback[ADDR_BYTES] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	socklen_t len = sizeof(here), cookie_len = sizeof(uint64_t);
	const struct socket *found;
	struct sockets sockets;
	uint64_t cookie;
	size_t size;

	assert_int_equal(bind(listener, (void *)&here, sizeof(here)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (void *)&here, &len), 0);
	assert_int_equal(connect(client, (void *)&here, sizeof(here)), 0);
	size = dump(AF_INET, bytes, sizeof(bytes));
	sockets_init(&sockets, 100000);
	assert_true(diag_read((struct span){bytes, size}, 7, IPPROTO_TCP, note_socket, &sockets) >=
		    3);
	assert_int_equal(getsockopt(client, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len), 0);
	found = sockets_find(&sockets, cookie);
	assert_non_null(found);
	assert_memory_equal(found->remote_addr, loopback, ADDR_BYTES);
	assert_int_equal(found->remote_port, ntohs(here.sin_port));
	assert_int_equal(found->state, 1);
	assert_int_equal(found->netns, 7);
	assert_int_equal(getsockopt(listener, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len), 0);
	assert_int_equal(sockets_find(&sockets, cookie)->role, ROLE_LISTENER);
	/* cut anywhere between messages it is shorter, anywhere else it is wrong; never more than that */
	for (size_t cut = 0; cut < size && cut < 2000; cut++)
		assert_true(diag_read((struct span){bytes, cut}, 7, IPPROTO_TCP, note_socket,
				      &sockets) <= 30);
	sockets_done(&sockets);
	close(listener);
	close(client);
}

static void errors_of_the_kernel_are_handed_on(void **state)
{
	struct {
		struct nlmsghdr head;
		int error;
	} refusal = {{sizeof(refusal), NLMSG_ERROR, 0, 0, 0}, -ENOENT};
	struct nlmsghdr endless = {0, SOCK_DIAG_BY_FAMILY, 0, 0, 0};

	assert_int_equal(
		diag_read((struct span){(uint8_t *)&refusal, sizeof(refusal)}, 1, 6, NULL, NULL),
		-ENOENT);
	assert_int_equal(
		diag_read((struct span){(uint8_t *)&endless, sizeof(endless)}, 1, 6, NULL, NULL),
		-EPROTO);
	assert_int_equal(diag_read((struct span){(uint8_t *)&endless, 3}, 1, 6, NULL, NULL),
			 -EPROTO);
	assert_int_equal(diag_read((struct span){}, 1, 6, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_finds_owners_and_roles),
		cmocka_unit_test(ports_of_other_namespaces_give_no_role),
		cmocka_unit_test(what_an_event_told_survives_the_scan_under_way),
		cmocka_unit_test(random_sockets_agree_with_a_model),
		cmocka_unit_test(a_dump_of_this_kernel_says_what_getsockopt_says),
		cmocka_unit_test(errors_of_the_kernel_are_handed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
