"""What the database refuses and follows by itself can be read in files that are what is in force."""

import pytest
from django.conf import settings

from postgresql.functions import APPS, definitions


@pytest.mark.django_db
def test_the_files_hold_the_functions_and_triggers_in_force() -> None:
    files = {
        str(file.relative_to(settings.BASE_DIR)): file.read_text("utf-8")
        for app in APPS
        for file in (settings.BASE_DIR / app / "sql").glob("*.sql")
    }
    assert files == definitions(), "run manage.py write_sql_functions after a migration that changes one"


@pytest.mark.django_db
def test_a_guard_stands_in_its_file_with_its_trigger() -> None:
    text = definitions()["audit/sql/audit_refuse_change.sql"]
    assert text.startswith("CREATE OR REPLACE FUNCTION public.audit_refuse_change()")
    assert "CREATE TRIGGER" in text
    assert "BEFORE DELETE OR UPDATE ON audit_entry" in text
