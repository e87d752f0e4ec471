"""A message as the parts of a mail, drawn from the templates of its kind: an install's own, else ours."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.template import Context, Engine, Origin, engines
from django.template.loaders import filesystem

from .messages import Message, one_line

log = logging.getLogger(__name__)

FOLDER = "notifications/"
SUBJECT_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Parts:
    """What a mail says. `broken` are the install's own templates that ours stand in for, with what is wrong."""

    subject: str
    text: str
    html: str
    broken: tuple[str, ...] = ()


class OwnTemplates(filesystem.Loader):
    """Finds what an install gives instead of ours, by the file's name alone: ours are in a folder of theirs."""

    def get_template_sources(self, template_name: str) -> Iterator[Origin]:
        if template_name.startswith(FOLDER):
            yield from super().get_template_sources(template_name.removeprefix(FOLDER))


def parts_of(message: Message) -> Parts:
    """Draw the three parts of a mail; a template that an install broke is logged, and ours is drawn."""
    broken: list[str] = []
    subject, text, html = (
        _drawn(f"{message.kind.name}.{ending}", message, broken) for ending in ("subject.txt", "txt", "html")
    )
    return Parts(one_line(subject, SUBJECT_LONGEST) or message.headline, text, html, tuple(broken))


def _drawn(name: str, message: Message, broken: list[str]) -> str:
    values = {"message": message, "base_url": settings.BASE_URL}
    if settings.NOTIFICATION_TEMPLATES_DIR:
        try:
            return _with(_own_engine(settings.NOTIFICATION_TEMPLATES_DIR), name, values)
        except Exception as error:  # whatever a template of somebody else's does: the mail must go out
            log.exception("The template %s of NOTIFICATION_TEMPLATES_DIR is broken; ours is used", name)
            broken.append(f"{name}: {one_line(error)}")
    return _with(engines["django"].engine, name, values)  # type: ignore[attr-defined]


@cache
def _own_engine(directory: str) -> Engine:
    """Return the engine that looks into this directory first; it keeps our templates, and reads theirs each time."""
    ours = engines["django"].engine  # type: ignore[attr-defined]
    loaders = [(f"{__name__}.OwnTemplates", [directory]), *ours.loaders]
    return Engine(ours.dirs, loaders=loaders, libraries=ours.libraries, builtins=ours.builtins)


def _with(engine: Engine, name: str, values: dict[str, object]) -> str:
    context = Context(values, autoescape=name.endswith(".html"))
    return engine.get_template(FOLDER + name).render(context).strip() + "\n"
