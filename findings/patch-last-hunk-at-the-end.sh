#!/bin/sh
# GNU patch takes a hunk with fewer unchanged lines below than above for one at the end of the file and tries it there
# first, whatever its line number says. In a file that has the same lines again at its end it changes those, with exit
# status 0 and one word ("offset"); git apply changes the lines that the numbers name. `diff -U` writes such hunks at the
# end of files only, but distributions and people trim hunks by hand: 67 of 467 real patches end a file with one.
#
# Run with git 2.39.5 and GNU patch 2.7.6 of Debian 12 (downloaded and unpacked, not installed). Seen: patch changes
# line 12, git line 4.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet git=1:2.39.5* patch=2.7.6* > download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" tools; done
export PATH="$folder/tools/usr/bin:$PATH" GIT_EXEC_PATH="$folder/tools/usr/lib/git-core"
cat > change <<'EOT'
--- a/x
+++ b/x
@@ -2,4 +2,4 @@
 2
 3
-a
+b
 5
EOT
made() { grep -n '^b$' x | cut -d: -f1; }
fresh() { printf '%s\n' 1 2 3 a 5 m m m 1 2 3 a 5 > x; }
fresh; patch -p1 < change > said; by_patch=$(made)
fresh; git apply change; by_git=$(made)
echo "GNU patch changes line $by_patch ($(grep -o 'offset.*' said | head -1), git apply line $by_git"
[ "$by_patch" = 12 ] && [ "$by_git" = 4 ]
