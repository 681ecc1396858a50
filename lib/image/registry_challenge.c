/* SPDX-License-Identifier: MIT */
#include "image/registry_challenge.h"

#include <string.h>

#include "base/buf.h"

#define BLANKS " \t"

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* A word, in lower case; NULL when there is none at *@at.  Owned. */
static char *take_token(const char **at)
{
	const char *start = *at;
	char *word;

	while (is_token_char(**at))
		(*at)++;
	if (*at == start)
		return NULL;
	word = xstrndup(start, (size_t)(*at - start));
	for (char *c = word; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return word;
}

/* A quoted string without its quotes; NULL when it does not end or is too long.  Owned. */
static char *take_quoted(const char **at)
{
	struct buf out = BUF_INIT;
	const char *c = *at + 1;

	for (; *c && *c != '"' && out.len <= CHALLENGE_VALUE_MAX; c++) {
		if (*c == '\\' && c[1])
			c++;
		buf_addc(&out, *c);
	}
	if (*c != '"') {
		buf_release(&out);
		return NULL;
	}
	*at = c + 1;
	return buf_steal(&out);
}

static char *take_value(const char **at)
{
	const char *start = *at;

	if (*start == '"')
		return take_quoted(at);
	while (**at && !strchr(BLANKS ",\"", **at))
		(*at)++;
	if (*at == start || *at - start > CHALLENGE_VALUE_MAX)
		return NULL;
	return xstrndup(start, (size_t)(*at - start));
}

/* The first value of each counts. */
static void keep(struct challenge *c, const char *name, char *value)
{
	char **slot = !strcmp(name, "realm")	 ? &c->realm
		      : !strcmp(name, "service") ? &c->service
		      : !strcmp(name, "scope")	 ? &c->scope
						 : NULL;

	if (slot && !*slot)
		*slot = value;
	else
		free(value);
}

/*
 * "name = value" at *@at.  A word without '=' is the next challenge's scheme: *@at stays before it.
 * Return: 1 a parameter; 0 none here; -1 it cannot be understood.
 */
static int take_parameter(const char **at, struct challenge *c)
{
	const char *p = *at;
	AUTO_FREE char *name = take_token(&p);
	char *value;

	p += strspn(p, BLANKS);
	if (!name || *p != '=')
		return 0;
	p++;
	p += strspn(p, BLANKS);
	value = take_value(&p);
	if (!value)
		return -1;
	keep(c, name, value);
	*at = p;
	return 1;
}

static void skip_separators(const char **at)
{
	*at += strspn(*at, BLANKS ",");
}

static void parse_header(const char *at, struct records *out)
{
	for (;;) {
		struct challenge *c;
		char *scheme;
		int got;

		skip_separators(&at);
		scheme = out->n < CHALLENGES_KEPT ? take_token(&at) : NULL;
		if (!scheme)
			return;
		c = records_add(out, sizeof(*c));
		c->scheme = scheme;
		if (*at && !strchr(BLANKS ",", *at))
			return;
		do {
			skip_separators(&at);
			got = take_parameter(&at, c);
		} while (got > 0);
		if (got < 0)
			return;
	}
}

void challenges_parse(const struct strings *headers, struct records *out)
{
	for (size_t i = 0; i < headers->n; i++)
		parse_header(headers->v[i], out);
}

void challenges_release(struct records *list)
{
	struct challenge *c = list->v;

	for (size_t i = 0; i < list->n; i++) {
		free(c[i].scheme);
		free(c[i].realm);
		free(c[i].service);
		free(c[i].scope);
	}
	free(list->v);
	*list = (struct records){0};
}
