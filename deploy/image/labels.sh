# shellcheck shell=bash
# Sourced with `root` set by what builds the image: IMAGE_VERSION, and LABELS, the build arguments of which its labels are made.
# shellcheck disable=SC2154,SC2034 # `root` comes from, and these are used, where this is sourced
IMAGE_VERSION=$(sed -n 's/^## \([^ ]*\).*/\1/p' "$root/CHANGELOG.md" | head -n 1)
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
source_address=$(git -C "$root" remote get-url origin 2>/dev/null || echo unknown)
# An address that git uses may hold a password.
source_address=$(printf '%s' "$source_address" | sed 's#://[^/@]*@#://#')
# shellcheck disable=SC2034
LABELS=(
    --build-arg "VERSION=$IMAGE_VERSION"
    --build-arg "REVISION=$revision"
    --build-arg "CREATED=$(date --utc +%Y-%m-%dT%H:%M:%SZ)"
    --build-arg "SOURCE=$source_address"
)
