#!/bin/bash
# shell.sh - shellcheck on every script.
set -eu
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(find packaging tests completions -name '*.sh' -o -name '*.bash')
shellcheck --severity=warning "${scripts[@]}" .ci/run
mapfile -t tests < <(find tests -name '*.bats')
[ ${#tests[@]} -eq 0 ] || shellcheck --severity=error --shell=bats "${tests[@]}"
