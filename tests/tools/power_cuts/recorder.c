/*
 * Records which bytes and names a program has made durable, so that a power cut can be simulated afterwards.
 *
 * Preload it (LD_PRELOAD) into a program. It reads two environment variables:
 *   POWER_CUTS_FOLDER   the folder whose files are recorded: an absolute path without symbolic links
 *   POWER_CUTS_RECORD   the file that the record is appended to
 *
 * The record is one append-only file. disk.py replays it and lays out the disk state after the cut. Each entry is a
 * `struct head` and a payload, and is written by one system call. A SIGKILL can tear the last entry only.
 *
 * A sync has two entries. STAGE is written before the system call and holds the bytes changed since the previous sync.
 * COMMIT is written after the system call has succeeded and before the program sees the result. Therefore:
 *   - a write that begins after the sync began is not part of it, even if the sync has not returned yet;
 *   - an acknowledgement sent after a sync implies that the record has its COMMIT.
 * A sync that fails has a DROP instead: Linux marks the bytes as written all the same, so no later sync writes them.
 * Changes of names are recorded in their order, under one lock.
 *
 * Calls that are not listed here (mmap, pwritev, io_uring, raw system calls) go unseen. An unseen write or sync makes
 * the simulated disk hold less than the real one, and an unseen change of a name is found by power_cuts.py. Both make
 * the test fail; neither makes it pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    FOUND = 1,    /* a file that existed at the start is opened: number, path */
    CREATE,       /* number, path */
    FOLDER,       /* path */
    RENAME,       /* path, path */
    LINK,         /* path, path */
    UNLINK,       /* path, of a file or an empty folder */
    TRUNCATE,     /* number, size */
    STAGE,        /* number, sync, size, at, bytes: a part of a sync of a file */
    ZEROS,        /* number, sync, size, at, length: the same, all of them zero */
    FOLDER_STAGE, /* sync, path */
    COMMIT,       /* sync */
    DROP,         /* sync: it failed, and the kernel has dropped the bytes */
};

/* `durable_names`: the first so many changes of names are durable on ext4 once this sync is. */
struct head {
    uint32_t kind, length;
    uint64_t number, sync, size, at, durable_names;
};

/* One regular file. Bytes `low` to `high` have changed since its last sync. */
struct file {
    struct file *next;
    dev_t device;
    ino_t inode;
    uint64_t number, low, high, size, resized_at, renamed_at;
};

#define BUCKETS 1024
#define PIECE 65536
static struct file *files[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static int out = -1;
static uint64_t names, numbers, syncs; /* how many changes of names, files and syncs there were */

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("POWER_CUTS_FOLDER"), *record = getenv("POWER_CUTS_RECORD");
    if (!folder || !record) return;
    out = syscall(SYS_openat, AT_FDCWD, record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(root, sizeof root, "%s/", folder);
}

static void append(struct head head, const void *payload, uint32_t length) {
    head.length = length;
    struct iovec parts[] = {{&head, sizeof head}, {(void *)payload, length}};
    if (syscall(SYS_writev, out, parts, 2) != (long)(sizeof head + length)) {
        dprintf(2, "power_cuts recorder: the record cannot be written: %s\n", strerror(errno));
        abort(); /* an incomplete record proves nothing */
    }
}

/* Finds the path of `path` below the root. Resolves symbolic links in its folder, not in its last part. */
static int inside(int folder, const char *path, char *relative) {
    char whole[2 * PATH_MAX], link[64], parent[PATH_MAX];
    int length = 0;
    if (out < 0 || !path || !*path) return 0;
    if (path[0] != '/') {
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        if ((length = readlink(link, whole, PATH_MAX - 1)) < 0) return 0;
        whole[length++] = '/';
    }
    snprintf(whole + length, PATH_MAX, "%s", path);
    for (length = strlen(whole); length > 1 && whole[length - 1] == '/'; length--) whole[length - 1] = 0;
    char *last = strrchr(whole, '/');
    *last++ = 0;
    if (!realpath(*whole ? whole : "/", parent)) return 0;
    length = strlen(root);
    if (strlen(parent) + strlen(last) + 2 > PATH_MAX) return 0;
    strcat(strcat(parent, "/"), last);
    if (strncmp(parent, root, length)) return 0;
    strcpy(relative, parent + length);
    return 1;
}

/* The place of a regular file in the table; NULL there if it is not recorded. The lock is held. */
static struct file **find(const struct stat *about) {
    struct file **at = &files[about->st_ino % BUCKETS];
    while (*at && ((*at)->inode != about->st_ino || (*at)->device != about->st_dev)) at = &(*at)->next;
    return at;
}

/* The file behind a descriptor if it is recorded. */
static struct file *behind(int descriptor) {
    struct stat about;
    if (out < 0 || fstat(descriptor, &about) || !S_ISREG(about.st_mode)) return NULL;
    pthread_mutex_lock(&lock);
    struct file *file = *find(&about);
    pthread_mutex_unlock(&lock);
    return file;
}

/* The place of a file whose only name is `path`. The lock is held. */
static struct file **only_name(int folder, const char *path) {
    struct stat about;
    if (fstatat(folder, path, &about, AT_SYMLINK_NOFOLLOW) || !S_ISREG(about.st_mode)) return NULL;
    struct file **at = find(&about);
    return *at && about.st_nlink == 1 ? at : NULL;
}

static void dirty(struct file *file, uint64_t low, uint64_t high) {
    if (low < file->low) file->low = low;
    if (high > file->high) file->high = high;
    if (high > file->size) file->size = high, file->resized_at = names;
}

static void truncated(struct file *file, uint64_t size) {
    append((struct head){.kind = TRUNCATE, .number = file->number, .size = size}, NULL, 0);
    names++;
    dirty(file, size < file->size ? size : file->size, size);
    file->size = size;
    file->resized_at = names;
}

/* -- Bytes --------------------------------------------------------------------------------------------------------- */

/* Runs `call`, which writes at `from`, and marks the bytes as changed after it: a sync that begins in between may lack
 * them, and the next sync has them. `from` -1: at the cursor or, with O_APPEND, at the end. */
#define WRITING(descriptor, from, call)                                                                                \
    struct file *file = behind(descriptor);                                                                            \
    if (!file) return call;                                                                                            \
    off_t low = (from) >= 0 ? (from) : cursor(descriptor);                                                             \
    ssize_t done = call;                                                                                               \
    int error = errno;                                                                                                 \
    pthread_mutex_lock(&lock);                                                                                         \
    if (done > 0) dirty(file, low, (from) >= 0 ? low + done : lseek(descriptor, 0, SEEK_CUR));                         \
    pthread_mutex_unlock(&lock);                                                                                       \
    errno = error;                                                                                                     \
    return done

static off_t cursor(int descriptor) {
    struct stat about;
    if (fcntl(descriptor, F_GETFL) & O_APPEND) return fstat(descriptor, &about) ? 0 : about.st_size;
    return lseek(descriptor, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t count) {
    WRITING(fd, (off_t)-1, syscall(SYS_write, fd, data, count));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    WRITING(fd, (off_t)-1, syscall(SYS_writev, fd, parts, count));
}
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    WRITING(fd, at, syscall(SYS_pwrite64, fd, data, count, at));
}
ssize_t pwrite(int fd, const void *data, size_t count, off_t at) { return pwrite64(fd, data, count, at); }
ssize_t copy_file_range(int in, off64_t *from, int to, off64_t *at, size_t count, unsigned flags) {
    WRITING(to, at ? *at : (off_t)-1, syscall(SYS_copy_file_range, in, from, to, at, count, flags));
}

int ftruncate64(int fd, off64_t size) {
    struct file *file = behind(fd);
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_ftruncate, fd, size), error = errno;
    if (file && !result) truncated(file, size);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* -- Syncs --------------------------------------------------------------------------------------------------------- */

/* Records the bytes that have changed since the last sync; runs of zeros as their length. The lock is held. */
static void stage(struct file *file, int fd, struct head head) {
    static char piece[PIECE];
    int source = fd, own = -1;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        source = own = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    }
    uint64_t end = file->high < file->size ? file->high : file->size;
    while (file->low < end) {
        ssize_t read = pread(source, piece, end - file->low < PIECE ? end - file->low : PIECE, file->low);
        if (read <= 0) break; /* the simulated disk lacks the rest */
        head.at = file->low;
        if (!piece[0] && !memcmp(piece, piece + 1, read - 1)) {
            head.kind = ZEROS;
            uint64_t length = read;
            append(head, &length, sizeof length);
        } else {
            head.kind = STAGE;
            append(head, piece, read);
        }
        file->low += read;
    }
    head.kind = STAGE; /* the new size, also where no byte has changed */
    head.at = head.size;
    append(head, NULL, 0);
    file->low = UINT64_MAX;
    file->high = 0;
    if (own >= 0) close(own);
}

/* The sync of the next library, which may be one that injects faults. */
static int next_sync(int fd, const char *name) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return next(fd);
}

static int sync_and_record(int fd, const char *call) {
    struct stat about;
    char link[64], path[PATH_MAX];
    ssize_t length = strlen(root);
    if (out < 0 || fstat(fd, &about)) return next_sync(fd, call);
    struct head head = {0};
    pthread_mutex_lock(&lock);
    if (S_ISDIR(about.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(link, path, sizeof path - 1);
        path[got < 0 ? 0 : got] = 0;
        if (!strncmp(path, root, length - 1) && (path[length - 1] == '/' || !path[length - 1])) {
            head = (struct head){.kind = FOLDER_STAGE, .sync = ++syncs};
            const char *relative = path[length - 1] ? path + length : "";
            append(head, relative, strlen(relative));
        }
    } else {
        struct file *file = S_ISREG(about.st_mode) ? *find(&about) : NULL;
        if (file) {
            /* fdatasync commits a new size and a new file, and not a new name of an old one. */
            head = (struct head){.number = file->number, .sync = ++syncs, .size = file->size};
            head.durable_names = file->resized_at;
            if (!strcmp(call, "fsync") && file->renamed_at > file->resized_at) head.durable_names = file->renamed_at;
            stage(file, fd, head);
        }
    }
    pthread_mutex_unlock(&lock);
    int result = next_sync(fd, call), error = errno;
    if (head.sync) {
        head.kind = result ? DROP : COMMIT;
        pthread_mutex_lock(&lock);
        append(head, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return result;
}
int fsync(int fd) { return sync_and_record(fd, "fsync"); }
int fdatasync(int fd) { return sync_and_record(fd, "fdatasync"); }

/* -- Names --------------------------------------------------------------------------------------------------------- */

static int open_and_record(int folder, const char *path, int flags, mode_t mode) {
    char name[PATH_MAX];
    struct stat about;
    int changes = (flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY;
    if (!changes || !inside(folder, path, name)) return syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    int existed = !fstatat(folder, path, &about, 0);
    uint64_t size = existed ? about.st_size : 0;
    int fd = syscall(SYS_openat, folder, path, flags, mode), error = errno;
    if (fd >= 0 && !fstat(fd, &about) && S_ISREG(about.st_mode)) {
        struct file *file = *find(&about);
        if (!file) {
            struct file **first = &files[about.st_ino % BUCKETS];
            file = calloc(1, sizeof *file);
            *file = (struct file){.next = *first, .device = about.st_dev, .inode = about.st_ino, .size = size};
            file->number = ++numbers;
            file->low = UINT64_MAX;
            *first = file;
            append((struct head){.kind = existed ? FOUND : CREATE, .number = file->number}, name, strlen(name));
            if (!existed) file->resized_at = ++names;
        }
        if (flags & O_TRUNC && size) truncated(file, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}
#define HERE AT_FDCWD
#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & O_CREAT) {                                                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
int open(const char *path, int flags, ...) { MODE(flags) return open_and_record(HERE, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_and_record(HERE, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_and_record(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_and_record(at, path, flags, mode); }

/* Changes a name and records the change if it succeeds. `value`: the mode of a folder, or the flags of the call. */
static int change_name(enum kind kind, int folder, const char *path, int to_folder, const char *to, unsigned value) {
    struct file **lost = NULL;
    char both[2 * PATH_MAX];
    int recorded = inside(folder, path, both), length = recorded ? strlen(both) : 0;
    if (recorded && to) {
        recorded = inside(to_folder, to, both + length + 1);
        length += 1 + (recorded ? strlen(both + length + 1) : 0);
    }
    pthread_mutex_lock(&lock);
    /* The file that loses its last name is forgotten, because its inode number may be used again. */
    if (recorded && kind == UNLINK) lost = only_name(folder, path);
    if (recorded && kind == RENAME) lost = only_name(to_folder, to);
    int result = kind == FOLDER   ? syscall(SYS_mkdirat, folder, path, value)
                 : kind == UNLINK ? syscall(SYS_unlinkat, folder, path, value)
                 : kind == RENAME ? syscall(SYS_renameat2, folder, path, to_folder, to, value)
                                  : syscall(SYS_linkat, folder, path, to_folder, to, value);
    int error = errno;
    if (recorded && !result) {
        append((struct head){.kind = kind}, both, length);
        names++;
        if (lost) *lost = (*lost)->next; /* not freed: it is small, and another thread may be writing to it */
        struct stat about;
        struct file *file = kind == RENAME && !fstatat(to_folder, to, &about, 0) ? *find(&about) : NULL;
        if (file) file->renamed_at = names;
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int mkdir(const char *path, mode_t mode) { return change_name(FOLDER, HERE, path, 0, NULL, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return change_name(FOLDER, folder, path, 0, NULL, mode); }
int unlink(const char *path) { return change_name(UNLINK, HERE, path, 0, NULL, 0); }
int rmdir(const char *path) { return change_name(UNLINK, HERE, path, 0, NULL, AT_REMOVEDIR); }
int unlinkat(int folder, const char *path, int flags) { return change_name(UNLINK, folder, path, 0, NULL, flags); }
int rename(const char *from, const char *to) { return change_name(RENAME, HERE, from, HERE, to, 0); }
int renameat(int folder, const char *from, int to_folder, const char *to) {
    return change_name(RENAME, folder, from, to_folder, to, 0);
}
int link(const char *from, const char *to) { return change_name(LINK, HERE, from, HERE, to, 0); }
int linkat(int folder, const char *from, int to_folder, const char *to, int flags) {
    return change_name(LINK, folder, from, to_folder, to, flags);
}
