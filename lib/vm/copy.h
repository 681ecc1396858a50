/* SPDX-License-Identifier: MIT */
/*
 * copy.h - files and trees between the host and a guest, as cp -r would copy them.
 *
 * What exists decides the name: into a directory that is there the source goes under its own name, else
 * the destination is the new name; a source that ends in "/." is only what is in it.  Links stay links,
 * modes and times are kept, holes stay holes.  On the host files are read and written as the user,
 * nothing outside of the destination is touched whatever the guest sends, only what has the expected
 * name is taken, and set-id bits are dropped.
 */
#ifndef BANGER_VM_COPY_H
#define BANGER_VM_COPY_H

#include "vm/vm.h"

struct vm_copy {
	const char *host;  /* path on the host; NULL = @fd */
	const char *guest; /* absolute path in the guest */
	const char *user;  /* in the guest; NULL = root */
	int fd;		   /* a tar archive from (or to) here instead; borrowed */
	char *notice;	   /* out, owned, printable: what was left out; NULL = nothing */
};

/*
 * vm_copy_check() - can the source on the host be read, does the destination's directory exist?  Before
 * the guest is asked for anything.  @in: to the guest.
 */
struct fault *vm_copy_check(const struct vm_copy *c, bool in) MUST_CHECK;
/*
 * vm_copy_in() - from the host to the guest; vm_copy_out() - the other way.  @guest: a connection.
 * Return: F_NOT_FOUND, F_INVALID, F_EXISTS before anything is copied; F_CORRUPT when the guest sends what was not
 * asked for; F_GUEST with its reason; F_SYS; F_CANCELLED.  What was copied until then stays.
 */
struct fault *vm_copy_in(struct guest *guest, struct vm_copy *c) MUST_CHECK;
struct fault *vm_copy_out(struct guest *guest, struct vm_copy *c) MUST_CHECK;

#endif
