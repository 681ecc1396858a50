/* SPDX-License-Identifier: MIT */
#include "banger/workspace_options.h"

#include <fcntl.h>
#include <string.h>

#include "banger/output_file.h"
#include "base/file.h"
#include "base/text.h"

static const char *const names[] = { "guest-path", "branch", "from", "mode", "include-untracked",
				     "depth", "no-submodules", "dry-run" };

bool workspace_options_given(const struct invocation *inv)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (option_given(inv, names[i]))
			return true;
	return false;
}

struct fault *workspace_options_read(const struct invocation *inv, const char *path,
				     struct workspace_wish *w)
{
	const char *mode = option_value(inv, "mode");

	*w = (struct workspace_wish){
		.path = path,
		.guest_path = option_value(inv, "guest-path"),
		.branch = option_value(inv, "branch"),
		.from = option_value(inv, "from"),
		.untracked = option_given(inv, "include-untracked"),
		.no_submodules = option_given(inv, "no-submodules"),
		.depth = (unsigned int)option_number(inv, "depth", 0),
	};
	if (w->from && !w->branch)
		return fault_new(F_USAGE, "--from says where a branch begins: it needs --branch");
	if (w->from && w->untracked)
		return fault_new(F_USAGE, "--from sends a commit's files and --include-untracked the working "
				 "tree's: choose one");
	if (w->guest_path && (w->guest_path[0] != '/' || !strcmp(w->guest_path, "/")))
		return fault_new(F_USAGE, "--guest-path: '%s' is not an absolute path of a directory in the "
				 "guest", w->guest_path);
	return mode ? workspace_mode_from(mode, &w->mode) : NULL;
}

struct fault *workspace_print_list(const struct workspace_source *s)
{
	AUTO_BUF text = BUF_INIT;

	for (size_t i = 0; i < s->files.n; i++) {
		if (s->files.v[i].optional)
			continue;
		text_add_printable(&text, s->files.v[i].path, strlen(s->files.v[i].path));
		buf_addc(&text, '\n');
	}
	return print_text(text.data);
}

void workspace_say(const struct invocation *inv, const struct workspace_result *r,
		   const struct workspace_source *s)
{
	AUTO_FREE char *size = text_size(r->bytes ? r->bytes : 1);

	if (inv->quiet)
		return;
	for (size_t i = 0; i < r->notes.n; i++)
		fprintf(stderr, "banger: %s\n", r->notes.v[i]);
	if (r->no_git && r->sent)
		fprintf(stderr, "banger: the image has no git: only the files were copied\n");
	if (!r->sent && !r->removed)
		fprintf(stderr, "banger: %s in the guest is up to date\n", r->guest_path);
	else
		fprintf(stderr, "banger: %llu file%s (%s) went to %s%s%s", (unsigned long long)r->sent,
			r->sent == 1 ? "" : "s", r->bytes ? size : "0B", r->guest_path,
			s->branch ? ", branch " : "", s->branch ? s->branch : "");
	if (r->removed)
		fprintf(stderr, "; %llu removed there", (unsigned long long)r->removed);
	if (r->sent || r->removed)
		fputc('\n', stderr);
}

/* -------------------------------------------------------------------------------------- the way out */

static enum workspace_format format_of(const struct invocation *inv)
{
	const char *name = option_given(inv, "format") ? option_value(inv, "format") : "patch";

	return !strcmp(name, "bundle") ? WORKSPACE_BUNDLE
	       : !strcmp(name, "tar")  ? WORKSPACE_TAR
				       : WORKSPACE_PATCH;
}

static struct fault *copy_out(int from, int to, struct output_file *file)
{
	char data[65536];
	ssize_t n;

	if (lseek(from, 0, SEEK_SET))
		return fault_sys(F_SYS, "reading the changes");
	while ((n = read(from, data, sizeof(data))) > 0)
		TRY(file ? output_file_write(file, data, (size_t)n)
			 : file_write_all(to, data, (size_t)n, "standard output"));
	return n < 0 ? fault_sys(F_SYS, "reading the changes") : NULL;
}

/* Complete, on disk and the user's before anything else happens. */
static struct fault *write_out(struct workspace_export *x, enum workspace_format format,
			       const char *path)
{
	AUTO_FD spool = open(x->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_OUTPUT_FILE file = OUTPUT_FILE_INIT;
	bool to_stdout = !path || !strcmp(path, "-");

	if (spool < 0)
		return fault_sys(F_SYS, "making a temporary file");
	TRY(workspace_export_write(x, format, spool));
	if (to_stdout) {
		fflush(stdout);
		return copy_out(spool, STDOUT_FILENO, NULL);
	}
	TRY(output_file_open(path, &file));
	TRY(copy_out(spool, -1, &file));
	return output_file_commit(&file);
}

static void say_what(const struct invocation *inv, const struct workspace_export *x, const char *path)
{
	if (inv->quiet)
		return;
	fprintf(stderr, "banger: %llu file%s changed, %llu new, %llu removed",
		(unsigned long long)x->changed, x->changed == 1 ? "" : "s", (unsigned long long)x->added,
		(unsigned long long)x->removed);
	if (x->ignored)
		fprintf(stderr, ", %llu ignored", (unsigned long long)x->ignored);
	fprintf(stderr, path && strcmp(path, "-") ? ": %s\n" : "\n", path);
}

static struct fault *apply(const struct invocation *inv, struct workspace_export *x, bool three_way)
{
	const char *root = x->ws->vm.spec.workspace.source;
	struct strings conflicts = { 0 };
	bool already;
	struct fault *f = workspace_apply(x, three_way, &conflicts, &already);

	if (!f && !inv->quiet && !conflicts.n && x->changed + x->added + x->removed)
		fprintf(stderr, already ? "banger: the changes were in %s already: nothing was touched\n"
					: "banger: the changes are in %s\n", root);
	for (size_t i = 0; i < conflicts.n && !f; i++)
		fprintf(stderr, "banger: '%s' was changed on both sides: look for conflict markers\n",
			conflicts.v[i]);
	if (!f && conflicts.n)
		f = fault_new(F_STATE, "%zu file%s in '%s' %s in conflict", conflicts.n,
			      conflicts.n == 1 ? "" : "s", root, conflicts.n == 1 ? "is" : "are");
	strings_release(&conflicts);
	return f;
}

struct fault *workspace_deliver(const struct invocation *inv, struct workspace_export *x,
				const char *file, bool do_apply, bool three_way)
{
	AUTO_FREE char *stat = NULL;
	bool want_stat = inv->command->options && option_given(inv, "stat");

	if (file || (!do_apply && !want_stat))
		TRY(write_out(x, format_of(inv), file));
	if (want_stat) {
		TRY(workspace_export_stat(x, &stat));
		TRY(print_text(stat));
	}
	say_what(inv, x, file);
	return do_apply ? apply(inv, x, three_way) : NULL;
}
