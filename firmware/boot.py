# Runs after every reset, before main.py. It does almost nothing, so that it can't fail: a board whose boot.py ends is
# one that mpremote reaches.
import gc

gc.threshold(16384)  # bytes: collected early, the heap stays in one piece, and on an ESP32 small; TLS needs the rest
