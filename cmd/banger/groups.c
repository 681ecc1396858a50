/* SPDX-License-Identifier: MIT */
/* groups.c - the pages of command groups: what for, the usual command, what next. */
#include "banger/commands.h"

const struct command command_vm = {
	.name = "vm",
	.summary = "make, use and remove virtual machines",
	.description =
		"A virtual machine has a name, a root disk that starts as a copy of an image, and a "
		"work disk mounted at /root. It keeps both until it is deleted. 'vm run' does "
		"everything in one step; the other commands do one thing each.",
	.examples = "banger vm run --rm -- uname -a\trun one command in a machine that is gone "
		    "afterwards\n"
		    "banger vm run -d --name web\tmake a machine and leave it running\n"
		    "banger vm exec web -- sh -c 'cat /etc/os-release'\trun a command in it\n"
		    "banger vm stop web; banger vm start web\tits files are still there\n"
		    "banger vm delete web\tremove it with its disks",
};

const struct command command_image = {
	.name = "image",
	.summary = "root file systems that machines start from",
	.description =
		"An image is a bootable root file system. The default one is pulled the first time "
		"that it is needed; 'image import' makes one from a tar archive, a directory or a "
		"container image, without root and without changing it.",
	.examples = "banger image pull debian-bookworm\tbuild Debian from its package mirror\n"
		    "banger image import --name app ./app.tar\tmake an image from an archive\n"
		    "banger vm run --rm --image app -- id\tuse it",
};

const struct command command_kernel = {
	.name = "kernel",
	.summary = "kernels that machines boot",
	.description =
		"A kernel comes with an initial RAM disk made by banger and with its modules. The "
		"default one is pulled the first time that it is needed; 'kernel import' takes one "
		"from a package, from a directory or from this host.",
	.examples = "banger kernel pull debian-12\tfetch and check Debian's kernel package\n"
		    "banger kernel list\twhich ones are here",
};

const struct command command_system = {
	.name = "system",
	.summary = "banger itself on this host",
	.description = "What concerns the whole of banger on this host, not one machine or image.",
	.examples = "banger system df\twhat it takes on the disk\n"
		    "sudo banger system install --nss\tprogram, manual, completion, units, NAME.vm",
};

const struct command command_net = {
	.name = "net",
	.summary = "the network of machines that root runs",
	.description =
		"Machines of root are on a bridge of this host (net.bridge, net.subnet), each with an "
		"address of its own. A packet filter of banger's own keeps them apart: a machine can "
		"ping this host and answer what connects to it, and send as nobody else. With --nat it "
		"may also go out through this host, with --peers talk to other machines that have "
		"--peers, and find them by name in their /etc/hosts. Bridge and rules go with the last machine.\n\n"
		"Machines of other users have the VMM's own user-mode network, which needs no "
		"privileges and lets them out. Firecracker has none of that kind; a tap that root made "
		"once for a user gives it a network without privileges. What the tap leads to, and what is "
		"filtered there, is up to who made it:\n\n"
		"  sudo ip tuntap add dev mine mode tap user $USER\n"
		"  sudo ip address add 10.9.0.1/24 dev mine\n"
		"  sudo ip link set mine up\n"
		"  banger vm run --net tap:mine,10.9.0.2/24,10.9.0.1",
	.examples = "banger vm set web --nat\tlet a running machine out\n"
		    "banger net status\tthe bridge and its taps",
};
