"""A WebSocket client of others, asked for all that it can send: `websocket_client.py URL`, with an echo behind URL."""

import os
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

URL = sys.argv[1]


def echoes(socket, message):
    socket.send(message)
    assert socket.recv(timeout=20) == message, "another message came back"


with connect(URL, max_size=None, compression=None) as socket:
    echoes(socket, "Hello World! \u00e9\u4e2d\U0001f600")
    echoes(socket, "")
    echoes(socket, bytes(range(256)))
    echoes(socket, os.urandom(1 << 20))
    echoes(socket, "x" * (1 << 20))
    # In fragments: what comes back is the whole message.
    socket.send(part for part in ["one, ", "two, ", "", "three"])
    assert socket.recv(timeout=20) == "one, two, three"
    socket.send(bytes([part]) * 70_000 for part in range(5))
    assert socket.recv(timeout=20) == b"".join(bytes([part]) * 70_000 for part in range(5))
    # Control frames between.
    pong = socket.ping(b"are you there")
    assert pong.wait(timeout=20), "no pong"
    # Many under way at the same time keep their order.
    for number in range(500):
        socket.send(str(number))
    for number in range(500):
        assert socket.recv(timeout=20) == str(number)
    socket.close(code=4001, reason="done")
    assert (socket.close_code, socket.close_reason) == (4001, "done"), socket.close_code

# The server closes, with a code of its own.
with connect(URL) as socket:
    socket.send("close 4002 enough")
    try:
        socket.recv(timeout=20)
        raise AssertionError("it was not closed")
    except ConnectionClosed as closed:
        assert (closed.rcvd.code, closed.rcvd.reason) == (4002, "enough"), closed

# A message that is no UTF-8 fails the connection: RFC 6455 section 8.1.
with connect(URL) as socket:
    socket.send(b"\xff\xfe", text=True)
    try:
        socket.recv(timeout=20)
        raise AssertionError("it was echoed")
    except ConnectionClosed:
        pass

# Where there is no WebSocket, the refusal arrives as an answer.
try:
    connect(URL.replace("/ws", "/plain"))
    raise AssertionError("it was upgraded")
except InvalidStatus as refused:
    assert refused.response.status_code == 200, refused

print("all echoed")
