"""accelerate: `prepare` shares the items out, `skip_first_batches` renders nothing of what it skips.

Start it with `accelerate launch --num_processes 2 examples/train_accelerate.py --catalog CATALOG` for several
processes. The loader calls `set_epoch` of the items by itself.
"""

from collections.abc import Sequence

import torch
from accelerate import Accelerator, skip_first_batches
from torch.utils.data import DataLoader

from common import masked_loss, open_mixes, read_options, small_network
from mixlab import MixItems


def main(given: Sequence[str] | None = None) -> None:
    """Train for an epoch; then do as if it had been stopped in the middle of the next, and go on there."""
    options = read_options(__doc__, given)
    accelerator = Accelerator(cpu=True)
    items = MixItems(open_mixes(options))
    network = small_network(len(items.mixes.label_names))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    # Not shuffled: items are sampled at random already, and a sampler that shuffles would keep set_epoch.
    loader = DataLoader(items, batch_size=8, num_workers=options.workers)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)

    for epoch in range(2):
        done = len(loader) // 2 if epoch == 1 else 0
        loader.set_epoch(epoch)
        seen: list[tuple[int, int]] = []
        for batch in skip_first_batches(loader, done) if done else loader:
            loss = masked_loss(network(batch["audio"]), batch["target"], batch["mask"])
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            seen += zip(batch["epoch"].tolist(), batch["index"].tolist(), strict=True)
        accelerator.print(f"{len(seen)} mixes from epoch and index {seen[0]} to {seen[-1]}")


if __name__ == "__main__":
    main()
