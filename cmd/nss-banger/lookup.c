/* SPDX-License-Identifier: MIT */
#include "nss-banger/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest content is a label and its newline. */
#define CONTENT_MAX (LOOKUP_LABEL_MAX + 1)
/* "255.255.255.255" */
#define ADDRESS_TEXT_MAX 15

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(const char *text, size_t len)
{
	if (!len || len > LOOKUP_LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_lower_or_digit(text[i]) && text[i] != '-')
			return false;
	return true;
}

/* Not tolower(): that depends on the program's locale. */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool lookup_split(const char *host, struct lookup_label *label)
{
	const size_t zone = sizeof(LOOKUP_ZONE) - 1;
	size_t len = strnlen(host, LOOKUP_LABEL_MAX + zone + 2);

	if (len && host[len - 1] == '.')
		len--;
	if (len <= zone || len > LOOKUP_LABEL_MAX + zone)
		return false;
	for (size_t i = 0; i < zone; i++)
		if (lower(host[len - zone + i]) != LOOKUP_ZONE[i])
			return false;
	len -= zone;
	for (size_t i = 0; i < len; i++)
		label->text[i] = lower(host[i]);
	label->text[len] = '\0';
	return is_label(label->text, len);
}

/* One of the four numbers: decimal, no leading zero, which some take for octal. */
static bool parse_byte(const char **at, const char *end, uint8_t *byte)
{
	const char *from = *at;
	unsigned int n = 0;

	while (*at < end && **at >= '0' && **at <= '9' && *at - from < 3)
		n = n * 10 + (unsigned int)(*(*at)++ - '0');
	if (*at == from || n > 255 || (*from == '0' && *at - from > 1))
		return false;
	*byte = (uint8_t)n;
	return true;
}

bool lookup_parse_address(const char *text, size_t len, struct lookup_address *address)
{
	const char *end = text + len;

	for (int i = 0; i < 4; i++) {
		if (i && (text == end || *text++ != '.'))
			return false;
		if (!parse_byte(&text, end, &address->byte[i]))
			return false;
	}
	return end - text == 1 && *text == '\n';
}

bool lookup_parse_label(const char *text, size_t len, struct lookup_label *label)
{
	if (!len || text[len - 1] != '\n' || !is_label(text, len - 1))
		return false;
	memcpy(label->text, text, len - 1);
	label->text[len - 1] = '\0';
	return true;
}

/* Could nobody but @owner have written what @fd is? */
static bool is_owners(int fd, uid_t owner, mode_t type, struct stat *st)
{
	return !fstat(fd, st) && (st->st_mode & S_IFMT) == type && st->st_uid == owner &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Which errors mean "there is no such thing", and which "ask again". */
static enum lookup_result failed(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EINTR ? LOOKUP_FAILED
										      : LOOKUP_ABSENT;
}

static enum lookup_result open_names(const char *path, uid_t owner, int *fd)
{
	struct stat st;

	*fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return failed();
	if (is_owners(*fd, owner, S_IFDIR, &st))
		return LOOKUP_FOUND;
	close(*fd);
	return LOOKUP_ABSENT;
}

static enum lookup_result read_name(int dir, uid_t owner, const char *name,
				    char content[CONTENT_MAX], size_t *len)
{
	/* O_NONBLOCK: a fifo in the place of the file must not hold anybody up. */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return failed();
	if (is_owners(fd, owner, S_IFREG, &st) && st.st_size <= CONTENT_MAX)
		n = read(fd, content, CONTENT_MAX);
	close(fd);
	if (n < 0)
		return LOOKUP_ABSENT;
	*len = (size_t)n;
	return LOOKUP_FOUND;
}

static enum lookup_result name_in(int dir, uid_t owner, const struct lookup_label *label,
				  struct lookup_address *address)
{
	char content[CONTENT_MAX];
	size_t len = 0;
	enum lookup_result r = read_name(dir, owner, label->text, content, &len);

	if (r == LOOKUP_FOUND && !lookup_parse_address(content, len, address))
		r = LOOKUP_ABSENT;
	return r;
}

enum lookup_result lookup_by_name(const char *path, uid_t owner, const struct lookup_label *label,
				  struct lookup_address *address)
{
	enum lookup_result r;
	int dir;

	r = open_names(path, owner, &dir);
	if (r != LOOKUP_FOUND)
		return r;
	r = name_in(dir, owner, label, address);
	close(dir);
	return r;
}

static void print_address(const struct lookup_address *address, char text[ADDRESS_TEXT_MAX + 1])
{
	for (int i = 0; i < 4; i++) {
		unsigned int n = address->byte[i];

		if (i)
			*text++ = '.';
		if (n >= 100)
			*text++ = (char)('0' + n / 100);
		if (n >= 10)
			*text++ = (char)('0' + n / 10 % 10);
		*text++ = (char)('0' + n % 10);
	}
	*text = '\0';
}

enum lookup_result lookup_by_address(const char *path, uid_t owner,
				     const struct lookup_address *address,
				     struct lookup_label *label)
{
	char name[ADDRESS_TEXT_MAX + 1], content[CONTENT_MAX];
	struct lookup_address now;
	enum lookup_result r;
	size_t len = 0;
	int dir;

	r = open_names(path, owner, &dir);
	if (r != LOOKUP_FOUND)
		return r;
	print_address(address, name);
	r = read_name(dir, owner, name, content, &len);
	if (r == LOOKUP_FOUND && !lookup_parse_label(content, len, label))
		r = LOOKUP_ABSENT;
	if (r == LOOKUP_FOUND)
		r = name_in(dir, owner, label, &now);
	if (r == LOOKUP_FOUND && memcmp(&now, address, sizeof(now)))
		r = LOOKUP_ABSENT;
	close(dir);
	return r;
}
