#!/bin/bash
# sources.sh PACKAGE... - the upstream sources of Debian packages, and an image that can build them.
#
# Prints a directory with PACKAGE_*.orig.tar.* of each, kept in build/fixtures/sources; they come from the
# Debian mirror that this host's apt uses.  The image is "devel", made beside the other fixtures'.
# Status 3, with the reason on standard error: there is no mirror, or it cannot be reached.
set -eu
cd "$(dirname "$0")/../.."
: "${BANGER:=$PWD/build/banger}"
sources=$PWD/build/fixtures/sources
fixture=$(BANGER=$BANGER tests/vm/fixture.sh --debian)

unavailable()
{
	echo "$1" >&2
	exit 3
}

# An apt of our own: the host's has no sources, and is not touched.
own_apt()
{
	apt-get -qq -o Dir::Etc::SourceList="$sources/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$sources/apt/lists" -o Dir::Cache="$sources/apt/cache" \
		-o APT::Sandbox::User=root -o Acquire::http::Timeout=20 -o Acquire::Retries=1 "$@"
}

fetch()
{
	local mirror
	command -v apt-get > /dev/null || unavailable "there is no apt here"
	if [ ! -d "$sources/apt/lists" ]; then
		mirror=$(apt-get indextargets --format '$(REPO_URI) $(SUITE) $(COMPONENT)' \
			'Created-By: Packages' 'Origin: Debian' | awk '$3 == "main"' | grep -v -- '-\(security\|updates\)' | head -n 1)
		[ -n "$mirror" ] || unavailable "apt of this host has no Debian mirror"
		mkdir -p "$sources/apt/lists/partial" "$sources/apt/cache/archives/partial"
		echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror" > "$sources/apt/sources.list"
		own_apt update >&2 && [ -n "$(ls "$sources"/apt/lists/*_Sources* 2> /dev/null)" ] ||
			{ rm -rf "$sources/apt"; unavailable "the Debian mirror cannot be reached"; }
	fi
	(cd "$sources" && own_apt source --download-only --only-source "$1" >&2) ||
		unavailable "the source of $1 cannot be fetched from the Debian mirror"
}

mkdir -p "$sources"
exec 9> "$sources/lock"
flock 9
for package; do
	[ -n "$(find "$sources" -maxdepth 1 -name "${package}_*.orig.tar.*" ! -name '*.asc')" ] || fetch "$package"
done
export BANGER_STATE_DIR=$fixture
"$BANGER" image show devel > /dev/null 2>&1 ||
	"$BANGER" image build -q --suite bookworm --include make,gcc,libc6-dev --name devel >&2 ||
	unavailable "the image could not be built"
echo "$sources"
