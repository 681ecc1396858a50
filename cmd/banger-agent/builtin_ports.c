/* SPDX-License-Identifier: MIT */
/*
 * builtin_ports.c - who listens where in this machine.
 *
 * The kernel's tables name sockets by inode; the process is the first one that has a descriptor of that
 * inode.  Read from /proc, so that it works in images that have no tools at all.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "agent.h"
#include "builtin.h"
#include "guest/report.h"
#include "user.h"

#define TABLE_MAX  (4 * 1024 * 1024)
#define TCP_LISTEN 0x0a
#define UDP_BOUND  0x07 /* TCP_CLOSE: not connected */

struct found {
	struct guest_ports ports;
	unsigned long inodes[REPORT_LISTENERS_MAX];
};

static struct guest_listener *listener(struct found *f, size_t i)
{
	return (struct guest_listener *)f->ports.listeners.v + i;
}

/* The kernel prints each 32-bit word of an address as a number of this machine. */
static char *address_text(const char *hex, int family)
{
	char text[INET6_ADDRSTRLEN] = "?";
	uint32_t words[4] = { 0 };

	for (int i = 0; i < (family == 6 ? 4 : 1); i++) {
		char word[9] = { 0 };

		memcpy(word, hex + 8 * i, 8);
		words[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	inet_ntop(family == 6 ? AF_INET6 : AF_INET, words, text, sizeof(text));
	return xstrdup(text);
}

static char *user_text(unsigned int uid)
{
	AUTO_FREE char *number = xasprintf("%u", uid);
	struct user user;
	AUTO_FAULT f = user_find(number, &user);
	char *name;

	if (f || !user.name) {
		name = steal_ptr(&number);
	} else {
		name = xstrndup(user.name, REPORT_NAME_MAX);
	}
	if (!f)
		user_release(&user);
	return name;
}

/* "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ..." */
static void take_line(struct found *f, const char *line, const char *protocol, int family)
{
	bool tcp = *protocol == 't';
	unsigned int port, state, uid;
	unsigned long inode;
	char local[33], remote[33];
	struct guest_listener *l;

	if (sscanf(line, " %*u: %32[0-9A-F]:%x %32[0-9A-F]:%*x %x %*s %*s %*s %u %*u %lu", local,
		   &port, remote, &state, &uid, &inode) != 6 ||
	    strlen(local) != (family == 6 ? 32 : 8) || !port || port > 65535)
		return;
	if (state != (tcp ? TCP_LISTEN : UDP_BOUND) ||
	    (!tcp && strspn(remote, "0") != strlen(remote)))
		return;
	if (f->ports.listeners.n == REPORT_LISTENERS_MAX) {
		f->ports.truncated = true;
		return;
	}
	f->inodes[f->ports.listeners.n] = inode;
	l = records_add(&f->ports.listeners, sizeof(*l));
	*l = (struct guest_listener){ .protocol = xstrdup(protocol),
				      .address = address_text(local, family),
				      .family = (uint64_t)family,
				      .port = port,
				      .user = user_text(uid) };
}

static void take_table(struct found *f, const char *protocol, int family)
{
	AUTO_FREE char *path = xasprintf("/proc/net/%s%s", protocol, family == 6 ? "6" : "");
	AUTO_BUF text = BUF_INIT;
	AUTO_FAULT absent = read_text(path, TABLE_MAX, &text);
	char *rest = text.data;

	if (absent)
		return; /* a kernel without IPv6 has no such table */
	strsep(&rest, "\n");
	while (rest && *rest)
		take_line(f, strsep(&rest, "\n"), protocol, family);
}

static void take_owner(struct found *f, size_t i, const char *pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/comm", pid);
	struct guest_listener *l = listener(f, i);
	AUTO_BUF comm = BUF_INIT;

	if (l->process)
		return;
	fault_free(read_text(path, 256, &comm));
	l->pid = strtoul(pid, NULL, 10);
	l->process = xstrndup(comm.data, strcspn(comm.data, "\n"));
}

static void search_process(struct found *f, const char *pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/fd", pid);
	AUTO_DIR dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		unsigned long inode;

		target[n > 0 ? n : 0] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < f->ports.listeners.n; i++)
			if (f->inodes[i] == inode)
				take_owner(f, i, pid);
	}
}

static void search_processes(struct found *f)
{
	AUTO_DIR dir = opendir("/proc");
	struct dirent *entry;

	while (dir && f->ports.listeners.n && (entry = readdir(dir)))
		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
			search_process(f, entry->d_name);
}

int builtin_ports(int argc, char **argv)
{
	static struct found f;
	AUTO_BUF text = BUF_INIT;

	(void)argc;
	(void)argv;
	take_table(&f, "tcp", 4);
	take_table(&f, "tcp", 6);
	take_table(&f, "udp", 4);
	take_table(&f, "udp", 6);
	search_processes(&f);
	record_write_line(&guest_ports_type, &f.ports, &text);
	return fwrite(text.data, 1, text.len, stdout) == text.len && !fflush(stdout) ? 0 : 1;
}
