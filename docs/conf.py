"""Settings of Sphinx: ``sphinx-build -W --keep-going -c docs . OUT``, or ``tox -e docs``.

The root of the repository is what is built, so that a link from page to page is the same one here and on a code host.
Nothing is written for Sphinx alone: the table of contents is read from the links of docs/index.md.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

import pytest_hvclock

project = "pytest-hvclock"
author = copyright = "The pytest-hvclock developers"  # noqa: A001  (Sphinx's name)
release = version = pytest_hvclock.__version__
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "changelog.d/README.md", "examples/README.md"]
exclude_patterns = [".*", "**/.*"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"pytest-hvclock {release}"
html_copy_source = html_show_sourcelink = False
html_static_path = html_css_files = ["site.css"]
highlight_language = "text"
templates_path: list[str] = []


def add_contents(_: Sphinx, page: str, text: list[str]) -> None:
    """Append a table of contents to the index: below each of its headings, the pages to which its list leads."""
    if page != root_doc:
        return
    _, *sections = re.split(r"^## ", text[0], flags=re.MULTILINE)
    for section in sections:
        found = re.findall(r"^\* \[(.*?)\]\(([\w./-]+)\.md\)", section, re.MULTILINE)
        pages = [f"{title} <{path}>" for title, path in found]
        options = [":hidden:", f":caption: {section.splitlines()[0]}"]
        text[0] += "\n".join(["\n```{toctree}", *options, "", *pages, "```", ""])


def lead_on(app: Sphinx, failed: Exception | None) -> None:
    """Write the first page of the site, which leads on to the index."""
    if failed is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(
            '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html"><title>pytest-hvclock</title>\n'
        )


def setup(app: Sphinx) -> None:
    """Connect the two."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", lead_on)
