/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent.h"

#define HOSTS	   "/etc/hosts"
#define HOSTS_MARK "# banger" /* begins PEERS_MARK, too */
#define PEERS_MARK "# banger peer"
#define HOSTS_MAX  (16 << 20)

/* Is @path a regular file that holds exactly @text? */
static bool is_already(const char *path, const char *text)
{
	AUTO_BUF old = BUF_INIT;
	struct stat st;

	if (lstat(path, &st) || !S_ISREG(st.st_mode) || st.st_size != (off_t)strlen(text))
		return false;
	fault_free(read_text(path, strlen(text), &old));
	return !strcmp(old.data, text);
}

/* Replace @path by a regular file, also when it is a link to a place that does not exist yet. */
static struct fault *replace(const char *path, const char *text)
{
	AUTO_FREE char *temporary = xasprintf("%s.banger-new", path);

	if (is_already(path, text))
		return NULL;
	if (unlink(temporary) && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s'", temporary);
	TRY(write_text(temporary, text, 0644));
	if (chmod(temporary, 0644) || rename(temporary, path))
		return fault_sys(F_SYS, "replacing '%s'", path);
	return NULL;
}

static struct fault *set_hostname(const char *name)
{
	AUTO_FREE char *line = xasprintf("%s\n", name);

	if (sethostname(name, strlen(name)))
		return fault_sys(F_SYS, "setting the host name");
	return replace("/etc/hostname", line);
}

/* "172.30.0.5 web"; the host's word is taken, but not for what a line of the file may be. */
static void add_peer(struct buf *text, const char *peer)
{
	AUTO_FREE char *address = xstrndup(peer, strcspn(peer, " "));
	const char *name = peer + strlen(address) + (peer[strlen(address)] == ' ');
	struct in_addr ignored;

	if (inet_pton(AF_INET, address, &ignored) == 1 && *name && strlen(name) <= 63 &&
	    !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		buf_addf(text, "%s\t%s.vm %s\t%s\n", address, name, name, PEERS_MARK);
}

/* The image's lines stay; ours are those with @mark, and are replaced.  @name: NULL = none of its own. */
static struct fault *set_hosts(const char *mark, const char *name, const struct strings *peers)
{
	AUTO_BUF old = BUF_INIT, text = BUF_INIT;
	struct fault *f = read_text(HOSTS, HOSTS_MAX, &old);
	char *rest;

	if (f && fault_errno(f) != ENOENT)
		return f;
	fault_free(f);
	rest = old.data;
	if (!strstr(old.data, "localhost"))
		buf_adds(&text, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n");
	while (rest && *rest) {
		char *line = strsep(&rest, "\n");

		if (!strstr(line, mark))
			buf_addf(&text, "%s\n", line);
	}
	if (name)
		buf_addf(&text, "127.0.1.1\t%s\t%s\n", name, HOSTS_MARK);
	for (size_t i = 0; i < peers->n; i++)
		add_peer(&text, peers->v[i]);
	return replace(HOSTS, text.data);
}

struct fault *settings_peers(const struct strings *peers)
{
	return set_hosts(PEERS_MARK, NULL, peers);
}

static struct fault *set_resolver(const struct strings *dns)
{
	AUTO_BUF text = BUF_INIT;

	for (size_t i = 0; i < dns->n; i++)
		buf_addf(&text, "nameserver %s\n", dns->v[i]);
	return replace("/etc/resolv.conf", text.data);
}

/* Forward only: a clock that is ahead of the host's by a little is not worth a jump back. */
static struct fault *set_clock(uint64_t ns)
{
	struct timespec now, seeded = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec > seeded.tv_sec ||
	    (now.tv_sec == seeded.tv_sec && now.tv_nsec >= seeded.tv_nsec))
		return NULL;
	if (clock_settime(CLOCK_REALTIME, &seeded))
		return fault_sys(F_SYS, "setting the clock");
	return NULL;
}

/* A clone must not have the identity of the machine that it was made of; others keep their own. */
static struct fault *set_machine_id(const char *id)
{
	static const char *const paths[] = { "/etc/machine-id", "/var/lib/dbus/machine-id" };
	AUTO_FREE char *line = xasprintf("%s\n", id);
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (!lstat(paths[i], &st) && S_ISREG(st.st_mode))
			TRY(replace(paths[i], line));
	return NULL;
}

void settings_apply(const struct seed *seed)
{
	say_fault(set_clock(seed->time_ns));
	if (mkdir("/etc", 0755) && errno != EEXIST)
		say("making '/etc' failed");
	if (seed->hostname && *seed->hostname) {
		say_fault(set_hostname(seed->hostname));
		say_fault(set_hosts(HOSTS_MARK, seed->hostname, &seed->net.peers));
	}
	if (seed->machine_id)
		say_fault(set_machine_id(seed->machine_id));
	if (seed->net.dns.n)
		say_fault(set_resolver(&seed->net.dns));
}
