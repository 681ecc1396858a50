/* SPDX-License-Identifier: MIT */
#include "image/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/archive_reader.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/text.h"
#include "image/ext4_copy.h"
#include "image/oci_image.h"

#define HEAD_BYTES     4096
#define MEMBERS_TO_ASK 4096 /* an image archive shows what it is within so many members */

/* ------------------------------------------------------------------------------------- naming */

/* The path is what exists; what follows a later ':' is a tag.  Tags may hold ':' and '/'. */
static void split_tag(const char *text, char **path, char **tag)
{
	struct stat st;

	*path = xstrdup(text);
	*tag = NULL;
	if (!stat(text, &st) || errno == EACCES)
		return;
	for (size_t i = strlen(text); i-- > 1;) {
		AUTO_FREE char *front = text[i] == ':' ? xstrndup(text, i) : NULL;

		if (!front || stat(front, &st) < 0)
			continue;
		free(*path);
		*path = steal_ptr(&front);
		*tag = xstrdup(text + i + 1);
		return;
	}
}

/* "/x/app-1.2.tar.gz" gives "app-1.2"; owned. */
static char *stem_of(const char *path)
{
	static const char *const endings[] = { ".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".tar",
					       ".tgz", ".txz", ".tzst", ".tbz2", ".oci", ".ext4",
					       ".img", ".raw" };
	AUTO_FREE char *full = realpath(path, NULL);
	const char *use = full ? full : path;
	const char *slash = strrchr(use, '/');
	char *stem = xstrdup(slash ? slash + 1 : use);

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t n = strlen(stem), m = strlen(endings[i]);

		if (n > m && !strcmp(stem + n - m, endings[i])) {
			stem[n - m] = '\0';
			i = (size_t)-1; /* once more from the start: ".tar.gz" */
		}
	}
	return stem;
}

static char *quoted(const char *path)
{
	AUTO_BUF text = BUF_INIT;

	buf_addc(&text, '\'');
	text_add_printable(&text, path, strlen(path));
	buf_addc(&text, '\'');
	return buf_steal(&text);
}

/* --------------------------------------------------------------------------- is it an archive? */

static bool is_hex_name(const char *name)
{
	char hex[SHA256_HEX_LEN + 1];

	if (!strncmp(name, "sha256:", 7))
		name += 7;
	if (strlen(name) < SHA256_HEX_LEN)
		return false;
	memcpy(hex, name, SHA256_HEX_LEN);
	hex[SHA256_HEX_LEN] = '\0';
	return sha256_is_hex(hex);
}

/* Would this name stand at the top of an image archive?  None of them is usual in a root file
 * system; when one is, the whole index is asked before anything is decided. */
static bool is_marker(const char *name)
{
	static const char *const files[] = { "oci-layout", "index.json", "manifest.json",
					     "repositories", "config.json", "blobs" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!strcmp(name, files[i]))
			return true;
	return !strncmp(name, "blobs/", 6) || is_hex_name(name);
}

static bool has_marker(const struct tar_index *index)
{
	const struct tar_member *m = index->members.v;

	for (size_t i = 0; i < index->members.n; i++)
		if (is_marker(m[i].name))
			return true;
	return false;
}

static bool enough_seen(const struct tar_index *index)
{
	return index->members.n == MEMBERS_TO_ASK && !has_marker(index);
}

/* A plain tar file in source->fd: an image archive, or a root file system. */
static struct fault *look_into_tar(struct source *source)
{
	struct tar_index index;
	AUTO_FAULT f = tar_index_read(source->fd, source->what, enough_seen, &index);

	source->kind = SOURCE_TAR;
	if (f && (fault_kind(f) == F_CANCELLED || fault_kind(f) == F_SYS || has_marker(&index))) {
		tar_index_release(&index);
		return steal_ptr(&f);
	}
	if (f || !index.complete) { /* the builder says what is wrong with a root file system */
		tar_index_release(&index);
		return NULL;
	}
	vault_of_tar(steal_fd(&source->fd), &index, source->what, &source->vault);
	if (vault_is_layout(&source->vault) || vault_is_docker_archive(&source->vault)) {
		source->kind = SOURCE_IMAGES;
		return NULL;
	}
	source->fd = steal_fd(&source->vault.file);
	vault_release(&source->vault);
	return NULL;
}

/* ------------------------------------------------------------------------------------- streams */

/* The first name in the tar that @blob is, "" for none. */
static struct fault *first_name(struct blob *blob, const char *what, char **name)
{
	struct archive_source from = blob_source(blob);
	struct archive_reader *reader = NULL;
	struct archive_item item;
	struct fault *f = archive_reader_open(&from, ARCHIVE_TAR, what, &reader);
	bool end = false;

	*name = NULL;
	while (!f && !end && !*name) {
		f = archive_reader_next(reader, &item, &end);
		if (!f && !end && strcmp(item.path, "./") && strcmp(item.path, "."))
			*name = xstrdup(item.path + (strncmp(item.path, "./", 2) ? 0 : 2));
	}
	archive_reader_free(reader);
	if (f) {
		free(steal_ptr(name));
		return f;
	}
	if (!*name)
		*name = xstrdup("");
	return NULL;
}

static bool is_zero(const char *data, size_t len)
{
	return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

static struct fault *spool_copy(struct archive_reader *reader, int fd, uint64_t max,
				struct progress *progress)
{
	uint64_t end = 0;

	for (;;) {
		const void *data;
		uint64_t offset;
		size_t len;

		TRY(archive_reader_data(reader, &data, &len, &offset));
		if (!len)
			break;
		if (offset > max || len > max - offset)
			return fault_hint(fault_new(F_NO_SPACE, "the archive unpacks to more than "
						    "%llu bytes", (unsigned long long)max),
					  "Give a larger --size if it is meant to be that large.");
		end = offset + len;
		if (!is_zero(data, len))
			TRY(file_pwrite_all(fd, data, len, (off_t)offset, "a temporary file"));
		progress_amount(progress, end, 0);
	}
	if (ftruncate(fd, (off_t)end) < 0)
		return fault_sys(F_SYS, "writing a temporary file");
	return NULL;
}

/* Unpack the stream into an unlinked file, so that it can be read out of order. */
static struct fault *spool(struct source *source, const struct source_options *o)
{
	struct archive_source from = blob_source(source->blob);
	struct archive_reader *reader = NULL;
	struct archive_item item;
	AUTO_FD dir = -1;
	AUTO_FD fd = -1;
	struct fault *f;
	bool end;

	TRY(store_cache_dir(o->store, "tmp", &dir));
	fd = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_sys(F_SYS, "creating a temporary file in the state directory");
	progress_stage(o->progress, "reading %s", source->what);
	TRY(archive_reader_open(&from, ARCHIVE_RAW, source->what, &reader));
	f = archive_reader_next(reader, &item, &end);
	if (!f)
		f = spool_copy(reader, fd, o->spool_max, o->progress);
	archive_reader_free(reader);
	TRY(fault_wrap(f, "keeping %s for reading it out of order", source->what));
	blob_free(steal_ptr(&source->blob));
	source->fd = steal_fd(&fd);
	return NULL;
}

/* source->blob: something that can only be read from front to back. */
static struct fault *look_into_stream(struct source *source, const struct source_options *o)
{
	AUTO_FREE char *name = NULL;
	AUTO_FAULT f = first_name(source->blob, source->what, &name);

	if (f && fault_kind(f) == F_CORRUPT)
		return fault_hint(fault_wrap(steal_ptr(&f), "%s is nothing that can be imported",
					     source->what),
				  "Give a tar archive (plain or compressed), a directory, an OCI image "
				  "layout, a docker-save archive or an ext4 file.");
	if (f)
		return steal_ptr(&f);
	if (!*name)
		return fault_new(F_INVALID, "%s is empty", source->what);
	TRY(blob_rewind(source->blob));
	source->kind = SOURCE_STREAM;
	if (!is_marker(name))
		return NULL;
	TRY(spool(source, o));
	return look_into_tar(source);
}

/* --------------------------------------------------------------------------------------- files */

static struct fault *look_into_file(struct source *source, const struct source_options *o)
{
	struct vault_part part = VAULT_PART_INIT;
	char head[HEAD_BYTES] = { 0 };
	ssize_t n = pread(source->fd, head, sizeof(head), 0);

	if (n < 0)
		return fault_sys(F_SYS, "reading %s", source->what);
	if (!n)
		return fault_new(F_INVALID, "%s is empty", source->what);
	if (n >= TAR_BLOCK && tar_is_header(head))
		return look_into_tar(source);
	if (ext4_is(head, (size_t)n)) {
		source->kind = SOURCE_EXT4;
		return NULL;
	}
	part = (struct vault_part){ steal_fd(&source->fd), 0, source->bytes };
	source->blob = blob_of_part(&part, NULL, source->what, o->progress);
	return look_into_stream(source, o);
}

static void look_into_directory(struct source *source)
{
	vault_of_directory(steal_fd(&source->fd), source->what, &source->vault);
	source->kind = SOURCE_IMAGES;
	if (vault_is_layout(&source->vault))
		return;
	source->kind = SOURCE_DIRECTORY;
	source->fd = steal_fd(&source->vault.dir);
	vault_release(&source->vault);
}

static struct fault *look_into(struct source *source, const struct source_options *o)
{
	struct stat st;

	if (fstat(source->fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", source->what);
	if (S_ISDIR(st.st_mode)) {
		look_into_directory(source);
		return NULL;
	}
	if (S_ISREG(st.st_mode) && lseek(source->fd, 0, SEEK_CUR) == 0) {
		source->bytes = (uint64_t)st.st_size;
		return look_into_file(source, o);
	}
	if (S_ISBLK(st.st_mode))
		return fault_new(F_INVALID, "%s is a block device, not a file", source->what);
	if (isatty(source->fd))
		return fault_hint(fault_new(F_INVALID, "%s is a terminal, not an archive",
					    source->what),
				  "Pipe an archive into it, as in: tar -C DIR -c . | banger image "
				  "import --name NAME -");
	source->blob = blob_of_stream(source->fd, 0, source->what, o->progress);
	return look_into_stream(source, o);
}

static struct fault *open_path(const char *text, struct source *source)
{
	AUTO_FREE char *path = NULL;

	split_tag(text, &path, &source->tag);
	source->what = quoted(path);
	source->stem = stem_of(path);
	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (source->fd < 0 && errno == ENOENT)
		return fault_new(F_NOT_FOUND, "there is no file or directory %s", source->what);
	if (source->fd < 0)
		return fault_sys(F_SYS, "opening %s", source->what);
	return NULL;
}

static struct fault *open_input(const struct source_options *o, struct source *source)
{
	source->what = xstrdup("standard input");
	source->fd = fcntl(o->input, F_DUPFD_CLOEXEC, 3);
	if (source->fd < 0)
		return fault_sys(F_SYS, "opening standard input");
	return NULL;
}

struct fault *source_open(const char *text, const struct source_options *o, struct source *out)
{
	*out = SOURCE_INIT;
	out->given = xstrdup(text);
	TRY(strcmp(text, "-") ? open_path(text, out) : open_input(o, out));
	TRY(look_into(out, o));
	if (out->tag && out->kind != SOURCE_IMAGES)
		return fault_new(F_INVALID, "%s is not an OCI layout or docker-save archive, so ':%s' "
				 "cannot choose an image in it", out->what, out->tag);
	return NULL;
}

void source_release(struct source *source)
{
	blob_free(source->blob);
	fd_close(source->fd);
	vault_release(&source->vault);
	free(source->what);
	free(source->given);
	free(source->stem);
	free(source->tag);
	*source = SOURCE_INIT;
}
