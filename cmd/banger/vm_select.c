/* SPDX-License-Identifier: MIT */
#include "banger/vm_select.h"

#include <string.h>

#include "base/text.h"
#include "vm/labels.h"

static struct fault *check_state(const char *state)
{
	for (int i = 0; i < VM_STATES; i++)
		if (!strcmp(state, vm_state_name((enum vm_state)i)))
			return NULL;
	return fault_new(F_USAGE, "--filter: there is no state '%.32s'; use created, running, stopped "
			 "or failed", state);
}

static struct fault *add_filter(struct vm_select *s, const char *text)
{
	const char *value = strchr(text, '=');
	size_t len = value ? (size_t)(value - text) : 0;

	if (!value || !value[1])
		return fault_new(F_USAGE, "--filter '%.64s' is not KEY=VALUE", text);
	value++;
	if (len == 5 && !strncmp(text, "state", len)) {
		TRY(check_state(value));
		strings_add(&s->states, value);
	} else if (len == 5 && !strncmp(text, "image", len)) {
		strings_add(&s->images, value);
	} else if (len == 5 && !strncmp(text, "label", len)) {
		strings_add(&s->labels, value);
	} else {
		return fault_new(F_USAGE, "--filter '%.64s': use state=, image= or label=", text);
	}
	return NULL;
}

/* Commas separate; one that is part of a label's value needs a --filter of its own: "label=" again. */
static struct fault *add_filters(struct vm_select *s, const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy;

	while (rest)
		TRY(add_filter(s, strsep(&rest, ",")));
	return NULL;
}

struct fault *vm_select_from(const struct invocation *inv, struct vm_select *s)
{
	size_t n = 0;
	AUTO_FREE const char **filters = option_values(inv, "filter", &n);
	struct fault *f = NULL;

	*s = (struct vm_select){ 0 };
	for (size_t i = 0; !f && i < n; i++)
		f = add_filters(s, filters[i]);
	if (option_given(inv, "since"))
		s->since = time(NULL) - (time_t)(option_number(inv, "since", 0) / 1000);
	if (f)
		vm_select_release(s);
	return f;
}

void vm_select_release(struct vm_select *s)
{
	strings_release(&s->states);
	strings_release(&s->images);
	strings_release(&s->labels);
}

static bool is_among(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (text && !strcmp(list->v[i], text))
			return true;
	return !list->n;
}

bool vm_select_fits(const struct vm_select *s, const char *state, const struct vm_spec *spec)
{
	time_t created = 0;

	if (!is_among(&s->states, state) || !is_among(&s->images, spec->image))
		return false;
	for (size_t i = 0; i < s->labels.n; i++)
		if (!labels_match(&spec->labels, s->labels.v[i]))
			return false;
	return !s->since ||
	       (spec->created && text_parse_time(spec->created, &created) && created >= s->since);
}

