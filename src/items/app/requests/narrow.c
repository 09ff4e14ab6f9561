// SPDX-License-Identifier: GPL-2.0-only
/*
 * narrow - what `where` demands of every record is looked at by the kernel half, before anything is copied.
 *
 * The kernel half turns away no more than `where` would: only comparisons that everything must pass are taken over, and
 * the rest of the expression is applied to records. It may be changed at any time; once a second is looked whether
 * it was, and whether containers came or went. Where nothing has the name yet that was asked for, or too much has, names of
 * containers are left to the records.
 */
#include "items/app/requests/inside.h"

#include "items/app/requests/candidate.h"
#include "record/filter.h"
#include "world/world.h"

static bool required_number(const struct item *item, const char *const *columns, uint32_t max,
			    uint32_t *ret_number)
{
	struct span text;
	double number;

	if (!item_where_requires(item, columns, &text) || !parse_quantity(text, &number) ||
	    number < 0 || number > max)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

/* Bytes that a message of the protocol may begin with; 0 = any, or nobody knows. */
static uint32_t families_of(struct span protocol)
{
	static const struct {
		const char *name;
		uint32_t families;
	} known[] = {
		{"http", CANDIDATE_WORDS},
		{"redis", CANDIDATE_WORDS | CANDIDATE_RESP},
		{"memcached", CANDIDATE_WORDS | CANDIDATE_MEMCACHED},
		{"mysql", CANDIDATE_MYSQL},
		{"postgresql", CANDIDATE_PGSQL},
		{"dns", CANDIDATE_DNS},
		{"tls", CANDIDATE_TLS},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (span_is(protocol, known[i].name))
			return known[i].families;
	return 0;
}

/* What `where` may demand of whose it is, as far as a control group answers for it. */
static const char *const container_columns[] = {"container", "container_id", NULL},
			 *const pod_columns[] = {"pod", NULL},
			 *const namespace_columns[] = {"namespace", NULL},
			 *const cgroup_columns[] = {"cgroup", NULL};

static bool is_or_unasked(const struct item *item, const char *const *columns, struct span name,
			  struct span other)
{
	struct span wanted;

	return !item_where_requires(item, columns, &wanted) || span_same(wanted, name) ||
	       span_same(wanted, other);
}

static bool is_wanted(const struct item *item, const struct who *who)
{
	return is_or_unasked(item, container_columns, who->container, who->container_id) &&
	       is_or_unasked(item, pod_columns, who->pod, who->pod) &&
	       is_or_unasked(item, namespace_columns, who->namespace, who->namespace) &&
	       is_or_unasked(item, cgroup_columns, who->cgroup, who->cgroup);
}

static bool asks_for_groups(const struct item *item)
{
	struct span wanted;

	return item_where_requires(item, container_columns, &wanted) ||
	       item_where_requires(item, pod_columns, &wanted) ||
	       item_where_requires(item, namespace_columns, &wanted) ||
	       item_where_requires(item, cgroup_columns, &wanted);
}

/* The control groups that `where` lets through, when there are some and not too many. */
static bool find_groups(struct item *item, uint64_t cgroup[FILTER_CGROUPS])
{
	const struct resolver *resolver = item_resolver(item);
	struct world *world = item_world(item);
	size_t at = 0, count = 0;
	struct span path;
	uint64_t id;

	if (!world || !resolver->cgroup || !asks_for_groups(item))
		return false;
	while (world_next_cgroup(world, &at, &id, &path)) {
		struct who who = {.cgroup = path};

		resolver->cgroup(resolver->ctx, id, &who);
		if (!is_wanted(item, &who))
			continue;
		if (count == FILTER_CGROUPS) {
			count = 0;
			break;
		}
		cgroup[count++] = id;
	}
	if (!count)
		memset(cgroup, 0, FILTER_CGROUPS * sizeof(*cgroup));
	return count > 0;
}

static bool find_addr(const struct item *item, uint8_t ret_addr[ADDR_BYTES])
{
	static const char *const columns[] = {"addr", "local_addr", "remote_addr", NULL};
	struct span text;

	return item_where_requires(item, columns, &text) && addr_parse(text, ret_addr);
}

static void read_where(struct item *item, struct filter_settings *ret)
{
	static const char *const pid[] = {"pid", NULL}, *const uid[] = {"uid", NULL},
				 *const port[] = {"port", "local_port", "remote_port", NULL},
				 *const protocol[] = {"protocol", NULL};
	uint32_t number;
	struct span name;

	ret->active |= required_number(item, pid, UINT32_MAX, &ret->pid) && ret->pid;
	if (required_number(item, uid, UINT32_MAX, &ret->uid))
		ret->active = ret->uid_set = 1;
	if (required_number(item, port, UINT16_MAX, &number) && number) {
		ret->active = 1;
		ret->port = (uint16_t)number;
	}
	if (find_addr(item, ret->addr))
		ret->active = ret->addr_set = 1;
	if (item_where_requires(item, protocol, &name))
		ret->families = families_of(name);
	ret->active |= ret->families != 0;
	ret->active |= find_groups(item, ret->cgroup);
}

void narrow(struct requests *requests)
{
	struct filter_settings *filter = object_mapped(requests->object, "filter"), wanted = {};

	if (!filter)
		return;
	read_where(requests->item, &wanted);
	wanted.sample = (uint32_t)item_param(requests->item, "sample");
	wanted.active |= wanted.sample > 1;
	if (memcmp(filter, &wanted, sizeof(wanted)) != 0)
		*filter = wanted;
}
