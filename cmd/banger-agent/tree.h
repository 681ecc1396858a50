/* SPDX-License-Identifier: MIT */
/* tree.h - whole directories through descriptors: no link is followed, no other disk entered. */
#ifndef BANGER_AGENT_TREE_H
#define BANGER_AGENT_TREE_H

#include "base/fault.h"

/*
 * tree_copy() - copy the content and the attributes of directory @from into directory @to (both
 * borrowed): owner, mode, times, links, xattrs.  What is there already is replaced.
 */
struct fault *tree_copy(int from, int to) MUST_CHECK;

/* tree_empty() - remove what is in directory @fd (borrowed), as far as it can be removed. */
void tree_empty(int fd);

#endif
