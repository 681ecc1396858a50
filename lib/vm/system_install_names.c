/* SPDX-License-Identifier: MIT */
/*
 * system_install_names.c - the word "banger" in the "hosts" line of nsswitch.conf.
 *
 * Of two such lines some C libraries take the first and some the last, so the line itself has to change.
 * It is replaced by marker lines with the old line, as a comment, and the new one between them.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/fenced_file.h"
#include "vm/system_install.h"

#define NSSWITCH "/etc/nsswitch.conf"
#define BEGIN	 "# >>> banger >>>"
#define END	 "# <<< banger <<<"
#define WAS	 "#was:"
#define WORD	 "banger"

struct span {
	const char *at;
	size_t len; /* without the newline */
};

static bool next_line(const char **at, const char *end, struct span *line)
{
	const char *newline;

	if (*at >= end)
		return false;
	newline = memchr(*at, '\n', (size_t)(end - *at));
	*line = (struct span){ *at, (size_t)((newline ? newline : end) - *at) };
	*at = newline ? newline + 1 : end;
	return true;
}

static bool is_text(struct span s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.at, text, s.len);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The words of a "hosts" line, behind its colon; false for any other line. */
static bool hosts_words(struct span line, struct span *words)
{
	const char *at = line.at, *end = line.at + line.len;

	while (at < end && is_blank(*at))
		at++;
	if ((size_t)(end - at) < strlen("hosts") || memcmp(at, "hosts", strlen("hosts")) != 0)
		return false;
	at += strlen("hosts");
	while (at < end && is_blank(*at))
		at++;
	if (at == end || *at != ':')
		return false;
	*words = (struct span){ at + 1, (size_t)(end - at - 1) };
	return true;
}

/* The next word in front of a comment; [ACTION] counts as one. */
static bool next_word(struct span *rest, struct span *word)
{
	const char *at = rest->at, *end = rest->at + rest->len, *from;

	while (at < end && is_blank(*at))
		at++;
	from = at;
	if (at == end || *at == '#')
		return false;
	if (*at == '[')
		while (at < end && *at != ']')
			at++;
	while (at < end && !is_blank(*at))
		at++;
	*word = (struct span){ from, (size_t)(at - from) };
	*rest = (struct span){ at, (size_t)(end - at) };
	return true;
}

/*
 * Where banger is asked: after the host's own files, unless an action belongs to them; it knows names in
 * .vm only, so that it is in nobody's way where it is first.
 */
static void add_word(struct span line, struct span words, struct buf *out)
{
	struct span rest = words, word, after;
	const char *at = words.at;

	while (next_word(&rest, &word)) {
		struct span peek = rest;

		if (!is_text(word, "files"))
			continue;
		if (!next_word(&peek, &after) || after.at[0] != '[')
			at = word.at + word.len;
		break;
	}
	buf_add(out, line.at, (size_t)(at - line.at));
	buf_adds(out, " " WORD);
	buf_add(out, at, (size_t)(line.at + line.len - at));
}

static bool has_word(struct span words)
{
	struct span word;

	while (next_word(&words, &word))
		if (is_text(word, WORD))
			return true;
	return false;
}

/* The line without our word, and without the blank in front of it. */
static void drop_word(struct span line, struct span words, struct buf *out)
{
	struct span word;

	while (next_word(&words, &word)) {
		const char *from = word.at;

		if (!is_text(word, WORD))
			continue;
		from -= from > line.at && is_blank(from[-1]);
		buf_add(out, line.at, (size_t)(from - line.at));
		buf_add(out, word.at + word.len, (size_t)(line.at + line.len - word.at - word.len));
		return;
	}
	buf_add(out, line.at, line.len);
}

/* ------------------------------------------------------------------------------------ blocks */

struct block {
	bool found;
	const char *from, *to;	/* the whole block without its last newline */
	struct span was, now;	/* the old line, and the one that counts */
	bool has_was, has_now;
};

static struct fault *broken(void)
{
	return fault_hint(fault_new(F_CORRUPT, "the lines between '" BEGIN "' and '" END
				    "' are not those that banger wrote"),
			  "Remove these lines by hand, and look at the 'hosts' line.");
}

static void look_inside(struct span line, struct block *b)
{
	struct span words;

	if (line.len >= strlen(WAS) && !memcmp(line.at, WAS, strlen(WAS))) {
		b->has_was = true;
		b->was = (struct span){ line.at + strlen(WAS), line.len - strlen(WAS) };
	} else if (hosts_words(line, &words)) {
		b->has_now = true;
		b->now = line;
	}
}

static struct fault *find_block(const char *text, size_t len, struct block *b)
{
	const char *at = text, *end = text + len;
	bool inside = false;
	struct span line;

	*b = (struct block){ 0 };
	while (next_line(&at, end, &line)) {
		if (is_text(line, BEGIN)) {
			if (inside || b->found)
				return broken();
			inside = true;
			b->from = line.at;
		} else if (is_text(line, END)) {
			if (!inside || !b->has_was || !b->has_now)
				return broken();
			inside = false;
			b->found = true;
			b->to = line.at + line.len;
		} else if (inside) {
			look_inside(line, b);
		}
	}
	return inside ? broken() : NULL;
}

/* The one line that counts; F_CORRUPT when there are several, because then nobody knows which. */
static struct fault *find_hosts(const char *text, size_t len, struct span *hosts)
{
	const char *at = text, *end = text + len;
	struct span line, words;
	size_t found = 0;

	while (next_line(&at, end, &line)) {
		if (!hosts_words(line, &words))
			continue;
		*hosts = line;
		found++;
	}
	if (found == 1)
		return NULL;
	return fault_hint(fault_new(F_CORRUPT, found ? "there are several 'hosts' lines"
						     : "there is no 'hosts' line"),
			  "Let there be one, such as: hosts: files dns");
}

struct fault *install_names_text_put(const char *text, size_t len, struct buf *out)
{
	struct span hosts, words;
	struct block b;

	TRY(find_block(text, len, &b));
	TRY(find_hosts(text, len, &hosts));
	if (b.found || (hosts_words(hosts, &words) && has_word(words))) {
		buf_add(out, text, len);
		return NULL;
	}
	buf_add(out, text, (size_t)(hosts.at - text));
	buf_adds(out, BEGIN "\n" WAS);
	buf_add(out, hosts.at, hosts.len);
	buf_addc(out, '\n');
	add_word(hosts, words, out);
	buf_adds(out, "\n" END);
	buf_add(out, hosts.at + hosts.len, (size_t)(text + len - hosts.at - hosts.len));
	return NULL;
}

struct fault *install_names_text_take(const char *text, size_t len, struct buf *out)
{
	AUTO_BUF ours = BUF_INIT;
	struct span words = { 0 };
	struct block b;

	TRY(find_block(text, len, &b));
	if (!b.found) {
		buf_add(out, text, len);
		return NULL;
	}
	buf_add(out, text, (size_t)(b.from - text));
	if (hosts_words(b.was, &words))
		add_word(b.was, words, &ours);
	if (ours.len == b.now.len && !memcmp(ours.data, b.now.at, ours.len)) {
		buf_add(out, b.was.at, b.was.len);
	} else {
		hosts_words(b.now, &words);
		drop_word(b.now, words, out); /* somebody has changed it since: that stays */
	}
	buf_add(out, b.to, (size_t)(text + len - b.to));
	return NULL;
}

/* ------------------------------------------------------------------------------------ the file */

static struct fault *edit(const struct install *in,
			  struct fault *(*how)(const char *, size_t, struct buf *), bool *changed)
{
	AUTO_FREE char *path = xasprintf("%s" NSSWITCH, in->root);

	return fenced_file_edit(path, how, changed);
}

struct fault *install_names_put(const struct install *in, bool *changed)
{
	return edit(in, install_names_text_put, changed);
}

struct fault *install_names_take(const struct install *in, bool *changed)
{
	AUTO_FAULT f = edit(in, install_names_text_take, changed);

	return f && fault_kind(f) == F_NOT_FOUND ? NULL : steal_ptr(&f);
}

static struct fault *refuse_change(const char *text, size_t len, struct buf *out)
{
	struct block b;

	TRY(find_block(text, len, &b));
	buf_add(out, text, len);
	return b.found ? fault_new(F_EXISTS, "there") : NULL;
}

struct fault *install_names_state(const struct install *in, bool *there)
{
	bool changed;
	AUTO_FAULT f = edit(in, refuse_change, &changed);

	*there = f && fault_kind(f) == F_EXISTS;
	return !f || *there || fault_kind(f) == F_NOT_FOUND ? NULL : steal_ptr(&f);
}

const char *install_library_dir(const struct install *in)
{
#if defined(__aarch64__)
	const char *const multiarch = "/usr/lib/aarch64-linux-gnu";
#else
	const char *const multiarch = "/usr/lib/x86_64-linux-gnu";
#endif
	AUTO_FREE char *debian = xasprintf("%s%s", in->root, multiarch);
	AUTO_FREE char *fedora = xasprintf("%s/usr/lib64", in->root);
	struct stat st;

	if (!access(debian, F_OK))
		return multiarch;
	/* Where it is a link, it leads to /usr/lib. */
	return !lstat(fedora, &st) && S_ISDIR(st.st_mode) ? "/usr/lib64" : "/usr/lib";
}
