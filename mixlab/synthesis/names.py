"""Invented names: no artist or song here exists in the real corpora."""

import numpy as np

__all__ = ["artist_name", "song_title"]

_FIRST = (
    "Copper", "Velvet", "Northern", "Paper", "Silent", "Amber", "Distant", "Broken", "Crooked", "Marble",
    "Hollow", "Golden", "Wandering", "Electric", "Lunar", "Rusty", "Gentle", "Midnight", "Polar", "Scarlet",
)  # fmt: skip
_SECOND = (
    "Lanterns", "Orchard", "Pilots", "Harbour", "Foxes", "Quartet", "Machines", "Sparrows", "Cartographers",
    "Tide", "Parade", "Meadow", "Engines", "Archers", "Willows", "Compass", "Kettles", "Satellites", "Bridge",
    "Company",
)  # fmt: skip
_VERB = (
    "Waiting For", "Leaving", "Under", "Beyond", "Counting", "Chasing", "Building", "Losing", "Crossing",
    "Painting", "Borrowed", "Almost", "Seven", "Slow", "Little", "Burning", "Folded", "Hidden", "Early",
    "Other",
)  # fmt: skip
_NOUN = (
    "Rivers", "Windows", "Winter", "Trains", "Gardens", "Stairs", "Weather", "Mirrors", "Letters",
    "Mountains",
    "Shadows", "Voices", "Islands", "Signals", "Horses", "Ceilings", "Oceans", "Numbers", "Streets",
    "Engravings",
)  # fmt: skip


def _pair(first: tuple[str, ...], second: tuple[str, ...], key: list[int], index: int) -> str:
    """Return pair ``index`` of a shuffled list of all pairs, so that no two indices share one."""
    order = np.random.default_rng(key).permutation(len(first) * len(second))
    place = int(order[index % len(order)])
    # Beyond the last pair names repeat, with a number.
    again = f" {index // len(order) + 1}" if index >= len(order) else ""
    return f"{first[place // len(second)]} {second[place % len(second)]}{again}"


def artist_name(seed: int, corpus: int, index: int) -> str:
    """Return the name of artist ``index`` of a corpus; corpora share none."""
    return _pair(_FIRST, _SECOND, [seed, 101], 2 * index + corpus % 2)


def song_title(seed: int, corpus: int, index: int) -> str:
    """Return the title of song ``index`` of a corpus."""
    return _pair(_VERB, _NOUN, [seed, 102, corpus], index)
