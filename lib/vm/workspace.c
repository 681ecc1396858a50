/* SPDX-License-Identifier: MIT */
#include "vm/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "guest/tree.h"

#define NAMES_SHOWN 5

void workspace_close(struct workspace *ws)
{
	if (ws->own_guest)
		guest_close(ws->guest);
	lock_drop(&ws->lock);
	free(ws->git_dir);
	vm_release(&ws->vm);
	*ws = WORKSPACE_INIT;
}

struct fault *workspace_open(const struct store *s, const struct config *config,
			     struct progress *progress, const char *name, const char *verb,
			     struct guest *guest, int wait_ms, struct workspace *ws)
{
	AUTO_FREE char *what = xasprintf("the workspace of VM '%s'", name);

	TRY(vm_open(s, config, name, &ws->vm));
	ws->vm.progress = progress;
	TRY(vm_need_spec(&ws->vm));
	TRY(lock_take(ws->vm.dir.fd, VM_WORKSPACE_LOCK, LOCK_EXCLUSIVE, what, verb, s->wait_ms,
		      &ws->lock));
	ws->git_dir = xasprintf("%s/" VM_WORKSPACE_GIT, ws->vm.dir.path);
	ws->guest = guest;
	if (guest)
		return NULL;
	TRY(vm_connect(&ws->vm, wait_ms, &ws->guest));
	ws->own_guest = true;
	return NULL;
}

void workspace_result_release(struct workspace_result *r)
{
	strings_release(&r->notes);
	free(r->guest_path);
	*r = (struct workspace_result){ 0 };
}

/* -------------------------------------------------------------------------------------- record */

static void set(char **slot, const char *value)
{
	char *copy = value ? xstrdup(value) : NULL;

	free(*slot);
	*slot = copy;
}

/* Others may have changed the VM's record since: it is read again under its lock. */
static struct fault *write_record(struct workspace *ws, const struct vm_workspace *w)
{
	AUTO_VM vm = VM_INIT;

	TRY(vm_lock(ws->vm.store, ws->vm.config, NULL, ws->vm.dir.name, "workspace", &vm));
	TRY(vm_need_spec(&vm));
	set(&vm.spec.workspace.source, w->source);
	set(&vm.spec.workspace.guest_path, w->guest_path);
	set(&vm.spec.workspace.mode, w->mode);
	set(&vm.spec.workspace.head, w->head);
	set(&vm.spec.workspace.branch, w->branch);
	set(&vm.spec.workspace.base, w->base);
	set(&vm.spec.workspace.incoming, w->incoming);
	set(&vm.spec.workspace.prepared, w->prepared);
	vm.spec.workspace.untracked = w->untracked;
	vm.spec.workspace.no_submodules = w->no_submodules;
	vm.spec.workspace.repository = w->repository;
	return vm_ended(&vm, vm_spec_write(&vm.dir, &vm.spec));
}

struct workspace_wish workspace_wish_of(const struct vm_spec *spec)
{
	const struct vm_workspace *w = &spec->workspace;
	struct workspace_wish wish = { .path = w->source, .guest_path = w->guest_path,
				       .untracked = w->untracked,
				       .no_submodules = w->no_submodules };

	if (w->mode)
		fault_free(workspace_mode_from(w->mode, &wish.mode));
	return wish;
}

bool workspace_moved(const struct vm_spec *spec, char **now)
{
	struct workspace_source s = WORKSPACE_SOURCE_INIT;
	AUTO_FREE char *head = NULL;
	struct git git;
	bool moved = false;

	if (!spec->workspace.source || !spec->workspace.head)
		return false;
	user_real(&s.user);
	s.root = xstrdup(spec->workspace.source);
	git = workspace_source_git(&s);
	if (!access(s.root, F_OK)) {
		AUTO_FAULT f = GIT_ASK(&git, &head, "rev-parse", "--verify", "-q", "HEAD^{commit}");

		moved = !f && head && strcmp(head, spec->workspace.head) != 0;
	}
	if (moved && now)
		*now = steal_ptr(&head);
	workspace_source_release(&s);
	return moved;
}

/* ------------------------------------------------------------------------------------- the base */

struct prepare {
	struct workspace *ws;
	const struct workspace_wish *wish;
	struct workspace_source *source;
	struct workspace_result *result;
	struct git git;		    /* ours */
	struct vm_workspace record; /* borrowed strings: what will be written */
	struct tree_list head;	    /* the commit's files */
	struct tree_list base, incoming; /* what the guest has or may have */
	struct strings shallow;
	char *next; /* the new base commit; owned */
	bool overwrite, first, cut_off, unsure;
	bool deepened; /* older commits than before have come from the host */
};

/* The commit that the working tree is on, with all its files, into our repository. */
static struct fault *take_head(struct prepare *p)
{
	TRY(workspace_take_history(p->ws, p->wish, p->source, &p->shallow, &p->deepened));
	return p->source->head ? git_list(&p->git, p->source->head, &p->head) : NULL;
}

/* With --from the files are the commit's: they are checked out for us to read. */
static struct fault *check_out(struct prepare *p)
{
	AUTO_FREE char *root = xasprintf("%s/from", p->ws->git_dir);
	AUTO_FREE char *index = xasprintf("%s/from-index", p->ws->git_dir);
	struct git git = { .git_dir = p->ws->git_dir, .work_tree = root, .index = index };
	AUTO_FD dir = -1;

	if (!p->wish->from)
		return NULL;
	TRY(tree_remove(AT_FDCWD, root));
	TRY(dir_make_path(root, 0700, &dir));
	TRY(GIT(&git, NULL, "read-tree", p->source->head));
	TRY(GIT(&git, NULL, "checkout-index", "-a", "-q", "-f"));
	free(p->source->root);
	p->source->root = steal_ptr(&root);
	p->source->user.by_sudo = false; /* it is ours to read */
	return NULL;
}

static struct fault *add_content(struct git_import_stream *s, int root, const struct user *user,
				 const struct tree_entry *e);

/* The base: the commit's files with everything that the working tree has otherwise. */
static struct fault *fill_base(struct prepare *p, struct git_import_stream *s, int root)
{
	struct tree_list *files = &p->source->files;

	for (size_t i = 0; i < p->head.n; i++)
		if (!tree_list_find(files, p->head.v[i].path))
			TRY(git_stream_remove(s, p->head.v[i].path));
	for (size_t i = 0; i < files->n; i++) {
		const struct tree_entry *e = &files->v[i];
		const struct tree_entry *same = tree_list_find(&p->head, e->path);

		if (!e->mode || (same && same->mode == e->mode && !strcmp(same->oid, e->oid)))
			continue;
		TRY(add_content(s, root, &p->source->user, e));
	}
	return NULL;
}

static struct fault *make_base(struct prepare *p)
{
	struct git_import_stream s;
	AUTO_FD root = -1;
	struct fault *f;

	user_enter(&p->source->user);
	f = dir_open(AT_FDCWD, p->source->root, &root);
	user_leave(&p->source->user);
	TRY(f);
	TRY(git_stream_begin(&s, p->ws->git_dir, p->source->head));
	f = fill_base(p, &s, root);
	if (!f)
		f = git_stream_commit(&s, &p->git, "incoming", &p->next);
	git_stream_release(&s);
	return f;
}

/* What the commit says of files that are not in the working tree on purpose. */
static void fill_optional(struct prepare *p)
{
	for (size_t i = 0; i < p->source->files.n; i++) {
		struct tree_entry *e = &p->source->files.v[i];
		const struct tree_entry *same = e->mode ? NULL : tree_list_find(&p->head, e->path);

		if (!same)
			continue;
		e->mode = same->mode;
		e->size = same->size;
		memcpy(e->oid, same->oid, sizeof(e->oid));
	}
}

/* What the guest need not have, for the day when its files come back. */
static struct fault *write_absent(struct prepare *p)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_FD dir = -1;

	for (size_t i = 0; i < p->source->files.n; i++)
		if (p->source->files.v[i].optional)
			buf_add(&text, p->source->files.v[i].path,
				strlen(p->source->files.v[i].path) + 1);
	TRY(dir_open(AT_FDCWD, p->ws->git_dir, &dir));
	return file_write_volatile(dir, WORKSPACE_ABSENT, text.data, text.len, 0600);
}

static struct fault *stream_fd(struct git_import_stream *s, int fd, const struct tree_entry *e)
{
	char data[65536];

	for (uint64_t left = e->size; left;) {
		size_t want = left < sizeof(data) ? (size_t)left : sizeof(data);
		ssize_t n = read(fd, data, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", e->path);
		if (!n)
			return fault_new(F_STATE, "'%s' became shorter while it was read", e->path);
		TRY(git_stream_data(s, data, (size_t)n));
		left -= (uint64_t)n;
	}
	return NULL;
}

static struct fault *add_content_of(struct git_import_stream *s, int root,
				    const struct tree_entry *e)
{
	char target[TAR_PATH_MAX + 2];
	AUTO_FD parent = -1;
	AUTO_FD fd = -1;
	const char *last;
	ssize_t n;

	TRY(tree_open_parent(root, e->path, false, &parent, &last));
	TRY(git_stream_file(s, e->mode, e->path, e->size));
	if (e->mode == 0120000) {
		n = readlinkat(parent, last, target, sizeof(target));
		if (n < 0 || (uint64_t)n != e->size)
			return fault_new(F_STATE, "'%s' changed while it was read", e->path);
		return git_stream_data(s, target, (size_t)n);
	}
	fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fault_sys(F_SYS, "reading '%s'", e->path);
	return stream_fd(s, fd, e);
}

static struct fault *add_content(struct git_import_stream *s, int root, const struct user *user,
				 const struct tree_entry *e)
{
	struct fault *f;

	user_enter(user);
	f = add_content_of(s, root, e);
	user_leave(user);
	return f;
}

/* ------------------------------------------------------------------------- what has to be sent */

struct plan {
	struct tree_list send;
	struct strings removals;
	struct strings conflicts;
};

static void plan_release(struct plan *plan)
{
	tree_list_release(&plan->send);
	strings_release(&plan->removals);
	strings_release(&plan->conflicts);
}

static void copy_entry(struct tree_list *to, const struct tree_entry *e)
{
	struct tree_entry *copy = tree_list_add(to, e->path);
	char *path = copy->path;

	*copy = *e;
	copy->path = path;
}

static bool same_entry(const struct tree_entry *a, const struct tree_entry *b)
{
	return a && b && a->mode == b->mode && !strcmp(a->oid, b->oid);
}

/*
 * Did no copy since the last whole one bring another content?  Then the guest has what it was sent, or
 * changed it itself.  Of several copies that were cut off only the last one's content is known.
 */
static bool is_settled(const struct prepare *p, const struct tree_entry *e)
{
	if (p->first || p->unsure || !same_entry(e, tree_list_find(&p->base, e->path)))
		return false;
	return !p->cut_off || same_entry(e, tree_list_find(&p->incoming, e->path));
}

/* Files that the host changed since, and those of which it is not sure what the guest has. */
static void choose(const struct prepare *p, struct tree_list *now, struct tree_list *gone)
{
	for (size_t i = 0; i < p->source->files.n; i++) {
		const struct tree_entry *e = &p->source->files.v[i];

		if (!e->optional && !is_settled(p, e))
			copy_entry(now, e);
	}
	for (size_t i = 0; i < p->base.n; i++)
		if (!tree_list_find(&p->source->files, p->base.v[i].path))
			copy_entry(gone, &p->base.v[i]);
	for (size_t i = 0; i < p->incoming.n; i++)
		if (!tree_list_find(&p->source->files, p->incoming.v[i].path) &&
		    !tree_list_find(&p->base, p->incoming.v[i].path))
			copy_entry(gone, &p->incoming.v[i]);
	tree_list_sort(gone);
}

/* The paths of @list that the guest has otherwise ('M') or not at all ('D'). */
static struct fault *ask(struct prepare *p, const struct tree_list *list, char what,
			 struct tree_list *out, bool *absent)
{
	AUTO_BUF answer = BUF_INIT;
	struct workspace_change c;
	size_t at = 0;
	bool got;

	TRY(workspace_compare(p->ws, p->record.guest_path, list, false, &answer, absent));
	for (;;) {
		const struct tree_entry *e;

		TRY(workspace_next_change(&answer, &at, &c, &got));
		if (!got)
			break;
		e = tree_list_find(list, c.path);
		if (!e)
			return fault_new(F_GUEST, "the guest speaks of a file that was not asked for");
		if (what == '*' || c.what == what)
			copy_entry(out, e);
	}
	tree_list_sort(out);
	return NULL;
}

/*
 * Of the files in @wanted, which the guest has otherwise than the host now, those are in conflict that
 * are not what was sent to it before either.
 */
static struct fault *find_conflicts(struct prepare *p, const struct tree_list *wanted,
				    struct strings *conflicts)
{
	struct tree_list base = { 0 }, incoming = { 0 }, other = { 0 }, other_too = { 0 };
	bool absent;
	struct fault *f = NULL;

	for (size_t i = 0; i < wanted->n; i++) {
		const char *path = wanted->v[i].path;
		const struct tree_entry *b = tree_list_find(&p->base, path);
		const struct tree_entry *n = tree_list_find(&p->incoming, path);

		copy_entry(&base, b ? b : &wanted->v[i]);
		copy_entry(&incoming, n ? n : b ? b : &wanted->v[i]);
	}
	f = ask(p, &base, 'M', &other, &absent);
	if (!f && p->incoming.n)
		f = ask(p, &incoming, 'M', &other_too, &absent);
	for (size_t i = 0; i < other.n && !f; i++)
		if (!p->incoming.n || tree_list_find(&other_too, other.v[i].path))
			strings_add(conflicts, other.v[i].path);
	tree_list_release(&base);
	tree_list_release(&incoming);
	tree_list_release(&other);
	tree_list_release(&other_too);
	return f;
}

static struct fault *make_plan(struct prepare *p, struct plan *plan)
{
	struct tree_list now = { 0 }, gone = { 0 }, still = { 0 };
	bool absent = false;
	struct fault *f;

	choose(p, &now, &gone);
	f = ask(p, &now, '*', &plan->send, &absent);
	if (!f && absent) { /* somebody removed the whole directory: as for the first time */
		tree_list_release(&plan->send);
		for (size_t i = 0; i < p->source->files.n; i++)
			if (!p->source->files.v[i].optional)
				copy_entry(&plan->send, &p->source->files.v[i]);
		p->first = true;
	} else if (!f) {
		f = find_conflicts(p, &plan->send, &plan->conflicts);
		if (!f && gone.n)
			f = find_conflicts(p, &gone, &plan->conflicts);
		for (size_t i = 0; i < gone.n; i++)
			strings_add(&plan->removals, gone.v[i].path);
	}
	tree_list_release(&now);
	tree_list_release(&gone);
	tree_list_release(&still);
	return f;
}

static struct fault *refuse_conflicts(const struct prepare *p, const struct plan *plan)
{
	AUTO_BUF names = BUF_INIT;

	if (!plan->conflicts.n || p->overwrite)
		return NULL;
	for (size_t i = 0; i < plan->conflicts.n && i < NAMES_SHOWN; i++) {
		buf_adds(&names, i ? ", " : "");
		text_add_printable(&names, plan->conflicts.v[i], strlen(plan->conflicts.v[i]));
	}
	if (plan->conflicts.n > NAMES_SHOWN)
		buf_addf(&names, " and %zu more", plan->conflicts.n - NAMES_SHOWN);
	return fault_hint(fault_new(F_STATE, "%zu file%s to be sent %s changed in the guest: %s",
				    plan->conflicts.n, plan->conflicts.n == 1 ? "" : "s",
				    plan->conflicts.n == 1 ? "was" : "were", names.data),
			  "Fetch the guest's changes first: banger vm workspace export %s --output FILE; "
			  "then send again with --overwrite.", p->ws->vm.dir.name);
}

/* ------------------------------------------------------------------------------- the repository */

static struct fault *guest_has_git(struct prepare *p, bool *yes)
{
	static const char *const argv[] = { "git", "--version", NULL };
	int status;

	TRY(workspace_guest_run(p->ws, "/", argv, &status, NULL));
	*yes = status == 0;
	return NULL;
}

static struct fault *make_index(struct prepare *p)
{
	AUTO_FREE char *index = xasprintf("%s/guest-index", p->ws->git_dir);
	/* git wants a work tree for the bits below, though it looks at no file of it. */
	struct git git = { .git_dir = p->ws->git_dir, .index = index, .work_tree = p->ws->git_dir };
	AUTO_FD list = -1;
	AUTO_BUF skip = BUF_INIT;

	if (unlink(index) && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s'", index);
	if (!p->source->head)
		return NULL;
	TRY(GIT(&git, NULL, "read-tree", p->source->head));
	for (size_t i = 0; i < p->source->files.n && p->wish->mode != WORKSPACE_METADATA_ONLY; i++)
		if (p->source->files.v[i].optional)
			buf_add(&skip, p->source->files.v[i].path,
				strlen(p->source->files.v[i].path) + 1);
	if (!skip.len)
		return NULL;
	list = open(p->ws->git_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (list < 0)
		return fault_sys(F_SYS, "making a temporary file");
	TRY(file_write_all(list, skip.data, skip.len, "a list of files"));
	if (lseek(list, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping a list of files");
	return git_run(&git, (const char *const[]){ "update-index", "-z", "--skip-worktree", "--stdin",
						    NULL }, list, NULL, -1);
}

/*
 * The host's branch moved on: so does the guest's, unless it has commits of its own.  Its files are not
 * touched: they have been made what they should be.
 */
static struct fault *move_guest_head(struct prepare *p, const char *old)
{
	const char *ask_head[] = { "git", "rev-parse", "--verify", "-q", "HEAD", NULL };
	const char *reset[] = { "git", "-c", "core.hooksPath=/dev/null", "reset", "-q", "--mixed",
				p->source->head, NULL };
	AUTO_FREE char *head = NULL;
	int status;

	TRY(workspace_guest_run(p->ws, p->record.guest_path, ask_head, &status, &head));
	if (!old || !status) {
		if (old && strcmp(head, old) && strcmp(head, p->source->head)) {
			strings_add(&p->result->notes, "the guest has commits of its own: its branch "
						       "stays where it is");
			return NULL;
		}
	}
	TRY(workspace_guest_run(p->ws, p->record.guest_path, reset, &status, NULL));
	if (status)
		return fault_new(F_GUEST, "git in the guest could not move to commit %.12s",
				 p->source->head);
	return NULL;
}

/* -------------------------------------------------------------------------------------- prepare */

static struct fault *send(struct prepare *p, const struct plan *plan)
{
	const struct vm_workspace *old = &p->ws->vm.spec.workspace;
	bool moved = old->head && p->source->head && strcmp(old->head, p->source->head) != 0;
	struct workspace_send out = { .ws = p->ws, .source = p->source,
				      .guest_path = p->record.guest_path, .files = &plan->send,
				      .removals = &plan->removals, .shallow = &p->shallow };
	bool fresh = p->first || !old->repository || !old->base;
	bool git = false;

	if (p->source->repository && (fresh || moved || p->deepened)) {
		TRY(guest_has_git(p, &git));
		p->result->no_git = !git;
		out.repository = git && (fresh || !old->head);
	}
	p->record.repository = out.repository || old->repository;
	if (p->wish->mode == WORKSPACE_METADATA_ONLY && p->result->no_git)
		return fault_new(F_UNSUPPORTED, "the image has no git: there is nothing to send with "
				 "--mode metadata_only");
	if (out.repository)
		TRY(make_index(p));
	progress_stage(p->ws->vm.progress, "sending %zu file%s", plan->send.n,
		       plan->send.n == 1 ? "" : "s");
	if ((moved || p->deepened) && git && !fresh)
		TRY(workspace_send_objects(&out));
	if (plan->send.n || plan->removals.n || out.repository || p->first)
		TRY(workspace_send_all(&out));
	p->result->sent = plan->send.n;
	p->result->removed = plan->removals.n;
	p->result->bytes = out.bytes;
	return moved && git && !fresh ? move_guest_head(p, old->head) : NULL;
}

static struct fault *load_known(struct prepare *p)
{
	const struct vm_workspace *old = &p->ws->vm.spec.workspace;
	bool same = old->guest_path && !strcmp(old->guest_path, p->record.guest_path);

	p->first = !same || !old->base || !git_has_commit(&p->git, old->base);
	p->cut_off = same && old->incoming && git_has_commit(&p->git, old->incoming);
	p->unsure = p->cut_off && old->incoming_again;
	if (!p->first)
		TRY(git_list(&p->git, old->base, &p->base));
	return p->cut_off ? git_list(&p->git, old->incoming, &p->incoming) : NULL;
}

/* The one that was asked for, the one of the last time, or "repo" in the home of the VM's user. */
static struct fault *choose_guest_path(struct prepare *p)
{
	const struct vm_spec *spec = &p->ws->vm.spec;
	const char *path = p->wish->guest_path ? p->wish->guest_path : spec->workspace.guest_path;
	const char *where[] = { "pwd", NULL };
	AUTO_FREE char *home = NULL;
	int status;

	if (!path && (!spec->user || !strcmp(spec->user, "root")))
		path = WORKSPACE_GUEST_PATH;
	if (path) {
		p->result->guest_path = xstrdup(path);
		return NULL;
	}
	TRY(workspace_guest_run(p->ws, NULL, where, &status, &home));
	if (status || home[0] != '/' || !home[1] || strchr(home, '\n'))
		return fault_hint(fault_new(F_INVALID, "user '%s' of the guest has no home directory for a "
					    "workspace", spec->user),
				  "Name a directory that this user may write: --guest-path DIR");
	p->result->guest_path = xasprintf("%s/repo", home);
	return NULL;
}

static void fill_record(struct prepare *p)
{
	struct vm_workspace *r = &p->record;

	*r = (struct vm_workspace){
		.source = p->source->root,
		.guest_path = p->result->guest_path,
		.mode = (char *)(uintptr_t)workspace_mode_name(p->wish->mode),
		.head = p->source->head,
		.branch = p->source->branch,
		.untracked = p->wish->untracked,
		.no_submodules = p->wish->no_submodules,
	};
}

static struct fault *copy_in(struct prepare *p)
{
	const struct vm_workspace *old = &p->ws->vm.spec.workspace;
	struct vm_workspace intent;
	struct plan plan = { .send = { 0 } };
	struct fault *f;

	TRY(make_base(p));
	fill_optional(p);
	TRY(write_absent(p));
	TRY(load_known(p));
	f = make_plan(p, &plan);
	if (!f)
		f = refuse_conflicts(p, &plan);
	/* Until all is there the record says what was there before, and what is coming. */
	intent = *old;
	if (p->first) {
		intent = p->record;
		intent.base = intent.prepared = NULL;
		intent.repository = false;
	}
	intent.incoming = p->next;
	intent.incoming_again = p->cut_off;
	if (!f)
		f = write_record(p->ws, &intent);
	if (!f)
		f = send(p, &plan);
	plan_release(&plan);
	TRY(f);
	p->record.base = p->next;
	p->record.prepared = text_time(time(NULL));
	f = write_record(p->ws, &p->record);
	free(p->record.prepared);
	return f;
}

static struct fault *prepare(struct prepare *p)
{
	AUTO_FREE char *source_root = xstrdup(p->source->root);
	struct fault *f;

	TRY(git_make(p->ws->git_dir, NULL));
	TRY(take_head(p));
	TRY(check_out(p));
	progress_stage(p->ws->vm.progress, "reading %s", source_root);
	if (p->wish->mode != WORKSPACE_METADATA_ONLY) /* else the commit says it all */
		TRY(workspace_source_read(p->source));
	TRY(choose_guest_path(p));
	fill_record(p);
	p->record.source = source_root;
	f = copy_in(p);
	if (p->wish->from)
		f = fault_attach(f, tree_remove(AT_FDCWD, p->source->root));
	return f;
}

struct fault *workspace_prepare(struct workspace *ws, const struct workspace_wish *wish,
				struct workspace_source *source, bool overwrite,
				struct workspace_result *result)
{
	struct prepare p = { .ws = ws, .wish = wish, .source = source, .result = result,
			     .git = { .git_dir = ws->git_dir }, .overwrite = overwrite };
	struct fault *f = prepare(&p);

	for (size_t i = 0; i < source->notes.n && !f; i++)
		strings_add(&result->notes, source->notes.v[i]);
	tree_list_release(&p.head);
	tree_list_release(&p.base);
	tree_list_release(&p.incoming);
	strings_release(&p.shallow);
	free(p.next);
	return f;
}
