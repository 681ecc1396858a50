/* SPDX-License-Identifier: MIT */
#include "ext4_check.h"

#include <errno.h>

#include "base/text.h"
#include "ext4_list.h"
#include "image/builder.h"
#include "image/merge.h"
#include "tar_build.h"

/*
 * A layer is written as words: "dir/", "file=content", "link->target", "name~target" (a hard link);
 * anything else is an empty file, such as ".wh.x".
 */
static void make_layer(struct buf *tar, const char *words)
{
	AUTO_FREE char *copy = xstrdup(words);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " "))) {
		char *at;

		if (!*word)
			continue;
		if ((at = strstr(word, "->"))) {
			*at = 0;
			tar_add(tar, word, '2', at + 2);
		} else if ((at = strchr(word, '~'))) {
			*at = 0;
			tar_add(tar, word, '1', at + 1);
		} else if ((at = strchr(word, '='))) {
			*at = 0;
			tar_file(tar, word, at + 1, strlen(at + 1));
		} else {
			tar_add(tar, word, word[strlen(word) - 1] == '/' ? '5' : '0', NULL);
		}
	}
	tar_end(tar);
}

static struct fault *add_tar(struct image_builder *b, const struct buf *tar, const char *what)
{
	struct memory m = {tar, 0, 3000};
	struct archive_source source = {read_memory, &m};

	return image_builder_layer(b, &source, what, NULL);
}

#define LAYERS_MAX 8

/* @layers: base first, as people think; NULL ends. */
static struct fault *try_merge(struct scratch *s, uint64_t size, const char *const *layers,
			       struct image_summary *sum)
{
	struct image_builder_options o = {.size_bytes = size};
	struct image_builder *b = NULL;
	struct fault *f;
	size_t n = 0;

	while (layers[n])
		n++;
	f = image_builder_open(s->fd, &o, &b);
	while (!f && n-- > 0) {
		AUTO_BUF tar = BUF_INIT;
		AUTO_FREE char *what = xasprintf("layer %zu", n + 1);

		make_layer(&tar, layers[n]);
		f = add_tar(b, &tar, what);
	}
	if (!f)
		f = image_builder_finish(b, sum);
	image_builder_free(b);
	return f;
}

static void check_merge(struct scratch *s, const char *const *layers, const char *expected)
{
	struct image_summary sum;
	AUTO_FREE char *got = NULL;

	assert_no_fault(try_merge(s, 4 * MIB, layers, &sum));
	assert_clean(s->dir, s->image);
	got = list_file_system(s->image);
	assert_string_equal(got, expected);
	image_summary_release(&sum);
}

#define LAYERS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct example {
	const char *layers[LAYERS_MAX]; /* base first */
	const char *merged;
};

static void check_examples(void **state, const struct example *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_merge(*state, e[i].layers, e[i].merged);
}

static void upper_layers_win(void **state)
{
	static const struct example e[] = {
		{{"a=1"}, "a=1"},
		{{""}, ""},
		{{"a=1", "a=2"}, "a=2"},
		{{"d/ d/x=1 d/y=1", "d/x=2", "d/z=3"}, "d/ d/x=2 d/y=1 d/z=3"},
		{{"a=1", "a=2", "a=3", "b=1"}, "a=3 b=1"},
		{{"./ ./a=1 /b=2 c//d=3 e/./f=4"}, "a=1 b=2 c/ c/d=3 e/ e/f=4"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void the_last_entry_of_a_layer_wins(void **state)
{
	static const struct example e[] = {
		{{"a=1 a=2"}, "a=2"},	      {{"a=1 a/ a/b=2"}, "a/ a/b=2"},
		{{"a/ a/b=2 a=1"}, "a=1"},    {{"a/ a/b=2 a=1 a/ a/c=3"}, "a/ a/c=3"},
		{{"a=1 b~a a=2"}, "a=2 b=1"}, {{"a=0", "a=1 b~a a->x"}, "a->x b=1"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void whiteouts(void **state)
{
	static const struct example e[] = {
		{{"a=1 b=1", ".wh.a"}, "b=1"},
		{{"d/ d/a=1 d/b=1", "d/ d/.wh.a"}, "d/ d/b=1"},
		{{"d/ d/a=1 d/e/ d/e/f=1", ".wh.d"}, ""},
		/* they hide lower layers only, wherever they stand */
		{{"d/ d/a=1", ".wh.d d/ d/b=2"}, "d/ d/b=2"},
		{{"d/ d/a=1", "d/ d/b=2 .wh.d"}, "d/ d/b=2"},
		{{"d/ d/a=1 d/e/ d/e/f=1", "d/b=2 .wh.d"}, "d/ d/b=2"},
		{{"a=1", "a=2 .wh.a"}, "a=2"},
		{{"a=1", ".wh.a a=2", ".wh.a"}, ""},
		{{"a=1", ".wh.a", "a=3"}, "a=3"},
		{{"a=1", ".wh.a", "b=3"}, "b=3"},
		{{".wh.nothing d/.wh.x"}, ""},
		{{"a=1 b=1", ".wh..wh.plnk .wh..wh.aufs"}, "a=1 b=1"},
		/* a whiteout does not follow a link in the last place, but does in between */
		{{"x=1 l->x", ".wh.l"}, "x=1"},
		{{"d/ d/x=1 l->d", "l/.wh.x"}, "d/ l->d"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void opaque_directories(void **state)
{
	static const struct example e[] = {
		{{"d/ d/a=1 d/e/ d/e/f=1", "d/ d/.wh..wh..opq d/b=2"}, "d/ d/b=2"},
		{{"d/ d/a=1", "d/ d/b=2 d/.wh..wh..opq"}, "d/ d/b=2"},
		{{"d/ d/a=1 x=1", ".wh..wh..opq y=2"}, "y=2"},
		{{"d/ d/e/ d/e/f=1", "d/e/g=2 d/.wh..wh..opq"}, "d/ d/e/ d/e/g=2"},
		{{"d/ d/a=1", "d/.wh..wh..opq", "d/c=3"}, "d/ d/c=3"},
		{{"d/ d/a=1 l->d", "l/.wh..wh..opq"}, "d/ l->d"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void a_file_becomes_a_directory_and_the_reverse(void **state)
{
	static const struct example e[] = {
		{{"a=1", "a/ a/b=2"}, "a/ a/b=2"},
		{{"a/ a/b=1 a/c/ a/c/d=1", "a=2"}, "a=2"},
		{{"a/ a/b=1", "a->x"}, "a->x"},
		{{"a->x x=1", "a/ a/b=2"}, "a/ a/b=2 x=1"},
		{{"a/ a/b=1", "a=2", "a/ a/c=3"}, "a/ a/c=3"},
		{{"a=1", "a/b=2"}, "a/ a/b=2"},
		{{"a/ a/b=1 x=0", "a~x"}, "a*2=0 x*2=0"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void hard_links(void **state)
{
	static const struct example e[] = {
		{{"a=1 b~a c~b"}, "a*3=1 b*3=1 c*3=1"},
		{{"b~a a=1"}, "a*2=1 b*2=1"}, /* in front of its target */
		{{"a=1", "b~a"}, "a*2=1 b*2=1"},
		{{"a=1", "b~a .wh.a"}, "b=1"},
		{{"a=1", "b~a", ".wh.a"}, "b=1"},
		{{"a=1", "b~a", "a=3"}, "a=3 b=1"},
		{{"a=1", "a=2", "b~a"}, "a*2=2 b*2=2"},
		{{"a=1 b~a", ".wh.a"}, "b=1"},
		{{"a=1 b~a", "a=2"}, "a=2 b=1"},
		{{"d/ d/a=1 d/b~d/a", ".wh.d"}, ""},
		{{"d/ d/a=1", "b~d/a .wh.d"}, "b=1"},
		{{"d/ d/a=1 l->d", "b~l/a"}, "b*2=1 d/ d/a*2=1 l->d"},
		{{"a->x b~a"}, "a->x b->x"},
		{{"a=1 a~a"}, "a=1"},
		{{"a=1", "b~a", "c~b", ".wh.a .wh.b"}, "c=1"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void entries_below_symbolic_links(void **state)
{
	static const struct example e[] = {
		{{"usr/ usr/lib/ lib->usr/lib", "lib/foo=2"},
		 "lib->usr/lib usr/ usr/lib/ usr/lib/foo=2"},
		{{"lib->usr/lib", "lib/foo=2"}, "lib->usr/lib usr/ usr/lib/ usr/lib/foo=2"},
		{{"usr/ usr/lib/ usr/lib/foo=1 lib->/usr/lib", "lib/foo=2"},
		 "lib->/usr/lib usr/ usr/lib/ usr/lib/foo=2"},
		/* a link in a layer above must not take it along */
		{{"lib->usr/lib", "lib/foo=2", "lib->elsewhere"},
		 "lib->elsewhere usr/ usr/lib/ usr/lib/foo=2"},
		/* the same link again: lib/foo is still in usr/lib */
		{{"lib->usr/lib", "lib/foo=2", "lib->usr/lib"},
		 "lib->usr/lib usr/ usr/lib/ usr/lib/foo=2"},
		{{"lib->usr/lib usr/lib/foo=1", "lib/foo=2", "usr/lib/foo=3"},
		 "lib->usr/lib usr/ usr/lib/ usr/lib/foo=3"},
		{{"lib->usr/lib usr/lib/foo=1", "lib/.wh.foo lib/bar=2"},
		 "lib->usr/lib usr/ usr/lib/ usr/lib/bar=2"},
		/* an entry for the directory replaces the link */
		{{"lib->usr/lib", "lib/ lib/foo=2"}, "lib/ lib/foo=2"},
		{{"lib->usr/lib", ".wh.lib", "lib/foo=3"}, "lib/ lib/foo=3"},
		/* never out of the root */
		{{"l->../../../../etc l2->/../etc", "l/a=1 l2/b=2"},
		 "etc/ etc/a=1 etc/b=2 l->../../../../etc l2->/../etc"},
		{{"a->b b->c c->d d/", "a/x=1"}, "a->b b->c c->d d/ d/x=1"},
		{{"d/ d/l->../e e/", "d/l/x=1"}, "d/ d/l->../e e/ e/x=1"},
		{{"a/ a/b/ l->a/b/", "l/c/d=1"}, "a/ a/b/ a/b/c/ a/b/c/d=1 l->a/b/"},
		{{"l->d d/ l/x=1"}, "d/ d/x=1 l->d"},
	};

	check_examples(state, e, ARRAY_LEN(e));
}

static void check_refused(struct scratch *s, const char *const *layers, enum fault_kind kind,
			  const char *text)
{
	struct image_summary sum;

	assert_fault(try_merge(s, 4 * MIB, layers, &sum), kind, text);
}

static void hostile_archives_are_refused_by_name(void **state)
{
	struct scratch *s = *state;
	char long_name[300], path[100];

	memset(long_name, 'n', sizeof(long_name));
	long_name[299] = 0;
	check_refused(s, LAYERS("ok=1 ../evil=1"), F_CORRUPT, "layer 1: '../evil'");
	check_refused(s, LAYERS("a/../../evil=1"), F_CORRUPT, "'a/../../evil'");
	check_refused(s, LAYERS("a=1 b~../a"), F_CORRUPT, "the hard link's target");
	check_refused(s, LAYERS("a=1 b~nowhere"), F_CORRUPT,
		      "'b' is a hard link to 'nowhere', which is not there");
	check_refused(s, LAYERS("d/ b~d"), F_CORRUPT, "'b' is a hard link to 'd'");
	check_refused(s, LAYERS("a=1", "b~a", "c~a .wh.a d~nope/a"), F_CORRUPT, "'nope/a'");
	check_refused(s, LAYERS("a=1", ".wh.a", "b~a"), F_CORRUPT, "'b' is a hard link to 'a'");
	check_refused(s, LAYERS("l->l", "l/x=1"), F_CORRUPT, "a loop of them, at 'l'");
	check_refused(s, LAYERS("a->b b->a", "a/x=1"), F_CORRUPT, "loop");
	check_refused(s, LAYERS(".wh."), F_CORRUPT, "names nothing");
	check_refused(s, LAYERS("d/.wh..."), F_CORRUPT, "names nothing");
	check_refused(s, LAYERS("./->x"), F_CORRUPT, "root directory");
	check_refused(s, LAYERS("l->"), F_INVALID, "empty");
	snprintf(path, sizeof(path), "d/.wh.%s", "..");
	check_refused(s, LAYERS(path), F_CORRUPT, "names nothing");
}

static struct fault *merge_tar(struct scratch *s, uint64_t size, const struct buf *tar,
			       struct image_summary *sum)
{
	struct image_builder_options o = {.size_bytes = size};
	struct image_builder *b = NULL;
	struct fault *f = image_builder_open(s->fd, &o, &b);

	if (!f)
		f = add_tar(b, tar, "the layer");
	if (!f)
		f = image_builder_finish(b, sum);
	image_builder_free(b);
	return f;
}

static void long_and_odd_names(void **state)
{
	struct scratch *s = *state;
	AUTO_BUF tar = BUF_INIT, pax = BUF_INIT, path = BUF_INIT, expected = BUF_INIT;
	AUTO_FREE char *got = NULL;
	struct image_summary sum;

	for (int i = 0; i < 255; i++)
		buf_addc(&path, (char)(i == '/' || !i ? 0xff : i));
	pax_record(&pax, "path", path.data, 255);
	tar_pax(&tar, &pax);
	tar_file(&tar, "short", "x", 1);
	tar_file(&tar, "caf\xc3\xa9", "y", 1);
	assert_no_fault(merge_tar(s, 4 * MIB, &tar, &sum));
	assert_clean(s->dir, s->image);
	text_add_printable(&expected, path.data, 255);
	buf_adds(&expected, "=x caf\xc3\xa9=y");
	got = list_file_system(s->image);
	assert_string_equal(got, expected.data);

	buf_clear(&tar);
	buf_clear(&pax);
	buf_addc(&path, 'x');
	pax_record(&pax, "path", path.data, 256);
	tar_pax(&tar, &pax);
	tar_file(&tar, "short", "x", 1);
	assert_fault(merge_tar(s, 4 * MIB, &tar, &sum), F_CORRUPT, "longer than 255 bytes");

	buf_clear(&tar);
	buf_clear(&pax);
	buf_clear(&path);
	for (int i = 0; i < 2100; i++)
		buf_adds(&path, "d/");
	pax_record(&pax, "path", path.data, path.len);
	tar_pax(&tar, &pax);
	tar_file(&tar, "short", "x", 1);
	assert_fault(merge_tar(s, 4 * MIB, &tar, &sum), F_CORRUPT, "longer than 4095 bytes");
}

static void deep_paths(void **state)
{
	struct scratch *s = *state;
	AUTO_BUF tar = BUF_INIT, pax = BUF_INIT, path = BUF_INIT;
	struct image_summary sum;

	for (int i = 0; i < 2046; i++)
		buf_adds(&path, "d/");
	buf_addc(&path, 'f');
	pax_record(&pax, "path", path.data, path.len);
	tar_pax(&tar, &pax);
	tar_file(&tar, "short", "x", 1);
	assert_no_fault(merge_tar(s, 64 * MIB, &tar, &sum));
	assert_int_equal(sum.entries, 2047);
	assert_clean(s->dir, s->image);
}

static void limits(void **state)
{
	struct scratch *s = *state;
	struct image_builder_options o = {.size_bytes = 4 * MIB, .max_entries = 100};
	struct image_builder *b = NULL;
	struct image_summary sum;
	AUTO_BUF tar = BUF_INIT, big = BUF_INIT;
	AUTO_FREE char *data = xcalloc(1, 3 << 20);
	struct tar_entry lie = {.name = "zeros", .type = '0', .size = 10 * GIB - 1};
	char name[16];
	struct fault *f;

	for (int i = 0; i < 101; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		tar_add(&tar, name, '0', NULL);
	}
	assert_no_fault(image_builder_open(s->fd, &o, &b));
	assert_fault(add_tar(b, &tar, "x"), F_CORRUPT, "more than 100 files");
	image_builder_free(b);

	tar_header(&big, &lie);
	f = merge_tar(s, 4 * MIB, &big, &sum);
	assert_non_null(f);
	assert_non_null(strstr(fault_hint_text(f), "--size"));
	assert_fault(f, F_NO_SPACE, "does not fit into a file system of 4M");

	buf_clear(&big);
	tar_file(&big, "a", data, 3 << 20);
	tar_file(&big, "b", data, 3 << 20);
	assert_fault(merge_tar(s, 4 * MIB, &big, &sum), F_NO_SPACE, "more than the 4M");
	memset(data, 'x', 3 << 20);
	buf_clear(&big);
	tar_file(&big, "a", data, 3 << 20);
	tar_file(&big, "b", data, 800 << 10);
	assert_fault(merge_tar(s, 4 * MIB, &big, &sum), F_NO_SPACE, "'b': the file system of 4M");
}

/* Hidden files may need more than there is; a hidden file that is hard linked is kept. */
static void hidden_files_give_way(void **state)
{
	struct scratch *s = *state;
	struct image_builder_options o = {.size_bytes = 8 * MIB};
	struct image_builder *b = NULL;
	struct image_summary sum;
	AUTO_BUF top = BUF_INIT, middle = BUF_INIT, base = BUF_INIT;
	AUTO_FREE char *data = xmalloc(3 << 20), *got = NULL;
	char name[16];

	memset(data, 'x', 3 << 20);
	make_layer(&top, ".wh.d keep=1");
	tar_add(&middle, "d/", '5', NULL);
	tar_file(&middle, "d/linked", "kept", 4);
	tar_add(&middle, "other", '1', "d/linked");
	tar_add(&base, "d/", '5', NULL);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d/f%d", i);
		tar_file(&middle, name, data, 3 << 20);
		tar_file(&base, name, data, 3 << 20);
	}
	tar_file(&base, "small", "x", 1);
	assert_no_fault(image_builder_open(s->fd, &o, &b));
	assert_no_fault(add_tar(b, &top, "top"));
	assert_no_fault(add_tar(b, &middle, "middle"));
	assert_no_fault(add_tar(b, &base, "base"));
	assert_no_fault(image_builder_finish(b, &sum));
	image_builder_free(b);
	assert_clean(s->dir, s->image);
	got = list_file_system(s->image);
	assert_string_equal(got, "keep=1 other=kept small=x");
	assert_int_equal(sum.content_bytes, 6);
	assert_int_equal(sum.entries, 3);
}

static void make_sparse_file(int dir)
{
	AUTO_FD fd = openat(dir, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	for (int i = 0; i < 300; i++)
		assert_int_equal(pwrite(fd, "data", 4, i * INT64_C(20000) + 100), 4);
	assert_int_equal(ftruncate(fd, INT64_C(40) << 30), 0);
}

static void sparse_files_of_all_tar_formats(void **state)
{
	static const char *const formats[] = {"--format=gnu", "--sparse-version=0.0",
					      "--sparse-version=0.1", "--sparse-version=1.0"};
	struct scratch *s = *state;
	AUTO_FREE char *path = xasprintf("%s/sparse.tar", s->path);

	make_sparse_file(s->dir);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		const char *const argv[] = {"tar",	i ? "--format=posix" : formats[0],
					    formats[i], "-S",
					    "-C",	s->path,
					    "-cf",	path,
					    "sparse",	NULL};
		struct image_builder_options o = {.size_bytes = 64 * GIB};
		struct image_builder *b = NULL;
		struct image_summary sum;
		AUTO_FD tar = -1;

		assert_int_equal(run_tool(s->dir, "tar.log", argv), 0);
		tar = open(path, O_RDONLY | O_CLOEXEC);
		assert_no_fault(image_builder_open(s->fd, &o, &b));
		assert_no_fault(image_builder_layer_fd(b, tar, "sparse.tar", NULL));
		assert_no_fault(image_builder_finish(b, &sum));
		image_builder_free(b);
		assert_clean(s->dir, s->image);
		assert_debugfs(s->dir, s->image, "stat sparse", "Size: 42949672960");
		/* 300 blocks of data, and one leaf of the extent tree */
		assert_debugfs(s->dir, s->image, "stat sparse", "Blockcount: 2408");
	}
}

static void damaged_archives(void **state)
{
	struct scratch *s = *state;
	AUTO_BUF tar = BUF_INIT, garbage = BUF_INIT, empty = BUF_INIT;
	struct image_summary sum;

	tar_file(&tar, "f", "0123456789", 10);
	tar.len -= 505; /* in the middle of the data */
	assert_fault(merge_tar(s, 4 * MIB, &tar, &sum), F_CORRUPT, "Truncated");
	for (int i = 0; i < 5000; i++)
		buf_addc(&garbage, (char)(i * 7));
	assert_fault(merge_tar(s, 4 * MIB, &garbage, &sum), F_CORRUPT, "the layer");
	assert_no_fault(merge_tar(s, 4 * MIB, &empty, &sum));
	assert_int_equal(sum.entries, 0);
	assert_clean(s->dir, s->image);
}

static void attributes_of_the_root_and_of_nodes(void **state)
{
	struct scratch *s = *state;
	AUTO_BUF tar = BUF_INIT;
	struct tar_entry e = {.name = "./", .type = '5', .mode = 01711};
	struct image_summary sum;

	tar_header(&tar, &e);
	e = (struct tar_entry){.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3};
	tar_header(&tar, &e);
	e = (struct tar_entry){.name = "pipe", .type = '6', .mode = 0600};
	tar_header(&tar, &e);
	e = (struct tar_entry){.name = "suid", .type = '0', .mode = 06755};
	tar_header(&tar, &e);
	assert_no_fault(merge_tar(s, 4 * MIB, &tar, &sum));
	assert_clean(s->dir, s->image);
	assert_debugfs(s->dir, s->image, "stat /", "Mode:  01711");
	assert_debugfs(s->dir, s->image, "stat null", "01:03");
	assert_debugfs(s->dir, s->image, "stat suid", "Mode:  06755");
}

static void facts_about_the_system(void **state)
{
	struct scratch *s = *state;
	AUTO_BUF tar = BUF_INIT;
	struct image_summary sum;
	const char release[] = "NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\nHOME_URL=\"x\"\n";

	tar_file(&tar, "usr/lib/os-release", release, sizeof(release) - 1);
	tar_add(&tar, "etc/os-release", '2', "../usr/lib/os-release");
	tar_file(&tar, "usr/bin/dash", "x", 1);
	tar_add(&tar, "usr/bin/sh", '2', "dash");
	tar_add(&tar, "bin", '2', "usr/bin");
	tar_add(&tar, "sbin/init", '2', "/nowhere");
	assert_no_fault(merge_tar(s, 4 * MIB, &tar, &sum));
	assert_string_equal(sum.os, "debian 12");
	assert_true(sum.has_shell);
	assert_false(sum.has_passwd);
	assert_false(sum.has_init);
	image_summary_release(&sum);
}

static void a_host_directory_as_a_layer(void **state)
{
	struct scratch *s = *state;
	struct image_builder_options o = {.size_bytes = 4 * MIB};
	struct image_builder *b = NULL;
	struct image_summary sum;
	AUTO_FD tree = -1, sub = -1;
	AUTO_FREE char *got = NULL;

	assert_no_fault(dir_make(s->dir, "tree", 0755, &tree));
	assert_no_fault(dir_make(tree, "sub", 0711, &sub));
	assert_no_fault(file_write_atomic(sub, "f", "hello", 5, 0644));
	assert_int_equal(linkat(sub, "f", tree, "hard", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", tree, "abs"), 0);
	assert_no_fault(file_write_atomic(tree, ".wh.plain", "", 0, 0644));
	assert_no_fault(image_builder_open(s->fd, &o, &b));
	assert_no_fault(image_builder_directory(b, tree, "tree", NULL));
	assert_no_fault(image_builder_finish(b, &sum));
	image_builder_free(b);
	assert_clean(s->dir, s->image);
	got = list_file_system(s->image);
	assert_string_equal(got, ".wh.plain= abs->/etc/passwd hard*2=hello sub/ sub/f*2=hello");
}

enum { MANY = 1100 }; /* just above the size at which the table of nodes grows first */

static void find_many_again(void)
{
	struct merge *m = merge_new(NULL, MANY + 1);
	uint32_t nodes[MANY];
	char path[32];

	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < MANY; i++) {
			uint32_t node;

			snprintf(path, sizeof(path), "usr/%d", i);
			assert_null(merge_path(m, path, &node));
			if (pass)
				assert_int_equal(node, nodes[i]);
			nodes[i] = node;
		}
	}
	merge_free(m);
}

/* A path is one node, also when the table grows between two uses; where they are is random. */
static void many_paths_are_found_again(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		find_many_again();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_paths_are_found_again),
		SCRATCH_TEST(upper_layers_win),
		SCRATCH_TEST(the_last_entry_of_a_layer_wins),
		SCRATCH_TEST(whiteouts),
		SCRATCH_TEST(opaque_directories),
		SCRATCH_TEST(a_file_becomes_a_directory_and_the_reverse),
		SCRATCH_TEST(hard_links),
		SCRATCH_TEST(entries_below_symbolic_links),
		SCRATCH_TEST(hostile_archives_are_refused_by_name),
		SCRATCH_TEST(long_and_odd_names),
		SCRATCH_TEST(deep_paths),
		SCRATCH_TEST(limits),
		SCRATCH_TEST(hidden_files_give_way),
		SCRATCH_TEST(sparse_files_of_all_tar_formats),
		SCRATCH_TEST(damaged_archives),
		SCRATCH_TEST(attributes_of_the_root_and_of_nodes),
		SCRATCH_TEST(facts_about_the_system),
		SCRATCH_TEST(a_host_directory_as_a_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
