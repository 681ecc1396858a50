#!/usr/bin/env bats
# 'ssh-config': whose files are touched, where, and that nothing else in them changes.

load helpers
export BANGER

# What OpenSSH makes of the configuration for host $1.
seen()
{
	ssh -G -F "$HOME/.ssh/config" "$1"
}

@test "install makes both files with the right modes, and ssh reads them" {
	run "$BANGER" ssh-config
	is "$status" 0
	has "$output" "installed  no"
	[ ! -e "$HOME/.ssh" ]
	"$BANGER" ssh-config -q --install
	is "$(stat -c %a "$HOME/.ssh")" 700
	is "$(stat -c %a "$HOME/.ssh/config")" 600
	is "$(stat -c %a "$HOME/.config/banger/ssh_config")" 600
	is "$(stat -c %a "$BANGER_STATE_DIR/ssh/id_ed25519")" 600
	has "$(seen web.vm)" "user root"
	has "$(seen web.vm)" "stricthostkeychecking true"
	has "$(seen web.vm)" "vm' 'proxy'"
	has_not "$(seen example.org)" "proxycommand"
	run "$BANGER" ssh-config
	has "$output" "installed  yes"
}

@test "lesson 107: the include counts for every host although the file begins with others" {
	mkdir -m 0755 "$HOME/.ssh"
	printf 'Host a b\n  Port 7\nHost *\n  User me\n  ProxyCommand none\n' > "$HOME/.ssh/config"
	"$BANGER" ssh-config -q --install
	is "$(stat -c %a "$HOME/.ssh")" 755
	has "$(seen web.vm)" "user root"
	has "$(seen web.vm)" "vm' 'proxy'"
	has "$(seen a)" "port 7"
	has "$(seen a)" "user me"
}

@test "lesson 55: twice is once, and uninstall gives back every byte" {
	mkdir "$HOME/.ssh"
	local text
	for text in 'Host x\n  Port 2' '' 'Host x\r\n  Port 2\r\n' '\n\n# Include nothing\n\nHost x\n' 'IdentityFile ~/.ssh/k\n'; do
		# shellcheck disable=SC2059 # the escapes are wanted
		printf "$text" > "$HOME/.ssh/config"
		chmod 0640 "$HOME/.ssh/config"
		cp -p "$HOME/.ssh/config" before
		"$BANGER" ssh-config -q --install
		cp "$HOME/.ssh/config" once
		run "$BANGER" ssh-config --install
		has "$output" "nothing had to be changed"
		cmp "$HOME/.ssh/config" once
		"$BANGER" ssh-config -q --uninstall
		cmp "$HOME/.ssh/config" before
		is "$(stat -c %a "$HOME/.ssh/config")" 640
		[ ! -e "$HOME/.config/banger/ssh_config" ]
		"$BANGER" ssh-config -q --uninstall
		cmp "$HOME/.ssh/config" before
	done
}

@test "a configuration that is a link stays one, and half a block is refused by line" {
	mkdir "$HOME/.ssh" "$HOME/dotfiles"
	echo 'Host x' > "$HOME/dotfiles/ssh"
	ln -s ../dotfiles/ssh "$HOME/.ssh/config"
	"$BANGER" ssh-config -q --install
	[ -L "$HOME/.ssh/config" ]
	has "$(cat "$HOME/dotfiles/ssh")" "Include"
	sed -i '/<<< banger/d' "$HOME/dotfiles/ssh"
	cp "$HOME/dotfiles/ssh" before
	run "$BANGER" ssh-config --install
	is "$status" 1
	has "$output" "line 1"
	has "$output" "by hand"
	run "$BANGER" ssh-config --uninstall
	is "$status" 1
	cmp "$HOME/dotfiles/ssh" before
	run "$BANGER" ssh-config --install --uninstall
	is "$status" 2
}

@test "under sudo the files are those of the user, and connections ask sudo" {
	[ "$(id -u)" = 0 ] || skip "needs root to play sudo"
	command -v sudo > /dev/null || skip "sudo is not installed"
	local home
	home=$(mktemp -d /tmp/banger-sudo.XXXXXX)
	chown 47113 "$home"
	{ cat /etc/passwd; echo "bangertest:x:47113:47113::$home:/bin/sh"; } > passwd
	# A user of this mount namespace only.
	SUDO_UID=47113 SUDO_GID=47113 run unshare -m sh -c \
		'mount --bind passwd /etc/passwd && exec "$BANGER" ssh-config --install'
	echo "$output"
	is "$status" 0
	is "$(stat -c %u "$home/.ssh" "$home/.ssh/config" "$home/.config/banger/ssh_config" "$home/.local/state/banger/ssh/id_ed25519" | sort -u)" 47113
	has "$(cat "$home/.config/banger/ssh_config")" "ProxyCommand sudo '"
	[ ! -e "$BANGER_STATE_DIR/ssh" ]
	[ ! -e "$HOME/.ssh" ]
	rm -rf "$home"
}

@test "ssh_key_path must be auto, absolute or below the home" {
	BANGER_SSH_KEY_PATH=id_rsa run "$BANGER" config
	is "$status" 1
	has "$output" "neither an absolute path"
	BANGER_SSH_KEY_PATH=/no/such run "$BANGER" ssh-config --install
	is "$status" 1
	has "$output" "defaults.ssh_key_path"
	has "$output" "ssh-keygen"
	[ ! -e "$HOME/.ssh" ]
	ssh-keygen -q -t ed25519 -N '' -f "$HOME/mine"
	BANGER_SSH_KEY_PATH='~/mine' "$BANGER" ssh-config -q --install
	has "$(seen web.vm)" "identityfile $HOME/mine"
}
