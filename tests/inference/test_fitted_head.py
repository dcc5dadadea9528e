"""Classifiers on the embeddings of published weights: they come with mixlab, and fit those weights alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from mixlab import __version__
from mixlab.cli.main import main
from mixlab.errors import WeightsError
from mixlab.inference import fitted_head, join_beside, join_scorers, published_scorer, shipped_scorer
from mixlab.inference.fitted_head import fitted_heads, head_card, head_file, head_scorer
from mixlab.inference.tagger import Tagger
from mixlab.models import ModelConfig, build_model, shipped_model
from mixlab.models.pretrained import CHECKPOINTS
from mixlab.taxonomy import load_label_set
from mixlab.utils.hashing import file_digest
from tests.errors import raises

LABELS = load_label_set("mixtures15")


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, which a test may damage."""
    shutil.copytree(fitted_head.FOLDER, tmp_path / "shipped")
    monkeypatch.setattr(fitted_head, "FOLDER", tmp_path / "shipped")
    return tmp_path / "shipped"


@pytest.fixture(scope="module")
def musicnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the true format of mtat_musicnn, with random values."""
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "mtat_musicnn.pth"
    torch.save(build_model(ModelConfig(architecture="musicnn"), 50).state_dict(), file)
    return file


def test_files_are_those_of_their_cards() -> None:
    assert fitted_heads() == ("mtat_musicnn",)
    for name in fitted_heads():
        card = head_card(head_file(name).with_suffix(".json"))
        assert card["sha256"] == file_digest(head_file(name))
        assert card["weights_sha256"] == CHECKPOINTS[name].sha256
        assert {*card["thresholds"]} == {*card["curves"]} == {*LABELS.names}
        assert head_file(name).stat().st_size < 150_000
        assert min(card["composed_test"][family] for family in LABELS.names[:8]) > 0.3


def test_of_other_weights_there_is_none(musicnn: Path, tmp_path: Path) -> None:
    with raises(WeightsError, code="weights-checksum", mentions=(str(musicnn), "expected a file")):
        head_scorer(musicnn)
    crnn = tmp_path / "jamendo_crnn.pth"
    crnn.write_bytes(b"never read")
    with raises(WeightsError, code="unknown-weights", mentions=("jamendo_crnn", "mixlab baseline")):
        head_scorer(crnn)


def test_random_weights_of_a_known_name_are_joined_without_it(musicnn: Path) -> None:
    """Their curves are not known, so thresholds are what counts."""
    both = join_beside(shipped_scorer(device="cpu"), [musicnn], device="cpu")
    assert both.source == "mixlab_tagger and mtat_musicnn"


def test_damage_is_told(copied: Path, shared: Path) -> None:
    weights = shared / "weights" / "mtat_musicnn.pth"
    file = copied / "mtat_musicnn_head.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with raises(WeightsError, code="invalid-weights", mentions=(str(file), "install mixlab again")):
        head_scorer(weights)
    data[-1] ^= 1
    file.write_bytes(data)
    assert head_scorer(weights, device="cpu").labels == LABELS.names
    card = file.with_suffix(".json")  # read anew each time, so that no process goes on with an old one
    told = json.loads(card.read_text(encoding="utf-8"))
    for broken in ("", "[]", json.dumps({**told, "curves": {}}), json.dumps({**told, "values": 7})):
        card.write_text(broken, encoding="utf-8")
        with raises(WeightsError, code="invalid-weights", mentions="mtat_musicnn_head"):
            head_scorer(weights)


def real_stem(shared: Path, name: str, rate: int) -> np.ndarray:
    (file,) = (shared / "real_audio").glob(f"{name}.*")
    audio, given = soundfile.read(file, frames=20 * 48_000, always_2d=True)
    return np.asarray(soxr.resample(audio.mean(axis=1), given, rate)[None], np.float32)


@pytest.mark.parametrize(
    ("stem", "family"),
    [("waveform-playlist/Vocals30", "voice"), ("waveform-playlist/BassDrums30", "percussion")],
)
def test_it_names_what_sounds_in_real_stems(shared: Path, stem: str, family: str) -> None:
    scorer = head_scorer(shared / "weights" / "mtat_musicnn.pth", device="cpu")
    assert (scorer.labels, scorer.fitted, scorer.level) == (LABELS.names, True, "peak")
    tags = Tagger(scorer).tag_audio(real_stem(shared, stem, scorer.sample_rate), hop_s=4.0)
    best = max(LABELS.names[:8], key=lambda name: tags.mean[tags.labels.index(name)])
    assert best == family


def test_it_scores_beside_the_tags_of_its_weights(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, own = shared / "weights" / "mtat_musicnn.pth", shipped_scorer(device="cpu")
    both = join_beside(own, [weights], device="cpu")
    assert both.source == "mixlab_tagger and mtat_musicnn and embeddings of mtat_musicnn"
    assert (both.fitted, both.thresholds_from) == (False, "curves")
    assert both.labels == LABELS.names
    audio = real_stem(shared, "waveform-playlist/Vocals30", both.sample_rate)
    members = [own, published_scorer(weights, device="cpu"), head_scorer(weights, device="cpu")]
    again = join_scorers(members).score(audio[None, :, : both.window])
    np.testing.assert_array_equal(both.score(audio[None, :, : both.window]), again)
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(shared / "weights"))
    file = tmp_path / "vocals.wav"
    soundfile.write(file, audio[0, : both.window], both.sample_rate)
    given = ["--also", "mtat_musicnn", "--out", str(tmp_path), "--format", "json", "--device", "cpu"]
    assert main(["tag", str(file), *given]) == 0
    out = capsys.readouterr().out
    assert "embeddings of mtat_musicnn: 15 classes" in out
    assert "thresholds of 0.5, from which on a class is more probable than not by curves" in out
    # Every file that had a part in it is named, once, with its SHA-256: as it lies on disk.
    said = json.loads((tmp_path / "vocals.json").read_text(encoding="utf-8"))
    assert said["mixlab"] == __version__
    shipped = {file.name: file_digest(file) for file in shipped_model.FOLDER.iterdir()}
    assert said["scored_by"] == [
        {"kind": "weights", "name": "mixlab_tagger", "sha256": shipped["mixlab_tagger.safetensors"],
         "card_sha256": shipped["mixlab_tagger.json"]},
        {"kind": "weights", "name": "mtat_musicnn", "sha256": file_digest(weights)},
        {"kind": "classifier", "name": "mtat_musicnn_head",
         "sha256": shipped["mtat_musicnn_head.safetensors"],
         "card_sha256": shipped["mtat_musicnn_head.json"]},
        {"kind": "curves", "name": "curves.json", "sha256": shipped["curves.json"]},
    ]  # fmt: skip
    assert [by.kind for by in own.scored_by] == ["weights"]  # of one alone no curve counts
    # Of another label set no curves are known, so its tags alone score beside.
    labels = load_label_set("irmas11")
    first = published_scorer("mixlab_tagger", "irmas11", device="cpu")
    plain = join_beside(first, [weights], device="cpu", labels=labels)
    assert "embeddings" not in plain.source
    assert [by.name for by in plain.scored_by] == ["mixlab_tagger", "mtat_musicnn"]
