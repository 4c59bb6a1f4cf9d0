// The processor's hints that memory will be used soon, which Swift has no words for. Any address may be given, nothing
// waits for it, and no result depends on it.
#pragma once

// The line at `address` will be used shortly.
static inline void prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

// It will be used after other things have gone through the nearest cache.
static inline void prefetchLater(const void *address) { __builtin_prefetch(address, 0, 2); }
