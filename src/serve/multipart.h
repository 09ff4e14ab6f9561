/* SPDX-License-Identifier: GPL-2.0-only */
/* multipart - the files of a multipart/form-data body (RFC 7578), as browsers and `curl -F` send them. */
#pragma once

#include "base/span.h"

struct multipart {
	struct span rest; /* of the body */
	char delimiter[80]; /* "\r\n--BOUNDARY" */
};

/* `type` is the field Content-Type. False = no multipart/form-data with a usable boundary. */
bool multipart_begin(struct multipart *multipart, struct span type, struct span body);

struct part {
	struct span
		name; /* file name, or the name of the form's field where there is none; never empty */
	struct span bytes;
};

/* 1 = a part, 0 = that was the last, -EINVAL = the body is broken. */
int multipart_next(struct multipart *multipart, struct part *ret_part);
