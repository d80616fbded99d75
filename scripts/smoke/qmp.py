#!/usr/bin/env python3
"""Says one thing to QEMU over its QMP socket, and prints the answer as JSON.

usage: qmp.py SOCKET COMMAND [ARGUMENTS]

ARGUMENTS are the command's as a JSON object. Exit code 1, and QEMU's words, where it refuses.

example: qmp.py vm.qmp migrate '{"uri": "unix:/tmp/to"}'
"""
import json
import socket
import sys


def answer(lines):
    for line in lines:
        said = json.loads(line)
        if "event" not in said:
            return said
    sys.exit("qmp.py: QEMU has hung up")


def main():
    path, command, *arguments = sys.argv[1:]
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60)
    link.connect(path)
    lines = link.makefile("rw")
    answer(lines)  # the greeting
    for request in {"execute": "qmp_capabilities"}, {"execute": command, "arguments": json.loads((arguments or ["{}"])[0])}:
        lines.write(json.dumps(request) + "\n")
        lines.flush()
        said = answer(lines)
        if "error" in said:
            sys.exit(f"qmp.py: {request['execute']}: {said['error']['desc']}")
    print(json.dumps(said["return"]))


main()
