/* SPDX-License-Identifier: MIT */
#ifndef BANGER_CMD_VERSION_H
#define BANGER_CMD_VERSION_H

/* "banger 0.1.0 (commit 0123abcd)\n" */
const char *version_line(void);

#endif
