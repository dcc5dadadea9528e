"""webdataset: write an epoch of mixes into tar files, each with its targets and its recipe, and read them.

For machines that are to train on ready-made mixes. The stream itself needs no such copy, and never repeats.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch
import webdataset

from common import open_mixes, read_options
from mixlab import MixItems


def read_sound(data: bytes) -> torch.Tensor:
    """Return float32 ``(channels, samples)`` of a FLAC file."""
    audio, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return torch.from_numpy(audio.T.copy())


def main(given: Sequence[str] | None = None) -> None:
    """Write the mixes, then read batches of them."""
    options = read_options(__doc__, given)
    items = MixItems(open_mixes(options))
    rate = items.mixes.config.sample_rate
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    with webdataset.ShardWriter(str(folder / "mixes-%04d.tar"), maxcount=24, verbose=0) as writer:
        for number in range(len(items)):
            item = items[number]
            recipe = items.mixes.recipe(item["index"], item["epoch"], attempt=item["attempt"])
            sound = io.BytesIO()
            soundfile.write(sound, item["audio"].numpy().T, rate, format="FLAC", subtype="PCM_16")
            labels = torch.stack([item["target"], item["mask"].float()])
            writer.write(
                {
                    "__key__": f"{number:06d}-{recipe.mix_id}",
                    "flac": sound.getvalue(),
                    "labels.npy": labels.numpy(),
                    "recipe.json": json.dumps(recipe.encode()).encode(),
                }
            )

    shards = sorted(str(path) for path in folder.glob("mixes-*.tar"))
    mixes = (
        webdataset.WebDataset(shards, shardshuffle=False)
        .decode(webdataset.handle_extension("flac", read_sound))
        .to_tuple("flac", "labels.npy", "recipe.json")
    )
    loader = webdataset.WebLoader(mixes, batch_size=None, num_workers=options.workers)
    read = list(loader)
    audio, labels, recipe = read[-1]
    print(f"{len(read)} mixes in {len(shards)} files; the last one is {recipe['kind']},")
    print(f"{tuple(audio.shape)} samples and {tuple(labels.shape)} targets and masks")


if __name__ == "__main__":
    main()
