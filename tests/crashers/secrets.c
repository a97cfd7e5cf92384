/* Dies with secrets in its variables, arguments and last words; nothing of them may leave the host.
 * Every secret holds the word "hunter". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account {
	const char *user;
	char password[24];
	int password_len;
};

struct session {
	const char *url;
	struct account *account;
	unsigned char aes_key[8];
	const char *tokens[2];
};

char root_password[32] = "hunter-of-all";
const char *motd = "welcome";

static __attribute__((noinline)) int log_in(struct session *session, const char *api_key)
{
	char header[64], json[64];
	const char *plain = "nothing to hide";

	snprintf(header, sizeof(header), "Authorization: Bearer %s", "hunter-in-a-header");
	snprintf(json, sizeof(json), "{\"user\":\"me\",\"password\":\"%s\"}", "hunter-in-json");
	if (!plain || !*header || !*json)
		return 0;
	fprintf(stderr, "%s\n", session->url);
	*(volatile int *)(api_key - (size_t)api_key) = 1;
	return (int)strlen(header);
}

int main(void)
{
	struct account account = { "me", "hunter-of-account", 17 };
	struct session session = { "postgres://app:hunter-in-url@db/main",
				   &account,
				   { 'h', 'u', 'n', 't', 'e', 'r', '!', '!' },
				   { "while", "end" } };
	const char *client_secret = "hunter-by-name";

	puts(client_secret);
	return log_in(&session, "hunter-as-argument");
}
