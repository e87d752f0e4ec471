"""A deployer: it applies what was approved, once, in order, and says what was revoked. Stop and start it at will."""

import hashlib
import subprocess
import sys
from pathlib import Path

from hitl_gate import Gate, WrongBytes

repository, cursor = Path(sys.argv[1]), Path(sys.argv[2])
gate = Gate.from_environment()
for item in gate.watch(cursor, follow="--once" not in sys.argv):
    if item.deployable:
        try:
            patch = gate.approved_bytes(item)
        except WrongBytes as error:  # revoked since: the revocation is a later item
            print(error)
            continue
        # What does not apply ends this program, and comes again when it is started anew.
        subprocess.run(["git", "apply", "--index", "-"], input=patch, cwd=repository, check=True)
        gate.report(item, "deployed", hashlib.sha256(patch).hexdigest())
        print(item.position, item.patch_id, "applied")
    elif item.status == "revoked":
        print(item.position, item.patch_id, "was revoked: take it back")
    gate.acknowledge(item)
