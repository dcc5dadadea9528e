"""A mix as one HTML file: its player, its labels and its recipe, for papers and issues, without a server."""

import base64
from collections.abc import Sequence
from html import escape
from string import Template

from app.components.files import read_component

__all__ = ["share_page"]

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --st-font: system-ui, sans-serif;
  --st-primary-color: #0f6b8f; --st-text-color: #31333f; --st-background-color: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --st-primary-color: #5bb8dc; --st-text-color: #fafafa; --st-background-color: #0e1117; }
}
body { margin: 0 auto; padding: 1rem; max-width: 1500px; font: 400 15px/1.5 var(--st-font);
  color: var(--st-text-color); background: var(--st-background-color); }
h1 { font-size: 1.4rem; margin: 0 0 0.3rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 0.4rem; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: 2px 16px 2px 0; vertical-align: top; }
pre { overflow: auto; max-height: 30rem; font-size: 12px; }
a { color: var(--st-primary-color); }
</style>
</head>
<body>
<h1>$title</h1>
<p>$about</p>
<div id="player"></div>
<h2>Labels</h2>
<table><thead><tr><th>class</th><th>label</th><th>why</th></tr></thead><tbody>
$labels
</tbody></table>
<h2>Recipe</h2>
<p><a download="$file.json" href="data:application/json;base64,$recipe64">Save the recipe</a>;
<code>mixlab mix CATALOG --replay $file.json</code> makes the mix again, on any catalog that holds its
stems.</p>
<pre>$recipe</pre>
<script type="application/octet-stream" id="mix">$payload</script>
<script type="module">
$script
const text = atob(document.getElementById("mix").textContent);
const data = new Uint8Array(text.length);
for (let i = 0; i < text.length; i++) data[i] = text.charCodeAt(i);
const shadow = document.getElementById("player").attachShadow({ mode: "open" });
shadow.innerHTML = $markup;
mount({ data, parentElement: shadow, setTriggerValue: () => {} });
</script>
</body>
</html>
""")


def share_page(
    payload: bytes, title: str, about: str, labels: Sequence[tuple[str, str, str]], recipe: str, file: str
) -> str:
    """Return a page that plays a mix without a network or anything else.

    Args:
        payload: As ``app.components.payload.pack_mix`` returns it.
        title: Heading.
        about: What it is, in a sentence.
        labels: Class, state and reason of every label.
        recipe: The recipe as JSON.
        file: Name for the recipe's file, without an ending.
    """
    styled = f"<style>{read_component('player', 'css')}</style>{read_component('player', 'html')}"
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in labels)
    return _PAGE.substitute(
        title=escape(title),
        about=escape(about),
        labels=rows,
        recipe=escape(recipe),
        recipe64=_base64(recipe.encode()),
        file=escape(file, quote=True),
        payload=_base64(payload),
        script=read_component("player", "js").replace("export default function", "const mount = function"),
        markup="`" + styled.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${") + "`",
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
