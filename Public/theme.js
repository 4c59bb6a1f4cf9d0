// Applies a chosen colour scheme before the first paint. A classic script: modules run after it.
try {
	document.documentElement.style.colorScheme = JSON.parse(localStorage.getItem("cairn.theme")) ?? "";
} catch {
	// Storage may be forbidden; the system's is right then.
}
