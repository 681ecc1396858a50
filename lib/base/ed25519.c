/* SPDX-License-Identifier: MIT */
#include "base/ed25519.h"

#include <sys/random.h>
#include <openssl/evp.h>

#include "base/library.h"

/* What is used of the library, which is loaded when it is first needed. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(EVP_PKEY_free) X(EVP_PKEY_get_raw_public_key) X(EVP_PKEY_new_raw_private_key)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = { FUNCTIONS(LIBRARY_SYMBOL) };
static struct library library = { "libcrypto.so.3", symbols, ARRAY_LEN(symbols), false };

struct fault *ed25519_make(struct ed25519_key *key)
{
	size_t len = sizeof(key->public);
	EVP_PKEY *pair;
	int good;

	TRY(library_load(&library));
	if (getrandom(key->secret, sizeof(key->secret), 0) != sizeof(key->secret))
		return fault_sys(F_SYS, "drawing random bytes");
	pair = lib.EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret,
						sizeof(key->secret));
	good = pair && lib.EVP_PKEY_get_raw_public_key(pair, key->public, &len) == 1 &&
	       len == sizeof(key->public);
	lib.EVP_PKEY_free(pair);
	return good ? NULL : fault_new(F_UNSUPPORTED, "libcrypto cannot make an ed25519 key");
}
