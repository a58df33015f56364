"""Page tokens: opaque, tied to their filters, checked before they reach a store."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinysphere.errors import InvalidFieldError, InvalidRequestError
from tinysphere.rpc.paging import Page, next_token, read_page

KEYS = st.lists(st.one_of(st.text(max_size=50), st.integers(-(2**63), 2**63)), min_size=1, max_size=4).map(
    tuple
)


@given(key=KEYS, filters=st.text(max_size=100))
def test_a_token_leads_back_to_its_key(key: tuple[str | int, ...], filters: str) -> None:
    assert read_page(7, next_token(key, filters), filters=filters) == Page(size=7, after=key)


def test_the_first_page_starts_at_the_start() -> None:
    assert read_page(0, "", filters="") == Page(size=100, after=None)


@pytest.mark.parametrize("size", [-1, 501])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_page(size, "", filters="")
    assert caught.value.field == "page_size"


@given(
    token=st.one_of(
        st.text(min_size=1), st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    )
)
def test_anything_else_is_refused(token: str) -> None:
    assert_refused(token, filters="")


def test_a_token_for_other_filters_is_refused() -> None:
    assert_refused(next_token(("camera-1",), "state=OPEN"), filters="state=CLOSED")


def test_a_changed_token_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(next_token((5, "camera-1"), "")))
    raw[-3] ^= 1
    assert_refused(base64.urlsafe_b64encode(raw).decode(), filters="")


def test_a_token_of_another_list_is_refused_by_its_types() -> None:
    with pytest.raises(InvalidRequestError):
        read_page(1, next_token(("camera-1",), ""), filters="", key=(int, str))


def assert_refused(token: str, *, filters: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_page(1, token, filters=filters)
    assert caught.value.reason == "INVALID_PAGE_TOKEN"
