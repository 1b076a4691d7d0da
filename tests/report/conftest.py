"""Lets the tests of reports import the gallery, which is a module beside them and a script."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
