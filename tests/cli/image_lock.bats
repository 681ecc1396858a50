load helpers
load ../fixtures/images
load ../fixtures/registry

setup() { setup_stub; }

teardown()
{
	stop_servers
	teardown_stub
}

# One layout "app" with two tags: what they push to the registry differs.
two_builds()
{
	needs umoci
	needs skopeo
	mkdir one two
	head -c 300000 /dev/urandom > one/random
	head -c 300000 /dev/urandom > two/random
	layer 1.tar one
	layer 2.tar two
	layout app old 1.tar
	layout app new 1.tar 2.tar
}

@test "lock file: what was locked is pulled again; drift is refused with both digests, before a layer travels" {
	two_builds
	docker_registry
	push app:old app:1
	"$BANGER" image pull -q "$REGISTRY/app:1"
	"$BANGER" image lock > images.lock
	is "$(jq -r '.images[] | select(.name == "app-1") | .digest' images.lock)" "$(manifest_of app old)"
	is "$(jq -r '.images[] | select(.name == "app-1") | .reference' images.lock)" "$REGISTRY/app:1"
	"$BANGER" image lock app-1 small > again.lock
	cmp images.lock again.lock
	"$BANGER" image delete app-1
	"$BANGER" image pull -q --locked images.lock "$REGISTRY/app:1"
	"$BANGER" image delete app-1

	push app:new app:1
	run "$BANGER" image pull --locked images.lock "$REGISTRY/app:1"
	is "$status" 1
	has "$output" "$(manifest_of app old)"
	has "$output" "$(manifest_of app new)"
	is "$(layer_gets app new)" 1 # the old build's, shared by both
	run "$BANGER" vm run --rm --locked images.lock --image "$REGISTRY/app:1" -- exit 0
	is "$status" 125
	has "$output" "$(manifest_of app new)"
	is "$("$BANGER" image list -q)" small
	nothing_is_left
}

@test "lock file: an image that is here already is compared too, with and without a manifest" {
	two_builds
	docker_registry
	push app:old app:1
	"$BANGER" image pull -q "$REGISTRY/app:1"
	"$BANGER" image lock > images.lock
	sed -i "s/\"vmlinux_sha256\":\"00\"/\"vmlinux_sha256\":\"$(printf %064d 7)\"/" \
		"$BANGER_STATE_DIR/kernels/fake/kernel.json"
	"$BANGER" image lock > images.lock
	is "$(jq -r '.kernels[0].sha256' images.lock)" "$(printf %064d 7)"
	"$BANGER" vm run -q --rm --locked images.lock --image small -- exit 0
	"$BANGER" vm run -q --rm --locked images.lock --image "$REGISTRY/app:1" -- exit 0

	echo other > tree/file
	"$BANGER" image import -q --force --name small --size 16M tree
	run "$BANGER" vm run -q --rm --locked images.lock --image small -- exit 0
	is "$status" 125
	has "$output" "image 'small' is not the one that is locked"
	sed -i "s/$(printf %064d 7)/$(printf %064d 8)/" "$BANGER_STATE_DIR/kernels/fake/kernel.json"
	run "$BANGER" vm create -q --locked images.lock --image app-1
	is "$status" 1
	has "$output" "kernel 'fake' is not the one that is locked"
	has "$output" "$(printf %064d 8)"
	nothing_is_left
}

@test "lock file: missing, malformed, from the future, without the name: a sentence each" {
	run "$BANGER" vm run --locked nowhere.lock -- exit 0
	is "$status" 125
	has "$output" "nowhere.lock"
	has "$output" "banger image lock"
	for text in '' '{' '[]' '{"version":1,"images":[],"kernels":3}' \
		'{"version":1,"images":[{"name":"a","digest":"md5:00"}],"kernels":[]}' \
		'{"version":1,"images":[],"kernels":[{"name":"a","sha256":"no"}]}'; do
		printf '%s' "$text" > bad.lock
		run "$BANGER" vm create --locked bad.lock
		is "$status" 1
		has "$output" "'bad.lock'"
	done
	echo '{"version":99,"images":[],"kernels":[]}' > new.lock
	run "$BANGER" vm create --locked new.lock
	has "$output" "newer"
	echo '{"version":1,"images":[],"kernels":[]}' > empty.lock
	run "$BANGER" vm create --locked empty.lock --image small
	is "$status" 1
	has "$output" "does not say which 'small' is meant"
	run "$BANGER" image lock nothing-like-it
	is "$status" 1
	nothing_is_left
}
