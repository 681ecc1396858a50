/* SPDX-License-Identifier: MIT */
#include "host/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "host/sysroot.h"

#define CONTROL "/dev/loop-control"
/* Between being told of a free device and taking it, somebody else may have taken it. */
#define TRIES 64

static struct fault *open_control(int *fd)
{
	AUTO_FREE char *path = sysroot_path(CONTROL);

	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd >= 0)
		return NULL;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return fault_hint(fault_new(F_MISSING, "there is no " CONTROL ": the kernel has no "
					    "loop devices"), "Try: modprobe loop");
	return fault_sys(F_SYS, "opening '" CONTROL "'");
}

struct fault *loop_check(void)
{
	AUTO_FD control = -1;

	return open_control(&control);
}

/* *@taken: somebody else has it. */
static struct fault *take(int number, const struct loop_config *config, bool read_only, int *fd,
			  bool *taken)
{
	AUTO_FREE char *name = xasprintf("/dev/loop%d", number);
	AUTO_FREE char *path = sysroot_path(name);
	AUTO_FD device = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	*taken = false;
	if (device < 0)
		return fault_sys(errno == ENOENT ? F_MISSING : F_SYS, "opening '%s'", name);
	if (!ioctl(device, LOOP_CONFIGURE, config)) {
		*fd = steal_fd(&device);
		return NULL;
	}
	*taken = errno == EBUSY;
	if (*taken)
		return NULL;
	if (errno == EINVAL || errno == ENOTTY)
		return fault_new(F_UNSUPPORTED, "this kernel cannot set up '%s' in one go (Linux 5.8 "
				 "and later can)", name);
	return fault_sys(F_SYS, "setting up '%s'", name);
}

struct fault *loop_attach(int file, bool read_only, bool direct, int *fd, dev_t *device)
{
	struct loop_config config = {
		.fd = (__u32)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0u) |
				 (direct ? LO_FLAGS_DIRECT_IO : 0u),
	};
	AUTO_FD control = -1;
	AUTO_FD loop = -1;
	bool taken = true;
	struct stat st;

	TRY(open_control(&control));
	for (int tries = 0; taken && tries < TRIES; tries++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return fault_sys(F_SYS, "asking for a free loop device");
		TRY(take(number, &config, read_only, &loop, &taken));
	}
	if (taken)
		return fault_new(F_BUSY, "others took every free loop device, %d times", TRIES);
	if (fstat(loop, &st) < 0)
		return fault_sys(F_SYS, "looking at a loop device");
	*device = st.st_rdev;
	*fd = steal_fd(&loop);
	return NULL;
}
