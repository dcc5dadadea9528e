"""Use an installed mixlab as one does who has a folder of stems: check, index, mix, iterate with two workers.

python .ci/use_wheel.py    # in an empty folder, by the Python of a clean environment
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch

import mixlab
from mixlab import Catalog, MixConfig, MixDataset

RATE, SECONDS = 16000, 6
STEMS = {"piano": 440.0, "bass": 55.0, "violin": 660.0, "lead vocals": 330.0, "drums": 0.0}


def make_stems(root: Path, songs: int = 6) -> None:
    """Write songs of tones that come and go, and noise for the drums."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE * SECONDS) / RATE
    for number in range(songs):
        folder = root / f"Band {number} - Song {number}"
        folder.mkdir(parents=True)
        for name, frequency in STEMS.items():
            tone = np.sin(2 * np.pi * frequency * time) if frequency else rng.normal(0, 0.3, len(time))
            loudness = 0.2 * (np.sin(2 * np.pi * time / 3 + number) > -0.5)
            soundfile.write(folder / f"{name}.wav", tone * loudness, RATE, subtype="PCM_16")


def command(*words: str) -> None:
    """Run a command of mixlab; its output is shown."""
    print("+ mixlab", *words, flush=True)
    subprocess.run([str(Path(sys.executable).with_name("mixlab")), *words], check=True)


def main() -> None:
    """Do it all; an assertion or an exception ends it."""
    assert Path(mixlab.__file__).is_relative_to(sys.prefix), (
        f"mixlab is not of this environment: {mixlab.__file__}"
    )
    print(f"Python {sys.version.split()[0]}, mixlab {mixlab.__version__}, numpy {np.__version__}", end=", ")
    print("torch", torch.__version__)
    make_stems(Path("stems"))
    command("taxonomy", "--check", "stems", "--corpus", "folder")
    command("index", "catalog", "--root", "folder=stems", "--workers", "1")
    command("mix", "catalog", "--index", "0:2", "--out", "mixes", "--mix.duration_s", "2")
    assert len(list(Path("mixes").rglob("mixture.wav"))) == 2

    dataset = MixDataset(Catalog.open("catalog"), MixConfig(duration_s=2.0))
    loaders = [torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=workers) for workers in (2, 0)]
    batches = [next(iter(loader)) for loader in loaders]
    assert batches[0]["audio"].shape == (4, 1, 2 * 16000)
    assert batches[0]["audio"].abs().amax() > 0
    assert batches[0]["target"].sum() > 0
    print(
        "one batch of two workers:", {k: tuple(v.shape) for k, v in batches[0].items() if hasattr(v, "shape")}
    )


if __name__ == "__main__":
    main()
