"""Boards that labgrid hands out: reserve, wait, acquire, and always give back (docs/labgrid.md)."""

from __future__ import annotations

import ipaddress
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase

from edgeq.errors import BadInput, BoardTrouble
from edgeq.hil.labgrid_client import (
    Match,
    Place,
    Refused,
    Reservation,
    Resource,
    View,
    Worker,
    cycle_power,
    find_client,
    owner,
)
from edgeq.hil.labgrid_lease import Lease, left_behind
from edgeq.hil.places import Borrowed, PlaceState
from edgeq.hil.settings import Labgrid
from edgeq.link.escape import escape

DEFAULT_COORDINATOR_PORT = 20408
SERIAL = "NetworkSerialPort"
_SCHEMES = {"rfc2217": "rfc2217", "raw": "socket"}  # labgrid's word for the protocol, pyserial's
# What `labgrid-client power` can switch.
_POWER = frozenset(
    {
        "NetworkPowerPort",
        "NetworkUSBPowerPort",
        "NetworkSiSPMPowerPort",
        "NetworkYKUSHPowerPort",
        "NetworkSysfsGPIO",
        "PDUDaemonPort",
        "TasmotaPowerPort",
    }
)
_POLL_S = 0.5
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62}))*\.?")


class LabgridPlaces:
    """The places of one coordinator. A name is a place's own, or tags: "board=esp32-wrover-b site=berlin" is any place
    that has both.

    `note` gets a sentence where an operator should know something: who has what is waited for, what an earlier run left
    behind. Raises BadInput for an address that is none, ToolMissing without labgrid.
    """

    def __init__(self, settings: Labgrid, *, note: Callable[[str], None] = lambda text: None) -> None:
        address = settings.coordinator or os.environ.get("LG_COORDINATOR") or "127.0.0.1"
        self._coordinator = _address(address)
        self._client = find_client(settings.client)
        self._serial = settings.serial
        self._note = note

    @contextmanager
    def acquire(self, name: str, *, wait_s: float, stopped: Callable[[], bool] = lambda: False) -> Iterator[Borrowed]:
        """The place for as long as the block lasts; waits up to `wait_s` seconds for whoever has it, or till `stopped`.

        Raises BoardTrouble where it does not become ours, or has no serial port.
        """
        wanted = wanted_tags(name)
        lease = Lease(self._coordinator)
        connection = None
        try:
            connection = Worker(self._client, self._coordinator, keep_open=lease.fd)
            with connection as worker:
                self._give_back_leftovers(worker)
                place = self._wait_for(worker, name, wanted, lease, wait_s, stopped)
                serial, powered = self._what_it_has(worker.look(), place)
                power = (lambda: cycle_power(self._client, self._coordinator, place)) if powered else None
                yield Borrowed(_url(serial, place), power, lambda: _lost(worker, place, serial))
        finally:
            if lease.end(given_back=connection is None or connection.given_back):
                self._note(f"{escape(name)}: could not be given back to labgrid; the next run here will try")

    def states(self) -> list[PlaceState]:
        """Every place of the coordinator."""
        with Worker(self._client, self._coordinator) as worker:
            view = worker.look()
        by_token = {reservation.token: reservation.owner for reservation in view.reservations}
        states = []
        for place in sorted(view.places, key=lambda place: place.name):
            resources = _of_place(place, view)
            present = any(resource.cls == SERIAL and resource.avail for resource in resources)
            notes = [f"{key}={value}" for key, value in sorted(place.tags.items())]
            if not place.acquired and place.reservation:
                notes.append(f"reserved for {by_token.get(place.reservation, 'somebody')}")
            if not present:
                notes.append("no serial port: the board is not plugged in there, or its exporter is not connected")
            states.append(PlaceState(place.name, present, place.acquired, ", ".join(notes)))
        return states

    def _give_back_leftovers(self, worker: Worker) -> None:
        """What runs of this user on this machine left behind when they were killed with all they had started."""
        with left_behind(self._coordinator) as tokens:
            if not tokens:
                return
            view = worker.look()
            for place in view.places:
                if place.acquired == owner() and place.reservation in tokens:
                    self._note(f"{escape(place.name)}: left behind by an earlier run here; given back")
                    worker.release(place.name)
            for reservation in view.reservations:
                if reservation.token in tokens:
                    worker.cancel(reservation.token)

    def _wait_for(
        self,
        worker: Worker,
        name: str,
        wanted: dict[str, str],
        lease: Lease,
        wait_s: float,
        stopped: Callable[[], bool],
    ) -> str:
        """The name of the place, which is then ours. The coordinator's queue is first come, first served."""
        _must_exist(worker.look(), name, wanted)
        began = time.monotonic()
        reservation = worker.reserve(wanted)
        lease.note(reservation.token)
        said = ""
        while True:
            if reservation.state in ("expired", "invalid"):
                raise BoardTrouble(f"labgrid's reservation is {reservation.state}", where=name, hint="run it again")
            if reservation.state == "allocated" and self._acquired(worker, reservation):
                return reservation.place
            holders = _holders(worker.look(), wanted, reservation)
            waited_s = time.monotonic() - began
            if waited_s >= wait_s or stopped():
                hint = "wait longer, or ask them; `labgrid-client who` lists all"
                raise BoardTrouble(f"the place was not free within {waited_s:.0f} s: {holders}", where=name, hint=hint)
            if holders != said:
                self._note(f"{escape(name)}: {holders}; waiting up to {wait_s - waited_s:.0f} s")
                said = holders
            time.sleep(_POLL_S)
            reservation = worker.poll(reservation.token)

    def _acquired(self, worker: Worker, reservation: Reservation) -> bool:
        """False where a person of the same name on this machine was faster, by hand."""
        try:
            worker.acquire(reservation.place)
        except Refused:
            if any(place.name == reservation.place and place.acquired for place in worker.look().places):
                return False
            raise
        return True

    def _what_it_has(self, view: View, place: str) -> tuple[Resource, bool]:
        """The serial port of a place that we have, and whether its supply can be switched."""
        ours = next((known for known in view.places if known.name == place), None)
        if ours is None:
            raise BoardTrouble("somebody deleted the place", where=place)
        resources = [resource for resource in view.resources if resource.path in ours.acquired_resources]
        serial = [resource for resource in resources if resource.cls == SERIAL and resource.avail]
        if len(serial) > 1:
            serial = [port for port in serial if self._serial in (port.name, _renamed(ours, port))]
        if len(serial) == 1:
            return serial[0], any(resource.cls in _POWER for resource in resources)
        ports = [resource.path for resource in resources if resource.cls == SERIAL and resource.avail]
        if not ports:
            exporters = sorted({match.exporter for match in ours.matches}) or ["none"]
            raise BoardTrouble(
                "the place has no serial port now",
                where=place,
                hint=f"plug the board in at {escape(', '.join(exporters))}, or start labgrid-exporter there",
            )
        named = f"{len(serial)} named {self._serial!r}" if serial else f"none named {self._serial!r}"
        raise BoardTrouble(
            f"the place has {len(ports)} serial ports, {named}: {escape(', '.join(ports))}",
            where=place,
            hint=f"`labgrid-client -p {escape(place)} add-named-match EXPORTER/GROUP/{SERIAL}/NAME {self._serial}`",
        )


def wanted_tags(name: str) -> dict[str, str]:
    """What a reservation asks for: the tags that a name lists, or the place of that name. Raises BadInput."""
    if "=" not in name:
        return {"name": name}
    pairs = [pair.partition("=") for pair in name.split()]
    if not all(key and sign and value for key, sign, value in pairs):
        raise BadInput("neither a place's name nor its tags", where=name, hint='place = "board=esp32 site=lab"')
    return {key: value for key, _, value in pairs}


def _address(text: str) -> str:
    """host:port of a coordinator. Raises BadInput; gRPC would take a file's path or a script's as well."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_COORDINATOR_PORT)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    if not _is_host(bare) or (":" in bare) != (bare != host) or not _is_port(number):
        raise BadInput("not the address of a labgrid coordinator", where=text, hint="host:port, as lab.example:20408")
    return f"{host}:{number}"


def _url(serial: Resource, place: str) -> str:
    """The port as pyserial opens it. The host and the number are whatever the exporter said, so they are checked."""
    host, port = serial.params.get("host"), serial.params.get("port")
    scheme = _SCHEMES.get(str(serial.params.get("protocol", "rfc2217")))
    if serial.extra.get("proxy_required"):
        raise BoardTrouble(
            f"the exporter {escape(serial.exporter)} is isolated: its ports are reached over ssh alone",
            where=place,
            hint="run edgeq where the exporter's ports can be reached, or start the exporter without --isolated",
        )
    if scheme is None or not isinstance(host, str) or not _is_host(host) or not _is_port(port):
        raise BoardTrouble(
            escape(f"the exporter {serial.exporter} names a serial port that is none: {dict(serial.params)}"),
            where=place,
            hint="correct its configuration file",
        )
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _is_port(port: object) -> bool:
    return isinstance(port, int) and not isinstance(port, bool) and 0 < port < 1 << 16


def _is_host(host: str) -> bool:
    """A host name, or an IPv4 or IPv6 address without a zone."""
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        return _HOST_NAME.fullmatch(host) is not None


def _lost(worker: Worker, place: str, serial: Resource) -> str:
    """Why a place, or its serial port, is not ours any more; "" while it is."""
    try:
        view = worker.look()
    except BoardTrouble as trouble:
        return trouble.what
    if not any(known.name == place and known.acquired == owner() for known in view.places):
        return "somebody took the place away"
    if any(known.path == serial.path and known.avail for known in view.resources):
        return ""
    return f"the exporter {escape(serial.exporter)} went away"


def _must_exist(view: View, name: str, wanted: dict[str, str]) -> None:
    """Raises BoardTrouble where no place could ever be it: nobody would wait for that."""
    if any(_fits(place, wanted) for place in view.places):
        return
    if "=" in name:
        raise BoardTrouble(
            "no place of labgrid has these tags", where=name, hint="`labgrid-client places -v` lists them"
        )
    names = [place.name for place in view.places]
    near = get_close_matches(name, names, n=3) or sorted(names)[:5]
    hint = f"perhaps {escape(', '.join(near))}" if near else "`labgrid-client -p NAME create` makes one"
    raise BoardTrouble("labgrid knows no such place", where=name, hint=hint)


def _fits(place: Place, wanted: dict[str, str]) -> bool:
    return wanted.items() <= {**place.tags, "name": place.name}.items()


def _holders(view: View, wanted: dict[str, str], ours: Reservation) -> str:
    """Who has what is waited for, in words."""
    owners = {reservation.token: reservation.owner for reservation in view.reservations}
    words = []
    for place in view.places:
        if not _fits(place, wanted):
            continue
        if place.acquired:
            own = " (this user, here)" if place.acquired == owner() else ""
            words.append(f"{place.name} is held by {place.acquired}{own}")
        elif place.reservation and place.reservation != ours.token:
            words.append(f"{place.name} is reserved for {owners.get(place.reservation, 'somebody')}")
    return escape(", ".join(words)) or "nobody has it, and the coordinator has yet to allocate it"


def _of_place(place: Place, view: View) -> list[Resource]:
    """The resources that a place would have if it were acquired now."""
    return [r for r in view.resources if any(_matches(r, match) for match in place.matches)]


def _renamed(place: Place, resource: Resource) -> str:
    return next((match.rename for match in place.matches if match.rename and _matches(resource, match)), resource.name)


def _matches(resource: Resource, match: Match) -> bool:
    pairs = ((resource.exporter, "exporter"), (resource.group, "group"), (resource.cls, "cls"), (resource.name, "name"))
    return all(fnmatchcase(text, getattr(match, part) or "*") for text, part in pairs)
