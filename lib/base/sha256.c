/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include <errno.h>
#include <string.h>
#include <openssl/evp.h>

#include "base/text.h"

struct sha256 {
	EVP_MD_CTX *context;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = xcalloc(1, sizeof(*h));

	h->context = EVP_MD_CTX_new();
	if (!h->context || EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) != 1)
		abort(); /* only memory exhaustion makes these fail */
	return h;
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
	if (EVP_DigestUpdate(h->context, data, len) != 1)
		abort();
}

void sha256_finish(struct sha256 *h, char hex[static SHA256_HEX_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	AUTO_FREE char *text = NULL;

	if (EVP_DigestFinal_ex(h->context, digest, &len) != 1)
		abort();
	text = text_hex(digest, len);
	memcpy(hex, text, SHA256_HEX_LEN + 1);
	sha256_free(h);
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->context);
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
