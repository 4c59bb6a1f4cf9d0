"""The random numbers of a run, and what is cut and ordered by them: functions of the seed, a purpose and a step.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): the key is the seed, the counter (block, purpose, step).
"""

import math

MASK = 2**32 - 1
TEST, VALIDATION, ORDER, BOOTSTRAP = 0x8000_0001, 0x8000_0002, 0x8000_0003, 0x8000_0005
TEXT_SHIFT = 0x8000_1001


def block(number, seed, purpose, step):
    """The four words of a block: ten rounds of the cipher."""
    c, k = [number & MASK, purpose, step & MASK, step >> 32], [seed & MASK, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def uniform(seed, purpose, step, element):
    """In 0 to 1, the latter excluded: a multiple of 2^-53."""
    words = block(element, seed, purpose, step)
    return (((words[0] << 32) | words[1]) >> 11) * 2.0**-53


def permutation(seed, purpose, step, count):
    """Fisher and Yates with Lemire's bounded numbers (2019)."""

    def words():
        number = 0
        while True:
            a, b, c, d = block(number, seed, purpose, step)
            yield (a << 32) | b
            yield (c << 32) | d
            number += 1

    source, order = words(), list(range(count))
    for last in range(count - 1, 0, -1):
        bound = last + 1
        product = next(source) * bound
        while product % 2**64 < 2**64 % bound:
            product = next(source) * bound
        place = product >> 64
        order[last], order[place] = order[place], order[last]
    return order


def strata(rows, labels):
    """The rows of each class, in the order of the classes; all together where there are none."""
    if labels.dtype.kind == "f":
        return [(0, rows)]
    return [(label, [row for row in rows if labels[row] == label]) for label in sorted({int(labels[row]) for row in rows})]


def drawn(wanted, rows, labels, seed, purpose):
    """So many of the rows, of each class its share: what is left over goes to the largest remainders."""
    parts = strata(rows, labels)
    counts = [wanted * len(inner) // len(rows) for _, inner in parts]
    byRemainder = sorted(range(len(parts)), key=lambda i: (-(wanted * len(parts[i][1]) % len(rows)), i))
    for index in byRemainder[: wanted - sum(counts)]:
        counts[index] += 1
    chosen = []
    for (label, inner), count in zip(parts, counts):
        chosen += [inner[place] for place in permutation(seed, purpose, label, len(inner))[:count]]
    return sorted(chosen)


def split(dataset, labels, seed):
    """The rows that are trained on and those that are evaluated while training."""
    count = min(len(labels), dataset.get("limit") or len(labels))
    rows, cut = list(range(count)), dataset.get("split_seed", seed)

    def size(share):
        return max(1, math.floor(share * count + 0.5)) if share else 0

    tested = drawn(size(dataset.get("test", 0)), rows, labels, cut, TEST)
    rows = [row for row in rows if row not in tested]
    if "folds" in dataset:
        # The rows of each class are shuffled and dealt out one by one, over all classes.
        dealt = [inner[place] for label, inner in strata(rows, labels) for place in permutation(cut, VALIDATION, label, len(inner))]
        held = sorted(dealt[dataset.get("fold", 0) :: dataset["folds"]])
    else:
        held = drawn(size(dataset.get("validation", 0.1)), rows, labels, cut, VALIDATION)
    rows = [row for row in rows if row not in held]
    if dataset.get("bootstrap"):
        rows = sorted(rows[int(uniform(seed, BOOTSTRAP, 0, index) * len(rows))] for index in range(len(rows)))
    return rows, held


def order(seed, epoch, count):
    """The places of the training part in the order of an epoch."""
    return permutation(seed, ORDER, epoch, count)


def windows(seed, epoch, context, tokens):
    """Where the examples of an epoch begin in running text: side by side, a random part of an example later than in the text,
    the last as far as the text goes."""
    shift = int(uniform(seed, TEXT_SHIFT, epoch, 0) * context)
    places = order(seed, epoch, (tokens - 1) // context)
    return [min(place * context + shift, tokens - 1 - context) for place in places]
