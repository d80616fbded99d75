"""A front end of vhost-user with a driver of split rings, for the smoke tests: as honest as its user."""
import array
import mmap
import os
import signal
import socket
import struct
import traceback

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE, SET_LOG_BASE = 1, 2, 3, 5, 6
SET_NUM, SET_ADDR, SET_BASE, GET_BASE, SET_KICK, SET_CALL = 8, 9, 10, 11, 12, 13
SET_PROTOCOL_FEATURES, SET_ENABLE, GET_INFLIGHT, SET_INFLIGHT, ADD_REGION = 16, 18, 31, 32, 37
VERSION_1, PACKED, INDIRECT, OWN = 1 << 32, 1 << 34, 1 << 28, 1 << 30
MQ, LOG_SHMFD = 1 << 0, 1 << 1
NEXT, WRITE, TABLE = 1, 2, 4
USER = 0x7F0000000000
MEMORY = 4 << 20
SIZE, HEADER, BUFFER = 256, 12, 2048
PATIENCE_S = 60


class Gone(Exception):
    """The switch has closed the socket."""


class Guest:
    """One front end: memory, a socket, and rings `0`, to it, and `1`, from it, for each queue pair."""

    def __init__(self, path, pairs=1, features=0, protocol=0):
        self.pairs, self.features, self.protocol = pairs, VERSION_1 | OWN | INDIRECT | features, protocol
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, MEMORY)
        self.memory = mmap.mmap(self.fd, MEMORY)
        # For indexes, which must be written in one piece; `struct` begins with zeroes.
        self.words = memoryview(self.memory).cast("H")
        self.sent = [0] * (2 * pairs)
        self.seen = [0] * (2 * pairs)
        self.calls = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2 * pairs)]
        self.kicks = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2 * pairs)]
        listener = socket.socket(socket.AF_UNIX)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(PATIENCE_S)
        self.link = listener.accept()[0]
        # Who comes next has to wait for the next life.
        listener.close()
        self.link.settimeout(PATIENCE_S)

    def close(self):
        self.link.close()
        self.words.release()
        self.memory.close()
        for fd in [self.fd, *self.calls, *self.kicks]:
            os.close(fd)

    def raw(self, octets, fds=()):
        beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.link.sendmsg([octets], beside)
        except OSError as error:
            raise Gone from error

    def say(self, request, payload=b"", fds=()):
        self.raw(struct.pack("=III", request, 1, len(payload)) + payload, fds)

    def hear(self):
        """The next answer's payload."""
        head = self.link.recv(12, socket.MSG_WAITALL)
        if len(head) < 12:
            raise Gone
        return self.link.recv(struct.unpack("=III", head)[2], socket.MSG_WAITALL)

    def negotiate(self):
        self.say(SET_OWNER)
        self.say(SET_PROTOCOL_FEATURES, struct.pack("=Q", self.protocol | MQ))
        self.say(SET_FEATURES, struct.pack("=Q", self.features))

    def share(self):
        self.say(SET_MEM_TABLE, struct.pack("=QQQQQ", 1, 0, MEMORY, USER, 0), [self.fd])

    def start(self):
        """Everything up to the point where frames move; the rings lie where `at` says."""
        self.negotiate()
        self.share()
        for ring in range(2 * self.pairs):
            self.say(SET_NUM, struct.pack("=II", ring, SIZE))
            self.say(SET_BASE, struct.pack("=II", ring, 0x8000 if self.features & PACKED else 0))
            parts = [USER + self.at(ring, part) for part in (0, 0x8000, 0x4000)]
            self.say(SET_ADDR, struct.pack("=IIQQQQ", ring, 0, *parts, 0))
            self.say(SET_CALL, struct.pack("=Q", ring), [self.calls[ring]])
            self.say(SET_KICK, struct.pack("=Q", ring), [self.kicks[ring]])
            self.say(SET_ENABLE, struct.pack("=II", ring, 1))
        return self

    @staticmethod
    def at(ring, part=0):
        """Where in memory a part of a ring lies: descriptors at 0, then what is available, what is used."""
        return ring * 0x10000 + part

    @staticmethod
    def buffer(ring, index):
        return 0x80000 * (1 + ring) + index * BUFFER

    def describe(self, ring, index, address, length, flags=0, link=0):
        struct.pack_into("<QIHH", self.memory, self.at(ring) + 16 * index, address, length, flags, link)

    def offer(self, ring, head):
        """Makes the chain that begins with `head` available."""
        struct.pack_into("<H", self.memory, self.at(ring, 0x4000) + 4 + 2 * (self.sent[ring] % SIZE), head)
        self.sent[ring] += 1
        self.show(ring, self.sent[ring])

    def show(self, ring, index):
        self.words[self.at(ring, 0x4002) // 2] = index & 0xFFFF

    def post(self, ring, index):
        self.describe(ring, index, self.buffer(ring, index), BUFFER, WRITE)
        self.offer(ring, index)

    def transmit(self, ring, frame):
        """Sends a frame; False where the ring is full."""
        used = self.words[self.at(ring, 0x8002) // 2]
        if (self.sent[ring] - used) & 0xFFFF >= SIZE:
            return False
        index = self.sent[ring] % SIZE
        where = self.buffer(ring, index)
        self.memory[where : where + HEADER + len(frame)] = bytes(HEADER) + frame
        self.describe(ring, index, where, HEADER + len(frame))
        self.offer(ring, index)
        return True

    def collect(self, ring):
        """Frames that have come; their buffers are made available again."""
        used = self.words[self.at(ring, 0x8002) // 2]
        while self.seen[ring] & 0xFFFF != used:
            place = self.at(ring, 0x8004) + 8 * (self.seen[ring] % SIZE)
            index, length = struct.unpack_from("<II", self.memory, place)
            where = self.buffer(ring, index)
            yield bytes(self.memory[where + HEADER : where + length])
            self.seen[ring] += 1
            self.offer(ring, index)

    def wait(self, seconds=None):
        """Sits there, until the switch hangs up or the time is over."""
        self.link.settimeout(seconds)
        try:
            while self.link.recv(4096):
                pass
        except TimeoutError:
            return
        except OSError as error:
            raise Gone from error
        raise Gone


def fork(function, *arguments):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            function(*arguments)
            code = 0
        except (Gone, TimeoutError) as error:
            os.write(2, f"{arguments}: {error!r}\n".encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child
