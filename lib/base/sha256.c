/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include <errno.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/library.h"
#include "base/text.h"

/* What is used of the library, which is loaded when it is first needed. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(EVP_DigestFinal_ex) X(EVP_DigestInit_ex) X(EVP_DigestUpdate) X(EVP_MD_CTX_free) \
	X(EVP_MD_CTX_new) X(EVP_sha256) X(OpenSSL_version)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = { FUNCTIONS(LIBRARY_SYMBOL) };
static struct library library = { "libcrypto.so.3", symbols, ARRAY_LEN(symbols), false };

/* A banger without its libcrypto is not installed; the dynamic loader would stop it just so. */
static void need_library(void)
{
	AUTO_FAULT f = library_load(&library);

	if (!f)
		return;
	fprintf(stderr, "banger: %s\n", fault_message(f));
	abort();
}

struct sha256 {
	EVP_MD_CTX *context;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = xcalloc(1, sizeof(*h));

	need_library();
	h->context = lib.EVP_MD_CTX_new();
	if (!h->context || lib.EVP_DigestInit_ex(h->context, lib.EVP_sha256(), NULL) != 1)
		abort(); /* only memory exhaustion makes these fail */
	return h;
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
	if (lib.EVP_DigestUpdate(h->context, data, len) != 1)
		abort();
}

void sha256_finish(struct sha256 *h, char hex[static SHA256_HEX_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	AUTO_FREE char *text = NULL;

	if (lib.EVP_DigestFinal_ex(h->context, digest, &len) != 1)
		abort();
	text = text_hex(digest, len);
	memcpy(hex, text, SHA256_HEX_LEN + 1);
	sha256_free(h);
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	lib.EVP_MD_CTX_free(h->context);
	free(h);
}

struct fault *sha256_fd(int fd, const char *what, char hex[static SHA256_HEX_LEN + 1])
{
	enum { CHUNK = 256 * 1024 };
	AUTO_FREE char *chunk = xmalloc(CHUNK);
	struct sha256 *h = sha256_new();

	for (;;) {
		ssize_t n = read(fd, chunk, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			sha256_free(h);
			return fault_sys(F_SYS, "reading %s", what);
		}
		if (n == 0)
			break;
		sha256_update(h, chunk, (size_t)n);
	}
	sha256_finish(h, hex);
	return NULL;
}

_Bool sha256_is_hex(const char *text)
{
	return strspn(text, "0123456789abcdef") == SHA256_HEX_LEN && !text[SHA256_HEX_LEN];
}

const char *sha256_library(void)
{
	need_library();
	return lib.OpenSSL_version(OPENSSL_VERSION_STRING);
}
