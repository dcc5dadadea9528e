"""Hugging Face's Trainer: a new epoch each time, checkpoints, and a resume that renders only the rest."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import default_collate
from transformers import Trainer, TrainingArguments

from common import masked_loss, open_mixes, read_options, small_network
from mixlab import MixItems


class Tagger(torch.nn.Module):
    """A network with its loss, as the Trainer wants it, and a list of the mixes that it was trained on."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network = small_network(classes)
        self.seen: list[tuple[int, int]] = []

    def forward(
        self,
        audio: torch.Tensor,
        target: torch.Tensor,
        mask: torch.Tensor,
        epoch: torch.Tensor,
        index: torch.Tensor,
        **_: Any,
    ) -> dict[str, torch.Tensor]:
        self.seen += zip(epoch.tolist(), index.tolist(), strict=True)
        logits = self.network(audio)
        return {"loss": masked_loss(logits, target, mask), "logits": logits}


def make_trainer(options: Namespace, steps: int) -> Trainer:
    """Return a Trainer that trains for so many steps."""
    items = MixItems(open_mixes(options))
    arguments = TrainingArguments(
        output_dir=options.out,
        max_steps=steps,
        per_device_train_batch_size=8,
        dataloader_num_workers=options.workers,
        # Items are sampled at random already. With its own shuffling the Trainer would not call set_epoch,
        # and every epoch would hold the same mixes.
        train_sampling_strategy="sequential",
        remove_unused_columns=False,  # it looks for columns of tables, which mixes are not
        save_steps=steps,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
    )
    network = Tagger(len(items.mixes.label_names))
    return Trainer(network, arguments, train_dataset=items, data_collator=default_collate)


def main(given: Sequence[str] | None = None) -> None:
    """Train for one epoch and a half, and then to the end of the second from the checkpoint."""
    options = read_options(__doc__, given)
    per_epoch = open_mixes(options).batches_per_epoch
    half = per_epoch + per_epoch // 2
    first = make_trainer(options, half)
    first.train()
    rest = make_trainer(options, 2 * per_epoch)
    rest.train(resume_from_checkpoint=str(Path(options.out) / f"checkpoint-{half}"))
    seen = rest.model.seen
    print(f"{len(first.model.seen)} mixes, then {len(seen)}, from epoch and index {seen[0]} on")


if __name__ == "__main__":
    main()
