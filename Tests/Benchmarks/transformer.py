#!/usr/bin/env python3
"""Times a training step of a small character GPT here and in PyTorch, in one run, block about block.

Usage: transformer.py [--cairn PATH] [--text FILE] [--threads 1,2] [--blocks 5] [--steps 30]

The job: d 128, 4 layers, 4 heads, context 64, batch 16, AdamW, running text by characters. Ours is the program as
people run it (`cairn train`, curves and norms recorded), its rate taken from the times of its own points; PyTorch's is
the plain eager loop with norm-first encoder layers, data fetch included. Prints milliseconds a step (median of the
blocks) and the ratio PyTorch / ours.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch
from torch import nn

WIDTH, LAYERS, HEADS, CONTEXT, BATCH = 128, 4, 4, 64, 16


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.places = nn.Parameter(torch.randn(CONTEXT, WIDTH))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary)
        self.register_buffer("mask", torch.triu(torch.full((CONTEXT, CONTEXT), float("-inf")), 1))

    def forward(self, x):
        x = self.tokens(x) + self.places
        for block in self.blocks:
            x = block(x, src_mask=self.mask, is_causal=True)
        return self.head(self.norm(x))


class Peer:
    def __init__(self, text):
        names = sorted(set(text))
        numbers = {c: i for i, c in enumerate(names)}
        self.data = torch.tensor([numbers[c] for c in text])
        self.model = Model(len(names))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)

    def block(self, threads, steps):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for _ in range(steps):
            places = torch.randint(len(self.data) - CONTEXT - 1, (BATCH,))
            x = torch.stack([self.data[i:i + CONTEXT] for i in places])
            y = torch.stack([self.data[i + 1:i + CONTEXT + 1] for i in places])
            loss = nn.functional.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / steps * 1000


def ours(cairn, folder, threads, steps):
    """Milliseconds a step of a job of `steps` steps, from the times of its points after the first ten."""
    spec = {"dataset": {"name": "text", "context": CONTEXT, "validation": 0},
            "model": {"preset": "transformer_lm", "layers": LAYERS, "dim": WIDTH, "heads": HEADS},
            "optimizer": {"type": "adamw", "lr": 1e-3}, "train": {"steps": steps + 10, "batch_size": BATCH,
                                                                  "threads": threads}}
    path = os.path.join(folder, "spec.json")
    with open(path, "w") as file:
        json.dump(spec, file)
    times = []
    start = time.perf_counter()
    for count in (10, steps + 10):
        spec["train"]["steps"] = count
        with open(path, "w") as file:
            json.dump(spec, file)
        start = time.perf_counter()
        subprocess.run([cairn, "train", path, "--data", os.path.join(folder, "data")], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / steps * 1000


def upload(cairn, folder, text):
    """Gives the text to the store through a server that is then stopped."""
    data = os.path.join(folder, "data")
    server = subprocess.Popen([cairn, "serve", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[-1]
        subprocess.run(["curl", "-sf", "-T", text, f"{address}/api/v1/datasets/text?format=text"], check=True,
                       stdout=subprocess.DEVNULL)
    finally:
        server.terminate()
        server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cairn", default=".build/release/cairn")
    parser.add_argument("--text", required=True)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    with open(options.text, encoding="utf-8") as file:
        peer = Peer(file.read())
    peer.block(1, 3)
    with tempfile.TemporaryDirectory() as folder:
        upload(options.cairn, folder, options.text)
        for threads in map(int, options.threads.split(",")):
            mine, theirs = [], []
            for _ in range(options.blocks):
                mine.append(ours(options.cairn, folder, threads, options.steps * 3))
                theirs.append(peer.block(threads, options.steps))
            a, b = statistics.median(mine), statistics.median(theirs)
            print(f"{threads} threads: {a:.2f} ms here (best {min(mine):.2f}), {b:.2f} ms PyTorch {torch.__version__} "
                  f"(best {min(theirs):.2f}), ratio {b / a:.2f}")


if __name__ == "__main__":
    main()
