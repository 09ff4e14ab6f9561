// SPDX-License-Identifier: GPL-2.0-only
/* What hardware makes of the kernel's files: those of a machine that has everything, and of one that has nothing. */
#include "hardware.c"

#include "items/testdata/collected.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

const char *item_name(const struct item *item)
{
	return "hardware";
}

const struct resolver *item_resolver(struct item *item)
{
	static const struct resolver nobody;

	return &nobody;
}

static void put(const char *path, const char *text)
{
	char whole[PATH_BYTES], *slash;
	FILE *file;

	snprintf(whole, sizeof(whole), "%s%s", folder, path);
	for (slash = whole + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(whole, 0700);
		*slash = '/';
	}
	file = fopen(whole, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void a_machine_with_sensors(void **state)
{
	put("/proc/interrupts",
	    "           CPU0       CPU1\n MCE:          2          3   Machine check exceptions\n"
	    " MCP:          7          7   Machine check polls\n");
	put("/proc/cpuinfo",
	    "processor\t: 0\nmodel name\t: Fast\nphysical id\t: 0\ncpu cores\t: 2\ncache size\t: "
	    "64 KB\n\n"
	    "processor\t: 1\nmodel name\t: Fast\nphysical id\t: 1\ncpu cores\t: 2\n");
	put("/sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
	put("/sys/class/thermal/thermal_zone0/temp", "45500\n");
	put("/sys/class/thermal/thermal_zone1/temp", "-3000\n");
	put("/sys/class/thermal/cooling_device0/temp", "1\n");
	put("/sys/class/hwmon/hwmon0/name", "k10temp\n");
	put("/sys/class/hwmon/hwmon0/temp1_input", "51000\n");
	put("/sys/class/hwmon/hwmon0/temp1_label", "Tctl\n");
	put("/sys/class/hwmon/hwmon0/temp1_max", "70000\n");
	put("/sys/class/hwmon/hwmon0/fan2_input", "900\n");
	put("/sys/devices/system/cpu/cpu3/thermal_throttle/core_throttle_count", "12\n");
	put("/sys/devices/system/cpu/cpufreq/thermal_throttle/core_throttle_count", "99\n");
	put("/sys/devices/system/edac/mc/mc0/ce_count", "5\n");
	put("/sys/devices/system/edac/mc/mc0/ue_count", "1\n");
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_int_equal(collected(MACHINE_CHECKS, ""), 5);
	assert_int_equal(collected(CPUS, ""), 2);
	assert_int_equal(collected(TEMPERATURE, "chip=x86_pkg_temp,sensor=thermal_zone0"), 45500);
	assert_int_equal(collected(TEMPERATURE, "chip=thermal,sensor=thermal_zone1"), -3000);
	assert_int_equal(collected(TEMPERATURE, "chip=k10temp,sensor=Tctl"), 51000);
	assert_int_equal(collected(FAN, "chip=k10temp,sensor=fan2"), 900);
	assert_int_equal(collected(THROTTLES, "cpu=3,level=core"), 12);
	assert_int_equal(collected(MEMORY_ERRORS, "controller=mc0,kind=corrected"), 5);
	assert_int_equal(collected(MEMORY_ERRORS, "controller=mc0,kind=uncorrected"), 1);
	assert_int_equal(samples, 9);
}

static void processors_are_counted(void **state)
{
	struct processors processors;

	read_processors(span_of("processor\t: 0\nmodel name\t: Fast\nphysical id\t: 0\ncpu "
				"cores\t: 2\ncache size\t: 64 KB\n\n"
				"processor\t: 1\nphysical id\t: 1\n"),
			&processors);
	assert_string_equal(processors.model, "Fast");
	assert_int_equal(processors.cpus, 2);
	assert_int_equal(processors.sockets, 2);
	assert_int_equal(processors.cores, 4);
	assert_int_equal(processors.cache_bytes, 65536);
	read_processors(span_of("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n"),
			&processors);
	assert_int_equal(processors.cpus, 1);
	assert_int_equal(processors.sockets, 0);
}

static void a_machine_with_nothing(void **state)
{
	char empty[] = "/tmp/sonde-hardware-none-XXXXXX";

	root = mkdtemp(empty);
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_int_equal(samples, 0);
	rmdir(empty);
	root = folder;
}

static int make(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/sonde-hardware-XXXXXX");
	root = mkdtemp(folder);
	return root ? 0 : -1;
}

static int clean(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_with_sensors),
		cmocka_unit_test(processors_are_counted),
		cmocka_unit_test(a_machine_with_nothing),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
