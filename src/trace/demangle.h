/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * demangle - names of C++ functions as they were written: _ZN1A1bEi -> A::b(int).
 *
 * The grammar is that of the Itanium C++ ABI, section 5.1. What it has for expressions in signatures of templates is
 * not read; such names stay as they are.
 */
#pragma once

#include "base/buf.h"

/* Appends the name as written; false (and nothing is appended): it is none of C++, or one that is not read. */
bool demangle(struct span mangled, struct buf *out);
