#!/bin/bash
# shell.sh - shellcheck on every script.
set -eu
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(git ls-files '*.sh' '*.bash' .ci/run)
shellcheck --severity=warning "${scripts[@]}"
mapfile -t tests < <(git ls-files '*.bats')
[ ${#tests[@]} -eq 0 ] || shellcheck --severity=error --shell=bats "${tests[@]}"
