#!/bin/bash
# registry.sh - what a pull costs, from a registry on this machine to a bootable file system, against the
# usual tools on the same image in the same run: "skopeo copy" + "umoci unpack" + "mke2fs -d", the
# floor "gzip -dc" of the same layer, and "mke2fs -d" alone of the tree already unpacked.  One image of
# about 240 MB and 11,000 files of this host's /usr, one of 100,000 small files, one layer each.  Prints
# ratios; fails only when a command fails.
set -eu
cd "$(dirname "$0")/../.."
banger=$PWD/${BUILD:-build}/banger
mke2fs=$(PATH=$PATH:/sbin:/usr/sbin command -v mke2fs)
for tool in docker-registry skopeo umoci jq zstd; do
	command -v $tool > /dev/null || { echo "registry.sh: $tool is not installed"; exit 0; }
done
world=$(mktemp -d "${TMPDIR:-/tmp}/banger-bench.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$world"' EXIT
export BANGER_STATE_DIR=$world/state
rounds=${ROUNDS:-3}
size=2G
# shellcheck source=tests/fixtures/images.bash
. tests/fixtures/images.bash
cd "$world"

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

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
registry=127.0.0.1:$port
printf '%s\n' 'version: 0.1' 'log: {level: error, accesslog: {disabled: true}}' \
	"storage: {filesystem: {rootdirectory: $world/data}}" "http: {addr: \"$registry\"}" > registry.yml
docker-registry serve registry.yml > server.log 2>&1 &
server=$!
for _ in {1..100}; do
	! curl -s -o /dev/null "http://$registry/v2/" || break
	sleep 0.1
done

choose_files > list
tar -C / --no-recursion -cf debian.tar -T list 2> /dev/null
mkdir many
for d in {1..100}; do
	mkdir "many/$d"
	(cd "many/$d" && seq 1000 | split -l 1 -a 3 - f)
done
layer many.tar many
rm -rf many

push()
{
	skopeo copy -q --insecure-policy --preserve-digests --dest-tls-verify=false "oci:layout:$1" \
		"docker://$registry/$1:1"
}

for image in debian many; do
	layout layout $image $image.tar > /dev/null
	ENDING=+zstd recompressed layout $image $image-zstd zstd -q -c
	ENDING='' recompressed layout $image $image-plain cat
	for kind in '' -zstd -plain; do
		push "$image$kind"
	done
	mkdir "$image.tree"
	tar -C "$image.tree" -xf "$image.tar"
	skopeo inspect --tls-verify=false --raw "docker://$registry/$image:1" |
		jq -r '.layers[0].digest' | cut -d: -f2 > "$image.digest"
	awk -v image="$image" -v n="$(tar -tf "$image.tar" | wc -l)" \
		-v b="$(stat -c %s "$image.tar")" \
		'BEGIN { printf "%s: %d entries, %.0f MB\n", image, n, b / 1e6 }'
done

pull()
{
	"$banger" image pull -q --force --name bench --size $size "$registry/$1:1" > /dev/null
}

fresh()
{
	rm -rf "$BANGER_STATE_DIR"
}

format()
{
	rm -f out.ext4
	truncate -s $size out.ext4
	"$mke2fs" -q -F -t ext4 -d "$1" out.ext4
}

tools()
{
	skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$registry/$1:1" oci:copy:1
	umoci raw unpack --image copy:1 out > /dev/null 2>&1
	format out
}

unzip_only()
{
	gzip -dc < "layout/blobs/sha256/$(cat "$1.digest")" > /dev/null
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
	for image in debian many; do
		for kind in '' -zstd -plain; do
			fresh
			measure "$image$kind" pull "$image$kind"
		done
		measure "$image-again" pull "$image"
		rm -rf copy out out.ext4
		measure "$image-tools" tools "$image"
		measure "$image-mke2fs" format "$image.tree"
		measure "$image-gzip" unzip_only "$image"
	done
done

ratio()
{
	awk -v what="$1" -v ours="${best[$2]}" -v theirs="${best[$3]}" -v goal="$4" \
		'BEGIN { printf "%-44s %6.2f s %6.2f s   ratio %.2f (goal %s)\n",
			what, ours, theirs, ours / theirs, goal }'
}

for image in debian many; do
	ratio "$image: pull : skopeo + umoci + mke2fs -d" $image $image-tools 0.30
	ratio "$image: pull : gzip -dc of the layer" $image $image-gzip 1.25
	ratio "$image: pull of zstd : mke2fs -d alone" $image-zstd $image-mke2fs 1.00
	ratio "$image: pull of plain : mke2fs -d alone" $image-plain $image-mke2fs 1.00
	ratio "$image: layers cached : fetched" $image-again $image 1.00
done

if ! command -v /usr/bin/time > /dev/null; then
	echo "peak memory: not measured, GNU time is missing"
	exit 0
fi
for image in debian many debian-zstd many-plain; do
	fresh
	/usr/bin/time -o peak -f %M "$banger" image pull -q --name peak --size $size \
		"$registry/$image:1" > /dev/null
	awk -v what="$image" '{ printf "peak memory, %-31s %6.1f MiB (goal 64)\n", what, $1 / 1024 }' peak
done
