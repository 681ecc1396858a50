/* SPDX-License-Identifier: MIT */
/*
 * console.h - what a guest writes to its serial console, kept within bounds.
 *
 * The guest decides how much it writes, so a VMM must not write it to a file itself: it writes to a
 * pipe, and a small process of its own for each VM, the keeper, puts that into console.log.  When
 * that is full it becomes console.old, and a new one begins.  The keeper ends when the VMM has closed
 * the pipe; it holds nothing else, so it may be killed at any time: the guest goes on unheard.
 *
 * As it is there anyway, it also ends a VMM whose guest has halted (under Firecracker a guest cannot turn
 * its machine off, a processor that stands still is all there is), and has the VMM's files tidied.
 */
#ifndef BANGER_VM_CONSOLE_H
#define BANGER_VM_CONSOLE_H

#include "store/vm_store.h"

/* Bytes in each of the two files at most. */
#define CONSOLE_FILE_MAX (4u << 20)
/* The command line of the keeper: banger CONSOLE_KEEPER <path of the VM's directory>. */
#define CONSOLE_KEEPER "internal-console"

/*
 * console_start() - throw the last start's console away and start a keeper.  VM's lock held.
 * @pipe: out, owned, for the VMM's standard output.  @keeper: out, owned.
 */
struct fault *console_start(const struct vm_dir *dir, int *pipe, struct process_id *keeper) MUST_CHECK;

/* console_end() - after the VMM has gone: let the keeper write the rest; insist after a while. */
struct fault *console_end(const struct process_id *keeper) MUST_CHECK;

/* console_keep() - be the keeper of the VM in directory @path until @in ends. */
struct fault *console_keep(const char *path, int in) MUST_CHECK;

struct halt_scan {
	char line[128]; /* the one that has not ended yet, as far as it matters */
	size_t len;
	bool seen;
};
/*
 * halt_seen() - is the last line, after the @len bytes at @data came too, what a kernel says that has
 * halted?  @scan: zeroed at first.
 */
bool halt_seen(struct halt_scan *scan, const char *data, size_t len);

#endif
