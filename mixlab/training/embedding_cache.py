"""What a training looks at before its first step: how often classes sound, statistics, embeddings."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from mixlab.errors import ConfigError
from mixlab.evaluation import class_prevalence
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.loader import MixLoader
from mixlab.models import parts
from mixlab.taxonomy import LabelSet, load_taxonomy
from mixlab.taxonomy.hierarchy import ancestry_from_parents
from mixlab.training.config import TrainConfig
from mixlab.training.losses import LossFunction, balanced_weights, make_loss
from mixlab.training.run import Run
from mixlab.training.transfer import calibrate_batch_norm

__all__ = [
    "EmbeddingLoader",
    "calibrate",
    "class_rates",
    "embed",
    "embedded_stream",
    "full_float32",
    "related_classes",
    "training_batches",
    "training_loss",
]

Progress = Callable[[str], None]

RATE_ITEMS = 1024
"""Mixes that tell how often each class is present: a rate of .05 is known to within .007."""

CALIBRATION_ITEMS = 256
"""Mixes on which the statistics of a random backbone are measured."""

_BATCH = 32
_SAVE_S = 60.0
"""Seconds between two saves of embeddings: what a kill may cost."""


def _beginning(stream: MixDataset, n_items: int, *, effects: bool) -> MixDataset:
    """Return the first mixes of a training stream as a fixed set, the same for every process."""
    config = stream.config if effects else replace(stream.config, effects=EffectsConfig.none())
    return MixDataset(
        stream.catalog,
        config,
        split=stream.split,
        seed=stream.seed,
        epoch_size=n_items,
        batch_size=_BATCH,
        fixed=True,
        evaluation=False,
    )


def class_rates(stream: MixDataset, *, num_workers: int = 0) -> NDArray[np.float64]:
    """Return ``(C,)`` how often each class is present in the training stream, where it is known.

    Measured on the first ``RATE_ITEMS`` mixes of the stream's seed, with its ``p_musical``, ``balance`` and
    corpora, but without effects: they cost most of the time and hardly change what sounds.
    """
    batches = MixLoader(_beginning(stream, RATE_ITEMS, effects=False), num_workers=num_workers)
    pairs = [(batch["target"].numpy(), batch["mask"].numpy()) for batch in batches]
    targets, mask = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return class_prevalence(targets, mask)


def calibrate(model: nn.Module, stream: MixDataset, *, num_workers: int = 0) -> None:
    """Measure the statistics of a random backbone on the first mixes of the training stream, in place."""
    loader = MixLoader(_beginning(stream, CALIBRATION_ITEMS, effects=True), num_workers=num_workers)
    calibrate_batch_norm(model, (batch["audio"] for batch in loader))


def embed(model: nn.Module, audio: Tensor) -> Tensor:
    """Return the embeddings ``(B, E)`` of a frozen backbone, in float32 also under autocast, no gradient.

    Embeddings are kept and compared: they must not depend on which precision was faster.
    """
    with torch.no_grad(), full_float32(), torch.autocast(audio.device.type, enabled=False):
        return parts.embed(model, audio).float()


def full_float32() -> AbstractContextManager[None]:
    """Keep cuDNN from computing float32 convolutions in TF32, which keeps ten bits and is its default."""
    found: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return found


class EmbeddingLoader:
    """A fixed number of mixes as embeddings, shuffled anew every epoch; resumes in mid-epoch.

    Takes the place of ``MixLoader`` in front of a frozen backbone. Items beyond the last whole batch of an
    epoch are left out; every epoch leaves out others.

    Args:
        items: ``embedding`` ``(N, E)``, ``target`` and ``mask`` ``(N, C)``.
        batch_size: Items per batch, at most N.
        seed: The order of epoch e follows from seed and e alone.
    """

    def __init__(self, items: Mapping[str, Tensor], batch_size: int, seed: int) -> None:
        self.items = {name: items[name] for name in ("embedding", "target", "mask")}
        self.batch_size, self.seed = batch_size, seed
        self.epoch, self.next_batch = 0, 0

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self.items["target"]) // self.batch_size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield the rest of the current epoch, then stand at the start of the next."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.items["target"]))
        epoch, batch = self.epoch, self.next_batch
        while batch < len(self):
            rows = torch.from_numpy(order[batch * self.batch_size : (batch + 1) * self.batch_size])
            batch += 1
            self.epoch, self.next_batch = (epoch + 1, 0) if batch == len(self) else (epoch, batch)
            yield {name: values[rows] for name, values in self.items.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands."""
        return {"epoch": self.epoch, "next_batch": self.next_batch, "items": len(self.items["target"])}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ConfigError: it belongs to another number of mixes.
        """
        if state.get("items") != len(self.items["target"]):
            raise ConfigError(
                f"The checkpoint was made with {state.get('items')} cached mixes, there are "
                f"{len(self.items['target'])}; go on with the settings the run was started with.",
                code="state-mismatch",
            )
        self.epoch, self.next_batch = int(state["epoch"]), int(state["next_batch"])


def embedded_stream(
    run: Run,
    model: nn.Module,
    stream: MixDataset,
    n_items: int,
    *,
    batch_size: int,
    num_workers: int,
    device: str,
    report: Progress | None = None,
) -> EmbeddingLoader:
    """Return the first mixes of the training stream as embeddings, from the run folder if they are there.

    Args:
        run: Where they are kept, so that a run that goes on does not compute them again. One that was
            stopped meanwhile goes on with the mixes it lacks.
        model: Its backbone must be frozen; it is left on the CPU.
        stream: The training stream.
        n_items: How many mixes.
        batch_size: Of the training.
        num_workers: Processes that mix.
        device: Where to compute.
        report: Called with a line on what is done.
    """
    items = run.read_embeddings() or {}
    done = len(items["target"]) if items else 0
    if done < n_items:
        if report is not None:
            report(f"mixing and embedding {n_items} mixes, once" + (f"; {done} are there" if done else ""))
        loader = MixLoader(_beginning(stream, n_items, effects=True), num_workers=num_workers)
        loader.load_state_dict(loader.state_dict() | {"next_batch": done // _BATCH})
        items = _embed_rest(run, model, loader, items, device, show=report is not None)
    return EmbeddingLoader(items, batch_size, stream.seed)


def _embed_rest(
    run: Run, model: nn.Module, loader: MixLoader, items: dict[str, Tensor], device: str, *, show: bool
) -> dict[str, Tensor]:
    """Embed what the loader still has, and save everything now and then, also when interrupted."""
    names = ("embedding", "target", "mask")
    parts: dict[str, list[Tensor]] = {name: [items[name]] if items else [] for name in names}
    first = len(items["target"]) // _BATCH if items else 0
    model.to(device).eval()
    saved = time.monotonic()
    bar = tqdm(
        loader, "embedding", len(loader), False, initial=first, unit="batch", disable=None if show else True
    )
    try:
        for batch in bar:
            rows = (embed(model, batch["audio"].to(device)).cpu(), batch["target"], batch["mask"])
            for name, values in zip(names, rows, strict=True):
                parts[name].append(values)
            if time.monotonic() - saved > _SAVE_S:
                _save(run, parts)
                saved = time.monotonic()
    finally:
        model.to("cpu")
        if parts["target"]:
            _save(run, parts)
    return {name: torch.cat(values) for name, values in parts.items()}


def _save(run: Run, parts: Mapping[str, list[Tensor]]) -> None:
    # An interrupt can fall between two columns of a batch: only whole rows are kept.
    whole = min(len(values) for values in parts.values())
    run.write_embeddings({name: torch.cat(values[:whole]) for name, values in parts.items()})


def related_classes(config: TrainConfig, labels: LabelSet) -> NDArray[np.bool_] | None:
    """Return the ancestry that a model predicts through: with the max constraint loss, else None."""
    if config.loss != "mcm":
        return None
    return ancestry_from_parents(labels.parents(load_taxonomy()))


def training_loss(
    run: Run, stream: MixDataset, config: TrainConfig, *, first: bool, resume: bool, report: Progress | None
) -> LossFunction:
    """Return the training's loss; class rates are measured once and kept in ``run.json``.

    Args:
        run: The run.
        stream: Its training stream.
        config: Its settings.
        first: Whether this process writes files.
        resume: Whether the run goes on: then the rates that it began with are used.
        report: Called with a line on what is done.
    """
    if config.class_weights == "none":
        return make_loss(config.loss, related=related_classes(config, stream.labels))
    stored = run.info.get("class_rates") if resume else None
    if stored is None:
        if report is not None:
            report("measuring how often each class is present in the training stream")
        rates = class_rates(stream, num_workers=config.num_workers)
        stored = dict(zip(stream.label_names, rates.tolist(), strict=True))
        if first:
            run.update(class_rates=stored)
    weights = balanced_weights(np.array([stored[name] for name in stream.label_names]))
    return make_loss(config.loss, weights=weights)


def training_batches(
    run: Run,
    model: nn.Module,
    stream: MixDataset,
    config: TrainConfig,
    accelerator: str,
    report: Progress | None,
) -> MixLoader | EmbeddingLoader:
    """Return what a training iterates: ever new mixes, or a fixed number of embeddings of some."""
    if not config.cached_items:
        return MixLoader(stream, num_workers=config.num_workers, pin_memory=accelerator == "cuda")
    return embedded_stream(
        run,
        model,
        stream,
        config.cached_items,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        device=accelerator,
        report=report,
    )
