"""The page that tags files: what is shown, what moves it, and what it says of files it cannot take."""

import io
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")
pytest.importorskip("torch", reason="the train extra is not installed")

import soundfile
from streamlit.testing.v1 import AppTest

from app.components.heat import pack_tags, picture_of
from app.components.payload import read_header
from app.data import tags as tag_data
from mixlab.audio.uploads import Upload, decode_upload
from mixlab.inference.tagger import Tagger
from mixlab.models import shipped_model
from mixlab.taxonomy import load_label_set
from mixlab.training.run import Run
from mixlab.utils.hashing import file_digest
from tests.tiny_run import LABELS, RATE, THRESHOLDS, write_run

OFFER = "Make the demo corpora and train a small run"
SCRIPT = "from app.views import tag\ntag.show(None)"


def wav(seconds: float, rate: int = RATE, hertz: float = 440.0) -> bytes:
    t = np.arange(round(seconds * rate)) / rate
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.4 * np.sin(2 * np.pi * hertz * t), rate, format="WAV")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, of which the second was never scored."""
    folder = tmp_path_factory.mktemp("made") / "runs"
    write_run(folder / "second", seed=1, thresholds=False, note="")
    write_run(folder / "first")
    return folder


@pytest.fixture
def runs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, as the one in which the page looks."""
    monkeypatch.setenv("MIXLAB_RUNS", str(made))
    return made


@pytest.fixture
def broken(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that a test may damage, the only one that the page finds."""
    shutil.copytree(made / "first", tmp_path / "runs" / "broken")
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs" / "broken"


@pytest.fixture
def page(runs: Path) -> AppTest:
    """The page before a file was chosen, with the first run."""
    test = AppTest.from_string(SCRIPT, default_timeout=60)
    test.query_params["run"] = "runs/first"
    test.run()
    assert not test.exception
    return test


def choose_run(page: AppTest, name: str) -> AppTest:
    """Choose a run by the end of its name: what stands before it says where it was found."""
    box = page.selectbox(key="run")
    box.set_value(next(option for option in box.options if option.endswith(name))).run()
    assert not page.exception
    return page


def upload(page: AppTest, data: bytes, name: str = "my song.wav") -> AppTest:
    page.file_uploader(key="tag_file").upload(name, data, "audio/wav")
    page.run()
    assert not page.exception
    return page


def blobs(page: AppTest) -> list[bytes]:
    return [
        element.proto.bytes
        for element in page.get("bidi_component")
        if element.proto.component_name == "mixlab_player"
    ]


def header(page: AppTest) -> dict[str, Any]:
    (blob,) = blobs(page)
    return read_header(blob)


def detected(page: AppTest) -> list[str]:
    return [one["name"] for one in header(page)["heat"]["classes"] if one["detected"]]


@pytest.fixture
def tagged(page: AppTest) -> AppTest:
    """The page with ten seconds of a tone."""
    return upload(page, wav(10.0))


# ---- what is shown ----


def test_before_a_file_is_chosen_the_page_says_what_it_takes_and_that_it_keeps_nothing(page: AppTest) -> None:
    assert "WAV, FLAC, OGG" in page.file_uploader(key="tag_file").label
    assert any("not stored on disk" in caption.value for caption in page.caption)
    assert blobs(page) == []


def test_a_file_gets_the_tags_that_mixlab_gives_it(tagged: AppTest, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav(10.0))
    tags = Tagger.load(runs / "first", device="cpu").tag(tmp_path / "x.wav")
    assert (
        detected(tagged) == [name for name in ("voice", "singer") if name in tags.tags] == ["voice", "singer"]
    )
    table = tagged.dataframe[0].value.set_index("class")
    for c, name in enumerate(LABELS):
        assert table.loc[name, "mean score"] == pytest.approx(tags.mean[c], abs=1e-4)
        assert table.loc[name, "threshold"] == pytest.approx(THRESHOLDS[name])
    assert table.loc["singer", "where"] == "0:00.0-0:10.0"
    # The table behind the map holds every moment.
    moments = tagged.dataframe[1].value
    np.testing.assert_allclose(moments[list(LABELS)].to_numpy(), tags.scores, atol=1e-3)
    np.testing.assert_allclose(moments["from (s)"], tags.start_s, atol=1e-2)
    assert any("✓ voice" in text.value for text in tagged.markdown)


def test_the_player_holds_the_file_as_the_model_hears_it(tagged: AppTest) -> None:
    (blob,) = blobs(tagged)
    found = read_header(blob)
    assert (found["sample_rate"], found["channels"], found["samples"]) == (RATE, 1, 10 * RATE)
    start = 4 + int.from_bytes(blob[:4], "little")
    samples = np.frombuffer(blob, "<i2", 10 * RATE, start) / 32767
    true, _ = soundfile.read(io.BytesIO(wav(10.0)))
    np.testing.assert_allclose(samples, true, atol=1e-4)
    scores = np.frombuffer(blob, np.uint8, offset=start + samples.size * 2)
    assert len(scores) == len(found["heat"]["classes"]) * len(found["heat"]["starts"])


def test_never_trained_classes_and_demo_numbers_are_said(tagged: AppTest) -> None:
    captions = " ".join(caption.value for caption in tagged.caption)
    assert "singer: no validation or test mix held it" in captions
    assert "demo numbers" in captions
    assert tagged.dataframe[0].value.set_index("class").loc["singer", "known problems"]
    (note,) = {one["note"] for one in header(tagged)["heat"]["classes"] if one["name"] == "singer"}
    assert "perhaps it was not trained" in note


def test_a_file_shorter_than_a_window_is_padded_and_that_is_said(page: AppTest) -> None:
    upload(page, wav(0.7))
    assert any("silence was added at its end" in text.value for text in page.markdown)
    assert header(page)["heat"]["starts"] == [0.0]


def test_silent_stretches_are_marked_and_have_no_scores(page: AppTest) -> None:
    data, _ = soundfile.read(io.BytesIO(wav(6.0)))
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate([data, np.zeros(8 * RATE)]), RATE, format="WAV")
    upload(page, buffer.getvalue())
    found = header(page)["heat"]
    assert found["silent"]
    assert min(found["starts"][k] for k in found["silent"]) >= 5.9
    moments = page.dataframe[1].value
    assert moments["voice"].isna().sum() == len(found["silent"])


def test_downloads_are_offered_in_three_kinds(tagged: AppTest) -> None:
    labels = [button.proto.label for button in tagged.get("download_button")]
    assert labels == ["Scores (CSV)", "Tags (JSON)", "Audacity labels"]


def test_the_json_names_the_files_that_scored(own: tuple[Upload, Tagger]) -> None:
    from app.views.tag import _as_json

    sound, tagger = own
    run = Run.open(tagger.source)
    said = json.loads(_as_json(tagger.tag_audio(sound.audio), tagger))
    assert said["run"] == tagger.source
    assert said["scored_by"] == [
        {"kind": "run", "name": tagger.source, "sha256": run.card["sha256"],
         "card_sha256": file_digest(run.path / "model.json")}
    ]  # fmt: skip


# ---- every control changes something ----


@pytest.mark.parametrize(
    "move",
    [
        lambda page: choose_run(page, "second"),
        lambda page: page.selectbox(key="tag_hop").set_value(0.5),
        lambda page: page.toggle(key="tag_detected").set_value(True),
        lambda page: page.session_state.__setitem__("tag_decide", "one for all") or page,
    ],
)
def test_every_control_changes_what_is_shown(tagged: AppTest, move: Callable[[AppTest], AppTest]) -> None:
    before = header(tagged)
    move(tagged).run()
    assert not tagged.exception
    after = header(tagged)
    assert after["id"] != before["id"]
    assert after["heat"] != before["heat"]
    # The sound is the same, so that the player plays on.
    assert after["audio"] == before["audio"]


def test_the_slider_decides_what_is_heard(tagged: AppTest) -> None:
    tagged.session_state["tag_decide"] = "one for all"
    tagged.run()
    counts = []
    for value in (0.0, 0.5, 1.0):
        tagged.slider(key="tag_threshold").set_value(value).run()
        counts.append(len(detected(tagged)))
        assert {one["threshold"] for one in header(tagged)["heat"]["classes"]} == {value}
    assert counts[0] == len(LABELS)
    assert counts == sorted(counts, reverse=True)
    assert counts[2] == 0
    assert "No class reaches its threshold. Nearest is" in tagged.info[0].value


def test_only_what_is_heard_can_be_shown(tagged: AppTest) -> None:
    tagged.toggle(key="tag_detected").set_value(True).run()
    assert [one["name"] for one in header(tagged)["heat"]["classes"]] == ["voice", "singer"]


def test_a_run_without_thresholds_says_so(tagged: AppTest) -> None:
    choose_run(tagged, "second")
    assert "mixlab evaluate" in tagged.warning[0].value
    assert {one["threshold"] for one in header(tagged)["heat"]["classes"]} == {0.5}


def test_examples_are_tagged_and_say_what_truly_plays(page: AppTest) -> None:
    pytest.importorskip("midirenderer", reason="the demo extra is not installed")
    page.session_state["tag_source"] = "Try an example"
    page.run()
    assert not page.exception
    first = header(page)["audio"]
    assert any("drum set" in caption.value for caption in page.caption)
    page.session_state["tag_example"] = "Duo"
    page.run()
    assert header(page)["audio"] != first
    assert any("violin, piano" in caption.value for caption in page.caption)


def test_a_recording_is_tagged(page: AppTest) -> None:
    page.session_state["tag_source"] = "Record"
    page.run()
    page.get("audio_input")[0].upload("audio.wav", wav(3.0), "audio/wav")
    page.run()
    assert not page.exception
    assert header(page)["takes"][0]["name"] == "recording.wav"


# ---- what it cannot take ----


def quiet() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(RATE), RATE, format="WAV")
    return buffer.getvalue()


def long() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(4000 * 700), 4000, format="WAV", subtype="PCM_U8")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"Dear Sir or Madam, " * 9, "found text"),
        (b"%PDF-1.7" + bytes(9), "is a PDF document"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "ffmpeg"),
        (wav(1.0)[:30], "header is damaged or cut off"),
        (wav(0.02), "too short to tag"),
        (quiet(), "digital silence"),
        (long(), "lasts 11.7 minutes"),
    ],
)
def test_what_cannot_be_tagged_gets_a_clear_message(page: AppTest, data: bytes, said: str) -> None:
    upload(page, data, "some_[file].wav")
    (error,) = page.error
    plain = error.value.replace("\\", "")
    assert said in plain
    assert "some_[file].wav" in plain
    assert blobs(page) == []
    # The next file is none the worse for it.
    page.file_uploader(key="tag_file").clear()
    upload(page, wav(3.0))
    assert not page.error
    assert detected(page)


def test_a_file_that_is_too_large_gets_a_clear_message(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_data, "decode_upload", partial(decode_upload, max_bytes=10_000))
    upload(page, wav(9.0))
    assert "than the 0 MB that are read here" in page.error[0].value.replace("\\", "")


def test_a_damaged_model_is_an_error_in_words(broken: Path) -> None:
    (broken / "model.safetensors").write_bytes(b"nothing")
    page = AppTest.from_string(SCRIPT, default_timeout=60).run()
    assert not page.exception
    assert "its checksum differs" in page.error[0].value.replace("\\", "")


def test_a_damaged_report_keeps_no_file_from_being_tagged(broken: Path) -> None:
    (broken / "report.json").write_text("{")
    page = AppTest.from_string(SCRIPT, default_timeout=60).run()
    assert detected(upload(page, wav(3.0))) == ["voice", "singer"]


# ---- without a run ----


def test_without_a_run_the_page_says_what_to_type_and_offers_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = AppTest.from_string(SCRIPT, default_timeout=60).run()
    assert not page.exception
    assert any("mixlab train --catalog" in text.value for text in page.markdown)
    assert OFFER in [button.label for button in page.button]


def test_without_a_run_the_model_that_comes_with_mixlab_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(tmp_path))
    page = AppTest.from_string(SCRIPT, default_timeout=60).run()
    assert page.selectbox(key="run").options == ["mixlab_tagger"]
    page = upload(page, wav(5.0, 16_000))
    assert not page.exception
    assert not page.error
    (table,) = [frame.value for frame in page.dataframe if "class" in frame.value]
    assert set(table["class"]) == set(load_label_set("mixtures15").names)
    write_run(tmp_path / "runs" / "own")
    page = AppTest.from_string(SCRIPT, default_timeout=60).run()
    assert [option.rpartition("/")[2] for option in page.selectbox(key="run").options] == [
        "own",
        "mixlab_tagger",
    ]


def test_published_weights_that_were_fetched_are_offered_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(tmp_path))
    (tmp_path / "jamendo_musicnn.pth").write_bytes(b"never read")
    assert [run.weights for run in tag_data.without_run()] == [
        "mixlab_tagger",
        "mixlab_tagger,jamendo_musicnn",
    ]
    (tmp_path / "mtat_musicnn.pth").write_bytes(b"never read")
    assert [run.name for run in tag_data.without_run()] == [
        "mixlab_tagger",
        "mixlab_tagger and mtat_musicnn",
        "mixlab_tagger and jamendo_musicnn",
        "mixlab_tagger and mtat_musicnn and jamendo_musicnn",
    ]


def test_no_tags_are_kept_of_files_that_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What scored before is told from what scores now by the times of all files that have a part in it."""
    shutil.copytree(shipped_model.FOLDER, tmp_path / "shipped")
    monkeypatch.setattr(shipped_model, "FOLDER", tmp_path / "shipped")
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(tmp_path))
    weights = tmp_path / "mtat_musicnn.pth"
    weights.write_bytes(b"never read")
    names = sorted(file.name for file in (tmp_path / "shipped").iterdir())
    assert {"curves.json", "mtat_musicnn_head.json", "mtat_musicnn_head.safetensors"} < {*names}
    for k, name in enumerate(names):
        alone, both = tag_data.without_run()
        os.utime(tmp_path / "shipped" / name, (k, k))
        assert alone not in tag_data.without_run(), name
        assert both not in tag_data.without_run(), name
    alone, both = tag_data.without_run()
    os.utime(weights, (1, 1))
    assert tag_data.without_run()[0] == alone
    assert tag_data.without_run()[1] != both


# ---- the blob ----


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Upload, Tagger]:
    run: Run = write_run(tmp_path_factory.mktemp("own") / "run")
    return decode_upload(wav(5.0), "ü.wav", sample_rate=RATE), Tagger.load(run, device="cpu")


def test_another_threshold_is_another_blob_of_the_same_sound(own: tuple[Upload, Tagger]) -> None:
    sound, tagger = own
    tags, picture = tagger.tag_audio(sound.audio), picture_of(sound)
    first, same, other = (
        read_header(pack_tags(sound, picture, each, {})) for each in (tags, tags, tags.with_thresholds(0.5))
    )
    assert first["id"] == same["id"] != other["id"]
    assert first["audio"] == other["audio"]


def test_a_tag_of_a_file_needs_a_share_of_it(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(page, wav(10.0))
    assert any("✓ voice" in text.value for text in page.markdown)
    monkeypatch.setattr("app.views.tag.MIN_SHARE", 1.5)  # of a file that is voice throughout
    page.run()
    assert not any("✓ voice" in text.value for text in page.markdown)
    assert any("so no tag of the file: voice (100%)" in caption.value for caption in page.caption)
    shares = page.dataframe[0].value.set_index("class")["of what sounds"]
    assert (shares["voice"], shares["key"]) == (1.0, 0.0)
    assert any("trained on demo corpora" in warning.value for warning in page.warning)


def test_where_the_truth_is_known_tags_are_marked_true_or_false() -> None:
    from app.views.tag import _badge, _in_truth

    truth = tag_data.example_truth("Duo")
    assert {"violin", "piano", "bowed string", "key"} <= truth
    assert not {"brass", "drums", "singer"} & truth
    assert "green" in _badge("violin", {"violin": "little known"}, truth)
    assert "red-badge[✗ brass]" in _badge("brass", {}, truth)
    assert "green" in _badge("brass", {}, None)
    assert "orange" in _badge("brass", {"brass": "little known"}, None)
    assert [_in_truth(name, truth) for name in ("violin", "brass", "my own class")] == [
        "plays",
        "does not play",
        "",
    ]


def test_every_class_is_said_in_words(own: tuple[Upload, Tagger]) -> None:
    sound, tagger = own
    found = read_header(pack_tags(sound, picture_of(sound), tagger.tag_audio(sound.audio), {"key": "never"}))
    said = {one["name"]: one["spoken"] for one in found["heat"]["classes"]}
    assert said["voice"].startswith("voice: detected for 5.0 of 5.0 s; score mean 0.")
    assert said["key"].startswith("key: not detected;")
    assert said["key"].endswith("Never.")
    depths = {one["name"]: one["depth"] for one in found["heat"]["classes"]}
    assert depths == {"voice": 0, "singer": 1, "key": 0, "piano": 1}
