"""``mixlab demo``: the main job from end to end, on corpora that are made on the spot."""

import shlex
import shutil
import time
from pathlib import Path

from mixlab.errors import MixlabError
from mixlab.utils.resources import resource_path

__all__ = ["demo"]


def demo(
    out: Path = Path("demo-output"),
    songs: int | None = None,
    seconds: float | None = None,
    epochs: int | None = None,
    seed: int = 0,
    force: bool = False,
) -> int:
    """Make demo corpora, index them, render mixes, train a tagger and print its report per class.

    Runs the same commands that you would type, and prints each. Whatever is finished in OUT is kept, so
    the demo can be stopped and started again. The scores are demo numbers: the songs are synthesized.

    Args:
        out: Folder for everything; about 0.5 GB with the defaults.
        songs: Number of demo songs over all corpora; by default as 'mixlab demo-corpora' chooses.
        seconds: Length of a demo song in seconds; by default as 'mixlab demo-corpora' chooses.
        epochs: Training epochs; by default as configs/demo.yaml says.
        seed: Seed of the demo songs.
        force: Make everything anew, also what is finished in OUT; needed when mixlab itself has changed.
    """
    begin = time.monotonic()
    corpora, catalog, mixes, run = (out / name for name in ("corpora", "catalog", "mixes", "run"))
    _step("Demo corpora", "songs in the layouts of MedleyDB, Mixing Secrets and Slakh2100")
    if force:
        for folder in (catalog, mixes, run):
            shutil.rmtree(folder, ignore_errors=True)
    again = ["--force"] if force else []
    _command("demo-corpora", corpora, "--seed", seed, *again, *_given(songs=songs, seconds=seconds))
    _step("Catalog", "every stem is read once: levels, silences, problems; artists never cross splits")
    roots = {
        "medleydb": corpora / "medleydb",
        "mixing_secrets": corpora / "mixing_secrets",
        "slakh": corpora / "slakh2100_flac_redux",
    }
    _command(
        "index", catalog, *(text for name, path in roots.items() for text in ("--root", f"{name}={path}"))
    )
    _command("catalog", catalog, "--by", "family")
    _step("Mixes", "four items of the stream, to listen to")
    _command("mix", catalog, "--out", mixes, "--index", "0:4")
    _step("Training", "a small tagging CNN on mixes that are made while it trains")
    resume = ["--resume", "true"] if (run / "run.json").is_file() else []
    config = resource_path("configs", "demo.yaml")
    _command(
        "train",
        "--config",
        config,
        "--catalog",
        catalog,
        "--out",
        run,
        *resume,
        *_given(**{"train.epochs": epochs}),
    )
    _summary(out, time.monotonic() - begin)
    return 0


def _given(**options: float | int | None) -> list[object]:
    return [text for name, value in options.items() if value is not None for text in (f"--{name}", value)]


def _step(title: str, explanation: str) -> None:
    print(f"\n== {title}: {explanation}\n", flush=True)


def _command(*parts: object) -> None:
    """Run a command of ours in this process, after showing what a user would type."""
    from mixlab.cli.main import main

    arguments = [str(part) for part in parts]
    print(f"$ mixlab {shlex.join(arguments)}", flush=True)
    code = main(arguments)
    if code == 130:
        raise KeyboardInterrupt
    if code != 0:
        raise MixlabError(
            f"The demo stopped in 'mixlab {parts[0]}' (exit code {code}); its message is above. If OUT is of "
            "another version or has other settings, 'mixlab demo --force' makes everything anew.",
            code="step-failed",
        )


def _summary(out: Path, seconds: float) -> None:
    print(f"\n== Done in {seconds / 60:.1f} minutes\n")
    for what, where in (
        ("report", out / "run" / "report.md"),
        ("model, predictions, logs", out / "run"),
        ("mixes to listen to", out / "mixes"),
        ("catalog", out / "catalog"),
    ):
        print(f"  {what:<25} {where}")
    print("\nNext:")
    print(f"  mixlab app --catalog {out / 'catalog'}             hear the stream in a browser")
    print(f"  mixlab mix {out / 'catalog'} --rates 1000          how often each class is sampled")
    print("  mixlab index my-catalog --root medleydb=FOLDER     your own corpora ('mixlab index --help')")
