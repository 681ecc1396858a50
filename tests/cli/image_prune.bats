#!/usr/bin/env bats
# image prune, image cache prune: disk space comes back, nothing in use goes.

load helpers

# fake_vm NAME IMAGE - a VM that uses an image, as far as records tell.
fake_vm()
{
	mkdir -p -m 0700 "$BANGER_STATE_DIR/vms/$1"
	cat > "$BANGER_STATE_DIR/vms/$1/spec.json" <<-END
		{ "version": 1, "name": "$1", "id": "0123456789abcdef0123456789abcdef", "image": "$2", "kernel": "k",
		  "vcpu": 1, "memory_bytes": 268435456, "disk_bytes": 1073741824, "system_bytes": 1073741824,
		  "net": "none", "disk_mode": "copy" }
	END
}

make_images()
{
	mkdir tree
	echo content > tree/file
	for name in "$@"; do
		"$BANGER" image import -q --name "$name" tree
	done
}

# blob FILE-CONTENT - put a blob into the cache and print its digest.
blob()
{
	local digest
	digest=$(printf '%s' "$1" | sha256sum | cut -c 1-64)
	mkdir -p -m 0700 "$BANGER_STATE_DIR/cache/oci/blobs/sha256"
	printf '%s' "$1" > "$BANGER_STATE_DIR/cache/oci/blobs/sha256/$digest"
	echo "$digest"
}

blobs()
{
	ls "$BANGER_STATE_DIR/cache/oci/blobs/sha256"
}

@test "image prune removes what no VM uses, and says how much that frees" {
	make_images one two used
	fake_vm web used
	run "$BANGER" image prune --dry-run
	is "$status" 0
	has "$output" "one ("
	has "$output" "would free"
	has_not "$output" "used ("
	is "$("$BANGER" image list -q | tr '\n' ' ')" "one two used "
	run "$BANGER" image prune < /dev/null
	is "$status" 1
	has "$output" "--force"
	is "$("$BANGER" image list -q | tr '\n' ' ')" "one two used "
	run "$BANGER" image prune --force
	is "$status" 0
	has "$output" "freed"
	has "$output" "2 images, 0 blobs"
	is "$("$BANGER" image list -q)" used
	is "$(find "$BANGER_STATE_DIR/images" -mindepth 1 -maxdepth 1 | wc -l)" 1
}

@test "lesson 23: an image whose VM has a broken record is not unused" {
	make_images one
	fake_vm web other
	echo '{' > "$BANGER_STATE_DIR/vms/web/spec.json"
	run "$BANGER" image prune --force
	is "$status" 0
	is "$("$BANGER" image list -q)" one
}

@test "blobs of images that stay are kept, the others go with image prune" {
	make_images used
	fake_vm web used
	kept=$(blob kept)
	blob gone > /dev/null
	jq --arg d "sha256:$kept" '.layers = [$d]' "$BANGER_STATE_DIR/images/used/image.json" > changed
	cat changed > "$BANGER_STATE_DIR/images/used/image.json"
	run "$BANGER" image prune --json
	is "$status" 0
	is "$(echo "$output" | jq -c '[.blobs, (.images | length), .dry_run]')" "[1,0,false]"
	is "$(blobs)" "$kept"
}

@test "image cache prune empties the cache, but for a download under way" {
	blob one > /dev/null
	blob two > /dev/null
	"$BANGER" image cache prune -q --dry-run
	is "$(blobs | wc -l)" 2
	downloads=$BANGER_STATE_DIR/cache/oci/downloads
	busy=$(printf busy | sha256sum | cut -c 1-64)
	left=$(printf left | sha256sum | cut -c 1-64)
	mkdir -p -m 0700 "$downloads"
	echo half > "$downloads/$busy"
	echo half > "$downloads/$left"
	exec 8>> "$downloads/$busy.lock"
	flock 8
	run "$BANGER" image cache prune
	is "$status" 0
	has "$output" "3 blobs"
	is "$(blobs)" ""
	is "$(ls "$downloads" | tr '\n' ' ')" "$busy $busy.lock "
	exec 8>&-
	run "$BANGER" image cache prune
	has "$output" "1 blob"
	run "$BANGER" image cache prune
	has "$output" "freed 0B: 0 blobs"
}

@test "a question on a terminal: yes removes, anything else does not" {
	needs script
	make_images one
	run script -qec "'$BANGER' image prune" /dev/null <<< n
	is "$("$BANGER" image list -q)" one
	run script -qec "'$BANGER' image prune" /dev/null <<< y
	is "$("$BANGER" image list -q)" ""
}
