/* SPDX-License-Identifier: GPL-2.0-only */
/* token - the secret that lets a client change things over TCP. */
#pragma once

#include <stddef.h>
#include <stdbool.h>

#include "base/err.h"

enum { TOKEN_FILE_BYTES = 4096 };

/* What the file holds. 0: there is none. */
int token_read(const char *path, char ret_token[TOKEN_FILE_BYTES], size_t *ret_bytes,
	       struct err *why);

/* A whole file that only the process that starts may read; what does not fit is an error. */
int secret_read(const char *what, const char *path, char *ret_text, size_t room, size_t *ret_bytes,
		struct err *why);

/*
 * Makes a token of 64 hex digits and writes it to a file that is not there yet, readable by root only. Its folder
 * is made if it is missing.
 */
int token_make(const char *path, char ret_token[TOKEN_FILE_BYTES], size_t *ret_bytes,
	       struct err *why);
