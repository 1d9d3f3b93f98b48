"""How a module in this folder gets at the one of the standard library that it shadows.

The real module is completed in place, never copied: whoever imports it in this process, our programs or the
standard library itself (`asyncio`, `ssl`, `selectors`), gets the same object with the same classes.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

FOLDER = os.path.dirname(os.path.abspath(__file__))


def real(name):
    """Imports the module `name` from behind this folder as `sys.modules[name]`; None if there is none."""
    path = [entry for entry in sys.path if os.path.abspath(entry) != FOLDER]
    spec = PathFinder.find_spec(name, path)
    if spec is None:
        return None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
