"""A conversation with a board over a transport: asks, resends, waits, checks every answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeq.errors import BoardTrouble
from edgeq.link import messages
from edgeq.link.escape import escape
from edgeq.link.frames import Decoder, Frame, Text, encode
from edgeq.link.messages import (
    Busy,
    ErrorCode,
    ModelInfo,
    PicturesInfo,
    PinState,
    Request,
    RunFlag,
    SelftestResult,
    StepInfo,
)
from edgeq.link.transport import Transport

RESENDS = 5
LOG_MAX_BYTES = 65536
_PIN_READ = 2


@dataclass(frozen=True)
class Patience:
    """Seconds to wait before a request is sent again, and after RESENDS times given up."""

    answer_s: float = 1.0
    step_s: float = 10.0  # RUN and SELFTEST, from one BUSY to the next


class Session:
    """Talks to one board. Begin with hello(). Not thread-safe.

    `clock` gives seconds, as time.monotonic does. What the board prints outside frames goes to `log`, its last
    LOG_MAX_BYTES unescaped, and to `on_text`. Every method raises BoardTrouble if the board does not answer or answers
    what cannot be, and its subclass BoardError if it answers with an error.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float],
        *,
        patience: Patience = Patience(),
        on_text: Callable[[bytes], None] | None = None,
        on_busy: Callable[[Busy], None] | None = None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._patience = patience
        self._on_text = on_text
        self._on_busy = on_busy
        self._decoder = Decoder()
        self._events: deque[Text | Frame] = deque()
        self._seq = 0
        self._log = bytearray()

    @property
    def log(self) -> bytes:
        """The last of what the board printed outside frames."""
        return bytes(self._log)

    def hello(self) -> None:
        """Begins the conversation; also after the board restarted."""
        self._seq = 0
        messages.unpack_hello(self._ask(Request.HELLO))

    def info(self) -> dict[str, str]:
        """Facts on firmware and board by key; the keys are in docs/link-protocol.md. Escaped."""
        total, text = messages.unpack_info_part(self._ask(Request.INFO, messages.pack_u32(0)))
        while len(text) < total:
            again, part = messages.unpack_info_part(self._ask(Request.INFO, messages.pack_u32(len(text))))
            if again != total or not part:
                raise self._lie(f"INFO of {total} bytes that ends at {len(text)}")
            text += part
        if len(text) > total:
            raise self._lie(f"{len(text)} bytes of an INFO of {total}")
        return messages.parse_info(text)

    def model(self) -> ModelInfo:
        """The model in flash."""
        return messages.unpack_model(self._ask(Request.MODEL))

    def steps(self) -> list[StepInfo]:
        """The plan's steps in order."""
        count = self.model().steps
        return [messages.unpack_step(i, self._ask(Request.STEP, messages.pack_u32(i))) for i in range(count)]

    def write_input(self, data: bytes) -> None:
        """Sends the input, int8 in NHWC order. A run uses it up."""
        for at in range(0, len(data), messages.WRITE_MAX_BYTES):
            part = data[at : at + messages.WRITE_MAX_BYTES]
            messages.unpack_nothing(self._ask(Request.WRITE_INPUT, messages.pack_write(at, part)))

    def pictures(self) -> PicturesInfo:
        """What the board knows of pictures, and how many bytes of one it has room for beside this model."""
        return messages.unpack_preprocessing(self._ask(Request.PREPROCESSING))

    def write_picture(self, pixels: bytes, height: int, width: int, channels: int) -> None:
        """Sends a picture, rows of pixels of `channels` bytes; the board makes it the input. A run uses it up."""
        messages.unpack_nothing(self._ask(Request.PICTURE, messages.pack_u32(height, width, channels)))
        for at in range(0, len(pixels), messages.WRITE_MAX_BYTES):
            part = pixels[at : at + messages.WRITE_MAX_BYTES]
            messages.unpack_nothing(self._ask(Request.WRITE_PICTURE, messages.pack_write(at, part)))

    def read_input(self, size_bytes: int) -> bytes:
        """The first size_bytes of the input that is there, before a run uses it up."""
        return b"".join(
            messages.unpack_bytes(self._ask(Request.READ_INPUT, messages.pack_u32(at, n)), n)
            for at, n in _parts(size_bytes)
        )

    def label(self, index: int) -> str | None:
        """The name of class `index`, escaped; None where the image has none."""
        try:
            return messages.unpack_label(self._ask(Request.LABEL, messages.pack_u32(index)))
        except messages.BoardError as error:
            if error.code != ErrorCode.OUT_OF_RANGE:
                raise
            return None

    def pin(self, level: bool | None = None) -> PinState:
        """Sets the virtual trigger, or only reads the pins. The answer to a rising edge comes after its run."""
        argument = _PIN_READ if level is None else int(level)
        return messages.unpack_pin(self._ask(Request.PIN, messages.pack_u32(argument), long=True))

    def load_golden(self, index: int) -> None:
        """Makes golden sample `index`'s input the input."""
        messages.unpack_nothing(self._ask(Request.LOAD_GOLDEN, messages.pack_u32(index)))

    def run(self, flags: RunFlag = RunFlag.NONE, steps: int = 0) -> int:
        """Runs the first `steps` steps, 0 for all; returns the clock's ticks."""
        return messages.unpack_ticks(self._ask(Request.RUN, messages.pack_u32(flags, steps), long=True))

    def read_output(self, size_bytes: int) -> bytes:
        """The first size_bytes of the output of a whole run."""
        return b"".join(
            messages.unpack_bytes(self._ask(Request.READ_OUTPUT, messages.pack_u32(at, n)), n)
            for at, n in _parts(size_bytes)
        )

    def read_step(self, index: int, size_bytes: int) -> bytes:
        """The first size_bytes of step `index`'s output, right after run(steps=index + 1)."""
        return b"".join(
            messages.unpack_bytes(self._ask(Request.READ_STEP, messages.pack_u32(index, at, n)), n)
            for at, n in _parts(size_bytes)
        )

    def profile(self) -> list[int]:
        """Ticks of each step of the last run with RunFlag.PROFILE."""
        return [int.from_bytes(row, "little") for row in self._rows(Request.READ_PROFILE)]

    def hashes(self) -> list[bytes]:
        """The first 8 bytes of SHA-256 of each step's output in the last run with RunFlag.HASH."""
        return self._rows(Request.READ_HASHES)

    def selftest(self, index: int) -> SelftestResult:
        """Runs golden sample `index` on the board and lets the board compare."""
        return messages.unpack_selftest(self._ask(Request.SELFTEST, messages.pack_u32(index), long=True))

    def choose_engine(self, name: str) -> None:
        """Opens the model with another engine of this firmware."""
        messages.unpack_nothing(self._ask(Request.ENGINE, messages.pack_name(name), long=True))

    def clock_ticks(self) -> int:
        """The board's clock now."""
        return messages.unpack_ticks(self._ask(Request.CLOCK))

    def reboot(self) -> None:
        """Restarts the board; hello() begins anew."""
        try:
            messages.unpack_nothing(self._ask(Request.REBOOT))
        except messages.BoardError as error:
            if error.code != ErrorCode.NO_HELLO:  # its answer was lost, and it has restarted
                raise

    def _rows(self, request: Request) -> list[bytes]:
        rows: list[bytes] = []
        while True:
            part = messages.unpack_rows(self._ask(request, messages.pack_u32(len(rows))))
            rows += part
            if len(rows) > messages.MAX_STEPS:
                raise self._lie(f"more than {messages.MAX_STEPS} steps")
            if len(part) < messages.ROWS_MAX:
                return rows

    def _ask(self, request: Request, payload: bytes = b"", *, long: bool = False) -> bytes:
        """One request and its answer's payload."""
        seq = 0 if request is Request.HELLO else self._next_seq()
        data = encode(Frame(request, seq, payload))
        patience_s = self._patience.step_s if long else self._patience.answer_s
        done = 0  # steps, as the last BUSY that counted says
        sent = 0
        while sent <= RESENDS:
            self._transport.write(data)
            sent += 1
            deadline_s = self._clock() + patience_s
            while (frame := self._next_frame(deadline_s)) is not None:
                if frame.seq != seq:
                    continue  # a late answer to an earlier request
                if frame.type == messages.BUSY:
                    busy = messages.unpack_busy(frame.payload)
                    if busy.done > done:  # a board that is busy without getting on does not hold us for ever
                        done = busy.done
                        sent = 1
                        deadline_s = self._clock() + patience_s
                        if self._on_busy is not None:
                            self._on_busy(busy)
                elif frame.type == messages.ERROR:
                    raise messages.unpack_error(request, frame.payload)
                elif frame.type == request + messages.ANSWER:
                    return frame.payload
                else:
                    raise self._lie(f"answer {frame.type:#x} to {request.name}")
        raise BoardTrouble(
            f"the board does not answer {request.name}, asked {sent} times; it last printed: {self._last_words()}",
            hint="reset the board; check that edgeq's firmware is on it and that the speed is right",
        )

    def _next_seq(self) -> int:
        self._seq = self._seq % 255 + 1
        return self._seq

    def _next_frame(self, deadline_s: float) -> Frame | None:
        """The next sound frame, or None at the deadline. Text on the way is kept."""
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, Frame):
                    return event
                self._keep_text(event.data)
            wait_s = deadline_s - self._clock()
            if wait_s <= 0:
                return None
            self._events.extend(self._decoder.feed(self._transport.read(wait_s)))

    def _keep_text(self, data: bytes) -> None:
        self._log += data
        del self._log[:-LOG_MAX_BYTES]
        if self._on_text is not None:
            self._on_text(data)

    def _last_words(self) -> str:
        return f"'{escape(bytes(self._log[-80:]))}'" if self._log else "nothing"

    def _lie(self, what: str) -> BoardTrouble:
        return BoardTrouble(f"the board says what cannot be: {what}", hint="flash the firmware again")


def _parts(size_bytes: int) -> Iterator[tuple[int, int]]:
    """(offset, bytes) of each read."""
    for at in range(0, size_bytes, messages.READ_MAX_BYTES):
        yield at, min(messages.READ_MAX_BYTES, size_bytes - at)
