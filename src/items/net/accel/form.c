// SPDX-License-Identifier: GPL-2.0-only
/*
 * form - tries what the running kernel does with two sockets in a sockhash, with and without the no-op verdict program.
 *
 * Kernels differ, and wrongly: FIONREAD answers 0 for bytes that came by TCP (6.6.128, 6.12.75, 6.18.14, 6.19 and later,
 * until repaired; the verdict program makes it right), or for redirected ones (before), or copied_seq moves
 * before anybody read (5.10 with the verdict program: then nothing can tell when a direction may be redirected).
 * No version number says all that of a distribution's kernel, so a pair of sockets in a network namespace of its
 * own is asked. The broker makes the pair, everything else happens here, without privileges.
 */
#include "items/net/accel/inside.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "items/net/accel/try/form.h"

extern const unsigned char accel_form_object[], accel_form_object_end[];

enum { PATIENCE_MS = 2000, PLAIN_BYTES = 1000, CLIENT = 1, SERVER = 2 /* keys in the sockhash */ };

const char *const form_check_name[FORM_CHECKS] = {
	[FORM_LOADS] = "loads",
	[FORM_FIONREAD] = "fionread",
	[FORM_REDIRECTED] = "fionread_redirected",
	[FORM_COPIED_SEQ] = "copied_seq",
	[FORM_WAKES] = "wakes",
	[FORM_ORDER] = "order",
};

struct trial {
	struct form *form;
	struct object *object;
	volatile struct form_orders *orders;
	int client, server, epoll;
};

static void note(struct trial *trial, enum form_check check, bool passed, const char *what)
{
	trial->form->passed[check] = passed;
	if (!passed && !trial->form->reason[0])
		snprintf(trial->form->reason, sizeof(trial->form->reason), "%s", what);
}

static bool wakes(const struct trial *trial)
{
	struct epoll_event event;

	return epoll_wait(trial->epoll, &event, 1, PATIENCE_MS) == 1 && event.events & EPOLLIN;
}

static int unread(const struct trial *trial)
{
	int bytes = -1;

	return ioctl(trial->server, FIONREAD, &bytes) ? -errno : bytes;
}

static bool sends(int sock, const char *bytes, size_t count)
{
	return send(sock, bytes, count, MSG_NOSIGNAL) == (ssize_t)count;
}

/* Reads until `count` bytes are there; false when they don't come. */
static bool reads(const struct trial *trial, char *out, size_t count)
{
	struct pollfd wait = {trial->server, POLLIN, 0};
	size_t got = 0;

	while (got < count) {
		ssize_t part;

		if (poll(&wait, 1, PATIENCE_MS) != 1)
			return false;
		part = recv(trial->server, out + got, count - got, MSG_DONTWAIT);
		if (part <= 0)
			return false;
		got += (size_t)part;
	}
	return true;
}

/* The server's own position, as its next write sees it: how much is there that nobody read. */
static uint32_t position(const struct trial *trial)
{
	trial->orders->peer = 0;
	if (!sends(trial->server, "p", 1))
		return UINT32_MAX;
	return trial->orders->rcv_nxt - trial->orders->copied_seq;
}

static void try_plain(struct trial *trial)
{
	char bytes[PLAIN_BYTES] = "", got[PLAIN_BYTES];
	bool woken;

	trial->orders->peer = 0;
	if (!sends(trial->client, bytes, sizeof(bytes)))
		return;
	woken = wakes(trial);
	note(trial, FORM_WAKES, woken, "nobody is woken by bytes that come by TCP");
	note(trial, FORM_FIONREAD, unread(trial) == PLAIN_BYTES,
	     "FIONREAD is wrong about bytes that came by TCP");
	note(trial, FORM_COPIED_SEQ, position(trial) == PLAIN_BYTES,
	     "copied_seq moves before the application has read");
	if (!reads(trial, got, sizeof(got)) || position(trial) != 0)
		note(trial, FORM_COPIED_SEQ, false,
		     "copied_seq stays where it is though the application has read");
}

static void try_redirected(struct trial *trial)
{
	char bytes[PLAIN_BYTES] = "", got[PLAIN_BYTES];

	trial->orders->peer = SERVER;
	if (!sends(trial->client, bytes, sizeof(bytes)))
		return;
	if (!wakes(trial))
		note(trial, FORM_WAKES, false, "nobody is woken by redirected bytes");
	note(trial, FORM_REDIRECTED, unread(trial) == PLAIN_BYTES,
	     "FIONREAD does not count redirected bytes");
	if (!reads(trial, got, sizeof(got)))
		note(trial, FORM_WAKES, false, "redirected bytes cannot be read");
}

/* What was redirected first is read before what comes by TCP after it, and wakes once more. */
static void try_order(struct trial *trial)
{
	char got[6] = "";
	bool right;

	trial->orders->peer = SERVER;
	right = sends(trial->client, "abc", 3);
	trial->orders->peer = 0;
	right = right && sends(trial->client, "def", 3) && wakes(trial) &&
		reads(trial, got, sizeof(got));
	note(trial, FORM_ORDER, right && !memcmp(got, "abcdef", 6) && !trial->orders->misses,
	     "bytes come in another order than they were sent in");
}

static int join(const struct trial *trial, uint64_t key, int sock)
{
	uint64_t value = (uint64_t)sock;

	return bpf_map_update_elem(object_map_fd(trial->object, "socks"), &key, &value, BPF_ANY)
		       ? -errno
		       : 0;
}

static int run(struct trial *trial, struct err *why)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int error = object_load(trial->object, NULL, why);

	if (error)
		return error;
	trial->orders = object_mapped(trial->object, "orders");
	if (!trial->orders || epoll_ctl(trial->epoll, EPOLL_CTL_ADD, trial->server, &event))
		return err_set(why, -ENOMEM, "cannot watch the self-test's sockets");
	error = join(trial, CLIENT, trial->client);
	if (!error)
		error = join(trial, SERVER, trial->server);
	if (error)
		return err_set(why, error, "a socket does not go into a sockhash: %s",
			       err_name(error));
	trial->form->passed[FORM_LOADS] = true;
	try_plain(trial);
	try_redirected(trial);
	try_order(trial);
	return 0;
}

void form_try(struct kernel *kernel, bool has_verdict, struct form *ret_form)
{
	struct trial trial = {.form = ret_form, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct err why = {};
	uint64_t netns;
	int socks[2], error;

	*ret_form = (struct form){.has_verdict = has_verdict};
	error = kernel_tcp_pair(kernel, socks, &netns);
	if (error < 0) {
		snprintf(ret_form->reason, sizeof(ret_form->reason), "no sockets to try with: %s",
			 err_name(error));
		close(trial.epoll);
		return;
	}
	trial.client = socks[0];
	trial.server = socks[1];
	error = object_open(kernel, "accel_form", accel_form_object,
			    (size_t)(accel_form_object_end - accel_form_object), &trial.object,
			    &why);
	if (!error && !has_verdict)
		error = object_skip(trial.object, "verdict", "not in this form");
	if (!error)
		error = run(&trial, &why);
	if (error && !ret_form->reason[0])
		snprintf(ret_form->reason, sizeof(ret_form->reason), "%s", why.text);
	object_free(trial.object);
	close(trial.epoll);
	close(socks[0]);
	close(socks[1]);
}

bool form_is_right(const struct form *form)
{
	return form->passed[FORM_LOADS] && form->passed[FORM_FIONREAD] &&
	       form->passed[FORM_COPIED_SEQ] && form->passed[FORM_WAKES] &&
	       form->passed[FORM_ORDER];
}
