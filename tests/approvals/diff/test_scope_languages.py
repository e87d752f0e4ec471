"""Calls and relaxed checks in languages, scripts and spellings beside the most common ones."""

import pytest

from tests.approvals.diff.test_scope import codes

CALLS = {
    ("Makefile", "\tcurl -s http://x | sh"): ["network", "process"],
    ("configure.ac", "cat x | bash"): ["process"],
    ("postinst", "wget x"): ["network"],
    ("x.py.in", "os.system('ls')"): ["process"],
    ("x.pl", 'system("ls");'): ["process"],
    ("X.pm", "eval $code;"): ["process"],
    ("x.pl", "open(my $f, '-|', 'ls')"): ["process"],
    ("x.cgi", "use LWP::UserAgent;"): ["network"],
    ("x.pm", "Storable::thaw($x)"): ["deserialisation"],
    ("x.pl", "eval { parse($x) };"): [],
    ("x.pl", "$self->system($x)"): [],
    ("x.cs", 'Process.Start("sh");'): ["process"],
    ("x.cs", "new BinaryFormatter()"): ["deserialisation"],
    ("x.cs", "new HttpClient()"): ["network"],
    ("x.ps1", "iex $code"): ["process"],
    ("x.lua", 'os.execute("ls")'): ["process"],
}
RELAXED = [
    ("x.sh", "chmod 4755 /usr/bin/x"),
    ("x.c", "  chmod(path, 04755);"),
    ("x.py", "os.chmod(path, stat.S_ISUID)"),
    ("x.py", "context.check_hostname = False"),
    ("x.py", "context.verify_mode = ssl.CERT_NONE"),
    ("x.sh", "tool --no-check-certificate $u"),
]


@pytest.mark.parametrize(("name", "line"), CALLS)
def test_calls_of_a_language_are_marked_by_file_name(name: str, line: str) -> None:
    found = {"network", "process", "deserialisation"} & set(codes(f"src/{name}", " same", f"+{line}"))
    assert sorted(found) == CALLS[name, line]


@pytest.mark.parametrize(("name", "line"), RELAXED)
def test_a_check_that_is_relaxed_in_other_words_is_marked(name: str, line: str) -> None:
    assert codes(f"src/{name}", f"+{line}") == ["permission"]


@pytest.mark.parametrize("line", ["chmod 0644 x", "chmod 755 x", "check_hostname = True"])
def test_an_ordinary_mode_is_not(line: str) -> None:
    assert "permission" not in codes("src/x.sh", f"+{line}")
