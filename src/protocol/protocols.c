// SPDX-License-Identifier: GPL-2.0-only
/* protocols - the list of all parsers there are. Adding one: declare it here and list it below. */
#include "protocol/protocols.h"

extern const struct protocol dns;
extern const struct protocol dns_stream;
extern const struct protocol http1;
extern const struct protocol http2;
extern const struct protocol memcached;
extern const struct protocol mysql;
extern const struct protocol pgsql;
extern const struct protocol redis;
extern const struct protocol tls;

const struct protocol *const protocols[] = {
	&dns,
	&dns_stream,
	&http1,
	&http2,
	&memcached,
	&mysql,
	&pgsql,
	&redis,
	&tls,
	NULL,
};

const struct protocol *protocol_named(const char *name, bool is_datagram)
{
	for (size_t i = 0; protocols[i]; i++)
		if (!strcmp(protocols[i]->name, name) && protocols[i]->is_datagram == is_datagram)
			return protocols[i];
	return NULL;
}
