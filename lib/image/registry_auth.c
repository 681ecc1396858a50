/* SPDX-License-Identifier: MIT */
#include "image/registry_auth.h"

#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "image/registry_challenge.h"
#include "image/registry_credentials.h"

#define ANSWER_BYTES_MAX (1u << 20)
#define TOKEN_BYTES_MAX	 65536
#define REDIRECTS_MAX	 5
#define REFRESHES_MAX	 32 /* a registry that takes no token must not keep us busy for ever */

struct registry_auth {
	const struct reference *reference;
	bool plain_http;
	pthread_mutex_t lock;
	struct credentials credentials;
	bool searched; /* for credentials */
	char *value;   /* of the header; NULL = none.  Secret. */
	unsigned int version;
};

struct registry_auth *registry_auth_new(const struct reference *reference, bool plain_http)
{
	struct registry_auth *a = xcalloc(1, sizeof(*a));

	a->reference = reference;
	a->plain_http = plain_http;
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void registry_auth_free(struct registry_auth *a)
{
	if (!a)
		return;
	credentials_release(&a->credentials);
	secret_free(a->value);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

char *registry_auth_header(struct registry_auth *a, unsigned int *version)
{
	char *header = NULL;

	pthread_mutex_lock(&a->lock);
	*version = a->version;
	if (a->value)
		header = xasprintf("Authorization: %s", a->value);
	pthread_mutex_unlock(&a->lock);
	return header;
}

static struct fault *denied(const struct registry_auth *a)
{
	const struct reference *r = a->reference;

	if (credentials_empty(&a->credentials))
		return fault_hint(fault_new(F_DENIED, "registry '%s' does not give '%s' to everybody, "
					    "and there are no credentials for it here, or there is no "
					    "such image", r->registry, r->repository),
				  "Check the name, or log in with: podman login %s (or docker login)",
				  r->registry);
	return fault_hint(fault_new(F_DENIED, "registry '%s' does not give '%s' to the user that is "
				    "logged in", r->registry, r->repository),
			  "Check the name, or log in again with: podman login %s (or docker login)",
			  r->registry);
}

/* -- tokens -- */

/* A secret may only go where nobody can listen, or where the user allowed it. */
static struct fault *check_realm(const struct registry_auth *a, const char *realm, bool plain,
				 bool *direct)
{
	AUTO_HTTP_ADDRESS address = {0};
	struct fault *f = http_address_parse(realm, &address);

	if (f)
		return fault_wrap(f, "registry '%s' wants a token from a server that has no address",
				  a->reference->registry);
	*direct = http_is_loopback(address.host);
	if (!strcmp(address.scheme, "https") || (plain && (*direct || a->plain_http)))
		return NULL;
	return fault_new(F_DENIED, "registry '%s' wants a token from '%s', which is not https",
			 a->reference->registry, address.host);
}

static struct fault *collect(void *context, uint64_t offset, const void *data, size_t len)
{
	(void)offset;
	buf_add(context, data, len);
	return NULL;
}

static void add_parameter(struct buf *out, char before, const char *name, const char *value)
{
	if (!value)
		return;
	if (out->len)
		buf_addc(out, before);
	buf_addf(out, "%s=", name);
	http_add_escaped(out, value);
}

/* A token request and where it goes. */
struct token_request {
	struct http_exchange e;
	const char *headers[3];
	struct buf url, form, answer;
	char *basic; /* secret */
};

static void token_request_release(struct token_request *t)
{
	buf_release(&t->url);
	explicit_bzero(t->form.data, t->form.len);
	buf_release(&t->form);
	explicit_bzero(t->answer.data, t->answer.len);
	buf_release(&t->answer);
	secret_free(t->basic);
}

static void make_request(const struct registry_auth *a, const struct challenge *c,
			 struct token_request *t)
{
	AUTO_FREE char *pull = xasprintf("repository:%s:pull", a->reference->repository);
	const char *scope = c->scope ? c->scope : pull;
	struct buf query = BUF_INIT;

	buf_init(&t->url);
	buf_init(&t->form);
	buf_init(&t->answer);
	buf_adds(&t->url, c->realm);
	if (a->credentials.identity_token) {
		buf_grow(&t->form, 4 * strlen(a->credentials.identity_token) + 16384);
		add_parameter(&t->form, '&', "grant_type", "refresh_token");
		add_parameter(&t->form, '&', "service", c->service ? c->service : "");
		add_parameter(&t->form, '&', "scope", scope);
		add_parameter(&t->form, '&', "client_id", "banger");
		add_parameter(&t->form, '&', "refresh_token", a->credentials.identity_token);
	} else {
		add_parameter(&query, '&', "service", c->service);
		add_parameter(&query, '&', "scope", scope);
		buf_addf(&t->url, "%c%s", strchr(c->realm, '?') ? '&' : '?', query.data);
		if (a->credentials.user) {
			AUTO_FREE char *value = credentials_basic(&a->credentials);

			t->basic = xasprintf("Authorization: %s", value);
			explicit_bzero(value, strlen(value));
		}
	}
	buf_release(&query);
	t->headers[0] = "Accept: application/json";
	t->headers[1] = t->basic;
}

static struct fault *read_token(const struct registry_auth *a, const struct buf *text, char **token)
{
	struct json_doc *doc = NULL;
	struct fault *f = json_parse(text->data, text->len, "token", &doc);
	const char *registry = a->reference->registry;
	bool ok;

	if (f) {
		fault_free(f); /* it may show what it should not */
		return fault_new(F_CORRUPT, "the server that gives tokens for registry '%s' does not "
				 "answer in JSON", registry);
	}
	ok = (json_get_string(json_root(doc), "token", token) && **token) ||
	     (secret_free(steal_ptr(token)),
	      json_get_string(json_root(doc), "access_token", token) && **token);
	json_free(doc);
	for (const char *c = ok ? *token : ""; *c; c++)
		ok = ok && *c > ' ' && *c < 0x7f;
	if (ok && strlen(*token) <= TOKEN_BYTES_MAX)
		return NULL;
	secret_free(steal_ptr(token));
	return fault_new(F_CORRUPT, "the server that gives tokens for registry '%s' gave none that "
			 "can be used", registry);
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* One request, and what redirects lead to; secrets stay with the first server. */
static struct fault *request_token(const struct registry_auth *a, struct http_client *client,
				   struct token_request *t, bool plain)
{
	AUTO_FREE char *url = xstrdup(t->url.data);

	for (int hop = 0; hop <= REDIRECTS_MAX; hop++) {
		AUTO_HTTP_ANSWER answer = {0};

		t->e = (struct http_exchange){.url = url, .headers = t->headers,
					      .form = t->form.len ? t->form.data : NULL,
					      .max = ANSWER_BYTES_MAX, .sink = collect,
					      .context = &t->answer};
		TRY(check_realm(a, url, plain, &t->e.direct));
		buf_clear(&t->answer);
		TRY(http_exchange(client, &t->e, &answer));
		if (answer.status == 200)
			return NULL;
		if (answer.status == 401 || answer.status == 403)
			return denied(a);
		if (!is_redirect(answer.status) || !answer.location || t->form.len)
			return fault_new(F_NETWORK, "the server that gives tokens for registry '%s' "
					 "answered %ld", a->reference->registry, answer.status);
		if (!http_same_origin(url, answer.location))
			t->headers[1] = NULL;
		free(url);
		url = xstrdup(answer.location);
	}
	return fault_new(F_NETWORK, "the server that gives tokens for registry '%s' leads in circles",
			 a->reference->registry);
}

static struct fault *fetch_token(struct registry_auth *a, struct http_client *client,
				 const struct challenge *c, bool plain, char **value)
{
	struct token_request t = {0};
	char *token = NULL;
	struct fault *f;

	make_request(a, c, &t);
	f = request_token(a, client, &t, plain);
	if (!f)
		f = read_token(a, &t.answer, &token);
	if (!f)
		*value = xasprintf("Bearer %s", token);
	secret_free(token);
	token_request_release(&t);
	return f;
}

/* -- choosing -- */

static const struct challenge *find_challenge(const struct records *list, const char *scheme)
{
	const struct challenge *c = list->v;

	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(c[i].scheme, scheme) && (c[i].realm || strcmp(scheme, "bearer")))
			return &c[i];
	return NULL;
}

static struct fault *no_scheme(const struct registry_auth *a, const struct records *list)
{
	const struct challenge *c = list->v;
	AUTO_BUF names = BUF_INIT;

	for (size_t i = 0; i < list->n; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", c[i].scheme);
	return fault_new(F_UNSUPPORTED, "registry '%s' wants to know who asks, but in no way that "
			 "banger knows (basic, bearer): %s", a->reference->registry,
			 names.len ? names.data : "it does not say how");
}

static struct fault *renew(struct registry_auth *a, struct http_client *client,
			   const struct records *list, bool plain)
{
	const struct challenge *bearer = find_challenge(list, "bearer");
	char *value = NULL;

	if (!bearer && !find_challenge(list, "basic"))
		return no_scheme(a, list);
	if (a->version >= REFRESHES_MAX)
		return denied(a);
	if (!a->searched)
		TRY(credentials_find(a->reference, &a->credentials));
	a->searched = true;
	if (bearer)
		TRY(fetch_token(a, client, bearer, plain, &value));
	else if (a->credentials.user && !a->value)
		value = credentials_basic(&a->credentials);
	else
		return denied(a); /* nothing to show, or it was shown already */
	secret_free(a->value);
	a->value = value;
	a->version++;
	return NULL;
}

struct fault *registry_auth_refused(struct registry_auth *a, struct http_client *client,
				    const struct strings *challenges, bool plain,
				    unsigned int version)
{
	struct records list = {0};
	struct fault *f = NULL;

	challenges_parse(challenges, &list);
	pthread_mutex_lock(&a->lock);
	/* Otherwise somebody else has got a new one meanwhile. */
	if (version == a->version)
		f = renew(a, client, &list, plain);
	pthread_mutex_unlock(&a->lock);
	challenges_release(&list);
	return f;
}

struct fault *registry_auth_denied(struct registry_auth *a)
{
	struct fault *f;

	pthread_mutex_lock(&a->lock);
	f = denied(a);
	pthread_mutex_unlock(&a->lock);
	return f;
}
