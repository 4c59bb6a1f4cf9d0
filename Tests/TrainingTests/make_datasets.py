#!/usr/bin/env python3
"""Writes Sources/Training/Data/Embedded/*.swift from the data files of scikit-learn.

Usage: make_datasets.py   (scikit-learn 1.x installed; run from the repository's root)

The numbers are kept as the text of the source files, one example a line, so that the compiler stores
them as constant bytes and a reader can look at them. Digits are one character a pixel (base 17).
"""
import gzip
import os

import sklearn.datasets

FOLDER = "Sources/Training/Data/Embedded"
DATA = os.path.join(os.path.dirname(sklearn.datasets.__file__), "data")


def lines(name):
    path = os.path.join(DATA, name)
    opener = gzip.open if name.endswith(".gz") else open
    with opener(path, "rt") as file:
        return [line.strip() for line in file if line.strip()]


def write(name, source, rows):
    kind = name[0].lower() + name[1:]
    with open(os.path.join(FOLDER, f"{name}Text.swift"), "w") as out:
        out.write("// swift-format-ignore-file\n")
        out.write("// Written by Tests/TrainingTests/make_datasets.py: data, one example a line.\n")
        for line in source:
            out.write(f"// {line}\n")
        out.write(f'\nextension EmbeddedText {{\n  static let {kind}: StaticString = """\n')
        out.writelines(f"{row}\n" for row in rows)
        out.write('"""\n}\n')


def digits():
    symbols = "0123456789abcdefg"
    for line in lines("digits.csv.gz"):
        values = [int(float(v)) for v in line.split(",")]
        yield "".join(symbols[v] for v in values[:64]) + str(values[64])


def diabetes():
    for row, target in zip(lines("diabetes_data_raw.csv.gz"), lines("diabetes_target.csv.gz")):
        yield ",".join(f"{float(v):g}" for v in row.split()) + f",{float(target):g}"


os.makedirs(FOLDER, exist_ok=True)
UCI = "UCI Machine Learning Repository, CC BY 4.0; as shipped by scikit-learn."
write("Digits", ["Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), test part.", UCI], digits())
write("Iris", ["Iris (Fisher 1936).", UCI], lines("iris.csv")[1:])
write("Wine", ["Wine (Aeberhard, Forina 1991).", UCI], lines("wine_data.csv")[1:])
write("BreastCancer", ["Breast Cancer Wisconsin, Diagnostic (Wolberg, Mangasarian, Street, Street 1993).", UCI],
      lines("breast_cancer.csv")[1:])
write("Diabetes", ["Diabetes (Efron, Hastie, Johnstone, Tibshirani: Least Angle Regression, 2004).",
                   "Published by the authors without restrictions; as shipped by scikit-learn, unscaled."], diabetes())
