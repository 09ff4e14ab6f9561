// SPDX-License-Identifier: GPL-2.0-only
/* What pmu makes of its counters: ratios within a group, who is batch, who is interfered with; a sentence for every errno. */
#define object_read	  read_machine
#define world_cgroup_path path_of_group
#include "pmu.c"
#undef object_read

#include "items/testdata/collected.h"

static struct {
	uint64_t id;
	const char *cgroup, *container;
	struct pmu_container sums;
} machine[4];

static bool resolve(void *ctx, uint64_t id, struct who *ret_who)
{
	for (size_t i = 0; i < 4; i++)
		if (machine[i].id == id && id) {
			ret_who->cgroup = span_of(machine[i].cgroup);
			ret_who->container = span_of(machine[i].container);
			return true;
		}
	return false;
}

const struct resolver *item_resolver(struct item *item)
{
	static const struct resolver resolver = {.cgroup = resolve};

	return &resolver;
}

int read_machine(struct object *object, const char *map, map_entry each, void *ctx)
{
	int count = 0;

	for (size_t i = 0; i < 4; i++)
		if (machine[i].id && ++count)
			each(ctx, &machine[i].id, &machine[i].sums);
	return count;
}

struct world *item_world(struct item *item)
{
	return NULL;
}

struct span path_of_group(struct world *world, uint64_t cgroup)
{
	return span_of("/there");
}

const char *item_name(const struct item *item)
{
	return "pmu";
}

int64_t item_param(const struct item *item, const char *name)
{
	return 0;
}

struct object *item_object(struct item *item)
{
	return NULL;
}

void item_count(struct item *item, const char *stage, const char *reason, uint64_t amount)
{
	fail_msg("%s %s", stage, reason);
}

/* A window of this many cycles and instructions, and misses beside other instructions. */
static void run(size_t i, uint64_t cycles, uint64_t instructions, uint64_t misses)
{
	struct pmu_reading *group = machine[i].sums.group;

	group[PMU_CYCLES].value[0] += cycles;
	group[PMU_CYCLES].value[1] += instructions;
	group[PMU_CYCLES].wanted_ns += 1000;
	group[PMU_CYCLES].counted_ns += 1000;
	group[PMU_CACHES].value[0] += instructions / 2; /* it counted half of the time */
	group[PMU_CACHES].value[1] += misses * 4;
	group[PMU_CACHES].value[2] += misses;
	group[PMU_CACHES].wanted_ns += 1000;
	group[PMU_CACHES].counted_ns += 500;
}

static struct judged *of(struct pmu *pmu, uint64_t id)
{
	struct judged *judged = map_get(&pmu->containers, &id);

	assert_non_null(judged);
	return judged;
}

static void who_is_interfered_with(void **state)
{
	struct pmu pmu = {.error = {0, 0, -ENOENT, 1}};

	map_init(&pmu.containers, sizeof(uint64_t), sizeof(struct judged), 16);
	machine[0].id = 10, machine[0].cgroup = "/kubepods/pod1", machine[0].container = "shop";
	machine[1].id = 20, machine[1].cgroup = "/kubepods/besteffort/pod2",
	machine[1].container = "crunch";
	machine[2].id = 30, machine[2].cgroup = "/system.slice/backup.service",
	machine[2].container = "";
	for (int i = 0; i < 8; i++) {
		run(0, 2000000 + (uint64_t)(i % 2) * 40000, 1000000, 1000);
		run(2, 10, 10, 1);
		look(&pmu);
		assert_false(of(&pmu, 10)->is_interfered);
	}
	assert_false(of(&pmu, 10)->is_batch);
	assert_true(of(&pmu, 10)->mean > 1.9 && of(&pmu, 10)->mean < 2.1);
	/* it slows down, but nobody is there to be blamed */
	run(0, 4000000, 1000000, 9000);
	look(&pmu);
	assert_false(of(&pmu, 10)->is_interfered);
	for (int i = 0; i < 40; i++) { /* and is well again for long */
		run(0, 2000000 + (uint64_t)(i % 2) * 40000, 1000000, 1000);
		look(&pmu);
	}
	run(0, 4000000, 1000000, 9000);
	run(1, 9000000, 1000000, 50000);
	look(&pmu);
	assert_true(of(&pmu, 20)->is_batch);
	assert_true(of(&pmu, 10)->is_interfered);
	assert_int_equal(of(&pmu, 10)->suspect, 20);
	assert_false(of(&pmu, 20)->is_interfered);
	map_done(&pmu.containers);
}

static void ratios_are_of_one_group(void **state)
{
	struct pmu_container window;

	memset(&machine[3], 0, sizeof(machine[3]));
	run(3, 3000, 1000, 5);
	window = machine[3].sums;
	assert_true(cpi_of(&window) == 3);
	assert_true(mpki_of(&window, PMU_CACHES) ==
		    10); /* 5 misses beside 500 instructions, not beside 1,000 */
	assert_true(isnan(mpki_of(&window, PMU_BRANCHES))); /* never counted: no number, not 0 */
	assert_true(is_multiplexed(&window));
	window.group[PMU_CACHES].counted_ns = window.group[PMU_CACHES].wanted_ns;
	assert_false(is_multiplexed(&window));
	memset(&machine[3], 0, sizeof(machine[3]));
}

static void batch_by_setting(void **state)
{
	struct who who = {.service = span_of("nightly-report")};

	assert_false(is_batch(&who));
	strcpy(batch[0], "nightly-*");
	batches = 1;
	assert_true(is_batch(&who));
	batches = 0;
}

/* Each errno that perf_event_open(2) names has a sentence of its own. */
static void every_errno_has_its_sentence(void **state)
{
	static const int errors[] = {E2BIG,      EACCES,    EBADF,  EBUSY,  EFAULT, EINTR,
				     EINVAL,     EMFILE,    ENODEV, ENOENT, ENOSPC, ENOSYS,
				     EOPNOTSUPP, EOVERFLOW, EPERM,  ESRCH,  ENFILE, ENOMEM};
	const char *other = pmu_sentence(-EXDEV);

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		assert_string_not_equal(pmu_sentence(-errors[i]), other);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(pmu_sentence(-errors[i]), pmu_sentence(-errors[k]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_interfered_with),
		cmocka_unit_test(ratios_are_of_one_group),
		cmocka_unit_test(batch_by_setting),
		cmocka_unit_test(every_errno_has_its_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
