#!/bin/bash
# run.sh BUILD_DIRECTORY SECONDS - run every fuzz target for so long, starting from its seeds.
#
# New inputs are collected under BUILD_DIRECTORY/corpus; the seeds in the repository stay as they
# are.  A crash leaves its input in BUILD_DIRECTORY/found.
set -eu
cd "$(dirname "$0")/../.."
build=$1 seconds=$2 ran=0
mkdir -p "$build/found"
for source in tests/fuzz/*.c; do
	[ -e "$source" ] || continue
	name=$(basename "$source" .c)
	mkdir -p "$build/corpus/$name"
	seeds=()
	[ ! -d "tests/fuzz/seeds/$name" ] || seeds=("tests/fuzz/seeds/$name")
	echo "fuzzing $name for $seconds s"
	"$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
		-print_final_stats=1 -verbosity=0 -artifact_prefix="$build/found/$name-" \
		"$build/corpus/$name" "${seeds[@]}"
	ran=$((ran + 1))
done
echo "$ran fuzz targets, nothing found"
[ "$ran" -gt 0 ]
