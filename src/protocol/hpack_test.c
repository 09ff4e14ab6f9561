// SPDX-License-Identifier: GPL-2.0-only
/* The examples of RFC 7541, blocks that are wrong, tables read elsewhere. Joining late: hpack_join_test.c. */
#include <errno.h>

#include "protocol/hpack_model.h"

static struct hpack_reader reader;

/* Hexadecimal digits, blanks passed over. */
static struct span bytes_of(const char *hex, uint8_t *room)
{
	size_t n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		room[n / 2] = (uint8_t)(n % 2 ? room[n / 2] << 4 : 0);
		room[n / 2] |= (uint8_t)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
		n++;
	}
	return (struct span){room, n / 2};
}

/* "name: value" lines; what is opaque as "#ordinal", what is wrong as "!reason". */
static const char *read_block(struct hpack *hpack, const char *hex)
{
	static char out[8192];
	uint8_t room[2048];
	struct hpack_field field;
	const char *why;
	size_t len = 0;
	enum hpack_step step;

	out[0] = '\0';
	hpack_begin(hpack, bytes_of(hex, room), &reader);
	while ((step = hpack_next(&reader, &field, &why)) == HPACK_FIELD) {
		if (field.known == HPACK_OPAQUE || field.known == HPACK_NAMELESS)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "#%lld",
						(long long)field.ordinal);
		else
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s",
						(int)field.name.len, (const char *)field.name.at);
		if (field.known != HPACK_OPAQUE)
			len += (size_t)snprintf(out + len, sizeof(out) - len, ": %.*s",
						(int)field.value.len, (const char *)field.value.at);
		len += (size_t)snprintf(out + len, sizeof(out) - len, "\n");
	}
	if (step == HPACK_BAD)
		snprintf(out + len, sizeof(out) - len, "!%s", why);
	return out;
}

#define FIRST  ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
#define SECOND FIRST "cache-control: no-cache\n"
#define THIRD                                                                                      \
	":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"          \
	"custom-key: custom-value\n"
#define DATE1 "date: Mon, 21 Oct 2013 20:13:21 GMT\n"
#define DATE2 "date: Mon, 21 Oct 2013 20:13:22 GMT\n"
#define PLACE "location: https://www.example.com\n"

/* RFC 7541 Appendix C: connections of several blocks. */
static const struct {
	const char *section;
	uint32_t size; /* of the table, 0: the usual one */
	struct {
		const char *hex, *out;
		uint64_t kept_size; /* of the table behind it */
	} blocks[3];
} examples[] = {
	{"C.2.1",
	 0,
	 {{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
	   "custom-key: custom-header\n", 55}}},
	{"C.2.2", 0, {{"040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", 0}}},
	{"C.2.3", 0, {{"1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", 0}}},
	{"C.2.4", 0, {{"82", ":method: GET\n", 0}}},
	{"C.3",
	 0,
	 {{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57},
	  {"8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110},
	  {"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD,
	   164}}},
	{"C.4",
	 0,
	 {{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57},
	  {"8286 84be 5886 a8eb 1064 9cbf", SECOND, 110},
	  {"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164}}},
	{"C.5",
	 256,
	 {{"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032"
	   "303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63"
	   "6f6d",
	   ":status: 302\ncache-control: private\n" DATE1 PLACE, 222},
	  {"4803 3330 37c1 c0bf", ":status: 307\ncache-control: private\n" DATE1 PLACE, 222},
	  {"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 "
	   "5a04"
	   "677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 "
	   "4f49"
	   "553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
	   ":status: 200\ncache-control: private\n" DATE2 PLACE "content-encoding: gzip\n"
	   "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
	   215}}},
	{"C.6",
	 256,
	 {{"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b "
	   "ff6e"
	   "919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
	   ":status: 302\ncache-control: private\n" DATE1 PLACE, 222},
	  {"4883 640e ffc1 c0bf", ":status: 307\ncache-control: private\n" DATE1 PLACE, 222},
	  {"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad "
	   "94e7"
	   "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 "
	   "03ed"
	   "4ee5 b106 3d50 07",
	   ":status: 200\ncache-control: private\n" DATE2 PLACE "content-encoding: gzip\n"
	   "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
	   215}}},
};

static void reads_the_examples_of_the_rfc(void **state)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		struct hpack hpack = {.keeps_all = true};

		hpack_start(&hpack);
		hpack.size = examples[i].size ? examples[i].size : hpack.size;
		for (size_t k = 0; k < 3 && examples[i].blocks[k].hex; k++) {
			assert_string_equal(read_block(&hpack, examples[i].blocks[k].hex),
					    examples[i].blocks[k].out);
			assert_int_equal(hpack.kept_size, examples[i].blocks[k].kept_size);
		}
		hpack_done(&hpack);
	}
}

/* Without C.3's first block. */
static void knows_what_it_has_seen_and_nothing_else(void **state)
{
	struct hpack hpack = {.keeps_all = true};

	assert_string_equal(read_block(&hpack, "8286 84be 5808 6e6f 2d63 6163 6865"),
			    ":method: GET\n:scheme: http\n:path: /\n#0\ncache-control: no-cache\n");
	/* the same entry is one further away now */
	assert_string_equal(read_block(&hpack, "bfbe"), "#0\ncache-control: no-cache\n");
	assert_string_equal(read_block(&hpack, "c4"), "#-5\n");
	/* a literal with the name of an entry from before */
	assert_string_equal(read_block(&hpack, "7f00 0161"), "#0: a\n");
	assert_string_equal(read_block(&hpack, "be"), "#2\n");
	assert_false(hpack_is_complete(&hpack));
	hpack_done(&hpack);
}

static void a_size_of_0_is_a_clean_start(void **state)
{
	struct hpack hpack = {.keeps_all = true};

	assert_false(hpack_is_complete(&hpack));
	read_block(&hpack, "203f e11f 4001 6101 62"); /* 0, 4096, a: b */
	assert_true(hpack_is_complete(&hpack));
	assert_string_equal(read_block(&hpack, "be"), "a: b\n");
	assert_string_equal(read_block(&hpack, "bf"), "!an index beyond the table");
	assert_int_equal(hpack.epoch, 1);
	hpack_done(&hpack);
}

/* RFC 7541 4.4: it empties the table. What comes behind it counts from there. */
static void an_entry_larger_than_the_table_empties_it(void **state)
{
	struct hpack hpack = {.keeps_all = true};

	hpack_start(&hpack);
	read_block(&hpack, "3f09"); /* 40 bytes */
	assert_string_equal(read_block(&hpack, "4001 6101 62 be"), "a: b\na: b\n");
	assert_string_equal(read_block(&hpack, "4006 6161 6161 6161 0462 6262 62"),
			    "aaaaaa: bbbb\n");
	assert_int_equal(hpack.kept, 0);
	assert_string_equal(read_block(&hpack, "4001 6301 64 be"), "c: d\nc: d\n");
	assert_string_equal(read_block(&hpack, "bf"), "!an index beyond the table");
	hpack_done(&hpack);
}

/* The same without knowing how large the table is: there is nothing to go wrong. */
static void an_entry_that_may_be_too_large_does_no_harm(void **state)
{
	for (int is_inserted = 0; is_inserted < 2; is_inserted++) {
		struct hpack hpack = {.keeps_all = true};
		struct hpack_field field;
		const char *why;
		static uint8_t block[6000] = {0x40, 1, 'a', 0x7f, 0x89, 0x26}; /* 5000 bytes */

		memset(block + 6, 'x', 5000);
		hpack_begin(&hpack, (struct span){block, 5006}, &reader);
		assert_int_equal(hpack_next(&reader, &field, &why), HPACK_FIELD);
		assert_int_equal(field.known, HPACK_PASSED);
		assert_int_equal(field.value_bytes, 5000);
		assert_int_equal(hpack_next(&reader, &field, &why), HPACK_END);
		assert_string_equal(read_block(&hpack, "4001 6301 64 be"), "c: d\nc: d\n");
		/* an encoder with a larger table may refer to it, and to what was before */
		if (is_inserted)
			assert_string_equal(read_block(&hpack, "bf c0 be"), "#1\n#0\nc: d\n");
		hpack_done(&hpack);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *hex, *why;
	} wrong[] = {
		{"80", "index 0"},
		{"be", "an index beyond the table"},
		{"ffff ffff ffff ff", "a number above 2^31"},
		{"ff80 8080 8008", "a number above 2^31"},
		{"8240", "the block ends inside a field"},
		{"ff", "the block ends inside a field"},
		{"4005 61", "the block ends inside a field"},
		{"4001 61", "the block ends inside a field"},
		{"4001 6105 61", "the block ends inside a field"},
		{"8220", "a size update behind the first field"},
		{"4001 6182 ffff",
		 "a Huffman coded text ends inside a code"}, /* 16 bits of padding */
		{"4001 6184 ffff ffff", "the end symbol inside a Huffman coded text"},
		{"4001 6181 00", "a Huffman coded text ends inside a code"}, /* padding of zeros */
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct hpack hpack = {.keeps_all = true};
		const char *out;

		hpack_start(&hpack);
		out = strchr(read_block(&hpack, wrong[i].hex), '!');
		if (!out || strcmp(out + 1, wrong[i].why))
			fail_msg("%s: %s", wrong[i].hex, out);
		assert_int_equal(hpack.counts.bad, 1);
		/* and goes on, knowing nothing */
		assert_string_equal(read_block(&hpack, "82be"), ":method: GET\n#0\n");
		hpack_done(&hpack);
	}
}

static const struct hpack_seed seeds[] = {
	{{(const uint8_t *)":path", 5}, {(const uint8_t *)"/c", 2}},
	{{(const uint8_t *)"x-b", 3}, {(const uint8_t *)"2", 1}},
	{{(const uint8_t *)":path", 5}, {(const uint8_t *)"/a", 2}},
};

static void takes_a_table_that_was_read_elsewhere(void **state)
{
	struct hpack hpack = {.keeps_all = true};

	assert_string_equal(read_block(&hpack, "bec0"), "#0\n#-2\n");
	assert_int_equal(hpack_seed(&hpack, seeds, 3, 0, 0), 3);
	assert_string_equal(read_block(&hpack, "bebf c0"), ":path: /c\nx-b: 2\n:path: /a\n");
	assert_true(hpack_is_complete(&hpack));
	assert_string_equal(read_block(&hpack, "c1"), "!an index beyond the table");
	hpack_done(&hpack);
}

/* The table was read when /c had been entered; blocks may have been under way. */
static void finds_the_place_of_a_table(void **state)
{
	struct hpack hpack = {.keeps_all = true};

	assert_string_equal(read_block(&hpack, "4403 2f78 79"), ":path: /xy\n");
	assert_int_equal(hpack_seed(&hpack, seeds, 3, 0, 0), 3); /* said to be from before it */
	hpack_done(&hpack);

	hpack = (struct hpack){.keeps_all = true};
	read_block(&hpack, "4403 2f78 79 7f00 0132 4402 2f63"); /* /xy, ?: 2, /c */
	assert_int_equal(hpack_seed(&hpack, seeds, 3, 1, 2), -EINVAL);
	hpack_done(&hpack);

	hpack = (struct hpack){.keeps_all = true};
	read_block(&hpack, "7f00 0132 4402 2f63"); /* ?: 2, /c */
	assert_int_equal(hpack_seed(&hpack, seeds, 3, 2, 2), 2); /* /a and the name of 2 */
	assert_string_equal(read_block(&hpack, "bebf c0"), ":path: /c\nx-b: 2\n:path: /a\n");
	hpack_done(&hpack);

	hpack = (struct hpack){.keeps_all = true};
	read_block(&hpack, "4402 2f63"); /* /c */
	assert_int_equal(hpack_seed(&hpack, seeds, 3, 0, 1), -EAGAIN); /* it may be entered twice */
	assert_string_equal(read_block(&hpack, "bf"), "#0\n");
	hpack_done(&hpack);
}

/* A table of 64 KiB that was joined late: what it refers to is kept after the first regret. */
static void keeps_more_of_a_table_that_is_larger_than_usual(void **state)
{
	struct hpack hpack = {.keeps_all = true};
	char hex[64];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 200; i++) { /* 34 bytes each */
			snprintf(hex, sizeof(hex), "4001 6101 %02x", 0x21 + i % 90);
			read_block(&hpack, hex);
		}
		/* 62 + 149: the 150th newest */
		snprintf(hex, sizeof(hex), "#%d\n", 200 * (round + 1) - 149);
		assert_string_equal(read_block(&hpack, "ff54"), round ? "a: S\n" : hex);
	}
	assert_int_equal(hpack.counts.forgotten, 1);
	hpack_done(&hpack);
}

/* Nothing that was said is kept of what nobody wants. */
static void keeps_no_secrets(void **state)
{
	struct hpack hpack = {};
	const char *out;

	hpack_start(&hpack);
	out = read_block(&hpack,
			 "5703 7331 7360 0373 3273 4402 2f63"); /* authorization, cookie, :path */
	assert_string_equal(out, ": \n: \n: /c\n");
	out = read_block(&hpack, "bebf c0");
	assert_string_equal(out, ": /c\n: \n: \n");
	assert_null(memmem(hpack.text, hpack.text_end, "s1s", 3));
	assert_null(memmem(hpack.text, hpack.text_end, "s2s", 3));
	hpack_done(&hpack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_examples_of_the_rfc),
		cmocka_unit_test(knows_what_it_has_seen_and_nothing_else),
		cmocka_unit_test(a_size_of_0_is_a_clean_start),
		cmocka_unit_test(an_entry_larger_than_the_table_empties_it),
		cmocka_unit_test(an_entry_that_may_be_too_large_does_no_harm),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(takes_a_table_that_was_read_elsewhere),
		cmocka_unit_test(finds_the_place_of_a_table),
		cmocka_unit_test(keeps_more_of_a_table_that_is_larger_than_usual),
		cmocka_unit_test(keeps_no_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
