load helpers
load ../fixtures/images
load ../fixtures/registry

teardown()
{
	stop_servers
}

needs_root()
{
	[ "$(id -u)" -eq 0 ] || skip "owners and devices can only be unpacked by root"
}

field()
{
	"$BANGER" image show "$1" | jq -r "$2"
}

# app [DIRECTORY] - a layout with app:1 of two layers and app:old of one.
app()
{
	needs umoci
	small_tree one
	head -c 400000 /dev/urandom > one/random
	layer 1.tar one
	mkdir -p two/etc
	head -c 200000 /dev/urandom > two/etc/random
	: > two/bin-gone
	layer 2.tar two
	layout app 1 1.tar 2.tar
	layout app old 1.tar
}

# refused TEXT ARGUMENTS... - a pull that fails with a sentence that has TEXT, and leaves nothing.
refused()
{
	local text=$1

	shift
	run --separate-stderr "$BANGER" image pull -q "$@"
	[ "$status" -eq 1 ] || { echo "status $status: $stderr"; return 1; }
	is "$output" ""
	# shellcheck disable=SC2154 # set by run
	has "$stderr" "$text"
	no_image
	sound_cache
}

# credentials [FILE] - of the misbehaving registry, for docker and podman.
credentials()
{
	local file=${1:-$HOME/.docker/config.json}

	mkdir -p "$(dirname "$file")"
	printf '{"auths": {"%s": {"auth": "%s"}}}\n' "${2:-$BAD}" \
		"$(printf user:secret | base64)" > "$file"
}

# ------------------------------------------------------------------------------- a real registry

@test "an image is pulled, recorded, and pulled again without its layers" {
	local file

	needs_root
	needs skopeo
	base_tree t1
	layer 1.tar t1
	mkdir t2
	change_tree t2
	layer 2.tar t2
	layout app 1.0 1.tar 2.tar
	docker_registry
	push app:1.0 test/app:1.0
	is "$("$BANGER" image pull -q "$REGISTRY/test/app:1.0")" test-app-1.0
	same_as_umoci test-app-1.0 app 1.0
	is "$(field test-app-1.0 '.reference, .source_kind, .platform' | tr '\n' ' ')" \
		"$REGISTRY/test/app:1.0 registry linux/amd64 "
	is "$(field test-app-1.0 .manifest_digest)" "$(manifest_of app 1.0)"
	is "$(field test-app-1.0 '.layers[]')" "$(layer_digests app 1.0)"
	is "$(field test-app-1.0 .config_digest)" "$(jq -r .config.digest \
		"app/blobs/sha256/$(manifest_of app 1.0 | cut -d: -f2)")"
	has "$(field test-app-1.0 .created)" T
	is "$(layer_gets app 1.0)" 2
	run "$BANGER" image pull -q "$REGISTRY/test/app:1.0"
	is "$status" 1
	has "$output" "exists already"
	"$BANGER" image pull -q --force "$REGISTRY/test/app:1.0"
	"$BANGER" image pull -q --name other "$REGISTRY/test/app@$(manifest_of app 1.0)"
	is "$(layer_gets app 1.0)" 2
	same_as_umoci other app 1.0
	file=$BANGER_STATE_DIR/cache/oci/blobs/sha256/$(layer_digests app 1.0 | head -1 | cut -d: -f2)
	[ -s "$file" ]
	sound_cache
}

@test "a damaged blob of the cache is noticed, removed and fetched again" {
	local file size

	needs skopeo
	app
	docker_registry
	push app:1 app:1
	"$BANGER" image pull -q "$REGISTRY/app:1"
	for digest in $(layer_digests app 1); do
		file=$BANGER_STATE_DIR/cache/oci/blobs/sha256/${digest#sha256:}
		size=$(stat -c %s "$file")
		for at in 5 $((size / 2)) $((size - 3)); do
			printf X | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
			run --separate-stderr "$BANGER" image pull --force "$REGISTRY/app:1"
			is "$status" 0
			has "$stderr" "removed from the cache, trying again"
			same_as_umoci app-1 app 1
			sound_cache
		done
		truncate -s 100 "$file"
		"$BANGER" image pull -q --force "$REGISTRY/app:1"
		rm "$file"
		mkdir "$file"
		run "$BANGER" image pull -q --force "$REGISTRY/app:1"
		rmdir "$file" 2> /dev/null || true
		"$BANGER" image pull -q --force "$REGISTRY/app:1"
		sound_cache
	done
	# Offline there is nothing that could replace it.
	printf X | dd of="$file" bs=1 seek=40 conv=notrunc status=none
	run "$BANGER" image pull -q --offline --name x "$REGISTRY/app:1"
	is "$status" 1
	same_as_umoci app-1 app 1
}

@test "progress: on a terminal a line for each layer that is under way, elsewhere plain lines, with -q none" {
	needs skopeo
	needs script
	for i in 1 2 3; do
		mkdir "tree$i"
		head -c 80000000 /dev/urandom > "tree$i/random"
		layer "$i.tar" "tree$i"
	done
	layout app 1 1.tar 2.tar 3.tar
	docker_registry
	push app:1 app:1
	script -qec "'$BANGER' image pull '$REGISTRY/app:1'" /dev/null > screen
	for i in 2 3; do
		grep -aq "^  layer $i of 'app': [0-9.]*[KMG]* of 7[0-9.]*M" screen
	done
	grep -aq $'\033\\[Kapp-1\r$' screen # alone on its line
	run --separate-stderr "$BANGER" image pull --force "$REGISTRY/app:1"
	has "$stderr" "layer 3 of 3"
	[[ $stderr != *$'\033'* ]]
	run --separate-stderr "$BANGER" image pull -q --force "$REGISTRY/app:1"
	is "$stderr" ""
}

@test "offline opens no socket and uses what is there" {
	needs strace
	needs skopeo
	! is_sanitized || skip "sanitizers do not work under strace"
	app
	docker_registry
	push app:1 app:1
	"$BANGER" image pull -q "$REGISTRY/app:1"
	stop_servers
	strace -f -o trace -e trace=socket,connect \
		"$BANGER" image pull -q --offline --name again "$REGISTRY/app:1"
	has_not "$(cat trace)" socket
	same_as_umoci again app 1
	run strace -f -o trace -e trace=socket,connect \
		"$BANGER" image pull -q --offline "$REGISTRY/app:2"
	is "$status" 1
	has "$output" "is not in the cache"
	has_not "$(cat trace)" socket
	rm "$BANGER_STATE_DIR/cache/oci/blobs/sha256/$(layer_digests app 1 | head -1 | cut -d: -f2)"
	run "$BANGER" image pull -q --offline --name third "$REGISTRY/app:1"
	is "$status" 1
	has "$output" "layer 1 of 'app' is not in the cache"
	is "$("$BANGER" image list -q | tr '\n' ' ')" "again app-1 "
}

@test "docker's manifests, zstd and plain layers, twenty layers, give what umoci unpacks" {
	local i digest

	needs_root
	needs skopeo
	needs zstd
	app
	docker_registry
	push app:1 docker:1 --format v2s2
	"$BANGER" image pull -q "$REGISTRY/docker:1"
	same_as_umoci docker-1 app 1
	ENDING=+zstd recompressed app 1 zstd zstd -q -c
	push app:zstd zstd:1 --preserve-digests
	"$BANGER" image pull -q "$REGISTRY/zstd:1"
	same_as_umoci zstd-1 app 1
	ENDING='' recompressed app 1 plain cat
	push app:plain plain:1 --preserve-digests
	"$BANGER" image pull -q "$REGISTRY/plain:1"
	same_as_umoci plain-1 app 1
	is "$(layer_gets app zstd) $(layer_gets app plain)" "2 2"
	for i in {1..20}; do
		mkdir -p "l$i/d$((i % 7))"
		echo "$i" > "l$i/d$((i % 7))/f$((i % 5))"
		[ $((i % 6)) -ne 0 ] || : > "l$i/d$((i % 7))/.wh.f$(((i + 3) % 5))"
		layer "l$i.tar" "l$i"
	done
	layout app many l{1..20}.tar
	push app:many many:1
	"$BANGER" image pull -q "$REGISTRY/many:1"
	same_as_umoci many-1 app many
	is "$(layer_gets app many)" 20
}

@test "TLS with a test authority and a password: only with both" {
	needs openssl
	needs htpasswd
	needs skopeo
	app
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key \
		-out ca.pem 2> /dev/null
	openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout key.pem -out csr.pem \
		2> /dev/null
	openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
		-extfile <(echo subjectAltName=IP:127.0.0.1) -out cert.pem 2> /dev/null
	htpasswd -Bbn user secret > htpasswd
	docker_registry ", tls: {certificate: $PWD/cert.pem, key: $PWD/key.pem}" \
		"auth: {htpasswd: {realm: test, path: $PWD/htpasswd}}"
	push app:1 app:1 --dest-creds user:secret
	refused "certificate" "$REGISTRY/app:1"
	has "$stderr" CURL_CA_BUNDLE
	export CURL_CA_BUNDLE=$PWD/ca.pem
	refused "does not give 'app' to everybody" "$REGISTRY/app:1"
	has "$stderr" "podman login $REGISTRY"
	mkdir -p "$HOME/.docker"
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf user:wrong | base64)" \
		> "$HOME/.docker/config.json"
	refused "to the user that is logged in" "$REGISTRY/app:1"
	has_not "$stderr" wrong
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf user:secret | base64)" \
		> "$HOME/.docker/config.json"
	"$BANGER" image pull -q "$REGISTRY/app:1"
	same_as_umoci app-1 app 1
}

@test "a proxy of the environment is asked for a registry elsewhere, and never for one on this machine" {
	needs openssl
	needs skopeo
	app
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.test -keyout key.pem \
		-addext subjectAltName=DNS:registry.test,IP:127.0.0.1 -out cert.pem 2> /dev/null
	docker_registry ", tls: {certificate: $PWD/cert.pem, key: $PWD/key.pem}"
	push app:1 app:1
	serve python3 "$TOP/tests/fixtures/connect_proxy.py" "${REGISTRY#*:}" connects proxy-port
	eventually test -s proxy-port
	unset CURL_CA_BUNDLE SSL_CERT_DIR no_proxy NO_PROXY
	export SSL_CERT_FILE=$PWD/cert.pem https_proxy
	https_proxy=http://127.0.0.1:$(cat proxy-port)
	"$BANGER" image pull -q registry.test/app:1
	same_as_umoci app-1 app 1
	is "$(sort -u connects)" "CONNECT registry.test:443 HTTP/1.1"
	rm connects
	"$BANGER" image pull -q --name here "$REGISTRY/app:1"
	[ ! -e connects ]
	run env no_proxy=registry.test "$BANGER" image pull -q --name none registry.test/app:1
	is "$status" 1
	has "$output" "Could not resolve host: registry.test"
	[ ! -e connects ]
}

@test "two pulls at once download each blob once" {
	local first second

	app
	bad_registry app
	"$BANGER" image pull -q "$BAD/slow/app:1" > out.1 2> err.1 3>&- &
	first=$!
	"$BANGER" image pull -q "$BAD/slow/app:1" > out.2 2> err.2 3>&- &
	second=$!
	"$BANGER" image pull --name third "$BAD/slow/app:1" > out.3 2> err.3
	wait $first
	wait $second
	is "$(cat out.1 out.2 out.3 | sort | uniq -c | tr -s ' \n' ' ')" " 2 slow-app-1 1 third "
	for digest in $(layer_digests app 1); do
		is "$(grep -c "blobs/$digest" asked)" 1
	done
	same_as_umoci slow-app-1 app 1
	same_as_umoci third app 1
	is "$(find "$BANGER_STATE_DIR/cache/oci/downloads" -type f)" ""
}

@test "waiting for another pull's download can be interrupted" {
	local digest

	needs flock
	app
	bad_registry app
	"$BANGER" image pull -q --offline "$BAD/x:1" 2> /dev/null || true
	digest=$(layer_digests app 1 | tail -1)
	flock "$BANGER_STATE_DIR/cache/oci/downloads/${digest#sha256:}.lock" sleep 20 3>&- &
	SERVERS+=($!)
	sleep 0.3
	run timeout --foreground --preserve-status -s INT 1 "$BANGER" image pull "$BAD/ok/app:1"
	is "$status" 130
	has "$output" "is being downloaded by another banger; waiting"
	is "$(ls -A "$BANGER_STATE_DIR/images")" ""
}

@test "kill -9 at any moment: the next pull is right" {
	local i

	needs skopeo
	app
	mkdir three
	head -c 30000000 /dev/urandom > three/random
	layer 3.tar three
	layout app big 1.tar 2.tar 3.tar
	docker_registry
	push app:big app:big
	for i in {1..20}; do
		[ $((i % 4)) -ne 1 ] || rm -rf "$BANGER_STATE_DIR"
		"$BANGER" image pull -q --force "$REGISTRY/app:big" > /dev/null 2>&1 3>&- &
		sleep "0.$(printf %03d $((RANDOM % 400)))"
		kill -9 $! 2> /dev/null || true
		wait $! || true
		[ $((i % 3)) -eq 0 ] || continue
		"$BANGER" image pull -q --force "$REGISTRY/app:big"
		same_as_umoci app-big app big
		sound_cache
	done
	"$BANGER" image pull -q --force "$REGISTRY/app:big"
	same_as_umoci app-big app big
	is "$(find "$BANGER_STATE_DIR/cache/oci/downloads" -type f ! -name '*.lock')" ""
	is "$(find "$BANGER_STATE_DIR/images" -mindepth 1 -maxdepth 1)" \
		"$BANGER_STATE_DIR/images/app-big"
}

# --------------------------------------------------------------------------- one that misbehaves

@test "what broke off goes on where it was; what a killed pull left is hashed first" {
	local digest part

	app
	bad_registry app
	"$BANGER" image pull -q "$BAD/cut/app:1" 2> err
	same_as_umoci cut-app-1 app 1
	digest=$(layer_digests app 1 | head -1)
	has "$(grep "cut/.*$digest" asked)" "range=bytes=3000- "
	"$BANGER" image pull -q --force "$BAD/cutwhole/app:1"
	rm -rf "$BANGER_STATE_DIR/cache"
	"$BANGER" image pull -q --force "$BAD/cutwhole/app:1"
	same_as_umoci cutwhole-app-1 app 1
	# A part that is right is used, one that is not is thrown away.
	part=$BANGER_STATE_DIR/cache/oci/downloads/${digest#sha256:}
	rm "$BANGER_STATE_DIR/cache/oci/blobs/sha256/${digest#sha256:}"
	head -c 5000 "app/blobs/sha256/${digest#sha256:}" > "$part"
	"$BANGER" image pull -q --name part "$BAD/ok/app:1"
	has "$(grep "ok/.*$digest" asked)" "range=bytes=5000- "
	rm "$BANGER_STATE_DIR/cache/oci/blobs/sha256/${digest#sha256:}"
	head -c 5000 /dev/urandom > "$part"
	run "$BANGER" image pull --name bad-part "$BAD/ok/app:1"
	is "$status" 0
	has "$output" "trying again"
	same_as_umoci bad-part app 1
	rm "$BANGER_STATE_DIR/cache/oci/blobs/sha256/${digest#sha256:}"
	head -c 5000000 /dev/urandom > "$part"
	"$BANGER" image pull -q --name long-part "$BAD/ok/app:1"
	same_as_umoci long-part app 1
	sound_cache
}

@test "busy and broken servers are asked again, as late as they say" {
	local began

	app
	bad_registry app
	began=$EPOCHREALTIME
	run "$BANGER" image pull "$BAD/busy/app:1"
	is "$status" 0
	has "$output" "answered 429; trying again in 1.0 s"
	awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a < 1.9 }'
	"$BANGER" image pull -q "$BAD/broken/app:old"
	same_as_umoci broken-app-old app old
	run "$BANGER" image pull -q "$BAD/later/app:1"
	is "$status" 1
	has "$output" "come back in 50 minutes"
}

@test "a transfer that stalls is given up after a while, and goes on" {
	! is_sanitized || skip "half a minute of waiting, which the plain program has done"
	app
	bad_registry app
	run timeout 120 "$BANGER" image pull "$BAD/stall/app:old"
	is "$status" 0
	has "$output" "Operation too slow"
	same_as_umoci stall-app-old app old
}

@test "what is not what was promised is refused, and nothing is left of it" {
	app
	bad_registry app
	refused "does not match its digest" "$BAD/wrong/app:1"
	refused "longer than the" "$BAD/long/app:1"
	refused "longer than the" "$BAD/endless/app:1"
	refused "bytes came" "$BAD/short/app:1"
	refused "longer than the" "$BAD/longmanifest/app:1"
	refused "is not JSON" "$BAD/garbage/app:1"
	refused "schema 1" "$BAD/schema1/app:1"
	refused "nested more than" "$BAD/loop/app:1"
	rm -rf "$BANGER_STATE_DIR"
	refused "does not match its digest" "$BAD/othermanifest/app@$(manifest_of app 1)"
	refused "are free" "$BAD/hugelayer/app:1"
	refused "bytes came" "$BAD/lyingsize/app:1"
	rm -rf "$BANGER_STATE_DIR"
	refused "another part" "$BAD/otherpart/app:1"
	refused "manifest unknown" "$BAD/ok/app:none"
	refused "in circles" "$BAD/circle/app:1"
	is "$(find "$BANGER_STATE_DIR/cache/oci/blobs" -size +50k)" ""
	# All of it is there, and can be had from who keeps to the rules.
	"$BANGER" image pull -q "$BAD/ok/app:1"
	same_as_umoci ok-app-1 app 1
}

@test "an index is searched for this platform, or for another one; attestations are no images" {
	app
	umoci config --image app:old --architecture s390x
	bad_registry app
	"$BANGER" image pull -q "$BAD/index/app:1"
	same_as_umoci index-app-1 app 1
	"$BANGER" image pull -q --name old --platform linux/s390x "$BAD/index/app:1"
	same_as_umoci old app old
	run "$BANGER" image pull -q --name x --platform linux/arm64 "$BAD/index/app:1"
	is "$status" 1
	has "$output" "it is for: linux/s390x, linux/amd64"
	has "$output" --platform
	run "$BANGER" image pull -q --name x --platform windows/amd64 "$BAD/index/app:1"
	is "$status" 1
	has "$output" "linux only"
	run "$BANGER" image pull -q --name x --platform amd64 "$BAD/index/app:1"
	is "$status" 1
	has "$output" "OS/ARCH"
}

@test "an image for another machine is kept and shown, and not started" {
	app
	umoci config --image app:1 --architecture arm64
	bad_registry app
	run "$BANGER" image pull "$BAD/ok/app:1"
	is "$status" 0
	has "$output" "is for linux/arm64 and will not run here"
	is "$(field ok-app-1 .platform)" linux/arm64
	run "$BANGER" vm create --no-start --image ok-app-1
	is "$status" 1
	has "$output" "image 'ok-app-1' is for arm64"
}

# ------------------------------------------------------------------------------------ who we are

@test "a token is fetched for those who ask for one, and again when it has expired" {
	app
	bad_registry app
	"$BANGER" image pull -q "$BAD/bearer/app:1"
	same_as_umoci bearer-app-1 app 1
	is "$(grep -c /token asked)" 1
	has "$(grep /token asked)" "scope=repository%3Abearer%2Fapp%3Apull"
	"$BANGER" image pull -q "$BAD/expire/app:1"
	[ "$(grep -c /token asked)" -gt 1 ]
	rm -rf "$BANGER_STATE_DIR"
	refused "does not give 'never/app' to everybody" "$BAD/never/app:1"
	refused "negotiate, ntlm" "$BAD/strange/app:1"
	refused "does not give 'private/app' to everybody" "$BAD/private/app:1"
}

@test "credentials come from the files of podman and docker, and from helpers" {
	local file

	app
	bad_registry app
	export XDG_RUNTIME_DIR=$PWD/runtime DOCKER_CONFIG=$PWD/docker REGISTRY_AUTH_FILE=$PWD/auth
	for file in "$REGISTRY_AUTH_FILE" "$XDG_RUNTIME_DIR/containers/auth.json" \
		"$HOME/.config/containers/auth.json" "$DOCKER_CONFIG/config.json"; do
		credentials "$file"
		"$BANGER" image pull -q --force "$BAD/private/app:1"
		"$BANGER" image pull -q --force "$BAD/basic/app:1"
		rm "$file" "$BANGER_STATE_DIR"/cache -r
		refused_here "does not give 'basic/app' to everybody" "$BAD/basic/app:1"
	done
	unset DOCKER_CONFIG
	credentials "$HOME/.docker/config.json"
	"$BANGER" image pull -q --force "$BAD/private/app:1"
	# A helper, by registry and for everything.
	mkdir helpers
	cat > helpers/docker-credential-test <<-'END'
		#!/bin/sh
		[ "$1" = get ] || exit 1
		read -r server
		echo "$server" >> "$HOME/asked-for"
		printf '{"ServerURL": "%s", "Username": "user", "Secret": "secret"}' "$server"
	END
	chmod +x helpers/docker-credential-test
	PATH=$PWD/helpers:$PATH
	echo "{\"credHelpers\": {\"$BAD\": \"test\"}}" > "$HOME/.docker/config.json"
	"$BANGER" image pull -q --force "$BAD/private/app:1"
	echo '{"credsStore": "test"}' > "$HOME/.docker/config.json"
	"$BANGER" image pull -q --force "$BAD/basic/app:1"
	is "$(sort -u "$HOME/asked-for")" "$BAD"
	# An identity token is changed for an access token.
	cat > helpers/docker-credential-test <<-'END'
		#!/bin/sh
		echo '{"ServerURL": "x", "Username": "<token>", "Secret": "the-identity"}'
	END
	"$BANGER" image pull -q --force "$BAD/bearer/app:1"
	grep -q 'main . /token range=- auth=-' asked
	echo '{"credsStore": "absent"}' > "$HOME/.docker/config.json"
	refused_here "'docker-credential-absent'" "$BAD/private/app:1"
	echo '{"credsStore": "../evil"}' > "$HOME/.docker/config.json"
	refused_here "not made of letters" "$BAD/private/app:1"
	printf '#!/bin/sh\necho credentials not found in native keychain; exit 1\n' \
		> helpers/docker-credential-test
	echo '{"credsStore": "test"}' > "$HOME/.docker/config.json"
	refused_here "to everybody" "$BAD/private/app:1"
	printf '#!/bin/sh\necho the-secret is no JSON\n' > helpers/docker-credential-test
	refused_here "is not JSON" "$BAD/private/app:1"
	has_not "$output" the-secret
	echo '{"auths": hush' > "$HOME/.docker/config.json"
	refused_here "config.json" "$BAD/private/app:1"
	has_not "$output" hush
}

# As refused, while there are other images.
refused_here()
{
	run "$BANGER" image pull -q --name refused "$2"
	[ "$status" -eq 1 ] || { echo "status $status: $output"; return 1; }
	has "$output" "$1"
}

@test "credentials never follow a redirect, and nobody else may ask for them" {
	app
	bad_registry app
	credentials
	"$BANGER" image pull -q "$BAD/redirect/app:1"
	same_as_umoci redirect-app-1 app 1
	is "$(grep -c '^other .*/blob/' asked)" 2
	has_not "$(grep '^other' asked)" auth=B
	rm -rf "$BANGER_STATE_DIR"
	refused "answered 401" "$BAD/asks/app:1"
	has_not "$(grep '^other' asked)" /token
	has_not "$(grep '^other' asked)" auth=B
	has_not "$stderr" hush
	refused "not https" "$BAD/away/app:1"
	refused "not an http or https address" "$BAD/file/app:1"
}

@test "a password is in no message, no record and no file" {
	app
	bad_registry app
	credentials
	"$BANGER" image pull "$BAD/basic/app:1" > out 2>&1
	run "$BANGER" image pull "$BAD/never/app:1"
	is "$status" 1
	echo "$output" >> out
	has_not "$(cat out)" secret
	has_not "$(cat out)" "$(printf user:secret | base64)"
	! grep -rq -e secret -e "$(printf user:secret | base64)" "$BANGER_STATE_DIR" \
		--include='*.json' --include='[0-9a-f]*'
}

# ----------------------------------------------------------------------------------------- names

@test "a name that is no reference is refused before anything is done" {
	local name

	for name in 'UPPER/case' 'a//b' 'a:' 'a@sha256:1' 'a:tag:tag' 'a/-b' 'http://a/b' \
		'host:99999/a' '[::g]/a' "a:$(printf 'x%.0s' {1..129})" $'a\nb' ' a' 'a b' ''; do
		run "$BANGER" image pull -q "$name"
		is "$status" 1
		has "$output" "is not a name of an image"
	done
	run "$BANGER" image pull -q "a@sha512:$(printf 'a%.0s' {1..128})"
	has "$output" sha512
	run "$BANGER" image pull -q --name 'bad/name' a
	is "$status" 1
	run "$BANGER" image pull -q --kernel 'bad/name' a
	is "$status" 1
	[ ! -e "$BANGER_STATE_DIR/cache" ]
}

@test "a machine is made of a reference: found, else pulled once" {
	local first

	app
	bad_registry app
	"$BANGER" image pull -q --name mine --kernel absent-kernel --size 64M "$BAD/ok/app:1"
	is "$(field mine .kernel) $(field mine .size_bytes)" "absent-kernel 67108864"
	# It gets as far as the kernel, which nobody has.
	run "$BANGER" vm create --no-start --image "$BAD/ok/app:1" --kernel absent-kernel
	is "$status" 1
	has "$output" absent-kernel
	is "$("$BANGER" image list -q)" mine
	is "$(grep -c manifests asked)" 1
	"$BANGER" vm create --no-start --image "$BAD/slow/app:1" --kernel absent-kernel 3>&- 2> err.1 &
	first=$!
	run "$BANGER" vm create --no-start --image "$BAD/slow/app:1" --kernel absent-kernel
	wait $first || true
	is "$("$BANGER" image list -q | tr '\n' ' ')" "mine slow-app-1 "
	is "$(grep -c slow/app/manifests asked)" 1
	# Its own name is somebody else's.
	"$BANGER" image delete slow-app-1
	"$BANGER" image pull -q --name slow-app-1 "$BAD/ok/app:old"
	run "$BANGER" vm create --no-start --image "$BAD/slow/app:1" --kernel absent-kernel
	is "$status" 1
	has "$output" "It is another one than $BAD/slow/app:1"
}

@test "a catalogue's entry may lead to a registry, by tag or by digest" {
	needs skopeo
	app
	docker_registry
	push app:1 app:1
	mkdir -p "$XDG_CONFIG_HOME/banger/catalog.d"
	printf '{"version":1,"images":[
		{"name":"tagged","sources":[{"type":"oci","reference":"%s/app:1"}]},
		{"name":"pinned","sources":[{"type":"oci","reference":"%s/app:1","digest":"%s"}]},
		{"name":"other","sources":[{"type":"oci","reference":"%s/app:1","digest":"sha256:%064d"}]}]}' \
		"$REGISTRY" "$REGISTRY" "$(manifest_of app 1)" "$REGISTRY" 0 \
		> "$XDG_CONFIG_HOME/banger/catalog.d/ours.json"
	is "$("$BANGER" image pull -q tagged)" tagged
	is "$("$BANGER" image pull -q pinned)" pinned
	is "$(field pinned .manifest_digest)" "$(manifest_of app 1)"
	is "$(field tagged .source_kind)" registry
	same_as_umoci tagged app 1
	run "$BANGER" image pull -q other
	is "$status" 1
	has "$output" "image 'other' of the catalogue"
}

@test "an archive that unpacks to ever more is refused" {
	needs zstd
	needs umoci
	mkdir big
	truncate -s 5G big/zero
	tar -C big -cf - zero | zstd -q > bomb.tar.zst
	run "$BANGER" image import -q bomb.tar.zst
	is "$status" 1
	has "$output" "more than 1100 times its size"
	small_tree tree
	for i in 1 2 3 4 5; do
		truncate -s 60M "tree/zero-$i"
	done
	layer 1.tar tree
	mkdir top
	touch top/.wh.zero-{1..5}
	layer top.tar top
	layout app 1 1.tar top.tar
	run "$BANGER" image import -q --size 64M app:1
	is "$status" 1
	has "$output" "more than the image could ever use"
	"$BANGER" image import -q --size 128M app:1
}

# packed NAME ENDING COMMAND... - image app:1 as app:NAME, its layers packed by COMMAND and said to be of
# the media type with this ENDING.
packed()
{
	local name=$1

	ENDING=$2
	shift 2
	recompressed app 1 "$name" "$@"
}

@test "a registry's layers may not choose how much memory they take; files from here may" {
	needs zstd
	needs xz
	needs umoci
	small_tree one
	layer 1.tar one
	layout app 1 1.tar
	cat > two-frames <<-'END'
		#!/bin/sh
		cat > whole.tmp
		head -c 1024 whole.tmp | zstd -q
		tail -c +1025 whole.tmp | zstd -q --long=27
	END
	cat > nested <<-'END'
		#!/bin/sh
		zstd -q --long=27 | gzip
	END
	cat > longer <<-'END'
		#!/bin/sh
		{ cat; head -c 10240 /dev/zero; } | gzip
	END
	chmod +x two-frames nested longer
	packed wide +zstd zstd -q --long=25 -c
	packed long +zstd zstd -q --long=27 -c
	packed two-frames +zstd ./two-frames
	packed nested +gzip ./nested
	packed xz '' xz -c
	packed longer +gzip ./longer
	bad_registry app
	"$BANGER" image pull -q "$BAD/ok/app:wide"
	same_as_umoci ok-app-wide app 1
	"$BANGER" image delete ok-app-wide
	rm -rf "$BANGER_STATE_DIR/cache"
	refused "with a window of 128M" "$BAD/ok/app:long"
	refused "with a window of 128M" "$BAD/ok/app:two-frames"
	refused "Unrecognized archive format" "$BAD/ok/app:nested"
	refused "is compressed with xz" "$BAD/ok/app:xz"
	refused "the diff_id" "$BAD/ok/app:longer"
	"$BANGER" image import -q --name long app:long
	same_as_umoci long app 1
	"$BANGER" image import -q --name xz app:xz
	same_as_umoci xz app 1
	run "$BANGER" image import -q --name longer app:longer
	is "$status" 1
	has "$output" "the diff_id"
}

@test "garbage of a killed pull that stands in front of much that is missing is thrown away" {
	local digest part

	needs umoci
	small_tree one
	head -c 40000000 /dev/urandom > one/random
	layer 1.tar one
	layout app 1 1.tar
	bad_registry app
	digest=$(layer_digests app 1)
	part=$BANGER_STATE_DIR/cache/oci/downloads/${digest#sha256:}
	mkdir -p "$(dirname "$part")"
	{
		head -c 100000 "app/blobs/sha256/${digest#sha256:}"
		head -c 30000000 /dev/urandom
	} > "$part"
	"$BANGER" image pull -q "$BAD/ok/app:1"
	same_as_umoci ok-app-1 app 1
	sound_cache
}
