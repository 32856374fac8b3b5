"""Text in files that people bring."""

from __future__ import annotations


def decode_utf8(content: bytes) -> str:
    """Decode a file, with or without a byte order mark.

    Raises:
        ValueError: It is not UTF-8; the message names the line, the byte and the fix.

    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"the text is not UTF-8 (line {line} has the byte 0x{content[error.start]:02x}). Save the file in the encoding "
            "UTF-8, in a spreadsheet as 'CSV UTF-8'"
        ) from error
