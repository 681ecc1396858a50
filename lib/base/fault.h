/* SPDX-License-Identifier: MIT */
/*
 * fault.h - the one channel for errors.
 *
 * A function that can fail returns `struct fault *`; NULL means success and only then are its
 * out-parameters set.  A fault has a kind, a message made of whole words ("opening 'x': No such
 * file or directory"), an optional hint (what to type next) and attached follow-up faults (what
 * also went wrong while undoing).  The first fault always stays first.
 *
 * Messages start in lower case and carry no final full stop; the printer adds "banger: ".
 */
#ifndef BANGER_BASE_FAULT_H
#define BANGER_BASE_FAULT_H

#include "base/mem.h"

enum fault_kind {
	F_SYS,	       /* the operating system said no */
	F_USAGE,       /* the command line is wrong: exit status 2 */
	F_INVALID,     /* a value, name or file given by the user is not acceptable */
	F_NOT_FOUND,   /* no such VM, image, kernel, key */
	F_EXISTS,      /* the name is taken */
	F_AMBIGUOUS,   /* a prefix fits several objects */
	F_BUSY,	       /* locked, in use */
	F_STATE,       /* the object is in the wrong state for this */
	F_CORRUPT,     /* bytes from disk, network, archive or guest are malformed */
	F_NEWER,       /* written by a newer version of the program */
	F_UNSUPPORTED, /* this host, kernel, image or VMM cannot do it */
	F_MISSING,     /* a program, device or file that the host should have is absent */
	F_NO_SPACE,    /* disk, memory or image too small */
	F_DENIED,      /* permission */
	F_NETWORK,     /* a transfer failed */
	F_TIMEOUT,     /* a time limit ran out */
	F_CANCELLED,   /* SIGINT, SIGTERM or SIGHUP arrived */
	F_GUEST,       /* the guest or its agent misbehaved or went away */
	F_TOOL,	       /* a program that we ran failed */
	F_KINDS
};

struct fault;

/* fault_new() - a fault of @kind with a formatted message.  Never NULL; owned by the caller. */
struct fault *fault_new(enum fault_kind kind, const char *fmt, ...) PRINTF(2, 3)
	__attribute__((returns_nonnull)) MUST_CHECK;

/*
 * fault_sys() - as fault_new(), with ": <text of errno>" appended.  ENOSPC and EDQUOT turn @kind
 * F_SYS into F_NO_SPACE, EACCES and EPERM into F_DENIED.
 */
struct fault *fault_sys(enum fault_kind kind, const char *fmt, ...) PRINTF(2, 3)
	__attribute__((returns_nonnull)) MUST_CHECK;

/* fault_wrap() - put "<context>: " in front of @f (stolen) and return it; NULL stays NULL. */
struct fault *fault_wrap(struct fault *f, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;

/* fault_suffix() - put @text behind the message of @f (stolen) and return it; NULL stays NULL. */
struct fault *fault_suffix(struct fault *f, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;

/* fault_hint() - set what to type next, a whole sentence; returns @f (stolen); NULL stays NULL. */
struct fault *fault_hint(struct fault *f, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;

/*
 * fault_attach() - add @other (stolen, may be NULL) as a follow-up of @first (stolen, may be
 * NULL).  Return: the first one that is not NULL, or NULL.
 */
struct fault *fault_attach(struct fault *first, struct fault *other) MUST_CHECK;

enum fault_kind fault_kind(const struct fault *f);
/* The kind's stable name for --json output, such as "not_found".  Static. */
const char *fault_kind_name(enum fault_kind kind);
/* Borrowed texts; the hint may be NULL. */
const char *fault_message(const struct fault *f);
const char *fault_hint_text(const struct fault *f);
/* The next attached follow-up, borrowed, or NULL. */
const struct fault *fault_next(const struct fault *f);
/* errno of fault_sys(), or 0. */
int fault_errno(const struct fault *f);
/* fault_free() - release @f (NULL allowed) and all that is attached to it. */
void fault_free(struct fault *f);

static inline void fault_cleanup(struct fault **f)
{
	fault_free(*f);
}
#define AUTO_FAULT __attribute__((cleanup(fault_cleanup))) struct fault *

/* TRY() - return from the calling function when @expr gives a fault. */
#define TRY(expr)                                                                                  \
	do {                                                                                       \
		struct fault *try_fault_ = (expr);                                                 \
		if (try_fault_)                                                                    \
			return try_fault_;                                                         \
	} while (0)

#endif
