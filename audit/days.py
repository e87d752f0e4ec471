"""Days in a filter: a form field that refuses impossible ones, and when such a day begins."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

# Bounds within which no time zone and no next day leaves the dates that Python and PostgreSQL both have.
FIRST, LAST = date(1900, 1, 1), date(9000, 12, 31)
OUTSIDE = "Name a day from 1900 to 9000."


class DayField(forms.DateField):
    """A day that is valid in every time zone, as is the next day; optional by default."""

    def __init__(self, *, required: bool = False, **options: Any) -> None:
        checks = [MinValueValidator(FIRST, OUTSIDE), MaxValueValidator(LAST, OUTSIDE)]
        super().__init__(required=required, validators=checks, **options)


def midnight(day: date | None, days: int = 0) -> datetime | None:
    """Return when a day of a DayField, or one so many days later, begins in the reader's time zone."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min)) if day else None
