"""Random jobs on texts against PyTorch: language models by characters and by words, and classifiers of whole texts.

Each case draws a text, layers or a preset, a loss, an optimizer, a schedule and what else touches a step from its number.
CAIRN_CASES says how many cases to draw, CAIRN_FIRST_CASE where to begin.
"""

import collections
import functools
import math
import os
import random
import re

import numpy as np
import pytest
import torch

import philox_peer
from pytorch_draws import (
    activation, average, class_loss, gives_one_rate, maybe, optimizer, penalties, schedule, training, training_of_a_layer,
    watching,
)  # fmt: skip
from pytorch_peer import layers_of, network, trained_alike

CASES = int(os.environ.get("CAIRN_CASES", 40))
FIRST = int(os.environ.get("CAIRN_FIRST_CASE", 0))

# Texts ----------------------------------------------------------------------------------------------------------------


def split(text, tokenizer):
    """Characters; or runs of letters, runs of digits and single signs, each with one space before it."""
    if tokenizer == "char":
        return list(text)
    return re.findall(r"(?: (?! ))?(?:[A-Za-z'éß]+|[0-9]+|[^A-Za-z'éß0-9])", text)


def running_text(draw, tokens):
    """At least so many characters of an alphabet of two to some hundred."""
    alphabet = draw.choice(["ab", "abc d", "the quick brown fox, 42!\n", "".join(map(chr, [*range(32, 127), *range(0x3B1, 0x3C9), 0x1F600]))])
    return alphabet + "".join(draw.choices(alphabet, k=tokens))


def words(draw, count):
    """So many words, and what stands between them."""
    known = ["a", "the", "It's", "7", "42", "café", "Straße", "x", "-", ",", "tree", "trees"][: draw.choice([2, 5, 12])]
    return "".join(draw.choice(known) + draw.choice([" ", " ", " ", "  ", ". ", "\n"]) for _ in range(count)).strip()


def windows(numbers, context, stride):
    """Examples that begin at every so many tokens, and at each place of them the token that follows."""
    starts = range(0, len(numbers) - context, stride)
    inputs, labels = ([numbers[s + k : s + k + context] for s in starts] for k in (0, 1))
    return np.array(inputs), np.array(labels)


def vocabulary_of_documents(texts, tokenizer, limit):
    """The most frequent tokens, of words those that occur more than once, in the order of their letters; then what stands
    for no text."""
    counts = collections.Counter(token for text in texts for token in split(text, tokenizer))
    known = [token for token, count in counts.items() if count > 1 or tokenizer == "char"]
    known.sort(key=lambda token: (-counts[token], token))
    return sorted(known[: limit or None]) + ["[PAD]", "[UNK]", "[MASK]"]


def row(text, tokenizer, vocabulary, context):
    """The first tokens of a text, and padding behind them."""
    place = {token: number for number, token in enumerate(vocabulary)}
    numbers = [place.get(token, place["[UNK]"]) for token in split(text, tokenizer)[:context]] or [place["[UNK]"]]
    return numbers + [place["[PAD]"]] * (context - len(numbers))


# The draw -------------------------------------------------------------------------------------------------------------


def heads(draw, width):
    return draw.choice([h for h in range(1, width + 1) if width % h == 0 and h <= 8])


def norm(draw, width):
    if width == 1:
        # The root mean square of one number makes its sign of it, which jumps.
        return {"type": "rms_norm", "eps": 1.0}
    return draw.choice([{"type": "layer_norm"}, {"type": "layer_norm", "eps": 1e-3}, {"type": "rms_norm"}, {"type": "rms_norm", "eps": 1e-3}])


def attention(draw, width):
    return {"type": "attention", "heads": heads(draw, width), **maybe(draw, 0.5, {"causal": True})}


def sequence(draw, width):
    """Layers that make sequences of sequences, and their width."""
    layers = []
    for _ in range(draw.randint(0, 3)):
        kind = draw.choice(["block", "block", "attended", "perceptron", "attention", "linear", "norm", "positional", "dropout"])
        if kind == "block":
            ratio = maybe(draw, 0.5, {"mlp_ratio": draw.choice([1, 1.5, 0.3 if width > 1 else 0.5, 2])})
            causal = maybe(draw, 0.5, {"causal": True})
            layers.append({"type": "transformer_block", "heads": heads(draw, width), **causal, **ratio})
        elif kind == "attended":
            layers.append({"type": "residual", "layers": [norm(draw, width), attention(draw, width)]})
        elif kind == "perceptron":
            hidden = {"type": "linear", "out": draw.choice([3, 16, 31])}
            layers.append({"type": "residual", "layers": [norm(draw, width), hidden, activation(draw), {"type": "linear", "out": width}]})
        elif kind == "attention":
            layers.append(attention(draw, width))
        elif kind == "linear":
            width = draw.choice([1, 7, 16, 30])
            layers += [{"type": "linear", "out": width, **maybe(draw, 0.3, {"bias": False})}, activation(draw)]
        elif kind == "norm":
            layers.append(norm(draw, width))
        elif kind == "positional":
            layers.append({"type": "positional", "kind": draw.choice(["learned", "sinusoidal"])})
        else:
            layers.append({"type": "dropout", "p": 0})
    return layers, width


def model(draw, vocabulary, outputs, for_tokens):
    width = draw.choice([1, 6, 15, 16, 17, 24, 30, 33, 48])
    if draw.random() < 0.35:
        preset = draw.choice(["transformer_lm", "transformer_encoder"])
        ratio = maybe(draw, 0.4, {"mlp_ratio": draw.choice([1, 2.5])})
        return {"preset": preset, "layers": draw.randint(1, 3), "dim": width, "heads": heads(draw, width), **ratio}
    layers = [{"type": "embedding", "dim": width, **maybe(draw, 0.2, {"vocab": vocabulary + 3})}]
    if draw.random() < 0.7:
        layers.append({"type": "positional", **draw.choice([{}, {"kind": "learned"}, {"kind": "sinusoidal"}])})
    inner, width = sequence(draw, width)
    layers += inner
    if not for_tokens:
        layers.append(draw.choice([{"type": "global_avg_pool"}, {"type": "flatten"}]))
    return {"layers": layers + [{"type": "linear", "out": outputs, **maybe(draw, 0.2, {"bias": False})}]}


def case(number):
    """The job of a number, its data set as it is sent, and how PyTorch reads it: (spec, upload, vocabulary, outputs,
    parts, order)."""
    draw = random.Random(number)
    context = draw.choice([1, 2, 5, 15, 16, 17, 31, 33])
    tokenizer = draw.choice(["char", "char", "word"])
    examples = draw.choice([3, 8, 13])
    dataset = {"name": "drawn", "shuffle": draw.random() < 0.5, "context": context, "tokenizer": tokenizer, "validation": 0}
    for_tokens = draw.random() < 0.7
    if for_tokens:
        length = context * examples + draw.randint(1, context)
        text = running_text(draw, length) if tokenizer == "char" else words(draw, length)
        tokens = split(text, tokenizer)
        vocabulary = sorted(set(tokens))
        numbers = [vocabulary.index(token) for token in tokens]
        end = len(numbers)
        held = ()
        if draw.random() < 0.4:
            # The last part of the text is set aside.
            dataset["validation"] = 0.3
            end = len(numbers) - max(1, math.floor(0.3 * len(numbers) + 0.5))
            if len(numbers) - end > context and end > context:
                held = windows(numbers[end:], context, context)
            else:
                dataset["validation"], end = 0, len(numbers)
        # In a random order examples may begin anywhere.
        parts = (*windows(numbers[:end], context, 1 if dataset["shuffle"] else context), *held)
        examples = (end - 1) // context
        upload, outputs = ("format=text", text), len(vocabulary)
    else:
        outputs = draw.choice([2, 3, 5])
        labels = [*range(outputs), *(draw.randrange(outputs) for _ in range(examples + 4))]
        texts = [words(draw, draw.randint(2, 2 * context + 2)) + " end of it" * (draw.random() < 0.5) for _ in labels]
        limit = draw.choice([None, None, 4])
        dataset |= {"vocabulary": limit} if limit else {}
        vocabulary = vocabulary_of_documents(texts, tokenizer, limit)
        examples = len(texts)
        parts = (np.array([row(text, tokenizer, vocabulary, context) for text in texts]), np.array(labels))
        quoted = ['"' + text.replace('"', '""') + f'",class{label}' for text, label in zip(texts, labels)]
        upload = ("format=csv&label=kind", "text,kind\n" + "\n".join(quoted) + "\n")
    steps = draw.choice([3, 8, 12])
    chosen = {**optimizer(draw), **maybe(draw, 0.3, {"decay_exempt": draw.choice([["bias", "norm"], ["bias"], ["norm"]])})}
    moving = schedule(draw, chosen)
    loss = {**class_loss(draw, outputs), **penalties(draw)}
    if loss["type"] == "binary_cross_entropy" and outputs == 2:
        outputs = 1
    described = model(draw, len(vocabulary), outputs, for_tokens)
    for layer in described["layers"][:-1] if "preset" not in described else []:
        layer.update(training_of_a_layer(draw, gives_one_rate(moving)))
    train = training(draw, steps, examples)
    more, ends = watching(draw, dataset["validation"] != 0) if draw.random() < 0.3 else ({}, {})
    spec = {
        "seed": number,
        "dataset": dataset,
        "model": described,
        "loss": loss,
        "optimizer": chosen,
        "schedule": {**moving, **maybe(draw, 0.3, {"warmup": draw.choice([3, 0.25, 1])})},
        "train": {**train, **ends, **maybe(draw, 0.5, {"evaluate_every": {"steps": draw.randint(1, 5)}})},
        **maybe(draw, 0.3, {"average": average(draw)}),
        **more,
    }
    order = None
    if for_tokens and dataset["shuffle"]:
        order = functools.cache(lambda epoch: philox_peer.windows(number, epoch, context, end))
    return spec, upload, vocabulary, outputs, parts, order


@pytest.mark.parametrize("number", range(FIRST, FIRST + CASES))
@pytest.mark.filterwarnings("ignore")
def test_a_random_job_on_text_trains_as_in_pytorch(shared, number):
    spec, (query, body), vocabulary, outputs, parts, order = case(number)
    torch.manual_seed(number)
    answer = shared.request("PUT", f"/api/v1/datasets/drawn?{query}", data=body.encode())
    assert answer.status_code == 201, answer.text
    layers = layers_of(spec["model"], outputs, for_tokens=parts[1].ndim == 2)
    trained_alike(shared, spec, layers, network(layers, [spec["dataset"]["context"]], len(vocabulary)), parts, order)
