"""Slakh2100 and BabySlakh: songs of the Lakh MIDI dataset rendered with sampled instruments.

Source: https://zenodo.org/records/4599666 (Slakh2100-redux), 4603870 (BabySlakh).
Licence: CC BY 4.0.
Layout: ``<root>/[<archive>/][{train,validation,test,omitted}/]TrackNNNNN/`` with
``metadata.yaml`` and ``stems/SNN.flac`` (``.wav`` in BabySlakh, which has no split folders).
Mono, 44.1 kHz FLAC (BabySlakh: 16 kHz WAV), 16 bit.

Traps, and what is done:

* The General MIDI program lies, the patch tells: program "Harmonica" was rendered by an organ.
  The label is ``plugin_name`` where the label map ``slakh`` knows it, else
  ``program:<midi_program_name>``.
* ``audio_rendered`` is false for every BabySlakh stem: the file system decides. A stem without
  audio is a problem only if the metadata holds its loudness, that is, if it once had audio.
* ``audio_dir`` and ``midi_dir`` are wrong in places and are not used.
* 22 stems are known to be broken (white noise, wrong pitch); they are left out and reported.
* Duplicates: the MIDI file's MD5 (``UUID``) and the track id in ``lmd_midi_dir`` are groups.
* Who wrote the songs is not known: the artist is empty, and the index says that nobody checked them.
* ``omitted`` is the redux release's bin of duplicates; its songs have no corpus split.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mixlab.audio.file_kinds import form
from mixlab.corpora._fields import list_of, mapping_of, text, truthy
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._song_folders import song_folders
from mixlab.corpora._split_folders import folder_split, note_unknown_splits
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.taxonomy import LabelMap, load_label_map

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "Slakh"]

NAME = "slakh"
LICENCE = "CC BY 4.0"
CITATION = """
@inproceedings{manilow2019cutting,
  author = {Manilow, Ethan and Wichern, Gordon and Seetharaman, Prem and Le Roux, Jonathan},
  title = {Cutting Music Source Separation Some {Slakh}: A Dataset to Study the Impact of Training Data
           Quality and Quantity},
  booktitle = {IEEE Workshop on Applications of Signal Processing to Audio and Acoustics (WASPAA)},
  year = {2019},
}
"""
_LAYOUT = "<root>/[train|validation|test|omitted/]TrackNNNNN/metadata.yaml with stems/SNN.flac or .wav"

_TRACK = re.compile(r"Track\d{5}")
_UNSPLIT = frozenset({"omitted", "babyslakh_16k"})
_MSD_ID = re.compile(r"TR[A-Z0-9]{16}")

_BAD_STEMS = {
    "Track00262/S01": "short labels",
    "Track00357/S03": "white noise",
    "Track00377/S07": "white noise",
    "Track00385/S00": "white noise",
    "Track00398/S00": "white noise",
    "Track00400/S00": "white noise",
    "Track00404/S03": "long labels",
    "Track00496/S01": "wrong pitch",
    "Track00629/S01": "white noise",
    "Track00633/S01": "white noise",
    "Track00737/S01": "long labels",
    "Track00749/S01": "white noise",
    "Track00893/S01": "long labels",
    "Track01629/S00": "white noise",
    "Track01876/S01": "missing audio",
    "Track01908/S05": "missing audio",
    "Track01918/S10": "wrong pitch",
    "Track01929/S04": "wrong octave",
    "Track01931/S01": "wrong pitch",
    "Track01937/S03": "wrong pitch",
    "Track01993/S01": "missing audio",
    "Track02024/S13": "missing audio",
}


# Columns with labels, and what stands before them.
_COLUMNS = {"plugin_name": "", "midi_program_name": "program:", "inst_class": "class:"}
_GM_CLASS = re.compile(r"- (?P<name>\S.*)")
_GM_PROGRAM = re.compile(r"\d{1,3} (?P<name>\S.*)")


class Slakh:
    """Adapter for Slakh2100 and BabySlakh; see the module's docstring for layout and traps."""

    name = NAME
    label_map = "slakh"
    licence = LICENCE
    citation = CITATION
    description = "Slakh2100 (original or redux) and BabySlakh"

    def find_midi(self, audio: Path) -> Path:
        """Return where the MIDI file of the whole song lies that a stem's file belongs to."""
        return audio.parent.parent / "all_src.mid"

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems.

        Raises:
            CorpusError: ``root`` is missing or holds no Slakh track.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, follow_links=options.follow_links)
        label_map = load_label_map(self.label_map)
        tracks = _find_tracks(scan)
        if not tracks:
            raise nothing_found(root, NAME, _LAYOUT)
        for folder in tracks:
            _add_track(scan, folder, label_map)
        note_unknown_splits(scan, [folder for folder in tracks if folder.parent.name not in _UNSPLIT])
        list_skipped(
            scan, lambda path: path.stem.casefold() == "mix" and bool(_TRACK.fullmatch(path.parent.name))
        )
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> Labels | None:
        """Return the labels of a track, of the patch map, of General MIDI lists, or of a table of stems."""
        stems = [s for s in mapping_of(file.mapping.get("stems")).values() if isinstance(s, dict)]
        if any("plugin_name" in stem or "midi_program_name" in stem for stem in stems):
            return Labels.of("Slakh track", _prefixed(stems))
        groups = list(file.mapping.values())
        if groups and all(isinstance(group, dict) and "defs" in group for group in groups):
            return Labels.of("Slakh patch map", _patches(groups))
        if groups and all(isinstance(group, dict) and {"class", "name"} <= set(group) for group in groups):
            labels = [label for g in groups for label in (f"program:{g['name']}", f"class:{g['class']}")]
            return Labels.of("General MIDI list", labels)
        if file.has_columns("plugin_name"):
            return Labels.of("Slakh stem table", file.cells(_COLUMNS))
        if file.has_columns("midi_program_name"):
            return Labels.of("Slakh stem table", file.cells({"midi_program_name": "program:"}))
        return _general_midi(file.lines)


ADAPTER = Slakh()


def _prefixed(stems: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for stem in stems:
        for column, prefix in _COLUMNS.items():
            if stem.get(column):
                yield f"{prefix}{stem[column]}"


def _patches(groups: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for group in groups:
        yield from map(str, list_of(group["defs"]))
        if group.get("class"):
            yield f"class:{group['class']}"


def _general_midi(lines: Sequence[str]) -> Labels | None:
    """Read a list of classes, each above its programs."""
    classes = [m["name"] for line in lines if (m := _GM_CLASS.fullmatch(line))]
    programs = [m["name"] for line in lines if (m := _GM_PROGRAM.fullmatch(line))]
    if not lines or not _GM_CLASS.fullmatch(lines[0]) or len(classes) + len(programs) < len(lines):
        return None
    labels = [*(f"class:{name}" for name in classes), *(f"program:{name}" for name in programs)]
    return Labels.of("General MIDI list", labels)


def _find_tracks(scan: TreeScan) -> list[Path]:
    """Return the track folders, each track id once."""
    found = song_folders(scan, lambda folder: bool(_TRACK.fullmatch(folder.name)))
    # Where BabySlakh lies beside the full set, the full-band copies in split folders win.
    found.sort(key=lambda folder: (folder.name, not folder_split(scan.root, folder), folder.as_posix()))
    return [folder for folder in found if scan.claim_song(folder.name, folder)]


def _add_track(scan: TreeScan, folder: Path, label_map: LabelMap) -> None:
    song = folder.name
    data = scan.load_mapping(scan.child(folder, "metadata.yaml") or folder / "metadata.yaml", song=song)
    if data is None:
        return
    listed = data.get("stems")
    if not isinstance(listed, dict):
        message = "Metadata file 'metadata.yaml' has no mapping 'stems'. Restore the file from the corpus."
        scan.problem("bad-metadata", message, song=song, path=folder / "metadata.yaml")
        return
    stems = {text(key): mapping_of(fields) for key, fields in listed.items()}
    audio = {stem: path for stem in stems if (path := scan.find(folder, "stems", f"{stem}.flac"))}
    place = scan.folder(folder / "stems")
    known = {form(stem) for stem in stems}
    for path in scan.files(place) if place else ():
        if form(path.stem) not in known:
            message = f"Audio file without an entry under 'stems' in metadata.yaml: {path.name!r}; left out."
            scan.problem("bad-metadata", message, song=song, stem=path.stem, path=path)
    groups = duplicate_keys(data)
    for stem, fields in sorted(stems.items()):
        if _usable(scan, song, stem, fields, audio.get(stem), folder):
            scan.add(
                StemEntry(
                    song=song,
                    stem=stem,
                    path=scan.relative(audio[stem]),
                    labels=stem_labels(fields, label_map),
                    artist="",
                    title=song,
                    corpus_split=folder_split(scan.root, folder),
                    groups=groups,
                    licence=LICENCE,
                )
            )


def _usable(
    scan: TreeScan, song: str, stem: str, fields: Mapping[Any, Any], path: Path | None, folder: Path
) -> bool:
    """Return whether a stem has audio worth using; report the ones that should have and do not."""
    defect = _BAD_STEMS.get(f"{song}/{stem}")
    if defect is not None:
        message = f"Known broken stem ({defect}); left out."
        scan.problem("bad-stem", message, song=song, stem=stem, path=path or f"{song}/stems/{stem}")
        return False
    if path is not None:
        return True
    # Stems that were never rendered (no patch, or a silent result) have no loudness.
    if truthy(fields.get("audio_rendered")) or fields.get("integrated_loudness") is not None:
        scan.locate(folder, "stems", f"{stem}.flac", song=song, stem=stem)
    return False


def stem_labels(fields: Mapping[Any, Any], label_map: LabelMap) -> tuple[str, ...]:
    """Return the label of a stem: its patch if the map knows it, else its MIDI program.

    A patch given as a path (``AGML2.component`` within its folder) is also tried by file name.
    """
    plugin = text(fields.get("plugin_name"))
    if plugin and plugin != "None":
        for candidate in (plugin, PurePosixPath(plugin.replace("\\", "/")).name):
            if candidate and label_map.resolve(candidate) is not None:
                return (candidate,)
    program = text(fields.get("midi_program_name"))
    if program:
        return (f"program:{program}",)
    return (plugin,) if plugin and plugin != "None" else ()


def duplicate_keys(data: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the keys that tie a track to its duplicates: MIDI MD5 and Million Song track id."""
    keys = []
    uuid = text(data.get("UUID"))
    if uuid:
        keys.append(f"midi:{uuid}")
    msd = next((part for part in text(data.get("lmd_midi_dir")).split("/") if _MSD_ID.fullmatch(part)), "")
    if msd:
        keys.append(f"msd:{msd}")
    return tuple(keys)
