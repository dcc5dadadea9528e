"""Train a small network that separates mixtures into four stems by masks on their spectrum.

python examples/separation.py --catalog demo-output/catalog
"""

import argparse
from collections.abc import Iterator, Sequence

import torch

from mixlab import MixConfig, MixDataset, MixLoader

FFT, HOP, HIDDEN = 2048, 1024, 128


def magnitudes(audio: torch.Tensor) -> torch.Tensor:
    """Turn ``(..., channels, samples)`` into ``(..., channels, bins, frames)``."""
    window = torch.hann_window(FFT)
    spectrum = torch.stft(audio.flatten(0, -2), FFT, HOP, window=window, return_complex=True)
    return spectrum.abs().unflatten(0, audio.shape[:-1])


def mask_network(stems: int) -> torch.nn.Sequential:
    """From the spectrum of a stereo mixture to a mask from 0 to 1 for every stem, channel, bin and frame."""
    rows = 2 * (FFT // 2 + 1)
    layers = torch.nn.Conv1d(rows, HIDDEN, 3, padding=1), torch.nn.Conv1d(HIDDEN, stems * rows, 1)
    return torch.nn.Sequential(
        torch.nn.Flatten(1, 2), layers[0], torch.nn.ReLU(), layers[1], torch.nn.Sigmoid(),
        torch.nn.Unflatten(1, (stems, 2, FFT // 2 + 1)),
    )  # fmt: skip


def train(catalog: str, steps: int, batch_size: int = 4, rate: float = 3e-3) -> Iterator[float]:
    """Train on mixes that have every stem once; yield the error of each step, 1 for mute stems."""
    config = MixConfig(label_set="musdb4", one_of_each=True, sample_rate=44100, channels=2)
    dataset = MixDataset(catalog, config, groups=True, batch_size=batch_size, epoch_size=steps * batch_size)
    torch.manual_seed(0)
    network = mask_network(len(dataset.labels))
    optimiser = torch.optim.Adam(network.parameters(), rate)
    for batch in MixLoader(dataset):
        mixture, stems = magnitudes(batch["audio"]), magnitudes(batch["groups"])
        error = (network(mixture.log1p()) * mixture[:, None] - stems).abs().mean((2, 3, 4))
        known = batch["group_mask"]  # False where nobody knows what the stem sounds like in this mix
        loss = error[known].sum() / stems.mean((2, 3, 4))[known].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


def main(given: Sequence[str] | None = None) -> None:
    """Train, and print the error of each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--catalog", required=True, help="a folder that `mixlab index` or `mixlab demo` made")
    parser.add_argument("--steps", type=int, default=100, help="batches to train on")
    options = parser.parse_args(given)
    for step, loss in enumerate(train(options.catalog, options.steps)):
        print(f"step {step}: error {loss:.3f}")


if __name__ == "__main__":
    main()
