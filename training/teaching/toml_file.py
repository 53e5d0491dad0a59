"""Writes TOML, as far as recipes need it. Python's library can only read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from AttnSegLib.unfinished import whole_file


def toml_text(table: dict[str, Any]) -> str:
    """The text of a table: first its plain values, then a section for each table in it. Values that are None and empty
    tables are left out."""
    plain = {name: value for name, value in table.items() if not isinstance(value, dict) and value is not None}
    sections = {name: value for name, value in table.items() if isinstance(value, dict)}
    text = "".join(f"{_key(name)} = {_value(value)}\n" for name, value in plain.items())
    for name, section in sections.items():
        if any(value is not None for value in section.values()):
            lines = (f"{_key(key)} = {_value(value)}\n" for key, value in section.items() if value is not None)
            text += f"\n[{_key(name)}]\n{''.join(lines)}"
    return text


def write_toml_file(path: Path, table: dict[str, Any], comment: str) -> None:
    """Write a table below a comment of one line. The file appears only when it is complete. Raises `OSError`."""
    with whole_file(path) as file:
        file.write(f"# {comment}\n{toml_text(table)}".encode())


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return (
        json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        if isinstance(value, str | bool)
        else repr(value)
    )
