"""The gallery's mixes: a few songs that are composed for it, and of each kind of mix a page with its player.

They are made anew with every build, in some seconds, so that nothing large lies in the repository and what is
shown is what this version makes. ``docs/gallery.md`` names the pages and pictures.
"""

import struct
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from app.data.mixes import Location, find_location, get_mix, get_page
from app.links import PAPER, Item
from mixlab.catalog import build_catalog
from mixlab.mixing.preview import mel_image
from mixlab.synthesis import make_demo_corpora
from mixlab.synthesis.starter import STARTER_SECONDS, STARTER_SONGS, starter_splits

__all__ = ["SHOWN", "Shown", "make_gallery"]

# Viridis at equal distances; between them colours are mixed.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_PIXELS = 2
# Of so many items one is shown, with so many sources if there is one.
_FIRST, _SOURCES = 16, 3


@dataclass(frozen=True)
class Shown:
    """A kind of mix that the gallery shows.

    Attributes:
        name: Of its files.
        kind: As the explorer's pages name it.
        presets: Of its effects: the same sources are shown with each of them.
    """

    name: str
    kind: str
    presets: tuple[str, ...] = (PAPER,)

    def names(self) -> dict[str, str]:
        """Return the presets by the names of their files: the first one is called as the kind is."""
        return {preset if number else self.name: preset for number, preset in enumerate(self.presets)}


SHOWN = (
    Shown("musical", "musical"),
    Shown("non-musical", "non-musical", (PAPER, "studio", "wild")),
)


def make_gallery(folder: Path) -> list[Path]:
    """Write the pages and pictures of ``SHOWN`` into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with TemporaryDirectory() as work:
        place = find_location(str(_catalog(Path(work))))
        assert place is not None
        for shown in SHOWN:
            fullest = _fullest(place, shown)
            for name, preset in shown.names().items():
                item = replace(fullest, preset=preset)
                page, picture = folder / f"{name}.html", folder / f"{name}.png"
                page.write_text(get_page(place, item), encoding="utf-8")
                mix = get_mix(place, item)
                picture.write_bytes(_png(mel_image(mix.mixture, mix.recipe.render.sample_rate)))
                written += [page, picture]
    return written


def _fullest(place: Location, shown: Shown) -> Item:
    """Return the item, among the first ones, whose sources sound longest: songs so short pause often."""
    items = [Item(0.5, 0, i, "train", shown.kind, preset=shown.presets[0]) for i in range(_FIRST)]

    def sounding(item: Item) -> tuple[bool, float]:
        sources = get_mix(place, item).sources
        return len(sources) >= _SOURCES, min(float(source.active.mean()) for source in sources)

    return max(items, key=sounding)


def _catalog(work: Path) -> Path:
    made = make_demo_corpora(
        work / "corpora", songs=STARTER_SONGS, seconds=STARTER_SECONDS, workers=1, tagged=False
    )
    splits = work / "splits.csv"
    splits.write_text(starter_splits(), encoding="utf-8")
    build_catalog(work / "catalog", made.roots, splits=splits, workers=1, progress=False)
    return work / "catalog"


def _png(levels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of levels ``(bands, frames)``, the lowest band at the bottom, in colours."""
    rows = np.repeat(np.repeat(levels[::-1], _PIXELS, axis=0), _PIXELS, axis=1)
    places = np.linspace(0, len(_COLOURS) - 1, 256)
    palette = np.stack(
        [np.interp(places, range(len(_COLOURS)), part) for part in zip(*_COLOURS, strict=True)], 1
    )
    lines = np.pad(rows, ((0, 0), (1, 0)))  # each row begins with its filter: none
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 8, 3, 0, 0, 0)
    parts = {
        b"IHDR": head,
        b"PLTE": np.rint(palette).astype(np.uint8).tobytes(),
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(name, data) for name, data in parts.items())


def _part(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


if __name__ == "__main__":
    for made in make_gallery(Path(sys.argv[1])):
        print(made)
