#!/usr/bin/env bash
# Builds the image on a Debian machine without a container daemon and without a registry: buildah, on a base that
# debootstrap makes (Debian 12 with its Python 3.11) in place of the one that the Dockerfile names by digest.
# What is built is for trying out; releases are built from the named base.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/image/labels.sh
. "$here/labels.sh"

usage() {
    cat <<'TEXT'
Usage: deploy/image/build-here.sh [--unpack DIR]

Builds hitl:VERSION with buildah and says how large it is. --unpack leaves the image's files in DIR, which must not exist.
HITL_IMAGE_CACHE (~/.cache/hitl-image) keeps the base and the packages, HITL_DEBIAN_MIRROR (http://deb.debian.org/debian)
is where the base comes from. The packages come from where pip is set up to look.
TEXT
}

fail() {
    echo "build-here: $*" >&2
    exit 1
}

unpack=
while [ $# -gt 0 ]; do
    case $1 in
        --unpack)
            [ $# -gt 1 ] || fail "--unpack needs the name of a directory."
            unpack=$2
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) fail "There is no option $1. See --help." ;;
    esac
    shift
done

for tool in buildah debootstrap python3; do
    command -v "$tool" >/dev/null || fail "$tool is missing. Install it (Debian: apt-get install buildah debootstrap python3-pip)."
done
python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing. Install it (Debian: apt-get install python3-pip)."
[ "$(id -u)" -eq 0 ] || fail "debootstrap and buildah's chroot need root. Run it again with sudo."
[ -z "$unpack" ] || [ ! -e "$unpack" ] || fail "$unpack exists. Name a directory that does not."

cache=${HITL_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hitl-image}
mirror=${HITL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
base=localhost/hitl-base:bookworm
storage=(--root "$cache/storage" --runroot "$cache/run" --storage-driver vfs)
mkdir -p "$cache/wheels"

make_base() {
    local tree container
    tree=$(mktemp -d "$cache/base.XXXXXX")
    # shellcheck disable=SC2064 # the directory of now
    trap "rm -rf --one-file-system '$tree'" EXIT
    # debootstrap knows no virtual packages: python3-distutils is what python3.11-venv means.
    debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,python3,python3-distutils,python3.11-venv \
        bookworm "$tree" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
        fail "debootstrap failed: $(tail -n 1 "$cache/debootstrap.log") ($cache/debootstrap.log)."
    chmod 0755 "$tree"
    ln -s python3.11 "$tree/usr/bin/python"
    # As Debian's slim images: no package lists, manuals, documents, translations. dpkg goes on knowing its packages.
    rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/*
    find "$tree/usr/share/doc" -type f ! -name copyright -delete
    rm -rf "$tree"/usr/share/{man,info,lintian,locale,groff,linda}
    find "$tree" -xdev -name __pycache__ -prune -exec rm -r {} +
    container=$(buildah "${storage[@]}" from scratch)
    buildah "${storage[@]}" copy --quiet "$container" "$tree" / >/dev/null
    buildah "${storage[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah "${storage[@]}" commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf --one-file-system "$tree"
    trap - EXIT
}

if ! buildah "${storage[@]}" inspect --type image "$base" >/dev/null 2>&1; then
    echo "Making the base with debootstrap (once, about a minute) ..."
    make_base
fi

echo "Fetching the packages of requirements.txt ..."
python3 -m pip download --disable-pip-version-check -qq --require-hashes --no-deps --only-binary :all: \
    --python-version 3.11 --dest "$cache/wheels" --requirement "$root/requirements.txt"
printf '[global]\nno-index = true\nfind-links = /wheels\n' >"$cache/pip.conf"

echo "Building ..."
image="hitl:$IMAGE_VERSION"
buildah "${storage[@]}" bud --isolation chroot --format docker --layers=false --quiet --pull-never \
    --volume "$cache/wheels:/wheels:ro" --volume "$cache/pip.conf:/etc/pip.conf:ro" \
    --build-arg "PYTHON_IMAGE=$base" "${LABELS[@]}" --tag "$image" "$root" >/dev/null

container=$(buildah "${storage[@]}" from --pull-never "localhost/$image")
mounted=$(buildah "${storage[@]}" mount "$container")
size=$(du --summarize --block-size=1000000 --apparent-size "$mounted" | cut -f 1)
[ -z "$unpack" ] || cp -a "$mounted" "$unpack"
buildah "${storage[@]}" inspect --type image "$image" >"$cache/image.json"
buildah "${storage[@]}" rm "$container" >/dev/null
echo "localhost/$image is built: $size MB, at most 250. Its configuration is in $cache/image.json."
[ "$size" -le 250 ] || fail "The image is larger than 250 MB."
