load helpers
load ../fixtures/images

teardown()
{
	[ -z "${SERVER-}" ] || kill "$SERVER" 2> /dev/null || true
}

# Image $1 of a small tree with something in it that does not compress.
make_image()
{
	[ -d tree ] || { small_tree tree; head -c 300000 /dev/urandom > tree/data; mkdir -m 700 tree/root; }
	"$BANGER" image import -q --size 64M --name "$1" tree > /dev/null
}

# File mine.json of the user's catalogue: image "packed" with the sources $1.
catalog()
{
	mkdir -p "$XDG_CONFIG_HOME/banger/catalog.d"
	printf '{"version":1,"images":[{"name":"packed","sources":[%s]}]}\n' "$1" \
		> "$XDG_CONFIG_HOME/banger/catalog.d/mine.json"
}

# A source for file $1 on this host at address $2.
bundle()
{
	printf '{"type":"bundle","url":"%s","sha256":"%s"}' "${2-$PWD/$1}" \
		"$(sha256sum < "$1" | cut -d' ' -f1)"
}

# Serve the current directory on loopback; PORT is where.
serve()
{
	needs python3
	python3 -u -m http.server --bind 127.0.0.1 0 > server.out 2> server.log 3>&- &
	SERVER=$!
	for _ in {1..100}; do
		PORT=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server.out)
		[ -z "$PORT" ] || return 0
		sleep 0.1
	done
	return 1
}

nothing_left()
{
	is "$(ls -A state/images)" "${1-}"
}

# refused TEXT - a pull that fails with a sentence that has TEXT, and leaves nothing.
refused()
{
	run --separate-stderr "$BANGER" image pull -q packed
	[ "$status" -eq 1 ] || { echo "status $status: $stderr"; return 1; }
	has "$stderr" "$1"
	nothing_left "${2-}"
}

field()
{
	"$BANGER" image show "$1" | jq -r "$2"
}

@test "a bundle is packed, listed by the catalogue that comes with it, and pulled" {
	make_image app
	mkdir -p "$XDG_CONFIG_HOME/banger/catalog.d"
	"$BANGER" image bundle app -o app.tar.zst > "$XDG_CONFIG_HOME/banger/catalog.d/app.json" 2> err
	has "$(cat err)" "sha256:$(sha256sum < app.tar.zst | cut -d' ' -f1)"
	is "$("$BANGER" image list --available --json | jq -r '.[] | select(.name == "app").description')" \
		"tiny 1"
	mv state/images/app kept
	is "$("$BANGER" image pull -q app)" app
	cmp kept/rootfs.ext4 state/images/app/rootfs.ext4
	[ "$(stat -c %b state/images/app/rootfs.ext4)" -le "$(stat -c %b kept/rootfs.ext4)" ]
	is "$(stat -c %a state/images/app/rootfs.ext4)" 444
	is "$(field app '.source_kind + " " + .source')" "bundle file://$PWD/app.tar.zst"
	is "$(field app '.os + " " + (.entries | tostring)')" \
		"$(jq -r '.os + " " + (.entries | tostring)' kept/image.json)"
	nothing_left app
}

@test "the same image gives the same bundle; other tools can read it" {
	make_image app
	"$BANGER" image bundle -q app -o 1.tar.zst > 1.json
	cp --sparse=never state/images/app/rootfs.ext4 dense
	chmod u+w state/images/app/rootfs.ext4
	cat dense > state/images/app/rootfs.ext4 # how it is stored does not matter
	sleep 1.1
	"$BANGER" image bundle -q app -o 2.tar.zst > 2.json
	cmp 1.tar.zst 2.tar.zst
	is "$(jq -r '.images[0].sources[0] | [.sha256, .size] | @tsv' 1.json)" \
		"$(sha256sum < 1.tar.zst | cut -d' ' -f1)"$'\t'"$(stat -c %s 1.tar.zst)"
	mkdir out
	zstd -dc 1.tar.zst | tar -C out -x
	is "$(ls out | tr '\n' ' ')" "manifest.json rootfs.ext4 "
	cmp out/rootfs.ext4 dense
	[ "$(stat -c %s 1.tar.zst)" -lt 700000 ]
	jq -e .size_bytes out/manifest.json
	run "$BANGER" image bundle -q app
	is "$status" 2
	has "$output" "--output"
	run "$BANGER" image bundle -q app -o /nonexistent/x
	is "$status" 1
	run "$BANGER" image bundle -q app -o .
	has "$output" "not the name of a file"
	run "$BANGER" image bundle -q nothing -o x
	has "$output" "nothing"
	[ ! -e x ]
	is "$(ls -A | grep -c tmp)" 0
}

@test "a bundle made by GNU tar is pulled over HTTP, in either order of its members" {
	make_image app
	serve
	mkdir b
	cp --sparse=never state/images/app/rootfs.ext4 state/images/app/image.json b/
	mv b/image.json b/manifest.json
	for members in "rootfs.ext4 manifest.json" "manifest.json rootfs.ext4"; do
		for options in "" "-S"; do
			# shellcheck disable=SC2086 # several words
			tar -C b $options --format=pax -cf - $members | zstd -q > app.tar.zst
			catalog "$(bundle app.tar.zst "http://127.0.0.1:$PORT/app.tar.zst")"
			"$BANGER" image pull -q -f packed
			cmp b/rootfs.ext4 state/images/packed/rootfs.ext4
			[ "$(stat -c %b state/images/packed/rootfs.ext4)" -lt 10000 ]
		done
	done
	"$BANGER" image pull -q --name other --kernel debian-13 packed
	is "$(field other .kernel)" debian-13
	is "$(ls -A state/images/packed | tr '\n' ' ')" "image.json rootfs.ext4 "
	run "$BANGER" image pull -q --name third --size 1G packed
	has "$output" "--size cannot be used"
	run "$BANGER" image pull -q --name third --offline packed
	has "$output" "is not on this host"
	nothing_left $'app\nother\npacked'
}

@test "what the catalogue did not promise is refused, and nothing is left" {
	make_image app
	"$BANGER" image bundle -q app -o app.tar.zst > /dev/null
	rm -r state/images/app
	serve
	for url in "$PWD/app.tar.zst" "file://$PWD/app.tar.zst" "http://127.0.0.1:$PORT/app.tar.zst"; do
		catalog "{\"type\":\"bundle\",\"url\":\"$url\",\"sha256\":\"$(printf '0%.0s' {1..64})\"}"
		refused "sha256:$(sha256sum < app.tar.zst | cut -d' ' -f1)"
		has "$stderr" "sha256:000000"
		catalog "$(bundle app.tar.zst "$url" | sed 's/}$/,"size":1000}/')"
		refused "1000"
		catalog "$(bundle app.tar.zst "${url/app.tar/none.tar}")"
		refused "none.tar.zst"
	done
	catalog "$(bundle app.tar.zst ftp://host/x)"
	refused "ftp://host/x"
	catalog "$(bundle app.tar.zst relative/x)"
	refused "relative/x"
	catalog "{\"type\":\"bundle\",\"url\":\"$PWD\",\"sha256\":\"$(printf '0%.0s' {1..64})\"}"
	refused "not a regular file"
	head -c 100000 app.tar.zst > cut.tar.zst
	catalog "$(bundle cut.tar.zst)"
	refused "cut.tar.zst"
}

@test "only the two members are accepted" {
	make_image app
	mkdir b
	cp state/images/app/rootfs.ext4 b/
	chmod u+w b/rootfs.ext4
	cp state/images/app/image.json b/manifest.json
	rm -r state/images/app
	pack()
	{
		tar -P -C b --format=pax -cf - "$@" | zstd -q > app.tar.zst
		catalog "$(bundle app.tar.zst)"
	}
	pack rootfs.ext4
	refused "has no manifest.json"
	pack manifest.json
	refused "has no rootfs.ext4"
	echo evil > b/evil
	pack rootfs.ext4 manifest.json evil
	refused "it has 'evil'"
	pack rootfs.ext4 manifest.json rootfs.ext4
	refused "it has 'rootfs.ext4'"
	pack --transform 's,^evil,../../evil,' evil rootfs.ext4 manifest.json
	refused "it has '../../evil'"
	pack ./rootfs.ext4 manifest.json
	refused "it has './rootfs.ext4'"
	ln b/rootfs.ext4 b/hard
	pack rootfs.ext4 hard manifest.json
	refused "it has 'hard'"
	rm b/hard
	mv b/rootfs.ext4 b/kept
	ln -s /etc/passwd b/rootfs.ext4
	pack rootfs.ext4 manifest.json
	refused "it has 'rootfs.ext4'"
	rm b/rootfs.ext4
	mkfifo b/rootfs.ext4
	pack rootfs.ext4 manifest.json
	refused "it has 'rootfs.ext4'"
	rm b/rootfs.ext4
	head -c 5M b/kept > b/rootfs.ext4
	pack rootfs.ext4 manifest.json
	refused "truncated"
	head -c 100000 /dev/urandom > b/rootfs.ext4
	pack rootfs.ext4 manifest.json
	refused "no ext4 file system"
	cp b/kept b/rootfs.ext4
	debugfs -w -R 'feature needs_recovery' b/rootfs.ext4 2> /dev/null
	pack rootfs.ext4 manifest.json
	refused "not unmounted cleanly"
	mv b/kept b/rootfs.ext4
	head -c 2000000 /dev/zero > b/manifest.json
	pack manifest.json rootfs.ext4
	refused "longer than"
	echo '{"version":1}' > b/manifest.json
	pack manifest.json rootfs.ext4
	refused "field 'name' is missing"
	echo '{"version":1,"name":"x","size_bytes":1,"kernel":"../../x"}' > b/manifest.json
	pack manifest.json rootfs.ext4
	refused "not a name"
	echo text > app.tar.zst
	catalog "$(bundle app.tar.zst)"
	refused "app.tar.zst"
	# What a manifest claims about where it is from, and where its file is, is not believed.
	echo '{"version":1,"name":"x","size_bytes":1,"rootfs_path":"/etc/passwd","arch":"amd64",
		"reference":"docker.io/library/alpine:latest","manifest_digest":"sha256:00"}' \
		> b/manifest.json
	pack manifest.json rootfs.ext4
	"$BANGER" image pull -q packed
	is "$(field packed '[.name, .rootfs_path, .reference, .manifest_digest, .arch] | tojson')" \
		'["packed",null,null,null,"amd64"]'
}

@test "the first source that works is used; the others' faults are shown when none does" {
	make_image app
	"$BANGER" image bundle -q app -o app.tar.zst > /dev/null
	good=$(bundle app.tar.zst)
	catalog "{\"type\":\"from-the-future\"},$(bundle app.tar.zst /none),$good"
	run --separate-stderr "$BANGER" image pull packed
	is "$status" 0
	is "$output" packed
	has "$stderr" "source 2 of image 'packed' (bundle /none)"
	has "$stderr" "trying the next source"
	"$BANGER" image delete packed
	catalog "{\"type\":\"from-the-future\"},$(bundle app.tar.zst /none)"
	refused "none of the 2 sources of image 'packed' can be used" app
	has "$stderr" "does not know sources of type 'from-the-future'"
	has "$stderr" "opening '/none'"
	catalog "$(bundle app.tar.zst | sed 's/}$/,"arch":"vax"}/')"
	refused "it is for vax" app
	catalog "$(bundle app.tar.zst | sed 's/}$/,"arch":"vax"}/'),$good"
	"$BANGER" image pull -q packed
	# A damaged first half leaves nothing in what the second makes.
	head -c 200000 app.tar.zst > cut.tar.zst
	catalog "$(bundle cut.tar.zst),$good"
	"$BANGER" image pull -q --name again packed
	cmp state/images/app/rootfs.ext4 state/images/again/rootfs.ext4
}

@test "a signal ends packing and pulling, and nothing is left" {
	make_image app
	"$BANGER" image bundle -q app -o app.tar.zst > /dev/null
	mkfifo slow
	needs python3
	cat > slow.py <<-'END'
		import http.server, time
		class Slow(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        self.send_response(200)
		        self.end_headers()
		        self.wfile.write(b'x' * 100000)
		        self.wfile.flush()
		        open('begun', 'w').close()
		        time.sleep(30)
		server = http.server.HTTPServer(('127.0.0.1', 0), Slow)
		print(server.server_port, flush=True)
		server.serve_forever()
	END
	python3 slow.py > port 3>&- 2> /dev/null &
	SERVER=$!
	for _ in {1..100}; do
		[ ! -s port ] || break
		sleep 0.1
	done
	catalog "$(bundle app.tar.zst "http://127.0.0.1:$(cat port)/x")"
	"$BANGER" image pull -q packed 2> err 3>&- &
	pid=$!
	for _ in {1..100}; do
		[ ! -e begun ] || break
		sleep 0.1
	done
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	is "$status" 143
	nothing_left app
}

@test "an ordinary user pulls a bundle" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
	needs setpriv
	make_image app
	"$BANGER" image bundle -q app -o app.tar.zst > /dev/null
	catalog "$(bundle app.tar.zst)"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR"/.. "$BATS_TEST_TMPDIR"
	install -d -o 65534 -g 65534 theirs
	cp "$BANGER" program
	run setpriv --reuid 65534 --regid 65534 --clear-groups env -i \
		XDG_CONFIG_HOME="$XDG_CONFIG_HOME" ./program image pull -q \
		--state-dir "$BATS_TEST_TMPDIR/theirs/state" packed
	is "$output" packed
	cmp state/images/app/rootfs.ext4 theirs/state/images/packed/rootfs.ext4
}
