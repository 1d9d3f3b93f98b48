# Runs a program for MQTTClient, the real one or ours; each call is reported with what came of it.
import sys

from kit import emit


class Traced:
    # A client that reports its calls. What wait_msg and check_msg return is shown only where `telling`: see the first
    # of the differences.
    def __init__(self, client, telling=False):
        self.client = client
        self.telling = telling
        client.set_callback(self.show)

    def show(self, topic, msg):
        emit("callback", topic, msg if len(msg) < 100 else len(msg))

    def __getattr__(self, name):
        def call(*args, **more):
            try:
                result = getattr(self.client, name)(*args, **more)
            except Exception as error:
                emit(name, type(error).__name__, *[arg for arg in error.args[:1] if isinstance(arg, int)])
            else:
                if self.telling or not name.endswith("_msg"):
                    emit(name, result)
                else:
                    emit(name)

        return call


def run(library, program, port):
    # `library`: the name of the module that MQTTClient comes from; `program`: FILE.FUNCTION.
    __import__(library)
    name, function = program.split(".")

    def new(client_id="c", **options):
        options.setdefault("port", port)
        return Traced(sys.modules[library].MQTTClient(client_id, "127.0.0.1", **options))

    getattr(__import__(name), function)(new)


def is_ours(c):
    return not hasattr(c.client, "sock")
