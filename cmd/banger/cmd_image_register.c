/* SPDX-License-Identifier: MIT */
/* cmd_image_register.c - 'image register', 'image promote'. */
#include "banger/commands.h"

#include "image/image.h"
#include "image/register.h"

static struct fault *print_name(const char *name)
{
	AUTO_FREE char *line = xasprintf("%s\n", name);

	return print_text(line);
}

static struct fault *needed(const struct invocation *inv, const char *option)
{
	if (option_given(inv, option))
		return NULL;
	return fault_hint(fault_new(F_USAGE, "option '--%s' is needed", option),
			  "'banger help image register' tells more.");
}

static struct fault *register_run(struct invocation *inv)
{
	const struct image_register r = {
		.name = option_value(inv, "name"),
		.rootfs = option_value(inv, "rootfs"),
		.kernel_ref = option_value(inv, "kernel-ref"),
		.kernel = option_value(inv, "kernel"),
		.initrd = option_value(inv, "initrd"),
		.modules = option_value(inv, "modules"),
		.force = option_given(inv, "force"),
		.progress = &inv->progress,
	};

	TRY(needed(inv, "name"));
	TRY(needed(inv, "rootfs"));
	TRY(image_register(&inv->store, &r));
	progress_end(&inv->progress);
	return print_name(r.name);
}

static const struct option register_options[] = {
	{ 'n', "name", "NAME", "what to call it" },
	{ 0, "rootfs", "FILE", "the file with an ext4 file system; it stays where it is",
	  COMPLETE_FILE },
	{ 0, "kernel-ref", "KERNEL", "kernel that its machines boot: one that is here or in the "
	  "catalogue", COMPLETE_KERNEL },
	{ 0, "kernel", "FILE", "a kernel file, imported under the image's name", COMPLETE_FILE },
	{ 0, "initrd", "FILE", "with --kernel: take its modules from this initramfs", COMPLETE_FILE },
	{ 0, "modules", "DIR", "with --kernel: its module tree, or a directory that holds one",
	  COMPLETE_DIRECTORY },
	{ 'f', "force", NULL, "replace an image of the same name, and the kernel imported for it" },
	{ 0 },
};

const struct command command_image_register = {
	.name = "image register",
	.summary = "use a file system where it is",
	.description =
		"Makes an image of an ext4 file without copying it: only its path is kept. Machines "
		"share blocks with the file, so it must not change afterwards; one that was written "
		"to, replaced or removed is refused when a machine is made or started, with the "
		"reason. 'image promote' copies it into the state directory, 'image import' does so "
		"from the beginning. 'image delete' forgets the image and leaves the file alone.\n\n"
		"Either --kernel-ref or --kernel is needed. A kernel file is imported as 'kernel "
		"import' does it; the initial RAM disk that banger boots with is always its own, made "
		"of the modules in --modules or --initrd.",
	.examples = "banger image register --name work --rootfs ./rootfs.ext4 --kernel-ref "
		    "debian-12\ta file of yours, and a kernel of the catalogue\n"
		    "banger image register --name mine --rootfs ./rootfs.ext4 --kernel ./vmlinuz "
		    "--modules ./out\tboth of your own\n"
		    "banger image promote work\tcopy it after all",
	.options = register_options,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = register_run,
};

static struct fault *promote_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;

	TRY(image_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(image_promote(&inv->store, name, &inv->progress));
	progress_end(&inv->progress);
	return print_name(name);
}

const struct command command_image_promote = {
	.name = "image promote",
	.summary = "copy the file of a registered image into the state directory",
	.operands = "NAME",
	.description =
		"Afterwards the image no longer depends on the file that it was registered with. "
		"Blocks are shared where the host's file system can; else only used blocks are "
		"copied. Machines made from the image go on unchanged.",
	.examples = "banger image promote work\tmake image 'work' independent of its file",
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_IMAGE,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = promote_run,
};
