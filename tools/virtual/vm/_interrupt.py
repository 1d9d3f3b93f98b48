# `micropython.kbd_intr(-1)` makes Ctrl-C a character like any other: mpremote does so while it answers for a mounted
# folder. The host, which makes an interrupt of that character, is told.
import sys

import micropython


class _Micropython:
    def __getattr__(self, name):
        return getattr(micropython, name)

    def kbd_intr(self, char):
        sys.stderr.write("@interrupt %d\n" % char)


sys.modules["micropython"] = _Micropython()
