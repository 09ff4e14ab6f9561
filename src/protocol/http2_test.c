// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversations frame by frame: each whole, cut at every byte, and in small pieces. Real peers' are in
 * http2_peers_test.c.
 */
#include "protocol/drive_test.h"
#include "protocol/http2.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* Head of a frame of less than 256 bytes, of a stream below 256. */
#define FRAME(len, type, flags, stream) "\0\0" len type flags "\0\0\0" stream

#define DATA(len, flags, stream)    FRAME(len, "\x0", flags, stream)
#define HEADERS(len, flags, stream) FRAME(len, "\x1", flags, stream)
#define PRIORITY(stream)            FRAME("\x5", "\x2", "\x0", stream) "\0\0\0\0\x10"
#define RESET(stream, code)         FRAME("\x4", "\x3", "\x0", stream) "\0\0\0" code
#define SETTINGS                    FRAME("\x0", "\x4", "\x0", "\x0")
#define SETTINGS_ACK                FRAME("\x0", "\x4", "\x1", "\x0")
#define PING                        FRAME("\x8", "\x6", "\x0", "\x0") "12345678"
#define GOAWAY(last, code)          FRAME("\x8", "\x7", "\x0", "\x0") "\0\0\0" last "\0\0\0" code
#define WINDOW(stream, bytes)       FRAME("\x4", "\x8", "\x0", stream) "\0\0\0" bytes
#define MORE(len, flags, stream)    FRAME(len, "\x9", flags, stream)

#define END       "\x1"
#define WHOLE     "\x4" /* END_HEADERS */
#define WHOLE_END "\x5"

/* Header blocks. */
#define GET_ROOT "\x82\x86\x84\x01\x01h" /* GET http / :authority h: 6 bytes */
#define GET_A    "\x82\x86\x44\x02/a" /* GET http /a, which is entered: 6 bytes */
#define CALL                                                                                       \
	"\x83\x86\x04\x06/p.S/M\x0f\x10\x10"                                                       \
	"application/grpc" /* POST http /p.S/M content-type: 29 bytes */
#define CALL_WEB                                                                                   \
	"\x83\x86\x04\x06/p.S/M\x0f\x10\x14"                                                       \
	"application/grpc-web" /* 33 bytes */
#define OK "\x88" /* 1 byte */
#define OK_GRPC                                                                                    \
	"\x88\x0f\x10\x10"                                                                         \
	"application/grpc" /* 20 bytes */
#define STATUS_0                                                                                   \
	"\x00\x0bgrpc-status\x01"                                                                  \
	"0" /* 15 bytes */
#define STATUS_5                                                                                   \
	"\x00\x0bgrpc-status\x01"                                                                  \
	"5"                                                                                        \
	"\x00\x0cgrpc-message\x08"                                                                 \
	"no%20way" /* 15 + 23 bytes */
#define HELLO_SERVER SETTINGS SETTINGS_ACK
#define HELLO_CLIENT PREFACE SETTINGS

static const struct drive_case cases[] = {
	{"a request and its response",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_ROOT),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x1") OK DATA("\x5", END, "\x1") "hello")},
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=1\n"
	 "< response status=200 bytes=24 head=19 id=1\n"},
	{"bodies on both sides, interleaved streams",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE, "\x1") GET_ROOT HEADERS("\x6", WHOLE_END, "\x3")
		    GET_A DATA("\x3", "\x0", "\x1") "abc"),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x3") OK), C(DATA("\x2", END, "\x1") "de"),
	  S(HEADERS("\x1", WHOLE, "\x1")
		    OK DATA("\x1", END, "\x3") "3" DATA("\x1", END, "\x1") "1")},
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=3\n"
	 "< response status=200 bytes=20 head=19 id=3\n"
	 "> request op=GET resource=/ target=/ host=h bytes=38 head=33 id=1\n"
	 "< response status=200 bytes=20 head=19 id=1\n"},
	{"names by reference",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1")
		    GET_A HEADERS("\x3", WHOLE_END, "\x3") "\x82\x86\xbe"),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE_END, "\x1") "\x8d" HEADERS("\x1", WHOLE_END, "\x3")
		    OK)},
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=1\n"
	 "< response status=404 bytes=10 head=10 id=1 error\n"
	 "> request op=GET resource=/a target=/a bytes=12 head=12 id=3\n"
	 "< response status=200 bytes=10 head=10 id=3\n"},
	{"padding, priority, frames of unknown types, CONTINUATION in pieces",
	 {C(HELLO_CLIENT PRIORITY("\x3") FRAME("\x3", "\x77", "\xff", "\x9") "???" HEADERS(
		  "\xf", "\x29",
		  "\x1") "\x3\0\0\0\0\x10\x82\x86\x84\x01\x01h\0\0\0" MORE("\x0", "\x0", "\x1")
		    MORE("\x4", "\x0", "\x1") "\x0f\x2b\x03"
					      "a" MORE("\x2", WHOLE, "\x1") "/b" PING),
	  S(HELLO_SERVER HEADERS("\x5", "\xc", "\x1") "\x3" OK "\0\0\0" DATA(
		  "\x9", "\x9", "\x1") "\x4"
				       "body\0\0\0\0")},
	 "> request op=GET resource=/ target=/ host=h agent=a/b bytes=57 head=57 id=1\n"
	 "< response status=200 bytes=32 head=28 id=1\n"},
	{"interim answers",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE, "\x1") GET_ROOT),
	  S(HELLO_SERVER HEADERS("\x5", WHOLE, "\x1") "\x08\x03"
						      "100" HEADERS("\x5", WHOLE, "\x1") "\x08\x03"
											 "103"),
	  C(DATA("\x1", END, "\x1") "x"), S(HEADERS("\x1", WHOLE_END, "\x1") OK)},
	 "> request op=GET resource=/ target=/ host=h bytes=25 head=24 id=1\n"
	 "< response status=200 bytes=38 head=38 id=1 interims=2\n"},
	{"a call of gRPC",
	 {C(HELLO_CLIENT HEADERS("\x1d", WHOLE, "\x1") CALL DATA("\x8", END, "\x1") "\0\0\0\0\x3"
										    "abc"),
	  S(HELLO_SERVER HEADERS("\x14", WHOLE, "\x1") OK_GRPC DATA(
		  "\x7", "\x0", "\x1") "\0\0\0\0\x2"
				       "xy" HEADERS("\xf", WHOLE_END, "\x1") STATUS_0)},
	 "> request op=M resource=p.S target=/p.S/M type=application/grpc bytes=55 head=47 items=1 "
	 "id=1 grpc\n"
	 "< response status=200 type=application/grpc grpc-status=0 bytes=69 head=62 items=1 id=1 "
	 "grpc\n"},
	{"a call that fails, with headers only",
	 {C(HELLO_CLIENT HEADERS("\x1d", WHOLE, "\x1") CALL DATA("\x5", END, "\x1") "\0\0\0\0\0"),
	  S(HELLO_SERVER HEADERS("\x3a", WHOLE_END, "\x1") OK_GRPC STATUS_5)},
	 "> request op=M resource=p.S target=/p.S/M type=application/grpc bytes=52 head=47 items=1 "
	 "id=1 grpc\n"
	 "< response status=200 reason=no way type=application/grpc grpc-status=5 bytes=67 head=67 "
	 "id=1 grpc error\n"},
	{"a stream of both sides, messages across frames",
	 {C(HELLO_CLIENT HEADERS("\x1d", WHOLE, "\x1")
		    CALL DATA("\x3", "\x0", "\x1") "\0\0\0" DATA("\x5", "\x0", "\x1") "\0\x2"
										      "ab\0"),
	  S(HELLO_SERVER HEADERS("\x14", WHOLE, "\x1")
		    OK_GRPC DATA("\xc", "\x0", "\x1") "\0\0\0\0\x1"
						      "1\1\0\0\0\x1"
						      "2"),
	  C(DATA("\x5", END, "\x1") "\0\0\0\x1"
				    "c"),
	  S(HEADERS("\xf", WHOLE_END, "\x1") STATUS_0)},
	 "> request op=M resource=p.S target=/p.S/M type=application/grpc bytes=78 head=65 items=2 "
	 "id=1 grpc\n"
	 "< response status=200 type=application/grpc grpc-status=0 bytes=74 head=62 items=2 id=1 "
	 "grpc\n"},
	{"reset by the client, by the server, and after the answer",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_ROOT HEADERS("\x6", WHOLE, "\x3")
		    GET_A HEADERS("\x3", WHOLE, "\x5") "\x82\x86\xbe" RESET("\x1", "\x8")),
	  S(HELLO_SERVER RESET("\x3", "\x7") HEADERS("\x1", WHOLE_END, "\x5")
		    OK RESET("\x5", "\x0")),
	  C(DATA("\x2", "\x0", "\x5") "xx")},
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=1\n"
	 "< response reason=client: CANCEL bytes=0 id=1 error incomplete\n"
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=3 incomplete\n"
	 "< response reason=server: REFUSED_STREAM bytes=0 id=3 error incomplete\n"
	 "> request op=GET resource=/a target=/a bytes=12 head=12 id=5 incomplete\n"
	 "< response status=200 bytes=10 head=10 id=5\n"},
	{"headers of a stream that was reset still change the table",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_ROOT RESET("\x1", "\x8")
		    HEADERS("\x6", WHOLE_END, "\x3") GET_ROOT),
	  S(HELLO_SERVER HEADERS("\x6", WHOLE_END, "\x1") "\x88\x40\x01"
							  "a\x01"
							  "b" HEADERS("\x2", WHOLE_END,
								      "\x3") "\x88\xbe")},
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=1\n"
	 "< response reason=client: CANCEL bytes=0 id=1 error incomplete\n"
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=3\n"
	 "< response status=200 bytes=11 head=11 id=3\n"},
	{"a promise",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_ROOT),
	  S(HELLO_SERVER FRAME("\xa", "\x5", WHOLE,
			       "\x1") "\0\0\0\x2" GET_A HEADERS("\x1", WHOLE_END, "\x1")
		    OK HEADERS("\x1", WHOLE, "\x2") OK DATA("\x2", END, "\x2") "aa")},
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=1\n"
	 "< response status=200 bytes=10 head=10 id=1\n"
	 "< push op=GET resource=/a target=/a status=200 bytes=21 head=19 id=2\n"},
	{"GOAWAY refuses what it has not looked at",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_ROOT HEADERS("\x6", WHOLE_END, "\x3")
		    GET_ROOT HEADERS("\x6", WHOLE_END, "\x5") GET_ROOT),
	  S(HELLO_SERVER GOAWAY("\x1", "\x0") HEADERS("\x1", WHOLE_END, "\x1") OK)},
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=3\n"
	 "< response reason=server: REFUSED_STREAM bytes=0 id=3 error incomplete\n"
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=5\n"
	 "< response reason=server: REFUSED_STREAM bytes=0 id=5 error incomplete\n"
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=1\n"
	 "< response status=200 bytes=10 head=10 id=1\n"},
	{"open at the end",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_ROOT HEADERS("\x6", WHOLE, "\x3")
		    GET_A),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x1") OK DATA("\x1", "\x0", "\x1") "a"), C_CLOSE,
	  S_CLOSE},
	 "> request op=GET resource=/ target=/ host=h bytes=15 head=15 id=1\n"
	 "< response status=200 bytes=20 head=19 id=1 incomplete\n"
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=3 incomplete\n"},
	{"a gap inside DATA is harmless, also at its end",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE, "\x1") GET_ROOT DATA("\x20", END, "\x1") "abc"),
	  C_GAP(29), C(HEADERS("\x6", WHOLE_END, "\x3") GET_A),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x1") OK DATA("\x20", "\x0", "\x1") "hello"),
	  S_GAP(20), S("1234567" DATA("\x2", END, "\x1") "ab" HEADERS("\x1", WHOLE_END, "\x3") OK)},
	 "> request op=GET resource=/ target=/ host=h bytes=56 head=24 id=1\n"
	 "< response status=200 bytes=62 head=28 id=1\n"
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=3\n"
	 "< response status=200 bytes=10 head=10 id=3\n"},
	{"a gap in the body of a call",
	 {C(HELLO_CLIENT HEADERS("\x1d", WHOLE, "\x1") CALL DATA("\x15", END, "\x1") "\0\0\0\0\x10"
										     "abc"),
	  C_GAP(13),
	  S(HELLO_SERVER HEADERS("\x14", WHOLE, "\x1")
		    OK_GRPC DATA("\x15", "\x0", "\x1") "\0\0\0\0\x02"),
	  S_GAP(16), S(HEADERS("\xf", WHOLE_END, "\x1") STATUS_0)},
	 "> request op=M resource=p.S target=/p.S/M type=application/grpc bytes=68 head=47 items=1 "
	 "id=1 grpc\n"
	 "< response status=200 type=application/grpc grpc-status=0 bytes=83 head=62 items=1 id=1 "
	 "grpc\n"},
	{"a gap in headers: the names are lost, what is behind is not",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") "\x82\x86"), C_GAP(4),
	  C(HEADERS("\x6", WHOLE_END, "\x3")
		    GET_A HEADERS("\x3", WHOLE_END, "\x5") "\x82\x86\xbe" HEADERS(
			    "\x3", WHOLE_END, "\x7") "\x82\x86\xbf"),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE_END, "\x1") OK HEADERS("\x1", WHOLE_END, "\x3")
		    OK HEADERS("\x1", WHOLE_END, "\x5") OK HEADERS("\x1", WHOLE_END, "\x7") OK)},
	 "> request bytes=15 head=15 id=1 lost incomplete\n"
	 "< response status=200 bytes=10 head=10 id=1\n"
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=3\n"
	 "< response status=200 bytes=10 head=10 id=3\n"
	 "> request op=GET resource=/a target=/a bytes=12 head=12 id=5\n"
	 "< response status=200 bytes=10 head=10 id=5\n"
	 "> request op=GET bytes=12 head=12 id=7 opaque#1\n"
	 "< response status=200 bytes=10 head=10 id=7\n"},
	{"a gap over heads of frames: the place is found where a row of frames fits",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE_END, "\x1") GET_A), C_GAP(15),
	  C("\x03hoo" HEADERS("\x3", WHOLE_END, "\x5") "\x82\x86\xbe" WINDOW("\x0", "\x5") PING),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE_END, "\x1") OK HEADERS("\x1", WHOLE_END, "\x3")
		    OK HEADERS("\x1", WHOLE_END, "\x5") OK),
	  C_CLOSE, S_CLOSE},
	 "> bad\n"
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=1\n"
	 "< response status=200 bytes=10 head=10 id=1\n"
	 "< response status=200 bytes=10 head=10 id=3 unasked\n"
	 "> request op=GET bytes=12 head=12 id=5 opaque#1\n"
	 "< response status=200 bytes=10 head=10 id=5\n"},
	{"joined late: routes without names",
	 {C(HEADERS("\x3", WHOLE_END, "\x9") "\x83\x86\xbf" HEADERS(
		  "\x3", WHOLE_END,
		  "\xb") "\x83\x86\xbf" HEADERS("\x3", WHOLE_END,
						"\xd") "\x83\x86\xbe" HEADERS("\x6", WHOLE_END,
									      "\xf")
		    GET_A HEADERS("\x3", WHOLE_END, "\x11") "\x83\x86\xc0" HEADERS(
			    "\x3", WHOLE_END, "\x13") "\x82\x86\xbe"),
	  S(HEADERS("\x1", WHOLE_END, "\x7") OK HEADERS("\x1", WHOLE_END, "\x9")
		    OK HEADERS("\x1", WHOLE_END, "\xb") OK HEADERS("\x1", WHOLE_END, "\xd")
			    OK HEADERS("\x1", WHOLE_END, "\xf") OK HEADERS("\x1", WHOLE_END, "\x11")
				    OK HEADERS("\x1", WHOLE_END, "\x13") "\xbe")},
	 "< response status=200 bytes=10 head=10 id=7 unasked\n"
	 "> request op=POST bytes=12 head=12 id=9 opaque#1\n"
	 "< response status=200 bytes=10 head=10 id=9\n"
	 "> request op=POST bytes=12 head=12 id=b opaque#1\n"
	 "< response status=200 bytes=10 head=10 id=b\n"
	 "> request op=POST bytes=12 head=12 id=d opaque#2\n"
	 "< response status=200 bytes=10 head=10 id=d\n"
	 "> request op=GET resource=/a target=/a bytes=15 head=15 id=f\n"
	 "< response status=200 bytes=10 head=10 id=f\n"
	 "> request op=POST bytes=12 head=12 id=11 opaque#1\n"
	 "< response status=200 bytes=10 head=10 id=11\n"
	 "> request op=GET resource=/a target=/a bytes=12 head=12 id=13\n"
	 "< response bytes=10 head=10 id=13 opaque#3\n"},
	{"joined late: a call whose type is not known",
	 {C(HEADERS("\x4", WHOLE, "\x9") "\x83\xc0\x86\xbe" DATA("\x8", END, "\x9") "\0\0\0\0\x3"
										    "abc"),
	  S(HEADERS("\x2", WHOLE, "\x9") "\x88\xbe" DATA(
		  "\x6", "\x0", "\x9") "\0\0\0\0\x1"
				       "x" HEADERS("\x1", WHOLE_END, "\x9") "\xbf")},
	 "> request bytes=30 head=22 items=1 id=9 grpc opaque#1\n"
	 "< response status=200 bytes=36 head=30 items=1 id=9 grpc opaque#2\n"},
	{"a call of gRPC-Web: its trailers are in the body",
	 {C(HELLO_CLIENT HEADERS("\x21", WHOLE, "\x1")
		    CALL_WEB DATA("\x6", END, "\x1") "\0\0\0\0\x1"
						     "a"),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x1") OK DATA(
		  "\x6", "\x0", "\x1") "\0\0\0\0\x1"
				       "b" DATA("\x16", END, "\x1") "\x80\0\0\0\x11"
								    "grpc-status: 13\r\n")},
	 "> request op=M resource=p.S target=/p.S/M type=application/grpc-web bytes=57 head=51 "
	 "items=1 id=1 grpc-web\n"
	 "< response status=200 grpc-status=13 bytes=56 head=28 items=1 id=1 grpc-web error\n"},
	{"PING and WINDOW_UPDATE between headers and data",
	 {C(HELLO_CLIENT HEADERS("\x6", WHOLE, "\x1") GET_ROOT PING WINDOW("\x1", "\x5")
		    PING DATA("\x1", END, "\x1") "x"),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x1") OK PING SETTINGS WINDOW("\x0", "\x5")
		    DATA("\x1", END, "\x1") "y")},
	 "> request op=GET resource=/ target=/ host=h bytes=25 head=24 id=1\n"
	 "< response status=200 bytes=20 head=19 id=1\n"},
	{"CONNECT",
	 {C(HELLO_CLIENT HEADERS("\xf", WHOLE, "\x1") "\x02\x07"
						      "CONNECT\x01\x04"
						      "h:80" DATA("\x2", END, "\x1") "hi"),
	  S(HELLO_SERVER HEADERS("\x1", WHOLE, "\x1") OK DATA("\x2", END, "\x1") "ho")},
	 "> request op=CONNECT resource=h:80 target=h:80 host=h:80 bytes=35 head=33 id=1\n"
	 "< response status=200 bytes=21 head=19 id=1\n"},
};

static void reads_conversations(void **state)
{
	check_cases(&http2, cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_conversations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
