#ifndef CALLOCATIONCOUNT_H
#define CALLOCATIONCOUNT_H

/// Starts to count the allocations of the calling thread.
void allocation_count_start(void);

/// Ends the count and returns it.
long allocation_count_stop(void);

#endif
