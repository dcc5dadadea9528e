"""Tiny trees in the layouts of MTG-Jamendo, IRMAS and OpenMIC-2018, and a run with a small random model."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile

from mixlab.audio.io import write_wav
from mixlab.taxonomy import load_label_set, load_taxonomy
from mixlab.training.run import Run

RATE = 16000
# Tag and the frequency in Hz by which it can be heard.
TAGS = (("genre---rock", 110.0), ("instrument---piano", 440.0), ("instrument---violin", 1760.0))
OPENMIC = tuple(load_label_set("openmic20").names)
# Rows of a table of recordings: file, present, unknown, group.
RECORDINGS = (
    "a.wav,electric guitar,,a",
    "b.wav,electric guitar|drums|singer,synth,b",
    "c.wav,clarinet,,c",
    "d.wav,violin|piano,,d",
    "e.wav,piano,,e",
    "f.wav,guitar|voice,percussion|bass,f",
    "g.wav,clarinet|piano,*,g",
    "h.wav,singer,,h",
)


def sound(frequencies_hz: list[float], seconds: float, seed: int) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    noise = 0.005 * np.random.default_rng(seed).standard_normal(len(t))
    tones = sum(0.2 * np.sin(2 * np.pi * f * t) for f in frequencies_hz)
    return (tones + noise).astype(np.float32)


def make_jamendo(root: Path, seconds: float = 1.5) -> None:
    """Six training, four validation and four test tracks by as many artists; some files are .low.mp3."""
    number = 240
    place = root / "data" / "splits" / "split-0"
    place.mkdir(parents=True)
    for split, count in (("train", 6), ("validation", 4), ("test", 4)):
        rows = []
        for k in range(count):
            number += 1
            held = [TAGS[k % 3], *([TAGS[(k + 1) % 3]] if k % 2 else [])]
            low = split == "test"
            folder = root / "raw_30s" / ("audio-low" if low else "audio") / f"{number % 100:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            audio = sound([hz for _, hz in held], seconds, number)
            name = f"{number}.low.mp3" if low else f"{number}.mp3"
            soundfile.write(folder / name, audio, RATE, format="MP3")
            ids = [f"track_{number:07d}", f"artist_{number:06d}", f"album_{number:06d}"]
            tags = sorted(tag for tag, _ in held)
            rows.append([*ids, f"{number % 100:02d}/{number}.mp3", f"{seconds:.1f}", *tags])
        with (place / f"autotagging_top50tags-{split}.tsv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"])
            writer.writerows(rows)


def make_irmas(root: Path) -> None:
    """Two excerpts of a recording per class, and three test recordings with up to two classes."""
    for k, code in enumerate(load_label_set("irmas11").names):
        folder = root / "IRMAS-TrainingData" / code
        folder.mkdir(parents=True)
        for excerpt in (1, 2):
            # The second bracket is a genre, and for most of them that of classical music, 'cla'.
            name = f"[{code}][cla]{k + 1:04d}__{excerpt}.wav"
            write_wav(folder / name, sound([200.0 + 50 * k], 0.5, k)[None], RATE)
    parts = ("IRMAS-TestingData-Part1/Part1", "IRMAS-TestingData-Part2/IRTestingData-Part2")
    for k, codes in enumerate((("gel", "voi"), ("cel",), ("voi", "flu"))):
        folder = root / parts[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        stereo = np.stack([sound([300.0 * (k + 1)], 1.7, 50 + k)] * 2)
        write_wav(folder / f"(0{k}) a song-{k + 1}.wav", stereo, RATE)
        (folder / f"(0{k}) a song-{k + 1}.txt").write_text("".join(f"{code}\t\n" for code in codes))


def make_openmic(root: Path, count: int = 8) -> None:
    """Clips with three observed classes each; the last two are the test part."""
    keys = [f"{46 + 1000 * k:06d}_{3840 * (k + 1)}" for k in range(count)]
    truth = np.full((count, 20), 0.5)
    mask = np.zeros((count, 20), bool)
    rows = []
    for k, key in enumerate(keys):
        folder = root / "audio" / key[:3]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{key}.ogg", sound([220.0 + 30 * k], 1.2, k), RATE)
        for place, value in ((12, 0.9 if k % 2 else 0.1), (19, 0.5 if k % 3 else 0.2), (k % 12, 1.0)):
            truth[k, place], mask[k, place] = value, True
        rows += [(key, OPENMIC[c], truth[k, c], 3) for c in np.flatnonzero(mask[k])]
    (root / "partitions").mkdir()
    (root / "partitions/split01_train.csv").write_text("\n".join(keys[:-2]) + "\n")
    (root / "partitions/split01_test.csv").write_text("\n".join(keys[-2:]) + "\n")
    (root / "class-map.json").write_text(json.dumps({name: k for k, name in enumerate(OPENMIC)}))
    np.savez(root / "openmic-2018.npz", X=np.zeros((count, 10, 128), np.uint8), Y_true=truth, Y_mask=mask,
             sample_key=np.array(keys))  # fmt: skip
    header = ("sample_key", "instrument", "relevance", "num_responses")
    write_csv(root / "openmic-2018-aggregated-labels.csv", header, rows)
    columns = ("artist_id", "artist_name", "track_genres", "track_title", "sample_key", "start_time")
    about = [(k // 2, f"artist {k // 2}", "", f"title {k}", key, 1.0) for k, key in enumerate(keys)]
    write_csv(root / "openmic-2018-metadata.csv", columns, about)


def make_recordings(root: Path, *more: str) -> Path:
    """Eight recordings with what sounds in them; ``more`` are rows without a file."""
    root.mkdir(parents=True, exist_ok=True)
    for k, row in enumerate(RECORDINGS):
        write_wav(root / row.split(",")[0], sound([200.0 + 70 * k], 0.6, k)[None], RATE)
    (root / "clips.csv").write_text("\n".join(["file,present,unknown,group", *RECORDINGS, *more]) + "\n")
    return root


def write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def make_run(folder: Path, label_set: str = "mixtures15", seconds: float = 1.0) -> Run:
    """A run whose model is small and random; its thresholds are all 0.5."""
    import torch

    from mixlab.models import ModelConfig, build_model

    torch.manual_seed(0)
    labels = load_label_set(label_set)
    model = build_model(ModelConfig(n_mels=16, hop=512, width=4, n_layers=3), len(labels))
    info = {
        "name": label_set,
        "outputs": list(labels.names),
        "parents": list(labels.parents(load_taxonomy())),
        "content_hash": labels.content_hash,
    }
    run = Run.create(folder, {"catalog": "none"}, {"labels": info, "note": ""})
    card = {
        "config": asdict(model.config),
        "labels": info,
        "input": {"sample_rate": RATE, "duration_s": seconds, "channels": 1},
        "thresholds": dict.fromkeys(labels.names, 0.5),
        "note": "",
    }
    run.write_model(model.state_dict(), card)
    return run
