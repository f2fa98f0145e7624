"""Texts of a Define-XML, and methods and comments that several variables share."""

from __future__ import annotations

from typing import Any

from odmlib.arm_1_0 import model


def described(text: str) -> Any:
    """Description in English."""
    return model.Description(TranslatedText=[model.TranslatedText(lang="en", _content=text)])


class Shared:
    """Definitions that each distinct text gets once, in order of first use.

    Parameters
    ----------
    prefix
        Of their identifiers: ``MT`` gives MT.1, MT.2 …
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.texts: dict[str, str] = {}

    def identifier(self, text: str) -> str:
        """Identifier of a text."""
        return self.texts.setdefault(text, f"{self.prefix}.{len(self.texts) + 1}")

    def methods(self) -> list[Any]:
        """Texts as computational methods."""
        return [
            model.MethodDef(OID=oid, Name=f"Method {number}", Type="Computation", Description=described(text))
            for number, (text, oid) in enumerate(self.texts.items(), 1)
        ]

    def comments(self) -> list[Any]:
        """Texts as comments."""
        return [model.CommentDef(OID=oid, Description=described(text)) for text, oid in self.texts.items()]
