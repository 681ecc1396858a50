/* SPDX-License-Identifier: MIT */
/* workspace_options.h - what 'vm run' and 'vm workspace prepare' have in common. */
#ifndef BANGER_CMD_WORKSPACE_OPTIONS_H
#define BANGER_CMD_WORKSPACE_OPTIONS_H

#include "banger/command.h"
#include "vm/workspace.h"
#include "vm/workspace_export.h"

#define WORKSPACE_OPTIONS                                                                          \
	{ .name = "guest-path", .value = "DIR", .preset = "repo in the user's home: /root/repo",   \
	  .help = "directory of the guest that the files go to" },                                 \
	{ .name = "branch", .value = "NAME",                                                       \
	  .help = "make this branch in the guest's repository" },                                  \
	{ .name = "from", .value = "REF", .preset = "HEAD",                                        \
	  .help = "with --branch: send the files of this commit, not the working tree's" },        \
	{ .name = "mode", .value = "MODE", .complete = COMPLETE_WORDS,                             \
	  .words = WORKSPACE_MODE_WORDS, .preset = "shallow_overlay",                              \
	  .help = "tracked files, everything that is not ignored, or no files" },                  \
	{ .name = "include-untracked", .help = "also files that git does not track" },             \
	{ .name = "depth", .value = "N", .type = OPTION_COUNT, .min = 1, .max = 1000,              \
	  .preset = "1", .help = "commits of history in the guest" },                              \
	{ .name = "no-submodules", .help = "leave the files of submodules behind" },               \
	{ .name = "dry-run", .help = "print the files that would be sent, and make nothing" }

/* workspace_options_read() - fill @w; strings borrowed from @inv.  F_USAGE for what does not go
 * together. */
struct fault *workspace_options_read(const struct invocation *inv, const char *path,
				     struct workspace_wish *w) MUST_CHECK;
/* Some of them was given, which makes sense only with a path. */
bool workspace_options_given(const struct invocation *inv);
/* --dry-run: the exact list. */
struct fault *workspace_print_list(const struct workspace_source *s) MUST_CHECK;
/* One line about what was done, and a line for each note. */
void workspace_say(const struct invocation *inv, const struct workspace_result *r,
		   const struct workspace_source *s);

/*
 * workspace_deliver() - what came out of the guest goes where the user said: --output FILE (borrowed;
 * NULL or "-" = standard output), durably and as the user, and with @apply into the host's tree.
 * Whatever happens after the file was written, it stays.
 */
struct fault *workspace_deliver(const struct invocation *inv, struct workspace_export *x,
				const char *file, bool apply, bool three_way) MUST_CHECK;

#endif
