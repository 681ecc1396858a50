/* SPDX-License-Identifier: MIT */
/* cmd_image_lock.c - 'image lock': what the names stand for today. */
#include "banger/commands.h"
#include "image/image_lock.h"

static struct fault *lock_run(struct invocation *inv)
{
	AUTO_IMAGE_LOCKS locks = { 0 };

	TRY(image_locks_make(&inv->store, &inv->operands, inv->config.default_kernel, &locks));
	return print_record(&image_locks_type, &locks);
}

const struct command command_image_lock = {
	.name = "image lock",
	.summary = "print the digests of images and kernels as a lock file",
	.operands = "[NAME...]",
	.description =
		"Prints which bytes the images NAME, or all images, stand for, and the kernels that "
		"they start with. Kept in a file, it makes sure that everybody who gives it with "
		"--locked to 'image pull', 'vm run' or 'vm create' uses the very same ones: another "
		"digest is refused, before the image's layers are downloaded.\n\n"
		"An image of a registry is locked by the digest of its manifest. One that was built "
		"from packages or imported is locked by its root file system, which is read for it.",
	.examples = "banger image lock > images.lock\tlock all images\n"
		    "banger vm run --locked images.lock --image python:3.12\tinsist on it",
	.max_operands = -1,
	.complete = COMPLETE_IMAGE,
	.flags = CMD_NEEDS_READ,
	.run = lock_run,
};
