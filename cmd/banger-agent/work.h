/* SPDX-License-Identifier: MIT */
/* work.h - the work disk: what the user keeps, mounted at /root. */
#ifndef BANGER_AGENT_WORK_H
#define BANGER_AGENT_WORK_H

#include "base/fault.h"

/*
 * work_mount() - mount @device at /root.  A disk that holds nothing yet first gets a copy of what
 * the image has in /root, which the mount would hide.  A copy that was cut short is done again.
 */
struct fault *work_mount(const char *device) MUST_CHECK;

#endif
