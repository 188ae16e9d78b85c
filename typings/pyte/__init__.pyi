"""What we use of pyte, which ships no types: a screen, and the stream of bytes that it obeys."""

class Cursor:
    x: int
    y: int

class Screen:
    cursor: Cursor
    def __init__(self, columns: int, lines: int) -> None: ...
    @property
    def display(self) -> list[str]: ...

class ByteStream:
    def __init__(self, screen: Screen) -> None: ...
    def feed(self, data: bytes) -> None: ...
