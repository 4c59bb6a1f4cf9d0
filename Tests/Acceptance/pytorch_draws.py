"""Draws of what every job has, whatever its data: activations, optimizers, schedules, what else touches a step."""


def maybe(draw, share, fields):
    return fields if draw.random() < share else {}


def activation(draw):
    return draw.choice(
        [
            {"type": "relu"},
            {"type": "tanh"},
            {"type": "leaky_relu", "negative_slope": draw.choice([0.01, 0.2])},
            {"type": "elu", "alpha": draw.choice([1.0, 0.5])},
            {"type": "selu"},
            {"type": "gelu"},
            {"type": "gelu", "approximate": "tanh"},
            {"type": "silu"},
            {"type": "sigmoid"},
            {"type": "softplus", "beta": draw.choice([1.0, 2.5])},
            {"type": "hardswish"},
        ]
    )


def optimizer(draw, signs=False):
    """An optimizer with `eps` so large that what is 0 but for rounding stays next to 0. Where there are parameters whose
    gradient is nothing but rounding, `signs` has to be false: then there is none that looks at signs only."""
    decay = maybe(draw, 0.5, {"weight_decay": draw.choice([0.01, 0.1])})
    kinds = ["sgd", "sgd", "momentum", "nesterov", "nag", "adagrad", "adadelta", "rmsprop", "adam", "adam", "adamw", "adamax", "nadam",
             "radam", *(["lion"] if signs else [])]  # fmt: skip
    kind = draw.choice(kinds)
    lr = draw.choice([0.003, 0.01, 0.02])
    if kind == "momentum":
        return {"type": "sgd", "lr": lr, "momentum": 0.9, **maybe(draw, 0.5, {"dampening": 0.3}), **decay}
    if kind == "nesterov":
        return {"type": "sgd", "lr": lr, "momentum": 0.8, "nesterov": True, **decay}
    inside = maybe(draw, 0.25, {"eps_inside_sqrt": True})
    more = {
        "sgd": {},
        "nag": maybe(draw, 0.5, {"momentum": 0.7}),
        "adagrad": inside or {**maybe(draw, 0.5, {"lr_decay": 0.1}), **maybe(draw, 0.5, {"initial_accumulator_value": 0.2})},
        "adadelta": {"lr": 1.0, **maybe(draw, 0.5, {"rho": 0.8})},
        "rmsprop": inside or {**maybe(draw, 0.5, {"centered": True}), **maybe(draw, 0.5, {"momentum": 0.7})},
        "adam": inside
        or maybe(draw, 0.2, {"bias_correction": False})
        or {**maybe(draw, 0.3, {"amsgrad": True}), **maybe(draw, 0.5, {"betas": [0.8, 0.95]})},
        "adamw": {**maybe(draw, 0.3, {"amsgrad": True})},
        "adamax": {**maybe(draw, 0.5, {"betas": [0.8, 0.95]})},
        "nadam": {**maybe(draw, 0.3, {"decoupled_weight_decay": True}), **maybe(draw, 0.3, {"momentum_decay": 0.01})},
        "radam": {**maybe(draw, 0.3, {"decoupled_weight_decay": True})},
        "lion": {**maybe(draw, 0.5, {"betas": [0.8, 0.95]})},
    }[kind]
    if kind == "rmsprop":
        more |= {"eps": 1e-3, **maybe(draw, 0.5, {"alpha": 0.9})}
    if kind in ("adam", "adamw", "adamax", "adagrad", "nadam", "radam"):
        more |= {"eps": 1e-4}
    return {"type": kind, "lr": lr, **decay, **more}


def schedule(draw, chosen):
    """A schedule with fields of its own for the optimizer that was chosen."""
    some = draw.randint(1, 15)
    # These have no momentum that could be moved.
    unmoved = chosen["type"] in ("adagrad", "adadelta", "lion")
    cycled = {"cycle_momentum": False} if unmoved else maybe(draw, 0.5, {"cycle_momentum": False})
    return draw.choice(
        [
            {"type": "constant"},
            {"type": "constant", "factor": draw.choice([0.25, 1]), "total_iters": draw.randint(1, 15)},
            {"type": "step", "step_size": some, "gamma": draw.choice([0.5, 0.1, 1])},
            {"type": "multi_step", "milestones": sorted(draw.choices(range(1, 20), k=draw.randint(1, 4))), "gamma": 0.5},
            {"type": "exponential", "gamma": draw.choice([0.8, 1, 0.5])},
            {"type": "linear", "start_factor": draw.choice([0.25, 1]), "end_factor": draw.choice([0, 0.5, 1]), "total_iters": some},
            {"type": "linear", "start_factor": 1, "end_factor": 0.1, "total_iters": None},
            {"type": "linear"},
            {"type": "cosine", "t_max": some, "eta_min": 0.001},
            {"type": "cosine"},
            {"type": "cosine_restarts", "t_0": draw.randint(1, 6), "t_mult": draw.randint(1, 3), **maybe(draw, 0.5, {"eta_min": 0.001})},
            {"type": "polynomial", "total_iters": some, "power": draw.choice([0.5, 1, 2, 3])},
            {"type": "polynomial", "total_iters": None},
            {"type": "one_cycle", "max_lr": 0.03, **maybe(draw, 0.5, {"pct_start": draw.choice([0.15, 0.45, 0.85])}), **cycled},
            {"type": "one_cycle", "max_lr": 0.03, "three_phase": True, "anneal_strategy": "linear", **cycled},
            {"type": "cyclic", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": some, "step_size_down": draw.randint(1, 5), **cycled},
            {"type": "cyclic", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": draw.randint(1, 4), "mode": "triangular2", **cycled},
            {"type": "cyclic", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": draw.randint(1, 4), "mode": "exp_range", "gamma": 0.9, **cycled},
            {"type": "inverse_sqrt", **maybe(draw, 0.5, {"timescale": some})},
        ]
    )


def watching(draw, has_validation):
    """Methods that look at the run: a schedule, or an end before the end."""
    metric = {"metric": draw.choice(["val/loss", "train/loss"]) if has_validation else "train/loss"}
    plateau = {"type": "plateau", **metric, "patience": draw.randint(0, 2), "factor": 0.5, "threshold": 1e-3}
    plateau |= {**maybe(draw, 0.5, {"cooldown": 1}), **maybe(draw, 0.3, {"threshold_mode": "abs"})}
    stopping = {**metric, "patience": draw.randint(1, 3), "restore_best": draw.random() < 0.7, **maybe(draw, 0.3, {"min_delta": 0.01})}
    return draw.choice([({"schedule": plateau}, {}), ({}, {"early_stopping": stopping})])


def gives_one_rate(moving):
    """Whether a schedule gives every group of parameters the same rate at some time, however they began."""
    return moving["type"] in ("one_cycle", "cyclic") or "eta_min" in moving


def average(draw):
    ema = {"type": "ema", "decay": draw.choice([0, 0.7, 0.99])}
    swa = {"type": "swa", "start": draw.choice([0, 1, 4, 0.4, 30]), **maybe(draw, 0.5, {"every": draw.randint(1, 4)})}
    return draw.choice([ema, swa])


def training(draw, steps, examples):
    """The section `train` of a job on so many examples. In how many parts an update is computed changes nothing."""
    batch = max(1, draw.choice([1, 3, 5, examples // 3, examples, 2 * examples]))
    replicas = draw.choice([1, 1, min(batch, 2), min(batch, 3)])
    return {
        "steps": steps,
        "batch_size": batch,
        "replicas": replicas,
        **maybe(draw, 0.3, {"micro_batches": draw.randint(1, min(4, batch // replicas))}),
        **maybe(draw, 0.2, {"scale_lr_with_batch": {"base": draw.choice([4, 16])}}),
        "accumulate": draw.choice([1, 1, 1, 2, 3]),
        **maybe(draw, 0.3, {"drop_last": True}),
        **maybe(draw, 0.3, {"clip_grad_norm": 0.5}),
        **maybe(draw, 0.2, {"clip_grad_value": 0.05}),
        **maybe(draw, 0.2, {"unfreeze_at": draw.choice([2, 0.3])}),
    }


def training_of_a_layer(draw, one_rate):
    """How the parameters of a layer take part."""
    return {
        **maybe(draw, 0 if one_rate else 0.15, {"lr_scale": draw.choice([0, 0.5, 2])}),
        **maybe(draw, 0.15, draw.choice([{"unfreeze_at": 3}, {"unfreeze_at": 0.3}, {"freeze": True}])),
    }


def class_loss(draw, classes):
    def weights():
        return [round(draw.uniform(0.2, 2), 2) for _ in range(classes)]

    return draw.choice(
        [
            {"type": "cross_entropy"},
            {"type": "cross_entropy", "label_smoothing": 0.1},
            {"type": "cross_entropy", "class_weights": weights()},
            {"type": "cross_entropy", "label_smoothing": 0.2, "class_weights": weights()},
            {"type": "binary_cross_entropy"},
            {"type": "binary_cross_entropy", "pos_weight": 2.5},
        ]
    )


def penalties(draw):
    return {**maybe(draw, 0.25, {"l2": 0.01}), **maybe(draw, 0.25, {"l1": 0.003})}
