#!/bin/sh
# cvss 3.6 (PyPI): `base_score` of a CVSS 4.0 vector counts the threat and environmental metrics in it, although the
# class for 3.1 gives the base score alone under the same name. A record that says `E:U` (no exploit is known) so loses
# its severity: 9.3 Critical becomes 8.1 High. FIRST calls the two numbers CVSS-B and CVSS-BT.
#
# Seen: 4.0 without and with E:U gives 9.3 and 8.1; 3.1 gives 9.8 and 9.8. Way out: hand over the base metrics only.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install cvss==3.6
seen=$("$folder/venv/bin/python" - <<'PY'
from cvss import CVSS3, CVSS4

four = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
three = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
print(*(kind(vector + more).base_score for kind, vector in ((CVSS4, four), (CVSS3, three)) for more in ("", "/E:U")))
PY
)
echo "4.0, 4.0 with E:U, 3.1, 3.1 with E:U: $seen"
[ "$seen" = "9.3 8.1 9.8 9.8" ]
