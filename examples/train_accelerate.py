"""accelerate: `prepare` shares the items out, `skip_first_batches` renders nothing of what it skips.

For two processes on a CPU run `torchrun --nproc-per-node 2 examples/train_accelerate.py --catalog CATALOG`:
with `accelerate launch --cpu --num_processes 2` there is but one, unless it is given a host file for MPI. On
GPUs take `Accelerator()` and `accelerate launch --multi_gpu`. The loader calls `set_epoch` by itself.

Let `--items` be a multiple of the batches of all processes together: otherwise `prepare` fills the epoch up
with its first mixes, which come twice then.
"""

from collections.abc import Sequence

import torch
from accelerate import Accelerator, skip_first_batches
from torch.utils.data import DataLoader

from common import masked_loss, open_mixes, read_options, small_network
from mixlab import MixItems


def main(given: Sequence[str] | None = None) -> list[list[tuple[int, int]]]:
    """Train for an epoch; then do as if it had been stopped in the middle of the next, and go on there.

    Returns:
        Epoch and index of the mixes of this process in either.
    """
    options = read_options(__doc__, given)
    accelerator = Accelerator(cpu=True)
    items = MixItems(open_mixes(options))
    network = small_network(len(items.mixes.label_names))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    # Not shuffled: items are sampled at random already, and a sampler that shuffles would keep set_epoch.
    loader = DataLoader(items, batch_size=8, num_workers=options.workers)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)

    process = f"process {accelerator.process_index} of {accelerator.num_processes}"
    trained_on = []
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
        print(f"{process}: {len(seen)} mixes from epoch and index {seen[0]} to {seen[-1]}", flush=True)
        trained_on.append(seen)
    accelerator.end_training()
    return trained_on


if __name__ == "__main__":
    main()
