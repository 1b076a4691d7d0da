"""The how-to pages that use real libraries, and the gallery: who types what they show gets what they show."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs/run_page.py"
specification = importlib.util.spec_from_file_location("run_page", SCRIPT)
run_page = importlib.util.module_from_spec(specification)
specification.loader.exec_module(run_page)


@pytest.mark.parametrize("page", run_page.runnable(here=False), ids=lambda page: page.stem)
def test_who_types_what_a_page_shows_gets_what_it_shows(page, tmp_path):
    run_page.run(page, tmp_path)
