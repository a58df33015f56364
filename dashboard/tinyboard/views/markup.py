"""Small pieces of HTML with every value escaped; their classes are styled in ``assets/style.css``."""

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

from tinyboard.views.records import NeighbourView

NO_FACES: Mapping[str, str] = MappingProxyType({})


def facts(pairs: Sequence[tuple[str, object]], columns: int) -> str:
    """Names over values, `columns` side by side where the window is wide enough.

    >>> facts([("Outbox", 3), ("Model", "<b>")], 2)
    '<div class="tb-facts" style="--columns:2"><p><span>Outbox</span>3</p><p><span>Model</span>&lt;b&gt;</p></div>'
    """
    cells = "".join(f"<p><span>{escape(name)}</span>{escape(str(value))}</p>" for name, value in pairs)
    return f'<div class="tb-facts" style="--columns:{columns}">{cells}</div>'


def flow(steps: Sequence[tuple[str, int]]) -> str:
    """Counts that follow from each other, joined by arrows; those that caught up with the first are marked done.

    >>> flow([("samples", 2), ("judged", 2)])
    '<div class="tb-flow"><p><b>2</b>samples</p><i>→</i><p class="done"><b>2</b>judged</p></div>'
    """
    total = steps[0][1]
    boxes = [
        f"<p{_done(place > 0 and count >= total > 0)}><b>{count:,}</b>{escape(name)}</p>"
        for place, (name, count) in enumerate(steps)
    ]
    return f'<div class="tb-flow">{"<i>→</i>".join(boxes)}</div>'


def _done(done: bool) -> str:
    return ' class="done"' if done else ""


def lead(text: str, note: str) -> str:
    """A large word over a small note."""
    return f'<div class="tb-lead">{escape(text)}</div><div class="tb-muted">{escape(note)}</div>'


def meter(share: float, colour: str) -> str:
    """A bar filled to a share of 0 to 1."""
    return f'<div class="tb-meter">{_filled(share, colour)}</div>'


def neighbours(
    nearest: Sequence[NeighbourView], colour_by_label: Mapping[str, str], faces: Mapping[str, str] = NO_FACES
) -> str:
    """Distance of each neighbour as a bar, nearest on top, each in the colour of its label.

    ``faces`` are pictures by sample, as PNG in base 64.
    """
    longest = max((one.distance for one in nearest), default=0.0) or 1.0
    rows = "".join(
        f'<p title="{escape(one.sample_id)}"><span>{escape(one.label)}</span>'
        f"{_face(faces, one.sample_id)}"
        f"<i>{_filled(one.distance / longest, colour_by_label.get(one.label, 'gray'))}</i>"
        f"<b>{one.distance:.2f}</b></p>"
        for one in nearest
    )
    kind = "tb-bars tb-faced" if faces else "tb-bars"
    return f'<div class="{kind}">{rows or "No neighbour was sent."}</div>'


def _face(faces: Mapping[str, str], sample_id: str) -> str:
    if not faces:
        return ""
    content = faces.get(sample_id)
    return f'<img alt="" src="data:image/png;base64,{escape(content)}">' if content else "<em></em>"


def _filled(share: float, colour: str) -> str:
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<u style="width:{width:.0f}%;background:{escape(colour)}"></u>'


def note(text: str) -> str:
    """A small muted line."""
    return f'<div class="tb-muted">{escape(text)}</div>'
