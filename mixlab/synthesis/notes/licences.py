"""What is known of a library's licence: what it says itself, and what the files beside it say."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from mixlab.synthesis.made_here import NOT_KNOWN

__all__ = ["debian_licence", "licence_of"]

_FILES = ("LICENCE.txt", "LICENSE.txt", "LICENSE", "LICENSE.md", "COPYING", "copyright")
_LONGEST = 200
_DEP5 = re.compile(r"\s*Format(-Specification)?:", re.IGNORECASE)
_PACKAGED = re.compile(r"this (package|work) was (debianized|packaged)", re.IGNORECASE)
_UNSAID = re.compile(r"(undefined|unknown|no)?\s*licen[cs]e|undefined|unknown|none|", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(h2drumkit|zip|tgz|tar\.\w+)$")
_VERSION = re.compile(r"(?<=.)[ _-]?v?\d[\d.]*$")
_DEEPEST = 4
_MAIL = re.compile(r"\s*<[^<>\s]*@[^<>]*>")


def licence_of(folder: Path, own: str = "", own_file: str = "") -> str:
    """Return what is known of the licence of a library, in one line.

    What the library itself says comes first. A file beside its notes, and the paragraph on it in a Debian
    copyright file, are given, too. Another file of the folder above holds where the library says nothing.

    Args:
        folder: The library's folder. Files that state a licence are looked for in it, then in the one above.
        own: What a description within the library says, such as that of a drum kit.
        own_file: Name of that description.

    Returns:
        The licence, '' where nothing speaks of one, or a text that begins with ``NOT_KNOWN`` and names the
        file to see, where there is one and it does not say under which licence this library is.
    """
    own = "" if _UNSAID.fullmatch(own.strip()) else " ".join(own.split())[:_LONGEST]
    silent = None
    for file in _files_beside(folder):
        text = file.read_text(encoding="utf-8", errors="replace")
        debian = _DEP5.match(text) is not None
        said = debian_licence(text, folder) if debian else _first_line(text)
        if not said:
            silent = silent or file
        elif not own or own == said:
            return said
        elif debian or file.parent == folder:
            return f"{own} (its {own_file}); {said} ({file.name})"
    if own or silent is None:
        return own
    return f"{NOT_KNOWN}, see {silent.parent.name}/{silent.name}"


def _files_beside(folder: Path) -> Iterator[Path]:
    for place in (folder, folder.parent):
        yield from (place / name for name in _FILES if (place / name).is_file())


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return "" if _PACKAGED.match(line) else line[:_LONGEST]


def debian_licence(text: str, folder: Path) -> str:
    """Return what a Debian copyright file in the DEP-5 format says of a folder: short name and holders.

    The format is https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. Paragraphs on files name
    paths in the source package, of which a folder has the end at most, so ``drumkits/Kit.h2drumkit``,
    ``drumkits/Kit/*`` and ``Kit`` are the folder ``Kit``. As the format has it, the last of several
    paragraphs holds. Where none is on the folder, one is that names it without its version (``Kit`` for
    ``Kit v4``). A paragraph on all files, ``*``, holds where no other names another licence: which files
    others are on cannot be told from paths of the source package.

    Args:
        text: The file.
        folder: The folder, whose name and that of the one above it are looked for.

    Returns:
        Such as ``GPL-2+, 2006, Marcos Guglielmetti``; '' where no paragraph with a licence is on the folder.
    """
    held = [each for each in _paragraphs(text) if "files" in each]
    for name in (folder.name, _VERSION.sub("", folder.name)):
        names = (name, f"{folder.parent.name}/{name}")
        found = [each for each in held if any(_is_on(glob, names) for glob in each["files"].split())]
        if found:
            return _stated(found[-1])
    ours = [each for each in held if not all(glob.startswith("debian/") for glob in each["files"].split())]
    general = [each for each in ours if "*" in each["files"].split()]
    alone = len({_short_name(each) for each in ours}) == 1
    return _stated(general[-1]) if general and alone else ""


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph, by their names in small letters; lines of a value stay apart."""
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def _is_on(glob: str, names: Sequence[str]) -> bool:
    """Tell whether a pattern of paths names a folder, or all that is in it.

    Args:
        glob: The pattern; ``*`` stands for anything, slashes included, ``?`` for one character.
        names: The folder's name, alone and after that of the folder above it.
    """
    parts = _ARCHIVE.sub("", glob.rstrip("/")).split("/")
    for start in range(max(0, len(parts) - _DEEPEST), len(parts)):
        end = "/".join(parts[start:])
        # What is left of a pattern may hold no more than wild cards, which would be anything.
        if re.search(r"\w", end):
            # Brackets have no meaning in this format, and a backslash takes that of the next character.
            plain = re.sub(r"\\(.)|\[", lambda found: f"[{found[1] or '['}]", end)
            if any(fnmatchcase(name, plain) or fnmatchcase(f"{name}/-", plain) for name in names):
                return True
    return False


def _short_name(paragraph: dict[str, str]) -> str:
    return paragraph.get("license", "").split("\n")[0].strip()


def _stated(paragraph: dict[str, str]) -> str:
    licence = _short_name(paragraph)
    lines = _MAIL.sub("", paragraph.get("copyright", "")).split("\n")
    holders = "; ".join(line.strip(" ,") for line in lines if line.strip(" ,"))
    return ", ".join(each for each in (licence, holders) if each)[:_LONGEST] if licence else ""
