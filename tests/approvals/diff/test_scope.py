"""What a patch is said to touch beyond a fix, and what ordinary fixes are not marked for."""

import base64
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.diff.hostile import MOST_OF_A_CODE
from approvals.diff.invisible import has_invisible
from approvals.diff.parse import parse
from approvals.diff.scope import ScopeMark, scope_marks, unversioned
from tests.approvals.diff.test_properties import patches

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("HITL_SAMPLE_DATA") or ROOT / "../shared/data")
FILES = {"bot_cve_backports": "patch", "upstream_cve_fixes": "diff", "odd_cve_patches": "patch_base64"}


def change(name: str, *lines: str) -> bytes:
    """Return the patch of one file; lines have their signs."""
    body = "".join(f"{line}\n" for line in lines)
    return f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1,9 +1,9 @@\n{body}".encode()


def marked(name: str, *lines: str) -> list[ScopeMark]:
    return list(scope_marks(parse(change(name, *lines)), ()))


def codes(name: str, *lines: str) -> list[str]:
    return [mark.code for mark in marked(name, *lines)]


def test_an_ordinary_fix_has_no_marks() -> None:
    assert codes("src/parser.c", "-  if (n > max)", "+  if (n >= max || !buffer)", "+    return -1;") == []
    assert scope_marks(parse(change("parser.c", "-a", "+b")), ["parser.c"]) == ()


def test_a_file_that_was_not_declared_and_one_that_was_not_touched_are_marked() -> None:
    found = scope_marks(parse(change("lib/other.c", "+x") + change("tests/test_x.py", "+x")), ["lib/parser.c"])
    assert [(mark.code, mark.file, mark.severity, mark.line) for mark in found] == [
        ("declared-untouched", "lib/parser.c", "warn", None),
        ("outside", "lib/other.c", "warn", None),
        ("outside", "tests/test_x.py", "note", None),
    ]
    assert found[0].explanation == "“lib/parser.c” is declared as vulnerable, and the patch does not change it."


def test_what_is_beyond_a_megabyte_of_a_patch_is_not_searched_and_says_so() -> None:
    call = "+os.system(command)"
    near, far = change("near.py", call), change("far.py", call)
    filled = change("filled.py", *["+value = 1"] * 80_000)
    assert [(mark.code, mark.file) for mark in scope_marks(parse(near + filled + far), ())] == [
        ("process", "near.py"),
        ("process", "far.py"),
    ]
    found = scope_marks(parse(near + filled + filled.replace(b"filled", b"second") + far), ())
    assert [(mark.code, mark.file, mark.severity) for mark in found] == [
        ("process", "near.py", "warn"),
        ("unsearched", "second.py", "warn"),
        ("unsearched", "far.py", "warn"),
    ]
    assert "not searched for calls" in found[1].explanation


def test_nothing_declared_is_not_marked() -> None:
    assert scope_marks(parse(change("x.c", "+x")), ()) == ()


@pytest.mark.parametrize(
    ("changed", "declared"),
    [
        ("parser.c", "parser.c"),
        ("parser.c", "a/parser.c"),
        ("lib/parser.c", "./lib/parser.c"),
        ("libxml2-2.9.2/parser.c", "parser.c"),
        ("parser.c", "libxml2-2.9.2/parser.c"),
        ("libxml2-2.9.2.orig/parser.c", "b/libxml2-2.9.2/parser.c"),
        ("lib/parser.c", "lib\\parser.c"),
        ("b/lib/x.c", "b/lib/x.c"),
    ],
)
def test_paths_of_one_file_are_the_same(changed: str, declared: str) -> None:
    assert scope_marks(parse(change(changed, "+x")), [declared]) == ()


@pytest.mark.parametrize(
    ("changed", "declared"),
    [("lib/parser.c", "parser.c"), ("b/parser.c", "parser.c"), ("Parser.c", "parser.c"), ("x-1/lib/a.c", "x-1/a.c")],
)
def test_paths_of_other_files_are_not(changed: str, declared: str) -> None:
    found = {mark.code for mark in scope_marks(parse(change(changed, "+x")), [declared])}
    assert found == {"outside", "declared-untouched"}


def test_a_version_folder_alone_is_a_file_name() -> None:
    assert unversioned("libxml2-2.9.2") == "libxml2-2.9.2"
    assert unversioned("libxml2-2.9.2/") == "libxml2-2.9.2/"


def test_a_renamed_file_is_where_it_came_from() -> None:
    data = b"diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n"
    assert scope_marks(parse(data), ["x.c"]) == ()


@pytest.mark.parametrize(
    ("path", "code", "severity"),
    [
        (".github/workflows/build.yml", "ci", "warn"),
        ("sub/.gitlab-ci.yml", "ci", "warn"),
        ("Jenkinsfile", "ci", "warn"),
        (".github/CODEOWNERS", "ci", "warn"),
        (".claude/settings.json", "agent", "warn"),
        (".cursor/rules/x.mdc", "agent", "warn"),
        (".cursorrules", "agent", "warn"),
        ("AGENTS.md", "agent", "warn"),
        ("sub/CLAUDE.md", "agent", "warn"),
        (".github/copilot-instructions.md", "agent", "warn"),
        (".mcp.json", "agent", "warn"),
        ("mcp.json", "agent", "warn"),
        (".vscode/tasks.json", "agent", "warn"),
        ("package-lock.json", "lockfile", "note"),
        ("Cargo.lock", "lockfile", "note"),
        ("go.sum", "lockfile", "note"),
        ("Makefile.am", "build", "note"),
        ("CMakeLists.txt", "build", "note"),
        ("docker/Dockerfile.dev", "build", "note"),
        ("setup.py", "build", "note"),
    ],
)
def test_files_that_steer_are_marked(path: str, code: str, severity: str) -> None:
    (mark,) = marked(path, "+x")
    assert (mark.code, mark.where, mark.severity, mark.patch_line) == (code, "file", severity, 1)


@pytest.mark.parametrize(
    "path", ["src/claude.c", "agents.c", "makefile_parser.py", "lock.go", "docs/ci.md", "x.github"]
)
def test_files_that_only_sound_like_it_are_not(path: str) -> None:
    assert codes(path, "+x") == []


@pytest.mark.parametrize(
    ("name", "line", "code", "said"),
    [
        ("x.py", "r = requests.get(url)", "network", "requests.get"),
        ("x.py", "s = socket.socket()", "network", "socket.socket"),
        ("x.py", "os.system('ls')", "process", "os.system"),
        ("x.py", "subprocess.run(cmd)", "process", "subprocess.run"),
        ("x.py", "eval(text)", "process", "eval"),
        ("x.py", "pickle.loads(data)", "deserialisation", "pickle.loads"),
        ("x.py", "yaml.load(data)", "deserialisation", "yaml.load"),
        ("x.js", "await fetch(url)", "network", "fetch"),
        ("x.ts", "require('child_process')", "process", "child_process"),
        ("x.mjs", "new Function (code)", "process", "new Function"),
        ("x.rb", "Net::HTTP.get(uri)", "network", "Net::HTTP"),
        ("x.rb", "system('ls')", "process", "system"),
        ("x.rb", "out = `ls`", "process", "`ls`"),
        ("x.rb", "Marshal.load(data)", "deserialisation", "Marshal.load"),
        ("x.php", "$r = shell_exec($c);", "process", "shell_exec"),
        ("x.php", "unserialize($d)", "deserialisation", "unserialize"),
        ("x.java", "new URL(u).openConnection()", "network", "new URL"),
        ("x.kt", "Runtime.getRuntime().exec(c)", "process", ".getRuntime().exec"),
        ("x.java", "new ObjectInputStream(in)", "deserialisation", "ObjectInputStream"),
        ("x.go", 'http.Get("x")', "network", "http.Get"),
        ("x.go", 'exec.Command("ls")', "process", "exec.Command"),
        ("x.go", "gob.NewDecoder(r)", "deserialisation", "gob.NewDecoder"),
        ("x.c", "  fd = connect (s, a, n);", "network", "connect"),
        ("x.cpp", '  system("ls");', "process", "system"),
        ("x.h", "  execlp(a, b);", "process", "execlp"),
        ("x.rs", "TcpStream::connect(a)", "network", "TcpStream::connect"),
        ("x.rs", 'Command::new("ls")', "process", "Command::new"),
        ("x.sh", "curl -s http://x | sh", "network", "curl -"),
        ("x.sh", "cat x | bash", "process", "bash"),
        ("Dockerfile", "RUN wget x", "network", "wget x"),
    ],
)
def test_added_calls_are_marked_by_file_name(name: str, line: str, code: str, said: str) -> None:
    found = [mark for mark in marked(f"src/{name}", " same", f"+{line}") if mark.code == code]
    assert [(mark.line, mark.where, mark.severity) for mark in found] == [(2, "line", "warn")]
    assert f"adds “{said}”, which " in found[0].explanation
    assert found[0].explanation.endswith("Comments and strings count too.")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.py", "pattern.exec(text)"),
        ("x.py", "re.compile(text)"),
        ("x.py", "signal.connect(f)"),
        ("x.py", "system(1)"),
        ("x.js", "regex.exec(text)"),
        ("x.js", "prefetch(url)"),
        ("x.c", "p->connect(s)"),
        ("x.c", "file_system(x)"),
        ("x.cpp", "QObject::connect(a)"),
        ("x.rb", "# runs `ls` for us"),
        ("x.sh", "libcurl --version"),
        ("x.txt", "os.system('ls')"),
    ],
)
def test_what_is_no_call_is_not(name: str, line: str) -> None:
    assert not {"network", "process", "deserialisation"} & set(codes(f"src/{name}", f"+{line}"))


def test_calls_that_stay_move_or_go_are_not_added() -> None:
    assert codes("x.py", " os.system(a)", "-os.popen(b)", "-os.fork()", "+  os.fork()") == []


def test_a_changed_call_and_a_call_in_a_test_are_notes() -> None:
    (changed,) = marked("x.py", "-os.system(a)", "+os.system(b)")
    assert (changed.severity, changed.explanation.startswith("This line changes “os.system”")) == ("note", True)
    assert [mark.severity for mark in marked("tests/test_x.py", "+os.system(a)")] == ["note"]


@pytest.mark.parametrize(
    ("path", "line", "name"),
    [
        ("requirements.txt", "requests==2.31", "requests"),
        ("requirements/dev.txt", "requests[socks] >=2 # why", "requests"),
        ("requirements.in", "git+https://example.org/x.git", "git+https://example.org/x.git"),
        ("pyproject.toml", '    "requests>=2",', "requests"),
        ("pyproject.toml", 'requests = "^2.31"', "requests"),
        ("Cargo.toml", 'serde = { version = "1", features = ["derive"] }', "serde"),
        ("package.json", '    "left-pad": "^1.3.0",', "left-pad"),
        ("package.json", '    "@scope/x": "github:a/b"', "@scope/x"),
        ("go.mod", "\tgithub.com/pkg/errors v0.9.1", "github.com/pkg/errors"),
        ("pom.xml", "  <artifactId>log4j-core</artifactId>", "log4j-core"),
        ("app/build.gradle.kts", '    implementation("com.x:y:1.0")', "com.x:y"),
        ("Gemfile", 'gem "rack", "~> 2"', "rack"),
        ("x.gemspec", '  s.add_dependency "rack"', "rack"),
        ("composer.json", '    "monolog/monolog": "^2"', "monolog/monolog"),
        ("setup.cfg", "    requests>=2", "requests"),
        ("x.csproj", '<PackageReference Include="Newtonsoft.Json" Version="1" />', "newtonsoft.json"),
    ],
)
def test_added_dependencies_are_marked(path: str, line: str, name: str) -> None:
    (mark,) = [mark for mark in marked(path, f"+{line}") if mark.code == "dependency-added"]
    assert (mark.explanation, mark.severity) == (f"“{name}” looks like a new dependency.", "warn")


def test_another_version_is_a_changed_dependency() -> None:
    (mark,) = marked("requirements.txt", "-requests==2.31", "+requests==2.32")
    assert (mark.code, mark.severity) == ("dependency-changed", "note")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("package.json", '  "version": "1.2.3",'),
        ("package.json", '    "test": "jest --ci",'),
        ("pyproject.toml", 'version = "1.2.3"'),
        ("pyproject.toml", '    "Programming Language :: Python :: 3",'),
        ("Cargo.toml", 'edition = "2021"'),
        ("requirements.txt", "# requests"),
        ("go.mod", "go 1.21"),
    ],
)
def test_other_lines_of_a_manifest_are_not_dependencies(path: str, line: str) -> None:
    assert codes(path, f"+{line}") == []


def test_a_deleted_test_file_is_marked() -> None:
    data = b"diff --git a/t/x.t b/t/x.t\ndeleted file mode 100644\n--- a/t/x.t\n+++ /dev/null\n@@ -1 +0,0 @@\n-ok 1\n"
    assert [mark.code for mark in scope_marks(parse(data), ())] == ["test-deleted"]


def test_a_test_that_loses_assertions_is_marked_and_one_that_gains_is_not() -> None:
    (mark,) = marked("spec/x_spec.rb", "-  expect(a).to eq 1", "-  expect(b).to eq 1", "+  expect(a).to be 1")
    assert (mark.code, mark.explanation) == ("test-weakened", "This test loses assertions: 2 removed, 1 added.")
    assert codes("src/XTest.java", "-  assertTrue(a);", "+  assertEquals(a, 1);") == []
    assert codes("src/x.c", "-  assert(a);") == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tests/test_x.py", "@pytest.mark.skip(reason='later')"),
        ("tests/test_x.py", "    @pytest.mark.xfail"),
        ("tests/test_x.py", "        self.skipTest('x')"),
        ("src/x.test.ts", "it.skip('x', () => {"),
        ("src/XTest.java", "  @Disabled"),
        ("x_test.go", "\tt.Skip()"),
        ("spec/x_spec.rb", "  xit 'works' do"),
    ],
)
def test_skipped_tests_are_marked(path: str, line: str) -> None:
    assert "test-skipped" in codes(path, f"+{line}")
    assert "test-skipped" not in codes("src/x.py", f"+{line}")


@pytest.mark.parametrize(
    "line",
    [
        "key = 'AKIAIOSFODNN7EXAMPLE'",
        "-----BEGIN RSA PRIVATE KEY-----",
        'password = "hunter2hunter2"',
        '"api_key": "0123456789abcdef"',
        "ghp_" + "a" * 36,
    ],
)
def test_what_looks_like_a_secret_is_marked_and_not_repeated(line: str) -> None:
    (mark,) = marked("src/x.py", f"+{line}")
    assert (mark.code, mark.severity) == ("secret", "warn")
    assert line not in mark.explanation


@pytest.mark.parametrize("line", ["password = os.environ['PASSWORD']", 'password = "${PASSWORD}"', "secret: ''"])
def test_a_secret_that_is_elsewhere_is_not(line: str) -> None:
    assert codes("src/x.py", f"+{line}") == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.sh", "chmod -R 777 /srv"),
        ("x.c", "  chmod(path, 0777);"),
        ("x.py", "get(url, verify=False)"),
        ("x.go", "InsecureSkipVerify: true,"),
        ("x.yaml", "  privileged: true"),
    ],
)
def test_relaxed_permissions_and_checks_are_marked(name: str, line: str) -> None:
    assert "permission" in codes(f"src/{name}", f"+{line}")


def test_many_marks_of_a_code_are_counted() -> None:
    found = marked("x.py", *["+os.system(a)"] * 120)
    assert len(found) == MOST_OF_A_CODE + 1
    assert (found[-1].explanation, found[-1].where) == ("70 more of this kind.", "patch")


def test_one_mark_of_a_kind_for_a_line() -> None:
    assert codes("x.py", "+os.system(a); os.system(b); eval(c); requests.get(d)") == ["process", "network"]


NAMES = ["x.py", "x.c", "tests/test_x.js", "package.json", "go.mod", ".claude/x", "libx-1.2/a.rb", "Dockerfile", ".."]
WORDS = [
    "os.system(",
    "fetch(",
    "assert",
    "@skip",
    '"a": "^1"',
    "connect (",
    "|sh",
    "password='12345678'",
    "\u202e",
    "(",
    " ",
]
bodies = st.lists(st.tuples(st.sampled_from("+- "), st.lists(st.sampled_from(WORDS), max_size=4)), max_size=8)


@settings(max_examples=200)
@given(
    st.one_of(
        st.binary(max_size=400),
        patches,
        st.builds(
            lambda name, body: change(name, *(sign + "".join(words) for sign, words in body)),
            st.sampled_from(NAMES),
            bodies,
        ),
    ),
    st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=9)), max_size=3),
)
def test_marks_never_raise_and_name_lines_there_are(data: bytes, declared: list[str]) -> None:
    diff = parse(data)
    lines = {(f.key, n.new_no) for f in diff.files for h in f.hunks for n in h.lines if n.kind == "add"}
    for mark in scope_marks(diff, declared):
        assert mark.severity in ("note", "warn")
        assert not has_invisible(mark.explanation)
        assert mark.where != "line" or (mark.key, mark.line) in lines
        assert mark.where == "line" or mark.line is None


@pytest.mark.sample_data
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
def test_few_real_patches_are_marked_and_declared_files_are_found() -> None:
    warned: Counter[str] = Counter()
    total = 0
    for name, field in FILES.items():
        with (SAMPLES / f"{name}.ndjson").open(encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                total += 1
                data = base64.b64decode(row[field]) if field.endswith("base64") else row[field].encode()
                found = scope_marks(parse(data), row.get("files", ()))
                warned.update({mark.code for mark in found if mark.severity == "warn"})
    assert all(count < total / 50 for count in warned.values()), warned
    assert not warned["outside"] + warned["declared-untouched"], warned
