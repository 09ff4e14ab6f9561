// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets of the running kernel: those of other network namespaces and those older than us are found, with
 * owner, role and name; and a hundred thousand of them in about a second. Needs root.
 */
#include "world/testing.h"

#include <arpa/inet.h>
#include <err.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* What a child tells of its sockets. */
struct told {
	uint64_t listener, client, accepted, waiting; /* cookies */
	uint16_t port;
};

static int tell[2];

static uint64_t cookie_of(int fd)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t cookie = 0;

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

static void bring_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (ioctl(fd, SIOCSIFFLAGS, &request))
		_exit(1);
	close(fd);
}

/* A listener, a connection to itself that is accepted, and one that waits to be. */
static void talk_to_oneself(bool ask_for_cookies)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int waiting = socket(AF_INET, SOCK_STREAM, 0), accepted;
	socklen_t len = sizeof(here);
	struct told told = {};

	if (bind(listener, (void *)&here, sizeof(here)) || listen(listener, 5) ||
	    getsockname(listener, (void *)&here, &len))
		_exit(1);
	told.port = ntohs(here.sin_port);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(client, (void *)&here, sizeof(here)))
		_exit(1);
	accepted = accept(listener, NULL, NULL);
	if (accepted < 0 || connect(waiting, (void *)&here, sizeof(here)))
		_exit(1);
	if (ask_for_cookies)
		told = (struct told){cookie_of(listener), cookie_of(client), cookie_of(accepted),
				     cookie_of(waiting), told.port};
	if (write(tell[1], &told, sizeof(told)) != sizeof(told))
		_exit(1);
}

static void talk_elsewhere(void)
{
	prctl(PR_SET_NAME, "elsewhere");
	if (unshare(CLONE_NEWNET))
		_exit(1);
	bring_loopback_up();
	talk_to_oneself(true);
}

static void talk_here(void)
{
	prctl(PR_SET_NAME, "talker");
	talk_to_oneself(true);
}

static struct told hear(void)
{
	struct told told;

	assert_int_equal(read(tell[0], &told, sizeof(told)), sizeof(told));
	return told;
}

static const struct socket *socket_with(uint64_t cookie)
{
	const struct socket *socket = world_socket(world, cookie);

	if (!socket)
		fail_msg("socket %lu is not known", cookie);
	return socket;
}

static uint32_t scan(void)
{
	struct err why = {};
	int count = world_scan_sockets(world, &why);

	if (count < 0)
		fail_msg("%s", why.text);
	return (uint32_t)count;
}

static void check_sockets(const struct told *told, pid_t pid)
{
	const struct process *process;

	scan();
	process = world_process(world, (uint32_t)pid, 0);
	assert_int_equal(socket_with(told->listener)->role, ROLE_LISTENER);
	assert_int_equal(socket_with(told->listener)->owner_pid, pid);
	assert_int_equal(socket_with(told->listener)->owner_start_ns, process->start_ns);
	assert_int_equal(socket_with(told->listener)->local_port, told->port);
	assert_int_equal(socket_with(told->client)->role, ROLE_CLIENT);
	assert_int_equal(socket_with(told->client)->remote_port, told->port);
	assert_int_equal(socket_with(told->client)->owner_pid, pid);
	assert_int_equal(socket_with(told->accepted)->role, ROLE_SERVER);
	assert_int_equal(socket_with(told->accepted)->local_port, told->port);
	assert_int_equal(socket_with(told->accepted)->netns, process->netns);
}

static void sockets_here_are_found(void **state)
{
	pid_t pid = start_child(talk_here);
	struct told told = hear();

	check_sockets(&told, pid);
	end_child(pid);
	scan();
	assert_null(world_socket(world, told.listener));
}

static void sockets_of_another_namespace_are_found(void **state)
{
	pid_t pid = start_child(talk_elsewhere);
	struct told told = hear();
	struct world_counts counts;
	uint32_t at = 0, nobodys = 0;
	const struct socket *socket;

	check_sockets(&told, pid);
	assert_int_not_equal(socket_with(told.listener)->netns,
			     world_process(world, (uint32_t)getpid(), 0)->netns);
	/* the connection that nobody accepted yet has no descriptor: sock_diag alone knows it */
	while ((socket = world_next_socket(world, &at)))
		if (socket->netns == socket_with(told.listener)->netns && !socket->owner_pid &&
		    socket->local_port == told.port) {
			assert_int_equal(socket->role, ROLE_SERVER);
			nobodys++;
		}
	assert_int_equal(nobodys, 1);
	world_counts(world, &counts);
	assert_int_equal(counts.without_cookie, 0);
	end_child(pid);
}

static void a_socket_handed_on_has_a_new_owner(void **state)
{
	pid_t pid = start_child(talk_here), child;
	struct told told = hear();
	uint64_t start_ns;

	check_sockets(&told, pid);
	start_ns = world_process(world, (uint32_t)pid, 0)->start_ns;
	end_child(pid);
	/* ours, then a child's that inherits it */
	{
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		uint64_t cookie = cookie_of(fd);

		scan();
		assert_int_equal(socket_with(cookie)->owner_pid, getpid());
		child = start_child(talk_here);
		hear();
		scan();
		assert_int_equal(socket_with(cookie)->owner_pid, child);
		assert_true(socket_with(cookie)->owner_start_ns > start_ns);
		end_child(child);
		scan();
		assert_int_equal(socket_with(cookie)->owner_pid, getpid());
		close(fd);
	}
}

static void who_listens_is_named(void **state)
{
	const uint8_t loopback[ADDR_BYTES] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	struct resolver *resolver = world_resolver(world);
	pid_t here = start_child(talk_here), there;
	struct told told = hear(), far;
	uint32_t netns;

	assert_true(span_is(resolver->peer(resolver->ctx, loopback, told.port), "talker"));
	/* seen from another namespace loopback is another machine */
	there = start_child(talk_elsewhere);
	far = hear();
	netns = world_process(world, (uint32_t)there, clock_monotonic_ns())->netns;
	for (int i = 0; i < 100 && !world_peer(world, netns, loopback, far.port).len; i++)
		world_tick(world, clock_monotonic_ns() + (uint64_t)i * second_ns);
	/* the fork was seen in our namespace; the sweep has corrected that by now */
	netns = world_process(world, (uint32_t)there, 0)->netns;
	assert_true(span_is(world_peer(world, netns, loopback, far.port), "elsewhere"));
	if (far.port != told.port)
		assert_int_equal(world_peer(world, netns, loopback, told.port).len, 0);
	end_child(there);
	end_child(here);
}

static void names_that_were_learnt_are_said(void **state)
{
	struct resolver *resolver = world_resolver(world);
	uint8_t addr[ADDR_BYTES];

	assert_true(addr_parse(span_of("203.0.113.7"), addr));
	assert_int_equal(resolver->peer(resolver->ctx, addr, 443).len, 0);
	world_note_name(world, addr, span_of("api.example"),
			clock_monotonic_ns() + 1000 * second_ns);
	assert_true(span_is(resolver->peer(resolver->ctx, addr, 443), "api.example"));
}

enum { CROWDS = 6, CROWD = 17000 };

/* As many connections as one process may have, both ends. */
static void make_a_crowd(void)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(here);
	int listener;
	struct rlimit limit = {20000, 20000};

	prctl(PR_SET_NAME, "crowd");
	setrlimit(RLIMIT_NOFILE, &limit);
	if (unshare(CLONE_NEWNET))
		_exit(1);
	bring_loopback_up();
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&here, sizeof(here)) || listen(listener, 100) ||
	    getsockname(listener, (void *)&here, &len))
		_exit(1);
	for (int i = 0; i < CROWD / 2; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(client, (void *)&here, sizeof(here)) ||
		    accept(listener, NULL, NULL) < 0)
			err(2, "connection %d", i);
	}
}

static void a_hundred_thousand_take_about_a_second(void **state)
{
	pid_t pid[CROWDS];
	uint64_t start_ns, took_ns;
	struct world_table table;
	uint32_t count;

	for (int i = 0; i < CROWDS; i++)
		pid[i] = start_child(make_a_crowd);
	start_ns = clock_monotonic_ns();
	count = scan();
	took_ns = clock_monotonic_ns() - start_ns;
	for (size_t i = 0; world_table(world, i, &table); i++)
		if (!strcmp(table.name, "sockets"))
			print_message("%u sockets in %lu ms, %lu bytes each\n", count,
				      took_ns / 1000000, table.bytes / count);
	assert_true(count >= CROWDS * (CROWD + 1));
	/* generous: sanitizers and neighbours */
	assert_true(took_ns < 20 * second_ns);
	for (int i = 0; i < CROWDS; i++)
		end_child(pid[i]);
}

static int open_pipe(void **state)
{
	return pipe2(tell, O_CLOEXEC) || start(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_here_are_found),
		cmocka_unit_test(sockets_of_another_namespace_are_found),
		cmocka_unit_test(a_socket_handed_on_has_a_new_owner),
		cmocka_unit_test(who_listens_is_named),
		cmocka_unit_test(names_that_were_learnt_are_said),
		cmocka_unit_test(a_hundred_thousand_take_about_a_second),
	};

	if (geteuid()) {
		print_message("needs root\n");
		return 77;
	}
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, open_pipe, finish);
}
