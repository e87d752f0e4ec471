"""The product's own settings: how each is read from the environment, its default and its meaning. `settings` takes the
values from here, docs/settings.md (`manage.py write_settings_reference`) the rest."""

from pathlib import Path
from urllib.parse import urlsplit

from hitl.environment import Section, base_url, directory, group_pairs, hosts_and_networks, issuer, probability

ROOT = Path(__file__).resolve().parent.parent

# --- The database -------------------------------------------------------------------------------------------------
database = Section("The database")
DATABASE_URL = database.secret(
    "DATABASE_URL",
    "`postgresql://user:password@host:5432/name`; 15 or newer; `?options=` is added to ours, which turn JIT and "
    "parallel plans off",
    shown="embedded PostgreSQL",
)
EMBEDDED = not DATABASE_URL
DATABASE_MIGRATE_URL = database.secret(
    "DATABASE_MIGRATE_URL",
    "the same database as its owner, for `manage.py migrate` only; see "
    "[least privilege](security/hardening.md#least-privilege)",
    default=DATABASE_URL,
    shown="`DATABASE_URL`",
)
DATABASE_REPLICA_URL = database.secret(
    "DATABASE_REPLICA_URL",
    "a streaming replica that history, analytics and the audit log are read from; see "
    "[a replica](operations.md#a-replica)",
)
DATABASE_REPLICA_OLDEST = database.number(
    "DATABASE_REPLICA_OLDEST",
    60,
    (1, 86_400),
    "how many seconds old the replica may be; older, and the primary is read",
)
DB_POOL_MIN_SIZE = database.number("DB_POOL_MIN_SIZE", 1, (0, 100), "connections that each process keeps")
DB_POOL_MAX_SIZE = database.number(
    "DB_POOL_MAX_SIZE", 8, (1, 100), "connections that each process opens, and `DB_POOL_MIN_SIZE` at least"
)
DB_WEB_STATEMENT_SECONDS = database.number(
    "DB_WEB_STATEMENT_SECONDS",
    15,
    (1, 3600),
    "how long a statement of a request may take; see [a slow database](operations.md#a-slow-database)",
)
DB_WEB_LOCK_SECONDS = database.number(
    "DB_WEB_LOCK_SECONDS", 5, (1, 3600), "how long a statement of a request may wait for a lock"
)
DB_WORKER_STATEMENT_SECONDS = database.number(
    "DB_WORKER_STATEMENT_SECONDS",
    120,
    (1, 3600),
    "how long a statement of the worker may take: timers, sequencer, jobs",
)
DB_WORKER_LOCK_SECONDS = database.number(
    "DB_WORKER_LOCK_SECONDS", 30, (1, 3600), "how long a statement of the worker may wait for a lock"
)
DB_SEARCH_STATEMENT_SECONDS = database.number(
    "DB_SEARCH_STATEMENT_SECONDS", 5, (1, 3600), "how long a search of the history or the audit log may take"
)
DB_EXPORT_STATEMENT_SECONDS = database.number(
    "DB_EXPORT_STATEMENT_SECONDS", 120, (1, 3600), "how long a statement of the history as CSV may take"
)
DB_MIGRATE_LOCK_SECONDS = database.number(
    "DB_MIGRATE_LOCK_SECONDS",
    10,
    (1, 3600),
    "how long `manage.py migrate` waits for a table that is in use, before it gives way",
)

# --- Where it runs ------------------------------------------------------------------------------------------------
place = Section("Where it runs")
HITL_DATA_DIR = Path(
    place.text("HITL_DATA_DIR", "database, keys, demo accounts", default=str(ROOT / "var"), shown="`./var`")
).absolute()
PORT = place.number("PORT", 8027, (1, 65_535), "where gunicorn listens")
HITL_BIND = place.text("HITL_BIND", "the address gunicorn listens at; the image binds `0.0.0.0`", default="127.0.0.1")
BASE_URL = place.converted(
    "BASE_URL",
    f"http://127.0.0.1:{PORT}",
    base_url,
    "an address such as https://hitl.example.org",
    "the address people use; https switches on secure cookies and HSTS",
    shown="`http://127.0.0.1:$PORT`",
)
HTTPS = BASE_URL.startswith("https://")
ORIGIN = "{0.scheme}://{0.netloc}".format(urlsplit(BASE_URL))
HOST = str(urlsplit(BASE_URL).hostname)
WEB_WORKERS = place.number("WEB_WORKERS", 2, (1, 64), "processes of gunicorn")
WEB_THREADS = place.number(
    "WEB_THREADS", 32, (1, 1000), "threads of each of them, beside those that event streams hold"
)
EVENT_STREAMS = place.number(
    "EVENT_STREAMS",
    125,
    (0, 2000),
    "open event streams and `wait=` calls per process, each a thread beyond `WEB_THREADS`; 0 makes pages poll and "
    "`wait=` 429",
)
WAITS_PER_CALLER = place.number(
    "WAITS_PER_CALLER",
    10,
    (1, 2000),
    "of these, how many one person or token may have per process; beyond: 429 with `Retry-After`",
)
HITL_SAMPLE_DATA = Path(
    place.text(
        "HITL_SAMPLE_DATA",
        "where tests and benchmarks find real patches",
        default=str(ROOT.parent / "shared" / "data"),
        shown="`../shared/data`",
    )
)

# --- Who reaches it -----------------------------------------------------------------------------------------------
reach = Section("Who reaches it")
SECRET_KEY = reach.secret(
    "SECRET_KEY",
    "signs sessions and links and encrypts second factors; required with `DATABASE_URL`",
    shown="made once with the embedded database",
)
SECRET_KEY_FALLBACKS = reach.words(
    "SECRET_KEY_FALLBACKS",
    "older keys whose sessions, links and second factors still count: see [keys](security/design.md#cryptography)",
    secret=True,
)
LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = reach.words("ALLOWED_HOSTS", "host names that are served", default=",".join(LOCAL_HOSTS))
TRUSTED_PROXIES = reach.networks("TRUSTED_PROXIES", "proxies whose `X-Forwarded-For` and `-Proto` count")
CSRF_TRUSTED_ORIGINS = reach.origins(
    "CSRF_TRUSTED_ORIGINS",
    "origins whose forms are accepted behind a proxy",
    default=ORIGIN if HTTPS else "",
    shown="`BASE_URL` when https",
)
CORS_ORIGINS = reach.origins("CORS_ORIGINS", "origins that may call the API with a bearer token")
METRICS_ALLOWED_IPS = reach.networks(
    "METRICS_ALLOWED_IPS", "who may read `/metrics` without a token", default="127.0.0.1,::1"
)
METRICS_TOKEN = reach.secret(
    "METRICS_TOKEN",
    "a bearer token of at least 20 characters that may read only `/metrics`, also while the database is away",
)
HSTS_INCLUDE_SUBDOMAINS = reach.switch(
    "HSTS_INCLUDE_SUBDOMAINS", False, "under https, ask browsers for https on every name below this one too"
)
RATE_LIMIT_REQUESTS_PER_MINUTE = reach.number(
    "RATE_LIMIT_REQUESTS_PER_MINUTE",
    6000,
    (0, 10_000_000),
    "per token and process, at most 1,000 of them at once; `0` switches limits off",
)
RATE_LIMIT_PAGES_PER_MINUTE = reach.number(
    "RATE_LIMIT_PAGES_PER_MINUTE",
    3000,
    (0, 10_000_000),
    "pages of one signed-in person per process; `0` switches the limit off",
)
RATE_LIMIT_ANONYMOUS_PER_MINUTE = reach.number(
    "RATE_LIMIT_ANONYMOUS_PER_MINUTE",
    600,
    (0, 10_000_000),
    "pages of one address before sign-in, per process; behind a proxy set `TRUSTED_PROXIES`; `0` switches it off",
)
OUTBOUND_ALLOW = reach.converted(
    "OUTBOUND_ALLOW",
    "",
    hosts_and_networks,
    "host names, addresses or networks, separated by commas",
    "what webhooks and chat may call although it is inside your network, not https or at another port than 443, 8443 "
    "or 80",
)
REQUESTS_CA_BUNDLE = reach.text(
    "REQUESTS_CA_BUNDLE",
    "a file with the authorities whose certificates count, of the provider and of whom webhooks and chat call",
    shown="Mozilla's, of the package `certifi`",
)
DEBUG = reach.switch("DEBUG", False, "refused together with a public `ALLOWED_HOSTS`")

# --- Who decides --------------------------------------------------------------------------------------------------
deciding = Section("Who decides")
AUTO_APPROVE_ENABLED = deciding.switch(
    "AUTO_APPROVE_ENABLED",
    True,
    "the kill switch; off if this or the button on the Policies page says off; shown in every trace",
)
AUTO_APPROVE_THRESHOLD = deciding.converted(
    "AUTO_APPROVE_THRESHOLD", "0.95", probability, "a number from 0.5 to 1", "a floor under every policy's own"
)
SECOND_PERSON_REQUIRED = deciding.switch(
    "SECOND_PERSON_REQUIRED",
    True,
    "whether changes that loosen a policy, add deciders or trust a producer, accounts whose sign-in an administrator "
    "changed, and automatic approval back on, wait for a second person; `false` is for an install with one lead or "
    "administrator, and the Policies and Audit pages say so; `manage.py migrate` tells the database, which asks for a "
    "second person until then",
)
SECOND_FACTOR_REQUIRED = deciding.switch(
    "SECOND_FACTOR_REQUIRED",
    False,
    "whether everybody must have a second factor: who has none reaches only their account page, to add one, unless the "
    "provider says that it asked for two (see [signing in](admin-guide.md#signing-in)); each step-up, and making a "
    "personal token, takes a code or security key, not the password",
)

# --- Signing in ---------------------------------------------------------------------------------------------------
signing_in = Section("Signing in")
SESSION_IDLE_MINUTES = signing_in.number(
    "SESSION_IDLE_MINUTES",
    480,
    (1, 43_200),
    "when a session ends that nobody used; what open pages ask by themselves is no use",
)
SESSION_ABSOLUTE_HOURS = signing_in.number("SESSION_ABSOLUTE_HOURS", 24, (1, 720), "when any session ends")
PASSWORD_WORDS = signing_in.words(
    "PASSWORD_WORDS",
    "names of your organisation, teams and systems that count nothing in a password, beside the parts of `BASE_URL`'s "
    "host name",
)
OIDC_ISSUER = signing_in.converted(
    "OIDC_ISSUER",
    "",
    issuer,
    "the provider's address such as https://id.example.org/realms/staff",
    "single sign-on through an OpenID Connect provider; with `OIDC_CLIENT_ID` and `OIDC_CLIENT_SECRET` or not at all. "
    "It is the issuer of the provider's metadata, letter by letter, a slash at its end too; https, or plain http on "
    "this machine while `BASE_URL` is plain http",
)
OIDC_CLIENT_ID = signing_in.text("OIDC_CLIENT_ID", "as whom the product is registered at the provider")
OIDC_CLIENT_SECRET = signing_in.secret("OIDC_CLIENT_SECRET", "the secret that the provider gave the product")
OIDC_ACR_VALUES = signing_in.words(
    "OIDC_ACR_VALUES", "contexts (`acr`) of which the provider must say one; they are asked for in this order"
)
OIDC_GROUPS = signing_in.converted(
    "OIDC_GROUPS",
    "",
    group_pairs,
    "pairs such as sec-leads=security-leads, separated by commas, theirs before ours",
    "whose group is named gets an account at the first sign-in, and the groups named follow the provider at each",
)
OIDC_GROUPS_CLAIM = signing_in.text("OIDC_GROUPS_CLAIM", "the claim with the provider's groups", default="groups")
# Browsers hold form-action against every address that signing in passes through, not only the first.
OIDC_ORIGINS = signing_in.origins(
    "OIDC_ORIGINS",
    "every origin that signing in passes through; browsers block forms that lead elsewhere",
    default="{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER)) if OIDC_ISSUER else "",
    shown="the issuer's",
)

# --- Other systems ------------------------------------------------------------------------------------------------
others = Section("Other systems")
VEX_AUTHOR = others.text(
    "VEX_AUTHOR",
    "who says in VEX documents what is fixed: the name of your organisation",
    default=HOST,
    shown="the host of `BASE_URL`",
)
GITHUB_WEBHOOK_SECRET = others.secret(
    "GITHUB_WEBHOOK_SECRET",
    "with which GitHub signs what its App sends, at least 20 characters; with `GITHUB_APP_ID` and `GITHUB_APP_KEY` or "
    "not at all: see [deployments of GitHub](adapters.md#deployment-protection-rules-of-github)",
)
GITHUB_APP_ID = others.text("GITHUB_APP_ID", "the App id or client id of the GitHub App that answers")
GITHUB_APP_KEY = others.secret("GITHUB_APP_KEY", "that App's private key, as the PEM text that GitHub gave")
GITHUB_API_URL = others.converted(
    "GITHUB_API_URL",
    "https://api.github.com",
    base_url,
    "an address such as https://github.example.org/api/v3",
    "the only address that is told of decisions on deployments",
)

# --- Mail ---------------------------------------------------------------------------------------------------------
mail = Section("Mail")
SMTP_HOST = mail.text(
    "SMTP_HOST",
    "the server that mails notices and one-time links; without one notices stay in the inbox, and a link is shown once "
    "to the administrator who sends it",
)
SMTP_PORT = mail.number("SMTP_PORT", 587, (1, 65_535), "the port of `SMTP_HOST`")
SMTP_USER = mail.text("SMTP_USER", "as whom the product signs in to `SMTP_HOST`")
SMTP_PASSWORD = mail.secret("SMTP_PASSWORD", "the password of `SMTP_USER`")
SMTP_SECURITY = mail.one_of(
    "SMTP_SECURITY", "starttls", ("starttls", "tls", "none"), "how the connection to `SMTP_HOST` is encrypted"
)
SMTP_FROM = mail.text(
    "SMTP_FROM", "the sender's address", default=f"hitl@{HOST}", shown="`hitl@` the host of `BASE_URL`"
)
NOTIFICATION_TEMPLATES_DIR = mail.converted(
    "NOTIFICATION_TEMPLATES_DIR",
    "",
    directory,
    "a directory that is there",
    "templates of your own for mails; see [templates of your own](notifications-mail.md#templates-of-your-own)",
)

# --- Chat ---------------------------------------------------------------------------------------------------------
chat = Section("Chat")
SLACK_WEBHOOK_URL = chat.secret(
    "SLACK_WEBHOOK_URL", "an incoming webhook of Slack, by which the team is told; see [chat](chat.md)"
)
SLACK_BOT_TOKEN = chat.secret(
    "SLACK_BOT_TOKEN", "the token (`xoxb-…`) of a bot of Slack, which tells people and, in `SLACK_CHANNEL`, the team"
)
SLACK_CHANNEL = chat.text("SLACK_CHANNEL", "the id of the channel in which the bot tells the team, such as C0123456789")
SLACK_SIGNING_SECRET = chat.secret(
    "SLACK_SIGNING_SECRET",
    "by which Slack signs what people do there; with it messages of the bot have buttons, and people link their Slack "
    "user on their account page",
)
TEAMS_WEBHOOK_URL = chat.secret(
    "TEAMS_WEBHOOK_URL", "the address of a workflow of Microsoft Teams, by which the team is told"
)

# --- Who is told --------------------------------------------------------------------------------------------------
telling = Section("Who is told")
NOTIFY_FIRST = telling.number(
    "NOTIFY_FIRST",
    3,
    (1, 100),
    "how many people are told first that a patch waits, one more than it needs approvals at least; each reminder tells "
    "as many more",
)
NOTIFICATIONS_PER_HOUR = telling.number(
    "NOTIFICATIONS_PER_HOUR",
    10,
    (1, 1000),
    "messages of one kind that one person gets within an hour of the clock; a summary at its end names the rest, see "
    "[what a person can choose](notifications-people.md#when-too-much-happens-at-once)",
)

# --- Logs and metrics ----------------------------------------------------------------------------------------------
logs = Section("Logs and metrics")
LOG_LEVEL = logs.one_of(
    "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"), "the least level of what is logged on standard error"
)
LOG_FORMAT = logs.one_of(
    "LOG_FORMAT",
    "text" if EMBEDDED else "json",
    ("json", "text"),
    "one JSON object a line, or text for a person at a terminal; each line with its request id",
    shown="`json`; `text` with the embedded database",
)
LOG_REQUESTS = logs.one_of(
    "LOG_REQUESTS",
    "true",
    ("true", "false", "all"),
    "a line for each request, `all` with probes, `/metrics` and static files too; see "
    "[logs and traces](logs-and-traces.md)",
)
PROMETHEUS_MULTIPROC_DIR = logs.text(
    "PROMETHEUS_MULTIPROC_DIR",
    "where the processes of one instance keep their metrics; emptied at its start, so no two may share it",
    default=str(HITL_DATA_DIR / f"prometheus-{PORT}"),
    shown="`prometheus-$PORT` in `HITL_DATA_DIR`",
)

# --- Traces -------------------------------------------------------------------------------------------------------
traces = Section("Traces")
OTEL_EXPORTER_OTLP_ENDPOINT = traces.text(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "the collector that traces are sent to, such as `http://collector:4318`; see "
    "[logs and traces](logs-and-traces.md#traces), also on the other variables of OpenTelemetry",
)
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = traces.text(
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "the same as a whole address, such as `http://collector:4318/v1/traces`"
)
OTEL_EXPORTER_OTLP_PROTOCOL = traces.text(
    "OTEL_EXPORTER_OTLP_PROTOCOL", "no other is spoken here", default="http/protobuf"
)
OTEL_TRACES_EXPORTER = traces.one_of("OTEL_TRACES_EXPORTER", "otlp", ("otlp", "none"), "`none` sends none")
OTEL_SDK_DISABLED = traces.switch("OTEL_SDK_DISABLED", False, "`true` sends none")

SECTIONS = [database, place, reach, deciding, signing_in, others, mail, chat, telling, logs, traces]
