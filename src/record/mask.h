/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mask - command lines and texts without the secrets in them.
 *
 * What is masked becomes ***. It is known by its place (after --password, in user:pass@host, behind
 * "Authorization:", mysql's -pSECRET) or by its shape (access keys and tokens that announce themselves). A
 * secret that stands alone without either cannot be known: this makes leaks rare, not impossible.
 */
#pragma once

#include "base/buf.h"
#include "base/span.h"

/* Arguments separated by 0 -> one line as a shell would take it, masked. Zeros at the end are left out. */
void argv_join(struct span raw, struct buf *out);

/* A line as it was typed, masked; what it says is not quoted anew. */
void mask_command(struct span line, struct buf *out);

/* Any text: URL, header, connection string, JSON. */
void mask_secrets(struct span text, struct buf *out);

/* Is what belongs to this name (of an option, header, variable, key) a secret? */
bool is_secret_name(struct span name);
