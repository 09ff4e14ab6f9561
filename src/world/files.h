/* SPDX-License-Identifier: GPL-2.0-only */
/* files - reads a whole file into a buffer that has a cap. */
#pragma once

#include "base/buf.h"

/* Until the end of the file. 0; -EFBIG when it does not fit; -errno of read(2). The descriptor stays open. */
int file_read(int fd, struct buf *out);
