// SPDX-License-Identifier: GPL-2.0-only
/* token - the secret that lets a client change things over TCP: read, or made at the first start. */
#include "main/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_RANDOM_BYTES = 32 };

int token_read(const char *path, char ret_token[TOKEN_FILE_BYTES], size_t *ret_bytes,
	       struct err *why)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t got;

	*ret_bytes = 0;
	if (fd < 0)
		return !path || errno == ENOENT
			       ? 0
			       : err_set(why, -errno, "cannot read the token file '%s': %s", path,
					 err_name(errno));
	got = read(fd, ret_token, TOKEN_FILE_BYTES);
	close(fd);
	*ret_bytes = got > 0 ? (size_t)got : 0;
	return 0;
}

int secret_read(const char *what, const char *path, char *ret_text, size_t room, size_t *ret_bytes,
		struct err *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got = 1;

	if (fd < 0)
		return err_set(why, -errno, "cannot read %s '%s': %s", what, path, err_name(errno));
	while (got > 0 && len < room) {
		got = read(fd, ret_text + len, room - len);
		len += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	if (got < 0 || len == room)
		return err_set(why, -EINVAL, "cannot read %s '%s': %s", what, path,
			       got < 0 ? err_name(errno) : "it is too large");
	*ret_bytes = len;
	return 0;
}

/* Only the last folder: where /etc itself is missing, something else is wrong. */
static void make_folder_of(const char *path)
{
	const char *end = strrchr(path, '/');
	char folder[4096];

	if (!end || end == path || (size_t)(end - path) >= sizeof(folder))
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
	mkdir(folder, 0755);
}

static int write_token(const char *path, const char *token, struct err *why)
{
	/* O_EXCL: whoever was faster made it, and nobody's file is overwritten */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t len = strlen(token);

	if (fd < 0)
		return err_set(why, -errno, "cannot make the token file '%s': %s", path,
			       err_name(errno));
	if (write(fd, token, len) != (ssize_t)len || write(fd, "\n", 1) != 1) {
		int error = errno ? -errno : -EIO;

		close(fd);
		unlink(path); /* half a token is none */
		return err_set(why, error, "cannot write the token file '%s': %s", path,
			       err_name(-error));
	}
	close(fd);
	return 0;
}

int token_make(const char *path, char ret_token[TOKEN_FILE_BYTES], size_t *ret_bytes,
	       struct err *why)
{
	unsigned char random[TOKEN_RANDOM_BYTES];
	char token[TOKEN_RANDOM_BYTES * 2 + 1];
	int error;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(why, -errno, "cannot make a token: %s", err_name(errno));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(token + 2 * i, 3, "%02x", random[i]);
	make_folder_of(path);
	error = write_token(path, token, why);
	if (error)
		return error;
	memcpy(ret_token, token, sizeof(token));
	*ret_bytes = sizeof(token) - 1;
	return 0;
}
