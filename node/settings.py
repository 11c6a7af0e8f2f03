"""Settings from a TOML file, put into a dataclass of defaults; what is unknown or of another kind is named."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


class ConfigError(Exception):
    """A setting that is unknown or not of its kind; the message names it."""


def read_settings(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def filled(defaults: Settings, values: dict[str, Any], prefix: str = "") -> Settings:
    """The defaults with these values in their place; `prefix` precedes a name in a complaint. Raises ConfigError."""
    kinds = {one.name: type(getattr(defaults, one.name)) for one in fields(defaults)}
    for name, value in values.items():
        if name not in kinds:
            raise ConfigError(f"{prefix}{name} is no setting")
        wanted = kinds[name]
        if wanted in (int, bool, str) and type(value) is not wanted:
            raise ConfigError(f"{prefix}{name} must be {wanted.__name__}, not {value!r}")
        if wanted is int and value < 0:
            raise ConfigError(f"{prefix}{name} must not be negative, got {value}")
    return replace(defaults, **values)
