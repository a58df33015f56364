"""Where frames come from: recordings, a camera, a sensor. docs/inputs.md shows each.

`recorded` sources are read at the pipeline's pace and lose nothing. A live source (`live`) goes on by itself: what the
pipeline has no time for is dropped, the oldest first, and counted. `camera` and `sensor` are the live inputs; a sensor
is a byte stream (`serial_line`, `unix_socket`) and what makes frames of bytes (`framed`, `readings`).
"""
