/* SPDX-License-Identifier: MIT */
/* labels.h - labels and time limits of a VM, and picking VMs by them. */
#ifndef BANGER_VM_LABELS_H
#define BANGER_VM_LABELS_H

#include <stdbool.h>

#include "store/vm_record.h"

#define LABELS_MAX 64

/* label_check() - is @label "KEY=VALUE"?  KEY: 1..63 of a-z A-Z 0-9 . _ / -; VALUE: at most 255 bytes
 * without control characters.  F_INVALID. */
struct fault *label_check(const char *label) MUST_CHECK;
/* labels_normalise() - check all, sort them, and of a key that is there twice keep the last. */
struct fault *labels_normalise(struct strings *labels) MUST_CHECK;
/* labels_change() - "K=V" sets a label, "K-" removes it.  F_INVALID. */
struct fault *labels_change(struct strings *labels, const char *change) MUST_CHECK;
/* labels_match() - is @wanted ("K=V", or "K" for any value) among @labels? */
bool labels_match(const struct strings *labels, const char *wanted);

/* limits_check() - spec's auto_stop and ttl are durations, and a ttl is not zero.  F_INVALID. */
struct fault *limits_check(const struct vm_spec *spec) MUST_CHECK;

#endif
