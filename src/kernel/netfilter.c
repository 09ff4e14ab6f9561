// SPDX-License-Identifier: GPL-2.0-only
/*
 * netfilter - the broker subscribes to changes of nftables, and reads the tables of legacy iptables, in another network
 * namespace. What it reads comes from the kernel.
 */
#include "kernel/netfilter.h"

#include <errno.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/netns.h"

enum { ENTRIES_MAX = 16 << 20, TABLES = 8 };

static int subscribe(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK,
				      .nl_groups = 1u << (NFNLGRP_NFTABLES - 1)};
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER),
	    error;

	if (sock < 0)
		return -errno;
	if (!bind(sock, (struct sockaddr *)&address, sizeof(address)))
		return sock;
	error = -errno;
	close(sock);
	return error;
}

int netfilter_watch(int pid)
{
	int own, sock, error = netns_enter(pid, &own);

	if (error)
		return error;
	sock = subscribe();
	netns_return(own);
	return sock;
}

/* ---- legacy iptables ---- */

static uint64_t mix(uint64_t sum, const void *bytes, size_t count)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < count; i++)
		sum = (sum ^ at[i]) * 0x100000001b3ull; /* FNV-1a */
	return sum;
}

/* IPv4 and IPv6 differ in how long the head of a rule is; `counters`, which change with each packet, lie in it. */
struct family {
	int family, level, get_info, get_entries;
	const char *names; /* below /proc/PID/net */
	size_t head, next, counters;
};

static const struct family families[] = {
	{AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES, "ip_tables_names",
	 sizeof(struct ipt_entry), offsetof(struct ipt_entry, next_offset),
	 offsetof(struct ipt_entry, comefrom)},
	{AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES, "ip6_tables_names",
	 sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, next_offset),
	 offsetof(struct ip6t_entry, comefrom)},
};

static uint64_t mix_rules(const struct family *of, uint64_t sum, const uint8_t *at, size_t bytes)
{
	while (bytes >= of->head) {
		uint16_t next;

		memcpy(&next, at + of->next, sizeof(next));
		if (next < of->head || next > bytes)
			break;
		sum = mix(sum, at, of->counters);
		sum = mix(sum, at + of->head, next - of->head);
		at += next;
		bytes -= next;
	}
	return sum;
}

static int mix_table(const struct family *of, int sock, const char *table, uint64_t *sum)
{
	struct ipt_getinfo info =
		{}; /* (both families' have the same layout, as the request below) */
	struct ipt_get_entries *request;
	socklen_t bytes = sizeof(info);
	int error = 0;

	snprintf(info.name, sizeof(info.name), "%s", table);
	if (getsockopt(sock, of->level, of->get_info, &info, &bytes))
		return -errno;
	if (info.size > ENTRIES_MAX)
		return -E2BIG;
	bytes = (socklen_t)(sizeof(*request) + info.size);
	request = calloc(1, bytes);
	if (!request)
		return -ENOMEM;
	snprintf(request->name, sizeof(request->name), "%s", table);
	request->size = info.size;
	if (getsockopt(sock, of->level, of->get_entries, request, &bytes))
		error = errno == EAGAIN ? 0
					: -errno; /* it changed just now: seen at the next look */
	else
		*sum = mix_rules(of, mix(*sum, table, strlen(table)),
				 (const uint8_t *)request->entrytable, info.size);
	free(request);
	return error;
}

/* Names of tables, as the namespace's own /proc/net lists them. */
static size_t table_names(int pid, const struct family *of, char out[TABLES][XT_TABLE_MAXNAMELEN])
{
	char path[64];
	size_t count = 0;
	FILE *names;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, of->names);
	names = fopen(path, "re");
	if (!names)
		return 0;
	while (count < TABLES && fgets(out[count], XT_TABLE_MAXNAMELEN, names)) {
		out[count][strcspn(out[count], "\n")] = 0;
		count += out[count][0] != 0;
	}
	fclose(names);
	return count;
}

static int mix_family(int pid, const struct family *of, uint64_t *sum)
{
	char name[TABLES][XT_TABLE_MAXNAMELEN];
	size_t count = table_names(pid, of, name);
	int own, sock, error;

	if (!count)
		return 0;
	error = netns_enter(pid, &own);
	if (error)
		return error;
	sock = socket(of->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	netns_return(own);
	if (sock < 0)
		return -errno;
	for (size_t i = 0; i < count && !error; i++)
		error = mix_table(of, sock, name[i], sum);
	close(sock);
	return error;
}

int netfilter_fingerprint(int pid, uint64_t *ret_fingerprint)
{
	uint64_t sum = 0;
	int error = 0;

	for (size_t i = 0; i < sizeof(families) / sizeof(*families) && !error; i++)
		error = mix_family(pid, &families[i], &sum);
	if (!error)
		*ret_fingerprint = sum;
	return error;
}
