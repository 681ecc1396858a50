/* SPDX-License-Identifier: MIT */
#include "store/name.h"

#include <string.h>
#include <sys/random.h>

#include "base/text.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* @text for a message, with control bytes made visible.  Owned. */
static char *quoted(const char *text)
{
	AUTO_BUF safe = BUF_INIT;

	text_add_printable(&safe, text, strnlen(text, 80));
	return xasprintf("'%s'", safe.data);
}

struct fault *name_check_vm(const char *name)
{
	size_t len = strlen(name);
	bool ok = len > 0 && len <= VM_NAME_MAX && name[0] != '-' && name[len - 1] != '-';
	AUTO_FREE char *shown = NULL;

	for (size_t i = 0; ok && i < len; i++)
		ok = is_lower_alnum(name[i]) || name[i] == '-';
	if (ok)
		return NULL;
	shown = quoted(name);
	return fault_new(F_INVALID,
			 "%s is not a name for a VM: use 1 to 63 of a-z, 0-9 and '-', with no '-' at "
			 "either end", shown);
}

static bool is_object_char(char c, bool first)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') ||
	       (!first && (c == '.' || c == '_' || c == '-'));
}

struct fault *name_check_object(const char *noun, const char *name)
{
	size_t len = strlen(name);
	bool ok = len > 0 && len <= OBJECT_NAME_MAX;
	AUTO_FREE char *shown = NULL;

	for (size_t i = 0; ok && i < len; i++)
		ok = is_object_char(name[i], i == 0);
	if (ok)
		return NULL;
	shown = quoted(name);
	return fault_new(F_INVALID,
			 "%s is not a name for %s %s: use 1 to 128 of letters, digits, '.', '_' and "
			 "'-', starting with a letter or digit", shown,
			 strchr("aeiou", noun[0]) ? "an" : "a", noun);
}

char *name_from_text(const char *text)
{
	struct buf name = BUF_INIT;

	for (; *text && name.len < OBJECT_NAME_MAX; text++)
		if (is_object_char(*text, name.len == 0))
			buf_addc(&name, *text);
		else if (name.len && name.data[name.len - 1] != '-')
			buf_addc(&name, '-');
	while (name.len && !is_object_char(name.data[name.len - 1], true))
		name.data[--name.len] = '\0';
	if (!name.len)
		buf_adds(&name, "unnamed");
	return buf_steal(&name);
}

static const char *const adjectives[] = {
	"able",	  "amber",  "bold",   "brave",	"brisk",  "calm",   "clear",  "clever", "cosy",
	"crisp",  "curly",  "deft",   "eager",	"early",  "fair",   "fancy",  "fleet",	"fond",
	"fresh",  "gentle", "glad",   "golden", "grand",  "green",  "happy",  "hardy",	"honest",
	"humble", "jolly",  "keen",   "kind",	"lively", "lucky",  "mellow", "merry",	"mild",
	"neat",	  "nimble", "noble",  "pale",	"plucky", "proud",  "quick",  "quiet",	"rapid",
	"ready",  "royal",  "rusty",  "sharp",	"shiny",  "silent", "silver", "sleek",	"smart",
	"snug",	  "solid",  "sunny",  "sweet",	"swift",  "tidy",   "vivid",  "warm",	"wise",
	"witty",
};

static const char *const nouns[] = {
	"badger", "beaver", "bison",  "bream",	"cedar",   "clover", "comet",  "condor", "coral",
	"crane",  "dingo",  "dolphin", "eagle",	"falcon",  "fern",   "finch",  "fox",	 "gecko",
	"goose",  "harbor", "hare",   "hawk",	"heron",   "ibex",   "jackal", "kestrel", "koala",
	"lark",	  "lemur",  "lily",   "lynx",	"magpie",  "maple",  "marten", "meadow", "mole",
	"moose",  "newt",   "oak",    "orca",	"osprey",  "otter",  "owl",    "panda",	 "pebble",
	"pike",	  "pine",   "plover", "puffin", "quail",   "raven",  "reef",   "robin",	 "salmon",
	"seal",	  "sparrow", "stork", "swan",	"tapir",   "thistle", "trout", "walrus", "willow",
	"wren",
};

char *name_generate(void)
{
	uint32_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = (uint32_t)getpid();
	return xasprintf("%s-%s", adjectives[bits % ARRAY_LEN(adjectives)],
			 nouns[(bits >> 16) % ARRAY_LEN(nouns)]);
}

struct fault *name_find(const char *noun, const struct strings *names, const char *wanted,
			size_t *index)
{
	AUTO_FREE char *shown = quoted(wanted);
	AUTO_BUF candidates = BUF_INIT;
	size_t len = strlen(wanted), found = 0, last = 0;

	for (size_t i = 0; i < names->n; i++) {
		if (!strcmp(names->v[i], wanted)) {
			*index = i;
			return NULL;
		}
		if (!len || strncmp(names->v[i], wanted, len))
			continue;
		if (found++ < 10)
			buf_addf(&candidates, "%s%s", candidates.len ? ", " : "", names->v[i]);
		last = i;
	}
	if (found == 1) {
		*index = last;
		return NULL;
	}
	if (found)
		return fault_new(F_AMBIGUOUS, "%s %s fits several: %s%s", noun, shown,
				 candidates.data, found > 10 ? ", ..." : "");
	return fault_new(F_NOT_FOUND, "there is no %s %s", noun, shown);
}
