// What Linux offers and Swift's Glibc module hides: epoll's packed union, accept4, openat2, eventfd, signalfd,
// socket type flags, and sockaddr casts. Nothing here keeps state or decides anything: each function is one
// system call (or one address conversion) that returns -1 and sets errno when it fails.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

// ---- epoll -------------------------------------------------------------------------------------------------

// One readiness report; `token` is the value given when the descriptor was added.
struct linux_event {
  uint32_t events;
  uint64_t token;
};

enum linux_epoll_operation { LINUX_EPOLL_ADD, LINUX_EPOLL_CHANGE, LINUX_EPOLL_REMOVE };

extern const uint32_t LINUX_READABLE;
extern const uint32_t LINUX_WRITABLE;
extern const uint32_t LINUX_HANGUP;  // both directions are gone, or an error is pending

int linux_epoll_create(void);
int linux_epoll_control(int epoll, enum linux_epoll_operation operation, int descriptor, uint32_t events,
                        uint64_t token);
// Fills at most `capacity` (no more than 256) events; a negative timeout waits for ever.
int linux_epoll_wait(int epoll, struct linux_event *events, int capacity, int timeout_milliseconds);

// ---- wake-ups and signals ----------------------------------------------------------------------------------

int linux_eventfd(void);
void linux_eventfd_signal(int descriptor);
void linux_eventfd_drain(int descriptor);

// A descriptor that becomes readable when one of the signals arrives. The signals are blocked in the calling
// thread, so call it in main before any other thread exists.
int linux_signalfd(const int *signals, int count);
// The next signal's number, 0 when there is none.
int linux_signalfd_read(int descriptor);

// ---- sockets -----------------------------------------------------------------------------------------------

enum { LINUX_ADDRESS_TEXT = 64 };

// A listening, non-blocking stream socket on a literal IPv4 or IPv6 address; port 0 lets the kernel choose.
// "::" also accepts IPv4. errno is EINVAL when the text is not an address.
int linux_listen(const char *address, uint16_t port, int backlog);
int linux_local_port(int descriptor);
// A non-blocking connection with TCP_NODELAY; writes the peer's address (IPv4 unmapped) without port.
int linux_accept(int listener, char peer[LINUX_ADDRESS_TEXT], unsigned user_timeout_milliseconds);
// A blocking connection, for tests and the command line.
int linux_connect(const char *address, uint16_t port);
// sendmsg that never raises SIGPIPE.
ssize_t linux_send(int descriptor, const struct iovec *pieces, int count);

// ---- files and limits --------------------------------------------------------------------------------------

// Opens `path` below the folder `directory` and nowhere else: no symbolic link, no magic link, no "..", no
// absolute path (openat2 with RESOLVE_BENEATH; where the kernel lacks it, O_NOFOLLOW segment by segment).
int linux_open_beneath(int directory, const char *path, int flags, unsigned mode);

// Raises the soft limit of open descriptors to `wanted` or the hard limit; returns the limit then in force.
long linux_raise_descriptor_limit(long wanted);
