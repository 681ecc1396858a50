/* SPDX-License-Identifier: MIT */
/* reference.c - the grammar of references, as container engines have it. */
#include "image/reference.h"

#include <string.h>

#include "base/text.h"
#include "image/oci.h"
#include "store/name.h"

#define HUB	     "docker.io"
#define HUB_OLD	     "index.docker.io"
#define HUB_HOST     "registry-1.docker.io"
#define HUB_OFFICIAL "library/"
#define LATEST	     "latest"
#define NAME_MAX_LEN 255
#define TAG_MAX_LEN  128
#define TEXT_MAX_LEN 1024

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_port(const char *text)
{
	unsigned int port = 0;

	for (const char *c = text; *c; c++) {
		if (!is_digit(*c) || c - text > 4)
			return false;
		port = port * 10 + (unsigned int)(*c - '0');
	}
	return port > 0 && port < 65536;
}

/* Letters, digits and inner dashes between dots. */
static bool is_host(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool edge = i == 0 || i + 1 == len || text[i - 1] == '.' || text[i + 1] == '.';

		if (!is_alnum(text[i]) && (edge || (text[i] != '.' && text[i] != '-')))
			return false;
	}
	return len > 0;
}

static bool is_ipv6(const char *text, size_t len)
{
	if (len < 4 || text[0] != '[' || text[len - 1] != ']')
		return false;
	return strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
}

static bool is_registry(const char *text)
{
	const char *port = strrchr(text, ':');
	size_t len = strlen(text);

	if (port && strchr(port, ']')) /* a colon of the address itself */
		port = NULL;
	if (port)
		len = (size_t)(port - text);
	return (!port || is_port(port + 1)) && (is_host(text, len) || is_ipv6(text, len));
}

/* "library/alpine": lower-case words, joined by one '.', one or two '_', or dashes. */
static bool is_repository(const char *text)
{
	const char *c = text;

	for (;;) {
		size_t dashes, under;

		if (!is_lower_alnum(*c))
			return false;
		while (is_lower_alnum(*c))
			c++;
		dashes = strspn(c, "-");
		under = strspn(c, "_");
		if (!*c)
			return true;
		if (dashes)
			c += dashes;
		else if (under && under <= 2)
			c += under;
		else if (*c == '.' || *c == '/')
			c++;
		else
			return false;
	}
}

static bool is_tag(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > TAG_MAX_LEN || !(is_alnum(text[0]) || text[0] == '_'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && !strchr("_.-", text[i]))
			return false;
	return true;
}

/* Is @first, the text before the first slash, a registry rather than a part of the path? */
static bool names_registry(const char *first)
{
	return strpbrk(first, ".:[") || !strcmp(first, "localhost");
}

/* Cut @name into registry and repository. */
static void split_name(const char *name, struct reference *r)
{
	const char *slash = strchr(name, '/');
	AUTO_FREE char *first = slash ? xstrndup(name, (size_t)(slash - name)) : NULL;
	bool official;

	if (first && names_registry(first)) {
		r->registry = xstrdup(strcmp(first, HUB_OLD) ? first : HUB);
		name = slash + 1;
	} else {
		r->registry = xstrdup(HUB);
	}
	for (char *c = r->registry; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	official = !strcmp(r->registry, HUB) && !strchr(name, '/');
	r->repository = xasprintf("%s%s", official ? HUB_OFFICIAL : "", name);
}

static struct fault *bad(const char *text, const char *why)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_printable(&shown, text, strnlen(text, 300));
	return fault_hint(fault_new(F_INVALID, "'%s' is not a name of an image: %s", shown.data, why),
			  "Write it like alpine, python:3.12, quay.io/org/app:1.2 or "
			  "localhost:5000/app@sha256:<64 digits>.");
}

/* Takes the tag and the digest off the end of @name. */
static struct fault *split_ends(char *name, const char *text, struct reference *r)
{
	char *at = strchr(name, '@'), *colon, *slash;

	if (at) {
		AUTO_FAULT f = NULL;

		*at = '\0';
		r->digest = xstrdup(at + 1);
		f = oci_digest_check(r->digest, "the name of the image");
		if (f && fault_kind(f) == F_UNSUPPORTED)
			return steal_ptr(&f);
		if (f)
			return bad(text, "what follows the '@' is not \"sha256:\" and 64 lower-case "
					 "hexadecimal digits");
	}
	colon = strrchr(name, ':');
	slash = strrchr(name, '/');
	if (colon && colon > slash) {
		*colon = '\0';
		r->tag = xstrdup(colon + 1);
		if (!is_tag(r->tag))
			return bad(text, "the tag after the ':' is not 1 to 128 of letters, digits, "
					 "'_', '.' and '-'");
	}
	if (!r->tag && !r->digest)
		r->tag = xstrdup(LATEST);
	return NULL;
}

static struct fault *parse(const char *text, struct reference *r)
{
	AUTO_FREE char *name = xstrdup(text);

	if (strstr(text, "://"))
		return bad(text, "leave out what stands before and with the \"://\"");
	if (strlen(text) > TEXT_MAX_LEN)
		return bad(text, "it is too long");
	TRY(split_ends(name, text, r));
	split_name(name, r);
	if (!is_registry(r->registry))
		return bad(text, "the registry is not a host name with an optional port");
	if (!is_repository(r->repository))
		return bad(text, "the name is not made of lower-case letters, digits and single "
				 "'.', '_', '-' or '/' between them");
	if (strlen(r->registry) + 1 + strlen(r->repository) > NAME_MAX_LEN)
		return bad(text, "the name is longer than 255 bytes");
	return NULL;
}

struct fault *reference_parse(const char *text, struct reference *out)
{
	struct fault *f;

	*out = (struct reference){0};
	f = parse(text, out);
	if (f)
		reference_release(out);
	return f;
}

void reference_release(struct reference *r)
{
	free(r->registry);
	free(r->repository);
	free(r->tag);
	free(r->digest);
	*r = (struct reference){0};
}

char *reference_text(const struct reference *r)
{
	return xasprintf("%s/%s%s%s%s%s", r->registry, r->repository, r->tag ? ":" : "",
			 r->tag ? r->tag : "", r->digest ? "@" : "", r->digest ? r->digest : "");
}

const char *reference_host(const struct reference *r)
{
	return strcmp(r->registry, HUB) ? r->registry : HUB_HOST;
}

const char *reference_object(const struct reference *r)
{
	return r->digest ? r->digest : r->tag;
}

char *reference_name(const struct reference *r)
{
	bool official = !strcmp(r->registry, HUB) &&
			!strncmp(r->repository, HUB_OFFICIAL, strlen(HUB_OFFICIAL));
	const char *base = r->repository + (official ? strlen(HUB_OFFICIAL) : 0);
	AUTO_FREE char *text = NULL;

	if (!r->tag)
		text = xasprintf("%s-%.12s", base, oci_digest_hex(r->digest));
	else
		text = strcmp(r->tag, LATEST) ? xasprintf("%s-%s", base, r->tag) : xstrdup(base);
	return name_from_text(text);
}
