"""A model's vocabulary: how text becomes token ids, and which ids are ordinary.

Prompts get the tokenizer's own special tokens; answers are taken exactly as written, as they would
follow a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from discovery.tasks.names import TokenNames
from discovery.tasks.pieces import pieces
from graph_schema.datasets.pair import fail
from graph_schema.errors import DatasetError

# What stands before an answer to tokenise it as a continuation: Llama's older tokenizers put a
# space before the first word of a text, and a line feed merges with no word.
_ANCHOR = "\n"


@dataclass(frozen=True)
class Vocabulary:
    """`size` is the model's `d_vocab`; `n_ctx` its context length where that is known.

    `names` stand for the tokenizer of a compiled program, whose answers are outputs, not tokens.
    """

    size: int
    tokenizer: PreTrainedTokenizerBase | None = None
    add_bos: bool | None = None
    n_ctx: int | None = None
    names: TokenNames | None = None

    @property
    def n_outputs(self) -> int:
        """How many logits the model has: one a token, but for a compiled program's."""
        return self.size if self.names is None else self.names.n_outputs

    @property
    def reads_text(self) -> bool:
        """Whether prompts and answers may be text."""
        return self.tokenizer is not None or self.names is not None

    def output_of(self, token: int) -> int:
        """The index of the logit that says a token.

        Raises:
            DatasetError: None does.
        """
        return token if self.names is None else self.names.output_of(token)

    def prompt(self, text: str) -> tuple[int, ...]:
        """The ids of `text` after the special tokens that belong before it.

        Special tokens that a tokenizer appends (EOS) are left out: behind them the model no
        longer answers the prompt.
        """
        if self.names is not None:
            return self.names.prompt(text, self.add_bos)
        plain = self._ids(text)
        return self._prefix(text, plain) + plain

    def prefix(self, text: str = "a") -> tuple[int, ...]:
        """The special tokens before `text`: the tokenizer's own, or what `add_bos` asks for.

        None where there is no tokenizer.

        Raises:
            DatasetError: `add_bos` is set and the tokenizer has no BOS token.
        """
        if self.names is not None:
            return self.names.prefix(self.add_bos)
        return () if self.tokenizer is None else self._prefix(text, self._ids(text))

    def _prefix(self, text: str, plain: tuple[int, ...]) -> tuple[int, ...]:
        if self.add_bos is False:
            return ()
        full = tuple(self._tokenizer.encode(text))
        starts = range(len(full) - len(plain) + 1)
        start = next((i for i in starts if full[i : i + len(plain)] == plain), 0)
        default = full[:start]
        bos = self._tokenizer.bos_token_id
        if not self.add_bos or bos in default:
            return default
        if not isinstance(bos, int):
            raise DatasetError(
                "add_bos is set, but the tokenizer has no BOS token; leave add_bos unset"
            )
        return (bos, *default)

    def answer(self, text: str) -> tuple[int, ...]:
        """The ids of `text` as a continuation, without special tokens; a program's output."""
        if self.names is not None:
            return (self.names.answer(text),)
        anchor = self._anchor
        both = self._ids(_ANCHOR + text)
        if len(both) > len(anchor) and both[: len(anchor)] == anchor:
            return both[len(anchor) :]
        return self._ids(text)

    def single_token_words(self, words: tuple[str, ...]) -> dict[str, int]:
        """The words that are one known token each when written after a space, with that token."""
        found: dict[str, int] = {}
        for word in words:
            ids = self.answer(f" {word}")
            known = len(ids) == 1 and ids[0] != self._tokenizer.unk_token_id
            if known and ids[0] < self.size and ids[0] not in found.values():
                found[word] = ids[0]
        return found

    def ordinary_ids(self) -> list[int]:
        """Every id of the vocabulary that is not special; without tokenizer, simply every id."""
        if self.names is not None:
            return self.names.ordinary
        if self.tokenizer is None:
            return list(range(self.size))
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        return [i for i in range(min(self.size, len(self.tokenizer))) if i not in special]

    def pieces(self, ids: tuple[int, ...]) -> str:
        """The tokens of `ids` as a reader would know them: `"M" + "ary"`."""
        if self.names is not None:
            named = {number: name for name, number in self.names.tokens.items()}
            return " + ".join(f'"{named.get(number, number)}"' for number in ids)
        return pieces(self._tokenizer, ids)

    def unknown(self, text: str, token: int) -> bool:
        """Whether `text` became the token for what the tokenizer does not know.

        That token can be written too: GPT-2's is its end of text.
        """
        if self.names is not None:
            return False
        tokenizer = self._tokenizer
        return token == tokenizer.unk_token_id and text.strip() != str(tokenizer.unk_token)

    @cached_property
    def _anchor(self) -> tuple[int, ...]:
        return self._ids(_ANCHOR)

    def _ids(self, text: str) -> tuple[int, ...]:
        ids = tuple(self._tokenizer.encode(text, add_special_tokens=False))
        # Some tokenizers put BOS in front whatever they are asked.
        bos, bos_text = self._tokenizer.bos_token_id, self._tokenizer.bos_token
        if ids and ids[0] == bos and not text.startswith(str(bos_text)):
            return ids[1:]
        return ids

    @property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        assert self.tokenizer is not None, "callers ask for text only where there is a tokenizer"
        return self.tokenizer


def check_output(place: str, key: str, output: int, vocabulary: Vocabulary) -> None:
    """Refuse the index of a logit that the model has not.

    Raises:
        DatasetError: Names the place, the index and how many there are.
    """
    if vocabulary.names is None:
        check_id(place, key, output, vocabulary)
    elif output >= vocabulary.n_outputs:
        fail(
            place,
            f"the {key} is output {output}; the model has {vocabulary.n_outputs:,} outputs, 0 to "
            f"{vocabulary.n_outputs - 1}",
        )


def check_id(place: str, key: str, token: int, vocabulary: Vocabulary) -> None:
    """Refuse a token id that is beyond the vocabulary.

    Raises:
        DatasetError: Names the place, the id and the vocabulary's size.
    """
    if token >= vocabulary.size:
        fail(
            place,
            f"{key} holds token id {token}; the model's vocabulary has {vocabulary.size:,} tokens, "
            f"ids 0 to {vocabulary.size - 1}",
        )
