/* SPDX-License-Identifier: GPL-2.0-only */
/* objects - the world's own BPF objects inside the program (tools/embed.sh): bytes from NAME to NAME_end. */
#pragma once

extern const unsigned char world_process_object[], world_process_object_end[];
extern const unsigned char world_socket_object[], world_socket_object_end[];
