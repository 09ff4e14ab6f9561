// SPDX-License-Identifier: GPL-2.0-only
/* page - the page's files, out of the binary. */
#include "serve/route.h"

extern const char page_html[], page_html_end[], page_js[], page_js_end[], page_css[],
	page_css_end[];

/* Only what this server sends itself may run, load or be asked. */
static const char page_policy[] =
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	"connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'\r\n";

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

void handle_page_script(struct request *request)
{
	answer_file(request, "text/javascript; charset=utf-8", page_js, page_js_end);
}

void handle_page_style(struct request *request)
{
	answer_file(request, "text/css; charset=utf-8", page_css, page_css_end);
}
