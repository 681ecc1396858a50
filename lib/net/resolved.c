/* SPDX-License-Identifier: MIT */
#include "net/resolved.h"

#include <string.h>

#include "base/json.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "net/dns_zone.h"

#define RESOLVECTL "resolvectl"
#define SERVER	   "127.0.0.1:"
#define WAIT_MS	   10000
#define OUTPUT_MAX (64u << 10)

static struct fault *tell(const struct strings *argv, struct buf *out)
{
	const char **words = xcalloc(argv->n + 1, sizeof(*words));
	struct fault *f;

	for (size_t i = 0; i < argv->n; i++)
		words[i] = argv->v[i];
	f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = words, .deadline_ms = WAIT_MS }, out,
		      OUTPUT_MAX);
	free(words);
	return f;
}

static struct fault *tell_words(struct buf *out, const char *verb, const char *bridge,
				const char *value)
{
	struct strings argv = { 0 };
	struct fault *f;

	strings_add(&argv, RESOLVECTL);
	strings_add(&argv, verb);
	strings_add(&argv, bridge);
	if (value)
		strings_add(&argv, value);
	f = tell(&argv, out);
	strings_release(&argv);
	return f;
}

static struct fault *check(void)
{
	AUTO_FREE char *program = machine_find_program(RESOLVECTL);

	if (program)
		return NULL;
	return fault_new(F_MISSING, "there is no systemd-resolved here (no program '%s')", RESOLVECTL);
}

/* "~vm", and each reverse zone of the subnet. */
static void routed_domains(const struct subnet *subnet, struct strings *out)
{
	char *zone;

	*out = (struct strings){ 0 };
	strings_add(out, "~vm");
	for (unsigned int i = 0; (zone = dns_reverse_zone(subnet, i)); i++) {
		AUTO_FREE char *domain = xasprintf("~%s", zone);

		strings_add(out, domain);
		free(zone);
	}
}

static struct fault *set_domains(const char *bridge, const struct strings *domains)
{
	struct strings argv = { 0 };
	struct fault *f;

	strings_add(&argv, RESOLVECTL);
	strings_add(&argv, "domain");
	strings_add(&argv, bridge);
	for (size_t i = 0; i < domains->n; i++)
		strings_add(&argv, domains->v[i]);
	f = tell(&argv, NULL);
	strings_release(&argv);
	return f;
}

/* Is @word one of the words of @text? */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (n == len && !memcmp(text, word, len))
			return true;
		text += n + !!text[n];
	}
	return false;
}

/*
 * A bridge that is somebody else's may have servers, which the whole host may need.  Those on 127.0.0.1 are
 * what a watcher left that was killed.
 */
static struct fault *check_others(const char *bridge)
{
	AUTO_BUF servers = BUF_INIT;
	const char *at;

	TRY(tell_words(&servers, "dns", bridge, NULL));
	at = strstr(servers.data, "):");
	for (at = at ? at + 2 : ""; *at; at += strcspn(at, " \n")) {
		at += strspn(at, " \n");
		if (*at && strncmp(at, SERVER, strlen(SERVER)) != 0)
			return fault_new(F_STATE, "bridge '%s' has a DNS server of somebody else, %.*s, which "
					 "stays", bridge, (int)strcspn(at, " \n"), at);
	}
	return NULL;
}

static struct fault *read_back(const char *bridge, const char *server, const struct strings *domains)
{
	AUTO_BUF servers = BUF_INIT, routed = BUF_INIT;

	TRY(tell_words(&servers, "dns", bridge, NULL));
	TRY(tell_words(&routed, "domain", bridge, NULL));
	if (!has_word(servers.data, server))
		return fault_new(F_STATE, "systemd-resolved was told to ask %s about bridge '%s' and does not",
				 server, bridge);
	for (size_t i = 0; i < domains->n; i++)
		if (!has_word(routed.data, domains->v[i]))
			return fault_new(F_STATE, "systemd-resolved was told to route '%s' to bridge '%s' and "
					 "does not", domains->v[i], bridge);
	return NULL;
}

/* The host's own choices are for servers far away; this one signs nothing and speaks no TLS. */
static struct fault *set_plain(const char *bridge)
{
	static const char *const off[] = { "default-route", "dnssec", "dnsovertls" };

	for (size_t i = 0; i < ARRAY_LEN(off); i++)
		TRY(tell_words(NULL, off[i], bridge, "no"));
	return NULL;
}

struct fault *resolved_route(const char *bridge, const struct subnet *subnet, unsigned int port)
{
	AUTO_FREE char *server = xasprintf(SERVER "%u", port);
	struct strings domains;
	struct fault *f;

	TRY(check());
	TRY(check_others(bridge));
	routed_domains(subnet, &domains);
	/* Before the server, so that it is never asked about anything else. */
	f = set_plain(bridge);
	if (!f)
		f = set_domains(bridge, &domains);
	if (!f)
		f = tell_words(NULL, "dns", bridge, server);
	if (!f)
		f = read_back(bridge, server, &domains);
	strings_release(&domains);
	return f;
}

struct fault *resolved_unroute(const char *bridge)
{
	TRY(check());
	return tell_words(NULL, "revert", bridge, NULL);
}
