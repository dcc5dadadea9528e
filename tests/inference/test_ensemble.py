"""Ensembles: ranks and curves from validation, means over who can say a class, and runs like any other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError, RunError
from mixlab.inference.calibration import calibrate, calibrated
from mixlab.inference.ensemble import (
    EnsembleConfig,
    build_ensemble,
    evaluate_ensemble,
    ranks,
)
from mixlab.inference.opening import open_run
from mixlab.inference.published import published_scorer
from mixlab.inference.scorer import whole_scores
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.models import ModelConfig, build_model
from mixlab.training.run import Run
from tests.errors import raises
from tests.tagged_trees import RATE, make_irmas, make_run, sound

MIX = MixConfig(duration_s=2.0)
SMALL = EnsembleConfig(combine="ranks", val_size=16, test_size=8, bootstrap=0, workers=1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "jamendo_crnn.pth"
    torch.save(build_model(ModelConfig(architecture="crnn"), 50).state_dict(), file)
    return file


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("members") / "run")


@pytest.fixture(scope="module")
def built(toy: Catalog, member: Run, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("ensembles") / "both"
    run, _ = build_ensemble([str(member.path), str(weights)], out, catalog=toy, mix=MIX, config=SMALL)
    return run


def test_ranks_are_where_a_score_stands_in_the_reference(rng: np.random.Generator) -> None:
    reference = np.array([[0.1], [0.2], [0.2], [0.8]])
    at = ranks(np.array([[0.1], [0.2], [0.8]]), reference)[:, 0]
    np.testing.assert_allclose(at, [0.125, 0.5, 0.875])
    np.testing.assert_allclose(ranks(np.array([[0.0], [1.0]]), reference)[:, 0], [0, 1])
    scores = rng.uniform(size=(200, 3))
    found = ranks(scores, rng.uniform(size=(50, 3)))
    for c in range(3):  # no order is lost, also beyond what validation holds
        np.testing.assert_array_equal(np.argsort(found[:, c]), np.argsort(scores[:, c]))
    shifted = ranks(scores**3, reference=np.sort(scores, axis=0) ** 3)
    np.testing.assert_allclose(shifted, ranks(scores, scores), atol=1e-6)  # only the order counts


def test_calibrated_scores_are_probabilities(rng: np.random.Generator) -> None:
    true = rng.uniform(0.02, 0.98, 20_000)
    targets = (rng.uniform(size=20_000) < true).astype(np.float32)
    logit = np.log(true / (1 - true))
    said = 1 / (1 + np.exp(-(0.4 * logit - 2)))  # too unsure, and too low
    mask = np.ones((20_000, 1), bool)
    curves = calibrate(said[:, None], targets[:, None], mask)
    np.testing.assert_allclose(calibrated(said[:, None], curves)[:, 0], true, atol=0.03)


def test_a_class_without_positives_keeps_its_scores_and_a_wrong_member_says_the_frequency(
    rng: np.random.Generator,
) -> None:
    scores = rng.uniform(0.05, 0.95, (400, 2))
    targets = np.stack([np.zeros(400), scores[:, 1] < 0.3], axis=1)
    curves = calibrate(scores, targets, np.ones((400, 2), bool))
    found = calibrated(scores, curves)
    np.testing.assert_allclose(found[:, 0], scores[:, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 1], targets[:, 1].mean(), atol=1e-6)


def test_unknown_targets_do_not_bend_a_curve(rng: np.random.Generator) -> None:
    scores = rng.uniform(size=(300, 1))
    targets = (rng.uniform(size=(300, 1)) < scores).astype(np.float32)
    mask = rng.uniform(size=(300, 1)) < 0.7
    flipped = np.where(mask, targets, 1 - targets)
    np.testing.assert_array_equal(calibrate(scores, targets, mask), calibrate(scores, flipped, mask))


def test_the_mean_is_over_the_members_that_say_a_class(
    built: Run, toy: Catalog, member: Run, weights: Path
) -> None:
    found, own = open_run(built, device="cpu"), open_run(member, device="cpu")
    published = published_scorer(weights, device="cpu")
    assert found.labels == own.labels  # the run says all fifteen
    assert found.unsaid == ()
    tensors, card = built.read_model()
    audio = sound([330.0, 500.0], 2.0, 5)[None, None]
    scores = dict(zip(found.labels, found.score(audio)[0], strict=True))
    parts = [whole_scores(scorer, audio, RATE) for scorer in (own, published)]
    ranked = [
        dict(zip(scorer.labels, ranks(part, tensors[f"member.{m}"].numpy())[0], strict=True))
        for m, (scorer, part) in enumerate(zip((own, published), parts, strict=True))
    ]
    assert scores["brass"] == pytest.approx(ranked[0]["brass"], abs=1e-5)
    assert scores["key"] == pytest.approx((ranked[0]["key"] + ranked[1]["key"]) / 2, abs=1e-5)
    assert [of["name"] for of in card["ensemble"]["members"]] == [str(member.path), str(weights)]
    assert card["ensemble"]["members"][0]["sha256"] == member.card["sha256"]


def test_an_instrument_that_a_member_cannot_say_follows_its_family(
    built: Run, toy: Catalog, member: Run, weights: Path, tmp_path: Path
) -> None:
    run, _ = build_ensemble([str(member.path), str(weights)], tmp_path / "out", catalog=toy, mix=MIX,
                            config=replace(SMALL, combine="calibrated"),
                            cache=built.path.parent / "scores")  # fmt: skip
    dataset = MixDataset(toy, MIX.for_evaluation(), split="test", seed=0, epoch_size=8, batch_size=1,
                         rank=0, world_size=1)  # fmt: skip
    audio, stored = dataset.item(0)["audio"].numpy()[None], run.predictions().only("test")

    def scores() -> dict[str, float]:
        scorer = open_run(Run.open(run.path), device="cpu")
        return dict(zip(scorer.labels, scorer.score(audio)[0], strict=True))

    np.testing.assert_allclose([scores()[name] for name in stored.labels], stored.scores[0], atol=1e-4)
    # Sixteen mixes fit curves that fall flat; with others it shows who follows whom.
    tensors, card = run.read_model()
    tensors = {key: torch.tensor([[1.0, -m]] * len(of)) for m, (key, of) in enumerate(tensors.items())}
    run.write_model(tensors, card)
    said = []
    for m, one in enumerate((open_run(member, device="cpu"), published_scorer(weights, device="cpu"))):
        probable = calibrated(whole_scores(one, audio, RATE), tensors[f"member.{m}"].numpy())[0]
        said.append(dict(zip(one.labels, probable, strict=True)))
    own, tags = said
    found = scores()
    for name, family in (("singer", "voice"), ("electric bass", "plucked string")):
        assert family in tags
        assert name not in tags
        followed = tags[family] * min(own[name] / own[family], 1)
        assert abs(followed - own[name]) > 1e-3
        assert found[name] == pytest.approx((own[name] + followed) / 2, abs=1e-5)
    assert found["brass"] == pytest.approx(own["brass"], abs=1e-5)  # tags say nothing of the family either
    # As older versions made it, it goes on meaning what it did.
    del card["ensemble"]["follows_families"]
    run.write_model(tensors, card)
    assert scores()["singer"] == pytest.approx(own["singer"], abs=1e-5)
    assert scores()["voice"] == found["voice"]
    card["ensemble"]["follows_families"] = "yes"
    run.write_model(tensors, card)
    with raises(RunError, code="run-damaged", mentions=("follows_families", "mixlab ensemble")):
        open_run(Run.open(run.path), device="cpu")


def test_predictions_are_what_the_opened_ensemble_says_of_the_mixes(built: Run, toy: Catalog) -> None:
    scorer, test = open_run(built, device="cpu"), built.predictions().only("test")
    dataset = MixDataset(toy, MIX.for_evaluation(), split="test", seed=0, epoch_size=8, batch_size=1,
                         rank=0, world_size=1)  # fmt: skip
    for row in range(3):
        item = dataset.item(row)
        np.testing.assert_allclose(scorer.score(item["audio"].numpy()[None])[0], test.scores[row], atol=1e-4)
        np.testing.assert_array_equal(item["target"].numpy(), test.targets[row])
    assert scorer.fitted
    own, published = built.card["ensemble"]["members"]
    assert [(by.kind, by.sha256) for by in scorer.scored_by] == [
        ("run", built.card["sha256"]), ("run", own["sha256"]), ("weights", published["sha256"])
    ]  # fmt: skip
    report = built.report()
    assert {k.name: k.threshold for k in report.test.classes}.keys() == set(scorer.labels)


def test_an_ensemble_is_a_run_to_every_command(
    built: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, sound([440.0], 3.0, 0), RATE)
    assert main(["tag", str(song), "--run", str(built.path), "--device", "cpu"]) == 0
    assert "an ensemble of" in capsys.readouterr().out
    before = built.report().to_dict()
    assert main(["evaluate", str(built.path)]) == 0
    assert built.report().to_dict() == before
    assert "Next:" in capsys.readouterr().out
    make_irmas(tmp_path / "irmas")
    arguments = ["--run", str(built.path), "--root", str(tmp_path / "irmas"), "--resamples", "0"]
    assert main(["evaluate-on", "irmas", *arguments, "--device", "cpu"]) == 0
    assert json.loads((built.path / "external/irmas-test.json").read_text())["n_clips"] == 3


def test_by_default_published_weights_alone_are_calibrated(
    toy: Catalog, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(4)
    other = tmp_path / "jamendo_musicnn.pth"
    torch.save(build_model(ModelConfig(architecture="musicnn"), 50).state_dict(), other)
    arguments = ["ensemble", str(tmp_path / "out"), "--member", str(weights), "--member", str(other),
                 "--val_size", "8", "--test_size", "4", "--bootstrap", "0",
                 "--workers", "1"]  # fmt: skip
    assert main(arguments) == 2
    assert "--catalog FOLDER" in capsys.readouterr().err
    assert main([*arguments, "--catalog", str(toy.path)]) == 0
    scorer = open_run(tmp_path / "out", device="cpu")
    assert scorer.unsaid == ("woodwind", "brass", "singer", "electric bass")
    audio = sound([300.0], 4.0, 0)[None, None]
    tensors, card = Run.open(tmp_path / "out").read_model()
    parts = []
    for m, file in enumerate((weights, other)):
        said = published_scorer(file, device="cpu")
        probable = calibrated(whole_scores(said, audio, RATE), tensors[f"member.{m}"].numpy())[0]
        parts.append(dict(zip(said.labels, probable, strict=True)))
    assert card["ensemble"]["combine"] == "calibrated"
    for name, value in zip(scorer.labels, scorer.score(audio)[0], strict=True):
        assert value == pytest.approx(np.mean([part[name] for part in parts if name in part]), abs=1e-5)


def test_another_member_than_it_was_fitted_with_is_refused(
    toy: Catalog, weights: Path, tmp_path: Path
) -> None:
    member = make_run(tmp_path / "member")
    config = EnsembleConfig(val_size=4, test_size=4, bootstrap=0, workers=1)
    names = [str(member.path), str(weights)]
    build_ensemble(names, tmp_path / "out", catalog=toy, mix=MIX, config=config)
    (tmp_path / "moved").mkdir()
    for name in ("member", "out"):  # both moved together: it finds its member
        (tmp_path / name).rename(tmp_path / "moved" / name)
    moved = Run.open(tmp_path / "moved/out")
    open_run(moved, device="cpu")
    state, card = Run.open(tmp_path / "moved/member").read_model()
    changed = {key: value + 1 if value.is_floating_point() else value for key, value in state.items()}
    Run.open(tmp_path / "moved/member").write_model(changed, card)
    with raises(RunError, code="run-damaged", mentions=("member", "mixlab ensemble")):
        open_run(moved, device="cpu")
    with raises(RunError, code="wrong-run-kind"):
        evaluate_ensemble(Run.open(tmp_path / "moved/member"))


@pytest.mark.parametrize("members", [[], ["one"], ["one", "one"]])
def test_one_member_is_no_ensemble(members: list[str], tmp_path: Path) -> None:
    with raises(ConfigError, code="invalid-setting"):
        build_ensemble(members, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_member_by_two_names_is_refused(toy: Catalog, member: Run, tmp_path: Path) -> None:
    names = [str(member.path), f"{member.path}/."]
    with raises(ConfigError, code="invalid-setting", mentions=names):
        build_ensemble(names, tmp_path / "out", catalog=toy, mix=MIX, config=SMALL)


def test_a_member_of_another_catalog_is_refused(
    toy: Catalog, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was trained on may be validated and tested on here."""
    other = make_run(tmp_path / "other")
    other.update(catalog={**(other.info.get("catalog") or {}), "content_hash": "another"})
    monkeypatch.setattr(type(other), "config", {"mix": {"duration_s": 1.0}})
    with raises(ConfigError, code="training-overlap", mentions=(str(other.path),)):
        build_ensemble([str(other.path), str(weights)], tmp_path / "out", catalog=toy, mix=MIX, config=SMALL)
