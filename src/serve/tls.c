// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls - TLS for addresses that other machines reach.
 *
 * Certificate and key come as bytes: the process that serves may read neither file. 1.2 is the least version; ciphers are
 * OpenSSL's own choice. Sessions are not kept: a client that comes again shakes hands again, and nothing of it stays here.
 */
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "serve/serve_private.h"

/* The key of a file that wants a pass phrase is of no use: nobody is there to type it. */
static int no_pass_phrase(char *text, int size, int writing, void *ctx)
{
	return 0;
}

/* The first certificate is ours, those behind it lead to an authority. */
static bool use_certificates(SSL_CTX *tls, BIO *from)
{
	X509 *own = PEM_read_bio_X509(from, NULL, no_pass_phrase, NULL), *next;
	bool well = own && SSL_CTX_use_certificate(tls, own) == 1;

	X509_free(own);
	while (well && (next = PEM_read_bio_X509(from, NULL, no_pass_phrase, NULL)))
		if (!SSL_CTX_add0_chain_cert(tls, next)) {
			X509_free(next);
			well = false;
		}
	return well;
}

static bool use_key(SSL_CTX *tls, BIO *from)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, no_pass_phrase, NULL);
	bool well =
		key && SSL_CTX_use_PrivateKey(tls, key) == 1 && SSL_CTX_check_private_key(tls) == 1;

	EVP_PKEY_free(key);
	return well;
}

int serve_set_tls(struct serve *serve, struct span certificate, struct span key, struct err *why)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	BIO *from[2] = {BIO_new_mem_buf(certificate.at, (int)certificate.len),
			BIO_new_mem_buf(key.at, (int)key.len)};
	int error = 0;

	if (!tls || !from[0] || !from[1]) {
		error = err_set(why, -ENOMEM, "cannot speak TLS: out of memory");
	} else {
		SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
		SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
		SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
		if (!use_certificates(tls, from[0]))
			error = err_set(why, -EINVAL,
					"tls.certificate holds no certificate that can be used; "
					"it is a file of PEM, our own certificate first");
		else if (!use_key(tls, from[1]))
			error = err_set(why, -EINVAL,
					"tls.key holds no key of that certificate; it is a file of "
					"PEM without a pass phrase");
	}
	BIO_free(from[0]);
	BIO_free(from[1]);
	ERR_clear_error();
	if (error) {
		SSL_CTX_free(tls);
		return error;
	}
	SSL_CTX_free(serve->tls);
	serve->tls = tls;
	return 0;
}

void serve_tls_done(struct serve *serve)
{
	SSL_CTX_free(serve->tls);
	serve->tls = NULL;
}

struct bufferevent *tls_accept(struct serve *serve, int fd)
{
	SSL *session = SSL_new(serve->tls);
	struct bufferevent *io = session ? bufferevent_openssl_socket_new(serve->base, fd, session,
									  BUFFEREVENT_SSL_ACCEPTING,
									  BEV_OPT_CLOSE_ON_FREE)
					 : NULL;

	if (!io)
		SSL_free(session);
	else /* the end of a connection is told by HTTP's lengths */
		bufferevent_openssl_set_allow_dirty_shutdown(io, 1);
	return io;
}

/* Tells the client that nothing more will come. */
void tls_say_goodbye(struct bufferevent *io)
{
	SSL *session = bufferevent_openssl_get_ssl(io);

	if (session && SSL_is_init_finished(session))
		SSL_shutdown(session);
	ERR_clear_error();
}
