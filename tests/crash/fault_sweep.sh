#!/bin/bash
# fault_sweep.sh [OPERATION...] - the points of kill_sweep.sh, but instead of killing banger its system
# calls fail: disk full, input/output error, no descriptor left, interrupted by a signal, busy, forbidden.
set -u
export CRASH_MODES=${CRASH_MODES:-fail-ENOSPC fail-EIO fail-EMFILE fail-EINTR fail-EBUSY fail-EPERM}
# In 'make check' each point fails in one way, with CRASH_POINTS=0 in each.
[ "${CRASH_POINTS:-}" = 0 ] || export CRASH_POINTS=${CRASH_POINTS:-12} CRASH_ROTATE=yes
exec "$(dirname "$0")/kill_sweep.sh" "$@"
