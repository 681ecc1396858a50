/* SPDX-License-Identifier: MIT */
/* image_init.h - which init the image has. */
#ifndef BANGER_AGENT_IMAGE_INIT_H
#define BANGER_AGENT_IMAGE_INIT_H

enum image_init {
	INIT_NONE, /* an ordinary container image: the agent stays pid 1 */
	INIT_SYSTEMD,
	INIT_OTHER,
};

/*
 * image_init_find() - look in the image, which is the root directory by now.
 * @path: out, what to execute; static.
 *
 * systemd counts wherever its package puts it.  Any other executable /sbin/init, /etc/init or
 * /bin/init counts, with one exception: busybox images have a link "init" for no reason but that
 * busybox can be one.  Busybox is the image's init only when it has work to do: the program of the
 * first "sysinit" line in /etc/inittab exists (in a plain Alpine that is OpenRC, which is not
 * there), or without any such line /etc/init.d/rcS does, busybox' own default.
 */
enum image_init image_init_find(const char **path);

#endif
