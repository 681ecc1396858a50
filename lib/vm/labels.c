/* SPDX-License-Identifier: MIT */
#include "vm/labels.h"

#include <string.h>

#include "base/text.h"

#define KEY_MAX	  63
#define VALUE_MAX 255

static size_t key_len(const char *label)
{
	return strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-");
}

struct fault *label_check(const char *label)
{
	size_t len = key_len(label);

	if (!len || label[len] != '=')
		return fault_new(F_INVALID, "label '%.80s' is not KEY=VALUE with a KEY of letters, "
				 "digits and ._/-", label);
	if (len > KEY_MAX || strlen(label + len + 1) > VALUE_MAX)
		return fault_new(F_INVALID, "label '%.80s' is too long: a key has at most %d, a value "
				 "at most %d bytes", label, KEY_MAX, VALUE_MAX);
	for (const char *c = label + len; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return fault_new(F_INVALID, "label '%.*s' has a control character in its value",
					 (int)len, label);
	return NULL;
}

/* Up to and including "=", so that "a" and "ab" do not meet. */
static bool same_key(const char *a, const char *b)
{
	return key_len(a) == key_len(b) && !strncmp(a, b, key_len(a));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void drop(struct strings *labels, size_t index)
{
	free(labels->v[index]);
	memmove(&labels->v[index], &labels->v[index + 1], (labels->n - index) * sizeof(char *));
	labels->n--;
}

struct fault *labels_normalise(struct strings *labels)
{
	for (size_t i = 0; i < labels->n; i++)
		TRY(label_check(labels->v[i]));
	for (size_t i = 0; i < labels->n; i++)
		for (size_t j = i + 1; j < labels->n; j++)
			if (same_key(labels->v[i], labels->v[j])) {
				drop(labels, i--);
				break;
			}
	if (labels->n > LABELS_MAX)
		return fault_new(F_INVALID, "a VM can have at most %d labels", LABELS_MAX);
	if (labels->n)
		qsort(labels->v, labels->n, sizeof(char *), by_text);
	return NULL;
}

struct fault *labels_change(struct strings *labels, const char *change)
{
	size_t len = strlen(change);

	/* A key may end in a dash, too, but then it comes with a value. */
	if (strchr(change, '=') || len < 2 || change[len - 1] != '-') {
		strings_add(labels, change);
		return labels_normalise(labels);
	}
	for (size_t i = 0; i < labels->n; i++)
		if (key_len(labels->v[i]) == len - 1 && !strncmp(labels->v[i], change, len - 1))
			drop(labels, i--);
	return NULL;
}

bool labels_match(const struct strings *labels, const char *wanted)
{
	bool any = !strchr(wanted, '=');

	for (size_t i = 0; i < labels->n; i++)
		if (any ? same_key(labels->v[i], wanted) : !strcmp(labels->v[i], wanted))
			return true;
	return false;
}

struct fault *limits_check(const struct vm_spec *spec)
{
	uint64_t ms = 0;

	if (spec->auto_stop)
		TRY(text_parse_duration(spec->auto_stop, "the time of idleness", &ms));
	if (!spec->ttl)
		return NULL;
	TRY(text_parse_duration(spec->ttl, "the time to live", &ms));
	if (!ms)
		return fault_new(F_INVALID, "the time to live '%s' is zero", spec->ttl);
	return NULL;
}
