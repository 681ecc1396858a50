/* SPDX-License-Identifier: MIT */
#include "kernel/debian.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/archive_reader.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/http.h"
#include "base/sha256.h"
#include "base/text.h"
#include "host/spawn.h"

#define RELEASE_BYTES_MAX (16u << 20)
#define INDEX_BYTES_MAX	  (UINT64_C(256) << 20)
#define GPGV_DEADLINE_MS  60000
#define STATUS_MARK	  "[GNUPG:] "

const char *const debian_keyrings[] = {
	"/usr/share/keyrings/debian-archive-keyring.gpg",
	"/usr/share/keyrings/debian-archive-bookworm-automatic.gpg",
	"/usr/share/keyrings/debian-archive-bookworm-security-automatic.gpg",
	"/usr/share/keyrings/debian-archive-bookworm-stable.gpg",
	"/usr/share/keyrings/debian-archive-trixie-automatic.gpg",
	"/usr/share/keyrings/debian-archive-trixie-security-automatic.gpg",
	"/usr/share/keyrings/debian-archive-trixie-stable.gpg",
	NULL,
};

void debian_release_release(struct debian_release *r)
{
	free(r->distro);
	free(r->index_path);
	free(r->index_sha256);
	*r = (struct debian_release){ 0 };
}

/* ------------------------------------------------------------------------------- fetching */

struct download {
	const char *what;
	int fd;
	struct sha256 *hash;
	uint64_t bytes;
};

static struct fault *on_data(void *context, const void *data, size_t len)
{
	struct download *d = context;

	sha256_update(d->hash, data, len);
	d->bytes += len;
	return file_write_all(d->fd, data, len, d->what);
}

/* A temporary file without a name. */
static struct fault *unnamed_file(int dir, int *fd)
{
	AUTO_FREE char *name = NULL;

	TRY(file_temp(dir, "download", 0600, &name, fd));
	if (unlinkat(dir, name, 0) < 0) {
		struct fault *f = fault_sys(F_SYS, "preparing a temporary file");

		fd_close(*fd);
		*fd = -1;
		return f;
	}
	return NULL;
}

static struct fault *check_download(struct download *d, uint64_t bytes, const char *sha256,
				    const char *url)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_finish(steal_ptr(&d->hash), hex);
	if (d->bytes != bytes)
		return fault_new(F_CORRUPT, "'%s' has %llu bytes where %llu were announced", url,
				 (unsigned long long)d->bytes, (unsigned long long)bytes);
	if (strcmp(hex, sha256))
		return fault_new(F_CORRUPT, "'%s' does not have the digest that was signed", url);
	if (lseek(d->fd, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading '%s' back", url);
	return NULL;
}

struct fault *debian_fetch(const struct debian_archive *a, const char *path, uint64_t bytes,
			   const char *sha256, int *fd)
{
	AUTO_FREE char *url = xasprintf("%s/%s", a->uri, path);
	AUTO_FD file = -1;
	struct download d = { .what = "a downloaded file" };
	const struct http_get get = { .url = url, .size = bytes, .max = bytes,
				      .progress = a->progress, .sink = on_data, .context = &d };
	struct fault *f;

	TRY(unnamed_file(a->cache, &file));
	d.fd = file;
	d.hash = sha256_new();
	f = http_get(&get);
	if (!f)
		f = check_download(&d, bytes, sha256, url);
	sha256_free(d.hash);
	TRY(f);
	*fd = steal_fd(&file);
	return NULL;
}

struct fault *debian_package_fetch(const struct debian_archive *a, const struct debian_package *p,
				   int *fd)
{
	progress_stage(a->progress, "fetching %s %s", p->name, p->version);
	return debian_fetch(a, p->path, p->bytes, p->sha256, fd);
}

/* ------------------------------------------------------------------------------ InRelease */

static struct fault *memory_file(const struct buf *content, int *fd)
{
	AUTO_FD file = memfd_create("banger", MFD_CLOEXEC);

	if (file < 0)
		return fault_sys(F_SYS, "making a file in memory");
	if (content)
		TRY(file_write_all(file, content->data, content->len, "a file in memory"));
	if (lseek(file, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "making a file in memory");
	*fd = steal_fd(&file);
	return NULL;
}

static struct fault *gpgv_arguments(const struct debian_archive *a, const char **argv, size_t room)
{
	size_t n = 0, keys = 0;

	argv[n++] = "gpgv";
	argv[n++] = "--status-fd";
	argv[n++] = "2";
	argv[n++] = "--output";
	argv[n++] = "-";
	for (size_t i = 0; a->keyrings[i] && n + 4 < room; i++) {
		if (access(a->keyrings[i], R_OK) < 0)
			continue;
		argv[n++] = "--keyring";
		argv[n++] = a->keyrings[i];
		keys++;
	}
	argv[n++] = "-";
	argv[n] = NULL;
	if (!keys)
		return fault_hint(fault_new(F_MISSING, "there are no keys to check Debian's "
					    "signatures with ('%s')", a->keyrings[0]),
				  "Install the package debian-archive-keyring.");
	return NULL;
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/*
 * gpgv fails when one of several signatures is by a key that it does not have: that of the next
 * Debian release on a host of this one.  As for apt, one good signature and no bad one are enough.
 */
static bool signature_is_good(const char *status)
{
	bool good = false;

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!starts_with(line, STATUS_MARK))
			continue;
		line += strlen(STATUS_MARK);
		if (starts_with(line, "GOODSIG "))
			good = true;
		if (starts_with(line, "BADSIG ") || starts_with(line, "NODATA") ||
		    starts_with(line, "UNEXPECTED"))
			return false;
	}
	return good;
}

static struct fault *wait_for_gpgv(const struct spawn *s, struct child_status *status)
{
	struct child child = CHILD_INIT;
	struct fault *f = spawn_start(s, &child);

	if (f && fault_kind(f) == F_MISSING)
		return fault_hint(f, "Install the package gpgv.");
	if (!f)
		f = child_wait(&child, GPGV_DEADLINE_MS, status);
	child_kill(&child);
	return f;
}

/* Check @in_release and append to @text what of it was signed. */
static struct fault *verify(const struct debian_archive *a, const struct buf *in_release,
			    struct buf *text)
{
	const char *argv[32];
	struct spawn s = { SPAWN_INIT, .argv = argv };
	struct child_status status;
	AUTO_BUF said = BUF_INIT;
	AUTO_FD in = -1;
	AUTO_FD out = -1;
	AUTO_FD err = -1;

	TRY(gpgv_arguments(a, argv, ARRAY_LEN(argv)));
	TRY(memory_file(in_release, &in));
	TRY(memory_file(NULL, &out));
	TRY(memory_file(NULL, &err));
	s.in = in;
	s.out = out;
	s.err = err;
	TRY(wait_for_gpgv(&s, &status));
	if (lseek(out, 0, SEEK_SET) < 0 || lseek(err, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading what gpgv wrote");
	TRY(file_read_fd(err, RELEASE_BYTES_MAX, "gpgv's messages", &said));
	TRY(file_read_fd(out, RELEASE_BYTES_MAX, "the signed text", text));
	if (status.end != CHILD_EXITED || !signature_is_good(said.data) || !text->len)
		return fault_attach(fault_new(F_CORRUPT, "the signature of suite '%s' at '%s' is not "
					      "one of Debian's", a->suite, a->uri),
				    child_fault("gpgv", &status, &said));
	return NULL;
}

struct fault *debian_release_fetch(const struct debian_archive *a, const char *arch,
				   struct debian_release *release)
{
	AUTO_FREE char *url = xasprintf("%s/dists/%s/InRelease", a->uri, a->suite);
	AUTO_BUF in_release = BUF_INIT;
	AUTO_BUF text = BUF_INIT;

	progress_stage(a->progress, "fetching the index of %s from %s", a->suite, a->uri);
	TRY(http_get_buf(url, RELEASE_BYTES_MAX, a->progress, &in_release));
	TRY(verify(a, &in_release, &text));
	return fault_wrap(debian_release_read(text.data, a->suite, arch, time(NULL), release),
			  "'%s'", url);
}

/* --------------------------------------------------------------------------- package index */

static struct fault *read_index(struct debian_index *x, struct archive_reader *r)
{
	struct archive_item item;
	uint64_t total = 0, offset;
	const void *data;
	size_t len;
	bool end;

	TRY(archive_reader_next(r, &item, &end));
	while (!end) {
		TRY(cancel_check());
		TRY(archive_reader_data(r, &data, &len, &offset));
		if (!len)
			break;
		total += len;
		if (total > INDEX_BYTES_MAX)
			return fault_new(F_CORRUPT, "the package index is longer than %llu bytes",
					 (unsigned long long)INDEX_BYTES_MAX);
		TRY(debian_index_add(x, data, len));
	}
	return debian_index_end(x);
}

/* A mirror may be half way through an update; what is named by its digest stays. */
static char *index_path(const struct debian_archive *a, const struct debian_release *release)
{
	const char *slash = strrchr(release->index_path, '/');
	int directory = (int)(slash - release->index_path);

	if (!release->by_hash)
		return xasprintf("dists/%s/%s", a->suite, release->index_path);
	return xasprintf("dists/%s/%.*s/by-hash/SHA256/%s", a->suite, directory,
			 release->index_path, release->index_sha256);
}

static struct fault *fetch_index(const struct debian_archive *a,
				 const struct debian_release *release, struct debian_index *x)
{
	AUTO_FREE char *path = index_path(a, release);
	struct archive_reader *r;
	AUTO_FD fd = -1;
	struct fault *f;

	TRY(debian_fetch(a, path, release->index_bytes, release->index_sha256, &fd));
	TRY(archive_reader_open_fd(fd, ARCHIVE_RAW, "the package index", &r));
	f = read_index(x, r);
	archive_reader_free(r);
	return f;
}

struct fault *debian_kernel_find(const struct debian_archive *a,
				 const struct debian_release *release, const char *package,
				 struct debian_package *out)
{
	struct debian_index x = { .prefix = "linux-image-", .line = BUF_INIT };
	struct fault *f = fetch_index(a, release, &x);

	if (!f)
		f = fault_wrap(debian_index_choose(&x, package, out), "suite '%s' at '%s'",
			       a->suite, a->uri);
	debian_index_release(&x);
	return f;
}
