/* SPDX-License-Identifier: MIT */
/*
 * deb.h - the files in a Debian binary package (deb(5)): an ar archive with the members
 * debian-binary, control.tar.* and data.tar.*.
 *
 * The package is hostile: names are checked here, sizes by whoever takes the data.
 */
#ifndef BANGER_KERNEL_DEB_H
#define BANGER_KERNEL_DEB_H

#include "base/archive_reader.h"

struct deb;

/* deb_open() - go to the files in @fd (borrowed, read from its start).  F_CORRUPT; F_SYS. */
struct fault *deb_open(int fd, const char *what, struct deb **out) MUST_CHECK;
void deb_free(struct deb *d);

static inline void deb_cleanup(struct deb **d)
{
	deb_free(*d);
}
#define AUTO_DEB __attribute__((cleanup(deb_cleanup))) struct deb *

/*
 * deb_next() - the next entry.  item->path is relative, without "./" in front, "" for the root, and
 * never holds "..", "." or an empty component; F_CORRUPT when the package has such a name.
 */
struct fault *deb_next(struct deb *d, struct archive_item *item, bool *end) MUST_CHECK;
/* deb_data() - the next block of the entry's data, *@len 0 at its end; see archive_reader_data(). */
struct fault *deb_data(struct deb *d, const void **data, size_t *len, uint64_t *offset) MUST_CHECK;

/* path_is_clean() - relative, no "." or ".." or empty components; "" is clean. */
bool path_is_clean(const char *path);

#endif
