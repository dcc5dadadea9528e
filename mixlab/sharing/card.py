"""The dataset card of an export, ``README.md``, and its table of labels.

What stands in them comes from catalogs, label sets and settings that others may have written: in Markdown it
cannot become markup, in YAML it is quoted, and in CSV no cell is a formula.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixlab import __version__
from mixlab.errors import ConfigError
from mixlab.sharing.encoding import AudioFormat
from mixlab.sharing.formats import ExportFormat, features
from mixlab.sharing.item_sources import ItemSource
from mixlab.utils.csv import csv_text, harmless
from mixlab.utils.files import write_atomic
from mixlab.utils.yaml import dump_settings_yaml

__all__ = ["CardFacts", "csv_labels", "write_card"]


@dataclass(frozen=True)
class CardFacts:
    """What a card says of an export, beside its configuration.

    Attributes:
        form: Its format.
        audio: Format of its audio files.
        sources: Whether the sources are in it.
        split: Split of the items.
        items: How many items were asked for.
        written: How many there are.
        scaled: How many lay beyond full scale.
        left_out: How many could not be rendered.
        hours: Of audio, of the mixtures.
        shards: How many shards there are.
        size: Their bytes.
        classes: Names of the classes.
        counts: In how many items each class is present, absent and unknown: three rows.
        stems: Keys of the stems that were mixed.
    """

    form: ExportFormat
    audio: AudioFormat
    sources: bool
    split: str
    items: int
    written: int
    scaled: int
    left_out: int
    hours: float
    shards: int
    size: int
    classes: Sequence[str]
    counts: Sequence[Sequence[int]]
    stems: Sequence[str]


def csv_labels(out: Path, lists: Iterable[Path], classes: Sequence[str]) -> str:
    """Return a table of all items: file, number, kind, stems, and a column for each class.

    A class is 1 where it is present, 0 where it is absent, and empty where that is unknown.

    Args:
        out: Folder of the export, to which the files are relative.
        lists: The lists of items of the shards, in order.
        classes: Names of the classes.
    """
    fixed = ("file", "item", "epoch", "index", "kind", "corpus", "mix_id", "stems")
    rows: list[list[object]] = [[harmless(name) for name in (*fixed, *classes)]]
    for path in lists:
        folder = path.parent.relative_to(out).as_posix()
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                rows.append(_row(json.loads(line), folder, len(classes)))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(
                f"{path} is damaged ({type(error).__name__}: {error}). Remove {path.parent} and start the "
                "export again: that part is written anew.",
                code="invalid-syntax",
            ) from error
    return csv_text(rows)


def _row(item: Mapping[str, Any], folder: str, n_classes: int) -> list[object]:
    """Return the row of an item."""
    stems = ";".join(source["stem"] for source in item["sources"])
    texts = [harmless(str(item[name])) for name in ("kind", "corpus", "mix_id")]
    file = harmless(f"{folder}/{item['files'][0]}")
    states = ["" if not m else int(t) for t, m in zip(item["target"], item["mask"], strict=True)]
    if len(states) != n_classes:
        raise ValueError(f"expected {n_classes} classes, found {len(states)}")
    numbers = [int(item[name]) for name in ("item", "epoch", "index")]
    return [file, *numbers, *texts, harmless(stems), *states]


def write_card(path: Path, source: ItemSource, facts: CardFacts, identity: Mapping[str, Any]) -> None:
    """Write the card; the same export gives the same text."""
    rate = source.settings.sample_rate
    sections = [
        _front_matter(facts, rate),
        "# Mixes of multitrack recordings\n",
        _summary(source, facts),
        "## Classes\n\n" + _class_table(facts),
        _UNKNOWN,
        "## Licences of the stems\n\n" + _licence_table(source, facts),
        _LICENCES,
        "## How to read it\n\n" + _reading(facts),
        "## Settings\n\n" + _fenced(dump_settings_yaml({"mix": dict(source.config)}), "yaml"),
        "What decides the items, by which the export can be repeated:\n\n"
        + _fenced(json.dumps(dict(identity), indent=2) + "\n", "json"),
    ]
    write_atomic(path, "\n".join(sections))


_UNKNOWN = (
    "A class is *unknown* where the labels of the recordings do not tell: it is neither present nor absent, "
    "and should enter neither a loss nor a score. `mask` is false there.\n"
)
_LICENCES = (
    "As far as the corpora say. A mix is made of several recordings and may be used as the licences of all "
    "of them allow; which stems are in which mix stands in its recipe.\n"
)


def _front_matter(facts: CardFacts, rate: int) -> str:
    """Return the YAML that Hugging Face reads; JSON values are YAML, too, and quoted."""
    lines = ["---", "task_categories: [audio-classification]", "tags: [music, mixlab]"]
    if facts.form == "huggingface":
        data = [{"split": facts.split, "path": f"data/{facts.split}-*.parquet"}]
        info = {
            "features": [_yaml_feature(name, f) for name, f in features(facts.classes, rate).items()],
            "splits": [{"name": facts.split, "num_bytes": facts.size, "num_examples": facts.written}],
            "download_size": facts.size,
            "dataset_size": facts.size,
        }
        lines.append(f"configs: {json.dumps([{'config_name': 'default', 'data_files': data}])}")
        lines.append(f"dataset_info: {json.dumps(info)}")
    return "\n".join([*lines, "---", ""])


def _yaml_feature(name: str, feature: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column as the header of a card describes it."""
    if feature["_type"] == "List":
        inner = _yaml_type(feature["feature"])
        return {"name": name, "list": inner}
    return {"name": name, "dtype": _yaml_type(feature)}


def _yaml_type(feature: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a text or a mapping
    if feature["_type"] == "Audio":
        return {"audio": {"sampling_rate": feature["sampling_rate"]}}
    if feature["_type"] == "ClassLabel":
        return {"class_label": {"names": {str(n): name for n, name in enumerate(feature["names"])}}}
    return feature["dtype"]


def _summary(source: ItemSource, facts: CardFacts) -> str:
    render = source.settings
    recipe = source.recipe(0)
    audio = "FLAC" if facts.audio == "flac" else "WAV"
    lines = [
        f"{facts.written} labelled mixes of stems ({facts.hours:.2f} h), made by mixlab {__version__}.",
        "",
        f"- items: {facts.written} of {facts.items} that were asked for"
        + (f"; {facts.left_out} left out, as files could not be read (`export.json`)" * bool(facts.left_out)),
        f"- split: {_plain(facts.split)}, seed {recipe.seed}, epoch {recipe.epoch}",
        f"- audio: {audio}, 16 bit, {render.sample_rate} Hz, {render.channels} channel(s), "
        f"up to {render.duration_s:g} s; samples are rounded to the nearest 1/32768",
        f"- beyond full scale: {facts.scaled} items, which were scaled down by their `file_scale_db`",
        f"- sources: {'each as it stands in the mixture' if facts.sources else 'not in it'}",
        f"- label set: {_plain(source.labels.name)}, {len(facts.classes)} classes",
        f"- shards: {facts.shards}, {facts.size} bytes; `export.json` has the SHA-256 of each",
        f"- catalog: {recipe.catalog_hash}",
        "",
    ]
    return "\n".join(lines)


def _class_table(facts: CardFacts) -> str:
    rows = zip(facts.classes, *facts.counts, strict=True)
    return _table(("class", "present", "absent", "unknown"), rows)


def _licence_table(source: ItemSource, facts: CardFacts) -> str:
    catalog = source.catalog
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in facts.stems:
        row = catalog.find(key)
        licence = str(catalog.column("licence")[row]).strip() or "not stated"
        found[str(catalog.column("corpus")[row]), licence].append(str(catalog.column("song")[row]))
    rows = (
        (corpus, licence, len(songs), len(set(songs))) for (corpus, licence), songs in sorted(found.items())
    )
    return _table(("corpus", "licence", "stems", "songs"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(_plain(str(cell)) for cell in line) + " |\n" for line in lines)


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    for sign in "\\`*_{}[]<>#|!~":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return " ".join(text.split())


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}{fence}\n"


def _reading(facts: CardFacts) -> str:
    code = {
        "webdataset": "import webdataset\n\n"
        f'shards = "data/{facts.split}-{{000000..{facts.shards - 1:06d}}}.tar"\n'
        "for item in webdataset.WebDataset(shards, shardshuffle=False).decode():\n"
        f'    item["{facts.audio}"], item["target.npy"], item["mask.npy"], item["json"]\n',
        "huggingface": "from datasets import load_dataset\n\n"
        f'dataset = load_dataset("path/of/this/folder", split="{facts.split}")\n'
        'dataset[0]["labels"], dataset[0]["audio"]\n',
        "folder": "import pandas\n\n"
        'labels = pandas.read_csv("labels.csv")  # "file" is relative to this folder\n',
    }
    return _fenced(code[facts.form], "python") + "\n" + _FORMS[facts.form]


_FORMS: dict[ExportFormat, str] = {
    "webdataset": "Each item has its mixture, `target.npy` (float32), `mask.npy` (bool) and `json` (names of "
    "the classes, recipe), and the sources as `source_00` and so on where they are in it. Audio stays bytes "
    "here; `soundfile.read(io.BytesIO(data))` decodes it.\n",
    "huggingface": "`labels` are the classes that are present and `unknown` those of which it is not known; "
    "`target` and `mask` say the same as numbers and booleans; `about` is JSON with the recipe. `datasets` "
    'decodes audio by the package torchcodec; without it, `cast_column("audio", Audio(decode=False))` gives '
    "the bytes of each file.\n",
    "folder": "`labels.csv` has a row for each item: 1 present, 0 absent, empty unknown. In `data/` each "
    "folder has its audio files, and `items.jsonl` with all that is known of an item, its recipe included. "
    "In `labels.csv` alone, texts that a spreadsheet would take for a formula have an apostrophe in front.\n",
}
