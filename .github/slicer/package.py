"""Install the extension as CMake packages it: python package.py FOLDER; prints the folder of its module."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing"), str(ROOT / "Testing" / "house")]

from test_packaging import install  # noqa: E402

print(install(ROOT, Path(sys.argv[1])).as_posix())
