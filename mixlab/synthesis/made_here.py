"""Tell whether a corpus was made by mixlab, and whose sound is in it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["NOT_KNOWN", "MadeHere", "made_here"]

NOT_KNOWN = "licence not known"
"""How the text in place of a licence begins that says where to look for it."""

_KNOWN_SOUNDFONTS = {"TimGM6mb.sf2": "GPL-2.0, by Tim Brechbill"}


@dataclass(frozen=True)
class MadeHere:
    """What a record of mixlab says of songs that it made.

    Attributes:
        command: Which command made them.
        sounds: What played them, with its licence; where that is not known ``NOT_KNOWN`` and what
            to see, or ''.
        fault: Why the record cannot be used, or ''.
    """

    command: str
    sounds: tuple[tuple[str, str], ...] = ()
    fault: str = ""


def made_here(root: Path) -> MadeHere | None:
    """Return what made the songs below the root of a corpus; None where no record of mixlab says it did.

    Args:
        root: Root of a corpus, in a folder that ``mixlab compose`` or ``mixlab demo-corpora`` wrote.
    """
    composed, demo = root.parent / "composed.json", root.parent / "demo.json"
    if root.name == "songs" and composed.is_file():
        return _read(composed, "mixlab compose", _composed_sounds)
    if demo.is_file():
        return _read(demo, "mixlab demo-corpora", _demo_sounds)
    return None


def _read(record: Path, command: str, sounds: Any) -> MadeHere:  # noqa: ANN401 - one of the functions below
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return MadeHere(command, tuple(sorted(set(sounds(content["settings"])))))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return MadeHere(command, fault=f"{record.name} cannot be read ({type(error).__name__})")


def _composed_sounds(settings: dict[str, Any]) -> list[tuple[str, str]]:
    libraries = [
        (f"{each['name']} ({each['layout']})", _licence(str(each["licence"])))
        for each in settings["libraries"]
        if each["instruments"]
    ]
    return libraries + _soundfonts(settings["soundfonts"])


def _licence(recorded: str) -> str:
    # The first line of a Debian copyright file, which is no licence, is what earlier records have.
    return f"{NOT_KNOWN}, see the file copyright beside it" if recorded.startswith("Format:") else recorded


def _demo_sounds(settings: dict[str, Any]) -> list[tuple[str, str]]:
    given = settings["soundfonts"].values()
    return _soundfonts([font for fonts in given for font in (fonts if isinstance(fonts, list) else [fonts])])


def _soundfonts(fonts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(f"{font['file']} (SoundFont)", _KNOWN_SOUNDFONTS.get(str(font["file"]), "")) for font in fonts]
