/* SPDX-License-Identifier: MIT */
/*
 * ssh_key.c - OpenSSH's own formats: PROTOCOL.key of its sources, and sshd(8), "SSH_KNOWN_HOSTS FILE
 * FORMAT".
 */
#include "guest/ssh_key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/ed25519.h"
#include "base/file.h"
#include "host/user.h"
#include "store/vm_store.h"

#define KEY_TYPE	"ssh-ed25519"
#define KEY_FILE	"id_ed25519"
#define KEY_FILE_MAX	16384
#define PRIVATE_BLOCK	8 /* the private part is padded to this */
#define BASE64_LINE	70
#define KEY_MAGIC	"openssh-key-v1"
#define KEY_BEGIN	"-----BEGIN OPENSSH PRIVATE KEY-----"
#define KEY_END		"-----END OPENSSH PRIVATE KEY-----"

/* ---------------------------------------------------------------------------------- key formats */

static void add_u32(struct buf *b, uint32_t n)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_addc(b, (char)(n >> shift));
}

static void add_bytes(struct buf *b, const void *data, size_t len)
{
	add_u32(b, (uint32_t)len);
	buf_add(b, data, len);
}

static void add_text(struct buf *b, const char *text)
{
	add_bytes(b, text, strlen(text));
}

static void add_public_blob(struct buf *b, const struct ed25519_key *key)
{
	add_text(b, KEY_TYPE);
	add_bytes(b, key->public, sizeof(key->public));
}

/* "ssh-ed25519 AAAA..." */
static void add_public_text(struct buf *b, const struct ed25519_key *key)
{
	AUTO_BUF blob = BUF_INIT;

	add_public_blob(&blob, key);
	buf_adds(b, KEY_TYPE " ");
	base64_encode(blob.data, blob.len, b);
}

static struct fault *add_private_part(struct buf *b, const struct ed25519_key *key,
				      const char *comment)
{
	uint32_t check;

	if (getrandom(&check, sizeof(check), 0) != sizeof(check))
		return fault_sys(F_SYS, "drawing random bytes");
	add_u32(b, check);
	add_u32(b, check);
	add_public_blob(b, key);
	add_u32(b, 2 * ED25519_BYTES);
	buf_add(b, key->secret, sizeof(key->secret));
	buf_add(b, key->public, sizeof(key->public));
	add_text(b, comment);
	for (char pad = 1; b->len % PRIVATE_BLOCK; pad++)
		buf_addc(b, pad);
	return NULL;
}

/* The text of a private key file without a passphrase. */
static struct fault *add_private_text(struct buf *b, const struct ed25519_key *key,
				      const char *comment)
{
	AUTO_BUF whole = BUF_INIT, public = BUF_INIT, private = BUF_INIT, text = BUF_INIT;

	add_public_blob(&public, key);
	TRY(add_private_part(&private, key, comment));
	buf_add(&whole, KEY_MAGIC, sizeof(KEY_MAGIC)); /* its NUL included */
	add_text(&whole, "none"); /* cipher */
	add_text(&whole, "none"); /* key derivation */
	add_text(&whole, "");	  /* its options */
	add_u32(&whole, 1);	  /* key */
	add_bytes(&whole, public.data, public.len);
	add_bytes(&whole, private.data, private.len);
	base64_encode(whole.data, whole.len, &text);
	buf_adds(b, KEY_BEGIN "\n");
	for (size_t at = 0; at < text.len; at += BASE64_LINE)
		buf_addf(b, "%.*s\n", BASE64_LINE, text.data + at);
	buf_adds(b, KEY_END "\n");
	return NULL;
}

/* ------------------------------------------------------------------------------------ host keys */

/* The line that pins it is there before the key, so that no key is without one. */
static struct fault *make_host_key(int dir, const char *name)
{
	AUTO_BUF private = BUF_INIT, line = BUF_INIT;
	struct ed25519_key key;

	TRY(ed25519_make(&key));
	TRY(add_private_text(&private, &key, name));
	buf_adds(&line, "*" SSH_DOMAIN " "); /* a VM can be renamed, and the file is its own */
	add_public_text(&line, &key);
	buf_addc(&line, '\n');
	TRY(file_write_atomic(dir, VM_KNOWN_HOSTS_FILE, line.data, line.len, 0600));
	return file_write_atomic(dir, VM_HOST_KEY_FILE, private.data, private.len, 0600);
}

struct fault *ssh_host_key_ensure(int dir, const char *name)
{
	if (!faccessat(dir, VM_HOST_KEY_FILE, F_OK, AT_SYMLINK_NOFOLLOW))
		return NULL;
	return fault_wrap(make_host_key(dir, name), "making the VM's ssh host key");
}

struct fault *ssh_host_key_read(int dir, struct buf *out)
{
	return file_read(dir, VM_HOST_KEY_FILE, KEY_FILE_MAX, out);
}

struct fault *ssh_known_hosts_line(int dir, const char *host, struct buf *out)
{
	AUTO_BUF text = BUF_INIT;
	const char *key;

	TRY(file_read(dir, VM_KNOWN_HOSTS_FILE, KEY_FILE_MAX, &text));
	key = strchr(text.data, ' ');
	if (!key || strncmp(key + 1, KEY_TYPE " ", strlen(KEY_TYPE " ")) != 0 ||
	    strchr(text.data, '\n') != text.data + text.len - 1)
		return fault_new(F_CORRUPT, "%s is not one line with an ed25519 key",
				 VM_KNOWN_HOSTS_FILE);
	buf_addf(out, "%s%s", host, key);
	return NULL;
}

/* --------------------------------------------------------------------------------- client's key */

void ssh_identity_release(struct ssh_identity *identity)
{
	free(identity->path);
	free(identity->public);
	*identity = (struct ssh_identity){ 0 };
}

/* A new name for a whole file; whoever was there first stays. */
static struct fault *publish_new(int dir, const char *name, const struct buf *text, mode_t mode)
{
	AUTO_FREE char *temp = NULL;
	AUTO_FD fd = -1;
	struct fault *f;

	TRY(file_temp(dir, name, mode, &temp, &fd));
	f = file_write_all(fd, text->data, text->len, name);
	if (!f && fsync(fd) < 0)
		f = fault_sys(F_SYS, "writing '%s'", name);
	if (!f && linkat(dir, temp, dir, name, 0) < 0 && errno != EEXIST)
		f = fault_sys(F_SYS, "putting '%s' into place", name);
	unlinkat(dir, temp, 0);
	return fault_attach(f, dir_sync(dir, name));
}

static struct fault *make_identity(const char *directory)
{
	AUTO_BUF private = BUF_INIT;
	struct ed25519_key key;
	AUTO_FD dir = -1;

	TRY(ed25519_make(&key));
	TRY(add_private_text(&private, &key, "banger"));
	TRY(dir_make_path(directory, 0700, &dir));
	return publish_new(dir, KEY_FILE, &private, 0600);
}

/* The line of a public key: a type, a blank, base64, perhaps a comment; nothing else. */
static struct fault *take_public(const char *path, const struct buf *text, char **line)
{
	size_t len = strcspn(text->data, "\r\n");

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text->data[i] < 0x20)
			len = 0;
	if (len < 16 || !memchr(text->data, ' ', len) || text->data[0] < 'a' ||
	    text->data[0] > 'z')
		return fault_new(F_INVALID, "'%s' does not hold a public key", path);
	*line = xstrndup(text->data, len);
	return NULL;
}

/* The next string of a key blob; false at the end of it. */
static bool next_string(const struct buf *blob, size_t *at, const char **data, size_t *len)
{
	const unsigned char *p = (const unsigned char *)blob->data + *at;

	if (blob->len - *at < 4)
		return false;
	*len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	*data = blob->data + *at + 4;
	if (*len > blob->len - *at - 4)
		return false;
	*at += 4 + *len;
	return true;
}

/* A private key of OpenSSH's format holds the public one in the clear, passphrase or not. */
static bool public_of(const struct buf *blob, char **line)
{
	size_t at = sizeof(KEY_MAGIC), skipped, len, type_len, inner = 0;
	AUTO_BUF out = BUF_INIT, public = BUF_INIT;
	const char *data, *type;

	if (blob->len < at || memcmp(blob->data, KEY_MAGIC, at) != 0)
		return false;
	for (int i = 0; i < 3; i++) /* cipher, key derivation, its options */
		if (!next_string(blob, &at, &data, &skipped))
			return false;
	at += 4; /* how many keys there are: one */
	if (at > blob->len || !next_string(blob, &at, &data, &len))
		return false;
	buf_add(&public, data, len);
	if (!next_string(&public, &inner, &type, &type_len) || type_len > 64)
		return false;
	buf_addf(&out, "%.*s ", (int)type_len, type);
	base64_encode(public.data, public.len, &out);
	*line = buf_steal(&out);
	return true;
}

static bool decode_private(const struct buf *text, struct buf *blob)
{
	static const char head[] = KEY_BEGIN "\n";
	const char *end = strstr(text->data, KEY_END);
	AUTO_BUF plain = BUF_INIT;

	if (strncmp(text->data, head, strlen(head)) != 0 || !end)
		return false;
	for (const char *at = text->data + strlen(head); at < end; at++)
		if (*at != '\n' && *at != '\r')
			buf_addc(&plain, *at);
	return base64_decode(plain.data, blob);
}

/* Out of the private key. */
static struct fault *derive_public(const char *path, const char *public, char **line)
{
	AUTO_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT, blob = BUF_INIT, derived = BUF_INIT;
	AUTO_FREE char *found = NULL;

	if (fd < 0)
		return fault_sys(F_SYS, "reading '%s'", path);
	TRY(file_read_fd(fd, KEY_FILE_MAX, path, &text));
	if (!decode_private(&text, &blob) || !public_of(&blob, &found))
		return fault_hint(fault_new(F_INVALID, "'%s' is not a private key in OpenSSH's "
					    "format, and there is no '%s'", path, public),
				  "Make the public key with: ssh-keygen -y -f '%s' > '%s'", path,
				  public);
	buf_adds(&derived, found);
	return take_public(path, &derived, line);
}

/* Beside the private key, else out of it. */
static struct fault *read_public(const char *path, char **line)
{
	AUTO_FREE char *public = xasprintf("%s.pub", path);
	AUTO_FD fd = open(public, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;

	if (fd < 0 && errno == ENOENT)
		return derive_public(path, public, line);
	if (fd < 0)
		return fault_sys(F_SYS, "reading '%s'", public);
	TRY(file_read_fd(fd, KEY_FILE_MAX, public, &text));
	return take_public(public, &text, line);
}

/* The setting's path with "~/" resolved; owned. */
static char *own_path(const struct user *user, const char *setting)
{
	if (strncmp(setting, "~/", 2) != 0)
		return xstrdup(setting);
	return xasprintf("%s/%s", user->home ? user->home : "", setting + 2);
}

static struct fault *configured(const struct user *user, const struct config *config,
				struct ssh_identity *identity)
{
	AUTO_FREE char *path = own_path(user, config->ssh_key_path);
	struct stat st;

	if (stat(path, &st) < 0)
		return fault_hint(fault_sys(F_NOT_FOUND, "the ssh key '%s', which the setting "
					    "defaults.ssh_key_path names", path),
				  "Make it with: ssh-keygen -t ed25519 -f '%s'", path);
	TRY(read_public(path, &identity->public));
	identity->path = steal_ptr(&path);
	return NULL;
}

/* Both files; a crash may have kept us from writing the second one. */
static struct fault *our_own(const char *directory, bool make, struct ssh_identity *identity)
{
	AUTO_FREE char *path = xasprintf("%s/" KEY_FILE, directory);
	AUTO_FREE char *public = xasprintf("%s.pub", path);
	AUTO_BUF line = BUF_INIT;
	AUTO_FD dir = -1;
	struct stat st;

	if (stat(path, &st) < 0) {
		if (!make)
			return NULL;
		TRY(make_identity(directory));
	}
	TRY(read_public(path, &identity->public));
	if (make && stat(public, &st) < 0) {
		buf_addf(&line, "%s\n", identity->public);
		TRY(dir_open(AT_FDCWD, directory, &dir));
		TRY(publish_new(dir, KEY_FILE ".pub", &line, 0644));
	}
	identity->path = steal_ptr(&path);
	return NULL;
}

struct fault *ssh_identity_get(const struct store *s, const struct config *config, bool make,
			       struct ssh_identity *identity)
{
	AUTO_USER user = { 0 };
	AUTO_FREE char *directory = NULL;
	struct fault *f;

	*identity = (struct ssh_identity){ 0 };
	user_real(&user);
	directory = store_ssh_path(s, &user);
	user_enter(&user);
	if (strcmp(config->ssh_key_path, "auto") != 0)
		f = configured(&user, config, identity);
	else
		f = our_own(directory, make, identity);
	user_leave(&user);
	if (f)
		ssh_identity_release(identity);
	return f;
}
