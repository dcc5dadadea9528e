"""Lightning: train on the stream, stop in the middle of an epoch, and go on exactly where it stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from common import masked_loss, open_mixes, read_options, small_network
from mixlab import MixLoader


class Tagger(pl.LightningModule):
    """A network, its loss, and a list of the mixes that it was trained on."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network = small_network(classes)
        self.seen: list[tuple[int, int]] = []

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        self.seen += zip(batch["epoch"].tolist(), batch["index"].tolist(), strict=True)
        return masked_loss(self.network(batch["audio"]), batch["target"], batch["mask"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def fit(mixes: MixLoader, steps: int, checkpoint: Path | None = None, **options: Any) -> Tagger:
    """Train until so many steps have been taken in all, from a checkpoint on if there is one."""
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", max_steps=steps, **quiet, **options)
    module = Tagger(len(mixes.mixes.label_names))
    # Lightning keeps the loader's state_dict() in its checkpoints, and gives it back to load_state_dict().
    trainer.fit(module, mixes, ckpt_path=checkpoint)
    return module


def main(given: Sequence[str] | None = None) -> None:
    """Train for one epoch and a half, and then to the end of the second from the checkpoint."""
    options = read_options(__doc__, given)
    dataset = open_mixes(options)
    per_epoch = dataset.batches_per_epoch
    half = per_epoch + per_epoch // 2
    kept = pl.callbacks.ModelCheckpoint(options.out, "half", every_n_train_steps=half)
    first = fit(MixLoader(dataset, num_workers=options.workers), half, callbacks=[kept])

    again = MixLoader(open_mixes(options), num_workers=options.workers)
    rest = fit(again, 2 * per_epoch, Path(kept.best_model_path), enable_checkpointing=False)
    print(f"{len(first.seen)} mixes, then {len(rest.seen)}, from epoch and index {rest.seen[0]} on")


if __name__ == "__main__":
    main()
