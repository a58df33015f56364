"""The least a Streamlit page can be: one picture, one button with a shortcut. Run by `benchmarks.verdicts`."""

from io import BytesIO

import streamlit as st
from PIL import Image

PICTURES = 12
SIZE_PX = 336


def picture(number: int) -> bytes:
    """A grey square, another shade for each number."""
    target = BytesIO()
    Image.new("L", (SIZE_PX, SIZE_PX), 20 * (number % PICTURES)).save(target, format="PNG")
    return target.getvalue()


def forward() -> None:
    """What a verdict is: the next one."""
    st.session_state["number"] = st.session_state.get("number", 0) + 1


def page() -> None:
    """The page."""
    number = st.session_state.get("number", 0)
    with st.container(key=f"card-{number}"):
        st.image(picture(number), output_format="PNG")
        st.button("Next", shortcut="d", key=f"next-{number}", on_click=forward)


if __name__ == "__main__":
    page()
