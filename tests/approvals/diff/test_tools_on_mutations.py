"""Mutated real patches: what GNU patch and git apply make of each is what is shown, or a mark says that they differ."""

import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from approvals.diff.canonical import canonical
from approvals.diff.parse import parse
from approvals.diff.structure import ADD, DELETE, Diff, without_ending
from approvals.diff.summary import summary
from tests.approvals.diff.test_canonical import old_side
from tests.approvals.diff.tools import Tree, read, run, write
from tests.mutations import SAMPLES, real

pytestmark = [
    pytest.mark.skipif(not shutil.which("git") or not shutil.which("patch"), reason="git or patch is not installed"),
    pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)"),
]
HEADS = (b"diff ", b"index ", b"--- ", b"+++ ", b"@@", b"new ", b"deleted", b"old ", b"rename", b"similar", b"-- ")
PIECES = [
    *(b"\n", b"\f\n", b" \n", b"-- \n", b"---\n", b"#comment\n", b"only words\n", b"+x\n", b"-x\n", b" x\n"),
    *(b"From: x <x@y.example>\nSubject: more\n\n", b"index 1111111..2222222\n", b"Index: q\n", b"=====\n"),
    *(b"old mode 100644\nnew mode 100755\n", b"new mode 100755\n", b"deleted file mode 100644\n"),
    *(
        b"new file mode 100644\n",
        b"similarity index 90%\n",
        b"rename from x\nrename to y\n",
        b"copy from q\ncopy to r\n",
    ),
    *(b"--- a/q\n", b"+++ b/q\n", b"*** a/q\n", b"--- /dev/null\n", b"+++ /dev/null\n", b"diff --git a/q b/q\n"),
    *(b"3c3\n< a\n---\n> b\n", b"1d\n.\n", b"2c\nb\n.\n", b"@@ -1 +1 @@\n-a\n+b\n", b"@@ -1,0 +2 @@\n+z\n"),
    *(b"Only in b: z\n", b"Binary files a/q and b/q differ\n", b"diff --cc q\n", b"@@ -1,3 +1,3 @@ x\n"),
]
TOOLS = {"patch": ("patch", "-p1", "-f", "--no-backup-if-mismatch", "-r", "-"), "git": ("git", "apply", "-")}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a patch with one to three lines of it lost, doubled, moved, renamed, recounted or indented."""
    lines = data.splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        heads = [at for at, line in enumerate(lines) if line.startswith(HEADS)] or [0]
        at = min(chance.choice(heads) if chance.random() < 0.75 else chance.randrange(len(lines)), len(lines) - 1)
        line, far = lines[at], min(len(lines), at + chance.randint(1, 12))
        lines[at : at + 1] = chance.choice(
            [
                [],
                [line, line],
                [line, chance.choice(PIECES)],
                [chance.choice(PIECES), line],
                [recounted(line, chance)],
                [
                    without_ending(line)
                    + chance.choice((b"\r\n", b" \n", b"\t\n", b".orig\n", b"\t1970-01-01 00:00:00\n"))
                ],
                [line.replace(b" a/", chance.choice((b" ", b" i/", b" old/", b" ./a/"))).replace(b"//", b"/")],
                [chance.choice((b" ", b"X", b"\t", b"- ")) + line],
                [line[: chance.randrange(len(line) + 1)] + b"\n"],
                [chance.choice((b"+", b"-", b" ", b"")) + line[1:]],
                [*lines[at:far], line],
                [chance.choice((b"  ", b"X")) + one for one in lines[at:far]],
            ]
        )
    return b"".join(lines)


def recounted(line: bytes, chance: random.Random) -> bytes:
    """Return a hunk's header with one of its numbers a little larger or smaller."""
    parts = line.split(b"@@")
    if len(parts) < 3:
        return line
    words = parts[1].replace(b",", b" , ").split(b" ")
    numbers = [place for place, word in enumerate(words) if word.lstrip(b"-+").isdigit()]
    place = chance.choice(numbers)
    sign, digits = words[place][:1].strip(b"0123456789"), words[place].lstrip(b"-+")
    words[place] = sign + b"%d" % max(0, int(digits) + chance.choice((-1, 1, 2)))
    return b"@@".join([parts[0], b" ".join(words).replace(b" , ", b","), *parts[2:]])


def made(folder: Path, tree: Tree, data: bytes, tool: str) -> tuple[bool, Tree]:
    """Return whether a tool is content with a patch, and the tree it leaves."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write(folder, tree)
    done = run(*TOOLS[tool], folder=folder, data=data)
    return done.returncode == 0, read(folder)


def changes(before: Tree, after: Tree) -> dict[str, Counter[bytes]]:
    """Return for each file that differs how often each line came (above zero) or went (below)."""
    found = {}
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            found[name] = Counter(after.get(name, b"").splitlines())
            found[name].subtract(before.get(name, b"").splitlines())
    return found


def shown(diff: Diff) -> dict[str, Counter[bytes]]:
    """Return the same of the files that the page shows; a moved file has its names and no counts."""
    found: dict[str, Counter[bytes]] = {}
    for file in diff.files:
        for name in filter(None, (file.old_path, file.new_path)):
            count = found.setdefault(name, Counter())
        for hunk in file.hunks:
            for raw, code in hunk.coded_lines:
                count[without_ending(raw[1:])] += (code == ADD) - (code == DELETE)
    return found


def changed(lines: Counter[bytes]) -> dict[bytes, int]:
    return {line: count for line, count in lines.items() if count}


def wrong(data: bytes, tree: Tree, folder: Path) -> str | None:
    """Return what is wrong with our reading of a patch on a tree, None where nothing is."""
    diff = parse(data)
    if diff.to_bytes() != data:
        return "bytes are lost"
    facts, form = summary(diff), canonical(diff).data
    doubtful = bool(facts["ambiguous"] or facts["unusual"])
    if doubtful and form is None:
        return None
    results = {tool: made(folder, tree, data, tool) for tool in TOOLS}
    if not doubtful:
        if all(content for content, _ in results.values()) and results["patch"][1] != results["git"][1]:
            return "the tools make different trees, and nothing says so"
        page, moved = shown(diff), any(file.change in ("renamed", "copied") for file in diff.files)
        for tool, (content, after) in results.items():
            for name, lines in changes(tree, after).items():
                if name not in page:
                    return f"{tool} changes {name}, which is not shown"
                if content and not moved and changed(lines) != changed(page[name]):
                    return f"{tool} changes other lines of {name} than shown"
    if form is not None:
        canonically = {tool: made(folder, tree, form, tool) for tool in TOOLS}
        if all(content for content, _ in canonically.values()) and canonically["patch"][1] != canonically["git"][1]:
            return "the tools make different trees of the canonical form"
        for tool, (content, after) in results.items():
            if content and canonically[tool][0] and not doubtful and after != canonically[tool][1]:
                return f"the canonical form is another change to {tool}"
    return None


def search(folder: Path, seed: int, count: int) -> None:
    chance = random.Random(seed)
    sources = list(real(6_000))
    tried = 0
    while tried < count:
        patch = chance.choice(sources)
        tree = old_side(list(parse(patch).files))
        for _ in range(10 if tree else 0):
            data = mutated(patch, chance)
            try:
                what = wrong(data, tree or {}, folder)
            except subprocess.TimeoutExpired:  # a tool that hangs says nothing
                continue
            assert what is None, (what, data)
            tried += 1


def test_a_few_mutations_of_real_patches(tmp_path: Path) -> None:
    search(tmp_path / "tree", seed=1, count=200)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_mutations_of_real_patches(tmp_path: Path, seed: int) -> None:
    search(tmp_path / "tree", seed, count=5_000)
