"""What every follower of the catalog reads alike in an entry (`proto/chengxin/catalog/v1/catalog.proto`). Pure.

The contract's JSON leaves out empty fields, so every field has a default.
"""

import msgspec


class TranslatedText(msgspec.Struct, frozen=True):
    """A text in both languages."""

    zh: str = ""
    en: str = ""

    def text(self, language: str) -> str:
        """The text in `zh-CN` or `en`; the Chinese one where there is no other."""
        return self.en if language == "en" and self.en else self.zh


class NamedCode(msgspec.Struct, frozen=True):
    """A permitted value, by its code and its name."""

    code: str = ""
    name: TranslatedText = msgspec.field(default_factory=TranslatedText)
