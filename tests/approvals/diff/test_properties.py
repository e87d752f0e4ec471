"""What holds for every patch whatever: no byte lost, nothing raised, numbers that agree, no markup from content."""

from html.parser import HTMLParser

from hypothesis import example, given, settings
from hypothesis import strategies as st

from approvals.diff.excerpts import excerpt
from approvals.diff.invisible import INVISIBLE
from approvals.diff.parse import parse
from approvals.diff.rows import file_rows, line_html, text_html
from approvals.diff.summary import summary

PIECES = (
    [b"diff --git a/x b/x\n", b"diff --cc x\n", b"diff -u a b\n", b"Index: x\n", b"=====\n", b"From 1234567 Mon\n"]
    + [
        b"--- a/x\n",
        b"+++ b/x\n",
        b"*** a/x\n",
        b"***************\n",
        b"*** 1,3 ****\n",
        b"--- 1,3 ----\n",
        b'--- "a\\303"\n',
    ]
    + [
        b"@@ -1,3 +1,3 @@\n",
        b"@@ -1 +1 @@ f\n",
        b"@@\n",
        b"@@@ -1,2 -1,2 +1,2 @@@\n",
        b"@@ -0,0 +1,9 @@\n",
        b"@@ -7,9 +0,0 @@\r\n",
    ]
    + [
        b" a\n",
        b"-a\n",
        b"+b\n",
        b"-- \n",
        b"2.39.2\n",
        b"\\ No newline at end of file\n",
        b"\n",
        b"\t}\n",
        b"! a\n",
        b"- a\n",
    ]
    + [
        b"+ <b>&\n",
        b"  a\n",
        b"-\r\n",
        b"+\xff\x00\n",
        b"++x\n",
        b" +y\n",
        b"GIT binary patch\n",
        b"literal 4\n",
        b"LcmZQzU|?i`\n",
    ]
    + [
        b"new file mode 120000\n",
        b"old mode 100644\n",
        b"rename from x\n",
        b"rename to y\n",
        b"index 1..2 100755\n",
        b"words\n",
    ]
    + [
        b"Binary files a/x and b/x differ\n",
        b"Only in a: x\n",
        b"+\xe2\x80\xae\n",
        b"--- \n",
        b"+++ \n",
        b"-",
        b"+x",
        b"\r",
        b"---\n",
    ]
)
patches = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


class Page(HTMLParser):
    """Reads markup back: its text with drawn characters turned back, and the tags it has."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: set[tuple[str, ...]] = set()
        self.classes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add((tag, *(name for name, _ in attrs)))
        self.classes.append(dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        self.classes.pop()

    def handle_data(self, data: str) -> None:
        if "ctl" in self.classes:
            self.text += chr(int(data.removeprefix("U+"), 16))
        elif "cut" not in self.classes:
            self.text += data


def read_back(html: str) -> Page:
    """Parse markup, insisting that every tag is closed and of the few kinds there are."""
    page = Page()
    page.feed(html)
    page.close()
    assert page.classes == []
    assert page.tags <= {("mark",), ("span", "class"), ("span", "class", "title")}
    assert not INVISIBLE.search(html.replace("\n", ""))
    return page


@given(st.binary(max_size=2_000))
def test_any_bytes_come_back(data: bytes) -> None:
    assert parse(data).to_bytes() == data


@settings(max_examples=400)
@given(patches)
@example(b"@@ -1 +1 @@\n-- \n2.39.2\n@@\n")
@example(b"Binary files a/x and b/x differ\n@@ -1 +1 @@\n-a\n+b\n")
def test_any_mixture_of_diff_lines_comes_back_and_adds_up(data: bytes) -> None:
    diff = parse(data)
    assert diff.to_bytes() == data
    assert diff.parsed
    assert diff.files == tuple(chunk for chunk in diff.chunks if chunk in diff.files)
    assert diff.additions == sum(
        line.kind == "add" for file in diff.files for hunk in file.hunks for line in hunk.lines
    )
    assert len({file.key for file in diff.files}) == len(diff.files)
    assert all("\0" not in path for path in summary(diff)["paths"])


@settings(max_examples=300)
@given(patches)
def test_every_row_shows_the_text_of_its_line_and_no_markup_of_the_patch(data: bytes) -> None:
    for file in parse(data).files:
        for hunk, drawn in zip(file.hunks, file_rows(file), strict=True):
            if hunk.form != "context":
                endings = ["\r" if file.mixed_endings and line.ending == "\r\n" else "" for line in hunk.lines]
                wanted = [line.text + ending for line, ending in zip(hunk.lines, endings, strict=True)]
                assert [read_back(row.html).text for row in drawn.rows] == wanted
            for row in drawn.rows:
                read_back(row.html)
            shown = {id(row) for pair in drawn.pairs for row in pair if row is not None}
            assert {id(row) for row in drawn.rows} == shown


@given(
    st.text(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), max_size=4), st.integers(1, 400)
)
def test_a_drawn_line_reads_as_its_text_up_to_the_limit(text: str, spans: list[tuple[int, int]], limit: int) -> None:
    ranges = []
    position = 0
    for gap, length in spans:
        ranges.append((position + gap, position + gap + length))
        position += gap + length
    middle = len(text) // 2
    html = line_html([("k", text[:middle]), ("", text[middle:])], ranges, limit)
    assert read_back(html).text == text[:limit]
    assert ("more character" in html) == (len(text) > limit)


@given(st.text(max_size=300))
def test_a_text_is_read_back_as_it_was(text: str) -> None:
    assert read_back(text_html(text)).text == text


@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode), st.just(b"\xe2\x80\xae\r\n" * 300))
    ),
    st.integers(1, 5),
    st.integers(1, 400),
)
def test_the_excerpts_of_a_text_are_all_of_it_and_show_it(pieces: list[bytes], lines: int, largest: int) -> None:
    data = b"\n".join(pieces)
    start: int | None = 0
    shown = b""
    while start is not None:
        part = excerpt(data, start, lines=lines, largest=largest)
        assert len(part.html) < largest + 500 * 80
        assert part.raw.count(b"\n") <= lines
        if part.raw.isascii() and b"\r" not in part.raw:
            assert read_back(part.html).text == part.raw.decode()
        shown += part.raw
        start = part.next
    assert shown == data


lines = st.sampled_from(
    [b" same", b"-old", b"+new", b"--- x", b"+++ y", b"-- ", b" ", b"-", b"+", b"+\xff", b"-\t\x00"]
)


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[bytes, list[list[bytes]]]:
    """Compose a patch of one file whose counts are right and which no two lines make ambiguous."""
    bodies = draw(st.lists(st.lists(lines, min_size=1, max_size=12), min_size=1, max_size=4))
    data, start = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n", 1
    for body in bodies:
        old, new = sum(line[:1] in b" -" for line in body), sum(line[:1] in b" +" for line in body)
        data += b"@@ -%d,%d +%d,%d @@\n" % (start, old, start, new) + b"".join(line + b"\n" for line in body)
        start += 100
    return data, bodies


@given(well_formed())
def test_a_well_formed_patch_is_read_as_written(composed: tuple[bytes, list[list[bytes]]]) -> None:
    data, bodies = composed
    diff = parse(data)
    (file,) = diff.files
    assert diff.to_bytes() == data
    assert [[raw.rstrip(b"\n") for raw in hunk.raw_lines] for hunk in file.hunks] == bodies
    assert not {warning.code for warning in diff.warnings} & {"hunk-counts", "foreign-line", "text-in-file"}
    for hunk in file.hunks:
        old = [line.old_no for line in hunk.lines if line.old_no is not None]
        new = [line.new_no for line in hunk.lines if line.new_no is not None]
        assert old == list(range(hunk.old_start or 0, (hunk.old_start or 0) + (hunk.old_count or 0)))
        assert new == list(range(hunk.new_start or 0, (hunk.new_start or 0) + (hunk.new_count or 0)))


@settings(max_examples=50)
@given(patches, st.integers(0, 30), st.integers(0, 10))
def test_a_window_of_rows_is_a_part_of_all_rows(data: bytes, first: int, count: int) -> None:
    for file in parse(data).files:
        if any(hunk.form == "context" for hunk in file.hunks):
            continue
        every = [(row.kind, row.old, row.new) for hunk in file_rows(file) for row in hunk.rows]
        window = [
            (row.kind, row.old, row.new) for hunk in file_rows(file, first=first, count=count) for row in hunk.rows
        ]
        assert len(every) == file.line_count
        assert window == every[first : first + count]
