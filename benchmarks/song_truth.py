"""How often tempo and key of demo songs are found, whose truth the composer knows.

::

    mixlab demo-corpora corpora --tagged false && mixlab index catalog --root ... && mixlab analyse catalog
    python -m benchmarks.song_truth catalog corpora
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from mixlab.audio.tempo_key import Key
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SongFacts, load_song_table
from mixlab.synthesis import medley_layout, secrets_layout, slakh_layout
from mixlab.synthesis.harmony import Frame
from mixlab.synthesis.plan import plan_songs
from mixlab.synthesis.stems import compose_plan
from mixlab.utils.tables import align

LAYOUTS = {
    "medleydb": ("medleydb", medley_layout),
    "mixing_secrets": ("mixing_secrets", secrets_layout),
    "slakh2100_flac_redux": ("slakh", slakh_layout),
}
PARENTS = {"major": "major", "mixolydian": "major", "minor": "minor", "dorian": "minor"}
MAJOR = {"major": 0, "mixolydian": 5, "minor": 3, "dorian": 10}
"""From the tonic of a mode to that of the major key with the same notes, in semitones."""
WITHIN = 0.04
COLUMNS = ("beats", "songs", "tempo", "tempo but for octaves", "key", "notes of the key", "certain keys")


def true_frames(corpora: Path) -> dict[tuple[str, str], Frame]:
    """Compose the songs of demo corpora again; return what their parts share, by corpus and song."""
    settings = json.loads((corpora / "demo.json").read_text(encoding="utf-8"))["settings"]
    frames = {}
    for plan in plan_songs(settings["songs"], settings["seed"]):
        name, layout = LAYOUTS[plan.corpus]
        tail_s = getattr(layout, "_TAIL_S", 1.0)
        frames[name, plan.id] = compose_plan(plan, settings["seconds"] - tail_s).frame
    return frames


def judge(facts: SongFacts, frame: Frame, min_confidence: float = 0.5) -> tuple[int, ...]:
    """Say 1 or 0: tempo within 4 %, also half or double, key, notes of the key; is the key certain?"""
    ratio = facts.beats.tempo_bpm / frame.tempo_bpm
    near = [abs(ratio * factor - 1.0) < WITHIN for factor in (1.0, 2.0, 0.5)]
    key = (facts.key.tonic, facts.key.mode) == (frame.key, PARENTS[frame.mode])
    notes = facts.key.scale == Key((frame.key + MAJOR[frame.mode]) % 12).scale
    return (1, near[0], any(near), key, notes, facts.key.confidence >= min_confidence)


def main(catalog: Path, corpora: Path) -> None:
    """Print the table: rows by where the beats are from."""
    table = load_song_table(Catalog.open(catalog))
    totals: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
    for song, frame in true_frames(corpora).items():
        facts = table.songs.get(song)
        if facts is not None:
            own = totals[facts.beats_origin]
            own[:] = [a + b for a, b in zip(own, judge(facts, frame), strict=True)]
    rows = [COLUMNS, *((name, *map(str, counts)) for name, counts in sorted(totals.items()))]
    print("\n".join(align(rows, set(range(1, 7)))))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
