"""The pages state every column of ``stems.csv`` and every key of a label set, as they are read."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from mixlab import Catalog, build_catalog, load_label_set
from mixlab.audio.io import write_wav
from mixlab.corpora import _sidecar
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import label_sets
from tests.conftest import REPO
from tests.errors import raises
from tests.pages import page_files
from tests.toy import RATE, steady


def rows(page: str, header: str) -> list[list[str]]:
    """Return the cells of the table below a header."""
    text = (REPO / "docs" / page).read_text(encoding="utf-8")
    table = text[text.index(header) :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_page_names_every_column_of_stems_csv_and_its_other_names() -> None:
    table = rows("folders.md", "| column | holds |")
    said = {row[0].strip("`"): tuple(re.findall(r"`([^`]+)`", row[3])) for row in table}
    assert said == _sidecar._COLUMNS
    assert [row[0].strip("`") for row in table if row[2] == "is needed"] == ["file"]
    words = next(row[1] for row in table if row[0] == "`bleed`")
    yes, no = words.split("; else ")
    assert set(re.findall(r"`(\w+)`", yes)) == _sidecar._YES
    assert set(re.findall(r"`(\w+)`", no)) == _sidecar._NO - {""}
    text = (REPO / "docs" / "folders.md").read_text(encoding="utf-8")
    unclear = re.search(r"could mean two things \((.*?)\)", text)
    assert unclear is not None
    assert set(re.findall(r"`(\w+)`", unclear[1])) <= _sidecar._UNCLEAR.keys()


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A folder with the table of the page and its files."""
    page = (REPO / "docs" / "folders.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    for number, line in enumerate(table.splitlines()[1:]):
        file = tmp_path / "songs" / line.partition(",")[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        write_wav(file, np.float32(steady(200 + 90 * number, 2.0))[None], RATE)
    (tmp_path / "songs" / "stems.csv").write_text(table, encoding="utf-8")
    return tmp_path


def test_the_table_of_the_page_is_read_as_it_says(example: Path) -> None:
    build_catalog(example / "catalog", {"folder": example / "songs"}, workers=1, progress=False)
    catalog = Catalog.open(example / "catalog")
    sax, bass = (
        catalog.stem(row)
        for row in sorted(range(2), key=lambda row: catalog.column("path")[row], reverse=True)
    )
    assert (sax.song, sax.artist, sax.genre) == ("Take Five", "Dave Brubeck", "Jazz")
    assert sax.nodes == ("alto-saxophone",)
    assert set(bass.nodes) == {"double-bass", "electric-bass"}
    assert sax.bleed
    assert set(sax.bleed_nodes) == {"drums", "piano"}
    assert not bass.bleed
    assert sax.gain == pytest.approx(10 ** (-3 / 20))
    assert bass.gain == 1
    assert (sax.offset_s, bass.offset_s) == (0.0, 1.5)


def test_the_other_stems_bleed_where_only_that_something_does_is_said(example: Path) -> None:
    table = example / "songs" / "stems.csv"
    table.write_text(table.read_text().replace("drum set;piano", ""))
    build_catalog(example / "catalog", {"folder": example / "songs"}, workers=1, progress=False)
    catalog = Catalog.open(example / "catalog")
    assert set(catalog.column("bleed_nodes")) == {(), ("double-bass", "electric-bass")}


def test_the_page_names_every_key_of_a_label_set(tmp_path: Path) -> None:
    table = rows("taxonomy.md", "| key | holds |")
    keys = [row[0].strip("`") for row in table]
    inner = tuple(key.removeprefix("outputs: ") for key in keys if ": " in key)
    assert (tuple(key for key in keys if ": " not in key), inner) == (
        label_sets._KEYS,
        label_sets._OUTPUT_KEYS,
    )
    data = yaml.safe_load(page_files("taxonomy.md")["guitars.yaml"])
    assert set(data) == set(label_sets._KEYS)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(data))
    whole = load_label_set(str(file))
    for key, (_, _, left_out) in zip(keys, table, strict=True):
        outputs = [dict(output) for output in data["outputs"]]
        changed = {**data, "outputs": outputs}
        place = outputs[0] if ": " in key else changed
        if left_out in _DEFAULTS:
            place[key.removeprefix("outputs: ")] = _DEFAULTS[left_out]
        else:
            del place[key.removeprefix("outputs: ")]
        file.write_text(yaml.safe_dump(changed))
        if left_out.startswith("is needed"):
            with raises(TaxonomyError, code="invalid-entry", mentions=file):
                load_label_set(str(file))
            continue
        found = load_label_set(str(file))
        assert found.outputs == whole.outputs
        if key in ("name", "title"):
            assert getattr(found, key) == {"name": "mine", "title": whole.name}[key]


_DEFAULTS: dict[str, object] = {"none": [], "false": False}
