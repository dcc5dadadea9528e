"""A corpus outside mixlab, as docs/corpora.md writes it: checked, indexed, mixed, with its own label map."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.corpora import get_adapter
from mixlab.errors import CorpusError
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.recipe import MixConfig
from mixlab.utils import plugins
from tests.errors import raises
from tests.pages import write_page_files


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in the folder that holds the two files of the page."""
    monkeypatch.chdir(write_page_files("corpora.md", tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("tapes", None)


def record(root: Path, n_songs: int, voices: dict[str, str]) -> Path:
    rng = np.random.default_rng(1)
    for number in range(n_songs):
        folder = root / f"2024-05-{number + 1:02d}"
        folder.mkdir(parents=True)
        (folder / "tape.json").write_text(json.dumps({"choir": f"Choir {number}", "tracks": voices}))
        for file in voices:
            soundfile.write(folder / file, 0.1 * rng.standard_normal(4 * 16000), 16000)
    return root


def test_it_is_checked_indexed_and_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tapes = record(tmp_path / "tapes", 6, {"01.wav": "Alto", "02.wav": "Harmonium", "03.wav": "applause"})
    assert main(["taxonomy", "--check", str(tapes), "--corpus", "tapes:Tapes"]) == 0
    assert "6  choir tape" in capsys.readouterr().out
    assert main(["index", "catalog", "--root", f"tapes:Tapes={tapes}", "--workers", "1"]) == 0
    catalog = Catalog.open("catalog")
    assert len(catalog) == 18
    dataset = MixDataset(catalog, MixConfig(duration_s=1.0), seed=0, epoch_size=20)
    mixes = [dataset.recipe(index) for index in range(20)]
    names = np.array(dataset.label_names)
    heard = {name for index in range(20) for name in names[dataset.item(index)["target"] == 1]}
    assert heard == {"voice", "singer", "key"}
    stems = {source.stem for recipe in mixes for source in recipe.sources}
    assert {stem.partition("/")[0] for stem in stems} == {"tapes"}
    assert {stem.rpartition("/")[2] for stem in stems} == {"01", "02"}  # applause is ignored


def test_a_label_that_its_map_lacks_is_said_with_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tapes = record(tmp_path / "tapes", 2, {"01.wav": "Alto", "02.wav": "Tenors"})
    assert main(["taxonomy", "--check", str(tapes), "--corpus", "tapes:Tapes"]) == 1
    assert "  Tenors,male-singer,," in capsys.readouterr().out
    assert main(["index", "catalog", "--root", f"tapes:Tapes={tapes}"]) == 2
    assert "tapes: 1 labels are not in the map 'tapes'" in capsys.readouterr().err


def test_an_installed_one_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    point = EntryPoint("tapes", "tapes:Tapes", "mixlab.corpora")
    monkeypatch.setattr(plugins, "_entry_points", lambda group: (point,) if group == point.group else ())
    sys.path.insert(0, str(tmp_path))
    tapes = record(tmp_path / "tapes", 2, {"01.wav": "Alto"})
    assert get_adapter("tapes").name == "tapes"
    assert main(["taxonomy", "--check", str(tapes)]) == 0
    assert "2  choir tape" in capsys.readouterr().out


def test_what_is_no_adapter_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text("class Half:\n    name = 'half'\n")
    with raises(CorpusError, code="unfit-plugin", mentions=("half:Half", "label_map")):
        get_adapter("half:Half")
    (tmp_path / "failing.py").write_text("class Failing:\n    def __init__(self):\n        self.names['x']\n")
    with raises(CorpusError, code="plugin-failed", mentions=("failing:Failing", "failing.py:3")):
        get_adapter("failing:Failing")
    with raises(CorpusError, code="plugin-not-found", mentions="nowhere"):
        get_adapter("nowhere:Tapes")


def test_two_roots_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record(tmp_path / "one", 3, {"01.wav": "Alto"})
    (tmp_path / "twin.py").write_text("from tapes import Tapes\n\n\nclass Twin(Tapes):\n    pass\n")
    roots = ["--root", f"tapes:Tapes={one}", "--root", f"twin:Twin={tmp_path / 'two'}"]
    assert main(["index", "catalog", *roots]) == 2
    assert "calls itself 'tapes', as another root does" in capsys.readouterr().err
