// Job specs to start from.

const digits = (name, optimizer) => ({
	experiment: "digits",
	name,
	seed: 17,
	dataset: { name: "digits", validation: 0.1 },
	model: { layers: [{ type: "linear", out: 64 }, { type: "relu" }, { type: "linear", out: 10 }] },
	optimizer,
	train: { epochs: 20, batch_size: 64 },
});

export const PRESETS = [
	{ title: "MLP, SGD", spec: digits("mlp sgd", { type: "sgd", lr: 0.1 }) },
	{ title: "MLP, momentum", spec: digits("mlp momentum", { type: "sgd", lr: 0.05, momentum: 0.9 }) },
	{ title: "MLP, Adam", spec: digits("mlp adam", { type: "adam", lr: 0.001 }) },
];
