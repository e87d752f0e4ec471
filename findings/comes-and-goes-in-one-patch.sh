#!/bin/sh
# A patch that adds a file and deletes it again further down, as the mails of one branch joined together do: GNU patch
# leaves nothing, as everybody would, and git apply leaves the file. Both end with exit status 0.
#
# Run with git 2.39.5 and GNU patch 2.7.6 of Debian 12 (downloaded and unpacked, not installed). Seen: after git apply
# the file is there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet git=1:2.39.5* patch=2.7.6* > download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" tools; done
export PATH="$folder/tools/usr/bin:$PATH" GIT_EXEC_PATH="$folder/tools/usr/lib/git-core"
cat > change <<'EOT'
diff --git a/n b/n
new file mode 100644
index 0000000..975fbec
--- /dev/null
+++ b/n
@@ -0,0 +1 @@
+y
diff --git a/n b/n
deleted file mode 100644
index 975fbec..0000000
--- a/n
+++ /dev/null
@@ -1 +0,0 @@
-y
EOT
there() { [ -e "$1/n" ] && echo there || echo gone; }
mkdir by-patch by-git
(cd by-patch && patch -s -p1 < ../change)
(cd by-git && git apply ../change)
echo "after GNU patch: $(there by-patch); after git apply: $(there by-git)"
[ "$(there by-patch)" = gone ] && [ "$(there by-git)" = there ]
