"""Verdict to next sample in the browser: `python -m benchmarks.verdicts [--quick]`.

A real Chromium presses the key of a verdict in the real Drift Hub, before a real server that holds 10,000 open samples
with pictures in 20 events; and, in turns with it, the key of a bare Streamlit page that shows one picture and one
button. Measured inside the page, from the key going down to the next card being in the document with its picture
loaded and a frame painted. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from demo.processes import Program, free_address
from tests.support.browser import chromium, running_browser
from tests.support.drift_hub import DriftHub
from tests.support.fleet import TIMEOUT_S, Fleet, Story
from tinymlops.v1 import drift_service_pb2, sample_group_service_pb2, sample_group_service_pb2_grpc

OPEN_SAMPLES, QUICK_OPEN_SAMPLES = 10_000, 1_000
EVENTS = 20
ROUNDS, QUICK_ROUNDS = 10, 3
PRESSES_A_ROUND = 10
REPORT_SIZE = 250
GROUPING_PATIENCE_S = 1_200.0
PATIENCE_MS = 120_000
CARD = "[class*='st-key-card-']"
KEY = "d"
# The next card is there when its key names another sample and its picture has loaded; then one frame is painted.
MEASURE = """
() => new Promise((resolve) => {
  const card = () => document.querySelector("[class*='st-key-card-']");
  const name = (node) => node ? [...node.classList].find((one) => one.startsWith("st-key-card-")) : "";
  const before = name(card());
  let start = 0;
  const look = () => {
    const now = card();
    const picture = now && now.querySelector("img");
    if (now && name(now) !== before && picture && picture.complete && picture.naturalWidth > 0) {
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
    } else {
      requestAnimationFrame(look);
    }
  };
  document.addEventListener("keydown", () => { start = performance.now(); look(); }, { once: true, capture: true });
})
"""
IDLE = "[data-test-script-state='notRunning']"


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a thousand samples, fewer verdicts")
    quick = parser.parse_args().quick
    program = chromium()
    if program is None:
        sys.exit("apt-get install chromium")
    count, rounds = (QUICK_OPEN_SAMPLES, QUICK_ROUNDS) if quick else (OPEN_SAMPLES, ROUNDS)
    with tempfile.TemporaryDirectory() as folder, running_browser(program) as browser:
        verdicts, bare = measured(browser, Path(folder), count, rounds)
    report(verdicts, bare, count)
    return 0


def measured(browser: Browser, folder: Path, count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds from key to next card, of the Drift Hub and of the bare page."""
    hub = DriftHub(folder)
    try:
        hub.start()
        fill(hub, count)
        with bare_page(folder) as bare_url:
            pages = opened(browser, f"{hub.url}/review"), opened(browser, bare_url)
            found: tuple[list[float], list[float]] = ([], [])
            for _ in range(rounds):
                for page, times_ms in zip(pages, found, strict=True):
                    page.bring_to_front()
                    times_ms += [press(page) for _ in range(PRESSES_A_ROUND)]
            return found[0][1:], found[1][1:]  # the first press warms both up
    finally:
        hub.stop()


def fill(hub: DriftHub, count: int) -> None:
    """Sends `count` open samples with pictures, and waits until they are grouped."""
    fleet = hub.fleet()
    for number in range(EVENTS):
        story = Story(
            device_id=f"camera-{number:02}",
            display_name=f"Gate {number}",
            location=(52.0, 13.0),
            counters={},
            status={},
            severity="HIGH",
            cause="NOVELTY",
            shift_sigma=3.0,
            class_counts={"bag": 20, "coat": 5},
        )
        fleet.report((story,))
        multiply(fleet, story, count // EVENTS)
    print(f"{count:,} open samples sent", flush=True)
    wait_until_grouped(hub)


def multiply(fleet: Fleet, story: Story, count: int) -> None:
    """Repeats an event's samples under new ids until there are `count` of them."""
    request = drift_service_pb2.ListSamplesRequest(drift_event_id=story.drift_event_id)
    listed = fleet.drift.ListSamples(request, timeout=TIMEOUT_S).samples
    originals = []
    for sample in listed:
        content = drift_service_pb2.GetSampleContentRequest(sample_id=sample.sample_id)
        sample.image = b"".join(one.data for one in fleet.drift.GetSampleContent(content, timeout=TIMEOUT_S))
        originals.append(sample)
    copies = []
    for number in range(count - len(originals)):
        original = originals[number % len(originals)]
        copy = type(original).FromString(original.SerializeToString())
        copy.sample_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{story.device_id}/{number}"))
        copy.source_index += 100 + number
        copies.append(copy)
    for start in range(0, len(copies), REPORT_SIZE):
        part = drift_service_pb2.ReportSamplesRequest(samples=copies[start : start + REPORT_SIZE])
        fleet.drift.ReportSamples(part, timeout=120)


def wait_until_grouped(hub: DriftHub) -> None:
    """The server groups in the background, and would be measured with it."""
    stub = sample_group_service_pb2_grpc.SampleGroupServiceStub(hub.server.channels["drift"])
    request = sample_group_service_pb2.ListSampleGroupsRequest(page_size=100)
    deadline_s, before = time.monotonic() + GROUPING_PATIENCE_S, -1
    while time.monotonic() < deadline_s:
        groups = stub.ListSampleGroups(request, timeout=TIMEOUT_S).groups
        grouped = sum(group.sample_count for group in groups)
        if grouped == before:
            return
        before = grouped
        time.sleep(5)


@contextmanager
def bare_page(folder: Path) -> Iterator[str]:
    """The bare page on a free port, with the settings of the Drift Hub."""
    address = free_address()
    host, _, port = address.rpartition(":")
    script = Path(__file__).with_name("verdicts_bare.py")
    options = [f"--server.address={host}", f"--server.port={port}", "--server.headless=true"]
    options += ["--server.fileWatcherType=none", "--browser.gatherUsageStats=false"]
    program = Program("bare", "streamlit", ["run", str(script), *options], log_folder=folder / "logs")
    program.start()
    try:
        program.wait_until_listening(address)
        yield f"http://{address}"
    finally:
        program.stop()


def opened(browser: Browser, url: str) -> Page:
    """The page, drawn."""
    window = browser.new_context(viewport={"width": 1280, "height": 1000})
    window.set_default_timeout(PATIENCE_MS)
    page = window.new_page()
    page.goto(url)
    page.locator(f"{CARD} img").first.wait_for()
    return page


def press(page: Page) -> float:
    """Presses the key once the page is at rest; milliseconds to the next card."""
    page.locator(IDLE).wait_for(state="attached")
    page.locator(f"{CARD} kbd").first.wait_for()
    page.wait_for_timeout(400)
    page.evaluate(f"window.measured = ({MEASURE})(); 0")
    page.keyboard.press(KEY)
    return float(page.evaluate("window.measured"))


def report(verdicts: Sequence[float], bare: Sequence[float], count: int) -> None:
    """A table, then JSON."""
    figures = {
        "name": "verdicts",
        "open_samples": count,
        "verdicts": len(verdicts),
        "verdict_ms": spread(verdicts),
        "bare_streamlit_ms": spread(bare),
        "ratio": round(statistics.median(verdicts) / statistics.median(bare), 2),
    }
    for name in ("verdict_ms", "bare_streamlit_ms"):
        print(f"{name:>20}: {figures[name]}")
    print(json.dumps(figures), flush=True)


def spread(times_ms: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {
        "median": round(statistics.median(times_ms), 1),
        "p95": round(statistics.quantiles(times_ms, n=20)[-1], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
