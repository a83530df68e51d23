"""Speaks to a labgrid coordinator; run by the Python that labgrid is installed for, and never imported by edgeq.

    python labgrid_worker.py HOST:PORT OWNER        OWNER is "host/user", as labgrid-client names its user

It needs labgrid (25 or newer) and nothing of edgeq. A line of JSON on stdin is a request, a line of JSON on stdout the
answer: {"ok": ...}, or {"error": kind, "text": ...}. Before the first request it answers once, unasked: connected, or
why not.

    {"do": "look"}                        places, resources, reservations as the coordinator has them now
    {"do": "reserve", "filter": {...}}    a reservation of a place with these tags; `name` is the place's name
    {"do": "poll", "token": T}            the reservation, which is thereby kept for another minute
    {"do": "cancel", "token": T}
    {"do": "acquire", "place": P}
    {"do": "release", "place": P}         if OWNER holds it; never what somebody else holds

What it acquired and reserved belongs to this process: at the end of stdin, and at SIGTERM, it gives all of it back. So
a place comes free also where the program that borrowed it was killed. The exit status is 0 if nothing is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

CONNECT_S = 10.0
CALL_S = 60.0  # a place's exporters are asked one after the other, and have 10 s each
SYNC_S = 20.0
# As labgrid's own client: a coordinator that is gone is noticed, and a quiet connection is kept by what lies between.
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 7500),
    ("grpc.keepalive_timeout_ms", 10000),
    ("grpc.http2.ping_timeout_ms", 10000),
    ("grpc.http2.max_pings_without_data", 0),
)
LEFT_BEHIND = 3  # the exit status where a place could not be released
STATES = ("waiting", "allocated", "acquired", "expired", "invalid")


def answer(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main(coordinator: str, owner: str) -> int:
    try:
        from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
        from labgrid.remote.generated import labgrid_coordinator_pb2_grpc as services
    except ImportError as error:
        answer({"error": "no-labgrid", "text": str(error)})
        return 0
    import grpc

    with grpc.insecure_channel(coordinator, options=KEEPALIVE) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_S)
        except grpc.FutureTimeoutError:
            answer({"error": "unreachable", "text": f"no answer within {CONNECT_S:.0f} s"})
            return 0
        client = Client(services.CoordinatorStub(channel), messages, owner)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            client.sync()
            answer({"ok": {}})
            for line in sys.stdin:
                try:
                    request = json.loads(line)
                    answer({"ok": client.do(request.pop("do"), request)})
                except grpc.RpcError as error:
                    answer({"error": kind_of(error), "text": str(error.details())})
        except Gone:
            answer({"error": "unreachable", "text": "the coordinator went away"})
        except (SystemExit, BrokenPipeError):
            pass  # who asked is gone, and what is left to do stands below
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            left = client.give_back()
    return LEFT_BEHIND if left else 0


def kind_of(error: Any) -> str:
    """`unreachable` where the coordinator did not answer, `refused` where it said no."""
    return "unreachable" if error.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED") else "refused"


class Gone(Exception):
    """The stream to the coordinator ended."""


class Client:
    """A labgrid client: its stream of updates, which a thread reads, and its calls. All on one connection, by which the
    coordinator knows whose calls they are."""

    def __init__(self, stub: Any, messages: Any, owner: str) -> None:
        self._stub, self._messages, self._owner = stub, messages, owner
        self._places: dict[str, Any] = {}
        self._resources: dict[tuple[str, str, str], Any] = {}
        self._changed = threading.Condition()
        self._synced = self._sync = 0
        self._gone = False
        self._acquired: list[str] = []
        self._reserved: list[str] = []
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._send(startup=messages.StartupDone(version="edgeq", name=owner))
        self._send(subscribe=messages.Subscribe(all_places=True))
        self._send(subscribe=messages.Subscribe(all_resources=True))
        threading.Thread(target=self._read, daemon=True).start()

    def do(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        """The request's answer. Raises grpc.RpcError, and Gone."""
        doing: dict[str, Callable[..., dict[str, Any]]] = {
            "look": self.look,
            "reserve": self.reserve,
            "poll": self.poll,
            "cancel": self.cancel,
            "acquire": self.acquire,
            "release": self.release,
        }
        return doing[what](**request)

    def look(self) -> dict[str, Any]:
        self.sync()
        reservations = self._stub.GetReservations(self._messages.GetReservationsRequest(), timeout=CALL_S).reservations
        with self._changed:
            return {
                "places": [_place(place) for place in self._places.values()],
                "resources": [_resource(resource) for resource in self._resources.values()],
                "reservations": [_reservation(reservation) for reservation in reservations],
            }

    def reserve(self, filter: dict[str, str]) -> dict[str, Any]:
        filters = {"main": self._messages.Reservation.Filter(filter=filter)}
        request = self._messages.CreateReservationRequest(filters=filters)
        made = self._stub.CreateReservation(request, timeout=CALL_S).reservation
        self._reserved.append(made.token)
        return _reservation(made)

    def poll(self, token: str) -> dict[str, Any]:
        request = self._messages.PollReservationRequest(token=token)
        return _reservation(self._stub.PollReservation(request, timeout=CALL_S).reservation)

    def cancel(self, token: str) -> dict[str, Any]:
        self._stub.CancelReservation(self._messages.CancelReservationRequest(token=token), timeout=CALL_S)
        with contextlib.suppress(ValueError):
            self._reserved.remove(token)
        return {}

    def acquire(self, place: str) -> dict[str, Any]:
        self._stub.AcquirePlace(self._messages.AcquirePlaceRequest(placename=place), timeout=CALL_S)
        self._acquired.append(place)
        return {}

    def release(self, place: str) -> dict[str, Any]:
        request = self._messages.ReleasePlaceRequest(placename=place, fromuser=self._owner)
        self._stub.ReleasePlace(request, timeout=CALL_S)
        with contextlib.suppress(ValueError):
            self._acquired.remove(place)
        return {}

    def give_back(self) -> bool:
        """Releases and cancels all that is left; whether a place is still left after that.

        A reservation that cannot be cancelled expires by itself once its place is free.
        """
        for undo, names in ((self.release, self._acquired), (self.cancel, self._reserved)):
            for name in list(names):
                with contextlib.suppress(Exception):  # the coordinator may be gone, the others are still to be tried
                    undo(name)
        self._out.put(None)
        return bool(self._acquired)

    def sync(self) -> None:
        """Waits until all the coordinator has sent so far was read. Raises Gone."""
        self._sync += 1
        self._send(sync=self._messages.Sync(id=self._sync))
        with self._changed:
            if not self._changed.wait_for(lambda: self._gone or self._synced >= self._sync, SYNC_S) or self._gone:
                raise Gone

    def _send(self, **kind: Any) -> None:
        self._out.put(self._messages.ClientInMessage(**kind))

    def _read(self) -> None:
        def outgoing() -> Iterator[Any]:
            while (message := self._out.get()) is not None:
                yield message

        try:
            for message in self._stub.ClientStream(outgoing()):
                with self._changed:
                    for update in message.updates:
                        self._update(update)
                    if message.HasField("sync"):
                        self._synced = message.sync.id
                    self._changed.notify_all()
        except Exception as error:  # whatever it is: without the stream nothing is known any more
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            with self._changed:
                self._gone = True
                self._changed.notify_all()

    def _update(self, update: Any) -> None:
        kind = update.WhichOneof("kind")
        if kind == "place":
            self._places[update.place.name] = update.place
        elif kind == "del_place":
            self._places.pop(update.del_place, None)
        elif kind == "resource":
            self._resources[_path(update.resource.path)] = update.resource
        elif kind == "del_resource":
            self._resources.pop(_path(update.del_resource), None)


def _path(path: Any) -> tuple[str, str, str]:
    return path.exporter_name, path.group_name, path.resource_name


def _place(place: Any) -> dict[str, Any]:
    return {
        "name": place.name,
        "comment": place.comment,
        "tags": dict(place.tags),
        "acquired": place.acquired,
        "acquired_resources": list(place.acquired_resources),
        "reservation": place.reservation,
        "matches": [
            {"exporter": m.exporter, "group": m.group, "cls": m.cls, "name": m.name, "rename": m.rename}
            for m in place.matches
        ],
    }


def _resource(resource: Any) -> dict[str, Any]:
    exporter, group, name = _path(resource.path)
    return {
        "exporter": exporter,
        "group": group,
        "cls": resource.cls,
        "name": name,
        "avail": resource.avail,
        "params": {key: _value(value) for key, value in resource.params.items()},
        "extra": {key: _value(value) for key, value in resource.extra.items()},
    }


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)


def _reservation(reservation: Any) -> dict[str, Any]:
    state = reservation.state
    return {
        "token": reservation.token,
        "owner": reservation.owner,
        "state": STATES[state] if 0 <= state < len(STATES) else "invalid",
        "place": reservation.allocations.get("main", ""),
        "filter": dict(reservation.filters["main"].filter) if "main" in reservation.filters else {},
    }


if __name__ == "__main__":
    # Beside this file lies edgeq's own labgrid.py.
    sys.path[:] = [folder for folder in sys.path if folder != os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120
    sys.exit(main(*sys.argv[1:]))
