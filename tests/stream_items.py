"""The first items of a stream, by which determinism is tested; ``python -m tests.stream_items`` writes them.

Effects of every kind are in it, so that whatever computes in mixlab does.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mixlab import Catalog, MixConfig, MixDataset
from mixlab.mixing.effects_config import EffectsConfig

__all__ = ["EPOCHS", "EPOCH_SIZE", "GLOBAL_BATCH", "contents", "dataset", "digest"]

EPOCHS, EPOCH_SIZE, GLOBAL_BATCH = 2, 16, 4


def dataset(catalog: Catalog | Path, preset: str = "wild", **changes: Any) -> MixDataset:
    """The stream, with the effects of a preset; ``changes`` must not change an item of it."""
    config = MixConfig(duration_s=0.5, p_single_source=0.1, effects=EffectsConfig(preset=preset))
    settings = {"seed": 11, "epoch_size": EPOCH_SIZE, "batch_size": GLOBAL_BATCH}
    return MixDataset(catalog, config, **(settings | {"frames": True, "sources": True} | changes))


def digest(item: Mapping[str, Any], row: int | None = None) -> str:
    """Return 16 digits that change with any bit of an item, or of a row of a batch."""
    found = hashlib.sha256()
    for name in sorted(item):
        value = torch.as_tensor(item[name] if row is None else item[name][row]).contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()[:16]


def contents(batches: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int], str]:
    """Return the digest of every item of some batches by its epoch and index; none may come twice."""
    found: dict[tuple[int, int], str] = {}
    for batch in batches:
        for row, address in enumerate(zip(batch["epoch"].tolist(), batch["index"].tolist(), strict=True)):
            assert address not in found, f"{address} came twice"
            found[address] = digest(batch, row)
    return found


def main(catalog: str, out: str, preset: str) -> None:
    """Write recipes, audio and labels of all items."""
    data = dataset(Path(catalog), preset)
    places = [(index, epoch) for epoch in range(EPOCHS) for index in range(EPOCH_SIZE)]
    items = [data.item(*place) for place in places]
    np.savez(
        out,
        recipes=np.array([json.dumps(json.loads(data.recipe(*p).to_json()), sort_keys=True) for p in places]),
        digests=np.array([digest(item) for item in items]),
        **{name: np.stack([np.asarray(item[name]) for item in items]) for name in items[0]},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
