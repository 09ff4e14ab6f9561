// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a message and as a certificate: nothing outside of them is read, and what is printed is text. */
#include <stdlib.h>

#include "protocol/x509.c"

static void check(struct span der)
{
	struct x509 facts;
	struct span name;
	bool is_address;
	struct buf out;

	if (x509_read(der, &facts))
		return;
	buf_init(&out, 4096);
	x509_print_name(facts.subject, &out);
	x509_print_name(facts.issuer, &out);
	x509_print_serial(facts.serial, &out);
	for (size_t i = 0; i < out.len; i++)
		if ((uint8_t)out.at[i] < ' ')
			abort();
	while (x509_next_name(&facts.names, &name, &is_address))
		if (name.at < der.at || name.at + name.len > der.at + der.len)
			abort();
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct span in = {at, len}, der = x509_of_message(in);

	check(in);
	if (der.len && (der.at < at || der.at + der.len > at + len))
		abort();
	check(der);
	return 0;
}
