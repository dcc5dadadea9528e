"""Find the data folders that travel with mixlab (``taxonomy/`` and ``configs/``)."""

from pathlib import Path

from mixlab.errors import MixlabError

__all__ = ["resource_path"]

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_path(*parts: str) -> Path:
    """Return the path of a shipped file or folder, such as ``resource_path("configs", "demo.yaml")``.

    In a wheel the folders lie in ``mixlab/_data``; in a checkout they lie beside the package.

    Raises:
        MixlabError: the file is in neither place (a damaged installation).
    """
    candidates = [_PACKAGE.joinpath("_data", *parts), _PACKAGE.parent.joinpath(*parts)]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise MixlabError(
        f"Shipped file {'/'.join(parts)!r} not found; looked in {candidates[0]} and {candidates[1]}. "
        "The installation is damaged: install mixlab again.",
        code="installation-damaged",
    )
