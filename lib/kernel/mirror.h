/* SPDX-License-Identifier: MIT */
/*
 * mirror.h - which Debian mirror this host uses.
 *
 * Read as apt reads them: /etc/apt/sources.list, and the .list and .sources (deb822) files of
 * /etc/apt/sources.list.d.
 * Only http and https archives with component main count: a CD-ROM or a directory on this host
 * cannot be reached by libcurl and mmdebstrap in the same way.
 */
#ifndef BANGER_KERNEL_MIRROR_H
#define BANGER_KERNEL_MIRROR_H

#include "base/fault.h"

#define MIRROR_OFFICIAL		 "http://deb.debian.org/debian"
#define MIRROR_OFFICIAL_SECURITY "http://deb.debian.org/debian-security"

/*
 * mirror_find() - the archive to fetch Debian suite @suite ("bookworm", "bookworm-security") from:
 * the first enabled apt source for that suite, else, unless it is a security suite, an apt source
 * for another Debian suite, else the official mirror.  apt's files may be absent or unreadable.
 * @uri: out, owned, without a slash at the end.  It is a mirror for any host but the suite's
 * signature must be checked by whoever fetches from it.
 * Return: NULL; F_CANCELLED.
 */
struct fault *mirror_find(const char *suite, char **uri) MUST_CHECK;

/* The same with apt's directory (absolute path of what is /etc/apt) given: for tests. */
struct fault *mirror_find_in(const char *apt_dir, const char *suite, char **uri) MUST_CHECK;

#endif
