#!/bin/sh
# A patch that moves a file and changes it under its new name further down, as `git format-patch --stdout` writes two
# commits: git apply does both. GNU patch moves files at the very end, does not find the new name when it comes to the
# change, skips that, and ends with exit status 1 after it moved the file unchanged.
#
# Run with git 2.39.5 and GNU patch 2.7.6 of Debian 12 (downloaded and unpacked, not installed). Seen: git apply makes
# "new", GNU patch says "can't find file to patch" and leaves "old" under the new name.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet git=1:2.39.5* patch=2.7.6* > download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" tools; done
export PATH="$folder/tools/usr/bin:$PATH" GIT_EXEC_PATH="$folder/tools/usr/lib/git-core"
cat > change <<'EOT'
diff --git a/n b/m
similarity index 100%
rename from n
rename to m
diff --git a/m b/m
index 3367afd..3e75765 100644
--- a/m
+++ b/m
@@ -1 +1 @@
-old
+new
EOT
mkdir by-patch by-git
echo old > by-patch/n
echo old > by-git/n
(cd by-git && git apply ../change)
status=0
(cd by-patch && patch -p1 -f < ../change > ../said 2>&1) || status=$?
echo "after git apply: $(cat by-git/m); after GNU patch: $(cat by-patch/m), exit status $status: $(grep "can't find" said)"
[ "$(cat by-git/m)" = new ] && [ "$(cat by-patch/m)" = old ] && [ "$status" = 1 ]
