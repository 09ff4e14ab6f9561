// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes, as a stream in pieces and as one datagram whose answers are walked to the end. */
#include "protocol/dns.c"
#include "protocol/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	uint8_t *exact = malloc(len + !len);
	struct dns_answer answer;
	struct dns_walk walk;
	struct drive drive;

	memcpy(exact, at, len);
	if (dns_walk_start(&walk, (struct span){exact, len}))
		while (dns_walk_next(&walk, &answer))
			drive_promise(answer.data.at >= exact &&
				      answer.data.at + answer.data.len <= exact + len &&
				      answer.name.len <= DNS_NAME_MAX);
	dns.classify((struct span){exact, len});
	drive_init(&drive, &dns);
	drive_bytes(&drive, SIDE_CLIENT, (struct span){exact, len});
	drive_done(&drive);
	free(exact);
	return drive_fuzz(&dns_stream, at, len);
}
