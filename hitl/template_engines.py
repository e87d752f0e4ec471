"""Which engine draws which templates."""

from pathlib import Path
from typing import Any

TEMPLATE_DIR = Path(__file__).resolve().parent.parent / "templates"

CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
    "approvals.views.context_processors.shell",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [TEMPLATE_DIR],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["hitl.template_loader.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "context_processors": CONTEXT_PROCESSORS,
        },
    },
    # What is drawn most, the cards of the queue and the contents of a patch's page, is compiled: in Django's engine it
    # was two thirds of a page's time. The frame of every page and the forms of accounts are Django templates; the tag
    # `compiled` draws a compiled one in them.
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [TEMPLATE_DIR / "jinja2"],
        "OPTIONS": {
            "environment": "hitl.compiled_templates.environment",
            "context_processors": CONTEXT_PROCESSORS,
        },
    },
]
