/* SPDX-License-Identifier: MIT */
/*
 * doctor_firewall.c - others' rules that drop what machines send through this host.
 *
 * All chains at the hook "forward" have their say, whatever banger's own table accepts: one that drops
 * by policy (Docker, ufw), or ends in a reject (firewalld), has to let the bridge pass itself.
 */
#include <string.h>

#include "vm/doctor.h"

#define BRIDGE	  "br-banger"
#define OWN_TABLE "banger"

struct blocker {
	const char *who;    /* in the sentence */
	const char *remedy;
};

static const struct blocker docker = {
	"Docker",
	"sudo iptables -I DOCKER-USER -i " BRIDGE " -j ACCEPT; sudo iptables -I DOCKER-USER -o " BRIDGE
	" -j ACCEPT",
};
static const struct blocker ufw = {
	"ufw",
	"sudo ufw route allow in on " BRIDGE "; sudo ufw route allow out on " BRIDGE,
};
static const struct blocker firewalld = {
	"firewalld",
	"sudo firewall-cmd --permanent --zone=trusted --add-interface=" BRIDGE
	"; sudo firewall-cmd --reload",
};
static const struct blocker iptables = {
	"iptables",
	"sudo iptables -I FORWARD -i " BRIDGE " -j ACCEPT; sudo iptables -I FORWARD -o " BRIDGE
	" -j ACCEPT",
};
static const struct blocker unknown = {
	"another table",
	"Let interface " BRIDGE " pass in that chain: sudo nft list ruleset",
};

static bool is_text(struct json object, const char *key, const char *wanted)
{
	AUTO_FREE char *text = NULL;

	return json_get_string(object, key, &text) && !strcmp(text, wanted);
}

/* Is there a chain in the same family and table whose name begins with @prefix? */
static bool has_chain(struct json list, const char *family, const char *table, const char *prefix)
{
	struct json_iter it = json_iter(list);
	struct json item, chain;

	while (json_next(&it, NULL, &item)) {
		AUTO_FREE char *name = NULL;

		if (json_get(item, "chain", &chain) && is_text(chain, "family", family) &&
		    is_text(chain, "table", table) && json_get_string(chain, "name", &name) &&
		    !strncmp(name, prefix, strlen(prefix)))
			return true;
	}
	return false;
}

static const struct blocker *blocker_of(struct json list, const char *family, const char *table)
{
	if (!strcmp(table, "firewalld"))
		return &firewalld;
	if (has_chain(list, family, table, "DOCKER"))
		return &docker;
	if (has_chain(list, family, table, "ufw-"))
		return &ufw;
	return !strcmp(table, "filter") ? &iptables : &unknown;
}

static const struct blocker *judge(struct json list, struct json chain, char **table, char **name)
{
	AUTO_FREE char *family = NULL;

	if (!is_text(chain, "hook", "forward") || !json_get_string(chain, "family", &family) ||
	    !json_get_string(chain, "table", table) || !json_get_string(chain, "name", name))
		return NULL;
	/* IPv6 alone is not what machines have, and the link layer is not routed. */
	if (!strcmp(*table, OWN_TABLE) || (strcmp(family, "ip") && strcmp(family, "inet")))
		return NULL;
	if (is_text(chain, "policy", "drop") || !strcmp(*table, "firewalld"))
		return blocker_of(list, family, *table);
	return NULL;
}

static void find_blocker(struct json list, char **seen, char **remedy)
{
	struct json_iter it = json_iter(list);
	struct json item, chain;

	while (!*seen && json_next(&it, NULL, &item)) {
		AUTO_FREE char *table = NULL, *name = NULL;
		const struct blocker *b = json_get(item, "chain", &chain)
						  ? judge(list, chain, &table, &name)
						  : NULL;

		if (!b)
			continue;
		*seen = xasprintf("%s drops what is forwarded (table %s, chain %s): machines with --nat reach "
				  "nothing behind this host", b->who, table, name);
		*remedy = xstrdup(b->remedy);
	}
}

struct fault *doctor_blockers(const char *text, size_t len, char **seen, char **remedy)
{
	struct json_doc *doc;
	struct json list;

	*seen = *remedy = NULL;
	TRY(json_parse(text, len, "the output of 'nft -j list chains'", &doc));
	if (json_get(json_root(doc), "nftables", &list) && json_kind(list) == JSON_ARRAY)
		find_blocker(list, seen, remedy);
	json_free(doc);
	return NULL;
}

void doctor_firewall(struct check_report *r, struct doctor_scene *s)
{
	AUTO_FREE char *seen = NULL, *remedy = NULL;
	AUTO_FAULT f = NULL;
	const char *text;

	if (!r->root) {
		check_pass(r, "not needed by an ordinary user's machines");
		return;
	}
	if (!s->nft) {
		check_warn(r, "sudo apt-get install nftables", "there is no program 'nft'");
		return;
	}
	text = doctor_tool_output(s->nft);
	if (!text) {
		check_warn(r, "sudo nft list ruleset", "nft fails, or takes longer than a second, to list the chains");
		return;
	}
	f = doctor_blockers(text, strlen(text), &seen, &remedy);
	if (f)
		check_fault(r, false, f);
	else if (seen)
		check_warn(r, remedy, "%s", seen);
	else
		check_pass(r, "nobody else drops what is forwarded");
}
