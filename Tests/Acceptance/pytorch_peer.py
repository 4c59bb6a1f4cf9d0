"""A job of the program as PyTorch trains it: from the same weights, on the same examples in the same order.

Every formula that decides a curve is here in the open: layers, losses, optimizers that PyTorch does not have, schedules,
frozen layers, averages. `trained_alike` compares what both leave.
"""

import copy
import functools
import io
import json
import math

import numpy as np
import torch
from torch.optim import lr_scheduler as made
from safetensors.torch import load, save

import philox_peer

# Layers ---------------------------------------------------------------------------------------------------------------


class Residual(torch.nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class GlobalAverage(torch.nn.Module):
    """The mean over an image's pixels, or over a sequence's time steps."""

    def forward(self, x):
        return x.mean((2, 3)) if x.dim() == 4 else x.mean(1)


class LearnedPositions(torch.nn.Module):
    def __init__(self, steps, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(steps, width))

    def forward(self, x):
        return x + self.weight


class SinusoidalPositions(torch.nn.Module):
    """sin(t / 10000^(j / width)) at even j, the cosine of the same angle at j + 1."""

    def forward(self, x):
        steps, width = x.shape[1:]
        table = torch.empty(steps, width, dtype=torch.float64)
        for t in range(steps):
            for j in range(width):
                angle = t / 10000 ** ((j - j % 2) / width)
                table[t, j] = math.cos(angle) if j % 2 else math.sin(angle)
        return x + table.to(x.dtype)


def causal_mask(steps):
    """True where one may not look: at later time steps."""
    return torch.ones(steps, steps, dtype=torch.bool).triu(1)


class Attention(torch.nn.MultiheadAttention):
    def __init__(self, width, heads, causal):
        super().__init__(width, heads, batch_first=True)
        self.causal = causal

    def forward(self, x):
        mask = causal_mask(x.shape[1]) if self.causal else None
        return super().forward(x, x, x, attn_mask=mask, need_weights=False)[0]


class TransformerBlock(torch.nn.TransformerEncoderLayer):
    def __init__(self, width, heads, causal, ratio):
        hidden = math.floor(ratio * width + 0.5)
        super().__init__(width, heads, hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.causal = causal

    def forward(self, x):
        return super().forward(x, src_mask=causal_mask(x.shape[1]) if self.causal else None)


BATCH_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
NORMS = (*BATCH_NORMS, torch.nn.LayerNorm, torch.nn.RMSNorm)
NOT_PYTORCHS = ("type", "out", "channels", "layers", "lr_scale", "unfreeze_at", "freeze")


def layers_of(model, outputs=None, for_tokens=False):
    """The layers of a `model` section; those that a preset of a transformer stands for."""
    if "preset" not in model:
        return model["layers"]
    block = {"type": "transformer_block", "heads": model["heads"], "causal": model["preset"] == "transformer_lm"}
    block |= {"mlp_ratio": model["mlp_ratio"]} if "mlp_ratio" in model else {}
    return [
        {"type": "embedding", "dim": model["dim"]},
        {"type": "positional"},
        *[block] * model["layers"],
        {"type": "layer_norm"},
        *([] if for_tokens else [{"type": "global_avg_pool"}]),
        {"type": "linear", "out": outputs},
    ]


def build(layers, shape, vocabulary=None):
    """PyTorch's layers with what they make of a shape; a shape that does not fit raises."""
    nn, built = torch.nn, []
    for layer in layers:
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in layer.items() if k not in NOT_PYTORCHS}
        kind = layer["type"]
        example = torch.zeros(2, *shape)
        if kind == "linear":
            built.append(nn.Linear(shape[-1], layer["out"], **fields))
        elif kind == "conv2d":
            built.append(nn.Conv2d(shape[0], layer["channels"], fields.pop("kernel"), **fields))
        elif kind in ("max_pool2d", "avg_pool2d"):
            built.append((nn.MaxPool2d if kind == "max_pool2d" else nn.AvgPool2d)(fields.pop("kernel"), **fields))
        elif kind == "batch_norm":
            built.append((nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0], **fields))
        elif kind == "layer_norm":
            built.append(nn.LayerNorm(shape[-1], **fields))
        elif kind == "rms_norm":
            built.append(nn.RMSNorm(shape[-1], **{"eps": 1.1920928955078125e-7, **fields}))
        elif kind == "residual":
            built.append(Residual(*build(layer["layers"], shape)[0]))
        elif kind == "global_avg_pool":
            built.append(GlobalAverage())
        elif kind == "embedding":
            built.append(nn.Embedding(fields.get("vocab") or vocabulary, fields["dim"]))
            example = example.long()
        elif kind == "positional":
            sinusoidal = fields.get("kind") == "sinusoidal"
            built.append(SinusoidalPositions() if sinusoidal else LearnedPositions(*shape))
        elif kind == "attention":
            built.append(Attention(shape[-1], fields["heads"], fields.get("causal", False)))
        elif kind == "transformer_block":
            causal, ratio = fields.get("causal", False), fields.get("mlp_ratio", 4)
            built.append(TransformerBlock(shape[-1], fields["heads"], causal, ratio))
        else:
            activations = {
                "flatten": nn.Flatten, "relu": nn.ReLU, "tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "selu": nn.SELU,
                "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "hardswish": nn.Hardswish,
                "dropout": nn.Dropout,
            }  # fmt: skip
            built.append(activations[kind](**fields))
        with torch.no_grad():
            shape = list(built[-1].eval()(example).shape[1:])
    return built, shape


def network(layers, shape, vocabulary=None):
    """The whole model, its parameters a little away from where PyTorch begins: no norm is at 1, no bias at 0."""
    model = torch.nn.Sequential(*build(layers, shape, vocabulary)[0])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def parameters_of(modules, layers, around=()):
    """Each parameter with its name in its module, that module, and the layers of the job that it is in."""
    for module, layer in zip(modules, layers):
        chain = (*around, layer)
        if layer["type"] == "residual":
            yield from parameters_of(module, layer["layers"], chain)
            continue
        for owner in module.modules():
            for name, parameter in owner.named_parameters(recurse=False):
                yield parameter, name, owner, chain


# Losses ---------------------------------------------------------------------------------------------------------------


def loss_of(fields, output, labels):
    """The mean over the examples, or over all tokens of all examples."""
    if fields["type"] == "cross_entropy":
        weights = fields.get("class_weights")
        weights = torch.tensor(weights, dtype=output.dtype) if weights else None
        smoothing = fields.get("label_smoothing", 0.0)
        return torch.nn.functional.cross_entropy(output.flatten(0, -2), labels.flatten(), weights, label_smoothing=smoothing)
    if fields["type"] == "binary_cross_entropy":
        wanted = labels[..., None] if output.shape[-1] == 1 else torch.nn.functional.one_hot(labels, output.shape[-1])
        weight = torch.tensor(fields.get("pos_weight", 1.0), dtype=output.dtype)
        return torch.nn.functional.binary_cross_entropy_with_logits(output, wanted.to(output.dtype), pos_weight=weight)
    return {
        "mse": torch.nn.MSELoss(),
        "mae": torch.nn.L1Loss(),
        "huber": torch.nn.HuberLoss(delta=fields.get("delta", 1.0)),
    }[fields["type"]](output, labels[:, None])


def objective(fields, output, labels, parameters):
    """The loss and its penalties on the parameters that are trained."""
    loss = loss_of(fields, output, labels)
    loss = loss + fields.get("l2", 0) * sum((p**2).sum() for p in parameters)
    return loss + fields.get("l1", 0) * sum(p.abs().sum() for p in parameters)


# Optimizers -----------------------------------------------------------------------------------------------------------


class Formula(torch.optim.Optimizer):
    """Optimizers that PyTorch lacks, by their formulas."""

    def __init__(self, groups, kind, **fields):
        own = {
            "lion": {"betas": (0.9, 0.99)},
            "nag": {"momentum": 0.9},
            "adam": {"betas": (0.9, 0.999), "eps": 1e-8},
            "adagrad": {"eps": 1e-10},
            "rmsprop": {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0},
        }[kind]
        super().__init__(groups, {"weight_decay": 0.0, **own, **fields})
        self.kind = kind

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    getattr(self, self.kind)(p, p.grad, self.state[p], group)

    def lion(self, p, g, state, group):
        """Chen et al. 2023, algorithm 2: the sign of beta1 m + (1 - beta1) g; the decay apart."""
        (beta1, beta2), m = group["betas"], state.setdefault("m", torch.zeros_like(p))
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * (beta1 * m + (1 - beta1) * g).sign())
        m.mul_(beta2).add_(g, alpha=1 - beta2)

    def nag(self, p, g, state, group):
        """Sutskever et al. 2013: a = mu a + g, with g taken at W - lr mu a, and W = W - lr a."""
        a = state.setdefault("a", torch.zeros_like(p))
        mu, g = group["momentum"], g + group["weight_decay"] * state.pop("ahead", p)
        a.mul_(mu).add_(g)
        p.sub_(group["lr"] * a)

    @torch.no_grad()
    def look_ahead(self):
        """Goes to where the gradient is taken; gives the way back."""
        if self.kind != "nag":
            return lambda: None
        kept = []
        for group in self.param_groups:
            for p in group["params"]:
                kept.append((p, p.clone()))
                if "a" in self.state[p]:
                    p.sub_(group["lr"] * group["momentum"] * self.state[p]["a"])
                self.state[p]["ahead"] = p.clone()

        def back():
            with torch.no_grad():
                for p, old in kept:
                    p.copy_(old)

        return back

    def adam(self, p, g, state, group):
        """Kingma, Ba 2014, with eps inside of the root where it is asked for, and without correction for BERT's."""
        (beta1, beta2), t = group["betas"], state.get("t", 0) + 1
        m, v = (state.setdefault(name, torch.zeros_like(p)) for name in "mv")
        state["t"], g = t, g + group["weight_decay"] * p
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).add_(g * g, alpha=1 - beta2)
        c1, c2 = (1 - beta1**t, 1 - beta2**t) if group.get("bias_correction", True) else (1, 1)
        inside = group.get("eps_inside_sqrt", False)
        root = (v / c2 + group["eps"]).sqrt() if inside else (v / c2).sqrt() + group["eps"]
        p.sub_(group["lr"] * (m / c1) / root)

    def adagrad(self, p, g, state, group):
        """Duchi et al. 2011 as in lectures: g / sqrt(s + eps)."""
        s = state.setdefault("s", torch.zeros_like(p))
        g = g + group["weight_decay"] * p
        s.add_(g * g)
        p.sub_(group["lr"] * g / (s + group["eps"]).sqrt())

    def rmsprop(self, p, g, state, group):
        """Hinton 2012 as in lectures: g / sqrt(v + eps)."""
        (v, b), alpha = (state.setdefault(name, torch.zeros_like(p)) for name in "vb"), group["alpha"]
        g = g + group["weight_decay"] * p
        v.mul_(alpha).add_(g * g, alpha=1 - alpha)
        b.mul_(group["momentum"]).add_(g / (v + group["eps"]).sqrt())
        p.sub_(group["lr"] * b)


def rate_of(spec):
    """The optimizer's learning rate, for the size of an update where it is asked for (Goyal et al. 2017)."""
    train, lr = spec["train"], spec["optimizer"]["lr"]
    scaled = train.get("scale_lr_with_batch")
    return lr * train["batch_size"] * train["accumulate"] / scaled["base"] if scaled else lr


def groups(spec, model, layers):
    """The parameters in groups: by the scale of their rate, and biases and norms without decay where they are exempt."""
    exempt = spec["optimizer"].get("decay_exempt", [])
    found = {}
    for parameter, name, owner, chain in parameters_of(model, layers):
        is_norm = isinstance(owner, NORMS)
        spared = (is_norm and "norm" in exempt) or (name.endswith("bias") and "bias" in exempt)
        scale = math.prod(layer.get("lr_scale", 1) for layer in chain)
        found.setdefault((scale, spared), []).append(parameter)
    lr = rate_of(spec)
    return [
        {"params": parameters, "lr": lr * scale, "scale": scale, **({"weight_decay": 0.0} if spared else {})}
        for (scale, spared), parameters in found.items()
    ]


def optimizer_of(spec, model, layers):
    fields = {k: v for k, v in spec["optimizer"].items() if k not in ("type", "decay_exempt")}
    fields["lr"] = rate_of(spec)
    if "betas" in fields:
        fields["betas"] = tuple(fields["betas"])
    kind, parameters = spec["optimizer"]["type"], groups(spec, model, layers)
    if kind in ("lion", "nag") or "eps_inside_sqrt" in fields or "bias_correction" in fields:
        return Formula(parameters, kind, **fields)
    kinds = {
        "sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta, "rmsprop": torch.optim.RMSprop,
        "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adamax": torch.optim.Adamax, "nadam": torch.optim.NAdam,
        "radam": torch.optim.RAdam,
    }  # fmt: skip
    return kinds[kind](parameters, **fields)


# Schedules ------------------------------------------------------------------------------------------------------------


def scheduler_of(spec, optimizer, steps, warmup):
    """PyTorch's schedule over the steps after the warmup."""
    fields = {k: v for k, v in spec["schedule"].items() if k not in ("type", "warmup")}
    kind = spec["schedule"]["type"]
    if kind == "constant":
        return made.ConstantLR(optimizer, fields.get("factor", 1.0), fields.get("total_iters", 5))
    if kind == "cosine":
        return made.CosineAnnealingLR(optimizer, fields.get("t_max", steps), fields.get("eta_min", 0.0))
    if kind == "cosine_restarts":
        return made.CosineAnnealingWarmRestarts(optimizer, fields["t_0"], fields.get("t_mult", 1), fields.get("eta_min", 0.0))
    if kind == "one_cycle":
        return made.OneCycleLR(optimizer, fields.pop("max_lr"), total_steps=steps, **fields)
    if kind == "cyclic":
        return made.CyclicLR(optimizer, fields.pop("base_lr"), fields.pop("max_lr"), **fields)
    if kind == "plateau":
        return None
    if kind == "inverse_sqrt":
        scale = fields.get("timescale") or warmup or 10_000
        return made.LambdaLR(optimizer, lambda t: 1 / math.sqrt((t + scale) / scale))
    if kind in ("linear", "polynomial") and "total_iters" in fields and fields["total_iters"] is None:
        fields["total_iters"] = steps
    return {
        "step": made.StepLR,
        "multi_step": made.MultiStepLR,
        "exponential": made.ExponentialLR,
        "linear": made.LinearLR,
        "polynomial": made.PolynomialLR,
    }[kind](optimizer, **fields)


# Training -------------------------------------------------------------------------------------------------------------


def part_of(length, steps):
    """A number of steps, given as such or as a fraction of all below 1."""
    return math.ceil(length * steps) if length < 1 else length


def first_step(chain, spec, steps):
    """When a parameter begins to be trained: the latest that one of the layers says that it is in."""
    begins = [0]
    for layer in chain:
        start = layer.get("unfreeze_at", spec["train"].get("unfreeze_at"))
        if layer.get("freeze", "unfreeze_at" in layer):
            begins.append(part_of(start, steps) if start is not None else math.inf)
    return max(begins)


class Averaged:
    """What `average` makes of the parameters: nearer to them by a share each step (EMA), or the mean of some (SWA)."""

    def __init__(self, spec, steps, steps_per_epoch):
        self.fields, self.steps, self.epoch = spec.get("average"), steps, steps_per_epoch
        self.parameters, self.count = None, 0

    def add(self, parameters, done):
        if self.fields is None:
            return
        if self.fields["type"] == "ema":
            share = 1 - self.fields["decay"]
        else:
            first = max(1, part_of(self.fields.get("start", 0.75), self.steps))
            if done < first or (done - first) % self.fields.get("every", self.epoch) != 0:
                return
            share = 1 / (self.count + 1)
        now = [p.detach().clone() for p in parameters]
        self.parameters = now if self.count == 0 else [a + share * (p - a) for a, p in zip(self.parameters, now)]
        self.count += 1


class Watched:
    """What methods see that look at the run: a metric at each evaluation that is asked for; of the training loss the mean
    over the examples since the last one. Early stopping as Keras has it, `plateau` is PyTorch's ReduceLROnPlateau."""

    def __init__(self, spec, base):
        self.stopping, self.best, self.bad, self.is_over, self.kept = spec["train"].get("early_stopping"), None, 0, False, None
        self.sum = self.count = 0
        self.plateau = None
        if spec["schedule"]["type"] == "plateau":
            fields = {k: v for k, v in spec["schedule"].items() if k not in ("type", "warmup", "metric")}
            self.metric, stand_in = spec["schedule"]["metric"], torch.optim.SGD([torch.zeros(1)], base)
            self.plateau = made.ReduceLROnPlateau(stand_in, **fields)

    def rate(self):
        return self.plateau.optimizer.param_groups[0]["lr"]

    def add(self, loss, examples):
        self.sum, self.count = self.sum + loss * examples, self.count + examples

    def judge(self, metrics, model, average):
        metrics = {**metrics, "train/loss": self.sum / self.count}
        self.sum = self.count = 0
        if self.plateau:
            self.plateau.step(metrics[self.metric])
        if not self.stopping:
            return
        value = metrics[self.stopping["metric"]]
        if self.best is None or value < self.best - self.stopping.get("min_delta", 0):
            self.best, self.bad = value, 0
            self.kept = copy.deepcopy((model.state_dict(), average.parameters))
        else:
            self.bad += 1
            self.is_over = self.bad >= self.stopping["patience"]

    def go_back(self, model, average):
        """The end of a run with early stopping: the parameters of the best evaluation come back."""
        if self.kept and self.stopping.get("restore_best", True):
            model.load_state_dict(self.kept[0])
            average.parameters = self.kept[1]


@torch.no_grad()
def averaged_model(spec, model, average, begins, inputs):
    """A copy of the model with the averaged parameters, where there are such. The mean of several has running statistics of
    its own: means over the batches of the training part in its own order, as by PyTorch's update_bn."""
    model = copy.deepcopy(model).eval()
    begins = {parameter: first for parameter, first in zip(model.parameters(), begins.values())}
    if average.parameters is None:
        return model
    for parameter, value in zip(model.parameters(), average.parameters):
        parameter.copy_(value)
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS) and begins[m.weight] < spec["train"]["steps"]]
    if spec["average"]["type"] != "swa" or not norms:
        return model
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for batch in inputs.split(spec["train"]["batch_size"]):
        model(batch)
    return model.eval()


@torch.no_grad()
def evaluation(spec, model, inputs, labels):
    """Loss, without penalties, and accuracy."""
    output = model(inputs)
    return loss_of(spec["loss"], output, labels).item(), accuracy(output, labels)


def accuracy(output, labels):
    if labels.is_floating_point():
        return math.nan
    found = (output[..., 0] > 0).long() if output.shape[-1] == 1 else output.argmax(-1)
    return (found == labels).double().mean().item()


def train(spec, layers, model, inputs, labels, held_out, order):
    """The curves of the job by PyTorch and the average of the weights; the model ends trained. `order` says which examples
    an epoch has, one after the other."""
    train = spec["train"]
    size = train["batch_size"] * train["accumulate"]
    count, total = len(order(0)), train["steps"]
    if train.get("drop_last"):
        count -= count % min(size, count)
    starts = list(range(0, count, size))
    optimizer = optimizer_of(spec, model, layers)
    base = rate_of(spec)
    warmup = part_of(spec["schedule"].get("warmup", 0), total)
    # Only after the warmup does the schedule begin, and with it the momentum that it moves.
    scheduler = scheduler_of(spec, optimizer, max(1, total - warmup), warmup)
    parameters = list(model.parameters())
    begins = {p: first_step(chain, spec, total) for p, _, _, chain in parameters_of(model, layers)}
    average = Averaged(spec, total, len(starts))
    watched = Watched(spec, base)
    curves = {"train/loss": [], "train/accuracy": [], "lr": [], "grad_norm": [], "param_norm": [], "val/loss": [], "val/accuracy": []}
    for step in range(total):
        start = starts[step % len(starts)]
        batch = order(step // len(starts))[start : min(start + size, count)]
        if watched.plateau:
            for group in optimizer.param_groups:
                group["lr"] = watched.rate() * group["scale"] * min(1, (step + 1) / max(1, warmup))
        elif step < warmup:
            for group in optimizer.param_groups:
                group.setdefault("kept", group["lr"])
                group["lr"] = base * group["scale"] * (step + 1) / warmup
        elif step == warmup and warmup:
            for group in optimizer.param_groups:
                group["lr"] = group.pop("kept")
        optimizer.zero_grad()
        for parameter, first in begins.items():
            parameter.requires_grad_(step >= first)
        for module in model.modules():
            if isinstance(module, BATCH_NORMS):
                # While it is frozen its statistics are as well, and are what it works with.
                module.train(module.weight.requires_grad)
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        back = optimizer.look_ahead() if isinstance(optimizer, Formula) else lambda: None
        output = model(inputs[batch])
        loss = objective(spec["loss"], output, labels[batch], trained)
        loss.backward()
        curves["param_norm"].append(math.sqrt(sum(float((p**2).sum()) for p in parameters)))
        back()
        curves["train/loss"].append(loss.item())
        curves["train/accuracy"].append(accuracy(output, labels[batch]))
        curves["lr"].append(next(group["lr"] / group["scale"] for group in optimizer.param_groups if group["scale"]))
        curves["grad_norm"].append(math.sqrt(sum(float((p.grad**2).sum()) for p in trained)))
        if "clip_grad_norm" in train:
            torch.nn.utils.clip_grad_norm_(parameters, train["clip_grad_norm"])
        if "clip_grad_value" in train:
            torch.nn.utils.clip_grad_value_(parameters, train["clip_grad_value"])
        optimizer.step()
        watched.add(loss.item(), len(batch))
        if scheduler and step >= warmup and step + 1 < total:
            scheduler.step()
        average.add(parameters, step + 1)
        every = train.get("evaluate_every", {}).get("steps", len(starts))
        # Besides where it is asked for, at the end and for the checkpoint of each epoch.
        due = (step + 1) % every == 0 or (step + 1) % len(starts) == 0 or step + 1 == total
        found = ()
        if held_out and due:
            found = evaluation(spec, averaged_model(spec, model, average, begins, inputs), *held_out)
            for key, value in zip(("val/loss", "val/accuracy"), found):
                curves[key].append(value)
        if (step + 1) % every == 0 or step + 1 == total:
            watched.judge(dict(zip(("val/loss", "val/accuracy"), found)), model, average)
        if watched.is_over:
            break
    watched.go_back(model, average)
    # An average that no model has come into is the model itself.
    return curves, average.parameters or ([p.detach() for p in parameters] if "average" in spec else [])


class Trained:
    """What a training left: its curves, and the tensors under the names of a checkpoint."""

    def __init__(self, curves, model, average):
        self.curves = {key: values for key, values in curves.items() if values and not all(map(math.isnan, values))}
        self.tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        names = [name for name, _ in model.named_parameters()]
        self.tensors |= {f"average.{name}": tensor for name, tensor in zip(names, average)}


def twin(spec, layers, model, parts, precision, order=None):
    """The job by PyTorch in a precision, from the model's weights; `parts` are inputs and labels to train on, and the
    same to evaluate where some are set aside."""
    seed, shuffle = spec.get("seed", 0), spec["dataset"].get("shuffle", True)

    @functools.cache
    def of_epoch(epoch):
        return philox_peer.order(seed, epoch, len(parts[0])) if shuffle else list(range(len(parts[0])))

    def tensor(values):
        return torch.tensor(values, dtype=precision if values.dtype.kind == "f" else torch.int64)

    torch.set_default_dtype(precision)
    try:
        model = copy.deepcopy(model).to(precision).train()
        inputs, labels, *held_out = (tensor(values) for values in parts)
        curves, average = train(spec, layers, model, inputs, labels, held_out, order or of_epoch)
        return Trained(curves, model, average)
    finally:
        torch.set_default_dtype(torch.float32)


# The program's side -----------------------------------------------------------------------------------------------------------


def put_arrays(server, inputs, labels, name="drawn"):
    def array(values):
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()

    task = "regression" if labels.dtype.kind == "f" else "classification"
    parts = {"images": array(inputs), "labels": array(labels)}
    answer = server.request("PUT", f"/api/v1/datasets/{name}?format=npy&task={task}", files=parts)
    assert answer.status_code == 201, answer.text


def put_weights(server, name, model):
    answer = server.request("PUT", f"/api/v1/weights/{name}", data=save({k: v.contiguous() for k, v in model.state_dict().items()}))
    assert answer.status_code == 201, answer.text


def trained_alike(server, spec, layers, model, parts, order=None):
    """Trains the job here and there, from the weights of `model`, and asserts the same curves and the same weights."""
    put_weights(server, "drawn", model)
    spec = {**spec, "model": {**spec["model"], "init_from": {"weights": "drawn"}}}
    exact, near = (twin(spec, layers, model, parts, precision, order) for precision in (torch.float64, torch.float32))
    job = server.run_job(spec)
    assert_alike(server, job, spec, exact, near)
    return job


def assert_alike(server, job, spec, exact, near):
    """Everything that a job has left against PyTorch's double precision; PyTorch's single says how far rounding goes."""
    text = json.dumps(spec)
    for key, wanted in exact.curves.items():
        ours = server.curve(job["run_id"], key)["values"]
        assert len(ours) == len(wanted), f"{key}: {ours} for {wanted}\n{text}"
        tolerance = {"lr": 1e-6, "grad_norm": 2e-3}.get(key, 1e-4)
        for step in range(len(wanted)):
            # Where rounding is blown up by the training itself, PyTorch's own Float run says by how much.
            slack = 20 * max(abs(a - b) for a, b in zip(near.curves[key][: step + 1], wanted))
            bound = (1e-5 if step == 0 else tolerance) * abs(wanted[step]) + 1e-6 + slack
            assert abs(ours[step] - wanted[step]) <= bound, f"{key} at {step}: {ours} for {wanted}\n{text}"
    state = load(server.checkpoint(job["run_id"], "latest", "all"))
    for name, wanted in exact.tensors.items():
        ours = state[name]
        if not wanted.dtype.is_floating_point:
            assert torch.equal(ours, wanted), f"{name}: {ours} for {wanted}\n{text}"
            continue
        bound = 2e-3 * (wanted.norm() + 1e-2) + 20 * (near.tensors[name].double() - wanted).norm()
        assert (ours.double() - wanted).norm() <= bound, f"{name}\n{text}"
