/* SPDX-License-Identifier: MIT */
#include "net/rules.h"

#include <string.h>

#include "base/json.h"

#define SETS_AND_MAPS 6

#define INET   "\"family\":\"inet\",\"table\":\"banger\""
#define BRIDGE "\"family\":\"bridge\",\"table\":\"banger\""

/* ------------------------------------------------------------------------------------- writing */

static void command(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
static void command(struct buf *b, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (b->data[b->len - 1] != '[')
		buf_addc(b, ',');
	buf_addf(b, "\n{%s}", text);
}

void rules_begin(struct buf *b)
{
	buf_adds(b, "{\"nftables\":[");
}

void rules_end(struct buf *b)
{
	buf_adds(b, "\n]}\n");
}

/* @matches: JSON of the match statements, each with its comma. */
static void add_rule(struct buf *b, const char *where, const char *chain, const char *matches,
		     const char *verdict)
{
	command(b, "\"add\":{\"rule\":{%s,\"chain\":\"%s\",\"expr\":[%s%s]}}", where, chain, matches,
		verdict);
}

static void add_chain(struct buf *b, const char *where, const char *name, const char *type,
		      const char *hook, int priority)
{
	command(b, "\"add\":{\"chain\":{%s,\"name\":\"%s\",\"type\":\"%s\",\"hook\":\"%s\","
		"\"prio\":%d,\"policy\":\"accept\"}}", where, name, type, hook, priority);
	command(b, "\"flush\":{\"chain\":{%s,\"name\":\"%s\"}}", where, name);
}

#define MATCH(op, left, right) "{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}},"
#define META(key)	       "{\"meta\":{\"key\":\"" key "\"}}"
#define FIELD_OF(proto, field) "{\"payload\":{\"protocol\":\"" proto "\",\"field\":\"" field "\"}}"
#define KNOWN	 MATCH("in", "{\"ct\":{\"key\":\"state\"}}", "[\"established\",\"related\"]")
#define ACCEPT	 "{\"accept\":null}"
#define DROP	 "{\"drop\":null}"
#define REJECT	 "{\"reject\":{\"type\":\"icmpx\",\"expr\":\"admin-prohibited\"}}"
#define PINGED	 MATCH("==", FIELD_OF("icmp", "type"), "\"echo-request\"")
#define FROM_NAT MATCH("==", FIELD_OF("ip", "saddr"), "\"@nat\"")

static char *interface(const char *key, const char *op, const char *name)
{
	return xasprintf("{\"match\":{\"op\":\"%s\",\"left\":{\"meta\":{\"key\":\"%s\"}},"
			 "\"right\":\"%s\"}},", op, key, name);
}

static void add_sets(struct buf *b)
{
	command(b, "\"add\":{\"table\":{\"family\":\"inet\",\"name\":\"banger\"}}");
	command(b, "\"add\":{\"table\":{\"family\":\"bridge\",\"name\":\"banger\"}}");
	command(b, "\"add\":{\"set\":{" INET ",\"name\":\"nat\",\"type\":\"ipv4_addr\"}}");
	command(b, "\"add\":{\"set\":{" INET ",\"name\":\"peers\",\"type\":\"ipv4_addr\"}}");
	command(b, "\"add\":{\"map\":{" INET ",\"name\":\"out\",\"type\":\"ipv4_addr\","
		"\"map\":\"counter\"}}");
	command(b, "\"add\":{\"map\":{" INET ",\"name\":\"in\",\"type\":\"ipv4_addr\","
		"\"map\":\"counter\"}}");
	command(b, "\"add\":{\"set\":{" BRIDGE ",\"name\":\"guests\",\"type\":[\"ifname\","
		"\"ether_addr\",\"ipv4_addr\"]}}");
	command(b, "\"add\":{\"set\":{" BRIDGE ",\"name\":\"talkers\",\"type\":\"ifname\"}}");
	command(b, "\"add\":{\"counter\":{" BRIDGE ",\"name\":\"spoofed\"}}");
}

/* Before routing: what a guest may not do is refused whether the host forwards or not. */
static void add_prerouting(struct buf *b, const char *bridge, const struct subnet *subnet)
{
	AUTO_FREE char *from = interface("iifname", "==", bridge);
	AUTO_FREE char *base = address_text(subnet->base);
	AUTO_FREE char *gateway = address_text(subnet->gateway);
	AUTO_FREE char *prefix = xasprintf("{\"prefix\":{\"addr\":\"%s\",\"len\":%u}}", base,
					   subnet->prefix);
	AUTO_FREE char *count = xasprintf("%s{\"counter\":{\"map\":{\"key\":" FIELD_OF("ip", "saddr")
					  ",\"data\":\"@out\"}}}", from);
	AUTO_FREE char *known = xasprintf("%s" KNOWN, from);
	AUTO_FREE char *ping = xasprintf("%s{\"match\":{\"op\":\"==\",\"left\":" FIELD_OF("ip", "daddr")
					 ",\"right\":\"%s\"}}," PINGED, from, gateway);
	AUTO_FREE char *peers = xasprintf("%s" MATCH("==", FIELD_OF("ip", "saddr"), "\"@peers\"")
					  MATCH("==", FIELD_OF("ip", "daddr"), "\"@peers\""), from);
	AUTO_FREE char *nat = xasprintf("%s" FROM_NAT "{\"match\":{\"op\":\"!=\",\"left\":"
					FIELD_OF("ip", "daddr") ",\"right\":%s}}," "{\"match\":{\"op\":"
					"\"!=\",\"left\":{\"fib\":{\"result\":\"type\",\"flags\":"
					"\"daddr\"}},\"right\":\"local\"}},", from, prefix);

	add_chain(b, INET, "prerouting", "filter", "prerouting", 0);
	add_rule(b, INET, "prerouting", count, "");
	add_rule(b, INET, "prerouting", known, ACCEPT);
	add_rule(b, INET, "prerouting", ping, ACCEPT);
	add_rule(b, INET, "prerouting", peers, ACCEPT);
	add_rule(b, INET, "prerouting", nat, ACCEPT);
	add_rule(b, INET, "prerouting", from, REJECT);
}

/* Once more behind routing, where others may have changed addresses; and what comes from outside. */
static void add_forward(struct buf *b, const char *bridge)
{
	AUTO_FREE char *from = interface("iifname", "==", bridge);
	AUTO_FREE char *to = interface("oifname", "==", bridge);
	AUTO_FREE char *count = xasprintf("%s{\"counter\":{\"map\":{\"key\":" FIELD_OF("ip", "daddr")
					  ",\"data\":\"@in\"}}}", to);
	AUTO_FREE char *known = xasprintf("%s" KNOWN, to);
	AUTO_FREE char *peers = xasprintf("%s%s" MATCH("==", FIELD_OF("ip", "saddr"), "\"@peers\"")
					  MATCH("==", FIELD_OF("ip", "daddr"), "\"@peers\""), from, to);
	AUTO_FREE char *nat = xasprintf("%s" FROM_NAT, from);

	add_chain(b, INET, "forward", "filter", "forward", 0);
	add_rule(b, INET, "forward", count, "");
	add_rule(b, INET, "forward", known, ACCEPT);
	add_rule(b, INET, "forward", peers, ACCEPT);
	add_rule(b, INET, "forward", to, DROP);
	add_rule(b, INET, "forward", nat, ACCEPT);
	add_rule(b, INET, "forward", from, REJECT);
}

static void add_postrouting(struct buf *b, const char *bridge)
{
	AUTO_FREE char *out = interface("oifname", "!=", bridge);
	AUTO_FREE char *nat = xasprintf(FROM_NAT "%s", out);

	add_chain(b, INET, "postrouting", "nat", "postrouting", 100);
	add_rule(b, INET, "postrouting", nat, "{\"masquerade\":null}");
}

static void add_spoofing(struct buf *b)
{
	static const char ip[] = "{\"match\":{\"op\":\"==\",\"left\":{\"concat\":[" META("iifname") ","
		FIELD_OF("ether", "saddr") "," FIELD_OF("ip", "saddr") "]},\"right\":\"@guests\"}},";
	static const char arp[] = "{\"match\":{\"op\":\"==\",\"left\":{\"concat\":[" META("iifname") ","
		FIELD_OF("ether", "saddr") "," FIELD_OF("arp", "saddr ip") "]},\"right\":\"@guests\"}},";
	AUTO_FREE char *other = interface("iifname", "!=", "bgr*");

	add_chain(b, BRIDGE, "prerouting", "filter", "prerouting", -200);
	add_rule(b, BRIDGE, "prerouting", other, ACCEPT);
	add_rule(b, BRIDGE, "prerouting", ip, ACCEPT);
	add_rule(b, BRIDGE, "prerouting", arp, ACCEPT);
	add_rule(b, BRIDGE, "prerouting", "{\"counter\":\"spoofed\"},", DROP);
}

/* From guest to guest: only between those that both want to. */
static void add_isolation(struct buf *b)
{
	AUTO_FREE char *from = interface("iifname", "!=", "bgr*");
	AUTO_FREE char *to = interface("oifname", "!=", "bgr*");
	AUTO_FREE char *in = interface("iifname", "==", "@talkers");
	AUTO_FREE char *out = interface("oifname", "==", "@talkers");
	AUTO_FREE char *both = xasprintf("%s%s", in, out);

	add_chain(b, BRIDGE, "forward", "filter", "forward", -200);
	add_rule(b, BRIDGE, "forward", from, ACCEPT);
	add_rule(b, BRIDGE, "forward", to, ACCEPT);
	add_rule(b, BRIDGE, "forward", both, ACCEPT);
	add_rule(b, BRIDGE, "forward", "", DROP);
}

void rules_add_base(struct buf *b, const char *bridge, const struct subnet *subnet)
{
	add_sets(b);
	add_prerouting(b, bridge, subnet);
	add_forward(b, bridge);
	add_postrouting(b, bridge);
	add_spoofing(b);
	add_isolation(b);
}

static void set_member(struct buf *b, const char *verb, const char *where, const char *set,
		       const char *member)
{
	command(b, "\"%s\":{\"element\":{%s,\"name\":\"%s\",\"elem\":[\"%s\"]}}", verb, where, set,
		member);
}

static void map_member(struct buf *b, const char *verb, const char *map, const char *address,
		       const char *prefix, const char *short_id)
{
	command(b, "\"%s\":{\"element\":{" INET ",\"name\":\"%s\",\"elem\":[[\"%s\",\"%s_%s\"]]}}",
		verb, map, address, prefix, short_id);
}

#define TAG "state "

/* Its comment tells whose it is, for whoever finds it without a tap. */
static void guest_member(struct buf *b, const char *verb, const struct rules_guest *g)
{
	AUTO_FREE char *key = xasprintf("{\"concat\":[\"%s\",\"%s\",\"%s\"]}", g->tap, g->mac,
					g->address);
	AUTO_FREE char *tagged = g->tag ? xasprintf("{\"elem\":{\"val\":%s,\"comment\":\"" TAG
						    "%s\"}}", key, g->tag)
					: NULL;

	command(b, "\"%s\":{\"element\":{" BRIDGE ",\"name\":\"guests\",\"elem\":[%s]}}", verb,
		tagged ? tagged : key);
}

static void counters(struct buf *b, const char *verb, const struct rules_guest *g)
{
	command(b, "\"%s\":{\"counter\":{" INET ",\"name\":\"from_%s\"}}", verb, g->short_id);
	command(b, "\"%s\":{\"counter\":{" INET ",\"name\":\"to_%s\"}}", verb, g->short_id);
}

/* A deletion of what is not there fails, so everything is added before it is deleted. */
static void member_if(struct buf *b, bool wanted, const char *where, const char *set,
		      const char *member)
{
	set_member(b, "add", where, set, member);
	if (!wanted)
		set_member(b, "delete", where, set, member);
}

void rules_add_guest(struct buf *b, const struct rules_guest *g)
{
	counters(b, "add", g);
	map_member(b, "add", "out", g->address, "from", g->short_id);
	map_member(b, "add", "in", g->address, "to", g->short_id);
	member_if(b, g->nat, INET, "nat", g->address);
	member_if(b, g->peers, INET, "peers", g->address);
	member_if(b, g->peers, BRIDGE, "talkers", g->tap);
	guest_member(b, "add", g);
}

void rules_remove_guest(struct buf *b, const struct rules_guest *g)
{
	add_sets(b); /* somebody may have flushed them */
	counters(b, "add", g);
	map_member(b, "add", "out", g->address, "from", g->short_id);
	map_member(b, "add", "in", g->address, "to", g->short_id);
	guest_member(b, "add", g);
	guest_member(b, "delete", g);
	member_if(b, false, INET, "nat", g->address);
	member_if(b, false, INET, "peers", g->address);
	member_if(b, false, BRIDGE, "talkers", g->tap);
	map_member(b, "delete", "out", g->address, "from", g->short_id);
	map_member(b, "delete", "in", g->address, "to", g->short_id);
	counters(b, "delete", g);
}

void rules_remove_base(struct buf *b)
{
	static const char *const families[] = { "inet", "bridge" };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		command(b, "\"add\":{\"table\":{\"family\":\"%s\",\"name\":\"banger\"}}", families[i]);
		command(b, "\"delete\":{\"table\":{\"family\":\"%s\",\"name\":\"banger\"}}",
			families[i]);
	}
}

/* ------------------------------------------------------------------------------------- reading */

void rules_seen_release(struct rules_seen *seen)
{
	strings_release(&seen->taps);
	free(seen->foreign);
	*seen = (struct rules_seen){ 0 };
}

static bool is(struct json v, const char *key, const char *wanted)
{
	AUTO_FREE char *text = NULL;

	return json_get_string(v, key, &text) && !strcmp(text, wanted);
}

/* The texts of an array, or of the "concat" in it, joined by blanks; owned. */
static char *joined(struct json v)
{
	struct buf text = BUF_INIT;
	struct json inner;
	struct json_iter it;

	if (json_get(v, "elem", &inner) && !json_get(inner, "val", &v))
		v = inner;
	if (json_get(v, "concat", &inner))
		v = inner;
	it = json_iter(v);
	while (json_next(&it, NULL, &inner)) {
		AUTO_FREE char *word = NULL;

		if (json_string(inner, &word))
			buf_addf(&text, "%s%s", text.len ? " " : "", word);
	}
	return buf_steal(&text);
}

/* Has set or map @v the element @wanted ("a", or "a b c" of several parts)? */
static bool has_element(struct json v, const char *wanted)
{
	struct json elements, e;
	struct json_iter it;

	if (!json_get(v, "elem", &elements))
		return false;
	it = json_iter(elements);
	while (json_next(&it, NULL, &e)) {
		AUTO_FREE char *text = NULL;

		if (!json_string(e, &text))
			text = joined(e);
		if (!strcmp(text, wanted))
			return true;
	}
	return false;
}

static void take_taps(struct json v, struct rules_seen *seen)
{
	struct json elements, e;
	struct json_iter it;

	if (!json_get(v, "elem", &elements))
		return;
	it = json_iter(elements);
	while (json_next(&it, NULL, &e)) {
		AUTO_FREE char *text = joined(e);

		text[strcspn(text, " ")] = '\0';
		strings_add(&seen->taps, text);
	}
}

/* Each of the six sets and maps counts once when it says what it should. */
static unsigned int fits(const char *kind, struct json v, const struct rules_guest *g)
{
	AUTO_FREE char *out = xasprintf("%s from_%s", g->address, g->short_id);
	AUTO_FREE char *in = xasprintf("%s to_%s", g->address, g->short_id);
	AUTO_FREE char *guest = xasprintf("%s %s %s", g->tap, g->mac, g->address);

	if (!strcmp(kind, "map"))
		return (is(v, "name", "out") && has_element(v, out)) ||
		       (is(v, "name", "in") && has_element(v, in));
	if (is(v, "name", "guests"))
		return has_element(v, guest);
	if (is(v, "name", "talkers"))
		return has_element(v, g->tap) == g->peers;
	if (is(v, "name", "nat"))
		return has_element(v, g->address) == g->nat;
	return is(v, "name", "peers") && has_element(v, g->address) == g->peers;
}

static void look(const char *kind, struct json v, const struct rules_guest *g,
		 struct rules_seen *seen, unsigned int *fitting)
{
	AUTO_FREE char *family = NULL, *table = NULL, *name = NULL;

	if (strcmp(kind, "chain") && !is(v, "table", "banger"))
		return;
	if (!strcmp(kind, "rule"))
		seen->rules++;
	if (!strcmp(kind, "set") || !strcmp(kind, "map"))
		*fitting += g ? fits(kind, v, g) : 0;
	if (!strcmp(kind, "set") && is(v, "name", "guests"))
		take_taps(v, seen);
	if (strcmp(kind, "chain") || seen->foreign || !is(v, "hook", "forward") ||
	    !is(v, "policy", "drop") || is(v, "family", "ip6") || is(v, "family", "bridge"))
		return;
	if (json_get_string(v, "family", &family) && json_get_string(v, "table", &table) &&
	    json_get_string(v, "name", &name))
		seen->foreign = xasprintf("%s %s %s", family, table, name);
}

void rules_list_release(struct records *elements)
{
	struct rules_element *all = elements->v;

	for (size_t i = 0; i < elements->n; i++) {
		free(all[i].tap);
		free(all[i].mac);
		free(all[i].address);
		free(all[i].tag);
	}
	free(all);
	*elements = (struct records){ 0 };
}

/* "state TAG" of an element that has more than its key; owned. */
static char *tag_of(struct json v)
{
	AUTO_FREE char *comment = NULL;
	struct json inner;

	if (!json_get(v, "elem", &inner) || !json_get_string(inner, "comment", &comment) ||
	    strncmp(comment, TAG, strlen(TAG)) != 0)
		return NULL;
	return xstrdup(comment + strlen(TAG));
}

/* The first word of *@at, which is moved behind it; owned. */
static char *take_word(const char **at)
{
	size_t len = strcspn(*at, " ");
	char *word = xstrndup(*at, len);

	*at += len + (len && (*at)[len] == ' ');
	return word;
}

static void take_elements(struct json set, struct records *out)
{
	struct json elements, e;
	struct json_iter it;

	if (!json_get(set, "elem", &elements))
		return;
	it = json_iter(elements);
	while (json_next(&it, NULL, &e)) {
		AUTO_FREE char *text = joined(e);
		struct rules_element *element = records_add(out, sizeof(*element));
		const char *at = text;

		element->tap = take_word(&at);
		element->mac = take_word(&at);
		element->address = take_word(&at);
		element->tag = tag_of(e);
	}
}

struct fault *rules_list(const char *text, size_t len, bool *there, struct records *out)
{
	struct json list, object, set;
	struct json_doc *doc = NULL;
	struct json_iter it;

	*out = (struct records){ 0 };
	*there = false;
	TRY(json_parse(text, len, "what nft lists", &doc));
	if (!json_get(json_root(doc), "nftables", &list)) {
		json_free(doc);
		return fault_new(F_CORRUPT, "what nft lists has no 'nftables'");
	}
	it = json_iter(list);
	while (json_next(&it, NULL, &object))
		if (json_get(object, "set", &set) && is(set, "table", "banger") &&
		    is(set, "name", "guests")) {
			*there = true;
			take_elements(set, out);
		}
	json_free(doc);
	return NULL;
}

struct fault *rules_read(const char *text, size_t len, const struct rules_guest *g,
			 struct rules_seen *seen)
{
	struct json list, object, v;
	struct json_doc *doc = NULL;
	unsigned int fitting = 0;
	struct json_iter it;

	*seen = (struct rules_seen){ 0 };
	TRY(json_parse(text, len, "what nft lists", &doc));
	if (!json_get(json_root(doc), "nftables", &list)) {
		json_free(doc);
		return fault_new(F_CORRUPT, "what nft lists has no 'nftables'");
	}
	it = json_iter(list);
	while (json_next(&it, NULL, &object)) {
		struct json_iter members = json_iter(object);
		AUTO_FREE char *kind = NULL;

		if (json_next(&members, &kind, &v))
			look(kind, v, g, seen, &fitting);
	}
	seen->guest = fitting == SETS_AND_MAPS;
	json_free(doc);
	return NULL;
}
