/* SPDX-License-Identifier: MIT */
#include "host/machine.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "host/sysroot.h"

#define OWN_PROGRAM  "/proc/self/exe"
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define BOOT_ID_LEN  36
#define PARTS_OFFSET_MAX (1u << 20) /* of an ELF file's program headers; they follow its header */

unsigned int machine_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned int)n : 1;
}

/* The value of "<key>:   <n> kB" in /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *key)
{
	AUTO_BUF text = BUF_INIT;
	size_t len = strlen(key);

	if (!sysroot_read("/proc/meminfo", 64 * KIB, &text))
		return 0;
	for (const char *line = text.data; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10) * KIB;
	}
	return 0;
}

uint64_t machine_memory_total(void)
{
	return meminfo("MemTotal");
}

uint64_t machine_memory_available(void)
{
	return meminfo("MemAvailable");
}

const char *machine_boot_id(void)
{
	static char id[BOOT_ID_LEN + 1];
	AUTO_BUF text = BUF_INIT;

	if (!id[0] && sysroot_read("/proc/sys/kernel/random/boot_id", 256, &text) &&
	    text.len >= BOOT_ID_LEN)
		memcpy(id, text.data, BOOT_ID_LEN);
	return id;
}

/* The kernel does not export its own figure and "cpu MHz" is the current clock, so it is measured
 * for two milliseconds: exact enough for what a guest uses it for before it calibrates better. */
uint64_t machine_tsc_khz(void)
{
#if defined(__x86_64__)
	struct timespec start, now;
	uint64_t tsc_start, tsc_end, ns;

	clock_gettime(CLOCK_MONOTONIC_RAW, &start);
	tsc_start = __builtin_ia32_rdtsc();
	do {
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		tsc_end = __builtin_ia32_rdtsc();
		ns = (uint64_t)((now.tv_sec - start.tv_sec) * 1000000000 +
				(now.tv_nsec - start.tv_nsec));
	} while (ns < 2000000);
	return (tsc_end - tsc_start) * 1000000 / ns;
#else
	return 0;
#endif
}

const char *machine_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#else
#error "this architecture is not supported"
#endif
}

#if defined(__x86_64__)
/* Is @flag one of the words of the first "flags" line of /proc/cpuinfo? */
static bool cpu_has(const char *flag)
{
	AUTO_BUF text = BUF_INIT;
	size_t len = strlen(flag);
	char *line, *end;

	if (!sysroot_read("/proc/cpuinfo", 4 * MIB, &text))
		return false;
	line = strstr(text.data, "\nflags");
	if (!line)
		return false;
	end = strchr(line + 1, '\n');
	if (end)
		*end = '\0';
	for (char *at = strstr(line, flag); at; at = strstr(at + 1, flag))
		if (at[-1] == ' ' && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}
#endif

struct fault *machine_kvm_fault(void)
{
	AUTO_FREE char *path = sysroot_path("/dev/kvm");
	AUTO_FD fd = -1;

#if defined(__x86_64__)
	if (!cpu_has("vmx") && !cpu_has("svm"))
		return fault_new(F_UNSUPPORTED,
				 "this CPU offers no hardware virtualisation (no vmx or svm flag)");
#endif
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		return NULL;
	if (errno == ENOENT)
		return fault_new(F_MISSING, "/dev/kvm does not exist: the kvm module is not loaded");
	return fault_hint(fault_sys(F_SYS, "opening /dev/kvm"),
			  "Join the group that owns /dev/kvm: sudo usermod -aG kvm $USER");
}

struct fault *machine_free_bytes(int dir, uint64_t *bytes)
{
	struct statvfs fs;

	if (fstatvfs(dir, &fs) < 0)
		return fault_sys(F_SYS, "asking for free disk space");
	*bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return NULL;
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

char *machine_find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return is_program(name) ? xstrdup(name) : NULL;
	if (!path || !*path)
		path = DEFAULT_PATH;
	while (*path) {
		size_t len = strcspn(path, ":");
		AUTO_FREE char *candidate = xasprintf("%.*s/%s", (int)len, path, name);

		if (len && path[0] == '/' && is_program(candidate))
			return steal_ptr(&candidate);
		path += len + (path[len] == ':');
	}
	return NULL;
}

bool machine_program_is_static(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	Elf64_Ehdr header;
	Elf64_Phdr part;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(part) || header.e_phoff > PARTS_OFFSET_MAX)
		return false;
	for (size_t i = 0; i < header.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part), (off_t)(header.e_phoff + i * sizeof(part))) !=
			    (ssize_t)sizeof(part) ||
		    part.p_type == PT_INTERP)
			return false;
	}
	return header.e_phnum > 0;
}

char *machine_own_program(void)
{
	char path[4096];
	ssize_t n = readlink(OWN_PROGRAM, path, sizeof(path) - 1);

	if (n > 0) {
		path[n] = '\0';
		if (is_program(path))
			return xstrdup(path);
	}
	return xstrdup(OWN_PROGRAM);
}
