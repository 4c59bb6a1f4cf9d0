// Applies a chosen colour scheme before the first paint. A classic script on purpose: modules run after it.
(() => {
	try {
		const chosen = localStorage.getItem("cairn.theme");
		if (chosen === "light" || chosen === "dark") document.documentElement.style.colorScheme = chosen;
	} catch {
		// Storage may be forbidden; the system's scheme is right then.
	}
})();
