/* SPDX-License-Identifier: MIT */
/*
 * workspace.h - a directory of the host goes into a VM, what was changed there comes back out.
 *
 * Theory of operation
 *
 * What the guest was given is kept on the host as a commit, the base, in a repository of our own:
 * vms/<name>/workspace.git.  Its files are the working tree's, byte for byte; its parent is the commit
 * that the working tree is on.  So what happened in the guest can be told without any git there, and
 * without believing the guest about anything but its files: the host sends the list of the base, the
 * agent answers which files differ, only these travel, and the host's git computes the difference in a
 * scratch repository.  The user's repository, its index, references and files are only read.
 *
 * Sending again compares three: the base, the host's files now and the guest's.  Only what differs is
 * sent; a file that was changed on both sides is never overwritten unasked.  Before anything is sent the
 * commit that the guest is to have is recorded as `incoming`; a copy that was cut off is thereby
 * known, and made whole by running the command again.
 *
 * Locks: vms/<name>/workspace.lock is held during a copy in either direction, the VM's own lock only for
 * the moment in which the record is written; stop and delete stay possible.
 */
#ifndef BANGER_VM_WORKSPACE_H
#define BANGER_VM_WORKSPACE_H

#include "vm/vm.h"
#include "vm/workspace_source.h"

#define WORKSPACE_GUEST_PATH "/root/repo" /* root's; another user's is in their home */
/* In our repository: files of the base that the guest need not have, each ended by a NUL. */
#define WORKSPACE_ABSENT "absent"

struct workspace {
	struct vm vm;	    /* opened without its lock */
	struct lock lock;   /* the workspace's */
	char *git_dir;	    /* of our repository; owned */
	struct guest *guest; /* connected */
	bool own_guest;	    /* to be closed by us */
};
#define WORKSPACE_INIT ((struct workspace){ .vm = VM_INIT, .lock = LOCK_INIT })

/*
 * workspace_open() - open VM @name and take its workspace's lock.  @guest: a connection that exists
 * already (borrowed), or NULL: one is made, waiting at most @wait_ms for a guest that is booting.
 * F_STATE when the VM is not running; F_BUSY.
 */
struct fault *workspace_open(const struct store *s, const struct config *config,
			     struct progress *progress, const char *name, const char *verb,
			     struct guest *guest, int wait_ms, struct workspace *ws) MUST_CHECK;
void workspace_close(struct workspace *ws);
#define AUTO_WORKSPACE __attribute__((cleanup(workspace_close))) struct workspace

struct workspace_result {
	uint64_t sent, removed, bytes; /* files, files, bytes of files */
	char *guest_path;  /* where it is; owned */
	bool no_git;	   /* the image has no git: files only */
	struct strings notes; /* whole sentences */
};
void workspace_result_release(struct workspace_result *r);

/*
 * workspace_prepare() - make the guest's directory what @source is now; @source is read here.
 * @overwrite: also files that were changed in the guest.
 * Return: F_STATE when files were changed on both sides, naming some; F_GUEST; F_SYS.
 */
struct fault *workspace_prepare(struct workspace *ws, const struct workspace_wish *wish,
				struct workspace_source *source, bool overwrite,
				struct workspace_result *result) MUST_CHECK;

/* workspace_moved() - is the host's HEAD no longer the one that was copied in?  *@now: owned, may be NULL.
 * Never fails: what cannot be told has not moved. */
bool workspace_moved(const struct vm_spec *spec, char **now);

/* The wish that a VM's record is the answer to: for sending it again.  Borrows from @spec. */
struct workspace_wish workspace_wish_of(const struct vm_spec *spec);

/*
 * workspace_bootstrap() - have the tools that the repository asks for (.mise.toml, .tool-versions)
 * installed by the guest's mise; in the background, or to its end.  What it prints is in the guest:
 * WORKSPACE_LOG or WORKSPACE_USER_LOG.  Nothing that fails there is a fault; *@said: a whole sentence,
 * owned, or NULL.
 */
#define WORKSPACE_LOG	   "/var/log/banger-bootstrap.log"
#define WORKSPACE_USER_LOG "~/.local/state/banger-bootstrap.log" /* of another user than root */
struct fault *workspace_bootstrap(struct workspace *ws, const char *guest_path, bool background,
				  char **said) MUST_CHECK;

/* ------------------------------------------------------------------------ for workspace_*.c only */

/* The guest's files against @l: agent's answer, see guest/tree_compare.h.  *@absent: no directory. */
struct fault *workspace_compare(struct workspace *ws, const char *guest_path,
				const struct tree_list *l, bool all, struct buf *answer,
				bool *absent) MUST_CHECK;

/* One record of the answer, checked: @path borrowed from it. */
struct workspace_change {
	char what; /* 'M', 'D', 'N' */
	uint32_t mode;
	uint64_t size;
	const char *path;
};
/* workspace_next_change() - *@at is moved on; false at the end.  F_GUEST for what is no record. */
struct fault *workspace_next_change(const struct buf *answer, size_t *at, struct workspace_change *c,
				    bool *got) MUST_CHECK;
/* F_GUEST naming @path when it may not be in a repository: "..", ".git" in any disguise ... */
struct fault *workspace_check_path(const char *path) MUST_CHECK;
/* workspace_check_link() - F_GUEST naming @path when git would not have a symbolic link of that name. */
struct fault *workspace_check_link(const char *path) MUST_CHECK;
/* Run a program of the guest in its directory; *@status its exit code, *@out what it printed. */
struct fault *workspace_guest_run(struct workspace *ws, const char *cwd, const char *const *argv,
				  int *status, char **out) MUST_CHECK;
#define WORKSPACE_RUN_MS 120000 /* F_TIMEOUT after so long */

/*
 * workspace_take_history() - the commit that @source is on into our repository, with as much history as
 * @wish asks for.  @shallow: the commits at its edge, all of them.  *@deepened: commits have come that
 * are older than what was there.
 */
struct fault *workspace_take_history(struct workspace *ws, const struct workspace_wish *wish,
				     const struct workspace_source *source, struct strings *shallow,
				     bool *deepened) MUST_CHECK;

struct workspace_send {
	struct workspace *ws;
	const struct workspace_source *source;
	const char *guest_path;
	const struct tree_list *files; /* to be sent */
	const struct strings *removals;
	bool repository;	       /* .git goes along */
	const struct strings *shallow;
	uint64_t bytes; /* out */
};
struct fault *workspace_send_all(struct workspace_send *send) MUST_CHECK;
/* Only what a repository in the guest needs for a new commit. */
struct fault *workspace_send_objects(struct workspace_send *send) MUST_CHECK;

#endif
