/* SPDX-License-Identifier: MIT */
/* faults.h - what a test expects of a call that returns a fault.  To be included after cmocka.h. */
#ifndef BANGER_TESTS_FAULTS_H
#define BANGER_TESTS_FAULTS_H

#include <string.h>

#include "base/fault.h"

static inline void must(struct fault *f)
{
	if (f)
		fail_msg("%s", fault_message(f));
}

/* Frees @f.  @part: of its message. */
static inline void expect_fault(struct fault *f, enum fault_kind kind, const char *part)
{
	assert_non_null(f);
	if (fault_kind(f) != kind || !strstr(fault_message(f), part))
		fail_msg("%s: %s", fault_kind_name(fault_kind(f)), fault_message(f));
	fault_free(f);
}

#endif
