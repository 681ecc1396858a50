/* SPDX-License-Identifier: MIT */
/*
 * tree.h - files and trees as tar streams, below one directory.  The same code packs and unpacks on the
 * host and in the guest; the second half is how the host talks to a guest's side of it.
 *
 * Unpacking is confined: every name is relative, has no empty, "." or ".." component, and is resolved
 * with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), so that neither a name nor a link that an earlier
 * entry made leads out of the directory.  A file appears complete, by rename, in the place of what was
 * there.  Names that begin with TREE_TEMP are ours while a file is being written, and are never packed.
 */
#ifndef BANGER_GUEST_TREE_H
#define BANGER_GUEST_TREE_H

#include "base/json.h"
#include "guest/client.h"
#include "guest/tar_stream.h"

#define TREE_TEMP ".banger-put-"

struct tree_unpack {
	uint64_t max_bytes;   /* all files together; 0 = no limit.  F_CORRUPT naming the file */
	uint64_t max_entries; /* 0 = no limit */
	bool allow_remove;    /* entries may ask for removals; F_CORRUPT otherwise */
	bool fail_special;    /* F_UNSUPPORTED for devices and pipes, which otherwise are left out */
	mode_t mode_mask;     /* bits that files may have; 0 = 07777 */
	/* Asked for each entry before anything is done; NULL = all are welcome.  The name is clean. */
	struct fault *(*check)(void *context, const struct tar_item *item, const char *name);
	void *context;
	/* After TREE_TEMP, at most 16 bytes: what is left of an unpacking that was killed goes with the next
	 * one of the same name into the same directories; NULL = the number of this process. */
	const char *temp;
	uint64_t skipped;     /* out: entries that were left out */
};

/*
 * tree_unpack() - make, replace and remove what the archive says below directory @dir (borrowed).
 * Missing parents are made with mode 0755.  Owner is the calling user.
 * Return: F_CORRUPT for a malformed archive or a name that leads out; F_SYS naming the file.
 */
struct fault *tree_unpack(int dir, struct tar_reader *r, struct tree_unpack *options) MUST_CHECK;

/*
 * tree_name() - @path without leading "./" and trailing slashes; F_CORRUPT when it is not a name below
 * a directory.  "." alone is "".  Owned.
 */
struct fault *tree_name(const char *path, char **name) MUST_CHECK;

/*
 * tree_open_parent() - the directory that holds @name (clean) below @dir, confined.  @make: create
 * missing ones.  @fd: owned.  *@last: within @name.  F_SYS (errno ENOENT when absent).
 */
struct fault *tree_open_parent(int dir, const char *name, bool make, int *fd,
			       const char **last) MUST_CHECK;

struct tree_pack {
	const char *as;	  /* name in the archive of what is packed; "" = only what is in it */
	bool no_recurse;  /* a directory without what is in it */
	bool no_links;	  /* leave symbolic links out */
	uint64_t skipped; /* out: sockets, devices, pipes, links that were to be left out */
};

/*
 * tree_pack() - add @path below @dir, a file, link or whole tree, to the archive; names are sorted.
 * @path: "." = @dir itself.  A link is packed as a link; holes of files stay holes.
 * A file that shrinks while it is read is F_STATE; what grows is cut.
 */
struct fault *tree_pack(struct tar_writer *w, int dir, const char *path,
			struct tree_pack *options) MUST_CHECK;

/* ---------------------------------------------------------------- the host's side of put and get */

struct guest_tree {
	const char *path; /* in the guest */
	const char *as;	  /* guest_get(): what it is named in the archive; NULL = see there */
	const char *user; /* as whom it is read and written; NULL = root */
	char *notice;	  /* out, owned, printable: what the guest had to say though it succeeded; or NULL */
};

/*
 * guest_put() - unpack an archive below directory @t->path of the guest, which is made when absent.
 * @produce: writes the entries; called in a thread of its own, starts no programs; the end marker is
 * added after it.
 * guest_put_fd(): the archive is what @fd (borrowed) gives.
 * Return: what @produce gave; F_GUEST with the guest's reason; F_CANCELLED.  Afterwards a fault means
 * that the connection may be used only for guest_close().
 */
struct fault *guest_put(struct guest *g, struct guest_tree *t,
			struct fault *(*produce)(void *context, struct tar_writer *w),
			void *context) MUST_CHECK;
struct fault *guest_put_fd(struct guest *g, struct guest_tree *t, int fd) MUST_CHECK;

/*
 * guest_get() - pack @t->path of the guest (a file, link or tree) and read the archive; entries are
 * named after the path's last component, or after nothing when it ends in "/.".
 * @consume: reads the entries, hostile, in a thread of its own; starts no programs.
 * guest_get_fd(): the archive goes to @fd (borrowed) as it comes.
 */
struct fault *guest_get(struct guest *g, struct guest_tree *t,
			struct fault *(*consume)(void *context, struct tar_reader *r),
			void *context) MUST_CHECK;
struct fault *guest_get_fd(struct guest *g, struct guest_tree *t, int fd) MUST_CHECK;
/* guest_get_list() - the same for the named files below directory @t->path; their names in the archive
 * are those.  One that is not there is left out. */
struct fault *guest_get_list(struct guest *g, struct guest_tree *t, const struct strings *names,
			     struct fault *(*consume)(void *context, struct tar_reader *r),
			     void *context) MUST_CHECK;

/* What a path of the guest is; a link is followed. */
enum guest_path_kind { GUEST_PATH_ABSENT, GUEST_PATH_FILE, GUEST_PATH_DIRECTORY, GUEST_PATH_OTHER };
struct fault *guest_path_kind(struct guest *g, const char *path, const char *user,
			      enum guest_path_kind *kind) MUST_CHECK;

/*
 * guest_builtin() - run a part of the agent with @in (-1 = none) and @out (-1 = nowhere); the general
 * form of the above.  @notice: what it said on standard error, printable, owned, NULL when nothing.
 * Return: F_GUEST with that when its status is not 0.
 */
struct fault *guest_builtin(struct guest *g, const char *const *argv, const char *user, int in,
			    int out, char **notice) MUST_CHECK;

#endif
