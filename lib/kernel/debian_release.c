/* SPDX-License-Identifier: MIT */
/* debian_release.c - what a Release file says; its signature was checked by the caller. */
#include <string.h>
#include <time.h>

#include "base/sha256.h"
#include "kernel/deb.h"
#include "kernel/debian.h"

#define INDEX_BYTES_MAX (UINT64_C(64) << 20)

/* The value of field @key in @text; owned, or NULL. */
static char *value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " \t");
		return xstrndup(line, strcspn(line, "\r\n"));
	}
	return NULL;
}

static struct fault *check_suite(const char *text, const char *wanted)
{
	AUTO_FREE char *codename = value_of(text, "Codename");
	AUTO_FREE char *suite = value_of(text, "Suite");

	if ((codename && !strcmp(codename, wanted)) || (suite && !strcmp(suite, wanted)))
		return NULL;
	return fault_new(F_CORRUPT, "it is signed for suite '%s', not for '%s'",
			 codename ? codename : suite ? suite : "", wanted);
}

/* "Wed, 25 Nov 2026 22:17:41 UTC"; the program never leaves the C locale. */
static struct fault *check_date(const char *text, int64_t now)
{
	AUTO_FREE char *until = value_of(text, "Valid-Until");
	struct tm tm = { 0 };
	const char *end;

	if (!until)
		return NULL;
	end = strptime(until, "%a, %d %b %Y %H:%M:%S", &tm);
	if (!end || (strcmp(end, " UTC") && strcmp(end, " GMT") && strcmp(end, " +0000")))
		return fault_new(F_CORRUPT, "its date Valid-Until cannot be read");
	if ((int64_t)timegm(&tm) < now)
		return fault_hint(fault_new(F_CORRUPT, "it was valid until %s only", until),
				  "The mirror is stale, or this host's clock is wrong.");
	return NULL;
}

static void read_distro(const char *text, struct debian_release *r)
{
	AUTO_FREE char *origin = value_of(text, "Origin");
	AUTO_FREE char *version = value_of(text, "Version");

	if (!origin || strcmp(origin, "Debian") || !version)
		return;
	version[strcspn(version, ".")] = '\0';
	r->distro = xasprintf("debian %s", version);
}

/* " <digest> <size> <path>" of the list below "SHA256:" */
static struct fault *take_entry(const char *line, const char *path, struct debian_release *r)
{
	AUTO_FREE char *copy = xstrndup(line, strcspn(line, "\r\n"));
	char *rest = copy, *word[3] = { NULL };

	for (size_t n = 0; n < 3 && rest;) {
		char *next = strsep(&rest, " \t");

		if (*next)
			word[n++] = next;
	}
	if (!word[2] || strcmp(word[2], path))
		return NULL;
	if (!sha256_is_hex(word[0]))
		return fault_new(F_CORRUPT, "the digest of '%s' is malformed", path);
	TRY(debian_size(word[1], INDEX_BYTES_MAX, &r->index_bytes));
	r->index_sha256 = xstrdup(word[0]);
	r->index_path = xstrdup(path);
	return NULL;
}

static struct fault *find_index(const char *text, const char *path, struct debian_release *r)
{
	bool inside = false;

	for (const char *line = text; line && !r->index_path; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line != ' ')
			inside = !strncmp(line, "SHA256:", 7);
		else if (inside)
			TRY(take_entry(line, path, r));
	}
	return NULL;
}

static struct fault *read_all(const char *text, const char *suite, const char *arch, int64_t now,
			      struct debian_release *r)
{
	AUTO_FREE char *by_hash = value_of(text, "Acquire-By-Hash");
	static const char *const endings[] = { ".xz", ".gz" };

	TRY(check_suite(text, suite));
	TRY(check_date(text, now));
	read_distro(text, r);
	r->by_hash = by_hash && !strcmp(by_hash, "yes");
	for (size_t i = 0; i < ARRAY_LEN(endings) && !r->index_path; i++) {
		AUTO_FREE char *path = xasprintf("main/binary-%s/Packages%s", arch, endings[i]);

		TRY(find_index(text, path, r));
	}
	if (!r->index_path)
		return fault_new(F_NOT_FOUND, "it has no packages for %s", arch);
	return NULL;
}

struct fault *debian_release_read(const char *text, const char *suite, const char *arch, int64_t now,
				  struct debian_release *release)
{
	struct debian_release r = { 0 };
	struct fault *f = read_all(text, suite, arch, now, &r);

	if (f)
		debian_release_release(&r);
	else
		*release = r;
	return f;
}
