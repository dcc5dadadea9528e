"""What training loses to the loader: steps on fresh mixes against steps on one batch, over and over.

Model, loss, optimizer groups and precision are those of ``mixlab train``; the loop is the plainest one.
"""

import os
import statistics
import time
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.settings import Settings
from benchmarks.workloads import PAPER, workload
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.loader import MixLoader
from mixlab.models import ModelConfig, build_model
from mixlab.training.config import TrainConfig
from mixlab.training.losses import faster_precision, masked_bce_with_logits, measure_precision
from mixlab.training.transfer import parameter_groups, set_training_mode

Batch = dict[str, torch.Tensor]
# Small, so that many pairs of steps fit into the minutes this takes; the stall does not depend on it.
BATCH = 8
RESAMPLES = 2000


class Trainer:
    """The paper's network and its optimizer, one step at a time."""

    def __init__(self, width: int, n_classes: int, n_samples: int) -> None:
        torch.manual_seed(0)
        self.model = build_model(ModelConfig(width=width), n_classes)
        self.optimizer = torch.optim.Adam(parameter_groups(self.model, TrainConfig()))
        device = torch.device("cpu")
        rates = measure_precision(self.model, n_samples, n_classes, batch_size=BATCH, device=device, steps=2)
        self.precision = faster_precision(rates)
        set_training_mode(self.model)

    def step(self, batch: Batch) -> None:
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.model(batch["audio"])
        torch.autograd.backward(masked_bce_with_logits(logits, batch["target"], batch["mask"]))
        self.optimizer.step()

    def seconds(self, batches: Iterator[Batch]) -> tuple[float, float]:
        """Take one step; return how long it took, and how much of that was the wait for its batch."""
        begin = time.perf_counter()
        batch = next(batches)
        wait = time.perf_counter() - begin
        self.step(batch)
        return time.perf_counter() - begin, wait


def bench_training(catalog: Catalog, pack: PackReader, settings: Settings) -> dict[str, Any]:
    """Return step times in seconds, and the stall in % with 0 and 1 workers, from the pack."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        dataset = MixDataset(catalog, workload(PAPER), reader=pack, batch_size=BATCH, epoch_size=10_000)
        first: Batch = next(iter(MixLoader(dataset)))
        trainer = Trainer(settings.width, len(dataset.label_names), first["audio"].shape[-1])
        print(f"Training the network of width {settings.width} in {trainer.precision} ...", flush=True)
        runs = [
            _compare(trainer, dataset, first, workers, pairs)
            for workers, pairs in ((0, max(settings.steps // 6, 2)), (1, settings.steps))
        ]
    finally:
        torch.set_num_threads(threads)
    shape = {"width": settings.width, "batch_size": BATCH, "precision": trainer.precision}
    return {**shape, "threads": os.cpu_count(), "device": "cpu", "runs": runs}


def _compare(
    trainer: Trainer, dataset: MixDataset, first: Batch, workers: int, steps: int
) -> dict[str, float]:
    """Time steps with the loader and without, in turns, so that a drift of the machine hits both alike.

    A worker begins its next batch when one is fetched, so what it takes from the processors falls into
    the step with the loader, where it belongs.
    """
    loader = MixLoader(dataset, num_workers=workers)
    batches = iter(loader)
    for _ in range(2):
        trainer.step(next(batches))
    constant, fresh, waits = [], [], []
    for _ in range(steps):
        constant.append(trainer.seconds(repeat(first))[0])
        whole, wait = trainer.seconds(batches)
        fresh.append(whole)
        waits.append(wait)
    loader.close()
    pairs = np.array([1 - a / b for a, b in zip(constant, fresh, strict=True)])
    return {
        "workers": workers,
        "constant_s": statistics.median(constant),
        "loader_s": statistics.median(fresh),
        "wait_s": statistics.median(waits),
        "pairs": len(pairs),
        "stall_percent": 100 * float(np.median(pairs)),
        "stall_error": 100 * _median_error(pairs),
    }


def _median_error(values: NDArray[np.float64]) -> float:
    """Return the standard error of the median, by bootstrap: a step that something held up counts little."""
    resampled = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return float(np.median(values[resampled], axis=1).std())
