/* SPDX-License-Identifier: MIT */
/*
 * layers.c - any layers merged into a file system: a file system or a fault.
 *
 * An even first byte: the rest is one archive, as it is.  An odd one: the rest is read as entries
 * of three bytes each (kind, path, target), of which well-formed archives are made, so that the
 * fuzzer gets past their checksums.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../unit/tar_build.h"
#include "base/text.h"
#include "image/builder.h"

#define LAYERS_MAX 8

/* A run takes and frees megabytes; what AddressSanitizer keeps of that must stay in bounds. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

/* A path of up to three one-letter names, with a link's or hostile name now and then. */
static void add_path(struct buf *out, uint8_t choice)
{
	static const char *const names[] = {"a", "b", "c", "l"};

	if (choice == 255) {
		buf_adds(out, "..");
		return;
	}
	buf_adds(out, names[choice & 3]);
	if (choice & 0x30)
		buf_addf(out, "/%s", names[choice >> 2 & 3]);
	if ((choice & 0x30) == 0x30)
		buf_addf(out, "/%s", names[choice >> 6 & 3]);
}

static void add_entry(struct buf *tar, const uint8_t *bytes)
{
	static const char *const targets[] = {"a", "/b", "../c", "l", ".", "a/b/c", "/", "../../l"};
	AUTO_BUF path = BUF_INIT, target = BUF_INIT;
	char *slash;

	add_path(&path, bytes[1]);
	switch (bytes[0] & 7) {
	case 0:
	case 1:
		tar_file(tar, path.data, bytes, bytes[2] & 3);
		break;
	case 2:
		tar_add(tar, path.data, '5', NULL);
		break;
	case 3:
		tar_add(tar, path.data, '2', targets[bytes[2] & 7]);
		break;
	case 4:
		add_path(&target, bytes[2]);
		tar_add(tar, path.data, '1', target.data);
		break;
	case 5:
		slash = strrchr(path.data, '/');
		buf_adds(&target, slash ? slash + 1 : path.data);
		path.len = slash ? (size_t)(slash + 1 - path.data) : 0;
		path.data[path.len] = 0;
		buf_addf(&path, ".wh.%s", target.data);
		tar_add(tar, path.data, '0', NULL);
		break;
	case 6:
		buf_adds(&path, "/.wh..wh..opq");
		tar_add(tar, path.data, '0', NULL);
		break;
	default:
		tar_add(tar, path.data, '3', NULL);
	}
}

static struct fault *add_layer(struct image_builder *b, const struct buf *tar)
{
	struct memory m = {tar, 0, 1000};
	struct archive_source source = {read_memory, &m};

	return image_builder_layer(b, &source, "fuzz", NULL);
}

static struct fault *add_made(struct image_builder *b, const uint8_t *data, size_t size)
{
	size_t layers = 0;

	while (size >= 3 && layers++ < LAYERS_MAX) {
		AUTO_BUF tar = BUF_INIT;

		/* The kind's top bit ends a layer. */
		do {
			add_entry(&tar, data);
			data += 3;
			size -= 3;
		} while (size >= 3 && !(data[-3] & 0x80));
		tar_end(&tar);
		TRY(add_layer(b, &tar));
	}
	return NULL;
}

static struct fault *add_raw(struct image_builder *b, const uint8_t *data, size_t size)
{
	AUTO_BUF tar = BUF_INIT;

	buf_add(&tar, data, size);
	return add_layer(b, &tar);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FD out = memfd_create("out", MFD_CLOEXEC);
	struct image_builder_options o = {.size_bytes = MIB, .max_entries = 10000};
	struct image_builder *b = NULL;
	struct image_summary sum;
	struct fault *f;

	if (!size)
		return 0;
	f = image_builder_open(out, &o, &b);
	if (f)
		abort();
	f = *data & 1 ? add_made(b, data + 1, size - 1) : add_raw(b, data + 1, size - 1);
	if (!f)
		f = image_builder_finish(b, &sum);
	if (!f)
		image_summary_release(&sum);
	fault_free(f);
	image_builder_free(b);
	return 0;
}
