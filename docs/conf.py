"""The site of the documentation: `make docs` builds it, and a warning is an error."""

from reconciler import __version__

project = "reconciler"
author = "The reconciler maintainers"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
nitpicky = True
# A flag is `--flag`, also where it stands in prose.
smartquotes = False
# `page.md#a-heading` works on a code host; here it is checked, too.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"reconciler {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
copybutton_prompt_text = "$ "
