load helpers

# File $1.json of the user's catalogue, with the images $2 and the kernels $3.
add()
{
	mkdir -p "$XDG_CONFIG_HOME/banger/catalog.d"
	echo "{\"version\":1,\"images\":[$2],\"kernels\":[${3-}]}" \
		> "$XDG_CONFIG_HOME/banger/catalog.d/$1.json"
}

SUITE='"sources":[{"type":"debian-suite","suite":"bookworm"}]'
KERNEL='"sources":[{"type":"debian-kernel","suite":"bookworm","package":"linux-image-cloud-amd64"}]'

@test "the user's catalogue extends the built-in one and wins by name" {
	built_in=$("$BANGER" image list --available -q)
	add mine "{\"name\":\"tiny\",\"description\":\"mine\",$SUITE}" \
		"{\"name\":\"new\",\"description\":\"a kernel\",$KERNEL}"
	is "$("$BANGER" image list --available -q)" "$built_in"$'\ntiny'
	has "$("$BANGER" image list --available)" mine
	add other "{\"name\":\"tiny\",\"description\":\"other\",$SUITE},
		{\"name\":\"debian-bookworm\",\"description\":\"ours\",$SUITE}"
	is "$("$BANGER" image list --available -q)" "$built_in"$'\ntiny'
	is "$("$BANGER" image list --available --json | jq -r '.[] |
		select(.name == "tiny" or .name == "debian-bookworm").description' | tr '\n' ' ')" \
		"ours other "
	has "$("$BANGER" kernel list --available -q)" new
	is "$("$BANGER" kernel list --available --json | jq -r '.[] | select(.name == "new").state')" \
		available
	[[ $("$BANGER" kernel list --available) == NAME*STATE*DESCRIPTION*debian-12*available* ]]
}

@test "a broken catalogue file is named with its field" {
	add mine '{"name":"a","sources":[{"type":"bundle","url":"/x"}]}'
	run "$BANGER" image list --available
	is "$status" 1
	has "$output" "catalog.d/mine.json': the image 'a': a source of type 'bundle' has no field 'sha256'"
	echo '{' > "$XDG_CONFIG_HOME/banger/catalog.d/mine.json"
	run "$BANGER" image pull debian-bookworm
	is "$status" 1
	has "$output" "mine.json"
	"$BANGER" image list # needs no catalogue
	mv "$XDG_CONFIG_HOME"/banger/catalog.d/mine.{json,json.off}
	"$BANGER" image list --available
}

@test "root refuses a catalogue that others can write" {
	[ "$(id -u)" -eq 0 ] || skip "only root is so careful"
	add mine "{\"name\":\"tiny\",$SUITE}"
	chmod 666 "$XDG_CONFIG_HOME/banger/catalog.d/mine.json"
	run "$BANGER" image list --available
	is "$status" 1
	has "$output" "mine.json' can be written by others"
	chmod 644 "$XDG_CONFIG_HOME/banger/catalog.d/mine.json"
	chown 65534 "$XDG_CONFIG_HOME/banger/catalog.d"
	run "$BANGER" image list --available
	has "$output" "can be written by others"
	chown 0 "$XDG_CONFIG_HOME/banger/catalog.d"
	has "$("$BANGER" image list --available)" tiny
}
