/* SPDX-License-Identifier: MIT */
#include "image/registry_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "host/spawn.h"
#include "host/user.h"

#define FILE_BYTES_MAX	 (1u << 20)
#define HELPER_PREFIX	 "docker-credential-"
#define HELPER_NAME_MAX	 64
#define HELPER_LIMIT_MS	 30000
#define HELPER_BYTES_MAX 65536
#define TOKEN_USER	 "<token>" /* what a helper says when the secret is an identity token */
#define HUB_SERVER	 "https://index.docker.io/v1/"

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void wipe_buf(struct buf *b)
{
	explicit_bzero(b->data, b->len);
	buf_release(b);
}
#define SECRET_BUF __attribute__((cleanup(wipe_buf))) struct buf

void credentials_release(struct credentials *c)
{
	secret_free(c->user);
	secret_free(c->password);
	secret_free(c->identity_token);
	*c = (struct credentials){0};
}

bool credentials_empty(const struct credentials *c)
{
	return !c->user && !c->identity_token;
}

char *credentials_basic(const struct credentials *c)
{
	SECRET_BUF plain = BUF_INIT;
	struct buf out = BUF_INIT;

	buf_grow(&plain, strlen(c->user) + strlen(c->password) + 2); /* nothing is left behind */
	buf_adds(&plain, c->user);
	buf_addc(&plain, ':');
	buf_adds(&plain, c->password);
	buf_adds(&out, "Basic ");
	base64_encode(plain.data, plain.len, &out);
	return buf_steal(&out);
}

/* -- one file -- */

/* "https://quay.io/v1/" is "quay.io"; owned. */
static char *plain_key(const char *key)
{
	static const char *const ends[] = {"/", "/v1", "/v2"};
	const char *scheme = strstr(key, "://");
	char *out = xstrdup(scheme ? scheme + 3 : key);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t len = strlen(out), end = strlen(ends[i]);

		if (len > end && !strcmp(out + len - end, ends[i]))
			out[len - end] = '\0';
	}
	return out;
}

/* How well @key fits: the length of what they share; 0 = it is for something else. */
static size_t key_fits(const char *key, const struct reference *r)
{
	static const char *const hub[] = {"index.docker.io", "registry-1.docker.io"};
	AUTO_FREE char *plain = plain_key(key);
	AUTO_FREE char *whole = xasprintf("%s/%s", r->registry, r->repository);
	size_t len = strlen(plain);

	if (!strcmp(r->registry, "docker.io"))
		for (size_t i = 0; i < ARRAY_LEN(hub); i++)
			if (!strcmp(plain, hub[i]))
				return strlen(r->registry);
	return len && !strncmp(whole, plain, len) && (whole[len] == '/' || !whole[len]) ? len : 0;
}

/* The member of object @list whose key fits best; false when none does.  *@key: owned. */
static bool best_member(struct json list, const struct reference *r, char **key,
			struct json *value)
{
	struct json_iter it = json_iter(list);
	struct json v;
	char *text = NULL;
	size_t best = 0;

	if (json_kind(list) != JSON_OBJECT)
		return false;
	while (json_next(&it, &text, &v)) {
		size_t fits = key_fits(text, r);

		if (fits > best) {
			best = fits;
			*value = v;
			free(*key);
			*key = text;
		} else {
			free(text);
		}
	}
	return best > 0;
}

static bool split_auth(const char *auth, struct credentials *out)
{
	SECRET_BUF plain = BUF_INIT;
	char *colon;

	buf_grow(&plain, strlen(auth) + 1);
	if (!base64_decode(auth, &plain) || memchr(plain.data, '\0', plain.len))
		return false;
	colon = strchr(plain.data, ':');
	if (!colon || colon == plain.data)
		return false;
	out->user = xstrndup(plain.data, (size_t)(colon - plain.data));
	out->password = xstrdup(colon + 1);
	return true;
}

/* The members of an entry of "auths". */
static struct fault *read_entry(struct json entry, const char *what, struct credentials *out)
{
	char *auth = NULL;
	bool ok = true;

	if (json_get_string(entry, "auth", &auth) && *auth)
		ok = split_auth(auth, out);
	else if (json_get_string(entry, "username", &out->user) &&
		 !json_get_string(entry, "password", &out->password))
		secret_free(steal_ptr(&out->user));
	secret_free(auth);
	if (!ok)
		return fault_new(F_CORRUPT, "%s: the field 'auth' of a registry is not user and "
				 "password in base64", what);
	if (json_get_string(entry, "identitytoken", &out->identity_token) && !*out->identity_token)
		secret_free(steal_ptr(&out->identity_token));
	return NULL;
}

static bool is_helper_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= HELPER_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       len;
}

static struct fault *take_helper(struct json name, const char *what, char **helper)
{
	if (!json_string(name, helper))
		return fault_new(F_CORRUPT, "%s: a credential helper is not named by a string",
				 what);
	if (is_helper_name(*helper))
		return NULL;
	free(steal_ptr(helper));
	return fault_new(F_CORRUPT, "%s: the name of a credential helper is not made of letters, "
			 "digits, '.', '_' and '-'", what);
}

static struct fault *search(struct json root, const char *what, const struct reference *r,
			    struct credentials *out, char **helper, char **server)
{
	struct json list, value;
	AUTO_FREE char *key = NULL;

	if (json_kind(root) != JSON_OBJECT)
		return fault_new(F_CORRUPT, "%s is not a JSON object", what);
	if (json_get(root, "credHelpers", &list) && best_member(list, r, &key, &value)) {
		*server = steal_ptr(&key);
		return take_helper(value, what, helper);
	}
	if (json_get(root, "auths", &list) && best_member(list, r, &key, &value)) {
		TRY(read_entry(value, what, out));
		if (!credentials_empty(out))
			return NULL;
	}
	if (!json_get(root, "credsStore", &value))
		return NULL;
	*server = xstrdup(strcmp(r->registry, "docker.io") ? r->registry : HUB_SERVER);
	return take_helper(value, what, helper);
}

struct fault *credentials_parse(const char *text, size_t len, const char *what,
				const struct reference *r, struct credentials *out, char **helper,
				char **server)
{
	struct json_doc *doc = NULL;
	struct fault *f;

	*out = (struct credentials){0};
	*helper = *server = NULL;
	TRY(json_parse(text, len, what, &doc));
	f = search(json_root(doc), what, r, out, helper, server);
	json_free(doc);
	if (f) {
		credentials_release(out);
		free(steal_ptr(helper));
		free(steal_ptr(server));
	}
	return f;
}

/* -- helpers -- */

static struct fault *parse_answer(const struct buf *text, const char *program,
				  struct credentials *out)
{
	struct json_doc *doc = NULL;
	struct fault *f = json_parse(text->data, text->len, program, &doc);
	bool ok;

	if (f) {
		fault_free(f); /* it could show a piece of the secret */
		return fault_new(F_TOOL, "what '%s' printed is not JSON", program);
	}
	ok = json_get_string(json_root(doc), "Username", &out->user) &&
	     json_get_string(json_root(doc), "Secret", &out->password);
	json_free(doc);
	if (!ok)
		return fault_new(F_TOOL, "'%s' printed no 'Username' and 'Secret'", program);
	if (strcmp(out->user, TOKEN_USER))
		return NULL;
	out->identity_token = steal_ptr(&out->password);
	secret_free(steal_ptr(&out->user));
	return NULL;
}

static struct fault *input_of(const char *text, int *fd)
{
	AUTO_FD file = memfd_create("credential", MFD_CLOEXEC);

	if (file < 0)
		return fault_sys(F_SYS, "making the input of a credential helper");
	TRY(file_write_all(file, text, strlen(text), "the input of a credential helper"));
	if (lseek(file, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "making the input of a credential helper");
	*fd = steal_fd(&file);
	return NULL;
}

static struct fault *ask_helper(const char *name, const char *server, struct credentials *out)
{
	AUTO_FREE char *program = xasprintf(HELPER_PREFIX "%s", name);
	const char *const argv[] = {program, "get", NULL};
	struct spawn s = {SPAWN_INIT, .argv = argv, .deadline_ms = HELPER_LIMIT_MS};
	SECRET_BUF text = BUF_INIT;
	AUTO_FD in = -1;
	AUTO_FAULT f = NULL;

	TRY(input_of(server, &in));
	s.in = in;
	buf_grow(&text, 2 * HELPER_BYTES_MAX); /* never moved, so that all of it can be wiped */
	f = spawn_run(&s, &text, HELPER_BYTES_MAX);
	/* The way in which helpers say that they know nothing. */
	if (f && fault_kind(f) == F_TOOL && strstr(text.data, "credentials not found"))
		return NULL;
	if (f && fault_kind(f) == F_MISSING)
		return fault_hint(fault_new(F_MISSING, "the credential helper '%s', which is set up "
					    "for this registry, is not installed", program),
				  "Install it, or take it out of the file that names it.");
	if (f)
		return fault_wrap(steal_ptr(&f), "asking for credentials");
	return parse_answer(&text, program, out);
}

/* -- all files -- */

static void add_path(struct strings *paths, char *directory, const char *rest)
{
	AUTO_FREE char *path = directory ? xasprintf("%s/%s", directory, rest) : NULL;

	if (path)
		strings_add(paths, path);
	free(directory);
}

static void list_files(const struct user *user, struct strings *paths)
{
	const char *named = user->by_sudo ? NULL : secure_getenv("REGISTRY_AUTH_FILE");
	const char *docker = user->by_sudo ? NULL : secure_getenv("DOCKER_CONFIG");
	const char *runtime = user->by_sudo ? NULL : secure_getenv("XDG_RUNTIME_DIR");

	if (named && *named)
		strings_add(paths, named);
	if (runtime && runtime[0] == '/')
		add_path(paths, xstrdup(runtime), "containers/auth.json");
	add_path(paths, user_xdg(user, "XDG_CONFIG_HOME", ".config"), "containers/auth.json");
	if (docker && *docker)
		add_path(paths, xstrdup(docker), "config.json");
	else if (user->home)
		add_path(paths, xstrdup(user->home), ".docker/config.json");
}

/* Links are fine here: many people keep their settings elsewhere. */
static struct fault *read_file(const struct user *user, const char *path, struct buf *out,
			       bool *there)
{
	AUTO_FD fd = -1;
	struct stat st;

	user_enter(user);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	user_leave(user);
	*there = fd >= 0;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_CORRUPT, "'%s' is not a regular file", path);
	if (st.st_size > FILE_BYTES_MAX)
		return fault_new(F_CORRUPT, "'%s' is longer than %u bytes", path, FILE_BYTES_MAX);
	buf_grow(out, (size_t)st.st_size + 32768);
	return file_read_fd(fd, FILE_BYTES_MAX, path, out);
}

static struct fault *search_file(const struct user *user, const char *path,
				 const struct reference *r, struct credentials *out)
{
	AUTO_FREE char *what = xasprintf("'%s'", path);
	AUTO_FREE char *helper = NULL;
	AUTO_FREE char *server = NULL;
	SECRET_BUF text = BUF_INIT;
	bool there;

	TRY(read_file(user, path, &text, &there));
	/* An empty file is what some programs leave where there is nothing to say. */
	if (!there || strspn(text.data, " \t\r\n") == text.len)
		return NULL;
	TRY(credentials_parse(text.data, text.len, what, r, out, &helper, &server));
	return helper ? ask_helper(helper, server, out) : NULL;
}

struct fault *credentials_find(const struct reference *r, struct credentials *out)
{
	struct strings paths = {0};
	struct fault *f = NULL;
	AUTO_USER user;

	*out = (struct credentials){0};
	user_real(&user);
	list_files(&user, &paths);
	for (size_t i = 0; i < paths.n && !f && credentials_empty(out); i++)
		f = search_file(&user, paths.v[i], r, out);
	strings_release(&paths);
	return f;
}
