"""``mixlab realism``: what published taggers of recorded music make of a catalog's mixes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig

if TYPE_CHECKING:
    from mixlab.corpora.clips.base import ClipSet
    from mixlab.inference.realism_result import Realism

__all__ = ["realism"]

_MIX = MixConfig()


def realism(
    catalog: Path = Path("catalog"),
    weights: str | None = None,
    also: list[str] | None = None,
    out: Path = Path("realism"),
    mixes: int = 384,
    full_mixes: int = 128,
    full_seconds: float = 10.0,
    effects: bool = False,
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
    """Measure how much a catalog's mixes sound like recorded music to published taggers.

    Two taggers score fixed musical mixes, their tags are raised to the classes of the label set, and held
    against the labels: average precision of each class that both can say, and over the families, beside the
    prevalence and beside recordings of your own, where you have some. The mean of their log odds counts: on
    the recordings that mixlab is developed with, the two find more than each alone. What each finds by itself
    is listed. No real audio is needed. Scores are kept, so that the same again is quick.

    Mixes are those of the stream, up to five stems of a song over 4 s, and full ones, all stems over 10 s, as
    a record has them. Alone and in pairs, real instruments are hard for these taggers, too.

    Args:
        catalog: Folder of the catalog; may be given as a bare word.
        weights: The tagger: a name that 'mixlab weights' lists, or a file of one of these; by default
            jamendo_musicnn and mtat_musicnn together.
        also: Other published weights that score beside it; may be given several times: --also A --also B.
        out: Folder for realism.json and realism.md.
        mixes: How many mixes.
        full_mixes: How many full mixes, of all stems of a song; 0 leaves them out.
        full_seconds: Length of a full mix.
        effects: Whether mixes have the effects of --mix.effects, such as those of a preset.
        split: Whose songs are mixed.
        seed: Of the mixes.
        recordings: Folder of labelled recordings, to see what the tagger finds there.
        labels: Their table, as 'mixlab evaluate-on folder' takes it; by default clips.csv in the folder.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: Settings of the mixing, used as for evaluation: musical mixes, and without effects unless
            --effects true.
        cache: Folder where scores are kept; by default 'scores' below --out.
        workers: Processes that mix and score; 0 takes one per processor.
        resamples: Bootstrap resamples of songs; 0 leaves the intervals out.

    Returns:
        0.
    """
    from tqdm import tqdm

    from mixlab.cli.commands.options import check_each_alone, parse_pairs
    from mixlab.inference.realism import TAGGERS, measure_realism
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
        total=len(clips or ()) * ((len(TAGGERS) if weights is None else 1) + len(also or ())),
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
            n_full=full_mixes,
            full_seconds=full_seconds,
            effects=effects,
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
