/* SPDX-License-Identifier: MIT */
#include "vm/workspace_git.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/spawn.h"

#define OUTPUT_MAX  (256u << 20)
#define STREAM_ROOM 65536
/* Large files go through git as a stream instead of as a whole, and packs are not mapped as a whole.  Not for
 * what compares them. */
#define LITTLE_MEMORY                                                                              \
	"-c", "core.bigFileThreshold=16m", "-c", "pack.windowMemory=16m", "-c",                    \
		"core.packedGitWindowSize=16m", "-c", "core.packedGitLimit=64m"

/* ------------------------------------------------------------------------------------- running */

/* No variable of git's own reaches it: they could name another repository or program. */
static void make_env(const struct git *g, struct strings *env)
{
	static const char *const fixed[] = {
		"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_ATTR_NOSYSTEM=1", "LC_ALL=C",
	};

	for (char **e = environ; *e; e++)
		if (strncmp(*e, "GIT_", 4) && strncmp(*e, "LC_ALL=", 7) &&
		    (strncmp(*e, "HOME=", 5) || !g->as || !g->as->by_sudo))
			strings_add(env, *e);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		strings_add(env, fixed[i]);
	if (g->as && g->as->by_sudo && g->as->home) {
		AUTO_FREE char *home = xasprintf("HOME=%s", g->as->home);

		strings_add(env, home);
	}
	if (g->git_dir) {
		strings_add(env, "GIT_CONFIG_NOSYSTEM=1");
		strings_add(env, "GIT_CONFIG_GLOBAL=/dev/null");
	}
	if (g->index) {
		AUTO_FREE char *index = xasprintf("GIT_INDEX_FILE=%s", g->index);

		strings_add(env, index);
	}
}

static void make_argv(const struct git *g, const char *const *arguments, struct strings *argv)
{
	static const char *const quiet[] = {
		"git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
		"-c", "core.untrackedCache=false", "-c", "protocol.allow=never",
		"-c", "safe.directory=*", "-c", "gc.auto=0", "-c", "core.quotePath=false",
		"-c", "color.ui=false", "-c", "advice.detachedHead=false",
	};

	for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
		strings_add(argv, quiet[i]);
	if (g->git_dir) {
		AUTO_FREE char *dir = xasprintf("--git-dir=%s", g->git_dir);

		strings_add(argv, dir);
	}
	if (g->git_dir && g->work_tree) {
		AUTO_FREE char *tree = xasprintf("--work-tree=%s", g->work_tree);

		strings_add(argv, tree);
	}
	while (*arguments)
		strings_add(argv, *arguments++);
}

static struct fault *say_what_is_missing(struct fault *f)
{
	if (f && fault_kind(f) == F_MISSING)
		return fault_hint(f, "Workspaces need git on this machine: apt-get install git");
	return f;
}

struct fault *git_run(const struct git *g, const char *const *arguments, int in, struct buf *out,
		      int out_fd)
{
	struct strings argv = { 0 }, env = { 0 };
	struct spawn s = { .cwd = g->cwd ? g->cwd : g->git_dir, .as = g->as, .in = in,
			   .out = out_fd, .err = SPAWN_NULL };
	struct fault *f;

	make_env(g, &env);
	make_argv(g, arguments, &argv);
	s.argv = (const char *const *)argv.v;
	s.env = (const char *const *)env.v;
	f = spawn_run(&s, out, OUTPUT_MAX);
	strings_release(&argv);
	strings_release(&env);
	return say_what_is_missing(f);
}

static void chomp(struct buf *b)
{
	if (b->len && b->data[b->len - 1] == '\n')
		b->data[--b->len] = '\0';
}

struct fault *git_line(const struct git *g, char **line, const char *const *arguments)
{
	AUTO_BUF out = BUF_INIT;

	TRY(git_run(g, arguments, -1, &out, -1));
	chomp(&out);
	*line = buf_steal(&out);
	return NULL;
}

static bool is_no(const struct fault *f)
{
	return f && fault_kind(f) == F_TOOL && !strcmp(fault_message(f), "'git' failed with status 1");
}

struct fault *git_ask(const struct git *g, char **line, const char *const *arguments)
{
	struct fault *f = git_line(g, line, arguments);

	if (!is_no(f))
		return f;
	fault_free(f);
	*line = NULL;
	return NULL;
}

struct fault *git_run_matching(const struct git *g, const char *const *arguments, int in,
			       struct buf *out)
{
	struct fault *f = git_run(g, arguments, in, out, -1);

	if (!is_no(f))
		return f;
	fault_free(f);
	return NULL;
}

/* --------------------------------------------------------------------------------- repositories */

static struct fault *write_text(int dir, const char *name, const char *text)
{
	return file_write_volatile(dir, name, text, strlen(text), 0600);
}

struct fault *git_make(const char *path, const char *borrow)
{
	static const char *const parts[] = { "objects", "objects/info", "objects/pack", "refs",
					     "info" };
	AUTO_FREE char *alternates = borrow ? xasprintf("%s/objects\n", borrow) : NULL;
	AUTO_FD dir = -1;
	AUTO_FD info = -1;
	AUTO_FD objects = -1;

	TRY(dir_make_path(path, 0700, &dir));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (mkdirat(dir, parts[i], 0700) && errno != EEXIST)
			return fault_sys(F_SYS, "making '%s/%s'", path, parts[i]);
	TRY(write_text(dir, "HEAD", "ref: refs/heads/none\n"));
	TRY(write_text(dir, "config",
		       "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
		       "[gc]\n\tauto = 0\n"));
	TRY(dir_open(dir, "info", &info));
	/* Every file byte for byte, whatever its attributes in the repository say. */
	TRY(write_text(info, "attributes", "* -text -eol -ident -filter -working-tree-encoding "
					   "-export-ignore -export-subst diff=default\n"));
	TRY(dir_open(dir, "objects/info", &objects));
	return alternates ? write_text(objects, "alternates", alternates) : NULL;
}

/* ---------------------------------------------------------------------------------- importing */

/*
 * The commits at the edge, whose parents stay behind.  @depth 1 needs no walk; otherwise the graph is
 * walked level by level.
 */
struct fault *git_edge(const struct git *from, const char *oid, unsigned int depth,
		       struct strings *edge, size_t *seen)
{
	struct strings level = { 0 };
	struct fault *f = NULL;

	strings_add(&level, oid);
	for (unsigned int i = 1; i < depth && level.n && !f; i++) {
		struct strings argv = { 0 }, next = { 0 };
		AUTO_BUF out = BUF_INIT;
		char *at;

		strings_add(&argv, "rev-list");
		strings_add(&argv, "--parents");
		strings_add(&argv, "--no-walk=unsorted");
		for (size_t k = 0; k < level.n; k++)
			strings_add(&argv, level.v[k]);
		f = git_run(from, (const char *const *)argv.v, -1, &out, -1);
		at = out.data;
		/* Lines "commit parent parent": the parents are the next level. */
		for (char *line = strsep(&at, "\n"); line && !f; line = strsep(&at, "\n")) {
			char *word = strsep(&line, " ");

			while (line && (word = strsep(&line, " ")))
				strings_add(&next, word);
		}
		strings_release(&argv);
		if (seen)
			*seen += level.n;
		strings_release(&level);
		level = next;
	}
	for (size_t i = 0; i < level.n && !f; i++)
		strings_add(edge, level.v[i]);
	strings_release(&level);
	return f;
}

/* "pack-<hex>" out of what index-pack prints ("pack\t<hex>"). */
static char *pack_name(const struct buf *out)
{
	const char *tab = strchr(out->data, '\t');

	return tab ? xasprintf("pack-%.*s", (int)strspn(tab + 1, "0123456789abcdef"), tab + 1)
		   : NULL;
}

static struct fault *store_pack(const struct git *to, int pack_fd, char **pack)
{
	AUTO_BUF out = BUF_INIT;

	if (lseek(pack_fd, 0, SEEK_SET))
		return fault_sys(F_SYS, "reading a pack");
	TRY(git_run(to, (const char *const[]){ LITTLE_MEMORY, "index-pack", "--stdin", NULL }, pack_fd,
		    &out, -1));
	if (pack)
		*pack = pack_name(&out);
	return NULL;
}

struct fault *git_import(const struct git *from, const struct git *to, const char *oid,
			 unsigned int depth, const char *have, struct strings *shallow, char **pack)
{
	const char *const shallow_pack[] = { LITTLE_MEMORY, "pack-objects", "--revs", "--stdout", "-q",
					     "--delta-base-offset", "--shallow", NULL };
	AUTO_FD wishes = memfd_create("revisions", MFD_CLOEXEC);
	AUTO_FD stream = open(to->git_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_FREE char *follows = NULL;
	AUTO_BUF text = BUF_INIT;
	size_t known = shallow->n; /* of other imports: they may be strange to this repository */

	if (wishes < 0 || stream < 0)
		return fault_sys(F_SYS, "making a temporary file");
	if (have) /* what follows on it has its history there */
		TRY(GIT_ASK(from, &follows, "merge-base", "--is-ancestor", have, oid));
	if (depth && !follows)
		TRY(git_edge(from, oid, depth, shallow, NULL));
	for (size_t i = known; i < shallow->n; i++)
		buf_addf(&text, "--shallow %s\n", shallow->v[i]);
	if (have)
		buf_addf(&text, "--shallow %s\n", have);
	buf_addf(&text, "%s\n", oid);
	if (have)
		buf_addf(&text, "^%s\n", have);
	TRY(file_write_all(wishes, text.data, text.len, "revisions"));
	if (lseek(wishes, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping revisions");
	TRY(git_run(from, shallow_pack, wishes, NULL, stream));
	return store_pack(to, stream, pack);
}

bool git_has_commit(const struct git *g, const char *oid)
{
	AUTO_FREE char *object = xasprintf("%s^{commit}", oid);
	AUTO_FAULT f = GIT(g, NULL, "cat-file", "-e", object);

	return !f;
}

static struct fault *list_record(const char *record, struct tree_list *l)
{
	const char *tab = strchr(record, '\t');
	char oid[TREE_OID_HEX + 1], type[8], size[24];
	struct tree_entry *e;
	unsigned int mode;

	if (!tab || sscanf(record, "%o %7s %40s %23s", &mode, type, oid, size) != 4)
		return fault_new(F_TOOL, "git listed '%.100s'", record);
	if (strcmp(type, "blob"))
		return NULL;
	e = tree_list_add(l, tab + 1);
	e->mode = mode == 0100664 ? 0100644 : mode;
	e->size = strtoull(size, NULL, 10);
	memcpy(e->oid, oid, sizeof(oid));
	return NULL;
}

struct fault *git_list(const struct git *g, const char *commit, struct tree_list *l)
{
	AUTO_BUF out = BUF_INIT;

	TRY(GIT(g, &out, "ls-tree", "-r", "-z", "-l", "--full-tree", commit));
	for (size_t at = 0; at < out.len; at += strlen(out.data + at) + 1)
		TRY(list_record(out.data + at, l));
	tree_list_sort(l);
	return NULL;
}

/* ------------------------------------------------------------------------------ making commits */

static struct fault *stream_flush(struct git_import_stream *s, size_t keep)
{
	struct fault *f;

	if (s->out.len <= keep)
		return NULL;
	f = file_write_all(s->fd, s->out.data, s->out.len, "changed files");
	buf_clear(&s->out);
	return f;
}

struct fault *git_stream_begin(struct git_import_stream *s, const char *dir, const char *parent)
{
	*s = (struct git_import_stream){ .fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600),
					 .out = BUF_INIT };
	if (s->fd < 0)
		return fault_sys(F_SYS, "making a temporary file in '%s'", dir);
	buf_adds(&s->out, "feature done\nreset refs/banger/new\n\ncommit refs/banger/new\n"
			  "committer banger <banger@localhost> 0 +0000\ndata 0\n");
	if (parent)
		buf_addf(&s->out, "from %s\n", parent);
	return NULL;
}

void git_stream_release(struct git_import_stream *s)
{
	fd_close(s->fd);
	s->fd = -1;
	buf_release(&s->out);
}

/* In C's quotes: a name may hold anything but NUL. */
static void add_path(struct buf *b, const char *path)
{
	buf_addc(b, '"');
	for (; *path; path++) {
		if (*path == '"' || *path == '\\')
			buf_addc(b, '\\');
		if (*path == '\n')
			buf_adds(b, "\\n");
		else
			buf_addc(b, *path);
	}
	buf_adds(b, "\"\n");
}

struct fault *git_stream_file(struct git_import_stream *s, uint32_t mode, const char *path,
			      uint64_t size)
{
	buf_addf(&s->out, "M %o inline ", mode);
	add_path(&s->out, path);
	buf_addf(&s->out, "data %llu\n", (unsigned long long)size);
	return NULL;
}

struct fault *git_stream_data(struct git_import_stream *s, const void *data, size_t len)
{
	buf_add(&s->out, data, len);
	return stream_flush(s, STREAM_ROOM);
}

struct fault *git_stream_remove(struct git_import_stream *s, const char *path)
{
	buf_adds(&s->out, "D ");
	add_path(&s->out, path);
	return stream_flush(s, STREAM_ROOM);
}

struct fault *git_stream_commit(struct git_import_stream *s, const struct git *g, const char *name,
				char **oid)
{
	const char *const import[] = { LITTLE_MEMORY, "fast-import", "--quiet", "--force", "--done",
				       NULL };
	AUTO_FREE char *ref = xasprintf("refs/banger/%s", name);
	AUTO_FREE char *made = NULL;

	buf_adds(&s->out, "\ndone\n");
	TRY(stream_flush(s, 0));
	if (lseek(s->fd, 0, SEEK_SET))
		return fault_sys(F_SYS, "reading the changed files");
	TRY(git_run(g, import, s->fd, NULL, -1));
	TRY(GIT_LINE(g, &made, "rev-parse", "--verify", "refs/banger/new"));
	TRY(GIT(g, NULL, "update-ref", ref, made));
	*oid = steal_ptr(&made);
	return NULL;
}
