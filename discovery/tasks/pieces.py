"""Tokens as a reader would know them, for messages.

A vocabulary spells its tokens in letters of its own: byte-level ones have a letter for each byte
(Ã for 0xC3, Ġ for a space), SentencePiece has ▁ for a space. A message shows the text, and the
bytes where a token holds a part of a character only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from transformers import PreTrainedTokenizerBase


def pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The tokens' texts in quotes: `"M" + "ary"`, and `"<0xC3>" + "<0xA9>"` for é in two."""
    spelled = [str(token) for token in tokenizer.convert_ids_to_tokens(list(ids))]
    added = tokenizer.added_tokens_decoder
    by_byte = _is_byte_level(tokenizer)
    texts = [
        token if i in added else _of_bytes(token) if by_byte else token.replace("▁", " ")
        for i, token in zip(ids, spelled, strict=True)
    ]
    return " + ".join(json.dumps(text, ensure_ascii=False) for text in texts)


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether its tokens are spelled byte by byte, by the part that cuts text or joins it again."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return hasattr(tokenizer, "byte_decoder")
    parts = (backend.pre_tokenizer, backend.decoder)
    return any(part is not None and b"ByteLevel" in part.__getstate__() for part in parts)


def _of_bytes(token: str) -> str:
    """A byte-level token as text; a byte that is no whole character as `<0xC3>`."""
    letters = _bytes_by_letter()
    if not all(letter in letters for letter in token):
        return token
    text = bytes(letters[letter] for letter in token).decode("utf-8", "surrogateescape")
    lone = range(0xDC80, 0xDD00)
    return "".join(f"<0x{ord(c) - 0xDC00:02X}>" if ord(c) in lone else c for c in text)


@cache
def _bytes_by_letter() -> dict[str, int]:
    """GPT-2's alphabet (Radford et al. 2019): printable bytes stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    letters = [*map(chr, printable), *(chr(0x100 + n) for n in range(len(others)))]
    return dict(zip(letters, [*printable, *others], strict=True))
