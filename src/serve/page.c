// SPDX-License-Identifier: GPL-2.0-only
/*
 * page - the page's files, out of the binary: web/built/, as they are.
 *
 * They hold nothing of this machine, so they may be read at every address without the token (route.h, is_page): a browser cannot
 * send it before the page is there. What the page then asks needs it as for everybody.
 */
#include "serve/route.h"

#define FILE_OF_PAGE(name) extern const char name[], name##_end[]
FILE_OF_PAGE(page_html);
FILE_OF_PAGE(page_css);
FILE_OF_PAGE(page_js);
FILE_OF_PAGE(worker_js);
FILE_OF_PAGE(notices_txt);

/* Only what this server sends itself may run, load or be asked. */
static const char page_policy[] =
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	"connect-src 'self'; img-src 'self' data:; worker-src 'self'; base-uri 'none'; "
	"form-action 'none'; frame-ancestors 'none'\r\n";

static void answer_file(struct request *request, const char *type, const char *at, const char *end)
{
	struct buf body;

	buf_init(&body, ANSWER_BYTES);
	buf_add(&body, at, (size_t)(end - at));
	answer(request, 200, type, page_policy, &body);
}

void handle_page(struct request *request)
{
	answer_file(request, "text/html; charset=utf-8", page_html, page_html_end);
}

void handle_page_style(struct request *request)
{
	answer_file(request, "text/css; charset=utf-8", page_css, page_css_end);
}

void handle_page_script(struct request *request)
{
	answer_file(request, "text/javascript; charset=utf-8", page_js, page_js_end);
}

void handle_page_worker(struct request *request)
{
	answer_file(request, "text/javascript; charset=utf-8", worker_js, worker_js_end);
}

void handle_page_notices(struct request *request)
{
	answer_file(request, "text/plain; charset=utf-8", notices_txt, notices_txt_end);
}
