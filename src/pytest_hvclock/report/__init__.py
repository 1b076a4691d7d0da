"""A timeline made visible: as text for a terminal, as SVG for a document, as a page for a browser, and as a file."""
