"""Every setting, read from the environment; a wrong value stops the start with a sentence."""

import contextlib
import os
import re
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from hitl import embedded_postgres
from hitl.environment import (
    env,
    env_as,
    env_bool,
    env_int,
    env_list,
    env_networks,
    env_one_of,
    env_origins,
    env_token,
    group_pairs,
    issuer,
    probability,
)
from hitl.template_engines import TEMPLATES as TEMPLATES
from postgresql.bounded import BoundedConnection
from postgresql.limits import EXPORT_ADVICE, REACHING, SEARCH_ADVICE, Limits, kind_of_work

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = re.findall(r"^## (\S+)", (BASE_DIR / "CHANGELOG.md").read_text("utf-8"), re.M)[0]


# Pages ask many short questions at once: compiling one, or taking the other cores for it, costs more than it saves.
SHORT_QUERIES = "-c jit=off -c max_parallel_workers_per_gather=0"
WORK = kind_of_work(sys.argv)
WEB_LOCK = env_int("DB_WEB_LOCK_SECONDS", 5, 1, 3600)
DATABASE_LIMITS = {
    "web": Limits(env_int("DB_WEB_STATEMENT_SECONDS", 15, 1, 3600), WEB_LOCK),
    "worker": Limits(
        env_int("DB_WORKER_STATEMENT_SECONDS", 120, 1, 3600), env_int("DB_WORKER_LOCK_SECONDS", 30, 1, 3600)
    ),
    "search": Limits(env_int("DB_SEARCH_STATEMENT_SECONDS", 5, 1, 3600), WEB_LOCK, SEARCH_ADVICE),
    "export": Limits(env_int("DB_EXPORT_STATEMENT_SECONDS", 120, 1, 3600), WEB_LOCK, EXPORT_ADVICE),
    "migration": Limits(0, env_int("DB_MIGRATE_LOCK_SECONDS", 10, 1, 3600)),  # behind who waits, all others wait
    "command": Limits(0, 0),  # imports: somebody watches them and stops them
}


def database(url: str, work: str = WORK, setting: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's DATABASES entry of a postgresql:// URL; its query string becomes connection options."""
    try:
        parts = urlsplit(url)
        port = str(parts.port or "")
    except ValueError:  # not shown: it may hold a password
        parts, port = urlsplit(""), ""
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{setting} must look like postgresql://user:password@host:5432/name.")
    query = dict(parse_qsl(parts.query))
    limits = DATABASE_LIMITS[work]
    query["options"] = " ".join(filter(None, [SHORT_QUERIES, limits.options, query.get("options")]))
    smallest = env_int("DB_POOL_MIN_SIZE", 1, 0, 100)
    largest = env_int("DB_POOL_MAX_SIZE", 8, 1, 100)
    if smallest > largest:
        raise ImproperlyConfigured("DB_POOL_MIN_SIZE must not be above DB_POOL_MAX_SIZE.")
    return {
        "ENGINE": "postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": port,
        "CONN_MAX_AGE": 0,
        "LIMITS": limits,
        # timeout: a page must fail in seconds, not hang, when the database is gone.
        "OPTIONS": {
            **REACHING,
            **query,
            "prepare_threshold": 5,
            "pool": {
                "min_size": smallest,
                "max_size": largest,
                "timeout": 5,
                "max_idle": 60,
                "connection_class": BoundedConnection,
            },
        },
    }


def secret_key() -> str:
    """Return SECRET_KEY; with the embedded database one is made once and kept in the data directory."""
    given = env("SECRET_KEY")
    if given:
        return given
    if not EMBEDDED:
        raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL is.")
    try:
        HITL_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"HITL_DATA_DIR {HITL_DATA_DIR} cannot be made: {error.strerror}.") from error
    path = HITL_DATA_DIR / "secret-key"
    if not path.exists():
        # Linked into place whole: a second process that starts now reads all of it or finds none.
        with tempfile.NamedTemporaryFile("w", dir=HITL_DATA_DIR) as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text().strip()


# --- Where things are ---------------------------------------------------------------------------------------------
HITL_DATA_DIR = Path(env("HITL_DATA_DIR", str(BASE_DIR / "var"))).absolute()
HITL_SAMPLE_DATA = Path(env("HITL_SAMPLE_DATA", str(BASE_DIR.parent / "shared" / "data")))
DATABASE_URL = env("DATABASE_URL")
EMBEDDED = not DATABASE_URL
DATABASES = {"default": database(DATABASE_URL or embedded_postgres.role_url(HITL_DATA_DIR))}
DATABASE_REPLICA_URL = env("DATABASE_REPLICA_URL")
if DATABASE_REPLICA_URL:
    replica = database(DATABASE_REPLICA_URL, setting="DATABASE_REPLICA_URL")
    DATABASES["replica"] = replica | {"TEST": {"MIRROR": "default"}}
DATABASE_REPLICA_OLDEST = env_int("DATABASE_REPLICA_OLDEST", 60, 1, 86_400)  # in seconds; older is read elsewhere
DATABASE_ROUTERS = ["postgresql.replica.Router"]
DATABASE_ROLE = DATABASES["default"]["USER"]
# As whom `manage.py migrate` connects; with one URL for both, web and worker own the tables, which `check` warns of.
DATABASE_OWNER = database(
    embedded_postgres.database_url(HITL_DATA_DIR) if EMBEDDED else env("DATABASE_MIGRATE_URL", DATABASE_URL),
    "command",
    "DATABASE_MIGRATE_URL",
)
if DATABASE_OWNER["NAME"] != DATABASES["default"]["NAME"]:
    raise ImproperlyConfigured("DATABASE_MIGRATE_URL must name the same database as DATABASE_URL.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PORT = env_int("PORT", 8027, 1, 65535)
BASE_URL = env("BASE_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
if urlsplit(BASE_URL).scheme not in {"http", "https"} or not urlsplit(BASE_URL).hostname:
    raise ImproperlyConfigured(f"BASE_URL must look like https://hitl.example.org, not {BASE_URL!r}.")
WEB_WORKERS = env_int("WEB_WORKERS", 2, 1, 64)
WEB_THREADS = env_int("WEB_THREADS", 32, 1, 1000)  # per worker, beside those that event streams hold

# --- Security -----------------------------------------------------------------------------------------------------
SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")  # what they signed and encrypted still counts
DEBUG = env_bool("DEBUG", False)
LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", ",".join(LOCAL_HOSTS))
if DEBUG and set(ALLOWED_HOSTS) - set(LOCAL_HOSTS):
    raise ImproperlyConfigured("DEBUG shows internals; it cannot be on while ALLOWED_HOSTS names a public host.")
HTTPS = BASE_URL.startswith("https://")
ORIGIN = "{0.scheme}://{0.netloc}".format(urlsplit(BASE_URL))
CSRF_TRUSTED_ORIGINS = env_origins("CSRF_TRUSTED_ORIGINS", ORIGIN if HTTPS else "")
CORS_ORIGINS = env_origins("CORS_ORIGINS")
TRUSTED_PROXIES = env_networks("TRUSTED_PROXIES")
METRICS_ALLOWED_IPS = env_networks("METRICS_ALLOWED_IPS", "127.0.0.1,::1")
METRICS_TOKEN = env_token("METRICS_TOKEN")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True  # pages have the token in themselves
OURS_ALONE = "__Host-" if HTTPS else ""  # no neighbour under another name of the same domain can set these
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{OURS_ALONE}sessionid", f"{OURS_ALONE}csrftoken"
THEME_COOKIE_NAME, MESSAGES_COOKIE_NAME = f"{OURS_ALONE}theme", f"{OURS_ALONE}messages"
MESSAGE_STORAGE = "hitl.messages.Kept"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS and env_bool("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_SSL_REDIRECT = False  # the proxy's business; probes arrive by plain http
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
OIDC_ISSUER = env_as("OIDC_ISSUER", "", issuer, "the provider's address such as https://id.example.org/realms/staff")
OIDC_CLIENT_ID, OIDC_CLIENT_SECRET = env("OIDC_CLIENT_ID"), env("OIDC_CLIENT_SECRET")
if len({bool(OIDC_ISSUER), bool(OIDC_CLIENT_ID), bool(OIDC_CLIENT_SECRET)}) > 1:
    raise ImproperlyConfigured("OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are set together or not at all.")
if HTTPS and OIDC_ISSUER.startswith("http://"):
    raise ImproperlyConfigured("OIDC_ISSUER must be https where BASE_URL is; plain http is for trying it out.")
OIDC_ACR_VALUES = env_list("OIDC_ACR_VALUES")
OIDC_GROUPS_CLAIM = env("OIDC_GROUPS_CLAIM", "groups")
OIDC_GROUPS = env_as(
    "OIDC_GROUPS", "", group_pairs, "pairs such as sec-leads=security-leads, separated by commas, theirs before ours"
)
# Browsers hold form-action against every address that signing in passes through, not only the first.
OIDC_ORIGINS = env_origins(
    "OIDC_ORIGINS", "{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER)) if OIDC_ISSUER else ""
)
CSRF_FAILURE_VIEW = "approvals.views.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "form-action": ["'self'", *OIDC_ORIGINS],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # api.md: a body of 8 MiB at most

# --- Rules --------------------------------------------------------------------------------------------------------
AUTO_APPROVE_ENABLED = env_bool("AUTO_APPROVE_ENABLED", True)
AUTO_APPROVE_THRESHOLD = env_as("AUTO_APPROVE_THRESHOLD", "0.95", probability, "a number from 0.5 to 1")
SECOND_PERSON_REQUIRED = env_bool("SECOND_PERSON_REQUIRED", True)
SECOND_FACTOR_REQUIRED = env_bool("SECOND_FACTOR_REQUIRED", False)
RATE_LIMIT_REQUESTS_PER_MINUTE = env_int("RATE_LIMIT_REQUESTS_PER_MINUTE", 6000, 0, 10_000_000)
RATE_LIMIT_PAGES_PER_MINUTE = env_int("RATE_LIMIT_PAGES_PER_MINUTE", 3000, 0, 10_000_000)  # of one person
RATE_LIMIT_ANONYMOUS_PER_MINUTE = env_int("RATE_LIMIT_ANONYMOUS_PER_MINUTE", 600, 0, 10_000_000)  # of one address

# --- Application --------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "hitl",
    # Before ours, whose admin takes theirs off: it would write without entries.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "approvals",
    "audit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.humanize",  # allauth's pages
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_prometheus",
    "ninja",
    "procrastinate.contrib.django",
]
MIDDLEWARE = [
    "hitl.middleware.RequestIdMiddleware",
    "hitl.middleware.ProbeMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hitl.middleware.ContentPolicyMiddleware",
    "hitl.middleware.ProblemMiddleware",
    "hitl.bodies.BodyMiddleware",
    "hitl.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hitl.page_limits.PageLimitsMiddleware",
    "hitl.middleware.SessionLimitsMiddleware",
    "hitl.middleware.SecondFactorMiddleware",
    "hitl.middleware.TimeZoneMiddleware",
    "hitl.replica_reads.ReplicaReadsMiddleware",
    "hitl.middleware.IdempotencyMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "hitl.urls"
WSGI_APPLICATION = "hitl.wsgi.application"
AUTH_USER_MODEL = "approvals.User"
AUTHENTICATION_BACKENDS = ["approvals.accounts.backends.EmailOrUsernameBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},  # 20,000 of them, as they are
    {"NAME": "hitl.passwords.GuessedSoon"},
]
PASSWORD_WORDS = [*env_list("PASSWORD_WORDS"), *str(urlsplit(BASE_URL).hostname).split(".")]  # of no use in a password
ACCOUNT_ADAPTER = "approvals.accounts.adapters.AccountAdapter"
PASSWORD_RESET_TIMEOUT = 3600  # seconds that an administrator's one-time link works
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_EMAIL_VERIFICATION = "none"  # administrators and the provider vouch for addresses
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # policy.rules.FRESH, for changes of one's second factors
ACCOUNT_RATE_LIMITS = False  # accounts.services.guessing counts for all processes
MFA_ADAPTER = "approvals.accounts.adapters.SecondFactors"
SOCIALACCOUNT_ADAPTER = "approvals.accounts.adapters.Provider"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": "Single sign-on",
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}
MFA_FORMS = {
    "authenticate": "approvals.accounts.views.second_factor.CodeForm",
    "reauthenticate": "approvals.accounts.views.second_factor.CodeAgainForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "HITL"
MFA_TOTP_TOLERANCE = 1  # half a minute of a phone's clock
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS  # browsers themselves refuse it but for localhost
SESSION_ENGINE = "approvals.accounts.sessions"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "queue"
LOGOUT_REDIRECT_URL = "login"
SESSION_IDLE_MINUTES = env_int("SESSION_IDLE_MINUTES", 480, 1, 43_200)
SESSION_ABSOLUTE_HOURS = env_int("SESSION_ABSOLUTE_HOURS", 24, 1, 720)
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_HOURS * 3600  # middleware.SessionLimitsMiddleware counts from the sign-in
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"  # the pool's connections too, else log times follow the machine
FORM_RENDERER = "hitl.form_renderer.FormRenderer"
INSTALLED_APPS.append("django.forms")

# allauth remembers here which codes of authenticator apps were used: in the database, so once in all processes.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "approvals_cache"}}

# --- Static files: hashed names once collectstatic has run (the image), straight from static/ before that ---------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "hitl.static_files.JoinedStyleSheet",  # first: it gives the file of the same name in static/ its contents
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
STATIC_ROOT = BASE_DIR / "staticfiles"
COLLECTED = (STATIC_ROOT / "staticfiles.json").exists() or sys.argv[1:2] == ["collectstatic"]
WHITENOISE_USE_FINDERS = not COLLECTED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "hitl.static_files.HashedFiles"
        if COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Mail: where no server is named, what would be mailed is shown once to whoever asked for it --------------------
SMTP_HOST = EMAIL_HOST = env("SMTP_HOST")
EMAIL_PORT = env_int("SMTP_PORT", 587, 1, 65_535)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = env("SMTP_USER"), env("SMTP_PASSWORD")
SMTP_SECURITY = env_one_of("SMTP_SECURITY", "starttls", "starttls", "tls", "none")
EMAIL_USE_TLS, EMAIL_USE_SSL = SMTP_SECURITY == "starttls", SMTP_SECURITY == "tls"
EMAIL_TIMEOUT = 10  # seconds; none by default, and a request waits for it
DEFAULT_FROM_EMAIL = env("SMTP_FROM", f"hitl@{urlsplit(BASE_URL).hostname}")

# --- Jobs ---------------------------------------------------------------------------------------------------------
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"
# Due jobs are found by polling only, and one slow job must not hold back the rest.
PROCRASTINATE_WORKER_DEFAULTS = {
    "fetch_job_polling_interval": 1.0,
    "concurrency": 4,
    "shutdown_graceful_timeout": 5.0,
}

# --- Event streams: each holds a thread of gunicorn beyond WEB_THREADS, and no connection -------------------------
EVENT_STREAMS = env_int("EVENT_STREAMS", 125, 0, 2000)  # per process, callers with `wait=` among them
WAITS_PER_CALLER = env_int("WAITS_PER_CALLER", 10, 1, 2000)  # of these, of one person or token

# --- Logs and metrics ---------------------------------------------------------------------------------------------
LOG_LEVEL = env_one_of("LOG_LEVEL", "INFO", "DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMAT = env_one_of("LOG_FORMAT", "text" if EMBEDDED else "json", "json", "text")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "hitl.logs.JsonFormatter"}, "text": {"()": "hitl.logs.TextFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Our middleware logs every request once, with its id; Django's own lines would repeat them.
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "ERROR"},
        "procrastinate": {"level": "WARNING"},
    },
}
PROMETHEUS_EXPORT_MIGRATIONS = False
