#!/usr/bin/env python3
"""Everything a control socket should survive, for the smoke tests.

usage: abuse-socket.py SOCKET PID

PID is the switch's. Prints one line per kind of abuse; the first thing that is not as it should be ends it with code 1.
"""
import json
import os
import random
import signal
import socket
import sys
import time

PATH, SWITCH = sys.argv[1], int(sys.argv[2])
LINE_MAX = 1 << 20
PATIENCE_S = 10
STRANGER = 65534
VERSION = b'{"jsonrpc":"2.0","id":1,"method":"version"}\n'


def must(what, holds):
    if not holds:
        sys.exit(f"abuse-socket.py: {what}")


class Client:
    """One connection; the greeting is read."""

    def __init__(self):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(PATIENCE_S)
        self.stream.connect(PATH)
        self.lines = self.stream.makefile("rb")
        self.hello = self.lines.readline()

    def send(self, octets):
        try:
            self.stream.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed by the switch: what it said before can still be read

    def ask(self, octets):
        """The answer to a line; None where the connection was closed instead."""
        self.send(octets)
        try:
            line = self.lines.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def close(self):
        self.lines.close()
        self.stream.close()


def served(what):
    """Somebody else is answered, and soon."""
    client, start = Client(), time.monotonic()
    answer = client.ask(VERSION)
    client.close()
    must(f"{what}: somebody else got {answer}", answer and "result" in answer)
    must(f"{what}: somebody else waited {time.monotonic() - start:.1f} s", time.monotonic() - start < 5)


def cpu_seconds():
    """CPU time of the switch's control thread."""
    with open(f"/proc/{SWITCH}/task/{SWITCH}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_calm(what):
    """The control thread does not spin because of somebody who only sits there."""
    before, start = cpu_seconds(), time.monotonic()
    time.sleep(1)
    share = (cpu_seconds() - before) / (time.monotonic() - start)
    must(f"{what}: the control thread is {share:.0%} busy", share < 0.5)


def garbage():
    client = Client()
    must("the greeting is no JSON", "hello" in json.loads(client.hello) or json.loads(client.hello))
    for line in [b"\n\n  \r\n" + b"{", b"\0\xff\xfe", b"null", b"[]", b"{}", b"1e999", b'"', b"{" * 1000, b"[" * 500_000,
                 b'{"jsonrpc":"1.0","id":1,"method":"version"}', b'{"jsonrpc":"2.0","id":1,"method":"no_such"}',
                 b'{"jsonrpc":"2.0","id":{},"method":"version"}', b'{"jsonrpc":"2.0","id":1,"method":"apply"}',
                 b'{"jsonrpc":"2.0","id":1,"method":"show_flows","params":{"limit":-1}}',
                 b'{"jsonrpc":"2.0","id":1,"method":"show_flows","params":{"limit":99999999999999999999}}',
                 b'{"jsonrpc":"2.0","id":1,"method":"apply","params":{"config":"\\ud800","file":"x"}}']:
        answer = client.ask(line + b"\n")
        must(f"{line[:60]!r} was answered by {answer}", answer and "code" in answer["error"])
    must("a good request after garbage was not answered", "result" in client.ask(VERSION))
    client.close()
    rng = random.Random(1)
    client = Client()
    for _ in range(2000):
        line = bytearray(VERSION[:-1])
        for _ in range(rng.randrange(1, 4)):
            line[rng.randrange(len(line))] = rng.choice([c for c in range(256) if c != 10])
        must("a spoiled line was not answered", not line.strip() or client.ask(bytes(line) + b"\n"))
    client.close()


def half_lines():
    clients = [Client() for _ in range(20)]
    for client in clients[:10]:
        client.send(VERSION[:20])
    for client in clients[10:]:
        client.send(VERSION[:20])
        client.stream.shutdown(socket.SHUT_WR)
        must("a half line was answered", client.lines.readline() == b"")
    served("half lines")
    is_calm("half lines")
    for client in clients[:10]:
        must("the other half was not welcome", "result" in client.ask(VERSION[20:]))
    for client in clients:
        client.close()


def huge_lines():
    client = Client()
    answer = client.ask(b" " * (LINE_MAX - len(VERSION)) + VERSION)
    must("the longest line was refused", answer and "result" in answer)
    answer = client.ask(b" " * (LINE_MAX - len(VERSION) + 1) + VERSION)
    must("a line beyond the longest got no refusal", answer is None or "error" in answer)
    client.close()
    client = Client()
    for _ in range(200):
        client.send(b"x" * LINE_MAX)
    client.close()
    served("a line without end")


def pipelining():
    # Beyond the usual burst: the rest is answered at the usual rate.
    client, count = Client(), 6_000
    child = os.fork()
    if child == 0:
        for start in range(0, count, 500):
            client.send(b"".join(VERSION.replace(b":1,", b":%d," % n) for n in range(start, start + 500)))
        os._exit(0)
    for number in range(count):
        answer = json.loads(client.lines.readline())
        must(f"request {number} was answered by {answer}", answer["id"] == number and "result" in answer)
    os.waitpid(child, 0)
    client.close()


def never_reading():
    clients = [Client() for _ in range(20)]
    for client in clients:
        client.stream.setblocking(False)
        try:
            while True:
                client.stream.send(VERSION.replace(b"version", b"show_drops") * 100)
        except BlockingIOError:
            pass
    served("clients that never read")
    is_calm("clients that never read")
    for client in clients[:10]:
        client.stream.shutdown(socket.SHUT_WR)
    served("clients that never read and never will write")
    is_calm("clients that never read and never will write")
    for client in clients:
        client.close()


def killed_clients():
    for requests in [VERSION[:20], VERSION * 1000, VERSION.replace(b"version", b"show_ledger") * 1000]:
        for _ in range(10):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                client = Client()
                client.stream.setblocking(False)
                try:
                    client.stream.send(requests)
                except BlockingIOError:
                    pass
                os.write(writer, b"x")
                time.sleep(60)
            os.close(writer)
            os.read(reader, 1)
            os.close(reader)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    served("clients that were killed")


def crowd():
    def full(clients):
        """Whether one more is turned away."""
        client = Client()
        if "result" not in (client.ask(VERSION) or {}):
            client.close()
            return True
        clients.append(client)
        return False

    clients = []
    while not full(clients):
        must("there is no bound on connections", len(clients) <= 1000)
    must(f"only {len(clients)} connections were taken", len(clients) >= 64)
    for client in clients:
        must("one of the crowd is not served", "result" in client.ask(VERSION))
    is_calm("a crowd")
    for client in clients:
        client.close()
    deadline = time.monotonic() + PATIENCE_S
    while full([]):
        must("the crowd is gone and nobody is let in", time.monotonic() < deadline)
    served("a crowd")


def strangers():
    """Users who may not use the switch can neither use it nor keep others from using it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        clients = [Client() for _ in range(200)]
        answers = [client.ask(VERSION) for client in clients[:4]]
        refused = all(answer is None or "error" in answer for answer in answers)
        idle = [Client() for _ in range(200)]
        os.write(writer, b"1" if refused and idle else b"0")
        time.sleep(60)
    os.close(writer)
    must("a stranger was served", os.read(reader, 1) == b"1")
    served("a crowd of strangers")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


for abuse in [garbage, half_lines, huge_lines, pipelining, never_reading, killed_clients, crowd, strangers]:
    start = time.monotonic()
    abuse()
    served(abuse.__name__)
    print(f"{abuse.__name__.replace('_', ' ')}: {time.monotonic() - start:.1f} s", flush=True)
