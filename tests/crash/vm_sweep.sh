#!/bin/bash
# vm_sweep.sh - some of the points of kill_sweep.sh with QEMU itself and guests that boot.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v qemu-system-x86_64 > /dev/null || { echo "1..0 # skip qemu-system-x86_64 is not installed"; exit 0; }
# What is done a second time has to boot: a few of these.
export CRASH_REAL=yes CRASH_MODES=${CRASH_MODES:-after}
[ "${CRASH_POINTS:-}" = 0 ] && export CRASH_POINTS="40 stop:20" || export CRASH_POINTS="20 stop:6 run:12"
exec tests/crash/kill_sweep.sh start delete stop run
