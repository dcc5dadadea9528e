"""Settings of the site: Sphinx with MyST, on the pages as they lie in ``docs``."""

import sys
from pathlib import Path

from streamlit.logger import set_log_level

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

import mixlab  # noqa: E402 - found by the line above

set_log_level("ERROR")  # the gallery's pages are made without its server, of which it warns

project = "mixlab"
author = "The mixlab contributors"
release = version = mixlab.__version__
html_title = f"mixlab {release}"
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "docs.site.building",
]
exclude_patterns = ["site"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext", ".ipynb": "markdown"}

smartquotes_action = "qe"  # quotes and dots; two dashes are those of an option
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
pygments_dark_style = "github-dark"  # that of the theme underlines names as if they were links
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).parent / "scorer.js")
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "footer_icons": [],
    "light_css_variables": {
        "color-brand-primary": "#1f5f8b",
        "color-brand-content": "#1f5f8b",
        "color-api-name": "#1f5f8b",
        "color-api-pre-name": "#1f5f8b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc4f0",
        "color-brand-content": "#7cc4f0",
        "color-api-name": "#7cc4f0",
        "color-api-pre-name": "#7cc4f0",
    },
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
