"""The six scenarios people know from the reference API. Their diffs and logs are files in `diffs/scenarios` and
`logs`."""

from .people import LEAD, REVIEWER
from .scenario import Run, Scenario

DOES_NOT_ADD_UP = "CVE-2024-5555"
"""The one scenario whose SHAP values miss the score, so that the page's warning can be seen."""

TEAM = "patch-team@example.org"
MODEL_OWNER = "model-team@example.org"
RANGE_AUTHOR = "range-team@example.org"
NAMED = {"submitted_by": TEAM, "model_owner": MODEL_OWNER, "simulation_author": RANGE_AUTHOR}

SCENARIOS = (
    Scenario(
        package="sqlalchemy",
        cve="CVE-2024-9999",
        metadata={
            "title": "Build ORDER BY and LIMIT from columns and parameters, never from text",
            "description": (
                "order_by() took a label as text and put what it did not know into the statement. The patch "
                "resolves the label against the statement, takes direction and place of NULLs from fixed lists, and"
                " binds LIMIT and OFFSET on MySQL. Two people decide, one of them a security lead."
            ),
            "cve_description": (
                "A sort key or page size taken from a request reaches the SQL statement as text, which lets anybody"
                " read and change every table."
            ),
            "affected_range": ">=1.4.0,<1.4.46",
            "severity": "critical",
            "cvss_score": 9.8,
            "cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "epss": 0.412,
            "cwe_ids": ["CWE-89"],
            "current_version": "1.4.0",
            "target_version": "1.4.46",
            "affected_systems": ["orders-api", "billing-worker"],
            "strategy": "code_rewrite",
            "risk_level": "high",
            "vulnerable_locations": [
                {"file": "lib/sqlalchemy/sql/ordering.py", "start": 17, "end": 36},
                {"file": "lib/sqlalchemy/dialects/mysql/limits.py", "start": 31, "end": 40},
            ],
        },
        confidence=0.87,
        shap={
            "has_validation": ("yes", 0.12),
            "tests_added": (3, 0.09),
            "refuses_unknown_input": ("yes", 0.04),
            "lines_added": (81, 0.04),
            "complexity_change": (6, -0.03),
            "dialects_touched": (1, -0.01),
        },
        ml_ms=118,
        wargaming=Run(
            blocked=True,
            milliseconds=(31_400, 3_600, 96_000, 155_900),
            before="A sort key delayed the answer by 3.2 s, three times in a row.",
            after="400, 'is not a direction'; 48 variants refused.",
            tests="21,408 passed, 612 skipped.",
        ),
        people=NAMED,
    ),
    Scenario(
        package="django",
        cve="CVE-2024-8888",
        metadata={
            "title": "Escape names and addresses in links of the admin's change list",
            "description": (
                "Both link functions marked text from the database as safe. The patch escapes it and shows "
                "addresses that would run a script as text. Model and wargaming disagree here: read the log before "
                "you read the diff."
            ),
            "cve_description": (
                "Text stored by one user is shown as HTML to others in the admin, which runs a script in their session."
            ),
            "affected_range": ">=3.2.0,<3.2.23",
            "severity": "high",
            "cvss_score": 8.6,
            "cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N",
            "epss": 0.087,
            "cwe_ids": ["CWE-79"],
            "current_version": "3.2.0",
            "target_version": "3.2.23",
            "affected_systems": ["back-office", "partner-portal"],
            "strategy": "code_rewrite",
            "risk_level": "medium",
            "vulnerable_locations": [{"file": "django/contrib/admin/links.py", "start": 7, "end": 21}],
        },
        confidence=0.93,
        shap={
            "has_validation": ("yes", 0.13),
            "tests_added": (4, 0.10),
            "lines_added": (46, 0.04),
            "complexity_change": (2, 0.02),
            "template_touched": ("yes", 0.02),
        },
        ml_ms=96,
        wargaming=Run(
            blocked=False,
            milliseconds=(22_800, 1_500, 58_600, 137_500),
            before="A stored name and a stored address both opened a dialog.",
            after="'JavaScript:' with capitals and ' javascript:' with a blank still open a dialog.",
            tests="14,877 passed, 1,020 skipped.",
        ),
        people=NAMED,
    ),
    Scenario(
        package="flask",
        cve="CVE-2024-7777",
        metadata={
            "title": "Answer 404 for upload names that lead outside the folder",
            "description": (
                "Three functions joined the folder and a name from the request. The patch resolves the name once, "
                "in one place, and compares it with the folder. The demo's reviewer submitted this patch and so "
                "cannot approve it; the lead can."
            ),
            "cve_description": (
                "A name such as ../settings.py, an absolute name or a link makes the application hand out or delete"
                " any file it can read."
            ),
            "affected_range": ">=2.0.0,<2.3.5",
            "severity": "high",
            "cvss_score": 7.5,
            "cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
            "cwe_ids": ["CWE-22"],
            "current_version": "2.0.0",
            "target_version": "2.3.5",
            "affected_systems": ["documents", "partner-portal"],
            "strategy": "code_rewrite",
            "risk_level": "medium",
            "vulnerable_locations": [{"file": "src/flask/uploads.py", "start": 14, "end": 32}],
        },
        confidence=0.91,
        shap={
            "has_validation": ("yes", 0.14),
            "tests_added": (15, 0.11),
            "lines_added": (50, 0.02),
            "complexity_change": (-1, 0.02),
        },
        ml_ms=74,
        wargaming=Run(
            blocked=True,
            milliseconds=(11_200, 300, 53_000, 123_300),
            before="A file beside the folder was handed out.",
            after="404 for 215 names.",
            tests="482 passed.",
        ),
        people={**NAMED, "submitted_by": REVIEWER.email},
    ),
    Scenario(
        package="requests",
        cve="CVE-2024-6666",
        metadata={
            "title": "Refuse redirects to addresses that are not public",
            "description": (
                "The patch looks up the host of each redirect and refuses private, local and link-local addresses "
                "unless the session allows them. Nobody replayed an exploit. When you read it, ask whether the name"
                " that is checked and the name that is then connected to must be the same address."
            ),
            "cve_description": (
                "A server answers with a redirect to 169.254.169.254 or localhost, and the client fetches from its "
                "own network for a stranger."
            ),
            "affected_range": ">=2.28.0,<2.31.0",
            "severity": "medium",
            "cvss_score": 6.5,
            "cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N",
            "cwe_ids": ["CWE-918"],
            "current_version": "2.28.0",
            "target_version": "2.31.0",
            "affected_systems": ["webhook-relay", "link-preview"],
            "strategy": "code_rewrite",
            "risk_level": "medium",
            "vulnerable_locations": [{"file": "src/requests/sessions.py", "start": 236, "end": 244}],
        },
        confidence=0.94,
        shap={
            "has_validation": ("yes", 0.12),
            "tests_added": (2, 0.08),
            "docs_changed": ("yes", 0.06),
            "lines_added": (84, 0.05),
            "complexity_change": (5, 0.03),
            "new_module": ("yes", -0.02),
        },
        ml_ms=131,
        wargaming=None,
        people={"submitted_by": TEAM, "model_owner": MODEL_OWNER},
        manual_review="No range for outbound requests",
    ),
    Scenario(
        package="pickle",
        cve="CVE-2024-5555",
        metadata={
            "title": "Sign sessions, and load nothing from them but plain values",
            "description": (
                "The patch signs each session with its key and looks up only names on a short list while loading. "
                "Sessions written by 1.0.0 end. The model's explanation does not add up to its score, and the lead "
                "is named as the model's owner, so the reviewer has to approve it."
            ),
            "cve_description": (
                "Whoever can write to the session folder runs code in the application, since loading a pickle calls"
                " what it names."
            ),
            "affected_range": "<1.0.1",
            "severity": "medium",
            "cvss_score": 5.3,
            "cvss_vector": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:L/A:L",
            "cwe_ids": ["CWE-502"],
            "current_version": "1.0.0",
            "target_version": "1.0.1",
            "affected_systems": ["shop-frontend", "back-office"],
            "strategy": "code_rewrite",
            "risk_level": "medium",
            "vulnerable_locations": [{"file": "src/pickle_store/sessions.py", "start": 13, "end": 23}],
        },
        confidence=0.96,
        shap={
            "has_validation": ("yes", 0.12),
            "tests_added": (4, 0.09),
            "lines_added": (77, 0.04),
            "complexity_change": (7, -0.06),
        },
        ml_ms=88,
        wargaming=Run(
            blocked=True,
            milliseconds=(8_300, 400, 34_500, 158_900),
            before="A planted session ran a command.",
            after="Planted, copied and even signed sessions were refused.",
            tests="37 passed. Sessions written by 1.0.0 are refused too.",
        ),
        people={**NAMED, "model_owner": LEAD.email},
    ),
    Scenario(
        package="pyyaml",
        cve="CVE-2024-4444",
        metadata={
            "title": "Keep the document's text and path out of error messages",
            "description": (
                "Errors name line, column and file, and no longer quote the document; explain() still does, for its"
                " author. Everything that automatic approval asks for holds here, except that the policy only "
                "shadows."
            ),
            "cve_description": (
                "A parse error quotes the line it failed on and the full path, which puts secrets into logs and "
                "answers."
            ),
            "affected_range": ">=5.4.0,<6.0.1",
            "severity": "low",
            "cvss_score": 3.7,
            "cvss_vector": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N",
            "cwe_ids": ["CWE-200"],
            "current_version": "5.4.0",
            "target_version": "6.0.1",
            "affected_systems": ["config-service", "ci-runners"],
            "strategy": "code_rewrite",
            "risk_level": "low",
            "vulnerable_locations": [
                {"file": "lib/yaml/marks.py", "start": 23, "end": 26},
                {"file": "tests/test_marks.py"},
            ],
        },
        confidence=0.98,
        shap={
            "tests_added": (3, 0.11),
            "complexity_change": (0, 0.10),
            "has_validation": ("no", 0.08),
            "lines_added": (34, 0.07),
        },
        ml_ms=57,
        wargaming=Run(
            blocked=True,
            milliseconds=(6_900, 300, 32_400, 142_800),
            before="The answer quoted a line with a password.",
            after="Line and column, no quotation, no path.",
            tests="1,276 passed.",
        ),
        people=NAMED,
    ),
)
