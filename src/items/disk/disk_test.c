// SPDX-License-Identifier: GPL-2.0-only
/* What the user half of disk makes of the kernel's files: given ones, and those of this machine. */
#include "disk.c"

#include "items/testdata/collected.h"

const char *item_name(const struct item *item)
{
	return "disk";
}

const struct resolver *item_resolver(struct item *item)
{
	static const struct resolver none;

	return &none;
}

static void *started(void)
{
	void *state = NULL;

	assert_int_equal(start(NULL, &state, NULL), 0);
	return state;
}

static void devices_work_by_operation(void **state)
{
	void *disks = started();

	samples = 0;
	/* 4095: no such device, so it is no partition either */
	each_device(disks,
		    span_of("4095    1 new 10 1 80 5 20 2 160 7 3 11 12 30 4 240 9 6 8 99\n"
			    "4095    2 old 1 0 8 2 0 0 0 0 0 1 2\n"
			    "4095    3 idle 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			    "garbage\n"),
		    collect_device, NULL);
	assert_int_equal(collected(BYTES, "device=new,op=read"), 80);
	assert_int_equal(collected(BYTES, "device=new,op=write"), 160);
	assert_int_equal(collected(BYTES, "device=new,op=discard"), 240);
	assert_int_equal(collected(OPERATIONS, "device=new,op=write"), 20);
	assert_int_equal(collected(OPERATIONS, "device=new,op=flush"), 6);
	assert_int_equal(collected(TIME, "device=new,op=flush"), 8);
	assert_int_equal(collected(TIME, "device=new,op=read"), 5);
	assert_int_equal(collected(IN_FLIGHT, "device=new"), 3);
	assert_int_equal(collected(BUSY, "device=new"), 11);
	assert_int_equal(collected(OPERATIONS, "device=old,op=read"), 1);
	assert_true(not_collected(BUSY, "device=idle"));
	stop(NULL, disks);
}

static void names_of_mounts_are_unescaped(void **state)
{
	char out[32];

	assert_int_equal(unescape(span_of("/a\\040b\\134c"), out, sizeof(out)), 6);
	assert_string_equal(out, "/a b\\c");
	unescape(span_of("\\04"), out, sizeof(out));
	assert_string_equal(out, "\\04");
	unescape(span_of("0123456789"), out, 4);
	assert_string_equal(out, "012");
}

static void each_local_file_system_counts_once(void **state)
{
	struct statvfs root;
	double size;

	assert_int_equal(statvfs("/", &root), 0);
	samples = 0;
	each_filesystem(span_of("/dev/one / ext4 rw 0 0\n"
				"/dev/one /mnt ext4 rw 0 0\n"
				"server:/export / nfs4 rw 0 0\n"
				"/dev/fuse / fuse.sshfs rw 0 0\n"
				"proc /proc proc rw 0 0\n"
				"/dev/two /no-such-place ext4 rw 0 0\n"
				"short\n"),
			collect_filesystem, NULL);
	size = collected(FILESYSTEM_SIZE, "mount=/,device=/dev/one,fstype=ext4");
	assert_true(size == (double)root.f_blocks * (double)root.f_frsize);
	assert_true(collected(FILESYSTEM_AVAILABLE, "mount=/,device=/dev/one,fstype=ext4") <= size);
	for (size_t i = 0; i < samples; i++)
		assert_non_null(strstr(sample[i].labels, "device=/dev/one"));
}

static void this_machine_has_no_partition_twice(void **state)
{
	void *disks = started();

	samples = 0;
	collect(NULL, disks, NULL);
	for (size_t i = 0; i < samples; i++) {
		char device[64] = "", path[128];

		if (sample[i].metric != BUSY)
			continue;
		assert_int_equal(sscanf(sample[i].labels, "device=%63s", device), 1);
		snprintf(path, sizeof(path), "/sys/block/%s", device);
		assert_int_equal(access(path, F_OK), 0);
	}
	stop(NULL, disks);
}

struct seen {
	double read_bytes; /* of all devices */
	double root_bytes;
};

static bool keep(void *ctx, const struct record *row)
{
	struct seen *seen = ctx;
	int mount = layout_find(row->layout, span_of("mount"));

	if (mount < 0)
		seen->read_bytes +=
			(double)row->value[layout_find(row->layout, span_of("read_bytes"))].u64;
	else if (span_is(row->value[mount].text, "/"))
		seen->root_bytes =
			(double)row->value[layout_find(row->layout, span_of("size_bytes"))].u64;
	return true;
}

static void rows_say_what_metrics_say(void **state)
{
	void *disks = started();
	struct seen before = {}, after = {};
	double read = 0, root = 0;

	assert_int_equal(show(NULL, disks, keep, &before, NULL), 0);
	samples = 0;
	collect(NULL, disks, NULL);
	assert_int_equal(show(NULL, disks, keep, &after, NULL), 0);
	for (size_t i = 0; i < samples; i++) {
		if (sample[i].metric == BYTES && strstr(sample[i].labels, "op=read"))
			read += sample[i].value * SECTOR;
		if (sample[i].metric == FILESYSTEM_SIZE &&
		    !strncmp(sample[i].labels, "mount=/,", 8))
			root = sample[i].value;
	}
	assert_true(before.read_bytes <= read && read <= after.read_bytes);
	assert_true(before.root_bytes == root);
	stop(NULL, disks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_work_by_operation),
		cmocka_unit_test(names_of_mounts_are_unescaped),
		cmocka_unit_test(each_local_file_system_counts_once),
		cmocka_unit_test(this_machine_has_no_partition_twice),
		cmocka_unit_test(rows_say_what_metrics_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
