/* SPDX-License-Identifier: MIT */
/* sync.h - the user's files that come along with the boot archive. */
#ifndef BANGER_AGENT_SYNC_H
#define BANGER_AGENT_SYNC_H

/*
 * sync_files() - unpack the archives below SEED_SYNC_DIR of the initramfs (@initramfs: its root, borrowed)
 * into /root.  What fails is told on the console, and the next one is tried.
 */
void sync_files(int initramfs);

#endif
