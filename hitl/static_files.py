"""Static files: one style sheet made of many; in the image hashed names, so that browsers may keep files for ever."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage

STYLE_SHEET = "css/hitl.css"
_IMPORT = re.compile(r'^@import "\./([\w-]+\.css)";$', re.MULTILINE)


class JoinedStyleSheet(BaseFinder):
    """Finds `css/hitl.css` with the files that it imports in it: people read many small files, a page loads one.

    A browser that got the file as it is written would ask for each import, one after the other.
    """

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Return nothing: there is nothing to configure."""
        return []

    def find(  # type: ignore[override]  # of the two overloads Django needs this one
        self, path: str, find_all: bool = False, **kwargs: Any
    ) -> str | list[str]:
        """Return where the joined style sheet lies, or nothing for any other path."""
        found = [str(_written())] if path == STYLE_SHEET else []
        return found if find_all or not found else found[0]

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        """Yield the joined style sheet, for collectstatic and for whitenoise."""
        yield STYLE_SHEET, FileSystemStorage(location=_written().parents[1])


def joined(css: Path) -> str:
    """Return a style sheet with its imports in their places, without comments and indentation (a fifth of it)."""
    text = _IMPORT.sub(lambda found: (css.parent / found[1]).read_text(), css.read_text())
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).lstrip()


def _written() -> Path:
    """Write the joined style sheet where it is not yet as it should be, and return where it lies."""
    path: Path = settings.HITL_DATA_DIR / "static" / STYLE_SHEET
    text = joined(settings.BASE_DIR / "static" / STYLE_SHEET)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes start at once: none may read what another has half written.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    return path


class HashedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Also follows the imports between our JavaScript modules; without that a release would mix old and new ones."""

    support_js_module_import_aggregation = True

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        """Leave other people's scripts alone: minified ones hold text that looks like an import."""
        if name.endswith(".js") and not name.startswith("js/"):
            return _as_it_is
        converter: Any = super().url_converter(name, hashed_files, template)
        return converter  # type: ignore[no-any-return]


def _as_it_is(found: re.Match[str]) -> str:
    return found[0]
