#!/bin/bash
# import.sh [TAR] - what importing an image costs, against the usual tools on the same files in the
# same run: "tar -x" and "mke2fs -d", mke2fs alone, and gzip for a compressed archive.  Without
# TAR, about 240 MB and 11,000 files of this host's /usr are taken.  Prints ratios; fails only when
# a command fails.
set -eu
cd "$(dirname "$0")/../.."
banger=$PWD/${BUILD:-build}/banger
mke2fs=$(PATH=$PATH:/sbin:/usr/sbin command -v mke2fs)
world=$(mktemp -d "${TMPDIR:-/tmp}/banger-bench.XXXXXX")
trap 'rm -rf "$world"' EXIT
export BANGER_STATE_DIR=$world/state
rounds=${ROUNDS:-5}
size=2G

choose_files()
{
	find /usr/bin /usr/lib /usr/share -xdev \( -type f -o -type l \) -readable -size -8M \
		-printf '%s %p\n' 2> /dev/null | LC_ALL=C sort -k 2 | awk '
		{ all[NR] = $0 }
		END {
			step = NR > 11000 ? NR / 11000 : 1
			for (i = 1; i <= NR && total < 240e6; i += step) {
				line = all[int(i)]
				total += line + 0
				sub(/^[0-9]+ /, "", line)
				print line
			}
		}'
}

tar=${1:-}
if [ -z "$tar" ]; then
	tar=$world/files.tar
	choose_files > "$world/list"
	tar -C / --no-recursion -cf "$tar" -T "$world/list" 2> /dev/null
fi
gzip -c "$tar" > "$world/files.tar.gz"
mkdir "$world/tree"
tar -C "$world/tree" -xf "$tar"
awk -v n="$(tar -tf "$tar" | wc -l)" -v b="$(stat -Lc %s "$tar")" \
	'BEGIN { printf "%d entries, archive of %.0f MB\n", n, b / 1e6 }'

import()
{
	"$banger" image import --name bench --size $size "$1" > /dev/null 2>&1
	"$banger" image delete bench > /dev/null 2>&1
}

unpack_and_format()
{
	rm -rf "$world/out" "$world/out.ext4"
	mkdir "$world/out"
	tar -C "$world/out" -xf "$tar"
	format "$world/out"
}

format()
{
	rm -f "$world/out.ext4"
	truncate -s $size "$world/out.ext4"
	"$mke2fs" -q -F -t ext4 -d "$1" "$world/out.ext4"
}

unzip_only()
{
	gzip -dc "$world/files.tar.gz" > /dev/null
}

# Seconds of each command, the best of all rounds; the rounds take turns, so that a busy machine
# is busy for all of them.
declare -A best=()
measure()
{
	local name=$1 began ended

	shift
	began=$EPOCHREALTIME
	"$@"
	ended=$EPOCHREALTIME
	best[$name]=$(awk -v a="$began" -v b="$ended" -v best="${best[$name]:-}" \
		'BEGIN { t = b - a; print (best == "" || t < best) ? t : best }')
}

for ((i = 0; i < rounds; i++)); do
	measure import import "$tar"
	measure import-gz import "$world/files.tar.gz"
	measure tar-mke2fs unpack_and_format
	measure mke2fs format "$world/tree"
	measure gzip unzip_only
done

ratio()
{
	awk -v what="$1" -v ours="${best[$2]}" -v theirs="${best[$3]}" -v goal="$4" \
		'BEGIN { printf "%-40s %6.2f s %6.2f s   ratio %.2f (goal %s)\n",
			what, ours, theirs, ours / theirs, goal }'
}

ratio "import : tar -x + mke2fs -d" import tar-mke2fs 0.50
ratio "import : mke2fs -d alone" import mke2fs 1.00
ratio "import of .tar.gz : gzip -dc" import-gz gzip 1.25

# Peak memory, by GNU time: it is small itself, and what forks counts as well until it execs.
if ! command -v /usr/bin/time > /dev/null; then
	echo "peak memory: not measured, GNU time is missing"
	exit 0
fi
for archive in "$tar" "$world/files.tar.gz"; do
	/usr/bin/time -o "$world/peak" -f %M \
		"$banger" image import --name peak --size $size "$archive" > /dev/null 2>&1
	"$banger" image delete peak > /dev/null 2>&1
	awk -v what="${archive##*.}" \
		'{ printf "peak memory, .%-27s %6.1f MiB (goal 64)\n", what, $1 / 1024 }' "$world/peak"
done
