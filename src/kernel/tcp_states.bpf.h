/* SPDX-License-Identifier: GPL-2.0-only */
/* tcp_states - states of a TCP socket, and the tracepoint that tells their changes. */
#pragma once

/* include/net/tcp_states.h */
enum tcp_state {
	TCP_NONE,
	TCP_ESTABLISHED,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_STATES,
};

/* The arguments of inet_sock_set_state, as BTF prints them. */
#define TCP_SET_STATE_ARGS "struct sock *,int,int"
