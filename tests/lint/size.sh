#!/bin/bash
# size.sh - functions of at most 120 lines, .c files of 800, .h files of 400.
set -eu
cd "$(dirname "$0")/../.."
files=$(find lib cmd tests/unit tests/fuzz -name '*.[ch]')
# shellcheck disable=SC2086 # our file names have no blanks
awk '
	function check_file() {
		limit = previous ~ /\.h$/ ? 400 : 800
		if (lines > limit) {
			printf "%s: %d lines, at most %d\n", previous, lines, limit
			bad = 1
		}
	}
	FNR == 1 { if (previous) check_file(); previous = FILENAME; start = 0 }
	{ lines = FNR }
	/^{$/ { start = FNR }
	/^}/ && start {
		if (FNR - start - 1 > 120) {
			printf "%s:%d: function of %d lines, at most 120\n", FILENAME, start, FNR - start - 1
			bad = 1
		}
		start = 0
	}
	END { check_file(); exit bad }
' $files
