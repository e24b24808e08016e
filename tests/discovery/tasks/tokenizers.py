"""Tokenizers of the kinds that models use, trained here in milliseconds on the tasks' own words."""

from __future__ import annotations

from functools import cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from discovery.tasks.docstring import STYLES
from discovery.tasks.gendered_pronoun import TEMPLATES as PRONOUN
from discovery.tasks.greater_than import TEMPLATE as YEARS
from discovery.tasks.ioi import TEMPLATES
from discovery.tasks.subject_verb_agreement import TEMPLATES as AGREEMENT
from discovery.tasks.subject_verb_agreement import VERBS
from discovery.tasks.words import ARGUMENTS, EVENTS, NAMES, OBJECTS, PEOPLE, PERSONS, PLACES

SPECIAL = ["<unk>", "<s>", "</s>"]


def _corpus(names: tuple[str, ...]) -> list[str]:
    words = " ".join((*PLACES, *OBJECTS, *names))
    plain = [t.replace("{", "").replace("}", "") for t in TEMPLATES.values()]
    return [f"a {words}", *plain] * 20


def _wrap(tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerBase:
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    assert isinstance(wrapped, PreTrainedTokenizerBase)
    return wrapped


@cache
def byte_level(names: tuple[str, ...] = NAMES) -> PreTrainedTokenizerBase:
    """As GPT-2's and SmolLM2's: spaces belong to words, no special token is added."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=3000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(names), trainer)
    return _wrap(tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def byte_level_with_unknown() -> PreTrainedTokenizerBase:
    """As GPT-2's own: one token is the beginning, the end, and what is not known."""
    same = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    return _wrap(byte_level().backend_tokenizer, **same)  # pyright: ignore


@cache
def sentence_piece(prepend: str = "never", eos: bool = False) -> PreTrainedTokenizerBase:
    """As Gemma's: BOS first. `prepend="first"` puts a space before the first word, as Llama 2."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=prepend)
    trainer = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=SPECIAL, initial_alphabet=["\n"], show_progress=False
    )
    tokenizer.train_from_iterator(_corpus(NAMES), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if eos else "<s> $A",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    return _wrap(tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


@cache
def whole_words(digits: int = 2) -> PreTrainedTokenizerBase:
    """Every word of the text tasks is one token after a space; `digits` of a number make one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(rf"\d{{1,{digits}}}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    people = [word for noun in PEOPLE for word in noun]
    verbs = [verb.strip() for number in VERBS for verb in number]
    words = " ".join((*NAMES, *PERSONS, *EVENTS, *ARGUMENTS, *people, *verbs, "he she year years"))
    templates = [*PRONOUN.values(), *AGREEMENT.values(), YEARS, *STYLES.values()]
    plain = [t.replace("{", "").replace("}", "") for t in templates]
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = [f"{i:0{digits}}" for i in range(10**digits)]
    tokenizer.train_from_iterator([f"a {words}", *plain, *numbers] * 3, trainer)
    return _wrap(tokenizer)
