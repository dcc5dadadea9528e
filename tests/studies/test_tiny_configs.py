"""Every study runs from end to end by its tiny configuration, on small demo trees, as on the command line.

A study gets a row in ``ROWS``: the trees of clips it needs, by the name of each task.
"""

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.data import runs as run_data
from app.data import sweeps as study_data
from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main, run_command
from mixlab.studies.base import can_draw
from mixlab.studies.locations import RUN, STUDY
from mixlab.synthesis.clip_trees.base import TreeOptions
from mixlab.synthesis.clip_trees.making import clip_trees, make_clip_trees
from tests.conftest import REPO
from tests.toy import analysed_copy

CONFIGS = REPO / "configs" / "studies"


@dataclass(frozen=True)
class Row:
    """A study with a tiny configuration.

    Attributes:
        study: Its name.
        trees: Demo tree (name of the corpus) of each task.
        recordings: Of each tree, per class.
        track_s: Length of tracks, in trees of tracks of 30 s.
        on_mixes: Whether it takes the toy catalog.
        analysed: Whether tempo, beats and key of its songs are to be known.
        arguments: Further options.
    """

    study: str
    trees: Mapping[str, str] = field(default_factory=dict)
    recordings: int = 4
    track_s: float = 2.0
    on_mixes: bool = False
    analysed: bool = False
    arguments: tuple[str, ...] = ()


ROWS: tuple[Row, ...] = (
    Row("architectures", on_mixes=True),
    Row("black_box", {"ballroom": "extended_ballroom"}),
    Row("convnet_feature", {"source": "irmas", "dance": "extended_ballroom", "tempo": "extended_ballroom"}),
    Row("effects", on_mixes=True),
    Row("genre_speaker", {"genre": "gtzan", "speaker": "vctk"}),
    Row("preprocessing", {"tags": "irmas"}),
    Row("predominant", {"instruments": "irmas"}),
    Row("strategies", on_mixes=True, analysed=True),
)  # fmt: skip


@pytest.fixture(scope="module")
def demo_trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for demo trees, which are made when a row first asks for them."""
    return tmp_path_factory.mktemp("trees")


def _options(row: Row, demo_trees: Path, toy: Catalog) -> list[str]:
    """Make the trees of a row, and return the options that say where they lie."""
    out = demo_trees / str(row.recordings)
    made = (
        make_clip_trees(
            out, sorted(set(row.trees.values())), TreeOptions(row.recordings, track_s=row.track_s)
        )
        if row.trees
        else []
    )
    folders = {tree.name: tree.root for tree in made}
    if row.analysed:
        toy = analysed_copy(toy, demo_trees / row.study)
    options = [text for task, name in row.trees.items() for text in ("--root", f"{task}={folders[name]}")]
    return [*options, *(["--catalog", str(toy.path)] if row.on_mixes else [])]


def test_every_tiny_configuration_has_a_row() -> None:
    assert {f"{row.study}_tiny.yaml" for row in ROWS} == {file.name for file in CONFIGS.glob("*_tiny.yaml")}
    for row in ROWS:
        assert (CONFIGS / f"{row.study}.yaml").is_file()
        assert (CONFIGS / f"{row.study}_paper.yaml").is_file()
        assert set(row.trees.values()) <= set(clip_trees())


# Mixes of a second may have no loudness for the mastering of studio and wild to reach.
@pytest.mark.filterwarnings("ignore:Item .* is not all that its recipe asks for:UserWarning")
@pytest.mark.parametrize("row", ROWS, ids=[row.study for row in ROWS])
def test_a_tiny_study_runs_from_end_to_end(
    row: Row,
    demo_trees: Path,
    toy: Catalog,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "studies" / row.study
    options = [*_options(row, demo_trees, toy), *row.arguments]
    tiny = str(CONFIGS / f"{row.study}_tiny.yaml")
    command = ["study", row.study, "--config", tiny, *options, "--out", str(out), "--parallel", "0"]
    assert main(command) == 0, capfd.readouterr()
    _check_report(out)
    _check_explorer(out)
    said = capfd.readouterr().out
    assert "problem:" not in said
    assert main(command) == 0  # all is there by now
    assert ", 0 to train" in capfd.readouterr().out


def test_a_study_in_this_process_keeps_its_folder_while_commands_change_the_directory(
    demo_trees: Path, toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = next(row for row in ROWS if row.study == "preprocessing")
    tiny = str(CONFIGS / "preprocessing_tiny.yaml")
    options = [*_options(row, demo_trees, toy), *row.arguments, "--out", "out", "--parallel", "0"]
    real = run_command

    def elsewhere(name: str, arguments: list[str]) -> object:
        # What reading a configuration does for a moment, for as long as the trial takes.
        with contextlib.chdir(tmp_path.parent):
            return real(name, arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mixlab.cli.main.run_command", elsewhere)
    assert real("study", ["preprocessing", "--config", tiny, *options]) == 0
    assert (tmp_path / "out" / "report.md").is_file()


def _check_report(out: Path) -> None:
    """See the report, its figures and its numbers."""
    report = (out / "report.md").read_text(encoding="utf-8")
    figures = re.findall(r"!\[.*\]\((.*)\.png\)", report)
    assert bool(figures) == can_draw()
    assert all((out / f"{name}.{kind}").is_file() for name in figures for kind in ("png", "svg"))
    for name in ("table.csv", "differences.csv", "runs.csv"):
        assert len((out / name).read_text(encoding="utf-8").splitlines()) > 1


def _check_explorer(out: Path) -> None:
    """See that the explorer's data functions show the study, and every run of it."""
    (study,) = run_data.find_found(((str(out.parent), 1),), STUDY)
    status = study_data.get_status(str(study.path))
    assert set(status.done) == {state.name for state in status.states}
    results = study_data.get_results(study_data.location_of(str(study.path), status))
    assert results.done == results.conditions
    found = run_data.find_found(((str(out / "runs"), 1),), RUN)
    assert {one.path.name for one in found} == set(status.done)
    for one in found:
        location = run_data.find_run(found, one.name)
        assert location is not None
        assert run_data.get_info(location)["status"] == "evaluated"
        numbers = run_data.get_numbers(location, "test")
        if numbers is not None:
            assert math.isfinite(numbers.scores["mean_absolute_error"].value)
            continue
        table = run_data.get_table(location, "test")
        assert len(table) > 0
        assert run_data.get_decided(location, "test", run_data.FITTED).thresholds.shape == (
            len(table.labels),
        )
        assert run_data.get_fixed(location, "test").metrics


def test_the_list_shows_every_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--list"]) == 0
    said = capsys.readouterr().out
    for row in ROWS:
        assert f"{row.study}: " in said
