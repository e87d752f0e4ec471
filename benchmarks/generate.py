"""Fill a cluster with patches, reviews and entries, and keep it; see README.md.

python -m benchmarks.generate [--patches 1000000] [--tree .] [--into DIRECTORY]
"""

import argparse
from pathlib import Path

from benchmarks.scale import clusters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=1_000_000, help="a tenth of them is pending")
    parser.add_argument(
        "--tree", type=Path, default=clusters.ROOT, help="the product's: this one, or an older commit's"
    )
    parser.add_argument("--into", type=Path, help="also copy the stopped data there")
    options = parser.parse_args()
    found = clusters.filled(options.tree.resolve(), options.patches)
    if options.into:
        found = found.copy(options.into.resolve())
    print(f"{found.data}: HITL_DATA_DIR={found.data} {options.tree}/manage.py serve")


if __name__ == "__main__":
    main()
