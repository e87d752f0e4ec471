#!/bin/sh
# git am reads a mail that says `format=flowed` by taking one blank off every line that begins with one (RFC 3676,
# "space-stuffing"), also inside the diff: context lines lose the blank that makes them context, and git refuses the
# patch as corrupt where their text is not blank itself. A mail client that sets the header and does not stuff its lines
# (a format-patch mail pasted into it) is enough; GNU patch, which reads no header, applies the same bytes.
#
# Run with git 2.39.5 and GNU patch 2.7.6 of Debian 12 (downloaded and unpacked, not installed). Seen: the patch that
# git mailinfo hands on has "2" where " 2" was sent.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet git=1:2.39.5* patch=2.7.6* > download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" tools; done
export PATH="$folder/tools/usr/bin:$PATH" GIT_EXEC_PATH="$folder/tools/usr/lib/git-core"
cat > mail <<'EOT'
From: Ada <ada@example.org>
Subject: [PATCH] Fix
Date: Mon, 1 Jan 2024 10:00:00 +0000
Content-Type: text/plain; charset=UTF-8; format=flowed

Words.
---
--- a/x
+++ b/x
@@ -1,3 +1,3 @@
 1
-a
+b
 2
EOT
git mailinfo message change < mail > info
printf '1\na\n2\n' > x
patch -s -p1 < mail
echo "git mailinfo: $(tail -1 change | cut -c1-2); GNU patch: $(tr '\n' ' ' < x)"
[ "$(tail -1 change)" = "2" ] && [ "$(tr '\n' ' ' < x)" = "1 b 2 " ]
