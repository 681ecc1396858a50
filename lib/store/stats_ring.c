/* SPDX-License-Identifier: MIT */
#include "store/stats_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define MAGIC	  UINT64_C(0x3174617467726562) /* in the byte order of the machine */
#define HEAD_SIZE 256
#define WATCH_LOCK "watch.lock"

struct slot {
	struct stats_sample sample;
	uint64_t check;
};
_Static_assert(sizeof(struct slot) == 64, "state-layout.md says 64");

struct head_page {
	uint64_t magic, slots;
	struct stats_head head;
	char padding[HEAD_SIZE - 3 * sizeof(uint64_t) - sizeof(struct stats_head)];
	uint64_t check;
};
_Static_assert(sizeof(struct head_page) == HEAD_SIZE, "state-layout.md says 256");

/* FNV-1a: against torn writes, not against people. */
static uint64_t checksum(const void *data, size_t len)
{
	const unsigned char *c = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ c[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int open_ring(const struct vm_dir *d, int flags)
{
	return openat(d->fd, VM_STATS_FILE, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

static bool read_head(int fd, struct stats_head *head)
{
	struct head_page page;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    pread(fd, &page, sizeof(page), 0) != (ssize_t)sizeof(page) || page.magic != MAGIC ||
	    page.slots != STATS_RING_SLOTS ||
	    page.check != checksum(&page, offsetof(struct head_page, check)))
		return false;
	*head = page.head;
	return true;
}

bool stats_ring_head(const struct vm_dir *d, struct stats_head *head)
{
	AUTO_FD fd = open_ring(d, O_RDONLY);

	*head = (struct stats_head){ 0 };
	return read_head(fd, head);
}

static off_t slot_offset(uint64_t number)
{
	return (off_t)(HEAD_SIZE + number % STATS_RING_SLOTS * sizeof(struct slot));
}

struct fault *stats_ring_add(const struct vm_dir *d, struct stats_head *head)
{
	AUTO_FD fd = open_ring(d, O_RDWR | O_CREAT);
	struct slot slot = { .sample = head->last };
	struct head_page page = { .magic = MAGIC, .slots = STATS_RING_SLOTS };

	if (fd < 0)
		return fault_sys(F_SYS, "opening '%s/" VM_STATS_FILE "'", d->path);
	slot.check = checksum(&slot.sample, sizeof(slot.sample));
	TRY(file_pwrite_all(fd, &slot, sizeof(slot), slot_offset(head->count), VM_STATS_FILE));
	head->count++;
	page.head = *head;
	page.check = checksum(&page, offsetof(struct head_page, check));
	return file_pwrite_all(fd, &page, sizeof(page), 0, VM_STATS_FILE);
}

struct fault *stats_ring_read(const struct vm_dir *d, int64_t from_ms, struct records *out)
{
	AUTO_FD fd = open_ring(d, O_RDONLY);
	struct stats_head head;
	uint64_t first;

	*out = (struct records){ 0 };
	if (fd < 0)
		return errno == ENOENT ? NULL
				       : fault_sys(F_SYS, "opening '%s/" VM_STATS_FILE "'", d->path);
	if (!read_head(fd, &head))
		return NULL;
	first = head.count > STATS_RING_SLOTS ? head.count - STATS_RING_SLOTS : 0;
	for (uint64_t n = first; n < head.count; n++) {
		struct slot slot;

		if (pread(fd, &slot, sizeof(slot), slot_offset(n)) != (ssize_t)sizeof(slot) ||
		    slot.check != checksum(&slot.sample, sizeof(slot.sample)) ||
		    slot.sample.wall_ms < from_ms)
			continue;
		*(struct stats_sample *)records_add(out, sizeof(slot.sample)) = slot.sample;
	}
	return NULL;
}

struct fault *watch_lock(const struct store *s, int wait_ms, struct lock *lock)
{
	return lock_take(s->locks, WATCH_LOCK, LOCK_EXCLUSIVE, "the watcher", "watch", wait_ms, lock);
}
