/* SPDX-License-Identifier: MIT */
/* workspace_guest.c - what workspaces ask the guest.  Its answers are hostile. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/tree.h"
#include "vm/workspace.h"

#define OUTPUT_MAX 65536

/* A file in memory that cannot become larger than @max. */
static struct fault *bounded(size_t max, int *fd)
{
	*fd = memfd_create("answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, (off_t)max) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))
		return fault_sys(F_SYS, "keeping the guest's answer");
	return NULL;
}

static struct fault *read_back(int fd, struct buf *out)
{
	off_t len = lseek(fd, 0, SEEK_CUR);

	if (len < 0 || lseek(fd, 0, SEEK_SET))
		return fault_sys(F_SYS, "reading the guest's answer");
	if (read(fd, buf_grow(out, (size_t)len), (size_t)len) != len)
		return fault_sys(F_SYS, "reading the guest's answer");
	out->len += (size_t)len;
	out->data[out->len] = '\0';
	return NULL;
}

struct fault *workspace_compare(struct workspace *ws, const char *guest_path,
				const struct tree_list *l, bool all, struct buf *answer,
				bool *absent)
{
	const char *argv[] = { "compare", guest_path, all ? "all" : "listed", NULL };
	AUTO_FD list = memfd_create("list", MFD_CLOEXEC);
	AUTO_FD out = -1;
	AUTO_BUF text = BUF_INIT;

	tree_list_write(l, &text);
	if (list < 0)
		return fault_sys(F_SYS, "keeping a list of files");
	TRY(file_write_all(list, text.data, text.len, "a list of files"));
	if (lseek(list, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping a list of files");
	TRY(bounded(TREE_COMPARE_MAX + 65536, &out));
	TRY(guest_builtin(ws->guest, argv, ws->vm.spec.user, list, out, NULL));
	TRY(read_back(out, answer));
	*absent = answer->len == 3 && !memcmp(answer->data, "A ", 3);
	if (*absent)
		buf_clear(answer);
	if (answer->len && answer->data[answer->len - 1])
		return fault_new(F_GUEST, "the guest's list of changed files was cut off");
	return NULL;
}

/* Code points that HFS+ ignores in names: U+200C..206F and U+FEFF. */
static bool has_ignorable(const char *part, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++)
		if (((unsigned char)part[i] == 0xe2 && ((unsigned char)part[i + 1] == 0x80 ||
							(unsigned char)part[i + 1] == 0x81)) ||
		    ((unsigned char)part[i] == 0xef && (unsigned char)part[i + 1] == 0xbb &&
		     (unsigned char)part[i + 2] == 0xbf))
			return true;
	return false;
}

/* ".git" as any file system may read it: other case, trailing dots and blanks, streams, short names. */
static bool is_dot_git(const char *part, size_t len)
{
	if (len >= 5 && !strncasecmp(part, "git~", 4) && part[4] >= '0' && part[4] <= '9')
		return true;
	if (len >= 4 && has_ignorable(part, len)) {
		char bare[16];
		size_t n = 0;

		for (size_t i = 0; i < len && n < sizeof(bare) - 1; i++)
			if (!((unsigned char)part[i] & 0x80))
				bare[n++] = part[i];
		return is_dot_git(bare, n);
	}
	if (len < 4 || strncasecmp(part, ".git", 4))
		return false;
	for (size_t i = 4; i < len; i++) {
		if (part[i] == ':')
			return true;
		if (part[i] != '.' && part[i] != ' ')
			return false;
	}
	return true;
}

static bool path_is_good(const char *path)
{
	AUTO_FREE char *name = NULL;
	AUTO_FAULT f = tree_name(path, &name);

	if (f || strcmp(name, path) || strlen(path) > TAR_PATH_MAX)
		return false;
	for (const char *part = path; *part;) {
		size_t len = strcspn(part, "/");

		if (is_dot_git(part, len))
			return false;
		part += len + (part[len] == '/');
	}
	return true;
}

struct fault *workspace_check_path(const char *path)
{
	AUTO_BUF shown = BUF_INIT;

	if (path_is_good(path))
		return NULL;
	text_add_printable(&shown, path, strnlen(path, 200));
	return fault_new(F_GUEST, "the guest has a file named '%s', which may not be in a repository: "
			 "refused", shown.data);
}

/* ".gitmodules" as any file system may read it, short names included: git takes no link of that name. */
static bool is_dot_gitmodules(const char *last)
{
	char bare[16] = "";
	size_t n = 0;

	for (const char *c = last; *c && n < sizeof(bare) - 1; c++)
		if (!((unsigned char)*c & 0x80))
			bare[n++] = *c;
	bare[strcspn(bare, ":")] = '\0';
	for (n = strlen(bare); n && (bare[n - 1] == '.' || bare[n - 1] == ' '); n--)
		bare[n - 1] = '\0';
	return !strcasecmp(bare, ".gitmodules") || !strncasecmp(bare, "gitmod~", 7) ||
	       (!strncasecmp(bare, "gi7eb", 5) && strchr(bare, '~'));
}

struct fault *workspace_check_link(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_BUF shown = BUF_INIT;

	if (!is_dot_gitmodules(slash ? slash + 1 : path))
		return NULL;
	text_add_printable(&shown, path, strnlen(path, 200));
	return fault_hint(fault_new(F_GUEST, "in the guest '%s' is a symbolic link, which git accepts in no "
				    "repository: refused", shown.data),
			  "Make it a file again in the guest, or remove it there.");
}

struct fault *workspace_next_change(const struct buf *answer, size_t *at, struct workspace_change *c,
				    bool *got)
{
	const char *record = answer->data + *at;
	unsigned long long size = 0;
	unsigned int mode = 0;
	int used = 0;

	*got = *at < answer->len;
	if (!*got)
		return NULL;
	*at += strlen(record) + 1;
	if (!strncmp(record, "D ", 2))
		used = 2;
	else if (sscanf(record, "%*[MN] %6o %19llu %n", &mode, &size, &used) != 2 || !used ||
		 (mode != 0100644 && mode != 0100755 && mode != 0120000))
		return fault_new(F_GUEST, "the guest's list of changed files is malformed");
	*c = (struct workspace_change){ record[0], mode, size, record + used };
	return NULL;
}

struct fault *workspace_guest_run(struct workspace *ws, const char *cwd, const char *const *argv,
				  int *status, char **out)
{
	struct guest_status end = { 0 };
	AUTO_FREE char *message = NULL;
	AUTO_BUF text = BUF_INIT;
	AUTO_FD fd = -1, nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct guest_exec e = { .argv = argv, .user = ws->vm.spec.user, .cwd = cwd, .in = -1,
				.err = nowhere, .resize_fd = -1, 
				.timeout_ms = WORKSPACE_RUN_MS };

	TRY(bounded(OUTPUT_MAX, &fd));
	e.out = fd;
	TRY(guest_exec_run(ws->guest, &e, &end));
	message = end.message;
	TRY(cancel_check());
	if (end.how == GUEST_TIMED_OUT)
		return fault_new(F_TIMEOUT, "'%s' did not end in the guest", argv[0]);
	*status = guest_exit_code(&end);
	TRY(read_back(fd, &text));
	if (out) {
		while (text.len && text.data[text.len - 1] == '\n')
			text.data[--text.len] = '\0';
		*out = buf_steal(&text);
	}
	return NULL;
}

/* Run in the guest by its own shell: what a user would type there.  $2: the log. */
static const char tools_script[] =
	"PATH=$PATH:$HOME/.local/bin\n" /* where its installer puts it */
	"command -v mise > /dev/null 2>&1 || exit 3\n"
	"log=$2\n"
	"case $log in '~'/*) log=$HOME/${log#*/} ;; esac\n"
	"mkdir -p \"${log%/*}\"\n"
	"install() { mise trust -a || mise trust; mise install; }\n"
	"case $1 in\n"
	"background) (trap '' HUP; install > \"$log\" 2>&1 < /dev/null) & ;;\n"
	"*) install > \"$log\" 2>&1 < /dev/null || exit 4 ;;\n"
	"esac\n"
	"exit 0\n";

struct fault *workspace_bootstrap(struct workspace *ws, const char *guest_path, bool background,
				  char **said)
{
	const char *user = ws->vm.spec.user;
	const char *log = !user || !strcmp(user, "root") ? WORKSPACE_LOG : WORKSPACE_USER_LOG;
	const char *argv[] = { "sh", "-c", tools_script, "bootstrap",
			       background ? "background" : "foreground", log, NULL };
	int status;
	struct fault *f = workspace_guest_run(ws, guest_path, argv, &status, NULL);

	*said = NULL;
	if (f && fault_kind(f) != F_TIMEOUT)
		return f;
	if (f)
		*said = xasprintf("the repository's tools are not installed yet; see %s in the guest", log);
	else if (status == 4)
		*said = xasprintf("some of the repository's tools could not be installed; see %s in the "
				  "guest", log);
	else if (status)
		*said = xstrdup("the image has no mise: the repository's tools are not installed");
	else if (background)
		*said = xasprintf("the repository's tools are being installed; see %s in the guest", log);
	fault_free(f);
	return NULL;
}
