/* SPDX-License-Identifier: MIT */
/* gc_view.h - what 'gc' and 'doctor --leaks' have found, as a table, names or JSON. */
#ifndef BANGER_CMD_GC_VIEW_H
#define BANGER_CMD_GC_VIEW_H

#include "banger/command.h"
#include "vm/gc.h"

/* gc_print() - as --json and -q of @inv say.  F_SYS. */
struct fault *gc_print(const struct invocation *inv, const struct gc *gc) MUST_CHECK;

#endif
