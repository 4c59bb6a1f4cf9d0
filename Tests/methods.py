"""The README's table of methods, made from the names of the tests: what proves a row begins with the row's id, as
`@Test("O3 both forms agree")` or `func O3_formsAgree` in Swift and `test_G2_folds` in Python; `O2 O3` proves two. Prints it; with --write, puts
it into the README."""

import itertools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- methods: made by Tests/methods.py -->", "<!-- end of methods -->"

ROWS = {
    "O1": "batch, mini-batch and single-sample gradient descent",
    "O2": "SGD, momentum, dampening, weight decay",
    "O3": "Nesterov's momentum, both forms",
    "O4": "Adagrad, Adadelta, RMSprop",
    "O5": "Adam, AMSGrad, AdamW, NAdam, RAdam, Lion",
    "O6": "gradient clipping by norm and by value",
    "O7": "learning-rate schedules, warmup",
    "O8": "reduce on plateau",
    "O9": "parameter groups: `lr_scale`, `freeze`, `decay_exempt`",
    "O10": "gradient accumulation",
    "L1": "linear, convolution, pooling, flatten, residual",
    "L2": "activations",
    "L3": "batch normalization",
    "L4": "layer and RMS normalization",
    "L5": "dropout",
    "L6": "embedding, positions, attention, transformer block",
    "L7": "initialization",
    "G1": "training, validation and test parts",
    "G2": "k-fold cross-validation",
    "G3": "early stopping",
    "G4": "L2 and L1 penalties, decoupled decay",
    "G5": "label smoothing",
    "G6": "data augmentation",
    "G7": "noise on inputs and weights",
    "G8": "mixup, CutMix",
    "G9": "bootstrap, bagging; bias, variance and noise",
    "G10": "boosting (SAMME)",
    "G11": "ensembles: predictions averaged",
    "G12": "snapshot ensembles",
    "G13": "averages of weights: EMA, SWA",
    "G14": "batch size and sharpness",
    "T1": "a new head on an old body",
    "T2": "feature extraction: frozen layers",
    "T3": "fine-tuning, head first",
    "T4": "masked language model and its fine-tuning recipe",
    "P1": "data parallelism: `replicas`",
    "P2": "batch norm per replica",
    "P3": "linear scaling rule with warmup",
    "P4": "model parallelism: `stages`, `micro_batches`",
    "W1": "norms of gradients and parameters",
    "W2": "ratio of update to weight",
    "W3": "initial loss",
    "W10": "a table of results",
    "W12": "resuming needs the optimizer's state",
}

SWIFT = re.compile(r'@Test\(\s*"([A-Z]\d+ [^"]*)"')
FUNCTION = re.compile(r"\bfunc ([A-Z]\d+_\w+)\(")
PYTHON = re.compile(r"^def test_([A-Z]\d+_\w+)", re.M)


def names(path):
    """The names of a file's tests that begin with a row, as words."""
    text = path.read_text()
    if path.suffix == ".swift":
        return SWIFT.findall(text) + [name.replace("_", " ") for name in FUNCTION.findall(text)]
    return [name.replace("_", " ") for name in PYTHON.findall(text)]


def tests():
    """{row: what its tests are called, without the rows}, of the rows that have any, in the order of ROWS."""
    found = {row: set() for row in ROWS}
    for path in [*ROOT.glob("Tests/*/*.swift"), *ROOT.glob("Tests/Acceptance/test_*.py")]:
        for name in names(path):
            words = name.split(" ")
            rows = list(itertools.takewhile(lambda word: word in ROWS, words))
            for row in rows:
                found[row].add(" ".join(words[len(rows) :]))
    return {row: sorted(titles, key=str.lower) for row, titles in found.items() if titles}


def table():
    lines = ["| row | method | proved by |", "| --- | --- | --- |"]
    for row, titles in tests().items():
        lines.append(f"| {row} | {ROWS[row]} | {'; '.join(titles)} |")
    return "\n".join(lines)


def shown():
    """The table as the README has it."""
    text = README.read_text()
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = README.read_text()
        before, after = text[: text.index(BEGIN)], text[text.index(END) :]
        README.write_text(f"{before}{BEGIN}\n{table()}\n{after}")
    else:
        print(table())
