/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * types - the kernel's structures, as far as we read them.
 *
 * Each struct names only the fields in use; CO-RE finds where the running kernel keeps them. No
 * vmlinux.h: this compiles anywhere, fast, and shows on two screens what sonde knows of the kernel.
 * Add fields here, beside their neighbours; differences between kernels belong to compat.bpf.h.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

enum {
	AF_UNIX = 1,
	AF_INET = 2,
	AF_INET6 = 10,

	SOCK_STREAM = 1,

	PROTO_TCP = 6, /* IPPROTO_TCP; the uapi header's enum would drag in half of netinet */
	PROTO_UDP = 17,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	u32 val;
} kuid_t;

struct qstr {
	union {
		struct {
			u32 hash;
			u32 len;
		};
		u64 hash_len;
	};
	const unsigned char *name;
};

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_nlink;
	u32 i_rdev;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file_operations;

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	const struct file_operations *f_op;
	void *private_data;
};

struct kernfs_node {
	u64 id;
	struct kernfs_node *parent;
	const char *name;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	u64 serial_nr;
	struct cgroup_subsys_state *parent;
};

struct cgroup_root {
	int hierarchy_id; /* first field of /proc/PID/cgroup; 0 = the unified hierarchy */
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	int level;
	struct cgroup_root *root;
};

enum { CGROUP_SUBSYS_MAX = 16 };

struct css_set {
	struct cgroup *dfl_cgrp;
	struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_MAX];
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct pid_namespace {
	struct ns_common ns;
	unsigned int level;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
	struct pid_namespace *pid_ns_for_children;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct cred {
	kuid_t uid;
	kuid_t euid;
};

struct mm_struct {
	struct file *exe_file;
	unsigned long arg_start, arg_end;
	unsigned long env_start, env_end;
	unsigned long total_vm; /* pages */
};

struct task_io_accounting {
	u64 read_bytes;
	u64 write_bytes;
	u64 cancelled_write_bytes;
};

struct rlimit {
	unsigned long rlim_cur;
	unsigned long rlim_max;
};

typedef struct {
	struct {
		struct {
			unsigned int sequence;
		} seqcount;
	} seqcount;
} seqlock_t;

/* What the threads of a process share; sums are of threads that are dead. */
struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct list_head thread_head; /* of task_struct.thread_node */
	int group_exit_code;
	unsigned int flags;
	struct pid *pids[4];
	seqlock_t stats_lock; /* held while sums change */
	u64 utime, stime; /* ns */
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	struct task_io_accounting ioac;
	unsigned long long sum_sched_runtime; /* ns */
	struct rlimit rlim[16];
};

struct sched_entity {
	u64 sum_exec_runtime; /* ns */
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct thread_info {
	unsigned long flags;
	u32 status; /* x86 */
};

enum {
	PF_IO_WORKER = 0x00000010, /* task_struct.flags: a thread of io_uring's */
	PF_KTHREAD = 0x00200000, /* a thread of the kernel */
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct list_head thread_node;
	struct sched_entity se;
	u64 utime, stime; /* ns */
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	struct task_io_accounting ioac;
	u64 start_time; /* ns since boot, CLOCK_MONOTONIC */
	u64 start_boottime; /* ns since boot, CLOCK_BOOTTIME (5.5, cf25e24db61c) */
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct pid *thread_pid;
	void *stack;
	struct io_uring_task *io_uring; /* NULL: has never used io_uring */
};

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	union {
		u64 skc_addrpair;
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		u32 skc_portpair;
		struct {
			__be16 skc_dport;
			u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
};

struct socket;

typedef struct {
	int owned; /* a process is in a call that holds the socket */
} socket_lock_t;

struct sk_buff_head {
	u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct sk_buff_head sk_receive_queue;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	u16 sk_protocol;
	u16 sk_type;
	int sk_err, sk_err_soft;
	struct socket *sk_socket;
	unsigned char sk_shutdown;
};

struct socket {
	short type;
	struct sock *sk;
	struct file *file;
};

struct inet_sock {
	__be16 inet_sport;
};

struct unix_address;

struct unix_sock {
	struct unix_address *addr; /* NULL: has no name */
	struct sock *peer;
};

struct request_sock {
	struct request_sock *dl_next;
	struct sock *sk;
};

/* What waits at a listening socket: handshakes (qlen), and connections that nobody accepted yet. */
struct request_sock_queue {
	atomic_t qlen;
	struct request_sock *rskq_accept_head;
};

struct inet_connection_sock {
	struct request_sock_queue icsk_accept_queue;
	u8 icsk_retransmits;
	u8 icsk_ca_state;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 rcv_nxt;
	u32 copied_seq;
	u32 snd_nxt;
	u32 snd_una;
	u32 write_seq;
	u64 tcp_clock_cache; /* when the last segment came or went, CLOCK_MONOTONIC ns */
	u32 srtt_us; /* smoothed round trip time << 3, microseconds */
	u32 mdev_us;
	u32 snd_cwnd;
	u32 total_retrans;
	u64 bytes_received;
	u64 bytes_acked;
	u64 bytes_sent;
	u64 bytes_retrans;
	u32 segs_in, segs_out;
};

struct msghdr;

/* io_uring: a request, and what its operations keep in it (at its beginning, io_kiocb_to_cmd). */
struct io_uring_task;
struct io_ring_ctx;

struct io_kiocb {
	struct file *file;
	u8 opcode;
};

struct io_sr_msg { /* send, recv and their msg */
	struct file *file;
	void *buf; /* or struct user_msghdr */
};

struct io_rw { /* read, write and their vectors */
	u64 addr;
	u32 len;
};

struct io_uring_cqe {
	u64 user_data;
	s32 res;
};

struct net_device {
	char name[16];
	int ifindex;
};

struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
	char cb[48]; /* the layer's own, TCP: struct tcp_skb_cb */
	unsigned int len, data_len;
	__be16 protocol;
	u16 transport_header;
	u16 network_header;
	unsigned char *head, *data;
};

struct gendisk;

struct block_device {
	u32 bd_dev;
	struct gendisk *bd_disk;
};

struct gendisk {
	int major;
	int first_minor;
	struct block_device *part0;
};

struct request_queue;

struct page;

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};

struct bvec_iter {
	unsigned int bi_size; /* bytes */
	unsigned int bi_idx;
};

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bio {
	struct block_device *bi_bdev;
	unsigned int bi_opf;
	struct bvec_iter bi_iter;
	struct blkcg_gq *bi_blkg;
	struct bio_vec *bi_io_vec;
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 __sector;
	u64 start_time_ns;
	u64 io_start_time_ns;
	struct block_device *part;
};

struct linux_binprm {
	struct file *file;
	const char *filename;
	int argc, envc;
};

/* What iterators are called with. The object is 0 at the end of the walk. */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

struct trace_entry {
	unsigned short type;
	unsigned char flags;
	unsigned char preempt_count;
	int pid;
};

/* What classic tracepoints hand to their programs. */
struct trace_event_raw_sys_enter {
	struct trace_entry ent;
	long id;
	unsigned long args[6];
};

struct trace_event_raw_sched_process_exec {
	struct trace_entry ent;
	u32 __data_loc_filename;
	int pid;
	int old_pid;
};

struct trace_event_raw_sys_exit {
	struct trace_entry ent;
	long id;
	long ret;
};

#pragma clang attribute pop
