"""What makes pages look right: pictures for a light and a dark page, and the colours of commands."""

from pathlib import Path
from typing import ClassVar

from docutils import nodes
from pygments.lexer import RegexLexer
from pygments.token import Comment, Name, String, Text
from sphinx.transforms import SphinxTransform

__all__ = ["Commands", "Pictures"]


class Pictures(SphinxTransform):
    """Show ``NAME-dark-WIDTH.png`` on dark pages, where it lies beside ``NAME-light-WIDTH.png``."""

    default_priority = 400

    def apply(self, **_: object) -> None:
        """Change the page in hand."""
        folder = Path(self.env.doc2path(self.env.docname)).parent
        for light in list(self.document.findall(nodes.image)):
            uri = light["uri"].replace("-light-", "-dark-")
            if uri != light["uri"] and (folder / uri).is_file():
                dark = light.copy()
                dark["uri"] = uri
                light["classes"] = [*light["classes"], "only-light"]
                dark["classes"] = [*dark["classes"], "only-dark"]
                light.parent.insert(light.parent.index(light) + 1, dark)


class Commands(RegexLexer):
    """What is typed into a terminal: comments and options stand out, and no word is one of the shell."""

    name = "Commands"
    tokens: ClassVar = {
        "root": [
            (r"#.*", Comment),
            (r"'[^'\n]*'|\"[^\"\n]*\"", String),
            (r"(?<=\s)--?[A-Za-z][\w.-]*", Name.Function),
            (r"[^\s'\"]+|\s+|['\"]", Text),
        ]
    }
