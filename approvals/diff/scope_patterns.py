"""What `scope` searches for: paths, calls by language, dependencies by manifest, assertions, secrets, permissions."""

import re
from typing import Final, Literal

Severity = Literal["note", "warn"]

BESIDE = re.compile(
    r"(?:^|/)(?:docs?|documentation|man|examples?)/|\.(?:md|rst|txt|adoc|[1-8])$|(?:^|/)(?:changelog|changes|news|readme)"
)
TEST = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__|testing|testdata|testsuite|unittests?|test[_-][\w-]+|[\w-]+[_-]tests?|t)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_(?:test|spec)\.\w+|[^/]*\.(?:test|spec)\.[cm]?[jt]sx?|conftest\.py)$"
    r"|(?:^|/)[^/]*[A-Za-z\d]Tests?\.(?:java|kt|scala|groovy|cs|php|swift)$"
)
KINDS: Final[tuple[tuple[str, Severity, re.Pattern[str], str], ...]] = (
    (
        "ci",
        "warn",
        re.compile(
            r"(?:^|/)(?:\.github/(?:workflows|actions)/|\.circleci/|\.buildkite/|\.semaphore/|\.teamcity/|zuul\.d/"
            r"|(?:jenkinsfile[^/]*|\.?appveyor\.ya?ml|\.(?:gitlab-ci|travis|drone|cirrus|woodpecker|zuul)[^/]*\.ya?ml"
            r"|azure-pipelines[^/]*|bitbucket-pipelines\.ya?ml|cloudbuild\.ya?ml|buildspec\.ya?ml|codeowners"
            r"|dependabot\.ya?ml|\.pre-commit-config\.ya?ml)$)"
        ),
        "This file says what runs, or who must agree, when the code is built or merged.",
    ),
    (
        "agent",
        "warn",
        re.compile(
            r"(?:^|/)(?:\.(?:claude|cursor|codex|gemini|windsurf|continue|roo|junie|kiro|amazonq|aider[^/]*)/"
            r"|(?:agents|claude|gemini)(?:\.local)?\.md$|\.(?:cursorrules|windsurfrules|clinerules|aider[^/]*)(?:$|/)"
            r"|\.?mcp[^/]*\.json$|copilot-instructions\.md$|\.github/(?:instructions|prompts|chatmodes)/"
            r"|\.vscode/(?:settings|tasks|launch)\.json$)"
        ),
        "This file tells a coding agent or an editor what to do and what it may run.",
    ),
    (
        "lockfile",
        "note",
        re.compile(
            r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock"
            r"|pipfile\.lock|pdm\.lock|uv\.lock|gemfile\.lock|composer\.lock|cargo\.lock|go\.sum|gradle\.lockfile"
            r"|packages\.lock\.json|mix\.lock|podfile\.lock|package\.resolved|pubspec\.lock|flake\.lock)$"
        ),
        "This file fixes the exact versions of what is installed: it can change code that the diff does not show.",
    ),
    (
        "build",
        "note",
        re.compile(
            r"(?:^|/)(?:(?:gnu)?makefile(?:\.[a-z]+)?|[^/]+\.(?:mk|mak|cmake|m4|bzl|gradle|gradle\.kts)|cmakelists\.txt"
            r"|configure(?:\.ac|\.in)?|meson\.build|meson_options\.txt|setup\.(?:py|cfg)|build\.(?:xml|rs|bazel|zig)"
            r"|workspace|(?:dockerfile|containerfile)[^/]*|docker-compose[^/]*|rakefile|sconstruct|(?:grunt|gulp)file\.\w+"
            r"|(?:webpack|vite|rollup|babel)\.config\.\w+|tox\.ini|noxfile\.py|\.npmrc|\.yarnrc(?:\.yml)?|pip\.conf"
            r"|nuget\.config|\.gitmodules|\.gitattributes)$|(?:^|/)(?:debian/rules|gradle/wrapper/)"
        ),
        "This file says how the code is built or where its parts come from.",
    ),
)
CALLS: Final[dict[str, tuple[Severity, str]]] = {
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
    r"p[lm]|t|perl|cgi|psgi": (
        r"\b(?:LWP::\w+|HTTP::Tiny|IO::Socket\w*|Net::(?:FTP|SMTP|SSH|Telnet|HTTP)\w*|Mojo::UserAgent)\b",
        r"(?<![\w>:$@%&])(?:system|exec|fork|qx)\s*[({\"'$/]|(?<![\w>:$@%&])eval\s*[(\"'$]|(?:[=(,]|return)\s*`[^`\n]+`"
        r"|\bopen\s*\([^)\n]{0,200}[\"']\s*-?\||\bIPC::\w+",
        r"\bStorable::\w+|(?<![\w>:$@%&])(?:thaw|retrieve)\s*\(|\bYAML::Load\b",
    ),
    r"cs|vb|fs|cshtml|aspx": (
        r"\bnew\s+(?:HttpClient|WebClient|TcpClient|UdpClient|Socket|SmtpClient)\s*\(|\bWebRequest\.Create\s*\(",
        r"\bProcess\.Start\s*\(|\bnew\s+ProcessStartInfo\s*\(|\bAssembly\.Load\w*\s*\(|\bDllImport\b",
        r"\bnew\s+(?:BinaryFormatter|LosFormatter|NetDataContractSerializer|SoapFormatter|ObjectStateFormatter)\b"
        r"|\bTypeNameHandling\s*=",
    ),
    r"ps[md]?1": (
        r"(?i:\b(?:Invoke-WebRequest|Invoke-RestMethod|Start-BitsTransfer|Net\.WebClient|DownloadString)\b)",
        r"(?i:\b(?:Invoke-Expression|iex|Start-Process|Invoke-Command|Add-Type)\s)",
        r"(?i:\bImport-Clixml\b)",
    ),
    r"lua": (
        r"\bsocket\.(?:connect|tcp|udp|http)\b",
        r"\b(?:os\.execute|io\.popen|loadstring|dofile)\s*\(|(?<![\w.:])load\s*\(",
        r"\bmarshal\.decode\b",
    ),
    r"sh|bash|zsh|ksh|bats|dockerfile|containerfile|jenkinsfile|ya?ml|(?:gnu)?makefile|mk|mak|am|ac|m4|configure|spec"
    r"|(?:pre|post)(?:inst|rm)|rules": (
        r"(?<![\w./@-])(?:curl|wget|nc|ncat|netcat|socat|ssh|scp|sftp|telnet)\s+[-\"'$\w]|/dev/(?:tcp|udp)/|\bgit\s+clone\b",
        r"(?<![\w.-])eval\s+[\"'$`]|\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\bbase64\s+(?:-d|--decode|-D)\b|(?<![\w-])sudo\s"
        r"|\b(?:pip3?|npm|gem|cargo|go|apt-get|apk|yum|dnf)\s+(?:install|add)\b",
        r"!!(?:python|ruby|java)/",
    ),
}
PATTERNS: Final = tuple(
    (re.compile(names), re.compile("|".join(f"(?P<{code}>{p})" for code, p in zip(CALLS, patterns, strict=True))))
    for names, patterns in _LANGUAGES.items()
)
# What adds a dependency, by manifest; the group is its name. Names that are settings of the manifest are left out.
DEPENDENCIES: Final = tuple(
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
SETTINGS: Final = frozenset(
    ("version", "minversion", "python", "requires-python", "rust-version", "edition", "resolver", "node", "npm", "url")
    + ("homepage", "license", "name")
)
ASSERTION = re.compile(
    r"\b(?:[aA]ssert\w*|ASSERT\w*|EXPECT_\w+|expect\w*|refute\w*|must_\w+|should(?:_\w+)?|ck_assert\w*|fail_unless\w*"
    r"|t\.(?:Error|Fatal)f?|XCTAssert\w*)\b"
)
SKIP = re.compile(
    r"@(?:pytest\.mark\.|unittest\.)?(?:skip|skipIf|skipif|skipUnless|xfail|expectedFailure)\b|\bpytest\.(?:skip|xfail)\s*\("
    r"|\bself\.skipTest\s*\(|\b(?:it|test|describe|context)\.(?:skip|only|todo)\b|\bx(?:it|describe|test)\s*[(\"']"
    r"|@(?:Ignore|Disabled)\b|\bt\.Skip(?:f|Now)?\s*\(|#\[ignore\b|\bGTEST_SKIP\b|\bDISABLED_\w+"
    r"|^[ \t]*(?:skip|pending)\b[ \t(]*[\"']",
    re.MULTILINE,
)
# Every alternative begins with a letter of its own: Python then skips to the next place where one could begin.
_SECRET_NAMES: Final = (
    *("PASSW(?:OR)?D", "Passw(?:or)?d", "passw(?:or)?d", "SECRET", "Secret", "secret"),
    *("API_?KEY", "Api_?[Kk]ey", "api_?[Kk]ey", "ACCESS_?TOKEN", "Access_?[Tt]oken", "access_?[Tt]oken"),
    *("AUTH_?TOKEN", "Auth_?[Tt]oken", "auth_?[Tt]oken"),
)
_ASSIGNED: Final = r"\w{0,10}[\"']?[ \t]*(?:=>?|:)[ \t]*[\"'][^\"'\s${<%]{8,}[\"']"
SECRET = re.compile(
    r"A(?:KIA|SIA)[0-9A-Z]{16}\b|gh[pousr]_\w{36}|github_pat_\w{22}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10}|npm_\w{36}"
    r"|AIza[\w-]{35}|sk-(?:ant-|proj-)?[A-Za-z0-9]{20}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----|"
    + "|".join(name + _ASSIGNED for name in _SECRET_NAMES)
)
PERMISSION = re.compile(
    r"chmod\s+(?:-R\s+)?(?:0?[0-7]?777|0?[2-7][0-7]{3}|[ugoa]*\+[rwx]*s)\b|setcap\s"
    r"|chmod\s*\([^\n)]{0,80}\b(?:0o?(?:[0-7]?777|[2-7][0-7]{3})|S_IS[UG]ID)\b"
    r"|check_hostname\s*=\s*False\b|CERT_NONE\b|--no-check-certificate\b|--insecure\b"
    r"|umask\s*\(?\s*0+\b|privileged:\s*true\b|--privileged\b|permissions:\s*write-all\b|verify\s*=\s*False\b"
    r"|InsecureSkipVerify:\s*true\b|rejectUnauthorized:\s*false\b|VERIFY_NONE\b|_create_unverified_context\b"
    r"|SSL_VERIFY(?:PEER|HOST),\s*0|bypassPermissions\b|-dangerously-skip-permissions\b|StrictHostKeyChecking[ =]no\b"
)
