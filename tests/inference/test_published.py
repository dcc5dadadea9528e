"""Published weights as they are: tags raised through the tree, and what no tag says has no number."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from mixlab.cli.main import main
from mixlab.corpora.clips.registry import load_benchmark
from mixlab.errors import ConfigError, RunError, WeightsError
from mixlab.inference.benchmark import ExternalReport, evaluate_on
from mixlab.inference.class_mapping import match_classes
from mixlab.inference.opening import open_run
from mixlab.inference.published import published_scorer
from mixlab.inference.scorer import Scorer, known_outputs, raised_to
from mixlab.inference.tagger import Tagger
from mixlab.models import ModelConfig, build_model
from mixlab.studies.locations import find_reports
from mixlab.taxonomy import Output, load_label_set
from tests.errors import raises
from tests.tagged_trees import RATE, make_irmas, make_jamendo, make_recordings, make_run, sound

TAGS = load_label_set("jamendo50").names


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the true format of jamendo_crnn, with random values."""
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "jamendo_crnn.pth"
    torch.save(build_model(ModelConfig(architecture="crnn"), 50).state_dict(), file)
    return file


def fake(scores: dict[str, float], outputs: tuple[Output, ...] | None = None) -> Scorer:
    """A scorer that gives every window the same scores; 0.01 where none is given."""
    outputs = outputs or load_label_set("jamendo50").outputs
    row = np.array([scores.get(output.name, 0.01) for output in outputs], np.float32)
    return Scorer(
        compute=lambda audio: np.tile(row, (len(audio), 1)),
        labels=tuple(output.name for output in outputs),
        parents=(None,) * len(outputs),
        thresholds=np.full(len(outputs), 0.5),
        sample_rate=RATE,
        window_s=0.5,
        source="fake",
        fitted=False,
        nodes=tuple(output.nodes for output in outputs),
    )


def test_a_family_has_the_highest_score_of_the_tags_at_or_below_it() -> None:
    said = {"instrument---piano": 0.8, "instrument---keyboard": 0.3, "instrument---electricpiano": 0.4,
            "instrument---violin": 0.6, "instrument---bass": 0.9, "genre---rock": 1.0}  # fmt: skip
    raised = raised_to(fake(said), load_label_set("mixtures15"))
    scores = dict(zip(raised.labels, raised.score(np.zeros((2, 1, 8), np.float32))[1], strict=True))
    assert scores["key"] == pytest.approx(0.8)  # not the keyboard alone
    assert scores["piano"] == pytest.approx(0.8)
    assert scores["bowed string"] == scores["violin"] == pytest.approx(0.6)
    # Some basses are plucked and some bowed: the tag is at or below neither family.
    assert scores["plucked string"] == pytest.approx(0.01)


def test_classes_that_no_tag_says_are_listed_and_have_no_score() -> None:
    labels = load_label_set("mixtures15")
    raised = raised_to(fake({}), labels)
    assert raised.unsaid == ("woodwind", "brass", "singer", "electric bass")
    assert raised.labels == tuple(name for name in labels.names if name not in raised.unsaid)
    assert raised.score(np.zeros((1, 1, 8), np.float32)).shape == (1, len(raised.labels))
    parents = {
        name: None if p is None else raised.labels[p]
        for name, p in zip(raised.labels, raised.parents, strict=True)
    }
    assert parents["violin"] == "bowed string"
    assert parents["key"] is None


def test_raising_to_its_own_label_set_changes_no_class_that_has_nothing_below() -> None:
    tags = load_label_set("jamendo50")
    row = {name: (k + 1) / 100 for k, name in enumerate(TAGS)}
    raised = raised_to(fake(row), tags)
    assert raised.labels == TAGS
    found = dict(zip(TAGS, raised.score(np.zeros((1, 1, 8), np.float32))[0], strict=True))
    assert found["genre---rock"] == pytest.approx(row["genre---rock"])
    assert found["instrument---piano"] == pytest.approx(row["instrument---piano"])
    assert found["instrument---keyboard"] == pytest.approx(row["instrument---piano"])


def test_raised_scores_are_hierarchy_consistent(rng: np.random.Generator) -> None:
    for _ in range(20):
        raised = raised_to(
            fake(dict(zip(TAGS, rng.uniform(size=50), strict=True))), load_label_set("mixtures15")
        )
        scores = raised.score(np.zeros((1, 1, 8), np.float32))
        np.testing.assert_array_equal(raised.consistent(scores), scores)


def test_a_class_keeps_the_threshold_of_its_own_output_alone() -> None:
    outputs = (Output("keys", ("key",)), Output("acoustic", ("acoustic-guitar",)))
    given = replace(fake({}, outputs), thresholds=np.array([0.3, 0.2]), fitted=True)
    raised = raised_to(given, load_label_set("mixtures15"))
    at = dict(zip(raised.labels, raised.thresholds, strict=True))
    assert at == {"plucked string": 0.5, "key": 0.3, "acoustic guitar": 0.2}
    assert (raised.fitted, raised.thresholds_from) == (False, "partly")


def test_outputs_below_an_exact_one_are_named() -> None:
    own, tags = load_label_set("mixtures15"), load_label_set("jamendo50")
    matches = {match.name: match for match in match_classes(own, tags.outputs)}
    key = matches["key"]
    assert key.kind == "exact"
    assert {tags.names[k].partition("---")[2] for k in key.columns} == {"keyboard", "piano", "electricpiano"}
    assert tags.names[key.outputs[0]] == "instrument---keyboard"
    assert matches["violin"].below == ()


def test_what_says_nothing_of_a_label_set_is_refused() -> None:
    with raises(RunError, code="label-set-mismatch", mentions=("fake", "mixtures15")):
        raised_to(fake({}, (Output("genre---rock", ()),)), load_label_set("mixtures15"))
    with raises(RunError, code="label-set-mismatch", mentions="one class at a time"):
        raised_to(replace(fake({}), single_label=True), load_label_set("mixtures15"))
    with raises(RunError, code="unknown-label-set", mentions="fake"):
        raised_to(replace(fake({}), nodes=None), load_label_set("mixtures15"))


def test_a_run_is_a_scorer_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "jamendo50")
    scorer = known_outputs(open_run(run, device="cpu"), run)
    raised = raised_to(scorer, load_label_set("mixtures15"))
    audio = sound([440.0], 1.0, 0)[None, None]
    tags = dict(zip(scorer.labels, scorer.score(audio)[0], strict=True))
    found = dict(zip(raised.labels, raised.score(audio)[0], strict=True))
    assert found["piano"] == tags["instrument---piano"]
    keys = [tags[f"instrument---{name}"] for name in ("piano", "keyboard", "electricpiano")]
    assert found["key"] == max(keys)


def test_published_weights_are_the_network_with_its_own_head(weights: Path) -> None:
    scorer = published_scorer(weights, "jamendo50", device="cpu")
    assert (scorer.sample_rate, scorer.window_s, scorer.level) == (16_000, 29.0, "peak")
    assert scorer.source == "jamendo_crnn"
    assert not scorer.fitted
    model = build_model(ModelConfig(architecture="crnn"), 50).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    audio = sound([440.0, 700.0], 2.0, 0)[None, None]
    with torch.inference_mode():
        own = torch.sigmoid(model(torch.from_numpy(audio)))[0].numpy()
    place = TAGS.index("genre---rock")
    np.testing.assert_allclose(scorer.score(audio)[0, place], own[place], rtol=1e-5)


def test_weights_that_cannot_be_used_are_named(tmp_path: Path, weights: Path) -> None:
    with raises(WeightsError, code="weights-not-found", mentions="nothing_such"):
        published_scorer("nothing_such")
    other = tmp_path / "mine.pth"
    other.write_bytes(weights.read_bytes())
    with raises(WeightsError, code="unknown-weights", mentions=("mine.pth", "jamendo_musicnn")):
        published_scorer(other)
    for name, why in (("imagenet_resnet18", "pictures"), ("mtat_short_multi_32", "streams")):
        file = tmp_path / f"{name}.pth"
        file.write_bytes(b"never read")
        with raises(WeightsError, code="unknown-weights", mentions=(name, why)):
            published_scorer(file)
    run = make_run(tmp_path / "run")
    with raises(WeightsError, code="unknown-weights", mentions="--run"):
        published_scorer(run.path)
    broken = tmp_path / "jamendo_musicnn.pth"
    broken.write_bytes(b"no weights")
    with raises(ConfigError, code="invalid-weights", mentions="jamendo_musicnn.pth"):
        published_scorer(broken)


def test_a_file_is_tagged_by_weights(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, out = tmp_path / "song.wav", tmp_path / "out"
    soundfile.write(song, sound([440.0], 2.5, 0), RATE)
    arguments = ["tag", str(song), "--weights", str(weights), "--device", "cpu", "--out", str(out)]
    assert main([*arguments, "--threshold", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "model of jamendo_crnn: 11 classes" in text
    assert "It says nothing of woodwind, brass, singer, electric bass." in text
    assert "MTG-Jamendo" in text  # whose data, under which licence
    data = json.loads((out / "song.json").read_text())
    assert data["weights"] == "jamendo_crnn"
    assert data["unsaid"] == ["woodwind", "brass", "singer", "electric bass"]
    assert {entry["threshold"] for entry in data["classes"]} == {0.1}
    assert not {"woodwind", "brass"} & {entry["name"] for entry in data["classes"]}
    for wrong, code in ((["--run", "x"], "conflicting-settings"), (["--threshold", "2"], "invalid-setting")):
        assert main([*arguments, *wrong]) == 2
        assert code in capsys.readouterr().err
    assert main(["evaluate-on", "folder", "--root", str(out)]) == 2
    assert "--weights NAME" in capsys.readouterr().err


def test_quiet_files_are_brought_to_full_scale(weights: Path) -> None:
    tagger = Tagger(published_scorer(weights, device="cpu"))
    audio = sound([440.0, 700.0], 2.0, 0)[None]
    loud, quiet = (tagger.tag_audio(gain * audio, gate_db=-120).scores for gain in (1.0, 0.01))
    np.testing.assert_allclose(quiet, loud, atol=1e-4)


@pytest.mark.parametrize(
    ("also", "fitted", "thresholds_from", "said"),
    [
        (False, True, "shipped", "fitted when the model was made, on validation mixes of composed songs"),
        (True, False, "odds", "of 0.5, where the log odds of the models that were joined are on average"),
    ],
)
def test_a_report_says_where_thresholds_come_from(
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    also: bool,
    fitted: bool,
    thresholds_from: str,
    said: str,
) -> None:
    root = make_recordings(tmp_path / "mine")
    arguments = ["evaluate-on", "folder", "--weights", "mixlab_tagger", "--root", str(root), "--resamples"]
    arguments += ["0", "--device", "cpu", "--out", str(tmp_path), *(["--also", str(weights)] if also else [])]
    assert main(arguments) == 0
    stored = ExternalReport.load(tmp_path / "folder-mine.json")
    assert (stored.thresholds_fitted, stored.thresholds_from) == (fitted, thresholds_from)
    assert {k.threshold_fitted for k in stored.tables["families"].classes} == {fitted}
    assert stored.model == ("mixlab_tagger and jamendo_crnn" if also else "mixlab_tagger")
    assert [by.name for by in stored.scored_by] == stored.model.split(" and ")
    for text in (capsys.readouterr().out, (tmp_path / "folder-mine.md").read_text()):
        line = " ".join(text.split())
        assert f"P, R and F1 at thresholds {said}" in line
        assert "the run's own" not in line
        assert stored.model in line


def test_weights_are_scored_on_an_external_test_set(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_irmas(tmp_path / "irmas")
    arguments = ["evaluate-on", "irmas", "--weights", str(weights), "--root", str(tmp_path / "irmas")]
    arguments += ["--resamples", "3", "--device", "cpu"]
    # The network takes 1.52 s and more; the test recordings have 1.7 s.
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert f"mixlab app --runs {tmp_path / 'out'}\n" in text
    (found,) = find_reports([(tmp_path / "out", 0)])
    assert (found.name, found.files) == ("jamendo_crnn (out)", (tmp_path / "out/irmas-test.json",))
    assert "thresholds that nobody fitted (0.5, of published weights 0.2)" in " ".join(text.split())
    stored = ExternalReport.load(tmp_path / "out/irmas-test.json")
    assert (stored.thresholds_fitted, stored.thresholds_from) == (False, "none")
    kinds = {match.name: match.kind for match in stored.matches}
    assert kinds["pia"] == kinds["vio"] == "exact"
    assert {kinds[name] for name in ("cla", "flu", "sax", "tru")} == {"none"}
    assert set(stored.not_evaluable) >= {"cla", "flu", "sax", "tru"}
    assert main(arguments) == 0
    assert "Nothing is written" in capsys.readouterr().out
    assert main([*arguments, "--out", str(tmp_path / "two words")]) == 0
    assert f"mixlab app --runs '{tmp_path / 'two words'}'\n" in capsys.readouterr().out
    run = make_run(tmp_path / "run")
    assert main(["evaluate-on", "irmas", "--run", str(run.path), "--root", str(tmp_path / "irmas"),
                 "--out", str(tmp_path / "elsewhere")]) == 2  # fmt: skip
    assert "--out goes with --weights" in capsys.readouterr().err


def test_a_report_replaces_no_other_models(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_irmas(tmp_path / "irmas")
    file = tmp_path / "out/irmas-test.json"
    arguments = ["evaluate-on", "irmas", "--root", str(tmp_path / "irmas"), "--resamples", "0"]
    arguments += ["--device", "cpu", "--out", str(file.parent), "--weights"]
    assert main([*arguments, str(weights)]) == 0
    written = file.read_bytes()
    capsys.readouterr()
    assert main([*arguments, "mixlab_tagger", "--also", str(weights)]) == 2
    said = capsys.readouterr().err
    assert "report-exists" in said
    assert f"{file} is the report of jamendo_crnn, and mixlab_tagger" in said
    assert file.read_bytes() == written
    file.write_text(written.decode()[:300], encoding="utf-8")  # as one that was cut off
    assert main([*arguments, str(weights)]) == 0
    assert file.read_bytes() == written
    assert main([*arguments, str(weights)]) == 0  # the same model again


def test_tracks_that_weights_were_trained_on_are_not_scored(tmp_path: Path) -> None:
    from mixlab.inference.unseen import check_unseen_weights

    make_jamendo(tmp_path)
    train, test = (load_benchmark("jamendo", tmp_path, part) for part in ("train", "test"))
    check_unseen_weights("jamendo_crnn", 0, test)
    check_unseen_weights("mtat_musicnn", None, train)
    with raises(ConfigError, code="training-overlap", mentions="jamendo_crnn"):
        check_unseen_weights("jamendo_crnn", 0, train)
    with raises(ConfigError, code="training-overlap"):
        check_unseen_weights("other", 1, test)
    scorer = replace(
        raised_to(fake({}), load_label_set("mixtures15")),
        refuse_seen=lambda clips: check_unseen_weights("fake", 0, clips),
    )
    with raises(ConfigError, code="training-overlap"):
        evaluate_on(scorer, train, n_resamples=0)


@pytest.mark.parametrize(
    ("weights", "stem", "family"),
    [("jamendo_musicnn", "waveform-playlist/BassDrums30", "percussion"),
     ("jamendo_musicnn", "waveform-playlist/PianoSynth30", "key"),
     ("jamendo_musicnn", "trackswitch/synth", "synth"),
     ("mtat_musicnn", "waveform-playlist/BassDrums30", "percussion"),
     ("mtat_musicnn", "waveform-playlist/Vocals30", "voice"),
     ("mtat_musicnn", "waveform-playlist/Guitar30", "plucked string")],
)  # fmt: skip
def test_the_real_weights_say_what_real_stems_hold(
    shared: Path, weights: str, stem: str, family: str
) -> None:
    (file,) = (shared / "real_audio").glob(f"{stem}.*")
    audio, rate = soundfile.read(file, frames=20 * 48_000, always_2d=True)
    scorer = published_scorer(shared / f"weights/{weights}.pth", device="cpu")
    assert scorer.source == weights
    mono = soxr.resample(audio.mean(axis=1), rate, scorer.sample_rate).astype(np.float32)
    tags = Tagger(scorer).tag_audio(mono[None], hop_s=3.0)
    families = [name for name, parent in zip(tags.labels, tags.parents, strict=True) if parent is None]
    best = max(families, key=lambda name: tags.mean[tags.labels.index(name)])
    assert best == family


def test_of_the_tags_of_magnatagatune_families_and_singers_are_said(shared: Path) -> None:
    scorer = published_scorer(shared / "weights/mtat_musicnn.pth", device="cpu")
    assert scorer.unsaid == ("brass", "electric guitar", "acoustic guitar", "electric bass")
    assert scorer.labels[7:] == ("singer", "drums", "violin", "piano")
