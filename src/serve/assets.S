/* SPDX-License-Identifier: GPL-2.0-only */
/* assets - the files of the page, as they are, between two names each. */
	.macro	asset name file
	.global	\name
	.global	\name\()_end
\name:
	.incbin	"\file"
\name\()_end:
	.byte	0
	.endm

	.section .rodata
	asset	page_html page.html
	asset	page_js page.js
	asset	page_css page.css
	.section .note.GNU-stack,"",%progbits
