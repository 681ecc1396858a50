/* SPDX-License-Identifier: MIT */
/*
 * store.h - the state directory.
 *
 * The only code that knows the names of files in the state directory; other layers get descriptors
 * or paths from here.  state-layout.md is the reference for every file.
 *
 * Objects of the three collections (vms, images, kernels) are directories.  An image or kernel is
 * built in a hidden staging directory beside its final place and appears by rename, complete;
 * store_publish() is the commit point.  Names that start with a dot are never objects.
 */
#ifndef BANGER_STORE_STORE_H
#define BANGER_STORE_STORE_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/json.h"
#include "host/user.h"
#include "base/tree_usage.h"
#include "store/lock.h"

#define STORE_LAYOUT_VERSION 1

enum collection { COLLECTION_VMS, COLLECTION_IMAGES, COLLECTION_KERNELS, COLLECTIONS };

enum store_mode {
	STORE_READ,  /* observers: nothing is created; a missing state directory reads as empty */
	STORE_WRITE, /* creates what is missing, mode 0700 */
};

struct store {
	char *path;		    /* absolute path of the state directory */
	char *run_path;		    /* absolute path of the directory for sockets */
	int dir;		    /* -1 when absent in STORE_READ mode */
	int collections[COLLECTIONS]; /* directory descriptors, -1 when absent */
	int locks;		    /* locks/, -1 when absent */
	int wait_ms;		    /* longest wait for a lock, from --wait */
	enum store_mode mode;
};

/*
 * store_open() - open the state directory.
 * @path: from --state-dir, or NULL: BANGER_STATE_DIR, /var/lib/banger for root, else
 *	$XDG_STATE_HOME/banger, else ~/.local/state/banger.
 * Return: NULL; F_NEWER when a newer program wrote it; F_DENIED when it belongs to somebody else;
 * F_SYS.  On failure *@store needs no release.
 */
struct fault *store_open(const char *path, enum store_mode mode, struct store *store) MUST_CHECK;
void store_release(struct store *store);

/* store_locate() - the absolute path that store_open(@path) would open, there or not.  Owned.  F_MISSING. */
struct fault *store_locate(const char *path, char **out) MUST_CHECK;

/*
 * store_tag() - what tells this state directory from all others of the host: "<device>-<inode>", for
 * whatever the kernel keeps for its VMs, also when the VM itself is not there any more.
 * Hexadecimal.  Owned; NULL when there is no state directory.
 */
char *store_tag(const struct store *s);
/* store_tag_of() - the same by the directory of one of its objects, a borrowed descriptor. */
char *store_tag_of(int object);

/* store_is_removed() - does @name, in a collection's directory, await its removal after a crash? */
bool store_is_removed(const char *name);
/* store_sweep() - remove all of these; may run beside anything. */
struct fault *store_sweep(const struct store *s) MUST_CHECK;

/* store_name() - "image", "kernel" or "VM": for messages. */
const char *store_noun(enum collection c);

/* store_directory() - "vms", "images" or "kernels". */
const char *store_directory(enum collection c);
/* store_names() - names of the objects of @c, sorted; empty when there are none. Owned. */
struct fault *store_names(const struct store *s, enum collection c, struct strings *out) MUST_CHECK;

/* store_object_open() - open directory @name of @c.  F_NOT_FOUND in a whole sentence otherwise. */
struct fault *store_object_open(const struct store *s, enum collection c, const char *name,
				int *fd) MUST_CHECK;
/* store_object_path() - absolute path of @file in object @name (NULL: of the directory). Owned. */
char *store_object_path(const struct store *s, enum collection c, const char *name,
			const char *file);

/*
 * store_stage() - make an empty hidden directory beside the objects of @c for building @name.
 * @stage_name: out, owned.  @fd: out, owned.  Caller holds the object's lock.  The directory is
 * ended by store_publish() or store_unstage(); one that a crash left is removed by the next
 * store_stage() of the same name.
 */
struct fault *store_stage(const struct store *s, enum collection c, const char *name,
			  char **stage_name, int *fd) MUST_CHECK;
/*
 * store_publish() - sync and rename the staged directory to its final name.
 * @replace: an existing object is swapped out (RENAME_EXCHANGE) and removed; otherwise F_EXISTS.
 */
struct fault *store_publish(const struct store *s, enum collection c, const char *stage_name,
			    const char *name, bool replace) MUST_CHECK;
/* store_unstage() - remove a staged directory. */
struct fault *store_unstage(const struct store *s, enum collection c,
			    const char *stage_name) MUST_CHECK;
/*
 * store_object_remove() - rename the object out of the way (the commit point), then remove it.
 * Caller holds its lock and has checked that nobody uses it.
 */
struct fault *store_object_remove(const struct store *s, enum collection c,
				  const char *name) MUST_CHECK;

/* store_object_lock() - lock an image or kernel by name (locks/<collection>/<name>.lock). */
struct fault *store_object_lock(const struct store *s, enum collection c, const char *name,
				enum lock_kind kind, const char *verb, struct lock *lock) MUST_CHECK;

/* What one VM was made of.  A VM whose record cannot be read may use anything: both are NULL. */
struct store_use {
	char *vm, *image, *kernel;
};
/* store_uses() - of all VMs, read once, without locks.  Records of struct store_use. */
struct fault *store_uses(const struct store *s, struct records *out) MUST_CHECK;
void store_uses_release(struct records *uses);
/* store_uses_find() - add the names of the VMs that use image or kernel @name to @vms. */
void store_uses_find(const struct records *uses, enum collection c, const char *name,
		     struct strings *vms);

/*
 * store_users() - names of the VMs whose spec names image or kernel @name.  Reads without locks; a
 * VM whose record cannot be read is counted as a user, because nobody can tell.
 */
struct fault *store_users(const struct store *s, enum collection c, const char *name,
			  struct strings *vms) MUST_CHECK;

/*
 * store_ssh_path() - the directory of the client's ssh key, perhaps not there: ssh/ in the state
 * directory or, under sudo, what that is for @user, whose key it is.  Owned.
 */
char *store_ssh_path(const struct store *s, const struct user *user);

/* store_cache_usage() - what the whole cache takes; nothing when there is none. */
struct fault *store_cache_usage(const struct store *s, struct tree_usage *sum) MUST_CHECK;
/* store_cache_dir() - open cache/<sub> below the state directory, created on demand. */
struct fault *store_cache_dir(const struct store *s, const char *sub, int *fd) MUST_CHECK;

#endif
