"""Static files of the image: hashed names, so that browsers may keep them for ever."""

import re
from collections.abc import Callable
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


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
