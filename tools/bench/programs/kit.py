# What the programs share. Each has a function for each work that it can do: that connects, and returns what is to be
# measured, a function of the number of messages. The job comes as JSON, the result goes as JSON.
import gc
import json
import sys
import time

TOPIC = b"bench/topic/0016"
MESSAGE = b"a message that has 32 bytes....."
TRIGGER = b"go"  # the server of the receiving works sends as many messages as a message to this topic says
WINDOW = 20


def main(works):
    job = json.loads(sys.argv[1])
    run = works[job["work"]](job)
    run(job["warm"])
    gc.collect()
    if job["heap"]:
        gc.disable()
    used = gc.mem_alloc()
    cpu = time.clock()
    start = time.ticks_us()
    run(job["count"])
    took = time.ticks_diff(time.ticks_us(), start)
    print(json.dumps({"us": took, "cpu": (time.clock() - cpu) * 1e6, "heap": gc.mem_alloc() - used}))
