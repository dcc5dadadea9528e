"""What a file is that does not open as audio, and what to do with it."""

from shlex import quote

__all__ = ["READS", "describe_kind"]

READS = "WAV, FLAC, Ogg, Opus, MP3, AIFF and others that libsndfile knows"
"""What is read, in words."""

_CHOOSE = "Choose an audio file."
_CONVERT = "Convert it first, as with: ffmpeg -i {old} {new}"
_UNPACK = "Unpack it and choose one audio file."

# By how such files begin: (offset, bytes, what it is, what to do).
_KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"ftyp", "an MP4, M4A or MOV file", _CONVERT),
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska file", _CONVERT),
    (0, b"\x30\x26\xb2\x75", "a WMA or WMV file", _CONVERT),
    (0, b"\xff\xf1", "an AAC file", _CONVERT),
    (0, b"\xff\xf9", "an AAC file", _CONVERT),
    (0, b"ADIF", "an AAC file", _CONVERT),
    (0, b"wvpk", "a WavPack file", _CONVERT),
    (0, b"MAC ", "a Monkey's Audio file", _CONVERT),
    (0, b"TTA", "a True Audio file", _CONVERT),
    (0, b"MPCK", "a Musepack file", _CONVERT),
    (0, b"MP+", "a Musepack file", _CONVERT),
    (0, b"DSD ", "a DSD file", _CONVERT),
    (0, b"FRM8", "a DSD file", _CONVERT),
    (0, b"#!AMR", "an AMR file", _CONVERT),
    (0, b"\x0b\x77", "an AC-3 file", _CONVERT),
    (8, b"AVI ", "an AVI file", _CONVERT),
    (0, b"MThd", "a MIDI file, which holds notes and no sound", "Render it with a synthesizer first."),
    (0, b"%PDF", "a PDF document", _CHOOSE),
    (0, b"\x89PNG", "a picture (PNG)", _CHOOSE),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", _CHOOSE),
    (0, b"GIF8", "a picture (GIF)", _CHOOSE),
    (0, b"PK\x03\x04", "a ZIP archive or an office document", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
    (0, b"\x1f\x8b", "a compressed file (gzip)", _UNPACK),
    (0, b"\x00\x05\x16\x07", "what macOS keeps of a file besides its contents", "Choose the file itself."),
    (0, b"version https://git-lfs", "a Git LFS pointer", "Fetch the file itself, as with 'git lfs pull'."),
    (0, b"/annex/objects", "a git-annex pointer", "Fetch the file itself, as with 'datalad get'."),
)


def describe_kind(head: bytes, name: str) -> tuple[str, str] | None:
    """Say what a file is by its first bytes, and what to do; None where nothing is known of it.

    Args:
        head: At least its first 32 bytes.
        name: Its name, for the advice.
    """
    for offset, start, what, advice in _KINDS:
        if head[offset : offset + len(start)] == start:
            stem, _, ending = name.rpartition(".")
            new = f"{stem or name}.{'wav' if ending.lower() == 'flac' else 'flac'}"
            return what, advice.format(old=quote(name), new=quote(new))
    return None
