/* SPDX-License-Identifier: MIT */
#include "ssh.h"

#include <errno.h>
#include <sys/stat.h>

#include "agent.h"

struct fault *ssh_place(const struct seed *seed)
{
	if (!seed->ssh_host_key)
		return NULL;
	/* Users who are not root must be able to reach the list of authorized keys. */
	if (mkdir(SSH_DIR, 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", SSH_DIR);
	return write_text(SSH_HOST_KEY, seed->ssh_host_key, 0600);
}
