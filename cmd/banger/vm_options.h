/* SPDX-License-Identifier: MIT */
/* vm_options.h - what 'vm run' and 'vm create' have in common. */
#ifndef BANGER_CMD_VM_OPTIONS_H
#define BANGER_CMD_VM_OPTIONS_H

#include "banger/command.h"
#include "disk/root_disk.h"
#include "vm/vm.h"

#define VM_CREATE_OPTIONS                                                                          \
	{ .name = "name", .value = "NAME", .help = "name of the VM", .preset = "generated" },      \
	{ .name = "image", .value = "IMAGE", .complete = COMPLETE_IMAGE,                           \
	  .setting = "defaults.image", .help = "image that the root disk starts from" },           \
	{ .name = "kernel", .value = "KERNEL", .complete = COMPLETE_KERNEL,                        \
	  .setting = "defaults.kernel", .help = "kernel to boot" },                                \
	{ .name = "locked", .value = "FILE", .complete = COMPLETE_FILE,                            \
	  .help = "refuse an image or kernel other than this lock file says" },                    \
	{ .name = "vcpu", .value = "N", .type = OPTION_COUNT, .min = 1, .max = 64,                 \
	  .setting = "vm_defaults.vcpu", .help = "number of virtual CPUs" },                       \
	{ .name = "memory", .value = "SIZE", .type = OPTION_SIZE,                                  \
	  .setting = "vm_defaults.memory", .help = "memory of the VM" },                           \
	{ .name = "disk-size", .value = "SIZE", .type = OPTION_SIZE,                               \
	  .setting = "vm_defaults.disk_size", .help = "size of the work disk at /root" },          \
	{ .name = "system-overlay-size", .value = "SIZE", .type = OPTION_SIZE,                     \
	  .setting = "vm_defaults.system_overlay_size", .help = "size of the root disk" },         \
	{ .name = "net", .value = "MODE", .complete = COMPLETE_WORDS, .words = NET_WORDS,  \
	  .setting = "vm_defaults.net",                                                    \
	  .help = "network: a bridge (root), the VMM's user mode, no interface, or a tap that root " \
		  "made for you, with the guest's address: tap:NAME,ADDRESS/PREFIX[,GATEWAY]" }, \
	{ .name = "nat", .help = "on a bridge: let it out through this host" },                    \
	{ .name = "no-nat", .help = "on a bridge: do not, whatever the configuration says" },      \
	{ .name = "peers", .help = "on a bridge: let it talk to other VMs that have --peers" },    \
	{ .letter = 'p', .name = "publish", .value = "[BIND:]HOSTPORT:GUESTPORT", .repeat = true,   \
	  .help = "forward a TCP port of this host, 127.0.0.1 unless BIND is given" },             \
	{ .name = "vmm", .value = "VMM", .complete = COMPLETE_WORDS, .words = VMM_WORDS,           \
	  .setting = "defaults.vmm", .help = "virtual machine monitor" },                          \
	{ .name = "disk-mode", .value = "MODE", .complete = COMPLETE_WORDS,                        \
	  .words = DISK_MODE_WORDS, .preset = "auto", .help = "how the root disk is made" },       \
	{ .name = "label", .value = "KEY=VALUE", .repeat = true,                                   \
	  .help = "a label, to find the VM by" },                                                  \
	{ .name = "auto-stop", .value = "DURATION", .type = OPTION_DURATION,                       \
	  .help = "let the watcher stop the VM when it was idle for so long; 0 = never" },         \
	{ .name = "ttl", .value = "DURATION", .type = OPTION_DURATION,                             \
	  .help = "let the watcher stop the VM so long after its start" }

/*
 * vm_options_read() - fill @w from the options above (strings borrowed from @inv).
 * vm_options_release() - free what it holds.
 * vm_options_announce() - for vm_create(): one line on standard error, @context is the invocation.
 */
void vm_options_read(const struct invocation *inv, struct vm_create *w);
void vm_options_release(struct vm_create *w);
void vm_options_announce(void *context, const struct vm_spec *spec);

#endif
