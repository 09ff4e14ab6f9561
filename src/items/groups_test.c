// SPDX-License-Identifier: GPL-2.0-only
/* Which control groups are taken: the topmost of each container and service, and no other. */
#include "items/groups.h"
#include "items/testdata/collected.h"

struct world *item_world(struct item *item)
{
	return NULL;
}

static bool was_chosen(const struct group_found *found, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (span_is(found[i].path, path))
			return true;
	return false;
}

#define GROUP(path, owner)                                                                         \
	{                                                                                          \
		{(const uint8_t *)(path), sizeof(path) - 1},                                       \
			{(const uint8_t *)(owner), sizeof(owner) - 1}, 0                           \
	}

static void each_owner_is_taken_once_and_at_its_top(void **state)
{
	struct group_found found[] = {
		GROUP("/docker/aaa/init.scope", "aaa"),
		GROUP("/docker/aaa", "aaa"),
		GROUP("/docker/aaa-b", "aaa-b"),
		GROUP("/docker/aaa/system.slice/x.service", "aaa"),
		GROUP("/docker/aaa/system.slice", "aaa"),
		GROUP("/docker/bbb", "bbb"),
		GROUP("/system.slice/nginx.service", "nginx"),
		GROUP("/system.slice/nginx.service/worker", "nginx"),
		GROUP("/system.slice/docker.service/inner", "ccc"),
		GROUP("/system.slice/docker.service", "docker"),
	};
	size_t count = groups_choose(found, sizeof(found) / sizeof(*found));

	assert_int_equal(count, 6);
	assert_true(was_chosen(found, count, "/docker/aaa"));
	assert_true(was_chosen(found, count, "/docker/aaa-b"));
	assert_true(was_chosen(found, count, "/docker/bbb"));
	assert_true(was_chosen(found, count, "/system.slice/nginx.service"));
	assert_true(was_chosen(found, count, "/system.slice/docker.service"));
	assert_true(was_chosen(found, count, "/system.slice/docker.service/inner"));
}

static void none_is_none(void **state)
{
	struct group_found found[1];

	assert_int_equal(groups_choose(found, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_owner_is_taken_once_and_at_its_top),
		cmocka_unit_test(none_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
