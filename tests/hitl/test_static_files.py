"""The image's static files: every name carries its content's hash, down to what a module imports."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
IMAGE = [name for name in SHIPPED if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the image holds, collected as the Dockerfile does."""
    copy = tmp_path_factory.mktemp("image")
    for name in IMAGE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    run(copy, "manage.py", "collectstatic", "--no-input", "--verbosity", "0")
    return copy


PAGE = """
import django; django.setup()
from django.template.loader import render_to_string
print(render_to_string("error.html", {"title": "x"}))
"""


def run(image: Path, *command: str) -> str:
    """Run Python with these arguments in the image, and return what it prints."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HITL_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=image,
        env={
            **inherited,
            "SECRET_KEY": "build",
            "HITL_DATA_DIR": str(image / "data"),
            "DJANGO_SETTINGS_MODULE": "hitl.settings",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_pages_name_hashed_files_that_are_there(collected: Path) -> None:
    page = run(collected, "-c", PAGE)
    names = re.findall(r'(?:href|src)="/static/([^"#]+)"', page)
    assert names
    for name in names:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", name), name
        assert (collected / "staticfiles" / name).is_file()


def test_modules_import_hashed_modules(collected: Path) -> None:
    modules = [
        path for path in (collected / "staticfiles/js").glob("*.js") if re.search(r"\.[0-9a-f]{12}\.js$", path.name)
    ]
    imported = [name for path in modules for name in re.findall(r'(?:from|import) "\./([^"]+)"', path.read_text())]
    assert imported
    for name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
        assert (collected / "staticfiles/js" / name).is_file()


def test_the_image_has_the_style_sheet_in_one_piece(collected: Path) -> None:
    (sheet,) = (collected / "staticfiles/css").glob("hitl.????????????.css")
    text = sheet.read_text()
    assert "@import" not in text
    assert ".card__title {" in text
    assert sheet.with_name(sheet.name + ".gz").is_file()
