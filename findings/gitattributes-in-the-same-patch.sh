#!/bin/sh
# A patch that adds d/.gitattributes with `*.txt eol=crlf` and a text file in d. git apply writes the text file with LF,
# as the patch has it, when it comes right behind the attributes; with a file of any other folder between the two it
# writes CRLF: it reads the attributes of a folder anew when it comes back to it, and those are the patch's own by then.
# GNU patch writes LF in both.
#
# Run with git 2.39.5 and GNU patch 2.7.6 of Debian 12 (downloaded and unpacked, not installed). Seen: 4 bytes after
# git apply without the file between, 6 with it; 4 after GNU patch in both.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet git=1:2.39.5* patch=2.7.6* > download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" tools; done
export PATH="$folder/tools/usr/bin:$PATH" GIT_EXEC_PATH="$folder/tools/usr/lib/git-core"
added() { # the file, then its lines
    name=$1 && shift
    printf 'diff --git a/%s b/%s\nnew file mode 100644\n--- /dev/null\n+++ b/%s\n' "$name" "$name" "$name"
    printf '@@ -0,0 +1,%s @@\n' "$#" && printf '+%s\n' "$@"
}
attributes() { added d/.gitattributes '*.txt eol=crlf'; }
{ attributes; added d/y.txt a b; } > straight
{ attributes; added e/x.txt a b; added d/y.txt a b; } > between
bytes() { # the patch, the tool
    rm -rf tree && mkdir tree
    (cd tree && git init --quiet && if [ "$2" = git ]; then git apply "../$1"; else patch -p1 -s < "../$1"; fi)
    wc -c < tree/d/y.txt | tr -d ' '
}
seen="$(bytes straight git) $(bytes between git) $(bytes straight patch) $(bytes between patch)"
echo "git apply straight and with a file between, GNU patch straight and with a file between: $seen bytes"
[ "$seen" = "4 6 4 4" ]
