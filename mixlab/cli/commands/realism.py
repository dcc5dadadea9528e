"""``mixlab realism``: what a published tagger of recorded music makes of a catalog's mixes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig

if TYPE_CHECKING:
    from mixlab.corpora.clips.base import ClipSet
    from mixlab.inference.realism import Realism

__all__ = ["realism"]

_MIX = MixConfig()


def realism(
    catalog: Path = Path("catalog"),
    weights: str = "jamendo_musicnn",
    also: list[str] | None = None,
    out: Path = Path("realism"),
    mixes: int = 512,
    split: Literal["train", "validation", "test"] = "test",
    seed: int = 0,
    recordings: Path | None = None,
    labels: Path | None = None,
    root: list[str] | None = None,
    mix: MixConfig = _MIX,
    cache: Path | None = None,
    workers: int = 0,
    resamples: int = 1000,
) -> int:
    """Measure how much a catalog's mixes sound like recorded music to a published tagger.

    The tagger scores fixed musical mixes, its tags are raised to the classes of the label set, and held
    against the labels: average precision of each class that it can say, and over the families, beside the
    prevalence and beside recordings of your own, where you have some. No real audio is needed. The default
    takes about a minute of a processor; scores are kept, so that the same again is quick.

    With --also mtat_musicnn a second tagger scores beside it, which takes as long again: the mean of their
    log odds counts, of the classes that both can say. On the recordings that mixlab is developed with, the
    two find more than each alone.

    Args:
        catalog: Folder of the catalog; may be given as a bare word.
        weights: The tagger: a name that 'mixlab weights' lists, or a file of one of these.
        also: Other published weights that score beside it; may be given several times: --also A --also B.
        out: Folder for realism.json and realism.md.
        mixes: How many mixes.
        split: Whose songs are mixed.
        seed: Of the mixes.
        recordings: Folder of labelled recordings, to see what the tagger finds there.
        labels: Their table, as 'mixlab evaluate-on folder' takes it; by default clips.csv in the folder.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: Settings of the mixing, used as for evaluation: musical mixes without effects.
        cache: Folder where scores are kept; by default 'scores' below --out.
        workers: Processes that mix and score; 0 takes one per processor.
        resamples: Bootstrap resamples of songs; 0 leaves the intervals out.

    Returns:
        0.
    """
    from tqdm import tqdm

    from mixlab.cli.commands.options import check_each_alone, parse_pairs
    from mixlab.inference.realism import measure_realism
    from mixlab.inference.realism_text import format_text
    from mixlab.utils.files import check_writable

    if labels is not None and recordings is None:
        raise ConfigError(
            "--labels is the table of --recordings FOLDER; give both.", code="conflicting-settings"
        )
    check_each_alone(also or (), "--also", "the name of published weights")
    check_writable(out)
    clips = None if recordings is None else _read(recordings, labels)
    with tqdm(
        total=len(clips or ()) * (1 + len(also or ())),
        desc="recordings",
        unit="clip",
        leave=False,
        disable=clips is None or None,
    ) as bar:
        result = measure_realism(
            catalog,
            weights,
            also=also or (),
            cache=cache or out / "scores",
            mix=mix,
            split=split,
            n_mixes=mixes,
            seed=seed,
            recordings=clips,
            roots=parse_pairs(root, "--root"),
            n_resamples=resamples,
            workers=workers,
            show=True,
            progress=bar.update,
        )
    print(f"{format_text(result)}\n")
    print(f"Written:  {_write(out, result)}   (all values: realism.json beside it)")
    return 0


def _read(recordings: Path, labels: Path | None) -> "ClipSet":
    from mixlab.corpora.clips.recordings import read_recordings

    return read_recordings(recordings, labels)


def _write(out: Path, result: "Realism") -> Path:
    from mixlab.inference.realism_text import format_markdown
    from mixlab.utils.files import make_folder, write_atomic
    from mixlab.utils.plain import plain

    make_folder(out)
    data = json.dumps(plain(result.to_dict()), indent=2, allow_nan=False) + "\n"
    write_atomic(out / "realism.json", data)
    write_atomic(out / "realism.md", format_markdown(result))
    return out / "realism.md"
