/* SPDX-License-Identifier: MIT */
/*
 * library.h - shared libraries that are loaded when they are first needed.
 *
 * libcurl and libarchive bring forty more libraries along, and libcrypto is large.  Loading them
 * costs several times what `banger --version`, a completion or `vm list` cost in all, and none of
 * those needs any.  The file that uses such a library lists its functions once:
 *
 *	#define FUNCTIONS(X) X(archive_read_new) X(archive_read_free)
 *	static struct { FUNCTIONS(LIBRARY_MEMBER) } lib;
 *	static const struct library_symbol symbols[] = { FUNCTIONS(LIBRARY_SYMBOL) };
 *	static struct library library = { "libarchive.so.13", symbols, ARRAY_LEN(symbols) };
 *
 * and calls lib.archive_read_new() after library_load(&library) has succeeded.
 */
#ifndef BANGER_BASE_LIBRARY_H
#define BANGER_BASE_LIBRARY_H

#include <stdbool.h>

#include "base/fault.h"

struct library_symbol {
	const char *name;
	void *slot; /* the function pointer to fill */
};

struct library {
	const char *file; /* with the version of its interface */
	const struct library_symbol *symbols;
	size_t n_symbols;
	bool loaded;
};

#define LIBRARY_MEMBER(function) __typeof__(function) *function;
#define LIBRARY_SYMBOL(function) { #function, &lib.function },

/*
 * library_load() - load @library unless it is loaded, and fill all its slots.  Threads may call it
 * at the same time.  Return: F_MISSING when the library, or a function in it, is not there.
 */
struct fault *library_load(struct library *library) MUST_CHECK;

#endif
