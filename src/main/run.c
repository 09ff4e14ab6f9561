// SPDX-License-Identifier: GPL-2.0-only
/* run - starts an agent: listening sockets, the split into broker and worker, signals, the end. */
#include "main/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel/attach_broker.h"
#include "kernel/broker.h"
#include "kernel/split.h"
#include "kernel/wire.h"
#include "main/agent.h"
#include "main/listen.h"
#include "main/token.h"
#include "trace/box.h"

enum { LISTENERS = 16, PEM_BYTES = 64 * 1024, WORKER_PATIENCE_S = 10, SCRIPT_MEMORY = 1 << 30 };

/* What is made before the split, by the process that may. */
struct start {
	const struct run_options *options;
	struct config *config; /* owned until the worker takes it */
	int listener[LISTENERS];
	size_t listeners;
	char token[TOKEN_FILE_BYTES];
	size_t token_bytes;
	bool token_is_new; /* made at this start: its one chance to be printed */
	char certificate[PEM_BYTES], key[PEM_BYTES];
	size_t certificate_bytes, key_bytes; /* 0 = no TLS */
};

static int load_config(struct start *start, struct err *why)
{
	const struct run_options *options = start->options;
	const char *path = options->config_path ? options->config_path : CONFIG_PATH_DEFAULT;
	struct config_sources sources = {.environment = (const char *const *)environ,
					 .sets = options->sets};
	struct buf text, problems;
	int error;

	buf_init(&text, CONFIG_FILE_BYTES);
	buf_init(&problems, 64 * 1024);
	error = config_read_file(path, &text, why);
	if (error == -ENOENT && !options->config_path)
		error = 0;
	else if (!error) {
		sources.file = path;
		sources.text = buf_as_span(&text);
	}
	if (!error)
		error = config_load(&sources, &start->config, &problems, why);
	if (error && problems.len)
		fputs(buf_text(&problems), stderr);
	if (!error && config_warnings(start->config)[0])
		fputs(config_warnings(start->config), stderr);
	buf_done(&text);
	buf_done(&problems);
	return error;
}

static bool listens_on_loopback_only(const struct start *start)
{
	const char *address;
	bool any = false;

	for (size_t i = 0; (address = config_list(start->config, "listen", i)); i++) {
		if (!listen_is_local(address))
			return false;
		any = any || !listen_path(address);
	}
	return any;
}

/*
 * Without a file one is made where the page can be opened but nobody else than this machine listens: an address that is open to others
 * demands that somebody has chosen a token.
 */
static int find_token(struct start *start, struct err *why)
{
	const char *path = config_text(start->config, "token_file");
	struct err trouble = {};
	int error = token_read(path, start->token, &start->token_bytes, why);

	if (error || start->token_bytes || !path || start->options->only ||
	    start->options->listener >= 0 || !listens_on_loopback_only(start))
		return error;
	if (!token_make(path, start->token, &start->token_bytes, &trouble))
		start->token_is_new = true;
	else if (trouble.code != -EEXIST)
		log_info("%s: only the unix socket can change anything", trouble.text);
	return 0;
}

/* For addresses that others reach; the worker may read neither file. */
static int find_certificate(struct start *start, struct err *why)
{
	const char *certificate = config_text(start->config, "tls.certificate"),
		   *key = config_text(start->config, "tls.key");
	bool has_certificate = certificate && certificate[0], has_key = key && key[0];
	int error;

	if (!has_certificate && !has_key)
		return 0;
	if (!has_certificate || !has_key)
		return err_set(why, -EINVAL, "tls.certificate and tls.key belong together; set both");
	error = secret_read("tls.certificate", certificate, start->certificate, PEM_BYTES,
			    &start->certificate_bytes, why);
	return error ? error
		     : secret_read("tls.key", key, start->key, PEM_BYTES, &start->key_bytes, why);
}

static bool is_empty(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	bool empty = folder != NULL;

	while (empty && (entry = readdir(folder)))
		empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
	if (folder)
		closedir(folder);
	return empty;
}

/*
 * The worker writes the history and keeps items of others, but may not make a folder where only root may. A folder that is there keeps its
 * owner, unless it is root's and empty: package managers make such.
 */
static void make_state_folder(const struct start *start)
{
	const char *path = config_text(start->config, "store.path");
	uint32_t uid, gid;
	struct stat is;

	if (!path || start->options->only)
		return;
	if (mkdir(path, 0700) &&
	    (lstat(path, &is) || !S_ISDIR(is.st_mode) || is.st_uid || !is_empty(path)))
		return; /* what is wrong with it, if anything, the worker will say */
	split_user(&uid, &gid);
	if (lchown(path, uid, gid) || chmod(path, 0700))
		log_warn("cannot give '%s' to user %u: %s", path, uid, err_name(errno));
}

static int open_listeners(struct start *start, struct err *why)
{
	const char *address;

	if (start->options->listener >= 0) {
		start->listener[start->listeners++] = start->options->listener;
		return 0;
	}
	for (size_t i = 0; (address = config_list(start->config, "listen", i)); i++) {
		int sock;

		if (start->listeners == LISTENERS)
			return err_set(why, -E2BIG, "an agent listens on at most %d addresses",
				       LISTENERS);
		if (!listen_is_local(address) && !start->token_bytes)
			return err_set(why, -EACCES,
				       "'%s' is reachable from other machines: that needs a token "
				       "in '%s' (e.g. "
				       "openssl rand -hex 32)",
				       address, config_text(start->config, "token_file"));
		sock = listen_on(address, why);
		if (sock < 0)
			return sock;
		start->listener[start->listeners++] = sock;
	}
	return 0;
}

static void close_listeners(struct start *start, bool unlink_paths)
{
	const char *address;

	for (size_t i = 0; i < start->listeners; i++)
		close(start->listener[i]);
	for (size_t i = 0; unlink_paths && i < start->listeners && start->options->listener < 0 &&
			   (address = config_list(start->config, "listen", i));
	     i++)
		if (listen_path(address))
			unlink(listen_path(address));
	start->listeners = 0;
}

/* ---- the worker ---- */

static int exit_status(int error)
{
	switch (error) {
	case 0: return EXIT_DONE;
	case -EINVAL: return EXIT_USAGE;
	case -EPERM:
	case -ENOSYS:
	case -EOPNOTSUPP: return EXIT_CANT;
	default: return EXIT_FAILED;
	}
}

static int work(struct start *start, const struct split *split)
{
	struct agent_options agent = {
		.config = start->config,
		.config_path = start->options->config_path ? start->options->config_path
							   : CONFIG_PATH_DEFAULT,
		.sets = start->options->sets,
		.listeners = start->listener,
		.listener_count = start->listeners,
		.token = {(const uint8_t *)start->token, start->token_bytes},
		.certificate = {(const uint8_t *)start->certificate, start->certificate_bytes},
		.key = {(const uint8_t *)start->key, start->key_bytes},
		.only = start->options->only,
	};
	struct err why = {};
	uint32_t uid, gid;
	int error;

	signal(SIGPIPE, SIG_IGN);
	split_user(&uid, &gid);
	error = kernel_connect(split->sock, split->area, config_text(start->config, "btf"),
			       &agent.kernel, &why);
	if (!error)
		error = kernel_check(agent.kernel, &why);
	if (!error)
		error = split_drop(getuid() ? 0 : uid, gid, &why);
	if (!error)
		error = agent_run(&agent, &why);
	if (error)
		log_error("%s", why.text);
	return exit_status(error);
}

/* ---- the broker ---- */

static void notify_systemd(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	int sock;

	if (!len || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = 0;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return;
	sendto(sock, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(sock);
}

/* The page's address with the token in it: the part behind # is never sent. Once, when it was made, or to a terminal. */
static void say_page(const struct start *start)
{
	const char *address;
	int len = (int)start->token_bytes;

	while (len && strchr(" \t\r\n", start->token[len - 1]))
		len--;
	if (!len || !(start->token_is_new || isatty(STDERR_FILENO)))
		return;
	for (size_t i = 0; (address = config_list(start->config, "listen", i)); i++) {
		if (listen_path(address))
			continue;
		dprintf(STDERR_FILENO, "page http://%s%s/#token=%.*s\n",
			address[0] == ':' ? "localhost" : "", address, len, start->token);
		return;
	}
}

static const char *scheme_of(const struct start *start, const char *address)
{
	return start->certificate_bytes && !listen_is_local(address) ? "https://" : "http://";
}

/* Tells the terminal where API and page are. */
static void say_ready(const struct start *start)
{
	char line[1024] = "ready";
	const char *address;
	size_t used = strlen(line);

	notify_systemd("READY=1");
	if (start->options->ready_fd >= 0) {
		if (write(start->options->ready_fd, "1", 1) != 1)
			return;
		return;
	}
	for (size_t i = 0;
	     used < sizeof(line) && (address = config_list(start->config, "listen", i)); i++) {
		bool unix_socket = listen_path(address);

		used += (size_t)snprintf(
			line + used, sizeof(line) - used, " %s%s%s", unix_socket ? "" : scheme_of(start, address),
			!unix_socket && address[0] == ':' ? "localhost" : "", address);
		if (used < sizeof(line) && !unix_socket)
			used += (size_t)snprintf(line + used, sizeof(line) - used, "/");
	}
	dprintf(STDERR_FILENO, "%s\n", line);
	say_page(start);
}

static int end_of_worker(pid_t worker, bool *told)
{
	int status;

	while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		if (WTERMSIG(status) != SIGKILL || !*told)
			log_error("the worker died of %s; please report this with the lines above",
				  strsignal(WTERMSIG(status)));
		return EXIT_FAILED;
	}
	return WEXITSTATUS(status);
}

static void pass_signal(const struct signalfd_siginfo *info, pid_t worker, bool *told)
{
	if (info->ssi_signo == SIGHUP) {
		kill(worker, SIGHUP);
	} else if (info->ssi_signo == SIGINT || info->ssi_signo == SIGTERM) {
		/* a terminal's Ctrl-C went to the worker too: SIGTERM twice would cut its farewell short */
		if (info->ssi_signo == SIGTERM || info->ssi_code != SI_KERNEL)
			kill(worker, SIGTERM);
		if (!*told)
			alarm(WORKER_PATIENCE_S);
		*told = true;
	} else if (info->ssi_signo == SIGALRM) {
		kill(worker, SIGKILL);
	}
}

/* A process for one script (kernel/broker.h): it gives up what tracing does not need before it looks at a single byte. */
static int run_script_for_worker(int sock, const void *job, size_t bytes)
{
	const struct rlimit memory = {SCRIPT_MEMORY, SCRIPT_MEMORY}, none = {0, 0};
	struct err why = {};
	uint32_t uid, gid;

	split_user(&uid, &gid);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CORE, &none);
	if (split_confine(uid, gid, &why)) {
		dprintf(sock, "{\"type\": \"message\", \"data\": \"ERROR: %s\"}\n", why.text);
		return EXIT_FAILED;
	}
	return box_run(sock, (struct span){job, bytes});
}

/* An agent that is started again in the same place is the same one. */
static void name_pins(const struct start *start, struct broker *broker)
{
	const char *store = config_text(start->config, "store.path"), *address = config_list(start->config, "listen", 0);
	char name[512];

	if (start->options->only)
		return;
	snprintf(name, sizeof(name), "%s %s", store ? store : "", address ? address : "");
	broker_name_pins(broker, name);
}

static int broke(struct start *start, const struct split *split, int signals)
{
	struct pollfd wait[] = {{split->sock, POLLIN, 0}, {signals, POLLIN, 0}};
	struct broker *broker;
	struct err why = {};
	bool told = false;
	int alive = broker_new(split->sock, split->area, &broker, &why) ? -1 : 1;

	if (alive > 0) {
		broker_run_scripts(broker, run_script_for_worker);
		name_pins(start, broker);
	}
	while (alive > 0) {
		struct signalfd_siginfo info;
		bool ready = false;

		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			break;
		if (wait[1].revents & POLLIN && read(signals, &info, sizeof(info)) == sizeof(info)) {
			broker_reap(broker);
			pass_signal(&info, split->child, &told);
		}
		if (wait[0].revents)
			alive = broker_serve(broker, &ready);
		if (ready)
			say_ready(start);
	}
	broker_free(broker);
	notify_systemd("STOPPING=1");
	return end_of_worker(split->child, &told);
}

static int block_signals(sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, ret_before);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Is there anything at all that we may do? One sentence instead of a row of failures. */
static int check_privilege(struct err *why)
{
	if (geteuid() != 0)
		return err_set(why, -EPERM,
			       "sonde needs privileges to load BPF programs: run it as root (sudo "
			       "sonde run)");
	return 0;
}

/*
 * Freed memory goes back to the kernel. Left alone, glibc raises the size from which blocks are mapped to whatever was freed
 * last (32 MiB at most), and gives each thread a heap of its own: a burst of work then stays resident for ever, 40 MiB
 * in the soak test.
 */
static void keep_the_heap_small(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024);
	mallopt(M_ARENA_MAX, 2);
}

int run_agent(const struct run_options *options)
{
	struct start start = {.options = options};
	struct split split;
	struct err why = {};
	sigset_t before;
	int error, signals, status;

	keep_the_heap_small();
	error = load_config(&start, &why);
	if (error) {
		log_error("%s", why.text);
		return error == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	if (check_privilege(&why)) {
		log_error("%s", why.text);
		config_free(start.config);
		return EXIT_CANT;
	}
	make_state_folder(&start);
	error = find_token(&start, &why);
	if (!error)
		error = find_certificate(&start, &why);
	if (!error)
		error = open_listeners(&start, &why);
	signals = block_signals(&before);
	if (!error && (signals < 0 || split_fork(&split, &why) < 0))
		error = signals < 0 ? -errno : why.code;
	if (error) {
		log_error("%s", why.text);
		close_listeners(&start, true);
		config_free(start.config);
		return EXIT_FAILED;
	}
	if (!split.child) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		close(signals);
		_exit(work(&start, &split));
	}
	status = broke(&start, &split, signals);
	close_listeners(&start, true);
	attach_cleanup();
	config_free(start.config);
	close(signals);
	return status;
}

/* ---- an agent for one command ---- */

int run_private(const char *only, const char *const *sets, pid_t *ret_pid, char ret_socket[108])
{
	char folder[] = "/tmp/sonde-XXXXXX", address[160], byte;
	struct run_options options = {.only = only, .sets = sets, .ready_fd = -1};
	struct err why = {};
	int pipe_fds[2], listener;
	pid_t parent = getpid();

	if (check_privilege(&why)) {
		log_error("no agent is running, and %s", why.text);
		return EXIT_CANT;
	}
	if (!mkdtemp(folder) || pipe2(pipe_fds, O_CLOEXEC)) {
		log_error("cannot make a private socket: %s", err_name(errno));
		return EXIT_FAILED;
	}
	snprintf(ret_socket, 108, "%s/sonde.sock", folder);
	snprintf(address, sizeof(address), "unix:%s", ret_socket);
	listener = listen_on(address, &why);
	if (listener < 0) {
		log_error("%s", why.text);
		rmdir(folder);
		return EXIT_FAILED;
	}
	*ret_pid = fork();
	if (*ret_pid < 0) {
		log_error("cannot start an agent: %s", err_name(errno));
		return EXIT_FAILED;
	}
	if (!*ret_pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_FAILED);
		/* Ctrl-C is the command's business: it asks this agent to end */
		setpgid(0, 0);
		options.listener = listener;
		options.ready_fd = pipe_fds[1];
		close(pipe_fds[0]);
		_exit(run_agent(&options));
	}
	close(listener);
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &byte, 1) != 1) {
		int status;

		close(pipe_fds[0]);
		run_private_end(0, ret_socket);
		if (waitpid(*ret_pid, &status, 0) > 0 && WIFEXITED(status) && WEXITSTATUS(status))
			return WEXITSTATUS(status);
		return EXIT_FAILED;
	}
	close(pipe_fds[0]);
	return EXIT_DONE;
}

void run_private_end(pid_t pid, const char *socket_path)
{
	char folder[108];
	char *slash;

	if (pid > 0) {
		kill(pid, SIGTERM);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	unlink(socket_path);
	snprintf(folder, sizeof(folder), "%s", socket_path);
	slash = strrchr(folder, '/');
	if (slash) {
		*slash = 0;
		rmdir(folder);
	}
}
