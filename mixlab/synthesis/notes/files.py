"""Which files of a library are looked at."""

from pathlib import Path

__all__ = ["audio_files", "named_folder", "why_passed_over"]

_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})

_INNER = ("audio", "samples", "mp3", "ogg", "wav", "flac")


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files directly in a folder, by name; hidden ones are left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def named_folder(folder: Path) -> Path:
    """Return the folder whose name says what is in one: of ``audio`` and the like that above it."""
    return folder.parent if folder.name.lower() in _INNER else folder


def why_passed_over(kind: str, named: int, files: int, least: int) -> str:
    """Return why a folder is no library though it has files of a kind; '' where it has none.

    Args:
        kind: What such files are.
        named: How many of them there are.
        files: How many audio files there are.
        least: How many of the kind make a library.
    """
    if not named:
        return ""
    missing = f"at least {least} {kind}" if named < least else f"more than half of the files to be {kind}"
    advice = "add notes" if named < least else "move the other files elsewhere"
    return f"expected {missing}, found {named} of {files} audio files: the folder is passed over; {advice}"
