// SPDX-License-Identifier: GPL-2.0-only
/* No secret comes through, and what is none stays readable. */
#include "record/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

/* Arguments are separated by | here. */
static const struct {
	const char *argv, *line;
} lines[] = {
	{"redis-server|--requirepass|S3cret|--port|6379",
	 "redis-server --requirepass *** --port 6379"},
	{"ls|-l|/tmp", "ls -l /tmp"},
	{"echo|two words|it's|", "echo 'two words' 'it'\\''s'"},
	{"sh||x", "sh '' x"},
	{"mysql|-uroot|-pS3cret|db", "mysql -uroot -p*** db"},
	{"/usr/bin/mysqldump|--password=S3cret", "/usr/bin/mysqldump --password=***"},
	{"mysql|-p|db", "mysql -p db"},
	{"app|--password|S3cret|--port|80", "app --password *** --port 80"},
	{"app|--password-file|/etc/pw", "app --password-file /etc/pw"},
	{"app|--no-password|x", "app --no-password x"},
	{"app|--token=S3cret", "app --token=***"},
	{"app|--max-tokens|100", "app --max-tokens 100"},
	{"env|PGPASSWORD=S3cret|psql|-h|db", "env PGPASSWORD=*** psql -h db"},
	{"AWS_SECRET_ACCESS_KEY=S3cret|aws|s3|ls", "AWS_SECRET_ACCESS_KEY=*** aws s3 ls"},
	{"curl|-u|joe:S3cret|http://h/", "curl -u joe:*** http://h/"},
	{"curl|-ujoe:S3cret|http://h/", "curl -ujoe:*** http://h/"},
	{"curl|http://joe:S3cret@h/p?x=1", "curl 'http://joe:***@h/p?x=1'"},
	{"curl|-H|Authorization: Bearer S3cret", "curl -H 'Authorization: Bearer ***'"},
	{"curl|-H|X-Api-Key: S3cret", "curl -H 'X-Api-Key: ***'"},
	{"curl|-d|{\"password\": \"S3 cret\", \"user\":\"joe\"}",
	 "curl -d '{\"password\": \"***\", \"user\":\"joe\"}'"},
	{"wget|https://h/?user=joe&access_token=S3cret&x=1",
	 "wget 'https://h/?user=joe&access_token=***&x=1'"},
	{"docker|login|-u|joe|-p|S3cret", "docker login -u joe -p ***"},
	{"docker|run|-p|80:80|nginx:1.25", "docker run -p 80:80 nginx:1.25"},
	{"redis-cli|-a|S3cret|ping", "redis-cli -a *** ping"},
	{"sh|-c|mysql -pS3cret db; date", "sh -c 'mysql -p*** db; date'"},
	{"sh|-c|sh -c 'mysql -pS3cret'", "sh -c 'sh -c '\\''mysql -p***'\\'''"},
	{"bash|-c|X=1 mysql --password \"S3 cret\" db", "bash -c 'X=1 mysql --password *** db'"},
	{"sshpass|-pS3cret|ssh|h", "sshpass -p*** ssh h"},
	{"java|-Ddb.password=S3cret|-jar|a.jar", "java -Ddb.password=*** -jar a.jar"},
	{"openssl|rsa|-passin|pass:S3cret", "openssl rsa -passin pass:***"},
	{"psql|host=h user=joe password=S3cret dbname=x",
	 "psql 'host=h user=joe password=*** dbname=x'"},
	{"git|clone|https://ghp_0123456789abcdefghij@github.com/x",
	 "git clone https://***@github.com/x"},
	{"x|AKIAIOSFODNN7EXAMPLE|y", "x *** y"},
	{"x|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "x ***"},
	{"grep|password|file", "grep password file"},
	{"vi|token.c", "vi token.c"},
};

static void command_lines_lose_their_secrets(void **state)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char raw[200];
		size_t len = strlen(lines[i].argv);
		struct buf out;

		memset(raw, 0, sizeof(raw));
		memcpy(raw, lines[i].argv, len);
		for (size_t at = 0; at < len; at++)
			if (raw[at] == '|')
				raw[at] = 0;
		buf_init(&out, 1000);
		/* with and without the zeros of a fixed field behind it */
		argv_join((struct span){(uint8_t *)raw, i % 2 ? sizeof(raw) : len}, &out);
		assert_null(strstr(buf_text(&out), "S3cret"));
		assert_string_equal(buf_text(&out), lines[i].line);
		buf_done(&out);
	}
}

static const struct {
	const char *in, *out;
} texts[] = {
	{"GET /?token=abc HTTP/1.1", "GET /?token=*** HTTP/1.1"},
	{"Cookie: a=b; c=d\r\nHost: x", "Cookie: ***\r\nHost: x"},
	{"Authorization: Basic abc==\nX: y", "Authorization: Basic ***\nX: y"},
	{"Server=db;Uid=joe;Pwd=abc;", "Server=db;Uid=joe;Pwd=***;"},
	{"redis://:abc@h:6379/0", "redis://:***@h:6379/0"},
	{"amqp://joe:a:b@h", "amqp://joe:***@h"},
	{"http://h:80/a@b", "http://h:80/a@b"},
	{"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
	 "***-----END PRIVATE KEY-----"},
	{"registry/secret:latest", "registry/secret:latest"},
	{"{'api_key':'abc','x':1}", "{'api_key':'***','x':1}"},
	{"X-Amz-Signature=abc&b=c", "X-Amz-Signature=***&b=c"},
	{"GET /a;jsessionid=abc&x=1", "GET /a;jsessionid=***&x=1"},
	{"requirepass=abc bypass=1", "requirepass=*** bypass=1"},
	{"password=", "password="},
	{"", ""},
};

static void texts_lose_their_secrets(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct buf out;

		buf_init(&out, 1000);
		mask_secrets(span_of(texts[i].in), &out);
		assert_string_equal(buf_text(&out), texts[i].out);
		buf_done(&out);
	}
}

/* Whatever the bytes: it ends, within bounds and within the cap. */
static void any_bytes_are_survived(void **state)
{
	static const char alphabet[] = "ab='\":/@ -p%;&{\\\n\0\xc3pass=token://";
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)random() % 200;
		uint8_t *raw = malloc(len ? len : 1);
		struct buf out;

		for (size_t at = 0; at < len; at++)
			raw[at] = (uint8_t)alphabet[random() % (long)sizeof(alphabet)];
		buf_init(&out, (size_t)random() % 300);
		argv_join((struct span){raw, len}, &out);
		assert_true(out.len <= out.cap);
		buf_clear(&out);
		mask_secrets((struct span){raw, len}, &out);
		buf_done(&out);
		free(raw);
	}
}

/* A typed line stays as it was typed; only the secrets go. */
static void typed_lines(void **state)
{
	static const char *const typed[][2] = {
		{"ls -l 'my file'", "ls -l 'my file'"},
		{"mysql -u root -pSECRET shop", "mysql -u root -p*** shop"},
		{"PGPASSWORD=x psql | less", "PGPASSWORD=*** psql | less"},
		{"curl -H 'Authorization: Bearer abc' http://u:pw@host/",
		 "curl -H 'Authorization: Bearer ***' http://u:***@host/"},
		{"exit", "exit"},
		{"", ""},
	};
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(typed) / sizeof(*typed); i++) {
		buf_clear(&out);
		mask_command(span_of(typed[i][0]), &out);
		if (!span_is(buf_as_span(&out), typed[i][1]))
			fail_msg("'%s' became '%.*s'", typed[i][0], (int)out.len, out.at);
	}
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typed_lines),
		cmocka_unit_test(command_lines_lose_their_secrets),
		cmocka_unit_test(texts_lose_their_secrets),
		cmocka_unit_test(any_bytes_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
