/* SPDX-License-Identifier: MIT */
/*
 * mirror.c - apt's sources, read for one purpose.
 *
 * Theory of operation.  Third parties publish under Debian's suite names too ("bookworm main"), so a
 * suite alone does not make a Debian mirror: every source gets a score from its address and from
 * the keyring that apt checks it with, and the best one wins, the first among equals.
 */
#include "kernel/mirror.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/file.h"

#define APT_DIR	       "/etc/apt"
#define SOURCE_BYTES_MAX (1u << 20)
#define BLANKS	       " \t\r\n"

enum score { SCORE_NONE, SCORE_OTHER_SUITE, SCORE_MENTIONS, SCORE_SIMILAR, SCORE_DEBIAN };

struct search {
	const char *suite;
	enum score score;
	char *uri; /* best so far, owned */
};

/* One apt source as far as it matters here; the lists are separated by blanks. */
struct source {
	char *types, *uris, *suites, *components, *signed_by, *enabled; /* owned, NULL = absent */
};

static void source_release(struct source *s)
{
	free(s->types);
	free(s->uris);
	free(s->suites);
	free(s->components);
	free(s->signed_by);
	free(s->enabled);
	*s = (struct source){ 0 };
}

/* The next blank-separated word of *@list, or false; *@list moves behind it. */
static bool next_word(const char **list, const char **word, size_t *len)
{
	if (!*list)
		return false;
	*list += strspn(*list, BLANKS);
	*word = *list;
	*len = strcspn(*list, BLANKS);
	*list += *len;
	return *len > 0;
}

static bool word_is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(word, text, len);
}

static bool has_word(const char *list, const char *wanted)
{
	const char *word;
	size_t len;

	while (next_word(&list, &word, &len))
		if (word_is(word, len, wanted))
			return true;
	return false;
}

static bool names_debian_suite(const char *list)
{
	static const char *const suites[] = { "oldstable", "stable",   "testing",  "unstable", "sid",
					      "bullseye",  "bookworm", "trixie",   "forky" };

	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		if (has_word(list, suites[i]))
			return true;
	return false;
}

static bool is_security(const char *suite)
{
	return strstr(suite, "-security") != NULL;
}

/* How much does the address @uri (no slash at its end) look like a Debian archive? */
static enum score address_score(const char *uri, const char *suite)
{
	const char *last = strrchr(uri, '/') + 1;

	if (!strcmp(last, is_security(suite) ? "debian-security" : "debian") ||
	    strstr(uri, "://snapshot.debian.org/archive/debian"))
		return SCORE_DEBIAN;
	if (strstr(last, "debian"))
		return SCORE_SIMILAR;
	return strstr(uri, "debian") ? SCORE_MENTIONS : SCORE_NONE;
}

static void consider_uri(struct search *search, const struct source *s, const char *uri)
{
	bool ours = has_word(s->suites, search->suite);
	enum score score = address_score(uri, search->suite);

	if (s->signed_by && strstr(s->signed_by, "debian-archive-"))
		score = SCORE_DEBIAN;
	if (!ours && (is_security(search->suite) || score < SCORE_DEBIAN ||
		      !names_debian_suite(s->suites)))
		return;
	if (!ours)
		score = SCORE_OTHER_SUITE;
	if (score <= search->score)
		return;
	search->score = score;
	free(search->uri);
	search->uri = xstrdup(uri);
}

static void consider(struct search *search, const struct source *s)
{
	const char *list = s->uris, *word;
	size_t len;

	if (!has_word(s->types, "deb") || !has_word(s->components, "main") ||
	    (s->enabled && (!strcasecmp(s->enabled, "no") || !strcasecmp(s->enabled, "false") ||
			    !strcmp(s->enabled, "0"))))
		return;
	while (next_word(&list, &word, &len)) {
		AUTO_FREE char *uri = xstrndup(word, len);

		if (strncmp(uri, "http://", 7) && strncmp(uri, "https://", 8))
			continue;
		while (len > strlen("https://x") && uri[len - 1] == '/')
			uri[--len] = '\0';
		consider_uri(search, s, uri);
	}
}

/* ------------------------------------------------------------------------- one-line format */

/* "deb [option=value ...] uri suite component..." */
static void read_line(struct search *search, char *line)
{
	struct source s = { 0 };
	const char *rest, *word;
	size_t len;

	line[strcspn(line, "#")] = '\0';
	rest = line;
	if (!next_word(&rest, &word, &len) || !word_is(word, len, "deb"))
		return;
	rest += strspn(rest, BLANKS);
	if (*rest == '[') {
		const char *close = strchr(rest, ']');

		if (!close)
			return;
		s.signed_by = xstrndup(rest, (size_t)(close - rest));
		rest = close + 1;
	}
	s.types = xstrdup("deb");
	if (next_word(&rest, &word, &len))
		s.uris = xstrndup(word, len);
	if (next_word(&rest, &word, &len))
		s.suites = xstrndup(word, len);
	s.components = xstrdup(rest);
	consider(search, &s);
	source_release(&s);
}

static void read_list(struct search *search, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		read_line(search, line);
}

/* -------------------------------------------------------------------------------- deb822 */

static char **field_slot(struct source *s, const char *name)
{
	const struct {
		const char *name;
		char **slot;
	} fields[] = {
		{ "Types", &s->types },		  { "URIs", &s->uris },
		{ "Suites", &s->suites },	  { "Components", &s->components },
		{ "Signed-By", &s->signed_by },	  { "Enabled", &s->enabled },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!strcasecmp(name, fields[i].name))
			return fields[i].slot;
	return NULL;
}

static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && strchr(BLANKS, text[len - 1]))
		text[--len] = '\0';
}

static void append(char **slot, const char *more)
{
	char *joined = *slot ? xasprintf("%s %s", *slot, more) : xstrdup(more);

	free(*slot);
	*slot = joined;
}

static void read_deb822(struct search *search, char *text)
{
	struct source s = { 0 };
	char **slot = NULL;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *colon;

		trim_end(line);
		if (line[0] == '#')
			continue;
		if (!line[0]) {
			consider(search, &s);
			source_release(&s);
			slot = NULL;
		} else if (strchr(BLANKS, line[0])) {
			if (slot)
				append(slot, line + strspn(line, BLANKS));
		} else if ((colon = strchr(line, ':'))) {
			*colon = '\0';
			slot = field_slot(&s, line);
			if (slot)
				append(slot, colon + 1 + strspn(colon + 1, BLANKS));
		}
	}
	consider(search, &s);
	source_release(&s);
}

/* ------------------------------------------------------------------------------- the files */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && !strcmp(text + len - end_len, end);
}

/* A file that cannot be read counts as absent: there is always the official mirror. */
static void read_source_file(struct search *search, int dir, const char *name)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	AUTO_BUF text = BUF_INIT;
	AUTO_FAULT f = NULL;

	if (fd < 0)
		return;
	f = file_read_fd(fd, SOURCE_BYTES_MAX, name, &text);
	if (f || !text.len)
		return;
	if (ends_with(name, ".sources"))
		read_deb822(search, text.data);
	else
		read_list(search, text.data);
}

static void read_source_dir(struct search *search, int apt)
{
	AUTO_FD dir = openat(apt, "sources.list.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct strings names = { 0 };
	AUTO_FAULT f = NULL;

	if (dir < 0)
		return;
	f = dir_names(dir, "apt's sources", &names);
	for (size_t i = 0; !f && i < names.n; i++)
		if (names.v[i][0] != '.' &&
		    (ends_with(names.v[i], ".list") || ends_with(names.v[i], ".sources")))
			read_source_file(search, dir, names.v[i]);
	strings_release(&names);
}

struct fault *mirror_find_in(const char *apt_dir, const char *suite, char **uri)
{
	AUTO_FD apt = open(apt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct search search = { .suite = suite };

	TRY(cancel_check());
	if (apt >= 0) {
		read_source_file(&search, apt, "sources.list");
		read_source_dir(&search, apt);
	}
	*uri = search.uri ? search.uri
	       : xstrdup(is_security(suite) ? MIRROR_OFFICIAL_SECURITY : MIRROR_OFFICIAL);
	return NULL;
}

struct fault *mirror_find(const char *suite, char **uri)
{
	return mirror_find_in(APT_DIR, suite, uri);
}
