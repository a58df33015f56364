"""The rules of the Fleet page: what counts, which devices are shown, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyboard.views import colours
from tinyboard.views.drift_records import CountView
from tinyboard.views.records import DeviceView, EventView

KINDS = ("All", "Drifting", "Online", "Silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The figures on top of the page."""

    online: int
    drifting: int
    open_events: int
    waiting_samples: int
    predictions: int
    adaptations: int


def counts(devices: Sequence[DeviceView], open_events: Sequence[EventView]) -> Counts:
    """Sums over the whole fleet, whatever is shown of it."""
    return Counts(
        online=sum(device.connectivity == "ONLINE" for device in devices),
        drifting=sum(device.drifting for device in devices),
        open_events=len(open_events),
        waiting_samples=sum(event.sample_count - event.judged_sample_count for event in open_events),
        predictions=sum(device.prediction_count for device in devices),
        adaptations=sum(device.adaptation_count for device in devices),
    )


def chosen(devices: Sequence[DeviceView], *, text: str, kind: str) -> tuple[DeviceView, ...]:
    """Devices that match a text and a kind of `KINDS`; drifting ones first, then by id."""
    matching = (device for device in devices if _is_kind(device, kind) and _mentions(device, text))
    return tuple(sorted(matching, key=lambda device: (not device.drifting, device.device_id)))


def drift_rates(counts: Sequence[CountView], days: int) -> dict[str, float]:
    """Drift events a day by device, over the last `days`."""
    return {count.device_id: count.event_count / days for count in counts if count.device_id}


def rate(events_a_day: float) -> str:
    """A drift rate as people read it.

    >>> rate(0.0), rate(0.43), rate(12.4)
    ('none', '0.4 a day', '12 a day')
    """
    if not events_a_day:
        return "none"
    return f"{events_a_day:.1f} a day" if events_a_day < 10 else f"{events_a_day:.0f} a day"


def badges(device: DeviceView) -> str:
    """How a device is, as Markdown."""
    connectivity = colours.badge(colours.CONNECTIVITY_COLOURS, device.connectivity)
    return f"{connectivity} :orange-badge[:material/warning: Drifting]" if device.drifting else connectivity


def _is_kind(device: DeviceView, kind: str) -> bool:
    if kind == "Drifting":
        return device.drifting
    if kind == "Online":
        return device.connectivity == "ONLINE"
    return kind != "Silent" or device.connectivity != "ONLINE"


def _mentions(device: DeviceView, text: str) -> bool:
    labels = (f"{key}={value}" for key, value in device.labels)
    spoken = " ".join((device.device_id, device.title, device.model.title, *labels))
    return text.strip().casefold() in spoken.casefold()
