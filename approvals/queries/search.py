"""Full-text search over patches: every word typed must begin a word of the patch; a digest, or its
first eight characters or more, finds its patch."""

import re
from collections.abc import Collection
from typing import TypeVar

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Exists, F, Func, Model, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, Concat, Lower

from approvals.models import Patch
from approvals.policy.vulnerability import names_in
from approvals.policy.weakness import cwes_in, cwes_of_class

M = TypeVar("M", bound=Model)

GAP = Value(" ")
LISTS = ("cve_ids", "aliases", "vulnerability_ids", "cwe_ids")

DIGEST = re.compile(r"[0-9a-f]{8,64}")
AFTER_HEX = "g"  # what sorts after every digest that begins with the same characters, in any collation


FOUND_BY = {
    "patch_id": F("patch_id"),
    "apv_id": F("apv_id"),
    "title": F("title"),
    "package_name": F("package_name"),
    "repository": F("repository"),
    "submitted_by": F("submitted_by"),
    "producer": F("producer__name"),
    **{name: Func(F(name), Value(" "), function="array_to_string", output_field=TextField()) for name in LISTS},
    **{name: Coalesce(F(f"gate__{name}"), Value("")) for name in ("workflow_id", "job_id", "execution_id")},
}
"""The columns that `services.search_words` stores for search, as SQL."""


def matching(rows: QuerySet[M], text: str, column: str, unseen: Collection[str] = ()) -> QuerySet[M]:
    """Return the rows whose search vector has every word of `text`, each as a prefix; none without words.

    With `unseen` (queue rows only), leave out rows that are found only by these columns of their patch.
    """
    typed = text.strip().lower()
    digest = "".join(typed.split())  # pages show it in groups of eight
    has_digest = _digest(digest, column.replace("search", "sha256")) if DIGEST.fullmatch(digest) else None
    if has_digest and len(digest) == 64:
        return rows.filter(has_digest)
    terms = [_term(token) for token in _tokens(typed)[:20]]
    terms = [term for term in terms if term]
    if not terms:
        return rows.none()
    query = SearchQuery(_or_class(" & ".join(terms), typed), search_type="raw", config="simple")
    condition = Q(**{column: query})
    if unseen:
        condition = Q(condition, Exists(_found_without(unseen, query)))
    return rows.filter(condition | has_digest if has_digest else condition)


def _found_without(unseen: Collection[str], query: SearchQuery) -> QuerySet[Patch]:
    """Return the patch of a queue row if its other columns have the words; the index has found the row."""
    searched = [expression for name, expression in FOUND_BY.items() if name not in unseen]
    text = Concat(*(part for expression in searched for part in (expression, GAP)), output_field=TextField())
    parts = Lower(text), Value("[^[:alnum:]]+"), GAP, Value("g")
    normalised = Func(*parts, function="regexp_replace", output_field=TextField())
    patches = Patch.objects.filter(decision=OuterRef("pk"))
    return patches.annotate(vector=SearchVector(normalised, config="simple")).filter(vector=query)


def _tokens(typed: str) -> list[str]:
    """Return the words to search for; an identifier in an unusual notation, or in a URL, as it is stored."""
    if typed.isascii() and "://" not in typed:
        return typed.split()
    return [name.lower() for token in typed.split() for name in names_in(token[:255]) or [token]]


def _digest(beginning: str, column: str) -> Q:
    """Match digests that begin with these characters, as a range of their index."""
    return Q(**{f"{column}__gte": beginning, f"{column}__lt": beginning + AFTER_HEX})


def _term(token: str) -> str:
    """Return one typed word as a phrase: the parts of CVE-2024-99 follow each other, the last is a prefix."""
    parts = "".join(char if char.isalnum() else " " for char in token).split()
    return _or_class(f"({' <-> '.join(parts)}:*)", token) if parts else ""


def _or_class(query: str, text: str) -> str:
    """Return a query that also finds the weaknesses of a class, where the text names one: SQLi is CWE-89 too."""
    cwes = cwes_of_class(text) or ([] if text.isdecimal() else cwes_in(text))
    return f"({' | '.join([f'({query})', *(cwe.lower().replace('-', ' <-> ') for cwe in cwes)])})" if cwes else query
