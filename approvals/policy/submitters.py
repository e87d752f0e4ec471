"""Who a patch names: one address or account, and which spellings are one person. Pure."""

import re
import unicodedata
from email.utils import getaddresses

ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
)
"""The plain form of an address (RFC 5321 4.1.2: Dot-string "@" Domain), the domain in ASCII."""
ACCOUNT = re.compile(r"\w[\w.+-]*(?<![.+-])(?:\[bot\])?")
"""A user name, or what forges call their machines."""
INVISIBLE = re.compile("[\u115f\u1160]")
"""Letters by their category that show nothing (Hangul fillers); what else shows nothing is no part of a name anyway."""
TAG = re.compile(r"(.)\+[^@]*@")
SPECIAL = re.compile(r'[<>,;"()]')
WRONG = (
    "must be one e-mail address such as ann@example.org or one user name: no list, no display name, no space, "
    "no dot at its end, and no invisible or full-width character"
)


def one_person(value: str) -> str:
    """Return a value that names one person or account, '' for none; raise ValueError for anything else.

    What looks the same must be the same: a name that no rule recognises would let its person approve their own work.
    """
    if not value.strip():
        return ""
    if unicodedata.normalize("NFKC", value) != value or INVISIBLE.search(value):
        raise ValueError(WRONG)
    if not (ADDRESS.fullmatch(value) or ACCOUNT.fullmatch(value)):
        raise ValueError(WRONG)
    return value


def same(name: str) -> str:
    """Return the spelling by which names are compared: folded, and an address without its tag (ann+ci@ is ann@)."""
    folded = name.strip().casefold()
    if not folded.isascii():  # values kept from before they were checked, and accounts' own addresses
        folded = unicodedata.normalize("NFKC", folded)
        folded = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
        local, at, domain = folded.rpartition("@")
        folded = f"{local}{at}{_ascii(domain)}" if at else folded
    return TAG.sub(r"\1@", folded.rstrip("."), count=1)


def all_in(value: str) -> frozenset[str]:
    """Return everybody a kept value may name, as `same` spells them: some are from before they had to be one."""
    names = {value}
    if SPECIAL.search(value):
        names |= {address for _, address in getaddresses([value])} | set(SPECIAL.split(value))
    return frozenset(filter(None, map(same, names)))


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain
