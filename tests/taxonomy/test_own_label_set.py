"""Label sets outside mixlab, as docs/taxonomy.md writes them: a file, and a function in a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import TaxonomyError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.recipe import MixRecipe
from mixlab.taxonomy import LabelSet, label_set_names, load_label_set, load_taxonomy, stem_evidence
from tests.errors import raises
from tests.pages import write_page_files

BELOW = "branches:below"
ALL = pytest.mark.parametrize("name", [*label_set_names(), "guitars.yaml", "lead.yaml", BELOW])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in the folder that holds the files of the page."""
    monkeypatch.chdir(write_page_files("taxonomy.md", tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("branches", None)


@ALL
def test_every_label_set_is_one(name: str) -> None:
    labels, tree = load_label_set(name), load_taxonomy()
    assert isinstance(labels, LabelSet)
    assert len(set(labels.names)) == len(labels) > 1
    assert load_label_set(labels.to_text()) == labels
    parents = labels.parents(tree)
    for output, parent in zip(labels.outputs, parents, strict=True):
        for node in output.nodes:
            target, mask = labels.encode(stem_evidence(tree, [node]))
            assert mask[target == 1].all()
            if len(output.nodes) == 1:
                assert target[labels.names.index(output.name)] == 1
                assert parent is None or target[parent] == 1


@pytest.mark.parametrize(
    ("name", "outputs"), [("guitars.yaml", {"guitar", "electric"}), (BELOW, {"guitar", "harp"})]
)
def test_mixes_have_its_labels_and_keep_them_without_it(
    name: str, outputs: set[str], toy: Catalog, tmp_path: Path
) -> None:
    config = MixConfig(label_set=name, duration_s=1.0)
    dataset = MixDataset(toy, config, epoch_size=16)
    assert outputs <= set(dataset.label_names)
    assert dataset.item(0)["target"].shape == (len(dataset.label_names),)
    text = dataset.recipe(1).to_json()
    for file in ("guitars.yaml", "branches.py"):
        (tmp_path / file).unlink()
    sys.modules.pop("branches", None)
    again = MixDataset(toy, MixConfig(label_set=config.label_set, duration_s=1.0), epoch_size=16)
    assert again.label_names == dataset.label_names
    assert MixRecipe.from_json(text) == again.recipe(1)
    np.testing.assert_array_equal(again.item(1)["target"], dataset.item(1)["target"])


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy", "--labels", BELOW]) == 0
    assert "plucked-string: plucked-string" in capsys.readouterr().out


def test_what_is_no_label_set_is_refused(tmp_path: Path) -> None:
    wrong = "{'outputs': [{'name': 'x', 'nodes': ['y']}]}"
    functions = "def failing():\n    return {}['outputs']\n\n\ndef asking(tree):\n    return tree\n"
    (tmp_path / "branches.py").write_text(f"LIST = ['piano']\nWRONG = {wrong}\n\n\n{functions}")
    for name, code, mentions in (
        ("branches:LIST", "invalid-entry", "branches:LIST"),
        ("branches:WRONG", "unknown-node", ("branches:WRONG", 1, "x", "y")),
        ("nowhere:LABELS", "plugin-not-found", ("nowhere", "YAML")),
        ("branches:failing", "plugin-failed", ("branches:failing", "branches.py:6", "KeyError")),
        ("branches:asking", "plugin-failed", ("branches:asking", "TypeError", "tree")),
    ):
        with raises(TaxonomyError, code=code, mentions=mentions):
            load_label_set(name)
