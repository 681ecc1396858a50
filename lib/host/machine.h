/* SPDX-License-Identifier: MIT */
/* machine.h - what this host has: CPUs, memory, KVM, programs, and the boot it is in. */
#ifndef BANGER_HOST_MACHINE_H
#define BANGER_HOST_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

/* Online CPUs, at least 1. */
unsigned int machine_cpus(void);
/* MemTotal and MemAvailable of /proc/meminfo in bytes; 0 when unknown. */
uint64_t machine_memory_total(void);
uint64_t machine_memory_available(void);
/* The random id of this boot; "" when unknown.  Static. */
const char *machine_boot_id(void);
/* The time stamp counter's rate in kHz, measured; 0 when there is none. */
uint64_t machine_tsc_khz(void);
/* OCI name of this machine's architecture: "amd64", "arm64".  Static. */
const char *machine_arch(void);

/*
 * machine_kvm_fault() - NULL when KVM works: the CPU has vmx or svm and /dev/kvm opens for reading
 * and writing.  Otherwise the reason as a fault (F_UNSUPPORTED, F_MISSING, F_DENIED).  There are
 * hosts whose /dev/kvm opens but whose CPU has no such flag; they cannot run an ordinary kernel.
 */
struct fault *machine_kvm_fault(void) MUST_CHECK;

/* machine_free_bytes() - space left for an ordinary user on the file system of @dir. */
struct fault *machine_free_bytes(int dir, uint64_t *bytes) MUST_CHECK;

/*
 * machine_find_program() - absolute path of program @name: itself when it holds a slash, else the
 * first match in PATH (a sane default when PATH is unset).  NULL when there is none.  Owned.
 */
char *machine_find_program(const char *name);
/*
 * machine_program_is_static() - does the program @path start by itself, so also where the host's files
 * are not?  No for a script and for one that names a dynamic loader (ELF, gABI chapter 5: PT_INTERP),
 * and for a file that cannot be read.
 */
bool machine_program_is_static(const char *path);
/* machine_own_program() - a path that runs this very program, replaced or removed as it may be.  Owned. */
char *machine_own_program(void);

#endif
