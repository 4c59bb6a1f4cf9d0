// The processor's hints that memory will be used soon, which Swift has no words for. Any address may be given, nothing
// waits for it, and no result depends on it. Products of matrices beyond the second-level cache gain a tenth by them,
// and nothing but an instruction of its own does it: a load holds up what comes after it until it is there.
#pragma once

// The line at `address` will be used shortly.
static inline void prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

// It will be used after other things have gone through the nearest cache.
static inline void prefetchLater(const void *address) { __builtin_prefetch(address, 0, 2); }
