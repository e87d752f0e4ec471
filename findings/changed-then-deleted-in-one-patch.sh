#!/bin/sh
# A patch that changes a file and deletes it further down, as the mails of one branch joined together do: GNU patch deletes
# it, as everybody would, and git apply leaves it there with the change. Both end with exit status 0, and git says nothing.
#
# Run with git 2.39.5 and GNU patch 2.7.6 of Debian 12 (downloaded and unpacked, not installed). Seen: after git apply
# the file is there and holds "new".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet git=1:2.39.5* patch=2.7.6* > download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" tools; done
export PATH="$folder/tools/usr/bin:$PATH" GIT_EXEC_PATH="$folder/tools/usr/lib/git-core"
cat > change <<'EOT'
diff --git a/n b/n
index 3367afd..3e75765 100644
--- a/n
+++ b/n
@@ -1 +1 @@
-old
+new
diff --git a/n b/n
deleted file mode 100644
index 3e75765..0000000
--- a/n
+++ /dev/null
@@ -1 +0,0 @@
-new
EOT
state() { [ -e "$1/n" ] && cat "$1/n" || echo gone; }
mkdir by-patch by-git
echo old > by-patch/n
echo old > by-git/n
(cd by-patch && patch -s -p1 < ../change)
(cd by-git && git apply ../change)
echo "after GNU patch: $(state by-patch); after git apply: $(state by-git)"
[ "$(state by-patch)" = gone ] && [ "$(state by-git)" = new ]
