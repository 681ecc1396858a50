#!/bin/bash
# docs.sh - the committed manual pages are those that the program makes, and are sound mdoc.
set -eu
cd "$(dirname "$0")/../.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${BUILD:-build}/banger" internal man "$fresh"
diff -ru man "$fresh" || {
	echo "man/ is not what the program makes: run 'make man' and commit" >&2
	exit 1
}
cd man
mandoc -Tlint ./*
