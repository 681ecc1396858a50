load helpers

# Writes the user's configuration file from standard input.
configure()
{
	mkdir -p "$XDG_CONFIG_HOME/banger"
	cat > "$XDG_CONFIG_HOME/banger/banger.conf"
}

origin_of()
{
	"$BANGER" config | sed -n "s/^$1  *[^ ]*  *//p"
}

setup_file()
{
	[ ! -e /etc/banger/banger.conf ] || skip "this host has a /etc/banger/banger.conf"
}

@test "every setting has a value and an origin" {
	run "$BANGER" config
	is "$status" 0
	[[ ${lines[0]} =~ ^KEY\ +VALUE\ +ORIGIN$ ]]
	has "$output" "defaults.image "
	has "$output" "vm_defaults.vcpu "
	has "$(origin_of vm_defaults.vcpu)" "this host ("
	is "$(origin_of defaults.image)" "built in"
}

@test "one value is printed alone" {
	is "$("$BANGER" config defaults.image)" debian-bookworm
	is "$(BANGER_MEMORY=1536M "$BANGER" config vm_defaults.memory)" 1536M
}

@test "an unknown key is a usage fault with the nearest one" {
	run "$BANGER" config vm_defaults.vcpus
	is "$status" 2
	has "$output" "did you mean 'vm_defaults.vcpu'?"
	run "$BANGER" config memory
	has "$output" "did you mean 'vm_defaults.memory'?"
}

@test "JSON has the same rows" {
	needs jq
	is "$("$BANGER" config --json | jq -r '.[] | .key + " " + .value')" \
		"$("$BANGER" config | tail -n +2 | awk '{ print $1 " " $2 }')"
	is "$("$BANGER" config defaults.vmm --json | jq -r .value)" auto
}

@test "the file wins over the host, the environment over the file" {
	configure <<< $'[vm_defaults]\nvcpu = 3\nmemory = 4G'
	is "$("$BANGER" config vm_defaults.vcpu)" 3
	is "$(origin_of vm_defaults.vcpu)" "$XDG_CONFIG_HOME/banger/banger.conf:2"
	export BANGER_VCPU=7
	is "$("$BANGER" config vm_defaults.vcpu)" 7
	is "$(origin_of vm_defaults.vcpu)" BANGER_VCPU
	is "$("$BANGER" config vm_defaults.memory)" 4G
}

@test "without XDG_CONFIG_HOME the file is below ~/.config" {
	unset XDG_CONFIG_HOME
	mkdir -p "$HOME/.config/banger"
	echo $'[defaults]\nimage = mine' > "$HOME/.config/banger/banger.conf"
	is "$("$BANGER" config defaults.image)" mine
	export XDG_CONFIG_HOME=relative/is/ignored
	is "$("$BANGER" config defaults.image)" mine
}

@test "a mistake names file, line and the nearest name, and stops every command" {
	configure <<< $'# sizes\n[vm_defaults]\n\nmemroy = 4G'
	run "$BANGER" config
	is "$status" 1
	is "$output" "banger: $XDG_CONFIG_HOME/banger/banger.conf:4: there is no setting 'memroy' in [vm_defaults]; did you mean 'memory'?"
	configure <<< $'[vmdefaults]\n'
	run "$BANGER" config
	is "$status" 1
	has "$output" "banger.conf:1: there is no section [vmdefaults]; did you mean [vm_defaults]?"
	configure <<< $'[vm_defaults]\nvcpu = 0'
	run "$BANGER" config
	has "$output" "banger.conf:2: vm_defaults.vcpu: '0' is not a number"
	BANGER_VMM=xen run "$BANGER" config
	is "$status" 1
}

@test "zero and negative sizes are refused in file and environment" {
	for value in 0 -1 0G -8G "" 8X; do
		configure <<< $'[vm_defaults]\ndisk_size = '"$value"
		run "$BANGER" config
		is "$status" 1
	done
	rm "$XDG_CONFIG_HOME/banger/banger.conf"
	for value in 0 -1 0G -8G 8X; do
		BANGER_DISK_SIZE=$value run "$BANGER" config
		is "$status" 1
		has "$output" BANGER_DISK_SIZE
	done
}

@test "help still works with a broken file" {
	configure <<< 'nonsense'
	run "$BANGER" config --help
	is "$status" 0
}

@test "root refuses a file that others can write" {
	[ "$(id -u)" = 0 ] || skip "only root refuses"
	configure <<< $'[defaults]\nimage = x'
	for mode in 0602 0620 0666; do
		chmod $mode "$XDG_CONFIG_HOME/banger/banger.conf"
		run "$BANGER" config
		is "$status" 1
		has "$output" "can be written by others"
	done
	chmod 0644 "$XDG_CONFIG_HOME/banger/banger.conf"
	run "$BANGER" config
	is "$status" 0
}

@test "under sudo the user's own file is read, as the user" {
	[ "$(id -u)" = 0 ] || skip "needs root to play sudo"
	home=$(getent passwd nobody | cut -d: -f6)
	[ ! -e "$home" ] || skip "user nobody has a home here"
	configure <<< $'[defaults]\nimage = of-root'
	is "$("$BANGER" config defaults.image)" of-root
	is "$(SUDO_UID=65534 SUDO_GID=65534 "$BANGER" config defaults.image)" debian-bookworm
	is "$(SUDO_UID=nonsense SUDO_GID=1 "$BANGER" config defaults.image)" of-root
}

@test "a directory, a fifo, NUL bytes and a huge file are no configuration" {
	mkdir -p "$XDG_CONFIG_HOME/banger/banger.conf"
	run "$BANGER" config
	is "$status" 1
	rmdir "$XDG_CONFIG_HOME/banger/banger.conf"
	mkfifo "$XDG_CONFIG_HOME/banger/banger.conf"
	run timeout 10 "$BANGER" config
	is "$status" 1
	rm "$XDG_CONFIG_HOME/banger/banger.conf"
	printf '[defaults]\0\n' | configure
	run "$BANGER" config
	is "$status" 1
	head -c 100000 /dev/zero | tr '\0' '\n' | configure
	run "$BANGER" config
	is "$status" 1
	head -c 1000 /dev/zero | tr '\0' x | configure
	run "$BANGER" config
	is "$status" 1
}

@test "an unprivileged user with an empty environment gets the defaults" {
	[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"
	install -m 0755 "$BANGER" /tmp/banger-$$
	run setpriv --reuid=65534 --regid=65534 --clear-groups env -i /tmp/banger-$$ config defaults.image
	rm -f /tmp/banger-$$
	is "$status" 0
	is "$output" debian-bookworm
}
