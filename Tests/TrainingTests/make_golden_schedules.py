"""Writes GoldenSchedules.swift: learning rates of PyTorch's schedulers, base rate 0.1, one step after each optimizer
step; where a schedule moves the momentum, that as well.

Run from the repository's root: python Tests/TrainingTests/make_golden_schedules.py
"""
import json
import torch

S = torch.optim.lr_scheduler
COUNT = 25
CASES = [
    ({"type": "step", "step_size": 5, "gamma": 0.5}, lambda o: S.StepLR(o, 5, 0.5)),
    ({"type": "multi_step", "milestones": [3, 8, 8, 15], "gamma": 0.5}, lambda o: S.MultiStepLR(o, [3, 8, 8, 15], 0.5)),
    ({"type": "exponential", "gamma": 0.9}, lambda o: S.ExponentialLR(o, 0.9)),
    ({"type": "cosine", "t_max": 10, "eta_min": 0.01}, lambda o: S.CosineAnnealingLR(o, 10, 0.01)),
    ({"type": "cosine_restarts", "T_0": 4, "T_mult": 2, "eta_min": 0.01},
     lambda o: S.CosineAnnealingWarmRestarts(o, 4, 2, 0.01)),
    ({"type": "cosine_restarts", "t_0": 7}, lambda o: S.CosineAnnealingWarmRestarts(o, 7)),
    ({"type": "linear"}, lambda o: S.LinearLR(o)),
    ({"type": "linear", "start_factor": 1, "end_factor": 0, "total_iters": None},
     lambda o: S.LinearLR(o, 1, 0, COUNT)),
    ({"type": "polynomial", "total_iters": 10, "power": 2}, lambda o: S.PolynomialLR(o, 10, 2)),
    ({"type": "polynomial", "total_iters": 20, "power": 0.7}, lambda o: S.PolynomialLR(o, 20, 0.7)),
    ({"type": "one_cycle", "max_lr": 0.5}, lambda o: S.OneCycleLR(o, 0.5, COUNT)),
    ({"type": "one_cycle", "max_lr": 0.5, "three_phase": True}, lambda o: S.OneCycleLR(o, 0.5, COUNT, three_phase=True)),
    ({"type": "one_cycle", "max_lr": 0.2, "total_steps": 30, "pct_start": 0.4, "anneal_strategy": "linear",
      "div_factor": 10, "final_div_factor": 100, "base_momentum": 0.7, "max_momentum": 0.9},
     lambda o: S.OneCycleLR(o, 0.2, 30, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100,
                            base_momentum=0.7, max_momentum=0.9)),
    ({"type": "cyclic", "max_lr": 0.5, "step_size_up": 4}, lambda o: S.CyclicLR(o, 0.1, 0.5, 4)),
    ({"type": "cyclic", "base_lr": 0.05, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"},
     lambda o: S.CyclicLR(o, 0.05, 0.5, 3, 5, "triangular2")),
    ({"type": "cyclic", "max_lr": 0.3, "step_size_up": 6, "mode": "exp_range", "gamma": 0.95},
     lambda o: S.CyclicLR(o, 0.1, 0.3, 6, mode="exp_range", gamma=0.95)),
]
PLATEAUS = [
    {"factor": 0.5, "patience": 2, "cooldown": 1, "min_lr": 0.01},
    {"factor": 0.1, "patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
    {"factor": 0.3, "patience": 0, "mode": "max", "threshold": 0.01, "cooldown": 2, "eps": 0.02},
]
METRICS = [1.0, 0.9, 0.9, 0.9, 0.9, 0.85, 0.86, 0.87, 0.88, 0.89, 0.9, 0.8, 0.79999, 0.79998, 0.8, 0.8, 0.7, float("nan"),
           0.71, 0.72, 0.73, 0.74, 0.6, 0.61]


def optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)


def run(make):
    o = optimizer()
    scheduler, rows = make(o), []
    for _ in range(COUNT):
        rows.append([o.param_groups[0]["lr"], o.param_groups[0]["momentum"]])
        o.step()
        scheduler.step()
    return rows


def plateau(fields):
    o = optimizer()
    scheduler, rates = S.ReduceLROnPlateau(o, **fields), [0.1]
    for value in METRICS:
        scheduler.step(value)
        rates.append(o.param_groups[0]["lr"])
    return rates


with open("Tests/TrainingTests/GoldenSchedules.swift", "w") as out:
    out.write("// swift-format-ignore-file\n// Written by make_golden_schedules.py: schedulers of PyTorch "
              f"{torch.__version__}, base rate 0.1, momentum 0.9, one row a step.\n\n"
              "let goldenSchedules: [(spec: String, rows: [[Double]])] = [\n")
    for spec, make in CASES:
        out.write(f'  (#"{json.dumps(spec)}"#, [\n' + "".join(f"    {row},\n" for row in run(make)) + "  ]),\n")
    out.write("]\n\nlet plateauMetrics: [Double] = "
              + str(METRICS).replace("nan", ".nan") + "\n\nlet goldenPlateaus: [(spec: String, rates: [Double])] = [\n")
    for fields in PLATEAUS:
        out.write(f'  (#"{json.dumps({"type": "plateau", **fields})}"#, {plateau(fields)}),\n')
    out.write("]\n")
