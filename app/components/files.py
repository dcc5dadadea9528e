"""The files of components; each is a folder of one HTML, one CSS and one JS file."""

from pathlib import Path

__all__ = ["read_component"]

_FOLDER = Path(__file__).resolve().parent


def read_component(name: str, kind: str) -> str:
    """Return the ``html``, ``css`` or ``js`` of a component; before its script stands what all share."""
    text = (_FOLDER / name / f"{name}.{kind}").read_text(encoding="utf-8")
    return (_FOLDER / "shared.js").read_text(encoding="utf-8") + text if kind == "js" else text
