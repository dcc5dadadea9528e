"""What a file's name says before it is opened: audio that is read, audio that is not, or litter.

Knows names only. Whether a file holds what its name promises is found when it is measured.
"""

import unicodedata
from pathlib import PurePath

__all__ = [
    "LOSSLESS_SUFFIXES",
    "READ_SUFFIXES",
    "form",
    "is_litter",
    "is_lossless",
    "is_read",
    "why_not_read",
]

LOSSLESS_SUFFIXES = (
    ".wav",
    ".flac",
    ".aiff",
    ".aif",
    ".aifc",
    ".w64",
    ".rf64",
    ".wave",
    ".bwf",
    ".caf",
    ".au",
    ".snd",
)
"""Endings under which a copy of a file holds the same samples, the likelier ones first."""

_LOSSY_SUFFIXES = (".mp3", ".ogg", ".oga", ".opus", ".mp2", ".mp1", ".mpga")
_RARE_SUFFIXES = (".voc", ".sph", ".nist", ".sf", ".ircam", ".8svx", ".svx", ".paf", ".avr", ".pvf", ".sds")

READ_SUFFIXES = (*LOSSLESS_SUFFIXES, *_LOSSY_SUFFIXES, *_RARE_SUFFIXES)
"""Endings of what libsndfile reads, in lower case."""

_UNREAD = """
.m4a .m4b .m4p .m4r .mp4 .m4v .mov .mkv .mka .webm .weba .aac .adts .wma .alac .ape .wv .tta .tak
.ofr .shn .mpc .mpp .mp+ .ac3 .eac3 .ec3 .dts .thd .mlp .amr .awb .3gp .3g2 .ra .rm .spx .dsf .dff
.mogg .qcp .gsm .vox .aa .aax .sd2 .dss
"""
_UNREAD_SUFFIXES = frozenset(_UNREAD.split())
_HEADERLESS_SUFFIXES = frozenset({".raw", ".pcm", ".s16le", ".f32le"})
_ARCHIVE_SUFFIXES = frozenset({".zip", ".7z", ".rar", ".tar", ".tgz", ".tbz2", ".txz"})
_PACKED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".zst"})
# A download that has not ended, a file that lies in a cloud, a pointer of a version control for data.
_ELSEWHERE_SUFFIXES = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".aria2", ".!qb", ".icloud", ".dvc"}
)

# What systems put beside people's files: macOS, Windows, Synology and QNAP servers, file systems.
_LITTER = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "#recycle",
        "#snapshot",
        "lost+found",
        "icon\r",
    }
)
_LITTER_ENDINGS = ("@synoresource", "@synoeastream")


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this name is no one's: hidden, or left by a system.

    macOS writes a ``._song.wav`` for every ``song.wav`` that it copies to a foreign disk, Synology
    servers a folder ``@eaDir``.
    """
    plain = name.casefold()
    hidden = name.startswith(".") and not plain.endswith(".icloud")
    return hidden or plain in _LITTER or plain.endswith(_LITTER_ENDINGS)


def suffix(name: str) -> str:
    """Return the ending of a file name in lower case, with its dot."""
    return PurePath(name).suffix.lower()


def is_read(name: str) -> bool:
    """Return whether a file of this name is audio that mixlab reads."""
    return suffix(name) in READ_SUFFIXES


def is_lossless(name: str) -> bool:
    """Return whether a file of this name may be an equal copy of another without loss."""
    return suffix(name) in LOSSLESS_SUFFIXES


def why_not_read(name: str) -> str:
    """Return why a file whose name says audio is not read, and what to do; '' for any other file."""
    ending = suffix(name)
    if ending in _UNREAD_SUFFIXES:
        return f"mixlab cannot read {ending}: convert, as by 'ffmpeg -i IN{ending} OUT.flac'"
    if ending in _HEADERLESS_SUFFIXES:
        return f"{ending} has no header that says its rate and format: convert it to WAV or FLAC"
    inner = PurePath(name).stem
    if ending in _ARCHIVE_SUFFIXES or (ending in _PACKED_SUFFIXES and _says_audio(inner)):
        return "archives are not looked into: unpack it"
    if ending in _ELSEWHERE_SUFFIXES and _says_audio(inner):
        return f"{ending} stands for a file that is not here yet: fetch it"
    return ""


def _says_audio(name: str) -> bool:
    return is_read(name) or suffix(name) in _UNREAD_SUFFIXES | _ARCHIVE_SUFFIXES


def form(name: str) -> str:
    """Return a file name in the form in which names are compared: one Unicode form, no case.

    macOS and Windows hand back other forms than the one that metadata was written with.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
