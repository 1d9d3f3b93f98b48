# A whole program over TLS for a small heap. Compiled, as on a board; its arguments: URL, a file of authorities or "",
# and a file with key and certificate or "". Prints how long connecting took, and the heap in use before and after.
import gc
import sys
import time

import mqtt

url, cafile, identity = sys.argv[1:]
result = []
ssl = {"cafile": cafile} if cafile else None
if identity:
    ssl["cert"] = ssl["key"] = identity
client = mqtt.createclient()
client.onconnect(result.append)
gc.collect()
before = gc.mem_alloc()
start = time.ticks_us()
client.connect(url, "small", ssl=ssl)
del ssl
while not result:
    client.poll(1000)
took = time.ticks_diff(time.ticks_us(), start)
gc.collect()
used = gc.mem_alloc() - before
client.publish("out", "x" * 100, 1, callback=result.append)
while len(result) < 2:
    client.poll(1000)
client.disconnect()
mqtt.run(client)
print("result", result)
print("took", took)
print("used", used)
