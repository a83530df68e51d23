"""A page in headless Chromium, driven over a pipe: what it asks for, what it complains of, what its document is."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIMIT_S = 60
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """Chromium's debugging protocol: JSON between zero bytes, commands by number, events in between."""

    def __init__(self, to: int, came_from: int) -> None:
        self._to, self._from = to, came_from
        self._held = b""
        self._number = 0
        self.session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A command's result; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self.session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (got := self._next()).get("id") != self._number:
            self.events.append(got)
        assert "error" not in got, got
        result: dict[str, Any] = got["result"]
        return result

    def wait_for(self, method: str) -> None:
        """Until that event has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next())

    def value(self, script: str) -> Any:
        """What a script gives in the page."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def press(self, key: str) -> None:
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9}[key])

    def _next(self) -> dict[str, Any]:
        until_s = time.monotonic() + LIMIT_S
        while b"\0" not in self._held:
            assert select.select([self._from], [], [], until_s - time.monotonic())[0], "the browser says nothing"
            data = os.read(self._from, 1 << 16)
            assert data, "the browser has ended"
            self._held += data
        message, _, self._held = self._held.partition(b"\0")
        loaded: dict[str, Any] = json.loads(message)
        return loaded


class Shown:
    """A page that has been loaded, in a window of that width."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    @property
    def requests(self) -> list[str]:
        """The address of everything it asked for, itself first."""
        return [
            e["params"]["request"]["url"] for e in self.browser.events if e["method"] == "Network.requestWillBeSent"
        ]

    @property
    def complaints(self) -> list[str]:
        """Every message on its console, every error."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.browser.events if event["method"] in kinds]


@contextlib.contextmanager
def shown(page: Path, profile: Path, *, width: int = 1000, dark: bool = False) -> Iterator[Shown]:
    """The page at `page`; Chromium's own files go to `profile`."""
    assert CHROMIUM
    its_in, to = os.pipe()
    came_from, its_out = os.pipe()

    def as_3_and_4() -> None:
        os.dup2(its_in, 1000)  # first out of each other's way
        os.dup2(its_out, 1001)
        os.dup2(1000, 3)
        os.dup2(1001, 4)

    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    child = subprocess.Popen(
        [CHROMIUM, *options, "--remote-debugging-pipe"], preexec_fn=as_3_and_4, close_fds=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(its_in)
    os.close(its_out)
    try:
        browser = Browser(to, came_from)
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
        browser.session = {"sessionId": attached["sessionId"]}
        for room in ("Network", "Runtime", "Log", "Page"):
            browser.ask(f"{room}.enable")
        browser.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.ask("Emulation.setEmulatedMedia", features=[scheme])
        browser.events.clear()
        browser.ask("Page.navigate", url=page.as_uri())
        browser.wait_for("Page.loadEventFired")
        yield Shown(browser)
    finally:
        child.kill()
        child.wait()
        os.close(to)
        os.close(came_from)
