# Runs after boot.py: starts the application, app.py. Ctrl-C ends it, and there is the REPL.
import sys
import time

import machine

try:
    import app

    app.main()
except Exception as error:  # noqa: BLE001 - the last resort: whatever it was, the device has to come back
    sys.print_exception(error)
    print("main.py: reset in 10 s; Ctrl-C prevents it")
    time.sleep(10)
    machine.reset()
