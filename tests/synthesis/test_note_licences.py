"""Licences of note libraries: what a kit says of itself, and Debian's copyright files by their paragraphs."""

from pathlib import Path

import pytest

from mixlab.synthesis.made_here import NOT_KNOWN
from mixlab.synthesis.notes import find_libraries
from mixlab.synthesis.notes.licences import debian_licence, licence_of
from tests.synthesis.recorded import drum_kit, pitch_library

# The shape of Debian's own file on these kits.
KITS = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: kits

Files:
 drumkits/One.h2drumkit
 drumkits/Two?Words?1.0.h2drumkit
Copyright: First Maker (Fm) <first@maker.example>
# a comment
License: GPL-2+
Comment:
 License listed as "GPL".
 .
 Files: drumkits/Circle.h2drumkit

Files: drumkits/Colombo.h2drumkit
Copyright: 2006, Second Maker <second@maker.example>
  2007, Third Maker
License: GPL-2+ with composition exception
 As a special exception, if you create a composition ...
 .
 This exception does not invalidate other reasons.

Files: drumkits/Circle.h2drumkit
Copyright: Fourth Maker
License: CC-BY-SA-3.0

Files: drumkits/Plain_v.1.h2drumkit more/[Odd]\\*/*
Copyright: Fifth Maker
License: CC0

Files: debian/*
Copyright: A Packager
License: GPL-3+

License: GPL-2+
 One.h2drumkit
"""


@pytest.mark.parametrize(
    ("folder", "licence"),
    [
        ("One", "GPL-2+, First Maker (Fm)"),
        ("Two Words 1.0", "GPL-2+, First Maker (Fm)"),
        ("Colombo", "GPL-2+ with composition exception, 2006, Second Maker; 2007, Third Maker"),
        ("Circle", "CC-BY-SA-3.0, Fourth Maker"),
        ("Circle v4", "CC-BY-SA-3.0, Fourth Maker"),
        ("Plain_v.1", "CC0, Fifth Maker"),
        ("[Odd]*", "CC0, Fifth Maker"),
        ("Circles", ""),
        ("OneMore", ""),
        ("Other", ""),
        ("Odd", ""),
    ],
)
def test_the_paragraph_on_a_folder_gives_licence_and_holders(folder: str, licence: str) -> None:
    assert debian_licence(KITS, Path("/kits") / folder) == licence


@pytest.mark.parametrize(
    ("paragraphs", "licence"),
    [
        ([("*", "MIT")], "MIT, Me"),
        ([("*", "MIT"), ("debian/*", "GPL-3")], "MIT, Me"),
        # Whose licence holds for a folder of notes cannot be told.
        ([("*", "GPL-2+"), ("sf2/*", "CC-BY-SA-3.0")], ""),
        ([("*", "GPL-2+"), ("src/violin/*", "CC0")], "CC0, Me"),
        ([("violin", "CC0"), ("samples/violin/*", "MIT")], "MIT, Me"),
        ([("samples/*", "CC0"), ("*", "MIT")], "CC0, Me"),
        ([("violin", "")], ""),
        ([], ""),
    ],
)
def test_general_and_later_paragraphs(paragraphs: list[tuple[str, str]], licence: str) -> None:
    body = "".join(
        f"\nFiles: {files}\nCopyright: Me\nLicense: {short}\n text\n" for files, short in paragraphs
    )
    assert debian_licence(f"Format: x\n{body}", Path("/samples/violin")) == licence


def kit(root: Path, own: str) -> Path:
    folder = drum_kit(root, "One")
    path = folder / "drumkit.xml"
    path.write_text(path.read_text().replace("<license>CC0<", f"<license>{own}<"))
    return folder


def test_what_a_kit_says_comes_before_what_debian_says(tmp_path: Path) -> None:
    (tmp_path / "copyright").write_text(KITS)
    kit(tmp_path, " GPL\n ")
    drum_kit(tmp_path, "Other")
    held = {each.name: each.licence for each in find_libraries([tmp_path])}
    assert held == {
        "One": "GPL (its drumkit.xml); GPL-2+, First Maker (Fm) (copyright)",
        "Other": "CC0",
    }


@pytest.mark.parametrize("own", ["", "undefined license", "Unknown"])
def test_a_kit_that_says_nothing_has_what_debian_says(tmp_path: Path, own: str) -> None:
    (tmp_path / "copyright").write_text(KITS)
    kit(tmp_path, own)
    (library,) = find_libraries([tmp_path])
    assert library.licence == "GPL-2+, First Maker (Fm)"


@pytest.mark.parametrize("text", [KITS, "This package was debianized by Somebody.\n"])
def test_a_file_that_does_not_say_it_leaves_the_licence_unknown(tmp_path: Path, text: str) -> None:
    root = tmp_path / "notes"
    pitch_library(root, "flute", {"C4": 60, "D4": 62, "E4": 64})
    (root / "copyright").write_text(text)
    (library,) = find_libraries([root])
    assert library.licence == f"{NOT_KNOWN}, see notes/copyright"


def test_the_nearest_file_is_taken_and_one_of_the_folder_above_gives_way_to_the_kit(tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    folder.mkdir()
    assert licence_of(folder) == ""
    (tmp_path / "LICENSE").write_text("\n CC BY 4.0 \nmore\n")
    assert licence_of(folder) == "CC BY 4.0"
    assert licence_of(folder, "GPL", "kit.xml") == "GPL"
    (folder / "COPYING").write_text("GPL version 2\n")
    assert licence_of(folder) == "GPL version 2"
    assert licence_of(folder, "GPL", "kit.xml") == "GPL (its kit.xml); GPL version 2 (COPYING)"
    assert licence_of(folder, "GPL version 2", "kit.xml") == "GPL version 2"
