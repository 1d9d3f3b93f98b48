# What an import costs: `imports.py mqtt mqtt.link` prints the bytes that stay in memory, and the files it has loaded.
import gc
import json
import sys

known = list(sys.modules)
gc.collect()
before = gc.mem_alloc()
for name in sys.argv[1:]:
    __import__(name)
gc.collect()
kept = gc.mem_alloc() - before
loaded = [module for name, module in sys.modules.items() if name not in known]
print(json.dumps({"kept": kept, "files": [m.__file__ for m in loaded if hasattr(m, "__file__")]}))
