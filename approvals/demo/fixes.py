"""What the generated history is made of: kinds of fixes with their diff templates, packages, words."""

import re
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).parent / "diffs" / "history"
PLACEHOLDER = re.compile(r"%(package|entity|field|function|old|new)%", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fix:
    """One kind of fix: the diff template's name, what it fixes, and the words of its title and advisory."""

    template: str
    ecosystem: str
    language: str
    cwe: str
    title: str
    advisory: str
    strategy: str = "code_rewrite"

    def diff(self, words: dict[str, str]) -> str:
        """Return the template with its placeholders filled; lines keep their number, so the counts stay right."""
        return filled((TEMPLATES / f"{self.template}.diff").read_text("utf-8"), words)


def filled(text: str, words: dict[str, str]) -> str:
    """Replace %entity% by the word, %Entity% by it capitalised and %ENTITY% in capitals."""

    def word(match: re.Match[str]) -> str:
        name = match[1]
        value = words[name.lower()]
        if name.isupper():
            return value.upper()
        return value.title().replace("-", "") if name[0].isupper() else value

    return PLACEHOLDER.sub(word, text)


FIXES = (
    Fix("python-sql", "pypi", "python", "CWE-89", "Bind %field% as a parameter when looking up %entity%s",
        "A %field% with a quote changes the SQL statement that looks up a %entity%."),
    Fix("python-path", "pypi", "python", "CWE-22", "Keep %entity% files inside their folder",
        "A name with .. reads files outside the %entity% folder."),
    Fix("python-yaml", "pypi", "python", "CWE-502", "Load %entity% settings without building objects",
        "Settings of a %entity% may name any class, which is built while they are read."),
    Fix("python-shell", "pypi", "python", "CWE-78", "Pack a %entity% without a shell",
        "The name of a %entity% reaches a shell."),
    Fix("javascript-prototype", "npm", "javascript", "CWE-1321", "Leave prototypes alone in %function%()",
        "An object with a __proto__ key changes every object of the process."),
    Fix("javascript-html", "npm", "typescript", "CWE-79", "Show the %field% of a %entity% as text",
        "The %field% of a %entity% is shown as HTML."),
    Fix("javascript-regex", "npm", "javascript", "CWE-1333", "Check %entity% lists in linear time",
        "A crafted %entity% list keeps the event loop busy for minutes."),
    Fix("java-xml", "maven", "java", "CWE-611", "Refuse document types in %entity% files",
        "A %entity% file with an external entity reads files of the server."),
    Fix("java-deserialization", "maven", "java", "CWE-502", "Read nothing but our classes from a stored %entity%",
        "A stored %entity% may name any class on the class path."),
    Fix("go-archive", "go", "go", "CWE-22", "Refuse archive names that climb out of the %entity% folder",
        "An archive writes files outside the %entity% folder."),
    Fix("go-compare", "go", "go", "CWE-208", "Compare the secret of a %entity% in constant time",
        "The time of an answer tells how much of the secret was right."),
    Fix("rust-overflow", "crates.io", "rust", "CWE-190", "Check the size of a %entity% thumbnail before allocating",
        "The size of a %entity% thumbnail wraps around, and a small buffer is taken for a large one."),
    Fix("ruby-redirect", "rubygems", "ruby", "CWE-601", "Stay on the site after %function%",
        "A link to the site sends its visitor anywhere."),
    Fix("csharp-log", "nuget", "csharp", "CWE-117", "Keep line breaks of a %field% out of the log",
        "A %field% with a line break writes log lines of its own."),
    Fix("c-bounds", "debian", "c", "CWE-787", "Check the length of a %field% before it is copied",
        "A long %field% overwrites the stack."),
)  # fmt: skip

BUMPS = (
    Fix("bump-python", "pypi", "python", "CWE-400", "Update %package% to %new%",
        "A crafted %field% makes %package% use all memory.", "version_bump"),
    Fix("bump-javascript", "npm", "javascript", "CWE-79", "Update %package% to %new%",
        "%package% shows a %field% as HTML.", "version_bump"),
    Fix("bump-java", "maven", "java", "CWE-502", "Update %package% to %new%",
        "%package% builds objects of any class from a %field%.", "version_bump"),
    Fix("bump-go", "go", "go", "CWE-400", "Update %package% to %new%",
        "A crafted %field% makes %package% use all memory.", "version_bump"),
    Fix("bump-rust", "crates.io", "rust", "CWE-125", "Update %package% to %new%",
        "%package% reads behind the end of a short %field%.", "version_bump"),
    Fix("config-container", "docker", "yaml", "CWE-250", "Run %package% without root and capabilities",
        "The container of %package% runs as root.", "config_change"),
)  # fmt: skip

# Invented: no real project has these flaws.
PACKAGES = {
    "pypi": ("parcelforms", "tablewright", "mailroost", "ledgerly", "pathfold", "quillcache"),
    "npm": ("tinyquery", "list-weaver", "formlight", "datepebble", "route-otter", "stringloom"),
    "maven": ("invoicekit", "ledgercore", "formbridge", "queueharbor", "mapforge"),
    "go": ("zipferry", "tokenyard", "proxylane", "cachemill"),
    "crates.io": ("pixelquarry", "bytefern", "packetmoss", "wirecask"),
    "rubygems": ("cartwheel_pay", "signpost_auth", "mailfinch"),
    "nuget": ("Harborlight", "Ledgerstone", "Paperclock"),
    "debian": ("libparcel", "netdoverd", "fontharrow"),
    "docker": ("edge-gateway", "report-runner", "image-resizer"),
}
ENTITIES = (
    "report", "message", "session", "payment", "profile", "ticket", "voucher", "contract", "shipment", "customer",
)  # fmt: skip
FIELDS = ("name", "label", "reference", "title", "secret", "region", "comment", "locale")
FUNCTIONS = ("find", "load", "merge", "apply", "resolve", "render", "confirm", "update")
SYSTEMS = ("orders-api", "billing-worker", "back-office", "partner-portal", "documents", "search", "mail-relay", "ci")

# CVSS 3.1 vectors with their scores, by severity band.
SCORES = {
    "critical": ((9.8, "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), (9.1, "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N")),
    "high": (
        (8.8, "AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"),
        (8.1, "AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"),
        (7.8, "AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"),
        (7.5, "AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"),
    ),
    "medium": (
        (6.5, "AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N"),
        (6.1, "AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"),
        (5.3, "AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"),
        (4.2, "AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:N"),
    ),
    "low": (
        (3.7, "AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N"),
        (3.3, "AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N"),
        (2.7, "AV:N/AC:L/PR:H/UI:N/S:U/C:L/I:N/A:N"),
    ),
}

REJECTIONS = {
    "wrong_root_cause": (
        "The value is cleaned where it is shown, but it is stored unchanged and two other pages show it.",
        "This treats the symptom in the log; the request still gets through.",
    ),
    "breaks_behaviour": (
        "Names with blanks are refused now; half of our customers have one.",
        "The function used to return an empty list and now raises, and three callers do not expect that.",
    ),
    "incomplete": (
        "The second call site in the import job has the same flaw and is not touched.",
        "Only the happy path is checked; the retry below still takes the old way.",
    ),
    "unsafe_side_effect": (
        "The new error message shows the path of the file to the caller.",
        "The check runs after the file has been opened, so the damage is done by then.",
    ),
    "out_of_scope": (
        "Half of this diff reformats code that has nothing to do with the flaw.",
        "It also raises the minimum version of the language, which we have not decided.",
    ),
    "cannot_verify": (
        "The exploit never worked in phase 1, so phase 2 says nothing, and there is no test.",
        "No test fails without this change; I cannot tell that it does anything.",
    ),
    "style": ("A copy of a function we already have; please call that one.",),
    "other": ("We take the upstream release instead, which is due this week.",),
}
CHANGES = (
    "Right idea. Please add a test that fails without the change.",
    "Please keep the old error type, callers catch it.",
    "The same check is needed in the async variant. Then I approve.",
    "Please declare the second file, and leave the formatting alone.",
)
PRAISE = (
    "Read the diff and the log; both say the same.",
    "Matches what upstream did, minus their refactoring.",
    "Small, tested, and the test fails without it.",
    "Checked the other callers by hand: fine.",
    "The bump is a patch release; the changelog names only this fix.",
)
REMARKS = (
    "Does anybody know whether the nightly import uses this path too?",
    "The confidence looks high for a patch without a test; reading it twice.",
    "Same flaw as last week in another package, fixed the same way.",
    "Wargaming took longer than usual, the range was rebuilt in between.",
)
CANCELLATIONS = (
    "Generated against the wrong base; a new one follows.",
    "The upstream release contains this fix, so the patch is not needed.",
    "Duplicate of the patch our other model sent.",
)
ESCALATIONS = (
    "This touches the payment path; I want a lead to look.",
    "Model and wargaming contradict each other and I cannot tell which is right.",
)
REVOCATIONS = (
    "Rolled back in staging: sign-in failed for accounts without a region.",
    "The bypass through the export page still works; found in the weekly review.",
    "Broke the nightly import, so it must not be deployed anywhere else.",
)

ROLLED_BACK = (
    "Error rate on the checkout service doubled within minutes.",
    "Start-up fails on the older nodes; taken back until that is understood.",
    "Two integration tests of a neighbouring team fail with it.",
)
