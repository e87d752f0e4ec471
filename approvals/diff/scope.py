"""Marks where a patch reaches beyond the fix: files, tests, dependencies, added calls. Decides and draws nothing.

Lines are searched by file name and not understood: comments and strings count too. Time is linear in the patch's size.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from approvals.diff.hostile import Mark, Passage, Tally, passages, quoted
from approvals.diff.structure import ADD, DELETE, Diff, File

Severity = Literal["note", "warn"]

TITLES: Final = {
    "outside": "Outside the declared locations",
    "declared-untouched": "Declared file not changed",
    "ci": "CI configuration",
    "build": "Build configuration",
    "lockfile": "Lock file",
    "agent": "Agent configuration",
    "test-deleted": "Test deleted",
    "test-weakened": "Fewer assertions",
    "test-skipped": "Test skipped",
    "dependency-added": "Dependency added",
    "dependency-changed": "Dependency changed",
    "network": "Network call",
    "process": "Process or code execution",
    "deserialisation": "Deserialisation",
    "secret": "Looks like a secret",
    "permission": "Permission or check relaxed",
}


@dataclass(frozen=True, slots=True)
class ScopeMark(Mark):
    """A mark with its weight: `warn` asks for a look, `note` is said and no more."""

    severity: Severity = "note"


def scope_marks(diff: Diff, declared_files: Sequence[str]) -> tuple[ScopeMark, ...]:
    """Return what the patch touches beyond a fix, in patch order; declaring no files is not marked.

    At most 50 marks of a code, then one that counts the rest. File marks have no `line`.
    """
    found: Tally[ScopeMark] = Tally()
    for mark in _whole(diff, declared_files):
        if found.take(mark.code):
            found.add(mark)
    for file in diff.files:
        for code, severity, passage, ordinal, words in _lines(file):
            if found.take(code):
                found.add(_mark(code, severity, words, file, *passage.place(ordinal)))
    return found.close(lambda code, words: ScopeMark(code, TITLES[code], words))


def same_file(changed: str, declared: str) -> bool:
    """Tell whether a path of a patch is the declared one, which may begin with `a/` or `b/`.

    Either may begin with `./` and with a folder of a package and its version, as `diff -u` of unpacked sources writes.
    """
    return bool(_names(changed) & _declared_names(declared))


def _whole(diff: Diff, declared_files: Sequence[str]) -> Iterator[ScopeMark]:
    declared = {path: _declared_names(path) for path in declared_files}
    wanted: frozenset[str] = frozenset().union(*declared.values())
    for file in diff.files:
        if wanted and not wanted & _file_names(file):
            beside = _is_test(file) or _BESIDE.search(file.path.lower()) is not None
            words = "This file is not among the declared vulnerable locations"
            words += "; it looks like a test or documentation." if beside else "."
            yield _mark("outside", "note" if beside else "warn", words, file, None, file.line)
        for code, severity, words in _about_file(file):
            yield _mark(code, severity, words, file, None, file.line)
    touched: frozenset[str] = frozenset().union(*map(_file_names, diff.files))
    for path, names in declared.items():
        if not names & touched:
            words = f"“{quoted(path)}” is declared as vulnerable, and the patch does not change it."
            yield ScopeMark("declared-untouched", TITLES["declared-untouched"], words, path, severity="warn")


def _mark(code: str, severity: Severity, words: str, file: File, line: int | None, patch_line: int) -> ScopeMark:
    where: Literal["file", "line"] = "line" if patch_line != file.line else "file"
    return ScopeMark(code, TITLES[code], words, file.path, line, where, file.key, patch_line, severity)


_VERSIONED = re.compile(r"[A-Za-z][\w.+~-]*-v?\d[\w.+~-]*|[\w.+~-]+\.orig")


def unversioned(path: str) -> str:
    """Return a path without `./` and without a leading folder of a package and its version (`libxml2-2.9.2/`)."""
    path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    folder, _, rest = path.partition("/")
    return rest if rest and _VERSIONED.fullmatch(folder) else path


def _names(path: str) -> frozenset[str]:
    return frozenset((path, unversioned(path)))


def _declared_names(path: str) -> frozenset[str]:
    return _names(path) | _names(path[2:]) if path[:2] in ("a/", "b/") else _names(path)


def _file_names(file: File) -> frozenset[str]:
    return _names(file.path) | (_names(file.old_path) if file.old_path else frozenset())


_BESIDE = re.compile(
    r"(?:^|/)(?:docs?|documentation|man|examples?)/|\.(?:md|rst|txt|adoc|[1-8])$|(?:^|/)(?:changelog|changes|news|readme)"
)
_TEST = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__|testing|testdata|testsuite|unittests?|test[_-][\w-]+|[\w-]+[_-]tests?|t)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_(?:test|spec)\.\w+|[^/]*\.(?:test|spec)\.[cm]?[jt]sx?|conftest\.py)$"
    r"|(?:^|/)[^/]*[A-Za-z\d]Tests?\.(?:java|kt|scala|groovy|cs|php|swift)$"
)
_KINDS: Final[tuple[tuple[str, Severity, str, str], ...]] = (
    (
        "ci",
        "warn",
        r"(?:^|/)(?:\.github/(?:workflows|actions)/|\.circleci/|\.buildkite/|\.semaphore/|\.teamcity/|zuul\.d/"
        r"|(?:jenkinsfile[^/]*|\.?appveyor\.ya?ml|\.(?:gitlab-ci|travis|drone|cirrus|woodpecker|zuul)[^/]*\.ya?ml"
        r"|azure-pipelines[^/]*|bitbucket-pipelines\.ya?ml|cloudbuild\.ya?ml|buildspec\.ya?ml|codeowners"
        r"|dependabot\.ya?ml|\.pre-commit-config\.ya?ml)$)",
        "This file says what runs, or who must agree, when the code is built or merged.",
    ),
    (
        "agent",
        "warn",
        r"(?:^|/)(?:\.(?:claude|cursor|codex|gemini|windsurf|continue|roo|junie|kiro|amazonq|aider[^/]*)/"
        r"|(?:agents|claude|gemini)(?:\.local)?\.md$|\.(?:cursorrules|windsurfrules|clinerules|aider[^/]*)(?:$|/)"
        r"|\.?mcp[^/]*\.json$|copilot-instructions\.md$|\.github/(?:instructions|prompts|chatmodes)/"
        r"|\.vscode/(?:settings|tasks|launch)\.json$)",
        "This file tells a coding agent or an editor what to do and what it may run.",
    ),
    (
        "lockfile",
        "note",
        r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock"
        r"|pipfile\.lock|pdm\.lock|uv\.lock|gemfile\.lock|composer\.lock|cargo\.lock|go\.sum|gradle\.lockfile"
        r"|packages\.lock\.json|mix\.lock|podfile\.lock|package\.resolved|pubspec\.lock|flake\.lock)$",
        "This file fixes the exact versions of what is installed: it can change code that the diff does not show.",
    ),
    (
        "build",
        "note",
        r"(?:^|/)(?:(?:gnu)?makefile(?:\.[a-z]+)?|[^/]+\.(?:mk|mak|cmake|m4|bzl|gradle|gradle\.kts)|cmakelists\.txt"
        r"|configure(?:\.ac|\.in)?|meson\.build|meson_options\.txt|setup\.(?:py|cfg)|build\.(?:xml|rs|bazel|zig)"
        r"|workspace|(?:dockerfile|containerfile)[^/]*|docker-compose[^/]*|rakefile|sconstruct|(?:grunt|gulp)file\.\w+"
        r"|(?:webpack|vite|rollup|babel)\.config\.\w+|tox\.ini|noxfile\.py|\.npmrc|\.yarnrc(?:\.yml)?|pip\.conf"
        r"|nuget\.config|\.gitmodules|\.gitattributes)$|(?:^|/)(?:debian/rules|gradle/wrapper/)",
        "This file says how the code is built or where its parts come from.",
    ),
)


def _is_test(file: File) -> bool:
    return any(_TEST.search(path) or _TEST.search(path.lower()) for path in (file.path, file.old_path or file.path))


def _about_file(file: File) -> Iterator[tuple[str, Severity, str]]:
    """Return what follows from a file's path and change."""
    paths = [path.lower() for path in (file.path, file.old_path) if path]
    for code, severity, pattern, words in _KINDS:
        if any(re.search(pattern, path) for path in paths):
            yield code, severity, words
    if not _is_test(file):
        return
    if file.change == "deleted":
        yield "test-deleted", "warn", "A test file is deleted."
    else:
        added, removed = (sum(len(_ASSERTION.findall(p.text)) for p in passages(file, code)) for code in (ADD, DELETE))
        if removed > added:
            yield "test-weakened", "warn", f"This test loses assertions: {removed:,} removed, {added:,} added."


_PLAINLY: Final = "Comments and strings count too."
_CALLS: Final[dict[str, tuple[Severity, str]]] = {
    "network": ("warn", "talks over the network"),
    "process": ("warn", "starts a program or runs text as code"),
    "deserialisation": ("warn", "turns bytes from outside into objects"),
}
# By language: network, process, deserialisation. A call is a name before a parenthesis unless the language has others.
_LANGUAGES: Final = {
    r"py[iwx]?|wsgi": (
        r"\b(?:requests|httpx|aiohttp|urllib3)\.(?:get|post|put|patch|delete|request|Session|ClientSession|PoolManager"
        r"|stream|Client|AsyncClient)\s*\(|\burlopen\s*\(|\burlretrieve\s*\(|\bsocket\.(?:socket|create_connection)\s*\("
        r"|\b(?:ftplib|smtplib|telnetlib|paramiko|http\.client)\.\w+\s*\(|\basyncio\.open_connection\s*\(",
        r"\bos\.(?:system|popen|exec[lv]\w*|spawn\w+|posix_spawnp?|fork\w*)\s*\(|\bsubprocess\.\w+\s*\(|\bPopen\s*\("
        r"|(?<![\w.])(?:eval|exec|__import__|check_output|check_call)\s*\(|\bpty\.spawn\s*\(|\bshell\s*=\s*True\b"
        r"|\bcreate_subprocess_(?:exec|shell)\s*\(",
        r"\b(?:[cC]?[pP]ickle|dill|cloudpickle|marshal|joblib|jsonpickle)\.(?:loads?|Unpickler|decode)\s*\("
        r"|\bshelve\.open\s*\(|\byaml\.(?:load|load_all|unsafe_load\w*|full_load\w*)\s*\(|\ballow_pickle\s*=\s*True"
        r"|\btorch\.load\s*\(",
    ),
    r"[cm]?[jt]sx?|vue|svelte|coffee": (
        r"(?<![\w.])fetch\s*\(|\bnew\s+(?:XMLHttpRequest|WebSocket|EventSource)\b|\baxios(?:\.\w+)?\s*\(|\bsendBeacon\s*\("
        r"|\b(?:https?|net|tls|dgram)\.(?:request|get|connect|createConnection|createSocket)\s*\(|\$\.(?:ajax|getJSON)\s*\(",
        r"\bchild_process\b|(?<![\w.])(?:execSync|execFile|execFileSync|spawn|spawnSync|exec|eval)\s*\("
        r"|\bnew\s+Function\s*\(|\bvm\.run\w+\s*\(",
        r"\b(?:unserialize|deserialize)\s*\(|\bv8\.deserialize\s*\(",
    ),
    r"rb|rake|gemspec|ru|erb": (
        r"\bNet::(?:HTTP|FTP|SMTP|POP3|IMAP|Telnet)\b|\bURI\.open\b|\bopen-uri\b|\b(?:TCP|UDP|UNIX)Socket\.(?:new|open)\b"
        r"|\b(?:Faraday|HTTParty|RestClient|Excon|Typhoeus)[.:]",
        r"(?<![\w.:@$])(?:system|exec|spawn|fork|eval)\s*\(|(?<![\w.:@$])(?:system|exec|spawn|eval)\s+[\"']|%x[{(\[]"
        r"|(?:[=(,]|return)\s*`[^`\n]+`|\b(?:IO\.popen|Open3\.\w+|Process\.(?:spawn|exec|daemon)|Kernel\.(?:system|exec))\b",
        r"\bMarshal\.(?:load|restore)\b|\b(?:YAML|Psych)\.(?:load|unsafe_load|load_file|load_stream)\b|\bOj\.load\b",
    ),
    r"php\d?|phtml": (
        r"\b(?:curl_init|curl_exec|p?fsockopen|stream_socket_client|socket_connect|socket_create|ftp_connect)\s*\("
        r"|\b(?:file_get_contents|fopen)\s*\(\s*[\"'](?:https?|ftp):",
        r"(?<![\w>:$])(?:exec|shell_exec|system|passthru|popen|proc_open|pcntl_exec|eval|create_function)\s*\(",
        r"\b(?:unserialize|yaml_parse|igbinary_unserialize)\s*\(|\bphar://",
    ),
    r"java|kts?|scala|groovy|jsp": (
        r"\bnew\s+(?:URL|Socket|ServerSocket|DatagramSocket)\s*\(|\.(?:openConnection|openStream)\s*\("
        r"|\b(?:HttpClient|OkHttpClient|RestTemplate|WebClient)\b\s*[(.]",
        r"\.getRuntime\s*\(\s*\)\s*\.exec\b|\bProcessBuilder\s*\(|\bScriptEngineManager\s*\(",
        r"\b(?:ObjectInputStream|XMLDecoder|XStream|Yaml)\s*\(|\.read(?:Object|Unshared)\s*\(\s*\)"
        r"|\b(?:enable|activate)DefaultTyping\w*\s*\(",
    ),
    r"go": (
        r"\bhttp\.(?:Get|Post|PostForm|Head|NewRequest\w*|ListenAndServe\w*)\s*\(|\b(?:net|tls|rpc|grpc)\.Dial\w*\s*\("
        r"|\bnet\.Listen\w*\s*\(",
        r"\bexec\.Command(?:Context)?\s*\(|\b(?:syscall|unix)\.(?:Exec|ForkExec)\s*\(|\bos\.StartProcess\s*\(|\bplugin\.Open\s*\(",
        r"\bgob\.NewDecoder\s*\(",
    ),
    r"c|h|cc|cpp|cxx|c\+\+|hh|hpp|hxx|m|mm|inl|y|l": (
        r"(?<![\w.>:])(?:socket|connect|accept4?|listen|getaddrinfo|gethostbyname\w*|sendto|recvfrom|WSASocket\w?"
        r"|InternetOpen\w*|curl_easy_perform|SSL_connect|BIO_do_connect)\s*\(",
        r"(?<![\w.>:])(?:system|popen|_popen|exec[lv](?:p?e?|P)|execvpe|fexecve|v?fork|posix_spawnp?|CreateProcess[AW]?"
        r"|ShellExecute\w*|WinExec|dlopen|LoadLibrary\w*)\s*\(",
        r"\b(?:boost::archive::\w*iarchive|cereal::\w+InputArchive)\b",
    ),
    r"rs": (
        r"\b(?:Tcp|Udp|Unix)(?:Stream|Socket|Listener)::\w+\s*\(|\b(?:reqwest|ureq)::\w+",
        r"\bCommand::new\s*\(|\blibc::(?:system|exec\w+|fork)\s*\(",
        r"\b(?:bincode|serde_pickle|rmp_serde)::(?:deserialize|from_)\w*",
    ),
    r"sh|bash|zsh|ksh|bats|dockerfile|containerfile|jenkinsfile|ya?ml": (
        r"(?<![\w./@-])(?:curl|wget|nc|ncat|netcat|socat|ssh|scp|sftp|telnet)\s+[-\"'$\w]|/dev/(?:tcp|udp)/|\bgit\s+clone\b",
        r"(?<![\w.-])eval\s+[\"'$`]|\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\bbase64\s+(?:-d|--decode|-D)\b|(?<![\w-])sudo\s"
        r"|\b(?:pip3?|npm|gem|cargo|go|apt-get|apk|yum|dnf)\s+(?:install|add)\b",
        r"!!(?:python|ruby|java)/",
    ),
}
_PATTERNS: Final = tuple(
    (re.compile(names), re.compile("|".join(f"(?P<{code}>{p})" for code, p in zip(_CALLS, patterns, strict=True))))
    for names, patterns in _LANGUAGES.items()
)
# What adds a dependency, by manifest; the group is its name. Names that are settings of the manifest are left out.
_DEPENDENCIES: Final = tuple(
    (re.compile(names), re.compile(pattern, re.MULTILINE))
    for names, pattern in {
        r"(?:requirements|constraints)[^/]*\.(?:txt|in)$|requirements/[^/]+\.txt$": (
            r"^[ \t]*([A-Za-z0-9][\w.-]*)[ \t]*(?:\[[^\]\n]*\][ \t]*)?(?:$|[=<>~!@;#])|^[ \t]*(?:-e[ \t]+)?(git\+\S+)"
        ),
        r"(?:pyproject|cargo)\.toml$": (
            r"^[ \t]*[\"']([A-Za-z0-9][\w.-]*)(?:\[[^\]\n]*\])?[ \t]*(?:[<>=~!@;][^\"'\n]*)?[\"'],?[ \t]*(?:#.*)?$"
            r"|^[ \t]*([A-Za-z0-9][\w.-]*)[ \t]*=[ \t]*(?:[\"'][\^~<>=]*[\d*]|\{[^\n]*\b(?:version|git|path)[ \t]*=)"
            r"|^\[(?:[\w.-]+\.)?(?:dev-|build-)?dependencies\.([\w-]+)\]"
        ),
        r"package\.json$": (
            r"^[ \t]*\"(@?[\w./-]+)\"[ \t]*:[ \t]*\"(?:[\^~<>=v]*\d|\*\"|latest\"|next\"|https?:"
            r"|(?:git|github|file|link|npm|workspace)[:+])"
        ),
        r"composer\.json$": r"^[ \t]*\"([\w.-]+/[\w.-]+)\"[ \t]*:[ \t]*\"",
        r"go\.mod$": r"^[ \t]*(?:require[ \t]+)?([\w-]{1,60}(?:\.[\w-]{1,60}){1,6}/[\w./~-]+)[ \t]+v\d|=>[ \t]*(\S+)",
        r"pom\.xml$": r"<artifactId>\s*([\w.-]+)",
        r"build\.gradle(?:\.kts)?$": (
            r"^[ \t]*(?:\w*[iI]mplementation|api|\w*[cC]ompile(?:Only)?|runtime\w*|classpath)\b[^\n\"']{0,40}[\"']"
            r"([\w.-]+:[\w.-]+)"
        ),
        r"(?:gemfile|\.gemspec)$": r"^[ \t]*gem[ \t(]+[\"']([\w-]+)|\.add_(?:\w+_)?dependency[ \t(]+[\"']([\w-]+)",
        r"setup\.(?:py|cfg)$": r"^[ \t]*[\"']?([A-Za-z0-9][\w.-]*)(?:\[[^\]\n]*\])?[ \t]*(?:[=~!<>]=|[<>])[ \t]*\d",
        r"\.[a-z]{2}proj$|packages\.config$": r"<(?:PackageReference|package)\s[^>\n]{0,99}(?:Include|id)=\"([\w.-]+)",
    }.items()
)
_SETTINGS: Final = frozenset(
    ("version", "minversion", "python", "requires-python", "rust-version", "edition", "resolver", "node", "npm", "url")
    + ("homepage", "license", "name")
)
_ASSERTION = re.compile(
    r"\b(?:[aA]ssert\w*|ASSERT\w*|EXPECT_\w+|expect\w*|refute\w*|must_\w+|should(?:_\w+)?|ck_assert\w*|fail_unless\w*"
    r"|t\.(?:Error|Fatal)f?|XCTAssert\w*)\b"
)
_SKIP = re.compile(
    r"@(?:pytest\.mark\.|unittest\.)?(?:skip|skipIf|skipif|skipUnless|xfail|expectedFailure)\b|\bpytest\.(?:skip|xfail)\s*\("
    r"|\bself\.skipTest\s*\(|\b(?:it|test|describe|context)\.(?:skip|only|todo)\b|\bx(?:it|describe|test)\s*[(\"']"
    r"|@(?:Ignore|Disabled)\b|\bt\.Skip(?:f|Now)?\s*\(|#\[ignore\b|\bGTEST_SKIP\b|\bDISABLED_\w+"
    r"|^[ \t]*(?:skip|pending)\b[ \t(]*[\"']",
    re.MULTILINE,
)
_SECRET = re.compile(
    r"A(?:KIA|SIA)[0-9A-Z]{16}\b|gh[pousr]_\w{36}|github_pat_\w{22}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10}|npm_\w{36}"
    r"|AIza[\w-]{35}|sk-(?:ant-|proj-)?[A-Za-z0-9]{20}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|(?:PASSW(?:OR)?D|[Pp]assw(?:or)?d|SECRET|[Ss]ecret|API_?KEY|[Aa]pi_?[Kk]ey|(?:ACCESS|AUTH)_?TOKEN|[Aa]ccess_?[Tt]oken"
    r"|[Aa]uth_?[Tt]oken)\w{0,10}[\"']?[ \t]*(?:=>?|:)[ \t]*[\"'][^\"'\s${<%]{8,}[\"']"
)
_PERMISSION = re.compile(
    r"chmod\s+(?:-R\s+)?(?:0?[0-7]?777|[ugoa]*\+[rwx]*s)\b|chmod\s*\([^\n)]{0,80}\b0o?[0-7]?777\b|setcap\s"
    r"|umask\s*\(?\s*0+\b|privileged:\s*true\b|--privileged\b|permissions:\s*write-all\b|verify\s*=\s*False\b"
    r"|InsecureSkipVerify:\s*true\b|rejectUnauthorized:\s*false\b|VERIFY_NONE\b|_create_unverified_context\b"
    r"|SSL_VERIFY(?:PEER|HOST),\s*0|bypassPermissions\b|-dangerously-skip-permissions\b|StrictHostKeyChecking[ =]no\b"
)
_SEARCHES: Final = (
    ("secret", _SECRET, "This line looks as if it holds a password, a token or a private key."),
    ("permission", _PERMISSION, "This line gives more permissions or takes away a check."),
)

Hit = tuple[str, Severity, Passage, int, str]


class _Changes:
    """The lines a file adds and deletes, put together once for all searches."""

    def __init__(self, file: File) -> None:
        self.added = tuple(passages(file, ADD))
        self.removed = tuple(passages(file, DELETE))

    @cached_property
    def squeezed(self) -> frozenset[str]:
        """Return the deleted lines, blanks squeezed, to tell an added line that was only moved or indented."""
        return frozenset(" ".join(line.split()) for passage in self.removed for line in passage.text.split("\n"))

    def matches(self, pattern: re.Pattern[str]) -> Iterator[tuple[Passage, int, re.Match[str]]]:
        """Return the matches in added lines, one of a kind in a line, but not in lines only moved or indented."""
        for passage in self.added:
            last: dict[str | None, int] = {}
            for ordinal, match in passage.ordinals(pattern):
                if last.get(match.lastgroup) != ordinal:
                    last[match.lastgroup] = ordinal
                    start, end = passage.text.rfind("\n", 0, match.start()) + 1, passage.text.find("\n", match.start())
                    line = passage.text[start : end if end >= 0 else None]
                    if " ".join(line.split()) not in self.squeezed:
                        yield passage, ordinal, match

    def before(self, pattern: re.Pattern[str], name: Callable[[re.Match[str]], str]) -> frozenset[str]:
        """Return the names of the matches in deleted lines."""
        return frozenset(name(match) for passage in self.removed for match in pattern.finditer(passage.text))


def _lines(file: File) -> Iterator[Hit]:
    """Return what the added lines of a file are marked for."""
    changes, test = _Changes(file), _is_test(file)
    extension = file.path.rpartition("/")[2].lower().rpartition(".")[2]
    for names, pattern in _PATTERNS:
        if names.fullmatch(extension):
            yield from _calls(changes, pattern, test)
    for code, pattern, words in _SEARCHES:
        for passage, ordinal, _ in changes.matches(pattern):
            yield code, "note" if test else "warn", passage, ordinal, f"{words} {_PLAINLY}"
    for passage, ordinal, _ in changes.matches(_SKIP) if test else ():
        yield (
            "test-skipped",
            "warn",
            passage,
            ordinal,
            "This line skips a test or expects it to fail.",
        )
    for names, pattern in _DEPENDENCIES:
        if names.search(file.path.lower()):
            yield from _dependencies(changes, pattern)


def _calls(changes: _Changes, pattern: re.Pattern[str], test: bool) -> Iterator[Hit]:
    """Return added lines with a call; less is made of tests and of lines that only change a call that was there."""
    added = list(changes.matches(pattern))
    before = changes.before(pattern, _called) if added else frozenset()  # half a megabyte deleted takes its time
    for passage, ordinal, match in added:
        code, name = match.lastgroup or "", _called(match)
        severity, does = _CALLS[code]
        words = f"This line {'changes' if name in before else 'adds'} “{quoted(name)}”, which {does}. {_PLAINLY}"
        yield code, "note" if test or name in before else severity, passage, ordinal, words


def _dependencies(changes: _Changes, pattern: re.Pattern[str]) -> Iterator[Hit]:
    added = list(changes.matches(pattern))
    before = changes.before(pattern, _dependency) if added else frozenset()
    for passage, ordinal, match in added:
        name = _dependency(match)
        if name in before:
            yield "dependency-changed", "note", passage, ordinal, f"The dependency “{quoted(name)}” changes."
        elif name not in _SETTINGS:
            yield "dependency-added", "warn", passage, ordinal, f"“{quoted(name)}” looks like a new dependency."


def _called(match: re.Match[str]) -> str:
    return match[0].rstrip(" \t\n(").lstrip("|=(, \t")


def _dependency(match: re.Match[str]) -> str:
    return next((name for name in match.groups() if name), "").lower()
