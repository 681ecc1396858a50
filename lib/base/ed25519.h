/* SPDX-License-Identifier: MIT */
/* ed25519.h - new key pairs (RFC 8032), by libcrypto. */
#ifndef BANGER_BASE_ED25519_H
#define BANGER_BASE_ED25519_H

#include "base/fault.h"

#define ED25519_BYTES 32

struct ed25519_key {
	unsigned char secret[ED25519_BYTES];
	unsigned char public[ED25519_BYTES];
};

/* ed25519_make() - a new pair.  Return: F_MISSING without libcrypto; F_SYS. */
struct fault *ed25519_make(struct ed25519_key *key) MUST_CHECK;

#endif
