"""Limits that the contract states for drift and feedback."""

from collections.abc import Sized
from datetime import timedelta

from tinysphere.errors import InvalidFieldError

MAX_EVENTS = 100
MAX_ADAPTATIONS = 100
MAX_ADAPTATION_SAMPLES = 500
MAX_SAMPLES = 500
MAX_SAMPLES_REQUEST_BYTES = 4 * 1024 * 1024
MAX_IMAGE_BYTES = 1024 * 1024
MAX_DIMENSION_COUNT = 4096
MAX_NEIGHBOURS = 64
MAX_VERDICTS = 500
MAX_EXCLUDED_SAMPLES = 500
MAX_LEASES = 48
MAX_DIMENSIONS = 4
MAX_COUNTS = 10_000
MAX_ACKNOWLEDGEMENTS = 500
MAX_FETCHED_ITEMS = 500
DEFAULT_FETCHED_ITEMS = 100
MAX_REQUIRED_COUNT = 9
MAX_REVIEWER_COUNT = 15
MAX_ADJUDICATORS = 32
MIN_LEASE, MAX_LEASE = timedelta(seconds=30), timedelta(hours=1)

MAX_LABEL_CHARACTERS = 64
MAX_DETECTOR_CHARACTERS = 128
MAX_REVIEWER_CHARACTERS = 128
MAX_TEXT_CHARACTERS = 1024
MAX_SUBJECT_CHARACTERS = 128
MAX_LOOKUP_CHARACTERS = 128  # ids that are only looked up: whatever is no id is simply not found


def require_length(field: str, values: Sized, minimum: int, maximum: int) -> None:
    """`minimum` to `maximum` entries of a repeated field; raises InvalidFieldError."""
    if not minimum <= len(values) <= maximum:
        raise InvalidFieldError(field, f"{minimum} to {maximum} entries", str(len(values)))
