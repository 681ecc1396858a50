/* SPDX-License-Identifier: MIT */
/* What people, servers and other programs' files say about registries: references, platforms,
 * challenges, credential files.  The first byte chooses. */
#include <stdint.h>
#include <string.h>

#include "image/platform.h"
#include "image/reference.h"
#include "image/registry_challenge.h"
#include "image/registry_credentials.h"
#include "store/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is taken must read back as the same. */
static void fuzz_reference(const char *text)
{
	AUTO_REFERENCE r = {0}, again = {0};
	AUTO_FREE char *whole = NULL, *twice = NULL, *name = NULL;
	AUTO_FAULT f = reference_parse(text, &r);

	if (f)
		return;
	whole = reference_text(&r);
	name = reference_name(&r);
	f = reference_parse(whole, &again);
	if (f)
		abort();
	twice = reference_text(&again);
	f = name_check_object("image", name);
	if (f || strcmp(whole, twice))
		abort();
}

static void fuzz_platform(const char *text)
{
	AUTO_PLATFORM p = {0};
	AUTO_FAULT f = platform_parse(text, &p);

	if (!f && !platform_rank(&p, &p))
		abort();
}

static void fuzz_challenge(const char *text)
{
	struct strings headers = {0};
	struct records list = {0};

	strings_add(&headers, text);
	challenges_parse(&headers, &list);
	challenges_release(&list);
	strings_release(&headers);
}

static void fuzz_credentials(const char *text)
{
	struct credentials c = {0};
	AUTO_REFERENCE r = {0};
	AUTO_FREE char *helper = NULL, *server = NULL;
	AUTO_FAULT f = reference_parse("a.b/c", &r);

	if (!f)
		f = credentials_parse(text, strlen(text), "fuzz", &r, &c, &helper, &server);
	if (!f && c.user) {
		AUTO_FREE char *basic = credentials_basic(&c);

		if (strpbrk(basic, "\r\n"))
			abort();
	}
	credentials_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const targets[])(const char *text) = {
		fuzz_reference, fuzz_platform, fuzz_challenge, fuzz_credentials,
	};
	AUTO_FREE char *text = len ? xstrndup((const char *)data + 1, len - 1) : NULL;

	if (len)
		targets[data[0] % ARRAY_LEN(targets)](text);
	return 0;
}
