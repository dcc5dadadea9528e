r"""References as BibTeX: read, and shown as a line of text.

>>> (entry,) = read_bibtex("@misc{doe, author = {Doe, Jane and Roe, R.}, title = {On {Mixing}}, year = 2026}")
>>> entry.line()
'Jane Doe, R. Roe: On Mixing. 2026.'
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Reference", "is_bibtex", "read_bibtex"]

_ENTRY = re.compile(r"@\s*(\w+)\s*\{\s*([^,{}\s]+)\s*,")
_FIELD = re.compile(r"\s*,?\s*([A-Za-z][\w-]*)\s*=\s*")
_VENUES = ("journal", "booktitle", "school", "howpublished", "publisher")
_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303"}
_NOT_ENTRIES = frozenset({"comment", "preamble", "string"})


@dataclass(frozen=True)
class Reference:
    """One entry of BibTeX.

    Attributes:
        kind: Its kind in small letters: ``inproceedings``.
        key: What a text cites it by.
        fields: Its fields by name in small letters, without the braces or quotes around them.
    """

    kind: str
    key: str
    fields: Mapping[str, str]

    def line(self) -> str:
        """Return it as one line: authors, title, where it was published, year, DOI or URL."""
        known = {name: _plain(value) for name, value in self.fields.items()}
        authors = ", ".join(map(_forenames_first, re.split(r"\s+and\s+", known.get("author", ""))))
        venue = next((known[name] for name in _VENUES if known.get(name)), "")
        if known.get("eprint"):
            venue = f"{venue}; arXiv {known['eprint']}" if venue else f"arXiv {known['eprint']}"
        place = f"doi:{known['doi']}" if known.get("doi") else known.get("url", "")
        year = known.get("year", "")
        published = f"{venue}, {year}" if venue and year and year not in venue else venue or year
        version = f"Version {known['version']}" if known.get("version") else ""
        parts = [known.get("title", ""), version, known.get("note", ""), published]
        text = " ".join(f"{part.rstrip('.')}." for part in parts if part)
        said = f"{authors}: {text}" if authors else text
        return f"{said} {place}" if place else said

    def bibtex(self) -> str:
        """Return it as BibTeX, a field a line."""
        body = "".join(f"  {name} = {{{value}}},\n" for name, value in self.fields.items())
        return f"@{self.kind}{{{self.key},\n{body}}}\n"


def is_bibtex(text: str) -> bool:
    """Return whether a text is BibTeX, and not a reference in plain words."""
    return text.lstrip().startswith("@")


def read_bibtex(text: str) -> list[Reference]:
    """Return the entries of a text, in order; what stands between entries, and macros, are passed over.

    Args:
        text: Any text; of an entry that is cut off, what is there is returned.
    """
    found = []
    for match in _ENTRY.finditer(text):
        if match[1].lower() in _NOT_ENTRIES:
            continue
        fields: dict[str, str] = {}
        at = match.end()
        while (name := _FIELD.match(text, at)) is not None:
            value, at = _value(text, name.end())
            fields.setdefault(name[1].lower(), " ".join(value.split()))
        found.append(Reference(match[1].lower(), match[2], fields))
    return found


def _value(text: str, start: int) -> tuple[str, int]:
    """Return the value that begins at ``start``, without its braces or quotes, and where it ends."""
    if start < len(text) and text[start] in '{"':
        closing = "}" if text[start] == "{" else '"'
        depth, at = 0, start + 1
        while at < len(text) and (depth or text[at] != closing):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        return text[start + 1 : at], at + 1
    bare = re.compile(r"[^,}\s]*").match(text, start)
    return (bare[0], bare.end()) if bare is not None else ("", start)


def _plain(value: str) -> str:
    """Return a value without BibTeX's braces and commands for accents."""

    def accented(match: re.Match[str]) -> str:
        return unicodedata.normalize("NFC", match[2] + _ACCENTS[match[1]])

    value = re.sub(r"""\{?\\(['`"^~])\{?([A-Za-z])\}?\}?""", accented, value)
    value = re.sub(r"\\([_&%$#])", r"\1", value)
    return re.sub(r"[{}]", "", value).replace("--", "–").strip()


def _forenames_first(name: str) -> str:
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name.strip()
