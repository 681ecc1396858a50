#!/bin/bash
# fault_sweep.sh [OPERATION...] - the points of kill_sweep.sh, but instead of killing banger its system
# calls fail: disk full, input/output error, no descriptor left, interrupted by a signal.
set -u
export CRASH_MODES=${CRASH_MODES:-fail-ENOSPC fail-EIO fail-EMFILE fail-EINTR} CRASH_POINTS=${CRASH_POINTS:-4}
exec "$(dirname "$0")/kill_sweep.sh" "$@"
