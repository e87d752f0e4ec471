"""What `hostile` looks for, as data: lookalike letters and signs, rightful invisible characters, telling phrases.

Lookalikes: the idea is that of UTS 39 (Unicode Security Mechanisms) and UTR 36; the table is our own, by character
names: letters drawn like an ASCII letter in common typefaces, of the scripts that are used to imitate names.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from approvals.diff.invisible import INVISIBLE

_LETTERS: Final = (
    (
        "CYRILLIC CAPITAL LETTER",
        "A=A VE=B ES=C IE=E DZE=S BYELORUSSIAN-UKRAINIAN I=I JE=J KA=K EM=M EN=H O=O ER=P TE=T U=Y HA=X IZHITSA=V"
        " STRAIGHT U=Y QA=Q WE=W KOMI SJE=G",
    ),
    (
        "CYRILLIC SMALL LETTER",
        "A=a ES=c IE=e BYELORUSSIAN-UKRAINIAN I=i JE=j KA=k O=o ER=p DZE=s U=y HA=x IZHITSA=v STRAIGHT U=y SHHA=h"
        " KOMI DE=d QA=q WE=w PALOCHKA=l",
    ),
    (
        "GREEK CAPITAL LETTER",
        "ALPHA=A BETA=B EPSILON=E ZETA=Z ETA=H IOTA=I KAPPA=K MU=M NU=N OMICRON=O RHO=P TAU=T UPSILON=Y CHI=X",
    ),
    ("GREEK SMALL LETTER", "ALPHA=a IOTA=i KAPPA=k NU=v OMICRON=o RHO=p UPSILON=u GAMMA=y CHI=x"),
    ("GREEK", "LUNATE SIGMA SYMBOL=c LETTER YOT=j"),
    ("ARMENIAN CAPITAL LETTER", "OH=O SEH=U LIWN=L TIWN=S"),
    ("ARMENIAN SMALL LETTER", "OH=o SEH=u VO=n HO=h CO=g ZA=q YI=j"),
    ("CHEROKEE LETTER", "A=D E=R I=T V=i GO=A GU=J GV=E LA=W LU=M MI=H NAH=G NO=Z DU=S DO=V DE=S TLE=L TLI=C TSO=K"),
    ("LATIN SMALL LETTER", "ALPHA=a SCRIPT G=g LONG S=s"),
    ("LATIN LETTER SMALL CAPITAL", "C=c O=o V=v W=w Z=z"),
)
_SIGNS: Final = {
    "GREEK QUESTION MARK": ";",
    "LATIN LETTER RETROFLEX CLICK": "!",
    "LATIN LETTER DENTAL CLICK": "|",
    "ARMENIAN FULL STOP": ":",
    "MODIFIER LETTER COLON": ":",
    "RATIO": ":",
    "ONE DOT LEADER": ".",
    "FRACTION SLASH": "/",
    "DIVISION SLASH": "/",
    "BIG SOLIDUS": "/",
    "SET MINUS": "\\",
    "REVERSE SOLIDUS OPERATOR": "\\",
    "ASTERISK OPERATOR": "*",
}
# Compatibility forms: NFKC, which Python and others apply to identifiers, turns them into ASCII (PEP 3131).
_FORMS: Final = (range(0xFF01, 0xFF5F), range(0x1D400, 0x1D800), range(0x2100, 0x2150))


def _letters() -> dict[str, str]:
    table = {}
    for script, pairs in _LETTERS:
        name: list[str] = []
        for word in pairs.split():
            part, equals, latin = word.partition("=")
            name.append(part)
            if equals:
                table[unicodedata.lookup(f"{script} {' '.join(name)}")] = latin
                name = []
    return table


def _forms() -> dict[str, str]:
    table = {}
    for code in (code for codes in _FORMS for code in codes):
        plain = unicodedata.normalize("NFKC", chr(code))
        if len(plain) == 1 and plain.isascii() and plain != chr(code):
            table[chr(code)] = plain
    return table


LETTERS: Final = _letters()  # letters of other scripts, each with the ASCII letter it looks like
FORMS: Final = _forms()  # wide, mathematical and similar forms of ASCII characters
SIGNS: Final = {unicodedata.lookup(name): sign for name, sign in _SIGNS.items()}

_WIDE: Final = "\u115f\u1160\u2800\u3164\uffa0"  # drawn as a blank though they count as letters or signs
_PLAIN: Final = str.maketrans(
    {**LETTERS, **FORMS, **SIGNS, **dict.fromkeys(_WIDE, " "), "\u0130": "I"}  # U+0130 grows when it is lowered
)


_UNSEEN: Final = re.compile(rf"{INVISIBLE.pattern}(?<![\s{_WIDE}])")


def plain(text: str) -> str:
    """Return a text of the same length, each lookalike replaced by what it looks like (the skeleton of UTS 39)."""
    return text if text.isascii() else text.translate(_PLAIN)


def folded(word: str) -> str:
    """Return the ASCII word that Python reads in a name (PEP 3131: NFKC), '' where it stays another one."""
    name = unicodedata.normalize("NFKC", word) if word.isidentifier() else ""
    return name if name.isascii() else ""


def named(character: str) -> str:
    """Return a character's code and Unicode name, as `U+0430 CYRILLIC SMALL LETTER A`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def readable(text: str) -> str:
    """Return a text in plain lower-case letters without what cannot be seen; blanks that are drawn stay."""
    return plain(_UNSEEN.sub("", text)).lower() if ODD.search(text) else text.lower()


def removals(text: str) -> list[int]:
    """Return where `readable` leaves characters out: the n-th is the place in its text before which n or more lack."""
    return [match.start() - before for before, match in enumerate(_UNSEEN.finditer(text))]


def closed(controls: Sequence[str]) -> bool:
    """Tell whether every embedding, override and isolate is closed on its line, and nothing else is (UAX 9, 3.3.2)."""
    opened: list[str] = []
    for control in controls:
        if control in "\u202a\u202b\u202d\u202e":
            opened.append("\u202c")
        elif control in "\u2066\u2067\u2068":
            opened.append("\u2069")
        elif control in "\u202c\u2069" and (not opened or opened.pop() != control):
            return False
    return not opened


def listed(characters: Sequence[str]) -> str:
    """Return the name of the first character and how many others there are."""
    more = len(characters) - 1
    return named(characters[0]) + (f" (and {more:,} more)" if more else "")


BIDI: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ODD: Final = re.compile(r"[^\n\t\x20-\x7e]")
# Beside these, wide forms and signs are ordinary typography.
IDEOGRAPHS: Final = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\uff61-\uff9f]")
# Codes of marks, the characters they are about and what those do; of several that fit a character the first holds.
CHARACTERS: Final = (
    (
        "tag",
        re.compile("[\U000e0000-\U000e007f\U000e0100-\U000e01ef]"),
        "is never drawn and can carry text that only a machine reads",
    ),
    (
        "escape",
        re.compile("[\x1b\x9b]"),
        "begins an escape sequence, which a terminal that prints this line obeys (CWE-150)",
    ),
    (
        "control",
        re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]"),
        "is not drawn, and a terminal that prints this line may obey it",
    ),
    ("blank", re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]"), "looks like a space and is none"),
    ("invisible", INVISIBLE, "cannot be seen: the text is not what it looks like"),
)
# What the Unicode Standard wants invisible characters for: emoji sequences and flags (UTS 51), joiners inside words of
# Arabic and Indic scripts (UAX 31, section 2.3), a blank between ideographs, a page break alone on
# a line (GNU style). Each with what it stands in, so that the same character elsewhere is still marked.
_SCRIPTS: Final = "[\u0600-\u07ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff]"
_EMOJI: Final = "[\u00a9\u00ae\u203c\u2049\u2100-\u27bf\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
RIGHTFUL: Final = re.compile(
    f"[0-9#*]\ufe0f\u20e3|\U0001f3f4[\U000e0061-\U000e007a]{{2,6}}\U000e007f"
    f"|{_EMOJI}\ufe0f?(?:\u200d{_EMOJI}\ufe0f?)*"
    f"|(?<={_SCRIPTS})[\u200c\u200d](?={_SCRIPTS})|[\u3041-\u9fff]\u3000|^[ \t]*\x0c[ \t]*$"
)

# Phrases that speak to whoever reads the patch, in lower case; a blank stands for any signs between two words, also
# line ends and comment signs. Few and plain on purpose: each is a fact to look at, none is proof of anything. No word
# may match what a blank matches, and every repetition is bounded: together they cost linear time.
_MODEL: Final = "(?:ai|llms?|(?:large )?language models?|ai (?:assistants?|models?|agents?|reviewers?|systems?))"
_READER: Final = f"(?:{_MODEL}|(?:code |patch |security )?(?:reviewers?|approvers?)|copilot|chatgpt|claude|gemini)"
_THIS: Final = "(?:patch|change|diff|commit|code|fix|pull request|merge request|pr|file)"
_GOOD: Final = "(?:safe|approved|reviewed|verified|audited|benign|trusted)"
_PHRASES: Final = (
    # taking back what a model was told
    "(?:ignore|disregard|forget|override|bypass) (?:(?:all|any|the|your|of|my|every|these|those) ){0,4}"
    "(?:previous|prior|above|earlier|preceding|system) (?:[a-z0-9]{1,20} ){0,2}"
    "(?:instruction|prompt|direction|guideline|directive)s?",
    "(?:new|updated|hidden|secret) (?:system )?(?:instructions?|prompt) (?:for|to) "
    "(?:you|the (?:model|assistant|ai|agent))",
    "(?:your|the) (?:system|developer) prompt",
    # telling a reader what it is
    f"as an? {_MODEL}",
    f"(?:you are|if you are|act as|pretend to be) (?:now )?(?:an? |the )?{_READER}",
    # addressing one
    "(?:dear|hey|hi|hello|attention|attn|(?:note|notice|message|instructions?|important) (?:to|for)) "
    f"(?:(?:the|all|any|an|a|our|automated|human|future) ){{0,3}}{_READER}",
    "(?:reviewers?|approvers?) (?:please|should|must|can|may|do not|don.?t|need not) (?:[a-z0-9]{1,20} ){0,3}"
    "(?:approve|accept|merge|ignore|skip|trust|reject)",
    # asking for a verdict, or giving one
    f"(?:please|kindly) (?:auto ?)?(?:approve|merge)(?: (?:this|the|it|my))?(?: {_THIS})?",
    f"auto(?:matically)? ?approve (?:this|the|it|my)(?: {_THIS})?",
    "lgtm (?:auto|approved?|merge|ship|please)",
    f"(?:mark|label|classify|rate|treat|consider) (?:this|it|the {_THIS}) as {_GOOD}",
    f"this {_THIS} (?:is|was|has been) (?:(?:already|pre|fully|completely) ){{0,2}}{_GOOD}",
    "(?:respond|reply|answer) (?:only )?with (?:only )?(?:the word )?(?:approved?|lgtm|yes|safe|success)",
    # asking not to look
    f"(?:do not|don.?t|never) (?:flag|report|mention|reject|review|analy[sz]e|question) (?:this|the) {_THIS}",
    "(?:skip|skipping|bypass|bypassing|without) (?:(?:any|the|further|additional) ){0,2}"
    "(?:human|manual|security|code) (?:review|approval)",
    "no (?:(?:further|human|manual|security|code) ){0,3}review (?:is )?(?:needed|required|necessary)",
)
_TOKENS: Final = r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/inst\]|<</?sys>>"
_GAP: Final = r"[\W_]{1,24}"
PHRASES: Final = re.compile(
    rf"(?<![a-z0-9])(?:{'|'.join(phrase.replace(' ', _GAP) for phrase in _PHRASES)})(?![a-z0-9])|{_TOKENS}",
)
