/* SPDX-License-Identifier: MIT */
/*
 * A guest that lies: what the agent's stub answers to get, put and compare is cut, changed and made up.
 * Nothing of it may hang, crash, or reach a file of the host; what is refused is named.
 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "guest/frame.h"
#include "guest/tree.h"
#include "vm/workspace_export.h"

#include "faults.h"

static char top[] = "/tmp/banger-test-hostile.XXXXXX";
static int top_fd = -1;

/* ---------------------------------------------------------------------------------------- stub */

struct reply {
	struct buf frames; /* to one EXEC, after its input has come */
};

struct stub {
	int fd;
	struct buf in;
	size_t taken;
};

static struct frame stub_next(struct stub *s)
{
	struct frame f;
	size_t used;

	buf_drop(&s->in, s->taken);
	s->taken = 0;
	while (frame_parse(s->in.data, s->in.len, &f, &used) != FRAME_COMPLETE) {
		ssize_t n;

		buf_drop(&s->in, used);
		n = read(s->fd, buf_grow(&s->in, 65536), 65536);
		if (n <= 0)
			_exit(0);
		s->in.len += (size_t)n;
	}
	s->taken = used;
	return f.type == FRAME_OPERATION ? stub_next(s) : f;
}

static void stub_send(struct stub *s, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(s->fd, (const char *)data + at, len - at);

		if (n <= 0)
			_exit(0);
		at += (size_t)n;
	}
}

static void take_input(struct stub *s)
{
	for (;;) {
		struct frame f = stub_next(s);
		AUTO_BUF b = BUF_INIT;

		if (f.type == FRAME_STDIN_EOF)
			return;
		if (f.type != FRAME_STDIN)
			_exit(7);
		frame_add_u32(&b, FRAME_CREDIT, (uint32_t)f.len);
		stub_send(s, b.data, b.len);
	}
}

static void play(struct stub *s, const struct reply *replies, size_t n)
{
	AUTO_BUF b = BUF_INIT;
	struct frame f = stub_next(s);
	struct frame_hello hello;

	if (!frame_hello(&f, &hello))
		_exit(8);
	hello.version = hello.other = FRAME_VERSION;
	frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
	stub_send(s, b.data, b.len);
	for (size_t i = 0; i < n; i++) {
		struct frame_exec exec;

		f = stub_next(s);
		if (f.type != FRAME_EXEC || !frame_exec(f.data, f.len, &exec))
			_exit(9);
		if (exec.want_stdin)
			take_input(s);
		frame_exec_release(&exec);
		stub_send(s, replies[i].frames.data, replies[i].frames.len);
	}
}

static pid_t stub_start(const struct reply *replies, size_t n)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stub s = { .in = BUF_INIT };
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/agent.0", top);
	unlink(address.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(30);
		s.fd = accept(listener, NULL, NULL);
		play(&s, replies, n);
		_exit(0); /* the connection ends where the script does */
	}
	close(listener);
	return pid;
}

static void stub_stop(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
}

static struct guest *must_connect(void)
{
	const struct guest_address address = { GUEST_VIRTIO, top };
	struct guest *g = NULL;

	must(guest_connect(&address, 5000, NULL, NULL, &g));
	return g;
}

static struct reply reply(const void *data, size_t len, int code, const char *message)
{
	struct reply r = { BUF_INIT };

	frame_add_u32(&r.frames, FRAME_STARTED, 7);
	for (size_t at = 0; at < len; at += 1000)
		frame_add(&r.frames, FRAME_STDOUT, 0, (const char *)data + at,
			  len - at < 1000 ? len - at : 1000);
	if (message)
		frame_add(&r.frames, FRAME_STDERR, 0, message, strlen(message));
	frame_add_exit(&r.frames, FRAME_EXITED, (uint32_t)code, "");
	return r;
}

/* ------------------------------------------------------------------------------------- archives */

static struct fault *to_buf(void *context, const void *data, size_t len)
{
	buf_add(context, data, len);
	return NULL;
}

struct file {
	enum tar_kind kind;
	const char *path, *text;
};

static void make_archive(struct buf *b, const struct file *files)
{
	struct tar_writer *w = tar_writer_new(&(struct tar_sink){ to_buf, b });

	for (; files->path; files++) {
		size_t len = files->kind == TAR_FILE ? strlen(files->text) : 0;

		must(tar_writer_add(w, &(struct tar_item){ .kind = files->kind, .path = files->path,
							   .link = files->text, .mode = 0644,
							   .size = len }, NULL, 0));
		if (len)
			must(tar_writer_data(w, files->text, len));
	}
	must(tar_writer_finish(w));
	tar_writer_free(w);
}

static struct fault *consume(void *context, struct tar_reader *r)
{
	struct tree_unpack options = { .max_bytes = 1 << 20 };

	return tree_unpack(*(const int *)context, r, &options);
}

static struct fault *produce(void *context, struct tar_writer *w)
{
	char data[30000] = "";

	(void)context;
	for (int i = 0; i < 40; i++) {
		TRY(tar_writer_add(w, &(struct tar_item){ .path = "x", .size = sizeof(data) }, NULL, 0));
		TRY(tar_writer_data(w, data, sizeof(data)));
	}
	return NULL;
}

static struct fault *get_once(const struct reply *r, const char *to)
{
	pid_t pid = stub_start(r, 1);
	struct guest *g = must_connect();
	struct guest_tree tree = { .path = "/x" };
	AUTO_FD dir = -1;
	struct fault *f;

	mkdirat(top_fd, to, 0755);
	must(dir_open(top_fd, to, &dir));
	f = guest_get(g, &tree, consume, &dir);
	free(tree.notice);
	guest_close(g);
	stub_stop(pid);
	return f;
}

static struct fault *put_once(const struct reply *r)
{
	pid_t pid = stub_start(r, 1);
	struct guest *g = must_connect();
	struct guest_tree tree = { .path = "/x" };
	struct fault *f = guest_put(g, &tree, produce, NULL);

	free(tree.notice);
	guest_close(g);
	stub_stop(pid);
	return f;
}

static void expect(struct fault *f, const char *part)
{
	if (!f)
		fail_msg("expected '%s', but it succeeded", part);
	if (!strstr(fault_message(f), part))
		fail_msg("expected '%s', got '%s'", part, fault_message(f));
	fault_free(f);
}

/* Every cut of an honest answer, and every byte changed: a fault or, where it does not matter, success. */
static void test_get_cut_and_changed(void **state)
{
	AUTO_BUF archive = BUF_INIT;
	struct reply whole;

	(void)state;
	make_archive(&archive, (const struct file[]){ { TAR_FILE, "x/a", "one" }, { TAR_SYMLINK, "x/l", "t" },
						      { 0 } });
	whole = reply(archive.data, archive.len, 0, NULL);
	must(get_once(&whole, "whole"));
	for (size_t len = 0; len < whole.frames.len; len += 61) {
		struct reply cut = { whole.frames };

		cut.frames.len = len;
		expect(get_once(&cut, "cut"), "the machine went away");
	}
	for (size_t at = 0; at < whole.frames.len; at += 37) {
		struct reply changed = { whole.frames };

		whole.frames.data[at] = (char)(whole.frames.data[at] ^ 0x11);
		fault_free(get_once(&changed, "changed"));
		whole.frames.data[at] = (char)(whole.frames.data[at] ^ 0x11);
	}
	buf_release(&whole.frames);
}

static void test_get_with_reasons(void **state)
{
	static const char part[700] = "x";
	struct reply failed = reply("", 0, 1, "no \033[31msuch\n file");
	struct reply old = reply("", 0, 127, "unknown");
	struct reply half = reply(part, sizeof(part), 0, NULL);
	AUTO_FREE char *flood = xmalloc(8192);
	struct reply loud;

	(void)state;
	memset(flood, 'y', 8191);
	flood[8191] = '\0';
	loud = reply("", 0, 0, flood);
	expect(get_once(&failed, "d"), "in the guest: no \\x1b[31msuch");
	expect(get_once(&old, "d"), "older than banger");
	expect(get_once(&half, "d"), "checksum is wrong");
	expect(get_once(&loud, "d"), "writing the command's output");
	buf_release(&failed.frames);
	buf_release(&old.frames);
	buf_release(&half.frames);
	buf_release(&loud.frames);
}

static void test_put_cut_and_refused(void **state)
{
	struct reply good = reply("", 0, 0, NULL), full = reply("", 0, 1, "disk full");

	(void)state;
	must(put_once(&good));
	expect(put_once(&full), "in the guest: disk full");
	for (size_t len = 0; len < good.frames.len; len += 5) {
		struct reply cut = { good.frames };

		cut.frames.len = len;
		expect(put_once(&cut), "the machine went away");
	}
	buf_release(&good.frames);
	buf_release(&full.frames);
}

/* --------------------------------------------------------------------------------------- exports */

static char *base_commit;

static void make_vm(void)
{
	AUTO_FREE char *vm = xasprintf("%s/vm", top);
	AUTO_FREE char *path = xasprintf("%s/vm/" VM_WORKSPACE_GIT, top);
	struct git git = { .git_dir = path };
	struct git_import_stream s;

	assert_int_equal(mkdir(vm, 0700), 0);
	must(git_make(path, NULL));
	must(git_stream_begin(&s, path, NULL));
	must(git_stream_file(&s, 0100644, "a", 4));
	must(git_stream_data(&s, "one\n", 4));
	must(git_stream_file(&s, 0100644, "d/b", 4));
	must(git_stream_data(&s, "two\n", 4));
	must(git_stream_commit(&s, &git, "incoming", &base_commit));
	git_stream_release(&s);
}

/* Run an export whose guest answers @changes to compare and @files to each get. */
static struct fault *export_once(const char *changes, size_t len, const struct file *files, char **patch)
{
	AUTO_BUF archive = BUF_INIT;
	struct reply replies[2];
	struct workspace ws = WORKSPACE_INIT;
	struct workspace_export x = { .ws = &ws };
	AUTO_FREE char *spool = xasprintf("%s/patch", top);
	struct fault *f;
	pid_t pid;

	make_archive(&archive, files);
	replies[0] = reply(changes, len, 0, NULL);
	replies[1] = reply(archive.data, archive.len, 0, NULL);
	pid = stub_start(replies, 2);
	ws.guest = must_connect();
	ws.git_dir = xasprintf("%s/vm/" VM_WORKSPACE_GIT, top);
	ws.vm.dir.path = xasprintf("%s/vm", top);
	ws.vm.dir.name = xstrdup("liar");
	must(dir_open(top_fd, "vm", &ws.vm.dir.fd));
	ws.vm.spec.workspace = (struct vm_workspace){ .source = xasprintf("%s/gone", top),
						      .guest_path = xstrdup("/root/repo"),
						      .base = xstrdup(base_commit),
						      .mode = xstrdup("full_copy") };
	f = workspace_export(&ws, NULL, &x);
	if (!f && patch) {
		AUTO_FD fd = open(spool, O_RDWR | O_CREAT | O_TRUNC, 0600);
		AUTO_BUF text = BUF_INIT;

		must(workspace_export_write(&x, WORKSPACE_PATCH, fd));
		must(file_read(top_fd, "patch", 1 << 20, &text));
		*patch = buf_steal(&text);
	}
	workspace_export_release(&x);
	assert_int_equal(faccessat(ws.vm.dir.fd, "workspace-export", F_OK, 0), -1);
	ws.own_guest = true;
	workspace_close(&ws);
	stub_stop(pid);
	buf_release(&replies[0].frames);
	buf_release(&replies[1].frames);
	return f;
}
#define EXPORT(changes, patch, ...)                                                                \
	export_once(changes, sizeof(changes), (const struct file[]){ __VA_ARGS__ { 0 } }, patch)

static void test_honest_export(void **state)
{
	AUTO_FREE char *patch = NULL;

	(void)state;
	must(EXPORT("M 100644 5 a\0N 120000 11 new\0D d/b", &patch, { TAR_FILE, "a", "five\n" },
		    { TAR_SYMLINK, "new", "/etc/passwd" }, ));
	assert_non_null(strstr(patch, "+five"));
	assert_non_null(strstr(patch, "new file mode 120000"));
	assert_non_null(strstr(patch, "deleted file mode 100644"));
}

static void test_names_are_refused_by_name(void **state)
{
	static const char *const names[] = {
		".git/hooks/post-checkout", "sub/.GIT/config", ".git /config", ".git./x", "git~1/x",
		"GIT~2/x", ".gi\xe2\x80\x8ct/config", "\xef\xbb\xbf.git/x", "../x", "/etc/x", "d//x",
		"d/./x", ".git::$INDEX_ALLOCATION/x", ".git", "a/..",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *line = xasprintf("N 100644 1 %s", names[i]);
		struct fault *f = export_once(line, strlen(line) + 1,
					      (const struct file[]){ { 0 } }, NULL);

		if (!f)
			fail_msg("'%s' was accepted", names[i]);
		if (!strstr(fault_message(f), "may not be in a repository"))
			fail_msg("'%s': %s", names[i], fault_message(f));
		fault_free(f);
	}
	must(EXPORT("N 100644 1 .gitattributes\0N 100644 1 x.git/y\0N 100644 1 .github/z", NULL,
		    { TAR_FILE, ".gitattributes", "x" }, { TAR_FILE, "x.git/y", "x" }, ));
}

static void test_links_that_git_refuses(void **state)
{
	static const char *const names[] = {
		".gitmodules", "sub/.GitModules", ".gitmodules. ", "GITMOD~1", "gi7eba~1",
		".git\xe2\x80\x8cmodules", ".gitmodules::$INDEX_ALLOCATION",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *line = xasprintf("N 120000 1 %s", names[i]);

		expect(export_once(line, strlen(line) + 1, (const struct file[]){ { 0 } }, NULL),
		       "is a symbolic link, which git accepts in no repository");
	}
	must(EXPORT("N 100644 1 .gitmodules\0N 120000 1 .gitignore", NULL,
		    { TAR_FILE, ".gitmodules", "x" }, { TAR_SYMLINK, ".gitignore", "x" }, ));
	/* It was a file when the list was made. */
	expect(EXPORT("N 100644 1 .gitmodules", NULL, { TAR_SYMLINK, ".gitmodules", "x" }, ),
	       "is a symbolic link");
}

static void test_lists_that_lie(void **state)
{
	(void)state;
	expect(EXPORT("N 100644 1 a", NULL, ), "contradicts");
	expect(EXPORT("M 100644 1 unknown", NULL, ), "contradicts");
	expect(EXPORT("D unknown", NULL, ), "contradicts");
	expect(EXPORT("N 100644 99999999999999 big", NULL, ), "'big' in the guest has");
	expect(EXPORT("N 160000 1 module", NULL, ), "malformed");
	expect(EXPORT("N 100644 x y", NULL, ), "malformed");
	expect(EXPORT("Q", NULL, ), "malformed");
	expect(export_once("D a", 3, (const struct file[]){ { 0 } }, NULL), "cut off");
	expect(EXPORT("N 100644 1 x\0N 100644 1 x/y", NULL, ), "both as a file and as a directory");
	expect(EXPORT("A ", NULL, ), "is gone");
}

static void test_archives_that_lie(void **state)
{
	(void)state;
	expect(EXPORT("M 100644 5 a", NULL, { TAR_FILE, "d/b", "not wanted" }, ), "was not asked for");
	expect(EXPORT("M 100644 5 a", NULL, { TAR_FILE, "a", "1" }, { TAR_FILE, "a", "2" }, ),
	       "was not asked for");
	expect(EXPORT("M 100644 5 a", NULL, { TAR_FILE, "../a", "1" }, ), "no name below");
	expect(EXPORT("M 100644 5 a", NULL, { TAR_HARDLINK, "a", "/etc/passwd" }, ), "is no file");
	expect(EXPORT("M 100644 5 a", NULL, { TAR_REMOVE, "a", "" }, ), "is no file");
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(top));
	must(dir_open(AT_FDCWD, top, &top_fd));
	make_vm();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(base_commit);
	fd_close(top_fd);
	must(tree_remove(AT_FDCWD, top));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_cut_and_changed),
		cmocka_unit_test(test_get_with_reasons),
		cmocka_unit_test(test_put_cut_and_refused),
		cmocka_unit_test(test_honest_export),
		cmocka_unit_test(test_names_are_refused_by_name),
		cmocka_unit_test(test_links_that_git_refuses),
		cmocka_unit_test(test_lists_that_lie),
		cmocka_unit_test(test_archives_that_lie),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
