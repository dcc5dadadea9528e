"""Folders as people have them, with everything at once that tools in this field get wrong without a word.

``make`` writes the trees; ``ROOTS`` names what indexes them. What is right about each file stands in
``tests/corpora/test_odd_tree.py``.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SECONDS = 4.0

# Adapter and name of each tree, as `mixlab index --root NAME=FOLDER` wants them.
ROOTS = {
    "folder@artists": "artists",
    "folder@songs": "songs",
    "folder@instruments": "instruments",
    "folder@parts": "parts",
    "musdb18hq": "musdb",
    "medleydb": "medley",
}


def sound(name: str, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Noise with a rhythm of its own, float32 ``(1, samples)``: every name sounds otherwise."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    samples = round(seconds * rate)
    rhythm = np.repeat(rng.uniform(0.02, 0.3, round(seconds * 10) + 1), rate // 10 + 1)[:samples]
    return (rng.uniform(-1.0, 1.0, samples) * rhythm).astype(np.float32)[None]


def put(path: Path, audio: np.ndarray | None = None, rate: int = RATE, subtype: str | None = None) -> Path:
    """Write ``(channels, samples)``, by default the sound of the path's last two parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = sound("/".join(path.parts[-2:])) if audio is None else audio
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


def put_all(root: Path, *names: str) -> None:
    """Write several stems."""
    for name in names:
        put(root / name)


def stamp(path: Path, start_s: float, rate: int = RATE) -> None:
    """Give a WAV file the time stamp of Broadcast WAV (EBU Tech 3285), in front of the samples."""
    data = path.read_bytes()
    chunk = bytearray(602)
    struct.pack_into("<Q", chunk, 338, round(start_s * rate))
    body = data[12:]
    chunk = b"bext" + struct.pack("<I", len(chunk)) + bytes(chunk)
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunk) + len(body)) + b"WAVE" + chunk + body)


def mp3_without_index(audio: np.ndarray, rate: int = RATE) -> bytes:
    """Encode with a variable bit rate and leave out the frame that says how many frames there are."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE")
    data = buffer.getvalue()
    index = max(data.find(b"Xing"), data.find(b"Info"))
    assert index > 0, "the encoder wrote no index"
    first = data.rfind(b"\xff", 0, index)
    following = data.find(data[first : first + 2], index)
    return data[:first] + data[following:]


def flac_of_a_pipe(audio: np.ndarray, rate: int = RATE) -> bytes:
    """Encode FLAC whose header does not know how many samples come, as encoders write it into a pipe."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format="FLAC", subtype="PCM_16")
    data = bytearray(buffer.getvalue())
    # STREAMINFO: 36 bits of samples in all, from the 13th byte's lower half (RFC 9639, section 8.2).
    data[8 + 13] &= 0xF0
    data[8 + 14 : 8 + 18] = bytes(4)
    return bytes(data)


def make(folder: Path) -> dict[str, Path]:
    """Write all trees below an empty folder; return the root of each by its name for ``mixlab index``."""
    for name, builder in {
        "artists": make_artists,
        "songs": make_songs,
        "instruments": make_instruments,
        "parts": make_parts,
        "musdb": make_musdb,
        "medley": make_medley,
    }.items():
        builder(folder / name)
    return {name: folder / place for name, place in ROOTS.items()}


ARTISTS = ("Ada Lark", "Bo Tin", "Cleo", "Dun & Dry", "Ebb", "Fay Moss", "Gil", "Hob", "Ivy Row", "Jot")


def make_artists(root: Path) -> None:
    """Write ``Artist/Song/stem.wav``: who the artist is stands only in the folder."""
    for number, artist in enumerate(ARTISTS):
        for song in ("First Light", "Second Wind")[: 1 + number % 2]:
            put_all(root / artist / f"{song} {number}", "drums.wav", "bass.wav", "vocals.wav")


def make_songs(root: Path) -> None:
    """Write one oddity a song."""
    # Dashes of every length between artist and title.
    put_all(root, "Blue Lamp – Night Bus/bass.wav", "Blue Lamp – Night Bus/drums.wav")
    put_all(root, "Blue Lamp — Day Bus/bass.wav", "Blue Lamp — Day Bus/drums.wav")
    # One song in bus folders.
    put_all(root / "Harbour", "Drums/kick.wav", "Drums/snare.wav", "Vox/01.wav", "Bass/02.wav")
    # A copy that a browser or a file manager made, and the original.
    for name in ("bass.wav", "drums.wav"):
        put(root / "Pale Moon 01" / name)
        put(root / "Pale Moon 01 (1)" / name, sound(f"Pale Moon 01/{name}"))
    # Two songs whose folders read the same once joined.
    put_all(root, "Reed/North_South/bass.wav", "Reed_North/South/bass.wav")
    # A stem that starts eight seconds into the song, and says so in its header.
    put(root / "Late Entry" / "bass.wav", sound("late bass", 12.0))
    put(root / "Late Entry" / "vocals.wav")
    stamp(root / "Late Entry" / "bass.wav", 3600.0)
    stamp(root / "Late Entry" / "vocals.wav", 3608.0)
    # Everything but an instrument, and bounces.
    put_all(
        root / "Tin Roof",
        "bass.wav",
        "no_vocals.wav",
        "minus_drums.wav",
        "Tin Roof (No Drums).wav",
        "Instrumental.wav",
        "Backing Track.wav",
    )
    # A title that names an instrument, in front of every stem and of the bounces.
    put_all(
        root / "Piano Man",
        "Piano Man - Bass.wav",
        "Piano Man - Drums.wav",
        "Piano Man Mix.wav",
        "Piano Man Master.wav",
        "Piano Man_Full_Preview.wav",
    )
    # Names whose words mean something else alone.
    put_all(root / "Names", *(f"{name}.wav" for name in NAMES))
    # Levels that are no sound.
    put(root / "Still Air" / "piano.wav", np.full((1, round(SECONDS * RATE)), 0.01, np.float32))
    put(root / "Still Air" / "bass.wav")
    wide = sound("wide")
    put(root / "Wide Awake" / "synth.wav", np.concatenate([wide, -wide]))
    put(root / "Wide Awake" / "bass.wav")
    # Containers that know less than they hold.
    odd = root / "Odd Jars"
    odd.mkdir()
    (odd / "bass.mp3").write_bytes(mp3_without_index(sound("jar bass", 20.0)))
    (odd / "drums.flac").write_bytes(flac_of_a_pipe(sound("jar drums")))
    # What mixlab cannot read, what leaves the root, and what macOS puts beside every file.
    put(root / "Left Out" / "drums.wav")
    (root / "Left Out" / "bass.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(64))
    (root / "Left Out" / "vocals.wav").symlink_to(put(root.parent / "elsewhere" / "vocals.wav"))
    (root / "Left Out" / "._drums.wav").write_bytes(b"\0\x05\x16\x07" + bytes(60))
    # A song deeper than the others.
    put_all(root / "Box" / "Disc 1" / "Side A" / "Deep Water" / "stems", "bass.wav", "drums.wav")
    # A corrupt sample, and rates that no recording has.
    hit = sound("hit")
    hit[0, 1000] = 1e6
    put(root / "Hit" / "bass.wav", hit, subtype="FLOAT")
    put(root / "Hit" / "drums.wav")
    put(root / "Rates" / "bass.wav", sound("slow", 1.0)[:, :40], rate=1)
    put(root / "Rates" / "synth.wav", sound("fast", 1.0), rate=200_000_000)
    put(root / "Rates" / "drums.wav")
    # A table of the user's own: semicolons, the encoding of a German Windows, its separators.
    put_all(root / "Listed", "Spur 1.wav", "Spur 2.wav", "Größe.wav")
    (root / "Listed" / "stems.csv").write_bytes(
        "File;Label\r\n.\\Spur 1.wav;violin\r\nSPUR 2.wav;piano\r\nGröße.wav;flute\r\n".encode("cp1252")
    )


# File name -> what the stem is certainly (a node, or a family where the instrument stays open).
NAMES = {
    "Bass Clarinet": "bass-clarinet",
    "Bass Drum": "bass-drum",
    "Blues Harp": "harmonica",
    "Vox Continental": "organ",
    "String Machine": "synth",
    "Thumb Piano": "kalimba",
    "12 String": "guitar",
    "Electric Bass Guitar": "electric-bass",
}


TITLES = ("Piano Man", "Guitar Town", "Slow Drums", "Flute Song", "Cello Days", "Night Owl")


def make_instruments(root: Path) -> None:
    """Write a folder for each instrument, with the songs' names on the files."""
    for song in TITLES:
        for instrument in ("drums", "bass", "piano"):
            put(root / instrument / f"{song}.wav", sound(f"{song} {instrument}"))


def make_parts(root: Path) -> None:
    """Write songs that lie in folders of splits."""
    for split, songs in {"train": ("Ash", "Birch", "Cedar"), "valid": ("Dogwood",), "test": ("Elm",)}.items():
        for song in songs:
            put_all(root / split / f"{song} Band - {song}", "bass.wav", "drums.wav")


def make_musdb(root: Path) -> None:
    """Write MUSDB18-HQ with a folder of validation songs, as training code divides it."""
    for split, songs in {"train": ("One", "Two"), "valid": ("Three",), "test": ("Four",)}.items():
        for song in songs:
            for stem in ("bass", "drums", "other", "vocals", "mixture"):
                audio = sound(f"{song} {stem}")
                put(root / split / f"{song} Act - {song} Tune" / f"{stem}.wav", np.repeat(audio, 2, 0))


def make_medley(root: Path) -> None:
    """Write MedleyDB converted to FLAC, with one file not fetched and one sheet that contradicts itself."""
    for number, song in enumerate(("Ann_Dawn", "Ben_Noon", "Cat_Dusk", "Dan_Night")):
        place = root / "V1" / song
        sheet = f"artist: {song[:3]}\nhas_bleed: 'no'\nstems:\n"
        for stem, instrument in (("01", "piano"), ("02", "violin")):
            sheet += f"  S{stem}: {{filename: {song}_STEM_{stem}.wav, instrument: {instrument}}}\n"
            put(place / f"{song}_STEMS" / f"{song}_STEM_{stem}.flac", sound(f"{song} {stem}"))
            (place / f"{song}_STEMS" / f"._{song}_STEM_{stem}.flac").write_bytes(b"\0\x05\x16\x07")
        put(place / f"{song}_MIX.flac")
        if number == 1:
            lost = place / f"{song}_STEMS" / f"{song}_STEM_02.flac"
            lost.unlink()
            lost.symlink_to("../../.git/annex/objects/Xy/42/MD5E-s1--0.flac")
        if number == 3:
            sheet += f"  S01: {{filename: {song}_STEM_01.wav, instrument: organ}}\n"
        (place / f"{song}_METADATA.yaml").write_text(sheet, encoding="utf-8")
        (place / f"._{song}_METADATA.yaml").write_bytes(b"\0\x05\x16\x07\xff")
    put(root / "V1" / "Ann_Dawn" / "Ann_Dawn_STEMS" / "click.wav")
