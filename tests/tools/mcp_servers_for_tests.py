"""Servers that speak the protocol by hand over stdio, and misbehave as they are told: ``python FILE MANNERS``."""

import json
import os
import subprocess
import sys
import threading
import time

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {"listChanged": True}, "logging": {}},
    "serverInfo": {"name": "by hand", "version": "1"},
}
OBJECT = {"type": "object"}


def tool(name, schema=OBJECT, **more):
    return {"name": name, "description": f"does {name}", "inputSchema": schema, **more}


class Server:
    """Answers politely; each subclass has one bad habit."""

    tools = (
        tool("echo", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}),
        tool("look", annotations={"readOnlyHint": True}),
        tool("wait", annotations={"readOnlyHint": True}),
        tool("hold"),
        tool("die"),
        tool("again", annotations={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": True}),
        tool("wipe", annotations={"readOnlyHint": False}),
        tool("fail"),
        tool("env"),
        tool("progress"),
        tool("log"),
        tool("ask"),
        tool("confirm"),
        tool("change"),
        tool("nul"),
        tool("raise"),
        tool("stderr"),
    )

    def __init__(self):
        self.lock = threading.Lock()
        self.answers = {}
        self.cancelled = []
        self.next = 1000

    def send(self, message):
        with self.lock:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()

    def notify(self, method, **params):
        self.send({"method": method, "params": params})

    def text(self, text, **more):
        return {"content": [{"type": "text", "text": text}], **more}

    def serve(self):
        for line in sys.stdin:
            message = json.loads(line)
            if "method" not in message:
                event, box = self.answers.pop(message["id"])
                box.append(message.get("result"))
                event.set()
            elif message["method"] == "notifications/cancelled":
                self.cancelled.append(message["params"]["requestId"])
            elif "id" in message:
                threading.Thread(target=self.handle, args=(message,), daemon=True).start()

    def handle(self, message):
        method, params = message["method"], message.get("params") or {}
        try:
            result = self.answer(method, params, message["id"])
        except LookupError as error:
            self.send({"id": message["id"], "error": {"code": -32601, "message": str(error)}})
        else:
            if result is not None:
                self.send({"id": message["id"], "result": result})

    def answer(self, method, params, id):
        if method == "initialize":
            return INITIALIZE
        if method == "tools/list":
            return self.list(params)
        if method == "tools/call":
            return self.call(params["name"], params.get("arguments") or {}, params, id)
        raise LookupError(f"no method {method}")

    def list(self, params):
        return {"tools": list(self.tools)}

    def ask_client(self, method, params):
        event, box = threading.Event(), []
        self.next += 1
        self.answers[self.next] = (event, box)
        self.send({"id": self.next, "method": method, "params": params})
        event.wait(20)
        return box[0]

    def call(self, name, arguments, params, id):
        return getattr(self, f"do_{name}")(arguments, params, id)

    def do_echo(self, arguments, params, id):
        return self.text(arguments["text"])

    def do_look(self, arguments, params, id):
        return self.text("seen", structuredContent={"pid": os.getpid(), "cancelled": len(self.cancelled)})

    def do_wait(self, arguments, params, id):
        if arguments.get("announce"):
            self.notify("notifications/progress", progressToken=params["_meta"]["progressToken"], progress=1)
        end = time.monotonic() + 20
        while id not in self.cancelled and time.monotonic() < end:
            time.sleep(0.005)

    do_hold = do_wait

    def do_die(self, arguments, params, id):
        print("something is very wrong", file=sys.stderr, flush=True)
        os._exit(3)

    def do_again(self, arguments, params, id):
        marker = arguments["marker"]
        if not os.path.exists(marker):
            open(marker, "w").close()
            os._exit(4)
        return self.text("the second time it works")

    def do_wipe(self, arguments, params, id):
        return self.text("wiped")

    def do_fail(self, arguments, params, id):
        return self.text("the disk is full", isError=True)

    def do_raise(self, arguments, params, id):
        raise LookupError("no such row")

    def do_env(self, arguments, params, id):
        return {"content": [], "structuredContent": dict(os.environ)}

    def do_progress(self, arguments, params, id):
        token = params["_meta"]["progressToken"]
        for done in range(1, 4):
            self.notify("notifications/progress", progressToken=token, progress=done, total=3, message=f"part {done}")
        self.notify("notifications/progress", progressToken=token, progress=0.5, total=1)
        time.sleep(0.05)
        return self.text("done")

    def do_log(self, arguments, params, id):
        for number in range(arguments.get("lines", 2)):
            self.notify("notifications/message", level="warning", logger="hand", data=f"line {number}\u0000")
        time.sleep(0.05)
        return self.text("logged")

    def do_ask(self, arguments, params, id):
        properties = {"city": {"type": "string", "minLength": 2}, "days": {"type": "integer"}}
        return self.elicit("Where?", {"type": "object", "properties": properties, "required": ["city", "days"]})

    def do_confirm(self, arguments, params, id):
        properties = {"sure": {"type": "boolean"}}
        return self.elicit("Sure?", {"type": "object", "properties": properties, "required": ["sure"]})

    def elicit(self, message, schema):
        params = {"message": message, "requestedSchema": schema}
        return self.text(json.dumps(self.ask_client("elicitation/create", params)))

    def do_change(self, arguments, params, id):
        self.tools = (*self.tools, tool("new"))
        self.notify("notifications/tools/list_changed")
        return self.text("changed")

    def do_nul(self, arguments, params, id):
        return self.text("a\u0000b\u001b[2Jc\ud800", structuredContent={"k\u0000": ["v\u0007", 1]})

    def do_stderr(self, arguments, params, id):
        for number in range(20_000):
            print(f"{os.environ.get('API_TOKEN', '')} line {number} " + "x" * 200, file=sys.stderr)
        return self.text("still here")


class Mute(Server):
    """Never answers anything."""

    def handle(self, message):
        print("I say nothing", file=sys.stderr, flush=True)


class Stubborn(Server):
    """Ignores the end of its input and every polite signal, and so does its child."""

    def serve(self):
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        self.child = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.DEVNULL)
        self.loner = subprocess.Popen(
            [sys.executable, "-c", child], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        super().serve()
        time.sleep(60)

    def do_look(self, arguments, params, id):
        return self.text("", structuredContent={"pids": [os.getpid(), self.child.pid, self.loner.pid]})


class Flood(Server):
    """Sends notifications without end while it works."""

    def do_echo(self, arguments, params, id):
        threading.Thread(target=self.flood, args=(params,), daemon=True).start()
        return super().do_echo(arguments, params, id)

    def do_wait(self, arguments, params, id):
        self.flood(params)

    def flood(self, params):
        token = (params.get("_meta") or {}).get("progressToken")
        done = 0
        while True:
            done += 1
            self.notify("notifications/progress", progressToken=token, progress=done)
            self.notify("notifications/message", level="info", data="again and again")
            self.notify("notifications/tools/list_changed")


class Huge(Server):
    """Answers with a line that has no end."""

    def do_echo(self, arguments, params, id):
        with self.lock:
            while True:
                sys.stdout.write("x" * 65536)


class Noise(Server):
    """Writes to its output what is none of the protocol's."""

    def do_echo(self, arguments, params, id):
        with self.lock:
            sys.stdout.write('Debug: about to echo\n\n{"not": "a message"}\n[1,2]\n')
        self.send({"id": 424242, "result": {}})
        return super().do_echo(arguments, params, id)


class Liar(Server):
    """Says what is not so of its tools."""

    tools = (
        tool("good"),
        tool("twice"),
        tool("twice"),
        tool("no schema", {"type": "object", "properties": {"a": {"type": "strange"}}}),
        tool("large", {"type": "object", "description": "x" * 200_000}),
        tool("far", {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}}),
        tool("../../etc/passwd"),
        tool("très drôle"),
        tool("x" * 100),
        tool("long words", description="y" * 100_000),
        tool("result", outputSchema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
        tool("output", outputSchema={"type": "object", "properties": {"a": {"type": "strange"}}}),
        tool("nonsense"),
    )

    def do_good(self, arguments, params, id):
        return self.text("good")

    do_far = do_good

    def do_result(self, arguments, params, id):
        return self.text("", structuredContent={"n": "many"})

    def do_output(self, arguments, params, id):
        return self.text("", structuredContent={"n": "many"})

    def do_nonsense(self, arguments, params, id):
        return {"content": "not a list"}


class Forger(Server):
    """Has tools that the protocol does not allow."""

    tools = (tool("good"), tool("bad", {"type": "array"}))


class Crowd(Server):
    """Has thousands of tools, on pages without end."""

    def list(self, params):
        page = int(params.get("cursor") or 0)
        return {"tools": [tool(f"t{page}_{n}") for n in range(100)], "nextCursor": str(page + 1)}


class Garbled(Server):
    """Answers the question for its tools with something else."""

    def list(self, params):
        return {"tools": [{"title": "no name"}]}


class Asker(Server):
    """Asks in all the ways there are."""

    tools = (tool("pick"), tool("visit"), tool("number"))

    def do_pick(self, arguments, params, id):
        token = params["_meta"]["progressToken"]
        self.notify("notifications/progress", progressToken=token, progress=2, total=0)
        colour = {"type": "string", "enum": ["red", "green"]}
        return self.elicit("Which?", {"type": "object", "properties": {"colour": colour}, "required": ["colour"]})

    def do_visit(self, arguments, params, id):
        given = {"mode": "url", "message": "Pay here", "url": "https://example.com/pay", "elicitationId": "e1"}
        return self.text(json.dumps(self.ask_client("elicitation/create", given)))

    def do_number(self, arguments, params, id):
        return self.elicit("How many?", {"type": "object", "properties": {"n": {"type": "integer"}}})


class Short(Server):
    """Ends at once."""

    def serve(self):
        print("no licence found", file=sys.stderr)
        sys.exit(7)


class Toolless(Server):
    """Has no tools and says so."""

    def answer(self, method, params, id):
        return {**INITIALIZE, "capabilities": {}} if method == "initialize" else super().answer(method, params, id)


class Counted(Server):
    """Says in a file each time that it is started, and ends before it has answered as often as it is told."""

    def serve(self):
        path = os.environ["COUNT"]
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) <= int(os.environ["BAD_STARTS"]):
            sys.exit(9)
        super().serve()


if __name__ == "__main__":
    globals()[sys.argv[1]]().serve()
