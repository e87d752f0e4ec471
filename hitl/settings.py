"""Django's settings. The product's own come from `own_settings`; what contradicts itself stops the start with a
sentence."""

import contextlib
import os
import re
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from hitl import embedded_postgres
from hitl import own_settings as own
from hitl.database_settings import DATABASE_LIMITS as DATABASE_LIMITS
from hitl.database_settings import database_entry
from hitl.own_settings import *  # noqa: F403  each of them is a setting
from hitl.template_engines import TEMPLATES as TEMPLATES
from hitl.traces import is_installed as traces_installed

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = re.findall(r"^## (\S+)", (BASE_DIR / "CHANGELOG.md").read_text("utf-8"), re.M)[0]


def secret_key() -> str:
    """Return SECRET_KEY; with the embedded database one is made once and kept in the data directory."""
    if own.SECRET_KEY:
        return own.SECRET_KEY
    if not own.EMBEDDED:
        raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL is.")
    try:
        own.HITL_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"HITL_DATA_DIR {own.HITL_DATA_DIR} cannot be made: {error.strerror}.") from error
    path = own.HITL_DATA_DIR / "secret-key"
    if not path.exists():
        # Linked into place whole: a second process that starts now reads all of it or finds none.
        with tempfile.NamedTemporaryFile("w", dir=own.HITL_DATA_DIR) as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text().strip()


# --- Where things are ---------------------------------------------------------------------------------------------
DATABASES = {"default": database_entry(own.DATABASE_URL or embedded_postgres.role_url(own.HITL_DATA_DIR))}
if own.DATABASE_REPLICA_URL:
    replica = database_entry(own.DATABASE_REPLICA_URL, setting="DATABASE_REPLICA_URL")
    DATABASES["replica"] = replica | {"TEST": {"MIRROR": "default"}}
DATABASE_ROUTERS = ["postgresql.replica.Router"]
DATABASE_ROLE = DATABASES["default"]["USER"]
# As whom `manage.py migrate` connects; with one URL for both, web and worker own the tables, which `check` warns of.
DATABASE_OWNER = database_entry(
    embedded_postgres.database_url(own.HITL_DATA_DIR) if own.EMBEDDED else own.DATABASE_MIGRATE_URL,
    "command",
    "DATABASE_MIGRATE_URL",
)
if DATABASE_OWNER["NAME"] != DATABASES["default"]["NAME"]:
    raise ImproperlyConfigured("DATABASE_MIGRATE_URL must name the same database as DATABASE_URL.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Security -----------------------------------------------------------------------------------------------------
SECRET_KEY = secret_key()
if own.DEBUG and set(own.ALLOWED_HOSTS) - set(own.LOCAL_HOSTS):
    raise ImproperlyConfigured("DEBUG shows internals; it cannot be on while ALLOWED_HOSTS names a public host.")
if 0 < len(own.METRICS_TOKEN) < 20:
    raise ImproperlyConfigured("METRICS_TOKEN must have at least 20 characters, which `openssl rand -hex 32` makes.")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = own.HTTPS
CSRF_COOKIE_HTTPONLY = True  # pages have the token in themselves
OURS_ALONE = "__Host-" if own.HTTPS else ""  # no neighbour under another name of the same domain can set these
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{OURS_ALONE}sessionid", f"{OURS_ALONE}csrftoken"
THEME_COOKIE_NAME, MESSAGES_COOKIE_NAME = f"{OURS_ALONE}theme", f"{OURS_ALONE}messages"
MESSAGE_STORAGE = "hitl.messages.Kept"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if own.TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if own.HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = own.HTTPS and own.HSTS_INCLUDE_SUBDOMAINS
SECURE_SSL_REDIRECT = False  # the proxy's business; probes arrive by plain http
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if len({bool(own.OIDC_ISSUER), bool(own.OIDC_CLIENT_ID), bool(own.OIDC_CLIENT_SECRET)}) > 1:
    raise ImproperlyConfigured("OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are set together or not at all.")
if own.HTTPS and own.OIDC_ISSUER.startswith("http://"):
    raise ImproperlyConfigured("OIDC_ISSUER must be https where BASE_URL is; plain http is for trying it out.")
if len({bool(own.GITHUB_WEBHOOK_SECRET), bool(own.GITHUB_APP_ID), bool(own.GITHUB_APP_KEY)}) > 1:
    raise ImproperlyConfigured(
        "GITHUB_WEBHOOK_SECRET, GITHUB_APP_ID and GITHUB_APP_KEY are set together or not at all."
    )
if 0 < len(own.GITHUB_WEBHOOK_SECRET) < 20:
    raise ImproperlyConfigured("GITHUB_WEBHOOK_SECRET must have at least 20 characters.")
if own.GITHUB_APP_KEY and "PRIVATE KEY" not in own.GITHUB_APP_KEY:
    raise ImproperlyConfigured("GITHUB_APP_KEY must be a private key in PEM.")
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
        "form-action": ["'self'", *own.OIDC_ORIGINS],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
# What no setting of ours can or should mend: subdomains and the browsers' preload list are promises of the domain's
# owner (HSTS_INCLUDE_SUBDOMAINS makes the first one), the redirect is the proxy's business.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # api.md: a body of 8 MiB at most

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
    "notifications",
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
PASSWORD_WORDS = [*own.PASSWORD_WORDS, *own.HOST.split(".")]  # of no use in a password
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
                "client_id": own.OIDC_CLIENT_ID,
                "secret": own.OIDC_CLIENT_SECRET,
                "settings": {"server_url": own.OIDC_ISSUER},
            }
        ]
        if own.OIDC_ISSUER
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
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not own.HTTPS  # browsers themselves refuse it but for localhost
SESSION_ENGINE = "approvals.accounts.sessions"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "queue"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = own.SESSION_ABSOLUTE_HOURS * 3600  # middleware.SessionLimitsMiddleware counts from the sign-in
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
EMAIL_HOST, EMAIL_PORT = own.SMTP_HOST, own.SMTP_PORT
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = own.SMTP_USER, own.SMTP_PASSWORD
EMAIL_USE_TLS, EMAIL_USE_SSL = own.SMTP_SECURITY == "starttls", own.SMTP_SECURITY == "tls"
EMAIL_TIMEOUT = 10  # seconds; none by default, and a request waits for it
DEFAULT_FROM_EMAIL = own.SMTP_FROM

# --- Jobs ---------------------------------------------------------------------------------------------------------
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"
# Due jobs are found by polling only, and one slow job must not hold back the rest.
PROCRASTINATE_WORKER_DEFAULTS = {
    "fetch_job_polling_interval": 1.0,
    "concurrency": 4,
    "shutdown_graceful_timeout": 5.0,
}

# --- Logs, metrics, traces ----------------------------------------------------------------------------------------
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "hitl.logs.JsonFormatter"}, "text": {"()": "hitl.logs.TextFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": own.LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": own.LOG_LEVEL},
    "loggers": {
        # Our middleware logs every request once, with its id; Django's own lines would repeat them.
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "ERROR"},
        "procrastinate": {"level": "WARNING"},
    },
}
PROMETHEUS_EXPORT_MIGRATIONS = False
TRACES_NAMED = bool(own.OTEL_EXPORTER_OTLP_ENDPOINT or own.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
TRACES_WANTED = TRACES_NAMED and own.OTEL_TRACES_EXPORTER == "otlp" and not own.OTEL_SDK_DISABLED
if TRACES_WANTED and own.OTEL_EXPORTER_OTLP_PROTOCOL != "http/protobuf":
    raise ImproperlyConfigured("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: no other is spoken here.")
TRACES_SENT = TRACES_WANTED and traces_installed()
if TRACES_SENT:
    MIDDLEWARE.insert(0, "hitl.telemetry.TraceMiddleware")
