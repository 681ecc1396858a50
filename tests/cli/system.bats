#!/usr/bin/env bats
# 'system install', 'status' and 'uninstall', below a root of their own.

load helpers

setup()
{
	setup_world
	ROOT=$PWD/root
	mkdir -p "$ROOT/etc" "$ROOT/usr/lib/x86_64-linux-gnu" "$ROOT/usr/lib/aarch64-linux-gnu"
	printf '# comment\npasswd:   files\nhosts:    files mdns4_minimal [NOTFOUND=return] dns\nrpc: db files' \
		> "$ROOT/etc/nsswitch.conf"
	before=$(tree)
}

# Every path below the root, with mode and digest.
tree()
{
	(cd "$ROOT" && find . -printf '%P %y %m\n' -type f -exec md5sum {} +) | sort
}

library() { echo "$ROOT/usr/lib/$(uname -m)-linux-gnu/libnss_banger.so.2"; }
installed() { "$BANGER" system install -q --root "$ROOT" "$@"; }

@test "system: install puts everything there, again changes nothing, uninstall leaves no trace" {
	run "$BANGER" system install --root "$ROOT" --nss
	is "$status" 0
	cmp "$BANGER" "$ROOT/usr/local/bin/banger"
	is "$(stat -c %a "$ROOT/usr/local/bin/banger")" 755
	"$ROOT/usr/local/bin/banger" --version
	cmp "$TOP/man/banger-vm-run.1" "$ROOT/usr/local/share/man/man1/banger-vm-run.1"
	is "$(find "$ROOT/usr/local/share/man" -name '*.[15]' | wc -l)" "$(find "$TOP/man" -name '*.[15]' | wc -l)"
	cmp "$TOP/completions/_banger" "$ROOT/usr/local/share/zsh/site-functions/_banger"
	cmp "$TOP/packaging/banger.tmpfiles" "$ROOT/usr/local/lib/tmpfiles.d/banger.conf"
	cmp "$TOP/packaging/banger@.service" "$ROOT/usr/local/lib/systemd/system/banger@.service"
	cmp "$(dirname "$BANGER")/libnss_banger.so.2" "$(library)"
	has "$(cat "$ROOT/etc/nsswitch.conf")" "hosts:    files banger mdns4_minimal"
	whole=$(tree)
	run "$BANGER" system install --root "$ROOT" --nss
	has "$output" "0 files were changed"
	is "$(tree)" "$whole"
	run "$BANGER" system status --root "$ROOT"
	is "$status" 0
	run "$BANGER" system uninstall --root "$ROOT"
	is "$status" 0
	is "$(tree)" "$before"
	run "$BANGER" system uninstall --root "$ROOT"
	is "$status" 0
	is "$(tree)" "$before"
}

@test "system: --dry-run lists every file and touches none" {
	run "$BANGER" system install --root "$ROOT" --nss --dry-run
	is "$status" 0
	is "$(tree)" "$before"
	planned=$(printf '%s\n' "$output" | sed -n 's/^install *//p' | sort)
	installed --nss
	is "$planned" "$(cd "$ROOT" && find . -type f ! -path ./etc/nsswitch.conf \
		! -path ./usr/local/share/banger/installed -printf "$ROOT/%P\n" | sort)"
	whole=$(tree)
	run "$BANGER" system uninstall --root "$ROOT" --dry-run
	has "$output" "remove    $ROOT/usr/local/bin/banger"
	has "$output" "edit      $ROOT/etc/nsswitch.conf"
	is "$(tree)" "$whole"
}

@test "system: status tells what is missing, what differs and what is obsolete, and install mends it" {
	installed
	rm "$ROOT/usr/local/share/man/man1/banger-vm-run.1"
	echo changed >> "$ROOT/usr/local/lib/tmpfiles.d/banger.conf"
	chmod 600 "$ROOT/usr/local/bin/banger"
	echo old > "$ROOT/usr/local/share/man/man1/banger-vm-gone.1"
	echo "f /usr/local/share/man/man1/banger-vm-gone.1" >> "$ROOT/usr/local/share/banger/installed"
	run "$BANGER" system status --root "$ROOT"
	is "$status" 1
	has "$output" "missing   $ROOT/usr/local/share/man/man1/banger-vm-run.1"
	has "$output" "differs   $ROOT/usr/local/lib/tmpfiles.d/banger.conf"
	has "$output" "differs   $ROOT/usr/local/bin/banger"
	has "$output" "obsolete  $ROOT/usr/local/share/man/man1/banger-vm-gone.1"
	run "$BANGER" system install --root "$ROOT"
	has "$output" "4 files were changed"
	run "$BANGER" system status --root "$ROOT" --json
	is "$status" 0
	is "$(jq -r '[.[].state] | unique | join(" ")' <<< "$output")" "in place"
	[ ! -e "$ROOT/usr/local/share/man/man1/banger-vm-gone.1" ]
}

@test "system: files of others in the same directories stay" {
	mkdir -p "$ROOT/usr/local/share/man/man1" "$ROOT/usr/local/bin"
	echo theirs > "$ROOT/usr/local/share/man/man1/other.1"
	before=$(tree)
	installed
	echo later > "$ROOT/usr/local/lib/systemd/system/other.service"
	"$BANGER" system uninstall -q --root "$ROOT"
	is "$(cat "$ROOT/usr/local/lib/systemd/system/other.service")" later
	rm -r "$ROOT/usr/local/lib"
	is "$(tree)" "$before"
}

@test "system: --nss --undo gives nsswitch.conf back byte for byte, and only that" {
	cp "$ROOT/etc/nsswitch.conf" original
	installed --nss
	run cmp -s original "$ROOT/etc/nsswitch.conf"
	is "$status" 1
	run "$BANGER" system install --nss --undo --root "$ROOT"
	is "$status" 0
	cmp original "$ROOT/etc/nsswitch.conf"
	[ -e "$ROOT/usr/local/bin/banger" ]
	run "$BANGER" system install --undo --root "$ROOT"
	is "$status" 2
}

@test "system: enabled units are disabled by uninstalling, those of others are not" {
	installed
	mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
	cd "$ROOT/etc/systemd/system/multi-user.target.wants"
	ln -s /usr/local/lib/systemd/system/banger@.service banger@web.service
	ln -s /usr/local/lib/systemd/system/banger-watch.service banger-watch.service
	ln -s /usr/lib/systemd/system/ssh.service ssh.service
	"$BANGER" system uninstall -q --root "$ROOT"
	is "$(ls)" ssh.service
}

@test "system: --purge takes state, settings and logs, nothing else does" {
	installed
	mkdir -p "$ROOT/var/lib/banger/vms/a" "$ROOT/etc/banger" "$ROOT/var/log/banger" "$ROOT/var/lib/other"
	"$BANGER" system uninstall -q --root "$ROOT"
	[ -d "$ROOT/var/lib/banger/vms/a" ]
	[ -d "$ROOT/etc/banger" ]
	"$BANGER" system uninstall -q --purge --root "$ROOT"
	[ ! -e "$ROOT/var/lib/banger" ]
	[ ! -e "$ROOT/etc/banger" ]
	[ ! -e "$ROOT/var/log/banger" ]
	[ -d "$ROOT/var/lib/other" ]
}

@test "system: units name commands that are there, and systemd finds no fault with them" {
	needs systemd-analyze
	installed
	for unit in "$ROOT"/usr/local/lib/systemd/system/*; do
		for words in $(sed -n 's/^Exec[A-Za-z]*=\/usr\/local\/bin\/banger \(.*\)/\1/p' "$unit" | tr ' ' '_'); do
			name=$(tr '_' ' ' <<< "$words" | sed 's/ -.*//')
			"$BANGER" help $name > /dev/null
		done
	done
	# It looks for the programs on this host.
	mkdir units
	for unit in "$ROOT"/usr/local/lib/systemd/system/*; do
		sed "s|/usr/local/bin/|$ROOT/usr/local/bin/|" "$unit" > "units/$(basename "$unit")"
	done
	mv units/banger@.service units/banger@web.service
	run systemd-analyze verify --man=no units/*
	has_not "$output" "$PWD/units"
	has_not "$output" "banger"
}

@test "system: a root that is not there, and an nsswitch.conf that makes no sense, are refused" {
	run "$BANGER" system install --root "$PWD/nothing"
	[ "$status" -ne 0 ]
	has "$output" "nothing"
	printf 'hosts: files\nhosts: dns\n' > "$ROOT/etc/nsswitch.conf"
	run "$BANGER" system install --nss --root "$ROOT"
	is "$status" 1
	has "$output" "several 'hosts' lines"
	rm "$ROOT/etc/nsswitch.conf"
	run "$BANGER" system install --nss --root "$ROOT"
	is "$status" 1
	has "$output" "nsswitch.conf"
	run "$BANGER" system install --root "$ROOT"
	is "$status" 0
}
