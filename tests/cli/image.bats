load helpers
load ../fixtures/images

TREE_LIST=$(dirname "$BANGER")/tests/tools/tree_list

# What is in image $1, after a look at the file system's health.
listed()
{
	local file=$BANGER_STATE_DIR/images/$1/rootfs.ext4

	e2fsck -fn "$file" > fsck.log 2>&1 || { cat fsck.log; return 1; }
	"$TREE_LIST" ext4 "$file"
}

# Image $1 holds what directory $2 of this host holds.
same_tree()
{
	listed "$1" > ours.list
	"$TREE_LIST" host "$2" > theirs.list
	diff theirs.list ours.list
}

# There is neither an image nor anything half-made.
nothing_left()
{
	local left

	left=$(find "$BANGER_STATE_DIR" -mindepth 1 -type f ! -name version ! -name '*.lock' \
		! -name CACHEDIR.TAG 2>/dev/null; ls -A "$BANGER_STATE_DIR/images" 2>/dev/null)
	is "$left" ""
}

# refused TEXT ARGUMENTS... - an import that fails with a sentence that has TEXT, and leaves nothing.
refused()
{
	local text=$1

	shift
	run --separate-stderr "$BANGER" image import -q "$@"
	[ "$status" -eq 1 ] || { echo "status $status: $stderr"; return 1; }
	is "$output" ""
	# shellcheck disable=SC2154 # set by run
	has "$stderr" "$text"
	nothing_left
}

# Wait until $1 is there.
wait_for()
{
	for _ in {1..100}; do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	echo "$1 did not appear"
	return 1
}

needs_root()
{
	[ "$(id -u)" -eq 0 ] || skip "owners and devices can only be unpacked by root"
}

field()
{
	"$BANGER" image show "$1" | jq -r "$2"
}

# ---------------------------------------------------------------------------------- tar, directory

@test "a tar is imported whatever its compression, from a file or a pipe" {
	small_tree tree
	layer plain.tar tree
	is "$("$BANGER" image import -q plain.tar)" plain
	same_tree plain tree
	for tool in gzip xz zstd bzip2 lz4; do
		command -v $tool > /dev/null || continue
		$tool -c < plain.tar > "packed.$tool"
		is "$("$BANGER" image import -q --name "file-$tool" "packed.$tool")" "file-$tool"
		same_tree "file-$tool" tree
		"$BANGER" image import -q --name "pipe-$tool" - < <(cat "packed.$tool")
		same_tree "pipe-$tool" tree
	done
	"$BANGER" image import -q --name pipe - < <(cat plain.tar)
	same_tree pipe tree
	"$BANGER" image import -q --name redirected - < plain.tar
	same_tree redirected tree
	is "$(field plain .source_kind) $(field plain .os)" "tar tiny 1"
	is "$(stat -c %a "$BANGER_STATE_DIR/images/plain/rootfs.ext4")" 444
	is "$(field pipe .source)" "standard input"
}

@test "a directory is imported as it is" {
	small_tree tree
	: > tree/.wh.etc # an ordinary file: there is nothing below to hide
	"$BANGER" image import -q ./tree/
	same_tree tree tree
	is "$(field tree .source_kind)" directory
}

@test "names with any bytes, links, devices, xattrs and capabilities survive" {
	needs_root
	needs setcap
	base_tree tree
	layer all.tar tree
	"$BANGER" image import -q all.tar
	same_tree all tree
	"$BANGER" image import -q --name directory tree
	same_tree directory tree
}

@test "content decides, not the name" {
	small_tree tree
	layer tree.ext4 tree
	"$BANGER" image import -q tree.ext4
	is "$(field tree .source_kind)" tar
	mv tree.ext4 'odd:name'
	is "$("$BANGER" image import -q 'odd:name')" odd-name
	run "$BANGER" image import -q --name other odd:name:1
	has "$output" "':1' cannot choose an image"
}

@test "what cannot be imported is named" {
	refused "there is no file or directory 'none'" none
	refused "there is no file or directory 'none:1'" none:1
	: > empty
	refused "'empty' is empty" empty
	head -c 100000 /dev/urandom > noise
	refused "'noise' is nothing that can be imported" noise
	head -c 3000 noise > short
	refused "is nothing that can be imported" - < <(cat short)
	tar -cf void.tar -T /dev/null
	refused "'void.tar' is empty" void.tar
	refused "'/dev/null'" /dev/null
	mkfifo fifo
	small_tree tree
	run "$BANGER" image import -q --name '../up' tree
	is "$status" 1
	has "$output" "is not a name for an image"
	run "$BANGER" image import -q - < <(tar -C tree -c .)
	is "$status" 2
	has "$output" "--name"
	nothing_left
}

# -------------------------------------------------------------------------------- container images

@test "an OCI image is merged as umoci merges it" {
	needs_root
	needs umoci
	needs setcap
	base_tree base
	change_tree change
	layer 1.tar base
	layer 2.tar change
	link_tar 3.tar link
	tar -cf 4.tar -T /dev/null
	layout app 1.0 1.tar 2.tar 3.tar 4.tar 2.tar 4.tar 3.tar
	unpacked app 1.0 theirs
	"$BANGER" image import -q app
	same_tree app-1.0 theirs
	is "$(field app-1.0 .source_kind)" oci-layout
	is "$(field app-1.0 .manifest_digest)" "$(jq -r '.manifests[0].digest' app/index.json)"
	is "$(field app-1.0 '.layers | length')" 7
	tar -C app -cf app.tar .
	for way in plain gzip pipe; do
		case $way in
		plain) "$BANGER" image import -q --name plain app.tar:1.0 ;;
		gzip) gzip -c app.tar > app.tgz; "$BANGER" image import -q --name gzip app.tgz ;;
		pipe) "$BANGER" image import -q --name pipe - < <(cat app.tar) ;;
		esac
		same_tree "$way" theirs
	done
	needs skopeo
	skopeo copy -q --dest-decompress oci:app:1.0 dir:plain-layers
	skopeo copy -q --dest-compress-format zstd dir:plain-layers oci:packed:1.0
	grep -q 'tar+zstd' packed/blobs/sha256/*
	"$BANGER" image import -q packed
	same_tree packed-1.0 theirs
}

@test "100,000 small files and 2 GiB of sparse file are what umoci unpacks" {
	needs_root
	needs umoci
	mkdir many sparse
	directories=200
	! is_sanitized || directories=10
	python3 -c 'import os, sys
for d in range(int(sys.argv[1])):
	os.mkdir(f"many/d{d}")
	for f in range(500):
		with open(f"many/d{d}/f{f}", "w") as out: out.write(str(d * f))' "$directories"
	truncate -s 2G sparse/holes
	printf 'in the middle' | dd of=sparse/holes bs=1 seek=1500000000 conv=notrunc status=none
	printf 'at the end' | dd of=sparse/holes bs=1 seek=2147483638 conv=notrunc status=none
	layer 1.tar many
	layer 2.tar sparse --sparse
	layout app 1 1.tar 2.tar
	unpacked app 1 theirs
	"$BANGER" image import -q app
	same_tree app-1 theirs
	[ "$(du -k --apparent-size theirs/rootfs/holes | cut -f1)" -ge 2097152 ] ||
		[ "$(stat -c %s "$(find theirs -name holes)")" -eq 2147483648 ]
	[ "$(du -k "$BANGER_STATE_DIR/images/app-1/rootfs.ext4" | cut -f1)" -lt 700000 ]
}

@test "layers whose meaning depends on those below are merged as umoci merges them" {
	needs_root
	needs umoci
	odd_layers
	for layers in "1 2" "1 3" "1 5" "1 2 3 5"; do
		rm -rf app theirs
		# shellcheck disable=SC2046,SC2086 # numbers
		layout app 1 $(printf '%s.tar ' $layers)
		unpacked app 1 theirs
		"$BANGER" image import -q --force --name odd app
		same_tree odd theirs || { echo "layers $layers"; return 1; }
	done
	# A directory takes the place of a link (layer.md, "Changeset over existing files"); umoci 0.4.7
	# fails instead.
	rm -rf app
	layout app 1 1.tar 4.tar
	"$BANGER" image import -q --force --name odd app
	listed odd > list
	grep '^/lib d' list
	grep '^/lib/three ' list
	grep '^/usr/lib/one ' list
	run ! grep '^/usr/lib/three ' list
	# A hard link to what only a higher layer has leads nowhere, for both.
	rm -rf app
	layout app 1 5.tar 1.tar
	run "$BANGER" image import -q --force --name odd app
	is "$status" 1
	has "$output" "'hard' is a hard link to 'target', which is not there"
}

@test "a docker-save archive gives the same tree" {
	needs_root
	needs skopeo
	needs setcap
	base_tree base
	change_tree change
	layer 1.tar base
	layer 2.tar change
	layout app 1.0 1.tar 2.tar 1.tar 2.tar
	unpacked app 1.0 theirs
	skopeo copy -q oci:app:1.0 docker-archive:saved.tar:me/app:1.0
	is "$("$BANGER" image import -q saved.tar)" me-app-1.0
	same_tree me-app-1.0 theirs
	is "$(field me-app-1.0 .source_kind)" docker-archive
	"$BANGER" image import -q --name pipe - < <(gzip -c saved.tar)
	same_tree pipe theirs
	"$BANGER" image import -q --name by-tag saved.tar:1.0
	"$BANGER" image import -q --name by-name saved.tar:me/app:1.0
	# What newer versions of docker write: a layout with a manifest.json beside it.
	jq -c --slurpfile m "app/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' app/index.json)" \
		-n '[{Config: ("blobs/sha256/" + $m[0].config.digest[7:]), RepoTags: ["me/app:1.0"],
		Layers: [$m[0].layers[].digest[7:] | "blobs/sha256/" + .]}]' > app/manifest.json
	tar -C app -cf both.tar blobs index.json manifest.json oci-layout
	"$BANGER" image import -q --name both both.tar
	same_tree both theirs
	is "$(field both .source_kind)" oci-layout
	# The same without index.json: compressed layers that only have the digest of what is in them.
	tar -C app -cf old.tar blobs manifest.json
	"$BANGER" image import -q --name old old.tar
	same_tree old theirs
	is "$(field old .source_kind)" docker-archive
}

@test "the image's configuration is kept" {
	needs umoci
	small_tree tree
	layer 1.tar tree
	layout app one 1.tar
	umoci config --image app:one --config.env 'A=x y' --config.entrypoint /bin/sh \
		--config.entrypoint -c --config.cmd 'echo "hi"' --config.user 12:34 \
		--config.workingdir /etc --config.stopsignal SIGINT --architecture arm64
	"$BANGER" image import -q app
	is "$(field app-one '.config.env | index("A=x y") != null')" true
	is "$(field app-one '.config.entrypoint | join(" ")')" "/bin/sh -c"
	is "$(field app-one '.config.cmd[0]')" 'echo "hi"'
	is "$(field app-one '.config.user + " " + .config.working_dir + " " + .config.stop_signal')" \
		"12:34 /etc SIGINT"
	is "$(field app-one .arch)" arm64
	is "$(field app-one .config_digest)" \
		"$(jq -r .config.digest "app/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' app/index.json)")"
}

@test "a tag chooses, and what there is is listed" {
	needs umoci
	small_tree tree
	layer 1.tar tree
	echo two > tree/two
	layer 2.tar tree
	layout app one 1.tar
	layout app two 2.tar
	refused "several images: one, two" app
	refused "no image with the tag 'three'" app:three
	has "$stderr" "It has: one, two"
	is "$("$BANGER" image import -q app:two)" app-two
	has "$(listed app-two)" "/two "
	umoci tag --image app:two also-two
	umoci rm --image app:one
	"$BANGER" image import -q --name same app # two names of one image
}

@test "of several platforms the host's is taken" {
	needs umoci
	local host

	case $(uname -m) in
	x86_64) host=amd64 ;;
	aarch64) host=arm64 ;;
	*) skip "the OCI name of $(uname -m) is not known here" ;;
	esac
	for arch in "$host" s390x riscv64; do
		small_tree "tree-$arch"
		echo "$arch" > "tree-$arch/arch"
		layer "$arch.tar" "tree-$arch"
		layout app "$arch" "$arch.tar"
		umoci config --image "app:$arch" --architecture "$arch"
	done
	jq -c '.manifests |= map(.platform = {os: "linux", architecture:
		.annotations["org.opencontainers.image.ref.name"]} |
		.annotations["org.opencontainers.image.ref.name"] = "all")' app/index.json > index
	cp index app/index.json
	"$BANGER" image import -q app
	is "$("$TREE_LIST" ext4 "$BANGER_STATE_DIR/images/app-all/rootfs.ext4" /arch)" "$host"
	# The same behind one more index, as buildx writes it, with an attestation.
	jq -c '.manifests += [.manifests[0] + {annotations: {"vnd.docker.reference.type":
		"attestation-manifest"}, platform: {os: "unknown", architecture: "unknown"}}]' \
		index > nested
	sum=$(sha256sum < nested | cut -d' ' -f1)
	cp nested "app/blobs/sha256/$sum"
	jq -n -c --arg d "sha256:$sum" --argjson s "$(stat -c %s nested)" '{schemaVersion: 2,
		manifests: [{mediaType: "application/vnd.oci.image.index.v1+json", digest: $d,
		size: $s, annotations: {"org.opencontainers.image.ref.name": "me/app:2"}}]}' \
		> app/index.json
	is "$("$BANGER" image import -q app)" me-app-2
	is "$("$TREE_LIST" ext4 "$BANGER_STATE_DIR/images/me-app-2/rootfs.ext4" /arch)" "$host"
	rm -r "$BANGER_STATE_DIR"
	jq -c --arg h "$host" '.manifests |= map(select(.platform.architecture != $h))' index \
		> app/index.json
	refused "no image for linux/$host; it has: linux/s390x, linux/riscv64" app
}

# ---------------------------------------------------------------------------------------- hostile

# Replace the blob of layout $1 with digest $2 by standard input, references included.
replace_blob()
{
	local sum size

	cat > new-blob
	sum=$(sha256sum < new-blob | cut -d' ' -f1)
	size=$(stat -c %s new-blob)
	cp new-blob "$1/blobs/sha256/$sum"
	jq -c --arg old "$2" --arg new "sha256:$sum" --argjson size "$size" \
		'walk(if type == "object" and .digest? == $old then .digest = $new | .size = $size
		else . end)' "$1/index.json" > new-index
	cp new-index "$1/index.json"
}

manifest_of()
{
	jq -r '.manifests[0].digest' "$1/index.json"
}

# A layout "app" with one small layer.
one_layer()
{
	needs umoci
	small_tree tree
	layer 1.tar tree
	layout app 1 1.tar
	manifest=$(manifest_of app)
	layer=$(jq -r '.layers[0].digest' "app/blobs/sha256/${manifest#*:}")
	config=$(jq -r '.config.digest' "app/blobs/sha256/${manifest#*:}")
}

@test "blobs that are missing, cut, changed or of another size are refused" {
	local blob document

	one_layer
	for document in "$manifest" "$config" "$layer"; do
		blob=app/blobs/sha256/${document#*:}
		mv "$blob" kept
		refused "is missing" app
		head -c -1 kept > "$blob"
		refused "bytes, not the" app
		{ head -c -1 kept; printf x; } > "$blob"
		refused "does not match its digest" app
		rm "$blob"
		ln -s ../../../../../../etc/passwd "$blob"
		refused "${document#*:}" app
		rm "$blob"
		mkdir "$blob"
		refused "is not a regular file" app
		rmdir "$blob"
		mv kept "$blob"
	done
	# Bytes after the archive's end belong to the blob and are hashed too.
	{ zcat "app/blobs/sha256/${layer#*:}"; head -c 100000 /dev/zero; echo trailing; } > long.tar
	layout other 1 long.tar
	manifest=$(manifest_of other)
	layer=$(jq -r '.layers[0].digest' "other/blobs/sha256/${manifest#*:}")
	"$BANGER" image import -q --name trailing other
	rm -r "$BANGER_STATE_DIR"
	printf 'X' | dd of="other/blobs/sha256/${layer#*:}" conv=notrunc status=none bs=1 \
		seek=$(($(stat -c %s "other/blobs/sha256/${layer#*:}") - 3))
	refused "layer 1 of 'other'" other
}

@test "documents that do not fit are refused with the field" {
	one_layer
	jq -c '.layers[0].size = 5' "app/blobs/sha256/${manifest#*:}" | replace_blob app "$manifest"
	refused "not the 5 that the manifest says" app
	manifest=$(manifest_of app)
	jq -c '.layers[0].digest = "sha256:../../../../etc/shadow"' \
		"app/blobs/sha256/${manifest#*:}" | replace_blob app "$manifest"
	refused "layers[0]: field 'digest'" app
	manifest=$(manifest_of app)
	jq -c '.layers = []' "app/blobs/sha256/${manifest#*:}" | replace_blob app "$manifest"
	refused "'diff_ids' has 1 entries, but the image has 0 layers" app
	echo '{"schemaVersion":2,"manifests":[]}' > app/index.json
	refused "holds no image" app
	echo '{"schemaVersion":2' > app/index.json
	refused "index.json of 'app'" app
	head -c 5000000 /dev/zero | tr '\0' ' ' > app/index.json
	refused "longer than 4194304 bytes" app
	echo '{}' > app/oci-layout
	refused "imageLayoutVersion" app
}

@test "a layer of docker save that was changed is refused" {
	one_layer
	needs skopeo
	skopeo copy -q oci:app:1 docker-archive:saved.tar:app:1
	sed 's/ID=tiny/ID=evil/' saved.tar > changed.tar
	refused "does not match its digest" changed.tar
	jq -c -n --arg l "blobs/sha256/${layer#*:}" --arg c "blobs/sha256/${config#*:}" \
		'[{Config: $c, RepoTags: null, Layers: [$l]}]' > app/manifest.json
	rm app/index.json
	tar -C app -cf packed.tar .
	"$BANGER" image import -q --name good packed.tar
	rm -r "$BANGER_STATE_DIR"
	sed 's/tiny/evil/' 1.tar | gzip > "app/blobs/sha256/${layer#*:}"
	tar -C app -cf packed.tar .
	refused "does not match its digest" packed.tar
	echo '[{"Config":"../../etc/passwd","Layers":[]}]' > manifest.json
	tar -cf escape.tar manifest.json
	refused "'../../etc/passwd' is missing" escape.tar
}

@test "archives that are cut anywhere are refused" {
	local size at

	needs umoci
	small_tree tree
	head -c 2000000 /dev/urandom > tree/data
	layer whole.tar tree
	layout app 1 whole.tar
	gzip -c whole.tar > whole.tgz
	zstd -q -c whole.tar > whole.tzst
	tar -C app -cf layout.tar .
	for file in whole.tar whole.tgz whole.tzst; do
		size=$(stat -c %s $file)
		for at in 300 700 5000 $((size / 2 + 100)) $((size * 3 / 4)); do
			head -c "$at" $file > cut
			refused "" --name cut cut
			refused "" --name cut - < <(cat cut)
		done
	done
	size=$(stat -c %s layout.tar)
	for at in 1800 $((size / 2)) $((size * 3 / 4)); do
		head -c "$at" layout.tar > cut
		refused "" --name cut cut
	done
}

@test "entries that lead out of the tree or to nowhere are refused or kept inside" {
	needs_root
	small_tree tree
	echo evil > evil
	tar -P --transform 's,^,../../,' -cf up.tar evil
	refused "" up.tar
	tar -P --transform "s,^,tree/../../$BATS_TEST_TMPDIR/,;s,//*,/,g" -cf middle.tar evil
	refused "" middle.tar
	[ ! -e ../../evil ]
	layer nowhere.tar tree
	ln tree/etc/passwd tree/etc/hard
	tar -C tree -cf nowhere.tar ./etc/hard ./etc/passwd
	tar --delete -f nowhere.tar ./etc/hard
	refused "etc/hard" nowhere.tar
	# An absolute name, and one through a link that points outside, both end up in the image.
	rm -rf tree/etc/hard
	mkdir -p "tree$BATS_TEST_TMPDIR/outside" outside
	ln -s "$BATS_TEST_TMPDIR/outside" tree/link
	layer through.tar tree
	mkdir -p over/link
	echo inside > over/link/file
	tar --format=pax -C over -rf through.tar link/file
	"$BANGER" image import -q through.tar
	is "$(ls outside)" ""
	has "$(listed through)" "$BATS_TEST_TMPDIR/outside/file "
}

@test "zeros without end do not fill the disk" {
	truncate -s 10G zeros
	tar -cf - zeros 2>/dev/null | head -c 1024 > header || true
	SECONDS=0
	refused "" --name bomb --size 64M - < <({ head -c 512 header; cat /dev/zero; } 2>/dev/null)
	refused "" --name bomb --size 64M - \
		< <({ head -c 512 header; head -c 300M /dev/zero; } | gzip -1 2>/dev/null)
	[ "$SECONDS" -lt 60 ]
	# An archive that must be kept in a file first is bounded as well.
	mkdir -p blobs/sha256
	truncate -s 2G blobs/sha256/zeros
	refused "unpacks to more than" --name bomb --size 64M - < <(tar -c blobs 2>/dev/null)
	refused "unpacks to more than" --name bomb --size 64M - \
		< <(tar -c blobs 2>/dev/null | gzip -1 2>/dev/null)
}

@test "what does not fit is refused with the option that helps" {
	small_tree tree
	head -c 8M /dev/urandom > tree/data
	layer big.tar tree
	refused "big" --size 8M big.tar
	has "$stderr" "--size"
	"$BANGER" image import -q --size 32M big.tar
	is "$(field big .size_bytes)" $((32 << 20))
	"$BANGER" image import -q --name default big.tar
	is "$(field default .size_bytes)" $((8 << 30))
	[ "$(stat -c %b "$BANGER_STATE_DIR/images/default/rootfs.ext4")" -lt 60000 ]
	run "$BANGER" image import -q --name zero --size 0 big.tar
	is "$status" 2
}

# ------------------------------------------------------------------------------------------- ext4

@test "an ext4 file is taken over, sparsely" {
	small_tree tree
	mke2fs -q -t ext4 -d tree fs.img 64M
	is "$("$BANGER" image import -q fs.img)" fs
	cmp fs.img "$BANGER_STATE_DIR/images/fs/rootfs.ext4"
	[ "$(stat -c %b "$BANGER_STATE_DIR/images/fs/rootfs.ext4")" -le $(($(stat -c %b fs.img) + 64)) ]
	is "$(field fs .source_kind) $(field fs .size_bytes)" "ext4 $((64 << 20))"
	rm -r "$BANGER_STATE_DIR"
	head -c 60M fs.img > cut.img
	refused "truncated" cut.img
	debugfs -w -R 'feature needs_recovery' fs.img 2>/dev/null
	refused "not unmounted cleanly" fs.img
	run "$BANGER" image import -q --size 1G fs.img
	is "$status" 2
	nothing_left
}

# ------------------------------------------------------------------------------- interruptions

@test "a signal ends an import and nothing is left" {
	local pid signal

	small_tree tree
	layer 1.tar tree
	for signal in TERM HUP INT; do
		mkfifo pipe
		# Bash starts background commands with SIGINT ignored.
		env --default-signal=INT "$BANGER" image import -q --name cut - < pipe 2> err 3>&- &
		pid=$!
		exec 9> pipe
		head -c 6000 1.tar >&9
		wait_for "$BANGER_STATE_DIR/images/.stage-cut"
		kill -s $signal $pid
		status=0
		wait $pid || status=$?
		exec 9>&-
		rm pipe
		is "$status" $((128 + $(kill -l $signal)))
		nothing_left
	done
}

@test "what a killed import leaves is removed by the next one" {
	local pid

	small_tree tree
	layer 1.tar tree
	mkfifo pipe
	"$BANGER" image import -q --name again - < pipe 3>&- &
	pid=$!
	exec 9> pipe
	head -c 6000 1.tar >&9
	wait_for "$BANGER_STATE_DIR/images/.stage-again"
	kill -9 $pid
	wait $pid || true
	exec 9>&-
	is "$("$BANGER" image list -q)" ""
	"$BANGER" image import -q --name again 1.tar
	same_tree again tree
	is "$(ls -A "$BANGER_STATE_DIR/images")" again
}

@test "killed at any moment, then done again" {
	local pid i

	small_tree tree
	head -c 30M /dev/urandom > tree/data
	layer 1.tar tree
	gzip -1 1.tar
	for i in {1..12}; do
		"$BANGER" image import -q --name again 1.tar.gz > out 2> err 3>&- &
		pid=$!
		sleep "0.$(printf '%02d' $((i * 3)))"
		kill -9 $pid 2> /dev/null || true
		wait $pid || true
		if [ -n "$("$BANGER" image list -q)" ]; then
			same_tree again tree
			"$BANGER" image delete again
		fi
	done
	"$BANGER" image import -q --name again 1.tar.gz
	same_tree again tree
	is "$(ls -A "$BANGER_STATE_DIR/images")" again
}

@test "an unprivileged user with an empty environment" {
	needs_root
	needs setpriv
	small_tree tree
	layer 1.tar tree
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR"/.. "$BATS_TEST_TMPDIR"
	install -d -o 65534 -g 65534 theirs
	cp "$BANGER" program
	run setpriv --reuid 65534 --regid 65534 --clear-groups env -i ./program image import -q \
		--state-dir "$BATS_TEST_TMPDIR/theirs/state" 1.tar
	is "$output" 1
	BANGER_STATE_DIR=$BATS_TEST_TMPDIR/theirs/state same_tree 1 tree
	run setpriv --reuid 65534 --regid 65534 --clear-groups env -i ./program image list -q \
		--state-dir "$BATS_TEST_TMPDIR/theirs/state"
	is "$output" 1
}

# ------------------------------------------------------------------------------ list, show, delete

@test "names are exact about what exists, and --force replaces" {
	small_tree tree
	"$BANGER" image import -q tree
	run "$BANGER" image import -q tree
	is "$status" 1
	has "$output" "image 'tree' exists already"
	has "$output" "--force"
	echo new > tree/new
	"$BANGER" image import -q --force tree
	has "$(listed tree)" "/new "
	is "$(ls -A "$BANGER_STATE_DIR/images")" tree
}

@test "list and show tell what there is; a broken record does not stop the rest" {
	is "$("$BANGER" image list --json)" "[]"
	is "$("$BANGER" image list -q)" ""
	small_tree tree
	"$BANGER" image import -q --name good tree
	"$BANGER" image import -q --name sick tree
	echo '{"version":1' > "$BANGER_STATE_DIR/images/sick/image.json"
	mkdir "$BANGER_STATE_DIR/images/void"
	is "$("$BANGER" image list -q | tr '\n' ' ')" "good sick void "
	run "$BANGER" image list
	is "$status" 0
	has "${lines[0]}" "NAME"
	[[ ${lines[1]} == good*8G*tree* ]]
	[[ ${lines[2]} == sick*broken:* ]]
	[[ ${lines[3]} == void*broken:* ]]
	"$BANGER" image list --json > list.json
	is "$(jq -r '.[0].error, .[0].users | tojson' list.json | tr '\n' ' ')" "null [] "
	is "$(jq '.[1].error | length > 10' list.json)" true
	is "$(jq -r '.[0].name' list.json)" good
	is "$("$BANGER" image show goo | jq -r .name)" good
	run "$BANGER" image show nothing
	is "$status" 1
	has "$output" "nothing"
	"$BANGER" image delete sick void
	is "$("$BANGER" image list -q)" good
}

@test "an image in use is neither deleted nor replaced" {
	small_tree tree
	for name in one two three; do
		"$BANGER" image import -q --name $name tree
	done
	# A machine whose record cannot be read may use any image.
	mkdir -m 0700 "$BANGER_STATE_DIR/vms/web"
	echo '{' > "$BANGER_STATE_DIR/vms/web/spec.json"
	run "$BANGER" image delete one two
	is "$status" 1
	has "$output" "image 'one' cannot be deleted: it is used by web"
	has "$output" "'two'"
	run "$BANGER" image import -q --force --name one tree
	has "$output" "cannot be replaced: it is used by web"
	is "$("$BANGER" image list --json | jq -r '.[0].users[0]')" web
	rm -r "$BANGER_STATE_DIR/vms/web"
	run "$BANGER" image delete one nothing one three
	is "$status" 1
	has "$output" "nothing"
	is "$("$BANGER" image list -q)" two
}

# ------------------------------------------------------------------------------------------- pull

# A mmdebstrap that writes down its arguments and makes a small tar; $1: what else it does.
fake_mmdebstrap()
{
	small_tree fake-tree
	layer fake.tar fake-tree
	mkdir -p fake
	cat > fake/mmdebstrap <<-END
		#!/bin/sh
		printf '%s\n' "\$@" > '$BATS_TEST_TMPDIR/arguments'
		echo 'I: running apt-get update...' >&2
		$1
		cat '$BATS_TEST_TMPDIR/fake.tar'
	END
	chmod 755 fake/mmdebstrap
	PATH=$PWD/fake:$PATH
}

needs_keyring()
{
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
		skip "debian-archive-keyring is not installed"
	[ "$(id -u)" -eq 0 ] || command -v fakechroot > /dev/null ||
		skip "building as this user needs fakechroot"
}

@test "the catalogue is listed, and what is not in it is looked for in a registry" {
	has "$("$BANGER" image list --available)" debian-bookworm
	has "$("$BANGER" image list --available -q)" debian-trixie
	is "$("$BANGER" image list --available --json | jq -r '.[0].name')" debian-bookworm
	run "$BANGER" image pull -q --offline debian-bookwurm
	is "$status" 1
	has "$output" "'docker.io/library/debian-bookwurm:latest' is not in the cache"
	has "$output" "the catalogue has no image 'debian-bookwurm' either; it has: debian-bookworm"
	nothing_left
	run "$BANGER" image pull -q --offline debian-bookworm
	is "$status" 1
	has "$output" "needs the network"
	run "$BANGER" image pull -q --platform linux/arm64 debian-bookworm
	is "$status" 1
	has "$output" "can only be built for this host's"
	run "$BANGER" image pull -q --plain-http debian-bookworm
	is "$status" 2
	nothing_left
}

@test "a suite is built by mmdebstrap, streamed, with what the catalogue says" {
	needs_keyring
	fake_mmdebstrap ''
	run --separate-stderr "$BANGER" image pull debian-bookworm
	is "$output" debian-bookworm
	has "$stderr" "running apt-get update"
	same_tree debian-bookworm fake-tree
	is "$(field debian-bookworm .source_kind)" debian-suite
	has "$(field debian-bookworm .source)" "bookworm from http"
	grep -qx bookworm arguments
	grep -q -- '--include=.*openssh-server' arguments
	grep -q '^deb \[signed-by=.*\] http.* bookworm-security main' arguments
	run "$BANGER" image pull -q debian-bookworm
	is "$status" 1
	has "$output" "exists already"
	"$BANGER" image pull -q --force --size 1G debian-bookworm
	is "$(field debian-bookworm .size_bytes)" $((1 << 30))
}

@test "what mmdebstrap says when it fails is shown" {
	needs_keyring
	fake_mmdebstrap "echo 'E: no such mirror, sorry' >&2; exit 7"
	run "$BANGER" image pull -q debian-bookworm
	is "$status" 1
	has "$output" "'mmdebstrap' failed with status 7"
	has "$output" "no such mirror, sorry"
	nothing_left
	# A failure after the archive counts too.
	fake_mmdebstrap "trap 'exit 9' EXIT"
	run "$BANGER" image pull -q debian-bookworm
	is "$status" 1
	has "$output" "status 9"
	nothing_left
	PATH=/nonexistent run "$BANGER" image pull -q debian-bookworm
	has "$output" "apt-get install mmdebstrap"
	nothing_left
}

@test "a pull that is interrupted stops mmdebstrap and lets it clean up" {
	local pid

	needs_keyring
	fake_mmdebstrap "trap 'echo cleaned > \"$BATS_TEST_TMPDIR/cleaned\"; exit 1' TERM
		echo started > '$BATS_TEST_TMPDIR/started'
		while :; do sleep 0.1; done"
	"$BANGER" image pull -q debian-bookworm 2> err 3>&- &
	pid=$!
	wait_for started
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	is "$status" 143
	is "$(cat cleaned)" cleaned
	nothing_left
}

@test "two pulls of one image at once: one makes it, the other uses it" {
	local first second

	needs_keyring
	fake_mmdebstrap "echo run >> '$PWD/runs'; sleep 1"
	"$BANGER" image pull -q debian-bookworm > out.1 2> err.1 3>&- &
	first=$!
	"$BANGER" image pull -q debian-bookworm > out.2 2> err.2 3>&- &
	second=$!
	status=0
	wait $first || status=$?
	wait $second || status=$((status + $?))
	is "$status" 0
	is "$(cat out.1 out.2)" $'debian-bookworm\ndebian-bookworm'
	is "$(wc -l < runs)" 1
	same_tree debian-bookworm fake-tree
	run "$BANGER" image pull -q debian-bookworm
	has "$output" "exists already"
}

# ------------------------------------------------------------------------------------- the same

@test "the same content gives the same file system, to the byte" {
	local i

	needs umoci
	small_tree tree
	mkdir tree/many
	for i in {1..600}; do
		echo "$i" > "tree/many/file-$i"
	done
	ln tree/bin/sh tree/bin/bash
	layer 1.tar tree
	layout app 1 1.tar 1.tar
	"$BANGER" image import -q --size 64M --name a app
	"$BANGER" image import -q --size 64M --name c tree
	sleep 1.1 # no time of its making is in it
	"$BANGER" image import -q --size 64M --name b app
	"$BANGER" image import -q --size 64M --name d tree
	cmp "$BANGER_STATE_DIR"/images/{a,b}/rootfs.ext4
	cmp "$BANGER_STATE_DIR"/images/{c,d}/rootfs.ext4
	listed a > /dev/null
}

# ------------------------------------------------------------------------------------------ build

@test "a suite is built with the packages that are asked for" {
	needs_keyring
	fake_mmdebstrap 'printf "%s" "$SOURCE_DATE_EPOCH" > epoch'
	is "$("$BANGER" image build -q --suite bookworm --include gcc,git --include make)" debian-bookworm
	same_tree debian-bookworm fake-tree
	has "$(grep -- --include= arguments)" openssh-server
	has "$(grep -- --include= arguments)" ,gcc,git,
	is "$(grep -- --include= arguments | tr '=,' '\n\n' | grep -cx git)" 1
	grep -- --include= arguments | tr '=,' '\n\n' | tail -n +2 | LC_ALL=C sort -c
	is "$(cat epoch)" 1686355200
	is "$(field debian-bookworm .source_kind)" debian-suite
	SOURCE_DATE_EPOCH=12 "$BANGER" image build -q --suite sid --minimal --include gcc --size 1G \
		--name mine
	is "$(grep -- --include= arguments)" --include=gcc
	is "$(cat epoch)" 12
	is "$(field mine .size_bytes)" $((1 << 30))
	run "$BANGER" image build -q --suite bookworm --minimal
	is "$status" 1
	has "$output" "exists already"
	"$BANGER" image build -q -f --suite bookworm --minimal
	run ! grep -q -- --include arguments
	run "$BANGER" image build -q
	is "$status" 2
	has "$output" "--suite"
	run "$BANGER" image build -q --name x --suite '../x'
	is "$status" 1
	has "$output" "not the name of a Debian suite"
	run "$BANGER" image build -q --name x --suite bookworm --include 'gcc;id'
	has "$output" "not the name of a Debian package"
	is "$("$BANGER" image list -q | tr '\n' ' ')" "debian-bookworm mine "
}
