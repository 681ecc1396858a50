/* SPDX-License-Identifier: MIT */
#include "image/platform.h"

#include <string.h>

#include "base/text.h"
#include "host/machine.h"

#define PART_MAX 32

enum { RANK_NO, RANK_OTHER_VARIANT, RANK_DEFAULT_VARIANT, RANK_EXACT };

static bool is_part(const char *text)
{
	size_t len = strlen(text);

	return len && len <= PART_MAX &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/* The name that OCI has for an architecture. */
static const char *oci_name(const char *architecture)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"},
		{"i386", "386"},     {"i686", "386"},	  {"armhf", "arm"},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(architecture, names[i][0]))
			return names[i][1];
	return architecture;
}

static struct fault *bad(const char *text)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_printable(&shown, text, strnlen(text, 80));
	return fault_hint(fault_new(F_INVALID, "'%s' is not a platform", shown.data),
			  "Write OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64 or linux/arm/v7.");
}

struct fault *platform_parse(const char *text, struct oci_platform *out)
{
	AUTO_FREE char *copy = NULL;
	char *architecture, *variant;

	*out = (struct oci_platform){0};
	if (!text) {
		out->os = xstrdup("linux");
		out->architecture = xstrdup(machine_arch());
		return NULL;
	}
	copy = xstrdup(text);
	architecture = strchr(copy, '/');
	if (!architecture)
		return bad(text);
	*architecture++ = '\0';
	variant = strchr(architecture, '/');
	if (variant)
		*variant++ = '\0';
	if (!is_part(copy) || !is_part(architecture) || (variant && !is_part(variant)))
		return bad(text);
	if (strcmp(copy, "linux"))
		return fault_new(F_UNSUPPORTED, "banger runs images for linux only, not for '%s'",
				 copy);
	out->os = xstrdup(copy);
	out->architecture = xstrdup(oci_name(architecture));
	out->variant = variant ? xstrdup(variant) : NULL;
	return NULL;
}

void platform_release(struct oci_platform *p)
{
	free(p->os);
	free(p->architecture);
	free(p->variant);
	*p = (struct oci_platform){0};
}

/* What no variant means. */
static const char *default_variant(const char *architecture)
{
	return !strcmp(architecture, "arm64") ? "v8"
	       : !strcmp(architecture, "arm") ? "v7"
	       : !strcmp(architecture, "amd64") ? "v1"
						: "";
}

int platform_rank(const struct oci_platform *have, const struct oci_platform *wanted)
{
	const char *usual, *ours, *theirs;

	if (!have->architecture || strcmp(have->architecture, wanted->architecture) ||
	    (have->os && strcmp(have->os, wanted->os)))
		return RANK_NO;
	usual = default_variant(wanted->architecture);
	ours = have->variant ? have->variant : usual;
	theirs = wanted->variant ? wanted->variant : usual;
	if (!strcmp(ours, theirs))
		return !have->variant == !wanted->variant ? RANK_EXACT : RANK_DEFAULT_VARIANT;
	/* Who names no variant takes what there is; it may want a newer CPU, but it is all. */
	return wanted->variant ? RANK_NO : RANK_OTHER_VARIANT;
}
