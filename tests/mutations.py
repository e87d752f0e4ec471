"""Real patches as they may arrive: cut off anywhere, a line twice, a line lost, a hunk emptied."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

ODD_LINES = ("@@ -3,2 +3,2 @@\n", "\n", "***************\n", "@@@ -1 -1 +1 @@@\n")
SAMPLES = Path(os.environ.get("HITL_SAMPLE_DATA") or Path(settings.BASE_DIR) / "../shared/data")


def mutated(data, chance):
    """Return a patch as it may arrive: cut off anywhere, a line twice, a line lost, a hunk emptied."""
    lines = data.splitlines(keepends=True)
    heads = [place for place, line in enumerate(lines) if line.startswith(("@@", "---", "+++", "diff ", "***", "GIT"))]
    for _ in range(chance.randint(1, 4)):
        at = chance.choice(heads) if heads and chance.random() < 0.7 else chance.randrange(len(lines))
        kind = chance.randrange(4)
        if kind == 0:
            lines[at:at] = lines[at : at + chance.randint(1, 3)]
        elif kind == 1:
            del lines[at + 1 : at + 1 + chance.randint(1, 12)]
        elif kind == 2:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)] + "\n"
        else:
            lines[at + 1 : at + 1] = [chance.choice(ODD_LINES)]
        heads = [place for place in heads if place < len(lines)]
    text = "".join(lines)
    return text[: chance.randrange(1, len(text))] if text and chance.random() < 0.5 else text or "x\n"


def real(largest: int) -> Iterator[bytes]:
    """Yield the real patches below a size in bytes, as they were found."""
    for path in sorted(SAMPLES.glob("*_cve_*.ndjson")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            text = row.get("patch") or row.get("diff") or ""
            patch = base64.b64decode(row["patch_base64"]) if row.get("patch_base64") else text.encode()
            if 0 < len(patch) < largest:
                yield patch


def samples(largest):
    """Yield them as JSON may carry them: text without NUL."""
    for patch in real(largest):
        yield patch.decode(errors="replace").replace("\0", "")
