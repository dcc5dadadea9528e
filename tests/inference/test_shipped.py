"""The model that comes with mixlab: the file is what its card says, and it tags where no other is named."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.shipped_model import reference_sound
from mixlab.cli.commands.options import choose_scorer
from mixlab.cli.main import main
from mixlab.errors import ConfigError, WeightsError
from mixlab.inference import join_beside, join_scorers, shipped_scorer
from mixlab.inference.calibration import known_curves
from mixlab.inference.joint import open_beside
from mixlab.inference.published import published_scorer
from mixlab.inference.scorer import Scorer
from mixlab.inference.tagger import Tagger
from mixlab.models import ModelConfig, build_model, load_weights, read_weights, shipped_model
from mixlab.models.pretrained import CHECKPOINTS, find_weights
from mixlab.models.registry import plain_settings
from mixlab.models.shipped_model import SHIPPED, read_card, shipped_card, shipped_curves, shipped_file
from mixlab.taxonomy import load_label_set
from mixlab.training.config import TrainConfig
from mixlab.training.transfer import check_pretrained
from mixlab.utils.hashing import file_digest
from tests.conftest import REPO
from tests.errors import raises
from tests.tagged_trees import make_run

LABELS = load_label_set("mixtures15")
FREE = ("MIT", "CC0", "Creative Commons 0", "CC BY", "cc-by", "Attribution")
BOUND = ("NC", "NonCommercial", "GPL", "not known")


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, which a test may damage."""
    shutil.copytree(shipped_model.FOLDER, tmp_path / "shipped")
    monkeypatch.setattr(shipped_model, "FOLDER", tmp_path / "shipped")
    return tmp_path / "shipped"


@pytest.fixture(scope="module")
def crnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the true format of jamendo_crnn, with random values."""
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "jamendo_crnn.pth"
    torch.save(build_model(ModelConfig(architecture="crnn"), 50).state_dict(), file)
    return file


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "song.wav"
    soundfile.write(file, np.concatenate(reference_sound(16_000, 4.0)[:3, 0]), 16_000)
    return file


def test_the_page_says_of_each_family_what_the_card_says() -> None:
    page, scores = (REPO / "docs" / "shipped_model.md").read_text(encoding="utf-8"), read_card()["scores"]
    on = scores["recordings"]
    for family, value in on["families"].items():
        assert f"| {family} | {_said(scores['composed_test'][family])} | {_said(value)} |" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| `mixlab_tagger` | ")]
    means = (on["all"]["8"], on["all"]["6"], on["solos"]["6"], on["mixes"]["6"])
    assert re.findall(r"(\.\d{3}) [(|]", row) == [_said(value) for value in means]
    named = ("bowed string", "woodwind")
    told = ", ".join(f"{on['families'][family]:.2f}".lstrip("0") for family in named)
    assert f"(AP {told})" in " ".join(read_card()["weaknesses"])


def _said(value: float) -> str:
    return f"{value:.3f}".lstrip("0")


def test_the_file_is_the_one_that_code_and_card_name() -> None:
    entry, card = CHECKPOINTS[SHIPPED], read_card()
    assert find_weights(SHIPPED) == shipped_file()
    assert shipped_file().stat().st_size == entry.size == card["size"] <= 8_000_000
    assert file_digest(shipped_file()) == entry.sha256 == card["sha256"]
    assert plain_settings(entry.model) == card["network"]
    assert entry.native_samples == card["input"]["duration_s"] * entry.model.sample_rate
    assert list(LABELS.names) == card["classes"]


def test_the_settings_that_are_shown_with_it_are_those_of_its_network(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["weights", "show", SHIPPED]) == 0
    shown = " ".join(capsys.readouterr().out.split()).partition(" use ")[2]
    given = dict(re.findall(r"--train\.model\.([\w.]+) (\w+)", shown))
    members = {"members": int(given.pop("parameters.members"))}
    values = {name: int(value) if value.isdecimal() else value for name, value in given.items()}
    config = ModelConfig(**values, parameters=members)  # type: ignore[arg-type]
    assert config == replace(CHECKPOINTS[SHIPPED].model, dropout=config.dropout)
    load_weights(build_model(config, 15), read_weights(shipped_file()))


def test_a_network_that_is_asked_for_is_told_of_bands_and_level() -> None:
    config = TrainConfig(transfer="finetune", pretrained=SHIPPED)
    asked = ("train.model.n_mels=128", "train.model.level=peak")
    with raises(ConfigError, code="weights-mismatch", mentions=asked):
        check_pretrained(config)
    own = CHECKPOINTS[SHIPPED].model
    assert check_pretrained(replace(config, model=replace(own, hop=512, level="as_mixed"))) == shipped_file()


def test_it_gives_the_scores_that_its_card_states() -> None:
    scorer, card = shipped_scorer(device="cpu"), read_card()
    found = scorer.score(reference_sound(scorer.sample_rate, scorer.window_s))
    # Those of the card are not raised to the tree; a family says what its surest instrument does.
    wanted = scorer.consistent(np.array(card["reference"], np.float32))
    np.testing.assert_allclose(scorer.consistent(found), wanted, atol=2e-3)
    assert scorer.labels == LABELS.names
    np.testing.assert_array_equal(scorer.thresholds, [card["thresholds"][name] for name in LABELS.names])
    assert (scorer.fitted, scorer.thresholds_from) == (True, "shipped")


def test_nothing_went_in_whose_licence_forbids_it() -> None:
    card = read_card()
    assert len(card["sound"]["libraries"]) > 20
    for library in card["sound"]["libraries"]:
        assert any(word in library["licence"] for word in FREE), library
        assert not any(word in library["licence"] for word in BOUND), library
    assert card["trained"]["settings"]["train"]["teacher"]["weights"] == ""
    assert card["started_from"] is None or "Apache-2.0" in card["started_from"]["licence_weights"]


def test_what_its_card_says_of_recordings_is_whole() -> None:
    scores = read_card()["scores"]
    on = scores["recordings"]
    assert {*on["families"]} == set(LABELS.names[:8])
    assert on["all"]["8"] == pytest.approx(np.mean([*on["families"].values()]))
    low, high = on["interval_over_groups"]["8"]
    assert low < on["all"]["8"] < high
    assert set(scores["composed_test"]) >= set(LABELS.names[:8])


def test_a_file_is_tagged_by_it_where_no_model_is_named(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", str(sound), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"{SHIPPED} comes with mixlab")
    assert str(shipped_card()) in first
    assert "--also mtat_musicnn" in first
    data = json.loads((tmp_path / "out" / "song.json").read_text(encoding="utf-8"))
    assert data["weights"] == SHIPPED
    assert [row["name"] for row in data["classes"]] == list(LABELS.names)
    own = Tagger(shipped_scorer(device="cpu")).tag(sound)
    assert data["tags"] == list(own.tags)
    assert data["thresholds_from"] == "shipped"
    assert main(["tag", str(sound), "--weights", SHIPPED, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "comes with mixlab" not in out
    assert "thresholds fitted when the model was made, on validation mixes of composed songs" in out
    # One of the user's own is no news to the user, and was not fitted.
    own = ["--threshold", "0.3", "--out", str(tmp_path / "own")]
    assert main(["tag", str(sound), "--weights", SHIPPED, "--device", "cpu", *own]) == 0
    assert "thresholds" not in capsys.readouterr().out
    assert json.loads((tmp_path / "own" / "song.json").read_text())["thresholds_from"] == "chosen"


def test_damage_is_told(copied: Path, sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, card = copied / shipped_file().name, copied / shipped_card().name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with raises(WeightsError, code="weights-checksum", mentions=(str(file), "damaged", "Install mixlab")):
        shipped_scorer()
    file.unlink()
    with raises(WeightsError, code="weights-checksum", mentions=(str(file), "missing")):
        shipped_scorer()
    assert main(["tag", str(sound)]) == 2
    assert "Install mixlab again" in capsys.readouterr().err
    data[-1] ^= 1
    file.write_bytes(data)
    for content in ("", "{}", '{"thresholds": 3}', '{"thresholds": {"voice": "loud"}}'):
        card.write_text(content, encoding="utf-8")
        with raises(WeightsError, code="invalid-weights", mentions=str(card)):
            shipped_scorer()
    card.write_text('{"thresholds": {"voice": 0.5}}', encoding="utf-8")
    with raises(WeightsError, code="invalid-weights", mentions="percussion"):
        shipped_scorer()


@pytest.mark.parametrize("content", ["", "{}", '{"label_set": "", "members": {"a": {"sha256": ""}}}'])
def test_damaged_curves_are_told(copied: Path, content: str) -> None:
    (copied / shipped_curves().name).write_text(content, encoding="utf-8")
    with raises(WeightsError, code="invalid-weights", mentions=(str(copied / "curves.json"), "install")):
        shipped_scorer()


def fake(scores: dict[str, float], threshold: float, **changed: object) -> Scorer:
    """One that says some classes of mixtures15, always with the same scores."""
    outputs = [output for output in LABELS.outputs if output.name in scores]
    row = np.array([scores[output.name] for output in outputs], np.float32)
    made = Scorer(
        compute=lambda audio: np.tile(row, (len(audio), 1)),
        labels=tuple(output.name for output in outputs),
        parents=(None,) * len(outputs),
        thresholds=np.full(len(outputs), threshold),
        sample_rate=8000,
        window_s=1.0,
        source="fake",
        fitted=True,
        label_set="mixtures15",
        nodes=tuple(output.nodes for output in outputs),
    )
    return replace(made, **changed)


def test_two_models_say_the_classes_of_a_label_set_of_ones_own(crnn: Path, tmp_path: Path) -> None:
    outputs = [{"name": name, "nodes": [node]} for name, node in (("keys", "key"), ("sung", "voice"))]
    # The name of a shipped one does not make it that one.
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps({"name": "mixtures15", "outputs": outputs}))
    both = choose_scorer(None, "", str(file), "cpu", also=[str(crnn)])
    assert both.labels == ("keys", "sung")
    first = published_scorer(SHIPPED, file, device="cpu")
    again = join_scorers([first, open_beside(first, crnn, device="cpu")])
    sound = reference_sound(16_000, 4.0)
    np.testing.assert_array_equal(both.score(sound), again.score(sound))
    with raises(ConfigError, code="conflicting-settings", mentions=("'voice'", "mixtures15")):
        join_scorers([first, shipped_scorer(device="cpu")])


def test_of_two_models_the_mean_of_log_odds_counts_from_their_thresholds() -> None:
    first = fake({"voice": 0.2, "key": 0.9, "brass": 0.3}, 0.2, window_s=2.0)
    second = fake({"voice": 0.6, "key": 0.1}, 0.6, sample_rate=4000)
    both = join_scorers([first, second])
    assert both.labels == ("voice", "brass", "key")
    assert (both.sample_rate, both.window_s) == (8000, 2.0)
    assert "woodwind" in both.unsaid
    found = dict(zip(both.labels, both.score(np.zeros((2, 1, 16_000), np.float32))[1], strict=True))

    def probability(*pairs: tuple[float, float]) -> float:
        odds = [score / (1 - score) * (1 - threshold) / threshold for score, threshold in pairs]
        mean = float(np.prod(odds)) ** (1 / len(odds))
        return mean / (1 + mean)

    assert found["voice"] == pytest.approx(0.5)
    assert found["key"] == pytest.approx(probability((0.9, 0.2), (0.1, 0.6)))
    assert found["brass"] == pytest.approx(probability((0.3, 0.2)))
    np.testing.assert_array_equal(both.thresholds, 0.5)
    assert (both.fitted, both.thresholds_from) == (False, "odds")


def test_of_two_models_an_instrument_that_one_cannot_say_follows_its_family() -> None:
    first = fake({"voice": 0.9, "singer": 0.8, "brass": 0.3}, 0.5)
    second = fake({"voice": 0.1, "brass": 0.3}, 0.5)
    both = join_scorers([first, second])
    found = both.score(np.zeros((2, 1, 8000), np.float32))
    named = dict(zip(both.labels, found[1], strict=True))
    # 9 to 1 for voice and 1 to 9: even. To the first 8 of 9 voices are singers, so 0.1 * 8 / 9 to the second.
    assert named["voice"] == pytest.approx(0.5)
    share = 0.1 * 8 / 9
    odds = (4 * share / (1 - share)) ** 0.5
    assert named["singer"] == pytest.approx(odds / (1 + odds))
    assert named["brass"] == pytest.approx(0.3)
    np.testing.assert_allclose(both.consistent(found), found)
    alone = join_scorers([fake({"singer": 0.8}, 0.5), second])
    assert dict(zip(alone.labels, alone.score(np.zeros((1, 1, 8000), np.float32))[0], strict=True))[
        "singer"
    ] == pytest.approx(0.8)


def test_of_two_models_a_family_that_is_sure_does_not_silence_its_instruments() -> None:
    """Another instrument may make a model sure of a family: that says nothing against this one."""
    second = fake({"plucked string": 0.6}, 0.5)
    for family in (0.9, 0.99, 0.99999):
        first = fake({"plucked string": family, "electric guitar": 0.85, "electric bass": family}, 0.5)
        both = join_scorers([first, second])
        named = dict(zip(both.labels, both.score(np.zeros((1, 1, 8000), np.float32))[0], strict=True))
        assert 0.6 < named["electric guitar"] < named["plucked string"]


def test_of_models_whose_curves_are_known_the_mean_of_calibrated_scores_counts() -> None:
    first = fake({"voice": 0.2, "singer": 0.1, "key": 0.9}, 0.2)
    second = fake({"voice": 0.6, "key": 0.3}, 0.6)
    curves = np.array([[2.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), np.array([[0.5, -1.0], [0.0, -2.0]])
    order = [first.labels.index(name) for name in ("voice", "singer", "key")]
    both = join_scorers(
        [replace(first, curves=curves[0][np.argsort(order)]), replace(second, curves=curves[1])]
    )
    found = dict(zip(both.labels, both.score(np.zeros((2, 1, 8000), np.float32))[1], strict=True))

    def curved(score: float, slope: float, offset: float) -> float:
        return float(1 / (1 + ((1 - score) / score) ** slope * np.exp(-offset)))

    voices = curved(0.2, 2, 1), curved(0.6, 0.5, -1)
    assert found["voice"] == pytest.approx(np.mean(voices))
    assert found["key"] == pytest.approx(np.mean([0.9, curved(0.3, 0, -2)]))
    assert found["singer"] == pytest.approx(np.mean([0.1, voices[1] * min(0.1 / voices[0], 1)]))
    np.testing.assert_array_equal(both.thresholds, 0.5)
    assert (both.fitted, both.thresholds_from) == (False, "curves")
    # One whose curves are not known is joined by thresholds, and so are all beside it.
    plain = join_scorers([first, second]).score(np.zeros((1, 1, 8000), np.float32))
    mixed = join_scorers([replace(first, curves=curves[0]), replace(second, source="other")])
    assert mixed.note == "joined by thresholds, as there are no curves for other"
    np.testing.assert_array_equal(mixed.score(np.zeros((1, 1, 8000), np.float32)), plain)


def test_curves_hold_for_their_weights_and_classes_alone(crnn: Path, tmp_path: Path) -> None:
    own = shipped_scorer(device="cpu")
    assert own.curves is not None
    assert own.curves.shape == (15, 2)
    assert (own.curves[:, 0] >= 0).all()
    known = known_curves(SHIPPED, file_digest(shipped_file()), LABELS.content_hash)
    assert known is not None
    np.testing.assert_array_equal(own.curves, [known[name] for name in LABELS.names])
    assert known_curves(SHIPPED, "another file", LABELS.content_hash) is None
    assert published_scorer(SHIPPED, "irmas11", device="cpu").curves is None
    # Named after weights whose curves are known, with other values.
    assert published_scorer(crnn, device="cpu").curves is None
    for name in ("jamendo_musicnn", "mtat_musicnn"):
        assert known_curves(name, CHECKPOINTS[name].sha256, LABELS.content_hash)


def test_curves_that_change_count_in_what_is_opened_next(copied: Path) -> None:
    file, before = copied / shipped_curves().name, shipped_scorer(device="cpu")
    told = json.loads(file.read_text(encoding="utf-8"))
    told["members"][SHIPPED]["curves"]["voice"] = [3.0, -1.0]
    file.write_text(json.dumps(told), encoding="utf-8")
    after = shipped_scorer(device="cpu")
    assert before.curves is not None
    assert after.curves is not None
    np.testing.assert_array_equal(after.curves[LABELS.names.index("voice")], [3.0, -1.0])
    assert (before.curves[0] != after.curves[0]).any()
    assert before.curves_by != after.curves_by


def test_a_model_is_given_once(crnn: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copies" / crnn.name
    copy.parent.mkdir()
    shutil.copy(crnn, copy)
    with raises(ConfigError, code="repeated-option", mentions="jamendo_crnn is given twice"):
        choose_scorer(None, "", "mixtures15", "cpu", also=[str(crnn), str(copy)])
    with raises(ConfigError, code="repeated-option", mentions=f"{SHIPPED} is given twice"):
        choose_scorer(None, "", "mixtures15", "cpu", also=[SHIPPED])
    with raises(ConfigError, code="malformed-option", mentions="--also"):
        choose_scorer(None, "", "mixtures15", "cpu", also=[""])
    run = str(make_run(tmp_path / "run").path)
    with raises(ConfigError, code="repeated-option", mentions=f"{run} is given twice"):
        choose_scorer(Path(run), "", "mixtures15", "cpu", also=[f"{run}/"])
    own = shipped_scorer(device="cpu")
    assert join_beside(own, []) is own
    with pytest.raises(TypeError, match="list"):
        join_beside(own, SHIPPED)


def test_a_list_with_commas_says_to_give_the_option_again(
    crnn: Path, sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", str(sound), "--also", "mtat_musicnn, jamendo_musicnn"]) == 2
    assert "--also mtat_musicnn --also jamendo_musicnn" in capsys.readouterr().err
    assert main(["ensemble", str(tmp_path / "out"), "--member", "mixlab_tagger,jamendo_crnn"]) == 2
    assert "--member mixlab_tagger --member jamendo_crnn" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with raises(ConfigError, code="malformed-option", mentions="','"):
        choose_scorer(None, "", "mixtures15", "cpu", also=[","])
    many = ",".join(["mtat_musicnn"] * 30)  # longer than the name of a file may be
    with raises(ConfigError, code="malformed-option", mentions="--also mtat_musicnn"):
        choose_scorer(None, "", "mixtures15", "cpu", also=[many])
    apart = tmp_path / "mine, with a comma" / crnn.name  # a path that has one is a path
    apart.parent.mkdir()
    shutil.copy(crnn, apart)
    assert "jamendo_crnn" in choose_scorer(None, "", "mixtures15", "cpu", also=[str(apart)]).source


def test_published_weights_tag_beside_it(crnn: Path, sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", str(sound), "--also", str(crnn), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert f"model of {SHIPPED} and jamendo_crnn: 15 classes" in out
    # Random weights have no curves.
    assert "Decided at thresholds of 0.5, where the log odds" in out
    assert "fitted on" not in out
    own = shipped_scorer(device="cpu")
    both = join_scorers([own, open_beside(own, crnn, device="cpu")])
    assert both.labels == LABELS.names
    audio = np.pad(reference_sound(16_000, 4.0), ((0, 0), (0, 0), (0, both.window - 64_000)))
    alone = own.consistent(own.score(audio[..., : own.window]))
    assert not np.allclose(both.score(audio), alone)


def test_models_that_cannot_be_joined_are_refused() -> None:
    with raises(ConfigError, code="conflicting-settings", mentions="one class at a time"):
        join_scorers([fake({"voice": 0.5}, 0.5), fake({"voice": 0.5}, 0.5, single_label=True)])
    with raises(ConfigError, code="conflicting-settings", mentions="stereo"):
        join_scorers([fake({"voice": 0.5}, 0.5), fake({"voice": 0.5}, 0.5, channels=2)])
    with raises(ConfigError, code="conflicting-settings", mentions="--also"):
        open_beside(fake({"voice": 0.5}, 0.5, label_set=""), "jamendo_musicnn")
