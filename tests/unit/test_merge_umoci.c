/* SPDX-License-Identifier: MIT */
/*
 * Random images, merged by us and unpacked by umoci: the results must be the same, entry by entry.
 * Each image is made from a seed, which a failure prints.
 */
#include "ext4_check.h"

#include <dirent.h>
#include <errno.h>

#include "base/text.h"
#include "ext4_list.h"
#include "image/builder.h"
#include "tar_build.h"

#define CASES	   60
#define LAYERS_MAX 4
#define DEPTH_MAX  3
#define SEEN_MAX   256

static uint64_t random_state;

static unsigned int pick(unsigned int n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned int)(random_state >> 33) % n;
}

/* What one layer has so far. */
struct layer {
	struct buf tar;
	char *paths[SEEN_MAX];
	char types[SEEN_MAX];
	size_t n;
	unsigned int number;
};

static char type_of(const struct layer *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->paths[i], path))
			return l->types[i];
	return 0;
}

static void note(struct layer *l, const char *path, char type)
{
	if (l->n == SEEN_MAX)
		abort();
	l->paths[l->n] = xstrdup(path);
	l->types[l->n++] = type;
}

/* Layers of real tools have all parents of an entry; false when one is no directory. */
static bool add_parents(struct layer *l, const char *path)
{
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		AUTO_FREE char *parent = xstrndup(path, (size_t)(p - path));
		const struct tar_entry e = {.name = parent, .type = '5', .mode = 0700 + pick(0100)};
		char type = type_of(l, parent);

		if (type && type != 'd')
			return false;
		if (!type) {
			tar_header(&l->tar, &e);
			note(l, parent, 'd');
		}
	}
	return true;
}

static void add_whiteout(struct layer *l, const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	AUTO_FREE char *whiteout = xasprintf("%.*s.wh.%s", (int)(name - path), path, name);

	tar_add(&l->tar, whiteout, '0', NULL);
	note(l, path, 'w');
}

static void add_opaque(struct layer *l, const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	AUTO_FREE char *opaque = xasprintf("%.*s.wh..wh..opq", (int)(name - path), path);

	if (!type_of(l, opaque)) {
		tar_add(&l->tar, opaque, '0', NULL);
		note(l, opaque, 'o');
	}
}

static void add_link(struct layer *l, const char *path)
{
	const char *target = NULL;

	for (size_t i = pick((unsigned int)l->n + 1); i < l->n && !target; i++)
		if (l->types[i] == 'f')
			target = l->paths[i];
	if (!target)
		return;
	tar_add(&l->tar, path, '1', target);
	note(l, path, 'f');
}

static void add_symlink(struct layer *l, const char *path)
{
	static const char *const targets[] = {"a", "b", "/c", "../b", "a/b", "/d/a", ".", "../.."};

	tar_add(&l->tar, path, '2', targets[pick(ARRAY_LEN(targets))]);
	note(l, path, 'l');
}

static void add_file(struct layer *l, const char *path)
{
	char content[32];

	snprintf(content, sizeof(content), "%u-%zu", l->number, l->n);
	tar_file(&l->tar, path, content, strlen(content));
	note(l, path, 'f');
}

static void add_random_entry(struct layer *l)
{
	AUTO_BUF path = BUF_INIT;
	unsigned int what = pick(100);

	for (unsigned int depth = 1 + pick(DEPTH_MAX); depth; depth--)
		buf_addf(&path, "%c%s", 'a' + (char)pick(4), depth > 1 ? "/" : "");
	if (!add_parents(l, path.data) || type_of(l, path.data))
		return;
	if (what < 45) {
		add_file(l, path.data);
	} else if (what < 58) {
		tar_add(&l->tar, path.data, '5', NULL);
		note(l, path.data, 'd');
	} else if (what < 68) {
		add_symlink(l, path.data);
	} else if (what < 80) {
		add_link(l, path.data);
	} else if (what < 94) {
		add_whiteout(l, path.data);
	} else {
		add_opaque(l, path.data);
	}
}

static void make_layer(struct layer *l, unsigned int number)
{
	*l = (struct layer){.tar = BUF_INIT, .number = number};
	for (unsigned int i = 1 + pick(10); i; i--)
		add_random_entry(l);
	tar_end(&l->tar);
}

static void layer_release(struct layer *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->paths[i]);
	buf_release(&l->tar);
}

/* -- umoci's side -- */

static void umoci(struct scratch *s, const char *const *argv)
{
	if (run_tool(s->dir, "umoci.log", argv)) {
		print_log(s->dir, "umoci.log");
		fail_msg("umoci %s failed", argv[1]);
	}
}

static void unpack_with_umoci(struct scratch *s, const struct layer *layers, size_t n)
{
	AUTO_FREE char *oci = xasprintf("%s/oci", s->path), *image = xasprintf("%s/oci:x", s->path);
	AUTO_FREE char *tar = xasprintf("%s/layer.tar", s->path);
	AUTO_FREE char *root = xasprintf("%s/root", s->path);

	umoci(s, (const char *const[]){"umoci", "init", "--layout", oci, NULL});
	umoci(s, (const char *const[]){"umoci", "new", "--image", image, NULL});
	for (size_t i = 0; i < n; i++) {
		assert_no_fault(file_write_atomic(s->dir, "layer.tar", layers[i].tar.data,
						  layers[i].tar.len, 0600));
		umoci(s, (const char *const[]){"umoci", "raw", "add-layer", "--image", image, tar,
					       NULL});
	}
	umoci(s, (const char *const[]){"umoci", "raw", "unpack", "--rootless", "--image", image,
				       root, NULL});
}

/* A host tree in the words of list_file_system(). */
static void list_host(int dir, const char *prefix, char ***lines, size_t *n)
{
	struct strings names = {0};

	assert_no_fault(dir_names(dir, "root", &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_BUF line = BUF_INIT;
		AUTO_FREE char *path = xasprintf("%s%s", prefix, names.v[i]);
		AUTO_FREE char *below = xasprintf("%s/", path);
		AUTO_FD fd = -1;
		char target[256];
		struct stat st;

		assert_int_equal(fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		buf_adds(&line, path);
		if (S_ISDIR(st.st_mode)) {
			buf_addc(&line, '/');
			assert_no_fault(dir_open(dir, names.v[i], &fd));
			list_host(fd, below, lines, n);
		} else if (S_ISLNK(st.st_mode)) {
			ssize_t len = readlinkat(dir, names.v[i], target, sizeof(target));

			assert_true(len > 0);
			buf_addf(&line, "->%.*s", (int)len, target);
		} else {
			if (st.st_nlink != 1)
				buf_addf(&line, "*%u", (unsigned int)st.st_nlink);
			buf_addc(&line, '=');
			assert_no_fault(file_read(dir, names.v[i], 4096, &line));
		}
		*lines = xrealloc_array(*lines, *n + 1, sizeof(**lines));
		(*lines)[(*n)++] = buf_steal(&line);
	}
	strings_release(&names);
}

static char *list_umoci(struct scratch *s)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FD root = -1;
	char **lines = NULL;
	size_t n = 0;

	assert_no_fault(dir_open(s->dir, "root", &root));
	list_host(root, "", &lines, &n);
	if (n)
		qsort(lines, n, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&out, "%s%s", i ? " " : "", lines[i]);
		free(lines[i]);
	}
	free(lines);
	return buf_steal(&out);
}

/* -- ours -- */

static char *merge(struct scratch *s, const struct layer *layers, size_t n)
{
	struct image_builder_options o = {.size_bytes = 4 * MIB};
	struct image_builder *b = NULL;
	struct image_summary sum;

	assert_no_fault(image_builder_open(s->fd, &o, &b));
	while (n-- > 0) {
		struct memory m = {&layers[n].tar, 0, 1 << 20};
		struct archive_source source = {read_memory, &m};

		assert_no_fault(image_builder_layer(b, &source, "a layer", NULL));
	}
	assert_no_fault(image_builder_finish(b, &sum));
	image_builder_free(b);
	image_summary_release(&sum);
	assert_clean(s->dir, s->image);
	return list_file_system(s->image);
}

static void check_case(struct scratch *s, unsigned int seed)
{
	struct layer layers[LAYERS_MAX];
	AUTO_FREE char *ours = NULL, *theirs = NULL;
	size_t n;

	random_state = seed;
	pick(1);
	n = 1 + pick(LAYERS_MAX);
	for (size_t i = 0; i < n; i++)
		make_layer(&layers[i], (unsigned int)i);
	unpack_with_umoci(s, layers, n);
	ours = merge(s, layers, n);
	theirs = list_umoci(s);
	if (strcmp(ours, theirs))
		print_error("seed %u\n", seed);
	assert_string_equal(ours, theirs);
	for (size_t i = 0; i < n; i++)
		layer_release(&layers[i]);
	assert_no_fault(tree_remove(s->dir, "root"));
	assert_no_fault(tree_remove(s->dir, "oci"));
}

static void random_images_are_merged_as_umoci_does(void **state)
{
	struct scratch *s = *state;
	const char *const probe[] = {"umoci", "--version", NULL};
	posix_spawn_file_actions_t none;
	pid_t pid;

	posix_spawn_file_actions_init(&none);
	posix_spawn_file_actions_addopen(&none, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, "umoci", &none, NULL, (char *const *)probe, environ)) {
		print_message("umoci is not installed\n");
		skip();
	}
	waitpid(pid, NULL, 0);
	posix_spawn_file_actions_destroy(&none);
	for (unsigned int seed = 1; seed <= CASES; seed++)
		check_case(s, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(random_images_are_merged_as_umoci_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
