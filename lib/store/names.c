/* SPDX-License-Identifier: MIT */
#include "store/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/name.h"

#define NAMES_DIR   "names"
#define PASSABLE    0711
#define CONTENT_MAX 128

char *names_path(const struct store *s)
{
	return xasprintf("%s/" NAMES_DIR, s->path);
}

static struct fault *let_pass(int fd, const char *what)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "looking at directory '%s'", what);
	if ((st.st_mode & PASSABLE) == PASSABLE)
		return NULL;
	if (fchmod(fd, (st.st_mode & 07777) | PASSABLE) < 0)
		return fault_sys(F_SYS, "letting others pass through directory '%s'", what);
	return NULL;
}

/* Readable before it has its name: nobody finds it there and may not read it. */
static struct fault *write_line(int dir, const char *name, const char *line)
{
	AUTO_FREE char *content = xasprintf("%s\n", line), *temp = NULL;
	AUTO_FD fd = -1;
	struct fault *f;

	TRY(file_temp(dir, name, 0600, &temp, &fd));
	f = file_write_all(fd, content, strlen(content), name);
	if (!f && fchmod(fd, 0644) < 0)
		f = fault_sys(F_SYS, "letting others read '%s'", name);
	if (!f && renameat(dir, temp, dir, name) < 0)
		f = fault_sys(F_SYS, "putting '%s' into place", name);
	if (f)
		unlinkat(dir, temp, 0);
	return f;
}

static struct fault *remove_file(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s'", name);
	return NULL;
}

/* The address may be another VM's by now. */
static struct fault *remove_reverse(int dir, const char *name, const char *address)
{
	AUTO_BUF line = BUF_INIT;
	AUTO_FAULT f = file_read(dir, address, CONTENT_MAX, &line);
	size_t len = strlen(name);

	if (f || line.len != len + 1 || strncmp(line.data, name, len))
		return NULL;
	return remove_file(dir, address);
}

static struct fault *withdraw(int dir, const char *name)
{
	AUTO_BUF line = BUF_INIT;
	AUTO_FAULT unread = file_read(dir, name, CONTENT_MAX, &line);

	/* The name's own file goes last: without it nobody would find the other. */
	if (!unread && line.len && line.data[line.len - 1] == '\n') {
		line.data[line.len - 1] = '\0';
		if (!strchr(line.data, '/'))
			TRY(remove_reverse(dir, name, line.data));
	}
	return remove_file(dir, name);
}

static struct fault *publish(const struct store *s, const char *name, const char *address)
{
	AUTO_FD dir = -1;

	TRY(dir_make(s->dir, NAMES_DIR, PASSABLE, &dir));
	TRY(let_pass(dir, NAMES_DIR));
	TRY(let_pass(s->dir, s->path));
	TRY(withdraw(dir, name));
	/* In this order, because the address's file is found through the name's. */
	TRY(write_line(dir, name, address));
	return write_line(dir, address, name);
}

struct fault *names_publish(const struct store *s, const char *name, const char *address)
{
	char canonical[INET_ADDRSTRLEN];
	struct in_addr parsed;

	TRY(name_check_vm(name));
	if (inet_pton(AF_INET, address, &parsed) != 1)
		return fault_new(F_INVALID, "'%s' is no IPv4 address", address);
	inet_ntop(AF_INET, &parsed, canonical, sizeof(canonical));
	return fault_wrap(publish(s, name, canonical), "publishing the name of VM '%s'", name);
}

struct fault *names_withdraw(const struct store *s, const char *name)
{
	AUTO_FD dir = -1;
	AUTO_FAULT f = NULL;

	TRY(name_check_vm(name));
	if (s->dir < 0)
		return NULL;
	f = dir_open(s->dir, NAMES_DIR, &dir);
	if (f && fault_kind(f) == F_NOT_FOUND)
		return NULL;
	TRY(steal_ptr(&f));
	return fault_wrap(withdraw(dir, name), "withdrawing the name of VM '%s'", name);
}

/* One line without its newline. */
static bool read_line(const struct store *s, const char *name, struct buf *line)
{
	AUTO_FD dir = -1;
	AUTO_FAULT f = s->dir < 0 ? NULL : dir_open(s->dir, NAMES_DIR, &dir);

	if (dir < 0)
		return false;
	f = file_read(dir, name, CONTENT_MAX, line);
	if (f || !line->len || line->data[line->len - 1] != '\n')
		return false;
	line->data[--line->len] = '\0';
	return strlen(line->data) == line->len;
}

bool names_address(const struct store *s, const char *name, uint32_t *address)
{
	AUTO_FAULT bad = name_check_vm(name);
	AUTO_BUF line = BUF_INIT;
	struct in_addr in;

	if (bad || !read_line(s, name, &line) || inet_pton(AF_INET, line.data, &in) != 1)
		return false;
	*address = ntohl(in.s_addr);
	return true;
}

bool names_name(const struct store *s, uint32_t address, char name[VM_NAME_MAX + 1])
{
	char text[INET_ADDRSTRLEN];
	struct in_addr in = { htonl(address) };
	AUTO_BUF line = BUF_INIT;
	uint32_t now;

	inet_ntop(AF_INET, &in, text, sizeof(text));
	if (!read_line(s, text, &line) || line.len > VM_NAME_MAX)
		return false;
	memcpy(name, line.data, line.len + 1);
	return names_address(s, name, &now) && now == address;
}

struct fault *names_peers_lock(const struct store *s, int wait_ms, struct lock *lock)
{
	return lock_take(s->locks, "peers.lock", LOCK_EXCLUSIVE, "the list of peers", "tell", wait_ms,
			 lock);
}

struct fault *names_list(const struct store *s, struct strings *out)
{
	struct strings all = { 0 };
	AUTO_FAULT absent = NULL;
	AUTO_FD dir = -1;

	*out = (struct strings){ 0 };
	if (s->dir < 0)
		return NULL;
	absent = dir_open(s->dir, NAMES_DIR, &dir);
	if (absent)
		return fault_kind(absent) == F_NOT_FOUND ? NULL : steal_ptr(&absent);
	TRY(dir_names(dir, NAMES_DIR, &all));
	for (size_t i = 0; i < all.n; i++) {
		AUTO_FAULT address = name_check_vm(all.v[i]);

		if (!address)
			strings_add(out, all.v[i]);
	}
	strings_release(&all);
	return NULL;
}
