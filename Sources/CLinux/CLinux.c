#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- epoll -------------------------------------------------------------------------------------------------

const uint32_t LINUX_READABLE = EPOLLIN;
const uint32_t LINUX_WRITABLE = EPOLLOUT;
const uint32_t LINUX_HANGUP = EPOLLHUP | EPOLLERR;

int linux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int linux_epoll_control(int epoll, enum linux_epoll_operation operation, int descriptor, uint32_t events,
                        uint64_t token) {
  static const int operations[] = {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, operations[operation], descriptor, &event);
}

int linux_epoll_wait(int epoll, struct linux_event *events, int capacity, int timeout_milliseconds) {
  struct epoll_event ready[256];
  if (capacity > 256) capacity = 256;
  int count = epoll_wait(epoll, ready, capacity, timeout_milliseconds);
  for (int i = 0; i < count; i++) {
    events[i].events = ready[i].events;
    events[i].token = ready[i].data.u64;
  }
  return count;
}

// ---- wake-ups and signals ----------------------------------------------------------------------------------

int linux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void linux_eventfd_signal(int descriptor) {
  uint64_t one = 1;
  while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void linux_eventfd_drain(int descriptor) {
  uint64_t count;
  while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

int linux_signalfd(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (failure != 0) {
    errno = failure;
    return -1;
  }
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int linux_signalfd_read(int descriptor) {
  struct signalfd_siginfo info;
  ssize_t got;
  do {
    got = read(descriptor, &info, sizeof info);
  } while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

// ---- sockets -----------------------------------------------------------------------------------------------

struct address {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  };
  socklen_t length;
};

static int parse_address(const char *text, uint16_t port, struct address *address) {
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(port);
    address->length = sizeof address->v4;
    return 0;
  }
  if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(port);
    address->length = sizeof address->v6;
    return 0;
  }
  errno = EINVAL;
  return -1;
}

static int close_failed(int descriptor) {
  int saved = errno;
  close(descriptor);
  errno = saved;
  return -1;
}

int linux_listen(const char *text, uint16_t port, int backlog) {
  struct address address;
  if (parse_address(text, port, &address) < 0) return -1;
  int listener = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.any.sa_family == AF_INET6) {
    int only = !IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr);
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (bind(listener, &address.any, address.length) < 0) return close_failed(listener);
  if (listen(listener, backlog) < 0) return close_failed(listener);
  return listener;
}

int linux_local_port(int descriptor) {
  struct address address;
  address.length = sizeof(struct sockaddr_in6);
  if (getsockname(descriptor, &address.any, &address.length) < 0) return -1;
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static void address_text(const struct address *address, char text[LINUX_ADDRESS_TEXT]) {
  text[0] = 0;
  if (address->any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address->v4.sin_addr, text, LINUX_ADDRESS_TEXT);
  } else if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
    inet_ntop(AF_INET, address->v6.sin6_addr.s6_addr + 12, text, LINUX_ADDRESS_TEXT);
  } else {
    inet_ntop(AF_INET6, &address->v6.sin6_addr, text, LINUX_ADDRESS_TEXT);
  }
}

int linux_accept(int listener, char peer[LINUX_ADDRESS_TEXT], unsigned user_timeout_milliseconds) {
  struct address address;
  address.length = sizeof(struct sockaddr_in6);
  int descriptor = accept4(listener, &address.any, &address.length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (descriptor < 0) return -1;
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_milliseconds,
             sizeof user_timeout_milliseconds);
  address_text(&address, peer);
  return descriptor;
}

int linux_connect(const char *text, uint16_t port) {
  struct address address;
  if (parse_address(text, port, &address) < 0) return -1;
  int descriptor = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  if (connect(descriptor, &address.any, address.length) < 0) return close_failed(descriptor);
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

ssize_t linux_send(int descriptor, const struct iovec *pieces, int count) {
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = (struct iovec *)pieces;
  message.msg_iovlen = (size_t)count;
  return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

// ---- files and limits --------------------------------------------------------------------------------------

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

// As in linux/openat2.h, which older header packages lack.
struct open_how_v0 {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};

enum { RESOLVE_NO_MAGICLINKS_BIT = 0x02, RESOLVE_NO_SYMLINKS_BIT = 0x04, RESOLVE_BENEATH_BIT = 0x08 };

static int open_by_segments(int directory, const char *path, int flags, unsigned mode) {
  int current = directory;
  for (;;) {
    char segment[256];
    size_t length = strcspn(path, "/");
    if (length == 0 || length >= sizeof segment || (length == 2 && path[0] == '.' && path[1] == '.')) {
      errno = EXDEV;
      return current == directory ? -1 : close_failed(current);
    }
    memcpy(segment, path, length);
    segment[length] = 0;
    int last = path[length] == 0;
    int next = last ? openat(current, segment, flags | O_NOFOLLOW | O_CLOEXEC, mode)
                    : openat(current, segment, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (current != directory) {
      int saved = errno;
      close(current);
      errno = saved;
    }
    if (next < 0 || last) return next;
    current = next;
    path += length + 1;
  }
}

int linux_open_beneath(int directory, const char *path, int flags, unsigned mode) {
  struct open_how_v0 how = {
      .flags = (uint64_t)(flags | O_CLOEXEC),
      .mode = (flags & O_CREAT) ? mode : 0,
      .resolve = RESOLVE_BENEATH_BIT | RESOLVE_NO_SYMLINKS_BIT | RESOLVE_NO_MAGICLINKS_BIT,
  };
  long descriptor;
  do {
    descriptor = syscall(SYS_openat2, directory, path, &how, sizeof how);
  } while (descriptor < 0 && (errno == EINTR || errno == EAGAIN));
  // ENOSYS: before Linux 5.6; EPERM: a container's filter that does not know the call.
  if (descriptor < 0 && (errno == ENOSYS || errno == EPERM)) {
    return open_by_segments(directory, path, flags, mode);
  }
  return (int)descriptor;
}

long linux_raise_descriptor_limit(long wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
  if (wanted > 0 && limit.rlim_cur < (rlim_t)wanted) {
    limit.rlim_cur = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
  }
  return limit.rlim_cur > 1 << 30 ? 1 << 30 : (long)limit.rlim_cur;
}
