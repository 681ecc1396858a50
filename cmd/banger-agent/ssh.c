/* SPDX-License-Identifier: MIT */
#include "ssh.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"

#define IMAGE_DIR "/etc/ssh"
#define IMAGE_KEY IMAGE_DIR "/ssh_host_ed25519_key"

static bool is_already(const char *text)
{
	AUTO_BUF old = BUF_INIT;
	struct stat st;

	if (lstat(IMAGE_KEY, &st) || !S_ISREG(st.st_mode) || (st.st_mode & 07777) != 0600)
		return false;
	fault_free(read_text(IMAGE_KEY, strlen(text), &old));
	return !strcmp(old.data, text);
}

/*
 * Where the image has a place for it, its own server shows the same key.  The public half of another one
 * would make that server refuse ours, and it needs none.
 */
static struct fault *replace(const char *text)
{
	static const char temporary[] = IMAGE_KEY ".banger-new";

	if (is_already(text))
		return NULL;
	if (unlink(temporary) && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s'", temporary);
	TRY(write_text(temporary, text, 0600));
	if (rename(temporary, IMAGE_KEY))
		return fault_sys(F_SYS, "replacing '%s'", IMAGE_KEY);
	if (unlink(IMAGE_KEY ".pub") && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s'", IMAGE_KEY ".pub");
	return NULL;
}

struct fault *ssh_place(const struct seed *seed)
{
	struct stat st;

	if (!seed->ssh_host_key)
		return NULL;
	/* Users who are not root must be able to reach the list of authorized keys. */
	if (mkdir(SSH_DIR, 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", SSH_DIR);
	if (lstat(IMAGE_DIR, &st) || !S_ISDIR(st.st_mode))
		return write_text(SSH_HOST_KEY, seed->ssh_host_key, 0600);
	TRY(replace(seed->ssh_host_key));
	if (symlink(IMAGE_KEY, SSH_HOST_KEY) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", SSH_HOST_KEY);
	return NULL;
}
