#!/usr/bin/env bats
# The sections [file_sync NAME] as 'banger config' and every other command see them.

load helpers

@test "sections are listed with the line that they begin at, and faults name section and line" {
	mkdir -p "$XDG_CONFIG_HOME/banger"
	conf=$XDG_CONFIG_HOME/banger/banger.conf
	printf '[defaults]\nkernel = k\n\n[file_sync git]\nhost = ~/.gitconfig\nguest = ~/.gitconfig\nmode = 0644\n' > "$conf"
	run "$BANGER" config
	is "$status" 0
	has "$output" "file_sync.git.host"
	has "$output" "$conf:4"
	run "$BANGER" config file_sync.git.guest
	is "$output" /root/.gitconfig
	run "$BANGER" config file_sync.git.mode
	is "$output" 0644
	printf '[file_sync keys]\nhost = /etc/shadow\nguest = ~/shadow\n' > "$conf"
	run "$BANGER" vm list
	is "$status" 1
	has "$output" "$conf:2"
	has "$output" "[file_sync keys]"
	has "$output" "not in your home"
}
