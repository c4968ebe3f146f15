/*
 * Makes file system calls fail below one folder, as a full, read-only or broken disk does.
 *
 * Preload it (LD_PRELOAD) into a program. It reads two environment variables:
 *   DISK_FAULTS_FOLDER    the folder: an absolute path without symbolic links
 *   DISK_FAULTS_CONTROL   a file that holds a `struct control`; disk_faults.py writes it at any time
 *
 * Without a fault a call costs one load. Raw system calls (io_uring, rustix) are not reached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { WRITE = 1, SYNC = 2, CREATE = 4, OPEN = 8, NAME = 16, UNLINK = 32, TRUNCATE = 64 };

struct control {
    _Atomic int error; /* errno of the fault; 0: no fault */
    _Atomic int calls; /* which calls fail: a sum of `enum call` */
    _Atomic int after; /* so many of them succeed first */
    _Atomic int times; /* so many of them fail; -1: until the fault is lifted */
    _Atomic int half;  /* 1: the first write that fails writes half of its bytes and says so, and the next one fails */
    _Atomic int hits;  /* how many calls have failed */
};

static struct control *control;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("DISK_FAULTS_FOLDER"), *path = getenv("DISK_FAULTS_CONTROL");
    int file = folder && path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    root_length = snprintf(root, sizeof root, "%s", folder);
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) control = page;
}

static int armed(enum call call) { return control && control->error && (control->calls & call); }

static int below(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int descriptor_below(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return below(path);
}

static int path_below(int folder, const char *path) {
    return path[0] == '/' ? below(path) : folder != AT_FDCWD && descriptor_below(folder);
}

/* Takes one failure. The call that gets it sets errno and fails. */
static int strike(void) {
    if (control->after > 0 && atomic_fetch_sub(&control->after, 1) > 0) return 0;
    int left = control->times;
    do {
        if (left == 0) return 0;
    } while (left > 0 && !atomic_compare_exchange_weak(&control->times, &left, left - 1));
    int error = control->error;
    if (!error) return 0; /* lifted at this moment */
    atomic_fetch_add(&control->hits, 1);
    errno = error;
    return 1;
}
static int descriptor_fails(enum call call, int descriptor) {
    return armed(call) && descriptor_below(descriptor) && strike();
}
static int path_fails(enum call call, int folder, const char *path) {
    return armed(call) && path_below(folder, path) && strike();
}

/* How many bytes a write may write: all, half, or none with errno set. */
static ssize_t allowed(int fd, size_t count) {
    if (!armed(WRITE) || !descriptor_below(fd)) return count;
    if (count > 1 && control->after <= 0 && atomic_exchange(&control->half, 0)) return count / 2;
    return strike() ? -1 : (ssize_t)count;
}

ssize_t write(int fd, const void *data, size_t count) {
    ssize_t length = allowed(fd, count);
    return length < 0 ? -1 : syscall(SYS_write, fd, data, length);
}
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    ssize_t length = allowed(fd, count);
    return length < 0 ? -1 : syscall(SYS_pwrite64, fd, data, length, at);
}
ssize_t pwrite(int fd, const void *data, size_t count, off_t at) { return pwrite64(fd, data, count, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return descriptor_fails(WRITE, fd) ? -1 : syscall(SYS_writev, fd, parts, count);
}
ssize_t copy_file_range(int in, off64_t *from, int to, off64_t *at, size_t count, unsigned flags) {
    return descriptor_fails(WRITE, to) ? -1 : syscall(SYS_copy_file_range, in, from, to, at, count, flags);
}
int fsync(int fd) { return descriptor_fails(SYNC, fd) ? -1 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return descriptor_fails(SYNC, fd) ? -1 : syscall(SYS_fdatasync, fd); }
int ftruncate64(int fd, off64_t size) { return descriptor_fails(TRUNCATE, fd) ? -1 : syscall(SYS_ftruncate, fd, size); }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int try_open(int folder, const char *path, int flags, mode_t mode) {
    int changes = (flags & O_ACCMODE) != O_RDONLY, new = changes && (flags & O_CREAT) && armed(CREATE);
    if (new && faccessat(folder, path, F_OK, 0) && path_fails(CREATE, folder, path)) return -1;
    if (changes && path_fails(OPEN, folder, path)) return -1;
    return syscall(SYS_openat, folder, path, flags, mode);
}
#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & O_CREAT) {                                                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
int open(const char *path, int flags, ...) { MODE(flags) return try_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return try_open(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return try_open(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return try_open(folder, path, flags, mode); }

int mkdirat(int folder, const char *path, mode_t mode) {
    return path_fails(NAME, folder, path) ? -1 : syscall(SYS_mkdirat, folder, path, mode);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
int renameat(int folder, const char *from, int to_folder, const char *to) {
    return path_fails(NAME, to_folder, to) ? -1 : syscall(SYS_renameat2, folder, from, to_folder, to, 0);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
int linkat(int folder, const char *from, int to_folder, const char *to, int flags) {
    return path_fails(NAME, to_folder, to) ? -1 : syscall(SYS_linkat, folder, from, to_folder, to, flags);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int unlinkat(int folder, const char *path, int flags) {
    return path_fails(UNLINK, folder, path) ? -1 : syscall(SYS_unlinkat, folder, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
