"""Filled clusters, kept between runs: one for each schema, way of filling and size."""

import dataclasses
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from .fill import fill
from .product import ROOT, Product, rows
from .stories import Template, tell

CACHE = Path(os.environ.get("HITL_BENCH_CACHE", Path.home() / ".cache" / "hitl-bench"))
LAYOUT = 1  # raise it when the same templates would be told or multiplied in another way
LARGE = 100_000  # patches: of these sizes one cluster is kept, the newest
FAST = (
    "fsync = off",
    "full_page_writes = off",
    "max_wal_size = '1GB'",
    "autovacuum = off",
    "checkpoint_timeout = '1h'",
)


def filled(tree: Path, patches: int) -> Product:
    """Return this tree with a stopped cluster of so many patches, a tenth pending; make it where it is missing."""
    kept = Product(tree, CACHE / f"{_version(tree)}-{patches}")
    if kept.data.exists():
        return kept
    if patches >= LARGE:
        for stale in CACHE.glob(f"*-{patches}"):
            shutil.rmtree(stale)
    made = _told(tree).copy(kept.data.with_suffix(".new"))
    templates = [Template(**one) for one in json.loads((made.data / "templates.json").read_text())]
    started = time.perf_counter()
    print(f"{patches:,} patches into {kept.data}", flush=True)
    with made.database() as url:
        for setting in FAST:
            rows(url, f"alter system set {setting}")
        rows(url, "select pg_reload_conf()")
        fill(url, templates, patches, patches // 10)
        rows(url, "alter system reset all")
        rows(url, "checkpoint")
    (made.data / "templates.json").unlink()
    made.data.rename(kept.data)
    print(f"  in {time.perf_counter() - started:.0f} s", flush=True)
    return kept


def _told(tree: Path) -> Product:
    """Return this tree with a stopped cluster of the templates alone."""
    kept = Product(tree, CACHE / f"{_version(tree)}-templates")
    if not kept.data.exists():
        made = Product(tree, kept.data.with_suffix(".new"))
        shutil.rmtree(made.data, ignore_errors=True)
        print("Templates (two minutes) ...", flush=True)
        templates = tell(made)
        (made.data / "templates.json").write_text(json.dumps([dataclasses.asdict(one) for one in templates]))
        made.data.rename(kept.data)
    return kept


def _version(tree: Path) -> str:
    """Return a digest of what the rows depend on: the tree's migrations and SQL, and `LAYOUT`."""
    digest = hashlib.sha256(str(LAYOUT).encode())
    for path in [*sorted(tree.glob("*/migrations/*.py")), *sorted(tree.glob("*/sql/*.sql"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


__all__ = ["CACHE", "ROOT", "filled"]
