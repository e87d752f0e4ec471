"""Weaknesses as people and scanners write them: CWE numbers in every spelling, and names of classes. Pure."""

import re

from .vulnerability import plain

NUMBER = re.compile(  # also in external/cwe/cwe-089; CWE-79/80 are two
    r"CWE(?:[-\s]?IDS?)?[-\s_:/#]{0,5}(\d{1,5}(?!\d)(?:\s*[,/;&+]\s*\d{1,5}(?![-.:\d]))*)", re.ASCII
)
ADDRESS = re.compile(r"CWE\.MITRE\.ORG/\S*?DEFINITIONS?/(\d{1,5})(?!\d)", re.ASCII)
PART = re.compile(r"[()\[\]'\"]")
BARE = re.compile(r"\d{1,5}", re.ASCII)

# The number a class mostly stands for comes first: it is the one kept where a producer sends the word.
CLASSES = {
    ("sqli", "sql injection"): (89, 564),
    ("nosqli", "nosql injection"): (943,),
    ("xss", "cross site scripting", "crosssite scripting"): (79, 80),
    ("rce", "remote code execution", "code execution"): (94, 77, 78, 95, 96),
    ("code injection",): (94, 95, 96),
    ("command injection", "os command injection", "shell injection", "cmdi"): (78, 77, 88),
    ("ssrf", "server side request forgery"): (918,),
    ("xxe", "xml external entity", "xml external entities"): (611,),
    ("csrf", "xsrf", "cross site request forgery"): (352,),
    ("path traversal", "directory traversal", "dir traversal", "zip slip"): (22, 23, 36),
    ("lfi", "rfi", "file inclusion", "local file inclusion", "remote file inclusion"): (98, 22, 73),
    ("deserialization", "deserialisation", "unsafe deserialization", "insecure deserialization"): (502,),
    ("ssti", "template injection", "server side template injection"): (1336, 94),
    ("ldap injection", "ldapi"): (90,),
    ("crlf injection", "header injection", "response splitting"): (93, 113),
    ("open redirect", "unvalidated redirect"): (601,),
    ("request smuggling", "http request smuggling"): (444,),
    ("prototype pollution",): (1321,),
    ("redos",): (1333, 400),
    ("dos", "denial of service", "resource exhaustion"): (400, 770, 835, 1333),
    ("uaf", "use after free"): (416,),
    ("double free",): (415,),
    ("buffer overflow", "bof"): (120, 119, 121, 122, 787),
    ("stack overflow", "stack buffer overflow"): (121,),
    ("heap overflow", "heap buffer overflow"): (122,),
    ("oob read", "out of bounds read"): (125,),
    ("oob write", "out of bounds write"): (787,),
    ("integer overflow",): (190,),
    ("npe", "null dereference", "null pointer dereference"): (476,),
    ("race condition", "toctou"): (362, 367),
    ("idor", "bola", "insecure direct object reference"): (639,),
    ("missing authorization",): (862,),
    ("missing authentication",): (306,),
    ("auth bypass", "authentication bypass"): (287, 288, 306),
    ("privilege escalation", "privesc"): (269, 250),
    ("information disclosure", "information exposure", "info leak"): (200,),
    ("file upload", "unrestricted upload"): (434,),
    ("hardcoded credentials", "hard coded credentials"): (798,),
    ("mass assignment",): (915,),
    ("type confusion",): (843,),
    ("format string",): (134,),
    ("memory leak",): (401,),
    ("clickjacking",): (1021,),
    ("session fixation",): (384,),
}
BY_NAME = {name: numbers for names, numbers in CLASSES.items() for name in names}


def cwes_in(text: str) -> list[str]:
    """Return the CWEs that a text names by number, each once, as CWE-89; a number alone is one."""
    written = plain(text)
    numbers = [*re.findall(r"\d+", " ".join(NUMBER.findall(written))), *ADDRESS.findall(written)]
    if not numbers and BARE.fullmatch(written):
        numbers = [written]
    return list(dict.fromkeys(f"CWE-{int(number)}" for number in numbers))


def cwes_of_class(text: str) -> list[str]:
    """Return the CWEs of a class of weaknesses, `SQLi` or `path-traversal`; [] for what is no class. It may stand in
    brackets or quotes behind other words, as in `Improper Neutralization of Input ('Cross-site Scripting')`."""
    written = plain(text)
    for part in (written, *PART.split(written)):
        words = " ".join("".join(char if char.isalnum() else " " for char in part).lower().split())
        if numbers := BY_NAME.get(words) or BY_NAME.get(words.removesuffix(" vulnerability")):
            return [f"CWE-{number}" for number in numbers]
    return []


def kept(sent: list[str]) -> list[str]:
    """Return a producer's weaknesses as they are kept, each once: CWE-89 where it can be read, else as sent."""
    found: list[str] = []
    for text in sent:
        found += cwes_in(text) or cwes_of_class(text)[:1] or [text]
    return list(dict.fromkeys(found))


def sought(text: str) -> list[str]:
    """Return the CWEs that somebody looks for, and the text as it is kept where it names none."""
    return cwes_in(text) or cwes_of_class(text) or [text, text.upper()]
