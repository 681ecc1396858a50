/* SPDX-License-Identifier: MIT */
/* nss.c - any bytes as a host's name, and as the content of the files behind names and addresses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The module is no part of the library. */
#include "nss-banger/lookup.c"

static void check_label(const struct lookup_label *label)
{
	size_t len = strnlen(label->text, sizeof(label->text));

	if (!len || len > LOOKUP_LABEL_MAX ||
	    strspn(label->text, "abcdefghijklmnopqrstuvwxyz-0123456789") != len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* exact, so that a byte read too far is seen */
	struct lookup_address address, again;
	struct lookup_label label;
	char printed[ADDRESS_TEXT_MAX + 2];

	memcpy(text, data, size);
	text[size] = '\0';
	if (lookup_split(text, &label))
		check_label(&label);
	text = realloc(text, size ? size : 1);
	if (lookup_parse_label(text, size, &label))
		check_label(&label);
	if (lookup_parse_address(text, size, &address)) {
		print_address(&address, printed);
		memcpy(printed + strlen(printed), "\n", 2);
		if (strlen(printed) != size || memcmp(printed, text, size) ||
		    !lookup_parse_address(printed, size, &again))
			abort();
	}
	free(text);
	return 0;
}
