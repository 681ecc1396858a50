/* SPDX-License-Identifier: MIT */
/*
 * builtin_ssh.c - one connection of the image's ssh server.
 *
 * sshd is run for this one connection (sshd -i), as inetd would: so it needs no network, no init that
 * would start it, no waiting until that has happened, and no settings in the image; with the host key
 * that banger gave this machine, and letting in the key that banger named.  A machine with another ssh
 * server is asked at its port 22.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "agent.h"
#include "builtin.h"
#include "guest/ssh_server.h"
#include "ssh.h"

#define KEYS_MAX (1 << 20)

static const char *find_sshd(void)
{
	static const char *const places[] = { "/usr/sbin/sshd", "/usr/bin/sshd", "/sbin/sshd",
					      "/usr/local/sbin/sshd",
					      "/run/current-system/sw/bin/sshd" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!access(places[i], X_OK))
			return places[i];
	return NULL;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

/* Several connections may begin at once: each line is written whole, and once. */
static struct fault *authorize(const char *key)
{
	AUTO_FD fd = open(SSH_AUTHORIZED, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	AUTO_FREE char *line = xasprintf("%s\n", key);
	AUTO_BUF old = BUF_INIT;

	if (fd < 0 || flock(fd, LOCK_EX))
		return fault_sys(F_SYS, "opening '%s'", SSH_AUTHORIZED);
	TRY(read_text(SSH_AUTHORIZED, KEYS_MAX, &old));
	if (!has_line(old.data, key) && write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		return fault_sys(F_SYS, "writing '%s'", SSH_AUTHORIZED);
	return NULL;
}

static struct fault *serve(const char *sshd)
{
	const char *const argv[] = {
		sshd, "-i", "-h", SSH_HOST_KEY, "-o", "AuthorizedKeysFile " SSH_AUTHORIZED
		" .ssh/authorized_keys .ssh/authorized_keys2", "-o", "PermitRootLogin prohibit-password",
		"-o", "PubkeyAuthentication yes", "-o", "PasswordAuthentication no", "-o",
		"KbdInteractiveAuthentication no", "-o", "UseDNS no", NULL
	};

	/* Where it shuts itself in before somebody has logged in; an init would have made it. */
	if (mkdir("/run/sshd", 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", "/run/sshd");
	if (chdir("/"))
		return fault_sys(F_SYS, "entering '/'");
	signal(SIGPIPE, SIG_DFL);
	execv(sshd, (char *const *)(uintptr_t)argv);
	return fault_sys(F_SYS, "running '%s'", sshd);
}

static int failed(struct fault *f)
{
	fprintf(stderr, "%s\n", fault_message(f));
	fault_free(f);
	return 1;
}

int builtin_ssh(int argc, char **argv)
{
	const char *sshd = find_sshd();
	bool ask = argc == 2 && !strcmp(argv[1], SSH_SERVER_ASK);
	struct fault *f = NULL;

	if (!sshd || access(SSH_HOST_KEY, F_OK)) {
		char *connect[] = { (char *)(uintptr_t)"connect", (char *)(uintptr_t)"22", NULL };
		bool there = connect_probe(22);

		if (!there)
			return SSH_SERVER_NONE;
		return ask ? 0 : builtin_connect(2, connect);
	}
	if (ask)
		return 0;
	if (argc == 2)
		f = authorize(argv[1]);
	return failed(f ? f : serve(sshd));
}
