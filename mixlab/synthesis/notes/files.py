"""Which files of a library are looked at."""

from pathlib import Path

__all__ = ["audio_files"]

_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files directly in a folder, by name; hidden ones are left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
