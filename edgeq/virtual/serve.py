"""A virtual board on a port of this machine: `socket://host:port` (the bytes and nothing else) or
`rfc2217://host:port` (with baud rate, DTR and RTS).

Only loopback addresses are served: whoever reaches the port can run programs on the board. One client at a time has
it, as with a cable; a second one is turned away.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import ipaddress
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

from edgeq.errors import BadInput, BoardTrouble
from edgeq.virtual.board import KEPT_BYTES, Board, State
from edgeq.virtual.faults import Faults
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.rfc2217 import ProtocolError, Telnet

SOCKET, RFC2217 = "socket", "rfc2217"
DEFAULT_LISTEN = f"{SOCKET}://127.0.0.1:0"
_RECEIVE_BYTES = 4096
_ANSWER_S = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class Listen:
    """Where to serve; port 0 lets the machine choose."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_listen(url: str) -> Listen:
    """Reads `socket://host:port` or `rfc2217://host:port`. Raises BadInput for anything else, and for a host that is
    not this machine's loopback."""
    hint = f"write {SOCKET}://127.0.0.1:PORT or {RFC2217}://127.0.0.1:PORT"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadInput(f"cannot read the address {url!r}", hint=hint) from None
    if parts.scheme not in (SOCKET, RFC2217) or port is None or parts.path or parts.query or parts.username:
        raise BadInput(f"cannot read the address {url!r}", hint=hint)
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BadInput(
            f"a virtual board listens on loopback alone, not on {host!r}",
            hint="whoever reaches it can run programs here; for another machine, forward the port over ssh",
        )
    return Listen(parts.scheme, host, port)


class Server:
    """The loop between a board, its client and its application. `run` belongs to one thread; `call` to all others."""

    def __init__(self, flash: FlashArray, runner: str, listen: str, faults: Faults) -> None:
        where = parse_listen(listen)
        self._telnet_front = where.scheme == RFC2217
        self._board = Board(flash, runner, faults, control_lines=self._telnet_front)
        self._listener = _bind(where)
        self.url = str(Listen(where.scheme, where.host, self._listener.getsockname()[1]))
        self._client: socket.socket | None = None
        self._telnet: Telnet | None = None
        self._to_client = bytearray()
        self._calls: queue.SimpleQueue[Callable[[Board], None]] = queue.SimpleQueue()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._stopping = False

    def call(self, action: Callable[[Board], None]) -> None:
        """Has the loop's thread do `action`, soon."""
        self._calls.put(action)
        self._wake()

    def stop(self) -> None:
        """Ends `run`, soon."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Switches the board on and serves it until `stop`."""
        try:
            self._board.run()
            while not self._stopping:
                self._step()
        finally:
            self.close()

    def close(self) -> None:
        """Ends what runs on the board and closes all sockets."""
        self._board.hold()
        for one in (self._client, self._listener, self._wake_read, self._wake_write):
            if one is not None:
                one.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the loop has ended
            self._wake_write.send(b"\0")

    def _step(self) -> None:
        """Waits for whatever comes first and handles it. The client goes before the listener, so that a connection
        that was closed makes room for the next."""
        for handle in self._wait():
            handle()
        while not self._calls.empty():
            self._calls.get()(self._board)
        self._board.tick()
        self._collect_output()

    def _wait(self) -> list[Callable[[], None]]:
        board, child = self._board, self._board.child
        has_room = len(self._to_client) < KEPT_BYTES
        with selectors.PollSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ, self._drain_wake)
            if self._client is not None:
                events = (selectors.EVENT_READ if has_room else 0) | (selectors.EVENT_WRITE if self._to_client else 0)
                selector.register(self._client, events, self._serve_client)
            if child is not None and child.stdout is not None and (has_room or self._client is None):
                selector.register(child.stdout, selectors.EVENT_READ, board.child_readable)
            if child is not None and child.stdin is not None and board.to_child:
                selector.register(child.stdin, selectors.EVENT_WRITE, board.child_writable)
            selector.register(self._listener, selectors.EVENT_READ, self._accept)
            ready = {key.fd for key, _ in selector.select(board.time_left())}
            return [key.data for key in selector.get_map().values() if key.fd in ready]

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(_RECEIVE_BYTES)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # it left before it was served
            return
        if self._client is not None:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        if self._telnet_front:
            board = self._board
            self._telnet = Telnet(
                on_data=board.receive,
                on_lines=lambda dtr, rts: board.lines(dtr=dtr, rts=rts),
                on_baud=lambda baud: setattr(board, "baud", baud),
                on_purge=board.to_client.clear,
            )
        self._board.attach()

    def _serve_client(self) -> None:
        if self._client is None:
            return
        try:
            if self._to_client:
                del self._to_client[: self._client.send(self._to_client)]
            received = self._client.recv(_RECEIVE_BYTES)
            if received and self._telnet is not None:
                self._telnet.decode(received)
            elif received:
                self._board.receive(received)
            else:
                self._drop_client()
        except BlockingIOError:
            pass
        except (OSError, ProtocolError):
            self._drop_client()

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._telnet = None
        self._to_client.clear()
        self._board.detach()

    def _collect_output(self) -> None:
        if self._client is None:
            return
        data = bytes(self._board.to_client)
        self._board.to_client.clear()
        if self._telnet is not None:
            self._to_client += self._telnet.replies
            self._telnet.replies.clear()
            data = self._telnet.encode(data)
        self._to_client += data


class VirtualBoard:
    """A virtual ESP32 that is served by a thread of this process, from here to `close`.

        with VirtualBoard(FlashArray(), runner="qemu_lx6") as board:
            ...  # board.url is a port for esptool or pyserial

    Raises BadInput for a bad address, runner or flash; BoardTrouble for a port in use; ToolMissing for a runner whose
    program is not installed. The flash stays the caller's to close, behind the board.
    """

    def __init__(
        self,
        flash: FlashArray,
        runner: str = "qemu_lx6",
        listen: str = DEFAULT_LISTEN,
        faults: Faults | None = None,
    ) -> None:
        self._server = Server(flash, runner, listen, faults or Faults())
        self.url = self._server.url
        # The thread starts the board's child processes, and they end with it.
        self._thread = threading.Thread(target=self._server.run, name="virtual board", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @property
    def state(self) -> State:
        """What the board does now."""
        return self._ask(lambda board: board.state)

    def reset(self) -> None:
        """Presses the reset button: the board starts what its flash holds."""
        self._ask(lambda board: board.run())

    def close(self) -> None:
        """Switches the board off; nothing of it runs on."""
        atexit.unregister(self.close)
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> VirtualBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: Callable[[Board], _T]) -> _T:
        answers: queue.SimpleQueue[_T] = queue.SimpleQueue()
        self._server.call(lambda board: answers.put(question(board)))
        try:
            return answers.get(timeout=_ANSWER_S if self._thread.is_alive() else 0)
        except queue.Empty:
            raise BoardTrouble("the virtual board does not run any more", where=self.url) from None


def serve_forever(
    listen: str,
    flash_file: Path | None,
    runner: str = "qemu_lx6",
    *,
    flash_bytes: int | None = None,
    faults: Faults | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves a board until KeyboardInterrupt, which goes through. `ready` gets the URL once it can be connected to.

    Without a file the flash is forgotten at the end. Raises what `VirtualBoard` and `FlashArray` raise.
    """
    with FlashArray(flash_file, flash_bytes) as flash:
        server = Server(flash, runner, listen, faults or Faults())
        try:
            ready(server.url)
            server.run()
        finally:
            server.close()


def _bind(where: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((where.host, where.port))
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        in_use = error.errno == errno.EADDRINUSE
        raise BoardTrouble(
            "the port is in use" if in_use else f"cannot listen: {error.strerror}",
            where=str(where),
            hint="choose another port, or 0 for a free one",
        ) from error
    return listener
