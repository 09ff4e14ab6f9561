// SPDX-License-Identifier: GPL-2.0-only
/* decode - bytes of a map's key become the text of a label. */
#include "items/exporter/decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/addr.h"
#include "record/names.h"

enum {
	LABEL_BYTES = 64 * 1024, /* of one label's text */
	MATCH_STEPS = 100000, /* of one match: a label is short, and an expression may be unwise */
	MATCH_DEPTH = 1000,
	NESTED_PARENTHESES = 50,
	EXACT_SYSCALLS = 461, /* ebpf_exporter's table ends here (lsm_list_modules) */
};

void decode_init(struct decode *decode, const struct decode_facts *facts)
{
	*decode = (struct decode){.facts = facts};
	buf_init(&decode->text, LABEL_BYTES);
	buf_init(&decode->other, LABEL_BYTES);
}

void decode_done(struct decode *decode)
{
	buf_done(&decode->text);
	buf_done(&decode->other);
}

/* ---- regular expressions ---- */

static void *compile(struct span pattern, char *reason, size_t room)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE offset;
	pcre2_code *code;
	int error;

	if (!context)
		return NULL;
	pcre2_set_parens_nest_limit(context, NESTED_PARENTHESES);
	/* as RE2 has it: $ is the very end */
	code = pcre2_compile(pattern.at, pattern.len, PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF,
			     &error, &offset, context);
	pcre2_compile_context_free(context);
	if (!code && pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, room) < 0)
		snprintf(reason, room, "error %d", error);
	return code;
}

int decode_prepare_regexps(const char *file, uint32_t line, struct config_decoder *decoder,
			   struct err *why)
{
	char reason[160] = "out of memory";

	for (uint32_t i = 0; i < decoder->regexps; i++) {
		if (decoder->compiled[i])
			continue;
		decoder->compiled[i] = compile(decoder->regexp[i], reason, sizeof(reason));
		if (!decoder->compiled[i])
			return err_set(why, -EINVAL,
				       "%s:%u: '%.100s' is no regular expression (%s); correct it",
				       file, line, (const char *)decoder->regexp[i].at, reason);
	}
	return 0;
}

int decode_prepare(const char *file, struct config_label *label, uint32_t labels, struct err *why)
{
	int error = 0;

	for (uint32_t i = 0; i < labels; i++)
		for (uint32_t n = 0; !error && n < label[i].decoders; n++)
			error = decode_prepare_regexps(file, label[i].line, &label[i].decoder[n],
						       why);
	return error;
}

void decode_forget_regexps(struct config_decoder *decoder)
{
	for (uint32_t i = 0; i < decoder->regexps; i++) {
		pcre2_code_free(decoder->compiled[i]);
		decoder->compiled[i] = NULL;
	}
}

void decode_forget(struct config_label *label, uint32_t labels)
{
	for (uint32_t i = 0; i < labels; i++)
		for (uint32_t n = 0; n < label[i].decoders; n++)
			decode_forget_regexps(&label[i].decoder[n]);
}

/* Groups found (0 = no match), with the first two places. */
static int match(const pcre2_code *code, struct span text, PCRE2_SIZE place[4],
		 uint32_t *ret_groups)
{
	pcre2_match_data *found = pcre2_match_data_create(2, NULL);
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	int result = PCRE2_ERROR_NOMEMORY;

	*ret_groups = 0;
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, ret_groups);
	if (found && limits) {
		pcre2_set_match_limit(limits, MATCH_STEPS);
		pcre2_set_depth_limit(limits, MATCH_DEPTH);
		result = pcre2_match(code, text.len ? text.at : (const uint8_t *)"", text.len, 0, 0,
				     found, limits);
	}
	if (result >= 0)
		memcpy(place, pcre2_get_ovector_pointer(found), 4 * sizeof(*place));
	pcre2_match_data_free(found);
	pcre2_match_context_free(limits);
	return result;
}

bool decode_matches(const struct config_decoder *decoder, struct span text)
{
	PCRE2_SIZE place[4];
	uint32_t groups;

	for (uint32_t i = 0; i < decoder->regexps; i++)
		if (match(decoder->compiled[i], text, place, &groups) >= 0)
			return true;
	return false;
}

/* The first expression that matches says: all of it, or its one group. With more groups it says nothing, as there. */
static int decode_regexp(struct decode *decode, const struct config_decoder *decoder,
			 struct span in)
{
	for (uint32_t i = 0; i < decoder->regexps; i++) {
		PCRE2_SIZE place[4] = {};
		uint32_t groups;
		int found = match(decoder->compiled[i], in, place, &groups);

		if (found < 0 || groups > 1)
			continue;
		if (groups == 1 && (found == 1 || place[2] == PCRE2_UNSET))
			return 0; /* the group took no part: empty */
		return buf_add(&decode->other, in.at + place[groups * 2],
			       place[groups * 2 + 1] - place[groups * 2]);
	}
	return DECODE_SKIP;
}

/* ---- numbers ---- */

static bool number_of(struct span in, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!in.len || in.len > 20)
		return false;
	for (size_t i = 0; i < in.len; i++)
		if (in.at[i] < '0' || in.at[i] > '9' ||
		    __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, in.at[i] - '0', &number))
			return false;
	*ret_number = number;
	return true;
}

static int not_a_number(struct span in, struct err *why)
{
	return err_set(why, -EINVAL, "'%.*s' is no number; put the decoder uint before this one",
		       (int)(in.len < 60 ? in.len : 60), (const char *)in.at);
}

static int decode_uint(struct decode *decode, struct span in, struct err *why)
{
	uint64_t number = 0;

	if (in.len != 1 && in.len != 2 && in.len != 4 && in.len != 8)
		return err_set(
			why, -EINVAL,
			"the decoder uint takes 1, 2, 4 or 8 bytes, not %zu; correct the size",
			in.len);
	memcpy(&number, in.at, in.len); /* little endian, as all architectures sonde runs on */
	return buf_u64(&decode->other, number);
}

static int decode_hex(struct decode *decode, struct span in)
{
	static const char digits[] = "0123456789abcdef";
	char *out = buf_reserve(&decode->other, in.len * 2);

	if (!out)
		return -ENOSPC;
	for (size_t i = 0; i < in.len; i++) {
		out[i * 2] = digits[in.at[i] >> 4];
		out[i * 2 + 1] = digits[in.at[i] & 15];
	}
	buf_commit(&decode->other, in.len * 2);
	return 0;
}

static int decode_errno(struct decode *decode, struct span in, struct err *why)
{
	char scratch[NAME_TEXT];
	uint64_t number;
	struct span name;

	if (!number_of(in, &number))
		return not_a_number(in, why);
	if (number == ENOTSUP) /* Go's name for EOPNOTSUPP */
		return buf_str(&decode->other, "ENOTSUP");
	name = number && number < (decode->facts->is_exact ? 134 : INT32_MAX)
		       ? errno_name((int64_t)number, scratch)
		       : (struct span){};
	if (name.len && name.at[0] == 'E')
		return buf_span(&decode->other, name);
	return buf_f(&decode->other, "unknown:%llu", (unsigned long long)number);
}

static int decode_syscall(struct decode *decode, struct span in, struct err *why)
{
	char scratch[NAME_TEXT];
	uint64_t number;
	struct span name;

	if (!number_of(in, &number))
		return not_a_number(in, why);
	if (decode->facts->is_exact && exact_syscall_name(number))
		return buf_str(&decode->other, exact_syscall_name(number));
	name = decode->facts->is_exact && number > EXACT_SYSCALLS ? (struct span){}
								  : syscall_text(number, scratch);
	if (name.len && (name.at[0] < '0' || name.at[0] > '9'))
		return buf_span(&decode->other, name);
	return buf_f(&decode->other, "unknown_syscall:%llu", (unsigned long long)number);
}

/* ---- text ---- */

static int compare_key(struct span text, const struct config_pair *pair)
{
	size_t least = text.len < pair->from.len ? text.len : pair->from.len;
	int order = least ? memcmp(text.at, pair->from.at, least) : 0;

	return order ? order : (text.len > pair->from.len) - (text.len < pair->from.len);
}

static int decode_static_map(struct decode *decode, const struct config_decoder *decoder,
			     struct span in)
{
	uint32_t low = 0, high = decoder->pairs;

	if (!decoder->has_map)
		return buf_str(&decode->other, "empty mapping"); /* as there */

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_key(in, &decoder->pair[middle]);

		if (!order)
			return buf_span(&decode->other, decoder->pair[middle].to);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (!decoder->allow_unknown)
		buf_str(&decode->other, "unknown:");
	return buf_span(&decode->other, in);
}

static int decode_string(struct decode *decode, struct span in)
{
	return buf_add(&decode->other, in.at, strnlen((const char *)in.at, in.len));
}

/* A name as DNS sends it: each part after its length. What ends within a part is no such name, and stays. */
static int decode_dname(struct decode *decode, struct span in)
{
	size_t at = 0;

	if (!in.len)
		return buf_char(&decode->other, '.');
	while (at < in.len) {
		size_t part = in.at[at++];

		if (part > in.len - at) {
			buf_clear(&decode->other);
			return buf_span(&decode->other, in);
		}
		if (at > 1)
			buf_char(&decode->other, '.');
		buf_add(&decode->other, in.at + at, part);
		at += part;
	}
	return decode->other.full ? -ENOSPC : 0;
}

/* As Go prints it: also ::1.2.3.4 in hexadecimal, and what is no address as such. */
static int decode_inet_ip(struct decode *decode, struct span in)
{
	static const uint8_t zero[12];
	uint8_t addr[ADDR_BYTES];
	char text[ADDR_TEXT];

	if (in.len != 4 && in.len != ADDR_BYTES) {
		buf_char(&decode->other, '?');
		return decode_hex(decode, in);
	}
	if (in.len == 4)
		addr_from_ip4(in.at, addr);
	else
		memcpy(addr, in.at, ADDR_BYTES);
	if (!memcmp(addr, zero, sizeof(zero)) && (addr[12] || addr[13]))
		return buf_f(&decode->other, "::%x:%x", addr[12] << 8 | addr[13],
			     addr[14] << 8 | addr[15]);
	addr_print(addr, text);
	return buf_str(&decode->other, text);
}

/* ---- what the machine knows ---- */

static int decode_ksym(struct decode *decode, struct span in, struct err *why)
{
	struct span name;
	uint64_t addr;

	if (in.len != 8)
		return err_set(why, -EINVAL,
			       "the decoder ksym takes 8 bytes, not %zu; correct the size", in.len);
	memcpy(&addr, in.at, sizeof(addr));
	if (decode->facts->symbol(decode->facts->ctx, addr, false, &name))
		return buf_span(&decode->other, name);
	decode->is_unsure = true;
	return buf_f(&decode->other, "unknown_addr:0x%llx", (unsigned long long)addr);
}

static int decode_kstack(struct decode *decode, struct span in)
{
	for (size_t at = 0; at + 8 <= in.len; at += 8) {
		struct span name;
		uint64_t addr;

		memcpy(&addr, in.at + at, sizeof(addr));
		if (!addr)
			break;
		if (at)
			buf_char(&decode->other, '\n');
		if (decode->facts->symbol(decode->facts->ctx, addr, true, &name))
			buf_span(&decode->other, name);
		else
			buf_str(&decode->other, "??");
	}
	return decode->other.full ? -ENOSPC : 0;
}

static int decode_cgroup(struct decode *decode, struct span in, struct err *why)
{
	struct span path;
	uint64_t id;

	if (!number_of(in, &id))
		return not_a_number(in, why);
	if (decode->facts->cgroup(decode->facts->ctx, id, &path))
		return buf_span(&decode->other, path);
	decode->is_unsure = true;
	return buf_f(&decode->other, "unknown_cgroup_id:%llu", (unsigned long long)id);
}

/* new_encode_dev(): minor bits 0-7 and 20-31, major bits 8-19 (include/linux/kdev_t.h). */
static int decode_majorminor(struct decode *decode, struct span in, struct err *why)
{
	uint32_t dev, major, minor;
	struct span name;

	if (in.len < 4)
		return err_set(why, -EINVAL,
			       "the decoder majorminor takes 4 bytes, not %zu; correct the size",
			       in.len);
	memcpy(&dev, in.at, sizeof(dev));
	major = (dev & 0xfff00) >> 8;
	minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
	if (decode->facts->device(decode->facts->ctx, major, minor, &name))
		return buf_span(&decode->other, name);
	decode->is_unsure = true;
	return buf_f(&decode->other, "unknown:%u:%u", major, minor);
}

static int decode_ifname(struct decode *decode, struct span in, struct err *why)
{
	struct span name;
	uint32_t index;

	if (in.len < 4)
		return err_set(why, -EINVAL,
			       "the decoder ifname takes 4 bytes, not %zu; correct the size",
			       in.len);
	memcpy(&index, in.at, sizeof(index));
	if (decode->facts->interface(decode->facts->ctx, index, &name))
		return buf_span(&decode->other, name);
	decode->is_unsure = true;
	return buf_f(&decode->other, "unknown:%u", index);
}

static int unknown_pci(struct decode *decode, enum decoder_kind kind, uint32_t number)
{
	struct span name;

	switch (kind) {
	case DECODE_PCI_VENDOR: return buf_f(&decode->other, "unknown pci vendor: 0x%04x", number);
	case DECODE_PCI_DEVICE: return buf_f(&decode->other, "unknown pci device: 0x%04x", number);
	case DECODE_PCI_CLASS: return buf_f(&decode->other, "unknown pci class: 0x%02x", number);
	default: break;
	}
	if (!decode->facts->pci(decode->facts->ctx, DECODE_PCI_CLASS, number >> 8, &name))
		return buf_f(&decode->other, "unknown pci class: 0x%02x", number >> 8);
	return buf_f(&decode->other, "unknown pci subclass: 0x%02x (class 0x%02x)", number & 0xff,
		     number >> 8);
}

static int decode_pci(struct decode *decode, enum decoder_kind kind, struct span in,
		      struct err *why)
{
	struct span name;
	uint64_t number;

	if (!decode->facts->has_pci(decode->facts->ctx))
		return buf_str(&decode->other, "missing pci.ids db");
	if (!number_of(in, &number) || number > UINT32_MAX)
		return not_a_number(in, why);
	if (decode->facts->pci(decode->facts->ctx, kind, (uint32_t)number, &name))
		return buf_span(&decode->other, name);
	return unknown_pci(decode, kind, (uint32_t)number);
}

/* ---- the chain ---- */

static int decode_one(struct decode *decode, const struct config_decoder *decoder, struct span in,
		      struct err *why)
{
	switch (decoder->kind) {
	case DECODE_CGROUP: return decode_cgroup(decode, in, why);
	case DECODE_DNAME: return decode_dname(decode, in);
	case DECODE_ERRNO: return decode_errno(decode, in, why);
	case DECODE_HEX: return decode_hex(decode, in);
	case DECODE_IFNAME: return decode_ifname(decode, in, why);
	case DECODE_INET_IP: return decode_inet_ip(decode, in);
	case DECODE_KSTACK: return decode_kstack(decode, in);
	case DECODE_KSYM: return decode_ksym(decode, in, why);
	case DECODE_MAJORMINOR: return decode_majorminor(decode, in, why);
	case DECODE_PCI_CLASS:
	case DECODE_PCI_DEVICE:
	case DECODE_PCI_SUBCLASS:
	case DECODE_PCI_VENDOR: return decode_pci(decode, decoder->kind, in, why);
	case DECODE_REGEXP: return decode_regexp(decode, decoder, in);
	case DECODE_STATIC_MAP: return decode_static_map(decode, decoder, in);
	case DECODE_STRING: return decode_string(decode, in);
	case DECODE_SYSCALL: return decode_syscall(decode, in, why);
	case DECODE_UINT: return decode_uint(decode, in, why);
	default: return err_set(why, -EINVAL, "no such decoder");
	}
}

int decode_label(struct decode *decode, const struct config_label *label, const uint8_t *bytes,
		 struct err *why)
{
	struct span in = {bytes, label->size};

	buf_clear(&decode->text);
	for (uint32_t i = 0; i < label->decoders; i++) {
		struct buf made;
		int error;

		buf_clear(&decode->other);
		error = decode_one(decode, &label->decoder[i], in, why);
		if (error == DECODE_SKIP)
			return DECODE_SKIP;
		if (error < 0)
			return error == -EINVAL
				       ? err_prefix(why, "label '%s', decoder '%s'", label->name,
						    decoder_name(label->decoder[i].kind))
				       : err_set(why, -ENOSPC, "label '%s' is longer than %d KiB",
						 label->name, LABEL_BYTES >> 10);
		made = decode->other;
		decode->other = decode->text;
		decode->text = made;
		in = (struct span){(const uint8_t *)buf_text(&decode->text), decode->text.len};
	}
	return 0;
}

/* ---- where ebpf_exporter is wrong ---- */

const char *exact_syscall_name(uint64_t number)
{
#ifdef __x86_64__
	/* its table is made from strace's decoders (v6.8), several calls to one */
	static const struct {
		uint16_t number;
		const char *name;
	} names[] = {
		{7, "poll_time64"},
		{17, "pread"},
		{18, "pwrite"},
		{35, "nanosleep_time64"},
		{40, "sendfile64"},
		{94, "chown"},
		{128, "rt_sigtimedwait_time64"},
		{148, "sched_rr_get_interval_time64"},
		{155, "pivotroot"},
		{156, "sysctl"},
		{159, "adjtimex64"},
		{189, "setxattr"},
		{192, "getxattr"},
		{195, "listxattr"},
		{198, "removexattr"},
		{202, "futex_time64"},
		{208, "io_getevents_time64"},
		{214, "printargs"},
		{215, "printargs"},
		{220, "semtimedop_time64"},
		{223, "timer_settime64"},
		{224, "timer_gettime64"},
		{227, "clock_settime64"},
		{228, "clock_gettime64"},
		{229, "clock_getres_time64"},
		{230, "clock_nanosleep_time64"},
		{231, "exit"},
		{242, "mq_timedsend_time64"},
		{243, "mq_timedreceive_time64"},
		{270, "pselect6_time64"},
		{271, "ppoll_time64"},
		{280, "utimensat_time64"},
		{286, "timerfd_settime64"},
		{287, "timerfd_gettime64"},
		{299, "recvmmsg_time64"},
		{305, "clock_adjtime64"},
		{333, "io_pgetevents_time64"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].number == number)
			return names[i].name;
#endif
	return NULL;
}
