"""A filled database is one that the product could have written: its pages open, its counts agree, its log holds."""

import json
import subprocess

import pytest

from benchmarks.scale import kinds, sides
from benchmarks.scale.fill import fill
from benchmarks.scale.product import ROOT, Product, rows
from benchmarks.scale.stories import tell

PATCHES, PENDING = 1_000, 100
OLDER = "16be414"
pytestmark = [pytest.mark.soak, pytest.mark.sample_data]

BROKEN_CHAINS = """
select count(*) from (
    select object_n, convert_from(body, 'UTF8')::jsonb #>> '{object,prev}' as previous,
        lag(encode(leaf_hash, 'hex')) over chain as leaf, row_number() over chain as place
    from audit_entry where object_n is not null window chain as (partition by object_type, object_id order by object_n)
) entry where object_n <> place or previous is distinct from leaf
"""
UNLIKE_THEIR_BODY = """
select count(*) from audit_entry, lateral (select convert_from(body, 'UTF8')::jsonb as said) read
where uuid::text <> said ->> 'id' or type <> said ->> 'type' or object_id <> said #>> '{object,id}'
    or at <> (said ->> 'at')::timestamptz
"""
OTHER_DIGESTS = """
select count(*) from approvals_patch patch join approvals_patchcontent content on content.patch_id = patch.id
where patch.sha256 <> encode(sha256(diff), 'hex')
"""
FEW_APPROVALS = """
select count(*) from approvals_decision decision where approvals <> (
    select count(*) from approvals_review
    where decision_id = decision.id and verdict = 'approve' and withdrawn_at is null
)
"""
MARKS = "select count(*) from approvals_patch patch where patch::text ~ 'zzpackage|92929292'"
MARKS_OF_LOG = """
select count(*) from audit_entry join audit_context on entry_id = id
where object_type = 'decision' and convert_from(body, 'UTF8') || object_label ~ 'zzpackage|92929292'
"""
HOLES = "select max(seq) + 1 - count(*) + (select count(*) from audit_entry) - count(*) from audit_leaf"
UNFED = """
select count(*) from approvals_decision decision where status <> 'pending' and not exists (
    select from approvals_feedentry feed where feed.decision_id = decision.id and feed.status = decision.status
)
"""
COUNTS = """
select (select count(*) from approvals_patch), (select count(*) from approvals_decision where status = 'pending'),
    (select count(*) from approvals_waiting), (select count(*) from approvals_review),
    (select count(*) from audit_entry)
"""


def check(product: Product) -> None:
    """Fill a database with few templates, look through its rows and open each kind of page."""
    templates = tell(product, most=1)
    with product.database() as url:
        fill(url, templates, PATCHES, PENDING)
        [[patches, pending, waiting, reviews, entries]] = rows(url, COUNTS)
        assert (patches, pending, waiting) == (PATCHES, PENDING, PENDING)
        assert 2.7 < reviews / PATCHES < 3.6
        assert 9.5 < entries / PATCHES < 11
        for wrong in (
            BROKEN_CHAINS,
            UNLIKE_THEIR_BODY,
            OTHER_DIGESTS,
            FEW_APPROVALS,
            MARKS,
            MARKS_OF_LOG,
            HOLES,
            UNFED,
        ):
            assert rows(url, wrong) == [(0,)], wrong
    with sides.served("a filled one", product) as side:
        for kind in kinds.KINDS:
            side.ask(kind)  # asserts 200
        assert side.shown["queue"] == 25
        assert side.shown["pending, 50 items"] == 50
        assert side.shown["feed, 100 items"] == 100
        [summary] = [kind for kind in kinds.KINDS if kind.name == "summary"]
        assert json.loads(side.ask(summary).body)["total_patches"] == PATCHES
        side.figure(side.posts(2), 2, status=201)
        side.figure(side.approvals(2), 2)
        assert side.statements([side.posts(3)])[0] > 5


def test_a_filled_database_is_as_the_product_writes_it(tmp_path):
    check(Product(ROOT, tmp_path / "data"))


def test_an_older_commits_database_is_filled_too(tmp_path):
    tree = tmp_path / "tree"
    if subprocess.run(["git", "cat-file", "-e", OLDER], cwd=ROOT, check=False).returncode:
        pytest.skip(f"this clone has no {OLDER}")
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), OLDER], cwd=ROOT, check=True)
    try:
        check(Product(tree, tmp_path / "data"))
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
