// How curves are looked at: the choices of all charts, and those of one card.

/** The defaults; what differs from them is in the address. */
export const LOOK = {
	smooth: 0.6,
	axis: "step", // step, epoch, relative, process, time, examples, or "metric:" and a key
	log: false, // of y
	logx: false,
	outliers: false, // whether y leaves out the highest and lowest twentieth
	group: "", // params, with commas; runs that agree in them are one line
	stat: "mean",
	band: "minmax",
	linked: true, // whether charts share their range of x
	x: "", // that range: "a~b"
	pin: "", // where values are read: "a" or "a~b"
	tip: "nearest",
	base: "", // the run that the others are compared with
	charts: "", // which curves: words or a regular expression
	facet: "", // a param: one card for each of its values
	across: "", // charts in a row; empty: as many as fit
	order: "", // keys of charts that were moved, as JSON
	top: "", // keys of charts at the top, as JSON
	cards: "", // what single cards chose: JSON, key -> {what is in OWN, x, y, pin}
};

export const STATS = { mean: "mean", median: "median", min: "lowest", max: "highest" };
export const BANDS = { minmax: "min … max", std: "± std", sem: "± std error", ci: "95 % interval", none: "no band" };
export const TIPS = { nearest: "nearest first", down: "highest first", up: "lowest first", name: "by name" };

export const OWN = ["log", "logx", "smooth", "outliers", "axis", "group"];

/** What all share, under what one card chose for itself; `own`: whether it did; `shares`: its x is that of the others. */
export function lookOf(view, key) {
	const mine = cardsOf(view)[key] ?? {};
	const chosen = Object.fromEntries(OWN.filter((name) => typeof mine[name] === typeof LOOK[name]).map((name) => [name, mine[name]]));
	const look = { ...view, ...chosen, own: Object.keys(chosen).length > 0, y: range(mine.y) };
	look.shares = look.axis === view.axis;
	look.x = range(mine.x) ?? (view.linked && look.shares ? range(view.x.split("~").map(Number)) : null);
	return look.shares ? look : { ...look, pin: String(mine.pin ?? "") };
}

/** What a choice holds as JSON; `otherwise` when an address was mangled. */
export function fromJSON(text, otherwise) {
	try {
		const made = text && JSON.parse(text);
		if (made?.constructor === otherwise.constructor) return made;
	} catch {}
	return otherwise;
}

export const cardsOf = (view) => fromJSON(view.cards, {});

export const toJSON = (value) => Object.keys(value).length ? JSON.stringify(value) : "";

export const isBase = (view, id) => Boolean(view.base) && id.startsWith(view.base);

export const tail = (key) => key.replace(/^.*\./, "");

export function withCard(view, key, changes) {
	const mine = Object.entries({ ...cardsOf(view)[key], ...changes }).filter(([, v]) => v !== undefined && v !== null && v !== "");
	const { [key]: _, ...others } = cardsOf(view);
	return toJSON(mine.length ? { ...others, [key]: Object.fromEntries(mine) } : others);
}

export const rangeText = (x) => x ? x.map((v) => Number(v.toPrecision(10))).join("~") : "";

export const pinsOf = (view) => view.pin.split("~").filter(Boolean).map(Number).filter(Number.isFinite).slice(0, 2);

const range = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every(Number.isFinite) && pair[0] < pair[1] ? pair : null;
