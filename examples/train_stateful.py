"""torchdata's StatefulDataLoader: save a position in the middle of an epoch, and go on there.

What was rendered before is not rendered again, and the items themselves refuse a position of another catalog,
configuration or seed.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from torchdata.stateful_dataloader import StatefulDataLoader

from common import masked_loss, open_mixes, read_options, small_network
from mixlab import MixItems


def main(given: Sequence[str] | None = None) -> None:
    """Train for half of epoch 1, save, and train for the other half from what was saved."""
    options = read_options(__doc__, given)
    file = Path(options.out) / "position.pt"
    file.parent.mkdir(parents=True, exist_ok=True)
    items = MixItems(open_mixes(options), epoch=1)
    network = small_network(len(items.mixes.label_names))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def train(loader: StatefulDataLoader, steps: int) -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        for batch in islice(loader, steps):
            optimizer.zero_grad()
            masked_loss(network(batch["audio"]), batch["target"], batch["mask"]).backward()
            optimizer.step()
            seen += zip(batch["epoch"].tolist(), batch["index"].tolist(), strict=True)
        return seen

    loader = StatefulDataLoader(items, batch_size=8, num_workers=options.workers)
    half = len(loader) // 2
    first = train(loader, half)
    torch.save(loader.state_dict(), file)

    again = StatefulDataLoader(MixItems(open_mixes(options)), batch_size=8, num_workers=options.workers)
    again.load_state_dict(torch.load(file, weights_only=False))
    rest = train(again, len(again))
    print(f"{len(first)} mixes, then {len(rest)}, from epoch and index {rest[0]} on")


if __name__ == "__main__":
    main()
