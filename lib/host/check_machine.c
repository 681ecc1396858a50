/* SPDX-License-Identifier: MIT */
/* check_machine.c - processor, kernel, KVM and clock. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timex.h>

#include "host/check.h"
#include "host/machine.h"
#include "host/sysroot.h"

/* pidfd_open(2), without which no process can be told from a later one of the same number. */
#define KERNEL_OLDEST	   503
#define KERNEL_RECOMMENDED 510
/* Signatures of what is fetched, and certificates, are not valid before they were made. */
#define CLOCK_EARLIEST 1735689600 /* 2025-01-01 */

void check_architecture(struct check_report *r)
{
	AUTO_FREE char *arch = check_arch();

	if (strcmp(arch, machine_arch()))
		check_fail(r, "Build or install banger for this machine.",
			   "this machine is %s, but this banger is made for %s", arch,
			   machine_arch());
	else if (strcmp(arch, "amd64"))
		check_warn(r, NULL, "%s: far less tested than amd64", arch);
	else
		check_pass(r, "%s", arch);
}

void check_kernel(struct check_report *r)
{
	AUTO_FREE char *release = check_line("/proc/sys/kernel/osrelease");
	unsigned int version = check_kernel_version();

	if (!version)
		check_fail(r, NULL, "/proc/sys/kernel/osrelease tells no version");
	else if (version < KERNEL_OLDEST)
		check_fail(r, "Install Linux 5.10 or later.", "Linux %s is older than 5.3", release);
	else if (version < KERNEL_RECOMMENDED)
		check_warn(r, "Install Linux 5.10 or later.",
			   "Linux %s is older than 5.10, the oldest that Firecracker supports",
			   release);
	else
		check_pass(r, "Linux %s", release);
}

/* ------------------------------------------------------------------------------------- KVM */

static const char *kvm_module(void)
{
	return check_cpu_flag("svm") ? "kvm_amd" : "kvm_intel";
}

static void kvm_without_flag(struct check_report *r)
{
	const char *opens = sysroot_exists("/dev/kvm")
				    ? ", so /dev/kvm is there but cannot run an ordinary kernel"
				    : "";

	check_warn(r, check_cpu_flag("hypervisor")
			      ? "Turn on nested virtualisation for this machine on its own host."
			      : "Turn on virtualisation (VT-x, AMD-V or SVM) in the firmware.",
		   "the processor shows no vmx or svm flag%s: machines are emulated, which is slower",
		   opens);
}

/* Does the kernel make a virtual machine?  Another hypervisor may have taken the processor. */
static bool kvm_makes_machines(int kvm)
{
	int vm;

	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		errno = ENOTTY;
		return false;
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return false;
	close(vm);
	return true;
}

static void kvm_open(struct check_report *r)
{
	AUTO_FREE char *path = sysroot_path("/dev/kvm");
	AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		check_warn(r, "sudo usermod -aG kvm $USER; then log in again",
			   "you may not open /dev/kvm: machines are emulated, which is slower");
	else if (fd < 0)
		check_warn(r, NULL, "/dev/kvm cannot be opened (%s): machines are emulated",
			   strerrordesc_np(errno));
	else if (!sysroot_is_dump() && !kvm_makes_machines(fd))
		check_warn(r, errno == EBUSY ? "Stop the other hypervisor, such as VirtualBox." : NULL,
			   "/dev/kvm opens but makes no virtual machine (%s)", strerrordesc_np(errno));
	else
		check_pass(r, "/dev/kvm works");
}

void check_kvm(struct check_report *r)
{
	AUTO_FREE char *arch = check_arch(), *remedy = NULL;
	bool x86 = !strcmp(arch, "amd64");

	if (x86 && !check_cpu_flag("vmx") && !check_cpu_flag("svm")) {
		kvm_without_flag(r);
		return;
	}
	if (!sysroot_exists("/dev/kvm") && x86 && r->repair && r->root)
		check_load_module(r, kvm_module());
	if (sysroot_exists("/dev/kvm")) {
		kvm_open(r);
		return;
	}
	remedy = xasprintf("sudo modprobe %s", kvm_module());
	check_warn(r, x86 ? remedy : NULL,
		   "there is no /dev/kvm, because the kvm module is not loaded: machines are emulated, "
		   "which is slower");
}

void check_nested(struct check_report *r)
{
	const char *module = kvm_module();
	AUTO_FREE char *path = xasprintf("/sys/module/%s/parameters/nested", module);
	AUTO_FREE char *nested = check_line(path);
	bool inside = check_cpu_flag("hypervisor");

	if (inside && !check_cpu_flag("vmx") && !check_cpu_flag("svm"))
		check_warn(r, "On its host: -cpu host for QEMU, <cpu mode='host-passthrough'/> for libvirt, "
			      "a type with nested virtualisation in a cloud.",
			   "this machine is itself virtual, and its hypervisor passes no virtualisation on");
	else if (*nested == 'Y' || *nested == '1')
		check_pass(r, "on%s", inside ? "; this machine is itself virtual" : "");
	else if (*nested)
		check_pass(r, "off: guests cannot run virtual machines of their own; 'options %s nested=1' "
			   "in /etc/modprobe.d changes that", module);
	else
		check_pass(r, "%s", inside ? "this machine is itself virtual" : "not applicable");
}

/* ----------------------------------------------------------------------------------- clock */

static bool is_synchronised(void)
{
	struct timex t = { .modes = 0 };

	return sysroot_is_dump() || (adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC));
}

void check_clock(struct check_report *r)
{
	AUTO_FREE char *source =
		check_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
	time_t now = time(NULL);

	if (now < CLOCK_EARLIEST)
		check_fail(r, "sudo timedatectl set-ntp true",
			   "the clock is years behind: no signature or certificate will be valid");
	else if (!strcmp(source, "hpet") || !strcmp(source, "acpi_pm") || !strcmp(source, "jiffies"))
		check_warn(r, "Look for 'clocksource' and 'TSC' in the output of dmesg.",
			   "the kernel gave up on the processor's own clock and uses '%s': everything that "
			   "asks for the time is slow", source);
	else if (!is_synchronised())
		check_warn(r, "sudo timedatectl set-ntp true",
			   "nothing keeps the clock right, and guests take their time from it");
	else
		check_pass(r, "synchronised%s%s", *source ? ", clock source " : "", source);
}
