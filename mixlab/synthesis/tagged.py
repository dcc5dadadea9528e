"""Plan the small tagged corpora: MTG-Jamendo for pretraining, IRMAS and OpenMIC for evaluation."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mixlab.synthesis.compose import PartSpec
from mixlab.synthesis.ensembles import MEDLEYDB, MIXING_SECRETS, Ensemble, line_up, slakh_ensemble
from mixlab.synthesis.instruments import INSTRUMENTS
from mixlab.synthesis.names import artist_name, song_title
from mixlab.synthesis.plan import sample_sound
from mixlab.synthesis.synth import Room, Sound

__all__ = ["IRMAS_CODES", "OPENMIC_CLASSES", "Clip", "plan_irmas", "plan_tagged"]

IRMAS_CODES = ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi")
OPENMIC_CLASSES = (
    "accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar",
    "mallet_percussion",
    "mandolin", "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet", "ukulele", "violin",
    "voice",
)  # fmt: skip
IRMAS_SECONDS = 3.0
OPENMIC_SECONDS = 10.0
_JAMENDO, _IRMAS, _IRMAS_TEST, _OPENMIC = 11, 12, 13, 14

# Tags of a style, all of them among MTG-Jamendo's 50 most frequent.
_TAGS = {
    "rock": ("genre---rock", "mood/theme---energetic"),
    "pop": ("genre---pop", "genre---poprock", "mood/theme---happy"),
    "ballad": ("genre---pop", "mood/theme---emotional"),
    "folk": ("genre---folk", "genre---popfolk"),
    "jazz": ("genre---jazz", "genre---lounge"),
    "funk": ("genre---funk",),
    "latin": ("genre---world", "mood/theme---happy"),
    "dance": ("genre---electronic", "genre---dance", "mood/theme---energetic"),
    "hiphop": ("genre---hiphop", "genre---downtempo"),
    "classical": ("genre---classical", "mood/theme---relaxing"),
    "orchestral": ("genre---orchestral", "genre---soundtrack", "mood/theme---film"),
}
# The lead of each IRMAS class, its styles, and who accompanies.
_IRMAS_LEADS = {
    "cel": ("cello", ("classical", "ballad"), ("piano/comp",)),
    "cla": ("clarinet", ("jazz", "classical"), ("piano/comp", "upright bass/bass")),
    "flu": ("flute", ("classical", "folk"), ("acoustic guitar/arp",)),
    "gac": ("acoustic guitar", ("folk", "ballad"), ("upright bass/bass",)),
    "gel": ("distorted electric guitar", ("rock", "jazz"), ("electric bass/bass", "drum set/drums")),
    "org": ("electronic organ", ("jazz", "rock"), ("electric bass/bass", "drum set/drums")),
    "pia": ("piano", ("classical", "jazz"), ("upright bass/bass",)),
    "sax": ("tenor saxophone", ("jazz", "pop"), ("piano/comp", "upright bass/bass", "drum set/drums")),
    "tru": ("trumpet", ("jazz", "latin"), ("piano/comp", "upright bass/bass", "drum set/drums")),
    "vio": ("violin", ("classical", "folk"), ("piano/comp",)),
    "voi": (
        "female singer",
        ("pop", "folk"),
        ("acoustic guitar/comp", "electric bass/bass", "drum set/drums"),
    ),
}
_IRMAS_GENRES = {"classical": "cla", "jazz": "jaz_blu", "folk": "cou_fol", "latin": "lat_sou"}
_IRMAS_PARTS = ("IRMAS-TestingData-Part1/Part1", "IRMAS-TestingData-Part2/IRTestingData-Part2",
                "IRMAS-TestingData-Part3/Part3")  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One file of a tagged corpus.

    Attributes:
        target: Path relative to the output folder.
        corpus: Folder name of its corpus.
        key: The corpus's own id of the clip (track number, sample key).
        split: ``train``, ``validation`` or ``test``.
        group: Number of the artist, or of the recording, it is from.
        labels: Tags, class codes or classes.
        ensemble: Style and parts.
        sounds: One per part.
        room: The room.
        seed: Key of the random stream that composes it.
        seconds: Length of the composition.
        excerpt: 0 for all of it, else the number of the excerpt (the first is where the lead plays most).
    """

    target: str
    corpus: str
    key: str
    split: str
    group: int
    labels: tuple[str, ...]
    ensemble: Ensemble
    sounds: tuple[Sound, ...]
    room: Room
    seed: tuple[int, ...]
    seconds: float
    excerpt: int = 0


def plan_tagged(songs: int, seconds: float, seed: int) -> list[Clip]:
    """Return all clips of the three tagged corpora; their number grows with ``songs``."""
    return [
        *_jamendo(max(3, songs // 3), seconds, seed),
        *plan_irmas(max(1, songs // 24), max(3, songs // 4), seed),
        *_openmic(max(3, songs // 3), seed),
    ]


def plan_irmas(recordings: int, tests: int, seed: int) -> list[Clip]:
    """Return the clips of an IRMAS tree: so many training recordings of each class, and test recordings."""
    return [*_irmas_train(recordings, seed), *_irmas_test(tests, seed)]


def _sounds(ensemble: Ensemble, rng: np.random.Generator) -> tuple[tuple[Sound, ...], Room]:
    sounds = tuple(sample_sound(part, rng) for part in ensemble.parts)
    return sounds, Room(round(float(rng.uniform(0.2, 0.9)), 2), int(rng.integers(2**31)))


def _mixed_ensemble(k: int) -> Ensemble:
    """Return line-up ``k`` of a walk through those of all corpora, so that every instrument has its turn."""
    table = (MEDLEYDB, MIXING_SECRETS)
    return slakh_ensemble(k // 3) if k % 3 == 2 else table[k % 3][(k // 3) % len(table[k % 3])]


def _split_by_group(group: int, cycle: tuple[str, ...]) -> str:
    return cycle[group % len(cycle)]


def _jamendo(count: int, seconds: float, seed: int) -> list[Clip]:
    rng = np.random.default_rng([seed, _JAMENDO])
    numbers = np.sort(rng.choice(np.arange(200, 1_400_000), size=count, replace=False))
    clips = []
    for k, number in enumerate(numbers):
        ensemble = _mixed_ensemble(k)
        # Every fourth track is the second one of its artist.
        artist = k - 1 if k % 4 == 3 else k
        tags = {
            f"instrument---{tag}" for part in ensemble.parts for tag in INSTRUMENTS[part.instrument].jamendo
        } | set(_TAGS[ensemble.style])
        sounds, room = _sounds(ensemble, np.random.default_rng([seed, _JAMENDO, k]))
        path = f"{number % 100:02d}/{number}.mp3"
        clips.append(
            Clip(
                target=f"mtg-jamendo/raw_30s/audio/{path}",
                corpus="mtg-jamendo",
                key=str(number),
                split=_split_by_group(artist, ("train", "test", "validation", "train", "train")),
                group=artist,
                labels=tuple(sorted(tags)),
                ensemble=ensemble,
                sounds=sounds,
                room=room,
                seed=(seed, _JAMENDO, k, 1),
                seconds=seconds,
            )
        )
    return clips


def _irmas_ensemble(code: str, turn: int) -> Ensemble:
    lead, styles, others = _IRMAS_LEADS[code]
    style = styles[turn % len(styles)]
    parts = [PartSpec(lead, "lead"), *line_up(*others)]
    return Ensemble(style, style, tuple(parts))


def _irmas_train(recordings: int, seed: int) -> list[Clip]:
    clips = []
    for c, code in enumerate(IRMAS_CODES):
        for turn in range(recordings):
            ensemble = _irmas_ensemble(code, turn)
            sounds, room = _sounds(ensemble, np.random.default_rng([seed, _IRMAS, c, turn]))
            # The class is what dominates: its accompaniment stays 8 dB down.
            sounds = (sounds[0], *(replace(sound, level_db=sound.level_db - 8) for sound in sounds[1:]))
            number = 1 + c * 200 + turn
            drums = "dru" if any(part.role == "drums" for part in ensemble.parts) else "nod"
            genre = _IRMAS_GENRES.get(ensemble.style, "pop_roc")
            for excerpt in (1, 2):
                name = f"[{code}][{genre}]{number:04d}__{excerpt}.wav"
                if turn % 2:
                    name = f"{number % 260:03d}__[{code}][{drums}][{genre}]{number:04d}__{excerpt}.wav"
                clips.append(
                    Clip(
                        target=f"irmas/IRMAS-TrainingData/{code}/{name}",
                        corpus="irmas",
                        key=name,
                        split="train",
                        group=number,
                        labels=(code,),
                        ensemble=ensemble,
                        sounds=sounds,
                        room=room,
                        seed=(seed, _IRMAS, c, turn, 1),
                        seconds=9.0,
                        excerpt=excerpt,
                    )
                )
    return clips


def _irmas_test(count: int, seed: int) -> list[Clip]:
    clips = []
    for k in range(count):
        rng = np.random.default_rng([seed, _IRMAS_TEST, k])
        ensemble = _irmas_ensemble(IRMAS_CODES[k % len(IRMAS_CODES)], k // len(IRMAS_CODES) + 1)
        if k % 2:  # a second predominant instrument
            guest = _IRMAS_LEADS[IRMAS_CODES[(k + 4) % len(IRMAS_CODES)]][0]
            ensemble = replace(ensemble, parts=(*ensemble.parts, PartSpec(guest, "answer")))
        sounds, room = _sounds(ensemble, rng)
        sounds = tuple(
            sound if part.role in ("lead", "answer") else replace(sound, level_db=sound.level_db - 8)
            for sound, part in zip(sounds, ensemble.parts, strict=True)
        )
        codes = {
            INSTRUMENTS[part.instrument].irmas for part in ensemble.parts if part.role in ("lead", "answer")
        }
        name = f"{k + 1:02d} {song_title(seed, _IRMAS_TEST, k)}-{k % 20 + 1}"
        clips.append(
            Clip(
                target=f"irmas/{_IRMAS_PARTS[k % 3]}/{name}.wav",
                corpus="irmas",
                key=name,
                split="test",
                group=k,
                labels=tuple(sorted(codes)),
                ensemble=ensemble,
                sounds=sounds,
                room=room,
                seed=(seed, _IRMAS_TEST, k, 1),
                seconds=6.0,
            )
        )
    return clips


def _openmic(count: int, seed: int) -> list[Clip]:
    rng = np.random.default_rng([seed, _OPENMIC])
    tracks = np.sort(rng.choice(np.arange(46, 156_000), size=count, replace=False))
    clips = []
    for k, track in enumerate(tracks):
        ensemble = _mixed_ensemble(k + 7)
        sounds, room = _sounds(ensemble, np.random.default_rng([seed, _OPENMIC, k]))
        key = f"{track:06d}_{3840 * int(rng.integers(1, 60))}"
        present = _present(ensemble.parts)
        clips.append(
            Clip(
                target=f"openmic-2018/audio/{key[:3]}/{key}.ogg",
                corpus="openmic-2018",
                key=key,
                split=_split_by_group(k, ("train", "train", "test", "train")),
                group=k,
                labels=tuple(sorted(present)),
                ensemble=ensemble,
                sounds=sounds,
                room=room,
                seed=(seed, _OPENMIC, k, 1),
                seconds=OPENMIC_SECONDS,
            )
        )
    return clips


def _present(parts: Iterable[PartSpec]) -> set[str]:
    return {INSTRUMENTS[part.instrument].openmic for part in parts} - {""}


def openmic_artist(seed: int, clip: Clip) -> str:
    """Return the invented artist of an OpenMIC clip."""
    return artist_name(seed, _OPENMIC, 40 + clip.group)
