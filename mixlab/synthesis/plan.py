"""Decide what is made: which songs, by whom, with which instruments and sounds.

A plan is plain data, sampled from the seed alone; it is known before any sound is rendered, so that a
rerun can tell what is left to do.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from mixlab.synthesis.compose import PartSpec
from mixlab.synthesis.ensembles import MEDLEYDB, MIXING_SECRETS, Ensemble, slakh_ensemble
from mixlab.synthesis.instruments import INSTRUMENTS
from mixlab.synthesis.names import artist_name, song_title
from mixlab.synthesis.synth import Room, Sound

__all__ = ["SHARES", "SPLITS", "SongPlan", "count_songs", "plan_songs", "sample_sound"]

# Of all multitrack songs: Slakh's files are the smallest, so it gets the most songs.
SHARES = {"medleydb": 0.22, "mixing_secrets": 0.24, "slakh2100_flac_redux": 0.54}
SPLITS = {"train": 0.65, "validation": 0.175, "test": 0.175}
_STREAM = {"medleydb": 1, "mixing_secrets": 2, "slakh2100_flac_redux": 3}

# RMS in dBFS where the part sounds.
_LEVELS = {
    "lead": -19, "solo": -20, "answer": -21, "counter": -23, "inner": -22, "bass": -20, "comp": -23,
    "arp": -24,
    "pad": -26, "stabs": -22, "drums": -19, "percussion": -26, "timpani": -22, "double": -22,
}  # fmt: skip


@dataclass(frozen=True)
class SongPlan:
    """Everything that determines one multitrack song.

    Attributes:
        corpus: Folder name of its corpus.
        number: Position within the corpus, from 0.
        id: Folder name of the song.
        artist: Display name.
        title: Display title.
        album: Album, or ''.
        ensemble: Style, genre and parts.
        sounds: One per part.
        room: The room of the song.
        seed: Key of the random streams that compose and mix it.
        split: The split it belongs to, if the corpus has splits; else ``test`` for the last artists,
            ``validation`` for those before and ``train`` for the others, which says nothing but what
            SoundFont plays them, if there is one of this split: a catalog divides these songs by itself.
        duplicate: The split that has the same composition in other sounds, or ''; a catalog keeps both in it.
        broken: What is done to one of its files afterwards (``truncated``, ``empty``, ``corrupt``), or ''.
        raws: Raw recordings are written too.
    """

    corpus: str
    number: int
    id: str
    artist: str
    title: str
    album: str
    ensemble: Ensemble
    sounds: tuple[Sound, ...]
    room: Room
    seed: tuple[int, ...]
    split: str
    duplicate: str = ""
    broken: str = ""
    raws: bool = False

    @property
    def held_in(self) -> str:
        """The split in which a catalog made with ``splits.csv`` has this song."""
        return self.duplicate or self.split


def count_songs(songs: int) -> dict[str, int]:
    """Share the total number of songs out over the three corpora, at least one each."""
    counts = {name: max(1, round(songs * share)) for name, share in SHARES.items()}
    counts["slakh2100_flac_redux"] = max(1, songs - counts["medleydb"] - counts["mixing_secrets"])
    return counts


def plan_songs(songs: int, seed: int) -> list[SongPlan]:
    """Return the plans of all multitrack songs, in a fixed order."""
    counts = count_songs(songs)
    return [
        *_named_songs("medleydb", MEDLEYDB, counts["medleydb"], seed),
        *_named_songs("mixing_secrets", MIXING_SECRETS, counts["mixing_secrets"], seed),
        *_slakh_songs(counts["slakh2100_flac_redux"], seed),
    ]


def sample_sound(spec: PartSpec, rng: np.random.Generator) -> Sound:
    """Sample how a part sounds: patch, level, place, room and tone."""
    instrument = INSTRUMENTS[spec.instrument]
    low = spec.role in ("bass", "drums")
    return Sound(
        program=int(rng.choice(instrument.programs)),
        drum_kit=instrument.drum_kit,
        level_db=round(_LEVELS[spec.role] + float(rng.normal(0, 1.5)), 2),
        pan=0.0 if low or spec.role == "lead" else round(float(rng.uniform(-0.7, 0.7)), 2),
        wet_db=round(float(rng.uniform(-30, -22) if low else rng.uniform(-22, -12)), 2),
        tilt_db=round(float(rng.uniform(-5, 4)), 2),
        drive=round(float(rng.uniform(0.3, 1.0)), 2) if instrument.id == "distorted electric guitar" else 0.0,
    )


def _split_of(number: int, count: int) -> str:
    """Return the split of song ``number`` of ``count``, in blocks: train, validation, test."""
    held = max(1, round(count * SPLITS["test"])) if count >= 3 else 0
    if number >= count - held:
        return "test"
    return "validation" if number >= count - 2 * held else "train"


def _camel(name: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", name))


def _named_songs(corpus: str, ensembles: tuple[Ensemble, ...], count: int, seed: int) -> list[SongPlan]:
    """Plan a corpus in MedleyDB's format; every fourth song is by an artist who has one already."""
    plans = []
    artists = [k - 3 if k % 4 == 3 else k for k in range(count)]
    # Of two songs by one artist, the later decides for both.
    splits = {artist: _split_of(k, count) for k, artist in enumerate(artists)}
    for k in range(count):
        ensemble = ensembles[k % len(ensembles)]
        rng = np.random.default_rng([seed, _STREAM[corpus], k])
        artist = artist_name(seed, _STREAM[corpus], artists[k])
        title = song_title(seed, _STREAM[corpus], k)
        broken = {("medleydb", 1): "truncated", ("mixing_secrets", 2): "empty"}.get((corpus, k), "")
        plans.append(
            SongPlan(
                corpus=corpus,
                number=k,
                id=f"{_camel(artist)}_{_camel(title)}",
                artist=artist,
                title=title,
                album=song_title(seed, 10 + _STREAM[corpus], artists[k])
                if artists.count(artists[k]) > 1
                else "",
                ensemble=ensemble,
                sounds=tuple(sample_sound(part, rng) for part in ensemble.parts),
                room=Room(round(float(rng.uniform(0.25, 1.1)), 2), int(rng.integers(2**31))),
                seed=(seed, _STREAM[corpus], k, 1),
                split=splits[artists[k]],
                broken=broken if count >= 3 else "",
                raws=(corpus, k) in (("medleydb", 1), ("mixing_secrets", 2)),
            )
        )
    return plans


def _slakh_songs(count: int, seed: int) -> list[SongPlan]:
    """Plan Slakh's songs; the first song of validation is the last one of train with other patches."""
    plans: list[SongPlan] = []
    numbers = {"train": 0, "validation": 1500, "test": 1900}
    for k in range(count):
        split = _split_of(k, count)
        # Numbers have gaps, as in the redux version, which left duplicates out.
        numbers[split] += 2 if k % 4 == 3 else 1
        duplicate = plans[-1] if plans and split == "validation" and plans[-1].split == "train" else None
        if duplicate:
            plans[-1] = replace(duplicate, duplicate=split)
        ensemble = duplicate.ensemble if duplicate else slakh_ensemble(k)
        rng = np.random.default_rng([seed, _STREAM["slakh2100_flac_redux"], k])
        plans.append(
            SongPlan(
                corpus="slakh2100_flac_redux",
                number=k,
                id=f"Track{numbers[split]:05d}",
                artist="",
                title="",
                album="",
                ensemble=ensemble,
                sounds=tuple(sample_sound(part, rng) for part in ensemble.parts),
                room=Room(round(float(rng.uniform(0.2, 0.7)), 2), int(rng.integers(2**31))),
                seed=duplicate.seed if duplicate else (seed, _STREAM["slakh2100_flac_redux"], k, 1),
                split=split,
                broken="corrupt" if k == 3 and count > 4 else "",
            )
        )
    return plans
