"""Users' own sounds that effects take: a recipe names folder, file and content, and is refused another one.

Where the folder of a recipe does not exist, as on another machine, the folders that the environment variable
``MIXLAB_SOUNDS`` lists are looked in.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np

from mixlab.audio.file_kinds import READ_SUFFIXES
from mixlab.audio.io import AudioInfo, FloatArray, probe, read_span, resample, to_channels
from mixlab.errors import ConfigError
from mixlab.utils.entries import is_path
from mixlab.utils.hashing import digest, file_digest
from mixlab.utils.random import Stream

__all__ = ["SoundFile", "find_sound", "hash_sounds", "read_looped", "read_sound", "sample_sound"]

_VARIABLE = "MIXLAB_SOUNDS"

_PART = 1 << 16
"""Bytes of each of the parts of a file that are looked at to tell a folder from another one."""


@dataclass(frozen=True)
class SoundFile:
    """A sound as a recipe names it.

    Attributes:
        folder: As it was set.
        file: Name within the folder, with ``/`` between its parts.
        content: First 16 digits of the file's SHA-256.
        duration_s: Its length, where it was sampled.
    """

    folder: str
    file: str
    content: str
    duration_s: float = 0.0


def sample_sound(rng: Stream, folder: str, effect: str) -> SoundFile:
    """Sample one of the sounds in a folder and those within it, each as likely.

    Raises:
        ConfigError: no folder was set, it does not exist, or it holds no audio.
    """
    if not folder:
        raise ConfigError(
            f"The effect {effect!r} needs a folder of sounds: {{effect: {effect}, folder: FOLDER}}.",
            code="missing-setting",
        )
    places = _places(folder)
    names = _list_sounds(places)
    if not names:
        raise ConfigError(
            f"The effect {effect!r} found no audio ({', '.join(READ_SUFFIXES[:5])}, ...) in {folder}: looked "
            f"in {', '.join(str(place) for place in places)}.",
            code="sounds-not-found",
        )
    name = rng.choice(names)
    path = _first_of(places, name)
    content = _content(path)
    info = _about(path, content)
    return SoundFile(folder, name, content, info.frames / info.sample_rate)


@lru_cache(maxsize=64)
def _list_sounds(places: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the names of all sounds in the first place that has any, in the order of their names."""
    for place in places:
        files = (path for path in place.rglob("*") if path.suffix.lower() in READ_SUFFIXES)
        names = sorted(path.relative_to(place).as_posix() for path in files if path.is_file())
        if names:
            return tuple(names)
    return ()


def hash_sounds(folder: str) -> str:
    """Return a short hash of the sounds in a folder and those within it, wherever the folder lies.

    It changes with the name and the size of any file, and with what stands at its beginning, in its middle
    and at its end: folders may be too large to be read as a whole. It is that of the folder as this process
    first found it, which is also what it samples from.
    """
    return _hash_sounds(_places(folder))


@lru_cache(maxsize=64)
def _hash_sounds(places: tuple[Path, ...]) -> str:
    names = _list_sounds(places)
    return digest([[name, *_glance(_first_of(places, name))] for name in names])


def _glance(path: Path) -> tuple[int, str]:
    """Return the size of a file, and a hash of three parts of it."""
    size, found = path.stat().st_size, sha256()
    with path.open("rb") as file:
        for place in sorted({0, max((size - _PART) // 2, 0), max(size - _PART, 0)}):
            file.seek(place)
            found.update(file.read(_PART))
    return size, found.hexdigest()[:16]


def _places(folder: str) -> tuple[Path, ...]:
    """Return where a folder may be: as it was set, or in those of the environment, with its name or not."""
    own = Path(folder)
    with suppress(RuntimeError):  # "~name", where nobody has that name
        own = own.expanduser()
    others = [Path(entry) for entry in os.environ.get(_VARIABLE, "").split(os.pathsep) if entry]
    return own, *(place for other in others for place in (other / own.name, other))


def _first_of(places: Sequence[Path], name: str) -> Path:
    return next(path for place in places if (path := place / name).is_file())


def find_sound(sound: SoundFile) -> Path:
    """Return the file of a recipe's sound.

    Raises:
        ConfigError: it is nowhere, what is there is another sound, or it is no name within a folder.
    """
    name = PurePosixPath(sound.file)
    inside = is_path(sound.file) and not name.is_absolute() and ".." not in name.parts
    if not inside or name.suffix.lower() not in READ_SUFFIXES or not is_path(sound.folder):
        raise ConfigError(
            f"The recipe's sound {sound.file!r} in {sound.folder!r} is no audio file within a folder, so "
            "nothing is read. Sample the recipe again.",
            code="sounds-not-found",
        )
    found = [path for place in _places(sound.folder) if (path := place / sound.file).is_file()]
    for path in found:
        if _content(path) == sound.content:
            return path
    if found:
        raise ConfigError(
            f"The recipe was sampled with a sound {sound.file} whose SHA-256 begins with {sound.content}; "
            f"{found[0]} is another one ({_content(found[0])}), so the mix would differ. Restore the file, "
            "or sample again.",
            code="sound-changed",
        )
    raise ConfigError(
        f"The recipe's sound {sound.file} is not in {sound.folder}. Restore it, or name the folder that "
        f"holds it in the environment variable {_VARIABLE}.",
        code="sounds-not-found",
    )


def _content(path: Path) -> str:
    about = path.stat()
    return _digest(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4096)
def _digest(path: Path, modified_ns: int, size: int) -> str:
    return file_digest(path)[:16]


def read_sound(sound: SoundFile, channels: int, sample_rate: int) -> FloatArray:
    """Return all of a sound, float32 ``(1 or channels, samples)``: mono stays mono.

    Raises:
        ConfigError: see ``find_sound``.
        AudioError: it is damaged.
    """
    return _decoded(find_sound(sound), sound.content, channels, sample_rate)


@lru_cache(maxsize=32)
def _decoded(path: Path, content: str, channels: int, sample_rate: int) -> FloatArray:
    info = probe(path)
    audio = resample(read_span(path, 0, info.frames), info.sample_rate, sample_rate)
    audio = audio if len(audio) == 1 else to_channels(audio, channels)
    audio.flags.writeable = False
    return audio


@lru_cache(maxsize=4096)
def _about(path: Path, content: str) -> AudioInfo:
    """Return what a file's header says, read once for each content."""
    return probe(path)


def read_looped(sound: SoundFile, start_s: float, shape: tuple[int, ...], sample_rate: int) -> FloatArray:
    """Return a stretch of a sound, float32 ``(channels, samples)``; after its end it begins again.

    Raises:
        ConfigError: see ``find_sound``.
        AudioError: it is damaged.
    """
    path = find_sound(sound)
    info, (channels, samples) = _about(path, sound.content), shape
    needed = int(np.ceil(samples * info.sample_rate / sample_rate)) + 1
    parts, start = list[FloatArray](), round(start_s * info.sample_rate) % info.frames
    while needed > 0:
        part = read_span(path, start, min(needed, info.frames - start))
        parts.append(part)
        needed, start = needed - part.shape[1], 0
    audio = resample(np.concatenate(parts, axis=1), info.sample_rate, sample_rate)
    return to_channels(audio, channels)[:, :samples]
