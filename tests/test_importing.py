"""Every module can be imported; what that runs is measured here, and not in the processes that run the tests."""

import subprocess
import sys

EVERY = """
import importlib, pkgutil, stretto
names = [module.name for module in pkgutil.walk_packages(stretto.__path__, "stretto.")]
names = [name for name in names if "__main__" not in name and ".migrations." not in name]  # these are run, not imported
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_is_imported():
    done = subprocess.run([sys.executable, "-c", EVERY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
